//! Streams of bytes for the sources: opened, and read by the pipe's reader.

use crate::args::Args;
use anyhow::Context as _;
use h5live::cli;
use h5live::format::Timing;
use h5live::media::{Clock, Event, NoSource};
use h5live::pipe::{InputFormat, Reader, ReaderOptions, stdio};
use h5live::source::input::{BoxError, EventReader, Input, OpenInput};
use h5live::source::mp4;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

/// Opens streams as the arguments say.
pub fn opener(args: &Args, clock: &Arc<dyn Clock>, stop: &cli::Stop) -> OpenInput {
    let timing = match args.rate {
        Some(rate) => Timing::Rate(rate),
        None if args.live => Timing::Arrival,
        None => Timing::Stream,
    };
    let how = How { format: args.input_format, timing, clock: Arc::clone(clock), stop: stop.clone() };
    Arc::new(move |input| {
        let reader = how.open(input)?;
        Ok(Box::new(InputReader { input: input.clone(), how: how.clone(), reader }))
    })
}

/// How inputs are read.
#[derive(Clone)]
struct How {
    format: Option<InputFormat>,
    timing: Timing,
    clock: Arc<dyn Clock>,
    stop: cli::Stop,
}

impl How {
    fn open(&self, input: &Input) -> Result<Reader, BoxError> {
        let How { format, timing, ref clock, ref stop } = *self;
        let options = ReaderOptions { name: input.name(), format, timing, clock: Arc::clone(clock) };
        let bytes = open(input, stop).map_err(anyhow::Error::reallocate_into_boxed_dyn_error_without_backtrace)?;
        Ok(Reader::new(bytes, options))
    }
}

/// Reads bytes from a network, which come as they are captured.
#[cfg(feature = "http")]
pub fn network_reader(args: &Args, clock: &Arc<dyn Clock>) -> h5live::source::input::ReadBytes {
    let (format, clock) = (args.input_format, Arc::clone(clock));
    Arc::new(move |name, bytes| {
        let options = ReaderOptions { name: name.to_owned(), format, timing: Timing::Arrival, clock: Arc::clone(&clock) };
        Box::new(NetworkReader(Reader::new(bytes, options)))
    })
}

#[cfg(feature = "http")]
struct NetworkReader(Reader);

#[cfg(feature = "http")]
impl EventReader for NetworkReader {
    fn next(&mut self) -> Result<Option<Event>, BoxError> {
        Ok(self.0.next()?)
    }

    fn restart(&mut self) -> Result<(), BoxError> {
        Err("what came over a network cannot be read again".into())
    }

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn damage(&self) -> u64 {
        self.0.damage()
    }

    fn has_times(&self) -> bool {
        self.0.format().is_some_and(InputFormat::has_times)
    }
}

/// An input that can be read again.
struct InputReader {
    input: Input,
    how: How,
    reader: Reader,
}

impl EventReader for InputReader {
    fn next(&mut self) -> Result<Option<Event>, BoxError> {
        Ok(self.reader.next()?)
    }

    fn restart(&mut self) -> Result<(), BoxError> {
        self.reader = self.how.open(&self.input)?.with_omissions(self.reader.omissions());
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.reader.bytes()
    }

    fn damage(&self) -> u64 {
        self.reader.damage()
    }

    fn has_times(&self) -> bool {
        self.reader.format().is_some_and(InputFormat::has_times)
    }
}

/// A requested stop reads as the end.
fn open(input: &Input, stop: &cli::Stop) -> anyhow::Result<Box<dyn Read + Send>> {
    let same = || cli::usage(format!("{}: is the output too: write to another file", input.name()));
    let Input::File(path) = input else {
        let stdin = stdio::Stdin::open(Some(stop))?;
        return match stdio::is_stored(&stdin) {
            true if stdio::is_same_file(&stdin, io::stdout()) => Err(same()),
            true => mp4::index_first(stdin.into_file()).with_context(|| input.name()),
            false => Ok(Box::new(stdin)),
        };
    };
    // A FIFO without a writer is waited for when it is read, not here.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(missing).with_context(|| input.name())?;
    if stdio::is_same_file(&file, io::stdout()) {
        return Err(same());
    }
    if input.is_regular() {
        return mp4::index_first(file).with_context(|| input.name());
    }
    Ok(Box::new(stdio::Stdin::over(file, Some(stop)).with_context(|| input.name())?))
}

/// A file that is not there has an exit code of its own.
fn missing(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound { NoSource(error.to_string()).into() } else { error.into() }
}
