//! H.265 (ITU-T H.265, ISO/IEC 23008-2): parameter sets, configuration record, access units.

use super::bits::BitReader;
use super::nal::{self, Role};
pub use super::nal::{AccessUnit, to_annex_b, units};
use crate::media::{Codec, Colour, Malformed, Rate, SampleAspect, Track, VideoParams};
use bytes::{BufMut, Bytes, BytesMut};

const FORMAT: &str = "H.265";

/// nal_unit_type (table 7-1).
pub mod unit_type {
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
    /// End of sequence.
    pub const END_OF_SEQUENCE: u8 = 36;
    /// End of bitstream.
    pub const END_OF_STREAM: u8 = 37;
    /// Supplemental enhancement information before the slices.
    pub const PREFIX_SEI: u8 = 39;
}

/// nal_unit_type of a NAL unit; 63 (unspecified) for an empty one.
pub fn type_of(unit: &[u8]) -> u8 {
    unit.first().map_or(63, |b| b >> 1 & 0x3f)
}

/// What a sequence parameter set says (section 7.4.3.2.1, annex E).
#[derive(Clone, Debug, PartialEq)]
pub struct SpsInfo {
    /// profile_tier_level up to general_level_idc (section 7.3.3), as it stands in an hvcC.
    pub general: [u8; 12],
    /// Cropped size in pixels.
    pub width: u32,
    /// In pixels, cropped.
    pub height: u32,
    /// Of the VUI.
    pub rate: Option<Rate>,
    /// Of the VUI.
    pub colour: Colour,
    /// By aspect_ratio_idc, where it is not "unspecified".
    pub sample_aspect: Option<SampleAspect>,
    /// sps_max_num_reorder_pics of the highest temporal sub-layer.
    pub reorder_depth: u8,
    /// chroma_format_idc.
    pub chroma_format: u8,
    /// Bits of a sample of luma.
    pub bit_depth_luma: u8,
    /// Bits of a sample of chroma.
    pub bit_depth_chroma: u8,
    /// Number of temporal sub-layers.
    pub temporal_layers: u8,
    /// sps_temporal_id_nesting_flag.
    pub temporal_id_nested: bool,
}

/// Reads a sequence parameter set (a whole NAL unit with its header).
pub fn parse_sps(unit: &[u8]) -> Result<SpsInfo, Malformed> {
    if type_of(unit) != unit_type::SPS {
        return Err(Malformed::new(FORMAT, "not a sequence parameter set"));
    }
    let rbsp = nal::rbsp(unit, 2);
    let info = sps(&rbsp).ok_or_else(|| Malformed::new(FORMAT, "sequence parameter set is cut short or out of range"))?;
    if !(1..=16384).contains(&info.width) || !(1..=16384).contains(&info.height) {
        return Err(Malformed::new(FORMAT, format!("picture of {}x{}", info.width, info.height)));
    }
    Ok(info)
}

/// What [`super::order`] needs of a sequence parameter set: bits of slice_pic_order_cnt_lsb, and separate_colour_plane_flag.
pub(super) fn order_fields(unit: &[u8]) -> Option<(u32, bool)> {
    let rbsp = nal::rbsp(unit, 2);
    let mut r = BitReader::new(&rbsp);
    r.skip(4)?;
    let sub_layers_minus1 = r.bits(3)?;
    r.skip(1)?;
    profile_tier_level(&mut r, sub_layers_minus1)?;
    r.ue()?;
    let separate_planes = r.ue()? == 3 && r.flag()?;
    r.ue()?;
    r.ue()?;
    if r.flag()? {
        for _ in 0..4 {
            r.ue()?;
        }
    }
    r.ue()?;
    r.ue()?;
    Some((r.ue().filter(|n| *n <= 12)? + 4, separate_planes))
}

/// seq_parameter_set_rbsp() (section 7.3.2.2.1), up to the parts of the VUI that matter.
fn sps(rbsp: &[u8]) -> Option<SpsInfo> {
    let mut r = BitReader::new(rbsp);
    r.skip(4)?;
    let sub_layers_minus1 = r.bits(3)?;
    let temporal_id_nested = r.flag()?;
    let general = rbsp.get(1..13)?.try_into().ok()?;
    profile_tier_level(&mut r, sub_layers_minus1)?;
    r.ue()?;
    let chroma_format = r.ue().filter(|c| *c <= 3)?;
    let separate_planes = chroma_format == 3 && r.flag()?;
    let (mut width, mut height) = (r.ue()?, r.ue()?);
    if r.flag()? {
        // SubWidthC and SubHeightC (table 6-1) are the units of the conformance window.
        let sub_width = if matches!(chroma_format, 1 | 2) && !separate_planes { 2 } else { 1 };
        let sub_height = if chroma_format == 1 { 2 } else { 1 };
        let mut edge = || r.ue();
        let (left, right, top, bottom) = (edge()?, edge()?, edge()?, edge()?);
        width = width.checked_sub(left.checked_add(right)?.checked_mul(sub_width)?)?;
        height = height.checked_sub(top.checked_add(bottom)?.checked_mul(sub_height)?)?;
    }
    let mut depth = || r.ue().filter(|d| *d <= 8).map(|d| d as u8 + 8);
    let (bit_depth_luma, bit_depth_chroma) = (depth()?, depth()?);
    let poc_bits = r.ue().filter(|n| *n <= 12)? + 4;
    let mut reorder_depth = 0;
    let layers_described = if r.flag()? { sub_layers_minus1 + 1 } else { 1 };
    for _ in 0..layers_described {
        r.ue()?;
        reorder_depth = r.ue()?.min(16) as u8;
        r.ue()?;
    }
    let Vui { rate, colour, sample_aspect } = after_ordering(&mut r, poc_bits).unwrap_or_default();
    let temporal_layers = sub_layers_minus1 as u8 + 1;
    Some(SpsInfo {
        general,
        width,
        height,
        rate,
        colour,
        sample_aspect,
        reorder_depth,
        chroma_format: chroma_format as u8,
        bit_depth_luma,
        bit_depth_chroma,
        temporal_layers,
        temporal_id_nested,
    })
}

/// profile_tier_level( 1, maxNumSubLayersMinus1 ) (section 7.3.3).
fn profile_tier_level(r: &mut BitReader, sub_layers_minus1: u32) -> Option<()> {
    r.skip(96)?;
    let mut present = 0;
    for _ in 0..sub_layers_minus1 {
        present += 88 * usize::from(r.flag()?) + 8 * usize::from(r.flag()?);
    }
    if sub_layers_minus1 > 0 {
        r.skip(2 * (8 - sub_layers_minus1 as usize))?;
    }
    r.skip(present)
}

/// What matters of vui_parameters().
#[derive(Default)]
struct Vui {
    rate: Option<Rate>,
    colour: Colour,
    sample_aspect: Option<SampleAspect>,
}

/// From log2_min_luma_coding_block_size_minus3 to the timing information; all of it is optional to us.
fn after_ordering(r: &mut BitReader, poc_bits: u32) -> Option<Vui> {
    for _ in 0..6 {
        r.ue()?;
    }
    if r.flag()? && r.flag()? {
        scaling_lists(r)?;
    }
    r.skip(2)?;
    if r.flag()? {
        r.skip(8)?;
        r.ue()?;
        r.ue()?;
        r.skip(1)?;
    }
    short_term_ref_pic_sets(r)?;
    if r.flag()? {
        let count = r.ue().filter(|n| *n <= 32)?;
        r.skip((count * (poc_bits + 1)) as usize)?;
    }
    r.skip(2)?;
    if r.flag()? { vui(r) } else { None }
}

/// scaling_list_data() (section 7.3.4).
fn scaling_lists(r: &mut BitReader) -> Option<()> {
    for size in 0..4 {
        for _ in (0..6).step_by(if size == 3 { 3 } else { 1 }) {
            if !r.flag()? {
                r.ue()?;
                continue;
            }
            let coefficients = 64.min(1 << (4 + (size << 1))) + u32::from(size > 1);
            for _ in 0..coefficients {
                r.se()?;
            }
        }
    }
    Some(())
}

/// All st_ref_pic_set() (section 7.3.7) of a sequence parameter set.
fn short_term_ref_pic_sets(r: &mut BitReader) -> Option<()> {
    let count = r.ue().filter(|n| *n <= 64)?;
    // NumDeltaPocs of the set before.
    let mut pictures = 0;
    for set in 0..count {
        if set > 0 && r.flag()? {
            r.skip(1)?;
            r.ue()?;
            let mut kept = 0;
            for _ in 0..=pictures {
                let used = r.flag()?;
                kept += u32::from(used || r.flag()?);
            }
            pictures = kept;
        } else {
            let (before, after) = (r.ue()?, r.ue()?);
            pictures = before.checked_add(after).filter(|n| *n <= 32)?;
            for _ in 0..pictures {
                r.ue()?;
                r.skip(1)?;
            }
        }
    }
    Some(())
}

/// vui_parameters() (section E.2.1) up to the timing information.
fn vui(r: &mut BitReader) -> Option<Vui> {
    let sample_aspect = if r.flag()? { aspect_ratio(r)? } else { None };
    if r.flag()? {
        r.skip(1)?;
    }
    let mut colour = Colour::default();
    if r.flag()? {
        r.skip(3)?;
        colour.full_range = Some(r.flag()?);
        if r.flag()? {
            let mut code = || r.bits(8).map(|b| b as u8);
            (colour.primaries, colour.transfer, colour.matrix) = (Some(code()?), Some(code()?), Some(code()?));
        }
    }
    if r.flag()? {
        r.ue()?;
        r.ue()?;
    }
    r.skip(3)?;
    if r.flag()? {
        for _ in 0..4 {
            r.ue()?;
        }
    }
    let timing = r.flag()?;
    let rate = if timing { r.bits(32).zip(r.bits(32)).and_then(|(tick, scale)| Rate::new(scale, tick)) } else { None };
    Some(Vui { rate, colour, sample_aspect })
}

/// aspect_ratio_idc (table E.1), with its own numbers where it is EXTENDED_SAR.
fn aspect_ratio(r: &mut BitReader) -> Option<Option<SampleAspect>> {
    const EXTENDED_SAR: usize = 255;
    const TABLE: [(u64, u64); 17] = [
        (0, 0),
        (1, 1),
        (12, 11),
        (10, 11),
        (16, 11),
        (40, 33),
        (24, 11),
        (20, 11),
        (32, 11),
        (80, 33),
        (18, 11),
        (15, 11),
        (64, 33),
        (160, 99),
        (4, 3),
        (3, 2),
        (2, 1),
    ];
    let (num, den) = match r.bits(8)? as usize {
        EXTENDED_SAR => (r.bits(16)?.into(), r.bits(16)?.into()),
        idc => TABLE.get(idc).copied().unwrap_or_default(),
    };
    Some(SampleAspect::new(num, den))
}

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
