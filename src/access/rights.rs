//! What one may do, and with which streams.
//!
//! As text: `view`, `view,rewind`, `cam=view,rewind door*=view`. A list of rights alone is for all streams.

use std::fmt;
use std::str::FromStr;

/// The longest name of a stream or pattern, in bytes.
const MAX_PATTERN: usize = 64;
/// Patterns of one holder.
const MAX_GRANTS: usize = 64;

/// Something that one may do with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// See it live.
    View,
    /// See what was before.
    Rewind,
    /// Start and stop its recording.
    Record,
    /// Send it.
    Publish,
    /// All of these.
    Admin,
}

const RIGHTS: [(Right, &str); 5] =
    [(Right::View, "view"), (Right::Rewind, "rewind"), (Right::Record, "record"), (Right::Publish, "publish"), (Right::Admin, "admin")];

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(RIGHTS[*self as usize].1)
    }
}

/// The text is no list of rights.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct RightsError {
    /// Where in the text, in bytes.
    pub at: usize,
    what: &'static str,
}

const NO_RIGHT: &str = "expected rights: view, rewind, record, publish or admin, with commas between them";
const NO_PATTERN: &str = "the name of a stream has letters, digits, - and _, and * for any of them; 64 at most";
const NOTHING: &str = "expected rights, such as view, or cam=view,rewind";
const TOO_MANY: &str = "more than 64 patterns";

/// Who holds it may do this, with these streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Grant {
    streams: String,
    rights: Vec<Right>,
}

impl Grants {
    /// Whether one of them allows this with the stream of this name.
    pub fn allow(&self, right: Right, stream: &str) -> bool {
        self.0.iter().any(|grant| grant.has(right) && matches(&grant.streams, stream))
    }

    /// To do this with these streams.
    pub fn to(right: Right, streams: Vec<String>) -> Grants {
        Grants(Vec::new()).and(right, streams)
    }

    /// And to do that with those.
    pub fn and(mut self, right: Right, streams: Vec<String>) -> Grants {
        self.0.extend(streams.into_iter().map(|streams| Grant { streams, rights: vec![right] }));
        self
    }

    /// Whether this is allowed with any stream at all.
    pub fn allow_somewhere(&self, right: Right) -> bool {
        self.0.iter().any(|grant| grant.has(right))
    }
}

impl Grant {
    fn has(&self, right: Right) -> bool {
        self.rights.iter().any(|&held| held == right || held == Right::Admin)
    }
}

impl FromStr for Grants {
    type Err = RightsError;

    fn from_str(text: &str) -> Result<Grants, RightsError> {
        let mut grants = Vec::new();
        let mut at = 0;
        for part in text.split(' ') {
            if grants.len() == MAX_GRANTS {
                return Err(RightsError { at, what: TOO_MANY });
            }
            if !part.is_empty() {
                grants.push(grant(part).map_err(|error| RightsError { at: at + error.at, ..error })?);
            }
            at += part.len() + 1;
        }
        if grants.is_empty() { Err(RightsError { at: 0, what: NOTHING }) } else { Ok(Grants(grants)) }
    }
}

fn grant(text: &str) -> Result<Grant, RightsError> {
    let (streams, list) = text.split_once('=').unwrap_or(("*", text));
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*');
    if streams.is_empty() || streams.len() > MAX_PATTERN || !streams.bytes().all(plain) {
        return Err(RightsError { at: 0, what: NO_PATTERN });
    }
    let mut at = text.len() - list.len();
    let mut rights = Vec::new();
    for name in list.split(',') {
        let (right, _) = RIGHTS.iter().find(|(_, known)| *known == name).ok_or(RightsError { at, what: NO_RIGHT })?;
        if !rights.contains(right) {
            rights.push(*right);
        }
        at += name.len() + 1;
    }
    Ok(Grant { streams: streams.into(), rights })
}

/// As it is written in a file or a link; reads as the same again.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, grant) in self.0.iter().enumerate() {
            f.write_str(if n == 0 { "" } else { " " })?;
            if grant.streams != "*" {
                write!(f, "{}=", grant.streams)?;
            }
            for (n, right) in grant.rights.iter().enumerate() {
                write!(f, "{}{right}", if n == 0 { "" } else { "," })?;
            }
        }
        Ok(())
    }
}

/// `*` stands for any letters, or none. Goes back to the last star only, so the time is bounded by the product of the lengths.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, yes, no) in [
            ("cam", &["cam"][..], &["", "came", "ca", "Cam", "xcam"][..]),
            ("*", &["", "cam"], &[]),
            ("cam*", &["cam", "cam1"], &["ca", "xcam"]),
            ("*-door", &["a-door", "-door", "door-door"], &["door", "a-doors"]),
            ("a*b*c", &["abc", "aXbYc", "abbcbc"], &["ab", "acb", "abcd"]),
            ("**a", &["a", "ba"], &["b"]),
        ] {
            assert!(yes.iter().all(|name| matches(pattern, name)), "{pattern}");
            assert!(!no.iter().any(|name| matches(pattern, name)), "{pattern}");
        }
    }

    #[test]
    fn what_is_granted() {
        let grants: Grants = "cam=view,rewind door*=view yard=admin".parse().unwrap();
        assert!(grants.allow(Right::View, "cam") && grants.allow(Right::Rewind, "cam") && grants.allow(Right::View, "door2"));
        assert!(!grants.allow(Right::Rewind, "door2") && !grants.allow(Right::View, "attic") && !grants.allow(Right::Admin, "cam"));
        assert!(grants.allow(Right::Publish, "yard") && grants.allow_somewhere(Right::Record));
        assert!(!"view".parse::<Grants>().unwrap().allow_somewhere(Right::Admin));
        assert!("view".parse::<Grants>().unwrap().allow(Right::View, "anything"));
        assert!(!Grants::default().allow_somewhere(Right::View));
    }

    #[test]
    fn texts() {
        for same in ["view", "view,rewind", "cam=view", "cam*=view,admin door=record yard-_9=publish"] {
            assert_eq!(same.parse::<Grants>().unwrap().to_string(), same);
        }
        assert_eq!("*=view,view  a=view".parse::<Grants>().unwrap().to_string(), "view a=view");
        for (wrong, at) in [
            ("", 0),
            ("  ", 0),
            ("look", 0),
            ("view,", 5),
            ("cam=", 4),
            ("a=view b=x", 9),
            ("=view", 0),
            ("a/b=view", 0),
            ("view é=view", 5),
        ] {
            assert_eq!(wrong.parse::<Grants>().map_err(|e| e.at), Err(at), "{wrong}");
        }
        assert!(format!("{}=view", "a".repeat(64)).parse::<Grants>().is_ok());
        assert!(format!("{}=view", "a".repeat(65)).parse::<Grants>().is_err());
        assert!("a=view ".repeat(65).parse::<Grants>().is_err());
    }
}
