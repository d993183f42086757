//! The data of audio and video tags: legacy (Adobe Flash Video File Format Specification 10.1, sections E.4.2 and E.4.3) and enhanced
//! (Enhanced RTMP v2, sections "Enhanced Audio" and "Enhanced Video").

use crate::format::pcm::Stored;
use crate::media::Kind;
use bytes::{Buf, Bytes};

/// One packet of one track, or what describes the track.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    pub coding: Coding,
    pub part: Part,
    /// Of video: a keyframe.
    pub key: bool,
    /// When the frame is shown after it is decoded, in microseconds.
    pub delay: i64,
    pub data: Bytes,
    /// Of several tracks of one kind, this one; 0 is the one that players take.
    pub track: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A sequence header.
    Description,
    Frame,
    /// The end of a sequence, metadata, a command.
    Nothing,
}

/// The codec of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coding {
    H264,
    H265,
    Av1,
    Aac,
    Mp3,
    Opus,
    Flac,
    Pcm {
        stored: Stored,
        rate: u32,
        channels: u16,
    },
    /// None that is read here.
    Other(String),
    /// None at all: a command.
    Command,
}

impl Coding {
    /// For people.
    pub fn name(&self) -> &str {
        match self {
            Coding::H264 => "H.264",
            Coding::H265 => "H.265",
            Coding::Av1 => "AV1",
            Coding::Aac => "AAC",
            Coding::Mp3 => "MP3",
            Coding::Opus => "Opus",
            Coding::Flac => "FLAC",
            Coding::Pcm { .. } => "PCM",
            Coding::Other(name) => name,
            Coding::Command => "",
        }
    }
}

/// Types of enhanced packets. Those of audio have the same numbers, as far as they exist.
mod packet {
    pub const SEQUENCE_START: u8 = 0;
    pub const CODED_FRAMES: u8 = 1;
    /// Of video: without a composition time.
    pub const CODED_FRAMES_X: u8 = 3;
    pub const MULTITRACK_AUDIO: u8 = 5;
    pub const MULTITRACK_VIDEO: u8 = 6;
    pub const MOD_EX: u8 = 7;
}

/// FrameType (E.4.3.1): a keyframe, one that a server made, and no frame but a command.
const KEY: u8 = 1;
const GENERATED_KEY: u8 = 4;
const COMMAND: u8 = 5;

impl Body {
    /// `None`: it is cut short.
    pub fn parse(kind: Kind, data: Bytes) -> Option<Body> {
        match kind {
            Kind::Video => video(data),
            Kind::Audio => audio(data),
        }
    }

    fn new(coding: Coding, part: Part, data: Bytes) -> Body {
        Body { coding, part, key: true, delay: 0, data, track: 0 }
    }
}

fn video(mut data: Bytes) -> Option<Body> {
    let first = data.try_get_u8().ok()?;
    if first & 0x80 != 0 {
        return enhanced(Kind::Video, first >> 4 & 7, first & 0xf, data);
    }
    let frame_type = first >> 4;
    let coding = match first & 0xf {
        2 => Coding::Other("Sorenson H.263".into()),
        3 | 6 => Coding::Other("screen video".into()),
        4 | 5 => Coding::Other("VP6".into()),
        7 => Coding::H264,
        // Not in the specification: written by servers and encoders in China, read by ffmpeg and others.
        12 => Coding::H265,
        n => Coding::Other(format!("video codec {n}")),
    };
    if frame_type == COMMAND || matches!(coding, Coding::Other(_)) {
        return Some(Body::new(coding, Part::Nothing, Bytes::new()));
    }
    let part = match data.try_get_u8().ok()? {
        0 => Part::Description,
        1 => Part::Frame,
        _ => Part::Nothing,
    };
    let delay = composition_time(&mut data)?;
    Some(Body { key: is_key(frame_type), delay, ..Body::new(coding, part, data) })
}

fn is_key(frame_type: u8) -> bool {
    matches!(frame_type, KEY | GENERATED_KEY)
}

/// SI24 of milliseconds.
fn composition_time(data: &mut Bytes) -> Option<i64> {
    let [a, b, c] = data.first_chunk().copied()?;
    data.advance(3);
    Some(i64::from(i32::from_be_bytes([a, b, c, 0]) >> 8) * 1000)
}

fn audio(mut data: Bytes) -> Option<Body> {
    const ENHANCED: u8 = 9;
    let first = data.try_get_u8().ok()?;
    let format = first >> 4;
    if format == ENHANCED {
        return enhanced(Kind::Audio, 0, first & 0xf, data);
    }
    let rate = [5512, 11_025, 22_050, 44_100][usize::from(first >> 2 & 3)];
    let channels = u16::from(first & 1) + 1;
    let linear = if first & 2 == 0 { Stored::Unsigned8 } else { Stored::Signed { bytes: 2, big: false } };
    let coding = match format {
        // The byte order of 0 is the writer's own, which today is little-endian.
        0 | 3 => Coding::Pcm { stored: linear, rate, channels },
        2 | 14 => Coding::Mp3,
        7 => Coding::Pcm { stored: Stored::Alaw, rate: 8000, channels },
        8 => Coding::Pcm { stored: Stored::Ulaw, rate: 8000, channels },
        10 => Coding::Aac,
        1 => Coding::Other("ADPCM".into()),
        4..=6 => Coding::Other("Nellymoser".into()),
        11 => Coding::Other("Speex".into()),
        n => Coding::Other(format!("sound format {n}")),
    };
    let part = match coding {
        Coding::Aac => match data.try_get_u8().ok()? {
            0 => Part::Description,
            _ => Part::Frame,
        },
        Coding::Other(_) => Part::Nothing,
        _ => Part::Frame,
    };
    Some(Body::new(coding, part, data))
}

/// From the packet type on.
fn enhanced(kind: Kind, frame_type: u8, packet_type: u8, mut data: Bytes) -> Option<Body> {
    const MANY_CODECS: u8 = 2;
    let (mut packet_type, nanos) = extensions(packet_type, &mut data)?;
    let is_multitrack = packet_type == if kind == Kind::Video { packet::MULTITRACK_VIDEO } else { packet::MULTITRACK_AUDIO };
    let mut track = 0;
    let coding;
    if is_multitrack {
        let first = data.try_get_u8().ok()?;
        packet_type = first & 0xf;
        let several = first >> 4;
        if several == MANY_CODECS {
            return Some(Body { track: 1, ..Body::new(Coding::Other("several codecs".into()), Part::Nothing, Bytes::new()) });
        }
        coding = by_fourcc(&mut data)?;
        track = data.try_get_u8().ok()?;
        if several > 0 {
            // Of several tracks in one tag, the first.
            let size = usize::try_from(data.try_get_uint(3).ok()?).ok()?;
            data = (size <= data.len()).then(|| data.split_to(size))?;
        }
    } else if kind == Kind::Video && frame_type == COMMAND {
        return Some(Body::new(Coding::Command, Part::Nothing, Bytes::new()));
    } else {
        coding = by_fourcc(&mut data)?;
    }
    let part = match packet_type {
        packet::SEQUENCE_START => Part::Description,
        packet::CODED_FRAMES => Part::Frame,
        packet::CODED_FRAMES_X if kind == Kind::Video => Part::Frame,
        _ => Part::Nothing,
    };
    let has_composition_time = packet_type == packet::CODED_FRAMES && matches!(coding, Coding::H264 | Coding::H265);
    let delay = if has_composition_time { composition_time(&mut data)? } else { 0 };
    let key = kind == Kind::Audio || is_key(frame_type);
    Some(Body { key, delay: delay + nanos / 1000, track, ..Body::new(coding, part, data) })
}

/// ModEx packets, which stand before another type: that type, and the nanoseconds by which the presentation is later.
fn extensions(mut packet_type: u8, data: &mut Bytes) -> Option<(u8, i64)> {
    const TIMESTAMP_OFFSET_NANO: u8 = 0;
    let mut nanos = 0;
    while packet_type == packet::MOD_EX {
        let mut size = usize::from(data.try_get_u8().ok()?) + 1;
        if size == 256 {
            size = usize::from(data.try_get_u16().ok()?) + 1;
        }
        let extension = (size <= data.len()).then(|| data.split_to(size))?;
        let types = data.try_get_u8().ok()?;
        if let (TIMESTAMP_OFFSET_NANO, Some([a, b, c])) = (types >> 4, extension.first_chunk()) {
            nanos = i64::from(u32::from_be_bytes([0, *a, *b, *c]));
        }
        packet_type = types & 0xf;
    }
    Some((packet_type, nanos))
}

fn by_fourcc(data: &mut Bytes) -> Option<Coding> {
    let fourcc: [u8; 4] = data.first_chunk().copied()?;
    data.advance(4);
    Some(match &fourcc {
        b"avc1" => Coding::H264,
        b"hvc1" | b"hev1" => Coding::H265,
        b"av01" => Coding::Av1,
        b"mp4a" => Coding::Aac,
        b".mp3" => Coding::Mp3,
        b"Opus" => Coding::Opus,
        b"fLaC" => Coding::Flac,
        other => Coding::Other(other.escape_ascii().to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: Kind, data: &[u8]) -> Body {
        for cut in 0..data.len() {
            // Cut short, it is something else or nothing, never a panic.
            Body::parse(kind, Bytes::copy_from_slice(&data[..cut]));
        }
        Body::parse(kind, Bytes::copy_from_slice(data)).unwrap()
    }

    #[test]
    fn legacy() {
        let frame = body(Kind::Video, b"\x27\x01\xff\xff\xfedata");
        let expected = Body { key: false, delay: -2000, ..Body::new(Coding::H264, Part::Frame, Bytes::from_static(b"data")) };
        assert_eq!(frame, expected);
        assert_eq!(body(Kind::Video, b"\x1c\0\0\0\0config").part, Part::Description);
        assert_eq!(body(Kind::Video, b"\x17\x02\0\0\0").part, Part::Nothing, "end of sequence");
        assert_eq!(body(Kind::Video, b"\x52\0").part, Part::Nothing, "a command");
        assert_eq!(body(Kind::Video, b"\x12pictures").coding, Coding::Other("Sorenson H.263".into()));
        assert_eq!(body(Kind::Audio, b"\xaf\0\x12\x10"), Body::new(Coding::Aac, Part::Description, Bytes::from_static(b"\x12\x10")));
        let pcm = Coding::Pcm { stored: Stored::Signed { bytes: 2, big: false }, rate: 44_100, channels: 2 };
        assert_eq!(body(Kind::Audio, b"\x3fabcd"), Body::new(pcm, Part::Frame, Bytes::from_static(b"abcd")));
        assert_eq!(body(Kind::Audio, b"\xb2abcd").coding, Coding::Other("Speex".into()));
    }

    #[test]
    fn enhanced() {
        let frame = body(Kind::Video, b"\xa1hvc1\0\0\x28data");
        let expected = Body { key: false, delay: 40_000, ..Body::new(Coding::H265, Part::Frame, Bytes::from_static(b"data")) };
        assert_eq!(frame, expected);
        assert_eq!(body(Kind::Video, b"\x93avc1data"), Body::new(Coding::H264, Part::Frame, Bytes::from_static(b"data")));
        assert_eq!(body(Kind::Video, b"\x91av01data"), Body::new(Coding::Av1, Part::Frame, Bytes::from_static(b"data")));
        assert_eq!(body(Kind::Video, b"\x92avc1").part, Part::Nothing);
        assert_eq!(body(Kind::Video, b"\xd0\0"), Body::new(Coding::Command, Part::Nothing, Bytes::new()));
        assert_eq!(body(Kind::Video, b"\xd4hvc1colours").part, Part::Nothing, "metadata");
        assert_eq!(body(Kind::Audio, b"\x90OpusOpusHead").part, Part::Description);
        assert_eq!(body(Kind::Audio, b"\x91ac-3data").coding, Coding::Other("ac-3".into()));
    }

    #[test]
    fn extensions_stand_before() {
        let nanos = body(Kind::Video, b"\x97\x02\x07\xa1\x20\x03avc1data");
        assert_eq!((nanos.delay, nanos.part, &nanos.data[..]), (500, Part::Frame, &b"data"[..]));
        let long = [&b"\x97\xff\x01\x2b"[..], &[0; 300], b"\x13avc1data"].concat();
        assert_eq!((body(Kind::Video, &long).delay, body(Kind::Video, &long).part), (0, Part::Frame));
    }

    #[test]
    fn several_tracks() {
        let one = body(Kind::Audio, b"\x95\x01Opus\x02data");
        assert_eq!((one.track, one.coding, one.part, &one.data[..]), (2, Coding::Opus, Part::Frame, &b"data"[..]));
        let many = body(Kind::Video, b"\x96\x11avc1\0\0\0\x05\0\0\x28da\x01\0\0\x02xy");
        assert_eq!((many.track, many.delay, &many.data[..]), (0, 40_000, &b"da"[..]));
        assert_eq!(body(Kind::Video, b"\x96\x21avc1\0\0\0\x05").track, 1);
    }
}
