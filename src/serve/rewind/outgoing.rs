//! The tracks on their way to a player, and how their fragments are written. Pure.

use super::line::Line;
use crate::format::bmff::{Chunk, Fragment, FragmentTrack, ProducerTime, Sample};
use crate::media::{Timestamp, WallTime};
use crate::serve::ws::frames;
use bytes::{Bytes, BytesMut};

/// What goes to the player.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Another kind of stream follows: a content type.
    Kind(String),
    /// An init segment, as a message.
    Init(Bytes),
    /// From here on this holds. With how much time was jumped over.
    Line(Line, Option<i64>),
    /// A fragment, as a message.
    Frame(Frame),
}

/// A fragment for the player.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// In its WebSocket frame.
    pub message: Bytes,
    /// When it is decoded, in microseconds of media time.
    pub decoded: i64,
    /// When it ends.
    pub end: i64,
    /// The moment of the picture, and its media time; `None` for sound, and for what is not shown.
    pub shown: Option<(WallTime, i64)>,
}

/// A track on its way to the player.
pub struct OutgoingTrack {
    pub id: u32,
    pub main: bool,
    /// As the init segment has it that the player gets.
    pub track: FragmentTrack,
    /// The next sample is not decoded before, in ticks.
    pub next: i64,
    /// A picture whose duration is known with the next one.
    pub waiting: Option<Waiting>,
}

/// A picture that is not written yet.
pub struct Waiting {
    pub decoded: i64,
    pub composition_offset: i64,
    /// Its own, at this speed, in ticks.
    pub duration: i64,
    pub sync: bool,
    pub data: Bytes,
    pub shown: Option<(WallTime, i64)>,
}

/// A sample as it was recorded; times in its ticks.
pub struct Part {
    pub time: i64,
    pub composition_offset: i64,
    pub duration: u32,
    pub sync: bool,
    pub data: Bytes,
}

/// All tracks.
#[derive(Default)]
pub struct OutgoingTracks {
    pub all: Vec<OutgoingTrack>,
    sequence: u32,
    heads: BytesMut,
}

impl OutgoingTracks {
    pub fn main(&self) -> Option<&OutgoingTrack> {
        self.all.iter().find(|outgoing| outgoing.main)
    }

    pub fn main_index(&self) -> Option<usize> {
        self.all.iter().position(|outgoing| outgoing.main)
    }

    /// What waits for its next picture goes without it.
    pub fn flush(&mut self, out: &mut Vec<Output>) {
        (0..self.all.len()).for_each(|index| self.flush_track(index, out));
    }

    pub fn flush_track(&mut self, index: usize, out: &mut Vec<Output>) {
        if let Some(waiting) = self.all[index].waiting.take() {
            let duration = waiting.duration;
            self.write(index, waiting, duration, out);
        }
    }

    /// The one before it goes: now it is known how long it is.
    pub fn wait(&mut self, index: usize, waiting: Waiting, out: &mut Vec<Output>) {
        let outgoing = &mut self.all[index];
        outgoing.next = waiting.decoded + 1;
        if let Some(before) = outgoing.waiting.replace(waiting) {
            let duration = self.all[index].next - 1 - before.decoded;
            let next = self.all[index].next;
            self.write(index, before, duration, out);
            self.all[index].next = next;
        }
    }

    fn write(&mut self, index: usize, waiting: Waiting, duration: i64, out: &mut Vec<Output>) {
        let outgoing = &mut self.all[index];
        let duration = u32::try_from(duration.max(1)).unwrap_or(u32::MAX);
        let Waiting { decoded, composition_offset, sync, data, shown, .. } = waiting;
        let size = data.len() as u32;
        outgoing.next = decoded + i64::from(duration);
        let composition_offset = i32::try_from(composition_offset).unwrap_or_default();
        let samples = [Sample { size, duration, composition_offset, key: sync }];
        let media = |ticks: i64| u64::try_from(ticks).unwrap_or_default();
        let producer_time =
            shown.map(|(wall, _)| ProducerTime { wall, media_time: media(decoded.saturating_add(composition_offset.into())) });
        self.sequence += 1;
        let fragment =
            Fragment { sequence: self.sequence, track_id: outgoing.id, decode_time: media(decoded), samples: &samples, producer_time };
        let chunk = chunk(fragment.head(&mut self.heads), vec![data]);
        let times = (outgoing.track.time(decoded).micros(), outgoing.track.time(outgoing.next).micros());
        out.push(Output::Frame(Frame { message: frames::binary("", &chunk).0, decoded: times.0, end: times.1, shown }));
    }

    /// Samples of a sound that follow one another.
    pub fn write_sound(&mut self, index: usize, decoded: i64, parts: &[&Part], out: &mut Vec<Output>) {
        let sample = |part: &&Part| Sample {
            size: part.data.len() as u32,
            duration: part.duration,
            composition_offset: i32::try_from(part.composition_offset).unwrap_or_default(),
            key: part.sync,
        };
        let samples: Vec<Sample> = parts.iter().map(sample).collect();
        let length: i64 = parts.iter().map(|part| i64::from(part.duration)).sum();
        let outgoing = &mut self.all[index];
        self.sequence += 1;
        let decode_time = u64::try_from(decoded).unwrap_or_default();
        let fragment = Fragment { sequence: self.sequence, track_id: outgoing.id, decode_time, samples: &samples, producer_time: None };
        let chunk = chunk(fragment.head(&mut self.heads), parts.iter().map(|part| part.data.clone()).collect());
        outgoing.next = decoded.saturating_add(length);
        let times = (outgoing.track.time(decoded).micros(), outgoing.track.time(outgoing.next).micros());
        out.push(Output::Frame(Frame { message: frames::binary("", &chunk).0, decoded: times.0, end: times.1, shown: None }));
    }
}

/// For its bytes alone.
fn chunk(head: Bytes, data: Vec<Bytes>) -> Chunk {
    Chunk { data, ..Chunk::picture(head, Timestamp::ZERO, None) }
}
