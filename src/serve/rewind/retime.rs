//! Fragments of the past, written again with the times at which a player is to show them. Pure.
//!
//! ```text
//!   recorded   K . . . . T . . . . . |gap| K . . .        K: keyframe, T: the moment that was asked for
//!   media          KKKKK T . . . . . K . . .              up to T a tick each: decoded, and not shown
//! ```
//!
//! Up to [`FASTEST_WHOLE`] times as fast all pictures are sent, beyond it and backwards keyframes alone. Sound comes with speed 1 only.

use super::line::Line;
use super::outgoing::{OutgoingTrack, OutgoingTracks, Output, Part, Waiting};
use crate::format::bmff::{self, FragmentReader, FragmentTrack, RecordedFragment, Split, Splitter};
use crate::media::{Kind, Timestamp, WallTime};
use crate::serve::live::init_segment::InitSegment;
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
    outgoing_tracks: OutgoingTracks,
    /// The last picture before the moment, while it is not known how long it is shown.
    ahead: Option<(Part, FragmentTrack)>,
    /// Where the main track goes on, by the labels.
    expected: Option<WallTime>,
    /// The next picture goes on where the last one ends, whatever the labels say.
    anchors: bool,
}

/// What the fragments that come belong to.
struct Source {
    init: Bytes,
    zero: WallTime,
    reader: FragmentReader,
    main: u32,
    tracks: Vec<FragmentTrack>,
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
            outgoing_tracks: OutgoingTracks::default(),
            ahead: None,
            expected: None,
            anchors: false,
        }
    }

    /// Keyframes alone are played.
    pub fn keys_only(&self) -> bool {
        self.line.speed < 0.0 || self.line.speed > FASTEST_WHOLE
    }

    /// The picture that goes with the next one, if it is to be shown.
    pub fn waits_for(&self) -> Option<(WallTime, i64)> {
        self.outgoing_tracks.main()?.waiting.as_ref()?.shown
    }

    /// A picture waits for the next one: with it is known how long it is shown.
    pub fn holds_back(&self) -> bool {
        self.ahead.is_some() || self.waits_for().is_some()
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
    pub fn fragment(&mut self, fragment: &RecordedFragment, out: &mut Vec<Output>) -> Result<(), Unplayable> {
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
        if let Some((part, own)) = self.ahead.take() {
            let length = own_length(&part, own);
            self.place(part, own, length, out);
        }
        self.outgoing_tracks.flush(out);
    }

    /// Other fragments: of another recording, or of the ring.
    fn source(&mut self, fragment: &RecordedFragment, out: &mut Vec<Output>) -> Result<(), Unplayable> {
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
            let outgoing =
                |track: FragmentTrack| OutgoingTrack { id: track.id, main: track.id == main, next: begin(&track), track, waiting: None };
            self.outgoing_tracks.all = written.tracks().map(outgoing).collect();
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
        let main = self.outgoing_tracks.main()?;
        self.anchored.then(|| main.track.time(main.next).micros())
    }

    fn zero(&self) -> WallTime {
        self.source.as_ref().map_or(WallTime(0), |source| source.zero)
    }

    /// Before the moment a picture waits for the next one: what a live stream says of durations is a guess.
    fn picture(&mut self, part: Part, own: FragmentTrack, out: &mut Vec<Output>) {
        if self.anchored {
            let length = own_length(&part, own);
            return self.place(part, own, length, out);
        }
        let time = part.time;
        let Some((before, its_own)) = self.ahead.replace((part, own)) else { return };
        let apart = Timestamp::from_ticks(time.saturating_sub(before.time), own.timescale).micros();
        let length = if (1..=PAUSE).contains(&apart) { apart } else { own_length(&before, its_own) };
        self.place(before, its_own, length, out);
        if self.anchored
            && let Some((part, own)) = self.ahead.take()
        {
            let length = own_length(&part, own);
            self.place(part, own, length, out);
        }
    }

    /// Gives a picture its time; `length`: how long it is shown, in microseconds.
    fn place(&mut self, part: Part, own: FragmentTrack, length: i64, out: &mut Vec<Output>) {
        let Some(index) = self.outgoing_tracks.main_index() else { return };
        let decoded = self.zero().at(own.time(part.time));
        let presented = self.zero().at(own.time(part.time.saturating_add(part.composition_offset)));
        let is_on_time = self.anchored || decoded.0.saturating_add(length) > self.target.0;
        if is_on_time {
            self.anchor(decoded, index, out);
        }
        self.expected = Some(WallTime(decoded.0.saturating_add(length)));
        let is_shown = self.anchored || presented.0.saturating_add(length) > self.target.0;
        let outgoing = &self.outgoing_tracks.all[index];
        let ticks = |line: &Line, wall| outgoing.track.ticks(Timestamp(line.media_of(wall)));
        let (at, shown_at, duration) = match (is_on_time, is_shown) {
            (true, _) => {
                let natural = ticks(&self.line, decoded);
                let (at, offset) = (natural.max(outgoing.next), ticks(&self.line, presented) - natural);
                (at, at + offset, scaled(part.duration, own.timescale, outgoing.track.timescale, self.line.speed))
            }
            (false, false) => (outgoing.next, outgoing.next, 1),
            (false, true) => {
                // It is decoded before the moment and shown behind it. Those between take a tick each.
                let between = (self.target.0 - decoded.0) / length + 1;
                let anchor = outgoing.track.time(outgoing.next.saturating_add(between)).micros();
                let begin = Line { wall: self.target, media: anchor, ..self.line };
                (outgoing.next, ticks(&begin, presented).max(outgoing.next), 1)
            }
        };
        let shown = is_shown.then(|| (presented, outgoing.track.time(shown_at).micros()));
        let waiting = Waiting { decoded: at, composition_offset: shown_at - at, duration, sync: part.sync, data: part.data, shown };
        self.outgoing_tracks.wait(index, waiting, out);
    }

    /// What comes next follows what was shown, where the labels have a gap, or where it is the first that is shown.
    fn anchor(&mut self, decoded: WallTime, index: usize, out: &mut Vec<Output>) {
        let apart = self.expected.map_or(0, |expected| decoded.0.saturating_sub(expected.0));
        if self.anchored && !self.anchors && (-BACK..=PAUSE).contains(&apart) {
            return;
        }
        if self.anchored {
            self.outgoing_tracks.flush_track(index, out);
        }
        let is_gap = self.anchored && apart > GAP;
        (self.anchored, self.anchors) = (true, false);
        let outgoing = &self.outgoing_tracks.all[index];
        self.line = Line { wall: decoded, media: outgoing.track.time(outgoing.next).micros(), speed: self.line.speed };
        out.push(Output::Line(self.line, is_gap.then_some(apart)));
    }

    fn key(&mut self, part: &Part, own: FragmentTrack, out: &mut Vec<Output>) {
        let Some(index) = self.outgoing_tracks.main_index() else { return };
        let wall = self.zero().at(own.time(part.time.saturating_add(part.composition_offset)));
        let apart = self.expected.map_or(0, |last| wall.0.saturating_sub(last.0).abs());
        let last = scaled_micros(LAST_KEY, self.outgoing_tracks.all[index].track.timescale);
        if !self.anchored || apart > KEY_PAUSE {
            self.outgoing_tracks.flush_track(index, out);
            let outgoing = &self.outgoing_tracks.all[index];
            self.line = Line { wall, media: outgoing.track.time(outgoing.next).micros(), speed: self.line.speed };
            out.push(Output::Line(self.line, (apart > KEY_PAUSE).then_some(apart)));
            self.anchored = true;
        }
        self.expected = Some(wall);
        let outgoing = &self.outgoing_tracks.all[index];
        let at = outgoing.track.ticks(Timestamp(self.line.media_of(wall))).max(outgoing.next);
        let shown = Some((wall, outgoing.track.time(at).micros()));
        let data = part.data.clone();
        self.outgoing_tracks.wait(index, Waiting { decoded: at, composition_offset: 0, duration: last, sync: true, data, shown }, out);
    }

    fn sound(&mut self, track: u32, parts: &[Part], own: FragmentTrack, out: &mut Vec<Output>) {
        let Some(index) = self.outgoing_tracks.all.iter().position(|outgoing| outgoing.id == track && !outgoing.main) else { return };
        let zero = self.zero();
        let parts: Vec<&Part> = parts.iter().filter(|part| self.anchored && zero.at(own.time(part.time)) >= self.target).collect();
        let Some(first) = parts.first() else { return };
        let outgoing = &self.outgoing_tracks.all[index];
        let natural = outgoing.track.ticks(Timestamp(self.line.media_of(zero.at(own.time(first.time)))));
        let off = Timestamp::from_ticks(natural - outgoing.next, outgoing.track.timescale).micros();
        if off < -AHEAD {
            return;
        }
        let decoded = if off < SEAM { outgoing.next } else { natural };
        self.outgoing_tracks.write_sound(index, decoded, &parts, out);
    }
}

fn own_length(part: &Part, own: FragmentTrack) -> i64 {
    Timestamp::from_ticks(part.duration.into(), own.timescale).micros().max(1)
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

#[cfg(test)]
mod tests;
