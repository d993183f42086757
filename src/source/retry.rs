//! When to try again to open a device that is away.

use std::time::{Duration, Instant};

/// First and longest wait between two tries: a device that is there but will not work is not asked all the time.
const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

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

    /// A try has failed.
    pub fn failed(&mut self) {
        self.patience = (self.patience * 2).min(LONGEST);
        self.at = Instant::now() + self.patience;
    }
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
        assert_eq!(waits, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
        assert!(retry.at() > Instant::now() + Duration::from_millis(1500));
        assert!(Retry::lost(true).at() > Retry::lost(false).at() && Retry::now().at() <= Instant::now());
    }
}
