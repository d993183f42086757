//! The server: listens, spreads connections over its shards, and stops.

use super::event::Events;
use super::hub::Hub;
use super::policy::Policy;
use super::publish::Publisher;
use super::ring::Keep;
use super::seat::{Seats, ViewerSummary};
use super::shard::{Order, Shard};
use super::site::Site;
use super::socket::Accepted;
use super::stream::Stream;
use super::viewer::Patience;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Connections beyond those of viewers: pages, pictures, lists.
const OTHERS: usize = 1024;
/// Connections that the kernel may hold for us.
const BACKLOG: u32 = 4096;
/// Pause after a failed accept, as when file descriptors have run out.
const BREATH: Duration = Duration::from_millis(100);
/// History beyond the lag limit, so that a viewer at the limit finds its place still there.
const SPARE: Duration = Duration::from_secs(1);

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    pub listen: Vec<Listen>,
    /// Bytes of each stream kept in memory.
    pub ring: usize,
    pub patience: Patience,
    /// Viewers at a time, of all streams.
    pub max_viewers: usize,
    /// Threads that serve viewers; at least 1.
    pub threads: usize,
    pub policy: Policy,
    /// Where it is told what happens to viewers.
    pub events: Events,
}

/// Where to listen: `HOST:PORT`, `[IPv6]:PORT`, a port alone (this machine only) or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    Tcp(String),
    Unix(PathBuf),
}

/// The text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected HOST:PORT, [IPv6]:PORT, PORT or unix:PATH")]
pub struct ListenError;

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(s: &str) -> Result<Listen, ListenError> {
        if let Some(path) = s.strip_prefix("unix:") {
            return if path.is_empty() { Err(ListenError) } else { Ok(Listen::Unix(path.into())) };
        }
        let (host, port) = s.rsplit_once(':').unwrap_or(("127.0.0.1", s));
        let bare = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        if host.is_empty() || bare || port.parse::<u16>().is_err() {
            return Err(ListenError);
        }
        Ok(Listen::Tcp(format!("{host}:{port}")))
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Listen::Tcp(address) => f.write_str(address),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {listen}: {source}")]
    Listen { listen: Listen, source: io::Error },
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

/// Stops a server, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

pub struct Server {
    runtime: tokio::runtime::Runtime,
    listeners: Vec<Listener>,
    shards: Vec<Shard>,
    site: Arc<Site>,
    stop: Arc<Notify>,
    connections: usize,
    stall: Duration,
}

impl Server {
    /// Listens, and starts the shards. Connections wait until [`Server::run`].
    ///
    /// # Errors
    /// An address that cannot be had; no threads or file descriptors.
    pub fn bind(options: &Options, names: &[String]) -> Result<Server, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let bind =
            |listen: &Listen| runtime.block_on(Listener::bind(listen)).map_err(|source| Error::Listen { listen: listen.clone(), source });
        let listeners = options.listen.iter().map(bind).collect::<Result<_, _>>()?;
        let site = Arc::new(Site {
            streams: names.iter().map(|name| Arc::new(Stream::new(name.clone()))).collect(),
            policy: options.policy.clone(),
            seats: Arc::new(Seats::new(options.max_viewers, options.events.clone())),
        });
        let patience = options.patience;
        let keep = Keep { bytes: options.ring, age: patience.lag + SPARE };
        let start = |number| {
            let streams = site.streams.clone();
            Shard::start(number, site.clone(), patience.stall, move |wake| Hub::new(&streams, keep, patience, wake))
        };
        let shards = (0..options.threads.max(1)).map(start).collect::<io::Result<_>>()?;
        let connections = options.max_viewers.saturating_add(OTHERS).min(Semaphore::MAX_PERMITS);
        Ok(Server { runtime, listeners, shards, site, stop: Arc::default(), connections, stall: patience.stall })
    }

    /// The way into the stream `names[index]`; one per stream.
    pub fn publisher(&self, index: usize) -> Publisher {
        let outlets = self.shards.iter().map(|s| s.outlet.clone()).collect();
        Publisher::new(index, self.site.streams[index].clone(), outlets)
    }

    pub fn streams(&self) -> &[Arc<Stream>] {
        &self.site.streams
    }

    /// Tells who is watching, at most so many: those who came first.
    pub fn viewers(&self) -> impl Fn(usize) -> Vec<ViewerSummary> + Send + use<> {
        let seats = self.site.seats.clone();
        move |most| seats.viewers(most)
    }

    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// The addresses, as a browser or curl takes them.
    pub fn addresses(&self) -> Vec<String> {
        let address = |listener: &Listener| match listener {
            Listener::Tcp(tcp) => tcp.local_addr().map_or_else(|e| e.to_string(), |a| format!("http://{a}/")),
            Listener::Unix(_, path) => format!("unix:{}", path.display()),
        };
        self.listeners.iter().map(address).collect()
    }

    /// Serves until it is stopped; then says goodbye to every viewer.
    pub fn run(self) {
        let Server { runtime, listeners, shards, stop, connections, stall, .. } = self;
        let desks = shards.iter().map(|s| Desk { orders: s.orders.clone(), load: Arc::default() }).collect();
        let door = Arc::new(Door { permits: Arc::new(Semaphore::new(connections)), stall, desks });
        let sockets: Vec<PathBuf> = listeners.iter().filter_map(Listener::path).collect();
        runtime.block_on(async {
            for listener in listeners {
                tokio::spawn(door.clone().admit(listener));
            }
            stop.notified().await;
        });
        drop(runtime);
        for shard in shards {
            // A shard that cannot be told has ended already.
            _ = shard.orders.send(Order::Stop);
            if shard.thread.join().is_err() {
                tracing::error!("a shard panicked");
            }
        }
        for path in sockets {
            _ = std::fs::remove_file(path);
        }
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    async fn bind(listen: &Listen) -> io::Result<Listener> {
        let path = match listen {
            Listen::Unix(path) => path,
            Listen::Tcp(address) => {
                let mut failure = io::Error::new(io::ErrorKind::NotFound, "no such host");
                for address in tokio::net::lookup_host(address).await? {
                    match bind_tcp(address) {
                        Ok(listener) => return Ok(Listener::Tcp(listener)),
                        Err(error) => failure = error,
                    }
                }
                return Err(failure);
            }
        };
        // A socket that nobody listens on is left from a server that was killed.
        if UnixStream::connect(path).await.is_err_and(|e| e.kind() == io::ErrorKind::ConnectionRefused) {
            std::fs::remove_file(path)?;
        }
        UnixListener::bind(path).map(|listener| Listener::Unix(listener, path.clone()))
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener) => listener.accept().await?.0.into_std().map(Accepted::Tcp),
            Listener::Unix(listener, _) => listener.accept().await?.0.into_std().map(Accepted::Unix),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        match self {
            Listener::Tcp(_) => None,
            Listener::Unix(_, path) => Some(path.clone()),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Lets connections in, as many as there are places, each to the shard that has the fewest.
struct Door {
    permits: Arc<Semaphore>,
    stall: Duration,
    desks: Vec<Desk>,
}

struct Desk {
    orders: UnboundedSender<Order>,
    load: Arc<AtomicUsize>,
}

impl Door {
    async fn admit(self: Arc<Door>, listener: Listener) {
        while let Ok(permit) = self.permits.clone().acquire_owned().await {
            match listener.accept().await {
                Ok(socket) => self.send_in(socket, permit),
                Err(error) => {
                    tracing::warn!("accept: {error}");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }

    fn send_in(&self, socket: Accepted, permit: OwnedSemaphorePermit) {
        let Some(desk) = self.desks.iter().min_by_key(|d| d.load.load(Relaxed)) else { return };
        if let Err(error) = socket.tune(self.stall) {
            // The peer has gone again.
            return tracing::debug!("connection: {error}");
        }
        desk.load.fetch_add(1, Relaxed);
        let ticket = Ticket { _permit: permit, load: desk.load.clone() };
        // A shard that cannot be told has ended, and its connections with it.
        _ = desk.orders.send(Order::Serve(socket, ticket));
    }
}

/// A connection's place in the limits, given back when it is dropped.
pub struct Ticket {
    _permit: OwnedSemaphorePermit,
    load: Arc<AtomicUsize>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let shown = |s: &str| s.parse::<Listen>().map(|l| l.to_string());
        for same in ["127.0.0.1:8080", "[::]:0", "cam.example:80", "unix:/run/h5.sock"] {
            assert_eq!(shown(same).as_deref(), Ok(same));
        }
        assert_eq!(shown("9000").as_deref(), Ok("127.0.0.1:9000"));
        for wrong in ["", ":80", "::1:80", "host", "host:70000", "unix:"] {
            assert_eq!(shown(wrong), Err(ListenError), "{wrong}");
        }
    }
}
