//! Why a source over a network gives nothing, in words for people.

use crate::media::NoSource;
use crate::source::Error;
use std::io;

/// Why there is no connection, or no longer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was tried, what the answer was, and what to do.
    pub text: String,
    /// What it means for the next try.
    pub kind: RefusalKind,
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// Nothing answers at the address.
    Unreachable,
    /// There is no such stream.
    Absent,
    /// The user or password is wrong. Cameras lock an account after a few such tries.
    Denied,
    /// It gives nothing that is read here.
    Unsupported,
    /// Anything else.
    Failed,
}

impl Refusal {
    /// No connection. `cause`: what the standard library says of it.
    pub fn unreachable(cause: &str) -> Refusal {
        // Without the number that the standard library adds.
        let cause = cause.split(" (os error").next().unwrap_or_default().to_lowercase();
        let text = match cause.strip_prefix("failed to lookup address information: ") {
            Some(why) => format!("the host's name is not known ({why})"),
            None if cause == "connection timed out" => "no answer".into(),
            None => cause,
        };
        Refusal::new(RefusalKind::Unreachable, text)
    }

    /// Of this kind.
    pub fn new(kind: RefusalKind, text: impl Into<String>) -> Refusal {
        Refusal { text: text.into(), kind }
    }

    /// A status of RTSP (RFC 2326, section 7.1.1) or HTTP (RFC 9110, section 15). `with_password`: one was sent.
    pub fn status(status: u16, with_password: bool) -> Refusal {
        let (kind, text) = match status {
            401 if with_password => (RefusalKind::Denied, "wrong user or password".into()),
            401 => (RefusalKind::Denied, "it asks for a user and a password: --user and --password-file".into()),
            403 => (RefusalKind::Denied, "this user may not have it".into()),
            404 | 454 => (RefusalKind::Absent, "the path is not there".into()),
            453 => (RefusalKind::Failed, "it has no room for another viewer".into()),
            503 => (RefusalKind::Failed, "it cannot serve now: no picture yet, or too many viewers".into()),
            461 => (RefusalKind::Failed, "it refuses this transport; try --transport udp or --transport tcp".into()),
            301 | 302 | 307 | 308 => (RefusalKind::Absent, "it names another address".into()),
            _ => (RefusalKind::Failed, String::from("refused")),
        };
        Refusal { text: format!("{status}: {text}"), kind }
    }

    /// As the error with which a program ends.
    pub fn into_error(self, name: impl Into<String>) -> Error {
        match self.kind {
            RefusalKind::Unreachable | RefusalKind::Absent => Error::NoSource { name: name.into(), source: NoSource(self.text) },
            RefusalKind::Unsupported => Error::unsupported(name, self.text, "let ffmpeg fetch it and encode it"),
            RefusalKind::Denied | RefusalKind::Failed => Error::Io { name: name.into(), source: io::Error::other(self.text) },
        }
    }
}
