//! Who has logged in by the form: sessions, in bounded memory, that end with the process.

use super::secret::{self, Bytes32};
use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

/// All sessions at a time, and those of one user: the oldest goes for a new one.
const MOST: usize = 10_000;
const MOST_OF_ONE: usize = 32;
/// So long after the login.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// One session: the SHA-256 of its cookie, which opens nothing, and when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionId {
    place: Bytes32,
    pub(super) ends: Instant,
}

/// Sessions by the SHA-256 of their cookie: what is kept opens nothing.
#[derive(Debug, Default)]
pub struct Sessions(HashMap<Bytes32, Session>);

/// Of whom, and with which hash of a password, which must still be the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub name: String,
    pub hash: String,
    ends: Instant,
}

impl Sessions {
    /// A new session's cookie.
    pub fn open(&mut self, name: &str, hash: &str, now: Instant) -> io::Result<String> {
        let cookie = secret::to_text(&secret::random::<32>()?);
        if self.0.len() >= MOST {
            self.0.retain(|_, session| now < session.ends);
        }
        let of_one = self.0.values().filter(|session| session.name == name).count();
        if of_one >= MOST_OF_ONE {
            self.close_oldest(|session| session.name == name);
        } else if self.0.len() >= MOST {
            self.close_oldest(|_| true);
        }
        self.0.insert(secret::sha256(cookie.as_bytes()), Session { name: name.into(), hash: hash.into(), ends: now + KEPT });
        Ok(cookie)
    }

    fn close_oldest(&mut self, of: impl Fn(&Session) -> bool) {
        let oldest = self.0.iter().filter(|(_, session)| of(session)).min_by_key(|(_, session)| session.ends).map(|(place, _)| *place);
        if let Some(oldest) = oldest {
            self.0.remove(&oldest);
        }
    }

    pub fn find(&self, cookie: &str, now: Instant) -> Option<&Session> {
        self.0.get(&secret::sha256(cookie.as_bytes())).filter(|session| now < session.ends)
    }

    pub fn id(cookie: &str, session: &Session) -> SessionId {
        SessionId { place: secret::sha256(cookie.as_bytes()), ends: session.ends }
    }

    pub fn has(&self, id: &SessionId, now: Instant) -> bool {
        now < id.ends && self.0.contains_key(&id.place)
    }

    pub fn close(&mut self, cookie: &str) {
        self.0.remove(&secret::sha256(cookie.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_login_to_logout() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let cookie = sessions.open("ann", "hash", now).unwrap();
        assert_eq!(sessions.find(&cookie, now).map(|s| &s.name[..]), Some("ann"));
        assert!(sessions.find("", now).is_none() && sessions.find(&cookie[1..], now).is_none());
        assert!(sessions.find(&cookie, now + KEPT).is_none());
        sessions.close(&cookie);
        assert!(sessions.find(&cookie, now).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let (mut sessions, mut now) = (Sessions::default(), Instant::now());
        let first = sessions.open("ann", "hash", now).unwrap();
        let bobs = sessions.open("bob", "hash", now).unwrap();
        for _ in 0..MOST_OF_ONE {
            now += Duration::from_secs(1);
            sessions.open("ann", "hash", now).unwrap();
        }
        assert_eq!(sessions.0.len(), MOST_OF_ONE + 1);
        assert!(sessions.find(&first, now).is_none() && sessions.find(&bobs, now).is_some(), "one user takes no other's place");
    }
}
