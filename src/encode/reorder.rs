//! Events out in the order in which they came in, however long each takes to make and whichever thread makes it.
//!
//! No thread waits, and none is needed of its own: the one that fills the next slot writes it, and all that are ready behind it.

use super::error::{Error, SinkError};
use crate::media::Event;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where events go.
pub type Sink = Box<dyn FnMut(Event) -> Result<(), SinkError> + Send>;

/// The queue's end. Clones share it.
#[derive(Clone)]
pub struct ReorderBuffer {
    state: Arc<Mutex<State>>,
}

struct State {
    sink: Sink,
    failed: Option<SinkError>,
    /// A failure was handed out: nothing more is written.
    over: bool,
    /// The next place to be given away, the next to be written.
    given: u64,
    next: u64,
    /// What is ready, but not yet its turn; `None`: nothing came of it.
    ready: BTreeMap<u64, Option<Event>>,
}

impl ReorderBuffer {
    pub fn new(sink: Sink) -> ReorderBuffer {
        let state = State { sink, failed: None, over: false, given: 0, next: 0, ready: BTreeMap::new() };
        ReorderBuffer { state: Arc::new(Mutex::new(state)) }
    }

    /// Takes the next place in the order, to be filled by any thread.
    ///
    /// # Errors
    /// The failure of an earlier write, once.
    pub fn slot(&self) -> Result<Slot, Error> {
        let mut state = lock(&self.state);
        if let Some(failed) = state.failed.take() {
            return Err(Error::Output(failed));
        }
        state.given += 1;
        Ok(Slot { number: state.given - 1, to: Some(Arc::clone(&self.state)) })
    }

    /// Writes an event in its turn: now, if all before it are.
    ///
    /// # Errors
    /// As [`ReorderBuffer::slot`].
    pub fn send(&self, event: Event) -> Result<(), Error> {
        self.slot()?.fill(event);
        self.check()
    }

    /// Gives the error of the output, if an event could not be written.
    ///
    /// # Errors
    /// As [`ReorderBuffer::slot`].
    pub fn check(&self) -> Result<(), Error> {
        lock(&self.state).failed.take().map_or(Ok(()), |failed| Err(Error::Output(failed)))
    }
}

/// One place in the order. Dropped without an event, it is passed over.
pub struct Slot {
    number: u64,
    to: Option<Arc<Mutex<State>>>,
}

impl Slot {
    pub fn fill(mut self, event: Event) {
        if let Some(state) = self.to.take() {
            lock(&state).put(self.number, Some(event));
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(state) = self.to.take() {
            lock(&state).put(self.number, None);
        }
    }
}

impl State {
    fn put(&mut self, number: u64, event: Option<Event>) {
        self.ready.insert(number, event);
        while let Some(event) = self.ready.remove(&self.next) {
            self.next += 1;
            if let Some(event) = event.filter(|_| !self.over)
                && let Err(failed) = (self.sink)(event)
            {
                (self.failed, self.over) = (Some(failed), true);
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Packet, Timestamp};
    use bytes::Bytes;

    fn event(n: i64) -> Event {
        Event::Packet(Packet { track: 0, pts: Timestamp(n), key: true, data: Bytes::new(), hidden: false })
    }

    fn collect() -> (ReorderBuffer, Arc<Mutex<Vec<i64>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let sink = move |event| {
            if let Event::Packet(packet) = event {
                into.lock().unwrap().push(packet.pts.0);
            }
            Ok(())
        };
        (ReorderBuffer::new(Box::new(sink)), seen)
    }

    #[test]
    fn what_is_next_goes_at_once_and_what_is_early_waits() {
        let (reorder, seen) = collect();
        let seen = || seen.lock().unwrap().clone();
        let (first, second, third) = (reorder.slot().unwrap(), reorder.slot().unwrap(), reorder.slot().unwrap());
        third.fill(event(2));
        assert_eq!(seen(), [0; 0]);
        first.fill(event(0));
        assert_eq!(seen(), [0]);
        reorder.send(event(3)).unwrap();
        drop(second);
        assert_eq!(seen(), [0, 2, 3]);
    }

    #[test]
    fn threads_keep_the_order() {
        let (reorder, seen) = collect();
        let threads: Vec<_> = (0..200)
            .map(|n| {
                let place = reorder.slot().unwrap();
                std::thread::spawn(move || {
                    std::thread::sleep(std::time::Duration::from_micros((n * 7919 % 13) as u64 * 50));
                    place.fill(event(n));
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*seen.lock().unwrap(), (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn a_failure_is_told_once_and_ends_the_writing() {
        let mut writes = 0;
        let reorder = ReorderBuffer::new(Box::new(move |_| {
            writes += 1;
            assert_eq!(writes, 1);
            Err("closed".into())
        }));
        assert!(matches!(reorder.send(event(0)), Err(Error::Output(_))));
        reorder.send(event(1)).unwrap();
    }
}
