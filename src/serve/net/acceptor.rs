//! Lets connections in, as many as there are places, each to the shard that has the fewest.
//!
//! A connection beyond the limit is answered and closed. So is one for which there is no file descriptor: one descriptor is kept in
//! reserve for that. No client is left waiting without an answer.

use super::addresses::{AddressPlace, AddressPlaces};
use super::listener::{Listener, Scheme};
use super::permit::ConnectionPermit;
use super::socket::{Accepted, Peer};
use crate::serve::refusals::{Limit, Refusals};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pause after an accept that failed for want of anything but a file descriptor.
const BREATH: Duration = Duration::from_millis(100);
/// A refusal in TLS, before any handshake: a fatal alert, internal_error (RFC 8446, section 6).
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

pub(crate) struct Acceptor {
    permits: Arc<Semaphore>,
    addresses: AddressPlaces,
    stall: Duration,
    shards: Vec<ShardHandle>,
    refusals: Arc<Refusals>,
}

/// A connection that has a place.
pub struct Admitted {
    pub socket: Accepted,
    pub scheme: Scheme,
    pub permit: ConnectionPermit,
}

/// A shard, as far as connections are concerned.
struct ShardHandle {
    connections: UnboundedSender<Admitted>,
    load: Arc<AtomicUsize>,
}

impl Acceptor {
    pub fn new(
        connections: usize,
        addresses: AddressPlaces,
        refusals: Arc<Refusals>,
        stall: Duration,
        shards: impl Iterator<Item = UnboundedSender<Admitted>>,
    ) -> Acceptor {
        let permits = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        Acceptor {
            permits,
            addresses,
            stall,
            shards: shards.map(|connections| ShardHandle { connections, load: Arc::default() }).collect(),
            refusals,
        }
    }

    /// Never ends by itself.
    pub async fn admit(self: Arc<Acceptor>, listener: Listener) {
        // Its permit goes back, so that the next connection can be answered that there is no room.
        let mut reserve = File::open("/dev/null").ok();
        loop {
            match listener.accept().await {
                Ok(socket) => match self.places(&socket) {
                    Ok((permit, address)) => self.send_in(socket, listener.scheme(), permit, address),
                    Err(limit) => self.refuse(&socket, listener.scheme(), limit),
                },
                Err(error) if is_out_of_files(&error) => {
                    let had_one = reserve.take().is_some();
                    self.turn_away(&listener, had_one).await;
                    reserve = File::open("/dev/null").ok();
                }
                // Gone again before it was let in.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    fn places(&self, socket: &Accepted) -> Result<(OwnedSemaphorePermit, AddressPlace), Limit> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| Limit::Connections)?;
        // One that has gone again is noticed later.
        let address = self.addresses.take(socket.peer().unwrap_or(Peer::Local)).ok_or(Limit::AddressConnections)?;
        Ok((permit, address))
    }

    fn send_in(&self, socket: Accepted, scheme: Scheme, permit: OwnedSemaphorePermit, address: AddressPlace) {
        let Some(shard) = self.shards.iter().min_by_key(|d| d.load.load(Relaxed)) else { return };
        if let Err(error) = socket.tune(self.stall) {
            // The peer has gone again.
            return tracing::debug!("connection: {error}");
        }
        let permit = ConnectionPermit::new(permit, address, shard.load.clone());
        // A shard that takes no message has ended, and the server with it.
        _ = shard.connections.send(Admitted { socket, scheme, permit });
    }

    /// There are no file descriptors; `one_is_free`, or it is waited until there are some.
    async fn turn_away(&self, listener: &Listener, one_is_free: bool) {
        let next = async { if one_is_free { listener.accept().await.ok() } else { std::future::pending().await } };
        match tokio::time::timeout(BREATH, next).await {
            Ok(Some(socket)) => self.refuse(&socket, listener.scheme(), Limit::Files),
            _ => self.refusals.note(Limit::Files),
        }
    }

    /// Says so, as far as that fits into the socket, and closes it.
    fn refuse(&self, socket: &Accepted, scheme: Scheme, limit: Limit) {
        self.refusals.note(limit);
        if scheme == Scheme::Https {
            return socket.say_last(ALERT);
        }
        let why = limit.reached();
        let length = why.len() + 1;
        socket.say_last(
            format!(
                "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{why}\n"
            )
            .as_bytes(),
        );
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}
