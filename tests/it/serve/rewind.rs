//! What was before, on the live WebSocket: the frames that were live, at the right moment, without a seam.

use super::client::{Message, Ws, ask, connect, handshake};
use super::studio::{Studio, decode_time, number};
use super::{Server, feed};
use crate::util::{PATIENCE, Running, TempDir, eventually, h5, run, shell};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Pictures of the studio, one every 33 ms, until it is dropped.
struct Feeder {
    stop: Arc<AtomicBool>,
    /// When each was sent, in seconds since 1970.
    sent: Arc<Mutex<Vec<f64>>>,
    thread: Option<JoinHandle<(Box<dyn Write + Send>, Studio)>>,
}

impl Feeder {
    fn start(server: &mut Server, mut studio: Studio) -> Feeder {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<f64>>>::default());
        let mut stdin: Box<dyn Write + Send> = Box::new(server.process.stdin());
        let (stopped, log) = (stop.clone(), sent.clone());
        let thread = std::thread::spawn(move || {
            feed(&mut stdin, &studio.init());
            let (begun, first) = (Instant::now(), studio.pictures());
            while !stopped.load(Relaxed) {
                log.lock().unwrap().push(now());
                feed(&mut stdin, &studio.picture());
                let due = begun + Duration::from_micros((studio.pictures() - first) * 1_000_000 / 30);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            (stdin, studio)
        });
        Feeder { stop, sent, thread: Some(thread) }
    }

    fn sent(&self, picture: u64) -> f64 {
        self.sent.lock().unwrap()[picture as usize]
    }

    fn wait_for(&self, pictures: usize) {
        eventually("so many pictures", || (self.sent.lock().unwrap().len() >= pictures).then_some(()));
    }

    fn end(mut self) -> (Box<dyn Write + Send>, Studio) {
        self.stop.store(true, Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

fn time(seconds: f64) -> String {
    jiff::Timestamp::from_microsecond((seconds * 1e6) as i64).unwrap().to_string()
}

fn seconds(time: &Value) -> f64 {
    let time: jiff::Timestamp = time.as_str().unwrap_or_else(|| panic!("{time}")).parse().unwrap();
    time.as_microsecond() as f64 / 1e6
}

/// A message that concerns the past.
#[derive(Clone, Debug)]
enum Came {
    Kind,
    Position(Value),
    Init,
    /// Its number, and whether it is to be shown.
    Picture(u64, bool, Vec<u8>),
    Error(String),
}

/// A viewer that was live.
struct Viewer(Ws);

impl Viewer {
    fn new(port: u16) -> Viewer {
        Viewer(Ws::viewer(port, "live"))
    }

    fn say(&mut self, what: &str, value: impl serde::Serialize) {
        self.0.say(&json!({ "type": what, "value": value }).to_string());
    }

    #[track_caller]
    fn next(&mut self) -> Came {
        loop {
            match self.0.next() {
                Message::Text(text) => {
                    let told: Value = serde_json::from_str(&text).unwrap();
                    match told["type"].as_str().unwrap() {
                        "mse" => return Came::Kind,
                        "position" => return Came::Position(told["value"].clone()),
                        "error" => return Came::Error(told["value"].as_str().unwrap().into()),
                        _ => {}
                    }
                }
                Message::Binary(bytes) if &bytes[4..8] == b"ftyp" => return Came::Init,
                Message::Binary(bytes) => {
                    if let Some(number) = number(&bytes) {
                        return Came::Picture(number, duration(&bytes) >= 1000, bytes);
                    }
                }
                Message::Ping => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Passes over what was live, up to the begin of what was asked for.
    #[track_caller]
    fn begun(&mut self) {
        loop {
            match self.next() {
                Came::Kind => return,
                Came::Error(what) => panic!("{what}"),
                _ => {}
            }
        }
    }

    /// The next picture that is shown.
    #[track_caller]
    fn shown(&mut self) -> (u64, Vec<u8>) {
        loop {
            match self.next() {
                Came::Picture(number, true, bytes) => return (number, bytes),
                Came::Error(what) => panic!("{what}"),
                _ => {}
            }
        }
    }

    #[track_caller]
    fn position(&mut self) -> Value {
        loop {
            match self.next() {
                Came::Position(value) => return value,
                Came::Error(what) => panic!("{what}"),
                _ => {}
            }
        }
    }

    #[track_caller]
    fn error(&mut self) -> String {
        loop {
            if let Came::Error(what) = self.next() {
                return what;
            }
        }
    }
}

/// Of the first sample in a chunk, in microseconds, which are the ticks here.
fn duration(chunk: &[u8]) -> u32 {
    let at = chunk.windows(4).position(|w| w == b"trun").unwrap();
    u32::from_be_bytes(chunk[at + 16..at + 20].try_into().unwrap())
}

/// What the decoder gets.
fn media(chunk: &[u8]) -> &[u8] {
    let at = chunk.windows(4).position(|w| w == b"mdat").unwrap();
    &chunk[at + 4..]
}

fn recorded(dir: &Path, more: &[&str]) -> Server {
    let folder = dir.join("recordings");
    Server::start(&[&["--record", folder.to_str().unwrap(), "--record-segment", "2s", "--on-eof", "wait"], more].concat())
}

/// The frames that were live, from the picture that was on the screen at that moment.
#[test]
fn a_moment_of_the_recordings() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 3000));
    feeder.wait_for(3);
    let port = server.port;
    let live = std::thread::spawn(move || {
        let mut viewer = Viewer::new(port);
        let mut seen = BTreeMap::new();
        while seen.len() < 200 {
            let (number, bytes) = viewer.shown();
            seen.insert(number, media(&bytes).to_vec());
        }
        seen
    });
    feeder.wait_for(190);
    let mut viewer = Viewer::new(server.port);
    // Within a recording, near its cuts, by both kinds of time.
    for (back, absolute) in [(4.0, false), (3.05, true), (1.5, false), (4.5, true)] {
        let asked = now() - back;
        if absolute {
            viewer.say("seek", time(asked))
        } else {
            viewer.say("seek", -back)
        }
        viewer.begun();
        assert!(matches!(viewer.next(), Came::Init));
        let (mut hidden, mut told) = (Vec::new(), None);
        let first = loop {
            match viewer.next() {
                Came::Picture(number, false, _) => hidden.push(number),
                Came::Position(value) => told = Some(value),
                Came::Picture(number, true, bytes) => break (number, bytes),
                other => panic!("{other:?}"),
            }
        };
        let (told, off) = (told.unwrap(), asked - feeder.sent(first.0));
        println!("{back} s back: picture {} was sent {off:.3} s before, {} hidden", first.0, hidden.len());
        assert!((-0.15..0.25).contains(&off), "{off}");
        assert_eq!(
            hidden,
            ((first.0 / 15 * 15).max(hidden.first().copied().unwrap_or(first.0))..first.0).collect::<Vec<_>>(),
            "{}",
            first.0
        );
        assert!((seconds(&told["time"]) - asked).abs() < 0.2 && told["live"] == false && told["paused"] == false, "{told}");
        assert!((told["media"].as_f64().unwrap() - decode_time(&first.1) as f64 / 1e6).abs() < 0.04, "{told}");
        // A second of it takes a second.
        let (begun, mut before) = (Instant::now(), first);
        for _ in 0..30 {
            let next = viewer.shown();
            assert_eq!(next.0, before.0 + 1);
            assert_eq!(decode_time(&next.1), decode_time(&before.1) + u64::from(duration(&before.1)));
            before = next;
        }
        let took = begun.elapsed().as_secs_f64();
        assert!((0.85..1.5).contains(&took), "{took} s");
    }
    let live = live.join().unwrap();
    viewer.say("seek", -3);
    viewer.begun();
    for _ in 0..40 {
        let (number, bytes) = viewer.shown();
        assert!(live.get(&number).is_none_or(|was| was == media(&bytes)), "{number} is another one");
    }
}

#[test]
fn back_at_live() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(120);
    let mut viewer = Viewer::new(server.port);
    viewer.say("seek", -3);
    viewer.begun();
    viewer.shown();
    viewer.say("live", ());
    let begun = Instant::now();
    while viewer.position()["live"] != true {}
    assert!(matches!(viewer.next(), Came::Kind) && matches!(viewer.next(), Came::Init));
    let (first, _) = viewer.shown();
    let newest = feeder.sent.lock().unwrap().len() as u64;
    assert!(first.is_multiple_of(15) && first + 20 >= newest, "{first} of {newest}");
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    let mut last = first;
    while now() - feeder.sent(last) > 0.3 {
        let (number, _) = viewer.shown();
        assert_eq!(number, last + 1);
        last = number;
    }
    // A moment that is now is live too.
    viewer.say("seek", 0);
    while viewer.position()["live"] != true {}
}

/// From recordings into the ring, and from there into what is live: no frame twice, none missing.
#[test]
fn no_seam_up_to_live() {
    let dir = TempDir::new();
    for args in [&[][..], &["--record", "recordings", "--record-segment", "2s"]] {
        let folder = dir.join("recordings");
        let args: Vec<&str> = args.iter().map(|arg| if *arg == "recordings" { folder.to_str().unwrap() } else { arg }).collect();
        let mut server = Server::start(&[&args[..], &["--on-eof", "wait", "--hls-window", "30"]].concat());
        let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
        feeder.wait_for(150);
        let mut viewer = Viewer::new(server.port);
        viewer.say("seek", -4);
        viewer.begun();
        let (mut last, _) = viewer.shown();
        viewer.say("speed", 4);
        viewer.begun();
        let (first, _) = viewer.shown();
        assert!((last.saturating_sub(1)..last + 10).contains(&first), "{first} after {last}");
        last = first;
        let mut live = 0;
        while live < 40 {
            match viewer.next() {
                Came::Position(value) if value["live"] == true => live = 1,
                Came::Picture(number, true, _) => {
                    assert_eq!(number, last + 1, "{} pictures after the begin of live", live);
                    last = number;
                    live += u64::from(live > 0);
                }
                Came::Error(what) => panic!("{what}"),
                _ => {}
            }
        }
        assert!(now() - feeder.sent(last) < 0.5);
    }
}

/// Over a restart of the server, and over the time in which there was none.
#[test]
fn over_a_restart_and_a_gap() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(75);
    let last_sent = feeder.sent(70);
    let (stdin, studio) = feeder.end();
    drop(stdin);
    let before = studio.pictures();
    server.process.signal("TERM");
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
    std::thread::sleep(Duration::from_millis(2500));
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::with(15, 1000, false, 0));
    feeder.wait_for(60);
    let mut viewer = Viewer::new(server.port);
    viewer.say("seek", time(last_sent - 1.0));
    viewer.begun();
    let (mut last, _) = viewer.shown();
    assert!((30..=50).contains(&last), "{last}");
    let mut gap = None;
    for _ in 0..60 {
        match viewer.next() {
            Came::Picture(number, true, _) => {
                let next = if last + 1 == before { 0 } else { last + 1 };
                assert_eq!((number, gap.is_some()), (next, last + 1 == before || gap.is_some()));
                last = number;
            }
            Came::Position(value) if value["gap"].is_number() => gap = value["gap"].as_f64(),
            Came::Error(what) => panic!("{what}"),
            _ => {}
        }
    }
    assert!(gap.is_some_and(|gap| (2.0..8.0).contains(&gap)), "{gap:?}");
    // A moment of which there is nothing: what comes after it.
    viewer.say("seek", time(last_sent + 1.0));
    viewer.begun();
    assert_eq!(viewer.shown().0, 0);
    viewer.say("seek", "2001-01-01T00:00:00Z");
    viewer.begun();
    assert_eq!(viewer.shown().0, 0, "the first there is");
}

#[test]
fn fast_slow_and_backwards() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(240);
    let mut viewer = Viewer::new(server.port);
    viewer.say("seek", -3);
    viewer.begun();
    let (mut last, _) = viewer.shown();
    viewer.say("speed", 0.25);
    viewer.begun();
    let begun = Instant::now();
    let (first, _) = viewer.shown();
    assert!((last.saturating_sub(1)..last + 4).contains(&first));
    for n in 1..=8 {
        let (number, bytes) = viewer.shown();
        assert_eq!(number, first + n);
        assert!(duration(&bytes).abs_diff(133_333) < 20, "{}", duration(&bytes));
    }
    assert!((0.85..1.6).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    viewer.say("speed", 2);
    viewer.begun();
    let begun = Instant::now();
    for _ in 0..60 {
        viewer.shown();
    }
    assert!((0.85..1.6).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    // Keyframes, one before the other, up to the first.
    viewer.say("speed", -4);
    viewer.begun();
    (last, _) = viewer.shown();
    assert!(last.is_multiple_of(15), "{last}");
    while last > 0 {
        let (number, _) = viewer.shown();
        assert!(number < last && number.is_multiple_of(15), "{number} after {last}");
        last = number;
    }
    // And on, up to live.
    viewer.say("speed", 16);
    viewer.begun();
    (last, _) = viewer.shown();
    loop {
        match viewer.next() {
            Came::Picture(number, true, _) => {
                assert!(number > last && number.is_multiple_of(15), "{number} after {last}");
                last = number;
            }
            Came::Position(value) if value["live"] == true => break,
            Came::Error(what) => panic!("{what}"),
            _ => {}
        }
    }
    let newest = feeder.sent.lock().unwrap().len() as u64;
    assert!(last + 40 > newest, "{last} of {newest}");
}

#[test]
fn picture_by_picture() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(150);
    let mut viewer = Viewer::new(server.port);
    viewer.say("seek", -3);
    viewer.begun();
    let mut shown: Vec<(u64, Vec<u8>)> = (0..20).map(|_| viewer.shown()).collect();
    let standing = |viewer: &mut Viewer, shown: &mut Vec<(u64, Vec<u8>)>| loop {
        match viewer.next() {
            Came::Position(value) if value["paused"] == true => break value["media"].as_f64().unwrap(),
            Came::Picture(number, true, bytes) => shown.push((number, bytes)),
            Came::Kind => shown.clear(),
            Came::Error(what) => panic!("{what}"),
            _ => {}
        }
    };
    let at = |shown: &[(u64, Vec<u8>)], media: f64| {
        let found = shown.iter().find(|(_, bytes)| (decode_time(bytes) as f64 / 1e6 - media).abs() < 0.001);
        found.unwrap_or_else(|| panic!("no picture at {media}")).0
    };
    viewer.say("pause", ());
    let media = standing(&mut viewer, &mut shown);
    let mut number = at(&shown, media);
    assert_eq!(number, shown.last().unwrap().0);
    for _ in 0..4 {
        viewer.say("step", 1);
        let media = standing(&mut viewer, &mut shown);
        assert_eq!(at(&shown, media), number + 1);
        number += 1;
    }
    // Over a keyframe, too.
    for _ in 0..20 {
        viewer.say("step", -1);
        viewer.begun();
        shown.clear();
        let mut media = standing(&mut viewer, &mut shown);
        if shown.is_empty() {
            media = standing(&mut viewer, &mut shown);
        }
        number -= 1;
        assert_eq!((at(&shown, media), shown.len()), (number, 1));
    }
    viewer.say("step", 3);
    for _ in 0..3 {
        standing(&mut viewer, &mut shown);
    }
    assert_eq!(shown.last().unwrap().0, number + 3);
    viewer.say("play", ());
    for n in 4..30 {
        assert_eq!(viewer.shown().0, number + n);
    }
    // From live.
    viewer.say("live", ());
    while viewer.position()["live"] != true {}
    viewer.shown();
    viewer.say("pause", ());
    viewer.begun();
    let (number, _) = viewer.shown();
    assert!(now() - feeder.sent(number) < 1.5);
}

#[test]
fn who_may() {
    let dir = TempDir::new();
    let users = dir.join("users");
    let mut tokens = Vec::new();
    for (name, rights) in [("now", "view"), ("then", "view,rewind")] {
        let made = run(&mut h5("h5serve", &["passwd", users.to_str().unwrap(), name, "--token", "--rights", rights]), b"");
        tokens.push(made.success().text().trim().to_owned());
    }
    let mut server = recorded(&dir, &["--users", users.to_str().unwrap()]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(60);
    let viewer = |token: &str| {
        let mut stream = connect(server.port);
        let request = handshake("/api/ws?src=live").replacen("\r\n\r\n", &format!("\r\nAuthorization: Bearer {token}\r\n\r\n"), 1);
        stream.write_all(request.as_bytes()).unwrap();
        Viewer(Ws::accepted(stream).watching())
    };
    let mut only_now = viewer(&tokens[0]);
    for (what, value) in [("seek", json!(-1)), ("pause", Value::Null), ("speed", json!(-1)), ("step", json!(-1)), ("live", Value::Null)] {
        only_now.say(what, value);
        assert_eq!(only_now.error(), "rewind: you may see this stream live, and not what was before");
    }
    only_now.shown();
    let mut both = viewer(&tokens[1]);
    both.say("seek", -1);
    both.begun();
    both.shown();
    // The right is taken away.
    let file = fs::read_to_string(&users).unwrap();
    fs::write(&users, file.replace("view,rewind", "view")).unwrap();
    assert_eq!(both.0.closed(), (4401, "you may no longer see this stream".to_owned()));
    only_now.shown();
}

#[test]
fn what_is_not_understood() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(60);
    let mut viewer = Viewer::new(server.port);
    for wrong in [
        r#"{"type":"seek"}"#,
        r#"{"type":"seek","value":"yesterday"}"#,
        r#"{"type":"seek","value":1e308}"#,
        r#"{"type":"seek","value":[1]}"#,
        r#"{"type":"speed","value":0}"#,
        r#"{"type":"speed","value":-0.3}"#,
        r#"{"type":"speed","value":1000}"#,
        r#"{"type":"step","value":0.5}"#,
        r#"{"type":"step","value":-1000000000000}"#,
        r#"{"type":"pause","value":{}}"#,
    ] {
        viewer.0.say(wrong);
        let error = viewer.error();
        assert!(error.contains(": the value is"), "{wrong}: {error}");
    }
    viewer.shown();
    for odd in [json!("9999-12-30T00:00:00Z"), json!("0001-01-01T00:00:00Z"), json!(-1e9), json!(1e9)] {
        viewer.say("seek", odd);
        viewer.shown();
    }
    // Many at a time: the last counts, and nobody is harmed.
    for n in 0..200 {
        viewer.say(["seek", "speed", "step", "pause", "play", "live"][n % 6], [json!(-1), json!(2), json!(-1)][n % 3].clone());
    }
    viewer.say("live", ());
    let mut fresh = Viewer::new(server.port);
    fresh.shown();
    // A viewer of another kind, and one who has asked for nothing.
    let mut nobody = Ws::connect(server.port, "live");
    nobody.say(r#"{"type":"seek","value":-1}"#);
    assert_eq!(nobody.text()["value"], "rewind: ask for mse first");
    let mut gone = Ws::connect(server.port, "nothing");
    gone.say(r#"{"type":"mse","value":""}"#);
    assert_eq!(gone.text()["type"], "error");
    gone.say(r#"{"type":"seek","value":-1}"#);
    assert_eq!(gone.text()["value"], "seek: there is nothing of that time");
}

/// A stream that was recorded, and is not there.
#[test]
fn a_stream_that_is_gone() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(60);
    drop(feeder);
    server.process.signal("TERM");
    server.process.finish(PATIENCE);
    fs::rename(dir.join("recordings/live"), dir.join("recordings/old")).unwrap();
    let server = recorded(&dir, &[]);
    eventually("it was looked through", || (ask(server.port, "GET", "/old/rec.json", &[]).status == 200).then_some(()));
    let mut viewer = Viewer(Ws::connect(server.port, "old"));
    viewer.say("mse", "");
    assert!(viewer.error().contains("no such stream"));
    viewer.say("seek", "-1h");
    viewer.begun();
    for number in 0..40 {
        assert_eq!(viewer.shown().0, number);
    }
}

/// Open files of the process, and its memory in KiB.
fn cost(server: &Server) -> (usize, u64) {
    (fs::read_dir(format!("/proc/{}/fd", server.process.id())).unwrap().count(), server.resident_kib())
}

#[test]
fn many_who_seek_at_random() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(30, 20_000));
    feeder.wait_for(240);
    let mut live = Viewer::new(server.port);
    live.shown();
    let mut viewers: Vec<Viewer> = (0..10).map(|_| Viewer::new(server.port)).collect();
    let mut costs = Vec::new();
    for round in 0..40usize {
        for (n, viewer) in viewers.iter_mut().enumerate() {
            let random = (round * 7919 + n * 104_729) % 1000;
            viewer.say("seek", -(0.7 + random as f64 / 150.0));
            if random % 5 == 0 {
                viewer.say("speed", [0.5, 4.0, -2.0, 16.0][random / 5 % 4]);
            }
        }
        for viewer in &mut viewers {
            viewer.begun();
            viewer.shown();
        }
        if round % 10 == 9 {
            costs.push(cost(&server));
        }
    }
    println!("open files and KiB: {costs:?}");
    let files = costs[0].0;
    assert!(costs.iter().all(|(open, _)| open.abs_diff(files) <= 12), "{costs:?}");
    assert!(costs[3].1 < costs[1].1 + 30_000, "{costs:?}");
    drop(viewers);
    eventually("the files are closed", || (cost(&server).0 + 15 < files.max(25)).then_some(()));
    live.shown();
}

/// The test picture with sound: another program decodes what comes, and finds no fault.
#[test]
fn others_can_decode_it() {
    let dir = TempDir::new();
    let (folder, fifo) = (dir.join("recordings"), dir.join("live.mp4"));
    run(Command::new("mkfifo").arg(&fifo), b"").success();
    let line = format!("h5cap test --size 320x240 | h5enc --gop 1s | h5mux > {}", fifo.display());
    let server =
        Server::start(&["--record", folder.to_str().unwrap(), "--record-segment", "2s", "--on-eof", "wait", fifo.to_str().unwrap()]);
    let _source = Running::start_with(&mut shell(&line), Stdio::null(), Stdio::null());
    eventually("it is live", || (server.streams()["live"]["state"] == "live").then_some(()));
    std::thread::sleep(Duration::from_secs(6));
    let mut ws = Ws::viewer(server.port, "live");
    for (speed, sounds) in [(1.0, true), (0.5, false), (2.0, false), (-2.0, false)] {
        ws.say(&json!({ "type": "seek", "value": -4.3 }).to_string());
        ws.say(&json!({ "type": "speed", "value": speed }).to_string());
        let (mut film, mut kind) = (Vec::new(), String::new());
        let end = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < end {
            match ws.next() {
                Message::Text(text) if text.contains(r#""type":"mse""#) => {
                    film.clear();
                    kind = text;
                }
                Message::Binary(bytes) => film.extend(bytes),
                _ => {}
            }
        }
        assert_eq!(kind.contains("opus"), sounds, "{speed}: {kind}");
        let file = dir.join("film.mp4");
        fs::write(&file, &film).unwrap();
        let decoded = run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&file).args(["-f", "null", "-"]), b"").success();
        assert_eq!(decoded.stderr, "", "{speed}");
        let streams =
            run(Command::new("ffprobe").args(["-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0"]).arg(&file), b"");
        assert_eq!(streams.success().text().contains("audio"), sounds, "{speed}");
    }
}
