//! Recordings one behind the other as one fragmented MP4 file, put together as it is read: an init segment, the fragments as they are on the disk, and a table of
//! keyframes. Of the fragments only the times are moved, and only where a recording does not go on where the one before it ended; so the length is known beforehand.
//!
//! ```text
//! ftyp moov | fragments of the first recording | of the second | … | mfra
//! ```
//! What is held of it does not grow with its bytes: of each recording a place, and one file is open at a time.

use super::catalogue::Recording;
use super::disk::ReadAt;
use super::join_plan::{Joining, Part, Planner};
use super::keyframes::keyframes;
use super::library::Library;
use super::moved::MovedReader;
use crate::format::bmff::{self, SyncPoint};
use crate::media::WallTime;
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// A table of more keyframes is left out: its size has to fit into what a player reads.
const MAX_KEYS: u64 = 3_000_000;

/// The file. While it is there, its recordings are not deleted.
#[derive(Debug)]
pub struct JoinedFile {
    library: Library,
    stream: String,
    head: Bytes,
    parts: Vec<Part>,
    /// Where the table of keyframes begins, and how many it has, of which track. `None`: there is none.
    table: Option<(u64, u32, u32)>,
    size: u64,
    time: (WallTime, WallTime),
    next: Option<WallTime>,
    open: Mutex<Option<(usize, MovedReader)>>,
}

impl Library {
    /// Recordings of a stream as one file. `None`: there are none.
    ///
    /// # Errors
    /// One cannot be read, or there are too many.
    pub fn joined(&self, stream: &str, joining: Joining) -> io::Result<Option<JoinedFile>> {
        let Some(catalogue) = self.find(stream) else { return Ok(None) };
        let mut found = catalogue.between(joining.from, joining.to);
        found.retain(|one| joining.cut || one.start.wall() >= joining.from);
        if found.len() > joining.most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut planner = Planner::new(joining);
        for Recording { start, .. } in found {
            // It may have been deleted meanwhile.
            let Some(lease) = catalogue.hold(start) else { continue };
            let file = self.open(stream, start)?;
            if !planner.add(&*file, lease)? {
                break;
            }
        }
        let Some(plan) = planner.finish() else { return Ok(None) };
        let media = plan.parts.last().map_or(0, Part::ends);
        let count: u64 = plan.parts.iter().map(|part| u64::from(part.keys)).sum();
        let table = u32::try_from(count).ok().filter(|_| (1..=MAX_KEYS).contains(&count)).map(|count| (media, count, plan.main));
        let tail = table
            .map_or(0, |(_, count, main)| (bmff::mfra_head(main, count).len() + bmff::mfra_tail(count).len()) as u64 + count_bytes(count));
        Ok(Some(JoinedFile {
            library: self.clone(),
            stream: stream.to_owned(),
            head: plan.head,
            parts: plan.parts,
            table,
            size: media + tail,
            time: (plan.begin, plan.end),
            next: plan.next,
            open: Mutex::default(),
        }))
    }
}

fn count_bytes(count: u32) -> u64 {
    u64::from(count) * bmff::mfra_point(SyncPoint { time: 0, moof: 0 }).len() as u64
}

impl JoinedFile {
    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its init segment.
    pub fn head(&self) -> &Bytes {
        &self.head
    }

    /// When it begins and ends.
    pub fn time(&self) -> (WallTime, WallTime) {
        self.time
    }

    /// When the recording begins that has other tracks, and is not in it, nor are those that follow.
    pub fn next(&self) -> Option<WallTime> {
        self.next
    }

    /// These bytes of it, or the first of them, up to `most`.
    ///
    /// # Errors
    /// A recording cannot be read.
    pub fn read(&self, range: Range<u64>, most: usize) -> io::Result<Bytes> {
        let end = range.end.min(self.size);
        let length = usize::try_from(end.saturating_sub(range.start)).unwrap_or(usize::MAX).min(most);
        if let Some(rest) = usize::try_from(range.start).ok().and_then(|at| self.head.get(at..)).filter(|rest| !rest.is_empty()) {
            return Ok(Bytes::copy_from_slice(&rest[..length.min(rest.len())]));
        }
        match (self.part(range.start), self.table) {
            (Some(index), _) => {
                let part = &self.parts[index];
                let place = part.bytes.start + (range.start - part.begins);
                let length = length.min(usize::try_from(part.bytes.end - place).unwrap_or(usize::MAX));
                self.reading(index, |reader| reader.read(place, length))
            }
            (None, Some((begin, count, main))) if range.start < self.size => self.table((begin, count, main), range.start, length),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Which file of this machine has what stands there, where in it, and how many bytes follow there, at least one. `None`: none has it as it is to be.
    pub fn run(&self, at: u64) -> Option<(Arc<File>, u64, u64)> {
        let index = self.part(at)?;
        let part = &self.parts[index];
        if !part.shift.is_none() {
            return None;
        }
        let place = part.bytes.start + (at - part.begins);
        let file = self.reading(index, |reader| Ok(reader.file().cloned())).ok()??;
        Some((file, place, part.bytes.end - place))
    }

    fn part(&self, at: u64) -> Option<usize> {
        let index = self.parts.partition_point(|part| part.begins <= at).checked_sub(1)?;
        (at < self.parts[index].ends()).then_some(index)
    }

    /// With this one open, and no other.
    fn reading<T>(&self, index: usize, with: impl FnOnce(&mut MovedReader) -> io::Result<T>) -> io::Result<T> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.as_ref().is_none_or(|(is_open, _)| *is_open != index) {
            *open = None;
            let part = &self.parts[index];
            let file = self.library.open(&self.stream, part.lease.recording.start)?;
            *open = Some((index, MovedReader::new(file, part.bytes.clone(), part.shift.clone())));
        }
        let (_, reader) = open.as_mut().ok_or(io::ErrorKind::Other)?;
        with(reader)
    }

    /// What stands there of the table of keyframes: its head, the keyframes of one recording, or its end.
    fn table(&self, (begin, count, main): (u64, u32, u32), at: u64, length: usize) -> io::Result<Bytes> {
        let mut here = begin;
        let cut = |here: u64, bytes: &[u8]| {
            let inside = usize::try_from(at - here).ok().filter(|inside| *inside < bytes.len())?;
            Some(Bytes::copy_from_slice(&bytes[inside..(inside + length).min(bytes.len())]))
        };
        let head = bmff::mfra_head(main, count);
        if let Some(bytes) = cut(here, &head) {
            return Ok(bytes);
        }
        here += head.len() as u64;
        for part in &self.parts {
            let size = count_bytes(part.keys);
            if at < here + size {
                let bytes = self.points(part, main)?;
                // A table on the disk that is not the one that it was.
                return cut(here, &bytes).filter(|_| bytes.len() as u64 == size).ok_or(io::ErrorKind::InvalidData.into());
            }
            here += size;
        }
        cut(here, &bmff::mfra_tail(count)).ok_or(io::ErrorKind::UnexpectedEof.into())
    }

    fn points(&self, part: &Part, main: u32) -> io::Result<Vec<u8>> {
        let file: Box<dyn ReadAt> = self.library.open(&self.stream, part.lease.recording.start)?;
        let found = keyframes(&*file, &part.lease)?.unwrap_or_default();
        let shift = part.shift.of(main);
        let inside = found.keys.into_iter().filter(|key| part.bytes.contains(&key.moof));
        Ok(inside
            .flat_map(|key| {
                let moof = part.begins + (key.moof - part.bytes.start);
                bmff::mfra_point(SyncPoint { time: key.time.saturating_add_signed(shift), moof })
            })
            .collect())
    }
}
