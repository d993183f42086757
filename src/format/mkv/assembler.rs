//! From blocks to events: packets with their times, after a header that waits until every track can be described.

use super::FORMAT;
use super::blocks::{self, BlockHeader, Frames};
use super::entry::Entry;
use super::schema::id;
use super::segment::{Block, PendingPacket, Phase, Segment};
use crate::format::ebml;
use crate::media::{Event, Header, Malformed, OmittedTrack, Packet, Timestamp, Track, omitted_line};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// What may wait for the parameter sets of a track that has none in its header.
const MAX_HELD_PACKETS: usize = 512;
const MAX_HELD_BYTES: usize = 16 << 20;

/// Takes the blocks of a Segment; the events are in `ready`.
#[derive(Default)]
pub struct EventAssembler {
    pub segment: Segment,
    pub ready: VecDeque<Event>,
    /// A header was given out: from here on, damage is passed over.
    pub started: bool,
    /// Damaged elements so far.
    pub damage: u64,
    /// Tracks that are left out, and were not asked for yet.
    pub omitted: Vec<OmittedTrack>,
}

impl EventAssembler {
    /// Another Segment begins.
    pub fn new_segment(&mut self) {
        self.give_up_waiting();
        self.segment = Segment::new();
    }

    /// The Tags in front of the Clusters belong to the header; those between them say that the wall clock was set.
    pub fn tags(&mut self, data: &[u8]) {
        let before = self.segment.time_zero;
        self.segment.tags(data);
        if let Some(zero) = self.segment.time_zero.filter(|_| self.segment.phase == Phase::Playing && self.segment.time_zero != before) {
            self.ready.push_back(Event::TimeZero(zero));
        }
    }

    /// Section 5.1.3.5: a Block that refers to no other is a keyframe.
    pub fn block_group(&mut self, at: u64, data: Bytes) {
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
    pub fn block(&mut self, at: u64, mut data: Bytes, group: Option<(bool, Option<Duration>)>) {
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
    pub fn frames(&mut self, at: u64, block: Block, data: Bytes) {
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
        // Frames before the first parameter sets cannot be decoded.
        if entry.is_ready() {
            segment.held_bytes += packet.data.len();
            segment.held.push_back(packet);
        }
        if segment.entries.iter().all(Entry::is_ready) || segment.held.len() > MAX_HELD_PACKETS || segment.held_bytes > MAX_HELD_BYTES {
            self.give_up_waiting();
        }
    }

    /// Goes on with the tracks that can be described.
    pub fn give_up_waiting(&mut self) {
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
    pub fn announce(&mut self, at: u64) -> Result<(), Malformed> {
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
}
