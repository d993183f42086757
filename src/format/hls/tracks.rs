//! Which tracks of an init segment are played by HLS, in which rendition, and what a multivariant playlist says of them.

use super::multivariant::{Multivariant, Sound};
use super::name::Rendition;
use super::timeline::Timeline;
use crate::codec;
use crate::format::bmff::Init;
use crate::media::{Kind, MAX_TRACKS, Track};

/// What is said of a stream before a segment of it is whole.
const BANDWIDTH: (u64, u64) = (2_000_000, 1_000_000);

/// The tracks of an init segment: of each kind the first that has a name (RFC 6381) is played.
#[derive(Clone, Debug)]
pub struct Tracks {
    /// In the order of the init segment.
    named: Vec<Named>,
    /// All tracks have a name.
    all: bool,
    /// In pixels, as the pictures are shown.
    size: Option<(u32, u32)>,
    sound: Option<Sound>,
}

#[derive(Clone, Debug)]
struct Named {
    id: u32,
    kind: Kind,
    name: String,
}

impl Tracks {
    /// Those of this init segment.
    pub fn of(init: &Init) -> Tracks {
        let tracks = || init.tracks.iter().take(MAX_TRACKS);
        let named = |id, track: &Track| Some(Named { id, kind: track.kind(), name: codec::mime(track)? });
        let named: Vec<Named> = tracks().filter_map(|t| named(t.id, &t.track)).collect();
        let audio = tracks().find(|t| t.track.as_audio().is_some());
        let sound = audio.map(|t| Sound { channels: t.track.as_audio().map(|audio| audio.channels), language: t.track.language.clone() });
        let size = tracks().find_map(|t| t.track.as_video()).map(|video| video.displayed());
        let all = !named.is_empty() && named.len() == tracks().count();
        Tracks { named, all, size, sound }
    }

    fn first(&self, kind: Kind) -> Option<&Named> {
        self.named.iter().find(|track| track.kind == kind)
    }

    /// What a chunk is part of, by its track_ID; `None`: it has several tracks. Of a track that is not played, nothing.
    pub fn rendition(&self, track: Option<u32>) -> Option<Rendition> {
        let Some(id) = track else { return self.all.then_some(Rendition::Muxed) };
        let is = |kind| self.first(kind).is_some_and(|track| track.id == id);
        match (is(Kind::Video), is(Kind::Audio)) {
            (true, _) => Some(Rendition::Video),
            (_, true) => Some(Rendition::Audio),
            _ => None,
        }
    }

    /// track_ID of a rendition of one track.
    pub fn id(&self, rendition: Rendition) -> Option<u32> {
        match rendition {
            Rendition::Video => self.first(Kind::Video).map(|track| track.id),
            Rendition::Audio => self.first(Kind::Audio).map(|track| track.id),
            Rendition::Muxed => None,
        }
    }

    /// What a player plays: pictures with their sound, sound alone, or all tracks. `muxed`: chunks have several tracks.
    fn played(&self, muxed: bool) -> Option<(Rendition, Option<Rendition>)> {
        match (muxed, self.first(Kind::Video), self.first(Kind::Audio)) {
            (true, ..) => self.all.then_some((Rendition::Muxed, None)),
            (_, None, None) => None,
            (_, None, _) => Some((Rendition::Audio, None)),
            (_, _, None) => Some((Rendition::Video, None)),
            _ => Some((Rendition::Video, Some(Rendition::Audio))),
        }
    }

    fn codecs(&self, muxed: bool) -> String {
        let is_played = |track: &&Named| muxed || self.first(track.kind).is_some_and(|first| first.id == track.id);
        self.named.iter().filter(is_played).map(|track| &*track.name).collect::<Vec<_>>().join(",")
    }

    /// `None`: nothing of it can be played.
    pub fn multivariant<'t>(&self, muxed: bool, timeline: impl Fn(Rendition) -> Option<&'t Timeline>) -> Option<Multivariant> {
        let (rendition, beside) = self.played(muxed)?;
        let bandwidth = |rendition| timeline(rendition).and_then(Timeline::bandwidth);
        let (most, average) = bandwidth(rendition).unwrap_or(BANDWIDTH);
        let (more, also) = beside.and_then(bandwidth).unwrap_or_default();
        Some(Multivariant {
            rendition,
            sound: self.sound.clone().filter(|_| beside.is_some()),
            codecs: self.codecs(muxed),
            size: self.size.filter(|_| rendition != Rendition::Audio),
            frame: timeline(rendition).and_then(Timeline::frame).filter(|_| rendition == Rendition::Video),
            bandwidth: (most + more, average + also),
        })
    }
}
