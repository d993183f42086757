//! Where pictures and sound come from, one file per source. A source makes [`crate::media::Event`]s and refuses to know where they go.
//!
//! | module | source |
//! |---|---|
//! | [`pattern`] | the test picture with its machine-readable clock, and a beep each second |
//! | [`pictures`] | picture files, and directories of them that may grow |
//! | [`v4l2`] | a Linux camera |
//! | [`alsa`] | a Linux microphone |
//! | [`uevent`] | the kernel's word when a device comes or goes |
//!
//! Recordings, in files or on stdin, are read by the pipe's reader. What they need besides is here: [`pace`] plays them in real time,
//! [`looper`] plays them again without a jump in time, [`mp4`] reads files whose index stands at their end. [`join`] makes one stream of a
//! camera and a microphone, whose times have one [`clock`].

#[cfg(all(target_os = "linux", feature = "alsa"))]
pub mod alsa;
pub mod clock;
mod error;
pub mod join;
pub mod looper;
mod mkv;
pub mod mp4;
pub mod pace;
pub mod pattern;
pub mod pictures;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod place;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod retry;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
pub mod uevent;
#[cfg(all(target_os = "linux", feature = "v4l2"))]
pub mod v4l2;
#[cfg(all(target_os = "linux", any(feature = "v4l2", feature = "alsa")))]
mod wait;

pub use error::Error;
