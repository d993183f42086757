//! One track's packets to chunks: decode times, parameter sets, and the frames of a chunk that is not full.

use super::options::Fragment;
use super::timing::{FrameDuration, SnappedTimes};
use crate::codec::{self, DecodeTimes, h264, h265};
use crate::format::bmff::{self, Chunk, ProducerTime, Sample, Timeline};
use crate::media::{Codec, Kind, PACKET_COST, Packet, Timestamp, Track, WallTime};
use bytes::{BufMut, Bytes, BytesMut};

/// A pending chunk is cut at this size or length, whatever [`Fragment`] says.
const MAX_CHUNK_BYTES: u64 = 64 << 20;
const MAX_CHUNK_MICROS: i64 = 60_000_000;
/// The duration of a picture that is not shown, in microseconds. Nothing in MP4 tells a player of a live stream to decode without showing.
/// h5serve's player goes by a duration under a millisecond, which no other picture has. It is longer than these pictures are apart: to
/// Media Source Extensions (section 3.5.8) a step of more than twice the last duration is a gap, and nothing is decoded up to the next keyframe.
const HIDDEN: u32 = 900;
/// Heads of chunks share allocations of so many bytes: about thirty each.
const ROOM: usize = 4 << 10;

/// One track: its times, and the chunk that is being filled.
pub struct TrackMuxer {
    /// In `moof`.
    id: u32,
    track: Track,
    timeline: Timeline,
    times: Times,
    /// Parameter sets to put before keyframes that do not bring their own: they are not those of the initialization segment.
    sets: Option<Bytes>,
    /// Those of the initialization segment.
    init_sets: Bytes,
    pending: Pending,
}

enum Times {
    /// `nominal`: of a frame, in microseconds.
    Video {
        decode: DecodeTimes,
        duration: FrameDuration,
        nominal: i64,
    },
    Audio(SnappedTimes),
}

impl Times {
    fn of(track: &Track) -> Times {
        match track.kind() {
            Kind::Video => {
                let nominal = track.frame_duration.map(|d| d.as_nanos().div_ceil(1000) as i64);
                let (duration, nominal) = (FrameDuration::new(nominal), nominal.unwrap_or(0));
                Times::Video { decode: DecodeTimes::new(codec::reorder_depth(track), nominal), duration, nominal }
            }
            Kind::Audio => Times::Audio(SnappedTimes::new(Timeline::of(track).timescale)),
        }
    }
}

/// In ticks with the origin.
struct FrameTimes {
    decode_time: u64,
    presentation_time: u64,
    duration: u32,
}

/// A frame with its times, in ticks with the origin.
pub struct Frame {
    decode_time: u64,
    presentation_time: u64,
    duration: u32,
    pub key: bool,
    /// Of `sets` and `data`.
    size: u32,
    /// Parameter sets before it.
    sets: Option<Bytes>,
    data: Bytes,
}

impl TrackMuxer {
    /// The track with this index in the initialization segment.
    pub fn new(index: usize, track: &Track) -> TrackMuxer {
        TrackMuxer {
            id: bmff::track_id(index),
            track: track.clone(),
            timeline: Timeline::of(track),
            times: Times::of(track),
            sets: None,
            init_sets: parameter_sets(track.codec, &track.config),
            pending: Pending::default(),
        }
    }

    pub fn track(&self) -> &Track {
        &self.track
    }

    pub fn kind(&self) -> Kind {
        self.track.kind()
    }

    /// Goes on with another configuration under the same initialization segment.
    pub fn reconfigure(&mut self, track: &Track) {
        self.keep_sets(&track.config);
        self.times = match (Times::of(track), &self.times) {
            (Times::Video { decode, duration, nominal }, Times::Video { decode: old, .. }) => {
                Times::Video { decode: decode.after(old), duration, nominal }
            }
            (new, _) => new,
        };
        self.track = track.clone();
    }

    /// The next packet, at this time of the stream in microseconds. `None`: it is of 4 GiB or more.
    pub fn frame(&mut self, packet: Packet, pts: i64) -> Option<Frame> {
        let packet = if self.track.codec == Codec::H264 { marked(packet) } else { packet };
        let sets = if packet.key { self.sets_before(&packet.data) } else { None };
        let size = u32::try_from(packet.data.len() + sets.as_ref().map_or(0, Bytes::len)).ok()?;
        let FrameTimes { decode_time, presentation_time, duration } = self.times(&packet, pts);
        let key = packet.key || self.kind() == Kind::Audio;
        Some(Frame { decode_time, presentation_time, duration, key, size, sets, data: packet.data })
    }

    /// When it has been shown, in microseconds.
    pub fn end_of(&self, frame: &Frame) -> i64 {
        self.timeline.micros(frame.presentation_time.saturating_add(frame.duration.into()))
    }

    /// Adds a frame to the chunk; gives that out where it is full. `gop`: keyframes of the main track so far; `wall`: when the frame was captured, if
    /// its chunk is to tell.
    pub fn add(&mut self, frame: Frame, fragment: Fragment, gop: u64, wall: Option<WallTime>, heads: &mut Heads) -> Option<Chunk> {
        let full = self.pending.is_full(&frame, self.kind(), fragment, gop, self.timeline);
        let before = if full { self.cut(heads) } else { None };
        if self.pending.samples.is_empty() {
            self.pending.begin(&frame, wall, gop);
        }
        self.pending.add(frame);
        match fragment {
            Fragment::Frame => self.cut(heads),
            _ => before,
        }
    }

    /// The parameter sets of this configuration are in force from here on.
    fn keep_sets(&mut self, config: &Bytes) {
        let sets = parameter_sets(self.track.codec, config);
        self.sets = Some(sets).filter(|sets| !sets.is_empty() && *sets != self.init_sets);
    }

    /// What to put before a keyframe that does not bring its parameter sets. Encoders exist that send them once: a viewer may start after that.
    fn sets_before(&mut self, keyframe: &Bytes) -> Option<Bytes> {
        let own = match self.track.codec {
            Codec::H264 => h264::config_of(keyframe),
            Codec::H265 => h265::config_of(keyframe),
            _ => None,
        };
        match own {
            Some(config) => {
                self.keep_sets(&config);
                None
            }
            None => self.sets.clone().filter(|_| !brings_sets(self.track.codec, keyframe)),
        }
    }

    fn times(&mut self, packet: &Packet, pts: i64) -> FrameTimes {
        let origin = self.timeline.origin;
        let from_zero = |ticks: i64| u64::try_from(ticks.saturating_add_unsigned(origin)).unwrap_or(0);
        match &mut self.times {
            Times::Video { decode, duration, nominal } => {
                let before = decode.last();
                decode.set_frame(if packet.hidden { i64::from(HIDDEN / 2) } else { *nominal });
                let time = decode.next(pts);
                let distance = before.filter(|_| !packet.hidden).map(|before| time.decode.saturating_sub(before));
                let duration = duration.next(distance);
                let duration = if packet.hidden { HIDDEN } else { u32::try_from(duration).unwrap_or(u32::MAX) };
                FrameTimes { decode_time: from_zero(time.decode), presentation_time: from_zero(time.presentation), duration }
            }
            Times::Audio(times) => {
                let samples = codec::packet_samples(&self.track, &packet.data).unwrap_or_else(|| {
                    let nominal = self.track.frame_duration.unwrap_or_default().as_micros().min(60_000_000) as u64;
                    (nominal * u64::from(self.timeline.timescale) / 1_000_000) as u32
                });
                let time = from_zero(times.next(pts, samples));
                FrameTimes { decode_time: time, presentation_time: time, duration: samples }
            }
        }
    }

    /// The pending frames as a chunk, where there are any.
    pub fn cut(&mut self, heads: &mut Heads) -> Option<Chunk> {
        let pending = &mut self.pending;
        let key = pending.samples.first()?.key;
        heads.fragments = heads.fragments.wrapping_add(1);
        let start = Timestamp(self.timeline.micros(pending.start));
        let shift = heads.shift(start);
        let moved = |ticks| self.timeline.moved(ticks, shift);
        let producer_time = pending.producer_time.map(|time| ProducerTime { media_time: moved(time.media_time), ..time });
        let fragment = bmff::Fragment {
            sequence: heads.fragments,
            track_id: self.id,
            decode_time: moved(pending.start),
            samples: &pending.samples,
            producer_time,
        };
        let head = fragment.head(&mut heads.room);
        let frames = pending.samples.len() as u32;
        let last = pending.samples.last().map_or(0, |sample| sample.duration);
        let duration = pending.last.saturating_add(last.into()).saturating_sub(pending.start);
        pending.samples.clear();
        pending.bytes = 0;
        Some(Chunk {
            head,
            data: std::mem::take(&mut pending.data),
            track: Some(self.id),
            kind: self.track.kind(),
            key,
            start: start + shift,
            duration: self.timeline.duration(duration),
            frames,
            captured: producer_time.map(|time| time.wall),
        })
    }
}

/// For the heads of chunks.
pub struct Heads {
    /// So many were written.
    fragments: u32,
    room: BytesMut,
    shift: Shift,
}

/// How far chunks are moved in time.
#[derive(Clone, Copy)]
enum Shift {
    /// By so many microseconds.
    By(i64),
    /// The next one begins at this time, and all others keep their distance from it.
    To(Timestamp),
}

impl Default for Heads {
    fn default() -> Heads {
        Heads { fragments: 0, room: BytesMut::with_capacity(ROOM), shift: Shift::By(0) }
    }
}

impl Heads {
    /// The next chunk begins at `start`, and all after it keep their distance from it.
    pub fn follow(&mut self, start: Timestamp) {
        self.shift = Shift::To(start);
    }

    /// How far the chunk is moved whose own time is `start`, in microseconds.
    fn shift(&mut self, start: Timestamp) -> i64 {
        let shift = match self.shift {
            Shift::By(micros) => micros,
            Shift::To(wanted) => wanted - start,
        };
        self.shift = Shift::By(shift);
        shift
    }
}

/// Frames of a chunk that is not full.
#[derive(Default)]
struct Pending {
    /// Decode time of the first frame and of the last, in ticks with the origin.
    start: u64,
    last: u64,
    producer_time: Option<ProducerTime>,
    samples: Vec<Sample>,
    data: Vec<Bytes>,
    bytes: u64,
    gop: u64,
}

impl Pending {
    /// `frame` belongs to the next chunk.
    fn is_full(&self, frame: &Frame, kind: Kind, fragment: Fragment, gop: u64, timeline: Timeline) -> bool {
        if self.samples.is_empty() {
            return false;
        }
        let micros = timeline.micros(frame.decode_time).saturating_sub(timeline.micros(self.start));
        let limit = match fragment {
            Fragment::Frame => 0,
            Fragment::Gop if gop == 0 => 1_000_000,
            Fragment::Gop => MAX_CHUNK_MICROS,
            Fragment::Every(d) => i64::try_from(d.as_micros()).unwrap_or(i64::MAX),
        };
        let next_gop = match kind {
            Kind::Video => frame.key,
            Kind::Audio => fragment == Fragment::Gop && gop != self.gop,
        };
        // Inside a chunk times only add up: a step back begins another.
        next_gop || micros >= limit || frame.decode_time < self.last || self.bytes > MAX_CHUNK_BYTES
    }

    fn begin(&mut self, frame: &Frame, wall: Option<WallTime>, gop: u64) {
        self.start = frame.decode_time;
        self.gop = gop;
        self.producer_time = wall.map(|wall| ProducerTime { wall, media_time: frame.presentation_time });
    }

    fn add(&mut self, frame: Frame) {
        if let Some(before) = self.samples.last_mut() {
            // Inside a chunk the next frame's time is the sum of the durations before it.
            before.duration = u32::try_from(frame.decode_time - self.last).unwrap_or(u32::MAX);
        }
        self.last = frame.decode_time;
        let offset = i128::from(frame.presentation_time) - i128::from(frame.decode_time);
        let composition_offset = offset.clamp(i128::from(i32::MIN), i128::from(i32::MAX)) as i32;
        self.samples.push(Sample { size: frame.size, duration: frame.duration, composition_offset, key: frame.key });
        self.bytes += u64::from(frame.size) + PACKET_COST as u64;
        self.data.extend(frame.sets);
        self.data.push(frame.data);
    }
}

/// A start in H.264 says that it is one.
fn marked(packet: Packet) -> Packet {
    if packet.key { Packet { data: codec::start::marked(packet.data), ..packet } } else { packet }
}

/// Parameter sets of a configuration record, as NAL units to put before a frame.
fn parameter_sets(codec: Codec, config: &Bytes) -> Bytes {
    let units = match codec {
        Codec::H264 => h264::AvcC::parse(config).map(|c| [c.sps, c.pps].concat()),
        Codec::H265 => h265::HvcC::parse(config).map(|c| [c.vps, c.sps, c.pps].concat()),
        // AV1 repeats its sequence header before every key frame.
        _ => Ok(Vec::new()),
    };
    let mut out = BytesMut::new();
    for unit in units.unwrap_or_default() {
        out.put_u32(u32::try_from(unit.len()).expect("a configuration record holds at most 65535 bytes of each"));
        out.put_slice(&unit);
    }
    out.freeze()
}

/// The access unit has a sequence parameter set of its own.
fn brings_sets(codec: Codec, au: &[u8]) -> bool {
    match codec {
        Codec::H264 => h264::units(au).any(|u| h264::type_of(u) == h264::unit_type::SPS),
        Codec::H265 => h265::units(au).any(|u| h265::type_of(u) == h265::unit_type::SPS),
        _ => true,
    }
}
