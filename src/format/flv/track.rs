//! One track: its description from sequence headers, and its frames made canonical.

use super::body::{Body, Coding, Part};
use super::syntax::FORMAT;
use crate::codec::{aac, av1, flac, opus};
use crate::format::mp3;
use crate::format::nal_codec::NalCodec;
use crate::format::pcm::Stored;
use crate::media::{AudioParams, Codec, Malformed, Timestamp, Track};
use bytes::Bytes;
use std::time::Duration;

/// What was seen of the track of a kind.
#[derive(Default)]
pub struct Content {
    /// Of the last sequence header.
    coding: Option<Coding>,
    layout: FrameLayout,
    /// Something was lost: pictures wait for one at which a decoder can go on.
    lost: bool,
}

/// How frames are stored.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum FrameLayout {
    #[default]
    Canonical,
    /// NAL units after lengths of so many bytes.
    Lengths(NalCodec, u8),
    Av1,
}

/// A canonical frame.
pub struct Frame {
    pub pts: Timestamp,
    pub key: bool,
    pub data: Bytes,
}

/// What a tag gave.
pub enum Outcome {
    Nothing,
    Track(Track),
    /// For MP3 and PCM each frame is described: the first brings its track.
    Frames(Option<Track>, Vec<Frame>),
}

impl Content {
    /// Bytes are missing.
    pub fn lose(&mut self) {
        self.lost = true;
    }

    /// # Errors
    /// It is not what it says it is.
    pub fn take(&mut self, body: Body, pts: Timestamp) -> Result<Outcome, Malformed> {
        match body.part {
            Part::Nothing => Ok(Outcome::Nothing),
            Part::Description => self.describe(body.coding, body.data).map(Outcome::Track),
            Part::Frame => match body.coding {
                Coding::Mp3 => Ok(mp3_frames(body.data, pts)),
                Coding::Pcm { stored, rate, channels } => Ok(pcm(stored, rate, channels, &body.data, pts)),
                _ if self.coding.as_ref() == Some(&body.coding) => self.frame(body, pts),
                _ => Ok(Outcome::Nothing),
            },
        }
    }

    fn describe(&mut self, coding: Coding, config: Bytes) -> Result<Track, Malformed> {
        let (track, layout) = match &coding {
            Coding::H264 => nal(NalCodec::H264, config)?,
            Coding::H265 => nal(NalCodec::H265, config)?,
            Coding::Av1 => (av1::track(config)?, FrameLayout::Av1),
            Coding::Aac => (aac::track(config)?, FrameLayout::Canonical),
            Coding::Opus => (opus::track(config)?, FrameLayout::Canonical),
            Coding::Flac => (flac::track(flac::config(&flac::metadata_block(&config)?))?, FrameLayout::Canonical),
            Coding::Mp3 | Coding::Pcm { .. } | Coding::Other(_) | Coding::Command => {
                return Err(bad("a sequence header of a codec that has none"));
            }
        };
        (self.coding, self.layout) = (Some(coding), layout);
        Ok(track)
    }

    fn frame(&mut self, body: Body, pts: Timestamp) -> Result<Outcome, Malformed> {
        let data = match self.layout {
            FrameLayout::Lengths(codec, size) => codec.normalize(body.data, size)?,
            FrameLayout::Av1 => av1::normalize(body.data),
            FrameLayout::Canonical => body.data,
        };
        let is_entry = match self.layout {
            FrameLayout::Lengths(codec, _) => body.key || codec.is_entry(&data),
            _ => body.key,
        };
        if self.lost && !is_entry {
            return Ok(Outcome::Nothing);
        }
        self.lost = false;
        Ok(Outcome::Frames(None, vec![Frame { pts, key: body.key, data }]))
    }
}

fn nal(codec: NalCodec, config: Bytes) -> Result<(Track, FrameLayout), Malformed> {
    let size = codec.length_size(&config).ok_or_else(|| bad("a damaged sequence header"))?;
    Ok((codec.track(codec.four_byte_lengths(config))?, FrameLayout::Lengths(codec, size)))
}

/// A tag has one frame or several.
fn mp3_frames(mut data: Bytes, mut pts: Timestamp) -> Outcome {
    let (mut track, mut frames) = (None, Vec::new());
    while let Some((header, len)) = mp3::frame(&data).filter(|(_, len)| *len <= data.len()) {
        track.get_or_insert_with(|| mp3::track(header));
        frames.push(Frame { pts, key: true, data: data.split_to(len) });
        pts = pts + Timestamp::from_ticks(header.samples.into(), header.rate).micros();
    }
    Outcome::Frames(track, frames)
}

fn pcm(stored: Stored, rate: u32, channels: u16, data: &Bytes, pts: Timestamp) -> Outcome {
    let whole = data.len() - data.len() % (stored.bytes() * u32::from(channels)) as usize;
    let track = Track::audio(Codec::Pcm(stored.format()), AudioParams { rate, channels, delay: Duration::ZERO });
    Outcome::Frames(Some(track), vec![Frame { pts, key: true, data: stored.canonical(data.slice(..whole)) }])
}

fn bad(what: &str) -> Malformed {
    Malformed::new(FORMAT, what)
}
