//! H.264 and H.265, whose functions have the same names.

use crate::codec::start::{self, Entry};
use crate::codec::{h264, h265};
use crate::media::{Codec, Malformed, Track};
use bytes::Bytes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NalCodec {
    H264,
    H265,
}

/// The same functions for both codecs.
impl NalCodec {
    pub fn codec(self) -> Codec {
        match self {
            NalCodec::H264 => Codec::H264,
            NalCodec::H265 => Codec::H265,
        }
    }

    pub fn track(self, config: Bytes) -> Result<Track, Malformed> {
        match self {
            NalCodec::H264 => h264::track(config),
            NalCodec::H265 => h265::track(config),
        }
    }

    pub fn length_size(self, config: &[u8]) -> Option<u8> {
        match self {
            NalCodec::H264 => h264::AvcC::parse(config).ok().map(|c| c.length_size),
            NalCodec::H265 => h265::HvcC::parse(config).ok().map(|c| c.length_size),
        }
    }

    pub fn four_byte_lengths(self, config: Bytes) -> Bytes {
        match self {
            NalCodec::H264 => h264::four_byte_lengths(config),
            NalCodec::H265 => h265::four_byte_lengths(config),
        }
    }

    pub fn config_of(self, au: &[u8]) -> Option<Bytes> {
        match self {
            NalCodec::H264 => h264::config_of(au),
            NalCodec::H265 => h265::config_of(au),
        }
    }

    #[expect(clippy::wrong_self_convention, reason = "the codec is a parameter")]
    pub fn from_annex_b(self, stream: &[u8]) -> Bytes {
        match self {
            NalCodec::H264 => h264::to_length_prefixed(stream),
            NalCodec::H265 => h265::to_length_prefixed(stream),
        }
    }

    pub fn normalize(self, au: Bytes, length_size: u8) -> Result<Bytes, Malformed> {
        match self {
            NalCodec::H264 => h264::normalize(au, length_size),
            NalCodec::H265 => h265::normalize(au, length_size),
        }
    }

    /// A decoder can go on at this access unit (canonical form) after a loss.
    pub fn is_entry(self, au: &[u8]) -> bool {
        match self {
            NalCodec::H264 => !matches!(start::entry(au), Entry::Inter | Entry::Unknown),
            NalCodec::H265 => h265::is_keyframe(au),
        }
    }

    /// The sequence parameter sets of a track.
    pub fn sets(self, track: &Track) -> Option<Vec<Bytes>> {
        match self {
            NalCodec::H264 => h264::AvcC::parse(&track.config).ok().map(|c| c.sps),
            NalCodec::H265 => h265::HvcC::parse(&track.config).ok().map(|c| c.sps),
        }
    }
}
