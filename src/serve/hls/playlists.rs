//! Playlists of a stream, as it is now.

use crate::format::hls::{Multivariant, Other, Playlist, Rendition, Sound};
use crate::serve::live::init_segment::InitSegment;
use crate::serve::live::ring::Ring;
use crate::serve::live::timelines::Timelines;
use std::time::Duration;

/// What is said of a stream before a segment of it is whole.
const BANDWIDTH: (u64, u64) = (2_000_000, 1_000_000);

/// What a player plays of the newest init segment: pictures with their sound, sound alone, or all tracks.
fn renditions(init: &InitSegment, whole: bool) -> Option<(Rendition, Option<Rendition>)> {
    let [video, audio] = init.lead();
    match (whole, video, audio) {
        (true, ..) => Some((Rendition::Muxed, None)),
        (_, 0, 0) => None,
        (_, 0, _) => Some((Rendition::Audio, None)),
        (_, _, 0) => Some((Rendition::Video, None)),
        _ => Some((Rendition::Video, Some(Rendition::Audio))),
    }
}

/// `None`: nothing of it can be played.
pub fn multivariant(timelines: &mut Timelines, ring: &Ring) -> Option<Multivariant> {
    let newest = ring.newest()?;
    let init = newest.init.as_ref()?;
    let whole = newest.tracks == crate::serve::live::init_segment::ALL;
    let (rendition, beside) = renditions(init, whole)?;
    let codecs = init.choose("", whole)?.codecs;
    let sound = beside.and_then(|_| {
        let track = init.init().tracks.iter().find(|t| t.track.as_audio().is_some())?;
        Some(Sound { channels: track.track.as_audio().map(|audio| audio.channels), language: track.track.language.clone() })
    });
    let bandwidth = |timelines: &mut Timelines, rendition| timelines.get(rendition).and_then(|rendered| rendered.timeline.bandwidth());
    let (most, average) = bandwidth(timelines, rendition).unwrap_or(BANDWIDTH);
    let (more, also) = beside.and_then(|rendition| bandwidth(timelines, rendition)).unwrap_or_default();
    let size = init.video().map(|video| video.displayed()).filter(|_| rendition != Rendition::Audio);
    let frame = timelines.get(rendition).and_then(|rendered| rendered.timeline.frame()).filter(|_| rendition == Rendition::Video);
    let bandwidth = (most + more, average + also);
    Some(Multivariant { rendition, sound, codecs, size, frame, bandwidth })
}

/// `None`: there is no such rendition.
pub fn playlist(timelines: &mut Timelines, rendition: Rendition, window: Duration, skip: bool) -> Option<String> {
    timelines.get(rendition)?;
    let target = timelines.renditions().iter_mut().map(|rendered| rendered.timeline.target()).max().unwrap_or(0);
    let others: Vec<_> = timelines.renditions().iter().filter(|other| other.rendition != rendition).collect();
    let report = |rendition, newest| Other { rendition, newest };
    let others: Vec<_> = others.iter().filter_map(|other| Some(report(other.rendition, other.timeline.newest()?))).collect();
    let rendered = timelines.get(rendition)?;
    Some(rendered.timeline.playlist(&Playlist { rendition, window, skip, target, others: &others }))
}
