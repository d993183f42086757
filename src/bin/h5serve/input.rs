//! One input and its thread: opens it, reads it to its end, and opens it again if so told; publishes what it carries.

use crate::line::Line;
use crate::program::Program;
use anyhow::Context as _;
use clap::ValueEnum;
use h5live::cli;
use h5live::format::Timing;
use h5live::media::{NoSource, Rate};
use h5live::pipe::InputFormat;
use h5live::pipe::stdio::Stdin;
use h5live::serve::{Closed, Publisher};
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A pause before an input that failed is opened again.
const RETRY: Duration = Duration::from_secs(1);
/// After so many beginnings in a row that were none, the rest of what a writer sends is passed over.
const FALSE_STARTS: u32 = 8;

/// What to serve, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    pub name: String,
    pub place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Stdin,
    Path(PathBuf),
}

/// When an input ends.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnEof {
    /// The stream ends; the program ends with the last one
    Exit,
    /// Viewers stay, with the last picture
    Wait,
    /// Open it again: the next writer of a FIFO continues the stream under its viewers, a file begins anew
    Reopen,
}

/// How to read.
#[derive(clap::Args, Clone, Debug)]
pub struct Reading {
    /// What the inputs are, if the first bytes do not tell
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<InputFormat>,

    /// Frame rate of inputs without times, such as raw H.264
    #[arg(long, value_name = "FPS")]
    rate: Option<Rate>,

    /// Inputs without times are timed by their arrival
    #[arg(long, conflicts_with = "rate")]
    live: bool,
}

impl Reading {
    pub fn timing(&self) -> Timing {
        match self.rate {
            Some(rate) => Timing::Rate(rate),
            None if self.live => Timing::Arrival,
            None => Timing::Stream,
        }
    }
}

impl Input {
    /// `NAME=INPUT`, or `INPUT` named after its file; stdin is then named `stdin_name`.
    pub fn parse(text: &str, stdin_name: &str) -> Input {
        let (name, place) = match text.split_once('=') {
            Some((name, place)) => (Some(name.to_string()), place),
            None => (None, text),
        };
        if place == "-" {
            return Input { name: name.unwrap_or_else(|| stdin_name.into()), place: Place::Stdin };
        }
        let stem = || Path::new(place).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Input { name: name.unwrap_or_else(stem), place: Place::Path(place.into()) }
    }

    fn shown(&self) -> String {
        match &self.place {
            Place::Stdin => "stdin".into(),
            Place::Path(path) => path.display().to_string(),
        }
    }

    /// `again`: not for the first time.
    fn open(&self, again: bool) -> anyhow::Result<File> {
        let path = match &self.place {
            Place::Path(path) => path,
            Place::Stdin if again => Path::new("/dev/stdin"),
            Place::Stdin if io::stdin().is_terminal() => {
                return Err(cli::usage("stdin is a terminal: pipe a stream into it, or name an input"));
            }
            Place::Stdin => return Ok(io::stdin().as_fd().try_clone_to_owned().context("stdin")?.into()),
        };
        // A FIFO opened like this does not wait for its writer: poll does.
        let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        file.map(File::from).map_err(|error| match error {
            rustix::io::Errno::NOENT => NoSource(format!("{}: no such file", self.shown())).into(),
            other => anyhow::Error::new(io::Error::from(other)).context(self.shown()),
        })
    }
}

/// Serves one input until it ends, as `on_eof` says, or until the stop. Runs in a thread of its own.
pub fn serve(input: &Input, publisher: Publisher, reading: &Reading, on_eof: OnEof, cx: &cli::Context) -> anyhow::Result<()> {
    let mut program = Program::new(publisher, cx);
    // A FIFO has a reader at all times: the next writer may be there before it is opened again, and would die of a broken pipe.
    let mut held = None;
    for again in [false, true].into_iter().chain(std::iter::repeat(true)) {
        let opened = input.open(again);
        drop(held.take());
        let outcome = opened.and_then(|file| {
            held = file.try_clone().ok();
            read(input, file, &mut program, reading, on_eof, cx)
        });
        if cx.stop.requested() || outcome.as_ref().is_err_and(|e| e.is::<Closed>()) {
            program.abandon();
            return Ok(());
        }
        match (on_eof, outcome) {
            (OnEof::Exit, outcome) => return outcome,
            // What cannot be opened or understood at the start is a mistake, and not a writer that went away.
            (_, Err(error)) if !again && program.end().is_none() => return Err(error),
            (OnEof::Wait, outcome) => {
                drop(held);
                program.away();
                if let Err(error) = outcome {
                    tracing::warn!("{error:#}");
                }
                cx.stop.wait();
                program.abandon();
                return Ok(());
            }
            (OnEof::Reopen, outcome) => {
                program.away();
                if let Err(error) = outcome {
                    held = None;
                    tracing::warn!("{error:#}");
                    cx.stop.wait_for(RETRY);
                }
            }
        }
    }
    Ok(())
}

/// Plays one writer's output. What is not understood of a FIFO, such as a stream that began before this program, is passed over.
fn read(input: &Input, file: File, program: &mut Program, reading: &Reading, on_eof: OnEof, cx: &cli::Context) -> anyhow::Result<()> {
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
    // A file has all its frames at once: it is played in its own time.
    let paced = kind == FileType::RegularFile;
    let patient = on_eof == OnEof::Reopen && kind == FileType::Fifo;
    let mut line = Line::new(Stdin::over(file, Some(&cx.stop))?);
    let mut failures = 0;
    while failures < FALSE_STARTS {
        let before = program.end();
        let outcome = program.play(input.shown(), line.clone(), reading, paced);
        let went_on = program.end() != before;
        let may_go_on = patient && (input.place != Place::Stdin || program.end().is_some());
        match outcome {
            Err(error) if may_go_on && cli::exit::code(&error) == cli::exit::NOT_UNDERSTOOD => {
                program.away();
                if failures == 0 || went_on {
                    tracing::warn!("{error:#}; passing over it up to the next beginning of a stream");
                }
                failures = if went_on { 1 } else { failures + 1 };
            }
            outcome => return outcome,
        }
        if !line.find_beginning()? {
            return Ok(());
        }
    }
    Ok(line.drain()?)
}
