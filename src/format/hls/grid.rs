//! The cells of time that segments are numbered by.

use crate::media::{Timestamp, WallTime};
use std::time::Duration;

/// How time is cut: see [`crate::format::hls`]. A *position* is a time on the grid, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    segment: i64,
    part: i64,
    /// Position of the stream's time zero: whole segments.
    zero: i64,
}

/// Shortest and longest of each.
const SEGMENT: std::ops::RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(60);
const PART: std::ops::RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(5);
/// `EXTINF`, rounded, may not be more than the target duration.
const ROUNDING: i64 = 490_000;

impl Grid {
    /// The usual length of a segment.
    pub const SEGMENT: Duration = Duration::from_secs(2);
    /// The usual length of a part.
    pub const PART: Duration = Duration::from_millis(200);

    /// Lengths in whole milliseconds, brought into 0.5 to 60 s and 50 ms to 5 s; a part is no longer than half a segment.
    pub fn new(segment: Duration, part: Duration) -> Grid {
        let micros = |d: Duration| d.as_millis() as i64 * 1000;
        let segment = micros(segment.clamp(*SEGMENT.start(), *SEGMENT.end()));
        let part = micros(part.clamp(*PART.start(), *PART.end())).min(segment / 2 / 1000 * 1000);
        Grid { segment, part, zero: 0 }
    }

    /// The same, counted from 1970 where the wall-clock time of the stream's time zero is known.
    pub fn since(self, time_zero: Option<WallTime>) -> Grid {
        let rounded = |wall: i64| wall.saturating_add(self.segment / 2).div_euclid(self.segment).saturating_mul(self.segment);
        Grid { zero: time_zero.map_or(0, |wall| rounded(wall.0.clamp(0, i64::MAX / 4))), ..self }
    }

    /// Of a segment, in microseconds.
    pub fn segment(&self) -> i64 {
        self.segment
    }

    /// Of a part, in microseconds.
    pub fn part(&self) -> i64 {
        self.part
    }

    /// The position of time zero: 0 where it is not known when that was.
    pub fn zero(&self) -> i64 {
        self.zero
    }

    pub(super) fn position(&self, time: Timestamp) -> i64 {
        time.0.clamp(-(1 << 60), 1 << 60).saturating_add(self.zero)
    }

    /// The number of the cell.
    pub(super) fn cell(&self, position: i64) -> u64 {
        position.saturating_add(self.segment / 2).div_euclid(self.segment).max(0) as u64
    }

    /// Where a cell begins.
    pub(super) fn begin(&self, cell: u64) -> i64 {
        i64::try_from(cell).unwrap_or(i64::MAX).saturating_mul(self.segment).saturating_sub(self.segment / 2)
    }

    /// `EXT-X-TARGETDURATION`, in seconds.
    pub fn target_duration(&self) -> u64 {
        (self.segment as u64 * 3).div_ceil(2_000_000)
    }

    /// No segment is longer, in microseconds.
    pub fn longest(&self) -> i64 {
        self.target_duration() as i64 * 1_000_000 + ROUNDING
    }

    /// Frames farther apart than this, in microseconds, are a break of the source.
    pub fn pause(&self) -> i64 {
        (self.segment / 2).max(1_000_000)
    }

    /// No part is longer, where frames are shorter.
    pub(super) fn longest_part(&self) -> i64 {
        self.part * 108 / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        let grid = Grid::new(Duration::from_secs(2), Duration::from_millis(200));
        assert_eq!((grid.target_duration(), grid.longest(), grid.longest_part()), (3, 3_490_000, 216_000));
        assert_eq!([-1_000_000, 0, 999_999, 1_000_000, 2_999_999].map(|at| grid.cell(at)), [0, 0, 0, 1, 1]);
        assert_eq!((grid.begin(1), grid.cell(grid.begin(7)), grid.cell(grid.begin(7) - 1)), (1_000_000, 7, 6));
        assert_eq!((grid.cell(i64::MIN), grid.cell(i64::MAX) > 0), (0, true));
    }

    #[test]
    fn counted_from_1970() {
        let grid = Grid::new(Duration::from_secs(2), Duration::from_millis(200));
        let wall = WallTime(1_700_000_001_234_567);
        assert_eq!(grid.since(Some(wall)).zero(), 1_700_000_002_000_000);
        assert_eq!(grid.since(Some(WallTime(wall.0 - 200_000))).zero(), 1_700_000_002_000_000, "what is nearly the same is the same");
        assert_eq!(grid.since(None).zero(), 0);
        for wild in [i64::MIN, i64::MAX] {
            grid.since(Some(WallTime(wild))).position(Timestamp(wild));
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let grid = Grid::new(Duration::ZERO, Duration::MAX);
        assert_eq!((grid.segment(), grid.part(), grid.target_duration()), (500_000, 250_000, 1));
        assert_eq!(Grid::new(Duration::MAX, Duration::ZERO).target_duration(), 90);
    }
}
