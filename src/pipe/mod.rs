//! Bytes in, events out, and back: the parts between a stage and its stdin and stdout.
//!
//! - [`Reader`] takes any format that [`InputFormat`] names from anything that implements [`std::io::Read`]: it sniffs
//!   the format within 64 KiB, then turns bytes into [`crate::media::Event`]s, holding none back;
//! - [`Writer`] writes events as live Matroska, one `writev` a frame; [`VectoredWriter`] writes what is in the output's format already;
//! - [`OutputQueue`] stands before either of them, and knows what to do when the next stage is slower than the camera;
//!   [`InputQueue`] is the same at the front of a stage that is slow itself;
//! - [`stdio`] opens stdin and stdout: unbuffered, and never a terminal.
//!
//! It opens no files and knows no protocol of the network: that is `source`'s job.

mod arrival_clock;
mod burst_detector;
mod error;
mod events;
mod foreign_format;
mod input_buffer;
mod input_format;
mod input_queue;
mod named_output;
mod omission_log;
mod output_queue;
mod queue;
mod reader;
mod sniff;
pub mod stdio;
#[cfg(test)]
mod testing;
mod track_normalizer;
mod vectored_writer;
mod writer;
mod zero;

pub use burst_detector::{BurstDetector, BurstFinding};
pub use error::Error;
pub use input_format::InputFormat;
pub use input_queue::InputQueue;
pub use named_output::{Progress, WriteNow};
pub use omission_log::OmissionLog;
pub use output_queue::{OutputQueue, Sink};
pub use reader::{Reader, ReaderOptions};
pub use sniff::{Sniffed, sniff};
pub use vectored_writer::VectoredWriter;
pub use writer::Writer;
