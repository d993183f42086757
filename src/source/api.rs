//! The interface of every source: events on request, counts, controls, and how often a frame is to be expected.

use super::Error;
use crate::media::{Event, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// A source of pictures or audio, as [`super::open`] gives it.
///
/// A program calls [`poll`](Source::poll) until the source ends or a stop is asked for, and then [`pending`](Source::pending) until it
/// gives nothing.
pub trait Source {
    /// The next event. A live source waits for at most `wait`; a source that plays in real time waits until its next event is due, or its
    /// clock ends the wait.
    ///
    /// # Errors
    /// The source is lost or damaged beyond repair.
    fn poll(&mut self, wait: Duration) -> Result<Poll, Error>;

    /// An event that was captured already and that `poll` has not given yet. It goes out at a stop too.
    fn pending(&mut self) -> Option<Captured> {
        None
    }

    /// What was counted so far: always the same counts in the same order.
    fn counts(&self) -> Vec<Count> {
        Vec::new()
    }

    /// The longest usual time between two frames, where it is known. /healthz complains after a few times as long.
    fn frame_duration(&self) -> Option<Duration> {
        None
    }

    /// Its controls, where it has some.
    fn controls(&self) -> Option<Arc<dyn Controls>> {
        None
    }

    /// Name and length of an input that was read: at its end, something of it must have been shown.
    fn input(&self) -> Option<(String, u64)> {
        None
    }

    /// Lines for the log at the end. `dropped`: packets that the next program was too slow for.
    fn summary(&self, dropped: u64) -> Vec<String> {
        _ = dropped;
        Vec::new()
    }
}

/// What [`Source::poll`] gives.
#[derive(Debug)]
pub enum Poll {
    /// An event.
    Captured(Captured),
    /// Nothing yet.
    Nothing,
    /// There is no more.
    End,
}

/// An event of a source.
#[derive(Debug)]
pub struct Captured {
    /// A header, a packet or a new time zero.
    pub event: Event,
    /// The time that counts for the duration of a capture; `None`: the event goes out in any case.
    pub due: Option<Timestamp>,
}

impl Captured {
    /// A packet counts by its presentation time.
    pub fn by_time(event: Event) -> Captured {
        let due = if let Event::Packet(packet) = &event { Some(packet.pts) } else { None };
        Captured { event, due }
    }

    /// It goes out in any case.
    pub fn always(event: Event) -> Captured {
        Captured { event, due: None }
    }
}

/// A number that only grows, as /metrics shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Without the name of the program. It ends in `_total`.
    pub name: &'static str,
    /// What is counted, in a sentence.
    pub help: &'static str,
    /// The count so far.
    pub total: u64,
}

impl Count {
    /// Damaged frames or elements, which every program counts under this name.
    pub fn damaged(total: u64) -> Count {
        Count { name: "damaged_total", help: "Damaged elements of the input that were skipped.", total }
    }
}

/// The controls of a source, for another thread.
pub trait Controls: Send + Sync {
    /// All of them, as /controls shows them.
    ///
    /// # Errors
    /// [`ControlError::Away`].
    fn list(&self) -> Result<serde_json::Value, ControlError>;

    /// Sets one by its name.
    ///
    /// # Errors
    /// There is no such control, it does not take this value, or the device refuses it.
    fn set(&self, name: &str, value: &str) -> Result<(), ControlError>;
}

/// Why a control was not set.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no control of this name.
    #[error("no control {0:?}")]
    Unknown(String),
    /// The control does not take this value.
    #[error("{id}: {value:?} is not one of {choices}")]
    Value {
        /// The control's name.
        id: String,
        /// As it was asked for.
        value: String,
        /// The values that the control takes, for people.
        choices: String,
    },
    /// The device refuses the value.
    #[error("{id}: {why}")]
    Io {
        /// The control's name.
        id: String,
        /// The error of the system call.
        why: std::io::Error,
    },
    /// The camera is not there now.
    #[error("the camera is away")]
    Away,
}

/// How much of a stream goes out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limit {
    /// `None`: the whole stream goes out.
    pub duration: Option<Duration>,
    /// When the stream began, in its own time.
    first: Option<Timestamp>,
}

impl Limit {
    /// Counts from the first time that [`Limit::is_over`] gets.
    pub fn new(duration: Option<Duration>) -> Limit {
        Limit { duration, first: None }
    }

    /// Whether the duration is over at `due`. The first call says when the stream begins.
    pub fn is_over(&mut self, due: Timestamp) -> bool {
        let first = *self.first.get_or_insert(due);
        self.duration.is_some_and(|duration| due.since(first) >= duration)
    }
}
