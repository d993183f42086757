//! Reading a recording back: its initialization segment, its fragments, its keyframes, and where what is whole of it ends. Media is not read, only the boxes
//! around it.

use super::disk::ReadAt;
use crate::format::bmff::{self, FragmentReader, FragmentTrack, MFRO, SyncPoint, TrackSamples};
use bytes::Bytes;
use std::io;
use std::time::Duration;

/// One read.
const READ: usize = 4 * 1024;
/// A header that is larger is none of ours.
const MAX_HEADER: u64 = 32 << 20;
/// Keyframes are told at least so far apart; a picture of a GOP of one, or a packet of sound, is none to begin at each.
pub const KEY_DISTANCE: Duration = Duration::from_millis(500);

/// What is in a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// Where the last fragment that is whole ends.
    pub whole: u64,
    /// Of the main track, from the begin of the recording to the end of the last fragment.
    pub duration: Duration,
    pub track: u32,
    pub keys: Vec<SyncPoint>,
    /// There is a fragment.
    pub has_media: bool,
    /// It was closed: the table of keyframes stands at its end, and nothing behind it.
    pub closed: bool,
}

/// One fragment, as it stands in a file.
pub struct Found<'f> {
    pub moof: &'f [u8],
    pub at: u64,
    /// Of its media data.
    #[cfg(test)]
    pub end: u64,
}

/// ftyp and moov. `None`: the file has none.
pub fn init(file: &dyn ReadAt) -> io::Result<Option<Bytes>> {
    let mut window = Window::new(file);
    let mut at = 0;
    while let Some((kind, Some(size))) = bmff::box_at(window.get(at, 16)?) {
        if size > MAX_HEADER || !matches!(&kind, b"ftyp" | b"moov" | b"free") {
            break;
        }
        at += size;
        if kind == *b"moov" {
            let mut whole = vec![0; usize::try_from(at).unwrap_or_default()];
            let have = file.read_at(&mut whole, 0)?;
            return Ok((have == whole.len()).then(|| whole.into()));
        }
    }
    Ok(None)
}

/// The table of keyframes at the end of a file that was closed, and where it begins.
pub fn table(file: &dyn ReadAt) -> io::Result<Option<(u64, u32, Vec<SyncPoint>)>> {
    let length = file.size()?;
    let Some(tail_at) = length.checked_sub(MFRO as u64) else { return Ok(None) };
    let mut tail = [0; MFRO];
    let have = file.read_at(&mut tail, tail_at)?;
    let Some(at) = bmff::mfra_size(&tail[..have]).and_then(|size| length.checked_sub(size.into())) else { return Ok(None) };
    let mut table = vec![0; (length - at) as usize];
    let have = file.read_at(&mut table, at)?;
    Ok(bmff::read_mfra(&table[..have]).map(|(track, keys)| (at, track, keys)))
}

/// Reads a recording from its front to its end, or, if it was closed, its table and what follows the last keyframe. `None`: it is none.
pub fn scan(file: &dyn ReadAt) -> io::Result<Option<Scanned>> {
    let Some(init) = init(file)? else { return Ok(None) };
    let (Ok(mut reader), from) = (FragmentReader::new(&init), init.len() as u64) else { return Ok(None) };
    let Some(main) = reader.main() else { return Ok(None) };
    let empty = Scanned { whole: from, duration: Duration::ZERO, track: main.id, keys: vec![], has_media: false, closed: false };
    match table(file)? {
        Some((end, track, keys)) if track == main.id && keys.last().is_some_and(|key| (from..end).contains(&key.moof)) => {
            let last = keys.last().map_or(from, |key| key.moof);
            let scanned = Scanned { keys, closed: true, ..empty };
            let mut walked = walked(file, last, &mut reader, main, scanned)?;
            // Keyframes behind the last of the table are too near to it to be told.
            walked.whole = end;
            Ok(Some(walked))
        }
        _ => walked(file, from, &mut reader, main, empty).map(Some),
    }
}

fn walked(file: &dyn ReadAt, from: u64, reader: &mut FragmentReader, main: FragmentTrack, mut all: Scanned) -> io::Result<Scanned> {
    let mut keys = KeyTable { keys: std::mem::take(&mut all.keys), ..KeyTable::new(main) };
    let end = walk(file, from, |found| {
        let Ok(tracks) = reader.read(found.moof, found.at) else { return false };
        if let Some(samples) = tracks.iter().find(|samples| samples.track == main.id) {
            keys.add(samples, found.at);
        }
        all.has_media = true;
        true
    })?;
    (all.whole, all.duration, all.keys) = (end, keys.duration(), keys.keys);
    Ok(all)
}

/// The fragments from `from` on, as long as they are whole and `each` wants more. Gives where the last of them ended.
pub fn walk(file: &dyn ReadAt, from: u64, mut each: impl FnMut(Found<'_>) -> bool) -> io::Result<u64> {
    let length = file.size()?;
    let mut window = Window::new(file);
    let (mut at, mut end, mut moof) = (from, from, None);
    while let Some((kind, Some(size))) = bmff::box_at(window.get(at, 16)?) {
        let Some(next) = at.checked_add(size).filter(|next| *next <= length) else { break };
        match &kind {
            b"moof" if size <= MAX_HEADER => moof = Some((at, Bytes::copy_from_slice(window.get(at, size as usize)?))),
            b"mdat" => {
                if let Some((at, bytes)) = moof.take() {
                    if !each(Found {
                        moof: &bytes,
                        at,
                        #[cfg(test)]
                        end: next,
                    }) {
                        return Ok(end);
                    }
                    end = next;
                }
            }
            b"prft" | b"emsg" | b"free" | b"styp" | b"sidx" => {}
            _ => break,
        }
        at = next;
    }
    Ok(end)
}

/// Gathers the keyframes of a recording as its fragments come, and how long it is.
#[derive(Debug)]
pub struct KeyTable {
    main: FragmentTrack,
    pub keys: Vec<SyncPoint>,
    /// In ticks of decoding.
    end: Option<i64>,
}

impl KeyTable {
    pub fn new(main: FragmentTrack) -> KeyTable {
        KeyTable { main, keys: Vec::new(), end: None }
    }

    pub fn main(&self) -> FragmentTrack {
        self.main
    }

    /// A fragment of the main track, whose `moof` stands there.
    pub fn add(&mut self, samples: &TrackSamples, moof: u64) {
        let begin = i64::try_from(samples.decode_time).unwrap_or(i64::MAX);
        let end = begin.saturating_add_unsigned(samples.duration());
        self.end = self.end.max(Some(end));
        let Some(first) = samples.samples.first().filter(|first| first.sync) else { return };
        let time = begin.saturating_add(first.composition_offset).max(0) as u64;
        let distance = KEY_DISTANCE.as_millis() as u64 * u64::from(self.main.timescale) / 1000;
        if self.keys.last().is_none_or(|last| last.moof < moof && time >= last.time.saturating_add(distance)) {
            self.keys.push(SyncPoint { time, moof });
        }
    }

    /// From the begin of the presentation to the end of the last sample.
    pub fn duration(&self) -> Duration {
        let end = self.end.map_or(0, |end| self.main.time(end).micros());
        Duration::from_micros(u64::try_from(end).unwrap_or(0))
    }
}

/// A part of a file in memory.
struct Window<'f> {
    file: &'f dyn ReadAt,
    at: u64,
    bytes: Vec<u8>,
}

impl<'f> Window<'f> {
    fn new(file: &'f dyn ReadAt) -> Window<'f> {
        Window { file, at: 0, bytes: Vec::new() }
    }

    /// So many bytes from there on, or as many as there are.
    fn get(&mut self, at: u64, length: usize) -> io::Result<&[u8]> {
        let inside = |window: &Window<'_>| {
            let from = usize::try_from(at.checked_sub(window.at)?).ok()?;
            (from + length <= window.bytes.len()).then_some(from)
        };
        let from = match inside(self) {
            Some(from) => from,
            None => {
                self.bytes.resize(length.max(READ), 0);
                let have = self.file.read_at(&mut self.bytes, at)?;
                self.bytes.truncate(have);
                self.at = at;
                0
            }
        };
        Ok(&self.bytes[from..(from + length).min(self.bytes.len())])
    }
}
