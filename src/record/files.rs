//! Recordings as the files that they are: each as it stands, and where in each a player can begin.

use super::catalogue::{Lease, Recording};
use super::clip::RecordedClip;
use super::cuts::FileSegment;
use super::keyframes::{Keyframes, keyframes};
use super::library::Library;
use super::name::Start;
use super::scan;
use crate::format::bmff::{self, FragmentReader, SyncPoint};
use crate::media::WallTime;
use bytes::Bytes;
use std::io;
use std::time::Duration;

/// A recording, cut at keyframes.
#[derive(Clone, Debug)]
pub struct SegmentedFile {
    /// Which it is.
    pub recording: Recording,
    /// One behind the other. Of one that is being written: what is whole.
    pub segments: Vec<FileSegment>,
}

impl Library {
    /// A recording as it stands. `None`: there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn file(&self, stream: &str, start: Start) -> io::Result<Option<RecordedClip>> {
        let Some(lease) = self.find(stream).and_then(|catalogue| catalogue.hold(start)) else { return Ok(None) };
        let file = self.open(stream, start)?;
        // Of one that is being written, what is whole.
        let size = if lease.recording.open { lease.recording.size } else { file.size()? };
        Ok(Some(RecordedClip::whole(file, size, lease)))
    }

    /// The init segment of the stream that a recording is of. It has no edit list that says where the recording begins: players of HLS know that by the times of the
    /// fragments. `None`: there is no such recording.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn init(&self, stream: &str, start: Start) -> io::Result<Option<Bytes>> {
        let Some(_lease) = self.find(stream).and_then(|catalogue| catalogue.hold(start)) else { return Ok(None) };
        Ok(scan::init(&*self.open(stream, start)?)?.map(|init| bmff::without_begin(&init)))
    }

    /// What was recorded between these two, in segments of at least this length; the last of a file may be shorter. `settled`: of a file that is being written only
    /// those that stay as they are. Up to `most` files.
    ///
    /// # Errors
    /// There are more, or one cannot be read.
    pub fn segments(
        &self,
        stream: &str,
        (from, to): (WallTime, WallTime),
        length: Duration,
        settled: bool,
        most: usize,
    ) -> io::Result<Vec<SegmentedFile>> {
        let Some(catalogue) = self.find(stream) else { return Ok(Vec::new()) };
        let found = catalogue.between(from, to);
        if found.len() > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut files = Vec::new();
        for recording in found {
            // It may have been deleted meanwhile.
            let Some(lease) = catalogue.hold(recording.start) else { continue };
            let wall = |time: Duration| lease.recording.start.wall().0.saturating_add(i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
            let mut segments = match self.cuts().find(stream, &lease.recording, length) {
                Some(known) => known.to_vec(),
                None => {
                    let segments = self.cut(stream, &lease, length, settled)?;
                    self.cuts().keep(stream, &lease.recording, length, &segments);
                    segments
                }
            };
            segments.retain(|segment| wall(segment.begin + segment.length) > from.0 && wall(segment.begin) < to.0);
            if !segments.is_empty() {
                files.push(SegmentedFile { recording: lease.recording, segments });
            }
        }
        Ok(files)
    }

    fn cut(&self, stream: &str, lease: &Lease, length: Duration, settled: bool) -> io::Result<Vec<FileSegment>> {
        let file = self.open(stream, lease.recording.start)?;
        let Some(init) = scan::init(&*file)? else { return Ok(Vec::new()) };
        let Some(main) = FragmentReader::new(&init).ok().and_then(|reader| reader.main()) else { return Ok(Vec::new()) };
        let time = |key: &SyncPoint| {
            let time = main.time(i64::try_from(key.time).unwrap_or(i64::MAX)).micros();
            Duration::from_micros(u64::try_from(time).unwrap_or(0))
        };
        let Some(Keyframes { mut keys, end, duration }) = keyframes(&*file, lease)? else { return Ok(Vec::new()) };
        let mut end = (end, duration);
        // To the last keyframe.
        if settled && lease.keys.is_some() {
            let Some(last) = keys.pop() else { return Ok(Vec::new()) };
            end = (last.moof, time(&last));
        }
        keys.retain(|key| key.moof >= init.len() as u64 && key.moof < end.0);
        let mut segments: Vec<FileSegment> = Vec::new();
        let mut begin: Option<(u64, Duration)> = None;
        let mut add = |(at, from): (u64, Duration), (next, to): (u64, Duration)| {
            segments.push(FileSegment { bytes: at..next, begin: from, length: to.saturating_sub(from) });
        };
        for key in &keys {
            let here = (key.moof, time(key));
            match begin {
                None => begin = Some((init.len() as u64, here.1)),
                Some(from) if here.1.saturating_sub(from.1) >= length => {
                    add(from, here);
                    begin = Some(here);
                }
                Some(_) => {}
            }
        }
        let is_whole = |from: Duration| !settled || lease.keys.is_none() || end.1.saturating_sub(from) >= length;
        if let Some(from) = begin.filter(|from| is_whole(from.1) && end.1 > from.1) {
            add(from, end);
        }
        Ok(segments)
    }
}
