//! Sequence parameter sets.

use super::unit::{FORMAT, type_of, unit_type};
use crate::codec::bits::BitReader;
use crate::codec::nal;
use crate::media::{Colour, Malformed, Rate, SampleAspect};

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

/// What `codec::order` needs of a sequence parameter set: bits of slice_pic_order_cnt_lsb, and separate_colour_plane_flag.
pub fn order_fields(unit: &[u8]) -> Option<(u32, bool)> {
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
