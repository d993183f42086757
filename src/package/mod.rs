//! A stream as HLS files, for what serves files: a folder that a web server shows, or a store that takes them by HTTP PUT.
//!
//! [`Packager`] is pure: init segments and chunks in, [`Operation`]s out. [`Publisher`] carries them out on a thread of its own, in their order, at a
//! [`Store`]. Segments, names and numbers are those of [`crate::format::hls`], so they are the same as h5serve's.
//!
//! There are no parts. Nothing lets a client wait for the next one where there are only files: players would ask for playlists five times a second,
//! and a store would be paid for ten files a second.
//!
//! # What always holds
//!
//! - A playlist is written after everything that it names, and the multivariant playlist after the playlists.
//! - Nothing is removed as long as a playlist in the store names it, or one that a client may still have.
//! - Who pushes is never held up by a store (but for [`Pace::Wait`]). What has left the window before the store took it is dropped and counted.

mod directory;
mod file;
mod packager;
mod publisher;
mod queue;
mod rendered;
#[cfg(test)]
mod tests;
#[cfg(feature = "publish")]
mod upload;

pub use directory::Directory;
pub use file::{File, Operation};
pub use packager::{PackageOptions, Packager};
pub use publisher::{Publisher, Report, Store, StoreError};
pub use queue::Pace;
#[cfg(feature = "publish")]
pub use upload::{Access, Target, Upload};
