//! Bytes in, events out, and back: what stands between a stage and its stdin and stdout.
//!
//! - [`Reader`] takes any format that [`InputFormat`] names from anything that implements [`std::io::Read`]: it sniffs
//!   the format within 64 KiB, then turns bytes into [`crate::media::Event`]s, holding none back;
//! - [`Writer`] writes events as live Matroska, one `writev` a frame; [`Outlet`] is a `Writer` that also knows what to do
//!   when the next stage is slower than the camera; [`Backlog`] is the same at the front of a stage that is slow itself;
//! - [`stdio`] opens stdin and stdout: unbuffered, and never a terminal.
//!
//! It opens no files and knows no protocol of the network: that is `source`'s job.

mod backlog;
mod bursts;
mod error;
mod feed;
mod outlet;
mod reader;
mod sniff;
pub mod stdio;
mod writer;
mod zero;

pub use backlog::Backlog;
pub use bursts::{Bursts, Finding};
pub use error::Error;
pub use outlet::Outlet;
pub use reader::{Reader, ReaderOptions, Said};
pub use sniff::{InputFormat, Sniffed, sniff};
pub use writer::Writer;
