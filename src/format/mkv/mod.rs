//! Matroska (RFC 9559) and WebM: the live profile that every stage writes, and a reader for what the rest of the world writes.
//!
//! It does not seek, and does not write files to be sought in: no Cues, no Durations.

mod assembler;
mod blocks;
mod entry;
mod pictures;
mod reader;
mod schema;
mod segment;
mod shape;
#[cfg(test)]
mod tests;
mod tracks;
mod writer;

pub use reader::Demuxer;
pub use writer::{ClusterPrefix, cluster_prefix, stored_time, time_zero, write_header};

/// The format's name in errors.
const FORMAT: &str = "Matroska";
