//! H.264 (ITU-T H.264, ISO/IEC 14496-10): parameter sets, configuration record, access units. Syntax of parameter sets and slice
//! headers is read by the crate h264-reader; what an access unit is, and what a container must know, is ours.

use super::nal::{self, Role};
pub use super::nal::{AccessUnit, to_annex_b, units};
use crate::media::{Codec, Colour, Malformed, Rate, SampleAspect, Track, VideoParams};
use bytes::{BufMut, Bytes, BytesMut};
use h264_reader::Context;
use h264_reader::nal::pps::PicParameterSet;
use h264_reader::nal::slice::{FieldPic, PicOrderCountLsb, SliceHeader};
use h264_reader::nal::sps::{FrameMbsFlags, PicOrderCntType, SeqParameterSet};
use h264_reader::nal::{Nal, RefNal};

const FORMAT: &str = "H.264";

/// nal_unit_type (table 7-1).
pub mod unit_type {
    /// Slice of a picture that is no IDR picture.
    pub const SLICE: u8 = 1;
    /// Slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// End of sequence.
    pub const END_OF_SEQUENCE: u8 = 10;
    /// End of stream.
    pub const END_OF_STREAM: u8 = 11;
}

/// nal_unit_type of a NAL unit; 0 (unspecified) for an empty one.
pub fn type_of(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |b| b & 0x1f)
}

/// What a sequence parameter set says (section 7.4.2.1.1, annex E).
#[derive(Clone, Debug, PartialEq)]
pub struct SpsInfo {
    /// profile_idc.
    pub profile: u8,
    /// The byte of constraint_set flags.
    pub constraints: u8,
    /// level_idc.
    pub level: u8,
    /// Cropped size in pixels.
    pub width: u32,
    /// In pixels, cropped.
    pub height: u32,
    /// From the timing information: two ticks a frame.
    pub rate: Option<Rate>,
    /// Of the VUI.
    pub colour: Colour,
    /// By aspect_ratio_idc, where it is not "unspecified".
    pub sample_aspect: Option<SampleAspect>,
    /// How many pictures can come before one in decoding order and after it in output order: max_num_reorder_frames, or the
    /// bound that section E.2.1 infers where it is not said.
    pub reorder_depth: u8,
    /// chroma_format_idc.
    pub chroma_format: u8,
    /// Bits of a sample of luma.
    pub bit_depth_luma: u8,
    /// Bits of a sample of chroma.
    pub bit_depth_chroma: u8,
}

/// Reads a sequence parameter set (a whole NAL unit with its header byte).
pub fn parse_sps(unit: &[u8]) -> Result<SpsInfo, Malformed> {
    let sps = read_sps(unit)?;
    let (width, height) = sps.pixel_dimensions().map_err(|e| bad_sps(&e))?;
    if !(1..=16384).contains(&width) || !(1..=16384).contains(&height) {
        return Err(Malformed::new(FORMAT, format!("picture of {width}x{height}")));
    }
    let vui = sps.vui_parameters.as_ref();
    let signal = vui.and_then(|v| v.video_signal_type.as_ref());
    let description = signal.and_then(|s| s.colour_description.as_ref());
    let colour = Colour {
        primaries: description.map(|d| d.colour_primaries),
        transfer: description.map(|d| d.transfer_characteristics),
        matrix: description.map(|d| d.matrix_coefficients),
        full_range: signal.map(|s| s.video_full_range_flag),
    };
    let timing = vui.and_then(|v| v.timing_info.as_ref());
    let aspect = vui.and_then(|v| v.aspect_ratio_info.as_ref()?.get());
    Ok(SpsInfo {
        profile: unit[1],
        constraints: unit[2],
        level: unit[3],
        width,
        height,
        rate: timing.and_then(|t| Rate::new(t.time_scale, t.num_units_in_tick.checked_mul(2)?)),
        colour,
        sample_aspect: aspect.and_then(|(width, height)| SampleAspect::new(width.into(), height.into())),
        reorder_depth: reorder_depth(&sps, unit[3]),
        chroma_format: sps.chroma_info.chroma_format.to_u32() as u8,
        bit_depth_luma: 8 + sps.chroma_info.bit_depth_luma_minus8,
        bit_depth_chroma: 8 + sps.chroma_info.bit_depth_chroma_minus8,
    })
}

pub(super) fn read_sps(unit: &[u8]) -> Result<SeqParameterSet, Malformed> {
    if unit.len() < 4 || type_of(unit) != unit_type::SPS {
        return Err(Malformed::new(FORMAT, "not a sequence parameter set"));
    }
    // Cameras and screen encoders exceed the level they claim; the crate refuses that. Read as level 6.2, it allows what any
    // level allows. (The byte is never part of an escape: profile_idc before it is not 0.)
    let mut lenient = unit.to_vec();
    lenient[3] = 62;
    SeqParameterSet::from_bits(RefNal::new(&lenient, &[], true).rbsp_bits()).map_err(|e| bad_sps(&e))
}

fn bad_sps(error: &dyn std::fmt::Debug) -> Malformed {
    Malformed::new(FORMAT, format!("sequence parameter set: {error:?}"))
}

fn reorder_depth(sps: &SeqParameterSet, level: u8) -> u8 {
    const BASELINE: u8 = 66;
    let profile = sps.profile().profile_idc();
    let restrictions = sps.vui_parameters.as_ref().and_then(|v| v.bitstream_restrictions.as_ref());
    let intra_only = sps.constraint_flags.flag3() && matches!(profile, 44 | 86 | 100 | 110 | 122 | 244);
    // Baseline has no B slices: out-of-order output is possible on paper only, and a depth would delay nothing but the start.
    if matches!(sps.pic_order_cnt, PicOrderCntType::TypeTwo) || intra_only || profile == BASELINE {
        0
    } else if let Some(r) = restrictions {
        r.max_num_reorder_frames.min(16) as u8
    } else {
        max_dpb_frames(sps, level)
    }
}

/// MaxDpbFrames (section A.3.1 h), at most 16.
fn max_dpb_frames(sps: &SeqParameterSet, level: u8) -> u8 {
    // MaxDpbMbs of table A-1.
    let max_dpb_mbs: u64 = match level {
        ..=10 => 396,
        11 => 900,
        12 | 13 | 20 => 2376,
        21 => 4752,
        22 | 30 => 8100,
        31 => 18_000,
        32 => 20_480,
        40 | 41 => 32_768,
        42 => 34_816,
        50 => 110_400,
        51 | 52 => 184_320,
        _ => 696_320,
    };
    let fields = if matches!(sps.frame_mbs_flags, FrameMbsFlags::Frames) { 1 } else { 2 };
    let frame_mbs = u64::from(sps.pic_size_in_map_units()) * fields;
    (max_dpb_mbs / frame_mbs.max(1)).min(16) as u8
}

/// AVCDecoderConfigurationRecord (ISO/IEC 14496-15, section 5.3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvcC {
    /// AVCProfileIndication.
    pub profile: u8,
    /// profile_compatibility.
    pub constraints: u8,
    /// AVCLevelIndication.
    pub level: u8,
    /// Bytes of the length field before each NAL unit: 1, 2 or 4.
    pub length_size: u8,
    /// Sequence parameter sets.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets.
    pub pps: Vec<Bytes>,
}

impl AvcC {
    /// Reads the record.
    pub fn parse(config: &[u8]) -> Result<AvcC, Malformed> {
        let short = || Malformed::new(FORMAT, "avcC is cut short");
        let &[version, profile, constraints, level, lengths, sps_count, ref rest @ ..] = config else { return Err(short()) };
        if version != 1 {
            return Err(Malformed::new(FORMAT, format!("avcC of version {version}")));
        }
        let mut rest = rest;
        let sps = sets(&mut rest, sps_count & 0x1f).ok_or_else(short)?;
        let (&pps_count, after) = rest.split_first().ok_or_else(short)?;
        rest = after;
        let pps = sets(&mut rest, pps_count).ok_or_else(short)?;
        Ok(AvcC { profile, constraints, level, length_size: (lengths & 3) + 1, sps, pps })
    }

    /// The record for these parameter sets, with 4-byte lengths. NAL units that do not fit into one (empty, over 65535 bytes, more
    /// than 31 or 255) are left out.
    pub fn build<T: AsRef<[u8]>>(sps: &[T], pps: &[T]) -> Bytes {
        let fits = |set: &&T| (1..=0xffff).contains(&set.as_ref().len());
        let sps: Vec<&[u8]> = sps.iter().filter(fits).take(31).map(AsRef::as_ref).collect();
        let pps: Vec<&[u8]> = pps.iter().filter(fits).take(255).map(AsRef::as_ref).collect();
        let mut out = BytesMut::new();
        let head = |n| sps.first().and_then(|s| s.get(n)).copied().unwrap_or(0);
        out.put_slice(&[1, head(1), head(2), head(3), 0xff, 0xe0 | sps.len() as u8]);
        put_sets(&mut out, &sps);
        out.put_u8(pps.len() as u8);
        put_sets(&mut out, &pps);
        // The profiles that this record describes further (section 5.3.3.1.2).
        if matches!(head(1), 100 | 110 | 122 | 144 | 244)
            && let Some(info) = sps.first().and_then(|s| parse_sps(s).ok())
        {
            out.put_slice(&[0xfc | info.chroma_format, 0xf8 | (info.bit_depth_luma - 8), 0xf8 | (info.bit_depth_chroma - 8), 0]);
        }
        out.freeze()
    }

    /// RFC 6381, section 3.3: `avc1.640028`.
    pub fn mime(&self) -> String {
        format!("avc1.{:02X}{:02X}{:02X}", self.profile, self.constraints, self.level)
    }
}

fn sets(rest: &mut &[u8], count: u8) -> Option<Vec<Bytes>> {
    let mut take = || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (set, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        *rest = after;
        Some(Bytes::copy_from_slice(set))
    };
    (0..count).map(|_| take()).collect()
}

fn put_sets(out: &mut BytesMut, sets: &[&[u8]]) {
    for set in sets {
        out.put_u16(set.len() as u16);
        out.put_slice(set);
    }
}

/// The track that an avcC describes: size, rate and colour from its first sequence parameter set, 4-byte lengths.
pub fn track(config: Bytes) -> Result<Track, Malformed> {
    let record = AvcC::parse(&config)?;
    let sps = record.sps.first().ok_or_else(|| Malformed::new(FORMAT, "avcC has no sequence parameter set"))?;
    let info = parse_sps(sps)?;
    let sample_aspect = info.sample_aspect.unwrap_or_default();
    let video = VideoParams { rate: info.rate, colour: info.colour, sample_aspect, ..VideoParams::new(info.width, info.height) };
    let mut track = Track::video(Codec::H264, video);
    track.config = four_byte_lengths(config);
    Ok(track)
}

/// The same avcC, saying that lengths have 4 bytes: for packets in the canonical form.
pub fn four_byte_lengths(config: Bytes) -> Bytes {
    nal::four_byte_lengths(config, 4)
}

/// The avcC for the parameter sets in an access unit; `None` where it lacks one of the two kinds.
pub fn config_of(au: &[u8]) -> Option<Bytes> {
    let of = |t| units(au).filter(|u| type_of(u) == t).collect::<Vec<_>>();
    let (sps, pps) = (of(unit_type::SPS), of(unit_type::PPS));
    (!sps.is_empty() && !pps.is_empty()).then(|| AvcC::build(&sps, &pps))
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
pub(super) fn sei_messages(rbsp: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
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

/// Cuts a byte stream (Annex B) into access units in the canonical form (section 7.4.1.2.3).
///
/// Call [`push`](AccessUnits::push) with what has arrived, then [`next`](AccessUnits::next) until it gives `None`. An access unit
/// comes out as soon as the first bytes of the next one show that it is whole; [`flush`](AccessUnits::flush) is for the end of
/// the input, or for a caller who knows from elsewhere (a pause on the line) that the access unit is whole.
pub type AccessUnits = nal::Splitter<Slices>;

/// Finds the first slice of each primary coded picture by the rules of section 7.4.1.2.4. Two fields of one frame are one access
/// unit, as a container has them (ISO/IEC 14496-15, section 5.2.1).
#[derive(Default)]
pub struct Slices {
    context: Context,
    last: Option<Picture>,
    /// `last` is the second field of its frame.
    paired: bool,
    /// A picture parameter set allows redundant pictures, whose slices may begin with macroblock 0 too.
    redundant: bool,
    /// A sequence parameter set allows field pictures: the second field of a frame begins with macroblock 0 too.
    fields: bool,
}

/// The elements of a slice header that are the same in all slices of a picture.
#[derive(PartialEq)]
struct Picture {
    frame_num: u16,
    parameter_set: u8,
    field: FieldPic,
    reference: bool,
    order: Option<PicOrderCountLsb>,
    /// idr_pic_id, which is also whether it is an IDR picture.
    idr: Option<u32>,
}

impl nal::Syntax for Slices {
    const FORMAT: &'static str = FORMAT;

    fn early_role(&self, start: &[u8]) -> Option<Role> {
        match type_of(start) {
            // Macroblock 0 is a new picture whatever else the header says, for encoders that leave the rest unchanged.
            unit_type::SLICE | 2 | unit_type::IDR => {
                (begins_with_macroblock_0(start) && !self.redundant && !self.fields).then_some(Role::FirstSlice)
            }
            unit_type::AUD => Some(Role::Delimiter),
            unit_type::SEI | unit_type::SPS | unit_type::PPS | 14..=18 => Some(Role::Prefix),
            _ => None,
        }
    }

    fn role(&self, head: &[u8]) -> Role {
        if let Some(role) = self.early_role(head) {
            return role;
        }
        match type_of(head) {
            unit_type::SLICE | 2 | unit_type::IDR => self.slice(head),
            unit_type::END_OF_SEQUENCE | unit_type::END_OF_STREAM => Role::End,
            // Data partitions B and C, auxiliary slices, filler and whatever is unspecified.
            _ => Role::Other,
        }
    }

    fn unit(&mut self, unit: &[u8]) {
        match type_of(unit) {
            unit_type::SPS => {
                if let Ok(sps) = read_sps(unit) {
                    self.fields |= !matches!(sps.frame_mbs_flags, FrameMbsFlags::Frames);
                    self.context.put_seq_param_set(sps);
                }
            }
            unit_type::PPS => {
                if let Ok(pps) = PicParameterSet::from_bits(&self.context, RefNal::new(unit, &[], true).rbsp_bits()) {
                    self.redundant |= pps.redundant_pic_cnt_present_flag;
                    self.context.put_pic_param_set(pps);
                }
            }
            unit_type::SLICE | 2 | unit_type::IDR => {
                let picture = self.picture(&unit[..unit.len().min(nal::ROLE_BYTES)]).map(|(_, picture)| picture);
                if picture != self.last {
                    self.paired = picture.as_ref().is_some_and(|picture| self.is_second_field(picture));
                }
                self.last = picture;
            }
            _ => {}
        }
    }

    fn lacks_field(&self) -> bool {
        !self.paired && self.last.as_ref().is_some_and(|last| last.field != FieldPic::Frame)
    }

    fn is_keyframe(au: &[u8]) -> bool {
        is_keyframe(au)
    }
}

/// first_mb_in_slice 0 is the code `1`.
fn begins_with_macroblock_0(slice: &[u8]) -> bool {
    slice.get(1).is_some_and(|b| b & 0x80 != 0)
}

impl Slices {
    fn slice(&self, head: &[u8]) -> Role {
        let Some((first_mb, picture)) = self.picture(head) else {
            // Without its parameter sets a slice tells only where it begins.
            return if begins_with_macroblock_0(head) { Role::FirstSlice } else { Role::Slice };
        };
        let new = first_mb == 0 || self.last.as_ref().is_some_and(|last| *last != picture);
        if new && !self.is_second_field(&picture) { Role::FirstSlice } else { Role::Slice }
    }

    /// Whether `picture` makes a frame of the field before it: a complementary field pair (sections 3.30 and 3.31). The second field
    /// of an IDR picture may be a P field.
    fn is_second_field(&self, picture: &Picture) -> bool {
        let opposite = |first: &Picture| {
            matches!((&first.field, &picture.field), (FieldPic::Field(a), FieldPic::Field(b)) if a != b)
                && first.frame_num == picture.frame_num
                && first.reference == picture.reference
                && (picture.idr.is_none() || picture.idr == first.idr)
        };
        !self.paired && self.last.as_ref().is_some_and(opposite)
    }

    fn picture(&self, head: &[u8]) -> Option<(u32, Picture)> {
        let unit = RefNal::new(head, &[], false);
        let header = unit.header().ok()?;
        let (slice, _, pps) = SliceHeader::from_bits(&self.context, &mut unit.rbsp_bits(), header, None).ok()?;
        let redundant = slice.redundant_pic_cnt.is_some_and(|n| n > 0);
        let picture = Picture {
            frame_num: slice.frame_num,
            parameter_set: pps.pic_parameter_set_id.id(),
            field: slice.field_pic,
            reference: header.nal_ref_idc() != 0,
            order: slice.pic_order_cnt_lsb,
            idr: slice.idr_pic_id,
        };
        // A redundant picture is one more slice of its primary picture.
        Some((if redundant { u32::MAX } else { slice.first_mb_in_slice }, picture))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By x264, High profile, level 1.3, 322x178 at 30000/1001, BT.709 at full range, B-frames with a pyramid.
    const HIGH: &[u8] = b"\x67\x64\x00\x0d\xac\xd9\x41\x51\x9e\x22\x23\x01\x6e\x02\x02\x02\x80\x00\x01\xf4\x80\x00\x75\x30\x07\x8a\x14\xcb";
    /// The same as Baseline profile, without colours.
    const BASELINE: &[u8] = b"\x67\x42\xc0\x0d\xda\x05\x46\x78\x88\x8c\x04\x40\x00\x00\xfa\x40\x00\x3a\x98\x03\xc5\x0a\xa8";
    const PPS: &[u8] = b"\x68\xeb\xe3\xcb\x22\xc0";

    #[test]
    fn sequence_parameter_sets() {
        let info = parse_sps(HIGH).unwrap();
        assert_eq!((info.profile, info.level, info.width, info.height), (100, 13, 322, 178));
        assert_eq!((info.rate, info.reorder_depth), (Rate::new(60_000, 2002), 2));
        let bt709 = Colour { primaries: Some(1), transfer: Some(1), matrix: Some(1), full_range: Some(true) };
        assert_eq!((info.colour, info.chroma_format, info.bit_depth_luma), (bt709, 1, 8));
        let info = parse_sps(BASELINE).unwrap();
        assert_eq!((info.profile, info.reorder_depth, info.colour), (66, 0, Colour::default()));
    }

    #[test]
    fn a_level_that_is_exceeded_is_no_reason_to_refuse() {
        let mut sps = HIGH.to_vec();
        sps[3] = 10;
        assert_eq!(parse_sps(&sps).unwrap().width, 322);
    }

    #[test]
    fn configuration_record_round_trip() {
        let config = AvcC::build(&[HIGH], &[PPS]);
        // What x264 and ffmpeg write for these, to the byte.
        assert_eq!(config[..8], *b"\x01\x64\x00\x0d\xff\xe1\x00\x1c");
        assert!(config.ends_with(b"\x01\x00\x06\x68\xeb\xe3\xcb\x22\xc0\xfd\xf8\xf8\x00"));
        let record = AvcC::parse(&config).unwrap();
        assert_eq!((record.length_size, &record.sps[0][..], &record.pps[0][..]), (4, HIGH, PPS));
        assert_eq!(record.mime(), "avc1.64000D");
        assert_eq!(track(config.clone()).unwrap().as_video().map(|v| (v.width, v.height)), Some((322, 178)));
        let mut two_bytes = config.to_vec();
        two_bytes[4] = 0xfd;
        assert_eq!(four_byte_lengths(two_bytes.into()), config);
        for cut in 0..config.len() - 4 {
            assert!(AvcC::parse(&config[..cut]).is_err());
        }
    }

    #[test]
    fn damaged_parameter_sets_never_panic() {
        assert!(parse_sps(&[]).is_err());
        assert!(parse_sps(&[0x67]).is_err());
        for at in 0..HIGH.len() {
            for value in 0..=255 {
                let mut sps = HIGH.to_vec();
                sps[at] = value;
                _ = parse_sps(&sps);
                _ = parse_sps(&sps[..at]);
                let mut units = AccessUnits::default();
                units.push(&[&[0, 0, 1], &sps[..], &[0, 0, 1], PPS, &[0, 0, 1, 0x65, 0x88], &[value; 80], &[0, 0, 1, 0, 0, 1]].concat());
                while let Ok(Some(_)) = units.next() {}
                _ = units.flush();
            }
        }
    }

    #[test]
    fn forms_of_an_access_unit() {
        let stream = b"garbage\0\0\0\x01\x09\xf0\0\0\x01\x67\x01\0\0\x01\0\0\0\x01\x65\x02\0\0";
        let canonical = to_length_prefixed(stream);
        assert_eq!(canonical[..], *b"\0\0\0\x02\x67\x01\0\0\0\x02\x65\x02");
        assert_eq!(to_annex_b(&canonical)[..], *b"\0\0\0\x01\x67\x01\0\0\0\x01\x65\x02");
        assert!(is_keyframe(&canonical));
        let same = normalize(canonical.clone(), 4).unwrap();
        assert_eq!(same.as_ptr(), canonical.as_ptr(), "not copied");
        let short = Bytes::from_static(b"\x02\x09\xf0\0\x02\x67\x01\x02\x65\x02");
        assert_eq!(normalize(short.clone(), 1).unwrap(), canonical);
        assert!(normalize(short.slice(..9), 1).unwrap_err().to_string().contains("byte 7"));
    }

    #[test]
    fn recovery_points_are_keyframes() {
        let with_sei = |sei: &[u8]| to_length_prefixed(&[b"\0\0\x01\x06", sei, b"\0\0\x01\x61\x88"].concat());
        // recovery_frame_cnt 0; then 1; then another message before.
        assert!(is_keyframe(&with_sei(b"\x06\x01\xc4\x80")));
        assert!(!is_keyframe(&with_sei(b"\x06\x01\x44\x80")));
        assert!(is_keyframe(&with_sei(b"\x05\x02\xaa\xbb\x06\x01\xc4\x80")));
        assert!(!is_keyframe(&with_sei(b"\x05\xff\xff\xff\xff")));
        assert!(!is_keyframe(b"\0\0\0\x02\x41\x01"));
        assert!(!is_keyframe(b""));
    }

    #[test]
    fn an_access_unit_ends_as_soon_as_the_next_one_shows() {
        let mut units = AccessUnits::default();
        units.push(b"\0\0\0\x01\x65\x88\x01\x02");
        assert_eq!(units.next(), Ok(None));
        // A delimiter says it; its own end is shown by the next start code.
        units.push(b"\0\0\0\x01\x09\xf0\0\0\0\x01");
        let au = units.next().unwrap().unwrap();
        assert_eq!((&au.data[..], au.key, au.at), (&b"\0\0\0\x04\x65\x88\x01\x02"[..], true, 1));
        // End of stream says it at once.
        units.push(b"\x41\x88\0\0\x01\x0b\0\0\x01");
        let au = units.next().unwrap().unwrap();
        assert_eq!((&au.data[..], au.key), (&b"\0\0\0\x02\x41\x88\0\0\0\x01\x0b"[..], false));
        assert_eq!(units.flush(), Ok(None));
    }

    #[test]
    fn an_endless_access_unit_is_refused() {
        let mut units = AccessUnits::default();
        units.push(b"\0\0\x01\x65");
        let refused = (0..100).find_map(|_| {
            units.push(&[0xaa; 1 << 20]);
            units.next().err()
        });
        assert!(refused.unwrap().to_string().contains("access unit of more than"));
    }
}
