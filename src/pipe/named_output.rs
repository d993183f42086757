//! An output with the name that errors call it, and a count of its bytes.

use super::Error;
use std::io::{self, IoSlice, Write};

#[derive(Debug)]
pub(super) struct NamedOutput<W> {
    pub inner: W,
    pub name: String,
    /// Bytes written so far.
    pub written: u64,
}

impl<W: Write> NamedOutput<W> {
    pub fn new(inner: W, name: impl Into<String>) -> NamedOutput<W> {
        NamedOutput { inner, name: name.into(), written: 0 }
    }

    /// Writes all slices with as few calls as the output allows.
    pub fn write_all(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            match self.inner.write_vectored(slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.written += n as u64;
                    IoSlice::advance_slices(&mut slices, n);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    pub fn flush(&mut self) -> Result<(), Error> {
        self.inner.flush().map_err(|source| self.error(source))
    }

    pub fn error(&self, source: io::Error) -> Error {
        Error::Io { name: self.name.clone(), source }
    }
}
