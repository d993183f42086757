//! Box headers and walking through boxes.

use crate::media::Malformed;
use mp4_atom::{Decode, Tkhd};

/// Boxes that are read whole are refused beyond this: no real movie or fragment header comes near it.
pub(super) const MAX_HEADER_BOX: u64 = 32 << 20;
/// A fragment's media data is refused beyond this: 10 s at 200 Mbit/s.
pub(super) const MAX_FRAGMENT: u64 = 256 << 20;

pub(super) fn malformed(what: impl Into<String>) -> Malformed {
    Malformed::new("MP4", what)
}

/// Size and type of a box (section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub kind: [u8; 4],
    /// Bytes of the header itself: 8, or 16 with a large size.
    pub len: usize,
    /// Bytes of the whole box; `None`: up to the end of the input.
    pub size: Option<u64>,
}

/// What the front of `data` says of the box there.
pub(super) enum Peek {
    Need(usize),
    Box(Head),
}

pub(super) fn peek(data: &[u8]) -> Result<Peek, Malformed> {
    let Some(&[s0, s1, s2, s3, kind @ ..]) = data.first_chunk::<8>() else { return Ok(Peek::Need(8)) };
    // Types are printable four-character codes; 0xa9 is the copyright sign of QuickTime.
    if !kind.iter().all(|b| b.is_ascii_graphic() || *b == b' ' || *b == 0xa9) {
        return Err(malformed("no box begins here"));
    }
    let (len, size) = match u32::from_be_bytes([s0, s1, s2, s3]) {
        0 => (8, None),
        1 => match data[8..].first_chunk() {
            Some(large) => (16, Some(u64::from_be_bytes(*large))),
            None => return Ok(Peek::Need(16)),
        },
        size => (8, Some(u64::from(size))),
    };
    if size.is_some_and(|s| s < len as u64) {
        return Err(malformed(format!("box {} is smaller than its own header", name(kind))));
    }
    Ok(Peek::Box(Head { kind, len, size }))
}

pub(super) fn name(kind: [u8; 4]) -> String {
    String::from_utf8_lossy(&kind).into_owned()
}

/// A box in memory.
#[derive(Clone, Copy)]
pub(super) struct BoxRef<'a> {
    pub kind: [u8; 4],
    pub whole: &'a [u8],
    pub body: &'a [u8],
}

impl BoxRef<'_> {
    /// Decodes the box with mp4-atom.
    pub fn decode<T: Decode>(&self) -> Result<T, Malformed> {
        let mut whole = self.whole;
        T::decode(&mut whole).map_err(|e| malformed(format!("box {}: {e}", name(self.kind))))
    }
}

/// The boxes in `data`, one after the other; ends at the first that is not whole.
pub(super) fn boxes(data: &[u8]) -> impl Iterator<Item = BoxRef<'_>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let Ok(Peek::Box(head)) = peek(rest) else { return None };
        let size = head.size.map_or(Some(rest.len()), |s| usize::try_from(s).ok())?;
        let (whole, after) = rest.split_at_checked(size)?;
        rest = after;
        Some(BoxRef { kind: head.kind, whole, body: &whole[head.len..] })
    })
}

pub(super) fn child<'a>(data: &'a [u8], kind: &[u8; 4]) -> Option<BoxRef<'a>> {
    boxes(data).find(|b| b.kind == *kind)
}

/// The box at the end of a path of types, which must be there.
pub(super) fn descend<'a>(data: &'a [u8], path: &[&[u8; 4]]) -> Result<BoxRef<'a>, Malformed> {
    let mut found = BoxRef { kind: *b"root", whole: data, body: data };
    for kind in path {
        found = child(found.body, kind).ok_or_else(|| malformed(format!("box {} is missing", name(**kind))))?;
    }
    Ok(found)
}

/// Number of the track that a `trak` box describes.
pub(super) fn track_id(trak: BoxRef) -> Result<u32, Malformed> {
    let tkhd: Tkhd = descend(trak.body, &[b"tkhd"])?.decode()?;
    Ok(tkhd.track_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert!(matches!(peek(b"\0\0\0\x08fre"), Ok(Peek::Need(8))));
        assert!(matches!(peek(b"\0\0\0\x01mdat\0\0\0"), Ok(Peek::Need(16))));
        let Ok(Peek::Box(head)) = peek(b"\0\0\0\x01mdat\x10\0\0\0\0\0\0\0") else { panic!() };
        assert_eq!(head, Head { kind: *b"mdat", len: 16, size: Some(1 << 60) });
        assert!(peek(b"\0\0\0\x07free").is_err());
        assert!(peek(b"\0\0\0\x08\0\0\0\0").is_err());
    }

    #[test]
    fn walking_ends_at_a_box_that_is_cut() {
        let data = b"\0\0\0\x0cfreeabcd\0\0\0\x08skip\0\0\0\x0afree";
        let kinds: Vec<_> = boxes(data).map(|b| b.kind).collect();
        assert_eq!(kinds, [*b"free", *b"skip"]);
    }
}
