//! HTTP/2: streams that nobody takes, and floods beside a healthy viewer.

use super::feed;
use super::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, H2, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, request,
    status,
};
use super::studio::{Studio, number};
use super::tls_client::TlsServer;
use crate::util::{TempDir, eventually, h5, run};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113, section 6.5.2).
const WINDOW: u16 = 4;

/// A server with a stream of 30 pictures a second, and a viewer who must get each of them in time.
struct Live {
    tls: TlsServer,
    /// The viewer goes; the stream ends.
    leave: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    feeding: JoinHandle<()>,
    watching: JoinHandle<(u64, Duration)>,
}

impl Live {
    fn start(args: &[&str]) -> Live {
        let mut tls = TlsServer::start(&[&["--stall", "2", "--events", "2"], args].concat());
        let mut stdin = tls.server.process.stdin();
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let feeding = std::thread::spawn(move || {
            let mut studio = Studio::new(30, 10_000);
            feed(&mut stdin, &studio.init());
            while !stopping.load(Relaxed) {
                feed(&mut stdin, &studio.picture());
                std::thread::sleep(Duration::from_millis(33));
            }
        });
        eventually("the stream begins", || (tls.streams()["live"]["state"] == "live").then_some(()));
        let leave = Arc::new(AtomicBool::new(false));
        let (client, leaving) = (tls.client(&[]), leave.clone());
        let watching = std::thread::spawn(move || {
            let mut ws = client.websocket("live").watching();
            let (mut next, mut last, mut worst) = (None, Instant::now(), Duration::ZERO);
            while !leaving.load(Relaxed) {
                let Some(n) = number(&ws.binary()) else { continue };
                assert!(next.is_none_or(|next| next == n), "{n} in place of {next:?}");
                if next.is_some() {
                    worst = worst.max(last.elapsed());
                }
                (next, last) = (Some(n + 1), Instant::now());
            }
            (next.unwrap_or(0), worst)
        });
        Live { tls, leave, stop, feeding, watching }
    }

    /// The viewer has missed nothing.
    #[track_caller]
    fn end(self, what: &str) {
        // A second after what was done.
        std::thread::sleep(Duration::from_secs(1));
        self.leave.store(true, Relaxed);
        let (pictures, worst) = self.watching.join().unwrap();
        self.stop.store(true, Relaxed);
        self.feeding.join().unwrap();
        println!("{what}: {pictures} pictures, at most {worst:?} apart; {} KiB", self.tls.server.process.peak_kib());
        assert!(pictures > 30 && worst < Duration::from_secs(3), "{what}: {pictures} pictures, {worst:?} apart");
        assert!(self.tls.server.process.peak_kib() < 64 * 1024, "{what}: {} KiB", self.tls.server.process.peak_kib());
    }
}

#[test]
fn streams_that_nobody_takes_are_reset() {
    let mut live = Live::start(&[]);
    let mut h2 = H2::connect(&live.tls, &[(WINDOW, 20_000)]);
    assert!(h2.send(&request(1, "GET", "/live.mp4", &[])));
    assert_eq!(status(&h2.next_of(HEADERS).payload), 200);
    // Beside it others are answered.
    assert_eq!(h2.get(3, "/api/streams", &[]), 200);
    let reset = h2.next_of(RST_STREAM);
    assert_eq!(reset.stream, 1);
    let stall = live.tls.server.process.wait_for("\"event\":\"stall\"");
    assert!(stall.contains("\"by\":\"server\""), "{stall}");
    assert_eq!(h2.get(5, "/api/streams", &[]), 200, "the connection goes on");
    // The player's files have no window at all.
    assert!(h2.send(&[frame(SETTINGS, 0, 0, &[0, WINDOW as u8, 0, 0, 0, 0]), request(7, "GET", "/h5live.js", &[])].concat()));
    while h2.next_of(RST_STREAM).stream != 7 {}
    eventually("nobody is left", || (live.tls.streams()["live"]["viewers"] == 1).then_some(()));
    live.end("streams that nobody takes");
}

/// Small windows, opened as what comes is taken: all of it comes, in order.
#[test]
fn a_slow_reader_gets_whole_pictures() {
    let live = Live::start(&["--lag", "1"]);
    let mut h2 = H2::connect(&live.tls, &[(WINDOW, 30_000)]);
    assert!(h2.send(&request(1, "GET", "/live.mp4", &[])));
    let (mut bytes, begun) = (vec![], Instant::now());
    while begun.elapsed() < Duration::from_secs(6) {
        let data = h2.next_of(DATA);
        // A third of the bit rate.
        std::thread::sleep(Duration::from_secs_f64(data.payload.len() as f64 / 130_000.0));
        let more = (data.payload.len() as u32).to_be_bytes();
        assert!(h2.send(&[frame(WINDOW_UPDATE, 0, 0, &more), frame(WINDOW_UPDATE, 0, 1, &more)].concat()));
        bytes.extend(data.payload);
    }
    let mut numbers = vec![];
    let mut rest = &bytes[..];
    while let Some(size) = rest.first_chunk::<4>().map(|size| u32::from_be_bytes(*size) as usize).filter(|size| *size <= rest.len()) {
        numbers.extend(number(&rest[..size]));
        rest = &rest[size..];
    }
    assert!(numbers.len() > 20, "{numbers:?}");
    let jumps: Vec<_> = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    assert!(!jumps.is_empty() && jumps.iter().all(|pair| pair[1] > pair[0] && pair[1].is_multiple_of(30)), "{jumps:?}");
    live.end("a slow reader");
}

/// Sends the same again and again until the server has enough of it, or so often; gives whether it had.
fn flood(h2: &mut H2, times: u32, mut piece: impl FnMut(u32) -> Vec<u8>) -> bool {
    for batch in 0..times / 100 {
        let bytes: Vec<u8> = (0..100).flat_map(|n| piece(batch * 100 + n)).collect();
        if !h2.send(&bytes) {
            return true;
        }
    }
    false
}

#[test]
fn rapid_reset_is_ended() {
    let live = Live::start(&[]);
    for target in ["/api/streams", "/live.mp4"] {
        let mut h2 = H2::connect(&live.tls, &[]);
        let cancel = 8_u32.to_be_bytes();
        let reset = |n: u32| [request(2 * n + 1, "GET", target, &[]), frame(RST_STREAM, 0, 2 * n + 1, &cancel)].concat();
        let begun = Instant::now();
        assert!(flood(&mut h2, 100_000, reset), "100,000 streams were taken");
        println!("{target}: ended after {:?}", begun.elapsed());
    }
    eventually("nobody is left", || (live.tls.streams()["live"]["viewers"] == 1).then_some(()));
    live.end("rapid reset");
}

#[test]
fn floods_of_small_frames() {
    let folder = TempDir::new();
    run(h5("h5serve", &["passwd", "users", "ann"]).current_dir(&*folder), b"ann's s3cret").success();
    let live = Live::start(&["--public", "--users", &folder.join("users").display().to_string()]);
    let mut h2 = H2::connect(&live.tls, &[]);
    let open = frame(HEADERS, END_HEADERS, 1, &block("POST", "/api/login", &[]));
    assert!(h2.send(&open));
    let ended = flood(&mut h2, 1_000_000, |_| frame(DATA, 0, 1, &[]));
    println!("empty DATA: ended: {ended}");
    let mut h2 = H2::connect(&live.tls, &[]);
    println!("PING: ended: {}", flood(&mut h2, 100_000, |n| frame(PING, 0, 0, &u64::from(n).to_be_bytes())));
    let mut h2 = H2::connect(&live.tls, &[]);
    println!("SETTINGS: ended: {}", flood(&mut h2, 100_000, |_| frame(SETTINGS, 0, 0, &[])));
    // A head without an end.
    let mut h2 = H2::connect(&live.tls, &[]);
    assert!(h2.send(&frame(HEADERS, 0, 1, &block("GET", "/", &[]))));
    assert!(flood(&mut h2, 10_000, |_| frame(CONTINUATION, 0, 1, &block("GET", "/", &[]))), "a head has a limit");
    live.end("small frames");
}

#[test]
fn limits_are_said_and_kept() {
    let live = Live::start(&[]);
    let mut h2 = H2::connect(&live.tls, &[]);
    let head = block("GET", "/", &[&format!("X: {}", "x".repeat(20_000))]);
    let (first, rest) = head.split_at(16_000);
    assert!(h2.send(&[frame(HEADERS, END_STREAM, 1, first), frame(CONTINUATION, END_HEADERS, 1, rest)].concat()));
    assert_eq!(status(&h2.next_of(HEADERS).payload), 431);
    // A WebSocket comes by HTTP/1.1.
    let mut h2 = H2::connect(&live.tls, &[]);
    assert_eq!(h2.get(1, "/api/ws?src=live", &[]), 426);
    // A thousand requests, and it is asked to come anew.
    let mut h2 = H2::connect(&live.tls, &[]);
    assert!(h2.send(&frame(WINDOW_UPDATE, 0, 0, &0x4000_0000_u32.to_be_bytes())));
    for n in 0..1000 {
        assert_eq!(h2.get(2 * n + 1, "/api/streams", &[]), 200);
    }
    h2.next_of(GOAWAY);
    live.end("limits");
}
