//! The common time zero of devices that feed one stream.

use crate::media::{Clock, SystemClock, Timestamp, WallTime, ZeroWatch};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Time zero of a stream: the first time that any of its sources gives, by CLOCK_MONOTONIC. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct StreamClock(Arc<OnceLock<Zero>>);

#[derive(Debug)]
struct Zero {
    /// CLOCK_MONOTONIC, in microseconds.
    monotonic: i64,
    clock: SystemClock,
    wall: Mutex<ZeroWatch>,
}

impl Zero {
    fn at(monotonic: i64) -> Zero {
        let clock = SystemClock::default();
        let wall = WallTime(clock.wall().0.saturating_sub(self::monotonic().saturating_sub(monotonic)));
        Zero { monotonic, wall: Mutex::new(ZeroWatch::new(wall, &clock)), clock }
    }

    fn watch<T>(&self, look: impl FnOnce(&mut ZeroWatch) -> T) -> T {
        look(&mut self.wall.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl StreamClock {
    /// A time of CLOCK_MONOTONIC, in microseconds, as stream time. The first one ever is zero.
    pub fn stream_time(&self, monotonic: i64) -> Timestamp {
        Timestamp(monotonic.saturating_sub(self.0.get_or_init(|| Zero::at(monotonic)).monotonic))
    }

    /// The wall-clock time of stream time zero, once there is one.
    pub fn wall(&self) -> Option<WallTime> {
        self.0.get().map(|zero| zero.watch(|wall| wall.zero()))
    }

    /// The new wall-clock time of zero, if the wall clock was set since the last call.
    pub fn moved(&self) -> Option<WallTime> {
        self.0.get().and_then(|zero| zero.watch(|wall| wall.moved(&zero.clock)))
    }

    /// A stream time as time of CLOCK_MONOTONIC, once there is a zero.
    #[cfg(any(test, feature = "v4l2"))]
    pub fn monotonic(&self, time: Timestamp) -> Option<i64> {
        self.0.get().map(|zero| zero.monotonic.saturating_add(time.micros()))
    }
}

/// Microseconds of CLOCK_MONOTONIC, the clock of the drivers' times.
pub fn monotonic() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sources_share_a_zero() {
        let camera = StreamClock::default();
        let microphone = camera.clone();
        assert_eq!((camera.wall(), camera.monotonic(Timestamp::ZERO)), (None, None));
        assert_eq!(camera.stream_time(5_000_000), Timestamp::ZERO);
        assert_eq!(microphone.stream_time(4_990_000), Timestamp(-10_000));
        assert_eq!(microphone.wall(), camera.wall());
        assert_eq!(microphone.monotonic(Timestamp(7)), Some(5_000_007));
    }

    #[test]
    fn the_wall_clock_is_that_of_the_first_time() {
        let clock = StreamClock::default();
        clock.stream_time(monotonic() - 2_000_000);
        let ago = WallTime::now().0 - clock.wall().unwrap().0;
        assert!((2_000_000..3_000_000).contains(&ago), "{ago}");
    }
}
