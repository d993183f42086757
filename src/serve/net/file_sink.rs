//! Sends files over a socket of the kernel (sendfile(2)): their bytes do not come through this process. It waits for the disk, so it is for a thread that serves no
//! viewer.

use super::socket::Accepted;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// One call sends so many bytes at most: others have their turn in between. As much as the socket may hold: then the client's acknowledgements send most of it, and
/// this thread is free.
const MOST: u64 = 4 << 20;

/// A socket that is in bulk: see [`Accepted::set_bulk`].
#[derive(Debug)]
pub struct FileSink {
    socket: Kind,
    /// How long the other end may take nothing.
    stall: Duration,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl FileSink {
    /// To be called in the runtime that is to have it.
    ///
    /// # Errors
    /// The socket has failed.
    pub fn new(socket: Accepted, stall: Duration) -> io::Result<FileSink> {
        socket.set_bulk(true)?;
        let socket = match socket {
            Accepted::Tcp(socket) => Kind::Tcp(TcpStream::from_std(socket)?),
            Accepted::Unix(socket) => Kind::Unix(UnixStream::from_std(socket)?),
        };
        Ok(FileSink { socket, stall })
    }

    /// All of these bytes.
    ///
    /// # Errors
    /// The other end has gone, or takes nothing.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.writable().await?;
            let written = match &self.socket {
                Kind::Tcp(socket) => socket.try_write(rest),
                Kind::Unix(socket) => socket.try_write(rest),
            };
            match written {
                Ok(n) => rest = &rest[n.min(rest.len())..],
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// So many bytes of a file, from `at` on.
    ///
    /// # Errors
    /// As above, or the file is shorter than that, or cannot be read.
    pub async fn send(&self, file: &File, mut at: u64, mut length: u64) -> io::Result<()> {
        while length > 0 {
            self.writable().await?;
            let send = || send_some(&self.socket, file, &mut at, length.min(MOST));
            let sent = match &self.socket {
                Kind::Tcp(socket) => socket.try_io(Interest::WRITABLE, send),
                Kind::Unix(socket) => socket.try_io(Interest::WRITABLE, send),
            };
            match sent {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(sent) => {
                    length = length.saturating_sub(sent as u64);
                    // A socket that takes what it is given would keep the thread. While the others have it, the kernel sends what this one was given.
                    tokio::task::yield_now().await;
                }
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// All is sent. The socket is as it was, and belongs to no runtime.
    ///
    /// # Errors
    /// It has failed.
    pub fn finish(self) -> io::Result<Accepted> {
        let socket = match self.socket {
            Kind::Tcp(socket) => Accepted::Tcp(socket.into_std()?),
            Kind::Unix(socket) => Accepted::Unix(socket.into_std()?),
        };
        socket.set_bulk(false)?;
        Ok(socket)
    }

    async fn writable(&self) -> io::Result<()> {
        let writable = async {
            match &self.socket {
                Kind::Tcp(socket) => socket.writable().await,
                Kind::Unix(socket) => socket.writable().await,
            }
        };
        tokio::time::timeout(self.stall, writable).await.unwrap_or(Err(ErrorKind::TimedOut.into()))
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(target_os = "linux")]
fn send_some(socket: &Kind, file: &File, at: &mut u64, length: u64) -> io::Result<usize> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let sent = match socket {
        Kind::Tcp(socket) => rustix::fs::sendfile(socket, file, Some(at), length),
        Kind::Unix(socket) => rustix::fs::sendfile(socket, file, Some(at), length),
    };
    Ok(sent?)
}

#[cfg(not(target_os = "linux"))]
fn send_some(socket: &Kind, file: &File, at: &mut u64, length: u64) -> io::Result<usize> {
    use std::os::unix::fs::FileExt as _;
    let mut piece = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(256 * 1024)];
    let read = file.read_at(&mut piece, *at)?;
    let sent = match socket {
        Kind::Tcp(socket) => rustix::io::write(socket, &piece[..read]),
        Kind::Unix(socket) => rustix::io::write(socket, &piece[..read]),
    };
    let sent = sent?;
    *at += sent as u64;
    Ok(sent)
}
