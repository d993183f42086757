//! A connection to a server, with TLS or without, that another thread can cancel. Its reads and writes wait without end: the thread that watches
//! over it knows when it has waited for too long.

use super::refusal::{Refusal, RefusalKind};
use super::tls::TlsClient;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many addresses of a host are tried.
const MAX_ADDRESSES: usize = 8;

/// A connection.
pub struct Connection(Io);

enum Io {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// A name or an address, an IPv6 address without brackets.
    pub host: String,
    /// Of TCP.
    pub port: u16,
    /// With TLS.
    pub tls: bool,
}

impl Connection {
    /// Connects. `timeout`: for the addresses of the host together; the rest is for the holder of the token to watch.
    ///
    /// # Errors
    /// Nothing answers, or not as it should; or it was cancelled.
    pub fn open(peer: &Peer, tls: &TlsClient, timeout: Duration, cancel_token: &CancelToken) -> Result<Connection, Refusal> {
        cancel_token.reach(Stage::Name)?;
        let found = (&*peer.host, peer.port).to_socket_addrs().map_err(|error| Refusal::unreachable(&error.to_string()))?;
        let addresses: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
        cancel_token.reach(Stage::Connection)?;
        let mut socket = connect(&addresses, timeout)?;
        _ = socket.set_nodelay(true);
        cancel_token.hold(&socket)?;
        if !peer.tls {
            return Ok(Connection(Io::Plain(socket)));
        }
        cancel_token.reach(Stage::Tls)?;
        let name = TlsClient::name(&peer.host).map_err(|error| Refusal::new(RefusalKind::Unreachable, error.to_string()))?;
        let session = ClientConnection::new(tls.config(), name);
        let mut session = session.map_err(|error| Refusal::new(RefusalKind::Failed, format!("TLS: {error}")))?;
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(|error| tls.refusal(&error))?;
        }
        Ok(Connection(Io::Tls(Box::new(StreamOwned::new(session, socket)))))
    }
}

impl Read for Connection {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Io::Plain(socket) => socket.read(buf),
            Io::Tls(stream) => match stream.read(buf) {
                // Cameras close without close_notify (RFC 8446, section 6.1). A length distinguishes an end from a cut, where that matters.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl Write for Connection {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Io::Plain(socket) => socket.write(buf),
            Io::Tls(stream) => stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Io::Plain(socket) => socket.flush(),
            Io::Tls(stream) => stream.flush(),
        }
    }
}

/// The first of the addresses that answers. Each but the last has half of the time that is left.
fn connect(addresses: &[SocketAddr], timeout: Duration) -> Result<TcpStream, Refusal> {
    let end = Instant::now() + timeout;
    let mut outcome = Refusal::new(RefusalKind::Unreachable, "the host's name has no address");
    for (left, address) in (0..addresses.len()).rev().zip(addresses) {
        let time = end.saturating_duration_since(Instant::now()) / if left > 0 { 2 } else { 1 };
        match TcpStream::connect_timeout(address, time.max(Duration::from_millis(1))) {
            Ok(socket) => return Ok(socket),
            Err(error) => outcome = Refusal::unreachable(&error.to_string()),
        }
    }
    Err(outcome)
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// The name of the host is looked up.
    #[default]
    Name,
    /// It connects.
    Connection,
    /// The handshake of TLS.
    Tls,
    /// A request was sent, and its answer is waited for.
    Answer,
}

impl Stage {
    /// Why nothing came within this time.
    pub fn late(self, time: Duration) -> Refusal {
        let what = match self {
            Stage::Name => "the host's name was not found",
            Stage::Connection => "no connection",
            Stage::Tls => "no end of the TLS handshake",
            Stage::Answer => "no answer",
        };
        Refusal::new(RefusalKind::Unreachable, format!("{what} within {} s", time.as_secs_f32()))
    }
}

/// Cancels a connection, or what is to become one. Clones are the same.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    is_cancelled: bool,
    stage: Stage,
    socket: Option<TcpStream>,
}

impl CancelToken {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all reads, writes and sleeps of the connection, now and from now on.
    pub fn cancel(&self) {
        let mut state = self.state();
        state.is_cancelled = true;
        if let Some(socket) = state.socket.take() {
            _ = socket.shutdown(Shutdown::Both);
        }
        self.0.woken.notify_all();
    }

    /// How far the connection has come.
    pub fn stage(&self) -> Stage {
        self.state().stage
    }

    /// It has come so far.
    ///
    /// # Errors
    /// It was cancelled.
    pub fn reach(&self, stage: Stage) -> Result<(), Refusal> {
        let mut state = self.state();
        state.stage = stage;
        if state.is_cancelled { Err(Refusal::new(RefusalKind::Failed, "it was cancelled")) } else { Ok(()) }
    }

    /// This socket is closed by a cancellation.
    fn hold(&self, socket: &TcpStream) -> Result<(), Refusal> {
        let held = socket.try_clone().map_err(|error| Refusal::unreachable(&error.to_string()))?;
        self.reach(Stage::Connection)?;
        self.state().socket = Some(held);
        // It may have been cancelled between the two.
        self.reach(Stage::Connection).inspect_err(|_| self.cancel())
    }

    /// Sleeps until then; `false` if it was cancelled before.
    pub fn sleep_until(&self, until: Instant) -> bool {
        let mut state = self.state();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.is_cancelled || left.is_zero() {
                return !state.is_cancelled;
            }
            state = self.0.woken.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn open(port: u16, cancel_token: &CancelToken) -> Result<Connection, Refusal> {
        let peer = Peer { host: "127.0.0.1".into(), port, tls: false };
        Connection::open(&peer, &TlsClient::new(None), Duration::from_secs(10), cancel_token)
    }

    #[test]
    fn a_cancellation_ends_a_read_and_a_sleep() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let cancel_token = CancelToken::default();
        let mut connection = open(server.local_addr().unwrap().port(), &cancel_token).unwrap();
        let other = cancel_token.clone();
        let reading = std::thread::spawn(move || connection.read(&mut [0; 10]).unwrap_or_default());
        let sleeping = std::thread::spawn(move || other.sleep_until(Instant::now() + Duration::from_secs(100)));
        cancel_token.cancel();
        assert_eq!((reading.join().unwrap(), sleeping.join().unwrap()), (0, false));
        assert!(open(server.local_addr().unwrap().port(), &cancel_token).is_err(), "cancelled before it began");
    }

    #[test]
    fn a_port_without_a_server_refuses() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let refusal = open(port, &CancelToken::default()).err().unwrap();
        assert_eq!((refusal.kind, &*refusal.text), (RefusalKind::Unreachable, "connection refused"));
    }

    #[test]
    fn an_unknown_name_is_said() {
        let peer = Peer { host: "camera.invalid".into(), port: 80, tls: false };
        let refusal = Connection::open(&peer, &TlsClient::new(None), Duration::from_secs(1), &CancelToken::default()).err().unwrap();
        assert!(refusal.text.starts_with("the host's name is not known"), "{}", refusal.text);
    }
}
