use super::client::{Message, Ws, answer, ask, connect, read_head};
use super::{Server, feed};
use crate::util::{eventually, run};
use h5live::media::WallTime;
use std::io::{Read, Write};
use std::process::Command;
use std::time::Duration;

/// Small JPEG pictures, all different, by ffmpeg.
pub fn pictures(count: usize) -> Vec<Vec<u8>> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=10", "-frames:v", &count.to_string()]);
    let all = run(ffmpeg.args(["-f", "image2pipe", "-c:v", "mjpeg", "-"]), b"").success().stdout;
    let mut starts: Vec<usize> = (0..all.len() - 2).filter(|&i| all[i..i + 3] == [0xff, 0xd8, 0xff]).collect();
    starts.push(all.len());
    let pictures: Vec<Vec<u8>> = starts.windows(2).map(|w| all[w[0]..w[1]].to_vec()).collect();
    assert_eq!(pictures.len(), count);
    pictures
}

/// A server with the first of `pictures` published; the writer is to be kept.
pub fn live(pictures: &[Vec<u8>]) -> (Server, impl Write + use<>) {
    let mut server = Server::start(&["--live", "--name", "cam"]);
    let mut stdin = server.process.stdin();
    feed(&mut stdin, &pictures[0]);
    // A JPEG is known to be whole when the next begins, at the latest.
    eventually("the stream begins", || (server.streams()["cam"]["type"] == "mjpeg").then_some(()));
    (server, stdin)
}

#[test]
fn newest_picture_and_list() {
    let pictures = pictures(2);
    let (server, mut stdin) = live(&pictures);
    let stream = &server.streams()["cam"];
    assert_eq!((&stream["width"], &stream["height"], &stream["codecs"][0]), (&160.into(), &120.into(), &"jpeg".into()));
    let got = ask(server.port, "GET", "/cam.jpg", &[]);
    assert_eq!((got.status, got.header("content-type"), got.header("cache-control")), (200, Some("image/jpeg"), Some("no-store")));
    assert!(got.body == pictures[0]);
    let head = ask(server.port, "HEAD", "/cam.jpg", &[]);
    assert_eq!((head.header("content-length").map(String::from), head.body.len()), (Some(pictures[0].len().to_string()), 0));
    feed(&mut stdin, &pictures[1]);
    eventually("the next one", || (ask(server.port, "GET", "/cam.jpg", &[]).body == pictures[1]).then_some(()));
    assert_eq!(ask(server.port, "GET", "/cam.mp4", &[]).status, 404);
}

#[test]
fn multipart_for_programs_and_for_browsers() {
    let pictures = pictures(3);
    let (server, mut stdin) = live(&pictures);
    let get = |agent: &str| {
        let mut stream = connect(server.port);
        stream.write_all(format!("GET /cam.mjpg HTTP/1.0\r\nUser-Agent: {agent}\r\n\r\n").as_bytes()).unwrap();
        let (head, bytes) = read_head(&mut stream);
        assert!(head.contains("multipart/x-mixed-replace; boundary=h5live"), "{head}");
        (stream, bytes)
    };
    let (mut program, mut browser) = (get("curl/8"), get("Mozilla/5.0 (X11)"));
    let expect = |bytes: &mut Vec<u8>, stream: &mut std::net::TcpStream, want: &[u8]| {
        while bytes.len() < want.len() {
            let mut piece = [0; 4096];
            let n = stream.read(&mut piece).unwrap();
            assert!(n > 0, "ended after {} of {} bytes", bytes.len(), want.len());
            bytes.extend_from_slice(&piece[..n]);
        }
        assert!(bytes == want, "{} bytes are not as they should be", want.len());
    };
    // A program knows by the length that a picture is whole, a browser only by the head of the next part.
    let mut want = [vec![], b"--h5live\r\nContent-Type: image/jpeg\r\n\r\n".to_vec()];
    for (i, picture) in pictures.iter().enumerate() {
        if i > 0 {
            feed(&mut stdin, picture);
        }
        let newline = if i > 0 { "\r\n" } else { "" };
        want[0].extend(format!("{newline}--h5live\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", picture.len()).bytes());
        want[0].extend(picture);
        want[1].extend(picture);
        want[1].extend(b"\r\n--h5live\r\nContent-Type: image/jpeg\r\n\r\n");
        expect(&mut program.1, &mut program.0, &want[0]);
        expect(&mut browser.1, &mut browser.0, &want[1]);
    }
    drop(stdin);
    want[0].extend(b"\r\n--h5live--\r\n");
    expect(&mut program.1, &mut program.0, &want[0]);
    assert_eq!(server.process.finish(crate::util::PATIENCE).code(), 0);
}

#[test]
fn over_the_websocket() {
    let pictures = pictures(2);
    let (server, mut stdin) = live(&pictures);
    let mut ws = Ws::connect(server.port, "cam");
    // go2rtc's page asks for MSE first, and turns to MJPEG when the error begins with "mse".
    ws.say(r#"{"type":"mse","value":"avc1.640029"}"#);
    let error = ws.text();
    assert!(error["type"] == "error" && error["value"].as_str().unwrap().starts_with("mse"), "{error}");
    ws.say(r#"{"type":"mjpeg"}"#);
    assert_eq!(ws.text()["type"], "mjpeg");
    assert_eq!(ws.text()["type"], "stream");
    let captured = ws.text();
    let age = WallTime::now().0 as f64 / 1000.0 - captured["value"].as_f64().unwrap();
    assert!(captured["type"] == "captured" && (0.0..60_000.0).contains(&age), "{captured}");
    assert!(ws.binary() == pictures[0]);
    feed(&mut stdin, &pictures[1]);
    assert!(ws.binary() == pictures[1]);
}

#[test]
fn a_slow_viewer_gets_the_newest_picture() {
    let mut large = pictures(1).remove(0);
    // A comment segment makes it as large as a camera's picture.
    let comment = [&[0xff, 0xfe, 0xff, 0xff][..], &[b' '; 0xffff - 2]].concat().repeat(3);
    large.splice(2..2, comment);
    let numbered = |n: u8| {
        let mut picture = large.clone();
        picture[10] = n;
        picture
    };
    let (server, mut stdin) = live(&[numbered(0)]);
    let mut ws = Ws::connect_narrow(server.port, "cam", 8192);
    ws.say(r#"{"type":"mjpeg"}"#);
    let mut body = connect(server.port);
    body.write_all(b"GET /cam.mjpg HTTP/1.0\r\n\r\n").unwrap();
    for n in 1..=100 {
        feed(&mut stdin, &numbered(n));
        std::thread::sleep(Duration::from_millis(5));
    }
    eventually("all are in", || (ask(server.port, "GET", "/cam.jpg", &[]).body == numbered(100)).then_some(()));
    let mut got = vec![];
    while got.last() != Some(&100) {
        if let Message::Binary(bytes) = ws.next() {
            got.push(bytes[10]);
        }
    }
    assert!(got.len() < 20 && got.is_sorted(), "a queue of old pictures: {got:?}");
    drop(stdin);
    let mut bytes = vec![];
    body.read_to_end(&mut bytes).unwrap();
    let parts = answer(&bytes).body.windows(8).filter(|w| w == b"--h5live").count();
    assert!(parts < 60, "{parts} of 101 pictures for one who did not read");
}
