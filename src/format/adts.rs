//! AAC with ADTS headers (ISO/IEC 14496-3, section 1.A.2.2): each frame says its length, so that it is out with its last byte.

use super::Step;
use super::simple::{Progress, SimpleDemuxer};
use super::tags::{self, Tag};
use super::timing::{SampleTimes, Timing};
use crate::codec::aac::{self, AdtsHeader, AudioSpecificConfig, ProgramConfig};
use crate::media::{Event, Header, Malformed, Packet, Timestamp};
use bytes::{Bytes, BytesMut};

const FORMAT: &str = "ADTS";

/// How far the next frame is looked for: several seconds of audio.
const MAX_GARBAGE: u64 = 1 << 20;

/// [`super::Demuxer`] of ADTS. A frame of another configuration is a new [`Header`].
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
    config: AudioSpecificConfig,
    times: SampleTimes,
}

impl Demuxer {
    pub fn new(timing: Timing) -> Demuxer {
        Demuxer { at: 0, timing, state: State::Frame, stream: None, damage: 0 }
    }

    fn frame(&mut self, buf: &mut BytesMut, now: Timestamp) -> Result<Progress, Malformed> {
        if buf.len() < AdtsHeader::LEN {
            return Ok(Progress::Need(AdtsHeader::LEN));
        }
        match tags::tag(buf) {
            Tag::Length(n) => return Ok(self.pass(buf, n)),
            Tag::Need(n) if n > buf.len() => return Ok(Progress::Need(n)),
            Tag::Need(_) | Tag::No => {}
        }
        // More than one block in a frame is allowed and written by nobody.
        let Some(header) = AdtsHeader::parse(buf).filter(|header| header.blocks == 1) else {
            self.damage += 1;
            self.state = State::Lost { since: self.at };
            return Ok(Progress::Go);
        };
        let begins = self.stream.as_ref().is_none_or(|stream| stream.config != header.config);
        let described = header.config.channels == 0;
        if begins && !described {
            return self.start(header.config, header.config.build()).map(Progress::Give).map_err(|e| e.at(self.at));
        }
        if buf.len() < header.frame_len {
            return Ok(Progress::Need(header.frame_len));
        }
        if begins {
            return self.described(buf, header);
        }
        let data = self.take(buf, header.frame_len).slice(header.header_len..);
        let Some(stream) = &mut self.stream else { return Ok(Progress::Go) };
        let pts = stream.times.time(stream.config.frame_length, now);
        Ok(Progress::Give(Event::Packet(Packet { track: 0, pts, key: true, data, hidden: false })))
    }

    /// At the first frame of channel configuration 0: its program config element goes into the track's configuration.
    fn described(&mut self, buf: &mut BytesMut, header: AdtsHeader) -> Result<Progress, Malformed> {
        match ProgramConfig::of_block(&buf[header.header_len..header.frame_len]) {
            Some(program) => self.start(header.config, header.config.build_with(&program)).map(Progress::Give).map_err(|e| e.at(self.at)),
            None => {
                // Nobody can tell what its channels are. A later frame has the element again.
                self.damage += 1;
                self.take(buf, header.frame_len);
                Ok(Progress::Go)
            }
        }
    }

    fn start(&mut self, config: AudioSpecificConfig, bytes: Bytes) -> Result<Event, Malformed> {
        let track = aac::track(bytes)?;
        let times = match self.stream.take() {
            // The same clock goes on where only the channels changed.
            Some(old) if old.config.rate == config.rate => old.times,
            _ => SampleTimes::new(self.timing, config.rate),
        };
        self.stream = Some(Stream { config, times });
        Ok(Event::Header(Header { tracks: [track].into(), time_zero: None }))
    }

    /// Looks for a frame that is followed by another of the same configuration.
    fn lost(&mut self, buf: &mut BytesMut, since: u64, eof: bool) -> Result<Progress, Malformed> {
        loop {
            let candidate = buf.windows(2).position(|w| w[0] == 0xff && w[1] & 0xf6 == 0xf0);
            let passed = candidate.unwrap_or(buf.len().saturating_sub(1));
            self.take(buf, passed);
            if self.at - since > MAX_GARBAGE {
                return Err(Malformed::new(FORMAT, format!("no frame in {} MiB", MAX_GARBAGE >> 20)).at(since));
            }
            if candidate.is_none() || buf.len() < AdtsHeader::LEN {
                return Ok(Progress::Need(AdtsHeader::LEN.max(buf.len() + 1)));
            }
            if let Some(header) = AdtsHeader::parse(buf).filter(|header| header.blocks == 1) {
                let needed = header.frame_len + AdtsHeader::LEN;
                if buf.len() < needed && !eof {
                    return Ok(Progress::Need(needed));
                }
                let follower = buf.get(header.frame_len..).and_then(AdtsHeader::parse);
                if follower.is_some_and(|f| f.config == header.config) || buf.len() == header.frame_len {
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
