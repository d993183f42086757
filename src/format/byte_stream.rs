//! H.264 and H.265 as byte streams (Annex B of both), written.

use super::nal_codec::NalCodec;
use crate::codec::{h264, h265, nal};
use crate::media::{Codec, Track};
use bytes::{BufMut, Bytes, BytesMut};

/// Which start codes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartCodes {
    /// Of four bytes each, which every reader takes, and section B.1.2 asks for before parameter sets.
    Long,
    /// Of three bytes, but for the first of an access unit: for readers that cut access units at those of four.
    Short,
}

/// Writes the access units of one track, with the parameter sets before each keyframe.
#[derive(Clone, Debug)]
pub struct Writer {
    codec: NalCodec,
    /// Of the track's configuration, in the order in which they are sent.
    sets: Vec<Bytes>,
    start_codes: StartCodes,
}

impl Writer {
    /// `None`: the track is neither H.264 nor H.265, or its configuration is not understood.
    pub fn new(track: &Track, start_codes: StartCodes) -> Option<Writer> {
        let (codec, sets) = match track.codec {
            Codec::H264 => {
                let config = h264::AvcC::parse(&track.config).ok()?;
                (NalCodec::H264, [config.sps, config.pps].concat())
            }
            Codec::H265 => {
                let config = h265::HvcC::parse(&track.config).ok()?;
                (NalCodec::H265, [config.vps, config.sps, config.pps].concat())
            }
            _ => return None,
        };
        Some(Writer { codec, sets, start_codes })
    }

    /// Appends an access unit in its canonical form. A keyframe that has no parameter sets gets those of the track. `delimited`: an access unit
    /// delimiter goes before, as transport streams have to have it (ISO/IEC 13818-1, section 2.14.1).
    pub fn put(&self, out: &mut BytesMut, access_unit: &[u8], key: bool, delimited: bool) {
        let mut first = true;
        let mut unit = |unit: &[u8]| {
            let long = std::mem::take(&mut first) || self.start_codes == StartCodes::Long;
            out.put_slice(if long { &[0, 0, 0, 1] } else { &[0, 0, 1] });
            out.put_slice(unit);
        };
        if delimited {
            // Slices of any kind.
            unit(match self.codec {
                NalCodec::H264 => &[9, 0xf0],
                NalCodec::H265 => &[0x46, 1, 0x50],
            });
        }
        if key && !nal::units(access_unit).any(|unit| self.is_sequence_set(unit)) {
            self.sets.iter().for_each(|set| unit(set));
        }
        nal::units(access_unit).filter(|unit| !self.is_left_out(unit)).for_each(unit);
    }

    /// Room that an access unit of so many bytes takes at most.
    pub fn room(&self, access_unit: usize) -> usize {
        const DELIMITER: usize = 8;
        access_unit + DELIMITER + self.sets.iter().map(|set| set.len() + 4).sum::<usize>()
    }

    fn is_sequence_set(&self, unit: &[u8]) -> bool {
        match self.codec {
            NalCodec::H264 => h264::type_of(unit) == h264::unit_type::SPS,
            NalCodec::H265 => h265::type_of(unit) == h265::unit_type::SPS,
        }
    }

    /// Delimiters, which stand at the front; and ends of sequences and filler, which readers that want short start codes take for frames.
    fn is_left_out(&self, unit: &[u8]) -> bool {
        const FILLER: u8 = 12;
        let short = self.start_codes == StartCodes::Short;
        match self.codec {
            NalCodec::H264 => match h264::type_of(unit) {
                h264::unit_type::AUD => true,
                h264::unit_type::END_OF_SEQUENCE | h264::unit_type::END_OF_STREAM | FILLER => short,
                _ => false,
            },
            NalCodec::H265 => h265::type_of(unit) == h265::unit_type::AUD,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::VideoParams;

    fn writer(start_codes: StartCodes) -> Writer {
        let mut track = Track::video(Codec::H264, VideoParams::new(16, 16));
        track.config = h264::AvcC::build(&[b"\x67sps"], &[b"\x68pps"]);
        Writer::new(&track, start_codes).unwrap()
    }

    fn written(start_codes: StartCodes, access_unit: &[u8], key: bool, delimited: bool) -> Vec<u8> {
        let mut out = BytesMut::new();
        writer(start_codes).put(&mut out, access_unit, key, delimited);
        assert!(out.len() <= writer(start_codes).room(access_unit.len()));
        out.to_vec()
    }

    #[test]
    fn keyframes_have_their_parameter_sets() {
        let au = b"\0\0\0\x02\x65i\0\0\0\x02\x65j";
        assert_eq!(written(StartCodes::Long, au, true, false), b"\0\0\0\x01\x67sps\0\0\0\x01\x68pps\0\0\0\x01\x65i\0\0\0\x01\x65j");
        assert_eq!(written(StartCodes::Short, au, true, false), b"\0\0\0\x01\x67sps\0\0\x01\x68pps\0\0\x01\x65i\0\0\x01\x65j");
        assert_eq!(written(StartCodes::Long, b"\0\0\0\x02\x41p", false, true), b"\0\0\0\x01\x09\xf0\0\0\0\x01\x41p");
        let with_sets = b"\0\0\0\x04\x67own\0\0\0\x04\x68own\0\0\0\x02\x65i";
        assert_eq!(written(StartCodes::Short, with_sets, true, false), b"\0\0\0\x01\x67own\0\0\x01\x68own\0\0\x01\x65i");
    }

    #[test]
    fn what_is_no_picture_is_left_out() {
        let au = b"\0\0\0\x02\x09\xf0\0\0\0\x02\x41p\0\0\0\x01\x0a\0\0\0\x02\x0c\xff";
        assert_eq!(written(StartCodes::Short, au, false, false), b"\0\0\0\x01\x41p");
        assert_eq!(written(StartCodes::Long, au, false, false), b"\0\0\0\x01\x41p\0\0\0\x01\x0a\0\0\0\x01\x0c\xff");
        assert_eq!(written(StartCodes::Long, b"\0\0\0\x09cut", false, false), b"");
    }
}
