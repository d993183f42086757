//! How often something took how long. Pure, and counted by all threads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How often something took how long: a histogram.
#[derive(Debug, Default)]
pub struct Histogram {
    /// By the first bound that is not less; the last: longer than all.
    counts: [AtomicU64; Histogram::BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// Upper bounds, in seconds: from one frame's latency to a picture that stands for half a minute.
    pub const BOUNDS: [f64; 14] = [0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

    pub(crate) fn add(&self, time: Duration) {
        let index = Histogram::BOUNDS.partition_point(|bound| *bound < time.as_secs_f64());
        self.counts[index].fetch_add(1, Relaxed);
        self.micros.fetch_add(time.as_micros() as u64, Relaxed);
    }

    /// How many there are between each bound and the one before, and beyond the last.
    pub fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(|count| count.load(Relaxed)).collect()
    }

    /// All together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros.load(Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_time_once() {
        let histogram = Histogram::default();
        for ms in [0, 10, 11, 100, 29_000, 30_001, 3_600_000] {
            histogram.add(Duration::from_millis(ms));
        }
        let counts = histogram.counts();
        assert_eq!((counts[0], counts[1], counts[5], counts[13], counts[14]), (2, 1, 1, 1, 2));
        assert_eq!((counts.iter().sum::<u64>(), histogram.sum()), (7, Duration::from_millis(3_659_122)));
    }
}
