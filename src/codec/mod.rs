//! Bitstream syntax, pure: what containers, muxing and serving must know of a codec, and nothing of decoding.
//!
//! Functions take whole units (a NAL unit, a configuration record, a packet) and answer from the bytes alone. A unit that is cut short
//! or contradicts itself gives a [`Malformed`](crate::media::Malformed), never a panic.

pub(crate) mod aac;
pub mod av1;
mod bits;
mod decode;
pub mod exif;
pub(crate) mod flac;
pub mod g711;
pub mod h264;
pub mod h265;
pub(crate) mod jpeg;
pub(crate) mod mp3;
pub mod nal;
pub mod opus;
pub(crate) mod order;
pub(crate) mod sei;
pub(crate) mod start;

pub use decode::{DecodeTimes, FrameTime, reorder_depth};

use crate::media::{Codec, SampleAspect, Track};
use std::time::Duration;

/// The `codecs` parameter of the MIME type (RFC 6381, section 3): `avc1.640028`, `hvc1.1.6.L93.B0`, `av01.0.04M.08`,
/// `mp4a.40.2`, `opus`, `flac`, `mp3`. `None` where MP4 cannot carry the track or its configuration is not readable.
pub fn mime(track: &Track) -> Option<String> {
    match track.codec {
        Codec::H264 => h264::AvcC::parse(&track.config).ok().map(|c| c.mime()),
        Codec::H265 => h265::HvcC::parse(&track.config).ok().map(|c| c.mime()),
        Codec::Av1 => av1::Av1C::parse(&track.config).ok().map(|c| c.mime()),
        Codec::Aac => aac::AudioSpecificConfig::parse(&track.config).ok().map(|c| c.mime()),
        Codec::Opus => Some("opus".into()),
        Codec::Flac => Some("flac".into()),
        Codec::Mp3 => Some("mp3".into()),
        Codec::Raw(_) | Codec::Jpeg | Codec::Vp8 | Codec::Vp9 | Codec::Pcm(_) => None,
    }
}

/// Samples per channel in one audio packet, counted at [`sample_rate`]; `None` for video, and for audio that does not say.
pub fn packet_samples(track: &Track, packet: &[u8]) -> Option<u32> {
    match track.codec {
        Codec::Aac => aac::AudioSpecificConfig::parse(&track.config).ok().map(|c| c.frame_length),
        Codec::Opus => opus::packet_samples(packet),
        Codec::Flac => flac::packet_samples(&track.config, packet),
        Codec::Mp3 => mp3::FrameHeader::parse(packet).map(|h| h.samples),
        Codec::Pcm(format) => {
            let frame = format.bytes() * usize::from(track.as_audio()?.channels.max(1));
            u32::try_from(packet.len() / frame).ok()
        }
        Codec::Raw(_) | Codec::Jpeg | Codec::H264 | Codec::H265 | Codec::Av1 | Codec::Vp8 | Codec::Vp9 => None,
    }
}

/// The rate, in Hz, of the clock that [`packet_samples`] counts in: for Opus always 48000 (RFC 7845, section 4), for AAC that of
/// the decoder core (half the output's with SBR), else the track's sample rate.
pub fn sample_rate(track: &Track) -> Option<u32> {
    let audio = track.as_audio()?;
    let coded = match track.codec {
        Codec::Opus => Some(48_000),
        Codec::Aac => aac::AudioSpecificConfig::parse(&track.config).ok().map(|c| c.rate),
        _ => None,
    };
    Some(coded.unwrap_or(audio.rate).max(1))
}

/// How long one packet plays, from its own bytes. Video packets do not say: `None`.
pub fn packet_duration(track: &Track, packet: &[u8]) -> Option<Duration> {
    let samples = u64::from(packet_samples(track, packet)?);
    let rate = u64::from(sample_rate(track)?);
    Some(Duration::from_nanos(samples * 1_000_000_000 / rate))
}

/// The shape of pixels that a track's own configuration tells; `None` where it tells none.
pub fn sample_aspect(track: &Track) -> Option<SampleAspect> {
    match track.codec {
        Codec::H264 => h264::parse_sps(h264::AvcC::parse(&track.config).ok()?.sps.first()?).ok()?.sample_aspect,
        Codec::H265 => h265::parse_sps(h265::HvcC::parse(&track.config).ok()?.sps.first()?).ok()?.sample_aspect,
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unusual_byte_groupings, reason = "bits are grouped by field")]
mod tests {
    use super::*;
    use crate::media::{AudioParams, SampleFormat};

    fn audio(codec: Codec, rate: u32) -> Track {
        Track::audio(codec, AudioParams { rate, channels: 2, delay: Duration::ZERO })
    }

    #[test]
    fn durations_of_audio_packets() {
        let pcm = audio(Codec::Pcm(SampleFormat::S16), 44_100);
        assert_eq!(packet_duration(&pcm, &[0; 4 * 441]), Some(Duration::from_millis(10)));
        // One SILK frame of 20 ms (TOC configuration 1), whatever rate the track claims.
        assert_eq!(packet_duration(&audio(Codec::Opus, 16_000), &[0b00001_000, 1, 2]), Some(Duration::from_millis(20)));
        let mut aac = audio(Codec::Aac, 48_000);
        assert_eq!(packet_duration(&aac, &[1, 2, 3]), None, "no configuration, no duration");
        aac.config = aac::AudioSpecificConfig::lc(48_000, 2).build();
        assert_eq!(packet_samples(&aac, &[1, 2, 3]), Some(1024));
        assert_eq!(mime(&aac).as_deref(), Some("mp4a.40.2"));
    }
}
