//! Muxing: packets to CMAF chunks. Frames go in in decoding order and come out whole and unchanged; no frame waits for another
//! (unless whole GOPs are asked for).

mod muxer;
mod output;
mod timing;

pub use muxer::{Fragment, MuxOptions, Muxer};
pub use output::Output;
