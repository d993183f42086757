//! What the tables of programs say (ISO/IEC 13818-1, sections 2.4.4.4 and 2.4.4.9): which program there is, and of which streams.

use crate::codec::opus::OpusHead;
use crate::media::{Kind, MAX_TRACKS};
use bytes::Bytes;
use mpeg2ts_reader::StreamType;
use mpeg2ts_reader::descriptor::{Descriptor, DescriptorError};
use mpeg2ts_reader::psi::pat::{PatSection, ProgramDescriptor};
use mpeg2ts_reader::psi::pmt::{PmtSection, StreamInfo};

/// program_number and the PID of its map.
pub type Program = (u16, u16);

/// The programs in a section of the association table.
pub fn programs(section: &[u8]) -> Vec<Program> {
    let program = |program| match program {
        ProgramDescriptor::Program { program_number, pid } => Some((program_number, u16::from(pid))),
        ProgramDescriptor::Network { .. } => None,
    };
    PatSection::new(section).programs().filter_map(program).collect()
}

/// An elementary stream of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    pub pid: u16,
    pub coding: Coding,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Coding {
    H264,
    H265,
    /// AAC with ADTS headers.
    Adts,
    /// MPEG audio of any layer.
    MpegAudio,
    Opus(OpusHead),
    /// None that is read here.
    Other(Option<Kind>, String),
}

/// The streams in a section of a program map; `None`: it is damaged.
pub fn streams(section: &[u8]) -> Option<Vec<Stream>> {
    let stream = |info: StreamInfo<'_>| {
        let descriptors: Vec<Raw<'_>> = info.descriptors().filter_map(Result::ok).collect();
        Stream { pid: info.elementary_pid().into(), coding: coding(info.stream_type(), &descriptors) }
    };
    let map = PmtSection::from_bytes(section).ok()?;
    Some(map.streams().take(MAX_TRACKS).map(stream).collect())
}

/// A descriptor of any tag: those of others than ISO are of interest too.
struct Raw<'a> {
    tag: u8,
    data: &'a [u8],
}

impl<'a> Descriptor<'a> for Raw<'a> {
    fn from_bytes(buffer: &'a [u8]) -> Result<Raw<'a>, DescriptorError> {
        let (&[tag, _length], data) = buffer.split_first_chunk().ok_or(DescriptorError::BufferTooShort { buflen: buffer.len() })?;
        Ok(Raw { tag, data })
    }
}

/// Tags of descriptors: registration; of DVB (ETSI EN 300 468, section 6.1), and its extension.
mod tag {
    pub const REGISTRATION: u8 = 5;
    pub const TELETEXT: u8 = 0x56;
    pub const SUBTITLING: u8 = 0x59;
    pub const AC3: u8 = 0x6a;
    pub const ENHANCED_AC3: u8 = 0x7a;
    pub const DTS: u8 = 0x7b;
    pub const AAC: u8 = 0x7c;
    pub const EXTENSION: u8 = 0x7f;
}

fn coding(stream_type: StreamType, descriptors: &[Raw<'_>]) -> Coding {
    let (video, audio) = (|name: &str| other(Some(Kind::Video), name), |name: &str| other(Some(Kind::Audio), name));
    match stream_type {
        StreamType::H264 => Coding::H264,
        StreamType::H265 => Coding::H265,
        StreamType::ADTS => Coding::Adts,
        StreamType::ISO_11172_AUDIO | StreamType::ISO_138183_AUDIO => Coding::MpegAudio,
        StreamType::LATM => audio("AAC in LATM"),
        StreamType::AUDIO_WITHOUT_TRANSPORT_SYNTAX => audio("raw AAC"),
        StreamType::ATSC_DOLBY_DIGITAL_AUDIO => audio("AC-3"),
        StreamType(0x87) => audio("E-AC-3"),
        StreamType(0x82 | 0x85 | 0x8a) => audio("DTS"),
        StreamType(0x83) => audio("TrueHD"),
        StreamType::ISO_11172_VIDEO | StreamType::H262 => video("MPEG-2 video"),
        StreamType::ISO_14496_2_VISUAL => video("MPEG-4 part 2 video"),
        StreamType(0x33) => video("H.266"),
        StreamType(0xea) => video("VC-1"),
        StreamType(0x86) => other(None, "SCTE-35"),
        StreamType::METADATA_IN_PES => other(None, "metadata"),
        StreamType::H222_0_PES_PRIVATE_DATA => private(descriptors),
        StreamType(n) => other(None, &format!("stream type 0x{n:02X}")),
    }
}

fn other(kind: Option<Kind>, name: &str) -> Coding {
    Coding::Other(kind, name.into())
}

/// A stream that only its descriptors name.
fn private(descriptors: &[Raw<'_>]) -> Coding {
    let find = |wanted| descriptors.iter().find(|descriptor| descriptor.tag == wanted).map(|descriptor| descriptor.data);
    let fourcc = find(tag::REGISTRATION).and_then(<[u8]>::first_chunk::<4>);
    let by_tag = [
        (tag::AC3, Some(Kind::Audio), "AC-3"),
        (tag::ENHANCED_AC3, Some(Kind::Audio), "E-AC-3"),
        (tag::DTS, Some(Kind::Audio), "DTS"),
        (tag::AAC, Some(Kind::Audio), "AAC in LATM"),
        (tag::TELETEXT, None, "teletext"),
        (tag::SUBTITLING, None, "subtitles"),
    ];
    match fourcc {
        Some(b"Opus") => opus(find(tag::EXTENSION)),
        Some(b"HEVC") => Coding::H265,
        Some(b"AC-3") => other(Some(Kind::Audio), "AC-3"),
        Some(b"EAC3") => other(Some(Kind::Audio), "E-AC-3"),
        Some(b"AV01") => other(Some(Kind::Video), "AV1"),
        fourcc => match by_tag.iter().find(|(tag, ..)| find(*tag).is_some()) {
            Some((_, kind, name)) => other(*kind, name),
            None => other(None, &fourcc.map_or("private data".into(), |fourcc| fourcc.escape_ascii().to_string())),
        },
    }
}

/// By the extension descriptor 0x80: channel_config_code ("Opus in MPEG-2 Transport Streams", Xiph.Org).
fn opus(extension: Option<&[u8]>) -> Coding {
    let code = match extension {
        Some(&[0x80, code, ..]) => code,
        _ => 2,
    };
    opus_head(code).map_or_else(|| other(Some(Kind::Audio), "Opus of unusual channels"), Coding::Opus)
}

/// The channels that a channel_config_code stands for.
pub fn opus_head(code: u8) -> Option<OpusHead> {
    /// For 1 to 8 channels: streams, coupled ones, and the mapping of channels in the order of Vorbis.
    const LAYOUTS: [(u8, u8, &[u8]); 8] = [
        (1, 0, &[0]),
        (1, 1, &[0, 1]),
        (2, 1, &[0, 2, 1]),
        (2, 2, &[0, 1, 2, 3]),
        (3, 2, &[0, 4, 1, 2, 3]),
        (4, 2, &[0, 4, 1, 2, 3, 5]),
        (4, 3, &[0, 4, 1, 2, 3, 5, 6]),
        (5, 3, &[0, 6, 1, 2, 3, 4, 5, 7]),
    ];
    match code {
        0 => Some(OpusHead::new(2, 0, 48_000)),
        1 | 2 => Some(OpusHead::new(code, 0, 48_000)),
        3..=8 => {
            let (streams, coupled, map) = LAYOUTS[usize::from(code) - 1];
            let mapping: Bytes = [&[streams, coupled][..], map].concat().into();
            Some(OpusHead { mapping_family: 1, mapping, ..OpusHead::new(code, 0, 48_000) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The coding of one stream with these descriptors.
    fn described(stream_type: u8, descriptors: &[u8]) -> Coding {
        let stream = [&[0xe1, 0, 0xf0, 0, stream_type, 0xe1, 0, 0xf0, descriptors.len() as u8][..], descriptors].concat();
        streams(&stream).unwrap().remove(0).coding
    }

    #[test]
    fn codings() {
        assert_eq!(described(0x1b, b""), Coding::H264);
        assert_eq!(described(0x11, b""), Coding::Other(Some(Kind::Audio), "AAC in LATM".into()));
        assert_eq!(described(6, b"\x05\x04Opus\x7f\x02\x80\x01"), Coding::Opus(OpusHead::new(1, 0, 48_000)));
        let Coding::Opus(head) = described(6, b"\x05\x04Opus\x7f\x02\x80\x06") else { panic!() };
        assert_eq!(OpusHead::parse(&head.build()), Ok(head));
        assert_eq!(described(6, b"\x6a\x01\0"), Coding::Other(Some(Kind::Audio), "AC-3".into()));
        assert_eq!(described(6, b"\x05\x04KLVA"), Coding::Other(None, "KLVA".into()));
        assert_eq!(described(6, b"\x05\x09"), Coding::Other(None, "private data".into()));
    }

    #[test]
    fn streams_of_a_program() {
        let map = b"\xe1\x00\xf0\x02\x0e\x00\x1b\xe1\x00\xf0\x00\x06\xe1\x01\xf0\x0a\x05\x04Opus\x7f\x02\x80\x02";
        let found = streams(map).unwrap();
        assert_eq!((found.len(), found[0].pid, found[1].pid), (2, 0x100, 0x101));
        assert_eq!(found[1].coding, Coding::Opus(OpusHead::new(2, 0, 48_000)));
        for cut in 0..map.len() {
            streams(&map[..cut]);
        }
    }
}
