//! Where a decoder can start in H.264, besides at IDR pictures: encoders with intra refresh send recovery points and never a keyframe
//! again, others send I pictures and say nothing.
//!
//! Chromium (MSE and WebCodecs) starts only at an IDR picture or at a recovery point with recovery_frame_cnt 0; Firefox at any
//! recovery point. So a start of another kind is marked: its access unit says recovery_frame_cnt 0. The missing parts of the
//! picture come within the next frames, as the encoder promised.

use super::h264::{self, unit_type};
use super::{bits::BitReader, nal};
use crate::media::Packet;
use bytes::{Bytes, BytesMut};

/// payload_type of the recovery point SEI message (section D.1.8).
const RECOVERY_POINT: usize = 6;
/// recovery_frame_cnt 0, exact_match_flag 1, broken_link_flag 0, changing_slice_group_idc 0; the NAL unit with its trailing bits.
const WHOLE_AT_ONCE: &[u8] = &[unit_type::SEI, RECOVERY_POINT as u8, 1, 0xc4, 0x80];
/// In microseconds: without a better start for so long, a recovery point is one.
const BETTER: i64 = 2_000_000;
/// And an I picture for so long.
const BETTER_THAN_INTRA: i64 = 10_000_000;

/// How a decoder goes on from an access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// An IDR picture, or a recovery point whose picture is right at once.
    Whole,
    /// A recovery point whose picture is right after so many frames.
    Recovery(u32),
    /// All slices are I slices.
    Intra,
    /// It refers to others.
    Inter,
    /// It cannot be known.
    Unknown,
}

/// How a decoder goes on from this access unit, which is in the canonical form.
pub fn entry(au: &[u8]) -> Entry {
    let (mut recovery, mut intra, mut slices) = (None, true, 0);
    for unit in h264::units(au) {
        match h264::type_of(unit) {
            unit_type::IDR => return Entry::Whole,
            unit_type::SEI => recovery = recovery.or_else(|| recovery_frames(unit)),
            unit_type::SLICE => {
                let Some(kind) = slice_type(unit) else { return Entry::Unknown };
                slices += 1;
                intra &= matches!(kind % 5, 2 | 4);
                if recovery.is_some() || !intra {
                    break;
                }
            }
            _ => {}
        }
    }
    match recovery {
        _ if slices == 0 => Entry::Unknown,
        Some(0) => Entry::Whole,
        Some(frames) => Entry::Recovery(frames),
        None if intra => Entry::Intra,
        None => Entry::Inter,
    }
}

/// slice_type (table 7-6).
fn slice_type(slice: &[u8]) -> Option<u32> {
    const HEAD: usize = 24;
    let rbsp = nal::rbsp(&slice[..slice.len().min(HEAD)], 1);
    let mut r = BitReader::new(&rbsp);
    r.ue()?;
    r.ue().filter(|kind| *kind < 10)
}

/// recovery_frame_cnt, where there is a recovery point message.
fn recovery_frames(sei: &[u8]) -> Option<u32> {
    let data = nal::rbsp(sei, 1);
    let (_, payload) = h264::sei_messages(&data).find(|(kind, _)| *kind == RECOVERY_POINT)?;
    BitReader::new(payload).ue()
}

/// The access unit as a start that every browser takes; as it is where it is one already.
pub fn marked(au: Bytes) -> Bytes {
    if !matches!(entry(&au), Entry::Recovery(_) | Entry::Intra) {
        return au;
    }
    let mut out = BytesMut::with_capacity(au.len() + 2 * WHOLE_AT_ONCE.len());
    let mut done = false;
    for unit in h264::units(&au) {
        let kind = h264::type_of(unit);
        if !done && (kind == unit_type::SEI || kind == unit_type::SLICE) {
            // Parameter sets come first, then SEI.
            nal::put_unit(&mut out, WHOLE_AT_ONCE);
            done = true;
        }
        match kind {
            unit_type::SEI if recovery_frames(unit).is_some() => {
                if let Some(rest) = without_recovery_point(unit) {
                    nal::put_unit(&mut out, &rest);
                }
            }
            _ => nal::put_unit(&mut out, unit),
        }
    }
    out.freeze()
}

/// The other messages of an SEI NAL unit; `None`: there are none.
fn without_recovery_point(sei: &[u8]) -> Option<Vec<u8>> {
    let data = nal::rbsp(sei, 1);
    let mut rbsp = Vec::with_capacity(data.len());
    for (kind, payload) in h264::sei_messages(&data).filter(|(kind, _)| *kind != RECOVERY_POINT) {
        for number in [kind, payload.len()] {
            rbsp.resize(rbsp.len() + number / 255, 255);
            rbsp.push((number % 255) as u8);
        }
        rbsp.extend_from_slice(payload);
    }
    if rbsp.is_empty() {
        return None;
    }
    rbsp.push(0x80);
    Some(nal::escaped(unit_type::SEI, &rbsp))
}

/// Says which packets of an H.264 track are starts. What the container says is believed as far as the pictures do not contradict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Starts {
    /// When the last start came that needs no mark, in microseconds.
    whole: Option<i64>,
    /// When the first packet came.
    first: Option<i64>,
}

impl Starts {
    /// Whether a decoder can start at this packet, once it is [`marked`].
    pub fn is_start(&mut self, packet: &Packet) -> bool {
        let pts = packet.pts.micros();
        let first = *self.first.get_or_insert(pts);
        let since = |limit: i64, from: Option<i64>| from.is_none_or(|from| pts < from || pts.saturating_sub(from) >= limit);
        match entry(&packet.data) {
            Entry::Whole => {
                self.whole = Some(pts);
                true
            }
            Entry::Recovery(_) => since(BETTER, self.whole),
            Entry::Intra => packet.key || since(BETTER_THAN_INTRA, self.whole.or(Some(first))),
            Entry::Inter => false,
            Entry::Unknown => packet.key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Timestamp;

    /// first_mb_in_slice 0; slice_type 5 (all P), 7 (all I).
    const P: &[u8] = b"\0\0\x01\x61\x9a\x88\x88";
    const I: &[u8] = b"\0\0\x01\x61\x88\x88\x88";
    const IDR: &[u8] = b"\0\0\x01\x65\x88\x88\x88";
    /// recovery_frame_cnt 8, as x264 writes it.
    const EIGHT: &[u8] = b"\0\0\x01\x06\x06\x02\x13\x10\x80";
    /// The same behind another message.
    const BOTH: &[u8] = b"\0\0\x01\x06\x05\x02\xaa\xbb\x06\x02\x13\x10\x80";

    fn au(units: &[&[u8]]) -> Bytes {
        h264::to_length_prefixed(&units.concat())
    }

    #[test]
    fn kinds() {
        assert_eq!(entry(&au(&[EIGHT, P])), Entry::Recovery(8));
        assert_eq!(entry(&au(&[BOTH, P])), Entry::Recovery(8));
        assert_eq!(entry(&au(&[b"\0\0\x01\x06\x06\x01\xc4\x80", P])), Entry::Whole);
        assert_eq!((entry(&au(&[IDR])), entry(&au(&[P])), entry(&au(&[I])), entry(&au(&[I, P]))), {
            (Entry::Whole, Entry::Inter, Entry::Intra, Entry::Inter)
        });
        assert_eq!((entry(b""), entry(b"\0\0\0\x01\x61"), entry(&au(&[EIGHT]))), (Entry::Unknown, Entry::Unknown, Entry::Unknown));
    }

    #[test]
    fn a_marked_start_is_whole_at_once_and_keeps_the_rest() {
        let mark: &[u8] = b"\0\0\x01\x06\x06\x01\xc4\x80";
        assert_eq!(marked(au(&[b"\0\0\x01\x67\x42", EIGHT, P])), au(&[b"\0\0\x01\x67\x42", mark, P]));
        assert_eq!(marked(au(&[BOTH, P])), au(&[mark, b"\0\0\x01\x06\x05\x02\xaa\xbb\x80", P]));
        assert_eq!(marked(au(&[I, I])), au(&[mark, I, I]));
        for same in [au(&[IDR]), au(&[P]), au(&[mark, P]), Bytes::from_static(b"\0\0\0\x09garbage")] {
            assert_eq!(marked(same.clone()), same);
        }
        assert!(h264::is_keyframe(&marked(au(&[EIGHT, P]))));
    }

    #[test]
    fn recovery_points_are_starts_where_nothing_better_comes() {
        let starts = |units: &[(&[&[u8]], bool)]| {
            let mut starts = Starts::default();
            let packet = |n: usize, (units, key): (&[&[u8]], bool)| Packet {
                track: 0,
                pts: Timestamp(n as i64 * 1_000_000),
                key,
                hidden: false,
                data: au(units),
            };
            units.iter().enumerate().map(|(n, unit)| starts.is_start(&packet(n, *unit))).collect::<Vec<_>>()
        };
        let recovery: (&[&[u8]], bool) = (&[EIGHT, P], true);
        assert_eq!(starts(&[recovery, (&[P], true), recovery]), [true, false, true]);
        assert_eq!(starts(&[(&[IDR], true), recovery, recovery, (&[IDR], true), recovery]), [true, false, true, true, false]);
        assert_eq!(starts(&[(&[I], true), (&[I], false)]), [true, false], "as the container says");
        let intra: (&[&[u8]], bool) = (&[I], false);
        assert_eq!(starts(&[intra; 12]), [[false; 10].as_slice(), &[true; 2]].concat());
    }

    #[test]
    fn garbage_does_no_harm() {
        for at in 0..40 {
            for value in 0..=255 {
                let mut data = au(&[BOTH, EIGHT, P]).to_vec();
                let at = at % data.len();
                data[at] = value;
                marked(data.clone().into());
                marked(data[..at].to_vec().into());
            }
        }
    }
}
