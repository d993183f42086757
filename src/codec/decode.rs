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
/// A presentation time this far, in microseconds, ahead of the last decode time (besides what reordering takes) is a jump of the
/// clock, not a frame that waits for others: its decode time must jump too, since fMP4 has 32 bits for the difference of the two.
const JUMP: i64 = 10_000_000;
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
    /// Where the time line began anew, and how many more frames may come from before that.
    jump: Option<(i64, usize)>,
}

/// When a frame is decoded and when it is shown, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTime {
    /// The decode time.
    pub decode: i64,
    /// As it was given, but for a frame that was overtaken by a jump of the clock: that is shown where the new time line begins.
    pub presentation: i64,
}

impl DecodeTimes {
    /// For streams of this reorder depth, whose frames are about so many microseconds apart.
    pub fn new(depth: u8, frame: i64) -> Self {
        DecodeTimes { depth: usize::from(depth).min(MAX_DEPTH), frame, waiting: BinaryHeap::new(), start: None, last: None, jump: None }
    }

    /// These, going on from where another run of decode times ended.
    pub fn after(self, other: &DecodeTimes) -> Self {
        DecodeTimes { last: other.last, ..self }
    }

    /// The nominal frame duration from here on, in microseconds.
    pub fn set_frame(&mut self, frame: i64) {
        self.frame = frame;
    }

    /// The decode time given last.
    pub fn last(&self) -> Option<i64> {
        self.last
    }

    /// Times of the next frame: it is decoded after the last one, unless the time line starts anew.
    pub fn next(&mut self, pts: i64) -> FrameTime {
        let presentation = match self.jump.take() {
            Some((start, left)) if left > 0 => {
                let before = pts < start.saturating_sub(RESTART) || pts > start.saturating_add(self.reach());
                self.jump = Some((start, left - 1));
                if before { start } else { pts }
            }
            _ => pts,
        };
        self.follow_jump(presentation);
        self.waiting.push(Reverse(presentation));
        let (first, n) = *self.start.get_or_insert((presentation, 0));
        let decode = if n < self.depth {
            self.start = Some((first, n + 1));
            self.after_last(first.saturating_sub(self.reordering() - self.frame.saturating_mul(n as i64)))
        } else {
            self.smallest()
        };
        self.last = Some(decode);
        FrameTime { decode, presentation }
    }

    /// How long a frame can wait for those that are decoded after it and shown before it.
    fn reordering(&self) -> i64 {
        self.frame.saturating_mul(self.depth as i64)
    }

    /// A presentation time further than this ahead of the last decode time is a jump.
    fn reach(&self) -> i64 {
        JUMP.saturating_add(self.reordering().saturating_mul(2))
    }

    /// Starts anew where the clock has jumped.
    fn follow_jump(&mut self, pts: i64) {
        let Some(last) = self.last else { return };
        if pts < last.saturating_sub(RESTART) {
            *self = DecodeTimes { jump: Some((pts, self.depth)), ..DecodeTimes::new(self.depth as u8, self.frame) };
        } else if pts > last.saturating_add(self.reach()) {
            // The frames that follow may be shown before this one, which need not be a keyframe.
            let first = pts.saturating_sub(self.reordering());
            let start = (self.depth > 0).then_some((first, 0));
            *self =
                DecodeTimes { start, last: self.last, jump: Some((first, self.depth)), ..DecodeTimes::new(self.depth as u8, self.frame) };
        }
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
        pts.iter().map(|p| times.next(*p).decode).collect()
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

    /// Decode times fit: they grow but at a step back, and no frame is shown before it is decoded or much later.
    fn shown(depth: u8, frame: i64, pts: &[i64]) -> Vec<i64> {
        let mut times = DecodeTimes::new(depth, frame);
        let shown: Vec<_> = pts.iter().map(|p| times.next(*p)).collect();
        assert!(shown.iter().all(|t| (t.presentation - t.decode).abs() <= 8 * frame), "{shown:?}");
        shown.iter().map(|t| t.presentation).collect()
    }

    #[test]
    fn a_jump_between_b_frames_moves_none() {
        const HOURS: i64 = 3 * 3_600_000_000;
        let gop = [0, 160_000, 80_000, 40_000, 120_000];
        let at = |start: i64| gop.map(|t| start + t);
        let line = [at(0), at(HOURS), at(2 * HOURS), at(200_000), at(HOURS)].concat();
        assert_eq!(shown(2, 40_000, &line), line, "whole groups");
        // In the middle of a group, forward.
        let cut = [&at(0)[..], &[400_000, 320_000], &[HOURS + 360_000, HOURS + 280_000, HOURS + 320_000]].concat();
        assert_eq!(shown(2, 40_000, &cut), cut);
    }

    #[test]
    fn a_frame_that_a_jump_overtakes_is_shown_where_the_new_time_begins() {
        const HOURS: i64 = 3 * 3_600_000_000;
        // The P frame was captured after the jump, its first B frame before.
        let forward = [0, 160_000, 80_000, 40_000, 120_000, HOURS + 320_000, 240_000, HOURS + 280_000, HOURS + 400_000];
        let moved = shown(2, 40_000, &forward);
        assert_eq!((moved[6], moved[7]), (HOURS + 240_000, forward[7]));
        let backward = forward.map(|t| if t > HOURS { t - HOURS } else { t + HOURS });
        let moved = shown(2, 40_000, &backward);
        assert_eq!((moved[5], moved[6], moved[7]), (320_000, 320_000, 280_000));
    }

    #[test]
    fn extremes_do_not_overflow() {
        decode_times(16, i64::MAX, &[i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX]);
    }
}
