//! Who may watch: the judge of a running server, whose rules can be changed while it runs.

use super::http::passwords::Passwords;
use super::outside::{AuthUrl, OutsideJudge, Question, Verdict};
use crate::access::{Credentials, Denied, Ended, Identity, Judge, Now, Right, Rules, Subject};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The rules of a server, shared by all its threads.
#[derive(Clone, Debug)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    judge: Judge,
    /// Started for the first password.
    passwords: OnceLock<Option<Passwords>>,
    /// Where the service is, and how long its answers hold.
    outside: Option<(AuthUrl, Duration)>,
    /// Started for the first question: by then the process is confined.
    asking: OnceLock<Option<OutsideJudge>>,
}

/// That somebody was let in to a stream, to be looked at again while it is watched or sent.
#[derive(Debug)]
pub(super) struct Authorization {
    access: Access,
    subject: Subject,
    right: Right,
    stream: String,
    /// The number of changes up to which it holds.
    seen: AtomicU64,
}

impl Authorization {
    /// Nothing is looked up as long as the rules are the same.
    ///
    /// # Errors
    /// Why it may not go on.
    pub fn check(&self) -> Result<(), Ended> {
        let (judge, now) = (self.access.judge(), Now::system());
        let changes = judge.changes();
        if changes == self.seen.load(Relaxed) {
            return self.subject.in_time(now);
        }
        judge.still(&self.subject, self.right, &self.stream, now)?;
        self.seen.store(changes, Relaxed);
        Ok(())
    }
}

/// So many passwords are being checked that there is no room for another.
pub(super) struct Busy;

impl Access {
    /// # Errors
    /// The system has no random bytes.
    pub fn new(rules: Rules) -> io::Result<Access> {
        Access::of(rules, None)
    }

    /// With a service that is asked about those whom the rules do not know; `kept`: how long its answers hold.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn with_outside(mut rules: Rules, url: AuthUrl, kept: Duration) -> io::Result<Access> {
        rules.outside = true;
        Access::of(rules, Some((url, kept)))
    }

    fn of(rules: Rules, outside: Option<(AuthUrl, Duration)>) -> io::Result<Access> {
        let judge = Judge::new(rules)?;
        Ok(Access(Arc::new(Inner { judge, passwords: OnceLock::new(), outside, asking: OnceLock::new() })))
    }

    /// Whether a service outside is asked.
    pub(super) fn has_outside(&self) -> bool {
        self.0.outside.is_some()
    }

    /// What that service says.
    pub(super) async fn ask_outside(&self, question: &Question<'_>) -> Verdict {
        let start = || {
            let (url, kept) = self.0.outside.clone()?;
            OutsideJudge::start(url, kept).inspect_err(|error| tracing::error!("no thread to ask the service of --auth-url: {error}")).ok()
        };
        match self.0.asking.get_or_init(start) {
            Some(outside) => outside.ask(question).await,
            None => Verdict::Unknown,
        }
    }

    /// Judges by these rules from the next request on. Who watches and may not any more is closed within a second.
    pub fn set_rules(&self, mut rules: Rules) {
        rules.outside = self.0.outside.is_some();
        self.0.judge.set_rules(rules);
    }

    /// What somebody holds who may do this with a stream. `changes`: their number before it was let in.
    pub(super) fn authorization(&self, subject: Subject, right: Right, stream: &str, changes: u64) -> Authorization {
        Authorization { access: self.clone(), subject, right, stream: stream.into(), seen: AtomicU64::new(changes) }
    }

    pub(super) fn judge(&self) -> &Judge {
        &self.0.judge
    }

    /// Who shows these credentials; waits while a password is checked.
    pub(super) async fn identify(&self, shown: Credentials<'_>, from: Option<IpAddr>) -> Result<Result<Subject, Denied>, Busy> {
        let check = match self.judge().identify(shown, from, Now::system()) {
            Identity::Known(subject) => return Ok(Ok(subject)),
            Identity::Denied(why) => return Ok(Err(why)),
            Identity::Check(check) => check,
        };
        let start = || Passwords::start().inspect_err(|error| tracing::error!("no thread to check passwords: {error}")).ok();
        let passwords = self.0.passwords.get_or_init(start).as_ref().ok_or(Busy)?;
        let checked = passwords.check(check).await.ok_or(Busy)?;
        Ok(self.judge().conclude(checked, Now::system()))
    }
}
