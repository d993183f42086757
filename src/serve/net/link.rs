//! What a connection and the endless body on it tell each other.

use std::cell::{Cell, RefCell};
use std::task::Waker;

/// What a connection and the endless body on it tell each other.
#[derive(Debug, Default)]
pub struct Link {
    /// The connection was given up because nothing was taken of it.
    pub timed_out: Cell<bool>,
    /// The body has nothing to send at the moment.
    pub idle: Cell<bool>,
    /// The body is to send something: only that can tell whether the client is still there.
    pub ask: Cell<bool>,
    /// The chunk that the body has given out last.
    pub holds: Cell<Option<u64>>,
    /// That chunk is wanted back.
    pub cut_off: Cell<bool>,
    /// Of the connection, while it waits for the client to take something.
    pub waiting: RefCell<Option<Waker>>,
}

impl Link {
    /// Ends the connection if it waits for its client to take a chunk before this one; says whether it does.
    pub fn call_back(&self, before: u64) -> bool {
        let late = self.holds.get().is_some_and(|chunk| chunk < before);
        if late && let Some(waker) = self.waiting.take() {
            self.cut_off.set(true);
            waker.wake();
            return true;
        }
        false
    }
}
