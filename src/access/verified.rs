//! Passwords that were right a short while ago, so that a client that sends its password with each request costs one check.
//!
//! Nothing is kept of a password but a keyed hash, under a key that ends with the process.

use super::secret::{self, Bytes32};
use super::throttle::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const MOST: usize = 1024;
const KEPT: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Default)]
pub struct Verified(HashMap<Bytes32, Entry>);

/// The hash that it was compared with, which must still be the user's.
#[derive(Debug)]
struct Entry {
    hash: String,
    ends: Instant,
}

/// Under which a password is remembered, for one address: or others could try passwords here without being slowed down. Neither an address nor
/// a name has a zero byte in it, so no two are the same text.
pub fn place(key: &Bytes32, from: Option<IpAddr>, name: &str, password: &str) -> Bytes32 {
    let from = from.map(|from| network(from).to_string()).unwrap_or_default();
    secret::hmac(key, &[from.as_bytes(), &[0], name.as_bytes(), &[0], password.as_bytes()])
}

impl Verified {
    /// Whether it was compared with this hash, and was right.
    pub fn has(&self, place: &Bytes32, hash: &str, now: Instant) -> bool {
        self.0.get(place).is_some_and(|entry| entry.hash == hash && now < entry.ends)
    }

    pub fn add(&mut self, place: Bytes32, hash: String, now: Instant) {
        if self.0.len() >= MOST {
            self.0.retain(|_, entry| now < entry.ends);
        }
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, entry)| entry.ends).map(|(place, _)| *place)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(place, Entry { hash, ends: now + KEPT });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_minutes_and_for_one_hash() {
        let (mut verified, now, key) = (Verified::default(), Instant::now(), [7; 32]);
        let here = place(&key, None, "ann", "s3cret");
        verified.add(here, "hash".into(), now);
        assert!(verified.has(&here, "hash", now) && verified.has(&here, "hash", now + KEPT - Duration::from_millis(1)));
        assert!(!verified.has(&here, "hash", now + KEPT) && !verified.has(&here, "another", now));
        for (name, password) in [("ann", "s3cret "), ("anns", "3cret"), ("bob", "s3cret")] {
            assert!(!verified.has(&place(&key, None, name, password), "hash", now));
        }
        assert!(!verified.has(&place(&key, "192.0.2.1".parse().ok(), "ann", "s3cret"), "hash", now), "another address");
        for n in 0..2000 {
            verified.add(place(&key, None, "x", &n.to_string()), "hash".into(), now);
        }
        assert_eq!(verified.0.len(), MOST);
    }
}
