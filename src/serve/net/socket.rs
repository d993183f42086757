//! A connection, TCP, TLS over TCP or Unix, and how it is tuned for live pictures.

use super::kernel;
use super::tls::Tls;
use super::tls_socket::TlsSocket;
use serde::{Serialize, Serializer};
use socket2::{SockRef, TcpKeepalive};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;

/// A stalled viewer then pins 0.66 MB of kernel memory and not 4 MB.
const SEND_BUFFER: usize = 256 * 1024;
/// Of a file a client gets much at once, and its server is woken seldom. What waits is the page cache's, and no copy. Linux gives no more than net.core.wmem_max.
const BULK_BUFFER: usize = 4 * 1024 * 1024;
/// Beyond this, bytes that TCP has not sent yet wait here, where they can still be skipped, and not in the kernel: a third of a second of a stream of 0.4 Mbit/s.
const NOT_SENT: u32 = 16 * 1024;
/// A peer that has vanished without a word is noticed in this time, also on a stream that stands still.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Tcp(SocketAddr),
    /// Over a Unix socket.
    Local,
    /// Behind a proxy that is trusted, which does not say from which port.
    Forwarded(IpAddr),
}

impl Peer {
    /// The address that counts; none over a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::Tcp(address) => Some(address.ip().to_canonical()),
            Peer::Local => None,
            Peer::Forwarded(address) => Some(address.to_canonical()),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Peer::Tcp(address) => address.fmt(f),
            Peer::Local => f.write_str("unix"),
            Peer::Forwarded(address) => address.fmt(f),
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

    /// `None`: it has gone again.
    pub fn peer(&self) -> Option<Peer> {
        match self {
            Accepted::Tcp(s) => s.peer_addr().ok().map(Peer::Tcp),
            Accepted::Unix(_) => Some(Peer::Local),
        }
    }

    /// Sends a last answer to a refused client, as far as it fits into the socket.
    pub fn say_last(&self, text: &[u8]) {
        let s = match self {
            Accepted::Tcp(s) => SockRef::from(s),
            Accepted::Unix(s) => SockRef::from(s),
        };
        // The request is read first: closing a socket with unread input resets it. A failure means that the peer is gone.
        let mut asked = [std::mem::MaybeUninit::uninit(); 4096];
        _ = s.recv_with_flags(&mut asked, libc::MSG_DONTWAIT);
        _ = s.send_with_flags(text, libc::MSG_DONTWAIT);
        _ = s.shutdown(std::net::Shutdown::Write);
    }

    /// For a file, of which nothing is skipped: bytes that wait may wait in the kernel, and what is not a whole segment waits for what follows. `false`: as it was.
    /// A socket of another kind has no segments.
    pub fn set_bulk(&self, on: bool) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Accepted::Tcp(s) = self {
            let s = SockRef::from(s);
            // With a small limit on what is not sent, a segment would wait for bytes that may not come.
            s.set_tcp_notsent_lowat(if on { u32::MAX } else { NOT_SENT })?;
            s.set_tcp_cork(on)?;
            s.set_send_buffer_size(if on { BULK_BUFFER } else { SEND_BUFFER })?;
        }
        Ok(())
    }

    /// To be called inside the runtime that is to own it.
    pub fn into_socket(self) -> io::Result<Socket> {
        Ok(match self {
            Accepted::Tcp(s) => Socket(Kind::Tcp(TcpStream::from_std(s)?)),
            Accepted::Unix(s) => Socket(Kind::Unix(UnixStream::from_std(s)?)),
        })
    }
}

/// A connection of this runtime. What kind it is, only this file knows: hyper reads and writes it as any other, and the hub and its viewers
/// call the methods below, all of which return at once.
///
/// A kind that is more than a socket of the kernel, such as TLS over TCP, has its handshake behind it before it becomes a `Socket`, and keeps
/// to this:
///
/// - [`Socket::try_read`] and [`Socket::try_write`] are about what the viewer says and gets, not about what is on the wire. `WouldBlock`: nothing
///   could be done, and `poll_*_ready` wakes when it is worth another try. A read that has to write first, or the reverse, does so itself.
/// - [`Socket::poll_read_ready`] and [`Socket::poll_unread`] are ready also when the kernel has nothing, but what it gave is not all read.
/// - A write is counted as taken but for its last byte until the kernel has all of it: then the caller comes again, with that byte first. Until
///   then `try_write` takes nothing, and `poll_write_ready` moves on what waits.
/// - [`Socket::unacknowledged`] counts what waits before the kernel too: the rule for late viewers rests on it.
/// - [`Socket::shutdown_write`] says goodbye in the protocol of the kind, then closes the kernel's side. [`Socket::abort`] says nothing.
/// - One thread at a time uses it, and the methods take `&self`: what changes is in a `Cell` or a `RefCell`.
#[derive(Debug)]
pub struct Socket(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Tls(TlsSocket),
    Unix(UnixStream),
}

/// The same call on the socket of the kernel, whichever it is.
macro_rules! kernel {
    ($self:expr, $s:ident => $call:expr) => {
        match &$self.0 {
            Kind::Tcp($s) => $call,
            Kind::Tls(tls) => {
                let $s = tls.tcp();
                $call
            }
            Kind::Unix($s) => $call,
        }
    };
}

/// The same call on each kind.
macro_rules! each {
    ($self:expr, $s:ident => $call:expr, $tls:ident => $other:expr) => {
        match $self {
            Socket(Kind::Tcp($s)) => $call,
            Socket(Kind::Unix($s)) => $call,
            Socket(Kind::Tls($tls)) => $other,
        }
    };
}

impl Socket {
    /// TLS on it, after the handshake; see [`TlsSocket::accept`].
    ///
    /// # Errors
    /// The handshake failed.
    pub async fn secure(self, tls: &Tls, turns: &Semaphore) -> io::Result<Socket> {
        match self.0 {
            Kind::Tcp(tcp) => TlsSocket::accept(tcp, tls, turns).await.map(|tls| Socket(Kind::Tls(tls))),
            other => Ok(Socket(other)),
        }
    }

    /// What is written goes out as it is, so that the kernel can send a file by itself.
    pub fn is_plain(&self) -> bool {
        !matches!(self.0, Kind::Tls(_))
    }

    /// Leaves its runtime.
    ///
    /// # Errors
    /// The runtime is at its end, or it is not plain.
    pub fn leave(self) -> io::Result<Accepted> {
        match self.0 {
            Kind::Tcp(s) => s.into_std().map(Accepted::Tcp),
            Kind::Unix(s) => s.into_std().map(Accepted::Unix),
            Kind::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The first byte that the other end says over TCP, which stays unread; `None`: it says nothing, or is on this machine.
    ///
    /// # Errors
    /// It has gone.
    pub async fn first_byte(&self) -> io::Result<Option<u8>> {
        let Kind::Tcp(tcp) = &self.0 else { return Ok(None) };
        let mut byte = [0];
        Ok((tcp.peek(&mut byte).await? > 0).then_some(byte[0]))
    }

    /// The client speaks HTTP/2: it has chosen it by ALPN.
    pub fn is_http2(&self) -> bool {
        matches!(&self.0, Kind::Tls(tls) if tls.is_http2())
    }

    /// `None`: it has gone again.
    pub fn peer(&self) -> Option<Peer> {
        match &self.0 {
            Kind::Tcp(s) => s.peer_addr().ok().map(Peer::Tcp),
            Kind::Tls(tls) => tls.tcp().peer_addr().ok().map(Peer::Tcp),
            Kind::Unix(_) => Some(Peer::Local),
        }
    }

    /// What has come, as far as there is room in `buf`; 0: the other end will say no more.
    ///
    /// # Errors
    /// `WouldBlock`: nothing has come; likewise below.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        each!(self, s => s.try_read(buf), tls => tls.try_read(buf))
    }

    /// As much of `bufs` as is taken, in order.
    pub fn try_write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            Kind::Tcp(s) => kernel::write_tcp(s, bufs),
            Kind::Unix(s) => kernel::write_unix(s, bufs),
            Kind::Tls(tls) => tls.try_write(bufs),
        }
    }

    /// Ready when [`Socket::try_read`] is worth a try.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, s => s.poll_read_ready(cx), tls => tls.poll_read_ready(cx))
    }

    /// Ready when [`Socket::try_write`] is worth a try.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, s => s.poll_write_ready(cx), tls => tls.poll_write_ready(cx))
    }

    /// Ready when there is something unread: data, the end, or an error.
    pub fn poll_unread(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Kind::Tls(tls) = &self.0 {
            return tls.poll_read_ready(cx);
        }
        loop {
            ready!(self.poll_read_ready(cx))?;
            let mut byte = [std::mem::MaybeUninit::uninit()];
            match kernel!(self, s => s.try_io(Interest::READABLE, || SockRef::from(s).peek(&mut byte))) {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                seen => return Poll::Ready(seen.map(drop)),
            }
        }
    }

    /// Bytes that were written and that the other end has not acknowledged (tcp(7), SIOCOUTQ), with those that wait before the kernel; 0 where the
    /// system does not tell.
    pub fn unacknowledged(&self) -> usize {
        #[cfg(target_os = "linux")]
        {
            let (tcp, waiting) = match &self.0 {
                Kind::Tcp(tcp) => (tcp, 0),
                Kind::Tls(tls) => (tls.tcp(), tls.waiting()),
                Kind::Unix(_) => return 0,
            };
            let mut bytes: libc::c_int = 0;
            // SAFETY: this request writes one int, and the descriptor is open as long as the socket is borrowed.
            let done = unsafe { libc::ioctl(tcp.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
            waiting + if done == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
        }
        #[cfg(not(target_os = "linux"))]
        0
    }

    /// Closed at once, and what the kernel still holds is thrown away.
    pub fn abort(self) {
        // A failure means that there is nothing left to abort.
        _ = kernel!(&self, s => SockRef::from(s).set_linger(Some(Duration::ZERO)));
    }

    /// Says goodbye in the protocol of the kind. Ready when the kernel has it.
    ///
    /// # Errors
    /// The other end has gone.
    pub fn poll_goodbye(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Kind::Tls(tls) = &self.0 else { return Poll::Ready(Ok(())) };
        tls.close();
        tls.poll_flush(cx)
    }

    /// No more will be sent.
    pub fn shutdown_write(&self) {
        if let Kind::Tls(tls) = &self.0 {
            tls.close();
        }
        // A failure means that the peer has gone already.
        _ = kernel!(self, s => SockRef::from(s).shutdown(std::net::Shutdown::Write));
    }
}

#[cfg(test)]
impl From<UnixStream> for Socket {
    fn from(stream: UnixStream) -> Socket {
        Socket(Kind::Unix(stream))
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_read(cx, buf), tls => {
            ready!(tls.poll_read_ready(cx))?;
            match tls.try_read(buf.initialize_unfilled()) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                read => Poll::Ready(read.map(|n| buf.advance(n))),
            }
        })
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), s => Pin::new(s).poll_write_vectored(cx, bufs), tls => loop {
            match tls.try_write(bufs) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready!(tls.poll_write_ready(cx))?,
                done => break Poll::Ready(done),
            }
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), s => Pin::new(s).poll_flush(cx), tls => tls.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Kind::Tls(tls) = &self.0 {
            ready!(tls.poll_flush(cx))?;
            self.shutdown_write();
            return Poll::Ready(Ok(()));
        }
        each!(self.get_mut(), s => Pin::new(s).poll_shutdown(cx), _tls => Poll::Ready(Ok(())))
    }
}
