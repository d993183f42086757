//! A track with what must be done to its frames so that they are canonical ([`crate::media::Packet`]).

use super::blocks::Encoding;
use super::pictures::Pictures;
use crate::codec::{self, av1, jpeg, nal};
use crate::format::nal_codec::NalCodec;
use crate::media::{Malformed, Params, Track, VideoParams};
use bytes::Bytes;
use std::time::Duration;

/// A track that is understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub number: u64,
    /// For [`FrameLayout::AnnexB`] without `config` until parameter sets came by.
    pub track: Track,
    pub layout: FrameLayout,
    /// In the order in which they are undone.
    pub encodings: Vec<Encoding>,
    /// CodecDelay in microseconds: to be subtracted from stored times.
    pub delay: i64,
}

/// How frames are stored.
#[derive(Clone, Debug, PartialEq)]
pub enum FrameLayout {
    Canonical,
    /// NAL units after lengths of so many bytes.
    Lengths(NalCodec, u8),
    /// NAL units after start codes, without parameter sets in the header: Chromium's MediaRecorder, some cameras.
    AnnexB(NalCodec),
    /// Temporal units, perhaps with delimiters.
    Av1,
    Raw(Pictures),
    /// Images, perhaps without Huffman tables.
    Jpeg,
    /// Big-endian samples of so many bytes.
    BigEndian(usize),
    /// 64-bit floats.
    Doubles,
}

impl Entry {
    /// Whether a [`crate::media::Header`] can describe the track yet.
    pub fn is_ready(&self) -> bool {
        !matches!(self.layout, FrameLayout::AnnexB(_)) || !self.track.config.is_empty()
    }

    /// No frame of the track takes more bytes.
    pub fn max_len(&self) -> usize {
        match &self.layout {
            FrameLayout::Raw(pictures) => pictures.max_len(),
            _ => nal::MAX_ACCESS_UNIT,
        }
    }

    /// Makes a stored frame canonical; without a copy where it is already.
    pub fn canonical(&self, data: Bytes) -> Result<Bytes, Malformed> {
        let too_long = || Malformed::new(super::FORMAT, "damaged compressed frame");
        let data = self.encodings.iter().try_fold(data, |data, e| e.undo(data, self.max_len())).ok_or_else(too_long)?;
        match &self.layout {
            FrameLayout::Canonical => Ok(data),
            FrameLayout::Lengths(codec, length_size) => codec.normalize(data, *length_size),
            FrameLayout::AnnexB(codec) => Ok(codec.from_annex_b(&data)),
            FrameLayout::Av1 => Ok(av1::normalize(data)),
            FrameLayout::Raw(pictures) => pictures.canonical(data),
            FrameLayout::Jpeg => Ok(jpeg::with_tables(&data).unwrap_or(data)),
            FrameLayout::BigEndian(size) => Ok(data.chunks_exact(*size).flat_map(|sample| sample.iter().rev()).copied().collect()),
            FrameLayout::Doubles => {
                Ok(data.as_chunks().0.iter().flat_map(|sample| (f64::from_le_bytes(*sample) as f32).to_le_bytes()).collect())
            }
        }
    }

    /// How long a canonical frame plays, from its bytes or the track's nominal value.
    pub fn duration(&self, frame: &[u8]) -> Option<Duration> {
        codec::packet_duration(&self.track, frame).or(self.track.frame_duration)
    }

    /// Looks for the parameter sets that the header lacked in a canonical frame.
    pub fn learn(&mut self, frame: &[u8]) {
        let FrameLayout::AnnexB(codec) = self.layout else { return };
        let Some(track) = codec.config_of(frame).and_then(|config| codec.track(config).ok()) else { return };
        let (Some(new), Params::Video(old)) = (track.as_video(), &self.track.params) else { return };
        let (rate, orientation) = (old.rate.or(new.rate), old.orientation);
        let sample_aspect = if old.sample_aspect.is_square() { new.sample_aspect } else { old.sample_aspect };
        let frame_duration = self.track.frame_duration.or(track.frame_duration);
        self.track = Track {
            params: Params::Video(VideoParams { rate, orientation, sample_aspect, ..new.clone() }),
            frame_duration,
            name: self.track.name.take(),
            language: self.track.language.take(),
            ..track
        };
    }
}
