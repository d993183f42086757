//! FLV, written: H.264, AAC and MP3 as in Adobe's specification, other codecs as Enhanced RTMP v2 names them. A tag depends on nothing but its frame.

use super::syntax::{AUDIO, FILE_HEADER, MAGIC, SCRIPT, TAG_HEADER, VIDEO};
use crate::format::CodedFrame;
use crate::media::{Codec, Kind, Timestamp, Track};
use bytes::{BufMut, Bytes, BytesMut};

/// Time zero, in milliseconds: the first frames may be decoded before it.
const ZERO: i64 = 1000;
/// The size of a tag's data has 24 bits.
const MAX_DATA: usize = (1 << 24) - 1;
/// A script tag with a name that no player knows, and nothing else.
pub const NOTHING: &[u8] = b"\x12\0\0\x0a\0\0\0\0\0\0\0\x02\0\x06h5live\x05\0\0\0\x15";

/// Writes the frames of some tracks.
#[derive(Debug)]
pub struct Writer {
    tracks: Vec<(u32, Track)>,
}

/// FrameType in the upper half (section E.4.3.1).
const KEY: u8 = 0x10;
const INTER: u8 = 0x20;
/// An enhanced video tag, and the types of its packets.
const ENHANCED: u8 = 0x80;
const ENHANCED_AUDIO: u8 = 0x90;
const SEQUENCE_START: u8 = 0;
const CODED_FRAMES: u8 = 1;
/// SoundFormat (section E.4.2.1) of AAC, whose rate and channels always say the same; of MP3, and of MP3 at 8 kHz.
const AAC: u8 = 0xaf;
const MP3: u8 = 0x2e;
const MP3_8K: u8 = 0xee;

impl Writer {
    /// Of the first track of pictures and the first of audio that can be carried, each with its number. `None`: there is none.
    pub fn new<'t>(tracks: impl Iterator<Item = (u32, &'t Track)> + Clone) -> Option<Writer> {
        let first = |kind| tracks.clone().find(|(_, track)| track.kind() == kind && is_carried(track));
        let tracks: Vec<_> = [Kind::Video, Kind::Audio].into_iter().filter_map(first).map(|(id, track)| (id, track.clone())).collect();
        if tracks.is_empty() { None } else { Some(Writer { tracks }) }
    }

    /// The tracks that it writes.
    pub fn tracks(&self) -> impl Iterator<Item = u32> {
        self.tracks.iter().map(|(id, _)| *id)
    }

    /// What stands before all tags (section E.2).
    pub fn file_header(&self) -> Bytes {
        let has = |kind| self.tracks.iter().any(|(_, track)| track.kind() == kind);
        let mut out = BytesMut::new();
        out.put_slice(MAGIC);
        out.put_u8(u8::from(has(Kind::Audio)) << 2 | u8::from(has(Kind::Video)));
        out.put_u32(FILE_HEADER as u32);
        // PreviousTagSize0.
        out.put_u32(0);
        out.freeze()
    }

    /// The tags that describe the tracks, as of this time; again when another description begins.
    pub fn description(&self, time: Timestamp) -> Bytes {
        let mut out = BytesMut::new();
        put_tag(&mut out, SCRIPT, time, &[&self.metadata()]);
        for (_, track) in &self.tracks {
            if let Some(head) = sequence_head(track.codec) {
                put_tag(&mut out, kind(track), time, &[&head, &track.config]);
            }
        }
        out.freeze()
    }

    /// onMetaData (section E.5): an array of numbers and booleans by name.
    fn metadata(&self) -> Bytes {
        let mut values: Vec<(&str, f64)> = Vec::new();
        for (_, track) in &self.tracks {
            if let Some(video) = track.as_video() {
                values.extend([("width", f64::from(video.width)), ("height", f64::from(video.height))]);
                values.push(("videocodecid", codec_id(track.codec)));
                values.extend(track.frame_duration.filter(|d| !d.is_zero()).map(|d| ("framerate", 1.0 / d.as_secs_f64())));
            }
            if let Some(audio) = track.as_audio() {
                values.extend([("audiocodecid", codec_id(track.codec)), ("audiosamplerate", f64::from(audio.rate))]);
            }
        }
        let mut out = BytesMut::new();
        let text = |out: &mut BytesMut, text: &str| {
            out.put_u16(text.len() as u16);
            out.put_slice(text.as_bytes());
        };
        out.put_u8(2);
        text(&mut out, "onMetaData");
        out.put_u8(8);
        out.put_u32(values.len() as u32);
        for (name, value) in values {
            text(&mut out, name);
            out.put_u8(0);
            out.put_f64(value);
        }
        out.put_slice(&[0, 0, 9]);
        out.freeze()
    }

    /// Appends a frame. `false`: it is of no track that is written, or too long.
    pub fn put(&self, out: &mut BytesMut, frame: &CodedFrame) -> bool {
        let Some((_, track)) = self.tracks.iter().find(|(id, _)| *id == frame.track) else { return false };
        let mut head = BytesMut::with_capacity(8);
        let frame_type = if frame.key { KEY } else { INTER };
        // SI24 of milliseconds.
        let delay = (millis(frame.pts) - millis(frame.dts)).clamp(-(1 << 23), (1 << 23) - 1) as i32;
        let delay = &delay.to_be_bytes()[1..];
        match track.codec {
            Codec::H264 => {
                head.put_slice(&[frame_type | 7, 1]);
                head.put_slice(delay);
            }
            Codec::H265 => {
                head.put_u8(ENHANCED | frame_type | CODED_FRAMES);
                head.put_slice(b"hvc1");
                head.put_slice(delay);
            }
            Codec::Av1 => {
                head.put_u8(ENHANCED | frame_type | CODED_FRAMES);
                head.put_slice(b"av01");
            }
            Codec::Aac => head.put_slice(&[AAC, 1]),
            Codec::Mp3 => head.put_u8(mp3_head(track)),
            Codec::Opus => {
                head.put_u8(ENHANCED_AUDIO | CODED_FRAMES);
                head.put_slice(b"Opus");
            }
            Codec::Flac => {
                head.put_u8(ENHANCED_AUDIO | CODED_FRAMES);
                head.put_slice(b"fLaC");
            }
            _ => return false,
        }
        put_tag(out, kind(track), frame.dts, &[&head, &frame.data])
    }
}

fn is_carried(track: &Track) -> bool {
    track.codec == Codec::Mp3 || sequence_head(track.codec).is_some() && !track.config.is_empty()
}

fn kind(track: &Track) -> u8 {
    match track.kind() {
        Kind::Video => VIDEO,
        Kind::Audio => AUDIO,
    }
}

/// What stands before a configuration; `None`: the codec has none, or no place in FLV.
fn sequence_head(codec: Codec) -> Option<Bytes> {
    const VIDEO_START: u8 = ENHANCED | KEY | SEQUENCE_START;
    const AUDIO_START: u8 = ENHANCED_AUDIO | SEQUENCE_START;
    let enhanced = |first: u8, fourcc: &[u8; 4]| [&[first][..], fourcc].concat().into();
    match codec {
        Codec::H264 => Some(Bytes::from_static(&[KEY | 7, 0, 0, 0, 0])),
        Codec::H265 => Some(enhanced(VIDEO_START, b"hvc1")),
        Codec::Av1 => Some(enhanced(VIDEO_START, b"av01")),
        Codec::Aac => Some(Bytes::from_static(&[AAC, 0])),
        Codec::Opus => Some(enhanced(AUDIO_START, b"Opus")),
        Codec::Flac => Some(enhanced(AUDIO_START, b"fLaC")),
        _ => None,
    }
}

/// As in tags; of enhanced codecs the FourCC as a number.
fn codec_id(codec: Codec) -> f64 {
    let fourcc = |code: &[u8; 4]| f64::from(u32::from_be_bytes(*code));
    match codec {
        Codec::H264 => 7.0,
        Codec::Aac => 10.0,
        Codec::Mp3 => 2.0,
        Codec::H265 => fourcc(b"hvc1"),
        Codec::Av1 => fourcc(b"av01"),
        Codec::Opus => fourcc(b"Opus"),
        _ => fourcc(b"fLaC"),
    }
}

/// The rate is the nearest that there is: decoders go by the frame itself.
fn mp3_head(track: &Track) -> u8 {
    let (rate, channels) = track.as_audio().map_or((44_100, 2), |audio| (audio.rate, audio.channels));
    let stereo = u8::from(channels > 1);
    match rate {
        44_100.. => MP3 | 3 << 2 | stereo,
        22_050.. => MP3 & !(3 << 2) | 2 << 2 | stereo,
        11_025.. => MP3 & !(3 << 2) | 1 << 2 | stereo,
        _ => MP3_8K & !(3 << 2) | stereo,
    }
}

/// From where the writer's times begin.
fn millis(time: Timestamp) -> i64 {
    (time.micros().saturating_add(500)).div_euclid(1000).saturating_add(ZERO)
}

/// A tag and the size behind it (section E.4.1). `false`: it would be too long.
fn put_tag(out: &mut BytesMut, kind: u8, time: Timestamp, data: &[&[u8]]) -> bool {
    let size: usize = data.iter().map(|part| part.len()).sum();
    if size > MAX_DATA {
        return false;
    }
    let [extended, time @ ..] = (millis(time) as u32).to_be_bytes();
    out.reserve(TAG_HEADER + size + 4);
    out.put_u8(kind);
    out.put_slice(&(size as u32).to_be_bytes()[1..]);
    out.put_slice(&time);
    out.put_slice(&[extended, 0, 0, 0]);
    data.iter().for_each(|part| out.put_slice(part));
    out.put_u32((TAG_HEADER + size) as u32);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::aac::{self, AudioSpecificConfig};
    use crate::codec::h264::AvcC;
    use crate::codec::opus::{self, OpusHead};
    use crate::format::flv::Demuxer;
    use crate::format::testing::events_at_every_split;
    use crate::media::{Event, VideoParams};

    fn pictures() -> Track {
        const SPS: &[u8] = b"\x67\x42\xc0\x1e\xda\x02\x80\xbf\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xf2\x3c\x58\xba\x80";
        let mut track = Track::video(Codec::H264, VideoParams::new(640, 360));
        track.config = AvcC::build(&[SPS], &[b"\x68\xce\x0f\xc8"]);
        track
    }

    #[test]
    fn what_is_written_is_read_again() {
        let aac = aac::track(AudioSpecificConfig::lc(48_000, 2).build()).unwrap();
        let opus = opus::track(OpusHead::new(2, 312, 48_000).build()).unwrap();
        for audio in [aac, opus] {
            let video = pictures();
            let writer = Writer::new([(1, &video), (2, &audio)].into_iter()).unwrap();
            let picture = |n: i64| CodedFrame {
                track: 1,
                dts: Timestamp(n * 40_000 - 80_000),
                pts: Timestamp(n * 40_000),
                key: n % 5 == 0,
                data: Bytes::from_static(b"\0\0\0\x02\x65i"),
            };
            let sound = |n: i64| CodedFrame {
                track: 2,
                dts: Timestamp(n * 20_000),
                pts: Timestamp(n * 20_000),
                key: true,
                data: Bytes::from_static(b"\xfcsound"),
            };
            let frames: Vec<_> = (0..10).flat_map(|n| [picture(n), sound(2 * n), sound(2 * n + 1)]).collect();
            let mut out = BytesMut::from(&[&writer.file_header()[..], &writer.description(Timestamp::ZERO)].concat()[..]);
            out.put_slice(NOTHING);
            frames.iter().for_each(|frame| assert!(writer.put(&mut out, frame)));
            let (events, damage) = events_at_every_split(Demuxer::default, &out).unwrap();
            let Event::Header(header) = &events[0] else { panic!() };
            assert_eq!((damage, header.tracks[0].config.clone(), header.tracks[1].codec), (0, video.config.clone(), audio.codec));
            let read: Vec<_> = events[1..]
                .iter()
                .map(|e| if let Event::Packet(p) = e { (p.track, p.pts.micros(), p.key, p.data.clone()) } else { panic!("{e:?}") })
                .collect();
            let written: Vec<_> =
                frames.iter().map(|f| (f.track as usize - 1, f.pts.micros() + 1_000_000, f.key, f.data.clone())).collect();
            assert_eq!(read, written);
        }
    }

    #[test]
    fn what_cannot_be_carried() {
        let jpeg = Track::video(Codec::Jpeg, VideoParams::new(16, 16));
        assert!(Writer::new([(1, &jpeg)].into_iter()).is_none());
        let video = pictures();
        let writer = Writer::new([(1, &video)].into_iter()).unwrap();
        let huge = CodedFrame { track: 1, dts: Timestamp::ZERO, pts: Timestamp::ZERO, key: true, data: vec![0; MAX_DATA].into() };
        assert!(!writer.put(&mut BytesMut::new(), &huge), "longer than its length can say");
    }
}
