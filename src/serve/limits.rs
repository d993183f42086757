//! The limits of the server: for late viewers, for how many there may be, and for connections as far as the system has room for them.

use rustix::process::{Resource, getrlimit};
use std::io;
use std::time::Duration;

/// Descriptors that connections leave to the rest of the program, and to each stream: its input is opened again and again.
const OTHER_FILES: u64 = 16;
const FILES_OF_A_STREAM: u64 = 6;

/// The limits for late viewers.
#[derive(Clone, Copy, Debug)]
pub struct ViewerLimits {
    /// Further behind than this, it jumps to a newer keyframe.
    pub lag: Duration,
    /// Having taken nothing for so long, it is closed.
    pub stall: Duration,
}

/// What may be there at a time. What is beyond it is refused, and told why.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Viewers of all streams.
    pub viewers: usize,
    /// Viewers of each stream.
    pub stream_viewers: usize,
    /// Viewers that are one user.
    pub user_viewers: usize,
    /// Connections besides those of viewers: pages, pictures, lists.
    pub others: usize,
    /// Connections of each address.
    pub address_connections: usize,
    /// Requests that each address may make in a second.
    pub address_requests: u32,
}

impl Default for Capacity {
    fn default() -> Capacity {
        Capacity {
            viewers: 10_000,
            stream_viewers: usize::MAX,
            user_viewers: usize::MAX,
            others: 1024,
            address_connections: 512,
            address_requests: 250,
        }
    }
}

/// Memory of the program itself: its code, its threads, the player's files.
const PROGRAM: usize = 20 << 20;
/// Memory of a viewer over HTTP, which takes more than one over WebSocket, and of a connection whose request is being read: its buffers are full in
/// the worst case.
const VIEWER: usize = 20 << 10;
const CONNECTION: usize = 24 << 10;
/// What TLS adds to either: its state, and what is encrypted and waits for the kernel.
const TLS: usize = 54 << 10;
/// With less room for connections than this a page cannot be had.
const FEWEST: usize = 16;

/// More memory is needed than is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} MiB are needed: {} for {streams} streams of {} MiB each, {} for the program, and some for viewers", self.needed() >> 20, (streams * ring) >> 20, ring >> 20, PROGRAM >> 20)]
pub struct TooLittleMemory {
    streams: usize,
    ring: usize,
    tls: bool,
}

impl TooLittleMemory {
    fn needed(&self) -> usize {
        // One part in four of the rest is for connections. Rounded up to a whole MiB.
        self.streams * self.ring + PROGRAM + (4 * FEWEST * (CONNECTION + of_tls(self.tls))).next_multiple_of(1 << 20)
    }
}

fn of_tls(tls: bool) -> usize {
    if tls { TLS } else { 0 }
}

impl Capacity {
    /// As much of this as fits into so many bytes of memory, beside `streams` streams of `ring` bytes each. One part in four of what they leave is for
    /// connections that are no viewers, the rest for viewers. `tls`: they speak TLS, which takes more.
    ///
    /// # Errors
    /// Next to nothing does.
    pub fn within(self, memory: usize, streams: usize, ring: usize, tls: bool) -> Result<Capacity, TooLittleMemory> {
        let too_little = TooLittleMemory { streams, ring, tls };
        let (viewer, connection) = (VIEWER + of_tls(tls), CONNECTION + of_tls(tls));
        let room = memory.checked_sub(streams.saturating_mul(ring).saturating_add(PROGRAM)).ok_or(too_little)?;
        let others = (room / 4 / connection).min(self.others);
        // A viewer was a connection before.
        let viewers = ((room - others * connection) / viewer).min(self.viewers);
        if others.min(viewers) < FEWEST {
            return Err(too_little);
        }
        Ok(Capacity { viewers, others, ..self })
    }
}

/// How many connections the limit on open files leaves room for, as things are now, if `more` files are about to be opened.
///
/// # Errors
/// Not for a single one.
pub(crate) fn room(streams: usize, more: usize) -> io::Result<usize> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Where that cannot be seen, nothing else is open.
    let open = std::fs::read_dir("/dev/fd").map_or(0, |files| files.count() as u64);
    let others = open + more as u64 + OTHER_FILES + FILES_OF_A_STREAM * streams as u64;
    match limit.saturating_sub(others) {
        0 => Err(io::Error::other(format!("only {limit} open files are allowed, and more than {others} are needed: see ulimit -n"))),
        room => Ok(usize::try_from(room).unwrap_or(usize::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_into_memory() {
        let within = |mib: usize, streams, ring_mib: usize| Capacity::default().within(mib << 20, streams, ring_mib << 20, false);
        let large = within(1024, 1, 32).unwrap();
        assert_eq!((large.viewers, large.others), (10_000, 1024), "there is room for all");
        let small = within(64, 1, 32).unwrap();
        assert_eq!((small.viewers, small.others), (460, 128));
        assert!(small.viewers * VIEWER + small.others * CONNECTION <= 12 << 20);
        let none = within(64, 2, 32).unwrap_err();
        assert_eq!(none.to_string(), "86 MiB are needed: 64 for 2 streams of 32 MiB each, 20 for the program, and some for viewers");
        assert!(within(0, 1, 32).is_err() && Capacity::default().within(usize::MAX, usize::MAX, usize::MAX, true).is_err());
        let secure = Capacity::default().within(64 << 20, 1, 32 << 20, true).unwrap();
        assert_eq!((secure.viewers, secure.others), (124, 39), "TLS takes more");
        assert!(within(86, 2, 32).is_ok(), "what it says is enough");
    }
}
