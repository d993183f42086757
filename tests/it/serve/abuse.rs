use super::client::{Message, Ws, answer, ask, connect, ends_within, frame, handshake, raw, read_head};
use super::studio::{Studio, number};
use super::{Server, feed};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Runs `attack` while a healthy viewer watches: it must get every frame, and within a second.
fn beside_a_viewer(attack: impl FnOnce(&Server)) {
    beside_a_viewer_of(&[], attack);
}

/// The same, of a server with these options.
pub fn beside_a_viewer_of(args: &[&str], attack: impl FnOnce(&Server)) {
    let mut server = Server::start(args);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(15, 2000);
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    let mut healthy = Ws::viewer(server.port, "live");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Relaxed) {
                feed(&mut stdin, &studio.picture());
                std::thread::sleep(Duration::from_millis(33));
            }
            // Ends the stream, and so the healthy viewer's wait.
            drop(stdin);
        });
        let watching = scope.spawn(move || {
            let mut next = None;
            let mut last = Instant::now();
            loop {
                match healthy.next() {
                    Message::Binary(bytes) => {
                        let Some(n) = number(&bytes) else { continue };
                        assert!(next.is_none_or(|next| n == next), "{n} in place of {next:?}");
                        assert!(last.elapsed() < Duration::from_secs(1), "{n} came after {:?}", last.elapsed());
                        (next, last) = (Some(n + 1), Instant::now());
                    }
                    Message::Close(code, _) => return (code, next.unwrap_or(0)),
                    Message::Text(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        });
        // Also when the attack fails the test: else the scope would never end.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attack(&server)));
        over.store(true, Relaxed);
        let watched = watching.join();
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        let (code, frames) = watched.unwrap();
        assert!(code == 1000 && frames > 0, "{code} after {frames}");
    });
    let end = server.process.finish(crate::util::PATIENCE);
    assert_eq!(end.code(), 0, "{}", end.stderr);
    assert!(end.peak_kib < 64 * 1024, "{} KiB", end.peak_kib);
}

#[test]
fn broken_frames_are_closed_with_the_right_code() {
    beside_a_viewer(|server| {
        let unmasked = b"\x81\x02{}".to_vec();
        let big = frame(0x81, &vec![b'x'; 100_000]);
        let many = [frame(0x01, &[b'x'; 10_000]), frame(0x00, &[b'x'; 10_000])].concat();
        let cases: Vec<(&str, Vec<u8>, u16)> = vec![
            ("not masked", unmasked, 1002),
            ("reserved bit 1", frame(0xc1, b"{}"), 1002),
            ("reserved bit 3", frame(0x91, b"{}"), 1002),
            ("reserved opcode", frame(0x83, b"{}"), 1002),
            ("reserved control opcode", frame(0x8f, b""), 1002),
            ("fragmented ping", frame(0x09, b""), 1002),
            ("long ping", frame(0x89, &[0; 126]), 1002),
            ("continuation of nothing", frame(0x80, b"x"), 1002),
            ("message inside a message", [frame(0x01, b"{"), frame(0x81, b"{}")].concat(), 1002),
            ("binary", frame(0x82, b"\0\x01"), 1003),
            ("not UTF-8", frame(0x81, b"\xc3\x28"), 1007),
            ("too big", big, 1009),
            ("too big in pieces", many, 1009),
            ("length of 2^63", [&[0x81, 0xff][..], &[0xff; 8], &[0; 4]].concat(), 1002),
            ("length of 2^60", [&[0x81, 0xff, 0x10][..], &[0; 7], &[0; 4]].concat(), 1009),
            ("length not in its shortest form", b"\x81\xfe\x00\x02\0\0\0\0{}".to_vec(), 1002),
            ("close of one byte", frame(0x88, b"\x03"), 1002),
            ("close code 1005", frame(0x88, &1005u16.to_be_bytes()), 1002),
            ("close code 999", frame(0x88, &999u16.to_be_bytes()), 1002),
            ("close code 5000", frame(0x88, &5000u16.to_be_bytes()), 1002),
            ("close reason not UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
            ("close code 3000", frame(0x88, &3000u16.to_be_bytes()), 3000),
            ("close without a code", frame(0x88, b""), 1005),
        ];
        for (what, bytes, code) in cases {
            let mut ws = Ws::viewer(server.port, "live");
            ws.send(&bytes);
            assert_eq!(ws.closed().0, code, "{what}");
            assert!(ends_within(&mut ws.stream, Duration::from_secs(10)), "{what}");
        }
    });
}

#[test]
fn fragments_and_floods_are_taken() {
    beside_a_viewer(|server| {
        let mut ws = Ws::connect(server.port, "live");
        ws.send(&frame(0x01, br#"{"type":"#));
        ws.send(&frame(0x89, b"between"));
        for _ in 0..1000 {
            ws.send(&frame(0x00, b""));
        }
        for byte in frame(0x80, br#""ping","value":1}"#) {
            ws.send(&[byte]);
        }
        assert_eq!(ws.next(), Message::Pong(b"between".to_vec()));
        assert_eq!(ws.text()["type"], "pong");
        // A flood of questions by one who reads no answers: it fills its own line, nobody else's.
        let mut flood = Ws::connect_narrow(server.port, "live", 4096);
        flood.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let question = frame(0x89, &[7; 125]).repeat(100);
        let mut sent = 0;
        while sent < 64 << 20 && flood.stream.write_all(&question).is_ok() {
            sent += question.len();
        }
        assert!(sent < 64 << 20, "the server reads on and on");
        // A viewer that leaves without a word.
        for _ in 0..20 {
            drop(Ws::viewer(server.port, "live"));
        }
    });
}

#[test]
fn hostile_requests() {
    beside_a_viewer(|server| {
        let status = |request: &[u8]| answer(&raw(server.port, request)).status;
        let long = "x".repeat(100_000);
        assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n").as_bytes()), 431);
        assert_eq!(status(format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()), 431);
        let many: String = (0..1000).map(|i| format!("X-{i}: 1\r\n")).collect();
        assert_eq!(status(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes()), 431);
        for garbage in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
            b"GET\r\n\r\n",
            b"\r\n\r\n\r\n\0",
            b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        ] {
            let mut stream = connect(server.port);
            _ = stream.write_all(garbage);
            _ = stream.shutdown(std::net::Shutdown::Write);
            let mut got = vec![];
            _ = stream.read_to_end(&mut got);
            assert!(got.is_empty() || got.starts_with(b"HTTP/1.1 400 "), "{garbage:?}: {:?}", String::from_utf8_lossy(&got));
        }
        assert_eq!(status(b"POST /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1152921504606846976\r\n\r\nabc"), 405);
        assert_eq!(status(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 405);
        assert_eq!(
            status(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd"),
            400
        );
    });
}

#[test]
fn pipelined_and_half_closed_requests() {
    beside_a_viewer(|server| {
        let mut stream = connect(server.port);
        let request = "GET /api/streams HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.repeat(50).as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).unwrap();
        assert_eq!(got.matches("HTTP/1.1 200 OK").count(), 50);
        // A half-closed viewer still gets its stream.
        let mut viewer = connect(server.port);
        viewer.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        viewer.shutdown(std::net::Shutdown::Write).unwrap();
        let (head, mut bytes) = read_head(&mut viewer);
        assert!(head.starts_with("HTTP/1.1 200 "));
        while bytes.windows(4).filter(|w| w == b"moof").count() < 10 {
            let mut piece = [0; 4096];
            let n = viewer.read(&mut piece).unwrap();
            assert!(n > 0, "ended");
            bytes.extend_from_slice(&piece[..n]);
        }
        // Frames sent together with the handshake are not lost.
        let mut hasty = connect(server.port);
        let both = [handshake("/api/ws?src=live").as_bytes(), &frame(0x89, b"already")].concat();
        hasty.write_all(&both).unwrap();
        let (_, mut bytes) = read_head(&mut hasty);
        while bytes.len() < 9 {
            let mut piece = [0; 64];
            let n = hasty.read(&mut piece).unwrap();
            assert!(n > 0);
            bytes.extend_from_slice(&piece[..n]);
        }
        assert_eq!(bytes, b"\x8a\x07already");
    });
}

#[test]
fn slow_and_silent_requests_are_given_up() {
    beside_a_viewer(|server| {
        let begun = Instant::now();
        let mut silent = connect(server.port);
        let mut slow = connect(server.port);
        let mut kept = connect(server.port);
        kept.write_all(b"GET /api/streams HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        read_head(&mut kept);
        let drip = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Very-Long-Header: ";
        let mut dripped = 0;
        slow.set_nonblocking(true).unwrap();
        let mut piece = [0; 1024];
        loop {
            _ = slow.write(&[*drip.get(dripped).unwrap_or(&b'x')]);
            dripped += 1;
            match slow.read(&mut piece) {
                Ok(0) => break,
                Err(e) if e.kind() != std::io::ErrorKind::WouldBlock => break,
                _ => assert!(begun.elapsed() < Duration::from_secs(20), "a byte every 100 ms is served for ever"),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let left = Duration::from_secs(20).saturating_sub(begun.elapsed());
        assert!(ends_within(&mut silent, left), "a connection without a request");
        assert!(ends_within(&mut kept, left), "a connection without a next request");
    });
}

#[test]
fn viewers_that_vanish_leave_nothing_behind() {
    beside_a_viewer(|server| {
        let files = || std::fs::read_dir(format!("/proc/{}/fd", server.process.id())).unwrap().count();
        let before = files();
        for round in 0..5 {
            let viewers: Vec<Ws> = (0..50).map(|_| Ws::viewer(server.port, "live")).collect();
            let mut bodies: Vec<_> = (0..20).map(|_| connect(server.port)).collect();
            bodies.iter_mut().for_each(|b| b.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap());
            bodies.iter_mut().for_each(|b| _ = read_head(b));
            assert!(files() >= before + 70, "round {round}");
            drop((viewers, bodies));
        }
        crate::util::eventually("all are gone", || (files() <= before + 2).then_some(()));
        assert_eq!(server.streams()["live"]["viewers"], 1);
        assert_eq!(ask(server.port, "GET", "/", &[]).status, 200);
    });
}
