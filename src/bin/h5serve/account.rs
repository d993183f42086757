//! `--user`: the account that the program goes on as when it has what only root may have.

use anyhow::Context as _;
use h5live::cli;
use nix::unistd::{self, Gid, Uid, User};
use std::ffi::CString;

/// An account of the system. It is looked up with the arguments: later the program may not read the list of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    name: String,
    user: Uid,
    group: Gid,
    groups: Vec<Gid>,
}

impl std::str::FromStr for Account {
    type Err = String;

    fn from_str(name: &str) -> Result<Account, String> {
        let unknown = || format!("there is no user {name}");
        let user = User::from_name(name).map_err(|error| error.to_string())?.ok_or_else(unknown)?;
        let groups = CString::new(name).ok().and_then(|name| groups(&name, user.gid)).ok_or_else(unknown)?;
        Ok(Account { name: name.into(), user: user.uid, group: user.gid, groups })
    }
}

#[cfg(target_os = "linux")]
fn groups(name: &std::ffi::CStr, group: Gid) -> Option<Vec<Gid>> {
    unistd::getgrouplist(name, group).ok()
}

#[cfg(not(target_os = "linux"))]
fn groups(_: &std::ffi::CStr, group: Gid) -> Option<Vec<Gid>> {
    Some(vec![group])
}

impl Account {
    /// From now on the whole program is this user: no thread can become root again.
    ///
    /// # Errors
    /// Only root may do that.
    pub fn assume(&self) -> anyhow::Result<()> {
        if unistd::geteuid() == self.user && unistd::getuid() == self.user {
            return Ok(());
        }
        if !unistd::geteuid().is_root() {
            return Err(cli::usage(format!("--user {}: only root can become another user", self.name)));
        }
        let assume = || {
            // What sets these for the whole program is the C library: it asks each thread.
            #[cfg(not(target_vendor = "apple"))]
            unistd::setgroups(&self.groups)?;
            unistd::setgid(self.group)?;
            unistd::setuid(self.user)
        };
        assume().with_context(|| format!("--user {}", self.name))?;
        tracing::info!("goes on as {}", self.name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts() {
        let root: Account = "root".parse().unwrap();
        assert!(root.user.is_root() && root.groups.contains(&root.group));
        for wrong in ["", "no such user", "a\0b"] {
            assert!(wrong.parse::<Account>().is_err(), "{wrong:?}");
        }
    }
}
