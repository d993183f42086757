//! Where pictures and audio come from. A source makes [`crate::media::Event`]s and does not know where they go. A program opens one by
//! its URL or path ([`open`]) and asks for its events ([`Source`]), whatever its kind.
//!
//! | module | source |
//! |---|---|
//! | [`pattern`] | the test picture with its machine-readable clock, and a beep each second |
//! | `pictures` | picture files, and directories of them that may grow |
//! | `stream` | recordings in files, and streams from pipes; a program says how their bytes become events ([`input`]) |
//! | `camera`, `v4l2` | a Linux camera, alone or with a microphone |
//! | `microphone`, `alsa` | a Linux microphone |
//! | `http` | a camera or a stream over HTTP or WebSocket |
//! | `rtsp` | a network camera, with TLS or without |
//! | `onvif` | a network camera that says itself where its stream is |
//!
//! `registry` knows them all. They share these modules: `pace` and `paced` play in real time; `looper` plays again without a jump in time;
//! [`mp4`] reads files whose index stands at their end; `black` has pictures in place of those of a camera that is away; `joined` makes one source of several, whose times have one `clock`; `uevent` says
//! when a device comes or goes.

#[cfg(all(target_os = "linux", feature = "alsa"))]
pub mod alsa;
mod api;
#[cfg_attr(not(any(feature = "http", feature = "rtsp")), allow(dead_code, reason = "only a source over a network gets another track"))]
mod black;
mod camera;
#[cfg(any(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")), feature = "network"))]
mod clock;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod clocked;
#[cfg(any(all(target_os = "linux", feature = "v4l2"), feature = "rtsp"))]
mod coded;
mod error;
#[cfg(feature = "http")]
mod http;
pub mod input;
#[cfg(all(target_os = "linux", feature = "v4l2"))]
mod join;
#[cfg(all(target_os = "linux", feature = "v4l2"))]
mod joined;
mod kind;
mod looper;
mod loss;
mod microphone;
mod mkv;
pub mod mp4;
#[cfg(feature = "network")]
pub mod network;
#[cfg(feature = "onvif")]
pub mod onvif;
mod options;
mod pace;
mod paced;
pub mod pattern;
mod pictures;
mod registry;
#[cfg(any(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")), feature = "network"))]
mod retry;
#[cfg(feature = "rtsp")]
mod rtsp;
mod stream;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod sysfs;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod uevent;
#[cfg(all(target_os = "linux", feature = "v4l2"))]
pub mod v4l2;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod wait;

pub use api::{Captured, ControlError, Controls, Count, Limit, Poll, Source};
pub use black::EncodePictures;
pub use error::Error;
pub use kind::{Kind, Open, Scheme, Setting};
pub use loss::OnLoss;
pub use options::Options;
pub use pace::Pace;
pub use registry::{Found, find, open};

#[cfg(all(feature = "http", feature = "testing"))]
pub use http::testing;
