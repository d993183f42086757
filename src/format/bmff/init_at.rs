//! An initialization segment for a file that begins in the middle of a stream: its edit lists say where, and no fragment is rewritten.

use super::boxes::{self, BoxRef, boxes};
use super::fragments::FragmentReader;
use super::movie::Movie;
use super::segment::container;
use super::shift;
use crate::media::Timestamp;
use bytes::{BufMut, Bytes};

/// The same segment, whose presentation begins where that of `init` has the time `start`. What cannot be read is left as it is.
pub fn init_at(init: &Bytes, start: Timestamp) -> Bytes {
    let Some(moov) = boxes(init).find(|b| b.kind == *b"moov") else { return init.clone() };
    let Ok(movie) = Movie::parse(&init.slice_ref(moov.body)) else { return init.clone() };
    let mut out = Vec::with_capacity(init.len() + 40 * movie.tracks.len());
    for b in boxes(init) {
        if b.kind != *b"moov" {
            out.extend_from_slice(b.whole);
            continue;
        }
        container(&mut out, b, |child, out| {
            let track = (child.kind == *b"trak").then(|| movie.track(boxes::track_id(child).ok()?)).flatten();
            match track {
                Some(track) => {
                    let begin = shift::ticks(start.micros(), track.timescale).saturating_add(track.origin);
                    container(out, child, |inner, out| with_edit(inner, begin.max(0), out));
                }
                None => out.extend_from_slice(child.whole),
            }
        });
    }
    out.into()
}

/// The same segment, whose presentation does not begin in the middle of its stream: of its edit lists only the distance between tracks is left.
pub fn without_begin(init: &Bytes) -> Bytes {
    let begin = FragmentReader::new(init).ok().and_then(|reader| reader.tracks().map(|track| track.time(0)).max());
    begin.map_or_else(|| init.clone(), |begin| init_at(init, begin))
}

/// `edts` stands behind `tkhd`.
fn with_edit(inner: BoxRef, begin: i64, out: &mut Vec<u8>) {
    if inner.kind == *b"edts" {
        return;
    }
    out.extend_from_slice(inner.whole);
    if inner.kind == *b"tkhd" {
        out.extend_from_slice(&edts(&[(0, begin)]));
    }
}

/// An edit list (section 8.6.6) of these entries: a length in ticks of the movie, and the media time from which on the track is shown, -1 for nothing.
pub(super) fn edts(entries: &[(u64, i64)]) -> Vec<u8> {
    let size = 8 + 8 + 8 + 20 * entries.len() as u32;
    let mut out = Vec::with_capacity(size as usize);
    out.put_u32(size);
    out.put_slice(b"edts");
    out.put_u32(size - 8);
    out.put_slice(b"elst");
    out.put_u32(1 << 24);
    out.put_u32(entries.len() as u32);
    for (length, begin) in entries {
        out.put_u64(*length);
        out.put_i64(*begin);
        out.put_u32(1 << 16);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::opus::OpusHead;
    use crate::format::bmff::init;
    use crate::media::{AudioParams, Codec, Header, Track};
    use std::time::Duration;

    #[test]
    fn only_the_edit_lists_are_others() {
        let params = AudioParams { rate: 48_000, channels: 2, delay: Duration::from_micros(6500) };
        let track = Track { config: OpusHead::new(2, 312, 48_000).build(), ..Track::audio(Codec::Opus, params) };
        let init = init(&Header { tracks: [track].into(), time_zero: None }).unwrap().bytes;
        let late = init_at(&init, Timestamp(3_600_000_000));
        let origin = |init: &Bytes| {
            let moov = boxes(init).find(|b| b.kind == *b"moov").unwrap();
            Movie::parse(&init.slice_ref(moov.body)).unwrap().tracks[0].origin
        };
        assert_eq!(origin(&late), origin(&init) + 3600 * 48_000);
        assert_eq!(init_at(&late, Timestamp(-3_600_000_000)).len(), late.len());
        assert_eq!(origin(&init_at(&late, Timestamp(-3_600_000_000))), origin(&init));
        let begun = without_begin(&late);
        assert_eq!(origin(&begun), 0, "it is the only track");
        assert_eq!(without_begin(&begun), begun);
        let garbage = Bytes::from_static(b"\0\0\0\x09moovx");
        assert_eq!(init_at(&garbage, Timestamp(0)), garbage);
    }
}
