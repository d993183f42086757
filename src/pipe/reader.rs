//! Bytes in, events out: sniffs the format, then drives its demuxer.

use super::input_buffer::InputBuffer;
use super::sniff::{self, Sniffed};
use super::zero::FromZero;
use super::{Error, InputFormat};
use crate::codec::{self, start::Starts};
use crate::format::{Demuxer, Step, Timing, adts, annexb, bmff, mjpeg, mkv, mp3, nut, tags, wav, y4m};
use crate::media::{
    Clock, Codec, Event, Header, Malformed, OmittedTrack, Packet, TimeWatch, Timestamp, Track, WallTime, ZeroWatch, omitted_line,
    step_back_line,
};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

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
    feed: InputBuffer,
    options: ReaderOptions,
    state: State,
    damage: u64,
    /// What the demuxer lacks to go on.
    want: Option<Want>,
    /// When the first byte came.
    start: Option<Start>,
    /// Bytes before what the demuxer was given: tags.
    before: u64,
    said: Said,
    /// The time zero that this reader gave, not the input.
    zero: Option<ZeroWatch>,
    /// To be given out first.
    held: Option<Event>,
    from_zero: FromZero,
    /// For each track of H.264.
    starts: Vec<Option<Starts>>,
    times: TimeWatch,
    /// How far, in microseconds, each track's times may go back by reordering.
    slack: Vec<i64>,
}

/// Which tracks were said to be left out, so that an input which is read again says it no more.
#[derive(Clone, Debug, Default)]
pub struct Said(Vec<OmittedTrack>);

impl Said {
    /// Says it in one warning, as far as it was not said before.
    pub fn omitted(&mut self, input: &str, tracks: Vec<OmittedTrack>) {
        /// More than this is never kept: a hostile stream has a new one in every header.
        const MAX: usize = 256;
        let new: Vec<_> = tracks.into_iter().filter(|track| !self.0.contains(track)).collect();
        if !new.is_empty() && self.0.len() < MAX {
            tracing::warn!("{input}: left out: {}", omitted_line(&new));
            self.0.extend(new);
        }
    }
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

#[derive(Clone, Copy)]
struct Start {
    at: Duration,
    wall: WallTime,
}

impl Reader {
    /// Reads nothing yet.
    pub fn new(input: impl Read + Send + 'static, options: ReaderOptions) -> Reader {
        Reader {
            feed: InputBuffer::new(Box::new(input)),
            options,
            state: State::Sniffing,
            damage: 0,
            want: None,
            start: None,
            before: 0,
            said: Said::default(),
            zero: None,
            held: None,
            from_zero: FromZero::default(),
            starts: Vec::new(),
            times: TimeWatch::default(),
            slack: Vec::new(),
        }
    }

    /// With what a reader of the same input has said already.
    #[must_use]
    pub fn knowing(self, said: Said) -> Reader {
        Reader { said, ..self }
    }

    /// What has been said so far.
    pub fn said(&self) -> Said {
        self.said.clone()
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
        if self.held.is_some() {
            return Ok(self.held.take());
        }
        if self.want.is_some() {
            return Ok(None);
        }
        let now = self.now();
        let State::Reading(format, demuxer) = &mut self.state else { return Ok(None) };
        let format = *format;
        let step = demuxer.next(&mut self.feed.buf, self.feed.eof, now);
        let damage = demuxer.damage();
        if matches!(step, Ok(Step::Event(Event::Header(_)) | Step::End) | Err(_)) {
            self.said.omitted(&self.options.name, demuxer.omitted());
        }
        self.watch_damage(damage);
        match step {
            Ok(Step::Event(event)) => return Ok(Some(self.finished(event, format))),
            Ok(Step::Need(n)) if !self.feed.eof => self.want = Some(Want::Bytes(n.max(self.feed.buf.len() + 1))),
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
        self.feed.bytes
    }

    /// Damaged elements passed over so far.
    pub fn damage(&self) -> u64 {
        self.damage
    }

    /// Reads what the demuxer lacks; at first, enough to choose a demuxer.
    fn read(&mut self) -> Result<(), Error> {
        match self.want.take() {
            Some(Want::Bytes(n)) => self.feed.fill(n).map_err(|e| self.io(e))?,
            Some(Want::Skip(n)) => self.feed.skip(n).map_err(|e| self.io(e))?,
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
        let at = source.at.map_or(self.feed.bytes - self.feed.buf.len() as u64, |at| at + self.before);
        Error::Malformed { name: self.options.name.clone(), source: source.at(at) }
    }

    /// `None`: the input is empty.
    fn sniff(&mut self) -> Result<Option<InputFormat>, Error> {
        self.feed.fill(1).map_err(|e| self.io(e))?;
        if self.feed.buf.is_empty() {
            tracing::info!(input = self.options.name, "the input is empty");
            return Ok(None);
        }
        if self.options.timing == Timing::Arrival {
            self.start = Some(Start { at: self.options.clock.now(), wall: self.options.clock.wall() });
        }
        if self.options.format.is_some() {
            return Ok(self.options.format);
        }
        self.pass_tags().map_err(|e| self.io(e))?;
        loop {
            match sniff::sniff(&self.feed.buf, self.feed.eof) {
                Sniffed::Format(format) => return Ok(Some(format)),
                Sniffed::Need(n) => self.feed.fill(n).map_err(|e| self.io(e))?,
                Sniffed::Unknown(source) => return Err(Error::Unsupported { name: self.options.name.clone(), source }),
            }
        }
    }

    /// Tags of any length, which several formats may have before them, say nothing of what comes.
    fn pass_tags(&mut self) -> io::Result<()> {
        loop {
            match tags::id3v2(&self.feed.buf) {
                tags::Tag::Need(n) if !self.feed.eof => self.feed.fill(n)?,
                tags::Tag::Length(n) => {
                    let here = n.min(self.feed.buf.len() as u64);
                    drop(self.feed.buf.split_to(here as usize));
                    self.feed.skip(n - here)?;
                    self.before += n;
                    self.feed.fill(1)?;
                }
                tags::Tag::Need(_) | tags::Tag::No => return Ok(()),
            }
        }
    }

    /// Stream time at which the newest byte came.
    fn now(&self) -> Timestamp {
        match self.start {
            Some(start) => Timestamp::ZERO.saturating_add(self.options.clock.now().saturating_sub(start.at)),
            None => Timestamp::ZERO,
        }
    }

    fn finished(&mut self, event: Event, format: InputFormat) -> Event {
        match event {
            Event::Header(header) => {
                self.from_zero.header(&header);
                self.starts = header.tracks.iter().map(|t| (t.codec == Codec::H264).then(Starts::default)).collect();
                self.slack = header.tracks.iter().map(reordering).collect();
                if header.time_zero.is_some() || format.has_times() {
                    return Event::Header(header);
                }
                self.zero = self.zero.take().or_else(|| self.start.map(|start| ZeroWatch::new(start.wall, &*self.options.clock)));
                Event::Header(Header { time_zero: self.zero.as_ref().map(ZeroWatch::zero), ..header })
            }
            Event::TimeZero(_) => event,
            Event::Packet(packet) => {
                self.feed.lend(&packet.data);
                self.watch_time(&packet);
                let starts = self.starts.get_mut(packet.track).and_then(Option::as_mut);
                let key = starts.map_or(packet.key, |starts| starts.is_start(&packet));
                let event = Event::Packet(Packet { pts: self.from_zero.time(&packet), key, ..packet });
                match self.zero.as_mut().and_then(|zero| zero.moved(&*self.options.clock)) {
                    Some(zero) => {
                        self.held = Some(event);
                        Event::TimeZero(zero)
                    }
                    None => event,
                }
            }
        }
    }

    /// Says once that times go back.
    fn watch_time(&mut self, packet: &Packet) {
        let Some(&slack) = self.slack.get(packet.track) else { return };
        let track = u32::try_from(packet.track).unwrap_or(u32::MAX);
        if let Some(back) = self.times.step_back(track, packet.pts.micros(), slack) {
            tracing::warn!("{}", step_back_line(&self.options.name, back));
        }
    }

    /// Says once that something was damaged; how much, is counted.
    fn watch_damage(&mut self, damage: u64) {
        if self.damage == 0 && damage > 0 && !self.feed.eof {
            let at = self.feed.bytes - self.feed.buf.len() as u64;
            tracing::warn!("{}: near byte {at}: damaged data is passed over", self.options.name);
        }
        self.damage = damage;
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { name: self.options.name.clone(), source }
    }
}

/// How far a track's presentation times go back in a sound stream, in microseconds, with room.
fn reordering(track: &Track) -> i64 {
    const ROOM: i64 = 100_000;
    const FRAME: Duration = Duration::from_millis(40);
    let frame = i64::try_from(track.frame_duration.unwrap_or(FRAME).as_micros()).unwrap_or(i64::MAX);
    // A frame that is shown after all those between it and the one before: x264 has 16 at most.
    let frames = if codec::reorder_depth(track) > 0 { 32 } else { 1 };
    frame.saturating_mul(frames).saturating_add(ROOM)
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
    use crate::media::{ManualClock, PixelFormat, Rate, VideoParams};
    use crate::pipe::Writer;
    use bytes::Bytes;
    use std::collections::VecDeque;
    use std::io::Cursor;
    use std::sync::Mutex;

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
    struct Pieces {
        pieces: VecDeque<Vec<u8>>,
        given: Arc<Mutex<usize>>,
    }

    impl Read for Pieces {
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
        let input = Pieces { pieces: pieces.into(), given: Arc::clone(&given) };
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
        let input = Pieces { pieces: [pieces.concat(), rest].into(), given: Arc::clone(&given) };
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
