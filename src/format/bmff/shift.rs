//! Moving a fragment in time, in place.

use super::boxes::boxes;
use std::ops::Range;

/// Adds to every time in a chunk (`tfdt`, and `prft`'s media time): `ticks(track)` for each track. Times of 64 bits are
/// changed in place; of 32 bits too, unless the result needs more: then the box grows.
pub(super) fn shift(chunk: &mut Vec<u8>, ticks: impl Fn(u32) -> i64) {
    let mut grown = Vec::new();
    for time in times(chunk) {
        let field = time.field.clone();
        let old = chunk[field.clone()].iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
        let new = old.saturating_add_signed(ticks(time.track)).to_be_bytes();
        if field.len() == 8 {
            chunk[field].copy_from_slice(&new);
        } else if new[..4] == [0; 4] {
            chunk[field].copy_from_slice(&new[4..]);
        } else if let Some(parents) = time.parents {
            grown.push((field, new, parents));
        }
    }
    // From the back, so that the places in front stay where they are.
    for (field, time, parents) in grown.into_iter().rev() {
        grow(chunk, field, time, &parents);
    }
}

/// The same, where nothing may grow. `false`: a time of 32 bits would need more.
pub(super) fn shift_in_place(chunk: &mut [u8], ticks: impl Fn(u32) -> i64) -> bool {
    for time in times(chunk) {
        let old = chunk[time.field.clone()].iter().fold(0u64, |n, b| n << 8 | u64::from(*b));
        let new = old.saturating_add_signed(ticks(time.track)).to_be_bytes();
        let (rest, low) = new.split_at(8 - time.field.len());
        if rest.iter().any(|byte| *byte != 0) {
            return false;
        }
        chunk[time.field].copy_from_slice(low);
    }
    true
}

/// So many microseconds in ticks, rounded down.
pub(super) fn ticks(micros: i64, timescale: u32) -> i64 {
    let ticks = (i128::from(micros) * i128::from(timescale)).div_euclid(1_000_000);
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

/// A time in a chunk.
struct Time {
    track: u32,
    /// Its bytes: 4 or 8.
    field: Range<usize>,
    /// For `tfdt`: where the boxes around it begin: moof, traf, tfdt.
    parents: Option<[usize; 3]>,
}

fn times(chunk: &[u8]) -> Vec<Time> {
    let place = |part: &[u8]| part.as_ptr() as usize - chunk.as_ptr() as usize;
    let field = |body: &[u8], at: usize| {
        let len = if body.first() == Some(&0) { 4 } else { 8 };
        (body.len() >= at + len).then(|| place(body) + at..place(body) + at + len)
    };
    let number = |body: &[u8]| body.get(4..8).map(|b| u32::from_be_bytes(b.try_into().expect("four bytes")));
    let mut times = Vec::new();
    for b in boxes(chunk) {
        if b.kind == *b"prft"
            && let Some((track, field)) = number(b.body).zip(field(b.body, 16))
        {
            times.push(Time { track, field, parents: None });
        }
        if b.kind != *b"moof" {
            continue;
        }
        for traf in boxes(b.body).filter(|t| t.kind == *b"traf") {
            let mut track = None;
            for inner in boxes(traf.body) {
                match &inner.kind {
                    b"tfhd" => track = number(inner.body),
                    b"tfdt" => {
                        if let Some((track, field)) = track.zip(field(inner.body, 4)) {
                            times.push(Time { track, field, parents: Some([place(b.whole), place(traf.whole), place(inner.whole)]) });
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    times
}

/// Makes a 32-bit `tfdt` a 64-bit one: all boxes around it grow by four bytes, and so does every distance from the `moof` to its data.
fn grow(chunk: &mut Vec<u8>, field: Range<usize>, time: [u8; 8], parents: &[usize; 3]) {
    let [moof, _, tfdt] = *parents;
    chunk.splice(field, time);
    chunk[tfdt + 8] = 1;
    for parent in parents {
        add(chunk, *parent, 4);
    }
    let offsets: Vec<usize> = boxes(&chunk[moof..])
        .take(1)
        .flat_map(|b| boxes(b.body))
        .filter(|b| b.kind == *b"traf")
        .flat_map(|traf| boxes(traf.body))
        // Where there is a data offset (flag 1) it comes after version, flags and count.
        .filter(|b| b.kind == *b"trun" && b.body.len() >= 12 && b.body[3] & 1 == 1)
        .map(|b| b.body.as_ptr() as usize - chunk.as_ptr() as usize + 8)
        .collect();
    offsets.into_iter().for_each(|at| add(chunk, at, 4));
}

fn add(chunk: &mut [u8], at: usize, by: u32) {
    if let Some(field) = chunk.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
        *field = u32::from_be_bytes(*field).wrapping_add(by).to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fragment, ProducerTime, Sample};
    use super::*;
    use crate::media::WallTime;
    use mp4_atom::{Decode, Moof, Prft};

    fn chunk(decode_time: u64) -> Vec<u8> {
        let samples = [Sample { size: 3, duration: 10, composition_offset: 0, key: true }];
        let producer_time = Some(ProducerTime { wall: WallTime(0), media_time: 77 });
        let head = Fragment { sequence: 1, track_id: 5, decode_time, samples: &samples, producer_time }.head(&mut bytes::BytesMut::new());
        [&head[..], b"abc"].concat()
    }

    #[test]
    fn sixty_four_bits_in_place() {
        let mut moved = chunk(1000);
        assert!(shift_in_place(&mut moved, |_| 7) && moved != chunk(1000) && shift_in_place(&mut moved, |_| -7) && moved == chunk(1000));
        shift(&mut moved, |track| if track == 5 { 1 << 40 } else { 0 });
        let mut rest = &moved[..];
        assert_eq!(Prft::decode(&mut rest).unwrap().media_time, 77 + (1 << 40));
        assert_eq!(Moof::decode(&mut rest).unwrap().traf[0].tfdt.as_ref().unwrap().base_media_decode_time, 1000 + (1 << 40));
        shift(&mut moved, |_| -(1 << 40));
        assert_eq!(moved, chunk(1000));
        shift(&mut moved, |_| i64::MIN);
        assert!(moved.len() == chunk(0).len(), "no time before zero");
    }

    #[test]
    fn thirty_two_bits_grow_when_they_must() {
        // The same fragment with a version 0 tfdt: four bytes less.
        let mut narrow = chunk(1000);
        let (moof, traf, tfdt) = (32, 32 + 24, 32 + 48);
        narrow.splice(tfdt + 12..tfdt + 20, 1000u32.to_be_bytes());
        narrow[tfdt + 8] = 0;
        for (at, size) in [(moof, 100u32), (traf, 76), (tfdt, 16), (tfdt + 16 + 16, 108)] {
            narrow[at..at + 4].copy_from_slice(&size.to_be_bytes());
        }
        let mut small = narrow.clone();
        shift(&mut small, |_| 5);
        assert_eq!(small.len(), narrow.len());
        assert!(shift_in_place(&mut small, |_| -5) && small == narrow && !shift_in_place(&mut small, |_| 1 << 40));
        let mut large = narrow.clone();
        shift(&mut large, |_| 1 << 40);
        let mut rest = &large[32..];
        let moof = Moof::decode(&mut rest).unwrap();
        assert_eq!(moof.traf[0].tfdt.as_ref().unwrap().base_media_decode_time, 1000 + (1 << 40));
        assert_eq!(moof.traf[0].trun[0].data_offset, Some(112));
        assert_eq!(&rest[8..], b"abc");
    }
}
