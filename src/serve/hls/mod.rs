//! HLS out of the ring: playlists, parts and segments are made when they are asked for, from the chunks that every other viewer gets. A request for what
//! is not there yet waits until the ring has it.

pub mod media;
pub mod playlists;
pub mod routes;
pub mod waiting;

use crate::format::hls::{Grid, Playlist};
use crate::serve::limits::Capacity;
use crate::serve::net::addresses::AddressPlaces;
use crate::serve::net::proxies::Proxies;
use std::time::Duration;
use tokio::sync::Semaphore;

/// How streams are cut, and what is kept of them.
#[derive(Clone, Copy, Debug)]
pub struct HlsOptions {
    /// The length of a segment, 0.5 to 60 s.
    pub segment: Duration,
    /// The length of a part, 50 ms to 5 s.
    pub part: Duration,
    /// What a playlist lists, as far as the ring has it.
    pub window: Duration,
}

impl Default for HlsOptions {
    fn default() -> HlsOptions {
        HlsOptions { segment: Grid::SEGMENT, part: Grid::PART, window: Playlist::WINDOW }
    }
}

impl HlsOptions {
    /// How long chunks are kept, so that who is late gets what was listed a moment ago.
    pub fn kept(&self) -> Duration {
        self.window.saturating_add(3 * self.segment)
    }
}

/// What all shards share.
#[derive(Debug)]
pub struct Hls {
    pub grid: Grid,
    pub window: Duration,
    /// Requests that may wait, in all,
    places: Semaphore,
    /// and of each address.
    addresses: AddressPlaces,
}

impl Hls {
    pub fn new(options: HlsOptions, capacity: &Capacity, proxies: Proxies) -> Hls {
        let places = Semaphore::new(capacity.viewers.min(Semaphore::MAX_PERMITS));
        let addresses = AddressPlaces::new(capacity.address_connections, proxies);
        Hls { grid: Grid::new(options.segment, options.part), window: options.window, places, addresses }
    }
}
