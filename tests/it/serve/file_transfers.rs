//! A recorded file on a connection: what goes before and after it, and clients that take nothing or ask too early. The file is far larger than what a connection holds.

use super::client::{Answer, answer, ask, connect, read_head};
use super::tls_client::TlsServer;
use super::{Server, feed};
use crate::util::{PATIENCE, TempDir, eventually, h5};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

/// Noise, of which a second takes some megabytes, as it is captured.
fn noise() -> Child {
    Command::new("ffmpeg")
        .args(["-v", "error", "-re", "-f", "lavfi", "-i", "nullsrc=s=320x240:r=30,geq=random(1)*255:128:128", "-t", "60"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-g", "15", "-pix_fmt", "yuv420p"])
        .args(["-movflags", "+frag_every_frame+empty_moov+default_base_moof", "-flush_packets", "1", "-f", "mp4", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg is there")
}

/// Feeds it, and waits until there is a clip of so many bytes; gives its address.
fn recorded(mut into: impl Write + Send + 'static, ask: impl Fn(&str) -> Answer, least: usize) -> String {
    let mut noise = noise();
    let mut film = noise.stdout.take().unwrap();
    std::thread::spawn(move || {
        let mut piece = vec![0; 1 << 16];
        while let Ok(n @ 1..) = film.read(&mut piece) {
            feed(&mut into, &piece[..n]);
        }
    });
    let place = eventually("enough is recorded", || {
        let got = ask("/live/clip.mp4?from=-60s");
        (got.status == 200 && got.body.len() > least).then(|| format!("/live/{}", got.header("content-location").unwrap()))
    });
    noise.kill().unwrap();
    noise.wait().unwrap();
    place
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n")
}

/// One answer with a length, of a connection that goes on.
fn next(stream: &mut (impl Read + Write), early: &mut Vec<u8>) -> Answer {
    while !early.windows(4).any(|w| w == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).expect("an answer");
        assert!(n > 0, "it has ended: {:?}", String::from_utf8_lossy(early));
        early.extend_from_slice(&piece[..n]);
    }
    let mut got = answer(early);
    let length: usize = got.header("content-length").unwrap().parse().unwrap();
    while got.body.len() < length {
        let mut piece = vec![0; 1 << 16];
        let n = stream.read(&mut piece).expect("a body");
        assert!(n > 0, "it ended after {} of {length} bytes", got.body.len());
        got.body.extend_from_slice(&piece[..n]);
    }
    *early = got.body.split_off(length);
    got
}

#[test]
fn http_goes_on_behind_a_file() {
    let folder = TempDir::new();
    let mut server = Server::start(&["--record", folder.join("rec").to_str().unwrap(), "--stall", "2s", "--on-eof", "wait"]);
    let port = server.port;
    let place = recorded(server.process.stdin(), |path| ask(port, "GET", path, &[]), 12 << 20);
    // Over HTTP/1.0 it is sent as other answers are.
    let whole = answer(&super::client::raw(port, format!("GET {place} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()));
    assert_eq!(whole.status, 200);

    let (mut stream, mut early) = (connect(port), Vec::new());
    let last = whole.body.len() - 1;
    for (more, range) in [
        (String::new(), 0..=last),
        ("Connection: keep-alive\r\n".into(), 0..=last),
        ("Range: bytes=0-0\r\n".into(), 0..=0),
        ("Range: bytes=1000-6000000\r\n".into(), 1000..=6_000_000),
        (format!("Range: bytes={}-\r\n", last - 1), last - 1..=last),
    ] {
        stream.write_all(get(&place, &more).as_bytes()).unwrap();
        let got = next(&mut stream, &mut early);
        assert!(matches!(got.status, 200 | 206) && got.header("connection").is_none(), "{more}: {got:?}");
        assert!(got.body == whole.body[range.clone()], "{more}: {range:?}");
        for header in ["etag", "date", "x-content-type-options", "content-disposition"] {
            assert!(got.header(header).is_some(), "{header}: {}", got.head);
        }
        stream.write_all(get("/api/streams", "").as_bytes()).unwrap();
        assert_eq!(next(&mut stream, &mut early).status, 200);
        assert!(early.is_empty());
    }
    // What is no file is answered as ever.
    stream.write_all(get(&place, "Range: bytes=99999999999-\r\n").as_bytes()).unwrap();
    assert_eq!(next(&mut stream, &mut early).status, 416);
    // The body of a request is not taken for the next one.
    let smuggled = get("/nothing", "Connection: close\r\n");
    let request = get(&place, &format!("Content-Length: {}\r\n", smuggled.len())) + &smuggled;
    let got = answer(&super::client::raw(port, request.as_bytes()));
    assert!(got.body == whole.body, "{} and not {} bytes", got.body.len(), whole.body.len());

    // Two requests at once: the second is asked again on another connection.
    let mut stream = connect(port);
    stream.write_all((get(&place, "") + &get("/api/streams", "")).as_bytes()).unwrap();
    let got = next(&mut stream, &mut early);
    assert!(got.header("connection") == Some("close") && got.body == whole.body, "{}", got.head);
    assert_eq!((stream.read(&mut [0; 16]).unwrap(), &early[..]), (0, &b""[..]));

    // Clients that take nothing have all places, until they have had their time.
    let idle: Vec<TcpStream> = (0..32)
        .map(|_| {
            let mut stream = connect(port);
            stream.write_all(get(&place, "").as_bytes()).unwrap();
            let (head, _) = read_head(&mut stream);
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            stream
        })
        .collect();
    assert_eq!(ask(port, "GET", &place, &[]).status, 503);
    eventually("their places are free", || (ask(port, "HEAD", &place, &[]).status == 200).then_some(()));
    drop(idle);

    // A stop does not wait for one.
    let mut slow = connect(port);
    slow.write_all(get(&place, "").as_bytes()).unwrap();
    read_head(&mut slow);
    server.process.signal("TERM");
    server.process.finish(PATIENCE);
}

#[test]
fn over_a_socket_of_this_machine_and_over_tls() {
    let folder = TempDir::new();
    let (socket, rec) = (folder.join("socket"), folder.join("rec"));
    let listen = format!("unix:{}", socket.display());
    let mut server = crate::util::Running::start(h5("h5serve", &["--listen", &listen]).args(["--on-eof", "wait", "--record"]).arg(&rec));
    server.wait_for("unix:");
    let ask = |path: &str, host: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(get(path, host).as_bytes()).unwrap();
        next(&mut stream, &mut Vec::new())
    };
    let place = recorded(server.stdin(), |path| ask(path, ""), 4 << 20);
    let (whole, again) = (ask(&place, "Connection: close\r\n"), ask(&place, ""));
    assert!(whole.status == 200 && whole.body == again.body && whole.header("etag") == again.header("etag"));
    drop(server);

    let mut tls = TlsServer::start(&["--record", folder.join("rec2").to_str().unwrap(), "--on-eof", "wait"]);
    let stdin = tls.server.process.stdin();
    let ask = |path: &str| tls.ask("GET", path, &[]);
    let place = recorded(stdin, ask, 4 << 20);
    let got = ask(&place);
    assert_eq!((got.status, got.header("content-length").unwrap()), (200, &*got.body.len().to_string()));
}
