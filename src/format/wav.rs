//! RIFF WAVE and RF64 (EBU Tech 3306): PCM, also from programs that do not know how much it will be.

use super::Step;
use super::pcm::Stored;
use super::simple::{Progress, SimpleDemuxer};
use super::timing::{SampleTimes, Timing};
use crate::media::{AUDIO_RATES, AudioParams, Codec, Event, Header, Malformed, Packet, Timestamp, Track};
use bytes::{Bytes, BytesMut};
use std::time::Duration;

const FORMAT: &str = "WAVE";

/// A `fmt ` chunk has 16, 18 or 40 bytes.
const MAX_FMT: u32 = 4096;

/// Sizes from here on say "until it ends": 0xFFFFFFFF by ffmpeg, 0x7FFFFFFF less a header by sox, 0x80000000 by arecord.
const ENDLESS: u32 = 0x7fff_0000;

/// So many packets a second: what a reader waits for is 10 ms.
const PACKETS: u32 = 100;

/// [`super::Demuxer`] of WAVE.
pub struct Demuxer {
    at: u64,
    timing: Timing,
    state: State,
    stream: Option<Stream>,
    /// Size of the data chunk by the `ds64` chunk of RF64.
    long_size: Option<u64>,
    damage: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Riff,
    Chunk,
    /// In the data chunk, with so many bytes left; `None`: until the end of the input.
    Data(Option<u64>),
}

struct Stream {
    times: SampleTimes,
    stored: Stored,
    /// Bytes of one sample of all channels, as stored.
    frame: usize,
    /// Sample frames of a packet.
    packet: u32,
}

impl Demuxer {
    /// At the start of a stream.
    pub fn new(timing: Timing) -> Demuxer {
        Demuxer { at: 0, timing, state: State::Riff, stream: None, long_size: None, damage: 0 }
    }

    fn bad<T>(&self, what: impl Into<String>) -> Result<T, Malformed> {
        Err(Malformed::new(FORMAT, what).at(self.at))
    }

    fn riff(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        const LEN: usize = 12;
        if buf.len() < LEN {
            return Ok(Progress::Need(LEN));
        }
        if !matches!(&buf[..4], b"RIFF" | b"RF64") || &buf[8..LEN] != b"WAVE" {
            return self.bad("no RIFF header");
        }
        self.take(buf, LEN);
        self.state = State::Chunk;
        Ok(Progress::Go)
    }

    fn chunk(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        const HEAD: usize = 8;
        let Some(&[a, b, c, d, s0, s1, s2, s3]) = buf.first_chunk::<HEAD>() else { return Ok(Progress::Need(HEAD)) };
        let size = u32::from_le_bytes([s0, s1, s2, s3]);
        match &[a, b, c, d] {
            b"data" if self.stream.is_some() => {
                self.take(buf, HEAD);
                let endless = (size == 0 || size >= ENDLESS) && self.long_size.is_none();
                self.state = State::Data((!endless).then(|| self.long_size.unwrap_or(size.into())));
                Ok(Progress::Go)
            }
            b"data" => self.bad("data before its format"),
            b"fmt " | b"ds64" if size > MAX_FMT => self.bad(format!("format of {size} bytes")),
            kind @ (b"fmt " | b"ds64") => {
                let len = HEAD + size as usize;
                if buf.len() < len {
                    return Ok(Progress::Need(len));
                }
                if kind == b"ds64" {
                    self.long_size = buf.get(16..24).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
                    self.pass(buf, len as u64, size)
                } else {
                    let header = self.format(&buf[HEAD..len])?;
                    self.take(buf, len);
                    Ok(Progress::Give(header))
                }
            }
            _ if size >= ENDLESS => self.bad(format!("chunk of {size} bytes")),
            _ => self.pass(buf, HEAD as u64 + u64::from(size), size),
        }
    }

    /// Passes over `len` bytes, and the padding that makes chunks of odd `size` even.
    fn pass(&mut self, buf: &mut BytesMut, len: u64, size: u32) -> Result<Progress, Malformed> {
        let len = len + u64::from(size & 1);
        let here = len.min(buf.len() as u64);
        self.take(buf, here as usize);
        Ok(if here < len { Progress::Skip(len - here) } else { Progress::Go })
    }

    /// WAVEFORMATEX.
    fn format(&mut self, fmt: &[u8]) -> Result<Event, Malformed> {
        const PCM: u16 = 1;
        const FLOAT: u16 = 3;
        const ALAW: u16 = 6;
        const ULAW: u16 = 7;
        const EXTENSIBLE: u16 = 0xfffe;
        let u16_at = |at: usize| fmt.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
        let rate = fmt.get(4..8).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let (channels, frame) = (u16_at(2), usize::from(u16_at(12)));
        if !AUDIO_RATES.contains(&rate) || !(1..=64).contains(&channels) {
            return self.bad(format!("{channels} channels at {rate} Hz, which is no sound"));
        }
        // In the extensible form the code is what its GUID begins with.
        let code = if u16_at(0) == EXTENSIBLE { u16_at(24) } else { u16_at(0) };
        // By the bytes that a sample takes; of 20 bits in 24, for one, the last are zero.
        let signed = |bytes| Stored::Signed { bytes, big: false };
        let stored = match (code, frame / usize::from(channels)) {
            (PCM, 1) => Stored::Unsigned8,
            (PCM, bytes @ 2..=4) => signed(bytes as u8),
            (FLOAT, bytes @ (4 | 8)) => Stored::Float { bytes: bytes as u8, big: false },
            (ALAW, 1) => Stored::Alaw,
            (ULAW, 1) => Stored::Ulaw,
            _ => return self.bad(format!("encoding {code} with {} bits is not read; use PCM of 8 to 32 bits", u16_at(14))),
        };
        let packet = (rate / PACKETS).max(1);
        let mut track = Track::audio(Codec::Pcm(stored.format()), AudioParams { rate, channels, delay: Duration::ZERO });
        track.frame_duration = Some(Duration::from_nanos(u64::from(packet) * 1_000_000_000 / u64::from(rate)));
        let frame = stored.bytes() as usize * usize::from(channels);
        self.stream = Some(Stream { stored, times: SampleTimes::new(self.timing, rate), frame, packet });
        Ok(Event::Header(Header { tracks: [track].into(), time_zero: None }))
    }

    fn data(&mut self, buf: &mut BytesMut, left: Option<u64>, eof: bool, now: Timestamp) -> Progress {
        let Some(stream) = &mut self.stream else { return Progress::Need(1) };
        let whole = stream.frame * stream.packet as usize;
        let want = left.map_or(whole, |left| left.min(whole as u64) as usize);
        let have = if eof { want.min(buf.len()) } else { want };
        if buf.len() < have || (have == 0 && left != Some(0)) {
            return Progress::Need(want);
        }
        let samples = (have / stream.frame) as u32;
        let pts = stream.times.time(samples, now);
        let left = left.map(|left| left - have as u64);
        let len = samples as usize * stream.frame;
        // Part of a sample, at the end.
        self.damage += u64::from(len < have);
        self.state = if left == Some(0) { State::Chunk } else { State::Data(left) };
        let stored = stream.stored;
        let mut data = self.take(buf, have);
        data.truncate(len);
        let data = stored.canonical(data);
        if samples == 0 { Progress::Go } else { Progress::Give(Event::Packet(Packet { track: 0, pts, key: true, data, hidden: false })) }
    }

    fn take(&mut self, buf: &mut BytesMut, n: usize) -> Bytes {
        self.at += n as u64;
        buf.split_to(n).freeze()
    }
}

impl SimpleDemuxer for Demuxer {
    fn advance(&mut self, buf: &mut BytesMut, eof: bool, now: Timestamp) -> Result<Progress, Malformed> {
        let next = match self.state {
            State::Riff => self.riff(buf)?,
            State::Chunk => self.chunk(buf)?,
            State::Data(left) => self.data(buf, left, eof, now),
        };
        if let Progress::Skip(n) = next {
            self.at += n;
        }
        Ok(next)
    }

    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        let cut = !buf.is_empty() || matches!(self.state, State::Data(Some(_)));
        self.damage += u64::from(cut);
        self.take(buf, buf.len());
        if self.stream.is_some() { Ok(Step::End) } else { self.bad("ends in its header") }
    }

    fn damage(&self) -> u64 {
        self.damage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing::events_at_every_split;
    use crate::media::SampleFormat;

    /// A header of 16-bit stereo at 300 Hz, so that a packet is three sample frames of four bytes, and the start of `data`.
    fn header(data_size: u32) -> Vec<u8> {
        let fmt = b"\x01\0\x02\0\x2c\x01\0\0\xb0\x04\0\0\x04\0\x10\0";
        [b"RIFF\xff\xff\xff\xffWAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0", &fmt[..], b"data", &data_size.to_le_bytes()].concat()
    }

    fn read(input: &[u8]) -> Result<(Vec<(i64, Bytes)>, u64), Malformed> {
        let (events, damage) = events_at_every_split(|| Demuxer::new(Timing::Stream), input)?;
        let Some(Event::Header(header)) = events.first() else { panic!("{events:?}") };
        let audio = header.tracks[0].as_audio().unwrap();
        assert_eq!((header.tracks[0].codec, audio.rate, audio.channels), (Codec::Pcm(SampleFormat::S16), 300, 2));
        assert_eq!(header.tracks[0].frame_duration, Some(Duration::from_millis(10)));
        let packet = |event: &Event| if let Event::Packet(p) = event { (p.pts.micros(), p.data.clone()) } else { panic!("{event:?}") };
        Ok((events[1..].iter().map(packet).collect(), damage))
    }

    #[test]
    fn a_known_size_ends_the_data() {
        let input = [&header(20)[..], b"aaaabbbbccccddddeeee", b"LIST\x04\0\0\0tail"].concat();
        assert_eq!(read(&input), Ok((vec![(0, "aaaabbbbcccc".into()), (10_000, "ddddeeee".into())], 0)));
    }

    #[test]
    fn an_unknown_size_lasts_to_the_end() {
        for size in [0, u32::MAX, 0x8000_0000, 0x7fff_ffff - 36] {
            let input = [&header(size)[..], b"aaaabbbbccccdddd"].concat();
            assert_eq!(read(&input), Ok((vec![(0, "aaaabbbbcccc".into()), (10_000, "dddd".into())], 0)), "{size:x}");
        }
    }

    #[test]
    fn part_of_a_sample_is_damage() {
        assert_eq!(read(&[&header(0)[..], b"aaaabb"].concat()), Ok((vec![(0, "aaaa".into())], 1)));
        assert_eq!(read(&[&header(100)[..], b"aaaa"].concat()), Ok((vec![(0, "aaaa".into())], 1)));
        assert_eq!(read(&[&header(6)[..], b"aaaabb"].concat()), Ok((vec![(0, "aaaa".into())], 1)));
    }

    #[test]
    fn rf64_has_a_long_size() {
        let mut input = header(u32::MAX);
        input[..4].copy_from_slice(b"RF64");
        let ds64 = [b"ds64\x1c\0\0\0", &[0; 8][..], &4u64.to_le_bytes(), &[0; 12]].concat();
        input.splice(12..12, ds64);
        input.extend_from_slice(b"aaaaLIST\0\0\0\0");
        assert_eq!(read(&input), Ok((vec![(0, "aaaa".into())], 0)));
    }

    #[test]
    fn bad_headers_are_refused() {
        let error = |input: &[u8]| events_at_every_split(|| Demuxer::new(Timing::Stream), input).unwrap_err().to_string();
        let patched = |at: usize, byte: u8| {
            let mut input = header(0);
            input[at] = byte;
            error(&input)
        };
        assert!(patched(32, 6).contains("encoding 6 with 16 bits is not read"), "{}", patched(32, 6));
        assert!(patched(37, 0).contains("2 channels at 44 Hz, which is no sound"));
        assert!(patched(34, 0).contains("0 channels at 300 Hz"));
        assert!(patched(30, 1).contains("format of 65552 bytes"), "{}", patched(30, 1));
        assert!(patched(0, b'X').contains("byte 0: no RIFF header"));
        assert!(error(&header(0)[..40]).contains("ends in its header"));
        assert!(error(b"RIFF\0\0\0\0WAVEdata\0\0\0\0").contains("byte 12: data before its format"));
        assert!(error(b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff").contains("chunk of 4294967295 bytes"));
    }

    #[test]
    fn what_is_stored_in_another_way_becomes_pcm_as_it_is_everywhere_else() {
        // One channel at 300 Hz: three samples a packet.
        let read = |code: u16, bytes: u16, data: &[u8]| {
            let fmt = [&code.to_le_bytes()[..], b"\x01\0\x2c\x01\0\0\0\0\0\0", &bytes.to_le_bytes(), &(8 * bytes).to_le_bytes()].concat();
            let input = [b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0", &fmt[..], b"data", &(data.len() as u32).to_le_bytes(), data].concat();
            let (events, damage) = events_at_every_split(|| Demuxer::new(Timing::Stream), &input).unwrap();
            let [Event::Header(header), Event::Packet(packet)] = &events[..] else { panic!("{events:?}") };
            assert_eq!(damage, 0);
            (header.tracks[0].codec, packet.data.to_vec())
        };
        assert_eq!(read(6, 1, &[0xd5, 0x55]), (Codec::Pcm(SampleFormat::S16), [8i16, -8].map(i16::to_le_bytes).concat()));
        assert_eq!(read(7, 1, &[0x80, 0x00]), (Codec::Pcm(SampleFormat::S16), [32124i16, -32124].map(i16::to_le_bytes).concat()));
        assert_eq!(read(3, 8, &0.5f64.to_le_bytes()), (Codec::Pcm(SampleFormat::F32), 0.5f32.to_le_bytes().to_vec()));
    }
}
