//! Times and durations of samples, which the pipe does not carry.

/// How long a video frame is declared to last, before its successor is known.
///
/// The nominal duration, or what frames have lately been apart where that is more: browsers stop for good at a frame that begins
/// later than the one before it was declared to end, while a declared end that is too late does nothing.
#[derive(Debug)]
pub(super) struct FrameDuration {
    nominal: i64,
    /// Longest distance seen, slowly forgotten.
    longest: i64,
}

/// Without a nominal rate: 10 frames a second, the slowest that a live camera is likely to be.
const UNKNOWN: i64 = 100_000;
/// A longer distance is a pause, not a frame rate.
const PAUSE: i64 = 1_000_000;

impl FrameDuration {
    /// `nominal` in microseconds, where it is known.
    pub fn new(nominal: Option<i64>) -> Self {
        FrameDuration { nominal: nominal.unwrap_or(UNKNOWN).clamp(1, 3_600_000_000), longest: 0 }
    }

    /// Duration, in microseconds, of a frame whose decode time is `distance` after the one before it.
    pub fn next(&mut self, distance: Option<i64>) -> i64 {
        let distance = distance.filter(|d| (0..=PAUSE.max(self.nominal)).contains(d)).unwrap_or(0);
        // A hundred frames later, a third of a longer distance is still allowed for.
        self.longest = distance.max(self.longest - self.longest / 100);
        self.nominal.max(self.longest)
    }
}

/// Decode times of audio packets, in samples: packets that follow each other do so exactly, whatever rounding their times went
/// through (Matroska files have milliseconds).
#[derive(Debug)]
pub(super) struct SnappedTimes {
    rate: i64,
    /// Where the packet before ended.
    end: Option<i64>,
}

/// Half a millisecond of rounding in the first packet's time, as much in this one's, and room.
const TOLERANCE_MICROS: i64 = 1_500;

impl SnappedTimes {
    pub fn new(rate: u32) -> Self {
        SnappedTimes { rate: i64::from(rate.max(1)), end: None }
    }

    /// Time of a packet of `samples` at `pts` microseconds, in samples.
    pub fn next(&mut self, pts: i64, samples: u32) -> i64 {
        let exact = (i128::from(pts) * i128::from(self.rate) + 500_000).div_euclid(1_000_000);
        let exact = exact.clamp(i128::from(i64::MIN / 2), i128::from(i64::MAX / 2)) as i64;
        let tolerance = (TOLERANCE_MICROS * self.rate / 1_000_000).max(1);
        let time = match self.end {
            Some(end) if end.abs_diff(exact) <= tolerance as u64 => end,
            _ => exact,
        };
        self.end = Some(time + i64::from(samples));
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_do_not_overflow() {
        SnappedTimes::new(u32::MAX).next(i64::MAX, u32::MAX);
        SnappedTimes::new(1).next(i64::MIN, 0);
        FrameDuration::new(Some(i64::MAX)).next(Some(i64::MAX));
    }

    #[test]
    fn durations_follow_a_slower_rate() {
        let mut duration = FrameDuration::new(Some(33_333));
        assert_eq!(duration.next(None), 33_333);
        assert_eq!(duration.next(Some(33_334)), 33_334);
        assert_eq!(duration.next(Some(66_667)), 66_667, "the camera halves its rate in the dark");
        assert!(duration.next(Some(33_333)) > 60_000, "and may do so again at once");
        assert_eq!((0..1000).map(|_| duration.next(Some(33_333))).last(), Some(33_333));
        assert_eq!(duration.next(Some(5_000_000)), 33_333, "a pause is no rate");
        assert_eq!(FrameDuration::new(Some(5_000_000)).next(Some(5_000_100)), 5_000_000);
    }

    #[test]
    fn rounded_audio_times_become_exact() {
        let mut times = SnappedTimes::new(44_100);
        for n in 0..10_000i64 {
            let millis = (n * 1024 * 1000 + 22_050) / 44_100;
            assert_eq!(times.next(millis * 1000, 1024), n * 1024);
        }
        assert_eq!(times.next(300_000_000, 1024), 300 * 44_100, "a gap is kept");
    }
}
