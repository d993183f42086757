//! Where a stream broke: in one place for all who tell of it.

use crate::format::bmff::Chunk;
use crate::media::Timestamp;

/// Frames of the main track farther apart than this are a break.
const PAUSE: i64 = 1_000_000;

/// Counts the breaks of a stream.
#[derive(Debug, Default)]
pub struct Breaks {
    breaks: u64,
    /// The next chunk comes after one.
    pending: bool,
    /// Of the main track: where the newest chunk began, and where it ends.
    last: Option<(Timestamp, Timestamp)>,
}

impl Breaks {
    /// What comes next comes after a break: other tracks, another writer.
    pub fn note(&mut self) {
        self.pending = true;
    }

    /// The breaks up to this chunk. `main`: it is of the track that frames are counted by, whose pauses and steps back are breaks too.
    pub fn count(&mut self, chunk: &Chunk, main: bool) -> u64 {
        if main {
            let (start, last) = (chunk.start, self.last);
            // A declared end may be too early.
            let distance = last.map_or(0, |(before, _)| start - before).clamp(0, PAUSE);
            self.pending |= last.is_some_and(|(before, end)| start - end > PAUSE || before - start > PAUSE);
            self.last = Some((start, chunk.end().max(start + distance)));
        }
        self.breaks += u64::from(std::mem::take(&mut self.pending));
        self.breaks
    }
}
