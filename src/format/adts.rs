//! AAC with ADTS headers (ISO/IEC 14496-3, section 1.A.2.2): each frame says its length, so that it is out with its last byte.

use super::frames::{Begin, FrameDemuxer, FrameSyntax};
use crate::codec::aac::{self, AdtsHeader, ProgramConfig};
use crate::media::Malformed;

/// [`super::Demuxer`] of ADTS. A frame of another configuration is a new [`Header`](crate::media::Header).
pub type Demuxer = FrameDemuxer<AdtsHeader>;

impl FrameSyntax for AdtsHeader {
    const FORMAT: &'static str = "ADTS";
    const LEN: usize = AdtsHeader::LEN;
    const SYNC: (u8, u8) = (0xf6, 0xf0);

    /// More than one block in a frame is allowed, and no known encoder writes it.
    fn parse(data: &[u8]) -> Option<AdtsHeader> {
        AdtsHeader::parse(data).filter(|header| header.blocks == 1)
    }

    fn frame_len(&self) -> usize {
        self.frame_len
    }

    fn header_len(&self) -> usize {
        self.header_len
    }

    fn rate(&self) -> u32 {
        self.config.rate
    }

    fn samples(&self) -> u32 {
        self.config.frame_length
    }

    fn is_same_track(&self, other: &AdtsHeader) -> bool {
        self.config == other.config
    }

    fn is_followed_by(&self, next: &[u8]) -> bool {
        AdtsHeader::parse(next).is_some_and(|next| next.config == self.config)
    }

    /// With channel configuration 0, the program config element of the frame goes into the track's configuration.
    fn begin(&self, frame: &[u8], _first: bool) -> Result<Begin, Malformed> {
        if self.config.channels > 0 {
            return aac::track(self.config.build()).map(Begin::Track);
        }
        if frame.len() < self.frame_len {
            return Ok(Begin::NeedFrame);
        }
        match ProgramConfig::of_block(&frame[self.header_len..]) {
            Some(program) => aac::track(self.config.build_with(&program)).map(Begin::Track),
            // A later frame has the element again.
            None => Ok(Begin::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::aac::AudioSpecificConfig;
    use crate::format::Timing;
    use crate::format::frames::MAX_GARBAGE;
    use crate::format::testing::events_at_every_split;
    use crate::media::Event;

    fn frame(channels: u16, data: &[u8]) -> Vec<u8> {
        let header = AdtsHeader::build(&AudioSpecificConfig::lc(48_000, channels), data.len()).unwrap();
        [&header, data].concat()
    }

    /// Channels at a header, times and data of packets; and the damage.
    fn read(input: &[u8]) -> (Vec<String>, u64) {
        let (events, damage) = events_at_every_split(|| Demuxer::new(Timing::Stream), input).unwrap();
        let line = |event: &Event| match event {
            Event::Header(header) => format!("{} channels", header.tracks[0].as_audio().unwrap().channels),
            Event::Packet(packet) => format!("{} {:?}", packet.pts.micros(), packet.data),
            Event::TimeZero(zero) => format!("{zero:?}"),
        };
        (events.iter().map(line).collect(), damage)
    }

    #[test]
    fn frames_at_every_split() {
        let input = [frame(2, b"one"), frame(2, b"two"), frame(1, b"three")].concat();
        let expected = ["2 channels", "0 b\"one\"", "21333 b\"two\"", "1 channels", "42667 b\"three\""];
        assert_eq!(read(&input), (expected.map(String::from).to_vec(), 0));
    }

    #[test]
    fn a_crc_is_left_out() {
        let mut with_crc = frame(2, b"CRdata");
        with_crc[1] &= !1;
        assert_eq!(read(&with_crc).0[1], "0 b\"data\"");
    }

    #[test]
    fn damage_is_passed_over() {
        let fake = b"\xff\xf1\xff\xf1 garbage";
        let input = [&frame(2, b"one"), &fake[..], &frame(2, b"two"), &frame(2, b"three"), &frame(2, b"cut")[..8]].concat();
        assert_eq!(read(&input), (["2 channels", "0 b\"one\"", "21333 b\"two\"", "42667 b\"three\""].map(String::from).to_vec(), 2));
    }

    #[test]
    fn tags_are_passed_over() {
        let small = b"ID3\x04\0\0\0\0\0\x03abc";
        let footer = b"ID3\x04\0\x10\0\0\0\x03abc3DI\x04\0\x10\0\0\0\x03";
        let large = [&b"ID3\x03\0\0\0\x02\0\0"[..], &[0xff; 1 << 15]].concat();
        let (id3v1, ape) = (
            [b"TAG", &[b' '; 125][..]].concat(),
            [&b"APETAGEX\xd0\x07\0\0\x20\0\0\0"[..], &[0; 4][..], b"\0\0\0\xa0", &[0; 40][..]].concat(),
        );
        let (one, two) = (frame(2, b"one"), frame(2, b"two"));
        let expected = ["2 channels", "0 b\"one\"", "21333 b\"two\""].map(String::from).to_vec();
        let inputs = [
            [small, &one[..], &two].concat(),
            [small, &footer[..], &large, &one, &two].concat(),
            [&one[..], small, &two, &ape, &id3v1].concat(),
            [&one[..], footer, &two, &id3v1].concat(),
        ];
        for (n, input) in inputs.iter().enumerate() {
            assert_eq!(read(input), (expected.clone(), 0), "input {n}");
        }
        let cut = events_at_every_split(|| Demuxer::new(Timing::Stream), &large[..300]).unwrap_err().to_string();
        assert!(cut.ends_with("no whole frame"), "{cut}");
    }

    #[test]
    fn input_without_a_frame_is_refused() {
        assert!(events_at_every_split(|| Demuxer::new(Timing::Stream), b"garbage").is_err());
        let endless = vec![0xff; MAX_GARBAGE as usize + 100];
        let error = crate::format::testing::events(Demuxer::new(Timing::Stream), &endless, 1 << 16).unwrap_err();
        assert_eq!(error.to_string(), "ADTS: byte 0: no frame in 1 MiB");
    }
}
