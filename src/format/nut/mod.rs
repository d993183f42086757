//! NUT (the specification is `nut.txt` of the NUT project; ffmpeg writes it), which holds no frame back: each says its length first.
//!
//! ```text
//!   "nut/multimedia container\0"
//!   main header, stream headers, info                    N, 7 bytes, length, data, checksum
//!   syncpoint  frame  frame  frame  …  syncpoint  …       code, fields that the code does not imply, data
//! ```
//!
//! A syncpoint makes all times absolute: after damage, reading goes on at the next one.

mod headers;
mod stream;
mod syntax;

use super::simple::{Progress, SimpleDemuxer};
use super::{MAX_PICTURE, Step};
use crate::media::{Event, Header, Malformed, OmittedTrack, Packet, Timestamp, Track, omitted_line};
use bytes::{Buf, Bytes, BytesMut};
use headers::{Main, flag};
use std::collections::VecDeque;
use stream::Stream;
use syntax::{FILE_ID, Fields, STARTCODES};

const FORMAT: &str = "NUT";

/// Headers take some hundred bytes, with configurations of codecs some kilobytes.
const MAX_HEADER: u64 = 1 << 20;
/// A frame's fields take some ten bytes.
const MAX_FRAME_HEAD: usize = 4096;
/// Packets that wait for parameter sets.
const MAX_HELD_PACKETS: usize = 512;
const MAX_HELD_BYTES: usize = 64 << 20;
/// How far a syncpoint is looked for. Between two of them may be a large raw picture.
const MAX_GARBAGE: u64 = 2 * MAX_PICTURE as u64;

/// [`super::Demuxer`] of NUT. Another file behind the first, as of a new writer on a FIFO, is a new [`Header`].
pub struct Demuxer {
    at: u64,
    state: State,
    main: Option<Main>,
    streams: Vec<Stream>,
    /// The time of each stream's last frame, in its ticks. By stream.
    last: Vec<i64>,
    /// Index in the header that was given out. By stream; `None` while there is no header.
    tracks: Option<Vec<Option<usize>>>,
    held: Vec<(u64, Packet)>,
    held_bytes: usize,
    ready: VecDeque<Event>,
    /// Not yet reported.
    omitted: Vec<OmittedTrack>,
    damage: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At a packet or frame.
    InSync,
    /// Headers are looked for: at the start, where there is no file ID.
    Start { since: u64 },
    /// A syncpoint is looked for.
    Lost { since: u64 },
}

/// What a frame's head says.
struct Frame {
    stream: u64,
    pts: i64,
    key: bool,
    /// Bytes of the head, and of the data behind it.
    head: usize,
    data: usize,
    elision: usize,
    has_side_data: bool,
}

/// Why there is no frame.
enum NoFrame {
    /// More bytes are needed.
    Short,
    /// There is none.
    Damaged,
}

impl Default for Demuxer {
    fn default() -> Demuxer {
        Demuxer {
            at: 0,
            state: State::Start { since: 0 },
            main: None,
            streams: Vec::new(),
            last: Vec::new(),
            tracks: None,
            held: Vec::new(),
            held_bytes: 0,
            ready: VecDeque::new(),
            omitted: Vec::new(),
            damage: 0,
        }
    }
}

impl Demuxer {
    /// At the start of a packet, a frame, or another file.
    fn element(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        if buf.is_empty() {
            return Ok(Progress::Need(1));
        }
        if buf[0] == FILE_ID[0] && buf.iter().zip(FILE_ID).all(|(a, b)| a == b) {
            if buf.len() < FILE_ID.len() {
                return Ok(Progress::Need(FILE_ID.len()));
            }
            self.take(buf, FILE_ID.len());
            self.main = None;
            return Ok(Progress::Go);
        }
        if buf[0] == b'N' { self.packet(buf) } else { self.frame(buf) }
    }

    /// A packet: startcode, length of what follows, a checksum of these where it is long; data, checksum.
    fn packet(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        let mut f = Fields::new(buf);
        f.at = 8;
        let Some(length) = f.number() else {
            return Ok(if buf.len() < 8 + 10 { Progress::Need(buf.len() + 1) } else { self.lose() });
        };
        let lead = f.at;
        let head = if length > 4096 { lead + 4 } else { lead };
        if buf.len() < head {
            return Ok(Progress::Need(head));
        }
        if head > lead && syntax::checksum(&buf[..head]) != 0 || length < 4 {
            return Ok(self.lose());
        }
        let kind = STARTCODES.iter().find(|(code, _)| buf.starts_with(code)).map(|(_, kind)| *kind);
        let Some(kind) = kind.filter(|kind| *kind != syntax::Packet::Index) else {
            return Ok(self.pass(buf, (head as u64).saturating_add(length)));
        };
        if length > MAX_HEADER {
            return Ok(self.lose());
        }
        let whole = head + length as usize;
        if buf.len() < whole {
            return Ok(Progress::Need(whole));
        }
        if syntax::checksum(&buf[head..whole]) != 0 {
            return Ok(self.lose());
        }
        let data = self.take(buf, whole).slice(head..whole - 4);
        let understood = match kind {
            syntax::Packet::Main => self.main_header(&data).map_err(|e| e.at(self.at - whole as u64))?,
            syntax::Packet::Stream => self.stream_header(&data),
            syntax::Packet::Syncpoint => self.syncpoint(&data)?,
            syntax::Packet::Info => self.info(&data),
            syntax::Packet::Index => Some(()),
        };
        Ok(if understood.is_some() { Progress::Go } else { self.lose() })
    }

    /// A header that says the same again changes nothing.
    fn main_header(&mut self, data: &[u8]) -> Result<Option<()>, Malformed> {
        let Some(main) = Main::parse(data) else {
            return match &self.main {
                Some(_) => Ok(None),
                None => Err(Malformed::new(FORMAT, "the main header is damaged, or of a version that is not known")),
            };
        };
        if self.main.as_ref() != Some(&main) {
            self.main = Some(main);
            (self.streams, self.last, self.tracks) = (Vec::new(), Vec::new(), None);
            (self.held, self.held_bytes) = (Vec::new(), 0);
        }
        Ok(Some(()))
    }

    fn stream_header(&mut self, data: &[u8]) -> Option<()> {
        let stream = Stream::parse(self.main.as_ref()?, data)?;
        // Headers that come again are for readers that begin in the middle.
        if self.tracks.is_none() && self.streams.iter().all(|known| known.id != stream.id) {
            self.streams.push(stream);
            self.last.push(0);
        }
        Some(())
    }

    fn info(&mut self, data: &[u8]) -> Option<()> {
        if let (None, Some((id, rate))) = (&self.tracks, headers::frame_rate(data))
            && let Some(content) = self.streams.iter_mut().find(|s| s.id == id).and_then(|s| s.content.as_mut().ok())
        {
            content.set_rate(rate);
        }
        Some(())
    }

    fn syncpoint(&mut self, data: &[u8]) -> Result<Option<()>, Malformed> {
        let Some(main) = &self.main else { return Ok(None) };
        let Some((ticks, base)) = Fields::new(data).number().and_then(|value| main.time(value)) else { return Ok(None) };
        for (stream, last) in self.streams.iter().zip(&mut self.last) {
            *last = stream.base.of(ticks, base);
        }
        self.announce()?;
        Ok(Some(()))
    }

    fn frame(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        let frame = match self.frame_head(buf) {
            Ok(frame) => frame,
            Err(NoFrame::Short) if buf.len() < MAX_FRAME_HEAD => return Ok(Progress::Need(buf.len() + 1)),
            Err(_) => return Ok(self.lose()),
        };
        let whole = frame.head + frame.data;
        let Some(index) = self.streams.iter().position(|s| s.id == frame.stream) else { return Ok(self.lose()) };
        if self.streams[index].content.is_err() {
            self.last[index] = frame.pts;
            return Ok(self.pass(buf, whole as u64));
        }
        if buf.len() < whole {
            return Ok(Progress::Need(whole));
        }
        self.last[index] = frame.pts;
        let data = self.take(buf, whole).slice(frame.head..);
        self.announce()?;
        if self.deliver(index, &frame, data).is_none() {
            self.damage += 1;
        }
        Ok(Progress::Go)
    }

    fn frame_head(&self, buf: &[u8]) -> Result<Frame, NoFrame> {
        let main = self.main.as_ref().ok_or(NoFrame::Damaged)?;
        let short = || NoFrame::Short;
        let mut f = Fields::new(buf);
        let code = main.codes[usize::from(f.byte().ok_or_else(short)?)];
        let mut flags = code.flags;
        if flags & flag::CODED != 0 {
            flags ^= f.number().ok_or_else(short)?;
        }
        if flags & flag::INVALID != 0 {
            return Err(NoFrame::Damaged);
        }
        let mut field = |wanted: u64, implied: u64| if flags & wanted != 0 { f.number().ok_or_else(short) } else { Ok(implied) };
        let stream = field(flag::STREAM_ID, code.stream)?;
        let index = self.streams.iter().position(|s| s.id == stream).ok_or(NoFrame::Damaged)?;
        let (known, last) = (&self.streams[index], self.last[index]);
        let pts = match flags & flag::CODED_PTS {
            0 => last.checked_add(code.pts_delta).ok_or(NoFrame::Damaged)?,
            _ => coded_time(field(flag::CODED_PTS, 0)?, known.msb_pts_shift, last).ok_or(NoFrame::Damaged)?,
        };
        let msb = field(flag::SIZE_MSB, 0)?;
        let size = msb.checked_mul(code.size_mul).and_then(|msb| msb.checked_add(code.size_lsb)).ok_or(NoFrame::Damaged)?;
        field(flag::MATCH_TIME, 0)?;
        let elision = field(flag::HEADER_IDX, code.header_idx)?;
        for _ in 0..field(flag::RESERVED, code.reserved)? {
            f.number().ok_or_else(short)?;
        }
        let far = last.abs_diff(pts) > known.max_pts_distance || size > main.max_distance.saturating_mul(2);
        match flags & flag::CHECKSUM {
            0 if far => return Err(NoFrame::Damaged),
            0 => {}
            _ => {
                f.word().ok_or_else(short)?;
                if syntax::checksum(&buf[..f.at]) != 0 {
                    return Err(NoFrame::Damaged);
                }
            }
        }
        // Longer frames gain nothing by it.
        let elision = if size > 4096 { 0 } else { usize::try_from(elision).unwrap_or(usize::MAX) };
        let implied = main.elisions.get(elision).ok_or(NoFrame::Damaged)?.len() as u64;
        let data = size.checked_sub(implied).filter(|n| *n <= MAX_PICTURE as u64).ok_or(NoFrame::Damaged)? as usize;
        let (key, has_side_data) = (flags & flag::KEY != 0, flags & flag::SM_DATA != 0);
        Ok(Frame { stream, pts, key, head: f.at, data, elision, has_side_data })
    }

    /// `None`: the frame is damaged.
    fn deliver(&mut self, index: usize, frame: &Frame, mut data: Bytes) -> Option<()> {
        if frame.has_side_data {
            data.advance(headers::side_data(&data)?);
        }
        if frame.elision > 0 {
            let implied = &self.main.as_ref()?.elisions[frame.elision];
            data = [&implied[..], &data].concat().into();
        }
        let stream = &mut self.streams[index];
        let Ok(content) = &mut stream.content else { return Some(()) };
        let data = content.canonical(data).ok()?;
        if data.is_empty() {
            // The end of what a stream has to say (FLAG_EOR).
            return Some(());
        }
        if !content.is_ready() {
            content.learn(&data);
        }
        let key = frame.key || content.track.codec.intra_only();
        let packet = Packet { track: 0, pts: Timestamp(stream.base.micros(frame.pts)), key, data, hidden: false };
        match &self.tracks {
            Some(tracks) => {
                if let Some(track) = tracks[index] {
                    self.ready.push_back(Event::Packet(Packet { track, ..packet }));
                }
            }
            None => {
                self.held_bytes += packet.data.len();
                self.held.push((stream.id, packet));
                self.announce().ok()?;
            }
        }
        Some(())
    }

    /// Gives out the header once all tracks can be described, or waiting has no end.
    fn announce(&mut self) -> Result<(), Malformed> {
        if self.tracks.is_some() {
            return Ok(());
        }
        let patient = self.held.len() < MAX_HELD_PACKETS && self.held_bytes < MAX_HELD_BYTES;
        if patient && self.streams.iter().any(|s| s.content.as_ref().is_ok_and(|content| !content.is_ready())) {
            return Ok(());
        }
        self.begin()
    }

    /// The header, and what waited for it.
    fn begin(&mut self) -> Result<(), Malformed> {
        let mut list: Vec<Track> = Vec::new();
        let mut out = Vec::new();
        let mut tracks = Vec::new();
        for stream in &self.streams {
            let track = stream.content.as_ref().map_err(String::as_str).and_then(|content| match content.is_ready() {
                true => Ok(&content.track),
                false => Err("no parameter sets"),
            });
            tracks.push(track.is_ok().then_some(list.len()));
            match track {
                Ok(track) => list.push(track.clone()),
                Err(why) => out.push(stream.omitted(why)),
            }
        }
        if list.is_empty() {
            let why = if out.is_empty() { "frames before any stream header".into() } else { omitted_line(&out) };
            return Err(Malformed::new(FORMAT, format!("no track that is understood: {why}")).at(self.at));
        }
        self.omitted.append(&mut out);
        self.ready.push_back(Event::Header(Header { tracks: list.into(), time_zero: None }));
        self.held_bytes = 0;
        for (id, packet) in std::mem::take(&mut self.held) {
            let track = self.streams.iter().position(|s| s.id == id).and_then(|index| tracks[index]);
            if let Some(track) = track {
                self.ready.push_back(Event::Packet(Packet { track, ..packet }));
            }
        }
        self.tracks = Some(tracks);
        Ok(())
    }

    /// Damage: what follows means nothing up to the next syncpoint.
    fn lose(&mut self) -> Progress {
        self.damage += 1;
        self.state = if self.main.is_some() { State::Lost { since: self.at } } else { State::Start { since: self.at } };
        Progress::Go
    }

    /// Looks for the startcode of a packet of these kinds, behind the first byte where that was tried already.
    fn search(&mut self, buf: &mut BytesMut, since: u64, kinds: &[syntax::Packet]) -> Result<Progress, Malformed> {
        let from = usize::from(self.at == since && self.damage > 0).min(buf.len());
        let code = |kind| STARTCODES.iter().find(|(_, k)| *k == kind).map_or(&[][..], |(code, _)| &code[..]);
        let found = kinds.iter().filter_map(|kind| memchr::memmem::find(&buf[from..], code(*kind))).min().map(|at| from + at);
        let passed = found.unwrap_or(buf.len().saturating_sub(7)).max(from);
        self.take(buf, passed);
        if self.at - since > MAX_GARBAGE {
            return Err(Malformed::new(FORMAT, format!("no syncpoint in {} MiB", MAX_GARBAGE >> 20)).at(since));
        }
        if found.is_none() {
            return Ok(Progress::Need(buf.len() + 1));
        }
        self.state = State::InSync;
        Ok(Progress::Go)
    }

    /// Passes over `n` bytes.
    fn pass(&mut self, buf: &mut BytesMut, n: u64) -> Progress {
        let here = n.min(buf.len() as u64);
        self.take(buf, here as usize);
        self.at = self.at.saturating_add(n - here);
        if here < n { Progress::Skip(n - here) } else { Progress::Go }
    }

    fn take(&mut self, buf: &mut BytesMut, n: usize) -> Bytes {
        self.at += n as u64;
        buf.split_to(n).freeze()
    }
}

/// A time of which only the low bits may be written: the one that is nearest to the last.
fn coded_time(coded: u64, shift: u32, last: i64) -> Option<i64> {
    let span = 1i64 << shift;
    let coded = i64::try_from(coded).ok()?;
    if coded >= span {
        return Some(coded - span);
    }
    let lowest = last.checked_sub((span - 1) / 2)?;
    lowest.checked_add((coded.checked_sub(lowest)?) & (span - 1))
}

impl SimpleDemuxer for Demuxer {
    fn advance(&mut self, buf: &mut BytesMut, _eof: bool, _now: Timestamp) -> Result<Progress, Malformed> {
        if let Some(event) = self.ready.pop_front() {
            return Ok(Progress::Give(event));
        }
        match self.state {
            State::InSync => self.element(buf),
            State::Start { since: 0 } if self.at == 0 && buf.iter().zip(FILE_ID).all(|(a, b)| a == b) => {
                if buf.len() < FILE_ID.len() {
                    return Ok(Progress::Need(FILE_ID.len()));
                }
                self.state = State::InSync;
                Ok(Progress::Go)
            }
            State::Start { since } => self.search(buf, since, &[syntax::Packet::Main]),
            State::Lost { since } => self.search(buf, since, &[syntax::Packet::Syncpoint, syntax::Packet::Main]),
        }
    }

    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        if let Some(event) = self.ready.pop_front() {
            return Ok(Step::Event(event));
        }
        self.damage += u64::from(!buf.is_empty() && self.state == State::InSync);
        self.take(buf, buf.len());
        if self.tracks.is_none() {
            if self.held.is_empty() {
                return Err(Malformed::new(FORMAT, "ends in its headers").at(self.at));
            }
            self.begin()?;
        }
        Ok(self.ready.pop_front().map_or(Step::End, Step::Event))
    }

    fn damage(&self) -> u64 {
        self.damage
    }

    fn omitted(&mut self) -> Vec<OmittedTrack> {
        std::mem::take(&mut self.omitted)
    }
}
