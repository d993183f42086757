//! Exit codes, and how an error becomes one.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | normal end: end of input, a reader that went away (EPIPE), SIGINT, SIGTERM |
//! | 1 | failure |
//! | 2 | usage: the arguments make no sense, or stdin or stdout is a terminal ([`Terminal`]) |
//! | 3 | there is no such device or source ([`NoSource`]) |
//! | 4 | the input is not understood ([`Malformed`], [`Unsupported`]) |
//!
//! The kind of an error is found anywhere in its chain of causes. An error that wraps another must therefore give it out
//! as its `source()` (thiserror: `#[source]` or `#[from]`; not `transparent`, which hides it).

use super::console;
use crate::media::{Malformed, NoSource, Terminal, Unsupported};
use std::io;
use std::process::ExitCode;

pub const OK: u8 = 0;
pub const FAILURE: u8 = 1;
pub const USAGE: u8 = 2;
pub const NO_SOURCE: u8 = 3;
pub const NOT_UNDERSTOOD: u8 = 4;

/// The table of the manual's EXIT STATUS.
pub const TABLE: [(u8, &str); 5] = [
    (OK, "Normal end: the input ended, the reader of the output went away, or SIGINT or SIGTERM asked for the end."),
    (FAILURE, "Failure; the last line on stderr says what failed."),
    (USAGE, "The arguments make no sense, or stdin or stdout is a terminal."),
    (NO_SOURCE, "There is no such device, file or source."),
    (NOT_UNDERSTOOD, "The input is not understood; the last line on stderr gives the byte position where it is known."),
];

/// An error in the arguments that clap cannot see; exit code 2.
pub fn usage(what: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(what.into()))
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Prints the error, if there is one, as one line, and gives the exit code.
pub(super) fn report(program: &str, outcome: anyhow::Result<()>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::from(OK) };
    let code = code(&error);
    if code != OK {
        let line = one_line(&error);
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!("{line}");
        } else {
            console::line(&format!("{program}: {line}"));
        }
    }
    ExitCode::from(code)
}

/// The exit code of an error.
pub fn code(error: &anyhow::Error) -> u8 {
    error.chain().find_map(code_of).unwrap_or(FAILURE)
}

fn code_of(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(io) = cause.downcast_ref::<io::Error>() {
        // An io::Error made from another error leaves it out of its own chain of sources.
        return match io.get_ref() {
            Some(inner) => code_of(inner),
            None => (io.kind() == io::ErrorKind::BrokenPipe).then_some(OK),
        };
    }
    match cause {
        c if c.is::<Usage>() || c.is::<Terminal>() => Some(USAGE),
        c if c.is::<NoSource>() => Some(NO_SOURCE),
        c if c.is::<Malformed>() || c.is::<Unsupported>() => Some(NOT_UNDERSTOOD),
        _ => None,
    }
}

/// The error and its causes in one line: text from the input cannot start a second one, and a cause that its error has said already
/// is not said again.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if line.is_empty() {
            line = text;
        } else if line != text && !line.ends_with(&format!(": {text}")) {
            line = format!("{line}: {text}");
        }
    }
    line.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context, anyhow};

    #[derive(Debug, thiserror::Error)]
    #[error("stdin")]
    struct Wrapped(#[from] io::Error);

    #[test]
    fn kinds_are_found_anywhere_in_the_chain() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let malformed = || Malformed::new("MP4", "box of size 3").at(7);
        assert_eq!(code(&anyhow!("plain")), FAILURE);
        assert_eq!(code(&usage("two inputs, one name")), USAGE);
        assert_eq!(code(&anyhow::Error::new(Terminal { advice: "pipe it" }).context("stdin")), USAGE);
        assert_eq!(code(&anyhow::Error::new(broken()).context("stdout")), OK);
        assert_eq!(code(&anyhow::Error::new(Wrapped(broken())).context("stage")), OK);
        assert_eq!(code(&anyhow::Error::new(Wrapped(io::Error::other(malformed()))).context("stage")), NOT_UNDERSTOOD);
        assert_eq!(code(&Err::<(), _>(NoSource("no camera".into())).context("h5cap").unwrap_err()), NO_SOURCE);
        assert_eq!(code(&anyhow::Error::new(io::Error::from(io::ErrorKind::NotFound))), FAILURE);
    }

    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot listen: {0}")]
        struct Says(#[source] io::Error);
        let error = anyhow::Error::new(Says(io::Error::other("in use"))).context("h5");
        assert_eq!(one_line(&error), "h5: cannot listen: in use");
        assert_eq!(one_line(&anyhow!("in use").context("in use")), "in use");
        assert_eq!(one_line(&anyhow!("use").context("in use")), "in use: use");
    }

    #[test]
    fn an_error_is_one_line() {
        let error = anyhow::Error::new(Malformed::new("Matroska", "name \"a\nb\"").at(81234)).context("stdin");
        assert_eq!(one_line(&error), "stdin: Matroska: byte 81234: name \"a b\"");
    }
}
