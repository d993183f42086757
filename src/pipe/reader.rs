//! Bytes in, events out: sniffs the format, then drives its demuxer.

use super::feed::Feed;
use super::sniff::{self, Sniffed};
use super::{Error, InputFormat};
use crate::format::{Demuxer, Step, Timing, adts, annexb, bmff, mjpeg, mkv, wav, y4m};
use crate::media::{Clock, Event, Header, Timestamp, WallTime};
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
    feed: Feed,
    options: ReaderOptions,
    state: State,
    damage: u64,
    /// When the first byte came.
    start: Option<Start>,
}

enum State {
    Sniffing,
    Reading(InputFormat, Box<dyn Demuxer>),
    /// After the end or an error.
    Done(Option<InputFormat>),
}

#[derive(Clone, Copy)]
struct Start {
    at: Duration,
    wall: WallTime,
}

impl Reader {
    /// Reads nothing yet.
    pub fn new(input: impl Read + Send + 'static, options: ReaderOptions) -> Reader {
        Reader { feed: Feed::new(Box::new(input)), options, state: State::Sniffing, damage: 0, start: None }
    }

    /// The next event; `None` at the end of the input. An input of no bytes at all is an end like any other: the program
    /// before this one has said why.
    ///
    /// # Errors
    /// [`Error::Io`] of the input; [`Error::Malformed`] or [`Error::Unsupported`] where the format is not understood or
    /// breaks off beyond repair. After an error or the end there are no more events.
    #[expect(clippy::should_implement_trait, reason = "fallible pull; an Iterator of Results would go on after an error")]
    pub fn next(&mut self) -> Result<Option<Event>, Error> {
        let event = self.pull();
        if !matches!(event, Ok(Some(_))) {
            self.state = State::Done(self.format());
        }
        event
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

    fn pull(&mut self) -> Result<Option<Event>, Error> {
        if matches!(self.state, State::Sniffing) {
            let Some(format) = self.sniff()? else { return Ok(None) };
            tracing::debug!(input = self.options.name, %format, "reading");
            self.state = State::Reading(format, demuxer(format, self.options.timing));
        }
        loop {
            let now = self.now();
            let State::Reading(format, demuxer) = &mut self.state else { return Ok(None) };
            let format = *format;
            let step = demuxer.next(&mut self.feed.buf, self.feed.eof, now);
            self.damage = demuxer.damage();
            match step {
                Ok(Step::Event(event)) => return Ok(Some(self.finished(event, format))),
                Ok(Step::Need(_)) if self.feed.eof => return Ok(None),
                Ok(Step::Need(n)) => self.feed.fill(n.max(self.feed.buf.len() + 1)).map_err(|e| self.io(e))?,
                Ok(Step::Skip(n)) => self.feed.skip(n).map_err(|e| self.io(e))?,
                Ok(Step::End) => return Ok(None),
                Err(source) => return Err(Error::Malformed { name: self.options.name.clone(), source }),
            }
        }
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
        loop {
            match sniff::sniff(&self.feed.buf, self.feed.eof) {
                Sniffed::Format(format) => return Ok(Some(format)),
                Sniffed::Need(n) => self.feed.fill(n).map_err(|e| self.io(e))?,
                Sniffed::Unknown(source) => return Err(Error::Unsupported { name: self.options.name.clone(), source }),
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
            Event::Header(Header { tracks, time_zero: None }) if !format.has_times() => {
                Event::Header(Header { tracks, time_zero: self.start.map(|start| start.wall) })
            }
            Event::Header(_) => event,
            Event::Packet(ref packet) => {
                self.feed.lend(&packet.data);
                event
            }
        }
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
        InputFormat::Jpeg => Box::new(mjpeg::Concatenated::new(timing)),
        InputFormat::Multipart => Box::new(mjpeg::Multipart::new(timing)),
        InputFormat::Adts => Box::new(adts::Demuxer::new(timing)),
        InputFormat::Wav => Box::new(wav::Demuxer::new(timing)),
    }
}
