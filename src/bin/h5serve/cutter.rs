//! Cuts one writer's bytes into what is published, moved in time so that they follow what was published before.

use bytes::BytesMut;
use h5live::format::bmff::{Split, Splitter};
use h5live::media::{Malformed, Timestamp};

pub struct Cutter {
    splitter: Splitter,
    buf: BytesMut,
    /// Bytes to pass over.
    skip: u64,
    /// Until the first chunk has told where this writer's time begins.
    seam: Option<Seam>,
}

struct Seam {
    /// Where that is to be on the viewers' timeline.
    at: Timestamp,
    /// All bytes so far: they are cut again when the difference is known.
    bytes: Vec<u8>,
}

impl Cutter {
    /// `follow`: the time that this writer's first chunk is to have; `None` leaves times as they are.
    pub fn new(follow: Option<Timestamp>) -> Cutter {
        let seam = follow.map(|at| Seam { at, bytes: vec![] });
        Cutter { splitter: Splitter::default(), buf: BytesMut::new(), skip: 0, seam }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if let Some(seam) = &mut self.seam {
            seam.bytes.extend_from_slice(bytes);
        }
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
        self.skip -= skip as u64;
        self.buf.extend_from_slice(&bytes[skip..]);
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
            match (&split, self.seam.take()) {
                (_, None) => return Ok(Some(split)),
                (Split::Chunk(chunk), Some(seam)) => self.restart(seam.at - chunk.start, &seam.bytes),
                (_, seam) => self.seam = seam,
            }
        }
    }

    fn restart(&mut self, shift: i64, bytes: &[u8]) {
        *self = Cutter::new(None);
        self.splitter.set_shift(shift);
        self.buf.extend_from_slice(bytes);
    }
}
