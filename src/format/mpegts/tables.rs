//! The tables of one program, written (ISO/IEC 13818-1, sections 2.4.4.3 and 2.4.4.8).

use super::program;
use crate::codec::opus::OpusHead;
use bytes::{BufMut, Bytes, BytesMut};
use mpeg2ts_reader::mpegts_crc::sum32;

pub const PAT_PID: u16 = 0;
pub const PMT_PID: u16 = 0x1000;
const PROGRAM: u16 = 1;
/// Bytes of a packet behind its head.
const PAYLOAD: usize = 184;

/// An elementary stream of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stream {
    H264,
    H265,
    Adts,
    Mpeg1Audio,
    Mpeg2Audio,
    /// channel_config_code.
    Opus(u8),
}

/// channel_config_code of audio with these channels; `None`: it has none.
pub fn opus_layout(head: &OpusHead) -> Option<u8> {
    let code = head.channels;
    let known = program::opus_head(code)?;
    (known.mapping_family == head.mapping_family && known.mapping == head.mapping).then_some(code)
}

impl Stream {
    /// stream_type, and descriptors.
    fn described(&self) -> (u8, Vec<u8>) {
        match self {
            Stream::H264 => (0x1b, vec![]),
            Stream::H265 => (0x24, [&[5, 4][..], b"HEVC"].concat()),
            Stream::Adts => (0x0f, vec![]),
            Stream::Mpeg1Audio => (3, vec![]),
            Stream::Mpeg2Audio => (4, vec![]),
            Stream::Opus(layout) => (6, [&[5, 4][..], b"Opus", &[0x7f, 2, 0x80, *layout]].concat()),
        }
    }
}

/// The association table and the map of a program of these streams, whose PIDs follow each other; the first has the clock reference. Each with
/// its pointer_field.
pub fn sections(first_pid: u16, streams: &[Stream]) -> [Bytes; 2] {
    let mut map = BytesMut::new();
    map.put_u16(0xe000 | first_pid);
    map.put_u16(0xf000);
    for (pid, stream) in (first_pid..).zip(streams) {
        let (stream_type, descriptors) = stream.described();
        map.put_u8(stream_type);
        map.put_u16(0xe000 | pid);
        map.put_u16(0xf000 | descriptors.len() as u16);
        map.put_slice(&descriptors);
    }
    let mut association = BytesMut::new();
    association.put_u16(PROGRAM);
    association.put_u16(0xe000 | PMT_PID);
    [section(0, 1, &association), section(2, PROGRAM, &map)]
}

/// `id`: transport_stream_id or program_number.
fn section(table_id: u8, id: u16, data: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_slice(&[0, table_id]);
    // section_length counts from behind itself: five bytes of head, the data, and the CRC.
    out.put_u16(0xb000 | (data.len() + 9) as u16);
    out.put_u16(id);
    out.put_slice(&[0xc1, 0, 0]);
    out.put_slice(data);
    let crc = sum32(&out[1..]);
    out.put_u32(crc);
    // Sections are stuffed behind (section 2.4.4).
    out.resize(out.len().max(PAYLOAD), 0xff);
    out.freeze()
}
