//! What was before, on the live WebSocket: the frames that were live, at the right moment, without a seam.

mod limits;
mod moments;
mod speeds;
pub mod viewer;
