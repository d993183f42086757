//! H.265 (ITU-T H.265, ISO/IEC 23008-2): parameter sets, configuration record, access units.

mod sps;
mod unit;

pub use super::nal::{AccessUnit, to_annex_b, units};
pub(super) use sps::order_fields;
pub use sps::{SpsInfo, parse_sps};
pub use unit::{type_of, unit_type};

use super::nal::{self, Role};
use crate::media::{Codec, Malformed, Track, VideoParams};
use bytes::{BufMut, Bytes, BytesMut};
use unit::FORMAT;

/// HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, section 8.3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HvcC {
    /// general_profile_space to general_level_idc.
    pub general: [u8; 12],
    /// Bytes of the length field before each NAL unit: 1, 2 or 4.
    pub length_size: u8,
    /// Video parameter sets.
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets.
    pub pps: Vec<Bytes>,
}

/// Bytes of an hvcC before its arrays.
const HVCC_HEAD: usize = 23;

impl HvcC {
    /// Reads the record.
    pub fn parse(config: &[u8]) -> Result<HvcC, Malformed> {
        let short = || Malformed::new(FORMAT, "hvcC is cut short");
        let (head, mut rest) = config.split_first_chunk::<HVCC_HEAD>().ok_or_else(short)?;
        // Version 0 is what early writers (ffmpeg before 2.3, some cameras) put there.
        if head[0] > 1 {
            return Err(Malformed::new(FORMAT, format!("hvcC of version {}", head[0])));
        }
        let general = head[1..13].try_into().expect("12 of 23 bytes");
        let mut record = HvcC { general, length_size: (head[21] & 3) + 1, vps: vec![], sps: vec![], pps: vec![] };
        for _ in 0..head[22] {
            let (array, after) = rest.split_first_chunk::<3>().ok_or_else(short)?;
            rest = after;
            for _ in 0..u16::from_be_bytes([array[1], array[2]]) {
                let (length, after) = rest.split_first_chunk::<2>().ok_or_else(short)?;
                let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(short)?;
                rest = after;
                record.put(array[0] & 0x3f, Bytes::copy_from_slice(unit));
            }
        }
        Ok(record)
    }

    fn put(&mut self, kind: u8, unit: Bytes) {
        match kind {
            unit_type::VPS => self.vps.push(unit),
            unit_type::SPS => self.sps.push(unit),
            unit_type::PPS => self.pps.push(unit),
            _ => {}
        }
    }

    /// The record for these parameter sets, with 4-byte lengths.
    ///
    /// # Errors
    /// The first sequence parameter set is missing or not readable.
    pub fn build<T: AsRef<[u8]>>(vps: &[T], sps: &[T], pps: &[T]) -> Result<Bytes, Malformed> {
        let first = sps.first().ok_or_else(|| Malformed::new(FORMAT, "no sequence parameter set"))?;
        let info = parse_sps(first.as_ref())?;
        let mut out = BytesMut::new();
        out.put_u8(1);
        out.put_slice(&info.general);
        // min_spatial_segmentation_idc and parallelismType 0: nothing is promised.
        out.put_slice(&[0xf0, 0, 0xfc, 0xfc | info.chroma_format, 0xf8 | (info.bit_depth_luma - 8), 0xf8 | (info.bit_depth_chroma - 8)]);
        out.put_u16(0);
        out.put_u8(info.temporal_layers << 3 | u8::from(info.temporal_id_nested) << 2 | 3);
        out.put_u8(3);
        for (kind, sets) in [(unit_type::VPS, vps), (unit_type::SPS, sps), (unit_type::PPS, pps)] {
            let fits: Vec<&[u8]> = sets.iter().map(AsRef::as_ref).filter(|s| (1..=0xffff).contains(&s.len())).take(255).collect();
            // array_completeness 0: there may be more in the stream.
            out.put_u8(kind);
            out.put_u16(fits.len() as u16);
            for set in fits {
                out.put_u16(set.len() as u16);
                out.put_slice(set);
            }
        }
        Ok(out.freeze())
    }

    /// ISO/IEC 14496-15, section E.3: `hvc1.1.6.L93.B0`.
    pub fn mime(&self) -> String {
        let [first, rest @ ..] = &self.general;
        let space = ["", "A", "B", "C"][usize::from(first >> 6)];
        let compatible = u32::from_be_bytes(rest[..4].try_into().expect("4 of 11 bytes")).reverse_bits();
        let tier = if first & 0x20 == 0 { 'L' } else { 'H' };
        let mut mime = format!("hvc1.{space}{}.{compatible:X}.{tier}{}", first & 0x1f, rest[10]);
        let constraints = &rest[4..10];
        let used = constraints.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        constraints[..used].iter().for_each(|b| mime.push_str(&format!(".{b:X}")));
        mime
    }
}

/// The track that an hvcC describes: size, rate and colour from its first sequence parameter set, 4-byte lengths.
pub fn track(config: Bytes) -> Result<Track, Malformed> {
    let record = HvcC::parse(&config)?;
    let sps = record.sps.first().ok_or_else(|| Malformed::new(FORMAT, "hvcC has no sequence parameter set"))?;
    let info = parse_sps(sps)?;
    let sample_aspect = info.sample_aspect.unwrap_or_default();
    let video = VideoParams { rate: info.rate, colour: info.colour, sample_aspect, ..VideoParams::new(info.width, info.height) };
    let mut track = Track::video(Codec::H265, video);
    track.config = four_byte_lengths(config);
    Ok(track)
}

/// The same hvcC, saying that lengths have 4 bytes: for packets in the canonical form.
pub fn four_byte_lengths(config: Bytes) -> Bytes {
    nal::four_byte_lengths(config, 21)
}

/// The hvcC for the parameter sets in an access unit; `None` where it lacks one of the three kinds.
pub fn config_of(au: &[u8]) -> Option<Bytes> {
    let of = |t| units(au).filter(|u| type_of(u) == t).collect::<Vec<_>>();
    let (vps, sps, pps) = (of(unit_type::VPS), of(unit_type::SPS), of(unit_type::PPS));
    if vps.is_empty() || pps.is_empty() { None } else { HvcC::build(&vps, &sps, &pps).ok() }
}

/// One access unit of byte stream format (Annex B) in the canonical form.
pub fn to_length_prefixed(annex_b: &[u8]) -> Bytes {
    nal::from_annex_b(annex_b, is_aud)
}

/// An access unit with lengths of `length_size` bytes in the canonical form; without a copy where it has that form already.
pub fn normalize(au: Bytes, length_size: u8) -> Result<Bytes, Malformed> {
    nal::normalize(au, length_size, is_aud, FORMAT)
}

fn is_aud(unit: &[u8]) -> bool {
    type_of(unit) == unit_type::AUD
}

/// A decoder can start at this access unit (canonical form): an IRAP picture, nal_unit_type 16 to 23 (section 7.4.2.2).
pub fn is_keyframe(au: &[u8]) -> bool {
    units(au).map(type_of).find(|t| *t < 32).is_some_and(|t| (16..=23).contains(&t))
}

/// Cuts a byte stream (Annex B) into access units in the canonical form (section 7.4.2.4.4). Use: see
/// [`h264::AccessUnits`](super::h264::AccessUnits).
pub type AccessUnits = nal::Splitter<Slices>;

/// Finds the first slice segment of each picture.
#[derive(Default)]
pub struct Slices;

impl nal::Syntax for Slices {
    const FORMAT: &'static str = FORMAT;

    fn early_role(&self, start: &[u8]) -> Option<Role> {
        // nuh_temporal_id_plus1 is never 0: those are the zeros of a start code.
        let header = start.get(1).is_some_and(|b| b & 7 != 0);
        header.then(|| self.role(start))
    }

    fn role(&self, head: &[u8]) -> Role {
        let base_layer = head.len() > 1 && head[0] & 1 == 0 && head[1] & 0xf8 == 0;
        match type_of(head) {
            0..32 => {
                let first_slice_segment_in_pic = head.get(2).is_some_and(|b| b & 0x80 != 0);
                if base_layer && first_slice_segment_in_pic { Role::FirstSlice } else { Role::Slice }
            }
            _ if !base_layer => Role::Other,
            unit_type::AUD => Role::Delimiter,
            unit_type::VPS | unit_type::SPS | unit_type::PPS | unit_type::PREFIX_SEI | 41..=44 | 48..=55 => Role::Prefix,
            unit_type::END_OF_SEQUENCE | unit_type::END_OF_STREAM => Role::End,
            _ => Role::Other,
        }
    }

    fn unit(&mut self, _unit: &[u8]) {}

    fn is_keyframe(au: &[u8]) -> bool {
        is_keyframe(au)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Colour, Rate};

    /// By x265: Main profile, level 2, 322x178 at 30000/1001, BT.709 at TV range, B-frames with a pyramid.
    const MAIN: &[u8] = b"\x42\x01\x01\x01\x60\x00\x00\x03\x00\x90\x00\x00\x03\x00\x00\x03\x00\x3c\xa0\x0a\x88\x0c\x1c\x44\x46\x59\x59\x52\x93\x0b\xc0\x5a\x80\x80\x80\x82\x00\x00\x07\xd2\x00\x00\xea\x60\x10";
    /// Main 4:2:2 10.
    const TEN: &[u8] = b"\x42\x01\x01\x04\x08\x00\x00\x03\x00\x9d\x08\x00\x00\x03\x00\x00\x3c\xb0\x0a\x48\x0b\x9c\x93\xb6\x59\x59\xa4\x93\x2b\xc0\x5a\x02\x00\x00\x07\xd2\x00\x00\xea\x60\x10";
    const VPS: &[u8] = b"\x40\x01\x0c\x01";
    const PPS: &[u8] = b"\x44\x01\xc0\x73";

    #[test]
    fn sequence_parameter_sets() {
        let info = parse_sps(MAIN).unwrap();
        assert_eq!((info.width, info.height, info.rate, info.reorder_depth), (322, 178, Rate::new(60_000, 2002), 2));
        let bt709 = Colour { primaries: Some(1), transfer: Some(1), matrix: Some(1), full_range: Some(false) };
        assert_eq!((info.colour, info.chroma_format, info.bit_depth_luma), (bt709, 1, 8));
        let info = parse_sps(TEN).unwrap();
        assert_eq!((info.width, info.height, info.rate), (322, 178, Rate::new(60_000, 2002)));
        assert_eq!((info.chroma_format, info.bit_depth_luma, info.bit_depth_chroma), (2, 10, 10));
    }

    #[test]
    fn configuration_record_round_trip() {
        let config = HvcC::build(&[VPS], &[MAIN], &[PPS]).unwrap();
        // The part that x265 and ffmpeg write for these too.
        assert_eq!(config[..23], *b"\x01\x01\x60\x00\x00\x00\x90\x00\x00\x00\x00\x00\x3c\xf0\x00\xfc\xfd\xf8\xf8\x00\x00\x0f\x03");
        let record = HvcC::parse(&config).unwrap();
        assert_eq!((record.length_size, &record.vps[0][..], &record.sps[0][..], &record.pps[0][..]), (4, VPS, MAIN, PPS));
        assert_eq!(track(config.clone()).unwrap().as_video().map(|v| (v.width, v.height)), Some((322, 178)));
        for cut in 0..config.len() {
            assert!(HvcC::parse(&config[..cut]).is_err());
        }
    }

    #[test]
    fn names() {
        let mime = |general: [u8; 12]| HvcC { general, length_size: 4, vps: vec![], sps: vec![], pps: vec![] }.mime();
        // The example of ISO/IEC 14496-15, section E.3.
        assert_eq!(mime([0x01, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93]), "hvc1.1.6.L93.B0");
        assert_eq!(mime([0x04, 0x08, 0, 0, 0, 0x9d, 0x08, 0, 0, 0, 0, 60]), "hvc1.4.10.L60.9D.8");
        assert_eq!(mime([0x62, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 123]), "hvc1.A2.4.H123");
    }

    #[test]
    fn damaged_parameter_sets_never_panic() {
        assert!(parse_sps(&[]).is_err());
        for sps in [MAIN, TEN] {
            for at in 0..sps.len() {
                for value in 0..=255 {
                    let mut damaged = sps.to_vec();
                    damaged[at] = value;
                    _ = parse_sps(&damaged);
                    _ = parse_sps(&damaged[..at]);
                }
            }
        }
    }

    #[test]
    fn keyframes() {
        assert!(is_keyframe(&to_length_prefixed(b"\0\0\x01\x46\x01\x50\0\0\x01\x4e\x01\x05\0\0\x01\x26\x01\xaf")), "IDR after SEI");
        assert!(is_keyframe(&to_length_prefixed(b"\0\0\x01\x2a\x01\xaf")), "CRA");
        assert!(!is_keyframe(&to_length_prefixed(b"\0\0\x01\x02\x01\xaf")), "TRAIL_R");
    }
}
