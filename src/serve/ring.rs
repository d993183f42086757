//! A stream's newest chunks, each stored once for all viewers. Pure: times are arguments.

use super::movie::{Mask, Movie};
use super::ws;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One chunk as all viewers get it; immutable.
#[derive(Debug)]
pub struct Chunk {
    /// Consecutive within a stream, across writers.
    pub seq: u64,
    /// The payload in a WebSocket frame: server frames are not masked, so these are the same bytes for everybody. A text message
    /// about it may go before.
    pub frame: Bytes,
    /// Where in `frame` the payload begins.
    pub payload_at: usize,
    /// The tracks inside: one bit, or all.
    pub tracks: Mask,
    /// A player can start here.
    pub key: bool,
    /// Frames of the stream's main track, counted over the stream, up to and with this chunk.
    pub frames: u64,
    /// When it came in.
    pub arrived: Instant,
    /// The init segment it belongs to; `None` for JPEG.
    pub movie: Option<Arc<Movie>>,
}

impl Chunk {
    pub fn new(payload: &[u8], seq: u64, arrived: Instant) -> Chunk {
        Chunk::announced("", payload, seq, arrived)
    }

    /// A chunk with a text message before it.
    pub fn announced(text: &str, payload: &[u8], seq: u64, arrived: Instant) -> Chunk {
        let (frame, payload_at) = ws::binary(text, payload);
        Chunk { seq, frame, payload_at, tracks: super::movie::ALL, key: true, frames: seq + 1, arrived, movie: None }
    }

    pub fn payload(&self) -> Bytes {
        self.frame.slice(self.payload_at..)
    }
}

/// How much a ring keeps.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// At most so many bytes, though always the newest chunk.
    pub bytes: usize,
    /// What is older than this goes, except what follows the newest keyframe.
    pub age: Duration,
}

#[derive(Debug)]
pub struct Ring {
    chunks: VecDeque<Arc<Chunk>>,
    bytes: usize,
    /// Number of the next chunk to come.
    end: u64,
    newest_key: u64,
    keep: Keep,
}

impl Ring {
    pub fn new(keep: Keep) -> Ring {
        Ring { chunks: VecDeque::new(), bytes: 0, end: 0, newest_key: 0, keep }
    }

    pub fn push(&mut self, chunk: Arc<Chunk>) {
        self.end = chunk.seq + 1;
        self.bytes += chunk.frame.len();
        if chunk.key && chunk.tracks & chunk.movie.as_ref().map_or(super::movie::ALL, |m| m.main()) != 0 {
            self.newest_key = chunk.seq;
        }
        let oldest = chunk.arrived.checked_sub(self.keep.age);
        self.chunks.push_back(chunk);
        while self.chunks.len() > 1 && self.front_is_over(oldest) {
            self.bytes -= self.chunks.pop_front().map_or(0, |c| c.frame.len());
        }
    }

    fn front_is_over(&self, oldest: Option<Instant>) -> bool {
        let stale = |c: &Arc<Chunk>| c.seq < self.newest_key && oldest.is_some_and(|t| c.arrived < t);
        self.bytes > self.keep.bytes || self.chunks.front().is_some_and(stale)
    }

    /// Forgets all chunks; the numbers go on.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.bytes = 0;
    }

    /// Number of the next chunk to come.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Chunk `seq`, if it is still there (or there already).
    pub fn get(&self, seq: u64) -> Option<&Arc<Chunk>> {
        let first = self.chunks.front()?.seq;
        self.chunks.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    pub fn newest(&self) -> Option<&Arc<Chunk>> {
        self.chunks.back()
    }

    /// The chunks before `seq`, the newest first.
    pub fn back_from(&self, seq: u64) -> impl Iterator<Item = &Arc<Chunk>> {
        let first = self.chunks.front().map_or(seq, |c| c.seq);
        let before = usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX);
        self.chunks.range(..before.min(self.chunks.len())).rev()
    }

    /// The newest keyframe of the tracks `lead`.
    pub fn newest_key(&self, lead: Mask) -> Option<&Arc<Chunk>> {
        self.chunks.iter().rev().find(|c| c.key && c.tracks & lead != 0)
    }

    /// The chunks from `seq` on.
    pub fn from(&self, seq: u64) -> impl Iterator<Item = &Arc<Chunk>> {
        let first = self.chunks.front().map_or(0, |c| c.seq);
        let skip = usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX).min(self.chunks.len());
        self.chunks.range(skip..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(seq: u64, key: bool, at: Instant, len: usize) -> Arc<Chunk> {
        Arc::new(Chunk { key, ..Chunk::new(&vec![seq as u8; len], seq, at) })
    }

    #[test]
    fn keeps_the_newest_gop_and_an_age() {
        let (t, second) = (Instant::now(), Duration::from_secs(1));
        let mut ring = Ring::new(Keep { bytes: 1 << 20, age: 2 * second });
        for seq in 0..20 {
            ring.push(chunk(seq, seq == 0, t + second * seq as u32, 100));
        }
        assert_eq!(ring.from(0).count(), 20, "one long GOP is kept whole");
        ring.push(chunk(20, true, t + second * 20, 100));
        assert_eq!(ring.from(0).next().unwrap().seq, 18);
        assert_eq!((ring.get(17).is_none(), ring.get(20).unwrap().seq, ring.get(21).is_none()), (true, 20, true));
        assert_eq!(ring.bytes, 3 * 102);
    }

    #[test]
    fn bytes_are_bounded() {
        let t = Instant::now();
        let mut ring = Ring::new(Keep { bytes: 1000, age: Duration::MAX });
        for seq in 0..100 {
            ring.push(chunk(seq, seq == 0, t, 98));
            assert!(ring.bytes <= 1000);
        }
        ring.push(chunk(100, true, t, 5000));
        assert_eq!((ring.from(0).count(), ring.end()), (1, 101), "the newest is always kept");
    }
}
