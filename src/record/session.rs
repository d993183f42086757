//! Writes one stream: begins a recording at a keyframe, cuts at keyframes, stops where the disk fails, and begins again by itself. Time is an argument.

use super::file::OpenRecording;
use super::labels;
use super::library::Library;
use super::queue::{Fragment, Item};
use super::status::{Ended, StatusCell};
use super::syncer::Syncer;
use crate::media::{Timestamp, WallTime};
use bytes::Bytes;
use std::io;
use std::time::Duration;

/// What is written is synced so often: that much is lost with the power.
const SYNC: Duration = Duration::from_secs(2);
/// A disk that failed is tried again after so long.
const RETRY: Duration = Duration::from_secs(2);
/// A longer pause in the stream ends a recording, in microseconds.
const PAUSE: i64 = 2_000_000;
/// With less than this free nothing is begun: it would only be a crumb.
const LEAST_FREE: u64 = 1 << 20;

/// The moment of an item.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub wall: WallTime,
    pub monotonic: Duration,
}

/// The recording of one stream.
#[derive(Debug)]
pub struct Session {
    library: Library,
    stream: String,
    segment: Duration,
    status: StatusCell,
    init: Option<Bytes>,
    open: Option<OpenRecording>,
    /// Of the main track: where it goes on, and at which time of the day by the labels.
    expected: Option<(Timestamp, WallTime)>,
    synced: Duration,
    retry: Option<Duration>,
    syncer: Syncer,
}

impl Session {
    pub fn new(library: Library, stream: String, segment: Duration, status: StatusCell, syncer: Syncer) -> Session {
        let synced = Duration::ZERO;
        Session { library, stream, segment, status, init: None, open: None, expected: None, synced, retry: None, syncer }
    }

    /// Looks through what there is, so that the first keyframe need not wait for it.
    pub fn prepare(&self) {
        if let Err(error) = self.library.stream(&self.stream) {
            self.status.failed(&error);
        }
    }

    pub fn item(&mut self, item: Item, now: Now) {
        match item {
            Item::Init(bytes) => {
                if self.init.as_ref() != Some(&bytes) {
                    self.close();
                    self.init = Some(bytes);
                }
            }
            Item::Chunk(fragment) => self.fragment(&fragment, now),
            Item::Lost => {
                self.status.slow();
                self.close();
                self.expected = None;
            }
            Item::Pause => self.close(),
        }
    }

    /// Nothing came for a while.
    pub fn idle(&mut self, now: Now) {
        self.sync(now);
    }

    /// The stream has ended.
    pub fn end(&mut self) {
        self.close();
    }

    fn fragment(&mut self, fragment: &Fragment, now: Now) {
        if fragment.main {
            let is_cut = fragment.key && self.is_over(fragment, now);
            let breaks = self.expected.is_some_and(|(at, _)| !(-PAUSE..=PAUSE).contains(&(fragment.start - at)));
            if is_cut || breaks {
                self.close();
            }
            if breaks {
                self.expected = None;
            }
        }
        match &mut self.open {
            Some(open) => {
                if let Err(error) = open.write(&fragment.bytes) {
                    self.fail(&error, now);
                }
            }
            None if fragment.key && self.retry.is_none_or(|retry| now.monotonic >= retry) => self.begin(fragment, now),
            None => {}
        }
        if fragment.main {
            let end = fragment.start.saturating_add(fragment.duration);
            self.expected = self.open.as_ref().map(|open| (end, open.wall(end)));
        }
        self.sync(now);
    }

    /// The recording is long enough, or the clock has gone another way.
    fn is_over(&self, fragment: &Fragment, now: Now) -> bool {
        let Some(open) = &self.open else { return false };
        let wall = labels::captured(fragment.captured, now.wall);
        open.length_at(fragment.start) >= self.segment || labels::is_off(wall, open.wall(fragment.start))
    }

    fn begin(&mut self, fragment: &Fragment, now: Now) {
        let Some(init) = &self.init else { return };
        let expected = self.expected.map(|(at, wall)| WallTime(wall.0.saturating_add(fragment.start - at)));
        let begun = self.is_free().and_then(|()| {
            let last = self.library.stream(&self.stream)?.end();
            let wall = labels::begin(labels::captured(fragment.captured, now.wall), expected, last);
            let begin = (init, fragment.start);
            OpenRecording::begin(&self.library, &self.stream, wall, begin, &fragment.bytes, &mut self.syncer)
        });
        match begun {
            Ok(open) => {
                self.status.begun(open.start(), now.monotonic);
                (self.open, self.synced, self.retry) = (Some(open), now.monotonic, None);
            }
            Err(error) => self.fail(&error, now),
        }
    }

    fn is_free(&self) -> io::Result<()> {
        if self.status.is_starved() {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "less than --min-free is left, and there is nothing to delete"));
        }
        match self.library.disk().free(self.library.dir()) {
            Some(free) if free < LEAST_FREE => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    /// Looks after what is done in the background, and has what was written synced now and then.
    fn sync(&mut self, now: Now) {
        if let Some(error) = self.syncer.error() {
            return self.fail(&error, now);
        }
        let Some(open) = &self.open else { return };
        if self.syncer.is_idle() && now.monotonic.saturating_sub(self.synced) >= SYNC {
            self.synced = now.monotonic;
            self.status.held(now.monotonic);
            if let Err(error) = self.is_free().and_then(|()| open.sync(&mut self.syncer)) {
                self.fail(&error, now);
            }
        }
    }

    /// What is there of a recording that failed stays.
    fn fail(&mut self, error: &io::Error, now: Now) {
        self.status.failed(error);
        self.retry = Some(now.monotonic + RETRY);
        self.expected = None;
        if let Some(open) = self.open.take() {
            open.give_up();
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            let closed = open.close(&self.library, &mut self.syncer);
            self.status.closed(match closed {
                Ok(()) => Ended::Whole,
                Err(error) => Ended::Failed(error.to_string()),
            });
        }
    }
}
