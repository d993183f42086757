//! Which samples of a movie are packets: its tables, its fragments, and what edit lists leave of them, in the order of the file.

use super::description::SampleLayout;
use super::edits::Edits;
use super::moof::TrackFragment;
use super::movie::MovieTrack;
use super::samples::{Sample, Table};
use crate::media::{Codec, Kind, Timestamp};

/// Where a packet stands in the file, and when it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SampleLocation {
    /// In bytes from the start of the file.
    pub offset: u64,
    pub size: u32,
    /// Index of the track, and of its sample entry.
    pub track: usize,
    pub entry: usize,
    pub pts: Timestamp,
    pub sync: bool,
    /// An edit cut it away, and what is shown is predicted from it.
    pub hidden: bool,
}

/// Samples of a track are taken in any order up to so many; with more, the track is left out.
const MAX_UNORDERED: u32 = 1 << 18;
/// So far ahead is looked for what is predicted from a picture.
const MAX_GROUP: usize = 100_000;

/// The locations of one track that its tables name.
pub(super) struct SampleLocations {
    line: TrackQueue,
    next: Option<SampleLocation>,
    /// In location of the line: those of a track whose chunks stand in no order, the last one first.
    sorted: Vec<SampleLocation>,
}

/// More samples than can be sorted, which stand in no order.
pub(super) struct Unordered;

impl SampleLocations {
    /// Of track number `index`; `None` if its tables name none.
    pub fn new(track: &MovieTrack, index: usize) -> Result<Option<SampleLocations>, Unordered> {
        let Some(table) = track.table.clone() else { return Ok(None) };
        let (in_order, left) = (table.is_in_order(), table.left());
        let line = TrackQueue { cut: Cut::new(track, index), table, needed: 0 };
        let mut locations = SampleLocations { line, next: None, sorted: Vec::new() };
        if !in_order {
            if left > MAX_UNORDERED {
                return Err(Unordered);
            }
            locations.sorted = locations.line.by_ref().collect();
            locations.sorted.sort_by_key(|location| std::cmp::Reverse(location.offset));
        }
        locations.advance();
        Ok(Some(locations))
    }

    /// The next one in the file.
    pub fn front(&self) -> Option<SampleLocation> {
        self.next
    }

    pub fn advance(&mut self) {
        self.next = self.sorted.pop().or_else(|| self.line.next());
    }
}

/// Walks a table.
struct TrackQueue {
    cut: Cut,
    table: Table,
    /// Samples with lower numbers are decoded, whether they are shown or not.
    needed: u32,
}

impl Iterator for TrackQueue {
    type Item = SampleLocation;

    fn next(&mut self) -> Option<SampleLocation> {
        loop {
            let sample = self.table.next()?;
            if self.cut.predicts && (sample.sync || sample.number == 0) {
                self.needed = self.needed_until(&sample);
            }
            if let Some(location) = self.cut.location(&sample, sample.number < self.needed) {
                return Some(location);
            }
        }
    }
}

impl TrackQueue {
    /// One more than the number of the last sample that is shown before the next sync sample.
    fn needed_until(&self, sync: &Sample) -> u32 {
        if self.cut.edits.is_none() {
            return 0;
        }
        let group = std::iter::once(*sync).chain(self.table.clone().take_while(|sample| !sample.sync).take(MAX_GROUP));
        group
            .filter(|sample| self.cut.edits.shown(sample.time, sample.duration).is_some())
            .map(|sample| sample.number + 1)
            .last()
            .unwrap_or(0)
    }
}

/// What the edit list leaves of a track.
struct Cut {
    track: usize,
    edits: Edits,
    /// Pictures are predicted from others.
    predicts: bool,
    /// Audio that is kept before the first in-point, in ticks.
    lead_in: i64,
    /// Bytes of a sample of PCM.
    frame: Option<u32>,
}

impl Cut {
    fn new(track: &MovieTrack, index: usize) -> Cut {
        let frame = if let SampleLayout::Pcm { frame, .. } = track.layout() { Some(frame) } else { None };
        let predicts = track.track.kind() == Kind::Video && !track.track.codec.intra_only();
        let lead_in = if track.track.kind() == Kind::Audio && frame.is_none() { track.lead_in() } else { 0 };
        Cut { track: index, edits: track.edits.clone(), predicts, lead_in, frame }
    }

    /// `None`: it is cut away.
    fn location(&self, sample: &Sample, needed: bool) -> Option<SampleLocation> {
        let at = |pts, hidden| {
            let Sample { offset, size, sync, entry, .. } = *sample;
            Some(SampleLocation { offset, size, track: self.track, entry, pts, sync, hidden })
        };
        if let Some(frame) =
            self.frame.filter(|frame| sample.duration > 0 && u64::from(sample.size) == u64::from(*frame) * sample.duration as u64)
        {
            let (from, count, pts) = self.edits.part(sample.time, sample.duration)?;
            // Both are within the sample, whose bytes are 32 bits.
            let (skip, size) = (from as u64 * u64::from(frame), count as u64 * u64::from(frame));
            return Some(SampleLocation { offset: sample.offset + skip, size: size as u32, ..at(pts, false)? });
        }
        // Audio before the first in-point is for decoders to start up, however much of its packet lies behind it.
        if let Some(start) = self.edits.first_start().filter(|start| self.lead_in > 0 && sample.time < *start) {
            let kept = sample.time.saturating_add(sample.duration) > start - self.lead_in;
            return if kept { at(self.edits.before(sample.time), false) } else { None };
        }
        if let Some(pts) = self.edits.shown(sample.time, sample.duration) {
            return at(pts, false);
        }
        if needed { at(self.edits.hidden(sample.time), true) } else { None }
    }
}

/// The locations of a fragment, which begins at byte `at`, are added to `locations`. `None`: out of range.
pub(super) fn of_fragment(
    track: &MovieTrack,
    index: usize,
    fragment: &TrackFragment,
    at: u64,
    locations: &mut Vec<SampleLocation>,
) -> Option<()> {
    let cut = Cut::new(track, index);
    let start = track.edits.first_start();
    let gather = if let SampleLayout::Pcm { frame, .. } = track.layout() { Some(frame) } else { None };
    let mut dts = fragment.decode_time.and_then(|time| i64::try_from(time).ok()).unwrap_or(i64::MAX);
    let mut run: Option<Sample> = None;
    let flush = |run: &mut Option<Sample>, locations: &mut Vec<SampleLocation>| {
        // It is not known yet which pictures are predicted from which: before the in-point, all may be needed.
        let needed = |sample: &Sample| cut.predicts && start.is_some_and(|start| sample.time < start);
        locations.extend(run.take().and_then(|sample| cut.location(&sample, needed(&sample))));
    };
    for sample in &fragment.samples {
        let offset = at.checked_add_signed(sample.offset)?;
        let next = Sample {
            number: 0,
            offset,
            size: sample.size,
            time: dts.saturating_add(sample.composition_offset),
            duration: sample.duration.into(),
            sync: sample.sync,
            entry: fragment.entry,
        };
        dts = dts.saturating_add(sample.duration.into());
        match &mut run {
            // Samples of PCM are a packet together.
            Some(run)
                if gather == Some(sample.size)
                    && run.offset + u64::from(run.size) == offset
                    && run.duration < i64::from(track.timescale / 25) =>
            {
                run.size = run.size.saturating_add(sample.size);
                run.duration += next.duration;
            }
            _ => {
                flush(&mut run, locations);
                run = Some(next);
            }
        }
    }
    flush(&mut run, locations);
    Some(())
}

/// Whether a picture that is not shown is needed by no other: H.264 says so (nal_ref_idc, ITU-T H.264, section 7.4.1).
pub(super) fn is_disposable(codec: Codec, access_unit: &[u8]) -> bool {
    use crate::codec::h264;
    codec == Codec::H264
        && h264::units(access_unit).find(|unit| (1..=5).contains(&h264::type_of(unit))).is_some_and(|unit| unit[0] & 0x60 == 0)
}
