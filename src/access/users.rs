//! The users file: a line for each, `name:hash:rights`.
//!
//! ```text
//! # people
//! ann:$argon2id$v=19$m=19456,t=2,p=1$…$…:admin
//! bob:$argon2id$v=19$m=19456,t=2,p=1$…$…:cam=view,rewind door*=view
//! # programs
//! recorder:token$kq3…:view
//! ```
//!
//! A password is kept as argon2id keeps it. A bearer token has 256 random bits, which cannot be tried out: its SHA-256 is enough.

use super::password;
use super::rights::{Grants, RightsError};
use super::secret::{self, Bytes32};
use std::collections::HashMap;
use std::io;

/// The largest file, in bytes, and the most users in it.
pub const MAX_FILE: usize = 1 << 20;
const MAX_USERS: usize = 10_000;
const MAX_NAME: usize = 64;
const TOKEN: &str = "token$";

/// Users by name, and programs by what they show.
#[derive(Clone, Debug, Default)]
pub struct Users {
    users: HashMap<String, User>,
    tokens: HashMap<Bytes32, String>,
    /// The hash of the first one who has a password: what an unknown name is compared with, for the same time.
    first: Option<String>,
}

/// What one has to show, and what one may do then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// As it is kept.
    pub secret: Secret,
    /// With which streams.
    pub grants: Grants,
}

/// What a user has to show, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A password, by its hash in PHC form.
    Password(String),
    /// A bearer token, by its SHA-256.
    Token(Bytes32),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Secret::Password(_)) { "Password" } else { "Token" })
    }
}

impl Secret {
    /// A new token, and how it is kept.
    ///
    /// # Errors
    /// No random bytes.
    pub fn new_token() -> io::Result<(String, Secret)> {
        let token = secret::to_text(&secret::random::<32>()?);
        let kept = Secret::Token(secret::sha256(token.as_bytes()));
        Ok((token, kept))
    }

    fn parse(text: &str) -> Option<Secret> {
        match text.strip_prefix(TOKEN) {
            Some(token) => secret::bytes32(token).map(Secret::Token),
            None => password::is_hash(text).then(|| Secret::Password(text.into())),
        }
    }

    fn text(&self) -> String {
        match self {
            Secret::Password(hash) => hash.clone(),
            Secret::Token(digest) => format!("{TOKEN}{}", secret::to_text(digest)),
        }
    }
}

/// What is wrong in a users file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The file is too large.
    #[error("the file is larger than 1 MiB")]
    TooLarge,
    /// Bytes that are no text.
    #[error("this is no UTF-8")]
    NoText,
    /// A part is missing.
    #[error("expected name:hash:rights")]
    Parts,
    /// A name that cannot be one.
    #[error("a name has letters, digits and - _ . @, and 64 of them at most")]
    Name,
    /// A name that was there before.
    #[error("this name stands in an earlier line")]
    Twice,
    /// Neither a hash nor a token.
    #[error("expected a hash as h5serve passwd writes it: argon2id, of at most 256 MiB, or a token")]
    Hash,
    /// The rights.
    #[error("{0}")]
    Rights(#[source] RightsError),
    /// Too many.
    #[error("more than 10000 users")]
    TooMany,
}

/// A users file that is not understood. It never shows what stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {mistake}")]
pub struct UsersError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub mistake: LineError,
}

impl Users {
    /// Reads a file. Empty lines, and those that begin with `#`, have no user.
    ///
    /// # Errors
    /// What is wrong, and where: the first mistake.
    pub fn parse(file: &[u8]) -> Result<Users, UsersError> {
        if file.len() > MAX_FILE {
            return Err(UsersError { line: 1, column: 1, mistake: LineError::TooLarge });
        }
        let mut users = Users::default();
        for (number, line) in file.split(|&b| b == b'\n').enumerate() {
            let wrong = |column, mistake| UsersError { line: number + 1, column, mistake };
            let text = match std::str::from_utf8(line) {
                Ok(text) => text.strip_suffix('\r').unwrap_or(text),
                Err(error) => {
                    return Err(wrong(String::from_utf8_lossy(&line[..error.valid_up_to()]).chars().count() + 1, LineError::NoText));
                }
            };
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            users.add(text).map_err(|(at, mistake)| wrong(text[..at].chars().count() + 1, mistake))?;
        }
        Ok(users)
    }

    /// A mistake comes with its place in the line, in bytes.
    fn add(&mut self, line: &str) -> Result<(), (usize, LineError)> {
        let (name, rest) = line.split_once(':').ok_or((0, LineError::Parts))?;
        let (kept, rights) = rest.split_once(':').ok_or((line.len() - rest.len(), LineError::Parts))?;
        if !Users::is_name(name) {
            return Err((0, LineError::Name));
        }
        if self.users.contains_key(name) {
            return Err((0, LineError::Twice));
        }
        if self.users.len() == MAX_USERS {
            return Err((0, LineError::TooMany));
        }
        let secret = Secret::parse(kept).ok_or((name.len() + 1, LineError::Hash))?;
        let grants = rights.parse().map_err(|error: RightsError| (line.len() - rights.len() + error.at, LineError::Rights(error)))?;
        match &secret {
            Secret::Password(hash) => _ = self.first.get_or_insert_with(|| hash.clone()),
            Secret::Token(digest) => _ = self.tokens.insert(*digest, name.into()),
        }
        self.users.insert(name.into(), User { secret, grants });
        Ok(())
    }

    /// Letters, digits and `- _ . @`; 1 to 64 of them.
    pub fn is_name(name: &str) -> bool {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@');
        (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain)
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.users.contains_key(name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    pub(super) fn find(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// The holder of a bearer token, found by its hash: how long that takes says nothing of the token.
    pub(super) fn holder(&self, token: &str) -> Option<(&str, &User)> {
        let digest = secret::sha256(token.as_bytes());
        let name = self.tokens.get(&digest)?;
        let user = self.find(name)?;
        let same = matches!(&user.secret, Secret::Token(kept) if secret::equal(kept, &digest));
        same.then_some((&**name, user))
    }

    pub(super) fn decoy(&self) -> Option<&str> {
        self.first.as_deref()
    }

    /// A file in which this user has this line, in the place of the one before or at the end; all else stays as it is.
    pub fn with(file: &str, name: &str, secret: &Secret, grants: &Grants) -> String {
        let line = format!("{name}:{}:{grants}", secret.text());
        let is_old = |line: &str| line.split_once(':').is_some_and(|(old, _)| old == name);
        let mut lines: Vec<&str> = file.lines().collect();
        match lines.iter_mut().find(|line| is_old(line)) {
            Some(old) => *old = &line,
            None => lines.push(&line),
        }
        lines.join("\n") + "\n"
    }

    /// What a user of a file may do, to be kept when the password changes.
    pub fn grants(&self, name: &str) -> Option<&Grants> {
        self.find(name).map(|user| &user.grants)
    }
}

#[cfg(test)]
mod tests {
    use super::super::password::tests::cheap;
    use super::*;

    fn parse(text: &str) -> Result<Users, (usize, usize, LineError)> {
        Users::parse(text.as_bytes()).map_err(|UsersError { line, column, mistake }| (line, column, mistake))
    }

    #[test]
    fn a_file() {
        let (token, kept) = Secret::new_token().unwrap();
        let file = format!("# people\n\nann:{0}:admin\r\n  \nb.o-b_@x:{0}:cam=view\n", cheap("x"));
        let file = Users::with(&file, "recorder", &kept, &"view".parse().unwrap());
        let users = parse(&file).unwrap();
        assert_eq!(users.len(), 3);
        assert_eq!(users.holder(&token).unwrap().1.grants, "view".parse().unwrap());
        assert!(users.holder("").is_none() && users.holder(&token[1..]).is_none() && users.holder("ann").is_none());
        assert!(users.has("ann") && !users.has("Ann") && !users.has(""));
        // Its line is changed, and all else stays.
        let changed = Users::with(&file, "ann", &kept, &"cam=view".parse().unwrap());
        let different: Vec<_> = file.lines().zip(changed.lines()).filter(|(a, b)| a != b).collect();
        assert_eq!((different.len(), changed.lines().count()), (1, file.lines().count()));
        assert!(different[0].1.starts_with("ann:token$") && different[0].1.ends_with(":cam=view"));
    }

    #[test]
    fn mistakes_have_their_place() {
        let hash = cheap("x");
        let good = format!("ann:{hash}:view\n");
        let after =
            |text: &str| parse(&format!("{good}#\n{text}")).map(|_| ()).map_err(|(line, column, mistake)| (line - 2, column, mistake));
        assert_eq!(after("bob"), Err((1, 1, LineError::Parts)));
        assert_eq!(after(&format!("bob:{hash}")), Err((1, 5, LineError::Parts)));
        assert_eq!(after(&format!("b b:{hash}:view")), Err((1, 1, LineError::Name)));
        assert_eq!(after(&format!(":{hash}:view")), Err((1, 1, LineError::Name)));
        assert_eq!(after(&good), Err((1, 1, LineError::Twice)));
        assert_eq!(after("bob:s3cret:view"), Err((1, 5, LineError::Hash)));
        assert_eq!(after("bob:token$x:view"), Err((1, 5, LineError::Hash)));
        assert!(matches!(after(&format!("bob:{hash}:view,look")), Err((1, column, LineError::Rights(_))) if column == 5 + hash.len() + 6));
        assert!(matches!(after(&format!("bob:{hash}:")), Err((1, _, LineError::Rights(_)))));
        let error = Users::parse("é\u{e9}:".as_bytes()).unwrap_err();
        assert_eq!((error.line, error.column), (1, 4), "in characters");
        let error = Users::parse(b"#\n\xc3\xa9\xff").unwrap_err();
        assert_eq!((error.line, error.column, error.mistake), (2, 2, LineError::NoText));
        assert!(Users::parse(&vec![b'\n'; MAX_FILE + 1]).is_err());
        let error = Users::parse(b"ann:s3cret:view").unwrap_err();
        assert!(!error.to_string().contains("s3cret") && error.to_string().starts_with("line 1, column 5: expected a hash"), "{error}");
    }
}
