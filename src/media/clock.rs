//! The clock as an argument: stages read it through [`Clock`], so that tests run on a clock of their own.

use super::WallTime;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A source of time. Both times advance together; `wall` is read once per stream, at time zero.
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

/// A clock for tests: time passes only when somebody sleeps or says so.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: Mutex<Duration>,
}

impl ManualClock {
    pub fn advance(&self, by: Duration) {
        *self.lock() += by;
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
        WallTime(1_700_000_000_000_000 + self.now().as_micros() as i64)
    }

    fn sleep_until(&self, until: Duration) {
        let mut now = self.lock();
        *now = until.max(*now);
    }
}
