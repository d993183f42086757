//! Stdin and stdout of a filter: unbuffered, never a terminal; a requested stop reads as the end of the input.

use super::Error;
use crate::media::Terminal;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, IoSlice, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Reads of this size are raw pictures: for them the pipe is made larger.
const LARGE_READ: usize = 512 << 10;

/// Size of a pipe for raw pictures, in bytes: the most that an unprivileged process may ask for. A live stream that is coded never
/// gets one, as seconds of it would fit.
const LARGE_PIPE: usize = 1 << 20;

/// After a look at the stop, so many reads may take what is there without another look: one system call in place of two. An input that
/// has always something ready must not hide the stop.
const READS_PER_POLL: u8 = 15;

/// File descriptor 0.
#[derive(Debug)]
pub struct Stdin {
    file: File,
    stop: Option<OwnedFd>,
    pipe: PipeSize,
    /// The last read filled its buffer.
    filled: bool,
    /// Reads since the last look at the stop.
    unpolled: u8,
    /// The input can be read without waiting, as far as is known.
    reads_now: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PipeSize {
    AsFound,
    /// Asked for; whether it was granted does not matter.
    Large,
}

impl Stdin {
    /// `stop` becomes readable when the input is to end.
    ///
    /// # Errors
    /// [`Error::Terminal`] if stdin is one; [`Error::Io`] if stdin is closed.
    pub fn open(stop: Option<&dyn AsFd>) -> Result<Stdin, Error> {
        Stdin::refuse_terminal()?;
        Stdin::over(duplicate(&io::stdin(), "stdin")?, stop)
    }

    /// For a program that opens it later, but should say so first.
    ///
    /// # Errors
    /// [`Error::Terminal`] if stdin is one.
    pub fn refuse_terminal() -> Result<(), Error> {
        let advice = "pipe a stream into it, such as `h5cap test |`";
        if io::stdin().is_terminal() { Err(Error::Terminal { name: "stdin", source: Terminal { advice } }) } else { Ok(()) }
    }

    /// The same for a file or FIFO that stands in for stdin. One that was opened without blocking is waited for all the same.
    ///
    /// # Errors
    /// [`Error::Io`] if this process is out of file descriptors.
    pub fn over(file: impl Into<OwnedFd>, stop: Option<&dyn AsFd>) -> Result<Stdin, Error> {
        let stop = stop.map(|stop| duplicate(stop, "stdin")).transpose()?;
        Ok(Stdin { file: file.into().into(), stop, pipe: PipeSize::AsFound, filled: false, unpolled: 0, reads_now: true })
    }
}

/// Whether all of the input is there already: it is not live.
pub fn is_stored(input: impl AsFd) -> bool {
    rustix::fs::fstat(input).is_ok_and(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file())
}

/// It is a pipe or a regular file: what is written there is for somebody. A terminal, the socket of a log and the null device are neither.
pub fn is_pipe_or_file(output: impl AsFd) -> bool {
    let kind = rustix::fs::fstat(output).map(|stat| rustix::fs::FileType::from_raw_mode(stat.st_mode));
    kind.is_ok_and(|kind| kind.is_file() || kind.is_fifo())
}

/// Both are the same regular file: what is written to one is read from the other.
pub fn is_same_file(a: impl AsFd, b: impl AsFd) -> bool {
    let (Ok(a), Ok(b)) = (rustix::fs::fstat(a), rustix::fs::fstat(b)) else { return false };
    rustix::fs::FileType::from_raw_mode(a.st_mode).is_file() && (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

impl Stdin {
    /// The file itself: one that is stored is not waited for.
    pub fn into_file(self) -> File {
        self.file
    }
}

impl AsFd for Stdin {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Read for Stdin {
    /// Waits for input, or for the stop, which reads as the end.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.len() >= LARGE_READ && self.pipe == PipeSize::AsFound {
            self.pipe = PipeSize::Large;
            let _ = rustix::pipe::fcntl_setpipe_size(&self.file, LARGE_PIPE);
        }
        // More than was asked for is there, so there is nothing to wait for.
        if self.filled && self.unpolled < READS_PER_POLL && self.reads_now {
            match read_now(&self.file, buf) {
                Ok(read) => {
                    self.unpolled += 1;
                    self.filled = read == buf.len();
                    return Ok(read);
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                // This kind of input cannot be asked so.
                Err(_) => self.reads_now = false,
            }
        }
        self.wait_and_read(buf)
    }
}

impl Stdin {
    fn wait_and_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // A stop stays: from now on each read looks for it first.
        self.filled = false;
        loop {
            if self.stopped_while_waiting()? {
                return Ok(0);
            }
            match self.file.read(buf) {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Ok(read) => {
                    self.filled = read == buf.len();
                    self.unpolled = 0;
                    return Ok(read);
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn stopped_while_waiting(&self) -> io::Result<bool> {
        let input = PollFd::new(&self.file, PollFlags::IN);
        let Some(stop) = &self.stop else {
            wait(&mut [input])?;
            return Ok(false);
        };
        let mut fds = [input, PollFd::new(stop, PollFlags::IN)];
        wait(&mut fds)?;
        Ok(!fds[1].revents().is_empty())
    }
}

/// The place where a file stands; a pipe has no other.
#[cfg(target_os = "linux")]
const HERE: u64 = u64::MAX;

/// What can be read without waiting.
#[cfg(target_os = "linux")]
fn read_now(file: &File, buf: &mut [u8]) -> rustix::io::Result<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    preadv2(file, &mut [io::IoSliceMut::new(buf)], HERE, ReadWriteFlags::NOWAIT)
}

#[cfg(not(target_os = "linux"))]
fn read_now(_: &File, _: &mut [u8]) -> rustix::io::Result<usize> {
    Err(rustix::io::Errno::OPNOTSUPP)
}

/// What can be written without waiting.
#[cfg(target_os = "linux")]
fn write_now(file: &File, bufs: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    use rustix::io::{ReadWriteFlags, pwritev2};
    pwritev2(file, bufs, HERE, ReadWriteFlags::NOWAIT)
}

#[cfg(not(target_os = "linux"))]
fn write_now(_: &File, _: &[IoSlice<'_>]) -> rustix::io::Result<usize> {
    Err(rustix::io::Errno::OPNOTSUPP)
}

/// File descriptor 1.
#[derive(Debug)]
pub struct Stdout {
    file: File,
    /// The file can be written without waiting, as far as is known.
    writes_now: bool,
}

impl Stdout {
    /// # Errors
    /// [`Error::Terminal`] if stdout is one; [`Error::Io`] if stdout is closed.
    pub fn open() -> Result<Stdout, Error> {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            let advice = "pipe it into another program or a file, such as `| mpv -`";
            return Err(Error::Terminal { name: "stdout", source: Terminal { advice } });
        }
        Ok(Stdout::over(duplicate(&stdout, "stdout")?))
    }

    /// The same for a file that stands in for stdout.
    pub(super) fn over(file: impl Into<OwnedFd>) -> Stdout {
        Stdout { file: file.into().into(), writes_now: true }
    }

    /// Writes what the file takes without waiting: so many bytes.
    ///
    /// # Errors
    /// `WouldBlock`: it takes none, or this kind of file cannot be asked so.
    pub fn write_now(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.writes_now {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        write_now(&self.file, bufs).map_err(|error| {
            self.writes_now = !matches!(error, rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL);
            if self.writes_now { error.into() } else { io::ErrorKind::WouldBlock.into() }
        })
    }

    /// Makes the pipe as large as it may be, so that fewer calls move more. Not for what is live.
    pub fn enlarge(&self) {
        let _ = rustix::pipe::fcntl_setpipe_size(&self.file, LARGE_PIPE);
    }

    /// Some programs (ssh, node) leave their pipes non-blocking for those who share them.
    fn patiently(&mut self, mut write: impl FnMut(&mut File) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            match write(&mut self.file) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => wait(&mut [PollFd::new(&self.file, PollFlags::OUT)])?,
                written => return written,
            }
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.patiently(|file| file.write(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.patiently(|file| file.write_vectored(bufs))
    }

    /// Nothing is buffered.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stdout {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A descriptor of our own for the same file, past the standard library's buffers and locks.
fn duplicate(fd: &dyn AsFd, name: &str) -> Result<OwnedFd, Error> {
    fd.as_fd().try_clone_to_owned().map_err(|source| Error::Io { name: name.into(), source })
}

fn wait(fds: &mut [PollFd<'_>]) -> io::Result<()> {
    loop {
        match poll(fds, None) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_itself_and_a_pipe_is_no_file() {
        let this = || File::open(file!()).unwrap();
        assert!(is_same_file(this(), this()));
        assert!(!is_same_file(this(), File::open("Cargo.toml").unwrap()));
        let (pipe, _) = io::pipe().unwrap();
        assert!(!is_same_file(&pipe, &pipe));
    }

    fn over(file: io::PipeReader, stop: Option<io::PipeReader>) -> Stdin {
        Stdin {
            file: OwnedFd::from(file).into(),
            stop: stop.map(Into::into),
            pipe: PipeSize::AsFound,
            filled: false,
            unpolled: 0,
            reads_now: true,
        }
    }

    #[test]
    fn a_stop_reads_as_the_end_though_the_input_hangs() {
        let (input, mut writer) = io::pipe().unwrap();
        let (stop, mut stopper) = io::pipe().unwrap();
        let mut stdin = over(input, Some(stop));
        writer.write_all(b"ab").unwrap();
        let mut buf = [0; 8];
        assert_eq!(stdin.read(&mut buf).unwrap(), 2);
        let reading = std::thread::spawn(move || stdin.read(&mut [0; 8]).map(|n| (n, stdin)));
        stopper.write_all(b"!").unwrap();
        let (n, mut stdin) = reading.join().unwrap().unwrap();
        assert_eq!(n, 0);
        writer.write_all(b"cd").unwrap();
        assert_eq!(stdin.read(&mut buf).unwrap(), 0, "a stop stays");
    }

    #[test]
    fn the_end_of_the_input_is_the_end() {
        let (input, writer) = io::pipe().unwrap();
        drop(writer);
        let (stop, _stopper) = io::pipe().unwrap();
        assert_eq!(over(input, Some(stop)).read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn only_large_reads_enlarge_the_pipe() {
        let (input, mut writer) = io::pipe().unwrap();
        let size = |fd: &io::PipeWriter| rustix::pipe::fcntl_getpipe_size(fd).unwrap();
        let before = size(&writer);
        let mut stdin = over(input, None);
        writer.write_all(b"ab").unwrap();
        assert_eq!(stdin.read(&mut [0; 4096]).unwrap(), 2);
        assert_eq!(size(&writer), before);
        writer.write_all(b"ab").unwrap();
        assert_eq!(stdin.read(&mut vec![0; LARGE_READ]).unwrap(), 2);
        assert!(size(&writer) > before);
    }

    #[test]
    fn a_non_blocking_output_is_waited_for() {
        let (mut drain, output) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&output, true).unwrap();
        let mut stdout = Stdout::over(output);
        let reading = std::thread::spawn(move || {
            let mut all = Vec::new();
            drain.read_to_end(&mut all).map(|_| all.len())
        });
        stdout.write_all(&vec![7; 1 << 20]).unwrap();
        drop(stdout);
        assert_eq!(reading.join().unwrap().unwrap(), 1 << 20);
    }
}
