//! What is read: stdin, or a file.

use anyhow::Context as _;
use h5live::cli;
use h5live::media::NoSource;
use h5live::pipe::stdio;
use h5live::source::mp4;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// As it is to be read.
pub struct Opened {
    pub name: String,
    pub input: Box<dyn Read + Send>,
    /// It is a file, so nothing in it is live.
    pub stored: bool,
}

/// What is going to be read.
pub struct Input {
    name: String,
    input: stdio::Stdin,
}

pub fn open_input(path: Option<&Path>, stop: &cli::Stop) -> anyhow::Result<Input> {
    match path.filter(|p| *p != Path::new("-")) {
        None => Ok(Input { name: "stdin".into(), input: stdio::Stdin::open(Some(stop))? }),
        Some(path) => {
            let name = path.display().to_string();
            // A FIFO without a writer is waited for when it is read, not here.
            let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
            let file = file.map_err(|e| no_source(e).context(name.clone()))?;
            Ok(Input { name, input: stdio::Stdin::over(file, Some(stop))? })
        }
    }
}

impl Input {
    /// Of a file that can be read in any order, the index comes first.
    pub fn open(self) -> anyhow::Result<Opened> {
        let Input { name, input } = self;
        let stored = stdio::is_stored(&input);
        let input: Box<dyn Read + Send> =
            if stored { mp4::index_first(input.into_file()).with_context(|| name.clone())? } else { Box::new(input) };
        Ok(Opened { name, input, stored })
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }
}

/// A file that is not there has an exit code of its own.
fn no_source(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound { NoSource(error.to_string()).into() } else { error.into() }
}
