//! Bytes in, events out, and back: what stands between a stage and its stdin and stdout.
//!
//! - [`Reader`] takes any format that [`InputFormat`] names from anything that implements [`std::io::Read`]: it sniffs
//!   the format within 64 KiB, then turns bytes into [`crate::media::Event`]s, holding none back;
//! - [`Writer`] writes events as live Matroska, one `writev` a frame; [`PieceWriter`] writes what is in the output's format already;
//! - [`OutputQueue`] stands before either of them, and knows what to do when the next stage is slower than the camera;
//!   [`InputQueue`] is the same at the front of a stage that is slow itself;
//! - [`stdio`] opens stdin and stdout: unbuffered, and never a terminal.
//!
//! It opens no files and knows no protocol of the network: that is `source`'s job.

mod bursts;
mod error;
mod events;
mod input_buffer;
mod input_queue;
mod output_queue;
mod piece_writer;
mod queue;
mod reader;
mod sniff;
pub mod stdio;
mod writer;
mod zero;

pub use bursts::{Bursts, Finding};
pub use error::Error;
pub use input_queue::InputQueue;
pub use output_queue::{OutputQueue, Sink};
pub use piece_writer::PieceWriter;
pub use reader::{Reader, ReaderOptions, Said};
pub use sniff::{InputFormat, Sniffed, sniff};
pub use writer::Writer;
