//! The errors between a stage and its pipes.

use crate::media::{Malformed, Terminal, Unsupported};
use std::io;

/// Prints as the input's or output's name; the cause is its [`std::error::Error::source`], so that `{:#}` of an
/// `anyhow::Error` gives `stdin: Matroska: byte 81234: Block of a track that is not declared`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes could not be read or written. A closed next stage is [`io::ErrorKind::BrokenPipe`].
    #[error("{name}")]
    Io {
        /// Of the input or output.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The bytes were read, but they are not what they say.
    #[error("{name}")]
    Malformed {
        /// Of the input.
        name: String,
        /// What is wrong, and where.
        source: Malformed,
    },
    /// The bytes are in no format that is read here.
    #[error("{name}")]
    Unsupported {
        /// Of the input.
        name: String,
        /// What it is, and what to do.
        source: Unsupported,
    },
    /// The input or output is a terminal.
    #[error("{name}")]
    Terminal {
        /// Of the input or output.
        name: &'static str,
        /// What to do.
        source: Terminal,
    },
    /// With [`crate::media::OverflowPolicy::Exit`]: the next stage did not keep up.
    #[error("{name}: the next program is too slow: {waiting} {unit} wait for it")]
    TooSlow {
        /// Of the output.
        name: String,
        /// How much waits for it.
        waiting: usize,
        /// What is counted.
        unit: &'static str,
    },
}
