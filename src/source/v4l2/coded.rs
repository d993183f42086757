//! Coded pictures from a camera: made canonical (see [`Packet`](crate::media::Packet)), and refused where they are damaged.

use crate::codec::jpeg::{self, JpegInfo};
use crate::codec::{h264, h265, nal};
use crate::media::{Codec, Track};
use bytes::{BufMut, Bytes, BytesMut};

/// A whole JPEG, or why it is none. Cameras pad the end with zeros, and leave out the Huffman tables (which browsers then
/// miss): the tables of ITU-T T.81, annex K.3, are put in.
pub fn jpeg(data: &[u8]) -> Result<(Bytes, JpegInfo), &'static str> {
    let end = jpeg::EndFinder::default().find(data).map_err(|_| "broken JPEG")?.ok_or("JPEG without an end")?;
    let image = &data[..end];
    let info = jpeg::parse(image).map_err(|_| "broken JPEG")?;
    match scan_without_tables(image) {
        None => Ok((Bytes::copy_from_slice(image), info)),
        Some(at) => {
            let mut whole = BytesMut::with_capacity(image.len() + TABLES_LENGTH);
            whole.put_slice(&image[..at]);
            put_standard_tables(&mut whole);
            whole.put_slice(&image[at..]);
            Ok((whole.freeze(), info))
        }
    }
}

/// Where the first scan begins, if no Huffman tables come before it. `image` is sound.
fn scan_without_tables(image: &[u8]) -> Option<usize> {
    const DHT: u8 = 0xc4;
    const SOS: u8 = 0xda;
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = image.get(at..at + 4) {
        match marker {
            0xff => at += 1,
            DHT => return None,
            SOS => return Some(at),
            0x01 | 0xd0..=0xd8 => at += 2,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    None
}

/// Tables K.3 to K.6: class and identifier, codes of each length, values.
const TABLES: [(u8, [u8; 16], &[u8]); 4] = [
    (0x00, [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC_VALUES),
    (0x10, [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d], &AC_LUMA),
    (0x01, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC_VALUES),
    (0x11, [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77], &AC_CHROMA),
];
const TABLES_LENGTH: usize = 4 + 4 * 17 + 2 * 12 + 2 * 162;

const DC_VALUES: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

#[rustfmt::skip]
const AC_LUMA: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91,
    0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a,
    0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53,
    0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79,
    0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9,
    0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2,
    0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

#[rustfmt::skip]
const AC_CHROMA: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14,
    0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17,
    0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a,
    0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78,
    0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
    0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7,
    0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2,
    0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
];

fn put_standard_tables(out: &mut BytesMut) {
    out.put_slice(&[0xff, 0xc4]);
    out.put_u16(TABLES_LENGTH as u16 - 2);
    for (kind, counts, values) in TABLES {
        out.put_u8(kind);
        out.put_slice(&counts);
        out.put_slice(values);
    }
}

/// The access units of H.264 or H.265 as a camera hands them out: one in a buffer, its parameter sets sometimes in a buffer
/// of their own before it.
pub struct Coded {
    codec: Codec,
    /// Units of a buffer without a picture, for the next one.
    before: BytesMut,
    /// The track, once parameter sets were seen.
    track: Option<Track>,
    /// Frames cannot be decoded until the next keyframe: at the start, and after a loss.
    waits_for_key: bool,
}

/// What became of a buffer.
#[derive(Debug, PartialEq)]
pub enum Unit {
    Frame {
        data: Bytes,
        key: bool,
        /// The track is new or has changed.
        track: Option<Track>,
    },
    /// Nothing yet: parameter sets alone, or waiting for a keyframe.
    Nothing,
}

/// Parameter sets in buffers of their own take no more than this.
const MAX_BEFORE: usize = 64 << 10;

impl Coded {
    /// `codec` is H.264 or H.265.
    pub fn new(codec: Codec) -> Coded {
        Coded { codec, before: BytesMut::new(), track: None, waits_for_key: true }
    }

    /// Frames were lost: those up to the next keyframe refer to them.
    pub fn lost(&mut self) {
        self.waits_for_key = true;
    }

    pub fn unit(&mut self, data: &[u8]) -> Unit {
        let units = if self.is_h264() { h264::to_length_prefixed(data) } else { h265::to_length_prefixed(data) };
        if !self.has_picture(&units) {
            if self.before.len() + units.len() <= MAX_BEFORE {
                self.before.put_slice(&units);
            }
            return Unit::Nothing;
        }
        let units = if self.before.is_empty() {
            units
        } else {
            self.before.put_slice(&units);
            self.before.split().freeze()
        };
        let key = if self.is_h264() { h264::is_keyframe(&units) } else { h265::is_keyframe(&units) };
        let new = self.config(&units).filter(|track| self.track.as_ref() != Some(track));
        if new.is_some() {
            self.track.clone_from(&new);
        }
        self.waits_for_key &= !key;
        if self.waits_for_key || self.track.is_none() {
            return Unit::Nothing;
        }
        Unit::Frame { data: units, key, track: new }
    }

    fn is_h264(&self) -> bool {
        self.codec == Codec::H264
    }

    fn has_picture(&self, units: &[u8]) -> bool {
        nal::units(units).any(|unit| if self.is_h264() { (1..=5).contains(&h264::type_of(unit)) } else { h265::type_of(unit) < 32 })
    }

    fn config(&self, units: &[u8]) -> Option<Track> {
        if self.is_h264() { h264::track(h264::config_of(units)?).ok() } else { h265::track(h265::config_of(units)?).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of 8x8 without Huffman tables, as webcams send it, padded.
    const BARE: &[u8] =
        &[0xff, 0xd8, 0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x55, 0xff, 0xd9, 0, 0, 0];

    #[test]
    fn jpegs_are_made_whole() {
        let (whole, info) = jpeg(BARE).unwrap();
        assert_eq!((info.width, info.height), (8, 8));
        assert_eq!(whole.len(), BARE.len() - 3 + TABLES_LENGTH);
        assert_eq!(whole[15..19], [0xff, 0xc4, 0x01, 0xa2], "the standard tables take 0x1a2 bytes");
        assert_eq!(jpeg(&whole).unwrap().0, whole, "with tables it stays as it is");
        for (_, counts, values) in TABLES {
            assert_eq!(counts.iter().map(|n| usize::from(*n)).sum::<usize>(), values.len());
        }
    }

    #[test]
    fn broken_jpegs_are_refused() {
        assert_eq!(jpeg(&BARE[..BARE.len() - 5]), Err("JPEG without an end"));
        assert_eq!(jpeg(&BARE[2..]), Err("broken JPEG"));
        assert_eq!(jpeg(&[]), Err("JPEG without an end"));
    }

    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xf6, 0x40];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
    const IDR: &[u8] = &[0x65, 0x88, 0x84, 0x00, 0x10];
    const P: &[u8] = &[0x41, 0x9a, 0x00, 0x10];

    fn annex_b(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|u| [&[0, 0, 0, 1], *u].concat()).collect()
    }

    #[test]
    fn h264_begins_at_a_keyframe_with_its_parameter_sets() {
        let mut coded = Coded::new(Codec::H264);
        assert_eq!(coded.unit(&annex_b(&[P])), Unit::Nothing);
        assert_eq!(coded.unit(&annex_b(&[IDR])), Unit::Nothing, "no parameter sets yet");
        assert_eq!(coded.unit(&annex_b(&[SPS, PPS])), Unit::Nothing, "in a buffer of their own");
        let Unit::Frame { data, key: true, track: Some(track) } = coded.unit(&annex_b(&[IDR])) else { panic!("no keyframe") };
        assert_eq!(nal::units(&data).collect::<Vec<_>>(), [SPS, PPS, IDR]);
        assert_eq!(track.as_video().map(|v| (v.width, v.height)), Some((640, 480)));
        assert!(matches!(coded.unit(&annex_b(&[P])), Unit::Frame { key: false, track: None, .. }));
        coded.lost();
        assert_eq!(coded.unit(&annex_b(&[P])), Unit::Nothing, "refers to what was lost");
        assert!(matches!(coded.unit(&annex_b(&[SPS, PPS, IDR])), Unit::Frame { key: true, track: None, .. }));
    }
}
