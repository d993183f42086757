//! The tolerant reader: Matroska and WebM as the world writes it, in pieces of any size.
//!
//! It reads forward only. What it does not need (Cues, Attachments, Chapters, Void) it passes over unread. Damage before the first
//! Cluster is an error; after it, the reader looks for the next Cluster that has the form of one, and counts.

use super::FORMAT;
use super::blocks::{self, BlockHeader, Frames, Lacing};
use super::schema::{self, id};
use super::segment::{Block, PendingPacket, Phase, Segment};
use super::tracks::Entry;
use crate::format::{self, Step, ebml};
use crate::media::{Event, Header, Malformed, OmittedTrack, Packet, Timestamp, Track, omitted_line};
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::Duration;

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
const MAX_RESYNC: u64 = format::MAX_PICTURE as u64;

/// What may wait for the parameter sets of a track that has none in its header.
const MAX_HELD_PACKETS: usize = 512;
const MAX_HELD_BYTES: usize = 16 << 20;

/// [`format::Demuxer`] of Matroska and WebM.
#[derive(Default)]
pub struct Demuxer {
    /// Position in the stream of the front of the caller's buffer.
    at: u64,
    state: State,
    segment: Segment,
    ready: VecDeque<Event>,
    /// A header was given out: from here on, damage is passed over.
    started: bool,
    damage: u64,
    omitted: Vec<OmittedTrack>,
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
            if let Some(event) = self.ready.pop_front() {
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
                    if self.ready.is_empty() {
                        return Ok(Step::End);
                    }
                }
            }
        }
    }

    fn damage(&self) -> u64 {
        self.damage
    }

    fn omitted(&mut self) -> Vec<OmittedTrack> {
        std::mem::take(&mut self.omitted)
    }
}

impl Demuxer {
    /// At an element outside of a Cluster.
    fn top(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        // Zeros are what a preallocated or badly cut file ends with.
        let zeros = buf.iter().take_while(|&&b| b == 0).count();
        if zeros > 0 && self.segment.phase != Phase::Nothing {
            self.take(buf, zeros);
        }
        let head = match ebml::head(buf) {
            Ok(Some(head)) => head,
            Ok(None) => return Ok(Progress::Need(buf.len() + 1)),
            Err(_) if self.segment.phase != Phase::Nothing => return self.damaged(self.at, "no element"),
            Err(_) => return Err(Malformed::new(FORMAT, "no EBML header").at(self.at)),
        };
        if self.segment.phase == Phase::Nothing && !matches!(head.id, id::EBML | id::SEGMENT) {
            return Err(Malformed::new(FORMAT, "no EBML header").at(self.at));
        }
        match head.id {
            id::EBML | id::INFO | id::TRACKS => self.master(buf, head),
            id::TAGS if self.segment.phase == Phase::Headers && head.size.is_some_and(|size| size <= MAX_MASTER) => self.master(buf, head),
            id::TAGS if self.segment.phase == Phase::Playing && head.size.is_some_and(|size| size <= MAX_LATE_TAGS) => {
                self.master(buf, head)
            }
            id::SEGMENT => {
                if self.segment.phase != Phase::Headers {
                    self.new_segment();
                }
                self.take(buf, head.len);
                Ok(Progress::Go)
            }
            id::CLUSTER => {
                if self.started && self.segment.has_no_tracks() {
                    return self.damaged(self.at, "Cluster before any Tracks");
                }
                self.announce(self.at)?;
                let start = self.at + head.len as u64;
                self.take(buf, head.len);
                self.state = State::Cluster { end: head.size.map(|size| start.saturating_add(size)) };
                self.segment.cluster_time = None;
                Ok(Progress::Go)
            }
            id::VOID | id::SEEK_HEAD | id::CUES | id::ATTACHMENTS | id::CHAPTERS | id::TAGS => self.skip(buf, head, MAX_SKIPPED),
            _ => self.skip(buf, head, MAX_SKIPPED_UNKNOWN),
        }
    }

    fn new_segment(&mut self) {
        self.give_up_waiting();
        self.segment = Segment::new();
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
            id::EBML => self.new_segment(),
            id::INFO => self.segment.info(&data),
            id::TRACKS => self.segment.read_tracks(data).map_err(|e| e.at(at))?,
            _ => self.tags(&data),
        }
        Ok(Progress::Go)
    }

    /// In front of the Clusters they belong to the header; between them, they say that the wall clock was set.
    fn tags(&mut self, data: &[u8]) {
        let before = self.segment.time_zero;
        self.segment.tags(data);
        if let Some(zero) = self.segment.time_zero.filter(|_| self.segment.phase == Phase::Playing && self.segment.time_zero != before) {
            self.ready.push_back(Event::TimeZero(zero));
        }
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
            self.damage += u64::from(end.is_some());
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
        let max = if head.id == id::TIMESTAMP { 8 } else { self.segment.max_block() };
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
            id::TIMESTAMP => self.segment.cluster_time = Some(ebml::uint(&data)),
            id::SIMPLE_BLOCK => self.block(at, data, None),
            _ => self.block_group(at, data),
        }
        Ok(Progress::Go)
    }

    /// At the bytes of a frame.
    fn frame(&mut self, buf: &mut BytesMut, end: Option<u64>, block: Block, len: usize) -> Progress {
        if buf.len() < len && self.segment.entry(block.track).is_none() {
            // It is not read, so it is not gathered.
            self.state = State::Cluster { end };
            self.frames(self.at, block, Bytes::new());
            return self.pass(buf, len as u64);
        }
        if buf.len() < len {
            return Progress::Need(len);
        }
        let at = self.at;
        let data = self.take(buf, len);
        self.state = State::Cluster { end };
        self.frames(at, block, data);
        Progress::Go
    }

    /// Section 5.1.3.5: a Block that refers to no other is a keyframe.
    fn block_group(&mut self, at: u64, data: Bytes) {
        let (mut block, mut ticks, mut key) = (None, None, true);
        for (id, child) in ebml::children(&data) {
            match id {
                id::BLOCK => block = Some(data.slice_ref(child)),
                id::BLOCK_DURATION => ticks = Some(ebml::uint(child)),
                id::REFERENCE_BLOCK => key = false,
                _ => {}
            }
        }
        let duration = ticks.map(|ticks| Duration::from_nanos(ticks.saturating_mul(self.segment.scale)));
        match block {
            Some(block) => self.block(at, block, Some((key, duration))),
            None => self.damage += 1,
        }
    }

    /// A whole block; `group` is what its BlockGroup says of it.
    fn block(&mut self, at: u64, mut data: Bytes, group: Option<(bool, Option<Duration>)>) {
        let Some(header) = BlockHeader::parse(&data) else {
            self.damage += 1;
            return;
        };
        let (key, duration) = group.unwrap_or((header.key, None));
        let block =
            Block { track: header.track, relative: header.relative, key, invisible: header.invisible, lacing: header.lacing, duration };
        self.frames(at, block, data.split_off(header.len));
    }

    /// Turns the data of a block into packets. What is damaged in it is counted and left out.
    fn frames(&mut self, at: u64, block: Block, data: Bytes) {
        if self.segment.refused.iter().any(|r| r.number == block.track) {
            return;
        }
        let before = self.damage;
        match (self.segment.pts(&block), blocks::frames(block.lacing, data)) {
            (Some(pts), Some(frames)) => self.laced(block, pts, frames),
            _ => self.damage += 1,
        }
        if self.damage > before {
            tracing::debug!(byte = at, track = block.track, "Matroska: damaged block");
        }
    }

    fn laced(&mut self, block: Block, mut pts: Timestamp, frames: Frames) {
        let count = frames.len();
        let each = block.duration.map(|d| d / count as u32);
        for frame in frames {
            let Some(entry) = self.segment.entry(block.track) else { return };
            let Some(data) = entry.canonical(frame).ok().filter(|data| !data.is_empty()) else {
                self.damage += 1;
                continue;
            };
            let key = block.key || entry.track.codec.intra_only();
            let next = if count == 1 { pts } else { pts.saturating_add(entry.duration(&data).or(each).unwrap_or_default()) };
            self.packet(PendingPacket { track: block.track, pts, key, data, hidden: block.invisible });
            pts = next;
        }
    }

    fn packet(&mut self, packet: PendingPacket) {
        if self.segment.phase == Phase::Holding {
            self.hold(packet);
        } else if let Some(index) = self.segment.index(packet.track) {
            let PendingPacket { pts, key, data, hidden, .. } = packet;
            self.ready.push_back(Event::Packet(Packet { track: index, pts, key, data, hidden }));
        }
    }

    /// Keeps a packet until all tracks can be described.
    fn hold(&mut self, packet: PendingPacket) {
        let segment = &mut self.segment;
        let Some(entry) = segment.entries.iter_mut().find(|e| e.number == packet.track) else { return };
        if !entry.is_ready() {
            entry.learn(&packet.data);
        }
        // Frames before the first parameter sets are of no use to anybody.
        if entry.is_ready() {
            segment.held_bytes += packet.data.len();
            segment.held.push_back(packet);
        }
        if segment.entries.iter().all(Entry::is_ready) || segment.held.len() > MAX_HELD_PACKETS || segment.held_bytes > MAX_HELD_BYTES {
            self.give_up_waiting();
        }
    }

    /// Goes on with the tracks that can be described.
    fn give_up_waiting(&mut self) {
        if self.segment.phase != Phase::Holding || !self.segment.entries.iter().any(Entry::is_ready) {
            return;
        }
        let (ready, missing): (Vec<_>, Vec<_>) = self.segment.entries.drain(..).partition(Entry::is_ready);
        self.segment.entries = ready;
        for entry in missing {
            let (kind, codec) = (Some(entry.track.kind()), entry.track.codec.to_string());
            let track = OmittedTrack { number: entry.number, kind, codec, reason: "no parameter sets came".into() };
            self.omitted.push(track.clone());
            self.segment.refused.push(track);
        }
        self.play();
    }

    /// At the first Cluster: gives out the header, if it is complete.
    fn announce(&mut self, at: u64) -> Result<(), Malformed> {
        if matches!(self.segment.phase, Phase::Playing | Phase::Holding) {
            return Ok(());
        }
        if self.segment.entries.is_empty() {
            let why = match &self.segment.refused[..] {
                [] => "Cluster before any Tracks; if they stand behind the Clusters, give the file by its name, or put `ffmpeg -i FILE -c copy -f matroska -` before this program".into(),
                refused => format!("no track that can be read: {}", omitted_line(refused)),
            };
            return Err(Malformed::new(FORMAT, why).at(at));
        }
        self.omitted.extend_from_slice(&self.segment.refused);
        if self.segment.entries.iter().all(Entry::is_ready) {
            self.play();
        } else {
            self.segment.phase = Phase::Holding;
        }
        Ok(())
    }

    /// The header, and what waited for it.
    fn play(&mut self) {
        let segment = &mut self.segment;
        segment.phase = Phase::Playing;
        self.started = true;
        let tracks: Vec<Track> = segment.entries.iter().map(|e| e.track.clone()).collect();
        self.ready.push_back(Event::Header(Header { tracks: tracks.into(), time_zero: segment.time_zero.or(segment.date) }));
        segment.held_bytes = 0;
        for PendingPacket { track, pts, key, data, hidden } in std::mem::take(&mut segment.held) {
            let Some(track) = self.segment.index(track) else { continue };
            self.ready.push_back(Event::Packet(Packet { track, pts, key, data, hidden }));
        }
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
        if !self.started {
            return Err(Malformed::new(FORMAT, what).at(at));
        }
        tracing::debug!(byte = at, "Matroska: {what}: looking for the next Cluster");
        self.damage += 1;
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
        if !self.started && (cut || self.segment.has_no_tracks()) && self.segment.phase != Phase::Holding {
            return Err(Malformed::new(FORMAT, "ends in its header").at(self.at + buf.len() as u64));
        }
        self.damage += u64::from(cut);
        self.take(buf, buf.len());
        self.state = State::Top;
        if !self.started {
            self.announce(self.at)?;
        }
        self.give_up_waiting();
        if self.started { Ok(()) } else { Err(Malformed::new(FORMAT, "no parameter sets of H.264 or H.265 in the stream").at(self.at)) }
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

#[cfg(test)]
mod tests {
    use super::super::{cluster_prefix, stored_time, time_zero, write_header};
    use super::*;
    use crate::format::testing::{events, events_at_every_split};
    use crate::media::{AudioParams, Codec, Colour, PixelFormat, Rate, SampleFormat, VideoParams, WallTime};

    fn raw_track() -> Track {
        let colour = Colour { matrix: Some(1), full_range: Some(true), primaries: Some(9), transfer: Some(16) };
        let mut track =
            Track::video(Codec::Raw(PixelFormat::I420), VideoParams { rate: Rate::new(30000, 1001), colour, ..VideoParams::new(6, 4) });
        track.name = Some("front door".into());
        track.language = Some("de-AT".into());
        track
    }

    fn opus_track() -> Track {
        let mut track = crate::codec::opus::track(crate::codec::opus::OpusHead::new(2, 312, 48_000).build()).unwrap();
        track.frame_duration = Some(Duration::from_millis(20));
        track
    }

    fn pcm_track() -> Track {
        let mut track = Track::audio(Codec::Pcm(SampleFormat::S24), AudioParams { rate: 44_100, channels: 1, delay: Duration::ZERO });
        track.frame_duration = Some(Duration::from_millis(10));
        track
    }

    fn stream(events: &[Event]) -> Vec<u8> {
        let (mut out, mut tracks) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::Header(header) => {
                    out.extend_from_slice(&write_header(header));
                    tracks = header.tracks.to_vec();
                }
                Event::Packet(p) => {
                    out.extend_from_slice(&cluster_prefix(p.track, stored_time(&tracks[p.track], p.pts), p.key, p.data.len()));
                    out.extend_from_slice(&p.data);
                }
                Event::TimeZero(zero) => out.extend_from_slice(&time_zero(*zero)),
            }
        }
        out
    }

    fn header(tracks: Vec<Track>) -> Event {
        Event::Header(Header { tracks: tracks.into(), time_zero: Some(WallTime(1_700_000_000_123_456)) })
    }

    fn packet(track: usize, micros: i64, data: &'static [u8]) -> Event {
        Event::Packet(Packet { track, pts: Timestamp(micros), key: true, data: Bytes::from_static(data), hidden: false })
    }

    fn two_segments() -> Vec<Event> {
        vec![
            header(vec![raw_track(), opus_track(), pcm_track()]),
            packet(0, 0, &[9; 36]),
            packet(1, -6500, &[0xfc, 1, 2, 3]),
            packet(0, 33_367, &[8; 36]),
            packet(2, 5_000_000_000, &[7; 441]),
            header(vec![pcm_track()]),
            packet(0, 1, &[7; 3]),
        ]
    }

    #[test]
    fn what_is_written_is_read_at_every_split() {
        let events = two_segments();
        assert_eq!(events_at_every_split(Demuxer::default, &stream(&events)), Ok((events, 0)));
    }

    #[test]
    fn a_wall_clock_that_is_set_is_told_between_clusters() {
        let zero = |micros| Event::TimeZero(WallTime(micros));
        let frame = |n: i64| packet(0, n * 40_000, &[7; 3]);
        let events =
            vec![header(vec![pcm_track()]), frame(0), zero(-1_700_000_000_000_001), frame(1), zero(4_100_000_000_000_000), frame(2)];
        assert_eq!(events_at_every_split(Demuxer::default, &stream(&events)), Ok((events.clone(), 0)));
        // The same again is no news; other tags are none of ours.
        let other = |name, value: &str| {
            let mut out = Vec::new();
            ebml::put_master(&mut out, id::TAGS, |out| {
                ebml::put_master(out, id::TAG, |out| {
                    ebml::put_master(out, id::SIMPLE_TAG, |out| {
                        ebml::put(out, id::TAG_NAME, name);
                        ebml::put(out, id::TAG_STRING, value.as_bytes());
                    });
                });
            });
            out
        };
        let same = time_zero(WallTime(4_100_000_000_000_000)).to_vec();
        let whole = stream(&[&events[..], &[frame(3)]].concat());
        let (begin, last) = whole.split_at(stream(&events).len());
        let bytes = [begin, &same, &other(b"TITLE", "a film"), &other(b"TITLE", &"x".repeat(5000)), last].concat();
        assert_eq!(events_at_every_split(Demuxer::default, &bytes), Ok(([&events[..], &[frame(3)]].concat(), 0)));
    }

    #[test]
    fn each_packet_is_out_before_the_next_byte_is_in() {
        let all = two_segments();
        let (mut demuxer, mut buf) = (Demuxer::default(), BytesMut::new());
        for (n, event) in all.iter().enumerate() {
            let end = stream(&all[..=n]).len();
            let start = stream(&all[..n]).len();
            buf.extend_from_slice(&stream(&all)[start..end]);
            let mut out = Vec::new();
            while let Step::Event(event) = format::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp::ZERO).unwrap() {
                out.push(event);
            }
            if let Event::Packet(_) = event {
                assert_eq!(out.last(), Some(event), "event {n}");
            }
        }
    }

    #[test]
    fn a_cut_end_is_dropped_and_counted() {
        let all = two_segments();
        let bytes = stream(&all);
        let last = stream(&all[..6]).len();
        for cut in last + 1..bytes.len() {
            // The second header counts when the head of its first Cluster is there.
            let seen = if cut < last + 5 { 5 } else { 6 };
            assert_eq!(events(Demuxer::default(), &bytes[..cut], 1000), Ok((all[..seen].to_vec(), 1)), "cut at {cut}");
        }
        assert_eq!(events(Demuxer::default(), &bytes[..last], 1000), Ok((all[..5].to_vec(), 0)), "the second header has no Cluster yet");
        let first = stream(&all[..1]).len();
        let tracks_end = bytes.windows(4).position(|w| w == id::TAGS.to_be_bytes()).unwrap();
        for cut in (1..first).filter(|&cut| cut != tracks_end) {
            let header = events(Demuxer::default(), &bytes[..cut], 1000);
            assert!(
                if cut < tracks_end { header.is_err() } else { header.is_err() || header == Ok((all[..1].to_vec(), 0)) },
                "cut at {cut}"
            );
        }
        assert_eq!(events(Demuxer::default(), &bytes[..first], 1000), Ok((all[..1].to_vec(), 0)), "a header alone is a stream");
    }

    #[test]
    fn after_damage_the_next_cluster_is_found() {
        let all = two_segments();
        let mut bytes = stream(&all);
        // The size of the second block: 4 + 1 + 3 bytes into its Cluster.
        let at = stream(&all[..2]).len() + 8;
        assert_eq!(bytes[at], 0xA3);
        bytes[at + 1] = 0xFF;
        let kept: Vec<_> = all.iter().enumerate().filter(|(n, _)| *n != 2).map(|(_, e)| e.clone()).collect();
        assert_eq!(events_at_every_split(Demuxer::default, &bytes), Ok((kept, 1)));
        // Garbage between Clusters, with a false start in it.
        let mut bytes = stream(&all[..2]);
        bytes.extend_from_slice(b"\x04garbage\x1F\x43\xB6\x75\x88garbage!\x1A\x45\xDF\xA3\x84\x42\x82\x81");
        bytes.extend_from_slice(&stream(&all)[stream(&all[..2]).len()..]);
        assert_eq!(events_at_every_split(Demuxer::default, &bytes), Ok((all, 2)), "a false EBML header is a second damage");
    }

    #[test]
    fn endless_garbage_is_not_read_for_ever() {
        let mut bytes = stream(&two_segments()[..2]);
        bytes.resize(bytes.len() + MAX_RESYNC as usize + 100, 0x04);
        let error = events(Demuxer::default(), &bytes, 1 << 20).unwrap_err();
        assert_eq!(error.at, Some(stream(&two_segments()[..2]).len() as u64));
    }

    /// A Segment with one track, whose TrackEntry `entry` fills, and what follows.
    fn foreign(entry: impl FnOnce(&mut Vec<u8>), body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        ebml::put_master(&mut out, id::EBML, |out| ebml::put(out, id::DOC_TYPE, b"webm"));
        ebml::put_id(&mut out, id::SEGMENT);
        out.push(0xff);
        ebml::put_master(&mut out, id::TRACKS, |out| {
            ebml::put_master(out, id::TRACK_ENTRY, |out| {
                ebml::put_uint(out, id::TRACK_NUMBER, 5);
                entry(out);
            });
        });
        body(&mut out);
        out
    }

    fn mp3(out: &mut Vec<u8>) {
        ebml::put_uint(out, id::TRACK_TYPE, schema::AUDIO_TRACK);
        ebml::put(out, id::CODEC_ID, b"A_MPEG/L3");
        ebml::put_uint(out, id::DEFAULT_DURATION, 24_000_000);
        ebml::put_master(out, id::AUDIO, |out| ebml::put(out, id::SAMPLING_FREQUENCY, &48_000f32.to_be_bytes()));
    }

    fn times_and_data(bytes: &[u8]) -> Vec<(i64, bool, Bytes)> {
        let (events, damage) = events_at_every_split(Demuxer::default, bytes).unwrap();
        assert_eq!(damage, 0);
        let packets =
            events.into_iter().filter_map(|e| if let Event::Packet(p) = e { Some((p.pts.micros(), p.key, p.data)) } else { None });
        packets.collect()
    }

    #[test]
    fn clusters_of_unknown_size_in_both_encodings_and_what_stands_between() {
        let bytes = foreign(mp3, |out| {
            for unknown in [&[0xff][..], &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]] {
                ebml::put(out, id::CRC_32, &[0; 4]);
                ebml::put_id(out, id::CLUSTER);
                out.extend_from_slice(unknown);
                ebml::put_uint(out, id::TIMESTAMP, 1000);
                ebml::put(out, id::SIMPLE_BLOCK, b"\x85\x00\x01\x00first");
                ebml::put(out, id::VOID, b"void");
                ebml::put(out, id::SIMPLE_BLOCK, b"\x85\x00\x02\x00second");
                ebml::put(out, id::CUES, b"cues");
            }
            out.extend_from_slice(&[0; 100]);
        });
        let (first, second) = (Bytes::from("first"), Bytes::from("second"));
        let once = [(1_001_000, true, first), (1_002_000, true, second)];
        assert_eq!(times_and_data(&bytes), [once.clone(), once].concat());
    }

    #[test]
    fn laced_frames_have_times_of_their_own() {
        let bytes = foreign(mp3, |out| {
            ebml::put_master(out, id::CLUSTER, |out| {
                ebml::put_uint(out, id::TIMESTAMP, 10);
                ebml::put(out, id::SIMPLE_BLOCK, b"\x85\x00\x00\x02\x02\x01\x02abbccc");
                ebml::put_master(out, id::BLOCK_GROUP, |out| {
                    ebml::put(out, id::BLOCK, b"\x85\x00\x64\x04\x01aabb");
                    ebml::put_uint(out, id::BLOCK_DURATION, 48);
                });
            });
        });
        let expected = [(10_000, "a"), (34_000, "bb"), (58_000, "ccc"), (110_000, "aa"), (134_000, "bb")];
        assert_eq!(times_and_data(&bytes), expected.map(|(t, data)| (t, true, Bytes::from(data))));
    }

    #[test]
    fn a_block_group_with_a_reference_is_no_keyframe() {
        let vp8 = |out: &mut Vec<u8>| {
            ebml::put_uint(out, id::TRACK_TYPE, schema::VIDEO_TRACK);
            ebml::put(out, id::CODEC_ID, b"V_VP8");
            ebml::put_master(out, id::VIDEO, |out| {
                ebml::put_uint(out, id::PIXEL_WIDTH, 320);
                ebml::put_uint(out, id::PIXEL_HEIGHT, 240);
            });
        };
        let bytes = foreign(vp8, |out| {
            ebml::put_master(out, id::CLUSTER, |out| {
                ebml::put_uint(out, id::TIMESTAMP, 0);
                ebml::put_master(out, id::BLOCK_GROUP, |out| ebml::put(out, id::BLOCK, b"\x85\x00\x00\x00key"));
                ebml::put_master(out, id::BLOCK_GROUP, |out| {
                    ebml::put_int(out, id::REFERENCE_BLOCK, -40);
                    ebml::put(out, id::BLOCK, b"\x85\x00\x28\x00delta");
                });
            });
        });
        assert_eq!(times_and_data(&bytes), [(0, true, Bytes::from("key")), (40_000, false, Bytes::from("delta"))]);
    }

    #[test]
    fn header_stripping_is_undone() {
        let stripped = |out: &mut Vec<u8>| {
            mp3(out);
            ebml::put_master(out, id::CONTENT_ENCODINGS, |out| {
                ebml::put_master(out, id::CONTENT_ENCODING, |out| {
                    ebml::put_master(out, id::CONTENT_COMPRESSION, |out| {
                        ebml::put_uint(out, id::CONTENT_COMP_ALGO, 3);
                        ebml::put(out, id::CONTENT_COMP_SETTINGS, b"\xff\xfb");
                    });
                });
            });
        };
        let bytes = foreign(stripped, |out| {
            ebml::put_master(out, id::CLUSTER, |out| {
                ebml::put_uint(out, id::TIMESTAMP, 0);
                ebml::put(out, id::SIMPLE_BLOCK, b"\x85\x00\x00\x80rest");
            });
        });
        assert_eq!(times_and_data(&bytes), [(0, true, Bytes::from_static(b"\xff\xfbrest"))]);
    }

    fn refused(bytes: &[u8]) -> String {
        events_at_every_split(Demuxer::default, bytes).unwrap_err().to_string()
    }

    #[test]
    fn hostile_headers_are_refused_with_their_position() {
        let start = foreign(mp3, |_| {}).len();
        let huge = |id: u32| {
            foreign(mp3, |out| {
                ebml::put_id(out, id);
                out.extend_from_slice(&[0x01, 0x10, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
            })
        };
        assert_eq!(refused(&huge(id::INFO)), format!("Matroska: byte {start}: Info of 4503599627370496 bytes"));
        assert_eq!(refused(&huge(id::VOID)), format!("Matroska: byte {start}: element EC of 4503599627370496 bytes"));
        assert_eq!(refused(b"\x1A\x45\xDF\xA3\x84\x42\x82\x81x"), "Matroska: byte 0: EBML document of type \"x\"");
        assert_eq!(refused(b"RIFF...."), "Matroska: byte 0: no EBML header");
        assert_eq!(refused(b"\xA3\x80"), "Matroska: byte 0: no EBML header");
        let nothing = foreign(|out| ebml::put(out, id::CODEC_ID, b"S_TEXT/UTF8"), |out| ebml::put(out, id::CLUSTER, &[]));
        assert!(
            refused(&nothing).ends_with("no track that can be read: track 5 (S_TEXT/UTF8): neither video nor audio"),
            "{}",
            refused(&nothing)
        );
        let mut million = foreign(mp3, |_| {});
        let tracks = million.len();
        ebml::put_master(&mut million, id::TRACKS, |out| (0..1_000_000).for_each(|_| ebml::put_master(out, id::TRACK_ENTRY, mp3)));
        let error = events(Demuxer::default(), &million, 1 << 16).unwrap_err().to_string();
        assert_eq!(error, format!("Matroska: byte {tracks}: Tracks of 32000000 bytes"));
    }

    #[test]
    fn a_huge_block_is_damage_and_costs_nothing() {
        let mut bytes = stream(&two_segments()[..2]);
        let cluster = [&id::CLUSTER.to_be_bytes()[..], &[0xff, 0xE7, 0x81, 0x00, 0xA3, 0x01, 0x10, 0, 0, 0, 0, 0, 0, 0x81]].concat();
        bytes.extend_from_slice(&cluster);
        let (events, damage) = events_at_every_split(Demuxer::default, &bytes).unwrap();
        assert_eq!((events.len(), damage), (2, 1));
    }

    /// Chromium's MediaRecorder: H.264 as Annex B without CodecPrivate, Clusters of unknown size, Opus before video.
    #[test]
    fn mediarecorder_is_read() {
        for (file, codec, packets) in MEDIARECORDER {
            let bytes = std::fs::read(format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            let (all, damage) = events(Demuxer::default(), &bytes, 1000).unwrap();
            assert_eq!(all, events(Demuxer::default(), &bytes, bytes.len()).unwrap().0);
            let Event::Header(header) = &all[0] else { panic!("{file}") };
            assert_eq!((header.tracks[0].codec, header.tracks[1].codec, header.tracks.len()), (codec, Codec::Opus, 2));
            assert_eq!(header.tracks[0].as_video().map(|v| (v.width, v.height)), Some((320, 240)));
            let video: Vec<_> =
                all.iter().filter_map(|e| if let Event::Packet(p) = e { Some(p) } else { None }).filter(|p| p.track == 0).collect();
            assert_eq!((video.len(), all.len() - 1 - video.len(), damage), packets, "{file}");
            assert!(video[0].key && !video[1].key);
            if codec == Codec::H264 {
                let sps = crate::codec::h264::units(&video[0].data).next().unwrap();
                assert_eq!(sps[0], 0x67);
                let avcc = crate::codec::h264::AvcC::parse(&header.tracks[0].config).unwrap();
                assert_eq!((&avcc.sps[0][..], avcc.length_size), (sps, 4));
                assert!(video.iter().all(|p| crate::codec::h264::units(&p.data).map(|u| u.len() + 4).sum::<usize>() == p.data.len()));
            }
        }
    }

    /// Packets of video and audio, damaged elements.
    const MEDIARECORDER: [(&str, Codec, (usize, usize, u64)); 3] = [
        ("mediarecorder-avc1-opus.mkv", Codec::H264, (50, 41, 0)),
        ("mediarecorder-h264.webm", Codec::H264, (50, 41, 0)),
        ("mediarecorder-vp8-opus.webm", Codec::Vp8, (50, 41, 0)),
    ];
}
