//! A clip out of recordings: what of them is in it, and its bytes, read from them as they are asked for.

use super::catalogue::Lease;
use super::disk::ReadAt;
use super::keyframes::keyframes;
use super::library::Library;
use super::scan;
use crate::format::bmff::{self, ClipBuilder, FragmentReader, SyncPoint, Wanted};
use crate::media::{Timestamp, WallTime};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A clip is out of so many recordings at most: as many files are open while it is read.
const MAX_FILES: usize = 256;
/// Where the files of a clip lie for who builds it: one behind the other, each in so many bytes.
const ROOM: u64 = 1 << 48;

/// A clip that can be read. While it is there, its recordings are not deleted.
#[derive(Debug)]
pub struct RecordedClip {
    layout: bmff::Clip,
    /// Where in the clip each extent begins.
    begins: Vec<u64>,
    size: u64,
    files: Vec<Box<dyn ReadAt>>,
    _leases: Vec<Lease>,
}

impl Library {
    /// The clip of what was recorded of a stream between these two. `None`: nothing was.
    ///
    /// # Errors
    /// A recording cannot be read, or there are too many of them.
    pub fn clip(&self, stream: &str, from: WallTime, to: WallTime) -> io::Result<Option<RecordedClip>> {
        let Some(catalogue) = self.find(stream) else { return Ok(None) };
        let leases = catalogue.lease(from, to, MAX_FILES + 1);
        if leases.len() > MAX_FILES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the clip is out of too many recordings"));
        }
        let (mut builder, mut files) = (ClipBuilder::new(from, to).with_gaps(), Vec::new());
        for lease in &leases {
            let file = self.open(stream, lease.recording.start)?;
            let place = ROOM * files.len() as u64;
            let wanted = gather(&*file, lease, from, place, &mut builder)?;
            files.push(file);
            if wanted == Wanted::Nothing {
                break;
            }
        }
        let Some(layout) = builder.finish().map_err(invalid)? else { return Ok(None) };
        let mut size = layout.head.len() as u64;
        let mut begins = Vec::with_capacity(layout.extents.len());
        for extent in &layout.extents {
            begins.push(size);
            size += extent.length;
        }
        Ok(Some(RecordedClip { layout, begins, size, files, _leases: leases }))
    }
}

fn invalid(error: crate::media::Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Gives the builder the fragments of one file, from the keyframe before `from` on.
fn gather(file: &dyn ReadAt, lease: &Lease, from: WallTime, place: u64, builder: &mut ClipBuilder) -> io::Result<Wanted> {
    let init = scan::init(file)?.ok_or(io::ErrorKind::InvalidData)?;
    let zero = lease.recording.start.wall();
    if builder.source(&init, zero).map_err(invalid)? == Wanted::Nothing {
        return Ok(Wanted::Nothing);
    }
    let keys = keyframes(file, lease)?.unwrap_or_default().keys;
    let begin = before(&init, &keys, from.0.saturating_sub(zero.0)).unwrap_or(init.len() as u64);
    let (mut wanted, mut outcome) = (Wanted::More, Ok(()));
    scan::walk(file, begin, |found| {
        match builder.fragment(found.moof, place + found.at) {
            Ok(more) => wanted = more,
            Err(error) => outcome = Err(invalid(error)),
        }
        outcome.is_ok() && wanted == Wanted::More
    })?;
    outcome.map(|()| wanted)
}

/// Where the last keyframe at or before this time of the file stands, in microseconds from its begin.
fn before(init: &Bytes, keys: &[SyncPoint], time: i64) -> Option<u64> {
    let main = FragmentReader::new(init).ok()?.main()?;
    let at = main.ticks(Timestamp(time));
    let later = keys.partition_point(|key| i64::try_from(key.time).unwrap_or(i64::MAX) <= at);
    Some(keys.get(later.checked_sub(1)?)?.moof)
}

impl RecordedClip {
    /// A recording as it stands, so many bytes of it.
    pub(super) fn whole(file: Box<dyn ReadAt>, size: u64, lease: Lease) -> RecordedClip {
        let (begin, end) = (lease.recording.start.wall(), lease.recording.end());
        let layout = bmff::Clip { head: Bytes::new(), extents: vec![bmff::Extent { at: 0, length: size }], begin, end };
        RecordedClip { layout, begins: vec![0], size, files: vec![file], _leases: vec![lease] }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its movie header and what is before the media data: another clip has another.
    pub fn head(&self) -> &Bytes {
        &self.layout.head
    }

    /// When it begins and ends.
    pub fn time(&self) -> (WallTime, WallTime) {
        (self.layout.begin, self.layout.end)
    }

    /// These bytes of it, or the first of them, up to `most`.
    ///
    /// # Errors
    /// A recording cannot be read.
    pub fn read(&self, range: Range<u64>, most: usize) -> io::Result<Bytes> {
        let end = range.end.min(self.size).min(range.start.saturating_add(most as u64));
        let mut out = vec![0; usize::try_from(end.saturating_sub(range.start)).unwrap_or_default()];
        let mut have = 0;
        while have < out.len() {
            let (at, rest) = (range.start + have as u64, &mut out[have..]);
            let head = self.head_from(at);
            have += if head.is_empty() {
                let (file, place, length) = self.extent(at)?;
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
                if file.read_at(&mut rest[..length], place)? != length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                length
            } else {
                let length = head.len().min(rest.len());
                rest[..length].copy_from_slice(&head[..length]);
                length
            };
        }
        Ok(out.into())
    }

    /// Which file of this machine has what stands there, where in it, and how many bytes follow there, at least one. `None`: none has it.
    pub fn run(&self, at: u64) -> Option<(Arc<File>, u64, u64)> {
        let (file, place, length) = self.extent(at).ok()?;
        Some((file.file()?.clone(), place, length))
    }

    /// What there is of the head from there on.
    fn head_from(&self, at: u64) -> &[u8] {
        usize::try_from(at).ok().and_then(|at| self.layout.head.get(at..)).unwrap_or_default()
    }

    /// Which file has what stands there, where in it, and how many bytes follow there; at least one.
    fn extent(&self, at: u64) -> io::Result<(&dyn ReadAt, u64, u64)> {
        let index = self.begins.partition_point(|begin| *begin <= at).checked_sub(1).ok_or(io::ErrorKind::UnexpectedEof)?;
        let (extent, inside) = (self.layout.extents[index], at - self.begins[index]);
        let length = extent.length.checked_sub(inside).filter(|length| *length > 0).ok_or(io::ErrorKind::UnexpectedEof)?;
        let file = self.files.get((extent.at / ROOM) as usize).ok_or(io::ErrorKind::InvalidData)?;
        Ok((&**file, extent.at % ROOM + inside, length))
    }
}
