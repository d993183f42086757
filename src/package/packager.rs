//! Init segments and chunks in, files out. Pure: it neither writes nor looks at a clock.

use super::file::{File, Operation, next_numbers};
use super::rendered::Rendered;
use crate::format::bmff::{Chunk, Init, InitTrack};
use crate::format::hls::{Breaks, Frame, Grid, Multivariant, Name, Playlist, Rendition, Tracks, init_hash};
use crate::media::{Kind, WallTime};
use bytes::Bytes;
use std::time::Duration;

/// Until the first keyframe of the main track tells when the stream began, so many chunks are kept, and so many bytes: sound may come ten seconds early.
const MAX_HELD: usize = 1000;
const MAX_HELD_BYTES: usize = 64 << 20;
/// How a stream is cut, and what is kept of it.
#[derive(Clone, Copy, Debug)]
pub struct PackageOptions {
    /// The length of a segment, 0.5 to 60 s.
    pub segment: Duration,
    /// What a playlist lists; `None`: everything, in playlists that are written at the end.
    pub window: Option<Duration>,
}

impl Default for PackageOptions {
    fn default() -> PackageOptions {
        PackageOptions { segment: Grid::SEGMENT, window: Some(Playlist::WINDOW) }
    }
}

/// Cuts one stream. What its calls give is for the store to do, in that order.
#[derive(Debug)]
pub struct Packager {
    options: PackageOptions,
    /// Once it is known when the stream began.
    grid: Option<Grid>,
    held: Vec<Chunk>,
    tracks: Option<Current>,
    renditions: Vec<Rendered>,
    breaks: Breaks,
    /// Chunks so far.
    chunks: u64,
    time_zero: Option<WallTime>,
    /// Chunks have several tracks.
    muxed: bool,
    /// The multivariant playlist that was put: without its bandwidth, and the most that it says.
    said: Option<(String, u64)>,
    /// Numbers that the playlists of an earlier run have come to: see [`Timeline::follow`](crate::format::hls::Timeline::follow).
    follow: Vec<(Rendition, (u64, u64))>,
    /// Where the first segment began.
    first: Option<i64>,
    swept: bool,
    out: Vec<Operation>,
}

/// The newest init segment.
#[derive(Debug)]
struct Current {
    init: Init,
    tracks: Tracks,
    /// The track that frames are counted by: the first video, or else the first.
    main: Option<u32>,
    /// Of each rendition that has begun: with the hash that it is named by.
    inits: Vec<(Rendition, u64, Bytes)>,
}

impl Packager {
    /// Without a stream.
    pub fn new(options: PackageOptions) -> Packager {
        Packager {
            options,
            grid: None,
            held: Vec::new(),
            tracks: None,
            renditions: Vec::new(),
            breaks: Breaks::default(),
            chunks: 0,
            time_zero: None,
            muxed: false,
            said: None,
            follow: Vec::new(),
            first: None,
            swept: false,
            out: Vec::new(),
        }
    }

    /// An earlier run has left this playlist: numbers go on after it.
    pub fn follow(&mut self, rendition: Rendition, playlist: &str) {
        self.follow.extend(next_numbers(playlist).filter(|_| self.options.window.is_some()).map(|numbers| (rendition, numbers)));
    }

    /// A new init segment.
    pub fn init(&mut self, init: Init) -> Vec<Operation> {
        if let Some(old) = &self.tracks
            && old.init.bytes != init.bytes
        {
            self.begin();
            self.breaks.note();
        }
        let is_video = |track: &&InitTrack| track.track.kind() == Kind::Video;
        let main = init.tracks.iter().find(is_video).or(init.tracks.first()).map(|track| track.id);
        self.tracks = Some(Current { tracks: Tracks::of(&init), init, main, inits: Vec::new() });
        std::mem::take(&mut self.out)
    }

    /// A chunk that belongs to the newest init segment.
    pub fn chunk(&mut self, chunk: Chunk) -> Vec<Operation> {
        let Some(tracks) = &self.tracks else { return Vec::new() };
        if self.grid.is_some() {
            self.push(chunk);
        } else {
            let tells = chunk.key && tracks.is_main(&chunk);
            self.held.push(chunk);
            if tells || self.held.len() >= MAX_HELD || self.held.iter().map(Chunk::size).sum::<usize>() >= MAX_HELD_BYTES {
                self.begin();
            }
        }
        std::mem::take(&mut self.out)
    }

    /// The stream has ended: players do not wait for more.
    pub fn end(&mut self) -> Vec<Operation> {
        self.begin();
        self.renditions.iter_mut().for_each(Rendered::end);
        for at in 0..self.renditions.len() {
            self.put_segments(at);
            self.put_playlist(at);
        }
        self.put_multivariant();
        if self.options.window.is_none() {
            self.sweep();
        }
        std::mem::take(&mut self.out)
    }

    /// It is known now, as far as it will be, when the stream began: as h5serve takes it, by the newest chunk.
    fn begin(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let held = std::mem::take(&mut self.held);
        let zero = held.iter().rev().find_map(|chunk| Some(WallTime(chunk.captured?.0.saturating_sub(chunk.start.0))));
        self.grid.get_or_insert_with(|| Grid::new(self.options.segment, Grid::PART).since(zero));
        held.into_iter().for_each(|chunk| self.push(chunk));
    }

    fn push(&mut self, chunk: Chunk) {
        let (Some(tracks), Some(grid)) = (&mut self.tracks, self.grid) else { return };
        let breaks = self.breaks.count(&chunk, tracks.is_main(&chunk));
        let Some(rendition) = tracks.tracks.rendition(chunk.track) else { return };
        let (init, bytes) = tracks.init_of(rendition);
        self.muxed = chunk.track.is_none();
        self.time_zero = chunk.captured.map(|wall| WallTime(wall.0.saturating_sub(chunk.start.0))).or(self.time_zero);
        let number = self.chunks;
        self.chunks += 1;
        let frame = Frame {
            number,
            start: chunk.start,
            duration: chunk.duration,
            frames: chunk.frames,
            key: chunk.key,
            captured: chunk.captured.or(self.time_zero.map(|zero| zero.at(chunk.start))),
            size: chunk.size(),
            breaks,
            init,
        };
        let at = self.renditions.iter().position(|rendered| rendered.rendition == rendition).unwrap_or_else(|| {
            // Two stores may have come to other numbers.
            let follow = self.follow.iter().filter(|(followed, _)| *followed == rendition).map(|(_, numbers)| *numbers).max();
            self.renditions.push(Rendered::new(rendition, grid, follow));
            self.renditions.len() - 1
        });
        let rendered = &mut self.renditions[at];
        if rendered.push(&frame, &chunk, bytes) && self.put_segments(at) && self.options.window.is_some() {
            self.put_playlist(at);
            self.put_multivariant();
            self.remove_old(at);
        }
        self.renditions[at].forget();
    }

    /// Puts what has become whole. Says whether something has.
    fn put_segments(&mut self, at: usize) -> bool {
        let rendered = &mut self.renditions[at];
        let fresh = rendered.fresh();
        for whole in &fresh {
            self.first.get_or_insert(whole.begin);
            self.out.extend(rendered.files(whole, self.time_zero.is_some()).into_iter().map(Operation::Put));
        }
        !fresh.is_empty()
    }

    fn put_playlist(&mut self, at: usize) {
        let window = self.options.window.unwrap_or(Duration::MAX);
        self.out.extend(self.renditions[at].playlist(window).map(Operation::Put));
    }

    /// As soon as there are the playlists that it names, and again when it says something else.
    fn put_multivariant(&mut self) {
        let Some(current) = &self.tracks else { return };
        let of = |rendition| self.renditions.iter().find(|rendered| rendered.rendition == rendition);
        let Some(multivariant) = current.tracks.multivariant(self.muxed, |rendition| of(rendition).map(Rendered::timeline)) else { return };
        let sound = multivariant.sound.as_ref().map(|_| Rendition::Audio);
        if ![Some(multivariant.rendition), sound].into_iter().flatten().all(|rendition| of(rendition).is_some_and(Rendered::is_listed)) {
            return;
        }
        let most = multivariant.bandwidth.0;
        // Another average, or another estimate of the frame rate, is no news.
        let plain = Multivariant { bandwidth: (0, 0), frame: None, ..multivariant.clone() }.text();
        if self.said.as_ref().is_some_and(|(said, before)| *said == plain && *before >= most) {
            return;
        }
        self.said = Some((plain, most));
        self.out.push(Operation::Put(File::playlist(Name::Multivariant, multivariant.text())));
    }

    /// What no client can want any more: it has left the playlist for as long as that was, and a segment (RFC 8216, section 6.2.2).
    fn remove_old(&mut self, at: usize) {
        let (Some(window), Some(grid)) = (self.options.window, self.grid) else { return };
        let longest = Duration::from_micros(grid.longest().unsigned_abs());
        let gone = self.renditions[at].remove_old(&grid, window + 3 * self.options.segment, 2 * window + 2 * longest);
        self.out.extend(gone.into_iter().map(Operation::Remove));
        let newest = self.renditions[at].newest_begin();
        let since = |(first, newest): (i64, i64)| newest.saturating_sub(first).unsigned_abs();
        if self.first.zip(newest).map(since).is_some_and(|micros| Duration::from_micros(micros) > window + 2 * longest) {
            self.sweep();
        }
    }

    fn sweep(&mut self) {
        if !std::mem::replace(&mut self.swept, true) {
            self.out.push(Operation::Sweep);
        }
    }
}

impl Current {
    fn is_main(&self, chunk: &Chunk) -> bool {
        chunk.track.is_none_or(|track| self.main == Some(track))
    }

    /// The init segment of a rendition, and the hash that it is named by, as in h5serve.
    fn init_of(&mut self, rendition: Rendition) -> (u64, Bytes) {
        if let Some((_, hash, bytes)) = self.inits.iter().find(|(known, ..)| *known == rendition) {
            return (*hash, bytes.clone());
        }
        let bytes = match self.tracks.id(rendition) {
            Some(id) if self.init.tracks.len() > 1 => self.init.select(&[id]),
            _ => self.init.bytes.clone(),
        };
        let hash = init_hash(&bytes);
        self.inits.push((rendition, hash, bytes.clone()));
        (hash, bytes)
    }
}
