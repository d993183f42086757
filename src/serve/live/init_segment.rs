//! What a viewer may choose from an init segment: which tracks it can play, and what to call them. Pure.

use super::converter::Converter;
use super::form::Form;
use crate::codec;
use crate::format::bmff::Init;
use crate::format::hls::init_hash;
use crate::media::{Codec, Kind, VideoParams};
use crate::serve::ws::frames;
use bytes::Bytes;
use std::sync::OnceLock;

/// An init segment (ftyp + moov) and its tracks.
#[derive(Debug)]
pub struct InitSegment {
    init: Init,
    entries: Vec<TrackEntry>,
    /// Made when a viewer asks for one.
    forms: [OnceLock<Result<FormOf, &'static str>>; Form::COUNT],
    hashes: OnceLock<[(Mask, u64); 3]>,
}

/// How its chunks get another form, and which of its tracks that carries.
#[derive(Debug)]
pub struct FormOf {
    pub converter: Converter,
    pub selection: TrackSelection,
}

#[derive(Debug)]
struct TrackEntry {
    id: u32,
    codec: Codec,
    /// RFC 6381; `None` for what browsers have no name for.
    name: Option<String>,
}

/// A set of tracks, one bit each, in the order of the moov.
pub type Mask = u32;
/// Every track, as for a chunk whose fragment holds several.
pub const ALL: Mask = Mask::MAX;

/// What one viewer gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackSelection {
    pub tracks: Mask,
    /// The track whose keyframes it starts at.
    pub sync_track: Mask,
    /// RFC 6381 names, as in `avc1.42C01F,opus`.
    pub codecs: String,
}

impl TrackSelection {
    pub fn content_type(&self) -> String {
        format!("video/mp4; codecs=\"{}\"", self.codecs)
    }
}

impl InitSegment {
    pub fn new(init: Init) -> InitSegment {
        let entry = |t: &crate::format::bmff::InitTrack| TrackEntry { id: t.id, codec: t.track.codec, name: codec::mime(&t.track) };
        let entries = init.tracks.iter().take(crate::media::MAX_TRACKS).map(entry).collect();
        InitSegment { init, entries, forms: Default::default(), hashes: OnceLock::new() }
    }

    /// Of one track that everything is about.
    #[cfg(test)]
    pub fn for_tests() -> std::sync::Arc<InitSegment> {
        let entries = vec![TrackEntry { id: 1, codec: Codec::H264, name: None }];
        std::sync::Arc::new(InitSegment {
            init: Init { bytes: Bytes::new(), tracks: vec![], omitted: Default::default() },
            entries,
            forms: Default::default(),
            hashes: OnceLock::new(),
        })
    }

    pub fn init(&self) -> &Init {
        &self.init
    }

    /// Another form of its chunks.
    ///
    /// # Errors
    /// The form carries none of its tracks: for people.
    pub fn form(&self, form: Form) -> Result<&FormOf, &'static str> {
        let prepare = || {
            let converter = Converter::new(form, &self.init)?;
            let selection = self.selection_of(&converter.tracks());
            Ok(FormOf { converter, selection })
        };
        self.forms[form as usize].get_or_init(prepare).as_ref().map_err(|why| *why)
    }

    /// The tracks of these numbers, of which a viewer starts at the keyframes of the first.
    fn selection_of(&self, ids: &[u32]) -> TrackSelection {
        let tracks = ids.iter().fold(0, |tracks, id| tracks | self.mask(Some(*id)));
        let sync_track = ids.first().map_or(0, |id| self.mask(Some(*id)));
        let names = self.each(tracks).filter_map(|l| l.name.as_deref()).collect::<Vec<_>>();
        TrackSelection { tracks, sync_track, codecs: names.join(",") }
    }

    /// Names of all tracks, for people and for `/api/streams`.
    pub fn codecs(&self) -> Vec<String> {
        self.entries.iter().map(|l| l.name.clone().unwrap_or_else(|| l.codec.to_string())).collect()
    }

    /// Name of the first audio track.
    pub fn sound(&self) -> Option<String> {
        let sound = self.entries.iter().find(|l| l.codec.kind() == Kind::Audio)?;
        Some(sound.name.clone().unwrap_or_else(|| sound.codec.to_string()))
    }

    /// The first video track.
    pub fn video(&self) -> Option<&VideoParams> {
        self.init.tracks.iter().find_map(|t| t.track.as_video())
    }

    /// The bit of the track with this id; all of them for `None`, nothing for a track that is not declared.
    pub fn mask(&self, id: Option<u32>) -> Mask {
        match id {
            None => ALL,
            Some(id) => self.entries.iter().position(|l| l.id == id).map_or(0, |i| 1 << i),
        }
    }

    /// The track that frames are counted by: the first video, or else the first.
    pub fn main(&self) -> Mask {
        self.first(|l| l.codec.kind() == Kind::Video).or_else(|| self.first(|_| true)).unwrap_or(ALL)
    }

    fn first(&self, wanted: impl Fn(&TrackEntry) -> bool) -> Option<Mask> {
        self.entries.iter().position(wanted).map(|i| 1 << i)
    }

    /// The first video and the first audio track that `wanted`, a comma-separated list of RFC 6381 names, covers. Empty: any.
    /// With `whole`, chunks hold several tracks and cannot be taken apart: all or nothing.
    pub fn choose(&self, wanted: &str, whole: bool) -> Option<TrackSelection> {
        let families: Vec<Codec> = wanted.split(',').filter_map(family).collect();
        let plays = |l: &TrackEntry| l.name.is_some() && (wanted.trim().is_empty() || families.contains(&l.codec));
        let of = |kind| self.first(|l: &TrackEntry| l.codec.kind() == kind && plays(l));
        let (video, audio) = (of(Kind::Video), of(Kind::Audio));
        let sync_track = video.or(audio)?;
        if whole && !self.entries.iter().all(plays) {
            return None;
        }
        let tracks = if whole { ALL } else { video.unwrap_or(0) | audio.unwrap_or(0) };
        let names = self.each(tracks).filter_map(|l| l.name.as_deref()).collect::<Vec<_>>();
        Some(TrackSelection { tracks, sync_track, codecs: names.join(",") })
    }

    /// Of these tracks: what [`TrackSelection::content_type`] is of those that a viewer gets.
    pub fn content_type(&self, tracks: Mask) -> String {
        let names = self.each(tracks).filter_map(|l| l.name.as_deref()).collect::<Vec<_>>();
        format!("video/mp4; codecs=\"{}\"", names.join(","))
    }

    fn each(&self, tracks: Mask) -> impl Iterator<Item = &TrackEntry> {
        self.entries.iter().enumerate().filter(move |(i, _)| tracks & 1 << i != 0).map(|(_, l)| l)
    }

    /// The first video and the first audio that have a name in RFC 6381; 0: there is none.
    pub fn lead(&self) -> [Mask; 2] {
        [Kind::Video, Kind::Audio].map(|kind| self.first(|l| l.codec.kind() == kind && l.name.is_some()).unwrap_or(0))
    }

    /// A hash of the init segment of these tracks: of [`InitSegment::lead`], or all.
    pub fn hash(&self, tracks: Mask) -> u64 {
        let hash = |mask| init_hash(&self.init_of(mask));
        let [video, audio] = self.lead();
        let hashes = self.hashes.get_or_init(|| [video, audio, ALL].map(|mask| (mask, hash(mask))));
        hashes.iter().find(|(mask, _)| *mask == tracks).map_or_else(|| hash(tracks), |(_, hash)| *hash)
    }

    /// ftyp + moov with these tracks only.
    pub fn init_of(&self, tracks: Mask) -> Bytes {
        let ids: Vec<u32> = self.each(tracks).map(|l| l.id).collect();
        if ids.len() == self.init.tracks.len() { self.init.bytes.clone() } else { self.init.select(&ids) }
    }

    /// [`InitSegment::init_of`] as a WebSocket message.
    pub fn init_message(&self, tracks: Mask) -> Bytes {
        frames::binary("", &self.init_of(tracks)).0
    }

    /// A player of `self` can play on with `next`: same tracks, same codecs.
    pub fn continues_in(&self, next: &InitSegment) -> bool {
        let key = |m: &InitSegment| m.entries.iter().map(|l| (l.id, l.codec)).collect::<Vec<_>>();
        key(self) == key(next)
    }
}

/// The codec that an RFC 6381 name is about; profile and level do not matter (a player that has H.264 has all of it that
/// cameras send), as in go2rtc.
fn family(name: &str) -> Option<Codec> {
    let name = name.trim();
    Some(match name.split('.').next()?.to_ascii_lowercase().as_str() {
        "avc1" | "avc3" => Codec::H264,
        "hvc1" | "hev1" => Codec::H265,
        "av01" => Codec::Av1,
        "vp8" | "vp08" => Codec::Vp8,
        "vp9" | "vp09" => Codec::Vp9,
        "opus" => Codec::Opus,
        "flac" => Codec::Flac,
        "mp3" => Codec::Mp3,
        "mp4a" if name.get(4..7).is_some_and(|o| o.eq_ignore_ascii_case(".69") || o.eq_ignore_ascii_case(".6b")) => Codec::Mp3,
        "mp4a" => Codec::Aac,
        _ => return None,
    })
}
