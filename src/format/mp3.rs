//! MPEG audio layer III without a container, as files and internet radio have it: each frame says its length.

use super::Step;
use super::simple::{Progress, SimpleDemuxer};
use super::tags::{self, Tag};
use super::timing::{SampleTimes, Timing};
use crate::codec::mp3::FrameHeader;
use crate::media::{AudioParams, Codec, Event, Header, Malformed, Packet, Timestamp, Track};
use bytes::{Bytes, BytesMut};
use std::time::Duration;

const FORMAT: &str = "MP3";

/// Bytes that [`FrameHeader::parse`] needs.
pub const HEADER: usize = 4;

/// How far the next frame is looked for: several seconds of audio.
const MAX_GARBAGE: u64 = 1 << 20;

/// [`super::Demuxer`] of MP3. A frame of another rate or count of channels is a new [`Header`].
pub struct Demuxer {
    at: u64,
    timing: Timing,
    state: State,
    stream: Option<Stream>,
    damage: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At a frame.
    Frame,
    /// Somewhere after damage at this position.
    Lost { since: u64 },
}

struct Stream {
    rate: u32,
    channels: u16,
    times: SampleTimes,
}

/// A frame of layer III that says its length.
pub fn frame(data: &[u8]) -> Option<(FrameHeader, usize)> {
    let header = FrameHeader::parse(data).filter(|header| header.layer == 3)?;
    Some((header, header.frame_len.filter(|len| *len > HEADER)?))
}

impl Demuxer {
    pub fn new(timing: Timing) -> Demuxer {
        Demuxer { at: 0, timing, state: State::Frame, stream: None, damage: 0 }
    }

    fn frame(&mut self, buf: &mut BytesMut, now: Timestamp) -> Result<Progress, Malformed> {
        if buf.len() < HEADER {
            return Ok(Progress::Need(HEADER));
        }
        match tags::tag(buf) {
            Tag::Length(n) => return Ok(self.pass(buf, n)),
            Tag::Need(n) if n > buf.len() => return Ok(Progress::Need(n)),
            Tag::Need(_) | Tag::No => {}
        }
        let Some((header, len)) = frame(buf) else {
            self.damage += 1;
            self.state = State::Lost { since: self.at };
            return Ok(Progress::Go);
        };
        if buf.len() < len {
            return Ok(Progress::Need(len));
        }
        if self.stream.is_none() && is_index(&buf[..len]) {
            self.take(buf, len);
            return Ok(Progress::Go);
        }
        if self.stream.as_ref().is_none_or(|stream| (stream.rate, stream.channels) != (header.rate, header.channels)) {
            return Ok(Progress::Give(self.start(&header)));
        }
        let data = self.take(buf, len);
        let Some(stream) = &mut self.stream else { return Ok(Progress::Go) };
        let pts = stream.times.time(header.samples, now);
        Ok(Progress::Give(Event::Packet(Packet { track: 0, pts, key: true, data, hidden: false })))
    }

    fn start(&mut self, header: &FrameHeader) -> Event {
        let FrameHeader { rate, channels, .. } = *header;
        let mut track = Track::audio(Codec::Mp3, AudioParams { rate, channels, delay: Duration::ZERO });
        track.frame_duration = Some(Duration::from_nanos(u64::from(header.samples) * 1_000_000_000 / u64::from(rate)));
        let times = match self.stream.take() {
            // The same clock goes on where only the channels changed.
            Some(old) if old.rate == rate => old.times,
            _ => SampleTimes::new(self.timing, rate),
        };
        self.stream = Some(Stream { rate, channels, times });
        Event::Header(Header { tracks: [track].into(), time_zero: None })
    }

    /// Looks for a frame that is followed by another of the same rate.
    fn lost(&mut self, buf: &mut BytesMut, since: u64, eof: bool) -> Result<Progress, Malformed> {
        loop {
            let candidate = buf.windows(2).position(|w| w[0] == 0xff && w[1] & 0xe6 == 0xe2);
            let passed = candidate.unwrap_or(buf.len().saturating_sub(1));
            self.take(buf, passed);
            if self.at - since > MAX_GARBAGE {
                return Err(Malformed::new(FORMAT, format!("no frame in {} MiB", MAX_GARBAGE >> 20)).at(since));
            }
            if candidate.is_none() || buf.len() < HEADER {
                return Ok(Progress::Need(HEADER.max(buf.len() + 1)));
            }
            if let Some((header, len)) = frame(buf) {
                if buf.len() < len + HEADER && !eof {
                    return Ok(Progress::Need(len + HEADER));
                }
                let follower = buf.get(len..).and_then(frame);
                if follower.is_some_and(|(next, _)| next.rate == header.rate) || buf.len() == len {
                    self.state = State::Frame;
                    return Ok(Progress::Go);
                }
            }
            self.take(buf, 1);
        }
    }

    /// Passes over `n` bytes.
    fn pass(&mut self, buf: &mut BytesMut, n: u64) -> Progress {
        let here = n.min(buf.len() as u64);
        self.take(buf, here as usize);
        self.at += n - here;
        if here < n { Progress::Skip(n - here) } else { Progress::Go }
    }

    fn take(&mut self, buf: &mut BytesMut, n: usize) -> Bytes {
        self.at += n as u64;
        buf.split_to(n).freeze()
    }
}

/// The first frame of many files holds no sound but a table to seek by (Xing, LAME, VBRI).
fn is_index(frame: &[u8]) -> bool {
    let start = &frame[..frame.len().min(64)];
    start.windows(4).any(|w| matches!(w, b"Xing" | b"Info" | b"VBRI"))
}

impl SimpleDemuxer for Demuxer {
    fn advance(&mut self, buf: &mut BytesMut, eof: bool, now: Timestamp) -> Result<Progress, Malformed> {
        match self.state {
            State::Frame => self.frame(buf, now),
            State::Lost { since } => self.lost(buf, since, eof),
        }
    }

    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        self.damage += u64::from(!buf.is_empty() && self.state == State::Frame);
        self.take(buf, buf.len());
        let nothing = || Malformed::new(FORMAT, "no whole frame").at(self.at);
        self.stream.is_some().then_some(Step::End).ok_or_else(nothing)
    }

    fn damage(&self) -> u64 {
        self.damage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing::events_at_every_split;

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
        let input = [b"ID3\x03\0\0\0\0\0\x02ab", &index[..], &sound(1), &sound(2), b"rubbish", &sound(3), &sound(4), &id3v1].concat();
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
