//! Blocks: their header, lacing, and the encodings that can be undone (RFC 9559, sections 10 and 5.1.4.1.31).

use crate::format::ebml;
use bytes::{Buf, Bytes};

/// Of the flags of a block.
pub(super) const INVISIBLE: u8 = 0x08;

/// What a Block or SimpleBlock begins with (sections 10.1 and 10.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    pub track: u64,
    /// Track ticks after the Cluster's Timestamp.
    pub relative: i16,
    /// Only a SimpleBlock says so.
    pub key: bool,
    /// To be decoded and not shown.
    pub invisible: bool,
    pub lacing: Lacing,
    /// Bytes of this header.
    pub len: usize,
}

/// How several frames share a block (section 10.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lacing {
    None,
    Xiph,
    FixedSize,
    Ebml,
}

impl BlockHeader {
    /// Longest header: a track number of 8 bytes.
    pub const MAX: usize = 11;

    /// `None`: `block` is no block, or fewer bytes than its header has.
    pub fn parse(block: &[u8]) -> Option<BlockHeader> {
        let (track, len) = ebml::vint(block).ok().flatten()?;
        let &[high, low, flags] = block[len..].first_chunk()?;
        let lacing = match flags >> 1 & 3 {
            0 => Lacing::None,
            1 => Lacing::Xiph,
            2 => Lacing::FixedSize,
            _ => Lacing::Ebml,
        };
        let (key, invisible) = (flags & 0x80 != 0, flags & INVISIBLE != 0);
        Some(BlockHeader { track, relative: i16::from_be_bytes([high, low]), key, invisible, lacing, len: len + 3 })
    }
}

/// The frames of a block whose header has been taken off; `None` where their sizes do not add up.
pub fn frames(lacing: Lacing, mut data: Bytes) -> Option<Frames> {
    if lacing == Lacing::None {
        return Some(Frames { sizes: Vec::new().into_iter(), rest: Some(data) });
    }
    let count = usize::from(*data.first()?) + 1;
    data.advance(1);
    let sizes = match lacing {
        Lacing::Xiph => xiph_sizes(&mut data, count - 1)?,
        Lacing::Ebml => ebml_sizes(&mut data, count - 1)?,
        Lacing::FixedSize if data.len().is_multiple_of(count) => vec![data.len() / count; count - 1],
        Lacing::FixedSize | Lacing::None => return None,
    };
    let fits = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size)).is_some_and(|sum| sum <= data.len());
    fits.then(|| Frames { sizes: sizes.into_iter(), rest: Some(data) })
}

/// The frames of one block, at least one, at most 256; without allocation where there is one.
#[derive(Debug)]
pub struct Frames {
    /// Of all but the last frame; together no more than `rest` has.
    sizes: std::vec::IntoIter<usize>,
    rest: Option<Bytes>,
}

impl Iterator for Frames {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        match self.sizes.next() {
            Some(size) => self.rest.as_mut().map(|rest| rest.split_to(size)),
            None => self.rest.take(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.sizes.len() + usize::from(self.rest.is_some());
        (left, Some(left))
    }
}

impl ExactSizeIterator for Frames {}

/// Each size is a run of 255s and a last byte, all added up (section 10.3.2).
fn xiph_sizes(data: &mut Bytes, count: usize) -> Option<Vec<usize>> {
    let mut size = || {
        let run = data.iter().position(|&b| b != 255)?;
        let size = 255 * run + usize::from(data[run]);
        data.advance(run + 1);
        Some(size)
    };
    (0..count).map(|_| size()).collect()
}

/// The first size as it is, the others as differences from the one before (section 10.3.3).
fn ebml_sizes(data: &mut Bytes, count: usize) -> Option<Vec<usize>> {
    let mut last: Option<i64> = None;
    let mut size = || {
        let (value, len) = ebml::vint(data).ok().flatten()?;
        data.advance(len);
        let value = i64::try_from(value).ok()?;
        // A difference is stored with half its range added.
        let size = last.map_or(value, |last| last + value - (ebml::all_ones(len) / 2) as i64);
        last = Some(size);
        usize::try_from(size).ok()
    };
    (0..count).map(|_| size()).collect()
}

/// What was done to a track's frames, and can be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Header stripping (ContentCompAlgo 3): every frame began with these bytes. Older mkvmerge does it to save a few bytes.
    HeaderStripping(Bytes),
    /// ContentCompAlgo 0.
    Zlib,
}

impl Encoding {
    /// `None`: damaged, or more than `max` bytes.
    pub fn undo(&self, data: Bytes, max: usize) -> Option<Bytes> {
        match self {
            Encoding::HeaderStripping(header) => Some([&header[..], &data].concat().into()),
            Encoding::Zlib => miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&data, max).ok().map(Bytes::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let header = BlockHeader::parse(b"\x81\xff\xff\x80data").unwrap();
        assert_eq!(header, BlockHeader { track: 1, relative: -1, key: true, invisible: false, lacing: Lacing::None, len: 4 });
        assert_eq!(BlockHeader::parse(b"\x40\x81\x00\x01\x06").unwrap().track, 129);
        assert_eq!(BlockHeader::parse(b"\x81\xff\xff"), None);
        assert_eq!(BlockHeader::parse(b"\x00\xff\xff\0\0\0\0\0\0\0\0\0"), None);
    }

    fn laced(lacing: Lacing, data: &[u8]) -> Option<Vec<usize>> {
        frames(lacing, Bytes::copy_from_slice(data)).map(|frames| frames.map(|frame| frame.len()).collect())
    }

    /// The examples of section 10.3: frames of 800, 500 and 1000 bytes.
    #[test]
    fn lacings() {
        let block = |head: &[u8], len: usize| [head, &vec![1; len]].concat();
        assert_eq!(laced(Lacing::Xiph, &block(&[2, 255, 255, 255, 35, 255, 245], 2300)), Some(vec![800, 500, 1000]));
        assert_eq!(laced(Lacing::Ebml, &block(&[2, 0x43, 0x20, 0x5E, 0xD3], 2300)), Some(vec![800, 500, 1000]));
        assert_eq!(laced(Lacing::FixedSize, &block(&[2], 2400)), Some(vec![800, 800, 800]));
        assert_eq!(laced(Lacing::None, &block(&[], 10)), Some(vec![10]));
    }

    #[test]
    fn lacings_that_do_not_add_up() {
        assert_eq!(laced(Lacing::Xiph, &[2, 255, 255]), None);
        assert_eq!(laced(Lacing::Xiph, &[1, 9, 1, 1]), None);
        assert_eq!(laced(Lacing::Ebml, &[2, 0x82, 0x80, 1, 1, 1]), None, "2 - 63 is no size");
        assert_eq!(laced(Lacing::Ebml, &[1, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 1]), None);
        assert_eq!(laced(Lacing::FixedSize, &[1, 1, 2, 3]), None);
        assert_eq!(laced(Lacing::Ebml, &[]), None);
        assert_eq!(laced(Lacing::FixedSize, &[255]), Some(vec![0; 256]));
    }

    #[test]
    fn encodings_are_undone() {
        let stripped = Encoding::HeaderStripping(Bytes::from_static(b"\xff\xd8"));
        assert_eq!(stripped.undo(Bytes::from_static(b"\xff"), 9).unwrap(), &b"\xff\xd8\xff"[..]);
        let packed = Bytes::from(miniz_oxide::deflate::compress_to_vec_zlib(&[5; 1000], 6));
        assert_eq!(Encoding::Zlib.undo(packed.clone(), 1000).unwrap(), vec![5; 1000]);
        assert_eq!(Encoding::Zlib.undo(packed, 999), None, "a bomb is stopped at the bound");
        assert_eq!(Encoding::Zlib.undo(Bytes::from_static(b"garbage"), 1000), None);
    }
}
