//! One input and its thread: opens it, reads it to its end, and opens it again if the options say so; publishes what it carries.

use crate::ingest::Ingest;
use crate::reading::Reading;
use crate::watch::Watch;
use crate::writer_input::{Watched, WriterInput};
use anyhow::Context as _;
use clap::ValueEnum;
use h5live::cli;
use h5live::media::NoSource;
use h5live::pipe::stdio::Stdin;
use h5live::serve::{Closed, Publisher};
use h5live::source::mp4;
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A pause before an input that failed, or had nothing new, is opened again, if it cannot be seen that it has changed.
const RETRY: Duration = Duration::from_secs(1);
/// A pause before an input that gave nothing new is looked at again in any case.
const LEAST_PAUSE: Duration = Duration::from_millis(50);
/// After so many beginnings in a row that were none, the rest of what a writer sends is passed over.
const FALSE_STARTS: u32 = 8;

/// What to serve, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub name: String,
    pub location: InputLocation,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputLocation {
    Stdin,
    Path(PathBuf),
}

/// When an input ends.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEof {
    /// The stream ends; the program ends with the last one
    Exit,
    /// Keep the viewers, and the last picture
    Wait,
    /// Open the input again: the next writer of a FIFO continues the stream; a file starts again, or waits for a change if it had
    /// nothing new
    Reopen,
}

impl Input {
    /// `NAME=INPUT`, or `INPUT` named after its file; stdin is then named `stdin_name`.
    pub fn parse(text: &str, stdin_name: &str) -> Input {
        let (name, place) = match text.split_once('=') {
            Some((name, place)) => (Some(name.to_string()), place),
            None => (None, text),
        };
        if place == "-" {
            return Input { name: name.unwrap_or_else(|| stdin_name.into()), location: InputLocation::Stdin };
        }
        let stem = || Path::new(place).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Input { name: name.unwrap_or_else(stem), location: InputLocation::Path(place.into()) }
    }

    fn shown(&self) -> String {
        match &self.location {
            InputLocation::Stdin => "stdin".into(),
            InputLocation::Path(path) => path.display().to_string(),
        }
    }

    fn path(&self) -> &Path {
        match &self.location {
            InputLocation::Stdin => Path::new("/dev/stdin"),
            InputLocation::Path(path) => path,
        }
    }

    /// `again`: not for the first time.
    fn open(&self, again: bool) -> anyhow::Result<File> {
        let path = match &self.location {
            InputLocation::Path(path) => path,
            InputLocation::Stdin if again => self.path(),
            InputLocation::Stdin if io::stdin().is_terminal() => {
                return Err(cli::usage("stdin is a terminal: pipe a stream into it, or name an input"));
            }
            InputLocation::Stdin => return Ok(io::stdin().as_fd().try_clone_to_owned().context("stdin")?.into()),
        };
        // A FIFO opened like this does not wait for its writer: poll does.
        let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        file.map(File::from).map_err(|error| match error {
            rustix::io::Errno::NOENT => NoSource(format!("{}: no such file", self.shown())).into(),
            other => anyhow::Error::new(io::Error::from(other)).context(self.shown()),
        })
    }
}

/// How a reading of an input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With the input.
    Over,
    /// The name of the input is another file's now.
    Replaced,
}

/// Serves one input until it ends, as `on_eof` says, or until the stop. Runs in a thread of its own.
pub fn serve(input: &Input, publisher: Publisher, reading: &Reading, on_eof: OnEof, cx: &cli::Context) -> anyhow::Result<()> {
    let mut ingest = Ingest::new(publisher, cx);
    // A FIFO has a reader at all times: the next writer may be there before it is opened again, and would die of a broken pipe.
    let mut held = None;
    let mut said = LastSaid::default();
    for again in [false, true].into_iter().chain(std::iter::repeat(true)) {
        let before = ingest.end();
        let opened = input.open(again);
        drop(held.take());
        let watch = Watch::new(input.path(), opened.as_ref().ok());
        let outcome = opened.and_then(|file| {
            held = file.try_clone().ok();
            read(input, file, &mut ingest, reading, on_eof, cx)
        });
        if cx.stop.requested() || outcome.as_ref().is_err_and(|e| e.is::<Closed>()) {
            ingest.abandon();
            return Ok(());
        }
        match (on_eof, outcome) {
            (OnEof::Exit | OnEof::Wait, Ok(End::Replaced)) => {}
            (OnEof::Exit, outcome) => return outcome.and_then(|_| ingest.judge()),
            // What cannot be opened or understood at the start is a mistake, and not a writer that went away.
            (_, Err(error)) if !again && ingest.end().is_none() => return Err(error),
            (OnEof::Wait, outcome) => {
                drop(held);
                ingest.away();
                if let Err(error) = outcome.and_then(|_| ingest.judge()) {
                    tracing::warn!("{error:#}");
                }
                cx.stop.wait();
                ingest.abandon();
                return Ok(());
            }
            (OnEof::Reopen, outcome) => {
                ingest.away();
                let failed = outcome.is_err();
                said.warn(outcome.err());
                if failed || ingest.end() == before {
                    pause(held.as_ref(), failed, &watch, cx)?;
                }
                if failed {
                    held = None;
                }
            }
        }
    }
    Ok(())
}

/// Before an input is opened again that gave nothing new: it would only give the same again. `file`: what it was, if it could be opened.
fn pause(file: Option<&File>, failed: bool, watch: &Watch, cx: &cli::Context) -> anyhow::Result<()> {
    let limit = match file.map(kind).transpose()? {
        // Opened again, it waits for its next writer.
        Some(FileType::Fifo) if !failed => return Ok(()),
        // It stays as it is until somebody changes it.
        Some(FileType::RegularFile) => None,
        _ => Some(RETRY),
    };
    // One that is changed all the time is not read all the time.
    if !cx.stop.wait_for(LEAST_PAUSE) {
        watch.wait_for_change(cx.stop.as_fd(), limit)?;
    }
    Ok(())
}

/// What was said last: the same failure again and again is said once.
#[derive(Default)]
struct LastSaid(Option<String>);

impl LastSaid {
    fn warn(&mut self, error: Option<anyhow::Error>) {
        let line = error.map(|error| format!("{error:#}"));
        if let Some(line) = line.as_ref().filter(|_| line != self.0) {
            tracing::warn!("{line}");
        }
        self.0 = line;
    }
}

fn kind(file: &File) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode))
}

/// Plays one writer's output. What is not understood of a FIFO, such as a stream that began before this program, is passed over.
fn read(input: &Input, file: File, ingest: &mut Ingest, reading: &Reading, on_eof: OnEof, cx: &cli::Context) -> anyhow::Result<End> {
    let kind = kind(&file)?;
    // A file has all its frames at once: it is played in its own time.
    let paced = kind == FileType::RegularFile;
    let patient = on_eof == OnEof::Reopen && kind == FileType::Fifo;
    let mut line = open_line(input, file, kind, on_eof, patient, cx)?;
    let end = |line: &WriterInput| if line.replaced() { End::Replaced } else { End::Over };
    let mut failures = 0;
    while failures < FALSE_STARTS {
        let before = ingest.end();
        let outcome = ingest.play(input.shown(), line.clone(), reading, paced);
        let went_on = ingest.end() != before;
        let may_go_on = patient && (input.location != InputLocation::Stdin || ingest.end().is_some());
        match outcome {
            Err(error) if may_go_on && cli::exit::code(&error) == cli::exit::NOT_UNDERSTOOD => {
                ingest.away();
                if failures == 0 || went_on {
                    tracing::warn!("{error:#}; passing over it up to the next beginning of a stream");
                }
                failures = if went_on { 1 } else { failures + 1 };
            }
            outcome => return outcome.map(|()| end(&line)),
        }
        if !line.find_beginning()? {
            return Ok(end(&line));
        }
    }
    line.drain()?;
    Ok(end(&line))
}

fn open_line(input: &Input, file: File, kind: FileType, on_eof: OnEof, patient: bool, cx: &cli::Context) -> anyhow::Result<WriterInput> {
    if kind == FileType::RegularFile {
        let file: Box<dyn Read + Send> = mp4::index_first(file).with_context(|| input.shown())?;
        return Ok(WriterInput::new(file, None, patient));
    }
    let watched = match (&input.location, kind) {
        (InputLocation::Path(path), FileType::Fifo) => {
            let watch = Watch::new(path, Some(&file));
            Some(Watched { file: file.try_clone()?, watch, stop: cx.stop.clone(), until_begun: on_eof != OnEof::Reopen })
        }
        _ => None,
    };
    Ok(WriterInput::new(Stdin::over(file, Some(&cx.stop))?, watched, patient))
}
