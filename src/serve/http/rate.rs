//! How many requests an address may make.

use crate::access::network;
use crate::serve::net::socket::Peer;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are remembered at a time.
const MOST: usize = 4096;
/// After a quiet while an address may make the requests of so many seconds at once: a page of many streams does.
const BURST: u32 = 4;

/// A bucket of tokens for each address, as the time at which it is full again (the generic cell rate algorithm).
#[derive(Debug)]
pub struct RequestRate {
    /// Between two requests, in the long run.
    interval: Duration,
    burst: Duration,
    full_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl RequestRate {
    /// `per_second`: of each address; a network of 64 bits of IPv6 counts as one.
    pub fn new(per_second: u32) -> RequestRate {
        let interval = Duration::from_secs(1) / per_second.max(1);
        RequestRate { interval, burst: interval * (per_second * BURST).max(1), full_at: Mutex::default() }
    }

    /// Counts a request, if it may be made now. Those of this machine do not count: a proxy on it has one address for all its clients.
    pub fn allows(&self, peer: Peer, now: Instant) -> bool {
        let Some(address) = peer.ip().filter(|address| !address.is_loopback()).map(network) else { return true };
        // A poisoned lock only means that another thread died while it counted.
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= MOST && !full_at.contains_key(&address) {
            full_at.retain(|_, full| *full > now);
            // So many at once: one of them begins anew.
            if full_at.len() >= MOST
                && let Some(one) = full_at.keys().next().copied()
            {
                full_at.remove(&one);
            }
        }
        let full = full_at.entry(address).or_insert(now);
        let next = (*full).max(now) + self.interval;
        if next - now > self.burst {
            return false;
        }
        *full = next;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let (rate, mut now) = (RequestRate::new(10), Instant::now());
        let from = |address: &str| Peer::Tcp(address.parse().unwrap());
        let burst = |peer, now| (0..100).filter(|_| rate.allows(peer, now)).count();
        assert_eq!(burst(from("192.0.2.1:1"), now), 40);
        assert_eq!(
            (burst(from("192.0.2.2:1"), now), burst(from("[2001:db8::1]:1"), now), burst(from("[2001:db8::2]:1"), now)),
            (40, 40, 0)
        );
        assert_eq!((burst(from("127.0.0.1:1"), now), burst(Peer::Local, now)), (100, 100));
        now += Duration::from_secs(1);
        assert_eq!(burst(from("192.0.2.1:9"), now), 10);
        now += Duration::from_secs(60);
        assert_eq!(burst(from("192.0.2.1:9"), now), 40);
    }

    #[test]
    fn memory_is_bounded() {
        let (rate, now) = (RequestRate::new(1), Instant::now());
        for n in 0..10_000_u32 {
            rate.allows(Peer::Tcp((std::net::Ipv4Addr::from(0x0a00_0000 + n), 1).into()), now);
        }
        assert_eq!(rate.full_at.lock().unwrap().len(), MOST);
    }
}
