//! `--events`: what happens to viewers, as JSON lines.

use crate::input::{self, Input};
use anyhow::Context as _;
use h5live::cli;
use h5live::pipe::stdio;
use h5live::serve::{EventLog, Events};
use rustix::fs::OFlags;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the program waits at its end for the last lines to be taken.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventSink {
    /// A file descriptor that is open already.
    Descriptor(u32),
    /// Appended to, and made if need be.
    File(PathBuf),
}

impl FromStr for EventSink {
    type Err = String;

    fn from_str(s: &str) -> Result<EventSink, String> {
        match s.parse() {
            _ if s.is_empty() => Err("expected the number of an open file descriptor, or a file".into()),
            Ok(0) => Err("0 is stdin".into()),
            Ok(number) => Ok(EventSink::Descriptor(number)),
            Err(_) => Ok(EventSink::File(s.into())),
        }
    }
}

impl fmt::Display for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventSink::Descriptor(number) => number.fmt(f),
            EventSink::File(path) => path.display().fmt(f),
        }
    }
}

impl EventSink {
    /// The name under which it is opened.
    pub fn path(&self) -> PathBuf {
        match self {
            EventSink::Descriptor(number) => format!("/dev/fd/{number}").into(),
            EventSink::File(path) => path.clone(),
        }
    }

    /// Does not wait: a FIFO without a reader keeps the lines until one comes, as many as fit into it.
    fn open(&self) -> anyhow::Result<File> {
        let file = match self {
            // These may be sockets too, which cannot be opened once more.
            EventSink::Descriptor(1) => io::stdout().as_fd().try_clone_to_owned().map(File::from),
            EventSink::Descriptor(2) => io::stderr().as_fd().try_clone_to_owned().map(File::from),
            EventSink::Descriptor(_) => append_to(&self.path(), false),
            EventSink::File(path) if is_fifo(path) => OpenOptions::new().read(true).write(true).open(path),
            EventSink::File(path) => append_to(path, true),
        };
        file.with_context(|| format!("--events {self}"))
    }
}

fn is_fifo(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}

/// What is opened like this is then written to as if it had not been: only the opening must not wait.
fn append_to(path: &Path, create: bool) -> io::Result<File> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag of open(2) is an int");
    let file = OpenOptions::new().append(true).create(create).custom_flags(nonblocking).open(path)?;
    rustix::io::ioctl_fionbio(&file, false)?;
    Ok(file)
}

/// A log that is being written.
pub struct Writing {
    events: Events,
    thread: JoinHandle<()>,
}

/// Starts to write, in a thread of its own: a slow reader of the lines delays nothing.
///
/// # Errors
/// The place cannot be opened for writing.
pub fn start(place: &EventSink, inputs: &[Input]) -> anyhow::Result<Writing> {
    let file = place.open()?;
    let is_input = |input: &&Input| match &input.location {
        input::InputLocation::Stdin => stdio::is_same_file(&file, io::stdin()),
        input::InputLocation::Path(path) => {
            std::fs::metadata(path).is_ok_and(|m| m.is_file()) && File::open(path).is_ok_and(|input| stdio::is_same_file(&file, input))
        }
    };
    if inputs.iter().any(|input| is_input(&input)) {
        return Err(cli::usage(format!("--events {place}: is an input too: write to another file")));
    }
    let (events, log) = Events::new();
    let thread = std::thread::Builder::new().name("events".into()).spawn(move || write(log, file))?;
    Ok(Writing { events, thread })
}

impl Writing {
    pub fn events(&self) -> Events {
        self.events.clone()
    }

    /// Writes what is left, unless its reader takes nothing.
    pub fn finish(self) {
        let until = Instant::now() + LAST_LINES;
        self.events.end(LAST_LINES);
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn write(log: EventLog, mut file: File) {
    for lines in log {
        if let Err(error) = file.write_all(lines.as_bytes()) {
            return tracing::warn!("--events: {error}; no more is written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!("3".parse(), Ok(EventSink::Descriptor(3)));
        assert_eq!("./3".parse(), Ok(EventSink::File("./3".into())));
        assert_eq!("log.jsonl".parse(), Ok(EventSink::File("log.jsonl".into())));
        for wrong in ["", "0"] {
            assert!(wrong.parse::<EventSink>().is_err(), "{wrong}");
        }
    }
}
