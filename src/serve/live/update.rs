//! What changes in a stream, on its way from its publisher to every shard.

use super::init_segment::Movie;
use super::ring::Chunk;
use crossbeam_channel::Sender;
use std::sync::Arc;
use tokio::sync::Notify;

/// So many chunks may wait for a shard; then the input waits, and its own writer sees it.
pub(crate) const INBOX: usize = 256;

/// What a publisher tells every shard.
#[derive(Clone, Debug)]
pub struct Publication {
    pub stream: usize,
    pub news: News,
}

#[derive(Clone, Debug)]
pub enum News {
    Movie(Arc<Movie>),
    Chunk(Arc<Chunk>),
    /// No more chunks will come.
    End,
}

/// A shard, as seen by publishers: its inbox, and its bell.
#[derive(Clone, Debug)]
pub struct Outlet {
    pub inbox: Sender<Publication>,
    pub wake: Arc<Notify>,
}
