//! AV1 (AV1 Bitstream & Decoding Process Specification; AV1 Codec ISO Media File Format Binding): OBUs, sequence header, av1C.

use super::bits::BitReader;
use crate::media::{Codec, Colour, Malformed, Rate, Track, VideoParams};
use bytes::{BufMut, Bytes, BytesMut};

const FORMAT: &str = "AV1";

/// obu_type (section 6.2.2).
pub mod obu_type {
    /// Sequence header.
    pub const SEQUENCE_HEADER: u8 = 1;
    /// Temporal delimiter: what begins a temporal unit in a stream.
    pub const TEMPORAL_DELIMITER: u8 = 2;
    /// Frame header without its tiles.
    pub const FRAME_HEADER: u8 = 3;
    /// Frame header and tiles.
    pub const FRAME: u8 = 6;
}

/// One open bitstream unit (section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obu<'a> {
    /// obu_type.
    pub kind: u8,
    /// With its header.
    pub whole: &'a [u8],
    /// Without header and size.
    pub payload: &'a [u8],
}

/// The OBUs of a temporal unit in the low-overhead format. Ends at the first one that runs past the end.
pub fn obus(data: &[u8]) -> impl Iterator<Item = Obu<'_>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (obu, after) = obu(rest)?;
        rest = after;
        Some(obu)
    })
}

fn obu(data: &[u8]) -> Option<(Obu<'_>, &[u8])> {
    let header = *data.first()?;
    let (extended, sized) = (header & 4 != 0, header & 2 != 0);
    let mut at = 1 + usize::from(extended);
    let size = if sized {
        let (size, bytes) = leb128(data.get(at..)?)?;
        at += bytes;
        size
    } else {
        data.len().checked_sub(at)?
    };
    let end = at.checked_add(size)?;
    let payload = data.get(at..end)?;
    Some((Obu { kind: header >> 3 & 15, whole: &data[..end], payload }, &data[end..]))
}

/// leb128() (section 4.10.5): value and bytes used.
fn leb128(data: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (n, &byte) in data.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok()?;
            return Some((value as usize, n + 1));
        }
    }
    None
}

/// What a sequence header says (sections 5.5, 6.4).
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceHeader {
    /// seq_profile.
    pub profile: u8,
    /// seq_level_idx of the first operating point.
    pub level: u8,
    /// seq_tier of the first operating point.
    pub high_tier: bool,
    /// In pixels, at most.
    pub width: u32,
    /// In pixels, at most.
    pub height: u32,
    /// Of the timing information.
    pub rate: Option<Rate>,
    /// Of the colour description.
    pub colour: Colour,
    /// 8, 10 or 12.
    pub bit_depth: u8,
    /// mono_chrome.
    pub monochrome: bool,
    /// subsampling_x.
    pub subsampling_x: bool,
    /// subsampling_y.
    pub subsampling_y: bool,
    /// chroma_sample_position.
    pub chroma_sample_position: u8,
}

/// Reads the payload of a sequence header OBU.
pub fn parse_sequence_header(payload: &[u8]) -> Result<SequenceHeader, Malformed> {
    sequence_header(payload).ok_or_else(|| Malformed::new(FORMAT, "sequence header is cut short or out of range"))
}

/// sequence_header_obu() (section 5.5.1) up to color_config().
fn sequence_header(payload: &[u8]) -> Option<SequenceHeader> {
    let mut r = BitReader::new(payload);
    let profile = r.bits(3).filter(|p| *p <= 2)? as u8;
    r.skip(1)?;
    let reduced = r.flag()?;
    let (rate, level, high_tier) = if reduced { (None, r.bits(5)? as u8, false) } else { operating_points(&mut r)? };
    let (width_bits, height_bits) = (r.bits(4)? + 1, r.bits(4)? + 1);
    let (width, height) = (r.bits(width_bits)? + 1, r.bits(height_bits)? + 1);
    if width > 16384 || height > 16384 {
        return None;
    }
    if !reduced && r.flag()? {
        r.skip(7)?;
    }
    r.skip(3)?;
    if !reduced {
        tools(&mut r)?;
    }
    r.skip(3)?;
    let mut header = SequenceHeader {
        profile,
        level,
        high_tier,
        width,
        height,
        rate,
        colour: Colour::default(),
        bit_depth: 8,
        monochrome: false,
        subsampling_x: true,
        subsampling_y: true,
        chroma_sample_position: 0,
    };
    color_config(&mut r, &mut header)?;
    Some(header)
}

/// From timing_info_present_flag to the end of the operating points: rate, and level and tier of the first point.
fn operating_points(r: &mut BitReader) -> Option<(Option<Rate>, u8, bool)> {
    let mut rate = None;
    let mut delay_bits = None;
    if r.flag()? {
        let (tick, scale, equal) = (r.bits(32)?, r.bits(32)?, r.flag()?);
        if equal {
            let ticks = uvlc(r)?.saturating_add(1);
            rate = tick.checked_mul(ticks).and_then(|tick| Rate::new(scale, tick));
        }
        if r.flag()? {
            delay_bits = Some(r.bits(5)? as usize + 1);
            r.skip(42)?;
        }
    }
    let display_delay = r.flag()?;
    let mut first = None;
    for _ in 0..=r.bits(5)? {
        r.skip(12)?;
        let level = r.bits(5)? as u8;
        let tier = level > 7 && r.flag()?;
        first.get_or_insert((level, tier));
        if let Some(bits) = delay_bits
            && r.flag()?
        {
            r.skip(2 * bits + 1)?;
        }
        if display_delay && r.flag()? {
            r.skip(4)?;
        }
    }
    let (level, tier) = first?;
    Some((rate, level, tier))
}

/// uvlc() (section 4.10.3).
fn uvlc(r: &mut BitReader) -> Option<u32> {
    r.ue()
}

/// From enable_interintra_compound to order_hint_bits_minus_1.
fn tools(r: &mut BitReader) -> Option<()> {
    r.skip(4)?;
    let order_hint = r.flag()?;
    if order_hint {
        r.skip(2)?;
    }
    let choose_screen_content = r.flag()?;
    let screen_content = choose_screen_content || r.flag()?;
    if screen_content && !r.flag()? {
        r.skip(1)?;
    }
    if order_hint { r.skip(3) } else { Some(()) }
}

/// color_config() (section 5.5.2).
fn color_config(r: &mut BitReader, header: &mut SequenceHeader) -> Option<()> {
    const SRGB: (Option<u8>, Option<u8>, Option<u8>) = (Some(1), Some(13), Some(0));
    let high = r.flag()?;
    header.bit_depth = match header.profile {
        2 if high && r.flag()? => 12,
        _ if high => 10,
        _ => 8,
    };
    header.monochrome = header.profile != 1 && r.flag()?;
    let colour = &mut header.colour;
    if r.flag()? {
        let mut code = || r.bits(8).map(|b| b as u8);
        (colour.primaries, colour.transfer, colour.matrix) = (Some(code()?), Some(code()?), Some(code()?));
    }
    if (colour.primaries, colour.transfer, colour.matrix) == SRGB {
        colour.full_range = Some(true);
        (header.subsampling_x, header.subsampling_y) = (false, false);
        return Some(());
    }
    colour.full_range = Some(r.flag()?);
    if header.monochrome {
        return Some(());
    }
    (header.subsampling_x, header.subsampling_y) = match header.profile {
        0 => (true, true),
        1 => (false, false),
        _ if header.bit_depth == 12 => {
            let x = r.flag()?;
            (x, x && r.flag()?)
        }
        _ => (true, false),
    };
    if header.subsampling_x && header.subsampling_y {
        header.chroma_sample_position = r.bits(2)? as u8;
    }
    Some(())
}

/// AV1CodecConfigurationRecord (binding, section 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Av1C {
    /// seq_profile.
    pub profile: u8,
    /// seq_level_idx_0.
    pub level: u8,
    /// seq_tier_0.
    pub high_tier: bool,
    /// 8, 10 or 12.
    pub bit_depth: u8,
}

impl Av1C {
    /// Reads the record.
    pub fn parse(config: &[u8]) -> Result<Av1C, Malformed> {
        let Some(&[marker, levels, flags, _]) = config.first_chunk::<4>() else {
            return Err(Malformed::new(FORMAT, "av1C is cut short"));
        };
        if marker != 0x81 {
            return Err(Malformed::new(FORMAT, format!("av1C begins with {marker:#04x} in place of 0x81")));
        }
        let bit_depth = match flags & 0x60 {
            0x60 => 12,
            0x40 => 10,
            _ => 8,
        };
        Ok(Av1C { profile: levels >> 5, level: levels & 31, high_tier: flags & 0x80 != 0, bit_depth })
    }

    /// The record for a sequence header OBU (with its header).
    pub fn build(sequence_header: &[u8]) -> Result<Bytes, Malformed> {
        let obu = obus(sequence_header).next().filter(|o| o.kind == obu_type::SEQUENCE_HEADER);
        let obu = obu.ok_or_else(|| Malformed::new(FORMAT, "not a sequence header"))?;
        let h = parse_sequence_header(obu.payload)?;
        let flag = |on: bool, bit: u8| u8::from(on) << bit;
        let mut out = BytesMut::new();
        out.put_slice(&[0x81, h.profile << 5 | h.level]);
        out.put_u8(
            flag(h.high_tier, 7)
                | flag(h.bit_depth > 8, 6)
                | flag(h.bit_depth == 12, 5)
                | flag(h.monochrome, 4)
                | flag(h.subsampling_x, 3)
                | flag(h.subsampling_y, 2)
                | h.chroma_sample_position,
        );
        out.put_u8(0);
        out.put_slice(obu.whole);
        Ok(out.freeze())
    }

    /// Binding, section 5: `av01.0.04M.08`.
    pub fn mime(&self) -> String {
        let tier = if self.high_tier { 'H' } else { 'M' };
        format!("av01.{}.{:02}{tier}.{:02}", self.profile, self.level, self.bit_depth)
    }
}

/// The track that an av1C with a sequence header describes.
pub fn track(config: Bytes) -> Result<Track, Malformed> {
    Av1C::parse(&config)?;
    let obu = obus(&config[4..]).find(|o| o.kind == obu_type::SEQUENCE_HEADER);
    let obu = obu.ok_or_else(|| Malformed::new(FORMAT, "av1C has no sequence header"))?;
    let h = parse_sequence_header(obu.payload)?;
    let video = VideoParams { rate: h.rate, colour: h.colour, ..VideoParams::new(h.width, h.height) };
    let mut track = Track::video(Codec::Av1, video);
    track.config = config;
    Ok(track)
}

/// The av1C for the sequence header in a temporal unit, where it has one.
pub fn config_of(temporal_unit: &[u8]) -> Option<Bytes> {
    let header = obus(temporal_unit).find(|o| o.kind == obu_type::SEQUENCE_HEADER)?;
    Av1C::build(header.whole).ok()
}

/// A temporal unit without temporal delimiters; without a copy where it has none.
pub fn normalize(temporal_unit: Bytes) -> Bytes {
    if !obus(&temporal_unit).any(|o| o.kind == obu_type::TEMPORAL_DELIMITER) {
        return temporal_unit;
    }
    let mut out = BytesMut::with_capacity(temporal_unit.len());
    let keep = obus(&temporal_unit).filter(|o| o.kind != obu_type::TEMPORAL_DELIMITER);
    keep.for_each(|o| out.put_slice(o.whole));
    out.freeze()
}

/// A decoder can start at this temporal unit: it has a sequence header and its first frame is a shown key frame (binding,
/// section 2.4).
pub fn is_keyframe(temporal_unit: &[u8]) -> bool {
    let mut reduced_still_picture = None;
    for obu in obus(temporal_unit) {
        match obu.kind {
            obu_type::SEQUENCE_HEADER => reduced_still_picture = obu.payload.first().map(|b| b & 8 != 0),
            obu_type::FRAME | obu_type::FRAME_HEADER => {
                // show_existing_frame, frame_type (2 bits, 0 is KEY_FRAME), show_frame (section 5.9.2).
                let key = obu.payload.first().is_some_and(|b| b >> 4 == 0b0001);
                return reduced_still_picture.is_some_and(|reduced| reduced || key);
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sequence header OBU by SVT-AV1: Main profile, level 2.0, 322x178.
    const HEADER: &[u8] = b"\x0a\x0b\x00\x00\x00\x04\x3d\x06\xc4\x02\xf8\x00\x40";

    #[test]
    fn configuration() {
        let config = Av1C::build(HEADER).unwrap();
        assert_eq!(config[..4], *b"\x81\x00\x0c\x00");
        assert_eq!(Av1C::parse(&config).unwrap().mime(), "av01.0.00M.08");
        assert_eq!(track(config).unwrap().as_video().map(|v| (v.width, v.height)), Some((322, 178)));
        assert!(Av1C::parse(b"\x81\0\0").is_err());
        assert!(Av1C::build(b"\x12\x00").is_err(), "a temporal delimiter");
    }

    #[test]
    fn temporal_units() {
        let key = [b"\x12\x00", HEADER, b"\x32\x02\x10\x00"].concat();
        let unit = normalize(key.into());
        assert_eq!(unit[..], [HEADER, b"\x32\x02\x10\x00"].concat());
        assert!(is_keyframe(&unit));
        assert!(!is_keyframe(b"\x32\x02\x10\x00"), "without a sequence header");
        assert!(!is_keyframe(&[HEADER, b"\x32\x02\x30\x00"].concat()), "an inter frame");
        assert_eq!(config_of(&unit), Some(Av1C::build(HEADER).unwrap()));
    }

    #[test]
    fn damage_never_panics() {
        for at in 0..HEADER.len() {
            for value in 0..=255 {
                let mut damaged = HEADER.to_vec();
                damaged[at] = value;
                _ = Av1C::build(&damaged);
                _ = is_keyframe(&damaged);
                _ = normalize(damaged.into());
            }
        }
        assert_eq!(obus(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff").count(), 0);
    }
}
