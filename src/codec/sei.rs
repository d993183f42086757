//! Which way up a picture is shown, as an SEI message says it: the same message in H.264 (section D.1.27) and H.265 (D.2.17).

use super::{h264, h265, nal};
use crate::media::Orientation;

/// payloadType of display_orientation().
const DISPLAY_ORIENTATION: usize = 47;
/// nal_unit_type of SEI messages before a picture.
const H264_SEI: u8 = h264::unit_type::SEI;
const H265_SEI: u8 = h265::unit_type::PREFIX_SEI;

/// What an access unit of H.264 (canonical form) says.
pub fn h264_orientation(au: &[u8]) -> Option<Orientation> {
    nal::units(au).filter(|unit| h264::type_of(unit) == H264_SEI).find_map(|unit| orientation(&nal::rbsp(unit, 1)))
}

/// What an access unit of H.265 (canonical form) says.
pub fn h265_orientation(au: &[u8]) -> Option<Orientation> {
    nal::units(au).filter(|unit| h265::type_of(unit) == H265_SEI).find_map(|unit| orientation(&nal::rbsp(unit, 2)))
}

/// Walks over the messages of an SEI NAL unit, without its header.
fn orientation(mut messages: &[u8]) -> Option<Orientation> {
    loop {
        let (kind, size) = number(&mut messages).zip(number(&mut messages))?;
        let (payload, after) = messages.split_at_checked(size)?;
        if kind == DISPLAY_ORIENTATION {
            return display_orientation(payload);
        }
        messages = after;
    }
}

/// A number as a run of 255s and a last byte.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let run = rest.iter().take_while(|byte| **byte == 255).count();
    let (&last, after) = rest.get(run..)?.split_first()?;
    *rest = after;
    Some(255 * run + usize::from(last))
}

/// cancel_flag, hor_flip, ver_flip, then anticlockwise_rotation in 65536ths of a turn; flips come first.
fn display_orientation(payload: &[u8]) -> Option<Orientation> {
    let &[b0, b1, b2, ..] = payload else { return None };
    let bits = u32::from_be_bytes([0, b0, b1, b2]);
    let flag = |place: u32| bits >> (23 - place) & 1 == 1;
    let (cancel, mirrored, upside_down) = (flag(0), flag(1), flag(2));
    let anticlockwise = f64::from(bits >> 5 & 0xffff) * 360.0 / 65_536.0;
    // Upside down is mirrored, and half a turn.
    let flips = Orientation::new(mirrored != upside_down, if upside_down { 2 } else { 0 });
    (!cancel).then_some(())?;
    Some(flips.then(Orientation::from_degrees(false, -anticlockwise)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An SEI with another message before, in an access unit.
    fn au(head: &[u8], flips: u32, rotation: u32) -> Vec<u8> {
        let bits = (flips << 21 | rotation << 5).to_be_bytes();
        let unit = [head, &[5, 1, 7, 47, 4, bits[1], bits[2], bits[3], 0x80, 0x80]].concat();
        [&(unit.len() as u32).to_be_bytes()[..], &unit].concat()
    }

    #[test]
    fn both_codecs_say_it_alike() {
        for (flips, rotation, exif) in [(0, 0, 1), (0b010, 0, 2), (0b011, 0, 3), (0b001, 0, 4), (0, 0xc000, 6), (0, 0x4000, 8)] {
            let expected = Orientation::from_exif(exif);
            assert_eq!(h264_orientation(&au(&[6], flips, rotation)), expected, "EXIF {exif}");
            assert_eq!(h265_orientation(&au(&[39 << 1, 1], flips, rotation)), expected, "EXIF {exif}");
        }
        // Mirrored, then a quarter anticlockwise: EXIF 5.
        assert_eq!(h264_orientation(&au(&[6], 0b010, 0x4000)), Orientation::from_exif(5));
    }

    #[test]
    fn what_says_nothing_is_none() {
        assert_eq!(h264_orientation(&au(&[6], 0b100, 0x4000)), None, "cancelled");
        assert_eq!(h264_orientation(&au(&[6], 0, 0x2000)), None, "an eighth of a turn");
        let whole = au(&[6], 0, 0x4000);
        for cut in 0..10 {
            assert_eq!(h264_orientation(&whole[..cut]), None);
        }
        assert_eq!(orientation(&[255; 100]), None);
    }
}
