//! One connection's HTTP/2, by hyper: limits, the time that a stream on it may take, and its end. A WebSocket comes by HTTP/1.1, on a connection of
//! its own: extended CONNECT (RFC 8441) is not offered.

use super::body::Reply;
use super::connection::{HEAD, HEAD_TIMEOUT};
use super::data::Data;
use super::router::Router;
use crate::serve::hub::SharedHub;
use crate::serve::net::link::Link;
use crate::serve::net::socket::Peer;
use crate::serve::net::write_timeout::WriteTimeout;
use crate::serve::state::ServerState;
use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep};

/// As many as RFC 9113, section 6.5.2, wants at least.
const STREAMS: u32 = 100;
/// What a client may send beyond what is read of it.
const WINDOW: u32 = 64 * 1024 - 1;
/// What is taken of a body before the client has room for it.
const SEND_BUFFER: usize = 2 * PIECE;
/// Streams that were reset before they were looked at, and that were reset for a mistake.
const RESETS: usize = 20;
const MISTAKES: usize = 64;
/// After so many requests a client is asked to connect anew, so that what it has cost is over; after twice as many it has to.
const REQUESTS: usize = 1000;
/// How long a connection without a request is kept, and how long it may take to go.
const IDLE: Duration = Duration::from_secs(60);
const GOODBYE: Duration = Duration::from_secs(5);
/// With the head of its frame one record of TLS.
const PIECE: usize = 16 * 1024 - 9;

tokio::task_local! {
    /// Of the stream that is answered.
    static LINK: Arc<Link>;
}

/// HTTP/2 until the end. `connection`: tells whether the client takes nothing at all; `stall`: how long it may take nothing of one stream.
pub async fn http2(
    state: &Arc<ServerState>,
    hub: &SharedHub,
    mut stop: watch::Receiver<bool>,
    io: WriteTimeout,
    peer: Peer,
    connection: Arc<Link>,
    stall: Duration,
) {
    let requests = Requests { tasks: Rc::default(), asked: Rc::default(), connection, stall };
    let (state, hub) = (state.clone(), hub.clone());
    let service = hyper::service::service_fn(move |request| {
        let (state, hub) = (state.clone(), hub.clone());
        async move {
            let link = LINK.with(Arc::clone);
            let router = Router { state: &state, hub: &hub, peer, secure: true, link: &link };
            let (answer, _) = router.answer(request).await;
            Ok::<_, Infallible>(answer.map(|reply| Pieces { reply, rest: Data::One(Bytes::new()), link: link.clone() }))
        }
    });
    let mut http = http2::Builder::new(requests.clone());
    http.timer(TokioTimer::new()).max_concurrent_streams(STREAMS).max_header_list_size(HEAD as u32);
    http.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW).max_send_buf_size(SEND_BUFFER);
    http.max_pending_accept_reset_streams(RESETS).max_local_error_reset_streams(MISTAKES);
    let mut serving = pin!(http.serve_connection(TokioIo::new(io), service));
    let mut stopped = pin!(stop.wait_for(|stop| *stop));
    let (mut look, mut seen, mut ending) = (pin!(sleep(HEAD_TIMEOUT)), 0, false);
    let served = std::future::poll_fn(|cx| {
        let asked = requests.asked.get();
        let mut quiet = false;
        while look.as_mut().poll(cx).is_ready() {
            quiet = requests.open() == 0 && asked == seen;
            if quiet && ending || asked >= 2 * REQUESTS {
                return Poll::Ready(Ok(()));
            }
            seen = asked;
            look.as_mut().reset(Instant::now() + if quiet || ending { GOODBYE } else { IDLE });
        }
        if !ending && (quiet || asked >= REQUESTS || stopped.as_mut().poll(cx).is_ready()) {
            ending = true;
            look.as_mut().reset(Instant::now() + GOODBYE);
            _ = look.as_mut().poll(cx);
            serving.as_mut().graceful_shutdown();
        }
        if asked >= 2 * REQUESTS {
            return Poll::Ready(Ok(()));
        }
        serving.as_mut().poll(cx)
    });
    if let Err(error) = served.await {
        tracing::debug!("connection: {error}");
    }
}

/// The requests of one connection, each a task that ends with it.
#[derive(Clone)]
struct Requests {
    tasks: Rc<RefCell<JoinSet<()>>>,
    asked: Rc<Cell<usize>>,
    connection: Arc<Link>,
    stall: Duration,
}

impl Requests {
    /// Those that are being answered.
    fn open(&self) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        while tasks.try_join_next().is_some() {}
        tasks.len()
    }
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Requests {
    fn execute(&self, answering: F) {
        self.open();
        self.asked.set(self.asked.get() + 1);
        let link = Arc::<Link>::default();
        let (connection, stall) = (self.connection.clone(), self.stall);
        let watched = Watched { answering: Box::pin(answering), link: link.clone(), connection, stall, given: 0, stuck: None };
        self.tasks.borrow_mut().spawn_local(LINK.scope(link, watched));
    }
}

/// What answers one request. It ends, and the stream is reset, when the client takes nothing of the body for too long, or when what the body
/// holds is wanted back: the rules of [`WriteTimeout`], for one stream of many.
struct Watched<F> {
    answering: Pin<Box<F>>,
    link: Arc<Link>,
    connection: Arc<Link>,
    stall: Duration,
    given: u64,
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.answering.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut link = this.link.lock();
        if link.idle || link.given == 0 {
            this.stuck = None;
            return Poll::Pending;
        }
        if this.stuck.is_none() || link.given != this.given {
            this.given = link.given;
            this.stuck = Some(Box::pin(sleep(this.stall)));
        }
        let cut_off = link.cut_off_or_wait(cx.waker());
        drop(link);
        if let Some(stuck) = this.stuck.as_mut().filter(|_| !cut_off) {
            ready!(stuck.as_mut().poll(cx));
        }
        this.link.lock().timed_out = true;
        Poll::Ready(())
    }
}

impl<F> Drop for Watched<F> {
    /// Where the whole connection takes nothing, none of its streams does.
    fn drop(&mut self) {
        if self.connection.lock().timed_out {
            self.link.lock().timed_out = true;
        }
    }
}

/// A body in pieces, so that it is seen when one of them is taken.
struct Pieces {
    reply: Reply,
    rest: Data,
    link: Arc<Link>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.link.lock().given += 1;
        if !self.rest.has_remaining() {
            let Some(Ok(frame)) = ready!(Pin::new(&mut self.reply).poll_frame(cx)) else { return Poll::Ready(None) };
            self.rest = frame.into_data().unwrap_or(Data::One(Bytes::new()));
        }
        Poll::Ready(Some(Ok(Frame::data(self.rest.split(PIECE)))))
    }

    fn is_end_stream(&self) -> bool {
        !self.rest.has_remaining() && self.reply.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest.remaining() {
            0 => self.reply.size_hint(),
            rest => SizeHint::with_exact(rest as u64),
        }
    }
}
