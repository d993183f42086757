//! Passwords, as argon2id keeps them (RFC 9106), in the text form of password hashes (PHC string).

use super::secret;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::io;
use subtle::ConstantTimeEq;

/// The longest password, in bytes: what is longer is wrong, and is not hashed.
pub const MAX_PASSWORD: usize = 1024;
/// The most that a hash in the users file may ask for: 256 MiB, 16 passes, 16 lanes. More is a mistake, and would hold up everybody's login.
const MAX_COST: (u32, u32, u32) = (256 * 1024, 16, 16);

/// A password that cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// An empty one.
    #[error("an empty password")]
    Empty,
    /// Longer than [`MAX_PASSWORD`].
    #[error("a password of more than {MAX_PASSWORD} bytes")]
    TooLong,
    /// No random bytes for the salt.
    #[error("no random bytes")]
    Random(#[from] io::Error),
}

/// The hash of a password with a salt of its own: argon2id with 19 MiB, 2 passes and 1 lane.
///
/// # Errors
/// A password that is empty or too long; no random bytes.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    match password.len() {
        0 => return Err(PasswordError::Empty),
        n if n > MAX_PASSWORD => return Err(PasswordError::TooLong),
        _ => {}
    }
    let salt = secret::random::<16>()?;
    let hash: PasswordHash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt).expect("the lengths are in bounds");
    Ok(hash.to_string())
}

/// Whether the text is a hash that is kept here: argon2id, with a salt and an output, at a cost that is bounded.
pub fn is_hash(text: &str) -> bool {
    let Ok(hash) = PasswordHash::new(text) else { return false };
    let Ok(params) = Params::try_from(&hash) else { return false };
    let (memory, passes, lanes) = MAX_COST;
    let bounded = params.m_cost() <= memory && params.t_cost() <= passes && params.p_cost() <= lanes;
    hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some() && bounded
}

/// What a check fills, kept for the next one: the allocator would hold several times as much for checks that come one after another.
#[derive(Debug, Default)]
pub struct PasswordMemory(Vec<Block>);

/// Whether the hash is of this password. Takes tens of milliseconds, and the memory that the hash asks for.
pub fn verify(password: &str, hash: &str, memory: &mut PasswordMemory) -> bool {
    let Some((argon2, salt, expected)) = parse(hash).filter(|_| password.len() <= MAX_PASSWORD) else { return false };
    // Smaller again after a hash that asked for much.
    memory.0.resize(argon2.params().block_count(), Block::default());
    memory.0.shrink_to_fit();
    let mut output = vec![0; expected.len()];
    argon2.hash_password_into_with_memory(password.as_bytes(), &salt, &mut output, &mut memory.0).is_ok()
        && bool::from(output.ct_eq(&expected))
}

/// What a hash says of itself: how it was made, its salt, its output.
fn parse(hash: &str) -> Option<(Argon2<'static>, Vec<u8>, Vec<u8>)> {
    let hash = PasswordHash::new(hash).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    Some((Argon2::new(Algorithm::Argon2id, version, params), hash.salt?.as_ref().to_vec(), hash.hash?.as_ref().to_vec()))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// At the least cost, for tests that are not about it.
    pub fn cheap(password: &str) -> String {
        let params = Params::new(8, 1, 1, None).unwrap();
        let argon2 = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let hash: PasswordHash = argon2.hash_password_with_salt(password.as_bytes(), b"salt and pepper").unwrap();
        hash.to_string()
    }

    #[test]
    fn passwords() {
        let mut memory = PasswordMemory::default();
        let mut verify = |password: &str, hash: &str| verify(password, hash, &mut memory);
        let hash = hash_password("open s3cret").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(is_hash(&hash) && verify("open s3cret", &hash) && !verify("open s3cret ", &hash) && !verify("", &hash));
        assert_ne!(hash_password("open s3cret").unwrap(), hash, "a salt of its own");
        assert!(hash_password("").is_err() && hash_password(&"x".repeat(1025)).is_err() && hash_password(&"x".repeat(1024)).is_ok());
    }

    /// From the tests of the reference implementation (P-H-C/phc-winner-argon2, src/test.c).
    #[test]
    fn a_hash_of_the_reference_implementation() {
        let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let mut memory = PasswordMemory::default();
        assert!(is_hash(hash) && verify("password", hash, &mut memory));
        assert!(
            !verify("differentpassword", hash, &mut memory) && verify("password", hash, &mut memory),
            "memory that is used again changes nothing"
        );
    }

    #[test]
    fn what_is_no_hash() {
        let good = cheap("x");
        for wrong in [
            "",
            "x",
            "$argon2id$",
            "$argon2id$v=19$m=8,t=1,p=1",
            &good.replace("argon2id", "argon2i"),
            &good.replace("argon2id", "scrypt"),
            &good.replace("m=8", "m=262145"),
            &good.replace("m=8", "m=99999999999"),
            &good.replace("t=1", "t=17"),
            &good.replace("p=1", "p=0"),
        ] {
            assert!(!is_hash(wrong), "{wrong}");
        }
    }
}
