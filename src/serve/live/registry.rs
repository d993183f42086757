//! The streams that there are, by name. Streams come and go while the server runs; a name that is looked up is looked up here.

use super::stream::{State, Stream};
use super::update::{ShardMessage, StreamUpdate};
use crate::serve::inbox::ShardSender;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The longest name of a stream, in bytes.
const MAX_NAME: usize = 64;

/// The streams of a server. Clones are handles to the same registry, for any thread; they may outlive the server.
#[derive(Clone, Debug)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    streams: Mutex<HashMap<String, Arc<Stream>>>,
    limit: usize,
    shards: Vec<ShardSender>,
    /// What the ring of each stream keeps, in bytes.
    ring: usize,
}

/// The stream cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The name would not do in an address, or is that of a route.
    #[error("{0:?} cannot be the name of a stream: use letters, digits, - and _")]
    Name(String),
    /// A publisher has a stream of this name.
    #[error("there is a stream {0:?} already")]
    Taken(String),
    /// There are as many streams as there may be: [`Options::max_streams`](crate::serve::Options::max_streams).
    #[error("there are {0} streams, and no more are allowed")]
    Full(usize),
}

impl Registry {
    /// For at most `limit` streams, of which each shard keeps `ring` bytes.
    pub(crate) fn new(limit: usize, ring: usize, shards: Vec<ShardSender>) -> Registry {
        Registry(Arc::new(Inner { streams: Mutex::default(), limit, shards, ring }))
    }

    /// Whether a stream may have this name: 1 to 64 letters, digits, `-` and `_`, and not `api`.
    pub fn allows(name: &str) -> bool {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain) && name != "api"
    }

    /// The stream of this name, if there is one now.
    pub fn find(&self, name: &str) -> Option<Arc<Stream>> {
        self.lock().get(name).cloned()
    }

    /// All streams that there are now, in the order in which they were published.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        let mut streams: Vec<_> = self.lock().values().cloned().collect();
        streams.sort_unstable_by_key(|stream| stream.id());
        streams
    }

    /// The stream, if there is exactly one.
    pub(crate) fn only(&self) -> Option<Arc<Stream>> {
        let streams = self.lock();
        streams.values().next().filter(|_| streams.len() == 1).cloned()
    }

    pub(crate) fn shards(&self) -> &[ShardSender] {
        &self.0.shards
    }

    pub(super) fn ring(&self) -> usize {
        self.0.ring
    }

    /// A new stream of this name. It takes the place of one that has ended.
    pub(super) fn add(&self, name: &str) -> Result<Arc<Stream>, PublishError> {
        if !Registry::allows(name) {
            return Err(PublishError::Name(name.into()));
        }
        let mut streams = self.lock();
        let ended = match streams.get(name) {
            Some(stream) if stream.state() != State::Ended => return Err(PublishError::Taken(name.into())),
            None if streams.len() >= self.0.limit => return Err(PublishError::Full(streams.len())),
            ended => ended.cloned(),
        };
        let stream = Arc::new(Stream::new(name.into()));
        streams.insert(name.into(), stream.clone());
        drop(streams);
        if let Some(ended) = ended {
            self.withdraw(&ended);
        }
        Ok(stream)
    }

    /// Takes the stream out, and has its rings given back. One that has the name by now stays.
    pub(super) fn remove(&self, stream: &Arc<Stream>) {
        let mut streams = self.lock();
        if streams.get(&stream.name).is_some_and(|found| found.id() == stream.id()) {
            streams.remove(&stream.name);
        }
        drop(streams);
        self.withdraw(stream);
    }

    fn withdraw(&self, stream: &Arc<Stream>) {
        stream.set_withdrawn();
        for shard in &self.0.shards {
            // A shard that takes no message has ended, and its rings with it.
            _ = shard.send(ShardMessage { stream: stream.clone(), update: StreamUpdate::Withdrawn });
        }
    }

    /// A poisoned lock only means that another thread died while it looked.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Stream>>> {
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for fine in ["a", "front-door_2", &"x".repeat(64)] {
            assert!(Registry::allows(fine), "{fine}");
        }
        for wrong in ["", "api", "a.b", "a/b", "a b", "é", &"x".repeat(65)] {
            assert!(!Registry::allows(wrong), "{wrong}");
        }
    }

    #[test]
    fn streams_come_and_go() {
        let registry = Registry::new(2, 1 << 20, vec![]);
        let [b, a] = ["b", "a"].map(|name| registry.add(name).unwrap());
        assert_eq!(registry.streams().iter().map(|s| s.name.clone()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(registry.add("a").unwrap_err(), PublishError::Taken("a".into()));
        assert_eq!(registry.add("c").unwrap_err(), PublishError::Full(2));
        assert_eq!(registry.add("a.b").unwrap_err(), PublishError::Name("a.b".into()));
        assert!(registry.only().is_none() && registry.find("c").is_none());
        registry.remove(&b);
        assert!(b.is_withdrawn() && registry.find("b").is_none());
        assert_eq!(registry.only().map(|s| s.id()), Some(a.id()));
    }

    #[test]
    fn a_name_is_another_stream_s_later() {
        let registry = Registry::new(1, 1 << 20, vec![]);
        let first = registry.add("a").unwrap();
        first.set_state(State::Ended);
        let second = registry.add("a").unwrap();
        assert!(first.is_withdrawn() && first.id() != second.id());
        registry.remove(&first);
        assert_eq!(registry.find("a").map(|s| s.id()), Some(second.id()));
    }
}
