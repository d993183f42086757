//! Recordings as they are, for those who take them whole or by ranges.

use super::catalogue::{Catalogue, Lease};
use super::disk::ReadAt;
use super::library::Library;
use super::name::Start;
use super::scan;
use crate::format::bmff::{FragmentReader, SyncPoint};
use crate::format::hls::{VodFile, VodSegment};
use crate::media::{Timestamp, WallTime};
use bytes::Bytes;
use std::io;
use std::ops::Range;
use std::time::Duration;

/// Segments of a playlist are at least so long, where there is another keyframe.
const SEGMENT: i64 = 4_000_000;
/// A playlist is of so many recordings at most.
const MAX_FILES: usize = 2000;

/// A recording that is read. While it is there, it is not deleted.
#[derive(Debug)]
pub struct RecordedFile {
    file: Box<dyn ReadAt>,
    lease: Lease,
}

impl RecordedFile {
    /// In bytes, as far as they are whole.
    pub fn size(&self) -> u64 {
        self.lease.recording.size
    }

    /// When it begins and ends.
    pub fn time(&self) -> (WallTime, WallTime) {
        (self.lease.recording.start.wall(), self.lease.recording.end())
    }

    /// These bytes of it, or the first of them, up to `most`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self, range: Range<u64>, most: usize) -> io::Result<Bytes> {
        let end = range.end.min(self.size()).min(range.start.saturating_add(most as u64));
        let mut out = vec![0; usize::try_from(end.saturating_sub(range.start)).unwrap_or_default()];
        let have = self.file.read_at(&mut out, range.start)?;
        out.truncate(have);
        Ok(out.into())
    }
}

impl Library {
    /// A recording by its name: the day, and the file in it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn file(&self, stream: &str, day: &str, file: &str) -> io::Result<Option<RecordedFile>> {
        let (Some(start), Some(catalogue)) = (Start::parse(day, file), self.find(stream)) else { return Ok(None) };
        let Some(lease) = catalogue.lease_one(start) else { return Ok(None) };
        Ok(Some(RecordedFile { file: self.open(stream, start)?, lease }))
    }

    /// What was recorded between these two, for a playlist. Names are `DAY/FILE`.
    ///
    /// # Errors
    /// A recording cannot be read.
    pub fn segments(&self, stream: &str, from: WallTime, to: WallTime) -> io::Result<Vec<VodFile>> {
        let Some(catalogue) = self.find(stream) else { return Ok(Vec::new()) };
        let found: Vec<Start> = catalogue.between(from, to).iter().take(MAX_FILES).map(|one| one.start).collect();
        let listed = found.into_iter().map(|start| self.listed(stream, &catalogue, start, from, to));
        listed.filter_map(Result::transpose).collect()
    }

    fn listed(&self, stream: &str, catalogue: &Catalogue, start: Start, from: WallTime, to: WallTime) -> io::Result<Option<VodFile>> {
        // One that was deleted meanwhile is not listed.
        let Some(lease) = catalogue.lease_one(start) else { return Ok(None) };
        let file = self.open(stream, start)?;
        let Some(init) = scan::init(&*file)? else { return Ok(None) };
        let (end, keys) = match &lease.keys {
            Some(keys) => (lease.recording.size, keys.clone()),
            None => scan::table(&*file)?.map_or((0, Vec::new()), |(at, _, keys)| (at, keys)),
        };
        let segments = cut(&init, &keys, lease.recording.duration, end);
        let is_asked = |(at, segment): &(i64, VodSegment)| {
            let begins = start.wall().at(Timestamp(*at));
            begins < to && begins.0.saturating_add(segment.duration.as_micros() as i64) > from.0
        };
        let segments: Vec<_> = segments.into_iter().filter(is_asked).collect();
        let Some((first, _)) = segments.first() else { return Ok(None) };
        Ok(Some(VodFile {
            uri: format!("{}/{}", start.day(), start.file()),
            init: init.len() as u64,
            begins: start.wall().at(Timestamp(*first)),
            segments: segments.into_iter().map(|(_, segment)| segment).collect(),
        }))
    }
}

/// The segments of a recording, and when each begins in it, in microseconds.
fn cut(init: &Bytes, keys: &[SyncPoint], duration: Duration, end: u64) -> Vec<(i64, VodSegment)> {
    let Some(main) = FragmentReader::new(init).ok().and_then(|reader| reader.main()) else { return Vec::new() };
    let mut begins: Vec<(i64, u64)> = Vec::new();
    for key in keys {
        let at = main.time(i64::try_from(key.time).unwrap_or(i64::MAX)).micros();
        if begins.last().is_none_or(|(last, _)| at - last >= SEGMENT) {
            begins.push((at, key.moof));
        }
    }
    let last = (i64::try_from(duration.as_micros()).unwrap_or(i64::MAX), end);
    let ends = begins.iter().skip(1).copied().chain([last]).collect::<Vec<_>>();
    let segment = |((at, from), (until, to)): (&(i64, u64), &(i64, u64))| {
        let duration = Duration::from_micros(u64::try_from(until - at).unwrap_or_default());
        (*at, VodSegment { at: *from, length: to.saturating_sub(*from), duration })
    };
    begins.iter().zip(&ends).map(segment).filter(|(_, segment)| segment.length > 0).collect()
}
