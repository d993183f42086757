//! The table of keyframes at the end of a fragmented file: `mfra` (ISO/IEC 14496-12, section 8.8.9). Players seek by it.

use super::boxes::{boxes, child};
use bytes::BufMut;

/// A keyframe of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncPoint {
    /// When it is shown, in ticks of the track.
    pub time: u64,
    /// Where its `moof` stands, in bytes from the start of the file.
    pub moof: u64,
}

/// A box of so many bytes is refused: two million keyframes.
pub const MAX_MFRA: u32 = 64 << 20;
/// Bytes of the box at the very end that says how long the table is.
pub const MFRO: usize = 16;

/// ```text
/// mfra 8 | tfra 24 + 19 a keyframe | mfro 16
/// ```
pub fn mfra(track: u32, points: &[SyncPoint]) -> Vec<u8> {
    let count = points.len() as u32;
    let mut out = mfra_head(track, count);
    points.iter().for_each(|point| out.extend_from_slice(&mfra_point(*point)));
    out.extend_from_slice(&mfra_tail(count));
    out
}

/// The front of a table of so many keyframes.
pub fn mfra_head(track: u32, count: u32) -> Vec<u8> {
    let tfra = TFRA + POINT as u32 * count;
    let mut out = Vec::with_capacity(8 + tfra as usize + MFRO);
    out.put_u32(8 + tfra + MFRO as u32);
    out.put_slice(b"mfra");
    out.put_u32(tfra);
    out.put_slice(b"tfra");
    out.put_u32(1 << 24);
    out.put_u32(track);
    // Numbers of the track fragment, the run and the sample take a byte each.
    out.put_u32(0);
    out.put_u32(count);
    out
}

/// A keyframe in the table.
pub fn mfra_point(point: SyncPoint) -> [u8; POINT] {
    let mut out = [1; POINT];
    out[..8].copy_from_slice(&point.time.to_be_bytes());
    out[8..16].copy_from_slice(&point.moof.to_be_bytes());
    out
}

/// The end of a table of so many keyframes.
pub fn mfra_tail(count: u32) -> [u8; MFRO] {
    let mut out = *b"\0\0\0\x10mfro\0\0\0\0\0\0\0\0";
    out[12..].copy_from_slice(&(8 + TFRA + POINT as u32 * count + MFRO as u32).to_be_bytes());
    out
}

/// Bytes of `tfra` before its keyframes.
const TFRA: u32 = 24;
/// Bytes of a keyframe in the table.
const POINT: usize = 19;

/// How long the table is, by the last [`MFRO`] bytes of a file.
pub fn mfra_size(tail: &[u8]) -> Option<u32> {
    let (head, size) = tail.split_last_chunk::<4>()?;
    let size = u32::from_be_bytes(*size);
    let is_mfro = head.len() == MFRO - 4 && head.starts_with(b"\0\0\0\x10mfro\0\0\0\0");
    (is_mfro && (48..=MAX_MFRA).contains(&size)).then_some(size)
}

/// Track and keyframes of a table as [`mfra`] writes it. `None`: it is another, or damaged.
pub fn read_mfra(bytes: &[u8]) -> Option<(u32, Vec<SyncPoint>)> {
    let mfra = boxes(bytes).next().filter(|b| b.kind == *b"mfra" && b.whole.len() == bytes.len())?;
    let tfra = child(mfra.body, b"tfra")?.body;
    let number = |at: usize| tfra.get(at..)?.first_chunk().map(|n| u32::from_be_bytes(*n));
    if tfra.first() != Some(&1) || number(8)? != 0 {
        return None;
    }
    let (entries, rest) = tfra.get(16..)?.as_chunks::<19>();
    if !rest.is_empty() || entries.len() as u64 != u64::from(number(12)?) {
        return None;
    }
    let long = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
    Some((number(4)?, entries.iter().map(|entry| SyncPoint { time: long(&entry[..8]), moof: long(&entry[8..16]) }).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_back_and_a_damaged_one_is_not() {
        for points in [vec![], vec![SyncPoint { time: 1, moof: 700 }, SyncPoint { time: 1 << 40, moof: 1 << 35 }]] {
            let table = mfra(3, &points);
            assert_eq!(mfra_size(&table[table.len() - MFRO..]), Some(table.len() as u32));
            assert_eq!(read_mfra(&table), Some((3, points)));
            (0..table.len()).for_each(|cut| assert_eq!(read_mfra(&table[..cut]), None));
        }
        for tail in [&[0; MFRO][..], b"", b"\0\0\0\x10mfro\0\0\0\0\xff\xff\xff\xff"] {
            assert_eq!(mfra_size(tail), None);
        }
    }
}
