//! Packets to chunks.

use super::options::MuxOptions;
use super::track_muxer::{Heads, TrackMuxer};
use crate::format::bmff::{self, Chunk, Init};
use crate::media::{Codec, Header, Kind, Malformed, OmittedTrack, Packet, Timestamp, Track, Unsupported, WallTime};

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
    tracks: Vec<TrackMuxer>,
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
            tracks: track_muxers(header),
            time_zero: header.time_zero,
            heads: Heads::default(),
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
        self.heads.follow(start);
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
        self.tracks.get(place).map(TrackMuxer::kind)
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
            && header.tracks.iter().zip(&self.tracks).all(|(new, old)| goes_in_band(new, old.track()));
        if in_band {
            header.tracks.iter().zip(&mut self.tracks).for_each(|(new, track)| track.reconfigure(new));
        } else {
            self.init = bmff::init(header)?;
            self.tracks = track_muxers(header);
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
        let track = self.tracks.get_mut(place).ok_or_else(|| bad("its track is not declared"))?;
        let is_main = place == self.main;
        let wall = self.time_zero.filter(|_| self.options.prft && is_main).map(|zero| zero.at(packet.pts));
        let frame = track.frame(packet, pts).ok_or_else(|| bad("4 GiB or more in one frame"))?;
        self.gop += u64::from(is_main && track.kind() == Kind::Video && frame.key);
        self.end = self.end.max(track.end_of(&frame));
        Ok(track.add(frame, self.options.fragment, self.gop, wall, &mut self.heads))
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
        self.tracks.iter_mut().filter_map(|track| track.cut(&mut self.heads)).collect()
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

fn track_muxers(header: &Header) -> Vec<TrackMuxer> {
    header.tracks.iter().enumerate().map(|(index, track)| TrackMuxer::new(index, track)).collect()
}

fn main_track(header: &Header) -> usize {
    header.tracks.iter().position(|t| t.kind() == Kind::Video).unwrap_or(0)
}

/// `new` can follow `old` without a new initialization segment.
fn goes_in_band(new: &Track, old: &Track) -> bool {
    let video = matches!(new.codec, Codec::H264 | Codec::H265 | Codec::Av1);
    new.codec == old.codec && (video || (new.config == old.config && new.params == old.params))
}
