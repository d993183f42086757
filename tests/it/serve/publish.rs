//! Streams that clients send: by curl, ffmpeg, GStreamer and a WebSocket; who may, and what is refused.

use super::access::{ANN, BOB, Fixture, basic};
use super::client::{Message, Ws, answer, ask, connect, frame, handshake, raw, read_head};
use super::studio::Studio;
use super::{Server, feed};
use crate::util::{PATIENCE, Running, TempDir, eventually, h5, run, shell};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LIVE: &str = "h5cap test --size 320x240 | h5enc --gop 500ms";
const CHUNKED: &str = "PUT /in/cam HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n";

/// A pipe or a program that sends for as long as the test lasts.
fn sending(line: &str) -> Running {
    Running::start_with(&mut shell(line), Stdio::null(), Stdio::null())
}

fn is_live(server: &Server, name: &str) {
    eventually(&format!("{name} is live"), || {
        (server.streams()[name]["state"] == "live" && server.streams()[name]["codecs"][0] != "").then_some(())
    });
}

/// A picture of it can be had: it is decoded.
fn has_picture(server: &Server, name: &str) {
    eventually(&format!("a picture of {name}"), || {
        let got = ask(server.port, "GET", &format!("/{name}.jpg"), &[]);
        (got.status == 200 && got.body.starts_with(b"\xff\xd8")).then_some(())
    });
}

/// One piece of a chunked body.
fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A client that sends `bytes` and more by and by, to the stream of this name.
fn publisher(server: &Server, name: &str, lines: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(server.port);
    let head = CHUNKED.replace("/in/cam", &format!("/in/{name}"));
    feed(&mut stream, &[format!("{head}{lines}\r\n").as_bytes(), &chunk(bytes)].concat());
    stream
}

/// The end of a chunked body, and the answer.
fn finish(mut stream: TcpStream) -> super::client::Answer {
    feed(&mut stream, b"0\r\n\r\n");
    told(stream)
}

fn told(mut stream: TcpStream) -> super::client::Answer {
    let (head, mut body) = read_head(&mut stream);
    let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap();
    body.resize(body.len().min(length), 0);
    let have = body.len();
    body.resize(length, 0);
    stream.read_exact(&mut body[have..]).unwrap();
    answer(&[head.as_bytes(), &body].concat())
}

/// The first line of the answer to a client that sends a piece now and then until it comes.
fn status_while(sender: &mut TcpStream, piece: &[u8]) -> [u8; 12] {
    let begun = Instant::now();
    sender.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut status = [0; 12];
    while sender.read_exact(&mut status).is_err() {
        assert!(begun.elapsed() < PATIENCE, "it is still there");
        feed(sender, &chunk(piece));
    }
    status
}

/// The beginning of a stream that goes on.
fn begun() -> (Studio, Vec<u8>) {
    let mut studio = Studio::new(30, 1000);
    let begun = [studio.init(), studio.picture(), studio.picture()].concat();
    (studio, begun)
}

#[test]
fn curl_ffmpeg_and_gstreamer_publish() {
    let server = Server::start(&["--publish"]);
    let to = |name: &str| format!("http://127.0.0.1:{}/in/{name}", server.port);
    let encoded = "-c:v libx264 -preset ultrafast -tune zerolatency -g 15 -pix_fmt yuv420p";
    let source = format!("ffmpeg -v error -re -f lavfi -i testsrc=size=320x240:rate=30 {encoded}");
    let _senders = [
        format!("{LIVE} | curl -sS -T - {}", to("mkv")),
        format!("{LIVE} | h5mux | curl -sS -X POST -H Expect: -T - {}", to("mp4")),
        format!("{source} -f mpegts -method PUT {}", to("ts")),
        format!("{source} -f matroska -method POST {}", to("ffmkv")),
        format!(
            "gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240 ! x264enc tune=zerolatency key-int-max=15 \
             ! mpegtsmux ! curlhttpsink sync=false location={}",
            to("gst")
        ),
    ]
    .map(|line| sending(&line));
    for name in ["mkv", "mp4", "ts", "ffmkv", "gst"] {
        is_live(&server, name);
        has_picture(&server, name);
    }
}

#[test]
fn a_websocket_publishes() {
    let mut server = Server::start(&["--publish"]);
    let mut stream = connect(server.port);
    stream.write_all(handshake("/in/cam").as_bytes()).unwrap();
    let mut ws = Ws::accepted(stream);
    let (mut studio, bytes) = begun();
    // Cut anywhere, in messages of several frames too.
    let (one, rest) = bytes.split_at(7);
    let (two, three) = rest.split_at(rest.len() / 2);
    ws.send(&[frame(0x82, one), frame(0x02, two), frame(0x89, b"there?"), frame(0x80, three)].concat());
    assert_eq!(ws.next(), Message::Pong(b"there?".into()));
    is_live(&server, "cam");
    let mut viewer = Ws::viewer(server.port, "cam");
    viewer.binary();
    ws.send(&frame(0x82, &studio.picture()));
    viewer.binary();
    ws.send(&frame(0x88, &[]));
    assert_eq!(ws.closed(), (1000, String::new()));
    // What is no stream, and what is no message.
    for (n, (sent, code, why)) in [
        (frame(0x82, &vec![0x55; 4096]), 1003, "/in/noise0: "),
        (frame(0x81, b"text"), 1003, "send the stream in binary messages"),
        (frame(0x82, &vec![0; (1 << 20) + 1]), 1009, "message too big"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut stream = connect(server.port);
        // Each by its own name: the last may be in use for a moment after its goodbye.
        stream.write_all(handshake(&format!("/in/noise{n}")).as_bytes()).unwrap();
        let mut ws = Ws::accepted(stream);
        ws.send(&sent);
        ws.send(&frame(0x88, &[]));
        let (closed, reason) = ws.closed();
        assert!(closed == code && reason.starts_with(why), "{closed} {reason}");
        eventually("it is no stream", || (server.streams().get(format!("noise{n}")).is_none()).then_some(()));
    }
    server.process.wait_for("/in/noise0: ");
}

#[test]
fn it_comes_back_under_its_viewers_and_goes_when_it_does_not() {
    let server = Server::start(&["--publish", "--publish-keep", "3"]);
    let (mut studio, bytes) = begun();
    let first = publisher(&server, "cam", "", &bytes);
    is_live(&server, "cam");
    let mut viewer = Ws::viewer(server.port, "cam");
    viewer.binary();
    let answer = finish(first);
    assert_eq!((answer.status, &*answer.body), (200, &b"published\n"[..]));
    eventually("it has gone", || (server.streams()["cam"]["state"] == "waiting").then_some(()));
    let next = publisher(&server, "cam", "", &begun().1);
    // The same viewer gets what the next one sends: two pictures of the first, and these.
    (0..3).for_each(|_| drop(viewer.binary()));
    // It breaks off; that is an end too.
    drop(next);
    let third = publisher(&server, "cam", "", &begun().1);
    viewer.binary();
    feed(&mut &third, &chunk(&studio.picture()));
    drop(third);
    assert_eq!(viewer.closed(), (1000, "the stream has ended".into()));
    assert!(server.streams().get("cam").is_none(), "its name is free");
}

#[test]
fn what_is_refused() {
    let mut server = Server::start(&["--publish", "--publish-streams", "2", "--group", "both=live,none", "-", "none=/dev/null"]);
    let (_studio, bytes) = begun();
    feed(&mut server.process.stdin(), &bytes);
    let taken = publisher(&server, "cam", "", &bytes);
    is_live(&server, "cam");
    let put = |target: &str, lines: &[&str]| ask(server.port, "PUT", target, &[&["Content-Length: 0"], lines].concat());
    for (target, lines, status, why) in [
        ("/in/cam", &[][..], 409, "another client is sending"),
        ("/in/live", &[], 409, "an input or a group"),
        ("/in/both", &[], 409, "an input or a group"),
        ("/in/a.b", &[], 404, ""),
        ("/in/api", &[], 404, ""),
        ("/in/", &[], 404, ""),
        ("/in/a/b", &[], 404, ""),
        ("/in/a%2fb", &[], 404, ""),
        ("/in/new", &["Origin: http://evil.example"], 403, "another origin"),
        ("/in/new", &["Sec-Fetch-Site: cross-site"], 403, "another origin"),
        ("/in/new", &["Host: evil.example"], 421, ""),
        ("/in/new", &["X-Forwarded-For: 192.0.2.1"], 403, "only programs on this machine"),
        ("/in/new", &["Content-Range: bytes 10-19/*"], 400, "in one request"),
        ("/in/new", &["Content-Encoding: gzip"], 415, "Content-Encoding"),
        ("/in/new", &[], 400, "there is no frame in it"),
    ] {
        let got = put(target, lines);
        let text = String::from_utf8_lossy(&got.body);
        assert!(got.status == status && text.contains(why), "{target} {lines:?}: {got:?} {text}");
    }
    let got = ask(server.port, "GET", "/in/new", &[]);
    assert_eq!((got.status, got.header("allow")), (405, Some("PUT, POST, OPTIONS")), "{got:?}");
    // Refused before the body is asked for.
    let expecting = raw(server.port, format!("{CHUNKED}Connection: close\r\nExpect: 100-continue\r\n\r\n").as_bytes());
    assert!(expecting.starts_with(b"HTTP/1.1 409 "), "{}", String::from_utf8_lossy(&expecting));
    // And asked for, where it is not.
    let mut asked = connect(server.port);
    feed(&mut asked, format!("{}Expect: 100-continue\r\n\r\n", CHUNKED.replace("cam", "second")).as_bytes());
    assert!(read_head(&mut asked).0.starts_with("HTTP/1.1 100 "));
    assert!(String::from_utf8_lossy(&put("/in/third", &[]).body).contains("as many streams"), "all places are taken");
    // While it is sent, and before all of it is: it is no stream.
    feed(&mut asked, &chunk(&vec![0x55; 3 << 20]));
    let got = told(asked);
    assert!(got.status == 400 && String::from_utf8_lossy(&got.body).starts_with("/in/second: "), "{got:?}");
    assert_eq!(finish(taken).status, 200, "it was not disturbed");
    let off = Server::start(&[]);
    assert_eq!(ask(off.port, "PUT", "/in/cam", &["Content-Length: 0"]).status, 404);
}

#[test]
fn who_may_publish() {
    let fixture = Fixture::start(&["--publish"]);
    let tool = |args: &[&str], typed: &str| {
        run(h5("h5serve", args).current_dir(&*fixture.folder), typed.as_bytes()).success().text().trim_end().to_owned()
    };
    let token = tool(&["passwd", "users", "phone", "--token", "--rights", "phone*=publish"], "");
    let bearer = format!("Authorization: Bearer {token}");
    let link = fixture.link("key", &["--stream", "door", "--rights", "publish", "--path-prefix"]);
    let link = link.strip_suffix("/door").unwrap();
    let put = |target: &str, lines: &[&str]| ask(fixture.server.port, "PUT", target, &[&["Content-Length: 0"], lines].concat()).status;
    eventually("the token is known", || (put("/in/phone1", &[&bearer]) == 400).then_some(()));
    for (target, lines, status) in [
        ("/in/phone1", &[][..], 401),
        ("/in/phone1", &["Authorization: Bearer wrong"], 401),
        ("/in/phone1", &[&*basic(BOB)], 403),
        ("/in/phone1", &[&*basic(ANN)], 400),
        ("/in/other", &[&*bearer], 403),
        ("/in/cam", &[&*basic(ANN)], 409),
        (&format!("{link}/in/door"), &[], 400),
        (&format!("{link}/in/phone1"), &[], 403),
        ("/in/door?token=wrong", &[], 401),
    ] {
        assert_eq!(put(target, lines), status, "{target} {lines:?}");
    }
    let query = link.strip_prefix("/t/").unwrap();
    assert_eq!(put(&format!("/in/door?token={query}"), &[]), 400);
    // Whose right ends while it sends is let go.
    let (mut studio, bytes) = begun();
    let mut sender = publisher(&fixture.server, "phone1", &format!("{bearer}\r\n"), &bytes);
    let streams = || String::from_utf8(fixture.get("/api/streams", &[&basic(ANN)]).body).unwrap();
    eventually("it is live", || streams().contains("\"phone1\"").then_some(()));
    let users = fs::read_to_string(fixture.folder.join("users")).unwrap();
    let users: String = users.lines().filter(|line| !line.starts_with("phone:")).map(|line| line.to_owned() + "\n").collect();
    fs::write(fixture.folder.join("users"), users).unwrap();
    assert_eq!(&status_while(&mut sender, &studio.picture()), b"HTTP/1.1 403");
    assert!(!fixture.server.process.stderr().contains(&token), "no secret is printed");
    // Where all may watch, publishing is allowed by a word of its own.
    for (args, status) in [(&["--public", "--publish"][..], 403), (&["--public", "--publish", "--publish-public"], 400)] {
        assert_eq!(ask(Server::start(args).port, "PUT", "/in/cam", &["Content-Length: 0"]).status, status, "{args:?}");
    }
}

#[test]
fn who_sends_too_fast_is_held_back() {
    let mut server = Server::start(&["--publish", "--publish-rate", "64K"]);
    // 8 KB in a second, 40 KB at once: these take four seconds. Nothing but empty boxes, which never become a stream.
    let body = [&8u32.to_be_bytes()[..], b"free"].concat().repeat(9 * 1024);
    let head = format!("PUT /in/cam HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let begun = Instant::now();
    let got = answer(&raw(server.port, &[head.as_bytes(), &body].concat()));
    assert_eq!(got.status, 400, "{got:?}");
    assert!(begun.elapsed() > Duration::from_secs(3), "{:?}", begun.elapsed());
    server.process.wait_for("faster than --publish-rate");
}

#[test]
fn who_sends_nothing_is_let_go() {
    let server = Server::start(&["--publish", "--publish-idle", "1", "--publish-keep", "60"]);
    let (_studio, bytes) = begun();
    let sender = publisher(&server, "cam", "", &bytes);
    is_live(&server, "cam");
    let got = told(sender);
    assert_eq!(got.status, 408, "{got:?}");
    eventually("it waits for the next", || (server.streams()["cam"]["state"] == "waiting").then_some(()));
    // Nor does a byte now and then hold a place.
    let mut drip = publisher(&server, "drip", "", b"\0");
    let answer = status_while(&mut drip, b"\0");
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[test]
fn a_hundred_at_once() {
    let mut server = Server::start(&["--publish", "--publish-streams", "4", "-"]);
    let (mut studio, bytes) = begun();
    let mut stdin = server.process.stdin();
    feed(&mut stdin, &bytes);
    is_live(&server, "live");
    let mut viewer = Ws::viewer(server.port, "live");
    viewer.binary();
    let senders: Vec<TcpStream> = (0..100).map(|n| publisher(&server, &format!("cam{n}"), "", &bytes)).collect();
    let mut refused = 0;
    for mut sender in &senders {
        let mut status = [0; 12];
        sender.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        if sender.read_exact(&mut status).is_ok() {
            assert_eq!(&status, b"HTTP/1.1 503");
            refused += 1;
        }
    }
    assert_eq!(refused, 96);
    let live = server.streams().as_object().unwrap().len();
    assert_eq!(live, 5, "four of them, and that which was there");
    // The viewer beside them gets what comes.
    feed(&mut stdin, &studio.picture());
    viewer.binary();
}

#[test]
fn a_file_is_played_in_its_own_time() {
    let server = Server::start(&["--publish"]);
    let dir = TempDir::new();
    let film = dir.join("film.mkv");
    run(&mut shell(&format!("h5cap test --size 320x240 --duration 3 | h5enc > {}", film.display())), b"").success();
    let begun = Instant::now();
    let to = format!("http://127.0.0.1:{}/in/film", server.port);
    let sent = run(Command::new("curl").args(["-sS", "-T"]).arg(&film).arg(&to), b"").success().text();
    assert_eq!(sent.trim(), "published");
    assert!(begun.elapsed() > Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn over_tls_and_http_2() {
    let state = TempDir::new();
    let server = Server::start(&["--publish", &format!("--tls-self-signed={}", state.display())]);
    let to = |name: &str| format!("https://127.0.0.1:{}/in/{name}", server.port);
    let _senders = [("two", "--http2"), ("one", "--http1.1")]
        .map(|(name, version)| sending(&format!("{LIVE} | curl -sS -k {version} -T - {}", to(name))));
    let got = |name: &str| {
        let url = format!("https://127.0.0.1:{}/{name}.jpg", server.port);
        run(Command::new("curl").args(["-s", "-k", "-o", "/dev/null", "-w", "%{http_code}"]).arg(url), b"").text()
    };
    for name in ["two", "one"] {
        eventually(&format!("a picture of {name}"), || (got(name) == "200").then_some(()));
    }
}

#[test]
fn the_server_stops_beside_a_publisher() {
    let server = Server::start(&["--publish"]);
    let _sender = sending(&format!("{LIVE} | h5mux | curl -sS -T - http://127.0.0.1:{}/in/cam", server.port));
    is_live(&server, "cam");
    server.process.signal("TERM");
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
}
