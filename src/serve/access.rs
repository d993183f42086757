//! Who may watch: the judge of a running server, whose rules can be changed while it runs.

use super::http::passwords::Passwords;
use crate::access::{Credentials, Denied, Identity, Judge, Now, Rules, Subject};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// The rules of a server, shared by all its threads.
#[derive(Clone, Debug)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    judge: Judge,
    /// Started for the first password.
    passwords: OnceLock<Option<Passwords>>,
}

/// So many passwords are being checked that there is no room for another.
pub(super) struct Busy;

impl Access {
    /// # Errors
    /// The system has no random bytes.
    pub fn new(rules: Rules) -> io::Result<Access> {
        Ok(Access(Arc::new(Inner { judge: Judge::new(rules)?, passwords: OnceLock::new() })))
    }

    /// Judges by these rules from the next request on. Who watches already goes on.
    pub fn set_rules(&self, rules: Rules) {
        self.0.judge.set_rules(rules);
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
