//! For fuzz targets and examples: one connection in memory, served as any other, and what is said over a WebSocket.

pub use super::net::proxy_protocol;
pub use super::ws::{frames, messages};

use super::access::Access;
use super::hls::{Hls, HlsOptions};
use super::http::base_path::BasePath;
use super::http::connection;
use super::http::origin::Policy;
use super::http::rate::RequestRate;
use super::inbox::ShardSender;
use super::limits::{Capacity, ViewerLimits};
use super::live::groups::Groups;
use super::live::registry::Registry;
use super::live::ring::{Entry, Retention};
use super::live::stream;
use super::live::update::StreamUpdate;
use super::net::proxies::Proxies;
use super::net::socket::Peer;
use super::places::Places;
use super::recordings::clip_cache::ClipCache;
use super::recordings::file_thread::FileThread;
use super::snapshots::Snapshots;
use super::state::ServerState;
use super::stats::events::Events;
use super::stats::viewers::ViewerRegistry;
use crate::access::Rules;
use crate::format::bmff::Chunk;
use crate::media::{SampleAspect, Timestamp};
use bytes::Bytes;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// How a connection went.
#[derive(Debug, PartialEq, Eq)]
pub struct Served {
    /// All that was answered.
    pub answers: Vec<u8>,
    /// What the client sent after its WebSocket handshake; `None` if there was none.
    pub websocket: Option<Vec<u8>>,
}

/// Serves a client that sends `requests`, `piece` bytes at a time, and then closes its side. There are two streams: `film`, which has not
/// begun, and `still`, a JPEG picture that has ended.
pub fn serve(requests: &[u8], piece: usize) -> Served {
    let registry = Registry::new(2, 1 << 20, vec![]);
    let publishers = ["film", "still"].map(|name| registry.publish(name).expect("the names are free"));
    let limits = ViewerLimits { lag: Duration::from_secs(2), stall: Duration::from_secs(10) };
    let (_, hub) = ShardSender::new(Retention { bytes: 1 << 20, age: limits.lag }, limits);
    let picture = b"\xff\xd8\xff\xd9";
    let still = publishers[1].stream();
    still.set_content(stream::jpeg_content(picture, SampleAspect::SQUARE));
    let chunk = Chunk::picture(Bytes::from_static(picture), Timestamp::ZERO, None);
    for update in [StreamUpdate::Chunk(Arc::new(Entry::new("", chunk, 0, Instant::now()))), StreamUpdate::End] {
        hub.lock().open(still).expect("it was not withdrawn").take(update);
    }
    let state = Arc::new(ServerState {
        streams: registry,
        groups: Groups::default(),
        policy: Policy::default(),
        proxies: Proxies::default(),
        base_path: BasePath::default(),
        access: Access::new(Rules::default()).expect("the system has random bytes"),
        rate: RequestRate::new(Capacity::default().address_requests),
        users: Places::new(usize::MAX),
        refusals: Arc::default(),
        tls: None,
        https: None,
        hsts: None,
        viewers: Arc::new(ViewerRegistry::new(Capacity::default(), Arc::default(), Events::default())),
        snapshots: Snapshots::default(),
        feed: Arc::default(),
        hls: Hls::new(HlsOptions::default(), &Capacity::default(), Proxies::default()),
        recordings: None,
        publishing: None,
        clip_cache: ClipCache::default(),
        files: FileThread::default(),
        clips: Arc::new(tokio::sync::Semaphore::new(1)),
        rewinding: Arc::new(tokio::sync::Semaphore::new(1)),
    });
    let connection = Connection { requests, piece, pause: true, answers: Vec::new() };
    // The sender only has to be there.
    let (_stopping, stop) = watch::channel(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("needs nothing of the system");
    let (connection, early, accepted) =
        runtime.block_on(connection::http(&state, &hub, stop, connection, (Peer::Local, false, false), Arc::default()));
    let websocket = accepted.map(|_| [&early, connection.requests].concat());
    Served { answers: connection.answers, websocket }
}

/// The server's end of a connection.
struct Connection<'a> {
    requests: &'a [u8],
    piece: usize,
    /// The next piece has not come yet.
    pause: bool,
    answers: Vec<u8>,
}

impl AsyncRead for Connection<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.pause = !self.pause;
        if !self.pause {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (now, later) = self.requests.split_at(self.piece.min(self.requests.len()).min(buf.remaining()));
        buf.put_slice(now);
        self.requests = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.answers.extend_from_slice(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
