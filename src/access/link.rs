//! Signed links: made offline by who has the key, checked without asking anybody.
//!
//! ```text
//!   1.eyJ…what it allows….kq3…HMAC…
//!   |  |                   +- HMAC-SHA-256 (RFC 2104) over "h5live link 1\n" and the text, base64url (RFC 4648, section 5)
//!   |  +- the text of what it allows, base64url
//!   +- version
//! ```
//!
//! The text has three lines: `cam=view`, the grants; `1790000000`, the second of Unix time at which it ends; and the address from which it may
//! be used, or `*`. There is one text for what a link allows, and one spelling of it.

use super::rights::Grants;
use super::secret::{self, Bytes32};
use std::io;
use std::net::IpAddr;
use std::str::FromStr;

/// The longest token, in bytes. A text of grants with all its patterns does not fit in it: a link is for a stream or a few.
const MAX_TOKEN: usize = 1024;
const VERSION: &str = "1";
const DOMAIN: &[u8] = b"h5live link 1\n";

/// What a link allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What may be done, with which streams.
    pub grants: Grants,
    /// The first second at which it is no longer good, in seconds of Unix time.
    pub ends: u64,
    /// The only address from which it is good.
    pub from: Option<IpAddr>,
}

/// A link that is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not of a key that is known, or changed since.
    #[error("this link is not valid")]
    Wrong,
    /// It was good once.
    #[error("this link has expired")]
    Expired,
    /// It is good from another address.
    #[error("this link is not valid from here")]
    Elsewhere,
    /// Too much in it.
    #[error("a link for so many patterns is too long")]
    TooLong,
}

/// A key that signs links. Two may be known at a time, so that one can take the place of the other.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkKey(Bytes32);

/// The file has no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line 1, column 1: expected a key as h5serve link --new-key writes it: 43 letters, digits, - and _")]
pub struct KeyError;

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey")
    }
}

impl FromStr for LinkKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<LinkKey, KeyError> {
        secret::bytes32(text.trim_end_matches(['\n', '\r'])).map(LinkKey).ok_or(KeyError)
    }
}

impl LinkKey {
    /// A new one.
    ///
    /// # Errors
    /// No random bytes.
    pub fn new() -> io::Result<LinkKey> {
        secret::random().map(LinkKey)
    }

    /// What stands in its file.
    pub fn text(&self) -> String {
        secret::to_text(&self.0)
    }

    /// The token of a link.
    ///
    /// # Errors
    /// [`LinkError::TooLong`].
    pub fn sign(&self, link: &Link) -> Result<String, LinkError> {
        let text = link.to_text();
        let token = format!("{VERSION}.{}.{}", secret::to_text(text.as_bytes()), secret::to_text(&self.mac(&text)));
        if token.len() > MAX_TOKEN { Err(LinkError::TooLong) } else { Ok(token) }
    }

    fn mac(&self, text: &str) -> Bytes32 {
        secret::hmac(&self.0, &[DOMAIN, text.as_bytes()])
    }
}

impl Link {
    /// The link of a token, if one of the keys signed it and it is good now, in seconds of Unix time, and from this address. `None`: from no
    /// address, as over a Unix socket.
    ///
    /// # Errors
    /// Why it is not good.
    pub fn check(token: &str, keys: &[LinkKey], now: u64, from: Option<IpAddr>) -> Result<Link, LinkError> {
        Link::check_with_key(token, keys, now, from).map(|(link, _)| link)
    }

    /// The same, and the key that signed it.
    pub(super) fn check_with_key(token: &str, keys: &[LinkKey], now: u64, from: Option<IpAddr>) -> Result<(Link, LinkKey), LinkError> {
        let (link, key) = Link::verify(token, keys).ok_or(LinkError::Wrong)?;
        if link.from.is_some_and(|only| from.map(|from| from.to_canonical()) != Some(only)) {
            return Err(LinkError::Elsewhere);
        }
        if now >= link.ends { Err(LinkError::Expired) } else { Ok((link, key)) }
    }

    /// All keys are tried, and each to the end: how long it takes says nothing of how much is right. Nothing is read of a text before that.
    fn verify(token: &str, keys: &[LinkKey]) -> Option<(Link, LinkKey)> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (version, rest) = token.split_once('.')?;
        let (text, mac) = rest.split_once('.')?;
        if version != VERSION {
            return None;
        }
        let (text, mac) = (String::from_utf8(secret::from_text(text)?).ok()?, secret::bytes32(mac)?);
        let signed = keys.iter().fold(None, |signed, key| if secret::equal(&key.mac(&text), &mac) { Some(key) } else { signed });
        let key = signed?.clone();
        Some((Link::from_text(&text)?, key))
    }

    /// What is signed.
    pub fn to_text(&self) -> String {
        let from = self.from.map_or_else(|| "*".into(), |from| from.to_canonical().to_string());
        format!("{}\n{}\n{from}", self.grants, self.ends)
    }

    /// The link of such a text, if it is the one that [`Link::to_text`] writes.
    pub fn from_text(text: &str) -> Option<Link> {
        let mut lines = text.split('\n');
        let (grants, ends, from) = (lines.next()?, lines.next()?, lines.next()?);
        let from = if from == "*" { None } else { Some(from.parse().ok()?) };
        let link = Link { grants: grants.parse().ok()?, ends: ends.parse().ok()?, from };
        (link.to_text() == text).then_some(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(from: Option<&str>) -> Link {
        Link { grants: "cam=view".parse().unwrap(), ends: 1000, from: from.map(|ip| ip.parse().unwrap()) }
    }

    #[test]
    fn good_until_its_end_and_by_its_key() {
        let (old, new) = (LinkKey::new().unwrap(), LinkKey::new().unwrap());
        let token = old.sign(&link(None)).unwrap();
        let check = |keys: &[&LinkKey], now| Link::check(&token, &keys.iter().map(|k| (*k).clone()).collect::<Vec<_>>(), now, None);
        assert_eq!(check(&[&old], 999), Ok(link(None)));
        assert_eq!(check(&[&new, &old], 0), Ok(link(None)), "while one key takes the place of the other");
        assert_eq!(check(&[&old, &new], 0), Ok(link(None)));
        assert_eq!(check(&[&old], 1000), Err(LinkError::Expired));
        assert_eq!((check(&[&new], 0), check(&[], 0)), (Err(LinkError::Wrong), Err(LinkError::Wrong)), "the key was taken away");
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "fit for a URL: {token}");
    }

    #[test]
    fn any_change_is_seen() {
        let key = LinkKey::new().unwrap();
        let token = key.sign(&link(None)).unwrap();
        let check = |token: &str| Link::check(token, std::slice::from_ref(&key), 0, None);
        for at in 0..token.len() {
            for other in ['A', 'B', '.', '1', '=', '\n'] {
                let mut changed = token.clone();
                changed.replace_range(at..=at, &other.to_string());
                assert!(changed == token || check(&changed) == Err(LinkError::Wrong), "{changed}");
            }
            assert_eq!(check(&token[..at]), Err(LinkError::Wrong));
        }
        let text = link(None).to_text().replace("cam", "*");
        let forged = format!("1.{}.{}", secret::to_text(text.as_bytes()), token.rsplit('.').next().unwrap());
        assert_eq!(check(&forged), Err(LinkError::Wrong));
        for garbled in ["", ".", "..", "1..", "2.x.y", &format!("{token}="), &format!("{token}."), &"1".repeat(5000)] {
            assert_eq!(check(garbled), Err(LinkError::Wrong), "{garbled}");
        }
    }

    #[test]
    fn from_one_address() {
        let key = LinkKey::new().unwrap();
        let check = |only: &str, from: Option<&str>| {
            let token = key.sign(&link(Some(only))).unwrap();
            Link::check(&token, std::slice::from_ref(&key), 0, from.map(|ip| ip.parse().unwrap())).map(drop)
        };
        assert_eq!((check("192.0.2.1", Some("192.0.2.1")), check("2001:db8::1", Some("2001:db8::1"))), (Ok(()), Ok(())));
        assert_eq!(check("192.0.2.1", Some("::ffff:192.0.2.1")), Ok(()), "as a socket for both shows it");
        assert_eq!(check("::ffff:192.0.2.1", Some("192.0.2.1")), Ok(()));
        for other in [Some("192.0.2.2"), Some("2001:db8::1"), None] {
            assert_eq!(check("192.0.2.1", other), Err(LinkError::Elsewhere));
        }
    }

    #[test]
    fn one_text_for_one_link() {
        for same in ["cam=view\n1000\n*", "view,rewind\n0\n192.0.2.1", "a=view b*=record\n18446744073709551615\n2001:db8::1"] {
            assert_eq!(Link::from_text(same).unwrap().to_text(), same);
        }
        for other in [
            "",
            "cam=view\n1000",
            "cam=view\n1000\n*\n",
            "cam=view\n+1000\n*",
            "cam=view\n01000\n*",
            "*=view\n1\n*",
            "view\n1\n::ffff:1.2.3.4",
        ] {
            assert_eq!(Link::from_text(other), None, "{other}");
        }
        let many = Link { grants: "abcdefgh=view ".repeat(60).parse().unwrap(), ..link(None) };
        assert_eq!(LinkKey::new().unwrap().sign(&many), Err(LinkError::TooLong));
    }

    #[test]
    fn keys() {
        let key = LinkKey::new().unwrap();
        assert_eq!(format!("{}\n", key.text()).parse(), Ok(key.clone()));
        assert_eq!(format!("{key:?}"), "LinkKey");
        for wrong in ["", "short", &format!("{}\n{}", key.text(), key.text())] {
            assert_eq!(wrong.parse::<LinkKey>(), Err(KeyError));
        }
    }
}
