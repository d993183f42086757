use super::client::{Message, Ws, answer, ask, connect, handshake, raw, read_head};
use super::studio::Studio;
use super::{Server, feed};
use crate::util::{PATIENCE, TempDir, eventually, free_port, h5, http, run};
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;

/// An address of this machine that is not loopback. Nothing is sent.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").expect("the machine has an address");
    socket.local_addr().unwrap().ip()
}

/// A server that other machines can reach, and its address as they see it.
fn reachable(args: &[&str]) -> (Server, SocketAddr) {
    let mut server = Server::start(&[&["--listen", "0.0.0.0:0", "--public"], args].concat());
    let line = server.process.wait_for("http://0.0.0.0:");
    let port = line["http://0.0.0.0:".len()..].trim_end_matches('/').parse().unwrap();
    (server, SocketAddr::new(own_address(), port))
}

fn begin(server: &mut Server) -> impl Write + use<> {
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(30, 1000);
    feed(&mut stdin, &[studio.init(), studio.picture(), studio.picture()].concat());
    eventually("the stream begins", || (server.streams()["live"]["state"] == "live").then_some(()));
    stdin
}

/// Status, Retry-After and text of the answer to one request.
fn asked(to: SocketAddr) -> Option<(u16, String, String)> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(format!("GET /api/streams HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let answer = answer(&bytes);
    let text = String::from_utf8_lossy(&answer.body).trim_end().to_owned();
    Some((answer.status, answer.header("retry-after").unwrap_or_default().to_owned(), text))
}

#[test]
fn connections_of_one_address() {
    let (mut server, outside) = reachable(&["--max-connections-per-address", "3"]);
    let _stdin = begin(&mut server);
    let held: Vec<_> = (0..3).map(|_| TcpStream::connect(outside).unwrap()).collect();
    let refused = (503, "1".to_owned(), "all connections of this address are taken".to_owned());
    eventually("a fourth is refused", || (asked(outside)? == refused).then_some(()));
    let here: Vec<_> = (0..10).map(|_| connect(server.port)).collect();
    assert_eq!(ask(server.port, "GET", "/live", &[]).status, 200, "this machine's own are not limited");
    drop((held, here));
    eventually("room again", || (asked(outside)?.0 == 200).then_some(()));
    let said = server.process.stderr();
    assert_eq!(said.matches("connections are refused: all connections of this address are taken").count(), 1, "{said}");
}

#[test]
fn requests_of_one_address() {
    let control = free_port().to_string();
    let (mut server, outside) = reachable(&["--max-requests-per-address", "1", "--control", &control]);
    let _stdin = begin(&mut server);
    let refused = (0..20).map(|_| asked(outside).unwrap()).find(|(status, ..)| *status != 200);
    assert_eq!(refused, Some((429, "1".to_owned(), "too many requests from this address".to_owned())));
    eventually("they are counted", || {
        let (_, metrics) = http(control.parse().unwrap(), "GET", "/metrics", b"");
        metrics.lines().any(|line| line == "h5serve_refused_total{limit=\"requests\"} 1").then_some(())
    });
    for _ in 0..100 {
        assert_eq!(ask(server.port, "GET", "/api/streams", &[]).status, 200, "this machine's own are not limited");
    }
    eventually("it may ask again", || (asked(outside)?.0 == 200).then_some(()));
}

#[test]
fn viewers_of_one_stream() {
    let folder = TempDir::new();
    let other = folder.join("other.mjpeg");
    fs::write(&other, super::pictures::pictures(2).concat()).unwrap();
    let mut server = Server::start(&["--max-viewers-per-stream", "1", "--on-eof", "wait", "live=-", other.to_str().unwrap()]);
    let _stdin = begin(&mut server);
    let viewer = Ws::viewer(server.port, "live");
    let refused = answer(&raw(server.port, handshake("/api/ws?src=live").as_bytes()));
    assert_eq!((refused.status, &refused.body[..]), (503, &b"all places of this stream are taken\n"[..]));
    assert_eq!(ask(server.port, "GET", "/live.mp4", &[]).status, 503);
    Ws::connect(server.port, "other");
    drop(viewer);
    eventually("its place is free", || (server.streams()["live"]["viewers"] == 0).then_some(()));
    Ws::viewer(server.port, "live");
}

#[test]
fn viewers_of_one_user() {
    let folder = TempDir::new();
    for user in ["ann", "bob"] {
        run(h5("h5serve", &["passwd", "users", user]).current_dir(&*folder), b"a s3cret").success();
    }
    let users = folder.join("users").display().to_string();
    let mut server = Server::start(&["--users", &users, "--max-viewers-per-user", "1"]);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(30, 1000);
    feed(&mut stdin, &[studio.init(), studio.picture(), studio.picture()].concat());
    let watch = |user: &str| {
        use base64::Engine;
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{user}:a s3cret"));
        let mut stream = connect(server.port);
        stream
            .write_all(format!("GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {credentials}\r\n\r\n").as_bytes())
            .unwrap();
        let (head, _) = read_head(&mut stream);
        (head.split(' ').nth(1).unwrap().parse::<u16>().unwrap(), stream)
    };
    let first = eventually("the stream begins", || Some(watch("ann")).filter(|(status, _)| *status == 200));
    assert_eq!((watch("ann").0, watch("bob").0), (503, 200), "each has a place");
    drop(first);
    eventually("the place is free", || (watch("ann").0 == 200).then_some(()));
}

#[test]
fn memory_that_is_too_little_is_a_mistake_of_usage() {
    let refused = run(&mut h5("h5serve", &["--memory", "40M", "--listen", "127.0.0.1:0"]), b"");
    assert_eq!(refused.code(), 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("--memory: 54 MiB are needed"), "{}", refused.stderr);
}

#[test]
fn viewers_are_closed_by_hand() {
    let folder = TempDir::new();
    fs::write(folder.join("token"), "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::write(folder.join("header"), "Authorization: Bearer 0123456789abcdef0123456789abcdef\n").unwrap();
    let (control, token) = (free_port(), folder.join("token").display().to_string());
    let mut server = Server::start(&["--control", &control.to_string(), "--control-token-file", &token]);
    let mut stdin = begin(&mut server);
    assert_eq!(http(control, "GET", "/stats", b"").0, 401);
    assert_eq!(http(control, "POST", "/kick", b"1").0, 401);
    let curl = |args: &[&str], path: &str| {
        let mut curl = Command::new("curl");
        curl.current_dir(&*folder)
            .args(["-s", "-w", "%{http_code}", "-H", "@header"])
            .args(args)
            .arg(format!("http://127.0.0.1:{control}{path}"));
        run(&mut curl, b"").success().text()
    };
    let mut viewer = Ws::viewer(server.port, "live");
    let mut body = connect(server.port);
    body.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    read_head(&mut body);
    let stats = curl(&[], "/stats");
    let stats: serde_json::Value = serde_json::from_str(stats.trim_end_matches("200")).unwrap();
    let numbers: Vec<u64> = stats["viewers"].as_array().unwrap().iter().map(|viewer| viewer["id"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), 2);
    assert!(curl(&["-d", "x"], "/kick").ends_with("400") && curl(&["-d", "999"], "/kick").ends_with("404"));
    for number in numbers {
        assert_eq!(curl(&["-d", &number.to_string()], "/kick"), "204");
    }
    let goodbye = std::iter::from_fn(|| Some(viewer.next())).find(|message| matches!(message, Message::Close(..) | Message::End));
    assert_eq!(goodbye, Some(Message::Close(1008, "closed by the operator".into())));
    let mut studio = Studio::new(30, 1000);
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    let mut rest = Vec::new();
    body.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the body is whole");
}
