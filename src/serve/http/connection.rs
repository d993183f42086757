//! One connection's HTTP/1.1, by hyper: limits and timeouts, a stop, and the end of a connection.

use super::router::Router;
use super::upgrade::Upgrade;
use crate::serve::hub::SharedHub;
use crate::serve::net::link::Link;
use crate::serve::net::socket::{Peer, Socket};
use crate::serve::state::ServerState;
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

/// The longest request head, in bytes, and no more buffered of a response than this: see [`super::body`].
pub const HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;
/// Time for a request head, and for the next one on a connection kept alive.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// What a client may still send after its last answer, so that the answer is not lost to a reset.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// HTTP until the end, or until a WebSocket handshake is done; gives back the connection, what was read from it too early, and the
/// purpose of the WebSocket. `secure`: over TLS.
pub async fn http<I: AsyncRead + AsyncWrite + Unpin>(
    state: &Arc<ServerState>,
    hub: &SharedHub,
    mut stop: watch::Receiver<bool>,
    io: I,
    (peer, secure): (Peer, bool),
    link: Arc<Link>,
) -> (I, Bytes, Option<Upgrade>) {
    let upgrade = Cell::new(None::<Upgrade>);
    let router = Router { state, hub, peer, secure, link: &link };
    let (router, place) = (&router, &upgrade);
    // On the heap, so that only a request that is being answered takes the memory for it.
    let service = hyper::service::service_fn(|request| {
        Box::pin(async move {
            let (answer, upgrade) = router.answer(request).await;
            place.set(upgrade);
            Ok::<_, std::convert::Infallible>(answer)
        })
    });
    let mut serving = builder().serve_connection(TokioIo::new(io), service);
    {
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        let mut ending = false;
        let served = std::future::poll_fn(|cx| {
            if !ending && stopped.as_mut().poll(cx).is_ready() {
                ending = true;
                std::pin::Pin::new(&mut serving).graceful_shutdown();
            }
            serving.poll_without_shutdown(cx)
        });
        if let Err(error) = served.await {
            tracing::debug!("connection: {error}");
        }
    }
    let parts = serving.into_parts();
    (parts.io.into_inner(), parts.read_buf, upgrade.take())
}

/// HTTP/1.1 with its limits.
pub fn builder() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD).max_headers(MAX_HEADERS).half_close(true);
    http
}

/// Ends our side and waits a little for the other: closing a socket that still has unread input resets the connection, and the
/// last answer, such as a 431, may never be seen.
pub async fn linger(socket: &Socket) {
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
