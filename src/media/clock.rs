//! The clock as an argument: stages read it through [`Clock`], so that tests run on a clock of their own.

use super::WallTime;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A smaller step of the wall clock is not reported: no latency that people read changes by it.
const LEAST_STEP: i64 = 5_000;
/// Both clocks have to be read within this time: a process that was interrupted between the two would see a step where there is none.
const AT_ONCE: Duration = Duration::from_millis(1);

/// A source of time. Both times advance together, until the wall clock is set, or the machine sleeps: see [`ZeroWatch`].
pub trait Clock: Send + Sync {
    /// Monotonic time since an arbitrary origin.
    fn now(&self) -> Duration;
    /// Wall-clock time.
    fn wall(&self) -> WallTime;
    /// Returns when `now()` is at least `until`.
    fn sleep_until(&self, until: Duration);
}

/// The machine's clock.
#[derive(Clone, Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock { origin: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn wall(&self) -> WallTime {
        WallTime::now()
    }

    fn sleep_until(&self, until: Duration) {
        let left = until.saturating_sub(self.now());
        if !left.is_zero() {
            std::thread::sleep(left);
        }
    }
}

/// Stream time zero on the wall clock, kept right when that clock is set.
///
/// Stream time follows the monotonic clock. So the wall-clock time of zero is wrong by as much as the wall clock was moved against that:
/// by NTP on a machine without a battery for its clock, by a person, or by a suspend, which the monotonic clock does not count.
#[derive(Clone, Debug)]
pub struct ZeroWatch {
    zero: WallTime,
    /// The wall clock minus the monotonic clock, in microseconds, when `zero` was right.
    ahead: Option<i64>,
}

impl ZeroWatch {
    /// `zero` is right now.
    pub fn new(zero: WallTime, clock: &dyn Clock) -> ZeroWatch {
        ZeroWatch { zero, ahead: ahead(clock) }
    }

    /// The time zero that was last reported.
    pub fn zero(&self) -> WallTime {
        self.zero
    }

    /// The new time zero, if the wall clock was set since the last call.
    pub fn moved(&mut self, clock: &dyn Clock) -> Option<WallTime> {
        let now = ahead(clock)?;
        let step = now.saturating_sub(*self.ahead.get_or_insert(now));
        if step.abs() < LEAST_STEP {
            return None;
        }
        self.ahead = Some(now);
        self.zero = WallTime(self.zero.0.saturating_add(step));
        Some(self.zero)
    }
}

/// The wall clock minus the monotonic clock; `None` if they could not be read at once.
fn ahead(clock: &dyn Clock) -> Option<i64> {
    let (before, wall, after) = (clock.now(), clock.wall(), clock.now());
    let at_once = after.saturating_sub(before) < AT_ONCE;
    at_once.then(|| wall.0.saturating_sub(i64::try_from(after.as_micros()).unwrap_or(i64::MAX)))
}

/// A clock for tests: time passes only when a test sleeps or says so.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: Mutex<Duration>,
    /// By so much the wall clock was set, in microseconds.
    set: AtomicI64,
}

impl ManualClock {
    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        *self.lock() += by;
    }

    /// Sets the wall clock: forward by so many microseconds.
    pub fn step(&self, micros: i64) {
        self.set.fetch_add(micros, Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Duration> {
        self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.lock()
    }

    fn wall(&self) -> WallTime {
        WallTime(1_700_000_000_000_000 + self.set.load(Relaxed) + self.now().as_micros() as i64)
    }

    fn sleep_until(&self, until: Duration) {
        let mut now = self.lock();
        *now = until.max(*now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_zero_follows_the_wall_clock() {
        let clock = ManualClock::default();
        let mut watch = ZeroWatch::new(clock.wall(), &clock);
        let zero = watch.zero();
        for passed in [1, 40, 3_600_000] {
            clock.advance(Duration::from_millis(passed));
            assert_eq!(watch.moved(&clock), None, "time only passes");
        }
        clock.step(3_600_000_000);
        assert_eq!(watch.moved(&clock), Some(WallTime(zero.0 + 3_600_000_000)));
        assert_eq!(watch.moved(&clock), None, "it is reported once");
        clock.step(-7_200_000_000);
        assert_eq!(watch.moved(&clock), Some(WallTime(zero.0 - 3_600_000_000)));
        // Small steps add up.
        let reported = (0..10)
            .filter(|_| {
                clock.step(1000);
                watch.moved(&clock).is_some()
            })
            .count();
        assert_eq!((reported, watch.zero().0), (2, zero.0 - 3_600_000_000 + 10_000));
    }

    #[test]
    fn an_interrupted_look_is_no_step() {
        /// The process sleeps between the readings of both clocks.
        struct Interrupted(ManualClock);
        impl Clock for Interrupted {
            fn now(&self) -> Duration {
                self.0.now()
            }
            fn wall(&self) -> WallTime {
                self.0.advance(Duration::from_millis(50));
                self.0.wall()
            }
            fn sleep_until(&self, _: Duration) {}
        }
        let clock = Interrupted(ManualClock::default());
        let mut watch = ZeroWatch::new(WallTime(0), &clock.0);
        assert_eq!(watch.moved(&clock), None);
        assert_eq!(watch.zero(), WallTime(0));
    }
}
