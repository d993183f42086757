//! Stdin and stdout of a filter: unbuffered, never a terminal; a requested stop reads as the end of the input.

use super::Error;
use std::fs::File;
use std::io::{self, IoSlice, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

/// File descriptor 0.
#[derive(Debug)]
pub struct Stdin {
    file: File,
    stop: Option<OwnedFd>,
}

impl Stdin {
    /// `stop` becomes readable when the input shall end.
    ///
    /// # Errors
    /// [`Error::Terminal`] if stdin is one; [`Error::Io`] if stdin is closed.
    pub fn open(stop: Option<&dyn AsFd>) -> Result<Stdin, Error> {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Err(Error::Terminal { name: "stdin", advice: "pipe a stream into it, such as `h5cap test |`" });
        }
        let dup = |fd: &dyn AsFd| fd.as_fd().try_clone_to_owned().map_err(|source| Error::Io { name: "stdin".into(), source });
        Ok(Stdin { file: dup(&stdin)?.into(), stop: stop.map(dup).transpose()? })
    }
}

impl Read for Stdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let _ = &self.stop;
        self.file.read(buf)
    }
}

/// File descriptor 1.
#[derive(Debug)]
pub struct Stdout {
    file: File,
}

impl Stdout {
    /// # Errors
    /// [`Error::Terminal`] if stdout is one; [`Error::Io`] if stdout is closed.
    pub fn open() -> Result<Stdout, Error> {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Err(Error::Terminal { name: "stdout", advice: "pipe it into another program or a file, such as `| mpv -`" });
        }
        let file = stdout.as_fd().try_clone_to_owned().map_err(|source| Error::Io { name: "stdout".into(), source })?.into();
        Ok(Stdout { file })
    }
}

impl Write for Stdout {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.file.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.file.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
