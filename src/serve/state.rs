//! What all shards share: the streams, the rules, the places for viewers.

use super::http::origin::Policy;
use super::live::stream::Stream;
use super::stats::viewers::ViewerRegistry;
use std::sync::Arc;

pub struct ServerState {
    pub streams: Vec<Arc<Stream>>,
    pub policy: Policy,
    pub viewers: Arc<ViewerRegistry>,
}

impl ServerState {
    pub fn find(&self, name: &str) -> Option<usize> {
        self.streams.iter().position(|s| s.name == name)
    }
}
