//! The listener of the control endpoint: accepts connections, few at a time, and gives each a thread, a deadline and its answers.
//!
//! A connection beyond the limit takes the place of the one that has waited longest. The listener goes on whatever a client does, and
//! when descriptors or threads run out.

use super::head::{self, Ask};
use super::pool::{ConnectionPools, HANDLER_TIMEOUT, Outcome};
use super::reply::{self, Reply};
use super::routes::{Control, lock};
use crate::cli::panic;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tiny_http::HTTPVersion;

/// Connections at the same time.
const MAX_CONNECTIONS: usize = 32;

/// Their threads, with those that still wait for a handler though their connection is gone.
const MAX_THREADS: usize = 2 * MAX_CONNECTIONS;

/// So long a connection waits for a thread to end, where there are too many.
const ENDING: Duration = Duration::from_millis(200);

/// A request has so long to come, from the moment that it could.
const IDLE: Duration = Duration::from_secs(10);

/// Between two tries where the system has no descriptor to give.
const AGAIN: Duration = Duration::from_millis(100);

/// The rest of a refused client's request is read for so long, so that it sees its answer before the end of the connection,
const LINGER: Duration = Duration::from_millis(500);
/// and so many bytes.
const LINGER_BYTES: usize = 256 << 10;

struct Acceptor {
    control: Control,
    pools: ConnectionPools,
    connections: Mutex<VecDeque<Arc<TcpStream>>>,
    threads: AtomicUsize,
}

/// Serves a listener in a thread of its own.
pub(super) fn open(listener: TcpListener, control: Control) -> io::Result<()> {
    let pools = ConnectionPools::open(control.clone())?;
    let acceptor = Arc::new(Acceptor { control, pools, connections: Mutex::default(), threads: AtomicUsize::new(0) });
    std::thread::Builder::new().name("control".into()).spawn(move || {
        while panic::contained(|| acceptor.accept_all(&listener)).is_err() {
            tracing::error!("control endpoint: its thread died; it starts again");
        }
    })?;
    Ok(())
}

impl Acceptor {
    fn accept_all(self: &Arc<Acceptor>, listener: &TcpListener) {
        let mut warned = false;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    warned = false;
                    self.admit(stream);
                }
                Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
                Err(e) => {
                    if !std::mem::replace(&mut warned, true) {
                        tracing::warn!("control endpoint: no client can connect: {e}; trying again");
                    }
                    std::thread::sleep(AGAIN);
                }
            }
        }
    }

    fn admit(self: &Arc<Acceptor>, stream: TcpStream) {
        // The threads of connections that were closed for others end within a moment; on a busy machine they may still be there.
        let until = Instant::now() + ENDING;
        while self.threads.load(Ordering::Relaxed) >= MAX_THREADS {
            if Instant::now() >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let stream = Arc::new(stream);
        let mut connections = lock(&self.connections);
        while connections.len() >= MAX_CONNECTIONS
            && let Some(oldest) = connections.pop_front()
        {
            _ = oldest.shutdown(Shutdown::Both);
        }
        connections.push_back(Arc::clone(&stream));
        drop(connections);
        self.threads.fetch_add(1, Ordering::Relaxed);
        let (acceptor, ours) = (Arc::clone(self), Arc::clone(&stream));
        let thread = std::thread::Builder::new().name("control".into()).spawn(move || {
            if panic::contained(|| acceptor.serve(&ours)).is_err() {
                tracing::error!("control endpoint: a connection's thread died");
            }
            acceptor.leave(&ours);
        });
        if let Err(error) = thread {
            tracing::warn!("control endpoint: {error}");
            self.leave(&stream);
        }
    }

    fn leave(&self, stream: &Arc<TcpStream>) {
        lock(&self.connections).retain(|connection| !Arc::ptr_eq(connection, stream));
        self.threads.fetch_sub(1, Ordering::Relaxed);
    }

    /// Moves a connection behind all others: the next one to be closed is one that has waited longer.
    fn freshen(&self, stream: &Arc<TcpStream>) {
        let mut connections = lock(&self.connections);
        if let Some(at) = connections.iter().position(|connection| Arc::ptr_eq(connection, stream)) {
            connections.remove(at);
            connections.push_back(Arc::clone(stream));
        }
    }

    /// One connection, request by request.
    fn serve(&self, stream: &Arc<TcpStream>) {
        let mut bytes = Vec::new();
        loop {
            let outcome = match self.request(stream, &mut bytes) {
                Ok(Some(ask)) => self.answer(stream, &ask),
                Ok(None) => return,
                Err(reply) => refuse(stream, &reply),
            };
            match outcome {
                Ok(true) => self.freshen(stream),
                Ok(false) => return,
                Err(error) => return tracing::debug!("control endpoint: {error}"),
            }
        }
    }

    /// The next request; `None`: the client has gone, or has said nothing for too long.
    fn request(&self, mut stream: &TcpStream, bytes: &mut Vec<u8>) -> Result<Option<Ask>, Reply> {
        let until = Instant::now() + IDLE;
        let mut piece = [0; 2048];
        loop {
            if let Some(ask) = head::next(bytes, &self.control.names(), self.control.token())? {
                return Ok(Some(ask));
            }
            let left = until.saturating_duration_since(Instant::now());
            let late = || if bytes.is_empty() { Ok(None) } else { Err(Reply::text(408, "the request did not come in time")) };
            // A timeout of zero would be none.
            if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
                return late();
            }
            match stream.read(&mut piece) {
                Ok(0) => return Ok(None),
                Ok(n) => bytes.extend_from_slice(&piece[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return late(),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Says whether the connection stays.
    fn answer(&self, mut stream: &TcpStream, ask: &Ask) -> io::Result<bool> {
        let outcome = self.pools.ask(ask).unwrap_or_else(|error| {
            tracing::warn!("control endpoint: {error}");
            Outcome::Busy
        });
        match outcome {
            Outcome::Answer(mut answer) => {
                let head = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
                if ask.method == "HEAD" {
                    answer.truncate(head);
                }
                if !ask.keep {
                    answer.splice(head - 2..head - 2, *b"Connection: close\r\n");
                }
                stream.write_all(&answer)?;
                Ok(ask.keep)
            }
            Outcome::Busy => refuse(stream, &Reply::text(503, "busy with other requests; ask again later")),
            Outcome::Hangs(late) => {
                let done = refuse(stream, &Reply::text(504, format!("nothing was answered within {} s", HANDLER_TIMEOUT.as_secs())));
                late.wait();
                done
            }
        }
    }
}

/// The last answer of a connection. What the client still sends would end the connection before it has read the answer.
fn refuse(mut stream: &TcpStream, reply: &Reply) -> io::Result<bool> {
    let mut answer = Vec::new();
    reply::response(reply).raw_print(&mut answer, HTTPVersion(1, 1), &[], false, None)?;
    let line = answer.windows(2).position(|w| w == b"\r\n").map_or(0, |at| at + 2);
    answer.splice(line..line, *b"Connection: close\r\n");
    stream.write_all(&answer)?;
    stream.shutdown(Shutdown::Write)?;
    let until = Instant::now() + LINGER;
    let (mut piece, mut bytes) = ([0; 4096], 0);
    while bytes < LINGER_BYTES {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut piece)? {
            0 => break,
            n => bytes += n,
        }
    }
    Ok(false)
}
