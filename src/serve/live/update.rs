//! What changes in a stream, on its way from its publisher to every shard.

use super::init_segment::InitSegment;
use super::ring::Entry;
use super::stream::Stream;
use crossbeam_channel::{Receiver, SendError, Sender, bounded};
use std::sync::Arc;
use tokio::sync::Notify;

/// So many chunks may wait for a shard; then the input waits, and its own writer sees it.
pub(crate) const INBOX: usize = 256;

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

/// A shard, as a publisher sees it: its inbox, and what wakes it.
#[derive(Clone, Debug)]
pub struct ShardSender {
    messages: Sender<ShardMessage>,
    wake: Arc<Notify>,
}

/// The other end: what a shard's hub receives, and what wakes it.
#[derive(Debug)]
pub struct ShardInbox {
    pub messages: Receiver<ShardMessage>,
    /// Also for what the hub wakes itself by.
    pub wake: Arc<Notify>,
}

impl ShardSender {
    /// The way to a shard, and its end there.
    pub fn new() -> (ShardSender, ShardInbox) {
        let ((sender, messages), wake) = (bounded(INBOX), Arc::<Notify>::default());
        (ShardSender { messages: sender, wake: wake.clone() }, ShardInbox { messages, wake })
    }

    /// Waits while the shard does not keep up.
    ///
    /// # Errors
    /// The shard has ended.
    pub fn send(&self, message: ShardMessage) -> Result<(), SendError<ShardMessage>> {
        self.messages.send(message)?;
        self.wake.notify_one();
        Ok(())
    }
}
