//! An event that waits for its time: what sources that play in real time have in common.

use super::pace::Pace;
use super::{Captured, Limit, Poll};
use crate::media::{Event, Timestamp};

/// Holds one event until it is due.
pub struct Paced {
    /// `None`: as fast as the reader takes it.
    pub pace: Option<Pace>,
    limit: Limit,
    held: Option<(Timestamp, Event)>,
}

impl Paced {
    pub fn new(pace: Option<Pace>, limit: Limit) -> Paced {
        Paced { pace, limit, held: None }
    }

    /// The event that goes out next, at `due`.
    pub fn hold(&mut self, due: Timestamp, event: Event) {
        self.held = Some((due, event));
    }

    /// The held event, once it is due, after a new time zero if there is one; [`Poll::End`] if the duration is over by then, which is not
    /// waited for. `None`: nothing is held.
    pub fn give(&mut self) -> Option<Poll> {
        let (due, event) = self.held.take()?;
        if self.limit.is_over(due) {
            return Some(Poll::End);
        }
        if let Some(pace) = &mut self.pace {
            if !pace.wait(due) {
                self.held = Some((due, event));
                return Some(Poll::Nothing);
            }
            if let Some(zero) = pace.moved() {
                self.held = Some((due, event));
                return Some(Poll::Captured(Captured::always(Event::TimeZero(zero))));
            }
        }
        Some(Poll::Captured(Captured::always(event)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Clock, ManualClock, WallTime};
    use std::sync::Arc;
    use std::time::Duration;

    /// Its sleeps end at once, as after a stop.
    struct Stopped(ManualClock);

    impl Clock for Stopped {
        fn now(&self) -> Duration {
            self.0.now()
        }

        fn wall(&self) -> WallTime {
            self.0.wall()
        }

        fn sleep_until(&self, _: Duration) {}
    }

    fn zero() -> Event {
        Event::TimeZero(WallTime(0))
    }

    #[test]
    fn an_end_is_not_waited_for() {
        let clock = Arc::new(ManualClock::default());
        let mut paced = Paced::new(Some(Pace::live(clock.clone())), Limit::new(Some(Duration::from_secs(9))));
        for (second, goes) in [(1, true), (9, true), (10, false)] {
            paced.hold(Timestamp(second * 1_000_000), zero());
            assert_eq!(matches!(paced.give(), Some(Poll::Captured(_))), goes, "{second}");
        }
        assert_eq!(clock.now(), Duration::from_secs(8));
        assert!(paced.give().is_none());
    }

    #[test]
    fn a_stop_leaves_the_event_where_it_is() {
        let mut paced = Paced::new(Some(Pace::live(Arc::new(Stopped(ManualClock::default())))), Limit::default());
        paced.hold(Timestamp(0), zero());
        assert!(matches!(paced.give(), Some(Poll::Captured(_))));
        paced.hold(Timestamp(5), zero());
        assert!(matches!(paced.give(), Some(Poll::Nothing)));
        assert!(matches!(paced.give(), Some(Poll::Nothing)));
    }
}
