//! The way to tiny_http: a few connections of our own.
//!
//! tiny_http 0.12 parses, queues and answers small, well-formed requests well. It is not safe against strangers: it has no limit
//! on connections, threads, lines, pipelined requests or idle time; a body that was not read is allocated at its declared length; and its
//! accept loop ends for good, or panics, when descriptors run out. So it gets neither the port nor the strangers' bytes. It accepts a few
//! connections over a private socket when the program starts, and never again; over each of these goes one checked request at a time.
//!
//! Each kind of request has a pool of connections: a handler that hangs holds up no other kind.

use super::head::Ask;
use super::reply::{self, Reply};
use super::routes::Control;
use crate::cli::panic;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tiny_http::{Request, Server};

/// A handler that takes longer is said to hang.
pub(super) const HANDLER_TIMEOUT: Duration = Duration::from_secs(5);

/// A handler of the program's own may hang; so many may at the same time before others are refused.
const OWN: usize = 2;

/// One pool for each kind of request: /healthz, the other numbers, the program's own.
pub(super) struct ConnectionPools {
    control: Control,
    pools: [Pool; 3],
}

struct Pool {
    free: Mutex<Vec<Option<UnixStream>>>,
    returned: Condvar,
}

/// A connection that is in use; it goes back when this is dropped, if all of the last answer was read.
struct PooledConnection<'a> {
    pool: &'a Pool,
    /// `None`: broken, to be opened anew by who takes it next.
    stream: Option<UnixStream>,
}

/// What became of a request.
pub(super) enum Outcome<'a> {
    /// The whole answer, head and body.
    Answer(Vec<u8>),
    /// No answer came within [`HANDLER_TIMEOUT`]. It has still to be waited for.
    Hangs(PendingAnswer<'a>),
    /// All connections of its pool are taken by others that hang.
    Busy,
}

/// The wait for a handler that hangs.
pub(super) struct PendingAnswer<'a> {
    connection: PooledConnection<'a>,
    read: Vec<u8>,
}

impl ConnectionPools {
    /// Opens them all.
    pub(super) fn open(control: Control) -> io::Result<ConnectionPools> {
        let mut streams = open(&control, 2 + OWN)?.into_iter().map(Some);
        let pools = [1, 1, OWN].map(|n| Pool { free: Mutex::new(streams.by_ref().take(n).collect()), returned: Condvar::new() });
        Ok(ConnectionPools { control, pools })
    }

    pub(super) fn ask(&self, ask: &Ask) -> io::Result<Outcome<'_>> {
        let pool = match ask.path.as_str() {
            "/healthz" => 0,
            "/metrics" | "/stats" => 1,
            _ => 2,
        };
        let Some(mut connection) = self.pools[pool].take() else { return Ok(Outcome::Busy) };
        let mut stream = match connection.stream.take() {
            Some(stream) => stream,
            None => open(&self.control, 1)?.remove(0),
        };
        stream.set_read_timeout(Some(HANDLER_TIMEOUT))?;
        let Ask { method, path, body, .. } = ask;
        let method = if method == "HEAD" { "GET" } else { method };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let mut read = Vec::new();
        match answer(&mut stream, &mut read) {
            Ok(()) => {
                connection.stream = Some(stream);
                Ok(Outcome::Answer(read))
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                connection.stream = Some(stream);
                Ok(Outcome::Hangs(PendingAnswer { connection, read }))
            }
            Err(e) => Err(e),
        }
    }
}

impl PendingAnswer<'_> {
    /// Returns when the handler has come back.
    pub(super) fn wait(mut self) {
        let Some(mut stream) = self.connection.stream.take() else { return };
        if stream.set_read_timeout(None).and_then(|()| answer(&mut stream, &mut self.read)).is_ok() {
            self.connection.stream = Some(stream);
        }
    }
}

impl Pool {
    fn take(&self) -> Option<PooledConnection<'_>> {
        let (mut free, waited) =
            self.returned.wait_timeout_while(self.lock(), HANDLER_TIMEOUT, |free| free.is_empty()).unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && free.is_empty() {
            return None;
        }
        free.pop().map(|stream| PooledConnection { pool: self, stream })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<UnixStream>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PooledConnection<'_> {
    fn drop(&mut self) {
        self.pool.lock().push(self.stream.take());
        self.pool.returned.notify_one();
    }
}

/// Reads one whole answer behind what was read of it already.
fn answer(stream: &mut UnixStream, read: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = [0; 16 << 10];
    while !is_whole(read)? {
        match stream.read(&mut piece) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => read.extend_from_slice(&piece[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Every answer of ours has a Content-Length, but for 204; and HEAD is asked as GET.
fn is_whole(read: &[u8]) -> io::Result<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    let parsed = response.parse(read).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
    let httparse::Status::Complete(head) = parsed else { return Ok(false) };
    let length = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case("Content-Length"));
    let length = length.and_then(|h| std::str::from_utf8(h.value).ok()?.parse().ok()).unwrap_or(0);
    Ok(read.len() - head >= length)
}

/// Connections to a server of tiny_http's that will accept no more.
fn open(control: &Control, n: usize) -> io::Result<Vec<UnixStream>> {
    // tiny_http panics where it finds no descriptor; each connection takes three of them, so look first.
    let spare = (0..2 + 2 * n).map(|_| UnixStream::pair()).collect::<io::Result<Vec<_>>>()?;
    drop(spare);
    let (listener, _folder) = private_listener()?;
    let acceptor = listener.try_clone()?;
    let server = Arc::new(Server::from_listener(listener, None).map_err(|e| io::Error::other(e.to_string()))?);
    for _ in 0..n {
        let (server, control) = (Arc::clone(&server), control.clone());
        std::thread::Builder::new().name("control".into()).spawn(move || work(&server, &control))?;
    }
    let pools = (0..n).map(|_| connection(&acceptor)).collect::<io::Result<Vec<_>>>()?;
    // All of them have been accepted: from now on there is no way in.
    _ = socket2::SockRef::from(&acceptor).shutdown(std::net::Shutdown::Both);
    Ok(pools)
}

/// A connection that works: one request has been answered.
fn connection(acceptor: &UnixListener) -> io::Result<UnixStream> {
    let mut connection = UnixStream::connect_addr(&acceptor.local_addr()?)?;
    connection.set_read_timeout(Some(HANDLER_TIMEOUT))?;
    connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    answer(&mut connection, &mut Vec::new())?;
    Ok(connection)
}

/// A folder that is gone when this is dropped, with the socket in it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_file(self.0.join(SOCKET)).and_then(|()| std::fs::remove_dir(&self.0));
    }
}

const SOCKET: &str = "control";

/// A socket in a folder of our own, or on Linux without a file where no folder can be made.
fn private_listener() -> io::Result<(UnixListener, Option<Folder>)> {
    let number = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    let name = format!("h5live-{}-{number}", std::process::id());
    let places = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).into_iter().chain([std::env::temp_dir()]);
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for place in places {
        let folder = Folder(place.join(&name));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder.0);
        match made.and_then(|()| UnixListener::bind(folder.0.join(SOCKET))) {
            Ok(listener) => return Ok((listener, Some(folder))),
            Err(error) => failed = error,
        }
    }
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        tracing::debug!("control endpoint: no folder for a socket: {failed}");
        Ok((UnixListener::bind_addr(&address)?, None))
    }
    #[cfg(not(target_os = "linux"))]
    Err(failed)
}

/// Answers what tiny_http hands over, for as long as the program runs.
fn work(server: &Server, control: &Control) -> ! {
    loop {
        match server.recv() {
            Ok(request) => reply(control, request),
            // The end of its accept loop, once.
            Err(error) => tracing::trace!("control endpoint: {error}"),
        }
    }
}

fn reply(control: &Control, mut request: Request) {
    let (method, path) = (request.method().as_str().to_owned(), request.url().to_owned());
    let mut body = Vec::new();
    let read = request.as_reader().read_to_end(&mut body);
    let handled = panic::contained(|| match read {
        Ok(_) => control.reply(&method, &path, &body),
        Err(error) => Reply::text(400, error.to_string()),
    });
    let reply = handled.unwrap_or_else(|_| {
        tracing::error!("control endpoint: {method} {path} failed: an internal error");
        Reply::text(500, "an internal error")
    });
    if let Err(error) = request.respond(reply::response(&reply)) {
        tracing::debug!("control endpoint: {error}");
    }
}
