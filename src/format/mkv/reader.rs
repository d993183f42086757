//! The tolerant reader: Matroska and WebM as the world writes it, in pieces of any size.
//!
//! It reads forward only. It passes over elements that it does not need (Cues, Attachments, Chapters, Void). Damage before the first
//! Cluster is an error; after it, the reader looks for the next bytes that begin like a Cluster, and counts the damage.

use super::FORMAT;
use super::assembler::EventAssembler;
use super::blocks::{BlockHeader, Lacing};
use super::schema::{self, id};
use super::segment::{Block, Phase};
use crate::format::{self, Step, ebml};
use crate::media::{Malformed, OmittedTrack, Timestamp};
use bytes::{Bytes, BytesMut};

/// Info, Tracks and Tags are read whole; a real one with every codec's configuration takes a few KiB, one with album art in it
/// stays below this.
const MAX_MASTER: u64 = 16 << 20;

/// Longer elements that are not read are damage: attachments are fonts and pictures,
const MAX_SKIPPED: u64 = 1 << 30;
/// and those that are not known here, or stand in a Cluster, are small.
const MAX_SKIPPED_UNKNOWN: u64 = 1 << 20;

/// An EBML header has a handful of small fields.
const MAX_EBML_HEADER: u64 = 4096;

/// Tags between Clusters are read where they may be a new time zero alone; longer ones are of no interest while the stream plays.
const MAX_LATE_TAGS: u64 = 1024;

/// How far the next Cluster is looked for after damage: the longest frame.
pub(super) const MAX_RESYNC: u64 = format::MAX_PICTURE as u64;

/// [`format::Demuxer`] of Matroska and WebM.
#[derive(Default)]
pub struct Demuxer {
    /// Position in the stream of the front of the caller's buffer.
    at: u64,
    state: State,
    events: EventAssembler,
}

/// Where the front of the buffer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between elements outside of a Cluster.
    #[default]
    Top,
    /// Between elements of a Cluster that ends at this position; `None`: where another begins.
    Cluster { end: Option<u64> },
    /// At the bytes of a frame without lacing.
    Frame { end: Option<u64>, block: Block, len: usize },
    /// Somewhere after damage at this position.
    Lost { since: u64 },
}

/// What to do with the buffer next.
enum Progress {
    Go,
    Need(usize),
    Skip(u64),
}

impl format::Demuxer for Demuxer {
    fn next(&mut self, buf: &mut BytesMut, eof: bool, _now: Timestamp) -> Result<Step, Malformed> {
        loop {
            if let Some(event) = self.events.ready.pop_front() {
                return Ok(Step::Event(event));
            }
            let next = match self.state {
                State::Top => self.top(buf)?,
                State::Cluster { end } => self.cluster(buf, end)?,
                State::Frame { end, block, len } => self.frame(buf, end, block, len),
                State::Lost { since } => self.lost(buf, since)?,
            };
            match next {
                Progress::Go => {}
                Progress::Need(n) if !eof => return Ok(Step::Need(n)),
                Progress::Skip(n) => {
                    self.at += n;
                    return Ok(Step::Skip(n));
                }
                Progress::Need(_) => {
                    self.end(buf)?;
                    if self.events.ready.is_empty() {
                        return Ok(Step::End);
                    }
                }
            }
        }
    }

    fn damage(&self) -> u64 {
        self.events.damage
    }

    fn omitted(&mut self) -> Vec<OmittedTrack> {
        std::mem::take(&mut self.events.omitted)
    }
}

impl Demuxer {
    /// At an element outside of a Cluster.
    fn top(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        // Zeros are what a preallocated or badly cut file ends with.
        let zeros = buf.iter().take_while(|&&b| b == 0).count();
        if zeros > 0 && self.events.segment.phase != Phase::Nothing {
            self.take(buf, zeros);
        }
        let head = match ebml::head(buf) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(Progress::Need(buf.len() + 1)),
            Err(_) if self.events.segment.phase != Phase::Nothing => return self.damaged(self.at, "no element"),
            Err(_) => return Err(Malformed::new(FORMAT, "no EBML header").at(self.at)),
        };
        if self.events.segment.phase == Phase::Nothing && !matches!(head.id, id::EBML | id::SEGMENT) {
            return Err(Malformed::new(FORMAT, "no EBML header").at(self.at));
        }
        match head.id {
            id::EBML | id::INFO | id::TRACKS => self.master(buf, head),
            id::TAGS if self.events.segment.phase == Phase::Headers && head.size.is_some_and(|size| size <= MAX_MASTER) => {
                self.master(buf, head)
            }
            id::TAGS if self.events.segment.phase == Phase::Playing && head.size.is_some_and(|size| size <= MAX_LATE_TAGS) => {
                self.master(buf, head)
            }
            id::SEGMENT => {
                if self.events.segment.phase != Phase::Headers {
                    self.events.new_segment();
                }
                self.take(buf, head.len);
                Ok(Progress::Go)
            }
            id::CLUSTER => {
                if self.events.started && self.events.segment.has_no_tracks() {
                    return self.damaged(self.at, "Cluster before any Tracks");
                }
                self.events.announce(self.at)?;
                let start = self.at + head.len as u64;
                self.take(buf, head.len);
                self.state = State::Cluster { end: head.size.map(|size| start.saturating_add(size)) };
                self.events.segment.cluster_time = None;
                Ok(Progress::Go)
            }
            id::VOID | id::SEEK_HEAD | id::CUES | id::ATTACHMENTS | id::CHAPTERS | id::TAGS => self.skip(buf, head, MAX_SKIPPED),
            _ => self.skip(buf, head, MAX_SKIPPED_UNKNOWN),
        }
    }

    /// At a master element that is read whole.
    fn master(&mut self, buf: &mut BytesMut, head: ebml::Head) -> Result<Progress, Malformed> {
        let (name, max) = match head.id {
            id::EBML => ("EBML header", MAX_EBML_HEADER),
            id::INFO => ("Info", MAX_MASTER),
            id::TRACKS => ("Tracks", MAX_MASTER),
            _ => ("Tags", MAX_MASTER),
        };
        let Some(size) = head.size else { return self.damaged(self.at, &format!("{name} of unknown size")) };
        if size > max {
            return self.damaged(self.at, &format!("{name} of {size} bytes"));
        }
        let len = head.len + size as usize;
        if buf.len() < len {
            return Ok(Progress::Need(len));
        }
        if head.id == id::EBML {
            let doc_type = ebml::children(&buf[head.len..len]).find(|(id, _)| *id == id::DOC_TYPE).map(|(_, data)| ebml::text(data));
            if let Some(other) = doc_type.filter(|t| t != "matroska" && t != "webm") {
                return self.damaged(self.at, &format!("EBML document of type {other:?}"));
            }
        }
        let at = self.at;
        let data = self.take(buf, len).slice(head.len..);
        match head.id {
            id::EBML => self.events.new_segment(),
            id::INFO => self.events.segment.info(&data),
            id::TRACKS => self.events.segment.read_tracks(data).map_err(|e| e.at(at))?,
            _ => self.events.tags(&data),
        }
        Ok(Progress::Go)
    }

    /// At an element inside of a Cluster.
    fn cluster(&mut self, buf: &mut BytesMut, end: Option<u64>) -> Result<Progress, Malformed> {
        if end.is_some_and(|end| self.at >= end) {
            self.state = State::Top;
            return Ok(Progress::Go);
        }
        let head = match ebml::head(buf) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(Progress::Need(buf.len() + 1)),
            Err(_) => return self.damaged(self.at, "no element"),
        };
        if schema::is_top_level(head.id) {
            // A Cluster of known size that ends early was cut, as by a tool that joins streams.
            self.events.damage += u64::from(end.is_some());
            self.state = State::Top;
            return Ok(Progress::Go);
        }
        let after = self.at.saturating_add(head.len as u64).saturating_add(head.size.unwrap_or(u64::MAX));
        if head.size.is_none() || end.is_some_and(|end| after > end) {
            return self.damaged(self.at, "element longer than its Cluster");
        }
        match head.id {
            id::TIMESTAMP | id::SIMPLE_BLOCK | id::BLOCK_GROUP => self.cluster_element(buf, head, end),
            _ => self.skip(buf, head, MAX_SKIPPED_UNKNOWN),
        }
    }

    fn cluster_element(&mut self, buf: &mut BytesMut, head: ebml::Head, end: Option<u64>) -> Result<Progress, Malformed> {
        let size = head.size.unwrap_or(u64::MAX);
        let max = if head.id == id::TIMESTAMP { 8 } else { self.events.segment.max_block() };
        if size > max {
            return self.damaged(self.at, &format!("block of {size} bytes"));
        }
        let size = size as usize;
        let len = head.len + size;
        if head.id == id::SIMPLE_BLOCK {
            let known = size.min(BlockHeader::MAX);
            if buf.len() < head.len + known {
                return Ok(Progress::Need(head.len + known));
            }
            let Some(header) = BlockHeader::parse(&buf[head.len..head.len + known]) else { return self.damaged(self.at, "no block") };
            if header.lacing == Lacing::None {
                self.take(buf, head.len + header.len);
                let block = Block {
                    track: header.track,
                    relative: header.relative,
                    key: header.key,
                    invisible: header.invisible,
                    lacing: Lacing::None,
                    duration: None,
                };
                self.state = State::Frame { end, block, len: size - header.len };
                return Ok(Progress::Go);
            }
        }
        if buf.len() < len {
            return Ok(Progress::Need(len));
        }
        let at = self.at;
        let data = self.take(buf, len).slice(head.len..);
        match head.id {
            id::TIMESTAMP => self.events.segment.cluster_time = Some(ebml::uint(&data)),
            id::SIMPLE_BLOCK => self.events.block(at, data, None),
            _ => self.events.block_group(at, data),
        }
        Ok(Progress::Go)
    }

    /// At the bytes of a frame.
    fn frame(&mut self, buf: &mut BytesMut, end: Option<u64>, block: Block, len: usize) -> Progress {
        if buf.len() < len && self.events.segment.entry(block.track).is_none() {
            // It is not read, so it is not gathered.
            self.state = State::Cluster { end };
            self.events.frames(self.at, block, Bytes::new());
            return self.pass(buf, len as u64);
        }
        if buf.len() < len {
            return Progress::Need(len);
        }
        let at = self.at;
        let data = self.take(buf, len);
        self.state = State::Cluster { end };
        self.events.frames(at, block, data);
        Progress::Go
    }

    /// Passes over an element of no interest.
    fn skip(&mut self, buf: &mut BytesMut, head: ebml::Head, max: u64) -> Result<Progress, Malformed> {
        match head.size {
            Some(size) if size <= max => {
                self.take(buf, head.len);
                Ok(self.pass(buf, size))
            }
            Some(size) => self.damaged(self.at, &format!("element {:X} of {size} bytes", head.id)),
            None => self.damaged(self.at, &format!("element {:X} of unknown size", head.id)),
        }
    }

    /// Passes over `n` bytes.
    fn pass(&mut self, buf: &mut BytesMut, n: u64) -> Progress {
        let here = n.min(buf.len() as u64);
        self.take(buf, here as usize);
        if here < n { Progress::Skip(n - here) } else { Progress::Go }
    }

    /// Before the first header, an error; then, the start of a search for the next Cluster.
    fn damaged(&mut self, at: u64, what: &str) -> Result<Progress, Malformed> {
        if !self.events.started {
            return Err(Malformed::new(FORMAT, what).at(at));
        }
        tracing::debug!(byte = at, "Matroska: {what}: looking for the next Cluster");
        self.events.damage += 1;
        self.state = State::Lost { since: at };
        Ok(Progress::Go)
    }

    /// Looks for the next Cluster or EBML header that begins as one does.
    fn lost(&mut self, buf: &mut BytesMut, since: u64) -> Result<Progress, Malformed> {
        const CLUSTER: [u8; 4] = id::CLUSTER.to_be_bytes();
        const EBML: [u8; 4] = id::EBML.to_be_bytes();
        if self.at == since && !buf.is_empty() {
            // The damage may be one of these itself.
            self.take(buf, 1);
        }
        let found = buf.windows(4).position(|w| w == CLUSTER || w == EBML);
        self.take(buf, found.unwrap_or(buf.len().saturating_sub(3)));
        if self.at - since > MAX_RESYNC {
            return Err(Malformed::new(FORMAT, format!("no Cluster in {} MiB after damage", MAX_RESYNC >> 20)).at(since));
        }
        if found.is_none() {
            return Ok(Progress::Need(buf.len() + 1));
        }
        match begins_well(buf) {
            Some(true) => self.state = State::Top,
            Some(false) => drop(self.take(buf, 1)),
            None => return Ok(Progress::Need(buf.len() + 1)),
        }
        Ok(Progress::Go)
    }

    /// The input ended here.
    fn end(&mut self, buf: &mut BytesMut) -> Result<(), Malformed> {
        let cut = match self.state {
            State::Top => !buf.is_empty(),
            State::Cluster { end } => !buf.is_empty() || end.is_some_and(|end| self.at < end),
            State::Frame { .. } => true,
            State::Lost { .. } => false,
        };
        if !self.events.started && (cut || self.events.segment.has_no_tracks()) && self.events.segment.phase != Phase::Holding {
            return Err(Malformed::new(FORMAT, "ends in its header").at(self.at + buf.len() as u64));
        }
        self.events.damage += u64::from(cut);
        self.take(buf, buf.len());
        self.state = State::Top;
        if !self.events.started {
            self.events.announce(self.at)?;
        }
        self.events.give_up_waiting();
        if self.events.started {
            Ok(())
        } else {
            Err(Malformed::new(FORMAT, "no parameter sets of H.264 or H.265 in the stream").at(self.at))
        }
    }

    fn take(&mut self, buf: &mut BytesMut, n: usize) -> Bytes {
        self.at += n as u64;
        buf.split_to(n).freeze()
    }
}

/// Whether a Cluster or EBML header is followed by what it begins with; `None`: too few bytes to say.
fn begins_well(bytes: &[u8]) -> Option<bool> {
    let Ok(head) = ebml::head(bytes) else { return Some(false) };
    let head = head?;
    let Ok(child) = ebml::head(&bytes[head.len..]) else { return Some(false) };
    let child = child?;
    Some(match head.id {
        id::CLUSTER => matches!(child.id, id::TIMESTAMP | id::VOID | id::CRC_32 | id::POSITION | id::PREV_SIZE),
        _ => {
            head.size.is_some_and(|size| size <= MAX_EBML_HEADER)
                && matches!(child.id, id::EBML_VERSION | id::EBML_READ_VERSION | id::DOC_TYPE)
        }
    })
}
