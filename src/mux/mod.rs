//! Muxing: packets to CMAF chunks. Frames go in in decoding order and come out whole and unchanged; no frame waits for another
//! (unless whole GOPs are asked for).

mod muxer;
mod outlet;
mod timing;

pub use muxer::{Chunk, Fragment, MuxOptions, Muxer};
pub use outlet::{Outlet, TooSlow};

/// What to do when the next program does not keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Late {
    /// Wait, and let the source wait.
    #[default]
    Block,
    /// Drop the rest of the group of pictures, and count it.
    Drop,
    /// Fail with [`TooSlow`].
    Exit,
}
