//! One thread, one runtime, one hub: serves the connections that it is given from the first byte to the last.

use super::door::Ticket;
use super::hub::{self, Hub};
use super::publish::{INBOX, Outlet, Publication};
use super::routes::{Accepted, Router};
use super::site::Site;
use super::socket::{self, Link, Patient, Peer, Socket};
use bytes::Bytes;
use crossbeam_channel::Receiver;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::{Cell, RefCell};
use std::future::ready;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::LocalSet;

/// The longest request head, in bytes, and no more buffered of a response than this: see [`super::body`].
const HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// Time for a request head, and for the next one on a connection kept alive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// What a client may still send after its last answer, so that the answer is not lost to a reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;
/// After so long, a stop no longer waits for viewers.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// What a shard is told.
pub enum Order {
    Serve(socket::Accepted, Ticket),
    Stop,
}

/// A running shard.
pub struct Shard {
    pub outlet: Outlet,
    pub orders: mpsc::UnboundedSender<Order>,
    pub thread: std::thread::JoinHandle<()>,
    /// Notified when the thread ends, however it does.
    pub ended: Arc<Notify>,
}

/// Notifies when it is dropped.
struct Knell(Arc<Notify>);

impl Drop for Knell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

struct Inside {
    site: Arc<Site>,
    hub: Rc<RefCell<Hub>>,
    stall: Duration,
    stop: watch::Receiver<bool>,
    open: Cell<usize>,
}

impl Shard {
    /// Starts a thread. `make` is called in it.
    ///
    /// # Errors
    /// No thread, or no file descriptors for its runtime.
    pub fn start(
        number: usize,
        site: Arc<Site>,
        stall: Duration,
        make: impl FnOnce(Arc<Notify>) -> Hub + Send + 'static,
    ) -> std::io::Result<Shard> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (inbox, published) = crossbeam_channel::bounded(INBOX);
        let (orders, ordered) = mpsc::unbounded_channel();
        let wake = Arc::new(Notify::new());
        let outlet = Outlet { inbox, wake: wake.clone() };
        let ended = Arc::new(Notify::new());
        let knell = Knell(ended.clone());
        let thread = std::thread::Builder::new().name(format!("shard {number}")).spawn(move || {
            let _knell = knell;
            let hub = Rc::new(RefCell::new(make(wake.clone())));
            let local = LocalSet::new();
            local.block_on(&runtime, run(site, hub, stall, ordered, published, wake));
        })?;
        Ok(Shard { outlet, orders, thread, ended })
    }
}

async fn run(
    site: Arc<Site>,
    hub: Rc<RefCell<Hub>>,
    stall: Duration,
    mut orders: mpsc::UnboundedReceiver<Order>,
    published: Receiver<Publication>,
    wake: Arc<Notify>,
) {
    // Viewers' sockets are polled with their own wakers; tokio's budget for one task would only send them round again.
    let mut hub_loop = tokio::task::spawn_local(tokio::task::unconstrained(hub::run(hub.clone(), published, wake)));
    let (stopping, stop) = watch::channel(false);
    let inside = Rc::new(Inside { site, hub, stall, stop, open: Cell::new(0) });
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            // It never ends by itself, and without it no viewer gets anything.
            _ = &mut hub_loop => return,
        };
        let Some(Order::Serve(socket, ticket)) = order else { break };
        match socket.into_socket() {
            Ok(socket) => drop(tokio::task::spawn_local(connection(inside.clone(), socket, ticket))),
            Err(error) => tracing::warn!("connection: {error}"),
        }
    }
    inside.hub.borrow_mut().stop();
    stopping.send_replace(true);
    let all_gone = async {
        while inside.open.get() > 0 || !inside.hub.borrow().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // Who has not gone by then is cut off: that is what the limit is for.
    _ = tokio::time::timeout(STOP_LIMIT, all_gone).await;
}

/// One connection, from its first request until it is closed or belongs to the hub.
async fn connection(inside: Rc<Inside>, socket: Socket, ticket: Ticket) {
    let _open = Open::one(inside.clone());
    let Some(peer) = socket.peer() else { return };
    let link = Rc::<Link>::default();
    let io = Patient::new(socket, inside.stall, link.clone());
    let (io, early, accepted) = http(&inside.site, &inside.hub, inside.stop.clone(), io, peer, link).await;
    let socket = io.into_socket();
    match accepted {
        Some(Accepted { feed, seat }) => inside.hub.borrow_mut().join(socket, &early, feed, seat, ticket),
        None => linger(&socket).await,
    }
}

/// Counts a connection as long as it is open, also if serving it fails in a way that nobody thought of.
struct Open(Rc<Inside>);

impl Open {
    fn one(inside: Rc<Inside>) -> Open {
        inside.open.set(inside.open.get() + 1);
        Open(inside)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

/// HTTP until the end, or until a WebSocket handshake is done; gives back the connection, what was read from it too early, and the
/// WebSocket's place.
pub(super) async fn http<I: AsyncRead + AsyncWrite + Unpin>(
    site: &Arc<Site>,
    hub: &Rc<RefCell<Hub>>,
    mut stop: watch::Receiver<bool>,
    io: I,
    peer: Peer,
    link: Rc<Link>,
) -> (I, Bytes, Option<Accepted>) {
    let accepted = Cell::new(None::<Accepted>);
    let service = hyper::service::service_fn(|request| {
        let (response, upgrade) = Router { site, hub, request: &request, peer, link: &link }.answer();
        accepted.set(upgrade);
        ready(Ok::<_, std::convert::Infallible>(response))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD).max_headers(MAX_HEADERS).half_close(true);
    let mut serving = http.serve_connection(TokioIo::new(io), service);
    {
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        let mut told = false;
        let served = std::future::poll_fn(|cx| {
            if !told && stopped.as_mut().poll(cx).is_ready() {
                told = true;
                std::pin::Pin::new(&mut serving).graceful_shutdown();
            }
            serving.poll_without_shutdown(cx)
        });
        if let Err(error) = served.await {
            tracing::debug!("connection: {error}");
        }
    }
    let parts = serving.into_parts();
    (parts.io.into_inner(), parts.read_buf, accepted.take())
}

/// Ends our side and waits a little for the other: closing a socket that still has unread input resets the connection, and the
/// last answer, such as a 431, may never be seen.
async fn linger(socket: &Socket) {
    socket.shutdown_write();
    let drained = async {
        let mut scratch = [0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 {
            if std::future::poll_fn(|cx| socket.poll_read_ready(cx)).await.is_err() {
                return;
            }
            match socket.try_read(&mut scratch) {
                Ok(0) => return,
                Ok(n) => left = left.saturating_sub(n),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    _ = tokio::time::timeout(LINGER, drained).await;
}
