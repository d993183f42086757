//! How the recording of a stream fares, and what is said of it: each trouble once, and once that it is over.

use super::name::Start;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A trouble is over when a recording has gone well for so long: a disk that is all but full takes a little now and then.
const WELL: Duration = Duration::from_secs(5);

/// What the recording of a stream does now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for a keyframe, or for the stream.
    Waiting,
    /// It is written.
    Recording,
    /// It is not, and this is why.
    Failed(String),
}

/// How a recording ended.
#[derive(Debug)]
pub enum Ended {
    Whole,
    /// It is whole, but its end could not be written.
    Failed(String),
}

/// Shared by who writes and who tells of it.
#[derive(Clone, Debug)]
pub struct StatusCell(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: String,
    status: Mutex<Inner>,
    /// Of the folder, for all streams.
    starved: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Inner {
    recording: bool,
    trouble: Option<String>,
    /// Since when it goes well after a trouble.
    well: Option<Duration>,
    said_slow: bool,
}

impl StatusCell {
    /// `starved`: too little is free, and nothing can be deleted.
    pub fn new(stream: &str, starved: Arc<AtomicBool>) -> StatusCell {
        StatusCell(Arc::new(Shared { stream: stream.to_owned(), status: Mutex::default(), starved }))
    }

    /// Whose it is.
    pub fn stream(&self) -> &str {
        &self.0.stream
    }

    /// What it does now.
    pub fn state(&self) -> State {
        let inner = self.lock();
        match &inner.trouble {
            Some(why) => State::Failed(why.clone()),
            None if inner.recording => State::Recording,
            None => State::Waiting,
        }
    }

    pub(super) fn is_starved(&self) -> bool {
        self.0.starved.load(Relaxed)
    }

    pub(super) fn begun(&self, start: Start, now: Duration) {
        tracing::debug!("{}: records {}/{}", self.0.stream, start.day(), start.file());
        let mut inner = self.lock();
        inner.recording = true;
        inner.well.get_or_insert(now);
        drop(inner);
        // What was before this one has gone well.
        self.held(now);
    }

    /// What was written is on the disk.
    pub(super) fn held(&self, now: Duration) {
        let mut inner = self.lock();
        if inner.well.is_some_and(|since| now.saturating_sub(since) >= WELL) && inner.trouble.take().is_some() {
            tracing::warn!("{}: is recorded again", self.0.stream);
        }
    }

    pub(super) fn closed(&self, how: Ended) {
        self.lock().recording = false;
        if let Ended::Failed(why) = how {
            tracing::debug!("{}: the end of a recording: {why}", self.0.stream);
        }
    }

    pub(super) fn failed(&self, error: &io::Error) {
        let mut inner = self.lock();
        (inner.recording, inner.well) = (false, None);
        if inner.trouble.is_none() {
            tracing::error!("{}: is not recorded: {error}; live goes on, and recording is tried again", self.0.stream);
        }
        inner.trouble = Some(error.to_string());
    }

    /// The disk does not keep up.
    pub(super) fn slow(&self) {
        let mut inner = self.lock();
        if !std::mem::replace(&mut inner.said_slow, true) {
            tracing::warn!("{}: the disk is too slow to record it: there are gaps", self.0.stream);
        }
    }

    /// A poisoned lock only means that another thread died while it looked.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
