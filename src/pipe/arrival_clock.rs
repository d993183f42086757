//! The times at which the bytes of an input arrive, for formats that have no times of their own.

use crate::media::{Clock, Timestamp, WallTime, ZeroWatch};
use std::sync::Arc;
use std::time::Duration;

/// Counts from the first byte. Until [`ArrivalClock::start`] it stands at zero and knows no wall-clock time.
pub struct ArrivalClock {
    clock: Arc<dyn Clock>,
    start: Option<Start>,
    /// Watches the time zero that was given.
    zero: Option<ZeroWatch>,
}

#[derive(Clone, Copy)]
struct Start {
    at: Duration,
    wall: WallTime,
}

impl ArrivalClock {
    pub fn new(clock: Arc<dyn Clock>) -> ArrivalClock {
        ArrivalClock { clock, start: None, zero: None }
    }

    /// The first byte is there.
    pub fn start(&mut self) {
        self.start = Some(Start { at: self.clock.now(), wall: self.clock.wall() });
    }

    /// Stream time at which the newest byte came.
    pub fn now(&self) -> Timestamp {
        match self.start {
            Some(start) => Timestamp::ZERO.saturating_add(self.clock.now().saturating_sub(start.at)),
            None => Timestamp::ZERO,
        }
    }

    /// Wall-clock time of the first byte.
    pub fn time_zero(&mut self) -> Option<WallTime> {
        self.zero = self.zero.take().or_else(|| self.start.map(|start| ZeroWatch::new(start.wall, &*self.clock)));
        self.zero.as_ref().map(ZeroWatch::zero)
    }

    /// A time zero in place of the one that was given: the wall clock was set since.
    pub fn new_time_zero(&mut self) -> Option<WallTime> {
        self.zero.as_mut()?.moved(&*self.clock)
    }
}
