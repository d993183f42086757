//! Bytes in, events out: sniffs the format, then drives its demuxer.

use super::arrival_clock::ArrivalClock;
use super::input_buffer::InputBuffer;
use super::omission_log::OmissionLog;
use super::sniff::{self, Sniffed};
use super::track_normalizer::TrackNormalizer;
use super::{Error, InputFormat};
use crate::format::{Demuxer, Step, Timing, adts, annexb, bmff, flv, mjpeg, mkv, mp3, mpegts, nut, tags, wav, y4m};
use crate::media::{Clock, Event, Header, Malformed};
use std::io::{self, Read};
use std::sync::Arc;

/// How to read.
pub struct ReaderOptions {
    /// Name of the input in errors: `stdin`, a file name.
    pub name: String,
    /// `None`: find out by looking at the first bytes.
    pub format: Option<InputFormat>,
    /// Times for formats that have none of their own.
    pub timing: Timing,
    /// Read for [`Timing::Arrival`] only.
    pub clock: Arc<dyn Clock>,
}

/// Turns the bytes of any supported format into events.
pub struct Reader {
    input: InputBuffer,
    options: ReaderOptions,
    state: State,
    damage: u64,
    /// What the demuxer lacks to go on.
    want: Option<Want>,
    arrival: ArrivalClock,
    /// Bytes before what the demuxer was given: tags.
    before: u64,
    omissions: OmissionLog,
    tracks: TrackNormalizer,
    /// To be given out first.
    pending: Option<Event>,
}

enum State {
    Sniffing,
    Reading(InputFormat, Box<dyn Demuxer>),
    /// After the end or an error.
    Done(Option<InputFormat>),
}

#[derive(Clone, Copy)]
enum Want {
    /// So many bytes in the buffer.
    Bytes(usize),
    /// To be past so many bytes.
    Skip(u64),
}

impl Reader {
    /// Reads nothing yet.
    pub fn new(input: impl Read + Send + 'static, options: ReaderOptions) -> Reader {
        Reader {
            input: InputBuffer::new(Box::new(input)),
            arrival: ArrivalClock::new(Arc::clone(&options.clock)),
            options,
            state: State::Sniffing,
            damage: 0,
            want: None,
            before: 0,
            omissions: OmissionLog::default(),
            tracks: TrackNormalizer::default(),
            pending: None,
        }
    }

    /// With the omissions that another reader of the same input has warned of already.
    #[must_use]
    pub fn with_omissions(self, omissions: OmissionLog) -> Reader {
        Reader { omissions, ..self }
    }

    /// The omissions that were warned of so far.
    pub fn omissions(&self) -> OmissionLog {
        self.omissions.clone()
    }

    /// The next event; `None` at the end of the input. An input of no bytes at all is an end like any other: the program
    /// before this one has said why.
    ///
    /// # Errors
    /// [`Error::Io`] of the input; [`Error::Malformed`] or [`Error::Unsupported`] where the format is not understood or
    /// breaks off beyond repair. After an error or the end there are no more events.
    #[expect(clippy::should_implement_trait, reason = "fallible pull; an Iterator of Results would go on after an error")]
    pub fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            match self.next_read()? {
                None if !matches!(self.state, State::Done(_)) => self.read().inspect_err(|_| self.end())?,
                event => return Ok(event),
            }
        }
    }

    /// The next event, where it takes no reading. `None`: that was all for now, and [`next`](Reader::next) may wait. So a stage that
    /// gathers its output knows when to let it go.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Unsupported`], as of [`next`](Reader::next).
    pub fn next_read(&mut self) -> Result<Option<Event>, Error> {
        if self.pending.is_some() {
            return Ok(self.pending.take());
        }
        if self.want.is_some() {
            return Ok(None);
        }
        let now = self.arrival.now();
        let State::Reading(format, demuxer) = &mut self.state else { return Ok(None) };
        let format = *format;
        let step = demuxer.next(&mut self.input.buf, self.input.eof, now);
        let damage = demuxer.damage();
        if matches!(step, Ok(Step::Event(_) | Step::End) | Err(_)) {
            self.omissions.warn(&self.options.name, demuxer.omitted());
        }
        self.watch_damage(damage);
        match step {
            Ok(Step::Event(event)) => return Ok(Some(self.finished(event, format))),
            Ok(Step::Need(n)) if !self.input.eof => self.want = Some(Want::Bytes(n.max(self.input.buf.len() + 1))),
            Ok(Step::Skip(n)) => self.want = Some(Want::Skip(n)),
            Ok(Step::Need(_) | Step::End) => self.end(),
            Err(source) => {
                self.end();
                return Err(self.malformed(source));
            }
        }
        Ok(None)
    }

    /// The input's format, once it is known.
    pub fn format(&self) -> Option<InputFormat> {
        match &self.state {
            State::Sniffing => self.options.format,
            State::Reading(format, _) => Some(*format),
            State::Done(format) => *format,
        }
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.input.bytes
    }

    /// Damaged elements passed over so far.
    pub fn damage(&self) -> u64 {
        self.damage
    }

    /// Reads what the demuxer lacks; at first, enough to choose a demuxer.
    fn read(&mut self) -> Result<(), Error> {
        match self.want.take() {
            Some(Want::Bytes(n)) => self.input.fill(n).map_err(|e| self.io(e))?,
            Some(Want::Skip(n)) => self.input.skip(n).map_err(|e| self.io(e))?,
            None => match self.sniff()? {
                Some(format) => {
                    tracing::debug!(input = self.options.name, %format, "reading");
                    self.state = State::Reading(format, demuxer(format, self.options.timing));
                }
                None => self.end(),
            },
        }
        Ok(())
    }

    fn end(&mut self) {
        self.state = State::Done(self.format());
    }

    /// With a position in any case: where the demuxer names none, that of the first byte which it did not use.
    fn malformed(&self, source: Malformed) -> Error {
        let at = source.at.map_or(self.input.bytes - self.input.buf.len() as u64, |at| at + self.before);
        Error::Malformed { name: self.options.name.clone(), source: source.at(at) }
    }

    /// `None`: the input is empty.
    fn sniff(&mut self) -> Result<Option<InputFormat>, Error> {
        self.input.fill(1).map_err(|e| self.io(e))?;
        if self.input.buf.is_empty() {
            tracing::info!(input = self.options.name, "the input is empty");
            return Ok(None);
        }
        if self.options.timing == Timing::Arrival {
            self.arrival.start();
        }
        if self.options.format.is_some() {
            return Ok(self.options.format);
        }
        self.pass_tags().map_err(|e| self.io(e))?;
        loop {
            match sniff::sniff(&self.input.buf, self.input.eof) {
                Sniffed::Format(format) => return Ok(Some(format)),
                Sniffed::Need(n) => self.input.fill(n).map_err(|e| self.io(e))?,
                Sniffed::Unknown(source) => return Err(Error::Unsupported { name: self.options.name.clone(), source }),
            }
        }
    }

    /// Tags of any length, which several formats may have before them, say nothing of what comes.
    fn pass_tags(&mut self) -> io::Result<()> {
        loop {
            match tags::id3v2(&self.input.buf) {
                tags::Tag::Need(n) if !self.input.eof => self.input.fill(n)?,
                tags::Tag::Length(n) => {
                    let here = n.min(self.input.buf.len() as u64);
                    drop(self.input.buf.split_to(here as usize));
                    self.input.skip(n - here)?;
                    self.before += n;
                    self.input.fill(1)?;
                }
                tags::Tag::Need(_) | tags::Tag::No => return Ok(()),
            }
        }
    }

    /// Completes an event of the demuxer. If another event has to come before it, gives that one first.
    fn finished(&mut self, event: Event, format: InputFormat) -> Event {
        match event {
            Event::Header(header) => {
                self.tracks.header(&header);
                if header.time_zero.is_some() || format.has_times() {
                    return Event::Header(header);
                }
                Event::Header(Header { time_zero: self.arrival.time_zero(), ..header })
            }
            Event::TimeZero(_) => event,
            Event::Packet(packet) => {
                self.input.lend(&packet.data);
                let event = Event::Packet(self.tracks.packet(packet, &self.options.name));
                match self.arrival.new_time_zero() {
                    Some(zero) => {
                        self.pending = Some(event);
                        Event::TimeZero(zero)
                    }
                    None => event,
                }
            }
        }
    }

    /// Says once that something was damaged; how much, is counted.
    fn watch_damage(&mut self, damage: u64) {
        if self.damage == 0 && damage > 0 && !self.input.eof {
            let at = self.input.bytes - self.input.buf.len() as u64;
            tracing::warn!("{}: near byte {at}: damaged data is passed over", self.options.name);
        }
        self.damage = damage;
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { name: self.options.name.clone(), source }
    }
}

fn demuxer(format: InputFormat, timing: Timing) -> Box<dyn Demuxer> {
    match format {
        InputFormat::Matroska => Box::new(mkv::Demuxer::default()),
        InputFormat::Mp4 => Box::new(bmff::Demuxer::default()),
        InputFormat::H264 => Box::new(annexb::Demuxer::h264(timing)),
        InputFormat::H265 => Box::new(annexb::Demuxer::h265(timing)),
        InputFormat::Y4m => Box::new(y4m::Demuxer::new(timing)),
        InputFormat::Jpeg => Box::new(mjpeg::Demuxer::concatenated(timing)),
        InputFormat::Multipart => Box::new(mjpeg::Demuxer::multipart(timing)),
        InputFormat::Adts => Box::new(adts::Demuxer::new(timing)),
        InputFormat::Mp3 => Box::new(mp3::Demuxer::new(timing)),
        InputFormat::Wav => Box::new(wav::Demuxer::new(timing)),
        InputFormat::Nut => Box::new(nut::Demuxer::default()),
        InputFormat::Flv => Box::new(flv::Demuxer::default()),
        InputFormat::MpegTs => Box::new(mpegts::Demuxer::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
    use crate::media::{Codec, ManualClock, Packet, PixelFormat, Rate, Timestamp, Track, VideoParams, WallTime};
    use crate::pipe::Writer;
    use bytes::Bytes;
    use std::collections::VecDeque;
    use std::io::Cursor;
    use std::sync::Mutex;
    use std::time::Duration;

    fn options(timing: Timing) -> ReaderOptions {
        ReaderOptions { name: "test".into(), format: None, timing, clock: Arc::new(ManualClock::default()) }
    }

    fn all(mut reader: Reader) -> Result<Vec<Event>, Error> {
        std::iter::from_fn(|| reader.next().transpose()).collect()
    }

    fn read(bytes: Vec<u8>) -> Result<Vec<Event>, Error> {
        all(Reader::new(Cursor::new(bytes), options(Timing::Stream)))
    }

    fn raw(width: u32, height: u32, frames: u8) -> Vec<Event> {
        let video = VideoParams { rate: Rate::new(25, 1), ..VideoParams::new(width, height) };
        let len = PixelFormat::Gray.picture_size(width, height);
        let header = Event::Header(Header { tracks: [Track::video(Codec::Raw(PixelFormat::Gray), video)].into(), time_zero: None });
        let packet =
            |n: u8| Packet { track: 0, pts: Timestamp(i64::from(n) * 40_000), key: true, data: Bytes::from(vec![n; len]), hidden: false };
        std::iter::once(header).chain((0..frames).map(|n| Event::Packet(packet(n)))).collect()
    }

    fn written(events: &[Event]) -> Vec<Vec<u8>> {
        let mut writer = Writer::new(Vec::new());
        let mut ends = vec![0];
        for event in events {
            writer.write(event).unwrap();
            ends.push(writer.written() as usize);
        }
        let bytes = writer.into_inner();
        ends.windows(2).map(|w| bytes[w[0]..w[1]].to_vec()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        for events in [raw(8, 8, 50), raw(640, 480, 5), raw(1920, 1080, 4), [raw(8, 8, 2), raw(640, 480, 2)].concat()] {
            assert_eq!(read(written(&events).concat()).unwrap(), events);
        }
    }

    /// Gives one piece a call, and notes it.
    struct ScriptedInput {
        pieces: VecDeque<Vec<u8>>,
        given: Arc<Mutex<usize>>,
    }

    impl Read for ScriptedInput {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let Some(mut piece) = self.pieces.pop_front() else { return Ok(0) };
            let n = piece.len().min(buf.len());
            buf[..n].copy_from_slice(&piece[..n]);
            if n < piece.len() {
                self.pieces.push_front(piece.split_off(n));
            } else {
                *self.given.lock().unwrap() += 1;
            }
            Ok(n)
        }
    }

    /// For each packet: how many pieces had been read when it came out.
    fn pieces_read(pieces: Vec<Vec<u8>>) -> Vec<usize> {
        let given = Arc::new(Mutex::new(0));
        let input = ScriptedInput { pieces: pieces.into(), given: Arc::clone(&given) };
        let mut reader = Reader::new(input, options(Timing::Stream));
        let mut at = Vec::new();
        while let Some(event) = reader.next().unwrap() {
            if let Event::Packet(_) = event {
                at.push(*given.lock().unwrap());
            }
        }
        at
    }

    /// Each packet is out before the first byte of the next frame is read: in every format whose frames say where they end.
    #[test]
    fn no_frame_is_held_back() {
        let adts = |data: &[u8]| [&AdtsHeader::build(&AudioSpecificConfig::lc(48_000, 2), data.len()).unwrap()[..], data].concat();
        let jpeg = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x20\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\xaa\xff\xd9";
        let part = |head: &str| [head.as_bytes(), jpeg].concat();
        let streams: [Vec<Vec<u8>>; 6] = [
            written(&raw(1920, 1080, 5))[..].to_vec(),
            std::iter::once(b"YUV4MPEG2 W4 H2 Cmono\n".to_vec()).chain((0..5).map(|_| b"FRAME\npictures".to_vec())).collect(),
            vec![jpeg.to_vec(); 5],
            vec![part("--b\r\nContent-Type: image/jpeg\r\n\r\n"); 5],
            vec![part(&format!("--b\r\nContent-Length: {}\r\n\r\n", jpeg.len())); 5],
            // The first two are needed to know ADTS when one sees it.
            std::iter::once([adts(b"one"), adts(b"two")].concat()).chain((0..4).map(|_| adts(b"three"))).collect(),
        ];
        for (kind, pieces) in streams.into_iter().enumerate() {
            let expected: Vec<_> = match kind {
                0 | 1 => (2..=6).collect(),
                5 => vec![1, 1, 2, 3, 4, 5],
                _ => (1..=5).collect(),
            };
            assert_eq!(pieces_read(pieces), expected, "stream {kind}");
        }
    }

    #[test]
    fn what_was_read_comes_without_reading() {
        let mut pieces = written(&raw(64, 64, 5));
        let rest = pieces.split_off(3).concat();
        let given = Arc::default();
        let input = ScriptedInput { pieces: [pieces.concat(), rest].into(), given: Arc::clone(&given) };
        let mut reader = Reader::new(input, options(Timing::Stream));
        let mut read =
            || (std::iter::from_fn(|| reader.next_read().unwrap()).count(), reader.next().unwrap().is_some(), *given.lock().unwrap());
        assert_eq!(read(), (0, true, 1), "the header");
        assert_eq!(read(), (2, true, 2), "two of the first piece, one of the second");
        assert_eq!(read().0, 2);
    }

    #[test]
    fn live_times_begin_with_the_first_byte() {
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(100));
        let wall = clock.wall();
        /// Each read takes 40 ms.
        struct Slow(Arc<ManualClock>, VecDeque<Vec<u8>>);
        impl Read for Slow {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.advance(Duration::from_millis(40));
                let piece = self.1.pop_front().unwrap_or_default();
                buf[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
        }
        let pieces = [b"YUV4MPEG2 W4 H2 Cmono\nFRAME\npictures".to_vec(), b"FRAME\npictures".to_vec(), b"FRAME\npictures".to_vec()];
        let options = ReaderOptions { clock: Arc::<ManualClock>::clone(&clock), ..options(Timing::Arrival) };
        let events = all(Reader::new(Slow(Arc::clone(&clock), pieces.into()), options)).unwrap();
        let Event::Header(header) = &events[0] else { panic!() };
        assert_eq!(header.time_zero, Some(WallTime(wall.0 + 40_000)));
        let times: Vec<_> = events.iter().filter_map(|e| if let Event::Packet(p) = e { Some(p.pts.micros()) } else { None }).collect();
        assert_eq!(times, [0, 40_000, 80_000]);
    }

    /// Gives one frame a read; before the third one the wall clock is set back by an hour.
    struct Set(Arc<ManualClock>, usize);

    impl Read for Set {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            const PIECES: [&[u8]; 4] =
                [b"YUV4MPEG2 W4 H2 Cmono\nFRAME\npictures", b"FRAME\npictures", b"FRAME\npictures", b"FRAME\npictures"];
            self.0.advance(Duration::from_millis(40));
            let Some(piece) = PIECES.get(self.1) else { return Ok(0) };
            self.1 += 1;
            if self.1 == 3 {
                self.0.step(-3_600_000_000);
            }
            buf[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn live_times_go_on_when_the_wall_clock_is_set() {
        let clock = Arc::new(ManualClock::default());
        let wall = clock.wall().0;
        let options = ReaderOptions { clock: Arc::<ManualClock>::clone(&clock), ..options(Timing::Arrival) };
        let events = all(Reader::new(Set(Arc::clone(&clock), 0), options)).unwrap();
        let show = |event: &Event| match event {
            Event::Header(header) => format!("zero {}", header.time_zero.unwrap().0 - wall),
            Event::TimeZero(zero) => format!("zero {}", zero.0 - wall),
            Event::Packet(packet) => packet.pts.micros().to_string(),
        };
        let shown: Vec<String> = events.iter().map(show).collect();
        assert_eq!(shown, ["zero 40000", "0", "40000", "zero -3599960000", "80000", "120000"]);
    }

    #[test]
    fn tags_do_not_hide_what_comes_behind_them() {
        let adts = |data: &[u8]| [&AdtsHeader::build(&AudioSpecificConfig::lc(48_000, 2), data.len()).unwrap()[..], data].concat();
        let picture = [&b"ID3\x03\0\0\0\x08\0\0"[..], &[0xff; 1 << 17]].concat();
        let stream = [&picture[..], b"ID3\x04\0\x10\0\0\0\0footer-10.", &adts(b"one"), &adts(b"two")].concat();
        assert_eq!(read(stream).unwrap().len(), 3);
        let named = |bytes: &[u8]| match read([&picture[..], bytes].concat()) {
            Err(Error::Unsupported { source, .. }) => source.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(named(b"OggS").contains("Ogg"));
        assert!(named(b"fLaC").contains("FLAC"));
        assert!(named(b"").contains("nothing"), "{}", named(b""));
    }

    #[test]
    fn errors_name_the_input_and_are_final() {
        let mut reader = Reader::new(Cursor::new(b"hello, world".to_vec()), options(Timing::Stream));
        let error = reader.next().unwrap_err();
        assert_eq!(error.to_string(), "test");
        assert!(matches!(error, Error::Unsupported { .. }));
        assert!(matches!(reader.next(), Ok(None)));
        assert!(matches!(read(b"\x1A\x45\xDF\xA3".to_vec()), Err(Error::Malformed { .. })));
        assert_eq!(read(Vec::new()).unwrap(), []);
    }

    #[test]
    fn the_format_can_be_said() {
        let options = ReaderOptions { format: Some(InputFormat::Y4m), ..options(Timing::Stream) };
        let mut reader = Reader::new(Cursor::new(b"\x1A\x45\xDF\xA3".to_vec()), options);
        assert_eq!(reader.format(), Some(InputFormat::Y4m));
        let Err(Error::Malformed { source, .. }) = reader.next() else { panic!() };
        assert_eq!(source.format, "YUV4MPEG2");
    }

    #[test]
    fn a_size_of_2_to_the_60_costs_nothing() {
        // The largest picture that is taken, of which nothing comes: asked for, but never touched.
        let mut bytes = written(&raw(16384, 16384, 0)).concat();
        bytes.extend_from_slice(&mkv::cluster_prefix(0, Timestamp::ZERO, true, 256 << 20));
        let events = read(bytes).unwrap();
        assert_eq!(events.len(), 1);
        let mut bytes = written(&raw(8, 8, 1)).concat();
        bytes.extend_from_slice(b"\x1F\x43\xB6\x75\x01\x10\0\0\0\0\0\0\xE7\x81\0\xA3\x01\x10\0\0\0\0\0\0\x81\0\0\x80");
        let mut reader = Reader::new(Cursor::new(bytes), options(Timing::Stream));
        while reader.next().unwrap().is_some() {}
        assert_eq!(reader.damage(), 1);
    }
}
