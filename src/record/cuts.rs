//! Where recordings were cut before: one that is not written any more is cut the same way each time. A playlist that grows is asked for every few seconds.

use super::catalogue::Recording;
use super::name::Start;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// So many segments are kept in all: some megabytes.
const MOST: usize = 50_000;

/// A part of a recording that begins with a keyframe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSegment {
    /// Where it stands, in bytes.
    pub bytes: Range<u64>,
    /// When it begins, from the begin of the recording on.
    pub begin: Duration,
    /// How long it is.
    pub length: Duration,
}

/// Of which recording, and how long its segments are to be.
type Key = (String, Start, u64, Duration);

/// Shared by who asks.
#[derive(Debug, Default)]
pub struct Cuts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    known: HashMap<Key, Arc<[FileSegment]>>,
    /// The oldest first.
    order: VecDeque<Key>,
    segments: usize,
}

impl Cuts {
    /// Its segments, if they are known.
    pub fn find(&self, stream: &str, recording: &Recording, length: Duration) -> Option<Arc<[FileSegment]>> {
        let key = key(stream, recording, length)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.get(&key).cloned()
    }

    /// Keeps them, in place of the oldest.
    pub fn keep(&self, stream: &str, recording: &Recording, length: Duration, segments: &[FileSegment]) {
        let Some(key) = key(stream, recording, length).filter(|_| segments.len() <= MOST) else { return };
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.known.insert(key.clone(), segments.into()).is_some() {
            return;
        }
        // One without a segment counts too.
        inner.segments += segments.len().max(1);
        inner.order.push_back(key);
        while inner.segments > MOST {
            let Some(oldest) = inner.order.pop_front() else { break };
            let gone = inner.known.remove(&oldest).map_or(0, |segments| segments.len().max(1));
            inner.segments = inner.segments.saturating_sub(gone);
        }
    }
}

/// `None`: it is being written.
fn key(stream: &str, recording: &Recording, length: Duration) -> Option<Key> {
    (!recording.open).then(|| (stream.to_owned(), recording.start, recording.size, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::WallTime;

    #[test]
    fn what_is_kept_is_bounded() {
        let cuts = Cuts::default();
        let one = |n: i64, open| Recording { start: Start::at(WallTime(n * 1_000_000)), duration: Duration::ZERO, size: 1, open };
        let segment = FileSegment { bytes: 0..1, begin: Duration::ZERO, length: Duration::ZERO };
        let many = vec![segment; MOST / 4];
        let six = Duration::from_secs(6);
        (0..10).for_each(|n| cuts.keep("cam", &one(n, n == 9), six, &many));
        let known: Vec<_> = (0..10).map(|n| cuts.find("cam", &one(n, false), six).is_some()).collect();
        assert_eq!(known, [false, false, false, false, false, true, true, true, true, false]);
        assert!(cuts.find("cam", &one(8, true), six).is_none() && cuts.find("other", &one(8, false), six).is_none());
        assert!(cuts.find("cam", &one(8, false), Duration::ZERO).is_none());
    }
}
