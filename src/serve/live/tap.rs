//! What a program does with a stream besides serving it, such as recording it: it is given everything that is published, as it is published.

use crate::format::bmff::{Chunk, Init};
use bytes::Bytes;

/// Is told of one stream, by the thread that publishes it. It must not wait: viewers would.
pub trait Tap: Send {
    /// A new init segment, to which the chunks that follow belong.
    fn init(&mut self, init: &Init);

    /// A chunk, and all of its bytes: those of the ring, not a copy. While they are held they are memory of the ring.
    fn chunk(&mut self, chunk: &Chunk, bytes: Bytes);

    /// A JPEG picture was published.
    fn picture(&mut self) {}

    /// The writer has gone; another may come.
    fn away(&mut self) {}
}
