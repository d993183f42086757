//! The errors that decide an exit code (see `cli::exit`); everything else is a plain failure.

use std::fmt;

/// Input that is not what it says it is, or not understood: exit code 4.
///
/// Prints as `Matroska: byte 81234: track 3: Block of a track that is not declared`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Name of the format, as people call it: `Matroska`, `MP4`, `H.264`.
    pub format: &'static str,
    /// Position in the stream where the offending element starts, in bytes.
    pub at: Option<u64>,
    /// Number of the track as the container counts it.
    pub track: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl Malformed {
    /// Without a position.
    pub fn new(format: &'static str, what: impl Into<String>) -> Self {
        Malformed { format, at: None, track: None, what: what.into() }
    }

    /// Adds the position in the stream.
    #[must_use]
    pub fn at(mut self, byte: u64) -> Self {
        self.at = Some(byte);
        self
    }

    /// Adds the track, by its number in the stream.
    #[must_use]
    pub fn track(mut self, number: u64) -> Self {
        self.track = Some(number);
        self
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.format)?;
        if let Some(at) = self.at {
            write!(f, ": byte {at}")?;
        }
        if let Some(track) = self.track {
            write!(f, ": track {track}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for Malformed {}

/// The input is sound, but this stage cannot use it; `advice` says what to do: exit code 4.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {advice}")]
pub struct Unsupported {
    /// What cannot be done.
    pub what: String,
    /// What to do in its place.
    pub advice: String,
}

/// Binary data does not belong on a terminal, and cannot be typed on one: exit code 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is a terminal; {advice}")]
pub struct Terminal {
    /// What to do in its place.
    pub advice: &'static str,
}

/// There is no such device or source: exit code 3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSource(pub String);
