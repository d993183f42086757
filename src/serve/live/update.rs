//! What changes in a stream, on its way from its publisher to every shard.

use super::init_segment::InitSegment;
use super::ring::Entry;
use super::stream::Stream;
use std::sync::Arc;

/// What a publisher tells every shard.
#[derive(Clone, Debug)]
pub struct ShardMessage {
    pub stream: Arc<Stream>,
    pub update: StreamUpdate,
}

#[derive(Clone, Debug)]
pub enum StreamUpdate {
    Init(Arc<InitSegment>),
    Chunk(Arc<Entry>),
    /// No more chunks will come.
    End,
    /// The stream has left the registry, and its ring is to be given back.
    Withdrawn,
    /// As by a mistake of ours.
    #[cfg(test)]
    Panic,
}
