//! The sockets that connections come in by.

use super::socket::Accepted;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixStream};

/// Connections that the kernel may hold for us.
const BACKLOG: u32 = 4096;

/// Where to listen: `HOST:PORT`, `[IPv6]:PORT`, a port alone (this machine only) or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `HOST:PORT`; port 0 is any that is free.
    Tcp(String),
    /// A Unix socket, made under this path.
    Unix(PathBuf),
}

/// The text is no such address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected HOST:PORT, [IPv6]:PORT, PORT or unix:PATH")]
pub struct ListenError;

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(s: &str) -> Result<Listen, ListenError> {
        if let Some(path) = s.strip_prefix("unix:") {
            return if path.is_empty() { Err(ListenError) } else { Ok(Listen::Unix(path.into())) };
        }
        let (host, port) = s.rsplit_once(':').unwrap_or(("127.0.0.1", s));
        let bare = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        if host.is_empty() || bare || port.parse::<u16>().is_err() {
            return Err(ListenError);
        }
        Ok(Listen::Tcp(format!("{host}:{port}")))
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Listen::Tcp(address) => f.write_str(address),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is spoken on a TCP port; over a Unix socket it is always plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    /// HTTP, of which everything is answered by the way to HTTPS.
    ToHttps,
}

/// A socket that is listened on.
pub(crate) enum Listener {
    Tcp(TcpListener, Scheme),
    /// The file goes before its socket does: until then no other file can have the same identity.
    Unix(SocketFile, UnixListener),
}

impl Listener {
    /// # Errors
    /// The address cannot be had; for a Unix socket also: something else has that name, which is then left alone.
    pub async fn bind(listen: &Listen, scheme: Scheme) -> io::Result<Listener> {
        match listen {
            Listen::Unix(path) => bind_unix(path).await,
            Listen::Tcp(address) => {
                let mut failure = io::Error::new(io::ErrorKind::NotFound, "no such host");
                for address in tokio::net::lookup_host(address).await? {
                    match bind_tcp(address) {
                        Ok(listener) => return Ok(Listener::Tcp(listener, scheme)),
                        Err(error) => failure = error,
                    }
                }
                Err(failure)
            }
        }
    }

    pub async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Listener::Tcp(listener, _) => listener.accept().await?.0.into_std().map(Accepted::Tcp),
            Listener::Unix(_, listener) => listener.accept().await?.0.into_std().map(Accepted::Unix),
        }
    }

    pub fn scheme(&self) -> Scheme {
        match self {
            Listener::Tcp(_, scheme) => *scheme,
            Listener::Unix(..) => Scheme::Http,
        }
    }

    /// The port of TCP.
    pub fn port(&self) -> Option<u16> {
        match self {
            Listener::Tcp(tcp, _) => tcp.local_addr().ok().map(|address| address.port()),
            Listener::Unix(..) => None,
        }
    }

    /// Whether other machines can reach what is served on it.
    pub fn is_reachable(&self) -> bool {
        match self {
            Listener::Tcp(_, Scheme::ToHttps) => false,
            Listener::Tcp(tcp, _) => !tcp.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback()),
            Listener::Unix(..) => false,
        }
    }

    /// The address, as a browser or curl takes it.
    pub fn address(&self) -> String {
        match self {
            Listener::Tcp(tcp, scheme) => {
                let scheme = if *scheme == Scheme::Https { "https" } else { "http" };
                tcp.local_addr().map_or_else(|e| e.to_string(), |a| format!("{scheme}://{a}/"))
            }
            Listener::Unix(file, _) => format!("unix:{}", file.path.display()),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn bind_unix(path: &Path) -> io::Result<Listener> {
    if let Some(found) = find_socket(path)? {
        // A socket without a listener is left from a server that was killed. (connect says the same of what is no socket.)
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => remove_socket(path, found),
            _ => return Err(io::ErrorKind::AddrInUse.into()),
        }
    }
    let listener = UnixListener::bind(path)?;
    let identity = find_socket(path)?.ok_or(io::ErrorKind::NotFound)?;
    Ok(Listener::Unix(SocketFile { path: path.into(), identity }, listener))
}

/// The name of a Unix socket in the file system; taken away when this is dropped, unless it is something else's by then.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Device and inode.
type Identity = (u64, u64);

impl Drop for SocketFile {
    fn drop(&mut self) {
        remove_socket(&self.path, self.identity);
    }
}

/// The socket that `path` names, without following a link; `None`: nothing has that name.
///
/// # Errors
/// Something has, and is no socket.
fn find_socket(path: &Path) -> io::Result<Option<Identity>> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there and is no socket; nothing was changed"));
    }
    Ok(Some((found.dev(), found.ino())))
}

/// Takes the name away if it is still this socket's.
fn remove_socket(path: &Path, identity: Identity) {
    if find_socket(path).is_ok_and(|found| found == Some(identity)) {
        // What is gone already needs no more.
        _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let shown = |s: &str| s.parse::<Listen>().map(|l| l.to_string());
        for same in ["127.0.0.1:8080", "[::]:0", "cam.example:80", "unix:/run/h5.sock"] {
            assert_eq!(shown(same).as_deref(), Ok(same));
        }
        assert_eq!(shown("9000").as_deref(), Ok("127.0.0.1:9000"));
        for wrong in ["", ":80", "::1:80", "host", "host:70000", "unix:"] {
            assert_eq!(shown(wrong), Err(ListenError), "{wrong}");
        }
    }
}
