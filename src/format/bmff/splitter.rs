//! Cutting a CMAF byte stream into what a server hands out: the initialization segment, and chunks that are whole in themselves.
//! It rewrites nothing but the times, and those only where it is asked to.

use super::boxes::{self, Head, MAX_FRAGMENT, MAX_HEADER_BOX, Peek, boxes, malformed};
use super::chunk::Chunk;
use super::moof::{self, TrackFragment};
use super::movie::Movie;
use super::segment::{Init, InitTrack};
use super::shift;
use crate::media::{Kind, Malformed, Timestamp, WallTime};
use bytes::{Bytes, BytesMut};
use mp4_atom::Prft;
use std::time::Duration;

/// Incremental splitter. The contract is that of [`Demuxer`](crate::format::Demuxer): append input to `buf`, call
/// [`next`](Splitter::next) until it says `Need`.
#[derive(Debug, Default)]
pub struct Splitter {
    ftyp: Bytes,
    movie: Option<Movie>,
    /// Bytes at the front of `buf` that are whole boxes of the chunk being gathered.
    gathered: usize,
    /// The gathered boxes have a `moof`.
    has_moof: bool,
    /// Position in the stream of the front of `buf`.
    at: u64,
    /// Where each track goes on when a fragment does not say its time, in ticks.
    next_times: Vec<(u32, u64)>,
    /// Microseconds.
    shift: i64,
}

/// What a [`Splitter`] says.
#[derive(Clone, Debug)]
pub enum Split {
    /// First, and again when the writer starts anew.
    Init(Init),
    /// A chunk of frames.
    Chunk(Chunk),
    /// Call again when `buf` holds this many bytes, or at the end of the input.
    Need(usize),
    /// `buf` is empty, and the next bytes are of no interest: pass over this many.
    Skip(u64),
    /// The input has ended; a last chunk that was cut short is dropped.
    End,
}

impl Splitter {
    /// Added to every time in the chunks from now on, in microseconds: so a new writer can continue an old time line.
    pub fn set_shift(&mut self, micros: i64) {
        self.shift = micros;
    }

    /// # Errors
    /// The input is not MP4, is not fragmented, contradicts itself, or has a size larger than any real one. The error has the position.
    pub fn next(&mut self, buf: &mut BytesMut, eof: bool) -> Result<Split, Malformed> {
        self.step(buf, eof).map_err(|e| if e.at.is_some() { e } else { e.at(self.at + self.gathered as u64) })
    }

    fn step(&mut self, buf: &mut BytesMut, eof: bool) -> Result<Split, Malformed> {
        loop {
            let need = match boxes::peek(&buf[self.gathered..])? {
                Peek::Need(n) => n,
                Peek::Box(head) => match self.take(buf, head)? {
                    BoxOutcome::Need(n) => n,
                    BoxOutcome::Split(split) => return Ok(split),
                    BoxOutcome::Passed => continue,
                },
            };
            return Ok(if eof { Split::End } else { Split::Need(self.gathered + need) });
        }
    }

    /// Deals with the box at `gathered`.
    fn take(&mut self, buf: &mut BytesMut, head: Head) -> Result<BoxOutcome, Malformed> {
        let have = (buf.len() - self.gathered) as u64;
        let bounded = |limit: u64| match head.size {
            Some(size) if size <= limit => Ok(size as usize),
            _ => Err(malformed(format!("box {} is larger than {limit} bytes", boxes::name(head.kind)))),
        };
        match &head.kind {
            b"ftyp" | b"moov" => {
                self.forget(buf);
                let size = bounded(MAX_HEADER_BOX)?;
                if (have as usize) < size {
                    return Ok(BoxOutcome::Need(size));
                }
                let whole = self.consume(buf, size).freeze();
                if &head.kind == b"ftyp" {
                    self.ftyp = whole;
                    return Ok(BoxOutcome::Passed);
                }
                self.init(&whole, head.len).map_err(|e| e.at(self.at - size as u64)).map(|init| BoxOutcome::Split(Split::Init(init)))
            }
            b"moof" | b"prft" | b"emsg" => {
                if self.has_moof {
                    // A fragment without data ends here.
                    self.forget(buf);
                }
                let size = bounded(MAX_HEADER_BOX)?;
                if self.gathered + size > MAX_HEADER_BOX as usize {
                    return Err(malformed(format!("{MAX_HEADER_BOX} bytes of boxes without media data")));
                }
                if (have as usize) < size {
                    return Ok(BoxOutcome::Need(size));
                }
                self.gathered += size;
                self.has_moof = &head.kind == b"moof";
                Ok(BoxOutcome::Passed)
            }
            b"mdat" if self.has_moof => {
                let size = bounded(MAX_FRAGMENT)?;
                if (have as usize) < size {
                    return Ok(BoxOutcome::Need(size));
                }
                let at = self.at;
                let bytes = self.consume(buf, self.gathered + size);
                (self.gathered, self.has_moof) = (0, false);
                let chunk = self.chunk(bytes, at).map_err(|e| e.at(at))?;
                Ok(chunk.map_or(BoxOutcome::Passed, |chunk| BoxOutcome::Split(Split::Chunk(chunk))))
            }
            // styp, sidx, free, mfra, …, and media data that no fragment describes.
            _ => {
                self.forget(buf);
                let size = head.size.unwrap_or(u64::MAX);
                let here = size.min(buf.len() as u64);
                drop(self.consume(buf, here as usize));
                let rest = size - here;
                self.at = self.at.saturating_add(rest);
                Ok(if rest == 0 { BoxOutcome::Passed } else { BoxOutcome::Split(Split::Skip(rest)) })
            }
        }
    }

    /// Drops what was gathered: boxes that turned out to belong to no chunk.
    fn forget(&mut self, buf: &mut BytesMut) {
        let gathered = std::mem::take(&mut self.gathered);
        self.has_moof = false;
        drop(self.consume(buf, gathered));
    }

    fn consume(&mut self, buf: &mut BytesMut, n: usize) -> BytesMut {
        self.at += n as u64;
        buf.split_to(n)
    }

    fn init(&mut self, moov: &Bytes, head: usize) -> Result<Init, Malformed> {
        let mut movie = Movie::parse(&moov.slice(head..))?;
        // Samples in the movie header belong to no fragment: who wants them reads packets.
        if !movie.fragmented || movie.tracks.iter().any(|track| track.table.is_some()) {
            return Err(malformed("an ordinary MP4 file, not fragmented: put h5mux before this program"));
        }
        let tracks = movie.tracks.iter().map(|t| InitTrack { id: t.id, timescale: t.timescale, track: t.track.clone() }).collect();
        let bytes = [&self.ftyp[..], moov].concat().into();
        let omitted = std::mem::take(&mut movie.omitted);
        self.movie = Some(movie);
        self.next_times.clear();
        Ok(Init { bytes, tracks, omitted })
    }

    /// `None` for a chunk without anything of use.
    fn chunk(&mut self, bytes: BytesMut, at: u64) -> Result<Option<Chunk>, Malformed> {
        let movie = self.movie.as_ref().ok_or_else(|| malformed("a fragment comes before the movie header"))?;
        let mut captured = None;
        let mut fragments = Vec::new();
        let mut tracks = 0;
        for b in boxes(&bytes) {
            match &b.kind {
                b"prft" => captured = b.decode::<Prft>().ok().map(|p| WallTime::from_ntp(p.ntp_timestamp)),
                b"moof" => {
                    let offset = b.whole.as_ptr() as usize - bytes.as_ptr() as usize;
                    fragments = moof::parse(b.body, at + offset as u64, |id| movie.track(id).map(|t| t.defaults))?;
                    tracks = boxes(b.body).filter(|t| t.kind == *b"traf").count();
                }
                _ => {}
            }
        }
        for fragment in &mut fragments {
            decode_time(&mut self.next_times, fragment);
        }
        let is_video = |f: &&TrackFragment| movie.track(f.track_id).is_some_and(|t| t.track.kind() == Kind::Video);
        let video = fragments.iter().find(is_video);
        let Some((main, track)) = video.or(fragments.first()).and_then(|f| Some((f, movie.track(f.track_id)?))) else { return Ok(None) };
        let micros = |ticks: i64| Timestamp::from_ticks(ticks, track.timescale);
        let decode_time = main.decode_time.and_then(|t| i64::try_from(t).ok()).unwrap_or(i64::MAX);
        let duration = i64::try_from(main.duration()).unwrap_or(i64::MAX);
        Ok(Some(Chunk {
            track: (tracks == 1).then_some(main.track_id),
            kind: track.track.kind(),
            key: video.is_none_or(|v| v.samples.first().is_some_and(|s| s.sync)),
            start: micros(decode_time.saturating_sub(track.origin)) + self.shift,
            duration: Duration::from_micros(micros(duration).micros().max(0) as u64),
            frames: u32::try_from(main.samples.len()).unwrap_or(u32::MAX),
            captured,
            head: self.shifted(bytes, movie),
            data: Vec::new(),
        }))
    }

    fn shifted(&self, bytes: BytesMut, movie: &Movie) -> Bytes {
        if self.shift == 0 {
            return bytes.freeze();
        }
        let ticks = |id| shift::ticks(self.shift, movie.track(id).map_or(0, |t| t.timescale));
        let mut bytes = Vec::from(bytes);
        shift::shift(&mut bytes, ticks);
        bytes.into()
    }
}

enum BoxOutcome {
    /// This many bytes, counted from the box.
    Need(usize),
    Split(Split),
    Passed,
}

/// Gives a fragment without a time the one that follows from its track's fragments before.
pub(super) fn decode_time(next_times: &mut Vec<(u32, u64)>, fragment: &mut TrackFragment) {
    let known = next_times.iter().position(|(id, _)| *id == fragment.track_id);
    let index = known.unwrap_or_else(|| {
        next_times.push((fragment.track_id, 0));
        next_times.len() - 1
    });
    let time = *fragment.decode_time.get_or_insert(next_times[index].1);
    next_times[index].1 = time.saturating_add(fragment.duration());
}
