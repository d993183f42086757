//! What changes in a stream, on its way from its publisher to every shard.

use super::init_segment::InitSegment;
use super::ring::Chunk;
use crossbeam_channel::Sender;
use std::sync::Arc;
use tokio::sync::Notify;

/// So many chunks may wait for a shard; then the input waits, and its own writer sees it.
pub(crate) const INBOX: usize = 256;

/// What a publisher tells every shard.
#[derive(Clone, Debug)]
pub struct ShardMessage {
    pub stream: usize,
    pub update: StreamUpdate,
}

#[derive(Clone, Debug)]
pub enum StreamUpdate {
    Init(Arc<InitSegment>),
    Chunk(Arc<Chunk>),
    /// No more chunks will come.
    End,
}

/// A shard, as a publisher sees it: its inbox, and what wakes it.
#[derive(Clone, Debug)]
pub struct ShardSender {
    pub inbox: Sender<ShardMessage>,
    pub wake: Arc<Notify>,
}
