//! One thread, one runtime, one hub: serves the connections that it is given from the first byte to the last.

use super::http::connection::Next;
use super::http::upgrade::Upgrade;
use super::http::{connection, http2, redirect};
use super::hub::{self, SharedHub};
use super::net::acceptor::Admitted;
use super::net::link::Link;
use super::net::listener::Scheme;
use super::net::permit::ConnectionPermit;
use super::net::proxy_protocol;
use super::net::socket::{Peer, Socket};
use super::net::write_timeout::WriteTimeout;
use super::state::ServerState;
use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::LocalSet;

/// After so long, a stop no longer waits for viewers.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// What TLS may take until the first request, and the first byte of its first record (RFC 8446, section 5.1).
const HANDSHAKE: Duration = Duration::from_secs(10);
const HANDSHAKE_RECORD: u8 = 0x16;

/// A proxy sends its header at once.
const PROXY_LIMIT: Duration = Duration::from_secs(5);

/// A running shard. It stops when no more connections can come: when all senders have gone.
pub struct Shard {
    pub connections: mpsc::UnboundedSender<Admitted>,
    pub thread: std::thread::JoinHandle<()>,
    /// Notified when the thread ends, however it does.
    pub ended: Arc<Notify>,
}

/// Notifies when it is dropped.
struct NotifyOnDrop(Arc<Notify>);

impl Drop for NotifyOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

struct ShardContext {
    state: Arc<ServerState>,
    hub: SharedHub,
    stall: Duration,
    stop: watch::Receiver<bool>,
    open: Cell<usize>,
    /// Handshakes calculate in turn, so that a crowd of them holds no viewer up.
    turns: Semaphore,
}

impl Shard {
    /// Starts a thread. `hub` is called in it.
    ///
    /// # Errors
    /// No thread, or no file descriptors for its runtime.
    pub fn start(
        number: usize,
        state: Arc<ServerState>,
        stall: Duration,
        hub: impl FnOnce() -> SharedHub + Send + 'static,
    ) -> std::io::Result<Shard> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (connections, admitted) = mpsc::unbounded_channel();
        let ended = Arc::new(Notify::new());
        let notify_end = NotifyOnDrop(ended.clone());
        let thread = std::thread::Builder::new().name(format!("shard {number}")).spawn(move || {
            let _notify_end = notify_end;
            let hub = hub();
            let local = LocalSet::new();
            local.block_on(&runtime, run(state, hub, stall, admitted));
        })?;
        Ok(Shard { connections, thread, ended })
    }
}

async fn run(state: Arc<ServerState>, hub: SharedHub, stall: Duration, mut admitted: mpsc::UnboundedReceiver<Admitted>) {
    // Viewers' sockets are polled with their own wakers; tokio's budget for one task would only send them round again.
    let mut hub_loop = tokio::task::spawn_local(tokio::task::unconstrained(hub::run(hub.clone())));
    let (stopping, stop) = watch::channel(false);
    let context = Rc::new(ShardContext { state, hub, stall, stop, open: Cell::new(0), turns: Semaphore::new(1) });
    loop {
        let next = tokio::select! {
            next = admitted.recv() => next,
            // It never ends by itself, and without it no viewer gets anything.
            _ = &mut hub_loop => return,
        };
        let Some(Admitted { socket, scheme, permit }) = next else { break };
        match socket.into_socket() {
            Ok(socket) => drop(tokio::task::spawn_local(connection(context.clone(), socket, scheme, permit))),
            Err(error) => tracing::warn!("connection: {error}"),
        }
    }
    context.hub.lock().stop();
    stopping.send_replace(true);
    let all_gone = async {
        while context.open.get() > 0 || !context.hub.lock().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // Viewers that are still there after the limit are cut off.
    _ = tokio::time::timeout(STOP_LIMIT, all_gone).await;
}

/// One connection, from its first request until it is closed or belongs to the hub.
async fn connection(context: Rc<ShardContext>, socket: Socket, scheme: Scheme, permit: ConnectionPermit) {
    let _open = Open::one(context.clone());
    let Some(peer) = socket.peer() else { return };
    let proxies = &context.state.proxies;
    let peer = match proxies.protocol && proxies.trust(peer) {
        true => match behind(&socket).await {
            Ok(client) => client.map_or(peer, Peer::Tcp),
            Err(error) => return tracing::debug!("connection of a proxy: {error}"),
        },
        false => peer,
    };
    let mut stop = context.stop.clone();
    let entry = tokio::select! {
        entry = enter(&context, socket, scheme) => entry,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let (state, hub, stall, link) = (&context.state, &context.hub, context.stall, Arc::<Link>::default());
    let timed = |socket| WriteTimeout::new(socket, stall, link.clone());
    match entry {
        Ok(Entry::Http2(socket)) => http2::http2(state, hub, stop, timed(socket), peer, link.clone(), stall).await,
        Ok(Entry::Redirect(socket, port)) => tokio::select! {
            () = redirect::to_https(state, timed(socket), port) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        },
        Ok(Entry::Http(socket, secure)) => {
            let mut socket = socket;
            loop {
                let about = (peer, secure, socket.is_plain());
                let (io, early, next) = connection::http(state, hub, stop.clone(), timed(socket), about, link.clone()).await;
                socket = io.into_socket();
                match next {
                    Some(Next::Transfer(transfer)) => {
                        // A client that has sent its next request already sends it again on another connection.
                        let last = !early.is_empty() || *stop.borrow();
                        match transfer.run(socket, last, stall, &state.files).await {
                            Ok(sent) if !last => {
                                socket = sent;
                                continue;
                            }
                            Ok(sent) => connection::linger(&sent).await,
                            Err(error) => tracing::debug!("{peer}: a file: {error}"),
                        }
                    }
                    Some(Next::WebSocket(Upgrade::Viewer(accepted))) => hub.lock().join(socket, &early, accepted, permit),
                    Some(Next::WebSocket(Upgrade::Publisher(publisher))) => {
                        publisher.run(&socket, &early, stop).await;
                        connection::linger(&socket).await;
                    }
                    None => connection::linger(&socket).await,
                }
                break;
            }
        }
        Err(error) => tracing::debug!("{peer}: TLS: {error}"),
    }
}

/// The client of a proxy that speaks the PROXY protocol; nothing behind its header is read.
async fn behind(socket: &Socket) -> io::Result<Option<SocketAddr>> {
    let read = async |mut into: &mut [u8]| {
        while !into.is_empty() {
            match socket.try_read(into) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => into = &mut into[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::future::poll_fn(|cx| socket.poll_read_ready(cx)).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    tokio::time::timeout(PROXY_LIMIT, proxy_protocol::read(read)).await?
}

/// What is spoken on a connection.
enum Entry {
    /// HTTP/1.1, and whether over TLS.
    Http(Socket, bool),
    Http2(Socket),
    /// HTTP that is answered by the way to HTTPS, on this port or on the same.
    Redirect(Socket, Option<u16>),
}

/// Finds out what is spoken, by its first byte and by a handshake where there is TLS.
async fn enter(context: &ShardContext, socket: Socket, scheme: Scheme) -> io::Result<Entry> {
    let tls = match (scheme, &context.state.tls) {
        (Scheme::Https, Some(tls)) => tls,
        (Scheme::ToHttps, _) => return Ok(Entry::Redirect(socket, context.state.https)),
        _ => return Ok(Entry::Http(socket, false)),
    };
    let handshake = async {
        match socket.first_byte().await? {
            None => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(HANDSHAKE_RECORD) => {
                let socket = socket.secure(tls, &context.turns).await?;
                Ok(if socket.is_http2() { Entry::Http2(socket) } else { Entry::Http(socket, true) })
            }
            Some(_) => Ok(Entry::Redirect(socket, None)),
        }
    };
    tokio::time::timeout(HANDSHAKE, handshake).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

/// Counts a connection as long as it is open, also if serving it fails in an unforeseen way.
struct Open(Rc<ShardContext>);

impl Open {
    fn one(context: Rc<ShardContext>) -> Open {
        context.open.set(context.open.get() + 1);
        Open(context)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}
