//! The control endpoint: small HTTP answers about one program, on its own port and threads.
//!
//! It is meant for the people who run the program, on this machine or a network of theirs: it streams nothing, and its
//! port should never be public. It still answers when the data path or one of its own handlers hangs, and when descriptors have run out
//! for a while.
//!
//! `acceptor` accepts and bounds; `head` takes requests apart; `check` refuses foreign hosts and origins, and `token` who has none; `pool` hands over to tiny_http, which
//! runs the handlers of `routes`; each answers with a `reply`.

mod acceptor;
mod check;
mod head;
mod pool;
mod reply;
mod routes;
mod token;

pub use reply::Reply;
pub use routes::{Control, MAX_BODY};
pub(super) use token::Token;

use super::Stats;
use super::exit::usage;
use anyhow::Context as _;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::fmt;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// A client that does not take its answer for so long loses it.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

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

impl Control {
    /// Listens and answers, in threads of its own, until the program ends. Gives the address that was bound. Who asks shows the token, where there
    /// is one; wider than on this machine there is one.
    pub(super) fn listen(&self, address: &Address, token: Option<Token>, stats: Arc<Stats>) -> anyhow::Result<SocketAddr> {
        let listener = bind(address)?;
        let bound = listener.local_addr()?;
        if token.is_none() && !bound.ip().is_loopback() {
            return Err(usage("other machines can reach it: give --control-token-file FILE too, with a secret in it"));
        }
        token.into_iter().for_each(|token| self.set_token(token));
        self.add_common_routes(stats);
        self.allow_hosts(own_names().into_iter().chain([address.host.clone()]));
        acceptor::open(listener, self.clone())?;
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
}

/// This machine's own name, alone and as mDNS and home routers give it out.
pub fn own_names() -> Vec<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() {
        return vec![];
    }
    [".local", ".lan", ".home.arpa"].iter().map(|domain| format!("{name}{domain}")).chain([name.clone()]).collect()
}

/// A listener whose accepted sockets inherit (Linux): no Nagle delay, a limit on the time to take an answer, and an end
/// of connections whose peer is gone.
fn bind(address: &Address) -> anyhow::Result<TcpListener> {
    let resolved = match address.host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, address.port),
        Err(_) => (address.host.as_str(), address.port).to_socket_addrs()?.next().context("no address")?,
    };
    let socket = Socket::new(Domain::for_address(resolved), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&resolved.into())?;
    socket.listen(64)?;
    let options = SockRef::from(&socket);
    options.set_tcp_nodelay(true)?;
    options.set_write_timeout(Some(SEND_TIMEOUT))?;
    options.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(60)))?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Kind;
    use std::io;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::Mutex;

    fn endpoint() -> (Control, Arc<Stats>, SocketAddr) {
        let stats = Arc::new(Stats::new("h5test"));
        let control = Control::default();
        let bound = control.listen(&"0".parse().unwrap(), None, Arc::clone(&stats)).unwrap();
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
        ask(to, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
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
        assert!(ask(to, "PUT /stats HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn own_routes_get_bounded_bodies() {
        let (control, _, to) = endpoint();
        control.route("PUT", "/bitrate", |body| Reply::text(200, format!("got {}", String::from_utf8_lossy(body))));
        let put = |head: &str, body: &str| {
            ask(
                to,
                &format!(
                    "PUT /bitrate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}Content-Length: {}\r\n\r\n{body}",
                    body.len()
                ),
            )
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
        let (refused, _) = (waiting.pop().unwrap(), waiting);
        assert!(first_line(&refused).starts_with("HTTP/1.1 413"));
        assert!(get(to, "/stats").starts_with("HTTP/1.1 200"));
    }

    #[test]
    fn a_connection_stays_for_more_requests() {
        let (control, _, to) = endpoint();
        control.route("PUT", "/bitrate", |body| Reply::text(200, String::from_utf8_lossy(body)));
        let put = |n: usize| {
            format!(
                "PUT /bitrate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n{}\r\n{n}",
                if n < 9 { "" } else { "Connection: close\r\n" }
            )
        };
        let answers = ask(to, &(0..10).map(put).collect::<String>());
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 10, "{answers}");
        assert!((0..10).map(|n| answers.find(&format!("\r\n\r\n{n}\n")).unwrap()).is_sorted());
        let head = ask(to, "HEAD /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n") && head.contains("Content-Length: "), "{head}");
    }

    #[test]
    fn a_handler_that_hangs_holds_up_no_numbers() {
        let (control, stats, to) = endpoint();
        stats.input.count(Kind::Video, 10);
        stats.sample();
        let (go, hanging) = std::sync::mpsc::channel::<()>();
        let hanging = Mutex::new(hanging);
        control.route("PUT", "/hang", move |_| {
            _ = hanging.lock().unwrap().recv();
            Reply::done()
        });
        control.route("PUT", "/die", |_| panic!("planted"));
        let asks: Vec<_> = (0..5)
            .map(|_| {
                let mut stream = TcpStream::connect(to).unwrap();
                stream.write_all(b"PUT /hang HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n").unwrap();
                stream
            })
            .collect();
        for path in ["/healthz", "/metrics", "/stats", "/healthz", "/metrics", "/stats"] {
            assert!(get(to, path).starts_with("HTTP/1.1 200"), "{path}");
        }
        // Two hang, for the others there is no place.
        let lines: Vec<String> = asks.iter().map(first_line).collect();
        assert!(lines.iter().all(|l| l.starts_with("HTTP/1.1 504") || l.starts_with("HTTP/1.1 503")), "{lines:?}");
        drop(go);
        let again = |path: &str| ask(to, &format!("PUT {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert!(again("/hang").starts_with("HTTP/1.1 204"), "what hung is free again");
        for _ in 0..5 {
            assert!(again("/die").starts_with("HTTP/1.1 500"));
        }
        assert!(again("/hang").starts_with("HTTP/1.1 204"));
    }

    #[test]
    fn other_names_are_not_answered() {
        let (control, _, to) = endpoint();
        control.route("PUT", "/bitrate", |_| Reply::done());
        let asked = |host: &str| ask(to, &format!("GET /stats HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert!(asked("evil.example").starts_with("HTTP/1.1 421"));
        assert!(asked("evil.example#.localhost").starts_with("HTTP/1.1 421"));
        assert!(asked(&to.to_string()).starts_with("HTTP/1.1 200"));
        control.allow_hosts(["evil.example".to_owned()]);
        assert!(asked("evil.example:80").starts_with("HTTP/1.1 200"));
        let mut stream = TcpStream::connect(to).unwrap();
        stream.write_all(b"PUT /bitrate HTTP/1.1\r\nHost: localhost\r\nOrigin: http://caf\xe9\r\nContent-Length: 2\r\n\r\n2M").unwrap();
        assert!(first_line(&stream).starts_with("HTTP/1.1 403"));
    }

    #[test]
    fn wider_than_this_machine_there_is_a_token() {
        let (control, stats) = (Control::default(), Arc::new(Stats::new("h5test")));
        let anywhere = "0.0.0.0:0".parse().unwrap();
        let refused = control.listen(&anywhere, None, Arc::clone(&stats)).unwrap_err();
        assert!(refused.to_string().contains("--control-token-file"), "{refused}");
        let port = control.listen(&anywhere, Some("0123456789abcdef".parse().unwrap()), stats).unwrap().port();
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        let with = |header: &str| ask(to, &format!("GET /stats HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n"));
        let refused = with("");
        assert!(refused.starts_with("HTTP/1.1 401") && refused.contains("WWW-Authenticate: Bearer"), "{refused}");
        assert!(with("Authorization: Bearer 0123456789abcdeg\r\n").starts_with("HTTP/1.1 401"));
        assert!(with("Authorization: Bearer 0123456789abcdef\r\n").starts_with("HTTP/1.1 200"));
    }

    fn begin(to: SocketAddr, length: u64) -> TcpStream {
        let mut stream = TcpStream::connect(to).unwrap();
        write!(stream, "PUT /bitrate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n").unwrap();
        stream
    }

    fn first_line(stream: &TcpStream) -> String {
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(stream), &mut line).unwrap();
        line
    }
}
