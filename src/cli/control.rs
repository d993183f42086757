//! The control endpoint: small HTTP answers about one program, on its own port and thread, by tiny_http.
//!
//! It is meant for the people who run the program, on this machine or a network of theirs: it streams nothing, and its
//! port should never be public. It still answers when the data path hangs. A body is at most [`MAX_BODY`] bytes: so
//! much tiny_http has read before it hands a request over, and a slow client cannot hold up the others.
//!
//! What tiny_http 0.12 needs to be guarded from: an error of `accept` ends its loop for good (see `serve`), and an unread
//! body is allocated at its declared length when the request is dropped (see [`MAX_DRAIN`]).

use super::Stats;
use anyhow::Context as _;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tiny_http::{Header, Request, Response, Server};

/// Longest body of a request, in bytes.
pub const MAX_BODY: usize = 1024;

/// Longest declared body that is read and thrown away, in bytes. tiny_http does so when a request is dropped, into one
/// buffer of the declared length: at 2^60 that would abort the program.
const MAX_DRAIN: usize = 1 << 20;

/// A client that does not take its answer for so long loses it.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the connections of a server that stopped accepting are still served.
const LAST_ORDERS: Duration = Duration::from_secs(30);

/// Where to listen: a port, an address and port, or a name and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
}

/// The text is no address; shown by clap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected PORT, HOST:PORT or [IPv6]:PORT")]
pub struct AddressError;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(s: &str) -> Result<Address, AddressError> {
        let (host, port) = s.rsplit_once(':').unwrap_or(("127.0.0.1", s));
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let port = port.parse().map_err(|_| AddressError)?;
        match bare.unwrap_or(host) {
            "" => Err(AddressError),
            host if bare.is_none() && host.contains(':') => Err(AddressError),
            host => Ok(Address { host: host.into(), port }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

/// A short answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

impl Reply {
    /// A line of text.
    pub fn text(status: u16, text: impl Into<String>) -> Reply {
        Reply { status, content_type: "text/plain; charset=utf-8", body: text.into() + "\n" }
    }

    /// 200 with a JSON document.
    pub fn json(value: &serde_json::Value) -> Reply {
        Reply { status: 200, content_type: "application/json", body: value.to_string() + "\n" }
    }

    /// 204: done, nothing to say.
    pub fn done() -> Reply {
        Reply { status: 204, content_type: "text/plain; charset=utf-8", body: String::new() }
    }
}

type Handler = Box<dyn Fn(&[u8]) -> Reply + Send + Sync>;

struct Route {
    method: &'static str,
    path: &'static str,
    handler: Handler,
}

/// The routes of the endpoint. Without `--control` they are kept and never asked for.
#[derive(Clone, Default)]
pub struct Control {
    routes: Arc<Mutex<Vec<Route>>>,
}

impl Control {
    /// Adds a route of the program's own; `handler` gets the body, of at most [`MAX_BODY`] bytes.
    pub fn route(&self, method: &'static str, path: &'static str, handler: impl Fn(&[u8]) -> Reply + Send + Sync + 'static) {
        self.lock().push(Route { method, path, handler: Box::new(handler) });
    }

    /// Listens and answers, in a thread of its own, until the program ends. Gives the address that was bound.
    pub(super) fn listen(&self, address: &Address, stats: Arc<Stats>) -> anyhow::Result<SocketAddr> {
        let listener = bind(address)?;
        let bound = listener.local_addr()?;
        self.add_common_routes(stats);
        serve(self.clone(), listener)?;
        Ok(bound)
    }

    fn add_common_routes(&self, stats: Arc<Stats>) {
        let (metrics, health) = (Arc::clone(&stats), Arc::clone(&stats));
        self.route("GET", "/metrics", move |_| Reply {
            status: 200,
            content_type: "text/plain; version=0.0.4; charset=utf-8",
            body: metrics.prometheus(),
        });
        self.route("GET", "/healthz", move |_| match health.health() {
            Ok(()) => Reply::text(200, "ok"),
            Err(reason) => Reply::text(503, reason),
        });
        self.route("GET", "/stats", move |_| Reply::json(&stats.json()));
    }

    /// The answer to one request.
    fn reply(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        let routes = self.lock();
        let method = if method == "HEAD" { "GET" } else { method };
        let here = || routes.iter().filter(|r| r.path == path);
        match here().find(|r| r.method == method) {
            Some(route) => (route.handler)(body),
            None if here().next().is_some() => {
                let methods: Vec<_> = here().map(|r| r.method).collect();
                Reply::text(405, format!("{path} takes {}", methods.join(", ")))
            }
            None => {
                let known: Vec<_> = routes.iter().map(|r| format!("{} {}", r.method, r.path)).collect();
                Reply::text(404, format!("there is: {}", known.join(", ")))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Route>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listener whose accepted sockets inherit (Linux): no Nagle delay, a limit on the time to take an answer, and an end
/// of connections whose peer is gone. A receive timeout would end `accept` too, and with it tiny_http's loop.
fn bind(address: &Address) -> anyhow::Result<TcpListener> {
    let resolved = match address.host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, address.port),
        Err(_) => (address.host.as_str(), address.port).to_socket_addrs()?.next().context("no address")?,
    };
    let socket = Socket::new(Domain::for_address(resolved), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&resolved.into())?;
    socket.listen(16)?;
    let options = SockRef::from(&socket);
    options.set_tcp_nodelay(true)?;
    options.set_write_timeout(Some(SEND_TIMEOUT))?;
    options.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(60)))?;
    Ok(socket.into())
}

/// Answers the requests of one tiny_http server. Its accept loop ends for good at the first error, such as too many open
/// files: then another server takes over the same socket, and this one serves the connections that it has.
fn serve(control: Control, listener: TcpListener) -> anyhow::Result<()> {
    let next = listener.try_clone()?;
    let server = Server::from_listener(listener, None).map_err(|e| io::Error::other(e.to_string()))?;
    std::thread::Builder::new().name("control".into()).spawn(move || {
        while let Ok(request) = server.recv() {
            answer(&control, request);
        }
        std::thread::sleep(Duration::from_secs(1));
        if let Err(error) = serve(control.clone(), next) {
            tracing::warn!("control endpoint is gone: {error:#}");
        }
        while let Ok(Some(request)) = server.recv_timeout(LAST_ORDERS) {
            answer(&control, request);
        }
    })?;
    Ok(())
}

fn answer(control: &Control, mut request: Request) {
    let path = request.url().split('?').next().unwrap_or_default().to_owned();
    let method = request.method().as_str().to_owned();
    if request.body_length().is_some_and(|n| n > MAX_DRAIN) {
        return abandon(request);
    }
    if let Some(refusal) = refusal(&request) {
        // tiny_http reads the rest of an unread body before it closes: that may take for ever, so not in this thread.
        _ = std::thread::Builder::new().spawn(move || send(request, refusal));
        return;
    }
    let mut body = Vec::new();
    let reply = match request.as_reader().read_to_end(&mut body) {
        Ok(_) => control.reply(&method, &path, &body),
        Err(error) => Reply::text(400, error.to_string()),
    };
    send(request, reply);
}

/// Why a request is not even looked at.
fn refusal(request: &Request) -> Option<Reply> {
    let has = |name: &'static str| request.headers().iter().any(|h| h.field.equiv(name));
    let reads_only = matches!(request.method().as_str(), "GET" | "HEAD");
    if has("Transfer-Encoding") || has("Upgrade") || has("Expect") {
        Some(Reply::text(411, "send a Content-Length and a plain body"))
    } else if request.body_length().is_some_and(|n| n > MAX_BODY) {
        Some(Reply::text(413, format!("a body is at most {MAX_BODY} bytes")))
    } else if has("Origin") && !reads_only {
        // Browsers send it: a web page that somebody looks at must not change what runs on this machine.
        Some(Reply::text(403, "not from a web page"))
    } else {
        None
    }
}

fn send(request: Request, reply: Reply) {
    if let Err(error) = request.respond(response(reply)) {
        tracing::debug!("control endpoint: {error}");
    }
}

/// Answers a request whose body must not be drained, and never lets go of its connection: one descriptor and one idle
/// thread are the price of each such request. `upgrade` is the only answer that gives the reader out of the request.
fn abandon(request: Request) {
    tracing::warn!("control endpoint: a request declares a body of {} bytes", request.body_length().unwrap_or(0));
    let refusal = Reply::text(413, format!("a body is at most {MAX_BODY} bytes"));
    std::mem::forget(request.upgrade("HTTP/1.1", response(refusal)));
}

fn response(reply: Reply) -> Response<io::Cursor<Vec<u8>>> {
    let header = |name: &str, value: &str| Header::from_bytes(name, value).expect("ASCII constants make a header");
    Response::from_string(reply.body)
        .with_status_code(reply.status)
        .with_header(header("Content-Type", reply.content_type))
        .with_header(header("Cache-Control", "no-store"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Kind;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn endpoint() -> (Control, Arc<Stats>, SocketAddr) {
        let stats = Arc::new(Stats::new("h5test"));
        let control = Control::default();
        let bound = control.listen(&"0".parse().unwrap(), Arc::clone(&stats)).unwrap();
        (control, stats, bound)
    }

    fn ask(to: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(to: SocketAddr, path: &str) -> String {
        ask(to, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }

    #[test]
    fn addresses() {
        let address = |s: &str| s.parse::<Address>().map(|a| a.to_string());
        assert_eq!(address("9090").unwrap(), "127.0.0.1:9090");
        assert_eq!(address("0.0.0.0:1").unwrap(), "0.0.0.0:1");
        assert_eq!(address("[::1]:80").unwrap(), "[::1]:80");
        assert_eq!(address("cam.example:80").unwrap(), "cam.example:80");
        for wrong in ["", ":80", "::1:80", "70000", "host", "[::1]"] {
            assert_eq!(address(wrong), Err(AddressError), "{wrong}");
        }
    }

    #[test]
    fn common_routes_answer() {
        let (_, stats, to) = endpoint();
        assert!(get(to, "/healthz").starts_with("HTTP/1.1 503"), "no frame yet");
        stats.input.count(Kind::Video, 10);
        stats.sample();
        assert!(get(to, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(get(to, "/metrics?x=1").contains("h5test_input_frames_total{kind=\"video\"} 1"));
        assert!(get(to, "/stats").contains("\"program\":\"h5test\""));
        assert!(get(to, "/").starts_with("HTTP/1.1 404"));
        assert!(ask(to, "PUT /stats HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 405"));
    }

    #[test]
    fn own_routes_get_bounded_bodies() {
        let (control, _, to) = endpoint();
        control.route("PUT", "/bitrate", |body| Reply::text(200, format!("got {}", String::from_utf8_lossy(body))));
        let put = |head: &str, body: &str| {
            ask(to, &format!("PUT /bitrate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len()))
        };
        assert!(put("", "2M").ends_with("got 2M\n"));
        assert!(put("", &"x".repeat(MAX_BODY + 1)).starts_with("HTTP/1.1 413"));
        assert!(put("Origin: http://evil.example\r\n", "2M").starts_with("HTTP/1.1 403"));
    }

    #[test]
    fn a_body_that_never_comes_holds_up_nobody() {
        let (control, _, to) = endpoint();
        control.route("PUT", "/bitrate", |_| Reply::done());
        let mut waiting: Vec<_> = [10, 5000, 1 << 20, 1 << 60].map(|length: u64| begin(to, length)).into();
        let (told, _) = (waiting.pop().unwrap(), waiting);
        assert!(first_line(&told).starts_with("HTTP/1.1 413"));
        told.shutdown(std::net::Shutdown::Both).unwrap();
        assert!(get(to, "/stats").starts_with("HTTP/1.1 200"));
    }

    fn begin(to: SocketAddr, length: u64) -> TcpStream {
        let mut stream = TcpStream::connect(to).unwrap();
        write!(stream, "PUT /bitrate HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n").unwrap();
        stream
    }

    fn first_line(stream: &TcpStream) -> String {
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(stream), &mut line).unwrap();
        line
    }
}
