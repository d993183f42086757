//! One rendition on its way to files: the bytes of the segment that is not whole, and what was put.

use super::file::File;
use crate::format::bmff::Chunk;
use crate::format::hls::{Frame, Grid, Name, Playlist, Rendition, Timeline, Whole};
use crate::media::Vectored;
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;

/// A segment of more bytes is left out, as one that was lost: 60 s of 34 Mbit/s fit.
const MAX_SEGMENT: usize = 256 << 20;
/// Where time goes back, so many segments more than the window has are kept.
const MORE: u64 = 8;

#[derive(Debug)]
pub struct Rendered {
    pub rendition: Rendition,
    timeline: Timeline,
    /// Bytes of chunks that are in no whole segment yet, by their numbers.
    pieces: VecDeque<(u64, Vec<Bytes>)>,
    bytes: usize,
    /// The newest chunk that was not kept: there were too many bytes.
    lost: Option<u64>,
    /// Segments that were put and not removed.
    kept: VecDeque<Whole>,
    /// Init segments, likewise; the last one is that of the newest chunk.
    inits: Vec<InitFile>,
    /// The number of the newest whole segment.
    newest: Option<u64>,
    listed: bool,
}

#[derive(Debug)]
struct InitFile {
    hash: u64,
    bytes: Bytes,
    was_put: bool,
}

impl Rendered {
    /// `follow`: the least numbers: see [`Timeline::follow`].
    pub fn new(rendition: Rendition, grid: Grid, follow: Option<(u64, u64)>) -> Rendered {
        let mut timeline = Timeline::new(grid);
        follow.into_iter().for_each(|(number, breaks)| timeline.follow(number, breaks));
        let (pieces, kept, inits) = (VecDeque::new(), VecDeque::new(), Vec::new());
        Rendered { rendition, timeline, pieces, bytes: 0, lost: None, kept, inits, newest: None, listed: false }
    }

    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Its playlist was put.
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// The next chunk, with its init segment. Says whether something has become whole.
    pub fn push(&mut self, frame: &Frame, chunk: &Chunk, init: Bytes) -> bool {
        if self.inits.last().is_none_or(|newest| newest.hash != frame.init) {
            let known = self.inits.iter().position(|known| known.hash == frame.init).map(|at| self.inits.remove(at));
            self.inits.push(known.unwrap_or(InitFile { hash: frame.init, bytes: init, was_put: false }));
        }
        self.pieces.push_back((frame.number, chunk.buffers().cloned().collect()));
        self.bytes += frame.size;
        if self.bytes > MAX_SEGMENT {
            self.pieces.clear();
            (self.bytes, self.lost) = (0, Some(frame.number));
        }
        self.timeline.push(frame)
    }

    pub fn end(&mut self) {
        self.timeline.end();
    }

    /// Segments that have become whole, in their order.
    pub fn fresh(&mut self) -> Vec<Whole> {
        let mut fresh: Vec<_> = self.timeline.whole().take_while(|whole| Some(whole.number) > self.newest).collect();
        fresh.reverse();
        self.newest = fresh.last().map(|whole| whole.number).or(self.newest);
        fresh
    }

    /// The files of a segment: itself, and its init segment where that was not put. Nothing, if its bytes were too many. `known`: see [`File::media`].
    pub fn files(&mut self, whole: &Whole, known: bool) -> Vec<File> {
        if self.lost.is_some_and(|lost| lost >= whole.range.first) {
            return Vec::new();
        }
        let mut files = Vec::new();
        if let Some(init) = self.inits.iter_mut().find(|init| init.hash == whole.init && !init.was_put) {
            init.was_put = true;
            files.push(File::media(Name::Init(self.rendition, init.hash), vec![init.bytes.clone()], known));
        }
        let pieces = self.pieces.iter().filter(|(number, _)| (whole.range.first..=whole.range.last).contains(number));
        let pieces = pieces.flat_map(|(_, pieces)| pieces).cloned().collect();
        files.push(File::media(Name::Media(self.rendition, whole.object), pieces, known));
        self.kept.push_back(*whole);
        files
    }

    /// Of what is whole; `None` before that.
    pub fn playlist(&mut self, window: Duration) -> Option<File> {
        let options = Playlist { rendition: self.rendition, window, skip: false, parts: false, target: 0, others: &[] };
        self.listed |= self.timeline.has_segment();
        self.listed.then(|| File::playlist(Name::Playlist(self.rendition), self.timeline.playlist(&options)))
    }

    /// Where the newest segment begins that was put.
    pub fn newest_begin(&self) -> Option<i64> {
        self.kept.back().map(|whole| whole.begin)
    }

    /// Forgets what began longer than `listed` before the newest segment, and gives the names of what did so longer than `kept`.
    pub fn remove_old(&mut self, grid: &Grid, listed: Duration, kept: Duration) -> Vec<Name> {
        let Some(newest) = self.kept.back().copied() else { return Vec::new() };
        let is_older = |whole: &Whole, age: Duration| {
            let segments = age.as_micros() as u64 / grid.segment().unsigned_abs().max(1) + MORE;
            newest.begin.saturating_sub(whole.begin) > age.as_micros() as i64 || newest.number - whole.number > segments
        };
        if let Some(oldest) = self.timeline.whole().take_while(|whole| !is_older(whole, listed)).last() {
            self.timeline.forget(oldest.range.first);
        }
        let mut gone = Vec::new();
        while self.kept.front().is_some_and(|oldest| is_older(oldest, kept)) {
            gone.extend(self.kept.pop_front().map(|oldest| Name::Media(self.rendition, oldest.object)));
        }
        let newest = self.inits.last().map(|init| init.hash);
        let is_used = |init: &InitFile| Some(init.hash) == newest || self.kept.iter().any(|whole| whole.init == init.hash);
        let unused = self.inits.extract_if(.., |init| !is_used(init)).filter(|init| init.was_put);
        gone.extend(unused.map(|init| Name::Init(self.rendition, init.hash)));
        gone
    }

    /// The bytes of chunks that no segment wants: those before the first keyframe, and those that were put.
    pub fn forget(&mut self) {
        let open = self.timeline.open().unwrap_or(u64::MAX);
        while self.pieces.front().is_some_and(|(number, _)| *number < open) {
            let gone = self.pieces.pop_front().map_or(0, |(_, pieces)| pieces.iter().map(Bytes::len).sum());
            self.bytes = self.bytes.saturating_sub(gone);
        }
    }
}
