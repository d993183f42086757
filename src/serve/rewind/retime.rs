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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Codec, Header, Track, VideoParams};

    const AVCC: &[u8] = b"\x01\x42\xc0\x1e\xff\xe1\x00\x19\x67\x42\xc0\x1e\xda\x02\x80\xbf\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xf2\x3c\x58\xba\x80\x01\x00\x04\x68\xce\x0f\xc8";
    const ZERO: WallTime = WallTime(1_795_717_200_000_000);
    const FRAME: i64 = 40_000;

    fn init() -> Bytes {
        let track = Track { config: Bytes::from_static(AVCC), ..Track::video(Codec::H264, VideoParams::new(640, 360)) };
        bmff::init(&Header { tracks: [track].into(), time_zero: None }).unwrap().bytes
    }

    /// The picture that is decoded as number `n`, and shown so many later than it is decoded.
    fn fragment(init: &Bytes, zero: WallTime, n: i64, later: i64, key: bool) -> TapeFragment {
        let origin = FragmentReader::new(init).unwrap().main().unwrap().origin;
        let samples = [Sample { size: 1, duration: FRAME as u32, composition_offset: (later * FRAME) as i32, key }];
        let decode_time = (n * FRAME + origin) as u64;
        let head = Fragment { sequence: 1, track_id: 1, decode_time, samples: &samples, producer_time: None }.head(&mut BytesMut::new());
        TapeFragment { init: init.clone(), zero, bytes: [&head[..], b"x"].concat().into() }
    }

    type Told = (i64, i64, Option<(i64, i64)>);

    /// What is written of pictures: when each is decoded and how long it is, and for those that are shown the moment, from `ZERO` on, and the media time.
    fn written(retimer: &mut Retimer, fragments: &[TapeFragment]) -> (Vec<Line>, Vec<Told>) {
        let mut out = Vec::new();
        fragments.iter().for_each(|fragment| retimer.fragment(fragment, &mut out).unwrap());
        retimer.flush(&mut out);
        let lines = out.iter().filter_map(|output| if let Output::Line(line, _) = output { Some(*line) } else { None }).collect();
        let frames = out.iter().filter_map(|output| if let Output::Frame(frame) = output { Some(frame) } else { None });
        let told = frames.map(|f| (f.decoded, f.end - f.decoded, f.shown.map(|(wall, media)| (wall.0 - ZERO.0, media))));
        (lines, told.collect())
    }

    #[test]
    fn what_is_before_the_moment_takes_a_tick_each() {
        let init = init();
        let all: Vec<_> = (0..6).map(|n| fragment(&init, ZERO, n, 0, n == 0)).collect();
        let (lines, told) = written(&mut Retimer::new(String::new(), WallTime(ZERO.0 + 3 * FRAME + 5), 1_000_000, 0.5), &all);
        let shown = |n: i64| (1_000_003 + (n - 3) * 2 * FRAME, 2 * FRAME, Some((n * FRAME, 1_000_003 + (n - 3) * 2 * FRAME)));
        assert_eq!(told, [(1_000_000, 1, None), (1_000_001, 1, None), (1_000_002, 1, None), shown(3), shown(4), shown(5)]);
        assert_eq!(lines, [Line { wall: WallTime(ZERO.0 + 3 * FRAME), media: 1_000_003, speed: 0.5 }]);
    }

    /// I P B B P B B: a P is decoded before the moment and shown behind it.
    #[test]
    fn pictures_in_another_order() {
        let init = init();
        let all: Vec<_> =
            [1, 3, 0, 0, 3, 0, 0].iter().enumerate().map(|(n, later)| fragment(&init, ZERO, n as i64, *later, n == 0)).collect();
        let (_, told) = written(&mut Retimer::new(String::new(), WallTime(ZERO.0 + 3 * FRAME + 5), 1_000_000, 1.0), &all);
        assert!(told.windows(2).all(|two| two[0].0 + two[0].1 == two[1].0), "{told:?}");
        let mut shown: Vec<_> = told.iter().filter_map(|(.., shown)| *shown).collect();
        shown.sort_unstable();
        assert_eq!(shown.iter().map(|(wall, _)| wall / FRAME).collect::<Vec<_>>(), [3, 4, 5, 6, 7], "in the order in which they are shown");
        // All are as far apart as they were, to some ticks.
        assert!(shown.windows(2).all(|two| ((two[1].1 - two[0].1) - (two[1].0 - two[0].0)).abs() <= 5), "{shown:?}");
    }

    #[test]
    fn a_gap_is_jumped_over() {
        let init = init();
        let late = WallTime(ZERO.0 + 3_600_000_000);
        let mut all: Vec<_> = (0..3).map(|n| fragment(&init, ZERO, n, 0, n == 0)).collect();
        all.extend((0..3).map(|n| fragment(&init, late, n, 0, n == 0)));
        let (lines, told) = written(&mut Retimer::new(String::new(), ZERO, 0, 1.0), &all);
        assert!(told.iter().enumerate().all(|(n, (decoded, length, _))| (*decoded, *length) == (n as i64 * FRAME, FRAME)), "{told:?}");
        assert_eq!(lines.iter().map(|line| (line.wall, line.media)).collect::<Vec<_>>(), [(ZERO, 0), (late, 3 * FRAME)]);
    }

    #[test]
    fn backwards_and_fast_there_are_keyframes_alone() {
        let init = init();
        for (speed, numbers) in [(-2.0, [50, 25, 0]), (8.0, [0, 25, 50])] {
            let all: Vec<_> = numbers.map(|n| fragment(&init, ZERO, n, 0, true)).into();
            let mut retimer = Retimer::new(String::new(), WallTime(ZERO.0 + numbers[0] * FRAME), 0, speed);
            let (_, told) = written(&mut retimer, &all);
            let step = (25 * FRAME) as f64 / f64::abs(speed);
            assert_eq!(told.iter().map(|(decoded, ..)| *decoded).collect::<Vec<_>>(), [0, step as i64, 2 * step as i64]);
            assert!(retimer.keys_only());
        }
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let init = init();
        let good = fragment(&init, ZERO, 0, 0, true);
        let mut out = Vec::new();
        for cut in 0..good.bytes.len() {
            let mut retimer = Retimer::new(String::new(), ZERO, 0, 1.0);
            _ = retimer.fragment(&TapeFragment { bytes: good.bytes.slice(..cut), ..good.clone() }, &mut out);
            _ = retimer.fragment(&TapeFragment { init: init.slice(..cut.min(init.len())), ..good.clone() }, &mut out);
        }
        let refused = Retimer::new("mp4a".into(), ZERO, 0, 1.0).fragment(&good, &mut out);
        assert!(matches!(refused, Err(Unplayable::Codecs(_))));
    }
}
