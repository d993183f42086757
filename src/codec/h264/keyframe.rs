//! Where a decoder can start, and the messages that say so.

use super::unit::{type_of, unit_type};
use crate::codec::nal::{self, units};

/// A decoder can start at this access unit (canonical form): an IDR picture, or a recovery point whose picture is right at
/// once, which is all that broadcast encoders with open GOPs write.
pub fn is_keyframe(au: &[u8]) -> bool {
    units(au)
        .map_while(|u| match type_of(u) {
            unit_type::IDR => Some(true),
            unit_type::SEI => Some(is_recovery_point(u)),
            1..=4 => None,
            _ => Some(false),
        })
        .any(|key| key)
}

/// An SEI message of payload type 6 with recovery_frame_cnt 0 (sections D.1.8, 7.3.2.3.1).
fn is_recovery_point(sei: &[u8]) -> bool {
    const RECOVERY_POINT: usize = 6;
    let data = nal::rbsp(sei, 1);
    let found = sei_messages(&data).find(|(kind, _)| *kind == RECOVERY_POINT);
    found.is_some_and(|(_, payload)| payload.first().is_some_and(|b| b & 0x80 != 0))
}

/// payload_type and payload of each message in the RBSP of an SEI NAL unit, as far as it is sound.
pub fn sei_messages(rbsp: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = rbsp;
    std::iter::from_fn(move || {
        if rest.len() <= 2 {
            return None;
        }
        let (kind, size) = sei_number(&mut rest).zip(sei_number(&mut rest))?;
        let (payload, after) = rest.split_at_checked(size)?;
        rest = after;
        Some((kind, payload))
    })
}

/// A number as a run of 255s and a last byte.
fn sei_number(rest: &mut &[u8]) -> Option<usize> {
    let mut sum = 0;
    loop {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        sum += usize::from(byte);
        if byte != 255 {
            return Some(sum);
        }
    }
}
