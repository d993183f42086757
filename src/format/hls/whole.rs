//! The whole segments of a time line, for who keeps each as a file.

use super::name::Object;
use super::timeline::{Range, Segment, Timeline};

/// A whole segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Media sequence number.
    pub number: u64,
    /// By which it is named.
    pub object: Object,
    /// Its frames.
    pub range: Range,
    /// Where it begins on the grid, in microseconds.
    pub begin: i64,
    /// Hash of its init segment.
    pub init: u64,
}

impl Timeline {
    /// Segments that are whole and that something has come for, the newest first.
    pub fn whole(&self) -> impl Iterator<Item = Whole> {
        let whole = |segment: &Segment| {
            let (range, is_whole) = (segment.range?, segment.duration > 0);
            let Segment { number, object, begin, init, .. } = *segment;
            is_whole.then_some(Whole { number, object, range, begin, init })
        };
        self.segments.iter().rev().filter_map(whole)
    }

    /// The first frame of the segment that is not whole.
    pub fn open(&self) -> Option<u64> {
        self.segments.back().filter(|segment| segment.duration == 0).and_then(|segment| Some(segment.range?.first))
    }
}
