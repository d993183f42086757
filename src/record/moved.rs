//! A part of a recording with its fragments moved in time: read from any byte on, without a change of its length.

use super::disk::ReadAt;
use super::scan;
use crate::format::bmff::{self, TimeShift};
use bytes::Bytes;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;

/// A box with times that is larger is none of ours.
const MAX_BOX: u64 = 8 << 20;
/// Bytes that say what a box is, and how long.
const HEAD: usize = 16;

/// It knows where it was read last, so that what follows is found at once.
#[derive(Debug)]
pub struct MovedReader {
    file: Box<dyn ReadAt>,
    part: Range<u64>,
    shift: TimeShift,
    /// Bytes that are as they are on the disk, maybe none; where they end, a box begins.
    plain: Range<u64>,
}

impl MovedReader {
    /// `part`: whole boxes of the file.
    pub fn new(file: Box<dyn ReadAt>, part: Range<u64>, shift: TimeShift) -> MovedReader {
        let plain = part.start..part.start;
        MovedReader { file, part, shift, plain }
    }

    /// The file itself, where it is one of this machine.
    pub fn file(&self) -> Option<&Arc<File>> {
        self.file.file()
    }

    /// What stands there in the file, up to so many bytes, at least one.
    ///
    /// # Errors
    /// It cannot be read, or is not what it was.
    pub fn read(&mut self, at: u64, length: usize) -> io::Result<Bytes> {
        let length = usize::try_from(self.part.end.saturating_sub(at)).unwrap_or(usize::MAX).min(length);
        if at < self.part.start || length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if self.shift.is_none() {
            return self.exact(at, length).map(Bytes::from);
        }
        if !(self.plain.start..=self.plain.end).contains(&at) {
            let (begin, kind, size) = self.box_around(at)?;
            self.plain = if is_moved(kind) { begin..begin } else { begin..begin + size };
            if is_moved(kind) && begin < at {
                return self.of_box(begin, size, at, length);
            }
        }
        let mut bytes = self.exact(at, length)?;
        // Behind the last box that was looked at.
        let mut next = usize::try_from(self.plain.end - at).map_err(|_| ErrorKind::InvalidData)?;
        while next < length {
            let (kind, size) = match bmff::box_at(&bytes[next..]) {
                Some((kind, Some(size))) => (kind, size),
                // The next read begins with it.
                _ if next > 0 && length - next < HEAD => break,
                _ => self.box_at(at + next as u64)?,
            };
            let end = usize::try_from(size).ok().and_then(|size| next.checked_add(size)).ok_or(ErrorKind::InvalidData)?;
            if is_moved(kind) {
                match bytes.get_mut(next..end) {
                    Some(whole) => self.shift.apply(whole).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?,
                    None if next > 0 => break,
                    None => return self.of_box(at, size, at, length),
                }
            }
            next = end;
        }
        bytes.truncate(next);
        self.plain = at + bytes.len() as u64..at + next as u64;
        Ok(bytes.into())
    }

    /// From a byte of a box on that is moved.
    fn of_box(&mut self, begin: u64, size: u64, at: u64, length: usize) -> io::Result<Bytes> {
        if size > MAX_BOX {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut whole = self.exact(begin, size as usize)?;
        self.shift.apply(&mut whole).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        self.plain = begin + size..begin + size;
        let rest = &whole[(at - begin) as usize..];
        Ok(Bytes::copy_from_slice(&rest[..length.min(rest.len())]))
    }

    /// The box in which this byte is: where it begins, what it is, and how long.
    fn box_around(&self, at: u64) -> io::Result<(u64, [u8; 4], u64)> {
        let keys = scan::table(&*self.file)?.map(|(_, _, keys)| keys).unwrap_or_default();
        let before = keys.iter().map(|key| key.moof).take_while(|moof| *moof <= at).last();
        let mut begin = before.filter(|moof| self.part.contains(moof)).unwrap_or(self.part.start);
        loop {
            let (kind, size) = self.box_at(begin)?;
            let end = begin.checked_add(size).ok_or(ErrorKind::InvalidData)?;
            if end > at {
                return Ok((begin, kind, size));
            }
            begin = end;
        }
    }

    fn box_at(&self, at: u64) -> io::Result<([u8; 4], u64)> {
        let mut head = [0; HEAD];
        let have = self.file.read_at(&mut head, at)?;
        match bmff::box_at(&head[..have]) {
            Some((kind, Some(size))) => Ok((kind, size)),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn exact(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        if self.file.read_at(&mut bytes, at)? == length { Ok(bytes) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }
}

/// It has times.
fn is_moved(kind: [u8; 4]) -> bool {
    matches!(&kind, b"moof" | b"prft")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::bmff::{Fragment, FragmentTrack, ProducerTime, Sample};
    use crate::media::{Kind, Timestamp, WallTime};

    #[derive(Debug)]
    struct Memory(Vec<u8>);

    impl ReadAt for Memory {
        fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
            let rest = self.0.get(at as usize..).unwrap_or_default();
            let have = rest.len().min(buf.len());
            buf[..have].copy_from_slice(&rest[..have]);
            Ok(have)
        }

        fn size(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }
    }

    /// Fragments of some sizes, from this time on.
    fn fragments(begin: u64) -> Vec<u8> {
        let mut out = vec![0, 0, 0, 8, b'f', b'r', b'e', b'e'];
        for n in 0..5 {
            let data = vec![n as u8; 3 + 40 * n as usize];
            let samples = [Sample { size: data.len() as u32, duration: 10, composition_offset: 0, key: n == 0 }];
            let time = begin + 10 * n;
            let producer_time = Some(ProducerTime { wall: WallTime(0), media_time: time });
            let fragment = Fragment { sequence: 1, track_id: 1, decode_time: time, samples: &samples, producer_time };
            out.extend_from_slice(&fragment.head(&mut bytes::BytesMut::new()));
            out.extend(data);
        }
        out
    }

    #[test]
    fn any_part_is_that_of_the_whole() {
        let track = |origin| FragmentTrack { id: 1, kind: Kind::Video, timescale: 1000, origin };
        let shift = TimeShift::new(&[track(0)], [track(100)].into_iter(), Timestamp(1_000_000));
        let (disk, moved) = (fragments(100), fragments(1000));
        let reader = || MovedReader::new(Box::new(Memory(disk.clone())), 0..disk.len() as u64, shift.clone());
        for length in [1, 7, 8, 16, 40, 100, 1000, 100_000] {
            // In order, as a client reads it.
            let (mut one, mut at) = (reader(), 0);
            while at < disk.len() {
                let bytes = one.read(at as u64, length).unwrap();
                assert!(!bytes.is_empty() && bytes.len() <= length && bytes == moved[at..at + bytes.len()], "{at} {length}");
                at += bytes.len();
            }
            // From anywhere, backwards with the same reader.
            for at in (0..disk.len()).rev() {
                let bytes = one.read(at as u64, length).unwrap();
                assert_eq!(bytes, moved[at..at + bytes.len()], "{at} {length}");
                assert!(!bytes.is_empty());
            }
        }
        assert!(reader().read(disk.len() as u64, 1).is_err());
        let wrong = Memory(vec![7; 100]);
        assert!(MovedReader::new(Box::new(wrong), 0..100, shift).read(0, 50).is_err());
    }
}
