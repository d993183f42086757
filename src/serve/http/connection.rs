//! One connection's HTTP/1.1, by hyper: limits and timeouts, a stop, what takes the connection over, and its end.

use super::head;
use super::router::Router;
use super::upgrade::Upgrade;
use crate::serve::hub::SharedHub;
use crate::serve::net::link::Link;
use crate::serve::net::socket::{Peer, Socket};
use crate::serve::recordings::transfer::Transfer;
use crate::serve::state::ServerState;
use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::header;
use hyper::server::conn::http1;
use hyper::{Method, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
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

/// What a connection is to do when it is no longer HTTP.
pub enum Next {
    /// After the handshake of a WebSocket: what it is for.
    WebSocket(Upgrade),
    /// To answer a request with a file. HTTP may go on behind it.
    Transfer(Box<Transfer>),
}

/// HTTP until the end, or until something takes the connection over; gives back the connection, and what was read from it too early. `secure`: over TLS.
/// `takes_files`: a [`Transfer`] can take it over.
pub async fn http<I: AsyncRead + AsyncWrite + Unpin>(
    state: &Arc<ServerState>,
    hub: &SharedHub,
    mut stop: watch::Receiver<bool>,
    io: I,
    (peer, secure, takes_files): (Peer, bool, bool),
    link: Arc<Link>,
) -> (I, Bytes, Option<Next>) {
    let (upgrade, transfer) = (Cell::new(None::<Upgrade>), Cell::new(None::<Box<Transfer>>));
    let router = Router { state, hub, peer, secure, link: &link };
    let (router, upgraded, transferred) = (&router, &upgrade, &transfer);
    // On the heap, so that only a request that is being answered takes the memory for it.
    let service = hyper::service::service_fn(|request| {
        Box::pin(async move {
            let takes_file = takes_files && may_end_in_a_file(&request);
            let (mut answer, upgrade) = router.answer(request).await;
            upgraded.set(upgrade);
            if let Some(transfer) = takes_file.then(|| Transfer::take(&mut answer)).flatten() {
                transferred.set(Some(Box::new(transfer)));
                // hyper is to write nothing: it is dropped below.
                std::future::pending::<()>().await;
            }
            Ok::<_, std::convert::Infallible>(answer)
        })
    });
    let mut serving = builder().serve_connection(TokioIo::new(io), service);
    let taken = {
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        let mut ending = false;
        let served = std::future::poll_fn(|cx| {
            if !ending && stopped.as_mut().poll(cx).is_ready() {
                ending = true;
                std::pin::Pin::new(&mut serving).graceful_shutdown();
            }
            let done = serving.poll_without_shutdown(cx).map_ok(|()| None);
            let taken = transferred.take();
            if taken.is_some() { Poll::Ready(Ok(taken)) } else { done }
        });
        served.await.unwrap_or_else(|error| {
            tracing::debug!("connection: {error}");
            None
        })
    };
    let parts = serving.into_parts();
    let next = taken.map(Next::Transfer).or_else(|| upgrade.take().map(Next::WebSocket));
    (parts.io.into_inner(), parts.read_buf, next)
}

/// Nothing of the request is still to come, and what is behind its answer is the next one.
fn may_end_in_a_file(request: &hyper::Request<Incoming>) -> bool {
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && request.body().is_end_stream()
        && head::list(request.headers(), header::CONNECTION).all(|option| option.eq_ignore_ascii_case("keep-alive"))
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
    // Without the goodbye of TLS a client could not tell a whole answer from one that was cut.
    _ = tokio::time::timeout(LINGER, std::future::poll_fn(|cx| socket.poll_goodbye(cx))).await;
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
