//! Lets connections in, as many as there are places, each to the shard that has the fewest.
//!
//! A connection beyond the limit is answered and closed. So is one for which there is no file descriptor: one descriptor is kept in
//! reserve for that. No client is left waiting without an answer.

use super::listener::Listener;
use super::permit::ConnectionPermit;
use super::socket::Accepted;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pause after an accept that failed for want of anything but a file descriptor.
const BREATH: Duration = Duration::from_millis(100);
/// So often at most it is said that connections are refused.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(30);

const OUT_OF_FILES: &str = "too many open files";
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: text/plain\r\nContent-Length: 26\r\nConnection: close\r\n\r\nall connections are taken\n";

pub(crate) struct Acceptor {
    permits: Arc<Semaphore>,
    stall: Duration,
    shards: Vec<ShardHandle>,
    refused: Refused,
}

/// A connection that has a place.
pub struct Admitted {
    pub socket: Accepted,
    pub permit: ConnectionPermit,
}

/// A shard, as far as connections are concerned.
struct ShardHandle {
    connections: UnboundedSender<Admitted>,
    load: Arc<AtomicUsize>,
}

impl Acceptor {
    pub fn new(connections: usize, stall: Duration, shards: impl Iterator<Item = UnboundedSender<Admitted>>) -> Acceptor {
        let permits = Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS)));
        Acceptor {
            permits,
            stall,
            shards: shards.map(|connections| ShardHandle { connections, load: Arc::default() }).collect(),
            refused: Refused::default(),
        }
    }

    /// Never ends by itself.
    pub async fn admit(self: Arc<Acceptor>, listener: Listener) {
        // Its permit goes back, so that the next connection can be answered that there is no room.
        let mut reserve = File::open("/dev/null").ok();
        loop {
            match listener.accept().await {
                Ok(socket) => match self.permits.clone().try_acquire_owned() {
                    Ok(permit) => self.send_in(socket, permit),
                    Err(_) => self.refuse(&socket, "all connections are taken"),
                },
                Err(error) if is_out_of_files(&error) => {
                    let had_one = reserve.take().is_some();
                    self.turn_away(&listener, had_one).await;
                    reserve = File::open("/dev/null").ok();
                }
                // Gone again before it was let in.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    self.refused.warn(&error.to_string());
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    fn send_in(&self, socket: Accepted, permit: OwnedSemaphorePermit) {
        let Some(shard) = self.shards.iter().min_by_key(|d| d.load.load(Relaxed)) else { return };
        if let Err(error) = socket.tune(self.stall) {
            // The peer has gone again.
            return tracing::debug!("connection: {error}");
        }
        let permit = ConnectionPermit::new(permit, shard.load.clone());
        // A shard that takes no message has ended, and the server with it.
        _ = shard.connections.send(Admitted { socket, permit });
    }

    /// There are no file descriptors; `one_is_free`, or it is waited until there are some.
    async fn turn_away(&self, listener: &Listener, one_is_free: bool) {
        let next = async { if one_is_free { listener.accept().await.ok() } else { std::future::pending().await } };
        match tokio::time::timeout(BREATH, next).await {
            Ok(Some(socket)) => self.refuse(&socket, OUT_OF_FILES),
            _ => self.refused.warn(OUT_OF_FILES),
        }
    }

    /// Says so, as far as that fits into the socket, and closes it.
    fn refuse(&self, socket: &Accepted, why: &str) {
        socket.say_last(REFUSAL);
        self.refused.warn(why);
    }
}

/// Counts what is refused, and says so now and then.
#[derive(Default)]
struct Refused {
    count: AtomicU64,
    said: Mutex<Option<Instant>>,
}

impl Refused {
    fn warn(&self, why: &str) {
        self.count.fetch_add(1, Relaxed);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if said.is_none_or(|said| now - said >= BETWEEN_WARNINGS) {
            *said = Some(now);
            tracing::warn!("connections are refused: {why}; {} so far", self.count.load(Relaxed));
        }
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}
