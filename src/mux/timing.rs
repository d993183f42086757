//! Decode times and durations, which the pipe does not carry.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A decode time this far, in microseconds, behind the last one is a new start, not a frame out of order.
const RESTART: i64 = 1_000_000;
/// No stream reorders more pictures (H.264, section A.3.1; H.265, section 7.4.3.2.1).
const MAX_DEPTH: usize = 16;

/// Derives decode times from presentation times in decoding order, without waiting for later frames; microseconds.
///
/// With a reorder depth of D, the decode time of frame n is the (n-D)th smallest presentation time; the first D frames are
/// stepped back from the first by the nominal frame duration. This is what x264 itself writes.
#[derive(Debug)]
pub(super) struct DecodeTimes {
    depth: usize,
    frame: i64,
    /// Presentation times not yet used as decode times.
    waiting: BinaryHeap<Reverse<i64>>,
    /// The first presentation time, and how many frames came before this one, while fewer than `depth`.
    start: Option<(i64, usize)>,
    last: Option<i64>,
}

impl DecodeTimes {
    pub fn new(depth: u8, frame: i64) -> Self {
        DecodeTimes { depth: usize::from(depth).min(MAX_DEPTH), frame, waiting: BinaryHeap::new(), start: None, last: None }
    }

    /// These, going on from where another run of decode times ended.
    pub fn after(self, other: &DecodeTimes) -> Self {
        DecodeTimes { last: other.last, ..self }
    }

    /// The decode time given last.
    pub fn last(&self) -> Option<i64> {
        self.last
    }

    /// Decode time of the next frame: after the last one's, unless the time line starts anew.
    pub fn next(&mut self, pts: i64) -> i64 {
        if self.last.is_some_and(|last| pts < last.saturating_sub(RESTART)) {
            *self = DecodeTimes::new(self.depth as u8, self.frame);
        }
        self.waiting.push(Reverse(pts));
        let (first, n) = *self.start.get_or_insert((pts, 0));
        let dts = if n < self.depth {
            self.start = Some((first, n + 1));
            self.after_last(first.saturating_sub(self.frame.saturating_mul((self.depth - n) as i64)))
        } else {
            self.smallest()
        };
        self.last = Some(dts);
        dts
    }

    fn smallest(&mut self) -> i64 {
        let smallest = self.waiting.peek().map_or(i64::MIN, |p| p.0);
        let in_order = self.last.is_none_or(|last| smallest > last);
        // A stream that reorders more than it says: keep one presentation time more waiting, as if the depth were larger.
        if in_order || self.waiting.len() > MAX_DEPTH {
            self.waiting.pop();
        }
        self.after_last(smallest)
    }

    fn after_last(&self, dts: i64) -> i64 {
        self.last.map_or(dts, |last| dts.max(last.saturating_add(1)))
    }
}

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
pub(super) struct SampleTimes {
    rate: i64,
    /// Where the packet before ended.
    end: Option<i64>,
}

/// Half a millisecond of rounding in the first packet's time, as much in this one's, and room.
const TOLERANCE_MICROS: i64 = 1_500;

impl SampleTimes {
    pub fn new(rate: u32) -> Self {
        SampleTimes { rate: i64::from(rate.max(1)), end: None }
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

    fn decode_times(depth: u8, frame: i64, pts: &[i64]) -> Vec<i64> {
        let mut times = DecodeTimes::new(depth, frame);
        pts.iter().map(|p| times.next(*p)).collect()
    }

    #[test]
    fn without_b_frames_decode_time_is_presentation_time() {
        assert_eq!(decode_times(0, 40, &[0, 40, 80, 160]), [0, 40, 80, 160]);
    }

    #[test]
    fn with_b_frames_the_sorted_times_are_delayed() {
        // I P B B P B B, with a pyramid of depth 2.
        assert_eq!(decode_times(2, 40, &[0, 160, 80, 40, 120, 320, 240]), [-80, -40, 0, 40, 80, 120, 160]);
    }

    #[test]
    fn a_stream_that_lies_about_its_depth_stays_in_order() {
        let times = decode_times(0, 40, &[0, 160, 80, 40, 120, 320, 240, 200, 280]);
        assert!(times.windows(2).all(|w| w[0] < w[1]), "{times:?}");
        assert!(*times.last().unwrap() <= 280);
    }

    #[test]
    fn a_time_line_that_starts_anew_is_followed() {
        assert_eq!(decode_times(0, 40, &[0, 10_000_000, 80, 120]), [0, 10_000_000, 80, 120]);
    }

    #[test]
    fn extremes_do_not_overflow() {
        decode_times(16, i64::MAX, &[i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX]);
        SampleTimes::new(u32::MAX).next(i64::MAX, u32::MAX);
        SampleTimes::new(1).next(i64::MIN, 0);
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
        let mut times = SampleTimes::new(44_100);
        for n in 0..10_000i64 {
            let millis = (n * 1024 * 1000 + 22_050) / 44_100;
            assert_eq!(times.next(millis * 1000, 1024), n * 1024);
        }
        assert_eq!(times.next(300_000_000, 1024), 300 * 44_100, "a gap is kept");
    }
}
