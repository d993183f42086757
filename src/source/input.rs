//! Streams of bytes as sources. A program provides an [`EventReader`] for each, by [`OpenInput`].

use crate::media::Event;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A stream of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The standard input of the program.
    Stdin,
    /// A file, a pipe or a device by its path.
    File(PathBuf),
}

impl Input {
    /// As it is called in errors.
    pub fn name(&self) -> String {
        match self {
            Input::Stdin => "stdin".into(),
            Input::File(path) => path.display().to_string(),
        }
    }

    /// A file that can be read again, and is not live.
    pub fn is_regular(&self) -> bool {
        let path = if let Input::File(path) = self { path } else { Path::new("/dev/stdin") };
        fs::metadata(path).is_ok_and(|meta| meta.is_file())
    }
}

/// An error of the program's.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes events of a stream of bytes. A program fills it.
pub trait EventReader: Send {
    /// The next event; `None` at the end of the input.
    ///
    /// # Errors
    /// The input cannot be read or understood.
    fn next(&mut self) -> Result<Option<Event>, BoxError>;

    /// Opens the input from its start again.
    ///
    /// # Errors
    /// It cannot be opened.
    fn restart(&mut self) -> Result<(), BoxError>;

    /// Bytes read since the last start.
    fn bytes(&self) -> u64;

    /// Damaged elements since the last start.
    fn damage(&self) -> u64;

    /// Whether the times of what it gave are the stream's own. Otherwise they are those of arrival, or counted by a rate.
    fn has_times(&self) -> bool;
}

/// Opens an input.
pub type OpenInput = Arc<dyn Fn(&Input) -> Result<Box<dyn EventReader>, BoxError> + Send + Sync>;

/// Makes events of bytes that come over a network, timed by their arrival where they have no times of their own. The text is their name in errors.
pub type ReadBytes = Arc<dyn Fn(&str, Box<dyn Read + Send>) -> Box<dyn EventReader> + Send + Sync>;
