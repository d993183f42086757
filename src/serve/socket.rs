//! A connection, TCP or Unix, and how it is tuned for live pictures.

use serde::{Serialize, Serializer};
use socket2::{SockRef, TcpKeepalive};
use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// A stalled viewer then pins 0.66 MB of kernel memory and not 4 MB.
const SEND_BUFFER: usize = 256 * 1024;
/// What TCP has not sent yet waits here, where it can still be skipped, and not in the kernel.
const NOT_SENT: u32 = 32 * 1024;
/// A peer that has vanished without a word is noticed in this time, also on a stream that stands still.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A client that has ended its side is asked after these times without anything else to send.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(16);

/// The other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Tcp(SocketAddr),
    /// Over a Unix socket.
    Local,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Peer::Tcp(address) => address.fmt(f),
            Peer::Local => f.write_str("unix"),
        }
    }
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A socket before it belongs to a runtime.
#[derive(Debug)]
pub enum Accepted {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Accepted {
    /// Sets the options. `stall`: how long sent data may remain unacknowledged; the server's own clock, which can still say why,
    /// is to be first.
    pub fn tune(&self, stall: Duration) -> io::Result<()> {
        match self {
            Accepted::Unix(s) => SockRef::from(s).set_send_buffer_size(SEND_BUFFER),
            Accepted::Tcp(s) => {
                let s = SockRef::from(s);
                s.set_tcp_nodelay(true)?;
                s.set_send_buffer_size(SEND_BUFFER)?;
                s.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3))?;
                #[cfg(target_os = "linux")]
                {
                    s.set_tcp_notsent_lowat(NOT_SENT)?;
                    s.set_tcp_user_timeout(Some(stall * 3))?;
                }
                Ok(())
            }
        }
    }

    /// The last word to somebody who is not let in, as far as it fits into the socket.
    pub fn say_last(&self, text: &[u8]) {
        let s = match self {
            Accepted::Tcp(s) => SockRef::from(s),
            Accepted::Unix(s) => SockRef::from(s),
        };
        // What has been asked is taken first: closing a socket with unread input resets it. A failure means that nobody is there.
        let mut asked = [std::mem::MaybeUninit::uninit(); 4096];
        _ = s.recv_with_flags(&mut asked, libc::MSG_DONTWAIT);
        _ = s.send_with_flags(text, libc::MSG_DONTWAIT);
        _ = s.shutdown(std::net::Shutdown::Write);
    }

    /// To be called inside the runtime that is to own it.
    pub fn into_socket(self) -> io::Result<Socket> {
        Ok(match self {
            Accepted::Tcp(s) => Socket::Tcp(TcpStream::from_std(s)?),
            Accepted::Unix(s) => Socket::Unix(UnixStream::from_std(s)?),
        })
    }
}

/// A connection of this runtime.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The same call on either kind.
macro_rules! either {
    ($self:expr, $s:ident => $call:expr) => {
        match $self {
            Socket::Tcp($s) => $call,
            Socket::Unix($s) => $call,
        }
    };
}

impl Socket {
    /// `None`: it has gone again.
    pub fn peer(&self) -> Option<Peer> {
        match self {
            Socket::Tcp(s) => s.peer_addr().ok().map(Peer::Tcp),
            Socket::Unix(_) => Some(Peer::Local),
        }
    }

    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        either!(self, s => s.try_read(buf))
    }

    pub fn try_write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let [one] = bufs else { return either!(self, s => s.try_write_vectored(bufs)) };
        // Most writes get through. The runtime has to know only of those that do not: it is to watch the socket then.
        match either!(self, s => SockRef::from(s).send(one)) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => either!(self, s => s.try_write(one)),
            done => done,
        }
    }

    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, s => s.poll_read_ready(cx))
    }

    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, s => s.poll_write_ready(cx))
    }

    /// Ready when there is something that nobody has read: data, the end, or an error.
    pub fn poll_unread(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_read_ready(cx))?;
            let mut byte = [std::mem::MaybeUninit::uninit()];
            match either!(self, s => s.try_io(Interest::READABLE, || SockRef::from(s).peek(&mut byte))) {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                seen => return Poll::Ready(seen.map(drop)),
            }
        }
    }

    /// Bytes that were written and that the other end has not acknowledged (tcp(7), SIOCOUTQ); 0 where the system does not tell.
    pub fn unacknowledged(&self) -> usize {
        #[cfg(target_os = "linux")]
        if let Socket::Tcp(s) = self {
            let mut bytes: libc::c_int = 0;
            // SAFETY: this request writes one int, and the descriptor is open as long as the socket is borrowed.
            let done = unsafe { libc::ioctl(s.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
            return if done == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 };
        }
        0
    }

    /// Closed at once, and what the kernel still holds is thrown away.
    pub fn abort(self) {
        // A failure means that there is nothing left to abort.
        _ = either!(&self, s => SockRef::from(s).set_linger(Some(Duration::ZERO)));
    }

    /// No more will be sent.
    pub fn shutdown_write(&self) {
        // A failure means that the peer has gone already.
        _ = either!(self, s => SockRef::from(s).shutdown(std::net::Shutdown::Write));
    }
}

/// What a connection and the endless body on it tell each other.
#[derive(Debug, Default)]
pub struct Link {
    /// The connection was given up because nothing was taken of it.
    pub gave_up: Cell<bool>,
    /// The body has nothing to send at the moment.
    pub idle: Cell<bool>,
    /// The body is to send something: only that can tell whether the client is still there.
    pub ask: Cell<bool>,
    /// The chunk that the body has given out last.
    pub holds: Cell<Option<u64>>,
    /// That chunk is wanted back.
    cut_off: Cell<bool>,
    /// Of the connection, while it waits for the client to take something.
    waiting: RefCell<Option<Waker>>,
}

impl Link {
    /// Ends the connection if it waits for its client to take a chunk before this one; says whether it does.
    pub fn call_back(&self, before: u64) -> bool {
        let late = self.holds.get().is_some_and(|chunk| chunk < before);
        if late && let Some(waker) = self.waiting.take() {
            self.cut_off.set(true);
            waker.wake();
            return true;
        }
        false
    }
}

/// A socket for hyper, which has neither of these itself: a write that gets nothing through for `stall` fails; and while an endless body
/// has nothing to send, it is noticed that the client goes.
///
/// A client may end its side of the connection and read on (RFC 9112, section 9.6), and what comes from one that has closed its socket looks
/// the same. So from then on it is asked now and then, by something that changes nothing: where nobody is, the answer is a reset.
#[derive(Debug)]
pub struct Patient {
    socket: Socket,
    stall: Duration,
    link: Rc<Link>,
    stuck: Option<Pin<Box<Sleep>>>,
    /// Its end has been seen, or something before which it cannot be seen.
    deaf: bool,
    asking: Option<Pin<Box<Sleep>>>,
    pause: Duration,
}

impl Patient {
    pub fn new(socket: Socket, stall: Duration, link: Rc<Link>) -> Patient {
        Patient { socket, stall, link, stuck: None, deaf: false, asking: None, pause: Duration::ZERO }
    }

    pub fn into_socket(self) -> Socket {
        self.socket
    }

    fn watch<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            (self.stuck, _) = (None, self.link.waiting.take());
            return written;
        }
        let stall = self.stall;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + stall)));
        if !self.link.cut_off.get() {
            *self.link.waiting.borrow_mut() = Some(cx.waker().clone());
            ready!(stuck.as_mut().poll(cx));
        }
        self.link.gave_up.set(true);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Looks for the client while nothing else would notice that it goes.
    fn look(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.link.idle.get() {
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
            self.link.ask.set(true);
            cx.waker().wake_by_ref();
        }
        Ok(())
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.socket, s => Pin::new(s).poll_read(cx, buf))
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = either!(&mut self.socket, s => Pin::new(s).poll_write(cx, buf));
        self.watch(written, cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = either!(&mut self.socket, s => Pin::new(s).poll_write_vectored(cx, bufs));
        self.watch(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(either!(&mut self.socket, s => Pin::new(s).poll_flush(cx)))?;
        Poll::Ready(self.look(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(&mut self.socket, s => Pin::new(s).poll_shutdown(cx))
    }
}
