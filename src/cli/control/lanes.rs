//! The way to tiny_http: a few connections of our own.
//!
//! tiny_http 0.12 parses, queues and answers well what is well formed and little. From strangers it cannot be guarded: it has no limit
//! on connections, threads, lines, pipelined requests or idle time; a body that was not read is allocated at its declared length; and its
//! accept loop ends for good, or panics, when descriptors run out. So it gets neither the port nor the strangers' bytes. It accepts a few
//! connections over a private socket when the program starts, and never again; over these *lanes* goes one judged request at a time.
//!
//! Each kind of request has lanes of its own: a handler that hangs holds up no other kind.

use super::{Control, Reply, head::Ask};
use crate::cli::panic;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tiny_http::{Request, Server};

/// A handler that takes longer is said to hang.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A handler of the program's own may hang; so many may at the same time before others are refused.
const OWN: usize = 2;

/// Lanes by kind of request: /healthz, the other numbers, the program's own.
pub(super) struct Lanes {
    control: Control,
    kinds: [Kind; 3],
}

struct Kind {
    free: Mutex<Vec<Option<UnixStream>>>,
    returned: Condvar,
}

/// A lane that is in use; it goes back when this is dropped, if all of the last answer was read.
struct Taken<'a> {
    kind: &'a Kind,
    /// `None`: broken, to be opened anew by who takes it next.
    stream: Option<UnixStream>,
}

/// What became of a request.
pub(super) enum Outcome<'a> {
    /// The whole answer, head and body.
    Answer(Vec<u8>),
    /// Nothing was answered within [`PATIENCE`]; the rest has still to be waited for.
    Hangs(Late<'a>),
    /// All lanes of its kind are taken by others that hang.
    Busy,
}

/// The wait for a handler that hangs.
pub(super) struct Late<'a> {
    lane: Taken<'a>,
    read: Vec<u8>,
}

impl Lanes {
    /// Opens them all.
    pub(super) fn open(control: Control) -> io::Result<Lanes> {
        let mut streams = open(&control, 2 + OWN)?.into_iter().map(Some);
        let kinds = [1, 1, OWN].map(|n| Kind { free: Mutex::new(streams.by_ref().take(n).collect()), returned: Condvar::new() });
        Ok(Lanes { control, kinds })
    }

    pub(super) fn ask(&self, ask: &Ask) -> io::Result<Outcome<'_>> {
        let kind = match ask.path.as_str() {
            "/healthz" => 0,
            "/metrics" | "/stats" => 1,
            _ => 2,
        };
        let Some(mut lane) = self.kinds[kind].take() else { return Ok(Outcome::Busy) };
        let mut stream = match lane.stream.take() {
            Some(stream) => stream,
            None => open(&self.control, 1)?.remove(0),
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        let Ask { method, path, body, .. } = ask;
        let method = if method == "HEAD" { "GET" } else { method };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let mut read = Vec::new();
        match answer(&mut stream, &mut read) {
            Ok(()) => {
                lane.stream = Some(stream);
                Ok(Outcome::Answer(read))
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                lane.stream = Some(stream);
                Ok(Outcome::Hangs(Late { lane, read }))
            }
            Err(e) => Err(e),
        }
    }
}

impl Late<'_> {
    /// Returns when the handler has come back.
    pub(super) fn wait(mut self) {
        let Some(mut stream) = self.lane.stream.take() else { return };
        if stream.set_read_timeout(None).and_then(|()| answer(&mut stream, &mut self.read)).is_ok() {
            self.lane.stream = Some(stream);
        }
    }
}

impl Kind {
    fn take(&self) -> Option<Taken<'_>> {
        let (mut free, waited) =
            self.returned.wait_timeout_while(self.lock(), PATIENCE, |free| free.is_empty()).unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && free.is_empty() {
            return None;
        }
        free.pop().map(|stream| Taken { kind: self, stream })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<UnixStream>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.kind.lock().push(self.stream.take());
        self.kind.returned.notify_one();
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
    // tiny_http panics where it finds no descriptor; each lane takes three of them, so look first.
    let spare = (0..2 + 2 * n).map(|_| UnixStream::pair()).collect::<io::Result<Vec<_>>>()?;
    drop(spare);
    let (listener, _folder) = private_listener()?;
    let door = listener.try_clone()?;
    let server = Arc::new(Server::from_listener(listener, None).map_err(|e| io::Error::other(e.to_string()))?);
    for _ in 0..n {
        let (server, control) = (Arc::clone(&server), control.clone());
        std::thread::Builder::new().name("control".into()).spawn(move || work(&server, &control))?;
    }
    let lanes = (0..n).map(|_| lane(&door)).collect::<io::Result<Vec<_>>>()?;
    // All of them have been accepted: from now on there is no way in.
    _ = socket2::SockRef::from(&door).shutdown(std::net::Shutdown::Both);
    Ok(lanes)
}

/// A connection that works: one request has been answered.
fn lane(door: &UnixListener) -> io::Result<UnixStream> {
    let mut lane = UnixStream::connect_addr(&door.local_addr()?)?;
    lane.set_read_timeout(Some(PATIENCE))?;
    lane.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    answer(&mut lane, &mut Vec::new())?;
    Ok(lane)
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
    if let Err(error) = request.respond(super::response(&reply)) {
        tracing::debug!("control endpoint: {error}");
    }
}
