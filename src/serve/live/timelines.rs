//! The parts and segments of a stream's ring, for as long as somebody asks for them: made when that is asked for first, and kept up with each chunk.

use super::init_segment::{ALL, InitSegment, Mask};
use super::ring::{Entry, Ring};
use crate::format::hls::{Frame, Grid, Range, Rendition, Timeline};
use crate::media::WallTime;
use std::sync::Arc;
use std::task::Waker;

/// Those of all renditions of a stream.
#[derive(Debug)]
pub struct Timelines {
    grid: Grid,
    renditions: Vec<Rendered>,
    /// By the newest chunk that tells when it was captured: players put sound beside pictures by that, and sound does not tell it itself.
    time_zero: Option<WallTime>,
    waiting: Vec<Waker>,
}

/// One rendition.
#[derive(Debug)]
pub struct Rendered {
    pub rendition: Rendition,
    /// Its chunks in the ring have one of these.
    pub tracks: Mask,
    pub timeline: Timeline,
}

impl Timelines {
    /// Of all that the ring has.
    pub fn new(ring: &Ring, grid: Grid, ended: bool) -> Timelines {
        let mut timelines = Timelines { grid, renditions: vec![], time_zero: None, waiting: vec![] };
        ring.from(0).for_each(|entry| timelines.push(entry));
        if ended {
            timelines.end();
        }
        timelines
    }

    pub fn push(&mut self, entry: &Entry) {
        let Some(init) = &entry.init else { return };
        let Some((rendition, tracks, hash)) = init.rendition_of(entry.tracks) else { return };
        let at = self.renditions.iter().position(|rendered| rendered.rendition == rendition).unwrap_or_else(|| {
            self.renditions.push(Rendered { rendition, tracks, timeline: Timeline::new(self.grid) });
            self.renditions.len() - 1
        });
        let chunk = &entry.chunk;
        self.time_zero = chunk.captured.map(|wall| WallTime(wall.0.saturating_sub(chunk.start.0))).or(self.time_zero);
        let news = self.renditions[at].timeline.push(&Frame {
            number: entry.seq,
            start: chunk.start,
            duration: chunk.duration,
            frames: chunk.frames,
            key: chunk.key,
            captured: chunk.captured.or(self.time_zero.map(|zero| zero.at(chunk.start))),
            size: entry.message.len() - entry.payload_at,
            breaks: entry.breaks,
            init: hash,
        });
        self.renditions[at].tracks = tracks;
        if news {
            self.wake();
        }
    }

    /// Chunks before this number are gone.
    pub fn forget(&mut self, first: u64) {
        self.renditions.iter_mut().for_each(|rendered| rendered.timeline.forget(first));
    }

    /// No more will come.
    pub fn end(&mut self) {
        self.renditions.iter_mut().for_each(|rendered| rendered.timeline.end());
        self.wake();
    }

    pub fn get(&mut self, rendition: Rendition) -> Option<&mut Rendered> {
        self.renditions.iter_mut().find(|rendered| rendered.rendition == rendition)
    }

    /// All of them.
    pub fn renditions(&mut self) -> &mut [Rendered] {
        &mut self.renditions
    }

    /// Wakes `waker` when a part is whole, or when no more will come.
    pub fn wait(&mut self, waker: &Waker) {
        self.waiting.push(waker.clone());
    }

    pub fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

impl Rendered {
    /// The chunks of a range, as far as the ring has them.
    pub fn chunks<'r>(&self, ring: &'r Ring, range: Range) -> impl Iterator<Item = &'r Arc<Entry>> + use<'r> {
        let tracks = self.tracks;
        ring.from(range.first).take_while(move |entry| entry.seq <= range.last).filter(move |entry| entry.tracks & tracks != 0)
    }

    /// The init segment of this hash.
    pub fn init<'r>(&self, ring: &'r Ring, hash: u64) -> Option<&'r InitSegment> {
        let frames = self.timeline.inits().filter(|(init, _)| *init == hash);
        frames.filter_map(|(_, frame)| ring.get(frame)).last()?.init.as_deref()
    }
}

impl InitSegment {
    /// What a chunk of these tracks is part of: which rendition, its tracks, and the hash of its init segment. `None`: of nothing.
    pub fn rendition_of(&self, tracks: Mask) -> Option<(Rendition, Mask, u64)> {
        let of = |(rendition, mask): (Rendition, Mask)| (rendition, mask, self.hash(mask));
        if tracks == ALL {
            return self.choose("", true).map(|_| of((Rendition::Muxed, ALL)));
        }
        let [video, audio] = self.lead();
        [(Rendition::Video, video), (Rendition::Audio, audio)].into_iter().find(|(_, mask)| tracks & mask != 0).map(of)
    }
}
