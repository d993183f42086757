//! The events of a device, and new time zeros: one goes out before the event that was taken after it.

use super::clock::StreamClock;
use super::{Captured, Error, Poll};
use crate::media::Event;

pub struct ClockedEvents {
    clock: StreamClock,
    /// An event that comes after a new time zero.
    held: Option<Captured>,
}

impl ClockedEvents {
    pub fn new(clock: StreamClock) -> ClockedEvents {
        ClockedEvents { clock, held: None }
    }

    /// The next event; `take` asks the device for one.
    ///
    /// # Errors
    /// Those of the device.
    pub fn poll(&mut self, take: impl FnOnce() -> Result<Option<Event>, Error>) -> Result<Poll, Error> {
        if let Some(held) = self.held.take() {
            return Ok(Poll::Captured(held));
        }
        let event = take()?.map(Captured::by_time);
        let Some(zero) = self.clock.moved() else { return Ok(event.map_or(Poll::Nothing, Poll::Captured)) };
        self.held = event;
        Ok(Poll::Captured(Captured::always(Event::TimeZero(zero))))
    }

    /// An event that was taken and has not gone out.
    pub fn pending(&mut self) -> Option<Captured> {
        self.held.take()
    }
}
