//! Recordings played back: fragment by fragment from a keyframe on, from one recording into the next. Reading waits for the disk.

use super::catalogue::{Catalogue, Lease};
use super::disk::ReadAt;
use super::keyframes::keyframes;
use super::library::Library;
use super::name::Start;
use super::scan;
use crate::format::bmff::{self, FragmentReader, FragmentTrack, RecordedFragment, Snap, SyncPoint};
use crate::media::{Timestamp, WallTime};
use bytes::Bytes;
use std::io;

/// A fragment that is larger is none of ours.
const MAX_FRAGMENT: u64 = 64 << 20;
/// Boxes that may stand between two fragments.
const MAX_OTHERS: usize = 64;

/// A place in the recordings of a stream. The recording that it is in is not deleted meanwhile; one file is open.
#[derive(Debug)]
pub struct RecordingReader {
    library: Library,
    stream: String,
    catalogue: Catalogue,
    current: Option<OpenRecording>,
}

/// One recording.
#[derive(Debug)]
struct OpenRecording {
    lease: Lease,
    file: Box<dyn ReadAt>,
    init: Bytes,
    main: FragmentTrack,
    /// By its own table, or by what was known of it when it was opened.
    keys: Vec<SyncPoint>,
    /// Of the next fragment.
    at: u64,
}

impl Library {
    /// The recordings of a stream, to be played. `None`: it is not known here.
    pub fn reader(&self, stream: &str) -> Option<RecordingReader> {
        let catalogue = self.find(stream)?;
        Some(RecordingReader { library: self.clone(), stream: stream.to_owned(), catalogue, current: None })
    }
}

impl RecordingReader {
    /// Goes to a keyframe, which is the next fragment. `false`: there is none, and it stays where it is.
    ///
    /// # Errors
    /// A recording cannot be read.
    pub fn seek(&mut self, time: WallTime, snap: Snap) -> io::Result<bool> {
        let found = match snap {
            Snap::Covering => match self.catalogue.covering(time) {
                Some(start) => self.key_in(start, time, false)?.or(self.key_in(start, time, true)?),
                None => self.first_after(time)?,
            },
            Snap::After => {
                let inside = self.catalogue.covering(time).map(|start| self.key_in(start, time, true)).transpose()?.flatten();
                if inside.is_some() { inside } else { self.first_after(time)? }
            }
            Snap::Before => self.last_before(time)?,
        };
        let is_found = found.is_some();
        self.current = found.or_else(|| self.current.take());
        Ok(is_found)
    }

    /// The next fragment. `None`: there is no more, for now.
    ///
    /// # Errors
    /// The recording cannot be read. The next call goes on with the next one.
    pub fn read(&mut self) -> io::Result<Option<RecordedFragment>> {
        loop {
            let Some(current) = &mut self.current else { return Ok(None) };
            // What is not whole yet does not count.
            let (size, open) = self.catalogue.get(current.lease.recording.start).map_or((0, false), |one| (one.size, one.open));
            match current.read(size) {
                Ok(Some(fragment)) => return Ok(Some(fragment)),
                Ok(None) if open => return Ok(None),
                outcome => {
                    let next = self.catalogue.next(current.lease.recording.start);
                    match next.map(|start| self.open(start)).transpose() {
                        Ok(Some(Some(next))) => self.current = Some(next),
                        // There is no next one, or it went away.
                        Ok(_) => return outcome,
                        Err(error) => return Err(error),
                    }
                    outcome?;
                }
            }
        }
    }

    /// A recording, from its first fragment on. `None`: it is gone.
    fn open(&self, start: Start) -> io::Result<Option<OpenRecording>> {
        let Some(lease) = self.catalogue.hold(start) else { return Ok(None) };
        let file = self.library.open(&self.stream, start)?;
        let init = scan::init(&*file)?.ok_or(io::ErrorKind::InvalidData)?;
        let reader = FragmentReader::new(&init).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let main = reader.main().ok_or(io::ErrorKind::InvalidData)?;
        let keys = keyframes(&*file, &lease)?.unwrap_or_default().keys;
        let at = init.len() as u64;
        Ok(Some(OpenRecording { lease, file, init, main, keys, at }))
    }

    /// The recording, at its last keyframe at or before this time, or at the first at or behind it.
    fn key_in(&self, start: Start, time: WallTime, after: bool) -> io::Result<Option<OpenRecording>> {
        let Some(mut current) = self.open(start)? else { return Ok(None) };
        let ticks = current.main.ticks(Timestamp(time.0.saturating_sub(start.wall().0)));
        // A recording begins with a keyframe, also where it has no table.
        let first = SyncPoint { time: 0, moof: current.at };
        let keys = if current.keys.is_empty() { std::slice::from_ref(&first) } else { &current.keys[..] };
        let at = |key: &SyncPoint| i64::try_from(key.time).unwrap_or(i64::MAX);
        let found = match after {
            true => keys.get(keys.partition_point(|key| at(key) < ticks)),
            false => keys.partition_point(|key| at(key) <= ticks).checked_sub(1).map(|index| &keys[index]),
        };
        let Some(place) = found.map(|key| key.moof) else { return Ok(None) };
        current.at = place;
        Ok(Some(current))
    }

    fn first_after(&self, time: WallTime) -> io::Result<Option<OpenRecording>> {
        self.catalogue.after(time).map_or(Ok(None), |start| self.open(start))
    }

    fn last_before(&self, time: WallTime) -> io::Result<Option<OpenRecording>> {
        let mut from = self.catalogue.before(time);
        // The first keyframe of a recording may be shown a little after its begin.
        for _ in 0..3 {
            let Some(start) = from else { return Ok(None) };
            if let Some(current) = self.key_in(start, time, false)? {
                return Ok(Some(current));
            }
            from = self.catalogue.before(WallTime(start.wall().0 - 1));
        }
        Ok(None)
    }
}

impl OpenRecording {
    /// The next fragment of so many bytes of the file.
    fn read(&mut self, size: u64) -> io::Result<Option<RecordedFragment>> {
        let (mut at, mut begin) = (self.at, None);
        for _ in 0..MAX_OTHERS {
            let mut head = [0; 16];
            let have = self.file.read_at(&mut head, at)?;
            let Some((kind, Some(length))) = bmff::box_at(&head[..have]) else { return Ok(None) };
            let Some(end) = at.checked_add(length).filter(|end| *end <= size) else { return Ok(None) };
            match &kind {
                b"moof" => begin = Some(at),
                b"mdat" => {
                    let from = begin.ok_or(io::ErrorKind::InvalidData)?;
                    let whole = end - from;
                    if whole > MAX_FRAGMENT {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    let mut bytes = vec![0; whole as usize];
                    if self.file.read_at(&mut bytes, from)? != bytes.len() {
                        return Ok(None);
                    }
                    self.at = end;
                    let zero = self.lease.recording.start.wall();
                    return Ok(Some(RecordedFragment { init: self.init.clone(), zero, bytes: bytes.into() }));
                }
                b"prft" | b"emsg" | b"free" | b"styp" | b"sidx" => {}
                _ => return Ok(None),
            }
            at = end;
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}
