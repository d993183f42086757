//! The secret by which a CDN shows that it is the one before this origin.

use super::secret::{self, Bytes32};
use std::str::FromStr;

/// The shortest secret and the longest, in characters: the shortest has 128 bits if it is random hexadecimal.
const SHORTEST: usize = 32;
const LONGEST: usize = 256;

/// A secret, by its SHA-256. Two may be known at a time, so that one can take the place of the other.
#[derive(Clone, PartialEq, Eq)]
pub struct CdnSecret(Bytes32);

/// The file has no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line 1, column 1: expected one line of 32 to 256 printable ASCII characters without spaces, such as openssl rand -hex 32 gives")]
pub struct CdnSecretError;

impl std::fmt::Debug for CdnSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CdnSecret")
    }
}

impl FromStr for CdnSecret {
    type Err = CdnSecretError;

    fn from_str(text: &str) -> Result<CdnSecret, CdnSecretError> {
        let text = text.trim_end_matches(['\n', '\r']);
        let fits = (SHORTEST..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(CdnSecret(secret::sha256(text.as_bytes()))) } else { Err(CdnSecretError) }
    }
}

impl CdnSecret {
    /// Whether it is one of these; all are compared, and each to the end.
    pub(super) fn is_shown(secrets: &[CdnSecret], shown: &str) -> bool {
        let shown = secret::sha256(shown.as_bytes());
        secrets.iter().fold(false, |is, CdnSecret(known)| secret::equal(known, &shown) | is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_of_them() {
        let [old, new] = ["old s3cret".replace(' ', "-").repeat(4), "new-s3cret".repeat(4)];
        let both: Vec<CdnSecret> = [&old, &new].map(|text| format!("{text}\n").parse().unwrap()).into();
        assert!(CdnSecret::is_shown(&both, &old) && CdnSecret::is_shown(&both, &new));
        assert!(!CdnSecret::is_shown(&both[..1], &new) && !CdnSecret::is_shown(&[], &old) && !CdnSecret::is_shown(&both, ""));
        assert!(!CdnSecret::is_shown(&both, &old[1..]) && !CdnSecret::is_shown(&both, &format!("{old}\n")));
        assert_eq!(format!("{both:?}"), "[CdnSecret, CdnSecret]");
        for wrong in ["", "short-s3cret", &format!("{old} x"), &format!("{old}\n{new}"), &"é".repeat(40), &"x".repeat(257)] {
            assert_eq!(wrong.parse::<CdnSecret>(), Err(CdnSecretError));
        }
    }
}
