//! Opus by libopus: 20 ms a packet at 48 kHz.

use crate::codec::opus::OpusHead;
use crate::media::Track;
use bytes::Bytes;
use opus::{Application, Bitrate, Channels};

/// Opus always counts at this rate (RFC 7845, section 5.1).
pub const RATE: u32 = 48_000;
/// 20 ms: the size that Opus is best at.
pub const FRAME: usize = 960;
/// No packet of 20 ms is larger (RFC 6716, section 3.4: 1275 bytes a frame).
const MAX_PACKET: usize = 1276;

pub struct Encoder {
    inner: opus::Encoder,
    channels: usize,
    pre_skip: u16,
}

impl Encoder {
    /// `channels` 1 or 2, `bitrate` in bits a second.
    ///
    /// # Errors
    /// If libopus has no memory.
    pub fn new(channels: usize, bitrate: u32) -> Result<Encoder, opus::Error> {
        let layout = if channels == 1 { Channels::Mono } else { Channels::Stereo };
        let mut inner = opus::Encoder::new(RATE, layout, Application::Audio)?;
        inner.set_bitrate(Bitrate::Bits(bitrate.clamp(6_000, 510_000) as i32))?;
        let pre_skip = u16::try_from(inner.get_lookahead()?).unwrap_or(0);
        Ok(Encoder { inner, channels, pre_skip })
    }

    /// The track as it will be, for input of `input_rate` Hz.
    ///
    /// # Errors
    /// In practice there are none: the header is our own.
    pub fn track(&self, input_rate: u32) -> Result<Track, crate::media::Malformed> {
        let mut track = crate::codec::opus::track(OpusHead::new(self.channels as u8, self.pre_skip, input_rate).build())?;
        track.frame_duration = Some(std::time::Duration::from_micros(FRAME as u64 * 1_000_000 / u64::from(RATE)));
        Ok(track)
    }

    /// One packet of [`FRAME`] interleaved sample frames.
    ///
    /// # Errors
    /// If libopus fails.
    pub fn encode(&mut self, frame: &[f32]) -> Result<Bytes, opus::Error> {
        self.inner.encode_vec_float(frame, MAX_PACKET).map(Bytes::from)
    }
}
