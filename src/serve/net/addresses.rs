//! How many connections each address has.

use super::proxies::Proxies;
use super::socket::Peer;
use crate::access::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections of each address, counted. Addresses without one are not kept: there are no more than connections.
#[derive(Debug)]
pub struct AddressPlaces {
    most: usize,
    proxies: Proxies,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection's place, given back when it is dropped.
#[derive(Debug)]
pub struct AddressPlace {
    places: Arc<AddressPlaces>,
    /// `None`: it does not count.
    address: Option<IpAddr>,
}

impl AddressPlaces {
    /// `most`: of each address. A network of 64 bits of IPv6 counts as one address.
    pub fn new(most: usize, proxies: Proxies) -> Arc<AddressPlaces> {
        Arc::new(AddressPlaces { most, proxies, taken: Mutex::default() })
    }

    /// `None` if all of this address are taken. Those of this machine and of trusted proxies do not count: a proxy has one address for all
    /// its clients.
    pub fn take(self: &Arc<AddressPlaces>, peer: Peer) -> Option<AddressPlace> {
        let address = peer.ip().filter(|address| !address.is_loopback() && !self.proxies.trust(peer)).map(network);
        if let Some(address) = address {
            let mut taken = self.lock();
            let count = taken.entry(address).or_insert(0);
            if *count >= self.most {
                return None;
            }
            *count += 1;
        }
        Some(AddressPlace { places: self.clone(), address })
    }

    /// A poisoned lock only means that another thread died while it counted.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut taken = self.places.lock();
        if let Some(count) = taken.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_per_address_and_given_back() {
        let proxies = Proxies { trusted: vec!["198.51.100.0/24".parse().unwrap()], protocol: false };
        let places = AddressPlaces::new(2, proxies);
        let from = |address: &str| places.take(Peer::Tcp(address.parse().unwrap()));
        let held = [from("192.0.2.1:1"), from("192.0.2.1:2"), from("192.0.2.2:1")];
        assert!(held.iter().all(Option::is_some) && from("192.0.2.1:3").is_none() && from("[::ffff:192.0.2.1]:4").is_none());
        let network = [from("[2001:db8::1]:1"), from("[2001:db8::2]:1")];
        assert!(network.iter().all(Option::is_some) && from("[2001:db8::3]:1").is_none() && from("[2001:db8:0:1::1]:1").is_some());
        let local: Vec<_> = (0..10).map(|n| from(&format!("127.0.0.1:{n}"))).chain((0..10).map(|_| places.take(Peer::Local))).collect();
        assert!(local.iter().all(Option::is_some));
        let proxy: Vec<_> = (0..10).map(|n| from(&format!("198.51.100.7:{n}"))).collect();
        assert!(proxy.iter().all(Option::is_some));
        drop((held, network, local));
        assert!(places.lock().is_empty());
    }
}
