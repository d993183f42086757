//! The header of a stream whose tracks are described only as it goes: it waits, and the packets with it, until every track is described
//! or waiting has no end. What is described later, or anew, brings another header.

use super::Step;
use crate::media::{Event, Header, Packet, Timestamp, Track};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// So long, by the times of what is held, a track is waited for of which nothing came: what the stream says of its tracks may be wrong.
const QUIET: Duration = Duration::from_secs(2);
/// And one of which something came that does not describe it yet: pictures before the first keyframe.
const UNDESCRIBED: Duration = Duration::from_secs(15);
/// What may be held.
const MAX_HELD_PACKETS: usize = 2048;
const MAX_HELD_BYTES: usize = 64 << 20;

/// Takes tracks and packets; gives events.
#[derive(Default)]
pub struct HeaderGate {
    slots: Vec<Slot>,
    state: State,
    held: Vec<Held>,
    held_bytes: usize,
    ready: VecDeque<Event>,
    /// The tracks of the last header; `None`: the next header is given in any case.
    given: Option<Vec<Track>>,
    begun: bool,
    /// Slots that the last header is without, not yet reported.
    missing: Vec<usize>,
}

/// A track that is expected.
struct Slot {
    track: Option<Track>,
    /// Index in the header.
    place: Option<usize>,
    /// How long its description is waited for.
    patience: Duration,
}

struct Held {
    slot: usize,
    packet: Packet,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Packets are held.
    #[default]
    Waiting,
    /// Packets go on.
    Open,
    /// Packets go on, after a new header.
    Changed,
}

impl HeaderGate {
    /// One more track; gives the number of its slot.
    pub fn expect(&mut self) -> usize {
        self.slots.push(Slot { track: None, place: None, patience: QUIET });
        self.slots.len() - 1
    }

    /// Other tracks: the slots so far mean nothing more. What was held goes on before.
    pub fn renew(&mut self) {
        self.finish();
        self.missing.clear();
        (self.slots, self.state) = (Vec::new(), State::Waiting);
    }

    /// As [`HeaderGate::renew`], for another stream: it begins with a header even if that says what the last one said.
    pub fn restart(&mut self) {
        self.renew();
        self.given = None;
    }

    /// Describes a track, or describes it anew.
    pub fn describe(&mut self, slot: usize, track: Track) {
        let Some(known) = self.slots.get_mut(slot) else { return };
        if known.track.as_ref() == Some(&track) {
            return;
        }
        known.track = Some(track);
        match self.state {
            State::Waiting => self.open_when_known(),
            State::Open | State::Changed => self.state = State::Changed,
        }
    }

    /// Something of the track came that does not describe it.
    pub fn came(&mut self, slot: usize) {
        self.wait_for(slot, UNDESCRIBED);
    }

    /// The track will not be described.
    pub fn dismiss(&mut self, slot: usize) {
        self.wait_for(slot, Duration::ZERO);
    }

    fn wait_for(&mut self, slot: usize, patience: Duration) {
        let Some(slot) = self.slots.get_mut(slot).filter(|slot| slot.track.is_none() && slot.patience != patience) else { return };
        slot.patience = patience;
        if self.state == State::Waiting && !self.held.is_empty() {
            self.open_when_known();
        }
    }

    /// The track, as it was described.
    pub fn track(&self, slot: usize) -> Option<&Track> {
        self.slots.get(slot)?.track.as_ref()
    }

    /// At the end of the input, what is next; `None`: no track was described.
    pub fn end(&mut self) -> Option<Step> {
        self.finish();
        self.pop().map(Step::Event).or(self.begun.then_some(Step::End))
    }

    /// A header was given out.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// A frame of a track. It goes no further where the track is not described.
    pub fn packet(&mut self, slot: usize, pts: Timestamp, key: bool, data: Bytes) {
        if self.track(slot).is_none() || data.is_empty() {
            return self.came(slot);
        }
        let packet = Packet { track: 0, pts, key, data, hidden: false };
        match self.state {
            State::Waiting => {
                self.held_bytes += packet.data.len();
                self.held.push(Held { slot, packet });
                self.open_when_known();
            }
            State::Open => self.give(slot, packet),
            State::Changed => {
                self.header();
                self.give(slot, packet);
            }
        }
    }

    pub fn pop(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    /// No more will come: goes on with the tracks that are described.
    pub fn finish(&mut self) {
        if self.state == State::Waiting && self.slots.iter().any(|slot| slot.track.is_some()) {
            self.open();
        }
    }

    /// The slots that the header is without, each once.
    pub fn missing(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.missing)
    }

    fn open_when_known(&mut self) {
        let held = |held: &Held| held.packet.pts;
        let span = self.held.iter().map(held).max().zip(self.held.iter().map(held).min()).map(|(last, first)| last.since(first));
        let span = span.unwrap_or_default();
        let room = self.held.len() < MAX_HELD_PACKETS && self.held_bytes < MAX_HELD_BYTES;
        let waits = |slot: &Slot| slot.track.is_none() && room && span < slot.patience;
        if !self.slots.iter().any(waits) {
            self.open();
        }
    }

    fn open(&mut self) {
        self.header();
        self.held_bytes = 0;
        for Held { slot, packet } in std::mem::take(&mut self.held) {
            self.give(slot, packet);
        }
    }

    /// The header, unless it says what the last one said.
    fn header(&mut self) {
        self.state = State::Open;
        let mut tracks = Vec::new();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            slot.place = slot.track.is_some().then_some(tracks.len());
            match &slot.track {
                Some(track) => tracks.push(track.clone()),
                None => self.missing.push(number),
            }
        }
        if self.given.as_ref() != Some(&tracks) {
            (self.given, self.begun) = (Some(tracks.clone()), true);
            self.ready.push_back(Event::Header(Header { tracks: tracks.into(), time_zero: None }));
        }
    }

    fn give(&mut self, slot: usize, packet: Packet) {
        if let Some(track) = self.slots.get(slot).and_then(|slot| slot.place) {
            self.ready.push_back(Event::Packet(Packet { track, ..packet }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AudioParams, Codec, VideoParams};

    fn video(width: u32) -> Track {
        Track::video(Codec::H264, VideoParams::new(width, 16))
    }

    fn audio() -> Track {
        Track::audio(Codec::Aac, AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO })
    }

    /// Counts of tracks at headers; tracks and milliseconds of packets.
    fn given(gate: &mut HeaderGate) -> Vec<String> {
        let line = |event| match event {
            Event::Header(header) => format!("{} tracks", header.tracks.len()),
            Event::Packet(packet) => format!("{} at {}", packet.track, packet.pts.micros() / 1000),
            Event::TimeZero(_) => "zero".to_owned(),
        };
        std::iter::from_fn(|| gate.pop()).map(line).collect()
    }

    fn packet(gate: &mut HeaderGate, slot: usize, millis: i64) {
        gate.packet(slot, Timestamp(millis * 1000), true, Bytes::from_static(b"x"));
    }

    #[test]
    fn all_tracks_are_waited_for() {
        let mut gate = HeaderGate::default();
        let (v, a) = (gate.expect(), gate.expect());
        gate.describe(a, audio());
        packet(&mut gate, a, 0);
        packet(&mut gate, v, 0);
        assert!(given(&mut gate).is_empty());
        gate.describe(v, video(16));
        packet(&mut gate, v, 40);
        assert_eq!(given(&mut gate), ["2 tracks", "1 at 0", "0 at 40"]);
        gate.describe(v, video(16));
        packet(&mut gate, v, 80);
        gate.describe(v, video(32));
        packet(&mut gate, v, 120);
        assert_eq!(given(&mut gate), ["0 at 80", "2 tracks", "0 at 120"], "only a change needs another header");
    }

    #[test]
    fn what_never_comes_is_not_waited_for_and_may_come_later() {
        let mut gate = HeaderGate::default();
        let (v, a) = (gate.expect(), gate.expect());
        gate.describe(a, audio());
        (0..=20).for_each(|n| packet(&mut gate, a, n * 100));
        let begun = given(&mut gate);
        assert_eq!((begun.len(), begun[0].as_str(), gate.missing()), (22, "1 tracks", vec![v]));
        gate.describe(v, video(16));
        packet(&mut gate, v, 2100);
        assert_eq!(given(&mut gate), ["2 tracks", "0 at 2100"]);
        assert!(gate.missing().is_empty());
    }

    #[test]
    fn what_is_dismissed_holds_nothing_up() {
        let mut gate = HeaderGate::default();
        let (v, a) = (gate.expect(), gate.expect());
        gate.describe(v, video(16));
        packet(&mut gate, v, 0);
        gate.dismiss(a);
        assert_eq!((given(&mut gate), gate.missing()), (vec!["1 tracks".to_owned(), "0 at 0".to_owned()], vec![a]));
    }

    #[test]
    fn pictures_before_a_keyframe_are_waited_for_longer() {
        let mut gate = HeaderGate::default();
        let (v, a) = (gate.expect(), gate.expect());
        gate.describe(a, audio());
        gate.came(v);
        (0..150).for_each(|n| packet(&mut gate, a, n * 100));
        assert!(given(&mut gate).is_empty());
        packet(&mut gate, a, 15_000);
        assert_eq!(given(&mut gate).len(), 152);
    }

    #[test]
    fn the_same_tracks_again_need_no_header() {
        let mut gate = HeaderGate::default();
        for millis in [0, 40] {
            let v = gate.expect();
            gate.describe(v, video(16));
            packet(&mut gate, v, millis);
            gate.renew();
        }
        assert_eq!(given(&mut gate), ["1 tracks", "0 at 0", "0 at 40"]);
        gate.finish();
        assert!(given(&mut gate).is_empty() && gate.has_begun());
        gate.restart();
        let v = gate.expect();
        gate.describe(v, video(16));
        packet(&mut gate, v, 0);
        assert_eq!(given(&mut gate), ["1 tracks", "0 at 0"], "but another stream does");
    }
}
