//! What a file of joined recordings is made of: which part of each, where it stands, and by how much its times are moved.
//!
//! A recording that goes on where the one before it ended keeps its times. Another begins where that ended or, where gaps are kept, when it was recorded, and never
//! before the end. The file ends before a recording whose fragments cannot stand behind the first init segment.

use super::catalogue::Lease;
use super::disk::ReadAt;
use super::keyframes::{Keyframes, keyframes};
use super::scan;
use crate::format::bmff::{self, Follows, FragmentReader, FragmentTrack, LocatedSample, SyncPoint, TimeShift};
use crate::media::{Timestamp, WallTime};
use bytes::Bytes;
use std::io;
use std::ops::Range;

/// A recording goes on where the one before ended if it is no further behind that, in microseconds.
const SEAM: i64 = 100_000;
/// A gap that is kept may be off by so much, in microseconds, rather than that fragments are changed.
const DRIFT: i64 = 500_000;
/// Between two recordings that do not go on, in microseconds: times are rounded.
const APART: i64 = 1000;
/// So many fragments are looked at to find the first of each track.
const FIRST: usize = 256;
/// A keyframe that is larger is none of ours.
const MAX_KEYFRAME: u32 = 32 << 20;

/// What is to be joined.
#[derive(Clone, Copy, Debug)]
pub struct Joining {
    /// Of this time
    pub from: WallTime,
    /// up to this one.
    pub to: WallTime,
    /// Recordings are cut at the keyframes before `from` and behind `to`. Otherwise those that begin in this time are taken whole.
    pub cut: bool,
    /// Where nothing was recorded the file has nothing for as long. Otherwise it goes on at once.
    pub keep_gaps: bool,
    /// Of so many recordings.
    pub most: usize,
}

/// A part of a recording.
#[derive(Debug)]
pub struct Part {
    pub lease: Lease,
    /// Where it stands in its recording,
    pub bytes: Range<u64>,
    /// and where in the joined file.
    pub begins: u64,
    /// How its times are moved.
    pub shift: TimeShift,
    /// So many keyframes are in it.
    pub keys: u32,
}

impl Part {
    /// Where in the joined file it ends.
    pub fn ends(&self) -> u64 {
        self.begins + (self.bytes.end - self.bytes.start)
    }
}

/// What a file is made of.
#[derive(Debug)]
pub struct Plan {
    pub head: Bytes,
    pub parts: Vec<Part>,
    /// By which track it is cut.
    pub main: u32,
    pub begin: WallTime,
    pub end: WallTime,
    /// When the recording begins before which it ends.
    pub next: Option<WallTime>,
}

/// Makes a plan of recordings, the oldest first.
#[derive(Debug)]
pub struct Planner {
    joining: Joining,
    plan: Option<Plan>,
    last: Option<Last>,
    /// Of the head.
    tracks: Vec<FragmentTrack>,
}

/// The recording before.
#[derive(Debug)]
struct Last {
    init: Bytes,
    shift: TimeShift,
    /// Where each track has ended, in ticks of the joined file.
    ends: Vec<(u32, i64)>,
}

/// What is wanted of a recording.
struct Wanted {
    bytes: Range<u64>,
    keys: u32,
    /// When it begins, in its file.
    begin: Timestamp,
    spans: Vec<Span>,
    /// The first sample of the main track.
    first: Option<LocatedSample>,
}

/// From when to when there is something of a track, in ticks as they are in its fragments.
struct Span {
    track: FragmentTrack,
    begin: i64,
    end: i64,
}

impl Planner {
    pub fn new(joining: Joining) -> Planner {
        Planner { joining, plan: None, last: None, tracks: Vec::new() }
    }

    /// The next recording. `false`: it cannot be in the same file, which is whole.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn add(&mut self, file: &dyn ReadAt, lease: Lease) -> io::Result<bool> {
        let Some(init) = scan::init(file)? else { return Ok(true) };
        let Some((reader, main)) = FragmentReader::new(&init).ok().and_then(|reader| reader.main().map(|main| (reader, main))) else {
            return Ok(true);
        };
        let Some(found) = keyframes(file, &lease)? else { return Ok(true) };
        let wall = lease.recording.start.wall();
        let Some(wanted) = self.wanted(file, &init, main, &found, wall)? else { return Ok(true) };
        let Some(ended) = wanted.spans.iter().find(|span| span.track.id == main.id).map(|span| main.time(span.end)) else {
            return Ok(true);
        };
        let (end, begin) = (wall.at(ended), wall.at(wanted.begin));
        let (shift, begins) = match (&mut self.plan, &self.last) {
            (Some(plan), Some(last)) => {
                if !is_fit(file, &last.init, &init, wanted.first)? {
                    plan.next = Some(wall);
                    return Ok(false);
                }
                let labelled = self.joining.keep_gaps.then(|| wall.0.saturating_sub(plan.begin.0));
                let shift = match last.zero_of_next(&self.tracks, &wanted.spans, main.id, labelled) {
                    None => last.shift.clone(),
                    Some(zero) => TimeShift::new(&self.tracks, reader.tracks(), Timestamp(zero)),
                };
                plan.end = plan.end.max(end);
                (shift, plan.parts.last().map_or(0, Part::ends))
            }
            _ => {
                let head = bmff::init_at(&init, wanted.begin);
                self.tracks = FragmentReader::new(&head).map(|reader| reader.tracks().collect()).unwrap_or_default();
                let begins = head.len() as u64;
                self.plan = Some(Plan { head, parts: Vec::new(), main: main.id, begin, end, next: None });
                (TimeShift::default(), begins)
            }
        };
        let mut ends = self.last.take().map(|last| last.ends).unwrap_or_default();
        for span in &wanted.spans {
            let end = span.end.saturating_add(shift.of(span.track.id));
            match ends.iter_mut().find(|(id, _)| *id == span.track.id) {
                Some(known) => known.1 = known.1.max(end),
                None => ends.push((span.track.id, end)),
            }
        }
        self.last = Some(Last { init, shift: shift.clone(), ends });
        let part = Part { lease, bytes: wanted.bytes, begins, shift, keys: wanted.keys };
        if let Some(plan) = &mut self.plan {
            plan.parts.push(part);
        }
        Ok(true)
    }

    /// `None`: nothing was recorded.
    pub fn finish(self) -> Option<Plan> {
        self.plan
    }

    /// `None`: nothing.
    fn wanted(
        &self,
        file: &dyn ReadAt,
        init: &Bytes,
        main: FragmentTrack,
        found: &Keyframes,
        wall: WallTime,
    ) -> io::Result<Option<Wanted>> {
        let mut bytes = init.len() as u64..found.end;
        let inside: Vec<SyncPoint> = found.keys.iter().copied().filter(|key| bytes.contains(&key.moof)).collect();
        let shown = |key: &SyncPoint| main.time(i64::try_from(key.time).unwrap_or(i64::MAX));
        let mut begin = Timestamp(0);
        if self.joining.cut {
            let before = inside.iter().rev().find(|key| wall.at(shown(key)) <= self.joining.from);
            if let Some(key) = before.filter(|_| self.plan.is_none()) {
                (bytes.start, begin) = (key.moof, shown(key));
            }
            if let Some(key) = inside.iter().find(|key| wall.at(shown(key)) >= self.joining.to) {
                bytes.end = key.moof;
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut of_part = inside.iter().filter(|key| bytes.contains(&key.moof));
        let (keys, last) = (of_part.clone().count() as u32, of_part.next_back().map_or(bytes.start, |key| key.moof));
        let (spans, first) = spans(file, init, main, &bytes, last)?;
        Ok((!spans.is_empty()).then_some(Wanted { bytes, keys, begin, spans, first }))
    }
}

impl Last {
    /// Where presentation time zero of the next recording is in the joined file, in microseconds. `None`: its fragments are moved as those of the one before.
    /// `labelled`: where it would be by the time of the day, if that counts.
    fn zero_of_next(&self, tracks: &[FragmentTrack], spans: &[Span], main: u32, labelled: Option<i64>) -> Option<i64> {
        let known = |span: &Span| {
            let joined = tracks.iter().find(|track| track.id == span.track.id)?;
            let end = self.ends.iter().find(|(id, _)| *id == span.track.id)?.1;
            Some((*joined, end))
        };
        let (mut earliest, mut in_order, mut late, mut zero) = (i64::MIN, true, i64::MAX, i64::MIN);
        for span in spans {
            let Some((joined, end)) = known(span) else { continue };
            let (end_time, shift) = (joined.time(end).micros(), self.shift.of(span.track.id));
            let moved = span.begin.saturating_add(shift);
            earliest = earliest.max(end_time.saturating_sub(span.track.time(span.begin).micros()).saturating_add(APART));
            in_order &= moved >= end;
            if span.track.id == main {
                late = joined.time(moved).micros().saturating_sub(end_time);
                zero = joined.time(span.track.origin.saturating_add(shift)).micros();
            }
        }
        // What goes on is not moved, wherever its label is.
        let is_near = labelled.is_some_and(|labelled| labelled.abs_diff(zero) <= DRIFT as u64);
        let goes_on = in_order && (late <= SEAM || is_near);
        (!goes_on).then(|| labelled.map_or(earliest, |labelled| labelled.max(earliest)))
    }
}

/// Fragments of `init` can stand behind those of `before`.
fn is_fit(file: &dyn ReadAt, before: &Bytes, init: &Bytes, first: Option<LocatedSample>) -> io::Result<bool> {
    match bmff::follows(before, init) {
        Follows::AsTheyAre => Ok(true),
        Follows::Not => Ok(false),
        Follows::InBand => {
            let Some(sample) = first.filter(|sample| sample.sync && sample.size <= MAX_KEYFRAME) else { return Ok(false) };
            let mut keyframe = vec![0; sample.size as usize];
            let have = file.read_at(&mut keyframe, sample.offset)?;
            Ok(bmff::says_its_configuration(init, &keyframe[..have]))
        }
    }
}

/// When each track begins and ends in a part of a recording, by its first fragments and those from `last` on; and the first sample of the main track.
fn spans(
    file: &dyn ReadAt,
    init: &Bytes,
    main: FragmentTrack,
    bytes: &Range<u64>,
    last: u64,
) -> io::Result<(Vec<Span>, Option<LocatedSample>)> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut reader = FragmentReader::new(init).map_err(invalid)?;
    let tracks: Vec<FragmentTrack> = reader.tracks().collect();
    let (mut spans, mut first, mut looked): (Vec<Span>, _, usize) = (Vec::new(), None, 0);
    let mut note = |moof: &[u8], at: u64, spans: &mut Vec<Span>| {
        let Ok(read) = reader.read(moof, at) else { return false };
        for samples in read.iter().filter(|_| at < bytes.end) {
            let Some(track) = tracks.iter().find(|track| track.id == samples.track) else { continue };
            if track.id == main.id && first.is_none() {
                first = samples.samples.first().copied();
            }
            let begin = i64::try_from(samples.decode_time).unwrap_or(i64::MAX);
            let end = begin.saturating_add_unsigned(samples.duration());
            match spans.iter_mut().find(|span| span.track.id == track.id) {
                Some(span) => span.end = span.end.max(end),
                None => spans.push(Span { track: *track, begin, end }),
            }
        }
        at < bytes.end
    };
    scan::walk(file, bytes.start, |found| {
        looked += 1;
        note(found.moof, found.at, &mut spans) && looked < FIRST && spans.len() < tracks.len()
    })?;
    scan::walk(file, last, |found| note(found.moof, found.at, &mut spans))?;
    Ok((spans, first))
}
