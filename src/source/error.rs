//! The errors of a source: its name, and the cause in the chain of sources, so that the cause decides the exit code.

use crate::media::{Malformed, NoSource, Unsupported};
use std::io;

/// Prints as the name of the source; what went wrong is its `source()`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to the system failed.
    #[error("{name}")]
    Io {
        /// Of the source.
        name: String,
        /// The error of the call.
        source: io::Error,
    },
    /// There is no such source.
    #[error("{name}")]
    NoSource {
        /// Of the source.
        name: String,
        /// What is missing.
        source: NoSource,
    },
    /// The source is damaged beyond repair.
    #[error("{name}")]
    Malformed {
        /// Of the source.
        name: String,
        /// What is wrong, and where.
        source: Malformed,
    },
    /// The source is whole, but cannot be used.
    #[error("{name}")]
    Unsupported {
        /// Of the source.
        name: String,
        /// What it has, and what to do.
        source: Unsupported,
    },
    /// An error that is complete without a name of a source.
    #[error("{0}")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A failed call to the system; "not found" is a missing source.
    pub(crate) fn io(name: impl Into<String>, source: io::Error) -> Error {
        let name = name.into();
        match source.kind() {
            io::ErrorKind::NotFound => Error::NoSource { name, source: NoSource(source.to_string()) },
            _ => Error::Io { name, source },
        }
    }

    pub(crate) fn no_source(name: impl Into<String>, what: impl Into<String>) -> Error {
        Error::NoSource { name: name.into(), source: NoSource(what.into()) }
    }

    pub(crate) fn malformed(name: impl Into<String>, source: Malformed) -> Error {
        Error::Malformed { name: name.into(), source }
    }

    pub(crate) fn unsupported(name: impl Into<String>, what: impl Into<String>, advice: impl Into<String>) -> Error {
        Error::Unsupported { name: name.into(), source: Unsupported { what: what.into(), advice: advice.into() } }
    }
}
