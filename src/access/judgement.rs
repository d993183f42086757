//! The judgement: whether who asks may have what a request needs.

use super::link::LinkError;
use super::rights::{Grants, Right};
use std::time::Duration;

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need<'a> {
    /// Nothing: a file of the player, the login.
    Nothing,
    /// To see some stream: lists show only those that may be seen.
    SomeStream,
    /// A right to a stream, whether it is there or not.
    Stream(Right, &'a str),
}

/// Who asks, as far as that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Anybody, where all may watch.
    Anybody,
    /// A user or a program of the users file.
    User(Grants),
    /// Who has a link.
    Link(Grants),
}

impl Subject {
    /// Whether it may do this with the stream of this name.
    pub fn may(&self, right: Right, stream: &str) -> bool {
        match self {
            Subject::Anybody => matches!(right, Right::View | Right::Rewind),
            Subject::User(grants) | Subject::Link(grants) => grants.allow(right, stream),
        }
    }

    pub(super) fn may_somewhere(&self, right: Right) -> bool {
        match self {
            Subject::Anybody => matches!(right, Right::View | Right::Rewind),
            Subject::User(grants) | Subject::Link(grants) => grants.allow_somewhere(right),
        }
    }
}

/// Why it is not known who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Nothing was shown.
    Missing,
    /// A wrong name, password or token.
    Wrong,
    /// A link that is not good.
    Link(LinkError),
    /// Too many tries; so long is to be waited.
    SlowDown(Duration),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is answered.
    Allowed,
    /// 401: credentials, or others.
    NeedsCredentials(Denied),
    /// 403: not with these.
    Forbidden,
    /// 429: not so fast.
    SlowDown(Duration),
}

impl Judgement {
    /// Whether what is needed is allowed to who asks.
    pub fn of(who: &Result<Subject, Denied>, need: Need<'_>) -> Judgement {
        let allowed = match (need, who) {
            (Need::Nothing, _) => true,
            (_, Err(Denied::SlowDown(wait))) => return Judgement::SlowDown(*wait),
            (_, Err(why)) => return Judgement::NeedsCredentials(*why),
            (Need::SomeStream, Ok(subject)) => subject.may_somewhere(Right::View),
            (Need::Stream(right, name), Ok(subject)) => subject.may(right, name),
        };
        match who {
            _ if allowed => Judgement::Allowed,
            // Somebody who has more rights may still come.
            Ok(Subject::Anybody) => Judgement::NeedsCredentials(Denied::Missing),
            _ => Judgement::Forbidden,
        }
    }
}
