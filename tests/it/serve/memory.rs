//! What a viewer costs in memory, whatever it sends and does not take: the figures that the manual gives.

use super::client::{Ws, connect, frame, handshake, read_head};
use super::pictures::pictures;
use super::studio::{Studio, number};
use super::{Server, feed};
use crate::util::eventually;
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const VIEWERS: usize = 300;
/// Of a megabyte each.
const VIEWERS_OF_PICTURES: usize = 60;
/// As h5serve(1) says, in KiB.
const WEBSOCKET: f64 = 8.0;
const HTTP: f64 = 20.0;

/// What the process has in memory that is not of a file, in KiB.
pub fn anonymous_kib(server: &Server) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    status.lines().find_map(|l| l.strip_prefix("RssAnon:")?.trim().trim_end_matches("kB").trim().parse().ok()).unwrap()
}

/// KiB for each of many viewers that `open` makes, each when it has had all that there is; `then` is what all of them do after that.
fn cost(open: impl Fn(u16) -> TcpStream, then: impl Fn(&mut TcpStream)) -> f64 {
    let mut server = Server::start(&["--stall", "3600"]);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(1000, 1000);
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    let mut ws = Ws::viewer(server.port, "live");
    while number(&ws.binary()).is_none() {}
    // What the first of a kind costs is not for each.
    let first = open(server.port);
    let before = anonymous_kib(&server);
    let mut streams: Vec<TcpStream> = (0..VIEWERS).map(|_| open(server.port)).collect();
    streams.iter_mut().for_each(&then);
    // When this one is answered, the others have been heard.
    for n in 0..3 {
        ws.say(&format!(r#"{{"type":"ping","value":{n}}}"#));
        while ws.text()["type"] != "pong" {}
        server.streams();
    }
    assert_eq!(server.streams()["live"]["viewers"], VIEWERS + 2);
    drop(first);
    (anonymous_kib(&server) - before) / VIEWERS as f64
}

fn websocket(port: u16) -> TcpStream {
    let mut ws = Ws::viewer(port, "live");
    while number(&ws.binary()).is_none() {}
    ws.stream
}

fn body(port: u16) -> TcpStream {
    let mut stream = connect(port);
    stream.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let (_, mut bytes) = read_head(&mut stream);
    while number(&bytes).is_none() {
        let mut piece = [0; 8192];
        let n = stream.read(&mut piece).unwrap();
        bytes.extend_from_slice(&piece[..n]);
    }
    stream
}

#[test]
fn a_viewer_costs_what_the_manual_says() {
    let nothing = |_: &mut TcpStream| {};
    let send = |bytes: Vec<u8>| move |stream: &mut TcpStream| stream.write_all(&bytes).unwrap();
    // The last byte of a message never comes, in one frame or in many.
    let unfinished = frame(0x81, &[b'x'; 4096]);
    let unfinished = unfinished[..unfinished.len() - 1].to_vec();
    let pieces = [frame(0x01, b"x"), frame(0x00, &[b'x'; 15]).repeat(273)].concat();
    let questions = frame(0x81, br#"{"type":"?"}"#).repeat(500);
    let hasty = |port| {
        let mut stream = connect(port);
        let early = frame(0x81, br#"{"type":"mse"}"#).repeat(700);
        stream.write_all(&[handshake("/api/ws?src=live").as_bytes(), &early].concat()).unwrap();
        read_head(&mut stream);
        stream
    };
    let pipelined = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(15_000)).into_bytes();
    let figures = [
        ("WebSocket", cost(websocket, nothing), WEBSOCKET),
        ("WebSocket, an unfinished message", cost(websocket, send(unfinished)), WEBSOCKET),
        ("WebSocket, one in many pieces", cost(websocket, send(pieces)), WEBSOCKET),
        ("WebSocket, questions and no answer taken", cost(websocket, send(questions)), WEBSOCKET),
        ("WebSocket, questions behind the handshake", cost(hasty, nothing), WEBSOCKET),
        ("HTTP", cost(body, nothing), HTTP),
        ("HTTP, the next request unfinished", cost(body, send(pipelined)), HTTP),
    ];
    for (what, kib, _) in figures {
        println!("{what}: {kib:.1} KiB");
    }
    for (what, kib, limit) in figures {
        assert!(kib < limit, "{what}: {kib:.1} KiB for each");
    }
}

/// Each is in the middle of another picture when it stops taking any: what they hold is part of --ring.
#[test]
fn stopped_viewers_of_large_pictures() {
    const RING: f64 = 8.0 * 1024.0;
    let [small] = pictures(1).try_into().unwrap();
    let comment = [&[0xff, 0xfe, 0xff, 0xff][..], &[b' '; 0xfffd]].concat();
    let large = [&small[..2], &comment.repeat(16), &small[2..]].concat();
    for path in ["/cam.mjpg", "/api/ws"] {
        let mut server = Server::start(&["--live", "--name", "cam", "--ring", "8", "--stall", "3600"]);
        let mut stdin = server.process.stdin();
        feed(&mut stdin, &large);
        eventually("the stream begins", || (server.streams()["cam"]["type"] == "mjpeg").then_some(()));
        let before = anonymous_kib(&server);
        let viewers: Vec<TcpStream> = (0..VIEWERS_OF_PICTURES)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                socket.set_recv_buffer_size(4096).unwrap();
                socket.connect(&SocketAddr::from(([127, 0, 0, 1], server.port)).into()).unwrap();
                let mut stream = TcpStream::from(socket);
                let wish = frame(0x81, br#"{"type":"mjpeg"}"#);
                let request = match path {
                    "/api/ws" => [handshake(path).as_bytes(), &wish].concat(),
                    _ => format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
                };
                stream.write_all(&request).unwrap();
                // It has begun to take the picture.
                stream.read_exact(&mut [0; 1000]).unwrap();
                feed(&mut stdin, &large);
                stream
            })
            .collect();
        eventually("the oldest are let go", || (server.streams()["cam"]["viewers"].as_u64() <= Some(6)).then_some(()));
        let more = anonymous_kib(&server) - before;
        println!("{path}: {more} KiB for {} viewers", viewers.len());
        // The allocator, and what reads the input, hold some pictures besides.
        assert!(more < 2.5 * RING, "{path}: {more} KiB");
        assert!(server.streams()["cam"]["viewers"].as_u64() >= Some(2), "not all of them");
    }
}
