//! Cuts one writer's bytes into what is published, moved in time so that they follow what was published before.

use bytes::BytesMut;
use h5live::format::bmff::{Split, Splitter};
use h5live::media::{Malformed, Timestamp};

/// An input whose fragments have not begun after so many bytes is none of ours.
pub const MAX_LEAD: usize = 16 * 1024 * 1024;

pub struct TimelineSplicer {
    splitter: Splitter,
    buf: BytesMut,
    /// Bytes to pass over.
    skip: u64,
    /// Until the first chunk has shown where this writer's time begins.
    pending: Option<PendingShift>,
}

struct PendingShift {
    /// Where that is to be on the viewers' timeline.
    at: Timestamp,
    /// All bytes so far: they are cut again when the difference is known.
    bytes: Vec<u8>,
}

impl TimelineSplicer {
    /// `follow`: the time that this writer's first chunk is to have; `None` leaves times as they are.
    pub fn new(follow: Option<Timestamp>) -> TimelineSplicer {
        let pending = follow.map(|at| PendingShift { at, bytes: vec![] });
        TimelineSplicer { splitter: Splitter::default(), buf: BytesMut::new(), skip: 0, pending }
    }

    /// # Errors
    /// So much has come that no fragment will.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        if let Some(pending) = &mut self.pending {
            if pending.bytes.len() + bytes.len() > MAX_LEAD {
                return Err(endless(pending.bytes.len()));
            }
            pending.bytes.extend_from_slice(bytes);
        }
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skip as u64;
        self.buf.extend_from_slice(&bytes[skip..]);
        Ok(())
    }

    /// The next piece, `Init` or `Chunk`, that is whole; `eof`: nothing will follow.
    pub fn next(&mut self, eof: bool) -> Result<Option<Split>, Malformed> {
        loop {
            let split = match self.splitter.next(&mut self.buf, eof)? {
                Split::Need(_) | Split::End => return Ok(None),
                Split::Skip(n) => {
                    self.skip = n;
                    return Ok(None);
                }
                split => split,
            };
            match (&split, self.pending.take()) {
                (_, None) => return Ok(Some(split)),
                (Split::Chunk(chunk), Some(pending)) => self.restart(pending.at - chunk.start, &pending.bytes),
                (_, pending) => self.pending = pending,
            }
        }
    }

    fn restart(&mut self, shift: i64, bytes: &[u8]) {
        *self = TimelineSplicer::new(None);
        self.splitter.set_shift(shift);
        self.buf.extend_from_slice(bytes);
    }
}

/// A beginning that goes on for ever.
pub fn endless(at: usize) -> Malformed {
    Malformed::new("MP4", format!("no fragment begins within {} MiB", MAX_LEAD >> 20)).at(at as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_before_the_first_fragment_is_bounded() {
        let filler = [&(1u32 << 20).to_be_bytes()[..], b"free", &vec![0; (1 << 20) - 8]].concat();
        let fill = |splicer: &mut TimelineSplicer| {
            (0..64).try_for_each(|_| {
                splicer.push(&filler)?;
                splicer.next(false).map(|split| assert!(split.is_none()))
            })
        };
        let error = fill(&mut TimelineSplicer::new(Some(Timestamp(0)))).unwrap_err();
        assert_eq!((error.at, error.to_string().contains("16 MiB")), (Some(16 << 20), true), "{error}");
        assert_eq!(fill(&mut TimelineSplicer::new(None)), Ok(()), "nothing of it is kept");
    }
}
