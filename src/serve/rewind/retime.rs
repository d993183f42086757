//! Fragments of the past, written again with the times at which a player is to show them. Pure.
//!
//! ```text
//!   recorded   K . . . . T . . . . . |gap| K . . .        K: keyframe, T: the moment that was asked for
//!   media          KKKKK T . . . . . K . . .              up to T a tick each: decoded, and not shown
//! ```
//!
//! Up to [`FASTEST_WHOLE`] times as fast all pictures are sent, beyond it and backwards keyframes alone. Sound comes with speed 1 only.

use super::line::Line;
use crate::format::bmff::{self, Chunk, Fragment, FragmentReader, FragmentTrack, ProducerTime, Sample, Split, Splitter};
use crate::media::{Kind, Timestamp, WallTime};
use crate::serve::live::init_segment::InitSegment;
use crate::serve::recordings::api::TapeFragment;
use crate::serve::ws::frames;
use bytes::{Bytes, BytesMut};

/// Faster than this, a decoder and a network would have more to do than they can.
const FASTEST_WHOLE: f64 = 4.0;
/// A picture that comes so much after the end of the last one is behind a gap, in microseconds; it follows at once. So is one that goes back.
const PAUSE: i64 = 2_000_000;
const BACK: i64 = 250_000;
/// Between keyframes.
const KEY_PAUSE: i64 = 20_000_000;
/// A gap that is worth saying, in microseconds.
const GAP: i64 = 1_000_000;
/// How long a keyframe is shown of which the next is not known, in microseconds.
const LAST_KEY: i64 = 200_000;
/// Sound may be so far from where it should go on, in microseconds: it goes on without a seam. Farther ahead it is left out.
const SEAM: i64 = 20_000;
const AHEAD: i64 = 200_000;

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

/// Why a fragment cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unplayable {
    /// The viewer plays none of these codecs.
    Codecs(String),
    /// It is not understood.
    Malformed,
}

/// Writes the fragments of one run: from a keyframe on, at one speed.
pub struct Retimer {
    codecs: String,
    line: Line,
    /// Pictures that end before it are not shown.
    target: WallTime,
    /// There was a picture to show.
    anchored: bool,
    source: Option<Source>,
    kind: String,
    init: Bytes,
    lanes: Vec<Lane>,
    /// Where the main track goes on, by the labels.
    expected: Option<WallTime>,
    /// The next picture goes on where the last one ends, whatever the labels say.
    anchors: bool,
    sequence: u32,
    heads: BytesMut,
}

/// What the fragments that come belong to.
struct Source {
    init: Bytes,
    zero: WallTime,
    reader: FragmentReader,
    main: u32,
    tracks: Vec<FragmentTrack>,
}

/// A track on its way to the player.
struct Lane {
    id: u32,
    main: bool,
    /// As the init segment has it that the player gets.
    track: FragmentTrack,
    /// The next sample is not decoded before, in ticks.
    next: i64,
    /// A picture whose duration is known with the next one.
    waiting: Option<Waiting>,
}

struct Waiting {
    decoded: i64,
    composition_offset: i64,
    /// Its own, at this speed, in ticks.
    duration: i64,
    sync: bool,
    data: Bytes,
    shown: Option<(WallTime, i64)>,
}

impl Retimer {
    /// A run that shows the moment `wall`, for a player of these codecs; `media`: a media time that nothing was sent of yet, in microseconds.
    pub fn new(codecs: String, wall: WallTime, media: i64, speed: f64) -> Retimer {
        Retimer {
            codecs,
            line: Line { wall, media, speed },
            target: wall,
            anchored: false,
            source: None,
            kind: String::new(),
            init: Bytes::new(),
            lanes: Vec::new(),
            expected: None,
            anchors: false,
            sequence: 0,
            heads: BytesMut::new(),
        }
    }

    /// Keyframes alone are played.
    pub fn keys_only(&self) -> bool {
        self.line.speed < 0.0 || self.line.speed > FASTEST_WHOLE
    }

    /// The picture that goes with the next one, if it is to be shown.
    pub fn waits_for(&self) -> Option<(WallTime, i64)> {
        self.lanes.iter().find(|lane| lane.main)?.waiting.as_ref()?.shown
    }

    /// Goes on at this speed, from the next picture on. Sound does not come back by it.
    pub fn set_speed(&mut self, speed: f64) {
        self.line = Line { speed, ..self.line };
        self.anchors = true;
    }

    /// The next fragment.
    ///
    /// # Errors
    /// It cannot be played.
    pub fn fragment(&mut self, fragment: &TapeFragment, out: &mut Vec<Output>) -> Result<(), Unplayable> {
        let is_other = self.source.as_ref().is_none_or(|source| source.zero != fragment.zero || source.init != fragment.init);
        if is_other {
            self.source(fragment, out)?;
        }
        let Some(source) = &mut self.source else { return Err(Unplayable::Malformed) };
        let (at, moof) = bmff::moof_of(&fragment.bytes).ok_or(Unplayable::Malformed)?;
        let mut tracks = source.reader.read(moof, at as u64).map_err(|_| Unplayable::Malformed)?;
        let main = source.main;
        // By the pictures is known where the sound stands.
        tracks.sort_by_key(|samples| samples.track != main);
        for samples in tracks {
            let Some(own) = self.source.as_ref().and_then(|source| source.tracks.iter().find(|track| track.id == samples.track).copied())
            else {
                continue;
            };
            let mut time = i64::try_from(samples.decode_time).unwrap_or(i64::MAX);
            let mut sounds = Vec::new();
            for sample in &samples.samples {
                let data = usize::try_from(sample.offset).ok().and_then(|from| {
                    let end = from.checked_add(sample.size as usize).filter(|end| *end <= fragment.bytes.len())?;
                    Some(fragment.bytes.slice(from..end))
                });
                let data = data.ok_or(Unplayable::Malformed)?;
                let part = Part { time, composition_offset: sample.composition_offset, duration: sample.duration, sync: sample.sync, data };
                time = time.saturating_add(sample.duration.into());
                match (samples.track == main, self.keys_only()) {
                    (true, true) if part.sync => {
                        self.key(&part, own, out);
                        return Ok(());
                    }
                    (true, false) => self.picture(part, own, out),
                    (true, true) => {}
                    (false, _) => sounds.push(part),
                }
            }
            self.sound(samples.track, &sounds, own, out);
        }
        Ok(())
    }

    /// Nothing comes for now: what waits for the next picture goes.
    pub fn flush(&mut self, out: &mut Vec<Output>) {
        for index in 0..self.lanes.len() {
            if let Some(waiting) = self.lanes[index].waiting.take() {
                let duration = waiting.duration;
                self.write(index, waiting, duration, out);
            }
        }
    }

    /// Other fragments: of another recording, or of the ring.
    fn source(&mut self, fragment: &TapeFragment, out: &mut Vec<Output>) -> Result<(), Unplayable> {
        self.flush(out);
        let reader = FragmentReader::new(&fragment.init).map_err(|_| Unplayable::Malformed)?;
        let described = described(&fragment.init).ok_or(Unplayable::Malformed)?;
        let of_video = |id| reader.tracks().any(|track| track.id == id && track.kind == Kind::Video);
        let selection = described.choose(&self.codecs, false).ok_or_else(|| Unplayable::Codecs(described.codecs().join(",")))?;
        let all: Vec<FragmentTrack> = reader.tracks().filter(|track| described.mask(Some(track.id)) & selection.tracks != 0).collect();
        let main = all.iter().find(|track| of_video(track.id)).or(all.first()).map(|track| track.id).ok_or(Unplayable::Malformed)?;
        let tracks: Vec<FragmentTrack> = all.into_iter().filter(|track| track.id == main || self.has_sound()).collect();
        let mask = tracks.iter().fold(0, |mask, track| mask | described.mask(Some(track.id)));
        let kind = described.content_type(mask);
        let shown = init_for(&described.init_of(mask));
        let written = FragmentReader::new(&shown).map_err(|_| Unplayable::Malformed)?;
        let (is_other_kind, is_other_init) = (kind != self.kind, shown != self.init);
        if is_other_kind {
            out.push(Output::Kind(kind.clone()));
        }
        if is_other_init {
            let end = self.end();
            let begin = |track: &FragmentTrack| track.ticks(Timestamp(end.unwrap_or(self.line.media))).max(0);
            let lane = |track: FragmentTrack| Lane { id: track.id, main: track.id == main, next: begin(&track), track, waiting: None };
            self.lanes = written.tracks().map(lane).collect();
            out.push(Output::Init(frames::binary("", &shown).0));
        }
        self.anchors = true;
        (self.kind, self.init) = (kind, shown);
        self.source = Some(Source { init: fragment.init.clone(), zero: fragment.zero, reader, main, tracks });
        Ok(())
    }

    fn has_sound(&self) -> bool {
        self.line.speed == 1.0
    }

    /// Where the main track ends, if it has begun.
    fn end(&self) -> Option<i64> {
        let main = self.lanes.iter().find(|lane| lane.main)?;
        self.anchored.then(|| main.track.time(main.next).micros())
    }

    fn zero(&self) -> WallTime {
        self.source.as_ref().map_or(WallTime(0), |source| source.zero)
    }

    fn main(&self) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.main)
    }

    fn picture(&mut self, part: Part, own: FragmentTrack, out: &mut Vec<Output>) {
        let Some(index) = self.main() else { return };
        let decoded = self.zero().at(own.time(part.time));
        let presented = self.zero().at(own.time(part.time.saturating_add(part.composition_offset)));
        let length = Timestamp::from_ticks(part.duration.into(), own.timescale).micros().max(1);
        let is_on_time = self.anchored || decoded.0.saturating_add(length) > self.target.0;
        if is_on_time {
            self.anchor(decoded, index, out);
        }
        self.expected = Some(WallTime(decoded.0.saturating_add(length)));
        let is_shown = self.anchored || presented.0.saturating_add(length) > self.target.0;
        let lane = &self.lanes[index];
        let ticks = |line: &Line, wall| lane.track.ticks(Timestamp(line.media_of(wall)));
        let (at, shown_at, duration) = match (is_on_time, is_shown) {
            (true, _) => {
                let natural = ticks(&self.line, decoded);
                let (at, offset) = (natural.max(lane.next), ticks(&self.line, presented) - natural);
                (at, at + offset, scaled(part.duration, own.timescale, lane.track.timescale, self.line.speed))
            }
            (false, false) => (lane.next, lane.next, 1),
            (false, true) => {
                // It is decoded before the moment and shown behind it. Those between take a tick each.
                let between = (self.target.0 - decoded.0) / length + 1;
                let anchor = lane.track.time(lane.next.saturating_add(between)).micros();
                let begin = Line { wall: self.target, media: anchor, ..self.line };
                (lane.next, ticks(&begin, presented).max(lane.next), 1)
            }
        };
        let shown = is_shown.then(|| (presented, lane.track.time(shown_at).micros()));
        let waiting = Waiting { decoded: at, composition_offset: shown_at - at, duration, sync: part.sync, data: part.data, shown };
        self.wait(index, waiting, out);
    }

    /// What comes next follows what was shown, where the labels have a gap, or where it is the first that is shown.
    fn anchor(&mut self, decoded: WallTime, index: usize, out: &mut Vec<Output>) {
        let apart = self.expected.map_or(0, |expected| decoded.0.saturating_sub(expected.0));
        if self.anchored && !self.anchors && (-BACK..=PAUSE).contains(&apart) {
            return;
        }
        if self.anchored
            && let Some(waiting) = self.lanes[index].waiting.take()
        {
            let duration = waiting.duration;
            self.write(index, waiting, duration, out);
        }
        let is_gap = self.anchored && apart > GAP;
        (self.anchored, self.anchors) = (true, false);
        let lane = &self.lanes[index];
        self.line = Line { wall: decoded, media: lane.track.time(lane.next).micros(), speed: self.line.speed };
        out.push(Output::Line(self.line, is_gap.then_some(apart)));
    }

    fn key(&mut self, part: &Part, own: FragmentTrack, out: &mut Vec<Output>) {
        let Some(index) = self.main() else { return };
        let wall = self.zero().at(own.time(part.time.saturating_add(part.composition_offset)));
        let apart = self.expected.map_or(0, |last| wall.0.saturating_sub(last.0).abs());
        let last = scaled_micros(LAST_KEY, self.lanes[index].track.timescale);
        if !self.anchored || apart > KEY_PAUSE {
            if let Some(waiting) = self.lanes[index].waiting.take() {
                self.write(index, waiting, last, out);
            }
            let lane = &self.lanes[index];
            self.line = Line { wall, media: lane.track.time(lane.next).micros(), speed: self.line.speed };
            out.push(Output::Line(self.line, (apart > KEY_PAUSE).then_some(apart)));
            self.anchored = true;
        }
        self.expected = Some(wall);
        let lane = &self.lanes[index];
        let at = lane.track.ticks(Timestamp(self.line.media_of(wall))).max(lane.next);
        let shown = Some((wall, lane.track.time(at).micros()));
        let data = part.data.clone();
        self.wait(index, Waiting { decoded: at, composition_offset: 0, duration: last, sync: true, data, shown }, out);
    }

    /// The one before it goes: now it is known how long it is.
    fn wait(&mut self, index: usize, waiting: Waiting, out: &mut Vec<Output>) {
        let lane = &mut self.lanes[index];
        lane.next = waiting.decoded + 1;
        if let Some(before) = lane.waiting.replace(waiting) {
            let duration = self.lanes[index].next - 1 - before.decoded;
            let next = self.lanes[index].next;
            self.write(index, before, duration, out);
            self.lanes[index].next = next;
        }
    }

    fn write(&mut self, index: usize, waiting: Waiting, duration: i64, out: &mut Vec<Output>) {
        let lane = &mut self.lanes[index];
        let duration = u32::try_from(duration.max(1)).unwrap_or(u32::MAX);
        let Waiting { decoded, composition_offset, sync, data, shown, .. } = waiting;
        let size = data.len() as u32;
        lane.next = decoded + i64::from(duration);
        let composition_offset = i32::try_from(composition_offset).unwrap_or_default();
        let samples = [Sample { size, duration, composition_offset, key: sync }];
        let media = |ticks: i64| u64::try_from(ticks).unwrap_or_default();
        let producer_time =
            shown.map(|(wall, _)| ProducerTime { wall, media_time: media(decoded.saturating_add(composition_offset.into())) });
        self.sequence += 1;
        let fragment =
            Fragment { sequence: self.sequence, track_id: lane.id, decode_time: media(decoded), samples: &samples, producer_time };
        let chunk = chunk(fragment.head(&mut self.heads), vec![data]);
        let times = (lane.track.time(decoded).micros(), lane.track.time(lane.next).micros());
        out.push(Output::Frame(Frame { message: frames::binary("", &chunk).0, decoded: times.0, end: times.1, shown }));
    }

    fn sound(&mut self, track: u32, parts: &[Part], own: FragmentTrack, out: &mut Vec<Output>) {
        let Some(index) = self.lanes.iter().position(|lane| lane.id == track && !lane.main) else { return };
        let zero = self.zero();
        let parts: Vec<&Part> = parts.iter().filter(|part| self.anchored && zero.at(own.time(part.time)) >= self.target).collect();
        let Some(first) = parts.first() else { return };
        let lane = &self.lanes[index];
        let natural = lane.track.ticks(Timestamp(self.line.media_of(zero.at(own.time(first.time)))));
        let off = Timestamp::from_ticks(natural - lane.next, lane.track.timescale).micros();
        if off < -AHEAD {
            return;
        }
        let decoded = if off < SEAM { lane.next } else { natural };
        let sample = |part: &&Part| Sample {
            size: part.data.len() as u32,
            duration: part.duration,
            composition_offset: i32::try_from(part.composition_offset).unwrap_or_default(),
            key: part.sync,
        };
        let samples: Vec<Sample> = parts.iter().map(sample).collect();
        let length: i64 = parts.iter().map(|part| i64::from(part.duration)).sum();
        self.sequence += 1;
        let decode_time = u64::try_from(decoded).unwrap_or_default();
        let fragment = Fragment { sequence: self.sequence, track_id: track, decode_time, samples: &samples, producer_time: None };
        let chunk = chunk(fragment.head(&mut self.heads), parts.iter().map(|part| part.data.clone()).collect());
        let lane = &mut self.lanes[index];
        lane.next = decoded.saturating_add(length);
        let times = (lane.track.time(decoded).micros(), lane.track.time(lane.next).micros());
        out.push(Output::Frame(Frame { message: frames::binary("", &chunk).0, decoded: times.0, end: times.1, shown: None }));
    }
}

/// A sample as it was recorded; times in its ticks.
struct Part {
    time: i64,
    composition_offset: i64,
    duration: u32,
    sync: bool,
    data: Bytes,
}

/// For its bytes alone.
fn chunk(head: Bytes, data: Vec<Bytes>) -> Chunk {
    Chunk { data, ..Chunk::picture(head, Timestamp::ZERO, None) }
}

fn scaled(duration: u32, from: u32, to: u32, speed: f64) -> i64 {
    let ticks = f64::from(duration) * f64::from(to) / f64::from(from.max(1)) / speed;
    (ticks.round() as i64).max(1)
}

fn scaled_micros(micros: i64, timescale: u32) -> i64 {
    (micros.saturating_mul(timescale.into()) / 1_000_000).max(1)
}

/// What an init segment says of its tracks.
fn described(init: &Bytes) -> Option<InitSegment> {
    let (mut splitter, mut buf) = (Splitter::default(), BytesMut::from(&init[..]));
    match splitter.next(&mut buf, false) {
        Ok(Split::Init(init)) => Some(InitSegment::new(init)),
        _ => None,
    }
}

/// The init segment whose presentation begins near the begin of its media, however late its recording began in the stream.
fn init_for(init: &Bytes) -> Bytes {
    let Ok(reader) = FragmentReader::new(init) else { return init.clone() };
    let earliest = reader.tracks().map(|track| Timestamp::from_ticks(track.origin, track.timescale).micros()).min().unwrap_or(0);
    bmff::init_at(init, Timestamp(-earliest))
}
