//! A bounded queue between two threads: the inside of [`super::OutputQueue`] and [`super::InputQueue`].

use super::Error;
use super::named_output::Progress;
use crate::media::{Admission, DropQueue, Droppable, OverflowPolicy, Waiting};
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(super) struct Shared<T: Droppable> {
    queue: Mutex<Queue<T>>,
    changed: Condvar,
    /// Of the output, in errors.
    name: String,
    policy: OverflowPolicy,
}

struct Queue<T: Droppable> {
    items: DropQueue<T>,
    written: u64,
    /// The output holds the rest of an item that was begun.
    is_begun: bool,
    state: State,
}

enum State {
    Open,
    /// No more items will come.
    Closed,
    /// The writer is gone, with this error until it is taken.
    Failed(Option<Error>),
}

impl<T: Droppable> Shared<T> {
    pub fn new(name: &str, policy: OverflowPolicy) -> Shared<T> {
        let queue = Queue { items: DropQueue::default(), written: 0, is_begun: false, state: State::Open };
        Shared { queue: Mutex::new(queue), changed: Condvar::new(), name: name.to_owned(), policy }
    }

    /// A poisoned lock only means that the other thread died, which becomes an error.
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues an item, unless it is dropped; says which. Where nothing waits and nothing is being written, `write_now` is tried first. It gives
    /// the bytes written in all too.
    pub fn send(&self, item: T, write_now: impl FnOnce(&T) -> Result<(Progress, u64), Error>) -> Result<bool, Error> {
        let mut queue = self.lock();
        self.check_state(&mut queue.state)?;
        let is_idle = queue.items.waiting().is_idle() && !queue.is_begun;
        match queue.items.push(item, self.policy) {
            Admission::Queued => {
                if is_idle && let Some(item) = queue.items.waiting().items().front() {
                    let (progress, written) = write_now(item)?;
                    if progress != Progress::Nothing {
                        queue.items.waiting_mut().pop();
                        queue.written = written;
                        queue.is_begun = progress == Progress::Begun;
                    }
                    if progress == Progress::Written {
                        return Ok(true);
                    }
                }
                self.changed.notify_all();
                Ok(true)
            }
            Admission::Dropped => Ok(false),
            Admission::TooSlow => Err(Error::TooSlow { name: self.name.clone(), waiting: T::amount(queue.items.waiting()), unit: T::UNIT }),
        }
    }

    /// Waits until `take` gives something; `None` once the queue is closed and gives nothing any more. `take` gets what waits, and whether the
    /// output holds the rest of an item that was begun.
    pub fn take<R>(&self, take: impl Fn(&mut Waiting<T>, bool) -> Option<R>) -> Option<R> {
        let mut queue = self.lock();
        loop {
            let is_begun = queue.is_begun;
            if let Some(taken) = take(queue.items.waiting_mut(), is_begun) {
                return Some(taken);
            }
            if !matches!(queue.state, State::Open) {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No more items will come.
    pub fn close(&self) {
        let mut queue = self.lock();
        if matches!(queue.state, State::Open) {
            queue.state = State::Closed;
        }
        self.changed.notify_all();
    }

    /// The items that were taken for writing are written: so many bytes in all.
    pub fn wrote(&self, bytes: u64) {
        let mut queue = self.lock();
        queue.written = bytes;
        queue.is_begun = false;
        queue.items.waiting_mut().written();
    }

    /// The writer is gone.
    pub fn fail(&self, error: Error) {
        let mut queue = self.lock();
        queue.state = State::Failed(Some(error));
        queue.items.waiting_mut().clear();
    }

    /// The error of a writer that is gone.
    pub fn check(&self) -> Result<(), Error> {
        self.check_state(&mut self.lock().state)
    }

    fn check_state(&self, state: &mut State) -> Result<(), Error> {
        let State::Failed(error) = state else { return Ok(()) };
        Err(error.take().unwrap_or_else(|| self.error(io::ErrorKind::BrokenPipe.into())))
    }

    fn error(&self, source: io::Error) -> Error {
        Error::Io { name: self.name.clone(), source }
    }

    pub fn dropped(&self) -> u64 {
        self.lock().items.waiting().dropped()
    }

    pub fn written(&self) -> u64 {
        self.lock().written
    }
}

/// Held by the writing thread. If the thread panics, that is an error of the output: nothing waits for a writer that is gone.
pub(super) struct Failure<'a, T: Droppable>(pub &'a Shared<T>);

impl<T: Droppable> Drop for Failure<'_, T> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(self.0.error(io::Error::other("the writing thread ended unexpectedly")));
        }
    }
}
