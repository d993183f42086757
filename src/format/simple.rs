//! What the demuxers of simple formats have in common: they advance in small steps until there is an event.

use super::{Demuxer, Step};
use crate::media::{Event, Malformed, OmittedTrack, Timestamp};
use bytes::BytesMut;

/// What a [`SimpleDemuxer`] needs next.
pub(super) enum Progress {
    /// The next call of [`SimpleDemuxer::advance`].
    Go,
    /// So many bytes in the buffer: [`Step::Need`].
    Need(usize),
    /// This event is complete.
    Give(Event),
    /// [`Step::Skip`].
    Skip(u64),
}

/// A [`Demuxer`] in small steps.
pub(super) trait SimpleDemuxer: Send {
    fn advance(&mut self, buf: &mut BytesMut, eof: bool, now: Timestamp) -> Result<Progress, Malformed>;

    /// The input has ended where more was needed; what is in `buf` is the rest.
    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed>;

    fn damage(&self) -> u64;

    fn omitted(&mut self) -> Vec<OmittedTrack> {
        Vec::new()
    }
}

impl<A: SimpleDemuxer> Demuxer for A {
    fn next(&mut self, buf: &mut BytesMut, eof: bool, now: Timestamp) -> Result<Step, Malformed> {
        loop {
            match self.advance(buf, eof, now)? {
                Progress::Go => {}
                Progress::Give(event) => return Ok(Step::Event(event)),
                Progress::Skip(n) => return Ok(Step::Skip(n)),
                Progress::Need(n) if !eof => return Ok(Step::Need(n)),
                Progress::Need(_) => return self.end(buf),
            }
        }
    }

    fn damage(&self) -> u64 {
        SimpleDemuxer::damage(self)
    }

    fn omitted(&mut self) -> Vec<OmittedTrack> {
        SimpleDemuxer::omitted(self)
    }
}
