//! Places for viewers, counted: per stream, and all together up to a limit.

use super::stream::{Numbers, Stream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// All the places there are.
#[derive(Debug)]
pub struct Seats {
    taken: AtomicUsize,
    limit: usize,
    /// For those who ask for a stream that is not there.
    nobodys: Numbers,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub struct Seat {
    seats: Arc<Seats>,
    stream: Option<Arc<Stream>>,
}

impl Seats {
    pub fn new(limit: usize) -> Seats {
        Seats { taken: AtomicUsize::new(0), limit, nobodys: Numbers::default() }
    }

    /// `None` if all are taken.
    pub fn take(self: &Arc<Seats>, stream: Option<Arc<Stream>>) -> Option<Seat> {
        let more = |n: usize| (n < self.limit).then_some(n + 1);
        self.taken.fetch_update(Relaxed, Relaxed, more).ok()?;
        let seat = Seat { seats: self.clone(), stream };
        seat.numbers().viewers.fetch_add(1, Relaxed);
        seat.numbers().joined.fetch_add(1, Relaxed);
        Some(seat)
    }
}

impl Seat {
    pub fn numbers(&self) -> &Numbers {
        self.stream.as_ref().map_or(&self.seats.nobodys, |s| &s.numbers)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.numbers().viewers.fetch_sub(1, Relaxed);
        self.seats.taken.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let seats = Arc::new(Seats::new(2));
        let stream = Arc::new(Stream::new("a".into()));
        let (a, b) = (seats.take(Some(stream.clone())), seats.take(None));
        assert!(a.is_some() && b.is_some() && seats.take(None).is_none());
        assert_eq!(stream.numbers.viewers.load(Relaxed), 1);
        drop(a);
        assert_eq!((stream.numbers.viewers.load(Relaxed), seats.taken.load(Relaxed)), (0, 1));
    }
}
