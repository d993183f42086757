//! Random bytes, keyed hashes, comparison in constant time, and their text.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::io;
use subtle::ConstantTimeEq;

/// 256 bits: a hash, or a secret that cannot be guessed.
pub type Bytes32 = [u8; 32];

/// From the system's generator (getrandom(2)).
///
/// # Errors
/// The system has none.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes)
}

pub fn sha256(bytes: &[u8]) -> Bytes32 {
    Sha256::digest(bytes).into()
}

/// HMAC-SHA-256 (RFC 2104) over the parts, one behind the other.
pub fn hmac(key: &Bytes32, parts: &[&[u8]]) -> Bytes32 {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Takes the same time wherever they differ.
pub fn equal(a: &Bytes32, b: &Bytes32) -> bool {
    a.ct_eq(b).into()
}

/// base64url without padding (RFC 4648, section 5).
pub fn to_text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The only text that [`to_text`] gives for these bytes, and no other spelling of it.
pub fn from_text(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

pub fn bytes32(text: &str) -> Option<Bytes32> {
    from_text(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        // Section 4.3, test case 2, with the key filled up with zeros as HMAC does it (RFC 2104, section 2).
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = hmac(&key, &[b"what do ya want ", b"for nothing?"]);
        let hex: String = mac.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_text_has_one_spelling() {
        let bytes = random::<32>().unwrap();
        let text = to_text(&bytes);
        assert_eq!((text.len(), bytes32(&text)), (43, Some(bytes)));
        assert_ne!(random::<32>().unwrap(), bytes);
        for wrong in ["", "A", "AA==", "+/AA", "AB", " AAA", &text[1..], &format!("{text}A")] {
            assert_eq!(bytes32(wrong), None, "{wrong}");
        }
        assert_eq!(from_text("AB"), None, "bits that belong to no byte");
    }
}
