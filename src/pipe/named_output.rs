//! An output with the name that errors call it, and a count of its bytes.

use super::Error;
use std::io::{self, IoSlice, Write};

#[derive(Debug)]
pub(super) struct NamedOutput<W> {
    pub inner: W,
    pub name: String,
    /// Bytes written so far.
    pub written: u64,
    write_now: WriteNow<W>,
    /// Of an item that was begun by [`NamedOutput::write_now`]: it comes before all else.
    rest: Vec<u8>,
}

/// Writes what an output takes without waiting: so many bytes; `WouldBlock` where it takes none.
pub type WriteNow<W> = fn(&mut W, &[IoSlice<'_>]) -> io::Result<usize>;

/// What became of an item that was to be written without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is written.
    Written,
    /// A part is written, and the rest was copied: the next write begins with it.
    Begun,
    /// Nothing is written. The output is not ready, or cannot be asked so.
    Nothing,
}

impl<W: Write> NamedOutput<W> {
    pub fn new(inner: W, name: impl Into<String>) -> NamedOutput<W> {
        let write_now: WriteNow<W> = |_, _| Err(io::ErrorKind::WouldBlock.into());
        NamedOutput { inner, name: name.into(), written: 0, write_now, rest: Vec::new() }
    }

    /// How it is written without waiting. Without this, [`NamedOutput::write_now`] writes nothing.
    pub fn set_write_now(&mut self, write_now: WriteNow<W>) {
        self.write_now = write_now;
    }

    /// Writes all slices with as few calls as the output allows.
    pub fn write_all(&mut self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            self.write_slices(&mut [IoSlice::new(&rest)])?;
        }
        self.write_slices(slices)
    }

    fn write_slices(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
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

    /// Writes what the output takes of the slices without waiting.
    pub fn write_now(&mut self, mut slices: &mut [IoSlice<'_>]) -> io::Result<Progress> {
        if !self.rest.is_empty() {
            return Ok(Progress::Nothing);
        }
        let taken = match (self.write_now)(&mut self.inner, slices) {
            Ok(taken) => taken,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(e) => return Err(e),
        };
        if taken == 0 {
            return Ok(Progress::Nothing);
        }
        self.written += taken as u64;
        IoSlice::advance_slices(&mut slices, taken);
        self.rest.extend(slices.iter().flat_map(|slice| slice.iter()));
        Ok(if self.rest.is_empty() { Progress::Written } else { Progress::Begun })
    }

    pub fn flush(&mut self) -> Result<(), Error> {
        self.inner.flush().map_err(|source| self.error(source))
    }

    pub fn error(&self, source: io::Error) -> Error {
        Error::Io { name: self.name.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes without waiting.
    struct Narrow(usize, Vec<u8>);

    impl Write for Narrow {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.1.write(buf)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_begun_is_ended_before_all_else() {
        for (room, progress) in [(0, Progress::Nothing), (1, Progress::Begun), (7, Progress::Begun), (8, Progress::Written)] {
            let mut output = NamedOutput::new(Narrow(room, vec![]), "tape");
            output.set_write_now(|Narrow(room, out), slices| {
                let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter()).copied().collect();
                out.write(&all[..all.len().min(*room)])
            });
            assert_eq!(output.write_now(&mut [IoSlice::new(b"head"), IoSlice::new(b"body")]).unwrap(), progress);
            if progress == Progress::Begun {
                assert_eq!(output.write_now(&mut [IoSlice::new(b"x")]).unwrap(), Progress::Nothing);
            }
            output.write_all(&mut [IoSlice::new(b"next")]).unwrap();
            let expected: &[u8] = if progress == Progress::Nothing { b"next" } else { b"headbodynext" };
            assert_eq!((&*output.inner.1, output.written), (expected, expected.len() as u64));
        }
    }
}
