//! Sequence parameter sets.

use super::unit::{FORMAT, type_of, unit_type};
use crate::media::{Colour, Malformed, Rate, SampleAspect};
use h264_reader::nal::sps::{FrameMbsFlags, PicOrderCntType, SeqParameterSet};
use h264_reader::nal::{Nal, RefNal};

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

pub fn read_sps(unit: &[u8]) -> Result<SeqParameterSet, Malformed> {
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
