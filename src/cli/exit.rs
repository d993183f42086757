//! Exit codes, and how an error becomes one.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | normal end: end of input, a reader that went away (EPIPE), SIGINT, SIGTERM |
//! | 1 | failure |
//! | 2 | usage: the arguments make no sense, or stdin or stdout is a terminal ([`Terminal`]) |
//! | 3 | there is no such device or source ([`NoSource`]) |
//! | 4 | the input is not understood ([`Malformed`], [`Unsupported`]), or nothing of it could be shown ([`shown`]) |
//!
//! The kind of an error is found anywhere in its chain of causes. An error that wraps another must therefore give it out
//! as its `source()` (thiserror: `#[source]` or `#[from]`; not `transparent`, which hides it).

use super::console;
use crate::media::{Malformed, NoSource, Terminal, Unsupported};
use std::io;
use std::process::ExitCode;

/// A normal end.
pub const OK: u8 = 0;
/// Any other failure.
pub const FAILURE: u8 = 1;
/// The arguments make no sense.
pub const USAGE: u8 = 2;
/// No such device or source.
pub const NO_SOURCE: u8 = 3;
/// The input is in no format that is read, or has nothing to show.
pub const NOT_UNDERSTOOD: u8 = 4;

/// The table of the manual's EXIT STATUS.
pub const TABLE: [(u8, &str); 5] = [
    (OK, "Normal end: the input ended, the reader of the output closed it, or SIGINT or SIGTERM came."),
    (FAILURE, "Failure; the last line on stderr says what failed."),
    (USAGE, "The arguments make no sense, or stdin or stdout is a terminal."),
    (NO_SOURCE, "There is no such device, file or source."),
    (
        NOT_UNDERSTOOD,
        "The input is not understood, or nothing of it could be shown; the last line on stderr says why, with the byte position where it \
         is known.",
    ),
];

/// An error in the arguments that clap cannot see; exit code 2.
pub fn usage(what: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Usage(what.into()))
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// What became of an input, at its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome<'a> {
    /// The input's name.
    pub input: &'a str,
    /// Bytes, or whatever tells that there was some.
    pub read: u64,
    /// Frames that were found in it.
    pub frames: u64,
    /// Frames that went on.
    pub shown: u64,
    /// Elements that were damaged and left out.
    pub damaged: u64,
    /// Frames that the next program was too slow for.
    pub dropped: u64,
    /// What the program knows of the reason.
    pub why: Option<&'a str>,
}

/// The rule of all programs: who got input and showed nothing of it does not end as if all were well. An empty input is an end like
/// any other, since the program before this one has said why.
///
/// # Errors
/// Exit code 4, and why nothing was shown.
pub fn shown(outcome: &Outcome) -> anyhow::Result<()> {
    let Outcome { input, read, frames, shown, damaged, dropped, why } = *outcome;
    if read == 0 || shown > 0 {
        return Ok(());
    }
    let found = match frames {
        0 => format!("{input}: nothing to show: there is no frame in it"),
        1 => format!("{input}: nothing to show of 1 frame"),
        n => format!("{input}: nothing to show of {n} frames"),
    };
    let mut reasons: Vec<String> = why.map(String::from).into_iter().collect();
    reasons.extend((damaged > 0).then(|| format!("{damaged} damaged")));
    reasons.extend((dropped > 0).then(|| format!("{dropped} dropped, as the next program was too slow")));
    let text = if reasons.is_empty() { found } else { format!("{found}: {}", reasons.join(", ")) };
    Err(anyhow::Error::new(NothingShown(text)))
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NothingShown(String);

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
        c if c.is::<Malformed>() || c.is::<Unsupported>() || c.is::<NothingShown>() => Some(NOT_UNDERSTOOD),
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
    fn nothing_shown_is_never_silent() {
        let all = Outcome { input: "stdin", read: 100, frames: 5, shown: 5, ..Outcome::default() };
        assert!(shown(&all).is_ok() && shown(&Outcome { read: 0, shown: 0, ..all }).is_ok());
        let text = |outcome: &Outcome| {
            let error = shown(outcome).unwrap_err();
            assert_eq!(code(&error), NOT_UNDERSTOOD);
            one_line(&error)
        };
        assert_eq!(text(&Outcome { shown: 0, frames: 0, ..all }), "stdin: nothing to show: there is no frame in it");
        assert_eq!(
            text(&Outcome { shown: 0, damaged: 4, why: Some("no keyframe"), ..all }),
            "stdin: nothing to show of 5 frames: no keyframe, 4 damaged"
        );
    }

    #[test]
    fn an_error_is_one_line() {
        let error = anyhow::Error::new(Malformed::new("Matroska", "name \"a\nb\"").at(81234)).context("stdin");
        assert_eq!(one_line(&error), "stdin: Matroska: byte 81234: name \"a b\"");
    }
}
