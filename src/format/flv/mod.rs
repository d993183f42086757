//! FLV (Adobe Flash Video File Format Specification 10.1, annex E), with the codecs that Enhanced RTMP v2 names.
//!
//! ```text
//!   "FLV" 1, flags, length     PreviousTagSize  tag header  data     PreviousTagSize  tag header  data  …
//! ```
//!
//! A tag says its length, so that a frame is out with its last byte. What script tags say is not asked for: of the tracks, sequence
//! headers say it, and of their times, the tags.

mod body;
mod syntax;
#[cfg(test)]
mod tests;
mod track;
mod writer;

pub use writer::{NOTHING, Writer};

use super::Step;
use super::header_gate::HeaderGate;
use super::simple::{Progress, SimpleDemuxer};
use super::unwrap::Unwrapped;
use crate::media::{Kind, Malformed, OmittedTrack, Timestamp, omitted_line};
use body::{Body, Coding};
use bytes::{Bytes, BytesMut};
use syntax::{FILE_HEADER, FORMAT, FileHeader, MAGIC, PREVIOUS_SIZE, TAG_HEADER, TagHeader};
use track::{Content, Frame, Outcome};

/// How far the next tag is looked for.
const MAX_GARBAGE: u64 = 32 << 20;
/// So much is read before the first header: many seconds of media that nothing describes.
const MAX_BEFORE_START: u64 = 64 << 20;
/// More tracks that are left out are not named.
const MAX_OMITTED: usize = 64;

/// [`super::Demuxer`] of FLV. Another file behind the first, as of a new writer on a FIFO, goes on in the same stream.
pub struct Demuxer {
    at: u64,
    state: State,
    video: Input,
    audio: Input,
    times: Unwrapped,
    gate: HeaderGate,
    omitted: Vec<OmittedTrack>,
    /// Of `omitted`, how many were reported.
    reported: usize,
    damage: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At a file header.
    Start,
    /// At the PreviousTagSize before a tag.
    Tag,
    /// Somewhere after damage at this position.
    Lost { since: u64 },
}

/// What comes in of one kind.
#[derive(Default)]
struct Input {
    /// In the gate, once the track is expected.
    slot: Option<usize>,
    content: Content,
}

impl Default for Demuxer {
    fn default() -> Demuxer {
        Demuxer {
            at: 0,
            state: State::Start,
            video: Input::default(),
            audio: Input::default(),
            times: Unwrapped::new(32),
            gate: HeaderGate::default(),
            omitted: Vec::new(),
            reported: 0,
            damage: 0,
        }
    }
}

impl Demuxer {
    fn file(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        if buf.len() < FILE_HEADER {
            return Ok(Progress::Need(FILE_HEADER));
        }
        let header = FileHeader::parse(buf).ok_or_else(|| Malformed::new(FORMAT, "no file header").at(self.at))?;
        self.gate.restart();
        (self.video, self.audio) = (Input::default(), Input::default());
        for (flag, input) in [(header.video, &mut self.video), (header.audio, &mut self.audio)] {
            input.slot = flag.then(|| self.gate.expect());
        }
        self.times = Unwrapped::new(32);
        self.state = State::Tag;
        Ok(self.pass(buf, header.len.into()))
    }

    /// PreviousTagSize, the head of a tag, and its data.
    fn tag(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        const HEAD: usize = PREVIOUS_SIZE + TAG_HEADER;
        if buf.len() < HEAD {
            return Ok(Progress::Need(HEAD));
        }
        if buf[PREVIOUS_SIZE..].starts_with(MAGIC) {
            self.take(buf, PREVIOUS_SIZE);
            self.state = State::Start;
            return Ok(Progress::Go);
        }
        let Some(tag) = TagHeader::parse(&buf[PREVIOUS_SIZE..]) else {
            self.lose();
            return Ok(Progress::Go);
        };
        let whole = HEAD + tag.size;
        let kind = match tag.kind {
            syntax::VIDEO => Kind::Video,
            syntax::AUDIO => Kind::Audio,
            _ => return Ok(self.pass(buf, whole as u64)),
        };
        if buf.len() < whole {
            return Ok(Progress::Need(whole));
        }
        let data = self.take(buf, whole).slice(HEAD..);
        self.data(kind, &tag, data);
        if !self.gate.has_begun() && self.at > MAX_BEFORE_START {
            return Err(self.no_track());
        }
        Ok(Progress::Go)
    }

    fn data(&mut self, kind: Kind, tag: &TagHeader, data: Bytes) {
        let dts = self.times.next(tag.time.into()).saturating_mul(1000);
        if data.is_empty() {
            return;
        }
        if tag.encrypted {
            return self.dismiss(kind, "", "encrypted");
        }
        let Some(body) = Body::parse(kind, data) else {
            self.damage += 1;
            return;
        };
        match &body.coding {
            coding if body.track > 0 => {
                let name = coding.name().to_owned();
                self.omit(kind, body.track.into(), &name, "one track of a kind is read");
            }
            Coding::Other(name) => {
                let name = name.clone();
                self.dismiss(kind, &name, "no codec that is read here");
            }
            Coding::Command => {}
            _ => self.body(kind, body, dts),
        }
    }

    fn body(&mut self, kind: Kind, body: Body, dts: i64) {
        let input = if kind == Kind::Video { &mut self.video } else { &mut self.audio };
        let slot = *input.slot.get_or_insert_with(|| self.gate.expect());
        let pts = Timestamp(dts.saturating_add(body.delay));
        match input.content.take(body, pts) {
            Ok(Outcome::Nothing) => self.gate.came(slot),
            Ok(Outcome::Track(track)) => self.gate.describe(slot, track),
            Ok(Outcome::Frames(track, frames)) => {
                track.into_iter().for_each(|track| self.gate.describe(slot, track));
                frames.into_iter().for_each(|Frame { pts, key, data }| self.gate.packet(slot, pts, key, data));
            }
            Err(_) => {
                input.content.lose();
                self.damage += 1;
            }
        }
    }

    /// Names what is left out, once.
    fn omit(&mut self, kind: Kind, number: u64, codec: &str, reason: &str) {
        // Without tracks of its own, FLV counts none.
        let number = if number > 0 { number } else { 1 + u64::from(kind == Kind::Audio) };
        let track = OmittedTrack { number, kind: Some(kind), codec: codec.into(), reason: reason.into() };
        if self.omitted.len() < MAX_OMITTED && !self.omitted.contains(&track) {
            self.omitted.push(track);
        }
    }

    /// The track of a kind is left out.
    fn dismiss(&mut self, kind: Kind, codec: &str, reason: &str) {
        self.omit(kind, 0, codec, reason);
        let input = if kind == Kind::Video { &self.video } else { &self.audio };
        input.slot.into_iter().for_each(|slot| self.gate.dismiss(slot));
    }

    fn lose(&mut self) {
        self.damage += 1;
        self.video.content.lose();
        self.audio.content.lose();
        self.state = State::Lost { since: self.at };
    }

    /// Looks for a tag that is followed by its size, or for another file.
    fn search(&mut self, buf: &mut BytesMut, since: u64, eof: bool) -> Result<Progress, Malformed> {
        const HEAD: usize = PREVIOUS_SIZE + TAG_HEADER;
        let mut at = usize::from(self.at == since).min(buf.len());
        let found = loop {
            let Some(rest) = buf.get(at..).filter(|rest| rest.len() >= HEAD) else { break None };
            if FileHeader::parse(&rest[PREVIOUS_SIZE..]).is_some() {
                break Some(at);
            }
            if let Some(tag) = TagHeader::parse(&rest[PREVIOUS_SIZE..]).filter(TagHeader::is_likely) {
                let whole = HEAD + tag.size;
                match rest.get(whole..).and_then(|after| after.first_chunk()) {
                    Some(size) if tag.is_confirmed(*size) => break Some(at),
                    None if !eof => {
                        self.take(buf, at);
                        return self.bounded(since, Progress::Need(whole + PREVIOUS_SIZE));
                    }
                    _ => {}
                }
            }
            at += 1;
        };
        match found {
            Some(at) => {
                self.take(buf, at);
                self.state = State::Tag;
                Ok(Progress::Go)
            }
            None => {
                self.take(buf, at);
                self.bounded(since, Progress::Need(HEAD.max(buf.len() + 1)))
            }
        }
    }

    fn bounded(&self, since: u64, progress: Progress) -> Result<Progress, Malformed> {
        if self.at - since > MAX_GARBAGE {
            return Err(Malformed::new(FORMAT, format!("no tag in {} MiB", MAX_GARBAGE >> 20)).at(since));
        }
        Ok(progress)
    }

    fn no_track(&self) -> Malformed {
        let why = if self.omitted.is_empty() { "no sequence header".into() } else { omitted_line(&self.omitted) };
        Malformed::new(FORMAT, format!("no track that is understood: {why}")).at(self.at)
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
    fn advance(&mut self, buf: &mut BytesMut, eof: bool, _now: Timestamp) -> Result<Progress, Malformed> {
        if let Some(event) = self.gate.pop() {
            return Ok(Progress::Give(event));
        }
        match self.state {
            State::Start => self.file(buf),
            State::Tag => self.tag(buf),
            State::Lost { since } => self.search(buf, since, eof),
        }
    }

    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        self.damage += u64::from(buf.len() > PREVIOUS_SIZE && self.state == State::Tag);
        self.take(buf, buf.len());
        self.gate.end().ok_or_else(|| self.no_track())
    }

    fn damage(&self) -> u64 {
        self.damage
    }

    fn omitted(&mut self) -> Vec<OmittedTrack> {
        for slot in self.gate.missing() {
            let kind = if self.video.slot == Some(slot) { Kind::Video } else { Kind::Audio };
            // What was left out for a reason is not missing.
            if self.omitted.iter().all(|track| track.kind != Some(kind)) {
                self.omit(kind, 0, "", "the file header names it, and nothing of it came");
            }
        }
        let new = self.omitted[self.reported..].to_vec();
        self.reported = self.omitted.len();
        new
    }
}
