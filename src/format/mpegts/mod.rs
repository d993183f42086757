//! MPEG transport streams (ISO/IEC 13818-1), with packets of 188, 192 (M2TS) and 204 bytes, from any byte on.
//!
//! ```text
//!   packets   47 PID flags counter [adaptation field] payload     47 …
//!   payloads  of PID 0: the programs; of a program's PID: its streams; of a stream's PID: PES packets, which have the times
//! ```
//!
//! The crate mpeg2ts-reader knows the syntax of packets, tables and PES headers. What is lost, where frames begin and end, and when they are
//! shown, is said here. One program is read: the first.

mod elementary;
mod packets;
mod pes;
mod pictures;
mod program;
mod section;
mod sound;
mod sync;
mod tables;
#[cfg(test)]
mod tests;
mod writer;
#[cfg(test)]
mod writer_tests;

pub use packets::NULL_PACKET;
pub use writer::{Writer, WriterState};

pub(crate) use sync::{Sync, find as find_sync};

use super::Step;
use super::header_gate::HeaderGate;
use super::simple::{Progress, SimpleDemuxer};
use super::unwrap::Unwrapped;
use crate::media::{Malformed, OmittedTrack, Timestamp, omitted_line};
use bytes::{Buf, BytesMut};
use elementary::{Elementary, Outlet};
use mpeg2ts_reader::packet::Packet;
use program::{Coding, Program};
use section::{Section, Sections};
use sync::PACKET;

const FORMAT: &str = "MPEG-TS";
/// So much is read before the first header: many seconds of media that nothing describes.
const MAX_BEFORE_START: u64 = 64 << 20;
/// How far the next packets are looked for.
const MAX_GARBAGE: u64 = 16 << 20;
/// More that is left out is not named.
const MAX_OMITTED: usize = 64;
/// PID of the program association table.
const ASSOCIATION: u16 = 0;

/// [`super::Demuxer`] of a transport stream. Its damage counts packets of streams that are missing or damaged.
pub struct Demuxer {
    at: u64,
    state: State,
    /// Of the program association table, and of the program's map.
    association: Channel<Sections>,
    map: Channel<Sections>,
    program: Option<Program>,
    streams: Vec<Channel<Elementary>>,
    gate: HeaderGate,
    times: Unwrapped,
    omitted: Vec<OmittedTrack>,
    /// Of `omitted`, how many were reported.
    reported: usize,
    damage: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Packets are looked for, since this position.
    Lost { since: u64 },
    /// At a packet, the next one so many bytes behind it.
    Packet { stride: usize },
    /// Behind a packet, with so many bytes before the next.
    Between { stride: usize },
}

/// What comes in on a PID.
struct Channel<T> {
    counter: Counter,
    content: T,
}

/// continuity_counter of a PID.
#[derive(Clone, Copy, Default)]
struct Counter {
    last: Option<u8>,
    repeated: bool,
}

/// What a counter says of its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Continuity {
    Next,
    /// The same packet once more, which is allowed.
    Again,
    /// So many packets are missing before it, or sixteen more, and so on.
    Lost(u64),
}

impl Counter {
    fn next(&mut self, packet: &Packet<'_>) -> Continuity {
        let value = packet.continuity_counter().count();
        let Some(last) = self.last.replace(value) else { return Continuity::Next };
        match value.wrapping_sub(last) & 0xf {
            0 if !std::mem::replace(&mut self.repeated, true) => Continuity::Again,
            ahead => {
                self.repeated = false;
                if ahead == 1 { Continuity::Next } else { Continuity::Lost(u64::from(ahead.wrapping_sub(1) & 0xf)) }
            }
        }
    }
}

impl Default for Demuxer {
    fn default() -> Demuxer {
        let tables = || Channel { counter: Counter::default(), content: Sections::default() };
        Demuxer {
            at: 0,
            state: State::Lost { since: 0 },
            association: tables(),
            map: tables(),
            program: None,
            streams: Vec::new(),
            gate: HeaderGate::default(),
            times: Unwrapped::new(33),
            omitted: Vec::new(),
            reported: 0,
            damage: 0,
        }
    }
}

impl Demuxer {
    fn search(&mut self, buf: &mut BytesMut, since: u64, eof: bool) -> Result<Progress, Malformed> {
        loop {
            match sync::find(buf, eof) {
                Sync::At { offset, stride } => {
                    self.take(buf, offset);
                    self.state = State::Packet { stride };
                    return Ok(Progress::Go);
                }
                Sync::Need(n) => return Ok(Progress::Need(n)),
                Sync::No if buf.len() < PACKET => return Ok(Progress::Need(PACKET)),
                Sync::No => self.take(buf, PACKET),
            }
            if self.at - since > MAX_GARBAGE {
                return Err(Malformed::new(FORMAT, format!("no packets in {} MiB", MAX_GARBAGE >> 20)).at(since));
            }
        }
    }

    fn packet(&mut self, buf: &mut BytesMut, stride: usize) -> Result<Progress, Malformed> {
        if buf.len() < PACKET {
            return Ok(Progress::Need(PACKET));
        }
        let Some(packet) = Packet::try_new(&buf[..PACKET]) else {
            self.damage += 1;
            self.lose();
            self.state = State::Lost { since: self.at };
            return Ok(Progress::Go);
        };
        // Of a packet with errors, not even the PID is right. The counter of the PID that lacks it tells.
        if !packet.transport_error_indicator() {
            self.content(&packet);
        }
        self.take(buf, PACKET);
        self.state = State::Between { stride };
        if !self.gate.has_begun() && self.at > MAX_BEFORE_START {
            return Err(self.no_track());
        }
        Ok(Progress::Go)
    }

    fn content(&mut self, packet: &Packet<'_>) {
        let pid = u16::from(packet.pid());
        if pid == ASSOCIATION {
            let found = self
                .association
                .sections(packet, |section| (section.table_id == 0).then(|| (section.alone, program::programs(section.data))));
            found.into_iter().for_each(|(alone, programs)| self.programs(alone, &programs));
        } else if self.program.is_some_and(|(_, map)| map == pid) {
            let found = self.map.sections(packet, |section| (section.table_id == 2).then(|| program::streams(section.data)).flatten());
            found.into_iter().for_each(|streams| self.describe(streams));
        } else if let Some(channel) = self.streams.iter_mut().find(|channel| channel.content.stream.pid == pid) {
            let mut outlet = Outlet { gate: &mut self.gate, times: &mut self.times };
            self.damage += channel.elementary(packet, &mut outlet);
        }
    }

    /// Keeps to its program while the table has it.
    fn programs(&mut self, alone: bool, programs: &[Program]) {
        let known = self.program.is_some_and(|program| programs.contains(&program) || !alone);
        let Some(&first) = programs.first().filter(|_| !known) else { return };
        self.program = Some(first);
        self.map = Channel { counter: Counter::default(), content: Sections::default() };
        for (number, _) in &programs[1..] {
            let reason = format!("only program {} is read", first.0);
            self.omit(OmittedTrack { number: (*number).into(), kind: None, codec: "program".into(), reason });
        }
    }

    /// The program has these streams from here on.
    fn describe(&mut self, streams: Vec<program::Stream>) {
        if streams.iter().eq(self.streams.iter().map(|channel| &channel.content.stream)) {
            return;
        }
        self.name_missing();
        let before = std::mem::take(&mut self.streams).into_iter();
        let described = |channel: Channel<Elementary>| {
            let track = channel.content.slot().and_then(|slot| self.gate.track(slot).cloned());
            (channel, track)
        };
        let mut before: Vec<_> = before.map(described).collect();
        self.gate.renew();
        let mut tracks = Vec::new();
        for stream in streams {
            if self.streams.iter().any(|channel| channel.content.stream.pid == stream.pid) {
                continue;
            }
            let known = before.iter().position(|(channel, _)| channel.content.stream == stream).map(|at| before.swap_remove(at));

            let (mut channel, track) =
                known.unwrap_or_else(|| (Channel { counter: Counter::default(), content: Elementary::new(stream) }, None));
            channel.content.enter(&mut self.gate);
            if matches!(channel.content.stream.coding, Coding::Other(..)) {
                self.omit(channel.content.omitted("no codec that is read here"));
            }
            self.streams.push(channel);
            tracks.push(track);
        }
        for (channel, track) in self.streams.iter().zip(tracks) {
            channel.content.describe(&mut self.gate, track);
        }
    }

    /// Names once what is left out.
    fn omit(&mut self, track: OmittedTrack) {
        if self.omitted.len() < MAX_OMITTED && !self.omitted.contains(&track) {
            self.omitted.push(track);
        }
    }

    fn name_missing(&mut self) {
        for slot in self.gate.missing() {
            let Some(channel) = self.streams.iter().find(|channel| channel.content.slot() == Some(slot)) else { continue };
            let reason = channel.content.refused.unwrap_or("nothing of it came that describes it");
            self.omit(channel.content.omitted(reason));
        }
    }

    fn lose(&mut self) {
        self.association.content.lose();
        self.map.content.lose();
        self.streams.iter_mut().for_each(|channel| channel.content.lose());
    }

    fn no_track(&mut self) -> Malformed {
        let refused: Vec<_> = self.streams.iter().filter_map(|c| Some(c.content.omitted(c.content.refused?))).collect();
        refused.into_iter().for_each(|track| self.omit(track));
        let why = match &self.omitted[..] {
            _ if self.program.is_none() => "no table of programs".into(),
            _ if self.streams.is_empty() => "no map of the program".into(),
            [] => "nothing that describes one".into(),
            omitted => omitted_line(omitted),
        };
        Malformed::new(FORMAT, format!("no track that is understood: {why}")).at(self.at)
    }

    fn take(&mut self, buf: &mut BytesMut, n: usize) {
        self.at += n as u64;
        buf.advance(n);
    }
}

impl Channel<Sections> {
    /// What `read` makes of the sections that end in a packet.
    fn sections<T>(&mut self, packet: &Packet<'_>, mut read: impl FnMut(&Section<'_>) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        let Some(payload) = packet.payload() else { return found };
        // A CRC guards them, and there are writers that do not count the packets of tables.
        match self.counter.next(packet) {
            Continuity::Again if !packet.payload_unit_start_indicator() => return found,
            Continuity::Next | Continuity::Again => {}
            Continuity::Lost(_) => self.content.lose(),
        }
        self.content.push(payload, packet.payload_unit_start_indicator(), |section| found.extend(read(section)));
        found
    }
}

impl Channel<Elementary> {
    /// Gives what was damaged.
    fn elementary(&mut self, packet: &Packet<'_>, outlet: &mut Outlet<'_>) -> u64 {
        let field = packet.adaptation_field();
        let announced = field.as_ref().is_some_and(|field| field.discontinuity_indicator());
        let Some(payload) = packet.payload() else { return 0 };
        let mut damage = 0;
        match self.counter.next(packet) {
            Continuity::Again => return 0,
            Continuity::Next => {}
            Continuity::Lost(n) => {
                // What is announced is no damage; but nothing goes on across it.
                damage += if announced { 0 } else { n };
                self.content.lose();
            }
        }
        if packet.transport_scrambling_control().is_scrambled() {
            self.content.refuse("encrypted", outlet.gate);
            return damage;
        }
        damage += self.content.push(payload, packet.payload_unit_start_indicator(), outlet);
        if is_filled_up(packet) {
            damage += self.content.filled_up(outlet.gate);
        }
        damage
    }
}

/// An adaptation field without anything in it is there to fill the packet up, as at the end of a PES packet.
fn is_filled_up(packet: &Packet<'_>) -> bool {
    const FIELDS: u8 = 0x1f;
    let &[_, _, _, control, length, flags, ..] = packet.buffer() else { return false };
    control & 0x20 != 0 && (length == 0 || length > 1 && flags & FIELDS == 0)
}

impl SimpleDemuxer for Demuxer {
    fn advance(&mut self, buf: &mut BytesMut, eof: bool, _now: Timestamp) -> Result<Progress, Malformed> {
        if let Some(event) = self.gate.pop() {
            return Ok(Progress::Give(event));
        }
        match self.state {
            State::Lost { since } => self.search(buf, since, eof),
            State::Packet { stride } => self.packet(buf, stride),
            State::Between { stride } => {
                let gap = stride - PACKET;
                if buf.len() < gap {
                    return Ok(Progress::Need(gap));
                }
                self.take(buf, gap);
                self.state = State::Packet { stride };
                Ok(Progress::Go)
            }
        }
    }

    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        if !buf.is_empty() {
            // A packet that was cut off: what it belongs to is not whole.
            self.damage += u64::from(matches!(self.state, State::Packet { .. }));
            self.take(buf, buf.len());
        }
        for channel in &mut self.streams {
            self.damage += channel.content.finish(&mut self.gate);
        }
        self.gate.end().ok_or_else(|| self.no_track())
    }

    fn damage(&self) -> u64 {
        self.damage
    }

    fn omitted(&mut self) -> Vec<OmittedTrack> {
        self.name_missing();
        let new = self.omitted[self.reported..].to_vec();
        self.reported = self.omitted.len();
        new
    }
}
