//! How many connections each address has.

use super::proxies::Proxies;
use super::socket::Peer;
use crate::access::network;
use crate::serve::places::{Place, Places};
use std::net::IpAddr;
use std::sync::Arc;

/// The connections of each address, counted.
#[derive(Debug)]
pub struct AddressPlaces {
    places: Arc<Places<IpAddr>>,
    proxies: Proxies,
}

/// One connection's place; `None`: it does not count.
#[derive(Debug)]
pub struct AddressPlace(#[expect(dead_code, reason = "it is held")] Option<Place<IpAddr>>);

impl AddressPlaces {
    /// `most`: of each address. A network of 64 bits of IPv6 counts as one address.
    pub fn new(most: usize, proxies: Proxies) -> AddressPlaces {
        AddressPlaces { places: Places::new(most), proxies }
    }

    /// `None` if all of this address are taken. Those of this machine and of trusted proxies do not count: a proxy has one address for all
    /// its clients.
    pub fn take(&self, peer: Peer) -> Option<AddressPlace> {
        match peer.ip().filter(|address| !address.is_loopback() && !self.proxies.trust(peer)).map(network) {
            Some(address) => self.places.take(address).map(|place| AddressPlace(Some(place))),
            None => Some(AddressPlace(None)),
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
        drop(held);
        assert!(from("192.0.2.1:3").is_some());
    }
}
