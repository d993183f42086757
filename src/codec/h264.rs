//! H.264 (ITU-T H.264, ISO/IEC 14496-10): parameter sets, configuration record, access units. Syntax of parameter sets and slice
//! headers is read by the crate h264-reader; what an access unit is, and what a container must know, is ours.

mod access_units;
mod keyframe;
mod sps;
mod unit;

pub use super::nal::{AccessUnit, to_annex_b, units};
pub use access_units::{AccessUnits, Slices};
pub use keyframe::is_keyframe;
pub(super) use keyframe::sei_messages;
pub(super) use sps::read_sps;
pub use sps::{SpsInfo, parse_sps};
pub use unit::{type_of, unit_type};

use super::nal;
use crate::media::{Codec, Malformed, Track, VideoParams};
use bytes::{BufMut, Bytes, BytesMut};
use unit::FORMAT;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Colour, Rate};

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
