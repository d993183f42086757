//! Where pictures and sound come from. A source makes [`crate::media::Event`]s and refuses to know where they go: a program opens one by
//! its URL or path ([`open`]) and asks for its events ([`Source`]), whatever its kind.
//!
//! | module | source |
//! |---|---|
//! | [`pattern`] | the test picture with its machine-readable clock, and a beep each second |
//! | [`pictures`] | picture files, and directories of them that may grow |
//! | [`stream`] | recordings in files, and streams from pipes; a program says how their bytes become events |
//! | [`camera`], [`v4l2`] | a Linux camera, alone or with a microphone |
//! | [`microphone`], [`alsa`] | a Linux microphone |
//!
//! [`registry`] knows them all. What they share: [`pace`] and [`paced`] play in real time, [`looper`] plays again without a jump in time,
//! [`mp4`] reads files whose index stands at their end, [`joined`] makes one source of several, whose times have one [`clock`], [`uevent`] is
//! the kernel's word when a device comes or goes.

#[cfg(all(target_os = "linux", feature = "alsa"))]
pub mod alsa;
mod api;
pub mod camera;
pub mod clock;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod clocked;
mod error;
pub mod input;
pub mod join;
pub mod joined;
mod kind;
pub mod looper;
mod loss;
pub mod microphone;
mod mkv;
pub mod mp4;
mod options;
pub mod pace;
pub mod paced;
pub mod pattern;
pub mod pictures;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod place;
pub mod registry;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod retry;
pub mod stream;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
pub mod uevent;
#[cfg(all(target_os = "linux", feature = "v4l2"))]
pub mod v4l2;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod wait;

pub use api::{Captured, ControlError, Controls, Count, Limit, Poll, Source};
pub use error::Error;
pub use kind::{Kind, Scheme, Setting};
pub use loss::OnLoss;
pub use options::Options;
pub use registry::{Found, find, open};
