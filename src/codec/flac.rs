//! FLAC (RFC 9639): what muxing needs of the stream information and of a frame header.

use super::bits::BitReader;
use crate::media::{AudioParams, Codec, Malformed, Track};
use bytes::Bytes;
use std::time::Duration;

const FORMAT: &str = "FLAC";
const MAGIC: &[u8; 4] = b"fLaC";
/// METADATA_BLOCK_STREAMINFO: header and body (sections 8.1, 8.2).
const STREAM_INFO: usize = 4 + 34;

/// The metadata block that comes first (section 8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    pub min_block: u16,
    /// Samples in the largest frame.
    pub max_block: u16,
    pub rate: u32,
    pub channels: u16,
    pub bits_per_sample: u8,
}

impl StreamInfo {
    /// Reads the start of a FLAC stream or of a CodecPrivate: `fLaC`, then the stream information.
    pub fn parse(config: &[u8]) -> Result<StreamInfo, Malformed> {
        let block = block(config)?;
        let bad = || Malformed::new(FORMAT, "stream information is out of range");
        let mut r = BitReader::new(&block[4..]);
        let mut bits = |n| r.bits(n).expect("34 bytes");
        let (min_block, max_block) = (bits(16) as u16, bits(16) as u16);
        let _frame_sizes = (bits(24), bits(24));
        let info = StreamInfo { min_block, max_block, rate: bits(20), channels: bits(3) as u16 + 1, bits_per_sample: bits(5) as u8 + 1 };
        if info.rate == 0 || info.rate > 768_000 { Err(bad()) } else { Ok(info) }
    }
}

/// The stream information as a metadata block of its own, marked as the last: the body of the `dfLa` of MP4.
pub fn metadata_block(config: &[u8]) -> Result<[u8; STREAM_INFO], Malformed> {
    let mut block = *block(config)?;
    block[0] |= 0x80;
    Ok(block)
}

fn block(config: &[u8]) -> Result<&[u8; STREAM_INFO], Malformed> {
    let rest = config.strip_prefix(MAGIC).ok_or_else(|| Malformed::new(FORMAT, "stream does not begin with fLaC"))?;
    let block = rest.first_chunk::<STREAM_INFO>().ok_or_else(|| Malformed::new(FORMAT, "stream information is cut short"))?;
    if block[0] & 0x7f != 0 || block[1..4] != [0, 0, 34] {
        return Err(Malformed::new(FORMAT, "first metadata block is not the stream information"));
    }
    Ok(block)
}

/// `fLaC` and the metadata blocks: what MP4 leaves out of its `dfLa`, put back.
pub fn config(metadata_blocks: &[u8]) -> Bytes {
    [MAGIC, metadata_blocks].concat().into()
}

/// The track that a configuration (`fLaC` and stream information) describes.
pub fn track(config: Bytes) -> Result<Track, Malformed> {
    let info = StreamInfo::parse(&config)?;
    let mut track = Track::audio(Codec::Flac, AudioParams { rate: info.rate, channels: info.channels, delay: Duration::ZERO });
    track.config = config;
    Ok(track)
}

/// Samples per channel in a frame (section 9.1.1); where the header cannot be read and all frames have one size, that size.
pub fn packet_samples(config: &[u8], frame: &[u8]) -> Option<u32> {
    let fixed = || StreamInfo::parse(config).ok().filter(|i| i.min_block == i.max_block && i.max_block > 0);
    block_size(frame).or_else(|| fixed().map(|i| u32::from(i.max_block)))
}

fn block_size(frame: &[u8]) -> Option<u32> {
    let &[a, b, c, _, ..] = frame else { return None };
    if a != 0xff || b & 0xfe != 0xf8 {
        return None;
    }
    // The frame or sample number, coded as in UTF-8, comes before an uncommon block size.
    let number_len = frame.get(4)?.leading_ones().max(1) as usize;
    let uncommon = frame.get(4 + number_len..)?;
    match c >> 4 {
        1 => Some(192),
        n @ 2..=5 => Some(576 << (n - 2)),
        6 => Some(u32::from(*uncommon.first()?) + 1),
        7 => Some(u32::from(u16::from_be_bytes(*uncommon.first_chunk()?)) + 1),
        n @ 8.. => Some(256 << (n - 8)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 48 kHz, 2 channels, 16 bits, blocks of 4096.
    pub const CONFIG: [u8; 42] = *b"fLaC\0\0\0\x22\x10\0\x10\0\0\0\0\0\0\0\x0b\xb8\x02\xf0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    #[test]
    fn stream_information() {
        let info = StreamInfo::parse(&CONFIG).unwrap();
        assert_eq!(info, StreamInfo { min_block: 4096, max_block: 4096, rate: 48_000, channels: 2, bits_per_sample: 16 });
        assert_eq!(metadata_block(&CONFIG).unwrap()[0], 0x80);
        for cut in 0..CONFIG.len() {
            assert!(StreamInfo::parse(&CONFIG[..cut]).is_err());
        }
    }

    #[test]
    fn block_sizes() {
        assert_eq!(packet_samples(&CONFIG, &[0xff, 0xf8, 0xc9, 0x18, 0, 0]), Some(4096));
        assert_eq!(packet_samples(&CONFIG, &[0xff, 0xf8, 0x69, 0x18, 0, 99]), Some(100), "8-bit size after a short number");
        assert_eq!(packet_samples(&CONFIG, &[0xff, 0xf8, 0x79, 0x18, 0xc2, 0x80, 3, 0xe7]), Some(1000), "16-bit size");
        assert_eq!(packet_samples(&CONFIG, &[0xff, 0xf8, 0x79, 0x18, 0xc2]), Some(4096), "cut short: the stream's own size");
        assert_eq!(packet_samples(&[], &[1, 2, 3]), None);
    }
}
