//! Other forms of a stream: NAME.h264, NAME.ts, NAME.flv, and what wfs.js takes. Outside programs are the judges of what is in them.

use super::client::{Message, Ws, ask, connect, handshake, read_head};
use super::judges::television;
use super::pictures::{live, pictures};
use super::studio::Studio;
use super::{Server, feed};
use crate::util::{PATIENCE, Running, TempDir, eventually, run_for};
use h5live::media::{Codec, Event};
use std::io::{ErrorKind, Read, Write};
use std::process::Command;

/// More of an endless answer.
#[track_caller]
fn more(stream: &mut impl Read, body: &mut Vec<u8>) {
    let mut piece = [0; 65536];
    let n = loop {
        match stream.read(&mut piece) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            read => break read.unwrap(),
        }
    };
    assert!(n > 0, "it ended after {} bytes", body.len());
    body.extend_from_slice(&piece[..n]);
}

/// So many bytes of an endless answer, without its head and its chunk sizes: it is asked for by HTTP/1.0.
#[track_caller]
fn some(port: u16, path: &str, bytes: usize) -> Vec<u8> {
    let mut stream = connect(port);
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let (head, mut body) = read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.0 200 ") || head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(!head.to_ascii_lowercase().contains("chunked"), "{head}");
    while body.len() < bytes {
        more(&mut stream, &mut body);
    }
    body
}

#[test]
fn the_world_plays_them() {
    let (server, _ffmpeg) = television();
    let url = |ending: &str| format!("http://127.0.0.1:{}/live.{ending}", server.port);
    for (ending, codecs) in [("h264", &["h264"][..]), ("ts", &["h264", "aac"]), ("flv", &["h264", "aac"])] {
        let url = url(ending);
        // Of so many packets: a byte stream has no times.
        let probe = ["-v", "error", "-read_intervals", "%+#60", "-show_entries", "packet=stream_index,pts_time,flags:stream=codec_name"];
        let probed = run_for(Command::new("ffprobe").args(probe).args(["-of", "csv", &url]), b"", PATIENCE).success();
        assert!(probed.stderr.is_empty(), "{ending}: {}", probed.stderr);
        for codec in codecs {
            assert!(probed.text().contains(codec), "{ending}: {}", probed.text());
        }
        let first = probed.text().lines().find(|line| line.starts_with("packet,0")).unwrap_or_default().to_owned();
        assert!(first.contains(",K"), "{ending} begins with a keyframe: {first}");
        let decode = ["-v", "error", "-xerror", "-t", "2", "-i", &url, "-f", "null", "-"];
        let decoded = run_for(Command::new("ffmpeg").args(decode), b"", PATIENCE).success();
        assert!(decoded.stderr.is_empty(), "{ending}: {}", decoded.stderr);
        let mut mpv = Command::new("mpv");
        mpv.args(["--no-config", "--vo=null", "--ao=null", "--profile=low-latency", "--frames=30", "--msg-level=all=error", &url]);
        let mpv = run_for(&mut mpv, b"", PATIENCE).success();
        assert!(mpv.text().is_empty() && mpv.stderr.is_empty(), "{ending}: {} {}", mpv.text(), mpv.stderr);
    }
    let folder = TempDir::new();
    for (ending, demuxer, bytes) in [
        ("ts", "tsdemux name=d d. ! queue ! h264parse", 600_000),
        ("flv", "flvdemux name=d d. ! queue ! h264parse", 500_000),
        ("h264", "h264parse", 400_000),
    ] {
        let file = folder.join(ending);
        std::fs::write(&file, some(server.port, &format!("/live.{ending}"), bytes)).unwrap();
        let line = format!(
            "gst-launch-1.0 -q filesrc location={} ! {demuxer} ! avdec_h264 ! videoconvert ! video/x-raw,format=GRAY8 ! filesink location={}.raw",
            file.display(),
            file.display()
        );
        let played = run_for(Command::new("sh").args(["-c", &line]), b"", PATIENCE).success();
        let pictures = std::fs::metadata(format!("{}.raw", file.display())).unwrap().len() / (320 * 240);
        assert!(pictures >= 15, "{ending}: {pictures} pictures, {}", played.stderr);
    }
    let body = run_for(Command::new("curl").args(["-sI", &url("ts")]), b"", PATIENCE).success();
    assert!(body.text().to_ascii_lowercase().contains("content-type: video/mp2t"), "{}", body.text());
}

/// What FLV and transport streams of newer codecs have in them is said by our own readers, and of transport streams by ffprobe too.
#[test]
fn newer_codecs() {
    let mut server = Server::start(&[]);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30", "-f", "lavfi", "-i", "sine=440"]);
    ffmpeg.args([
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=none:keyint=15:bframes=2",
        "-tag:v",
        "hvc1",
        "-c:a",
        "libopus",
    ]);
    ffmpeg.args(["-movflags", "+frag_every_frame+empty_moov+default_base_moof", "-flush_packets", "1", "-f", "mp4", "-"]);
    let mut ffmpeg = Running::start(&mut ffmpeg);
    let (mut from, mut to) = (ffmpeg.stdout(), server.process.stdin());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    eventually("the stream begins", || (server.streams()["live"]["state"] == "live").then_some(()));
    let probe = ["-v", "error", "-read_intervals", "%+2", "-show_entries", "stream=codec_name", "-of", "csv"];
    let url = format!("http://127.0.0.1:{}/live.ts", server.port);
    let probed = run_for(Command::new("ffprobe").args(probe).arg(&url), b"", PATIENCE).success();
    assert!(probed.text().contains("hevc") && probed.text().contains("opus"), "{}", probed.text());
    let decode = ["-v", "error", "-xerror", "-t", "2", "-i", &url, "-f", "null", "-"];
    run_for(Command::new("ffmpeg").args(decode), b"", PATIENCE).success();
    for ending in ["ts", "flv"] {
        let (_, events) = crate::formats::read(some(server.port, &format!("/live.{ending}"), 400_000));
        let header = crate::formats::header(&events);
        assert_eq!(header.tracks.iter().map(|track| track.codec).collect::<Vec<_>>(), [Codec::H265, Codec::Opus], "{ending}");
        let pictures = events.iter().filter(|event| matches!(event, Event::Packet(packet) if packet.track == 0)).count();
        assert!(pictures > 20, "{ending}: {pictures}");
    }
    let refused = ask(server.port, "GET", "/live.h264", &[]);
    assert_eq!((refused.status, &refused.body[..]), (404, &b"the stream has no H.264 pictures; see NAME.mp4\n"[..]));
}

/// A server with a stream of ten pictures, of which the first is a keyframe; the writer is to be kept.
fn ten(args: &[&str], studio: &mut Studio) -> (Server, impl Write + use<>) {
    let mut server = Server::start(args);
    let mut into = server.process.stdin();
    feed(&mut into, &studio.init());
    for _ in 0..10 {
        feed(&mut into, &studio.picture());
    }
    eventually("the stream", || (server.streams()["live"]["state"] == "live").then_some(()));
    (server, into)
}

/// Each chunk is converted once: who comes later gets the very bytes that others got, counters of packets and all.
#[test]
fn viewers_share_what_is_made() {
    let mut server = Server::start(&[]);
    let mut studio = Studio::with(10, 900, true, 0);
    let mut into = server.process.stdin();
    feed(&mut into, &studio.init());
    for _ in 0..10 {
        feed(&mut into, &studio.picture());
        feed(&mut into, &studio.sound());
    }
    for (ending, unit) in [("ts", 188), ("flv", 1), ("h264", 1)] {
        eventually("the stream", || (server.streams()["live"]["state"] == "live").then_some(()));
        let open = || {
            let mut stream = connect(server.port);
            stream.write_all(format!("GET /live.{ending} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
            let (head, body) = read_head(&mut stream);
            assert!(head.contains(" 200 "), "{head}");
            (stream, body)
        };
        let mut first = open();
        // Something of it has come: it stands at the keyframe.
        while first.1.len() < 20_000 / 2 {
            more(&mut first.0, &mut first.1);
        }
        for _ in 0..10 {
            feed(&mut into, &studio.picture());
            feed(&mut into, &studio.sound());
        }
        let mut second = open();
        for _ in 0..20 {
            feed(&mut into, &studio.picture());
            feed(&mut into, &studio.sound());
        }
        let until = |viewer: &mut (std::net::TcpStream, Vec<u8>), number: u64| {
            let mark = [&b"number ="[..], &number.to_be_bytes()].concat();
            // Headers of packets cut it in two now and then: a picture behind it will do.
            while !viewer.1.windows(16).any(|w| w == mark) {
                more(&mut viewer.0, &mut viewer.1);
            }
        };
        let last = studio.pictures() - 1;
        until(&mut first, last);
        until(&mut second, last);
        // The second began at a keyframe: all behind its own beginning is in the first too.
        let (a, b) = (&first.1, &second.1);
        let probe = b.len() / 2 / unit * unit;
        let tail = &b[probe..b.len() - b.len() % unit];
        assert!(
            tail.len() > 5000 && a.windows(tail.len()).step_by(1).any(|w| w == tail) || is_common(a, tail),
            "{ending}: not the same bytes"
        );
    }
}

/// `tail` stands in `a`, but for what of it `a` has not read yet.
fn is_common(a: &[u8], tail: &[u8]) -> bool {
    (0..a.len()).rev().any(|at| {
        let n = (a.len() - at).min(tail.len());
        n > tail.len() / 2 && a[at..at + n] == tail[..n]
    })
}

#[test]
fn wfs_js() {
    let (server, _into) = ten(&[], &mut Studio::new(10, 900));
    // What dist/wfs.js asks for by itself is /play2, whatever the stream is called; `attachMedia(video, 'ch1', 'H264Raw', 'wfs/live')` names one.
    for path in ["/wfs/live", "/live", "/play2"] {
        let mut stream = connect(server.port);
        stream.write_all(handshake(path).as_bytes()).unwrap();
        let mut viewer = Ws::accepted(stream);
        viewer.say(r#"{"t":"open","c":"ch1","v":"NA"}"#);
        for n in 0..10 {
            // Nothing but access units: a text would be taken for one.
            let Message::Binary(unit) = viewer.next() else { panic!("{path}: not an access unit") };
            // The number of a picture, in a body that no encoder wrote, may look like one.
            let number = unit.windows(8).position(|w| w == b"number =").unwrap();
            let is_code = |at: &usize| unit[*at..].starts_with(&[0, 0, 0, 1]) && !(number..number + 16).contains(at);
            let long: Vec<usize> = (0..unit.len() - 3).filter(is_code).collect();
            assert_eq!(long, [0], "{path}: start codes of four bytes");
            let key = [0, 0, 0, 1, 0x67].as_slice();
            assert_eq!(unit.starts_with(key), n == 0, "{path}");
            assert_eq!(super::studio::number(&unit).map(|number| number % 10), Some(n), "{path}");
        }
    }
    // MarkRepo's offers a subprotocol, and wants lengths.
    let mut stream = connect(server.port);
    let request = handshake("/wfs/live").replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: binary\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let (head, _) = {
        let mut peeked = stream.try_clone().unwrap();
        read_head(&mut OneByOne(&mut peeked))
    };
    assert!(head.contains(" 101 ") && head.to_ascii_lowercase().contains("sec-websocket-protocol: binary"), "{head}");
    let mut bytes = vec![0; 200];
    stream.read_exact(&mut bytes).unwrap();
    let payload = if bytes[1] & 0x7f == 126 { &bytes[4..] } else { &bytes[10..] };
    let size = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
    assert_eq!(u32::from_be_bytes(payload[..4].try_into().unwrap()) as usize + 4, size, "its length, then the access unit");
    assert!(payload[4..].starts_with(&[0, 0, 0, 1, 0x67]));
}

/// A head byte by byte, so that nothing behind it is read.
struct OneByOne<'a>(&'a mut std::net::TcpStream);

impl Read for OneByOne<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(&mut buf[..1])
    }
}

#[test]
fn flv_and_ts_over_websocket() {
    let (server, _into) = ten(&[], &mut Studio::new(10, 900));
    for (path, begin) in [("/live.flv", &b"FLV\x01"[..]), ("/live.ts", b"\x47\x40\0"), ("/live.h264", b"\0\0\0\x01\x67")] {
        let mut stream = connect(server.port);
        stream.write_all(handshake(path).as_bytes()).unwrap();
        let mut viewer = Ws::accepted(stream);
        let Message::Binary(first) = viewer.next() else { panic!("{path}") };
        assert!(first.starts_with(begin), "{path}: {first:?}");
        for _ in 0..9 {
            let Message::Binary(_) = viewer.next() else { panic!("{path}") };
        }
    }
    assert_eq!(ask(server.port, "GET", "/wfs/live", &[]).status, 426, "it is a WebSocket");
    assert_eq!(ask(server.port, "GET", "/nothing.ts", &[]).status, 404);
}

/// They keep the rules of every viewer: who takes nothing is closed, and costs the others nothing.
#[test]
fn one_that_takes_nothing_is_closed() {
    let mut studio = Studio::new(10, 60_000);
    let (server, mut into) = ten(&["--stall", "1", "--lag", "0.5"], &mut studio);
    let mut stuck = connect(server.port);
    stuck.write_all(b"GET /live.ts HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut other = connect(server.port);
    other.write_all(b"GET /live.ts HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let reading = std::thread::spawn(move || std::io::copy(&mut other, &mut std::io::sink()));
    let gone = || {
        feed(&mut into, &studio.picture());
        std::thread::sleep(std::time::Duration::from_millis(10));
        (server.streams()["live"]["viewers"] == 1).then_some(())
    };
    eventually("two viewers", || (server.streams()["live"]["viewers"] == 2).then_some(()));
    eventually("the one that takes nothing is closed", gone);
    drop((into, server));
    assert!(reading.join().unwrap().unwrap_or(0) > 1_000_000);
    let mut left = Vec::new();
    _ = stuck.read_to_end(&mut left);
}

/// MJPEG under the name that a Flask page has for it.
#[test]
fn video_feed() {
    let pictures = pictures(2);
    let (server, _stdin) = live(&pictures);
    for path in ["/video_feed", "/video_feed?src=cam"] {
        let body = some(server.port, path, pictures[0].len());
        assert!(body.starts_with(b"--h5live\r\nContent-Type: image/jpeg\r\n"), "{path}");
    }
    assert_eq!(ask(server.port, "GET", "/video_feed?src=no", &[]).status, 404);
    let refused = ask(server.port, "GET", "/cam.ts", &[]);
    assert_eq!((refused.status, &refused.body[..]), (404, &b"the stream is MJPEG; see NAME.mjpg and NAME.jpg\n"[..]));
}
