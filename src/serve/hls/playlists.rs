//! Playlists of a stream, as it is now.

use crate::format::hls::{Multivariant, Other, Playlist, Rendition, Tracks};
use crate::serve::live::init_segment::ALL;
use crate::serve::live::ring::Ring;
use crate::serve::live::timelines::Timelines;
use std::time::Duration;

/// `None`: nothing of it can be played.
pub fn multivariant(timelines: &mut Timelines, ring: &Ring) -> Option<Multivariant> {
    let newest = ring.newest()?;
    let (init, timelines) = (newest.init.as_ref()?, &*timelines.renditions());
    let timeline = |rendition| timelines.iter().find(|rendered| rendered.rendition == rendition).map(|rendered| &rendered.timeline);
    Tracks::of(init.init()).multivariant(newest.tracks == ALL, timeline)
}

/// `None`: there is no such rendition.
pub fn playlist(timelines: &mut Timelines, rendition: Rendition, window: Duration, skip: bool) -> Option<String> {
    timelines.get(rendition)?;
    let target = timelines.renditions().iter_mut().map(|rendered| rendered.timeline.target()).max().unwrap_or(0);
    let others: Vec<_> = timelines.renditions().iter().filter(|other| other.rendition != rendition).collect();
    let report = |rendition, newest| Other { rendition, newest };
    let others: Vec<_> = others.iter().filter_map(|other| Some(report(other.rendition, other.timeline.newest()?))).collect();
    let rendered = timelines.get(rendition)?;
    Some(rendered.timeline.playlist(&Playlist { rendition, window, skip, parts: true, target, others: &others }))
}
