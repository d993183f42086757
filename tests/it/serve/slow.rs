use super::client::{Message, Ws, connect};
use super::studio::{Studio, number};
use super::{Server, feed};
use crate::util::{PATIENCE, Running, eventually, http};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{Read, Write};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// 30 frames a second of 10 KB, keyframes of 60 KB twice a second: 3.2 Mbit/s.
pub const SIZE: usize = 10_000;
pub const GOP: u64 = 15;
pub const BYTES_PER_SECOND: f64 = (SIZE * 40) as f64;
pub const LAG: Duration = Duration::from_secs(1);
/// What comes on top of it at the viewer: a keyframe takes 0.3 s at half the bit rate until it is whole, the receive window holds some more, and
/// what follows the oldest frame on its way ages on as that drains.
pub const HELD: Duration = Duration::from_millis(600);

/// When each picture went in, and its bytes.
pub type Published = Arc<Mutex<Vec<(Instant, Vec<u8>)>>>;

#[test]
fn beside_a_healthy_viewer_for_a_few_seconds() {
    beside_a_healthy_viewer(Duration::from_secs(8));
}

#[test]
#[ignore = "as the one above, for minutes: scripts/soak"]
fn beside_a_healthy_viewer_for_minutes() {
    let minutes = std::env::var("H5LIVE_SOAK_MINUTES").map_or(1, |text| text.parse().expect("a number of minutes"));
    beside_a_healthy_viewer(Duration::from_secs(60 * minutes));
}

/// A stopped viewer, a throttled one, a stopped process that wants the endless body, and a healthy viewer.
fn beside_a_healthy_viewer(length: Duration) {
    let mut server = Server::start(&["--lag", "1", "--stall", "3", "--control", "127.0.0.1:0", "-v"]);
    let control = server.process.wait_for("control endpoint at").trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let stdin = server.process.stdin();
    let published = Published::default();
    let given_up = Arc::new(AtomicBool::new(false));
    let publishing = std::thread::spawn({
        let (published, given_up) = (published.clone(), given_up.clone());
        move || publish(stdin, &published, length, &given_up)
    });
    eventually("the stream begins", || (server.streams()["live"]["state"] == "live").then_some(()));
    let port = server.port;
    let healthy = std::thread::spawn({
        let published = published.clone();
        move || watch_all(Ws::viewer(port, "live"), &published)
    });
    let throttled = std::thread::spawn({
        let published = published.clone();
        move || watch_slowly(port, &published)
    });
    let mut stopped = Ws::connect_narrow(port, "live", 16 * 1024);
    stopped.say(r#"{"type":"mse","value":""}"#);
    let url = format!("http://127.0.0.1:{port}/live.mp4");
    let curl = Running::start(Command::new("curl").args(["-sN", "--limit-rate", "1M", "-o", "/dev/null", &url]));
    eventually("all four watch", || (server.streams()["live"]["viewers"] == 4).then_some(()));
    curl.signal("STOP");
    // Neither is waited for: the one is closed after the stall limit, the other when it has filled all buffers on its way.
    eventually("the stopped viewer is given up", || {
        let stalled = metric(control, "h5serve_stream_stalled_total{stream=\"live\"}");
        // Where buffers are small, both are, in the same pass.
        (1.0..=2.0).contains(&stalled).then_some(())
    });
    given_up.store(true, Relaxed);

    let length = publishing.join().unwrap();
    let (frames, worst) = healthy.join().unwrap();
    let Slow { got, lost, jumps, oldest, .. } = throttled.join().unwrap();
    println!(
        "healthy: {frames} frames, the latest after {worst:?}; throttled: {got} frames, {lost} lost in {jumps} jumps, the oldest {oldest:?} behind"
    );
    println!("server: {} KiB now, {} KiB at most", server.resident_kib(), server.process.peak_kib());
    let expected = length.as_secs_f64() * 30.0;
    assert!(frames as f64 > 0.8 * expected, "{frames} of {expected}");
    assert!(worst < LAG, "the healthy viewer got a frame after {worst:?}");
    assert!(jumps > 0 && (lost as f64) < 0.8 * expected && (got as f64) > 0.2 * expected);
    assert!(oldest < LAG + HELD, "the throttled viewer was shown a picture {oldest:?} behind the newest");
    assert!(server.process.peak_kib() < 48 * 1024, "{} KiB", server.process.peak_kib());
}

/// For so long, and until the stopped viewer was given up: the server ends with its input. Gives how long that was.
pub fn publish(mut stdin: impl Write, published: &Published, length: Duration, given_up: &AtomicBool) -> Duration {
    let mut studio = Studio::new(GOP, SIZE);
    feed(&mut stdin, &studio.init());
    let begun = Instant::now();
    for n in 0.. {
        let due = begun + Duration::from_micros(n * 33_333);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if begun.elapsed() > length && (given_up.load(Relaxed) || begun.elapsed() > length + PATIENCE) {
            break;
        }
        let picture = studio.picture();
        published.lock().unwrap().push((Instant::now(), picture.clone()));
        feed(&mut stdin, &picture);
    }
    begun.elapsed()
}

/// Every picture from the first on, byte for byte. Gives how many, and the longest way of one.
pub fn watch_all<S: Read + Write>(mut ws: Ws<S>, published: &Published) -> (u64, Duration) {
    let (mut frames, mut next, mut worst) = (0, None, Duration::ZERO);
    loop {
        match ws.next() {
            Message::Binary(bytes) => {
                let Some(n) = number(&bytes) else { continue };
                assert!(next.is_none_or(|next| n == next), "{n} in place of {next:?}");
                let (sent, same) = at(published, n, &bytes);
                assert!(same, "picture {n} is not what was published");
                if next.is_some() {
                    worst = worst.max(sent.elapsed());
                }
                next = Some(n + 1);
                frames += 1;
            }
            Message::Text(text) => assert!(!text.contains("dropped"), "{text}"),
            Message::Close(code, _) => {
                assert_eq!(code, 1000);
                return (frames, worst);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What a viewer gets that does not take all.
#[derive(Default)]
pub struct Slow {
    pub got: u64,
    pub lost: u64,
    pub jumps: u64,
    /// The longest that a picture was behind the newest one when it had been taken. (What is left when the stream ends is delivered, in
    /// the viewer's own time.)
    pub oldest: Duration,
    next: Option<u64>,
    told: u64,
}

impl Slow {
    /// What it gets is whole and in order; where pictures are missing it has been told how many, and the next is a keyframe. `true`: that was all.
    pub fn take(&mut self, message: Message, published: &Published) -> bool {
        match message {
            Message::Binary(bytes) => {
                let Some(n) = number(&bytes) else { return false };
                let (sent, same) = at(published, n, &bytes);
                assert!(same, "picture {n} is not what was published");
                let newest = published.lock().unwrap().last().unwrap().0;
                if let Some(next) = self.next {
                    let gap = n - next;
                    assert_eq!(gap, self.told, "before picture {n}");
                    assert!(gap == 0 || n.is_multiple_of(GOP), "{n} is no keyframe");
                    self.lost += gap;
                    self.jumps += u64::from(gap > 0);
                }
                self.got += 1;
                self.oldest = self.oldest.max(newest - sent);
                (self.next, self.told) = (Some(n + 1), 0);
            }
            Message::Text(text) => {
                let text: serde_json::Value = serde_json::from_str(&text).unwrap();
                if text["type"] == "dropped" {
                    self.told += text["value"].as_u64().unwrap();
                }
            }
            Message::Close(code, _) => {
                // The server ends with its input, and does not wait long for the slowest.
                assert!(matches!(code, 1000 | 1001), "{code}");
                return true;
            }
            other => panic!("{other:?}"),
        }
        false
    }
}

/// Reads at half the bit rate.
fn watch_slowly(port: u16, published: &Published) -> Slow {
    let mut ws = Ws::connect_narrow(port, "live", 16 * 1024);
    ws.say(r#"{"type":"mse","value":""}"#);
    let mut slow = Slow::default();
    let begun = Instant::now();
    let mut read = 0.0;
    loop {
        let may = begun.elapsed().as_secs_f64() * BYTES_PER_SECOND / 2.0 - read;
        if may >= 1024.0 {
            read += ws.sip(may as usize) as f64;
        }
        std::thread::sleep(Duration::from_millis(5));
        while let Some(message) = ws.take() {
            if slow.take(message, published) {
                return slow;
            }
        }
    }
}

fn at(published: &Published, n: u64, bytes: &[u8]) -> (Instant, bool) {
    let published = published.lock().unwrap();
    let (sent, picture) = &published[n as usize];
    (*sent, picture == bytes)
}

pub fn metric(control: u16, name: &str) -> f64 {
    let (_, text) = http(control, "GET", "/metrics", b"");
    text.lines().find_map(|l| l.strip_prefix(name)?.trim().parse().ok()).unwrap_or(f64::NAN)
}

/// 500 viewers, each of which must get every picture.
#[test]
fn five_hundred_viewers() {
    const VIEWERS: usize = 500;
    const PICTURES: u64 = 120;
    let mut server = Server::start(&["--lag", "10", "--threads", "2"]);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(1000, 1000);
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    drop(Ws::viewer(server.port, "live"));
    let before = server.resident_kib();
    let viewers: Vec<Ws> = (0..VIEWERS).map(|_| Ws::viewer(server.port, "live")).collect();
    let newest = Arc::new(AtomicU64::new(0));
    let publishing = std::thread::spawn({
        let newest = newest.clone();
        move || {
            for n in 1..=PICTURES {
                std::thread::sleep(Duration::from_millis(33));
                newest.store(n, Relaxed);
                feed(&mut stdin, &studio.picture());
            }
            stdin
        }
    });
    let mut places: Vec<(Ws, u64)> = viewers.into_iter().map(|ws| (ws, 0)).collect();
    let begun = Instant::now();
    let mut worst = 0;
    while places.iter().any(|(_, next)| *next <= PICTURES) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{} are not through",
            places.iter().filter(|(_, next)| *next <= PICTURES).count()
        );
        let mut fds: Vec<PollFd> = places.iter().map(|(ws, _)| PollFd::new(&ws.stream, PollFlags::IN)).collect();
        poll(&mut fds, None).unwrap();
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        for ((ws, next), _) in places.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            assert!(ws.sip(65536) > 0, "a viewer was let go after {next}");
            while let Some(message) = ws.take() {
                if let Message::Binary(bytes) = message
                    && let Some(n) = number(&bytes)
                {
                    assert_eq!(n, *next);
                    *next += 1;
                    worst = worst.max(newest.load(Relaxed) - n);
                }
            }
        }
    }
    let each = (server.resident_kib().saturating_sub(before)) as f64 / VIEWERS as f64;
    println!("{VIEWERS} viewers, at most {worst} pictures behind, {each:.1} KiB each");
    assert!(each < 12.0, "{each} KiB of memory for each viewer");
    assert_eq!(server.streams()["live"]["viewers"], VIEWERS);
    drop(publishing.join().unwrap());
}

/// An HTTP body that is not taken is given up too.
#[test]
fn a_stalled_body_is_closed() {
    let mut server = Server::start(&["--stall", "1", "--events", "2"]);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(30, 30_000);
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    eventually("the stream begins", || (server.streams()["live"]["state"] == "live").then_some(()));
    let mut stream = connect(server.port);
    stream.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut status = [0; 15];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 OK");
    eventually("it is given up", || {
        feed(&mut stdin, &studio.picture());
        (server.streams()["live"]["viewers"] == 0).then_some(())
    });
    let told = server.process.wait_for("\"event\":\"stall\"");
    assert!(told.contains("\"by\":\"server\"") && told.contains("\"stream\":\"live\""), "{told}");
}
