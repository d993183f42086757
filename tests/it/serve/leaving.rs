//! Clients that go away while nothing is sent to them.

use super::client::{Ws, connect, frame, read_head};
use super::studio::{Studio, boxes, number};
use super::{Server, feed};
use crate::util::{TempDir, eventually};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// A stream of three pictures that stands still: its writer is there and silent (to be kept), or has gone.
fn still(args: &[&str], gone: bool) -> (Server, Option<Box<dyn Write>>, Studio) {
    let mut server = Server::start(&[args, &["--on-eof", "wait", "--stall", "3600"]].concat());
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(3, 500);
    feed(&mut stdin, &[studio.init(), studio.picture(), studio.picture(), studio.picture()].concat());
    eventually("the stream begins", || (server.streams()["live"]["state"] == "live").then_some(()));
    // The thread that serves may be a little behind.
    let mut ws = Ws::viewer(server.port, "live");
    while number(&ws.binary()) != Some(2) {}
    drop(ws);
    if gone {
        drop(stdin);
        eventually("its writer has gone", || (server.streams()["live"]["state"] == "waiting").then_some(()));
        return (server, None, studio);
    }
    (server, Some(Box::new(stdin)), studio)
}

/// A client that has had all there is.
fn body(port: u16, wish: &str) -> TcpStream {
    let mut stream = connect(port);
    stream.write_all(format!("GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n{wish}\r\n").as_bytes()).unwrap();
    let (head, mut bytes) = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    while number_after(&bytes, 2).is_none() {
        read_more(&mut stream, &mut bytes);
    }
    stream
}

fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) {
    let mut piece = [0; 4096];
    let n = stream.read(&mut piece).unwrap();
    assert!(n > 0, "ended");
    bytes.extend_from_slice(&piece[..n]);
}

/// Whether picture `n` is there, and whole enough.
fn number_after(bytes: &[u8], n: u64) -> Option<()> {
    (0..bytes.len()).any(|at| number(&bytes[at..]) == Some(n)).then_some(())
}

/// A way to go, and its name.
type Goodbye = (&'static str, fn(TcpStream));

fn goodbyes() -> [Goodbye; 3] {
    let reset = |stream: TcpStream| {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
    };
    let half = |stream: TcpStream| {
        stream.shutdown(Shutdown::Write).unwrap();
        drop(stream);
    };
    [("closed", drop), ("reset", reset), ("half closed, then closed", half)]
}

#[track_caller]
fn nobody_is_left(server: &Server, name: &str, what: &str) {
    eventually(&format!("{what}: it has gone"), || (server.streams()[name]["viewers"] == 0).then_some(()));
}

#[test]
fn viewers_of_a_stream_that_stands_still() {
    for gone in [false, true] {
        let (server, _writer, _) = still(&[], gone);
        for (how, go) in goodbyes() {
            let bodies: Vec<_> = (0..8).map(|_| body(server.port, "")).collect();
            assert_eq!(server.streams()["live"]["viewers"], 8);
            bodies.into_iter().for_each(go);
            nobody_is_left(&server, "live", &format!("mp4, {how}, writer gone: {gone}"));
            let sockets: Vec<_> = (0..8).map(|_| Ws::viewer(server.port, "live").stream).collect();
            sockets.into_iter().for_each(go);
            nobody_is_left(&server, "live", &format!("websocket, {how}, writer gone: {gone}"));
        }
    }
}

/// Behind what it has sent besides, its end cannot be seen.
#[test]
fn one_that_has_asked_for_more_already() {
    let (server, _writer, _) = still(&[], true);
    for wish in ["Content-Length: 5\r\n", "Connection: close\r\n", ""] {
        let mut stream = body(server.port, wish);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        drop(stream);
        nobody_is_left(&server, "live", wish);
    }
}

#[test]
fn viewers_that_wait_for_a_stream_to_begin() {
    let mut server = Server::start(&["--on-eof", "wait"]);
    let _writer = server.process.stdin();
    for (how, go) in goodbyes() {
        let mut ws = Ws::connect(server.port, "live");
        ws.say(r#"{"type":"mse","value":""}"#);
        ws.send(&frame(0x89, b"heard"));
        ws.next();
        assert_eq!(server.streams()["live"]["viewers"], 1);
        go(ws.stream);
        nobody_is_left(&server, "live", how);
    }
}

#[test]
fn over_a_unix_socket() {
    let dir = TempDir::new();
    let path = dir.join("h5.sock");
    let listen = format!("unix:{}", path.display());
    let (server, _writer, _) = still(&["--listen", &listen], true);
    for half in [false, true] {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stream.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        eventually("it watches", || (server.streams()["live"]["viewers"] == 1).then_some(()));
        if half {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        drop(stream);
        nobody_is_left(&server, "live", "unix");
    }
}

/// HTTP allows it: whoever has asked may end his side and read on. He is asked now and then, and finds nothing but empty boxes.
#[test]
fn a_half_closed_client_reads_on() {
    let (server, writer, mut studio) = still(&[], false);
    let mut stream = connect(server.port);
    // HTTP/1.0: without chunks, so that the boxes follow each other.
    stream.write_all(b"GET /live.mp4 HTTP/1.0\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let (_, mut bytes) = read_head(&mut stream);
    let asked = |bytes: &[u8]| bytes.windows(8).filter(|w| w == b"\0\0\0\x08free").count();
    while asked(&bytes) < 3 {
        read_more(&mut stream, &mut bytes);
    }
    assert_eq!(server.streams()["live"]["viewers"], 1);
    let picture = studio.picture();
    feed(&mut writer.unwrap(), &picture);
    while number_after(&bytes, 3).is_none() {
        read_more(&mut stream, &mut bytes);
    }
    let begin = bytes.windows(4).rposition(|w| w == b"moof").unwrap() - 4;
    while bytes.len() < begin + picture.len() {
        read_more(&mut stream, &mut bytes);
    }
    let kinds: Vec<String> = boxes(&bytes);
    let kept: Vec<&str> = kinds.iter().map(String::as_str).filter(|kind| *kind != "free").collect();
    assert_eq!(kept, ["ftyp", "moov", "moof", "mdat", "moof", "mdat", "moof", "mdat", "moof", "mdat"], "{kinds:?}");
    drop(stream);
    nobody_is_left(&server, "live", "half closed");
}

#[test]
fn viewers_of_a_still_picture() {
    let mut server = Server::start(&["--live", "--on-eof", "wait", "--stall", "3600"]);
    let mut stdin = server.process.stdin();
    let picture = super::pictures::pictures(1).remove(0);
    feed(&mut stdin, &picture);
    drop(stdin);
    eventually("the picture is there", || (super::client::ask(server.port, "GET", "/live.jpg", &[]).status == 200).then_some(()));
    for agent in ["curl/8", "Mozilla/5.0"] {
        let watch = || {
            let mut stream = connect(server.port);
            stream.write_all(format!("GET /live.mjpg HTTP/1.0\r\nUser-Agent: {agent}\r\n\r\n").as_bytes()).unwrap();
            let (head, mut bytes) = read_head(&mut stream);
            assert!(head.contains(" 200 "), "{head}");
            while bytes.len() < picture.len() {
                read_more(&mut stream, &mut bytes);
            }
            (stream, bytes)
        };
        for (how, go) in goodbyes() {
            let streams: Vec<_> = (0..4).map(|_| watch().0).collect();
            streams.into_iter().for_each(go);
            nobody_is_left(&server, "live", &format!("multipart to {agent}, {how}"));
        }
        // Who is still there gets the picture once more.
        let (mut stream, mut bytes) = watch();
        stream.shutdown(Shutdown::Write).unwrap();
        let shown = |bytes: &[u8]| bytes.windows(picture.len()).filter(|w| *w == picture).count();
        while shown(&bytes) < 3 {
            read_more(&mut stream, &mut bytes);
        }
        let delimiters = bytes.windows(10).filter(|w| w == b"--h5live\r\n").count();
        assert!((shown(&bytes)..=shown(&bytes) + 1).contains(&delimiters), "each in a part of its own");
        drop(stream);
        nobody_is_left(&server, "live", "multipart, half closed");
        let sockets: Vec<_> = (0..4).map(|_| Ws::connect(server.port, "live")).collect();
        for mut ws in sockets {
            ws.say(r#"{"type":"mjpeg"}"#);
            ws.binary();
        }
        nobody_is_left(&server, "live", "websocket");
    }
}
