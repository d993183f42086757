//! TLS over TCP, as a kind of [`super::socket::Socket`]: the calls of a socket, all of which return at once.
//!
//! What is written is encrypted at once, a part at a time, and the next part is taken when the kernel has all of the last. So between a viewer and
//! the kernel there is no more than one part, however slow it is. Shared bytes are read where they are: rustls copies them once, into the record
//! that it encrypts.

use super::kernel::write_tcp;
use super::tls::{H2, Tls};
use rustls::ServerConnection;
use std::cell::RefCell;
use std::io::{self, BufRead, ErrorKind, IoSlice, Read, Write};
use std::task::{Context, Poll, ready};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Encrypted at a time: two records (RFC 8446, section 5.1).
const PART: usize = 32 * 1024;
/// Records of nothing, one after the other, before the others have their turn.
const READS: usize = 16;
/// Slices looked at in one write that goes on in the middle of a part.
const SLICES: usize = 16;

#[derive(Debug)]
pub struct TlsSocket {
    tcp: TcpStream,
    session: RefCell<Session>,
}

#[derive(Debug)]
struct Session {
    tls: Box<ServerConnection>,
    /// What waits here for the kernel, but for the heads of its records.
    waiting: usize,
    /// The last byte of that has been taken, and the caller does not know it yet.
    owed: bool,
    goodbye: bool,
}

impl TlsSocket {
    /// After a handshake, of which each calculation takes its turn: one at a time, and between two of them the others have theirs.
    ///
    /// # Errors
    /// It failed; the client has been told why, as far as that is possible.
    pub async fn accept(tcp: TcpStream, tls: &Tls, turns: &Semaphore) -> io::Result<TlsSocket> {
        let mut tls = ServerConnection::new(tls.config()).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(PART));
        let session = Session { tls: Box::new(tls), waiting: 0, owed: false, goodbye: false };
        let socket = TlsSocket { tcp, session: RefCell::new(session) };
        loop {
            std::future::poll_fn(|cx| socket.poll_flush(cx)).await?;
            if !socket.session.borrow().tls.is_handshaking() {
                return Ok(socket);
            }
            std::future::poll_fn(|cx| socket.tcp.poll_read_ready(cx)).await?;
            let _turn = turns.acquire().await;
            match socket.session.borrow_mut().receive(&socket.tcp) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
    }

    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// The client has chosen HTTP/2.
    pub fn is_http2(&self) -> bool {
        self.session.borrow().tls.alpn_protocol() == Some(H2)
    }

    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let session = &mut *self.session.borrow_mut();
        for _ in 0..READS {
            match session.tls.reader().read(buf) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => _ = session.receive(&self.tcp)?,
                // Its side of TCP has ended, without a word of TLS. Where more was to come, HTTP knows it.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
        }
        Err(ErrorKind::WouldBlock.into())
    }

    /// Ready when there is something to read of what the client says, its end, or an error.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..READS {
            let session = &mut *self.session.borrow_mut();
            match session.tls.reader().fill_buf() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => return Poll::Ready(Ok(())),
            }
            match session.receive(&self.tcp) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => ready!(self.tcp.poll_read_ready(cx))?,
                received => _ = received?,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes the next part, when the kernel has all of the last one. If it does not take all of this one at once, the last byte counts as not taken: the
    /// caller comes with it again.
    pub fn try_write(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let session = &mut *self.session.borrow_mut();
        session.send(&self.tcp)?;
        let owed = usize::from(std::mem::take(&mut session.owed));
        let taken = match owed {
            0 => session.tls.writer().write_vectored(bufs)?,
            _ => {
                let mut slices = [IoSlice::new(&[]); SLICES];
                slices.iter_mut().zip(bufs).for_each(|(slice, buf)| *slice = *buf);
                let mut rest = &mut slices[..];
                IoSlice::advance_slices(&mut rest, owed);
                session.tls.writer().write_vectored(rest)?
            }
        };
        session.waiting = taken;
        match session.send(&self.tcp) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                session.owed = taken > 0;
                match owed + taken - usize::from(session.owed) {
                    0 => Err(error),
                    counted => Ok(counted),
                }
            }
            sent => sent.map(|()| owed + taken),
        }
    }

    /// Ready when the kernel has all that was taken, and takes more.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.tcp.poll_write_ready(cx)
    }

    /// Ready when the kernel has all that was taken.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.session.borrow_mut().send(&self.tcp) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
            ready!(self.tcp.poll_write_ready(cx))?;
        }
    }

    /// Bytes that were taken and wait for the kernel.
    pub fn waiting(&self) -> usize {
        self.session.borrow().waiting
    }

    /// Says goodbye (RFC 8446, section 6.1), as far as the kernel takes it.
    pub fn close(&self) {
        let session = &mut *self.session.borrow_mut();
        if !std::mem::replace(&mut session.goodbye, true) {
            session.tls.send_close_notify();
        }
        // Where there is no room, the end of the connection says it.
        _ = session.send(&self.tcp);
    }
}

impl Session {
    /// What the kernel has, once, and what TLS has to answer to it. 0: its side of TCP has ended.
    fn receive(&mut self, tcp: &TcpStream) -> io::Result<usize> {
        let read = self.tls.read_tls(&mut Kernel(tcp))?;
        let processed = self.tls.process_new_packets();
        match self.send(tcp) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            Ok(()) | Err(_) => {}
        }
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        Ok(read)
    }

    /// Gives the kernel what waits.
    fn send(&mut self, tcp: &TcpStream) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut Kernel(tcp))? {
                0 => return Err(ErrorKind::WriteZero.into()),
                sent => self.waiting = self.waiting.saturating_sub(sent),
            }
        }
        self.waiting = 0;
        Ok(())
    }
}

/// The socket below, for rustls.
struct Kernel<'a>(&'a TcpStream);

impl Read for Kernel<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl Write for Kernel<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        write_tcp(self.0, bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
