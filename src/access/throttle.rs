//! Tries at passwords, slowed down per address and per name, in bounded memory.
//!
//! Passwords only: a token and a link have 256 bits, and trying them out leads nowhere.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Addresses, and names, that are remembered at a time.
const MOST: usize = 4096;
/// After so long without a try, all is forgotten.
const FORGET: Duration = Duration::from_secs(15 * 60);

/// How tries with one address, or one name, are slowed down: after so many, each waits twice as long as the one before.
#[derive(Clone, Copy, Debug)]
struct Backoff {
    free: u32,
    longest: Duration,
}

/// A page may ask for several things at once before its password was checked.
const ADDRESS: Backoff = Backoff { free: 10, longest: Duration::from_secs(60) };
/// Less strict: strangers must not be able to keep a user out for long by trying with the user's name.
const NAME: Backoff = Backoff { free: 20, longest: Duration::from_secs(5) };

/// Counts tries.
#[derive(Debug, Default)]
pub struct Throttle {
    addresses: Attempts<Option<IpAddr>>,
    names: Attempts<String>,
}

impl Throttle {
    /// How long one from this address has to wait, whatever the name.
    pub fn wait(&self, from: Option<IpAddr>, now: Instant) -> Duration {
        self.addresses.wait(&from.map(network), ADDRESS, now)
    }

    /// Counts a try, if it may be made now.
    ///
    /// # Errors
    /// How long to wait.
    pub fn attempt(&mut self, from: Option<IpAddr>, name: &str, now: Instant) -> Result<(), Duration> {
        let from = from.map(network);
        let wait = self.addresses.wait(&from, ADDRESS, now).max(self.names.wait(name, NAME, now));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.addresses.count(from, now);
        self.names.count(name.to_owned(), now);
        Ok(())
    }

    /// The try was right, and does not count. Those before it do: who has a password of one user could try those of others between.
    pub fn succeeded(&mut self, from: Option<IpAddr>, name: &str) {
        self.addresses.take_back(&from.map(network));
        self.names.take_back(name);
    }
}

/// Who has one address of a network of IPv6 has all of the same 64 bits.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

/// The number of tries, and the time of the last one.
#[derive(Debug)]
struct Attempts<K>(HashMap<K, (u32, Instant)>);

impl<K> Default for Attempts<K> {
    fn default() -> Attempts<K> {
        Attempts(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Attempts<K> {
    fn wait<Q: Hash + Eq + ?Sized>(&self, key: &Q, backoff: Backoff, now: Instant) -> Duration
    where
        K: std::borrow::Borrow<Q>,
    {
        let Some(&(tries, last)) = self.0.get(key) else { return Duration::ZERO };
        let Some(beyond) = tries.checked_sub(backoff.free) else { return Duration::ZERO };
        let pause = Duration::from_secs(1 << beyond.min(16)).min(backoff.longest);
        pause.saturating_sub(now.saturating_duration_since(last))
    }

    fn count(&mut self, key: K, now: Instant) {
        let old = |last: Instant| now.saturating_duration_since(last) >= FORGET;
        if self.0.len() >= MOST && !self.0.contains_key(&key) {
            self.0.retain(|_, (_, last)| !old(*last));
            if self.0.len() >= MOST {
                self.forget_one();
            }
        }
        let (tries, last) = self.0.entry(key).or_insert((0, now));
        *tries = if old(*last) { 1 } else { tries.saturating_add(1) };
        *last = now;
    }

    fn take_back<Q: Hash + Eq + ?Sized>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        if let Some((tries, _)) = self.0.get_mut(key) {
            *tries = tries.saturating_sub(1);
        }
    }

    /// The one with the fewest tries, and of those the oldest: new names and addresses push out each other, and not who tried often.
    fn forget_one(&mut self) {
        let least = self.0.iter().min_by_key(|(_, (tries, last))| (*tries, *last)).map(|(key, _)| key.clone());
        if let Some(least) = least {
            self.0.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn each_try_waits_longer() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        let mut n = 0;
        let mut attempt = |throttle: &mut Throttle, now| {
            n += 1;
            throttle.attempt(ip("192.0.2.1"), &format!("name{n}"), now)
        };
        for _ in 0..10 {
            assert_eq!(attempt(&mut throttle, now), Ok(()));
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(attempt(&mut throttle, now), Err(pause));
            now += pause - Duration::from_millis(1);
            assert_eq!(attempt(&mut throttle, now), Err(Duration::from_millis(1)), "a try that is refused does not count");
            now += Duration::from_millis(1);
            assert_eq!(attempt(&mut throttle, now), Ok(()));
        }
        assert_eq!(throttle.attempt(ip("192.0.2.2"), "x", now), Ok(()), "another address");
        assert_eq!(throttle.attempt(ip("::ffff:192.0.2.1"), "x", now), Err(Duration::from_secs(60)), "the same one");
        throttle.succeeded(ip("192.0.2.1"), "x");
        assert_eq!(throttle.wait(ip("192.0.2.1"), now), Duration::from_secs(60), "those before it count still");
        now += FORGET;
        for _ in 0..10 {
            assert_eq!(throttle.attempt(ip("192.0.2.1"), "x", now), Ok(()), "all is forgotten");
        }
    }

    #[test]
    fn right_ones_do_not_count() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(throttle.attempt(None, "ann", now), Ok(()));
            throttle.succeeded(None, "ann");
        }
    }

    #[test]
    fn one_name_from_many_addresses() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..20 {
            assert_eq!(throttle.attempt(ip(&format!("192.0.2.{n}")), "ann", now), Ok(()));
        }
        assert_eq!(throttle.attempt(ip("192.0.2.99"), "ann", now), Err(Duration::from_secs(1)));
        assert_eq!(throttle.attempt(ip("192.0.2.99"), "bob", now), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..10 {
            assert_eq!(throttle.attempt(ip(&format!("2001:db8::{n}")), &n.to_string(), now), Ok(()));
        }
        assert!(throttle.attempt(ip("2001:db8::ffff"), "x", now).is_err());
        assert!(throttle.attempt(ip("2001:db8:0:1::1"), "x", now).is_ok());
    }

    #[test]
    fn memory_is_bounded_and_who_tried_often_stays() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..10 {
            assert_eq!(throttle.attempt(ip("192.0.2.1"), &format!("n{n}"), now), Ok(()));
        }
        for n in 0..5000_u32 {
            assert_eq!(throttle.attempt(Some(IpAddr::V4((0x0a00_0000 + n).into())), &format!("m{n}"), now), Ok(()));
        }
        assert_eq!((throttle.addresses.0.len(), throttle.names.0.len()), (MOST, MOST));
        assert!(throttle.attempt(ip("192.0.2.1"), "x", now).is_err());
    }
}
