//! What recordings there are of one stream, in memory: shared by who writes, who reads and who deletes.

use super::name::Start;
use crate::format::bmff::SyncPoint;
use crate::media::WallTime;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many recordings before a time are looked at: more do not overlap, since a clock that was set back does not make many.
const OVERLAPS: usize = 8;

/// One recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recording {
    /// When it begins, which is its name.
    pub start: Start,
    /// Of the main track.
    pub duration: Duration,
    /// In bytes, as far as they are whole.
    pub size: u64,
    /// It is being written.
    pub open: bool,
}

impl Recording {
    /// When it ends.
    pub fn end(&self) -> WallTime {
        WallTime(self.start.wall().0.saturating_add(i64::try_from(self.duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// The recordings of a stream. Clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    recordings: BTreeMap<Start, Recording>,
    /// How many read it.
    readers: HashMap<Start, usize>,
    /// Of the one that is being written.
    keys: Vec<SyncPoint>,
}

/// While it is held, the recording is not deleted.
#[derive(Debug)]
pub struct Lease {
    catalogue: Catalogue,
    /// Which it is.
    pub recording: Recording,
    /// Its keyframes, where it is being written and has no table at its end yet.
    pub keys: Option<Vec<SyncPoint>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut inner = self.catalogue.lock();
        if let Some(count) = inner.readers.get_mut(&self.recording.start) {
            *count -= 1;
            if *count == 0 {
                inner.readers.remove(&self.recording.start);
            }
        }
    }
}

impl Catalogue {
    /// All of them, the oldest first, and of each whether it is being written or read.
    pub fn all(&self) -> Vec<(Recording, bool)> {
        let inner = self.lock();
        inner.recordings.values().map(|one| (*one, one.open || inner.readers.contains_key(&one.start))).collect()
    }

    /// Those that have something of the time between these two, the oldest first.
    pub fn between(&self, from: WallTime, to: WallTime) -> Vec<Recording> {
        let inner = self.lock();
        inner.recordings.values().filter(|one| one.end() > from && one.start.wall() < to).copied().collect()
    }

    /// Holds what has something of the time between these two, up to `most` of them, the oldest first.
    pub fn lease(&self, from: WallTime, to: WallTime, most: usize) -> Vec<Lease> {
        let found = self.between(from, to);
        let mut inner = self.lock();
        let mut leases = Vec::new();
        for one in found.into_iter().take(most) {
            let Some(recording) = inner.recordings.get(&one.start).copied() else { continue };
            *inner.readers.entry(recording.start).or_default() += 1;
            let keys = recording.open.then(|| inner.keys.clone());
            leases.push(Lease { catalogue: self.clone(), recording, keys });
        }
        leases
    }

    /// What is known of one by now.
    pub fn get(&self, start: Start) -> Option<Recording> {
        self.lock().recordings.get(&start).copied()
    }

    /// Holds one. `None`: it is gone.
    pub fn hold(&self, start: Start) -> Option<Lease> {
        let mut inner = self.lock();
        let recording = inner.recordings.get(&start).copied()?;
        *inner.readers.entry(start).or_default() += 1;
        let keys = recording.open.then(|| inner.keys.clone());
        Some(Lease { catalogue: self.clone(), recording, keys })
    }

    /// The one that has this time; of two that claim it, as after a step of the clock, the one that began later.
    pub fn covering(&self, time: WallTime) -> Option<Start> {
        let inner = self.lock();
        let begun = inner.recordings.range(..=Start::at(time)).rev().filter(|(start, _)| start.wall() <= time);
        begun.take(OVERLAPS).find(|(_, one)| one.end() > time).map(|(start, _)| *start)
    }

    /// The first that begins at this time or behind it.
    pub fn after(&self, time: WallTime) -> Option<Start> {
        self.lock().recordings.range(Start::at(time)..).next().map(|(start, _)| *start)
    }

    /// The last that begins at this time or before it.
    pub fn before(&self, time: WallTime) -> Option<Start> {
        self.lock().recordings.range(..=Start::at(time)).rev().map(|(start, _)| *start).find(|start| start.wall() <= time)
    }

    /// The one that begins next.
    pub fn next(&self, start: Start) -> Option<Start> {
        self.lock().recordings.range(start.next()..).next().map(|(next, _)| *next).filter(|next| *next > start)
    }

    /// When the newest ends: the latest that any label says.
    pub fn end(&self) -> Option<WallTime> {
        // Labels do not overlap by more than a step of the clock: the last by its begin may end before another.
        self.lock().recordings.values().map(Recording::end).max()
    }

    /// There is one that begins at this moment.
    pub fn has(&self, start: Start) -> bool {
        self.lock().recordings.contains_key(&start)
    }

    /// There is one of the same day.
    pub fn has_of_day(&self, start: Start) -> bool {
        let (inner, day) = (self.lock(), start.day());
        let after = inner.recordings.range(start..).next();
        let before = inner.recordings.range(..start).next_back();
        after.into_iter().chain(before).any(|(one, _)| one.day() == day)
    }

    /// A new one, or what is known of one by now.
    pub fn put(&self, recording: Recording) {
        self.lock().recordings.insert(recording.start, recording);
    }

    /// The one that is being written has grown. `key`: it has one more keyframe.
    pub fn grown(&self, recording: Recording, key: Option<SyncPoint>) {
        let mut inner = self.lock();
        if inner.recordings.insert(recording.start, recording).is_none() {
            inner.keys.clear();
        }
        inner.keys.extend(key);
    }

    /// It is gone. `false`: somebody has begun to read it, and it stays.
    pub fn take(&self, start: Start) -> bool {
        let mut inner = self.lock();
        let free = !inner.readers.contains_key(&start) && inner.recordings.get(&start).is_none_or(|one| !one.open);
        if free {
            inner.recordings.remove(&start);
        }
        free
    }

    /// A poisoned lock only means that another thread died while it looked.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_not_taken() {
        let catalogue = Catalogue::default();
        let one = |seconds: i64, open| Recording {
            start: Start::at(WallTime(seconds * 1_000_000)),
            duration: Duration::from_secs(10),
            size: 1,
            open,
        };
        catalogue.put(one(0, false));
        catalogue.put(one(10, false));
        catalogue.grown(one(20, true), Some(SyncPoint { time: 1, moof: 2 }));
        let leases = catalogue.lease(WallTime(12_000_000), WallTime(25_000_000), 9);
        assert_eq!(leases.iter().map(|l| l.keys.clone()).collect::<Vec<_>>(), [None, Some(vec![SyncPoint { time: 1, moof: 2 }])]);
        assert!(!catalogue.take(one(10, false).start) && catalogue.take(one(0, false).start));
        drop(leases);
        assert!(catalogue.take(one(10, false).start) && !catalogue.take(one(20, false).start), "what is written stays");
        assert_eq!(catalogue.end(), Some(WallTime(30_000_000)));
        for (seconds, has) in [(0, true), (86_399, true), (86_400, false), (86_400 * 3, false)] {
            assert_eq!(catalogue.has_of_day(one(seconds, false).start), has, "{seconds}");
        }
    }
}
