//! Writes to the sockets of the kernel. Most of them get through: the runtime has to know only of those that do not, as it is to watch the socket then.

use socket2::SockRef;
use std::io::{self, ErrorKind, IoSlice};
use tokio::net::{TcpStream, UnixStream};

macro_rules! write {
    ($socket:expr, $bufs:expr) => {
        match $bufs {
            [one] => match SockRef::from($socket).send(one) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => $socket.try_write(one),
                done => done,
            },
            bufs => $socket.try_write_vectored(bufs),
        }
    };
}

pub fn write_tcp(socket: &TcpStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    write!(socket, bufs)
}

pub fn write_unix(socket: &UnixStream, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    write!(socket, bufs)
}
