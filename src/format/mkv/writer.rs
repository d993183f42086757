//! The live profile: a header, then one Cluster of known size a frame.
//!
//! ```text
//!   EBML  Segment(unknown size)  Info  Tracks  Tags  Void     write_header
//!   Cluster { Timestamp  SimpleBlock { track 0x0000 flags |   cluster_prefix: 18 bytes for a frame of 2 KB
//!     the frame's bytes                                   }}
//! ```
//!
//! When the wall clock was set, Tags with another TIME_ZERO_UTC stand between two Clusters (`time_zero`). A reader that does not know them
//! passes over them.
//!
//! A reader knows where a frame ends as soon as it begins, and does not wait for the next one. Every writer of such a stream
//! that must be read at once needs what is here: DefaultDuration, without which ffmpeg looks at half a second of video to
//! guess the frame rate; and a Void, without which its format probe waits for 2 KB of low-rate audio.

use super::blocks::INVISIBLE;
use super::schema::{self, id};
use super::shape;
use crate::codec;
use crate::format::ebml;
use crate::media::{AudioParams, Codec, Header, Params, SampleFormat, Timestamp, Track, VideoParams, WallTime};
use bytes::Bytes;
use std::ops::Deref;
use std::time::Duration;

const APP: &str = concat!("h5live ", env!("CARGO_PKG_VERSION"));

/// Nanoseconds a tick (RFC 9559, section 5.1.2.9): times are whole microseconds.
const TIMESTAMP_SCALE: u64 = 1000;

/// Bytes of the Void: with it every header is longer than the 2048 bytes that ffmpeg's format probe asks for.
const VOID: usize = 2100;

/// Samples before a seek point that an Opus decoder must see: 80 ms (RFC 7845, section 4.6).
const OPUS_PRE_ROLL: Duration = Duration::from_millis(80);

/// The start of a stream, or of new tracks in the same pipe.
pub fn write_header(header: &Header) -> Bytes {
    let mut out = Vec::with_capacity(VOID + 1024);
    ebml::put_master(&mut out, id::EBML, |out| {
        ebml::put_uint(out, id::EBML_VERSION, 1);
        ebml::put_uint(out, id::EBML_READ_VERSION, 1);
        ebml::put_uint(out, id::EBML_MAX_ID_LENGTH, 4);
        ebml::put_uint(out, id::EBML_MAX_SIZE_LENGTH, 8);
        ebml::put(out, id::DOC_TYPE, b"matroska");
        ebml::put_uint(out, id::DOC_TYPE_VERSION, 4);
        ebml::put_uint(out, id::DOC_TYPE_READ_VERSION, 2);
    });
    ebml::put_unknown_size(&mut out, id::SEGMENT);
    ebml::put_master(&mut out, id::INFO, |out| {
        ebml::put_uint(out, id::TIMESTAMP_SCALE, TIMESTAMP_SCALE);
        if let Some(WallTime(micros)) = header.time_zero {
            ebml::put_int(out, id::DATE_UTC, micros.saturating_sub(schema::EPOCH_2001).saturating_mul(1000));
        }
        ebml::put(out, id::MUXING_APP, APP.as_bytes());
        ebml::put(out, id::WRITING_APP, APP.as_bytes());
    });
    ebml::put_master(&mut out, id::TRACKS, |out| {
        for (index, track) in header.tracks.iter().enumerate() {
            ebml::put_master(out, id::TRACK_ENTRY, |out| track_entry(out, number(index), track));
        }
    });
    if let Some(zero) = header.time_zero {
        tags(&mut out, zero);
    }
    ebml::put(&mut out, id::VOID, &[0; VOID]);
    out.into()
}

/// What goes between two Clusters when the wall clock was set: Tags with another TIME_ZERO_UTC, which counts from here on.
pub fn time_zero(zero: WallTime) -> Bytes {
    let mut out = Vec::new();
    tags(&mut out, zero);
    out.into()
}

fn tags(out: &mut Vec<u8>, zero: WallTime) {
    let Some(time) = rfc3339(zero) else { return };
    ebml::put_master(out, id::TAGS, |out| ebml::put_master(out, id::TAG, |out| simple_tag(out, schema::TIME_ZERO_UTC, &time)));
}

/// Track numbers count from 1.
fn number(index: usize) -> u64 {
    index as u64 + 1
}

fn track_entry(out: &mut Vec<u8>, number: u64, track: &Track) {
    ebml::put_uint(out, id::TRACK_NUMBER, number);
    ebml::put_uint(out, id::TRACK_UID, number);
    ebml::put_uint(out, id::TRACK_TYPE, if track.as_video().is_some() { schema::VIDEO_TRACK } else { schema::AUDIO_TRACK });
    ebml::put_uint(out, id::FLAG_LACING, 0);
    if let Some(duration) = default_duration(track) {
        ebml::put_uint(out, id::DEFAULT_DURATION, nanos(duration));
    }
    if let Some(name) = &track.name {
        ebml::put(out, id::NAME, name.as_bytes());
    }
    // Without this element the language is English (section 5.1.4.1.19).
    ebml::put(out, id::LANGUAGE, b"und");
    if let Some(language) = &track.language {
        ebml::put(out, id::LANGUAGE_BCP47, language.as_bytes());
    }
    ebml::put(out, id::CODEC_ID, schema::codec_id(track.codec).as_bytes());
    if !track.config.is_empty() {
        ebml::put(out, id::CODEC_PRIVATE, &track.config);
    }
    match &track.params {
        Params::Video(video) => ebml::put_master(out, id::VIDEO, |out| video_settings(out, track, video)),
        Params::Audio(audio) => {
            if !audio.delay.is_zero() {
                ebml::put_uint(out, id::CODEC_DELAY, nanos(audio.delay));
            }
            if track.codec == Codec::Opus {
                ebml::put_uint(out, id::SEEK_PRE_ROLL, nanos(OPUS_PRE_ROLL));
            }
            ebml::put_master(out, id::AUDIO, |out| audio_settings(out, track.codec, audio));
        }
    }
}

/// What the track says; else what its codec says; for video of unknown rate the 25 frames a second that ffmpeg assumes too,
/// as no reader takes a wrong value as harshly as none.
fn default_duration(track: &Track) -> Option<Duration> {
    let known = track.frame_duration.or_else(|| codec::packet_duration(track, &[])).filter(|d| !d.is_zero());
    known.or(match track.codec {
        Codec::Opus => Some(Duration::from_millis(20)),
        _ if track.as_video().is_some() => Some(Duration::from_millis(40)),
        _ => None,
    })
}

fn video_settings(out: &mut Vec<u8>, track: &Track, video: &VideoParams) {
    ebml::put_uint(out, id::PIXEL_WIDTH, video.width.into());
    ebml::put_uint(out, id::PIXEL_HEIGHT, video.height.into());
    shape::write(out, video, codec::sample_aspect(track));
    if let Codec::Raw(format) = track.codec {
        ebml::put(out, id::UNCOMPRESSED_FOURCC, schema::fourcc(format));
    }
    let colour = &video.colour;
    let range = colour.full_range.map(|full| if full { 2 } else { 1 });
    let elements = [
        (id::MATRIX_COEFFICIENTS, colour.matrix),
        (id::RANGE, range),
        (id::TRANSFER_CHARACTERISTICS, colour.transfer),
        (id::PRIMARIES, colour.primaries),
    ];
    if elements.iter().any(|(_, value)| value.is_some()) {
        ebml::put_master(out, id::COLOUR, |out| {
            for (id, value) in elements {
                value.into_iter().for_each(|value| ebml::put_uint(out, id, value.into()));
            }
        });
    }
}

fn audio_settings(out: &mut Vec<u8>, codec: Codec, audio: &AudioParams) {
    ebml::put_float(out, id::SAMPLING_FREQUENCY, audio.rate.into());
    ebml::put_uint(out, id::CHANNELS, audio.channels.into());
    if let Codec::Pcm(format) = codec {
        ebml::put_uint(out, id::BIT_DEPTH, bit_depth(format));
    }
}

fn bit_depth(format: SampleFormat) -> u64 {
    8 * format.bytes() as u64
}

fn simple_tag(out: &mut Vec<u8>, name: &str, value: &str) {
    ebml::put(out, id::TARGETS, &[]);
    ebml::put_master(out, id::SIMPLE_TAG, |out| {
        ebml::put(out, id::TAG_NAME, name.as_bytes());
        ebml::put(out, id::TAG_STRING, value.as_bytes());
    });
}

fn rfc3339(time: WallTime) -> Option<String> {
    jiff::Timestamp::from_microsecond(time.0).ok().map(|time| time.to_string())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The time that is stored for a packet: its presentation time plus the track's CodecDelay, which a reader subtracts again
/// (section 5.1.4.1.25).
pub fn stored_time(track: &Track, pts: Timestamp) -> Timestamp {
    track.as_audio().map_or(pts, |audio| pts.saturating_add(audio.delay))
}

/// All that stands before a frame's bytes in its Cluster.
#[derive(Clone, Copy, Debug)]
pub struct ClusterPrefix {
    bytes: [u8; ClusterPrefix::MAX],
    len: usize,
}

impl ClusterPrefix {
    /// Cluster head 4+8, Timestamp 2+8, SimpleBlock head 1+8, block header 4.
    const MAX: usize = 35;
}

impl Deref for ClusterPrefix {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The bytes to write before the `len` bytes of a frame. `track` is its index in the header, below 126; `stored` its
/// [`stored_time`]. Times before zero can be stored down to -32.768 ms, for audio priming; earlier ones become that.
pub fn cluster_prefix(track: usize, stored: Timestamp, key: bool, len: usize) -> ClusterPrefix {
    const BLOCK_HEADER: u64 = 4;
    let cluster_time = stored.micros().max(0) as u64;
    let relative = stored.micros().clamp(i16::MIN.into(), 0) as i16;
    let block = BLOCK_HEADER + len as u64;
    let time_len = ebml::uint_len(cluster_time);
    let cluster = 2 + time_len as u64 + 1 + ebml::size_len(block) as u64 + block;

    let mut prefix = ClusterPrefix { bytes: [0; ClusterPrefix::MAX], len: 0 };
    prefix.put(&id::CLUSTER.to_be_bytes());
    prefix.put_size(cluster);
    prefix.put(&[id::TIMESTAMP as u8, 0x80 | time_len as u8]);
    prefix.put(&cluster_time.to_be_bytes()[8 - time_len..]);
    prefix.put(&[id::SIMPLE_BLOCK as u8]);
    prefix.put_size(block);
    // Block header (section 10.2): track, relative time, flags with the keyframe bit.
    prefix.put(&[0x80 | number(track) as u8]);
    prefix.put(&relative.to_be_bytes());
    prefix.put(&[if key { 0x80 } else { 0 }]);
    prefix
}

impl ClusterPrefix {
    /// The same of a frame that is to be decoded and not shown (section 10.2, the invisible bit).
    #[must_use]
    pub fn invisible(mut self) -> ClusterPrefix {
        self.bytes[self.len - 1] |= INVISIBLE;
        self
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn put_size(&mut self, size: u64) {
        let len = ebml::size_len(size);
        self.put(&(size | 1 << (7 * len)).to_be_bytes()[8 - len..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Colour, PixelFormat, Rate};

    fn header(tracks: Vec<Track>) -> Header {
        Header { tracks: tracks.into(), time_zero: Some(WallTime(1_700_000_000_123_456)) }
    }

    fn raw() -> Track {
        let colour = Colour { matrix: Some(1), full_range: Some(false), ..Colour::default() };
        Track::video(Codec::Raw(PixelFormat::I420), VideoParams { rate: Rate::new(30, 1), colour, ..VideoParams::new(640, 360) })
    }

    #[test]
    fn the_header_byte_for_byte() {
        let bytes = write_header(&header(vec![raw()]));
        let (start, void) = bytes.split_at(bytes.len() - VOID - 3);
        assert_eq!(void[..3], [0xEC, 0x48, 0x34]);
        let expected: &[&[u8]] = &[
            b"\x1A\x45\xDF\xA3\xA3\x42\x86\x81\x01\x42\xF7\x81\x01\x42\xF2\x81\x04\x42\xF3\x81\x08\x42\x82\x88matroska",
            b"\x42\x87\x81\x04\x42\x85\x81\x02",
            b"\x18\x53\x80\x67\x01\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
            b"\x15\x49\xA9\x66\xAF\x2A\xD7\xB1\x82\x03\xE8",
            b"\x44\x61\x88\x0A\x03\xF7\xC7\x2C\x50\xCA\x00",
            b"\x4D\x80\x8Ch5live 0.1.0\x57\x41\x8Ch5live 0.1.0",
            b"\x16\x54\xAE\x6B\xCB\xAE\xC9\xD7\x81\x01\x73\xC5\x81\x01\x83\x81\x01\x9C\x81\x00\x23\xE3\x83\x84\x01\xFC\xA0\x55",
            b"\x22\xB5\x9C\x83und\x86\x8EV_UNCOMPRESSED",
            b"\xE0\x9B\xB0\x82\x02\x80\xBA\x82\x01\x68\x2E\xB5\x24\x84I420\x55\xB0\x88\x55\xB1\x81\x01\x55\xB9\x81\x01",
            b"\x12\x54\xC3\x67\xB7\x73\x73\xB4\x63\xC0\x80\x67\xC8\xAE\x45\xA3\x8DTIME_ZERO_UTC",
            b"\x44\x87\x9B2023-11-14T22:13:20.123456Z",
        ];
        assert_eq!(start, expected.concat(), "{}", String::from_utf8_lossy(start));
    }

    #[test]
    fn the_cluster_byte_for_byte() {
        let prefix = cluster_prefix(0, Timestamp(33_333), true, 2000);
        assert_eq!(&*prefix, b"\x1F\x43\xB6\x75\x47\xdb\xE7\x82\x82\x35\xA3\x47\xD4\x81\x00\x00\x80");
        let prefix = cluster_prefix(1, Timestamp(100_000), false, 2000);
        assert_eq!(prefix.len(), 18);
        assert_eq!(&*prefix, b"\x1F\x43\xB6\x75\x47\xdc\xE7\x83\x01\x86\xA0\xA3\x47\xD4\x82\x00\x00\x00");
    }

    #[test]
    fn the_invisible_bit() {
        let flags = |prefix: &ClusterPrefix| prefix.last().copied();
        assert_eq!(flags(&cluster_prefix(0, Timestamp(7), true, 10).invisible()), Some(0x88));
        assert_eq!(flags(&cluster_prefix(0, Timestamp(7), false, 10).invisible()), Some(0x08));
    }

    #[test]
    fn times_before_zero_fit_a_block() {
        let prefix = cluster_prefix(0, Timestamp(-6500), true, 10);
        assert_eq!(prefix[4..], *b"\x93\xE7\x81\x00\xA3\x8E\x81\xE6\x9C\x80");
        assert_eq!(cluster_prefix(0, Timestamp(i64::MIN), true, 10)[10..13], *b"\x81\x80\x00");
        let longest = cluster_prefix(31, Timestamp(i64::MAX), true, 1 << 50);
        assert!(longest.len() <= ClusterPrefix::MAX);
    }

    #[test]
    fn opus_is_stored_later_by_its_delay() {
        let audio = AudioParams { rate: 48_000, channels: 2, delay: Duration::from_micros(6500) };
        let opus = Track::audio(Codec::Opus, audio);
        assert_eq!(stored_time(&opus, Timestamp(-6500)), Timestamp(0));
        let bytes = write_header(&header(vec![opus]));
        let has = |element: &[u8]| bytes.windows(element.len()).any(|w| w == element);
        assert!(has(b"\x56\xAA\x83\x63\x2E\xA0"), "CodecDelay of 6,500,000 ns");
        assert!(has(b"\x56\xBB\x84\x04\xC4\xB4\x00"), "SeekPreRoll of 80,000,000 ns");
        assert!(has(b"\x23\xE3\x83\x84\x01\x31\x2D\x00"), "DefaultDuration of 20,000,000 ns");
    }
}
