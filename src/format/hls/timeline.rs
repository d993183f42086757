//! Frames in, parts and segments out: what there is of one rendition, without a byte of it.

use super::grid::Grid;
use super::name::Object;
use crate::media::{Timestamp, WallTime};
use std::collections::VecDeque;
use std::time::Duration;

/// So many empty cells are listed: a longer pause pushes everything before it out of the playlist.
const MOST_GAPS: u64 = 8;
/// So many breaks at a time are listed; more push out what was before them.
const MOST_BREAKS: u64 = 4;
/// The frame rate is the median of so many distances.
const DISTANCES: usize = 32;
/// A distance that is no frame rate.
const LONGEST_STEP: i64 = 10_000_000;

/// One chunk of the rendition, in the order of the ring.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Its number in the ring: later ones have greater numbers, not necessarily the next.
    pub number: u64,
    /// Decode time.
    pub start: Timestamp,
    /// As it is declared.
    pub duration: Duration,
    /// Frames in it: more than one, and its duration is believed.
    pub frames: u32,
    /// A decoder can start here.
    pub key: bool,
    /// When it was captured.
    pub captured: Option<WallTime>,
    /// In bytes.
    pub size: usize,
    /// Breaks of the stream up to here.
    pub breaks: u64,
    /// Hash of its init segment.
    pub init: u64,
}

/// Frames by their numbers in the ring: all of the rendition from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first,
    pub first: u64,
    /// and the last, which is in it.
    pub last: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Part {
    pub object: Object,
    pub range: Range,
    /// In microseconds; likewise below.
    pub duration: i64,
    /// It was not cut short by the end of its segment.
    pub is_full: bool,
    pub independent: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub number: u64,
    pub object: Object,
    /// `None`: nothing came in its time.
    pub range: Option<Range>,
    pub parts: Vec<Part>,
    /// Position of its beginning: where the frame before it ended, as far as could be told,
    pub begin: i64,
    /// and of its first frame.
    pub first: i64,
    /// 0 as long as it is not whole.
    pub duration: i64,
    pub breaks: u64,
    pub init: u64,
    pub captured: Option<WallTime>,
    pub key: bool,
    pub size: u64,
}

/// A part that is not whole.
#[derive(Clone, Debug)]
struct OpenPart {
    object: Object,
    range: Range,
    begin: i64,
    /// Of its first frame.
    first: i64,
    frames: u32,
    independent: bool,
}

/// The frame before.
#[derive(Clone, Copy, Debug)]
struct Last {
    start: i64,
    /// As far as can be told.
    end: i64,
}

/// What a request for a part or segment is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked<T> {
    /// This is it.
    Ready(T),
    /// It is not whole yet, and will be.
    Wait,
    /// It is none, and will not be.
    None,
}

/// The parts and segments of one rendition. See [`crate::format::hls`] for the rules.
#[derive(Debug)]
pub struct Timeline {
    pub(super) grid: Grid,
    /// The last one is not whole.
    pub(super) segments: VecDeque<Segment>,
    open: Option<OpenPart>,
    last: Option<Last>,
    /// Where the newest keyframe was.
    key: Option<i64>,
    pub(super) ended: bool,
    /// Frames before this number are gone.
    gone: u64,
    distances: VecDeque<i64>,
    /// The part target, once a playlist was made.
    target: Option<i64>,
    /// No segment has a lower number.
    least: u64,
    /// Discontinuities before the first segment, where the time line does not tell which run of it this is.
    pub(super) run: u64,
}

impl Timeline {
    /// Without frames.
    pub fn new(grid: Grid) -> Timeline {
        let (segments, distances) = (VecDeque::new(), VecDeque::new());
        Timeline { grid, segments, open: None, last: None, key: None, ended: false, gone: 0, distances, target: None, least: 0, run: 0 }
    }

    /// The first segment has at least this number: those before it were in a playlist of an earlier run. So are discontinuities counted from `breaks` on,
    /// where it is not known when time zero was.
    pub fn follow(&mut self, number: u64, breaks: u64) {
        (self.least, self.run) = (number, breaks);
    }

    /// The next frame. Says whether a playlist is another now.
    pub fn push(&mut self, frame: &Frame) -> bool {
        let at = self.grid.position(frame.start);
        let step = self.step(frame, at);
        if self.segments.is_empty() && !frame.key {
            // It is known what comes before the first keyframe: by that it is named.
            self.last = Some(Last { start: at, end: at.saturating_add(step) });
            return false;
        }
        let number = self.number(frame, at);
        let mut news = false;
        match number {
            Some(number) => {
                self.end_segment(at);
                self.begin_segment(number, frame, at);
                news = true;
            }
            None if self.open.as_ref().is_some_and(|open| at + step - open.first > self.grid.longest_part()) => {
                self.end_part(at, true);
                news = true;
            }
            None => {}
        }
        self.add(frame, at, step);
        let long_enough = self.open.as_ref().is_some_and(|open| at + step + step / 2 - open.first >= self.grid.part());
        if long_enough {
            self.end_part(at + step, true);
        }
        news | long_enough
    }

    /// How long the frame lasts, by those before it.
    fn step(&mut self, frame: &Frame, at: i64) -> i64 {
        let declared = i64::try_from(frame.duration.as_micros()).unwrap_or(i64::MAX).clamp(1, LONGEST_STEP);
        let pause = self.grid.pause();
        let distance = self.last.map(|last| at.saturating_sub(last.start)).filter(|distance| (1..=pause.max(declared)).contains(distance));
        if let Some(distance) = distance {
            if self.distances.len() == DISTANCES {
                self.distances.pop_front();
            }
            self.distances.push_back(distance);
        }
        let inside =
            self.open.as_ref().filter(|open| distance.is_some() && at > open.first).map(|open| (at - open.first) / i64::from(open.frames));
        match (frame.frames, inside.filter(|step| *step <= pause), distance) {
            (0 | 1, Some(step), _) | (0 | 1, None, Some(step)) => step.max(1),
            _ => declared,
        }
    }

    /// The number of the segment that begins with this frame, if one does.
    fn number(&self, frame: &Frame, at: i64) -> Option<u64> {
        let cell = self.grid.cell(at);
        let Some(current) = self.segments.back() else { return Some(cell.max(self.least)) };
        let next = current.number + 1;
        let paused = self.last.is_some_and(|last| at.saturating_sub(last.end) > self.grid.pause());
        if frame.breaks != current.breaks || frame.init != current.init || (paused && cell > current.number) {
            return Some(cell.max(next));
        }
        let late = at.saturating_sub(current.first) >= self.grid.longest() - self.grid.part()
            || at >= self.grid.begin(next + 1) - self.grid.part();
        // Out of step after a break: better a shorter one than one without a keyframe.
        let length = at.saturating_sub(current.first);
        let group = self.key.map_or(0, |key| at.saturating_sub(key));
        let in_time = length > self.grid.segment() && length.saturating_add(group) >= self.grid.longest() - self.grid.part();
        ((frame.key && (cell > current.number || in_time)) || late).then_some(next)
    }

    fn end_part(&mut self, end: i64, is_full: bool) {
        let (Some(open), Some(segment)) = (self.open.take(), self.segments.back_mut()) else { return };
        let OpenPart { object, range, begin, independent, .. } = open;
        segment.parts.push(Part { object, range, duration: end.saturating_sub(begin).max(1), is_full, independent });
        if let Some(last) = &mut self.last {
            last.end = end;
        }
    }

    /// The segment is whole, before a frame at this position.
    fn end_segment(&mut self, at: i64) {
        let Some(last) = self.last else { return };
        // What follows at once shows how long the last frame was.
        let end = if at.abs_diff(last.end) <= self.grid.pause() as u64 { at } else { last.end };
        if self.open.is_some() {
            self.end_part(end, false);
        }
        let longest = self.grid.longest();
        if let (Some(segment), Some(last)) = (self.segments.back_mut(), self.last) {
            segment.duration = last.end.saturating_sub(segment.begin).clamp(1, longest);
        }
    }

    fn begin_segment(&mut self, number: u64, frame: &Frame, at: i64) {
        if let Some(before) = self.segments.back() {
            let (breaks, init) = (before.breaks, before.init);
            if frame.breaks.saturating_sub(breaks) > MOST_BREAKS {
                self.segments.clear();
            } else {
                let empty = before.number + 1..number;
                if number - empty.start > MOST_GAPS {
                    self.segments.clear();
                }
                for number in empty.start.max(number.saturating_sub(MOST_GAPS))..number {
                    let begin = self.grid.begin(number);
                    let object = Object::segment(&self.grid, begin);
                    let (duration, parts) = (self.grid.segment(), Vec::new());
                    let (range, captured, key, size) = (None, None, true, 0);
                    self.segments.push_back(Segment {
                        number,
                        object,
                        range,
                        parts,
                        begin,
                        first: begin,
                        duration,
                        breaks,
                        init,
                        captured,
                        key,
                        size,
                    });
                }
            }
        }
        let begin = self.begin_of(at);
        self.segments.push_back(Segment {
            number,
            object: Object::segment(&self.grid, self.after(at)),
            range: None,
            parts: Vec::new(),
            begin,
            first: at,
            duration: 0,
            breaks: frame.breaks,
            init: frame.init,
            captured: frame.captured,
            key: frame.key,
            size: 0,
        });
    }

    /// By which what begins at this position is named.
    fn after(&self, at: i64) -> i64 {
        self.last.map_or(at - 1, |last| last.start)
    }

    /// Where what begins with a frame at this position begins: where the frame before ended, but for a pause.
    fn begin_of(&self, at: i64) -> i64 {
        self.last.map(|last| last.end).filter(|end| end.abs_diff(at) <= (self.grid.part() / 2) as u64).unwrap_or(at)
    }

    fn add(&mut self, frame: &Frame, at: i64, step: i64) {
        let (begin, object) = (self.begin_of(at), Object::part(&self.grid, self.after(at)));
        let Some(segment) = self.segments.back_mut() else { return };
        let range = segment.range.get_or_insert(Range { first: frame.number, last: frame.number });
        range.last = frame.number;
        segment.size += frame.size as u64;
        let range = Range { first: frame.number, last: frame.number };
        let open = self.open.get_or_insert(OpenPart { object, range, begin, first: at, frames: 0, independent: false });
        open.range.last = frame.number;
        open.frames += 1;
        open.independent |= frame.key;
        self.last = Some(Last { start: at, end: at.saturating_add(step) });
        self.key = if frame.key { Some(at) } else { self.key };
    }

    /// No more frames will come.
    pub fn end(&mut self) {
        if let Some(last) = self.last.filter(|_| !self.ended) {
            self.end_segment(last.end);
        }
        self.ended = true;
    }

    /// The frames before this number are gone, and what needs them.
    pub fn forget(&mut self, first: u64) {
        self.gone = self.gone.max(first);
        while self.segments.len() > 1 && self.segments[0].range.is_none_or(|range| range.first < self.gone) {
            self.segments.pop_front();
        }
    }

    pub(super) fn is_there(&self, segment: &Segment) -> bool {
        segment.range.is_none_or(|range| range.first >= self.gone)
    }

    /// How long a frame lasts, in microseconds, as far as it is known.
    pub fn frame(&self) -> Option<i64> {
        let mut distances = Vec::from(self.distances.clone());
        distances.sort_unstable();
        distances.get(distances.len() / 2).copied()
    }

    /// The part target, in microseconds: from the first time that it is asked for on it stays the same.
    pub fn target(&mut self) -> i64 {
        let frame = self.frame();
        *self.target.get_or_insert_with(|| target(&self.grid, frame))
    }

    /// The number of the newest segment of which there is something, and how many parts of it are whole.
    pub fn newest(&self) -> Option<(u64, usize)> {
        let newest = self.segments.back()?;
        if !newest.parts.is_empty() {
            return Some((newest.number, newest.parts.len()));
        }
        let before = self.segments.get(self.segments.len().checked_sub(2)?)?;
        Some((before.number, before.parts.len()))
    }

    /// A segment is whole.
    pub fn has_segment(&self) -> bool {
        self.segments.iter().any(|segment| segment.duration > 0 && segment.range.is_some() && self.is_there(segment))
    }

    /// Something can be had.
    pub fn has_part(&self) -> bool {
        self.segments.iter().any(|segment| !segment.parts.is_empty() && self.is_there(segment))
    }

    /// A part or segment by its name.
    pub fn find(&self, object: &Object) -> Asked<Range> {
        if object.part.is_none() {
            let segment = self.segments.iter().rev().find(|segment| segment.object == *object && segment.range.is_some());
            return match segment.filter(|segment| self.is_there(segment)) {
                Some(Segment { duration: 0, .. }) => Asked::Wait,
                Some(Segment { range: Some(range), .. }) => Asked::Ready(*range),
                _ => Asked::None,
            };
        }
        let part = self.segments.iter().rev().flat_map(|segment| &segment.parts).find(|part| part.object == *object);
        match part {
            Some(part) if part.range.first >= self.gone => Asked::Ready(part.range),
            None if self.hint().is_some_and(|hint| hint == *object) => Asked::Wait,
            _ => Asked::None,
        }
    }

    /// The part that comes next.
    pub(super) fn hint(&self) -> Option<Object> {
        let next = || self.last.map(|last| Object::part(&self.grid, last.start));
        if self.ended { None } else { self.open.as_ref().map(|open| open.object).or_else(next) }
    }

    /// Whether a playlist has this segment, or this part of it; [`Asked::None`]: it is too far ahead to be waited for
    /// (draft-pantos-hls-rfc8216bis, section 6.2.5.2).
    pub fn has(&self, number: u64, part: Option<u64>) -> Asked<()> {
        let Some(newest) = self.segments.back() else { return Asked::Wait };
        let parts = newest.parts.len() as u64;
        if self.ended || number < newest.number {
            // A part after the last one is the first of the next segment.
            let before = self.segments.iter().rev().find(|segment| segment.number == number).filter(|_| number + 1 == newest.number);
            let beyond = part.is_some_and(|part| before.is_some_and(|before| part >= before.parts.len() as u64));
            return if beyond && parts == 0 && !self.ended { Asked::Wait } else { Asked::Ready(()) };
        }
        let ahead = (3_000_000 / self.grid.longest_part()).max(3) as u64;
        match (number - newest.number, part) {
            (0, Some(part)) if part < parts => Asked::Ready(()),
            (0, Some(part)) if part >= parts + ahead => Asked::None,
            (1, Some(part)) if part > ahead => Asked::None,
            (0 | 1, _) => Asked::Wait,
            _ => Asked::None,
        }
    }

    /// Bits a second: of the largest segment, and of all.
    pub fn bandwidth(&self) -> Option<(u64, u64)> {
        let whole = || self.segments.iter().filter(|segment| segment.duration > 0 && segment.range.is_some());
        let rate = |bytes: u64, micros: i64| (u128::from(bytes) * 8_000_000 / micros.max(1) as u128) as u64;
        let most = whole().map(|segment| rate(segment.size, segment.duration)).max()?;
        let (bytes, micros) = whole().fold((0, 0), |(bytes, micros), segment| (bytes + segment.size, micros + segment.duration));
        Some((most, rate(bytes, micros)))
    }

    /// All init segments that are in use, and a frame for each.
    pub fn inits(&self) -> impl Iterator<Item = (u64, u64)> {
        self.segments.iter().filter_map(|segment| Some((segment.init, segment.range?.last)))
    }
}

/// The part target where frames last so long.
fn target(grid: &Grid, frame: Option<i64>) -> i64 {
    let usual = grid.longest_part();
    let Some(frame) = frame else { return usual };
    // As many as [`Timeline::push`] puts into a part.
    let frames = (2 * grid.part() + frame - 1).div_euclid(2 * frame).max(1);
    let part = frames * frame;
    let fits = part * 100 >= usual * 87 && part <= usual;
    // To whole milliseconds.
    if fits { usual } else { (part * 108 / 100 + 999) / 1000 * 1000 }
}
