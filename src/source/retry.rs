//! When to try again to open a source that is away.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

/// First and longest wait between two tries: a device that is there but will not work is not asked all the time.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// The time of the next try; each that fails doubles the wait.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    at: Instant,
    patience: Duration,
}

impl Retry {
    /// At once.
    pub fn now() -> Retry {
        Retry { at: Instant::now(), patience: FIRST }
    }

    /// The device was lost just now. `again`: it had given nothing since it was lost before.
    pub fn lost(again: bool) -> Retry {
        Retry { at: Instant::now() + if again { LONGEST } else { FIRST }, patience: FIRST }
    }

    pub fn at(&self) -> Instant {
        self.at
    }

    /// A try has failed. The wait is up to a quarter shorter, by chance: many that lost one thing do not all ask for it at the same time.
    pub fn failed(&mut self) {
        self.patience = (self.patience * 2).min(LONGEST);
        self.at = Instant::now() + self.patience - self.patience.mul_f64(chance() / 4.0);
    }

    /// A try has failed, and the next one is not before so long.
    #[cfg(feature = "network")]
    pub fn postpone(&mut self, wait: Duration) {
        self.at = Instant::now() + wait;
    }
}

/// From 0 to below 1.
fn chance() -> f64 {
    // Its keys are random.
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let mut retry = Retry::lost(false);
        let waits: Vec<u128> = (0..8)
            .map(|_| {
                retry.failed();
                retry.patience.as_millis()
            })
            .collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000, 1000, 1000]);
        assert!(retry.at() > Instant::now() + Duration::from_millis(700) && retry.at() <= Instant::now() + LONGEST);
        assert!(Retry::lost(true).at() > Retry::lost(false).at() && Retry::now().at() <= Instant::now());
    }
}
