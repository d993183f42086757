//! MPEG audio layer III without a container, as files and internet radio have it: each frame says its length.

use super::frames::{Begin, FrameDemuxer, FrameSyntax};
use crate::codec::mp3::FrameHeader;
use crate::media::{AudioParams, Codec, Malformed, Track};
use std::time::Duration;

/// [`super::Demuxer`] of MP3. A frame of another rate or count of channels is a new [`Header`](crate::media::Header).
pub type Demuxer = FrameDemuxer<LayerThree>;

/// Bytes of a frame header.
pub const HEADER: usize = 4;

/// The header of a frame of layer III that says its length.
#[derive(Clone, Copy, Debug)]
pub struct LayerThree {
    header: FrameHeader,
    frame_len: usize,
}

/// A frame of layer III that says its length.
pub fn frame(data: &[u8]) -> Option<(FrameHeader, usize)> {
    let header = FrameHeader::parse(data).filter(|header| header.layer == 3)?;
    Some((header, header.frame_len.filter(|len| *len > HEADER)?))
}

/// The track that begins with a frame.
pub(super) fn track(header: FrameHeader) -> Track {
    let FrameHeader { rate, channels, samples, .. } = header;
    let mut track = Track::audio(Codec::Mp3, AudioParams { rate, channels, delay: Duration::ZERO });
    track.frame_duration = Some(Duration::from_nanos(u64::from(samples) * 1_000_000_000 / u64::from(rate)));
    track
}

impl FrameSyntax for LayerThree {
    const FORMAT: &'static str = "MP3";
    const LEN: usize = HEADER;
    const SYNC: (u8, u8) = (0xe6, 0xe2);

    fn parse(data: &[u8]) -> Option<LayerThree> {
        frame(data).map(|(header, frame_len)| LayerThree { header, frame_len })
    }

    fn frame_len(&self) -> usize {
        self.frame_len
    }

    /// A packet of MP3 has its header.
    fn header_len(&self) -> usize {
        0
    }

    fn rate(&self) -> u32 {
        self.header.rate
    }

    fn samples(&self) -> u32 {
        self.header.samples
    }

    fn is_same_track(&self, other: &LayerThree) -> bool {
        (self.header.rate, self.header.channels) == (other.header.rate, other.header.channels)
    }

    fn is_followed_by(&self, next: &[u8]) -> bool {
        frame(next).is_some_and(|(next, _)| next.rate == self.header.rate)
    }

    fn begin(&self, frame: &[u8], first: bool) -> Result<Begin, Malformed> {
        if frame.len() < self.frame_len {
            return Ok(Begin::NeedFrame);
        }
        if first && is_index(frame) {
            return Ok(Begin::NoAudio);
        }
        Ok(Begin::Track(track(self.header)))
    }
}

/// The first frame of many files holds no sound but a table to seek by (Xing, LAME, VBRI).
fn is_index(frame: &[u8]) -> bool {
    let start = &frame[..frame.len().min(64)];
    start.windows(4).any(|w| matches!(w, b"Xing" | b"Info" | b"VBRI"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Timing;
    use crate::format::frames::MAX_GARBAGE;
    use crate::format::testing::events_at_every_split;
    use crate::media::Event;

    /// 32 kbit/s at 24 kHz, mono: 96 bytes.
    fn sound(fill: u8) -> Vec<u8> {
        [&[0xff, 0xf3, 0x44, 0xc4][..], &[fill; 92]].concat()
    }

    fn read(input: &[u8]) -> (Vec<(i64, u8)>, u64) {
        let (events, damage) = events_at_every_split(|| Demuxer::new(Timing::Stream), input).unwrap();
        let Event::Header(header) = &events[0] else { panic!() };
        let audio = header.tracks[0].as_audio().unwrap();
        assert_eq!((header.tracks[0].codec, audio.rate, audio.channels), (Codec::Mp3, 24_000, 1));
        let packet = |e: &Event| if let Event::Packet(p) = e { (p.pts.micros(), p.data[50]) } else { panic!("{e:?}") };
        (events[1..].iter().map(packet).collect(), damage)
    }

    #[test]
    fn frames_with_tags_an_index_and_damage() {
        let (mut index, id3v1) = (sound(0), [b"TAG", &[b' '; 125][..]].concat());
        index[13..17].copy_from_slice(b"Info");
        let input = [b"ID3\x03\0\0\0\0\0\x02ab", &index[..], &sound(1), &sound(2), b"garbage", &sound(3), &sound(4), &id3v1].concat();
        assert_eq!(read(&input), (vec![(0, 1), (24_000, 2), (48_000, 3), (72_000, 4)], 1));
        assert_eq!(read(&[&sound(1)[..], &sound(2)[..40]].concat()), (vec![(0, 1)], 1));
    }

    #[test]
    fn input_without_a_frame_is_refused() {
        assert!(events_at_every_split(|| Demuxer::new(Timing::Stream), b"garbage").is_err());
        let endless = vec![0xff; MAX_GARBAGE as usize + 100];
        let error = crate::format::testing::events(Demuxer::new(Timing::Stream), &endless, 1 << 16).unwrap_err();
        assert_eq!(error.to_string(), "MP3: byte 0: no frame in 1 MiB");
    }
}
