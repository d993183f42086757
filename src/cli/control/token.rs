//! The token of the control endpoint: who asks shows it, where there is one.

use super::reply::Reply;
use anyhow::Context as _;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use subtle::ConstantTimeEq;

/// A shorter one could be guessed.
const SHORTEST: usize = 16;
const LONGEST: usize = 256;

/// What follows `Authorization: Bearer` (RFC 6750, section 2.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Nothing of it is shown.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// The text is no token; nothing of it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one line of {SHORTEST} to {LONGEST} letters, digits and -._~+/=, such as openssl rand -hex 32 prints")]
pub struct TokenError;

impl std::str::FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Token, TokenError> {
        let text = text.trim_ascii();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        ((SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(allowed)).then(|| Token(text.to_owned())).ok_or(TokenError)
    }
}

impl Token {
    /// The token in a file.
    ///
    /// # Errors
    /// The file cannot be read, or has no token.
    pub fn read(path: &Path) -> anyhow::Result<Token> {
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(2 * LONGEST as u64).read_to_end(&mut text))
            .with_context(|| path.display().to_string())?;
        String::from_utf8(text).map_err(|_| TokenError).and_then(|text| text.parse()).with_context(|| path.display().to_string())
    }

    /// Judges a request by its Authorization headers, in a time that says nothing of the token.
    pub(super) fn refusal(&self, given: &[&[u8]]) -> Option<Reply> {
        let shown = match given {
            [value] => {
                value.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer ")).map(|(_, token)| token.trim_ascii())
            }
            _ => None,
        };
        let right = shown.is_some_and(|shown| shown.ct_eq(self.0.as_bytes()).into());
        (!right).then(|| Reply::text(401, "show the token of --control-token-file: Authorization: Bearer TOKEN"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens() {
        let token: Token = " 0123456789abcdef\n".parse().unwrap();
        assert_eq!(format!("{token:?}"), "Token");
        let status = |given: &[&[u8]]| token.refusal(given).map(|reply| reply.status);
        assert_eq!(status(&[b"Bearer 0123456789abcdef"]), None);
        assert_eq!(status(&[b"bearer  0123456789abcdef"]), None);
        for wrong in [
            &b"Bearer 0123456789abcdeg"[..],
            b"Bearer 0123456789abcde",
            b"Bearer ",
            b"Basic 0123456789abcdef",
            b"0123456789abcdef",
            b"",
            b"\xff",
        ] {
            assert_eq!(status(&[wrong]), Some(401), "{wrong:?}");
        }
        assert_eq!(status(&[]), Some(401));
        assert_eq!(status(&[b"Bearer 0123456789abcdef", b"Bearer 0123456789abcdef"]), Some(401));
        for wrong in ["", "short", "0123456789 abcdef", "0123456789abcdef\n0123456789abcdef", "0123456789abcd\u{e9}f"] {
            assert_eq!(wrong.parse::<Token>(), Err(TokenError), "{wrong}");
        }
        assert!("x".repeat(256).parse::<Token>().is_ok() && "x".repeat(257).parse::<Token>().is_err());
    }
}
