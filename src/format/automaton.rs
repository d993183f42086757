//! What the demuxers of simple formats have in common: they advance in small moves until there is something to say.

use super::{Demuxer, Step};
use crate::media::{Event, Malformed, OmittedTrack, Timestamp};
use bytes::BytesMut;

/// What an [`Automaton`] wants next.
pub(super) enum Next {
    /// The next move.
    Go,
    /// So many bytes in the buffer: [`Step::Need`].
    Need(usize),
    /// To say this.
    Give(Event),
    /// [`Step::Skip`].
    Skip(u64),
}

/// A [`Demuxer`] by its moves.
pub(super) trait Automaton: Send {
    fn advance(&mut self, buf: &mut BytesMut, eof: bool, now: Timestamp) -> Result<Next, Malformed>;

    /// The input has ended where more was needed; what is in `buf` is the rest.
    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed>;

    fn damage(&self) -> u64;

    fn omitted(&mut self) -> Vec<OmittedTrack> {
        Vec::new()
    }
}

impl<A: Automaton> Demuxer for A {
    fn next(&mut self, buf: &mut BytesMut, eof: bool, now: Timestamp) -> Result<Step, Malformed> {
        loop {
            match self.advance(buf, eof, now)? {
                Next::Go => {}
                Next::Give(event) => return Ok(Step::Event(event)),
                Next::Skip(n) => return Ok(Step::Skip(n)),
                Next::Need(n) if !eof => return Ok(Step::Need(n)),
                Next::Need(_) => return self.end(buf),
            }
        }
    }

    fn damage(&self) -> u64 {
        Automaton::damage(self)
    }

    fn omitted(&mut self) -> Vec<OmittedTrack> {
        Automaton::omitted(self)
    }
}
