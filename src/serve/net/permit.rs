//! A connection's place in the limits.

use super::addresses::AddressPlace;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::OwnedSemaphorePermit;

/// A connection's place in the limits, given back when it is dropped.
pub struct ConnectionPermit {
    _permit: OwnedSemaphorePermit,
    _address: AddressPlace,
    load: Arc<AtomicUsize>,
}

impl ConnectionPermit {
    /// Counts the connection in the load of its shard.
    pub fn new(permit: OwnedSemaphorePermit, address: AddressPlace, load: Arc<AtomicUsize>) -> ConnectionPermit {
        load.fetch_add(1, Relaxed);
        ConnectionPermit { _permit: permit, _address: address, load }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Relaxed);
    }
}
