//! How fast a client may send, and how slowly. Pure: times are arguments.

use std::time::{Duration, Instant};

/// So many seconds of the rate may come at once: a keyframe, or what a phone has kept back while it had no network.
const BURST: f64 = 5.0;
/// Fewer bytes than this are nothing: a stream has more, and a drip of single bytes holds no place.
const NOTHING: usize = 256;

/// Holds back who sends faster than a rate in the long run.
#[derive(Debug)]
pub struct RateLimit {
    rate: f64,
    credit: f64,
    at: Instant,
}

impl RateLimit {
    /// `rate`: bytes in a second.
    pub fn new(rate: u64, now: Instant) -> RateLimit {
        let rate = rate.max(1) as f64;
        RateLimit { rate, credit: rate * BURST, at: now }
    }

    /// So many bytes have come. For so long no more is to be taken.
    pub fn take(&mut self, bytes: usize, now: Instant) -> Duration {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.credit = (self.credit + since * self.rate).min(self.rate * BURST) - bytes as f64;
        Duration::try_from_secs_f64(-self.credit / self.rate).unwrap_or(Duration::ZERO)
    }
}

/// Notices who sends nothing, or next to nothing.
#[derive(Debug)]
pub struct Silence {
    limit: Duration,
    since: Instant,
    bytes: usize,
}

impl Silence {
    /// `limit`: for so long it may be silent.
    pub fn new(limit: Duration, now: Instant) -> Silence {
        Silence { limit, since: now, bytes: 0 }
    }

    /// So many bytes have come.
    pub fn came(&mut self, bytes: usize, now: Instant) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= NOTHING {
            (self.bytes, self.since) = (0, now);
        }
    }

    /// For so long nothing was taken from it: that is not its silence.
    pub fn held_back(&mut self, time: Duration) {
        self.since += time;
    }

    /// It has been silent for too long.
    pub fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_and_then_the_rate() {
        let now = Instant::now();
        let mut limit = RateLimit::new(1000, now);
        assert_eq!(limit.take(5000, now), Duration::ZERO);
        assert_eq!(limit.take(500, now), SECOND / 2);
        assert_eq!(limit.take(1000, now + SECOND), SECOND / 2);
        assert_eq!(limit.take(1000, now + 3 * SECOND), Duration::ZERO);
        assert_eq!(limit.take(5001, now + 3600 * SECOND), SECOND / 1000, "no more than the burst is saved up");
    }

    #[test]
    fn single_bytes_are_silence() {
        let now = Instant::now();
        let mut silence = Silence::new(10 * SECOND, now);
        for second in 0..9 {
            silence.came(1, now + second * SECOND);
            assert!(!silence.is_over(now + second * SECOND));
        }
        assert!(silence.is_over(now + 10 * SECOND));
        silence.held_back(5 * SECOND);
        assert!(!silence.is_over(now + 14 * SECOND) && silence.is_over(now + 15 * SECOND));
        silence.came(NOTHING, now + 15 * SECOND);
        assert!(!silence.is_over(now + 24 * SECOND) && silence.is_over(now + 25 * SECOND));
    }
}
