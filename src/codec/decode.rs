//! Decode times, which neither the pipe nor Matroska carries.

use super::{h264, h265};
use crate::media::{Codec, Track};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// How many pictures the coded order can be ahead of the order of presentation. AV1 shows what a temporal unit says: 0.
pub fn reorder_depth(track: &Track) -> u8 {
    match track.codec {
        Codec::H264 => {
            let sps = h264::AvcC::parse(&track.config).ok().and_then(|c| c.sps.into_iter().next());
            sps.and_then(|s| h264::parse_sps(&s).ok()).map_or(0, |s| s.reorder_depth)
        }
        Codec::H265 => {
            let sps = h265::HvcC::parse(&track.config).ok().and_then(|c| c.sps.into_iter().next());
            sps.and_then(|s| h265::parse_sps(&s).ok()).map_or(0, |s| s.reorder_depth)
        }
        _ => 0,
    }
}

/// A decode time this far, in microseconds, behind the last one is a new start, not a frame out of order.
const RESTART: i64 = 1_000_000;
/// No stream reorders more pictures (H.264, section A.3.1; H.265, section 7.4.3.2.1).
const MAX_DEPTH: usize = 16;

/// Derives decode times from presentation times in decoding order, without waiting for later frames; microseconds.
///
/// With a reorder depth of D, the decode time of frame n is the (n-D)th smallest presentation time; the first D frames are
/// stepped back from the first by the nominal frame duration. This is what x264 itself writes.
#[derive(Debug)]
pub struct DecodeTimes {
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
    }
}
