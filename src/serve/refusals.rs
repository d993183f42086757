//! What is refused because a limit is reached: counted, and said now and then.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So often at most each of them is said.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(30);

/// A limit that can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Connections, in all.
    Connections,
    /// Connections of one address.
    AddressConnections,
    /// Descriptors of the system.
    Files,
    /// Requests of one address in a second.
    Requests,
    /// Viewers, in all.
    Viewers,
    /// Viewers of one stream.
    StreamViewers,
    /// Viewers that are one user.
    UserViewers,
    /// Requests of HLS that wait.
    Waiting,
    /// Streams that clients send.
    Publishers,
}

/// All of them, each at the place of its number.
pub(crate) const LIMITS: [Limit; 9] = [
    Limit::Connections,
    Limit::AddressConnections,
    Limit::Files,
    Limit::Requests,
    Limit::Viewers,
    Limit::StreamViewers,
    Limit::UserViewers,
    Limit::Waiting,
    Limit::Publishers,
];

impl Limit {
    /// For the client and for the log.
    pub(crate) fn reached(self) -> &'static str {
        match self {
            Limit::Connections => "all connections are taken",
            Limit::AddressConnections => "all connections of this address are taken",
            Limit::Files => "too many open files",
            Limit::Requests => "too many requests from this address",
            Limit::Viewers => "all places are taken",
            Limit::StreamViewers => "all places of this stream are taken",
            Limit::UserViewers => "all places of this user are taken",
            Limit::Waiting => "too many requests wait",
            Limit::Publishers => "as many streams are published as may be",
        }
    }

    /// For the label of a metric.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Connections => "connections",
            Limit::AddressConnections => "address_connections",
            Limit::Files => "open_files",
            Limit::Requests => "requests",
            Limit::Viewers => "viewers",
            Limit::StreamViewers => "stream_viewers",
            Limit::UserViewers => "user_viewers",
            Limit::Waiting => "waiting",
            Limit::Publishers => "publishers",
        }
    }
}

/// How often each limit was reached.
#[derive(Debug, Default)]
pub struct Refusals([Refused; LIMITS.len()]);

#[derive(Debug, Default)]
struct Refused {
    count: AtomicU64,
    said: Mutex<Option<Instant>>,
}

impl Refusals {
    /// Somebody was refused. It is said at once, and then with the number of those since.
    pub(crate) fn note(&self, limit: Limit) {
        let refused = &self.0[limit as usize];
        let count = refused.count.fetch_add(1, Relaxed) + 1;
        let mut said = refused.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if said.is_none_or(|said| now - said >= BETWEEN_WARNINGS) {
            *said = Some(now);
            let what = match limit {
                Limit::Connections | Limit::AddressConnections | Limit::Files => "connections",
                Limit::Requests | Limit::Waiting => "requests",
                Limit::Viewers | Limit::StreamViewers | Limit::UserViewers => "viewers",
                Limit::Publishers => "publishers",
            };
            tracing::warn!("{what} are refused: {}; {count} so far", limit.reached());
        }
    }

    /// So often since the start.
    pub fn count(&self, limit: Limit) -> u64 {
        self.0[limit as usize].count.load(Relaxed)
    }

    /// Each limit.
    pub fn limits(&self) -> impl Iterator<Item = Limit> + use<> {
        LIMITS.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_place_of_its_own() {
        for (place, limit) in LIMITS.into_iter().enumerate() {
            assert_eq!(place, limit as usize);
        }
        let refusals = Refusals::default();
        refusals.note(Limit::Requests);
        refusals.note(Limit::Requests);
        assert_eq!(LIMITS.map(|limit| refusals.count(limit)), [0, 0, 0, 2, 0, 0, 0, 0, 0]);
    }
}
