//! The judgement: whether who asks may have what a request needs.

use super::link::{Link, LinkError, LinkKey};
use super::rights::{Grants, Right};
use super::sessions::SessionId;
use super::users::User;
use std::time::{Duration, Instant};

/// The time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For what lasts so long.
    pub instant: Instant,
    /// For links: seconds of Unix time.
    pub unix: u64,
}

impl Now {
    /// By the clocks of the system.
    pub fn system() -> Now {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { instant: Instant::now(), unix }
    }
}

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

/// Who asks, and by what that is known: so that it can be looked at again while somebody watches ([`super::Judge::still`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Anybody, where all may watch.
    Anybody,
    /// A user or a program of the users file.
    User {
        /// In the file.
        name: String,
        /// The line, as it was then.
        user: User,
        /// Who has logged in by the form.
        session: Option<SessionId>,
    },
    /// Who has a link, and the key that signed it.
    Link(Link, LinkKey),
    /// The CDN before this server. It asks its viewers itself.
    Cdn,
    /// Whom a service outside has let in.
    Outside(Grants),
}

impl Subject {
    /// Whether it may do this with the stream of this name.
    pub fn may(&self, right: Right, stream: &str) -> bool {
        match self {
            Subject::Anybody => matches!(right, Right::View | Right::Rewind),
            Subject::User { user, .. } => user.grants.allow(right, stream),
            Subject::Link(link, _) => link.grants.allow(right, stream),
            Subject::Cdn => right == Right::View,
            Subject::Outside(grants) => grants.allow(right, stream),
        }
    }

    /// Whether the time for which it was let in is not over.
    ///
    /// # Errors
    /// It is.
    pub fn in_time(&self, now: Now) -> Result<(), Ended> {
        match self {
            Subject::Link(link, _) if now.unix >= link.ends => Err(Ended::Expired),
            Subject::User { session: Some(id), .. } if now.instant >= id.ends => Err(Ended::Session),
            _ => Ok(()),
        }
    }

    pub(super) fn may_somewhere(&self, right: Right) -> bool {
        match self {
            Subject::Anybody => matches!(right, Right::View | Right::Rewind),
            Subject::User { user, .. } => user.grants.allow_somewhere(right),
            Subject::Link(link, _) => link.grants.allow_somewhere(right),
            Subject::Cdn => right == Right::View,
            Subject::Outside(grants) => grants.allow_somewhere(right),
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
    /// It is known, and may not: a service outside says so.
    Forbidden,
    /// Too many tries; so long is to be waited.
    SlowDown(Duration),
}

/// Why somebody who watches may not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The time of the link is over.
    #[error("this link has expired")]
    Expired,
    /// Logged out, or the time of the session is over.
    #[error("your session has ended")]
    Session,
    /// The user, the password, the right or the key is no longer there.
    #[error("you may no longer see this stream")]
    Revoked,
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
            (_, Err(Denied::Forbidden)) => return Judgement::Forbidden,
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
