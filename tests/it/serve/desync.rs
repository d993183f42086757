//! Requests of which it is not clear where they end (HTTP desync, request smuggling). h5serve alone: what it must not take is refused, and what follows
//! on such a connection is not read. Behind proxies: whatever a client sends, the next client on the connection between them gets its own answer.

use super::Server;
use super::client::{ask, connect};
use crate::util::{Running, TempDir, eventually, free_port};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What follows the request: one of its own, or a part of the one before.
const NEXT: &str = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// What a connection may come to: statuses of the answers, in order.
type Allowed = &'static [&'static [u16]];

/// Refused, and the connection ends.
const REFUSED: Allowed = &[&[400]];
/// What follows is a request of its own.
const TWO: Allowed = &[&[200, 404]];
/// What follows is the body.
const BODY: Allowed = &[&[200]];

/// A name, the request up to its body, and what the connection may come to. NEXT stands for what follows, LENGTH for its length.
const CASES: [(&str, &str, Allowed); 46] = [
    // Two framings: refused, or the chunks count and the connection ends (RFC 9112, section 6.1).
    ("length and chunked", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nNEXT", &[&[200], &[400]]),
    ("chunked and length", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\nHEX\r\nNEXT\r\n0\r\n\r\n", &[&[200], &[400]]),
    ("two lengths alike", "Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcdNEXT", &[&[200, 404], &[400]]),
    ("two lengths", "Content-Length: 4\r\nContent-Length: 0\r\n\r\nabcdNEXT", REFUSED),
    ("a list of lengths", "Content-Length: 4, 5\r\n\r\nabcdNEXT", REFUSED),
    ("a list of one length", "Content-Length: 4, 4\r\n\r\nabcdNEXT", REFUSED),
    // Lengths that are none (RFC 9110, section 8.6).
    ("a plus", "Content-Length: +4\r\n\r\nabcdNEXT", REFUSED),
    ("hexadecimal", "Content-Length: 0x4\r\n\r\nabcdNEXT", REFUSED),
    ("negative", "Content-Length: -1\r\n\r\nNEXT", REFUSED),
    ("two numbers", "Content-Length: 4 4\r\n\r\nabcdNEXT", REFUSED),
    ("an empty length", "Content-Length: \r\n\r\nNEXT", REFUSED),
    ("too large a length", "Content-Length: 99999999999999999999999\r\n\r\nNEXT", REFUSED),
    ("a space before the colon", "Content-Length : 4\r\n\r\nabcdNEXT", REFUSED),
    // Codings (RFC 9112, section 6.1).
    ("identity", "Transfer-Encoding: identity\r\n\r\nNEXT", REFUSED),
    ("chunked is not the last", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\nNEXT", REFUSED),
    ("something before chunked", "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\nNEXT", REFUSED),
    ("chunked twice", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\nNEXT", REFUSED),
    ("chunked on two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nNEXT", REFUSED),
    ("nearly chunked", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nNEXT", REFUSED),
    ("a space before its colon", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\nNEXT", REFUSED),
    ("a vertical tab", "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\nNEXT", REFUSED),
    ("a folded line", "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\nNEXT", REFUSED),
    // Chunks (RFC 9112, section 7.1): the answer may be on its way before they are read; no other may follow.
    ("a chunk's size with a plus", "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\nNEXT", &[&[200], &[400]]),
    ("a chunk's size with 0x", "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\nNEXT", &[&[200], &[400]]),
    ("a chunk's size beyond 64 bits", "Transfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\nNEXT", &[&[200], &[400]]),
    ("a chunk longer than it says", "Transfer-Encoding: chunked\r\n\r\n1\r\nab0\r\n\r\nNEXT", &[&[200], &[400]]),
    ("bare line feeds in chunks", "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\nNEXT", &[&[200], &[400]]),
    ("a line feed in an extension", "Transfer-Encoding: chunked\r\n\r\n1;x\nyy\r\na\r\n0\r\n\r\nNEXT", &[&[200], &[400]]),
    // Lines (RFC 9112, sections 2.2 and 5.1).
    ("a bare carriage return", "X: a\rTransfer-Encoding: chunked\r\n\r\nNEXT", REFUSED),
    ("a zero byte", "X: a\0b\r\n\r\nNEXT", REFUSED),
    ("a header without a name", ": x\r\n\r\nNEXT", REFUSED),
    ("a header without a colon", "nonsense\r\n\r\nNEXT", REFUSED),
    // What is clear.
    ("no body", "\r\nNEXT", TWO),
    ("a body of another request", "Content-Length: LENGTH\r\n\r\nNEXT", BODY),
    ("the same in a chunk", "Transfer-Encoding: chunked\r\n\r\nHEX\r\nNEXT\r\n0\r\n\r\n", BODY),
    ("chunked in capitals", "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\nNEXT", TWO),
    ("a chunk's extension and a trailer", "Transfer-Encoding: chunked\r\n\r\n1;x=y\r\na\r\n0\r\nX: y\r\n\r\nNEXT", TWO),
    ("a length of zero", "Content-Length: 0\r\n\r\nNEXT", TWO),
    ("a length named as hop by hop", "Connection: Content-Length\r\nContent-Length: 4\r\n\r\nabcdNEXT", TWO),
    ("an expectation that nobody has", "Expect: nonsense\r\n\r\nNEXT", &[&[200, 404], &[417, 404], &[417]]),
    // A handshake that is refused is no tunnel (RFC 9110, section 7.8).
    ("an upgrade to something else", "Upgrade: nonsense\r\nConnection: Upgrade\r\n\r\nNEXT", TWO),
    ("an upgrade to HTTP/2", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nNEXT", TWO),
    // A client that asks to close gets no more.
    ("the last request", "Connection: close\r\n\r\nNEXT", BODY),
    ("the last request in a list", "Connection: keep-alive, close\r\n\r\nNEXT", BODY),
    ("two Hosts", "Host: localhost\r\n\r\nNEXT", &[&[400, 404], &[400]]),
    ("a Host that is none", "Host: a b\r\n\r\nNEXT", &[&[400, 404], &[400]]),
];

fn request(rest: &str) -> Vec<u8> {
    let rest = rest.replace("LENGTH", &NEXT.len().to_string()).replace("HEX", &format!("{:x}", NEXT.len())).replace("NEXT", NEXT);
    format!("GET /api/streams HTTP/1.1\r\nHost: localhost\r\n{rest}").into_bytes()
}

/// The statuses of all answers on a connection, until it ends or is silent for a while.
fn statuses(port: u16, request: &[u8]) -> Vec<u16> {
    let mut stream = connect(port);
    // Also a request whose body is expected ends then.
    _ = stream.write_all(request).and_then(|()| stream.shutdown(std::net::Shutdown::Write));
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.match_indices("HTTP/1.1 ").filter_map(|(at, mark)| text[at + mark.len()..].get(..3)?.parse().ok()).collect()
}

#[test]
fn each_request_ends_at_one_place() {
    let server = Server::start(&[]);
    for (name, rest, allowed) in CASES {
        let statuses = statuses(server.port, &request(rest));
        assert!(allowed.contains(&&statuses[..]), "{name}: {statuses:?}, and not one of {allowed:?}");
    }
    for line in [
        "GET /api/streams",
        "GET  /api/streams HTTP/1.1",
        "GET\t/api/streams\tHTTP/1.1",
        "GET /api/streams HTTP/1.2",
        "GET /api/streams HTTP/2.0",
    ] {
        assert_eq!(statuses(server.port, format!("{line}\r\nHost: localhost\r\n\r\n{NEXT}").as_bytes()), [400], "{line}");
    }
    assert_eq!(statuses(server.port, format!("TRACE / HTTP/1.1\r\nHost: localhost\r\nX: y\r\n\r\n{NEXT}").as_bytes()), [405, 404]);
    let old = format!(
        "GET /api/streams HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{NEXT}"
    );
    assert_eq!(statuses(server.port, old.as_bytes()), [400], "HTTP/1.0 has no chunks");
}

/// Each attack, and after it clients that share the proxy's connections to the server.
fn victims_get_their_own(what: &str, port: u16) {
    let asked = || ask(port, "GET", "/api/streams", &[]);
    let wanted = asked();
    assert_eq!((wanted.status, &wanted.body[..1]), (200, &b"{"[..]));
    for (name, rest, _) in CASES {
        let mut stream = connect(port);
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        _ = stream.write_all(&request(rest));
        // As far as it comes.
        _ = stream.read(&mut [0; 65536]);
        for _ in 0..3 {
            let got = asked();
            assert_eq!((got.status, got.body.first()), (200, Some(&b'{')), "{what}: after {name}: {}", got.head);
        }
    }
}

fn is_listening(port: u16) -> Option<()> {
    std::net::TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
}

#[test]
fn behind_nginx() {
    let server = Server::start(&[]);
    let (folder, port) = (TempDir::new(), free_port());
    let conf = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr crit; events {{}}
         http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
           upstream h5serve {{ server 127.0.0.1:{}; keepalive 4; }}
           server {{ listen 127.0.0.1:{port}; location / {{
             proxy_pass http://h5serve; proxy_http_version 1.1; proxy_set_header Host localhost; proxy_set_header Connection ''; }} }} }}",
        server.port
    );
    fs::write(folder.join("nginx.conf"), conf).unwrap();
    let nginx = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(nginx);
    command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(&*folder).current_dir(&*folder);
    let _nginx = Running::start_with(&mut command, Stdio::null(), Stdio::null());
    eventually("nginx listens", || is_listening(port));
    victims_get_their_own("nginx", port);
}

#[test]
fn behind_varnish() {
    let server = Server::start(&[]);
    let (folder, port) = (TempDir::new(), free_port());
    let vcl = format!(
        "vcl 4.1; backend default {{ .host = \"127.0.0.1\"; .port = \"{}\"; }}
         sub vcl_recv {{ if (req.http.Upgrade ~ \"(?i)websocket\") {{ return (pipe); }} return (pass); }}",
        server.port
    );
    fs::write(folder.join("default.vcl"), vcl).unwrap();
    let mut command = Command::new(if Path::new("/usr/sbin/varnishd").exists() { "/usr/sbin/varnishd" } else { "varnishd" });
    let place = folder.join("varnish");
    command
        .args(["-F", "-j", "none", "-s", "malloc,16m", "-a", &format!("127.0.0.1:{port}"), "-f"])
        .arg(folder.join("default.vcl"))
        .arg("-n")
        .arg(&place);
    let _varnish = Running::start_with(&mut command, Stdio::null(), Stdio::null());
    eventually("Varnish listens", || is_listening(port));
    victims_get_their_own("Varnish", port);
}
