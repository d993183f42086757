//! Packets to chunks.

use super::timing::{FrameDuration, SnappedTimes};
use crate::codec::{self, DecodeTimes, h264, h265};
use crate::format::bmff::{self, Chunk, Init, ProducerTime, Sample, Timeline};
use crate::media::{Codec, Header, Kind, Malformed, OmittedTrack, PACKET_COST, Packet, Timestamp, Track, Unsupported, WallTime};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How much goes into a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragment {
    /// One frame: no delay.
    #[default]
    Frame,
    /// From a keyframe to the next; without video, a second.
    Gop,
    /// As much as lasts this long, never more than from a keyframe to the next.
    Every(Duration),
}

impl FromStr for Fragment {
    type Err = Unsupported;

    /// `frame`, `gop`, or milliseconds from 1 to 60000.
    fn from_str(s: &str) -> Result<Fragment, Unsupported> {
        let millis = |s: &str| s.parse().ok().filter(|ms| (1..=60_000).contains(ms)).map(Duration::from_millis);
        match s {
            "frame" => Ok(Fragment::Frame),
            "gop" => Ok(Fragment::Gop),
            _ => millis(s).map(Fragment::Every).ok_or_else(|| Unsupported {
                what: format!("no fragment {s:?}"),
                advice: "choose frame, gop, or milliseconds from 1 to 60000".into(),
            }),
        }
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fragment::Frame => f.write_str("frame"),
            Fragment::Gop => f.write_str("gop"),
            Fragment::Every(d) => write!(f, "{}", d.as_millis()),
        }
    }
}

/// How to mux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MuxOptions {
    /// How much goes into a chunk.
    pub fragment: Fragment,
    /// Tell the wall-clock time of capture before each video chunk (audio chunk where there is no video).
    pub prft: bool,
}

impl Default for MuxOptions {
    fn default() -> Self {
        MuxOptions { fragment: Fragment::Frame, prft: true }
    }
}

/// A pending chunk is cut at this size or length, whatever [`Fragment`] says.
const MAX_CHUNK_BYTES: u64 = 64 << 20;
const MAX_CHUNK_MICROS: i64 = 60_000_000;
/// The duration of a picture that is not shown, in microseconds. Nothing in MP4 tells a player of a live stream to decode without showing.
/// h5serve's player goes by a duration under a millisecond, which no other picture has. It is longer than these pictures are apart: to
/// Media Source Extensions (section 3.5.8) a step of more than twice the last duration is a gap, and nothing is decoded up to the next keyframe.
const HIDDEN: u32 = 900;
/// Heads of chunks share allocations of so many bytes: about thirty each.
const ROOM: usize = 4 << 10;
/// A new header's first packet may be so much before the last one's end, in microseconds: tracks do not end together.
const OVERLAP: i64 = 1_000_000;

/// Muxes packets of one stream.
///
/// Write [`init`](Muxer::init) first, then every chunk that [`push`](Muxer::push) gives. When a new header comes: `flush`, then
/// `header`, which may give another initialization segment. At the end: `flush`.
pub struct Muxer {
    options: MuxOptions,
    init: Init,
    /// For each track of the header its place in `tracks`; `None`: it is left out.
    places: Vec<Option<usize>>,
    omitted: Vec<OmittedTrack>,
    tracks: Vec<Output>,
    time_zero: Option<WallTime>,
    heads: Heads,
    /// Added to every time: keeps one time line across headers. In microseconds.
    offset: i64,
    /// The next packet decides `offset`: a new header came.
    rejoin: Rejoin,
    /// End of the latest frame, in microseconds.
    end: i64,
    /// The track whose chunks tell the wall clock and whose keyframes begin GOPs: the first video track, else the first.
    main: usize,
    /// Keyframes of the main track so far, where it is video.
    gop: u64,
}

/// For the heads of chunks.
struct Heads {
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

/// What is kept for a track.
struct Output {
    track: Track,
    timeline: Timeline,
    times: Times,
    /// Parameter sets to put before keyframes that do not bring their own: they are not those of the initialization segment.
    sets: Option<Bytes>,
    /// Those of the initialization segment.
    init_sets: Bytes,
    pending: Pending,
}

/// What a new header means for the next packet.
#[derive(Default)]
enum Rejoin {
    /// There was none.
    #[default]
    No,
    /// It follows the last frame.
    AtEnd,
    /// It is where the wall clock says; but a wall clock that was set back meanwhile is not believed.
    NotBefore,
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

/// A frame with its times, in ticks with the origin.
struct Frame {
    decode_time: u64,
    presentation_time: u64,
    duration: u32,
    key: bool,
}

impl Muxer {
    /// Tracks that MP4 cannot carry are left out.
    ///
    /// # Errors
    /// No track that browsers play from MP4.
    pub fn new(header: &Header, options: MuxOptions) -> Result<Muxer, Unsupported> {
        let Carried { header, places, omitted } = Carried::of(header)?;
        let header = &header;
        Ok(Muxer {
            options,
            init: bmff::init(header)?,
            places,
            omitted,
            tracks: header.tracks.iter().map(Output::new).collect(),
            time_zero: header.time_zero,
            heads: Heads { fragments: 0, room: BytesMut::with_capacity(ROOM), shift: Shift::By(0) },
            offset: 0,
            rejoin: Rejoin::No,
            end: 0,
            main: main_track(header),
            gop: 0,
        })
    }

    /// The initialization segment.
    pub fn init(&self) -> &Init {
        &self.init
    }

    /// The next chunk begins at `start`, and all after it keep their distance from it: this stream goes on where another ended.
    pub fn follow(&mut self, start: Timestamp) {
        self.heads.shift = Shift::To(start);
    }

    /// Says when stream time zero was, where no header gave it.
    pub fn set_time_zero(&mut self, wall: impl FnOnce() -> WallTime) {
        self.time_zero.get_or_insert_with(wall);
    }

    /// The wall clock was set: its time of stream time zero is another one from here on. Media time goes on as before.
    pub fn time_zero(&mut self, zero: WallTime) {
        self.time_zero = Some(zero);
    }

    /// Kind of the track with this index; `None`: it is left out.
    pub fn kind(&self, track: usize) -> Option<Kind> {
        let place = (*self.places.get(track)?)?;
        self.tracks.get(place).map(|t| t.track.kind())
    }

    /// The tracks of the last header that MP4 cannot carry. Their packets are passed over.
    pub fn omitted(&self) -> &[OmittedTrack] {
        &self.omitted
    }

    /// A new header in the middle of the stream. Where the tracks are the same but for their video configuration (another
    /// resolution), that goes in band; else the answer is a new initialization segment, to be written at once. Time goes on: by
    /// the wall clock where both headers know it, else from the last frame's end.
    ///
    /// # Errors
    /// No track that browsers play from MP4.
    pub fn header(&mut self, header: &Header) -> Result<Option<&Init>, Unsupported> {
        let Carried { header, places, omitted } = Carried::of(header)?;
        let header = &header;
        (self.places, self.omitted) = (places, omitted);
        let in_band = header.tracks.len() == self.tracks.len()
            && header.tracks.iter().zip(&self.tracks).all(|(new, old)| goes_in_band(new, &old.track));
        if in_band {
            header.tracks.iter().zip(&mut self.tracks).for_each(|(track, output)| output.reconfigure(track));
        } else {
            self.init = bmff::init(header)?;
            self.tracks = header.tracks.iter().map(Output::new).collect();
            self.main = main_track(header);
        }
        match self.time_zero.zip(header.time_zero) {
            Some((old, new)) => {
                self.offset = self.offset.saturating_add(new.0.saturating_sub(old.0));
                self.rejoin = Rejoin::NotBefore;
            }
            None => self.rejoin = Rejoin::AtEnd,
        }
        self.time_zero = header.time_zero;
        Ok((!in_band).then(|| self.init()))
    }

    /// Takes one packet in; gives out a chunk where one is full.
    ///
    /// # Errors
    /// A packet of a track that was not declared, or of 4 GiB.
    pub fn push(&mut self, packet: Packet) -> Result<Option<Chunk>, Malformed> {
        let number = packet.track as u64 + 1;
        let bad = |what: &str| Malformed::new("packet", what).track(number);
        let Some(place) = *self.places.get(packet.track).ok_or_else(|| bad("its track is not declared"))? else { return Ok(None) };
        self.rejoin(packet.pts.0);
        if packet.hidden {
            // Browsers take no picture before time zero, and with it nothing up to the next keyframe: it is the stream that begins later.
            self.offset = self.offset.max(packet.pts.0.saturating_neg());
        }
        let pts = packet.pts.0.saturating_add(self.offset);
        let output = self.tracks.get_mut(place).ok_or_else(|| bad("its track is not declared"))?;
        let packet = if output.track.codec == Codec::H264 { marked(packet) } else { packet };
        let is_main = place == self.main;
        let kind = output.track.kind();
        let sets = if packet.key { output.sets_before(&packet.data) } else { None };
        let size = packet.data.len() + sets.as_ref().map_or(0, Bytes::len);
        let size = u32::try_from(size).map_err(|_| bad("4 GiB or more in one frame"))?;
        let frame = output.frame(&packet, pts);
        self.gop += u64::from(is_main && kind == Kind::Video && frame.key);
        self.end = self.end.max(output.timeline.micros(frame.presentation_time.saturating_add(frame.duration.into())));

        let full = output.pending.is_full(&frame, kind, self.options.fragment, self.gop, output.timeline);
        let before = if full { output.cut(place, &mut self.heads) } else { None };
        if output.pending.samples.is_empty() {
            let wall = self.time_zero.filter(|_| self.options.prft && is_main).map(|zero| zero.at(packet.pts));
            output.pending.begin(&frame, wall, self.gop);
        }
        output.pending.add(&frame, size, sets, packet.data);
        match self.options.fragment {
            Fragment::Frame => Ok(output.cut(place, &mut self.heads)),
            _ => Ok(before),
        }
    }

    /// After a header: where on the time line its first packet is to be.
    fn rejoin(&mut self, pts: i64) {
        let at_end = self.end.saturating_sub(pts);
        match std::mem::take(&mut self.rejoin) {
            Rejoin::No => {}
            Rejoin::AtEnd => self.offset = at_end,
            Rejoin::NotBefore if self.offset < at_end.saturating_sub(OVERLAP) => self.offset = at_end,
            Rejoin::NotBefore => {}
        }
    }

    /// What has not been given out yet: at most one chunk a track.
    pub fn flush(&mut self) -> Vec<Chunk> {
        let tracks = self.tracks.iter_mut().enumerate();
        tracks.filter_map(|(index, output)| output.cut(index, &mut self.heads)).collect()
    }
}

impl Heads {
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

/// What MP4 can carry of a header.
struct Carried {
    header: Header,
    places: Vec<Option<usize>>,
    omitted: Vec<OmittedTrack>,
}

impl Carried {
    /// # Errors
    /// Nothing; the first of the reasons.
    fn of(header: &Header) -> Result<Carried, Unsupported> {
        let (mut tracks, mut places, mut omitted, mut first) = (Vec::new(), Vec::new(), Vec::new(), None);
        for (index, track) in header.tracks.iter().enumerate() {
            match bmff::check(track) {
                Ok(()) => {
                    places.push(Some(tracks.len()));
                    tracks.push(track.clone());
                }
                Err(error) => {
                    places.push(None);
                    let (kind, codec) = (Some(track.kind()), track.codec.to_string());
                    omitted.push(OmittedTrack { number: index as u64 + 1, kind, codec, reason: error.to_string() });
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            Some(error) if tracks.is_empty() => Err(error),
            _ => Ok(Carried { header: Header { tracks: tracks.into(), ..header.clone() }, places, omitted }),
        }
    }
}

/// A start in H.264 says that it is one.
fn marked(packet: Packet) -> Packet {
    if packet.key { Packet { data: codec::start::marked(packet.data), ..packet } } else { packet }
}

fn main_track(header: &Header) -> usize {
    header.tracks.iter().position(|t| t.kind() == Kind::Video).unwrap_or(0)
}

/// `new` can follow `old` without a new initialization segment.
fn goes_in_band(new: &Track, old: &Track) -> bool {
    let video = matches!(new.codec, Codec::H264 | Codec::H265 | Codec::Av1);
    new.codec == old.codec && (video || (new.config == old.config && new.params == old.params))
}

impl Output {
    fn new(track: &Track) -> Output {
        let timeline = Timeline::of(track);
        let times = match track.kind() {
            Kind::Video => {
                let nominal = track.frame_duration.map(|d| d.as_nanos().div_ceil(1000) as i64);
                let (duration, nominal) = (FrameDuration::new(nominal), nominal.unwrap_or(0));
                Times::Video { decode: DecodeTimes::new(codec::reorder_depth(track), nominal), duration, nominal }
            }
            Kind::Audio => Times::Audio(SnappedTimes::new(timeline.timescale)),
        };
        let init_sets = parameter_sets(track.codec, &track.config);
        Output { track: track.clone(), timeline, times, sets: None, init_sets, pending: Pending::default() }
    }

    /// Goes on with another configuration under the same initialization segment.
    fn reconfigure(&mut self, track: &Track) {
        let new = Output::new(track);
        self.keep_sets(&track.config);
        self.times = match (new.times, &self.times) {
            (Times::Video { decode, duration, nominal }, Times::Video { decode: old, .. }) => {
                Times::Video { decode: decode.after(old), duration, nominal }
            }
            (new, _) => new,
        };
        self.track = new.track;
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

    fn frame(&mut self, packet: &Packet, pts: i64) -> Frame {
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
                Frame { decode_time: from_zero(time.decode), presentation_time: from_zero(time.presentation), duration, key: packet.key }
            }
            Times::Audio(times) => {
                let samples = codec::packet_samples(&self.track, &packet.data).unwrap_or_else(|| {
                    let nominal = self.track.frame_duration.unwrap_or_default().as_micros().min(60_000_000) as u64;
                    (nominal * u64::from(self.timeline.timescale) / 1_000_000) as u32
                });
                let time = from_zero(times.next(pts, samples));
                Frame { decode_time: time, presentation_time: time, duration: samples, key: true }
            }
        }
    }

    /// The pending frames as a chunk, where there are any.
    fn cut(&mut self, index: usize, heads: &mut Heads) -> Option<Chunk> {
        let pending = &mut self.pending;
        let key = pending.samples.first()?.key;
        heads.fragments = heads.fragments.wrapping_add(1);
        let start = Timestamp(self.timeline.micros(pending.start));
        let shift = heads.shift(start);
        let moved = |ticks| self.timeline.moved(ticks, shift);
        let producer_time = pending.producer_time.map(|time| ProducerTime { media_time: moved(time.media_time), ..time });
        let track_id = bmff::track_id(index);
        let fragment = bmff::Fragment {
            sequence: heads.fragments,
            track_id,
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
            track: Some(track_id),
            kind: self.track.kind(),
            key,
            start: start + shift,
            duration: self.timeline.duration(duration),
            frames,
            captured: producer_time.map(|time| time.wall),
        })
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

    fn add(&mut self, frame: &Frame, size: u32, sets: Option<Bytes>, data: Bytes) {
        if let Some(before) = self.samples.last_mut() {
            // Inside a chunk the next frame's time is the sum of the durations before it.
            before.duration = u32::try_from(frame.decode_time - self.last).unwrap_or(u32::MAX);
        }
        self.last = frame.decode_time;
        let offset = i128::from(frame.presentation_time) - i128::from(frame.decode_time);
        let composition_offset = offset.clamp(i128::from(i32::MIN), i128::from(i32::MAX)) as i32;
        self.samples.push(Sample { size, duration: frame.duration, composition_offset, key: frame.key });
        self.bytes += u64::from(size) + PACKET_COST as u64;
        self.data.extend(sets);
        self.data.push(data);
    }
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
