//! A connection that fails when its client takes nothing for too long, or has gone.

use super::link::Link;
use super::socket::Socket;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// A client that has ended its side is asked after these times without anything else to send.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(16);

/// A socket for hyper, which has neither of these itself: a write that gets nothing through for `stall` fails; and while an endless body
/// has nothing to send, it is noticed that the client goes.
///
/// A client may end its side of the connection and read on (RFC 9112, section 9.6), and what comes from one that has closed its socket looks
/// the same. So from then on it is asked now and then, by something that changes nothing: where no peer is, the answer is a reset.
#[derive(Debug)]
pub struct WriteTimeout {
    socket: Socket,
    stall: Duration,
    link: Arc<Link>,
    stuck: Option<Pin<Box<Sleep>>>,
    /// Its end has been seen, or something before which it cannot be seen.
    deaf: bool,
    asking: Option<Pin<Box<Sleep>>>,
    pause: Duration,
}

impl WriteTimeout {
    pub fn new(socket: Socket, stall: Duration, link: Arc<Link>) -> WriteTimeout {
        WriteTimeout { socket, stall, link, stuck: None, deaf: false, asking: None, pause: Duration::ZERO }
    }

    pub fn into_socket(self) -> Socket {
        self.socket
    }

    fn watch<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            (self.stuck, self.link.lock().waiting) = (None, None);
            return written;
        }
        let stall = self.stall;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + stall)));
        if !self.link.lock().cut_off_or_wait(cx.waker()) {
            ready!(stuck.as_mut().poll(cx));
        }
        self.link.lock().timed_out = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Looks for the client while nothing else would notice that it goes.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.link.lock().idle {
            return Ok(());
        }
        if !self.deaf {
            let Poll::Ready(unread) = self.socket.poll_unread(cx) else { return Ok(()) };
            unread?;
            self.deaf = true;
        }
        let pause = self.pause;
        if self.asking.get_or_insert_with(|| Box::pin(sleep(pause))).as_mut().poll(cx).is_ready() {
            self.asking = None;
            self.pause = (pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
            self.link.lock().ask = true;
            cx.waker().wake_by_ref();
        }
        Ok(())
    }
}

impl AsyncRead for WriteTimeout {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for WriteTimeout {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.watch(written, cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.watch(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx))?;
        Poll::Ready(self.look(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
