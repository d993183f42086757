//! What a connection and the endless body on it tell each other.

use crate::serve::live::stream::StreamId;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Shared by a connection, the endless body on it, and the stream that calls chunks back. Who holds a lock on the hub may take this one; not the
/// reverse.
#[derive(Debug, Default)]
pub struct Link(Mutex<LinkState>);

#[derive(Debug, Default)]
pub struct LinkState {
    /// The connection was given up because nothing was taken of it.
    pub timed_out: bool,
    /// The body has nothing to send at the moment.
    pub idle: bool,
    /// The body is to send something: only that can tell whether the client is still there.
    pub ask: bool,
    /// How often the body was asked for more, where it is one of many on a connection.
    pub given: u64,
    /// The chunk that the body has given out last.
    pub holds: Option<u64>,
    /// That chunk is wanted back.
    pub cut_off: bool,
    /// Those that know it, to call chunks back.
    streams: Vec<StreamId>,
    /// Of the connection, while it waits for the client to take something.
    pub waiting: Option<Waker>,
}

impl LinkState {
    /// Whether the stream does not know it yet; from now on it does.
    pub fn is_new_to(&mut self, stream: StreamId) -> bool {
        let new = !self.streams.contains(&stream);
        if new {
            self.streams.push(stream);
        }
        new
    }

    /// Whether the chunk is wanted back; if not, `waker` is woken when it is.
    pub fn cut_off_or_wait(&mut self, waker: &Waker) -> bool {
        if !self.cut_off {
            self.waiting = Some(waker.clone());
        }
        self.cut_off
    }
}

impl Link {
    /// All of it is valid at any time: a poisoned lock only means that another thread died meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection if it waits for its client to take a chunk before this one; says whether it does.
    pub fn call_back(&self, before: u64) -> bool {
        let mut link = self.lock();
        let late = link.holds.is_some_and(|chunk| chunk < before);
        if late && let Some(waker) = link.waiting.take() {
            link.cut_off = true;
            waker.wake();
            return true;
        }
        false
    }
}
