//! Muxing: packets to CMAF chunks. Frames go in in decoding order and come out whole and unchanged; no frame waits for another
//! (unless whole GOPs are asked for).

mod muxer;
mod options;
mod output;
mod timing;
mod track_muxer;

pub use muxer::Muxer;
pub use options::{Fragment, MuxOptions};
pub use output::Output;
