//! Coded pictures of a camera: made canonical (see [`Packet`](crate::media::Packet)), and refused where they are damaged.

use crate::codec::jpeg::{self, Fault, JpegInfo};
use crate::codec::{h264, h265, nal};
use crate::media::{Codec, Track};
use bytes::{BufMut, Bytes, BytesMut};

/// A whole JPEG, or why it is none. Cameras pad the end with zeros, and leave out the Huffman tables, which browsers then miss.
pub fn jpeg(data: Bytes) -> Result<(Bytes, JpegInfo), &'static str> {
    jpeg::canonical(data).map_err(|fault| match fault {
        Fault::Broken(_) => "broken JPEG",
        Fault::Cut => "JPEG without an end",
        Fault::Obstacle(_) => "JPEG of a kind that browsers do not show",
    })
}

/// Whether every block of a JPEG with an end marker is there. It takes a walk through all of the coded data.
#[cfg(feature = "rtsp")]
pub fn is_whole_jpeg(data: &[u8]) -> bool {
    jpeg::whole_len(data) == data.len().checked_sub(2)
}

/// The track of such pictures, without a frame rate.
#[cfg(feature = "rtsp")]
pub fn jpeg_track(info: &JpegInfo) -> Track {
    Track::video(Codec::Jpeg, crate::media::VideoParams::new(info.width, info.height))
}

/// The access units of H.264 or H.265 as a camera hands them out: one in a buffer, its parameter sets sometimes in a buffer
/// of their own before it.
pub struct Coded {
    codec: Codec,
    /// Units of a buffer without a picture, for the next one.
    before: BytesMut,
    /// The track, once parameter sets were seen.
    track: Option<Track>,
    /// The track as a description beside the stream has it, for a first keyframe without parameter sets.
    described: Option<Track>,
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
        Coded { codec, before: BytesMut::new(), track: None, described: None, waits_for_key: true }
    }

    /// With the decoder configuration record of a description beside the stream. It counts until parameter sets come.
    #[cfg(feature = "rtsp")]
    pub fn with_config(self, record: &[u8]) -> Coded {
        let record = Bytes::copy_from_slice(record);
        let described = if self.is_h264() { h264::track(record) } else { h265::track(record) };
        Coded { described: described.ok(), ..self }
    }

    /// Frames were lost: those up to the next keyframe refer to them.
    pub fn lost(&mut self) {
        self.waits_for_key = true;
    }

    /// Takes what a device hands out as a byte stream (Annex B).
    #[cfg(any(test, feature = "v4l2"))]
    pub fn byte_stream(&mut self, data: &[u8]) -> Unit {
        self.unit(if self.is_h264() { h264::to_length_prefixed(data) } else { h265::to_length_prefixed(data) })
    }

    /// Takes NAL units, each after its length in four bytes.
    ///
    /// # Errors
    /// A length is wrong.
    #[cfg(feature = "rtsp")]
    pub fn length_prefixed(&mut self, data: Bytes) -> Result<Unit, &'static str> {
        let units = if self.is_h264() { h264::normalize(data, 4) } else { h265::normalize(data, 4) };
        Ok(self.unit(units.map_err(|_| "NAL units of a wrong length")?))
    }

    /// Takes an access unit in the canonical form.
    fn unit(&mut self, units: Bytes) -> Unit {
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
        let described = if key && self.track.is_none() { self.described.take() } else { None };
        let new = self.config(&units).or(described).filter(|track| self.track.as_ref() != Some(track));
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
        let (whole, info) = jpeg(Bytes::from_static(BARE)).unwrap();
        assert_eq!((info.width, info.height), (8, 8));
        assert_eq!(whole.len(), BARE.len() - 3 + jpeg::TABLES_LENGTH);
        assert_eq!(whole[15..19], [0xff, 0xc4, 0x01, 0xa2], "the standard tables take 0x1a2 bytes");
        assert_eq!(jpeg(whole.clone()).unwrap().0, whole, "with tables it stays as it is");
    }

    #[test]
    fn broken_jpegs_are_refused() {
        assert_eq!(jpeg(Bytes::from_static(&BARE[..BARE.len() - 5])), Err("JPEG without an end"));
        assert_eq!(jpeg(Bytes::from_static(&BARE[2..])), Err("broken JPEG"));
        assert_eq!(jpeg(Bytes::new()), Err("JPEG without an end"));
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
        assert_eq!(coded.byte_stream(&annex_b(&[P])), Unit::Nothing);
        assert_eq!(coded.byte_stream(&annex_b(&[IDR])), Unit::Nothing, "no parameter sets yet");
        assert_eq!(coded.byte_stream(&annex_b(&[SPS, PPS])), Unit::Nothing, "in a buffer of their own");
        let Unit::Frame { data, key: true, track: Some(track) } = coded.byte_stream(&annex_b(&[IDR])) else { panic!("no keyframe") };
        assert_eq!(nal::units(&data).collect::<Vec<_>>(), [SPS, PPS, IDR]);
        assert_eq!(track.as_video().map(|v| (v.width, v.height)), Some((640, 480)));
        assert!(matches!(coded.byte_stream(&annex_b(&[P])), Unit::Frame { key: false, track: None, .. }));
        coded.lost();
        assert_eq!(coded.byte_stream(&annex_b(&[P])), Unit::Nothing, "refers to what was lost");
        assert!(matches!(coded.byte_stream(&annex_b(&[SPS, PPS, IDR])), Unit::Frame { key: true, track: None, .. }));
    }
}
