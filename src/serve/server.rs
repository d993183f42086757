//! The server: listens, spreads connections over its shards, and stops.

use super::access::Access;
use super::hls::{Hls, HlsOptions};
use super::http::assets;
use super::http::base_path::BasePath;
use super::http::origin::Policy;
use super::http::rate::RequestRate;
use super::inbox::ShardSender;
use super::limits::{self, Capacity, ViewerLimits};
use super::live::groups::Groups;
use super::live::registry::Registry;
use super::live::ring::Retention;
use super::net::acceptor::Acceptor;
use super::net::addresses::AddressPlaces;
use super::net::listener::{Listen, Listener, Scheme};
use super::net::proxies::Proxies;
use super::net::tls::Tls;
use super::places::Places;
use super::publishing::api::PublishOptions;
use super::recordings::api::Recordings;
use super::recordings::clip_cache::ClipCache;
use super::recordings::file_thread::FileThread;
use super::refusals::Refusals;
use super::shard::Shard;
use super::snapshots::{PictureDecoder, Snapshots};
use super::state::ServerState;
use super::stats::events::Events;
use super::stats::viewers::{ViewerRegistry, ViewerSummary};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

/// Descriptors of the server itself, and of each of its threads: what its runtimes need.
const FILES: usize = 8;
const FILES_OF_A_SHARD: usize = 4;
/// History beyond the lag limit, so that a viewer at the limit finds its place still there.
const SPARE: Duration = Duration::from_secs(1);

/// Clips that are on their way at a time: each takes a piece of memory, and as many files as it is out of.
const CLIPS: usize = 32;
/// Viewers that may rewind at a time: each has a file open, and some pictures in memory.
const REWINDING: usize = 64;

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; each is listened on.
    pub listen: Vec<Listen>,
    /// With it, what comes over TCP speaks TLS.
    pub tls: Option<Tls>,
    /// Where plain HTTP is answered by the way to HTTPS, at the port of the first TCP address in `listen`.
    pub redirect: Vec<Listen>,
    /// For so many seconds a browser shall ask by HTTPS only (RFC 6797); said over TLS only.
    pub hsts: Option<u32>,
    /// Bytes of each stream kept in memory.
    pub ring: usize,
    /// Streams of one picture, under one name.
    pub groups: Groups,
    /// Streams at a time. So many inputs leave connections fewer file descriptors.
    pub max_streams: usize,
    /// How far behind a viewer may be, and how long one may take nothing.
    pub limits: ViewerLimits,
    /// How much of everything there may be.
    pub capacity: Capacity,
    /// Threads that serve viewers; at least 1.
    pub threads: usize,
    /// Which names and which pages of others may ask.
    pub policy: Policy,
    /// Which proxies are believed.
    pub proxies: Proxies,
    /// The path under which a proxy serves all of it.
    pub base_path: BasePath,
    /// Who may watch.
    pub access: Access,
    /// How streams are cut for HLS.
    pub hls: HlsOptions,
    /// Where it reports what happens to viewers.
    pub events: Events,
    /// For snapshots of streams that have to be decoded for them; `None`: there are none of those.
    pub decoder: Option<Arc<dyn PictureDecoder>>,
    /// What was recorded of the streams; `None`: nothing is.
    pub recordings: Option<Arc<dyn Recordings>>,
    /// How clients may send streams; `None`: they may not.
    pub publishing: Option<PublishOptions>,
}

/// The server could not start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be had.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address.
        listen: Listen,
        /// Why not.
        source: io::Error,
    },
    /// There are no threads, or too few file descriptors.
    #[error("cannot start")]
    Start(#[from] io::Error),
    /// A part of it ended that never ends by itself.
    #[error("{0} has died, and the server with it")]
    Died(&'static str),
}

/// Stops a server, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Notify>);

impl Stopper {
    /// Has [`Server::run`] say goodbye to all viewers and return. Before it runs: as soon as it does.
    pub fn stop(&self) {
        self.0.notify_one();
    }
}

/// A server that listens, before it runs.
pub struct Server {
    runtime: tokio::runtime::Runtime,
    listeners: Vec<Listener>,
    shards: Vec<Shard>,
    state: Arc<ServerState>,
    stop: Arc<Notify>,
    connections: usize,
    addresses: AddressPlaces,
    stall: Duration,
}

impl Server {
    /// Listens, and starts the shards. Connections wait until [`Server::run`].
    ///
    /// # Errors
    /// An address that cannot be had; no threads, or too few file descriptors.
    pub fn bind(options: &Options) -> Result<Server, Error> {
        // Looked at first: it can be said better here than where the first one is missing.
        limits::room(options.max_streams, FILES + FILES_OF_A_SHARD * options.threads + options.listen.len() + options.redirect.len())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let scheme = if options.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let wanted =
            options.listen.iter().map(|listen| (listen, scheme)).chain(options.redirect.iter().map(|listen| (listen, Scheme::ToHttps)));
        let bind = |(listen, scheme): (&Listen, Scheme)| {
            runtime.block_on(Listener::bind(listen, scheme)).map_err(|source| Error::Listen { listen: listen.clone(), source })
        };
        let listeners = wanted.map(bind).collect::<Result<Vec<_>, _>>()?;
        let https = listeners.iter().filter(|listener| listener.scheme() == Scheme::Https).find_map(Listener::port);
        let limits = options.limits;
        let retention = Retention { bytes: options.ring, age: (limits.lag + SPARE).max(options.hls.kept()) };
        let (senders, hubs): (Vec<_>, Vec<_>) = (0..options.threads.max(1)).map(|_| ShardSender::new(retention, limits)).unzip();
        let refusals = Arc::<Refusals>::default();
        let state = Arc::new(ServerState {
            streams: Registry::new(options.max_streams, options.ring, senders),
            groups: options.groups.clone(),
            policy: options.policy.clone(),
            proxies: options.proxies.clone(),
            base_path: options.base_path.clone(),
            access: options.access.clone(),
            rate: RequestRate::new(options.capacity.address_requests),
            users: Places::new(options.capacity.user_viewers),
            refusals: refusals.clone(),
            tls: options.tls.clone(),
            https,
            hsts: options.hsts,
            viewers: Arc::new(ViewerRegistry::new(options.capacity, refusals, options.events.clone())),
            snapshots: Snapshots::new(options.decoder.clone()),
            feed: options.events.feed(),
            hls: Hls::new(options.hls, &options.capacity, options.proxies.clone()),
            recordings: options.recordings.clone(),
            publishing: options.publishing.clone(),
            clip_cache: ClipCache::default(),
            files: FileThread::default(),
            clips: Arc::new(Semaphore::new(CLIPS)),
            rewinding: Arc::new(Semaphore::new(REWINDING)),
        });
        let start = |(number, hub)| Shard::start(number, state.clone(), limits.stall, move || hub);
        let shards = hubs.into_iter().enumerate().map(start).collect::<io::Result<_>>()?;
        let connections = options.capacity.viewers.saturating_add(options.capacity.others).min(limits::room(options.max_streams, 0)?);
        let addresses = AddressPlaces::new(options.capacity.address_connections, options.proxies.clone());
        Ok(Server { runtime, listeners, shards, state, stop: Arc::default(), connections, addresses, stall: limits.stall })
    }

    /// The streams: published and looked up here, before and while the server runs.
    pub fn registry(&self) -> Registry {
        self.state.streams.clone()
    }

    /// Tells who is watching, at most so many: those who came first.
    pub fn viewers(&self) -> impl Fn(usize) -> Vec<ViewerSummary> + Send + use<> {
        let viewers = self.state.viewers.clone();
        move |most| viewers.viewers(most)
    }

    /// How often each limit was reached.
    pub fn refusals(&self) -> Arc<Refusals> {
        self.state.refusals.clone()
    }

    /// Closes a viewer, by its number, with a reason for it; says whether there is one of that number.
    pub fn dismiss(&self) -> impl Fn(u64, &'static str) -> bool + Send + Sync + use<> {
        let viewers = self.state.viewers.clone();
        move |viewer, why| viewers.dismiss(viewer, why)
    }

    /// What stops it, from any thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// The addresses where streams are, as a browser or curl takes them: `http://HOST:PORT/`, `https://HOST:PORT/`, `unix:PATH`.
    pub fn addresses(&self) -> Vec<String> {
        let base = self.state.base_path.to_string();
        let address = |listener: &Listener| {
            let address = listener.address();
            if address.ends_with('/') { address.trim_end_matches('/').to_owned() + &base } else { address }
        };
        self.listeners.iter().filter(|listener| listener.scheme() != Scheme::ToHttps).map(address).collect()
    }

    /// Whether other machines can reach it: it listens on more than loopback addresses and Unix sockets.
    pub fn is_reachable(&self) -> bool {
        self.listeners.iter().any(Listener::is_reachable)
    }

    /// Serves until it is stopped; then says goodbye to every viewer.
    ///
    /// # Errors
    /// A part of the server has died. Nothing goes on without it.
    pub fn run(self) -> Result<(), Error> {
        let Server { runtime, listeners, shards, state, stop, connections, addresses, stall } = self;
        // Made now: the first visitor does not wait for it.
        assets::page();
        let refusals = state.refusals.clone();
        drop(state);
        let senders = shards.iter().map(|shard| shard.connections.clone());
        let acceptor = Arc::new(Acceptor::new(connections, addresses, refusals, stall, senders));
        let shard_ends = shards.iter().map(|s| s.ended.clone()).collect::<Vec<_>>();
        let mut outcome = runtime.block_on(async {
            let mut acceptors: JoinSet<()> = listeners.into_iter().map(|listener| acceptor.clone().admit(listener)).collect();
            let mut watches: JoinSet<()> = shard_ends.into_iter().map(|ended| async move { ended.notified().await }).collect();
            tokio::select! {
                () = stop.notified() => Ok(()),
                _ = acceptors.join_next() => Err(Error::Died("what lets connections in")),
                _ = watches.join_next() => Err(Error::Died("a thread that serves viewers")),
            }
        });
        // The tasks of the runtime hold the acceptor too, and the acceptor a way into each shard.
        drop(runtime);
        drop(acceptor);
        for shard in shards {
            drop(shard.connections);
            if shard.thread.join().is_err() {
                outcome = outcome.and(Err(Error::Died("a thread that serves viewers")));
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::live::stream::Stream;
    use crate::serve::live::update::{ShardMessage, StreamUpdate};

    fn options() -> Options {
        Options {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            tls: None,
            redirect: vec![],
            hsts: None,
            ring: 1 << 20,
            max_streams: 1,
            groups: Groups::default(),
            limits: ViewerLimits { lag: Duration::from_secs(1), stall: Duration::from_secs(1) },
            capacity: Capacity { viewers: 10, ..Capacity::default() },
            threads: 2,
            policy: Policy::default(),
            proxies: Proxies::default(),
            base_path: BasePath::default(),
            access: Access::new(crate::access::Rules::default()).unwrap(),
            events: Events::default(),
            decoder: None,
            recordings: None,
            publishing: None,
            hls: HlsOptions::default(),
        }
    }

    #[test]
    fn a_stopped_server_ends_well() {
        let server = Server::bind(&options()).unwrap();
        server.stopper().stop();
        assert!(server.run().is_ok());
    }

    struct ServeOnDrop(ShardSender);

    impl Drop for ServeOnDrop {
        fn drop(&mut self) {
            self.0.serve();
        }
    }

    /// As by a mistake of ours: the program gets an error, and does not go on with a part of its viewers.
    #[test]
    fn a_shard_that_dies_ends_the_server() {
        let message = || ShardMessage { stream: Arc::new(Stream::new("a".into())), update: StreamUpdate::Panic };
        let hub = |server: &mut Server| server.registry().shards()[0].send(message()).unwrap();
        let publisher = |server: &mut Server| {
            let shard = server.registry().shards()[1].clone();
            shard.queue(message()).unwrap();
            let publishing = std::thread::spawn(move || {
                // As a publisher that is dropped meanwhile.
                let _drop = ServeOnDrop(shard.clone());
                shard.serve();
            });
            publishing.join().unwrap_err();
        };
        let thread = |server: &mut Server| {
            let state = server.state.clone();
            server.shards.push(Shard::start(2, state, Duration::from_secs(1), || panic!("as the test wants it")).unwrap());
        };
        for die in [&hub as &dyn Fn(&mut Server), &publisher, &thread] {
            let mut server = Server::bind(&options()).unwrap();
            die(&mut server);
            assert!(matches!(server.run(), Err(Error::Died(_))));
        }
    }
}
