//! A cable that is cut, between two hosts: the camera waits, the pipe stays open, and the picture is back within 3 s of the cable.

use crate::util::{PATIENCE, Running, Wait, eventually, path_with_programs, repository, shell};
use h5live::format::Timing;
use h5live::media::{Event, SystemClock, WallTime};
use h5live::pipe::{Reader, ReaderOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The way to a network of the tests, for who is root and for others.
fn as_root(root: &'static str, other: &'static str) -> &'static str {
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 { root } else { other }
}

/// Two hosts and a cable.
struct Cable {
    running: Running,
    /// Processes in the network of either host.
    near: String,
    camera: String,
    port: String,
}

impl Cable {
    fn new() -> Cable {
        let [script, camera] = ["cable.sh", "camera.py"].map(|name| repository("tests/it/rtsp").join(name));
        let namespace = as_root("unshare --net", "unshare --net --map-root-user");
        let clock = crate::clock::faketime();
        let mut command = shell(&format!("exec {namespace} bash '{}' '{}' '{}'", script.display(), camera.display(), clock.display()));
        let mut running = Running::start_with(&mut command, Stdio::piped(), Stdio::piped());
        let mut line = String::new();
        BufReader::new(running.stdout()).read_line(&mut line).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["ready", near, camera, port] = words[..] else { panic!("no camera: {line:?} {}", running.stderr()) };
        let [near, camera, port] = [near, camera, port].map(String::from);
        Cable { running, near, camera, port }
    }

    /// A command on one of the hosts.
    fn on(host: &str, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        let way = as_root("--net", "--user --preserve-credentials --net");
        command.args(["--target", host]).args(way.split(' ')).args(words).env("PATH", path_with_programs());
        command
    }

    /// At the camera's end: the other one sees no carrier.
    fn set(&self, state: &str) {
        let done = Cable::on(&self.camera, &["ip", "link", "set", "cable", state]).status().unwrap();
        assert!(done.success(), "{}", self.running.stderr());
    }
}

/// Gives on what it reads.
struct Tee<R, W>(R, W);

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// A picture: its time in the stream, and how old it was when it came, both in microseconds.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    at: Instant,
    pts: i64,
    age: i64,
}

fn watch(stream: impl Read + Send + 'static) -> Arc<Mutex<Vec<Arrived>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&seen);
    let options = ReaderOptions { name: "h5cap".into(), format: None, timing: Timing::Stream, clock: Arc::new(SystemClock::default()) };
    std::thread::spawn(move || {
        let mut reader = Reader::new(stream, options);
        let mut zero = WallTime(0);
        while let Ok(Some(event)) = reader.next() {
            match event {
                Event::Header(header) => zero = header.time_zero.unwrap_or(zero),
                Event::TimeZero(wall) => zero = wall,
                Event::Packet(packet) if packet.track == 0 => {
                    let age = WallTime::now().0 - zero.at(packet.pts).0;
                    list.lock().unwrap().push(Arrived { at: Instant::now(), pts: packet.pts.micros(), age });
                }
                Event::Packet(_) => {}
            }
        }
    });
    seen
}

/// The camera's clock is a second slow, and its pictures are so much older by it: until its report has come they count from their arrival.
fn is_by_the_cameras_clock(picture: &Arrived) -> bool {
    (950_000..1_900_000).contains(&picture.age)
}

fn is_by_a_right_clock(picture: &Arrived) -> bool {
    (0..900_000).contains(&picture.age)
}

fn cut(transport: &str) {
    let cable = Cable::new();
    // The same way to come back is that of all network sources: a relay, too. It has a clock that is right.
    let relay = ["bash", "-c", "h5cap test --size 320x180 | h5enc | h5mux | h5serve --listen 10.99.0.1:8080 --public"];
    let mut origin = (transport == "ws").then(|| Running::start(&mut Cable::on(&cable.camera, &relay)));
    let is_right = if origin.is_some() { is_by_a_right_clock } else { is_by_the_cameras_clock };
    let run = |words: &[&str], stdin| Running::start_with(&mut Cable::on(&cable.near, words), stdin, Stdio::piped());
    let mut cap = match &mut origin {
        Some(origin) => {
            origin.wait_for("http://10.99.0.1:8080/");
            run(&["h5cap", "-vv", "ws://10.99.0.1:8080/live"], Stdio::null())
        }
        None => {
            let url = format!("rtsp://10.99.0.1:{}/h264aac", cable.port);
            run(&["h5cap", "-vv", "--transport", transport, &url], Stdio::null())
        }
    };
    let mut serve = Running::start(&mut Cable::on(&cable.near, &["bash", "-c", "h5mux | h5serve --listen 127.0.0.1:8080 cam=-"]));
    let pictures = watch(Tee(cap.stdout(), serve.stdin()));
    let count = || pictures.lock().unwrap().len();
    let last = || pictures.lock().unwrap().last().copied();
    eventually("the latency is right", || last().filter(is_right));
    // It has no time limit, and tries once.
    let mut viewer = run(&["curl", "-sSfN", "http://127.0.0.1:8080/cam.mp4"], Stdio::null());
    let viewed = Arc::new(AtomicU64::new(0));
    let bytes = Arc::clone(&viewed);
    let mut body = viewer.stdout();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = body.read(&mut buffer) {
            bytes.fetch_add(n as u64, Ordering::Relaxed);
        }
    });
    eventually("the viewer sees something", || (viewed.load(Ordering::Relaxed) > 20_000).then_some(()));

    let before = last().unwrap();
    cable.set("down");
    cap.wait_for("waiting for it");
    // The third try and more are as far apart as tries ever are: the worst time to come back.
    let tries = |cap: &Running| cap.stderr().matches("no answer").count() + cap.stderr().matches("no route to host").count();
    eventually("it is tried again", || (tries(&cap) >= 5).then_some(()));
    let away = count();
    let wait = Wait::begin();
    cable.set("up");
    let first = eventually("the picture is back", || pictures.lock().unwrap().get(away).copied());
    wait.end(first.at, Duration::from_secs(3), &format!("{transport}: the cable is whole, and the first picture comes"));
    let seen = viewed.load(Ordering::Relaxed);
    let after = eventually("the latency is right again", || last().filter(is_right));
    eventually("the viewer goes on", || (viewed.load(Ordering::Relaxed) > seen + 20_000).then_some(()));
    assert!(viewer.is_running() && serve.is_running(), "{} {}", viewer.stderr(), serve.stderr());

    let pictures = pictures.lock().unwrap().clone();
    assert!(pictures.windows(2).all(|two| two[1].pts > two[0].pts), "time goes back: {pictures:?}");
    let [ages, gap] =
        [[before.age, after.age], [pictures[away - 1].pts, pictures[away].pts]].map(|[a, b]| (a as f64 / 1e6, b as f64 / 1e6));
    println!("{transport}: away {:.1} s; pictures {:.2} s old, before {:.2} s", gap.1 - gap.0, ages.1, ages.0);
    cap.signal("TERM");
    cap.finish(PATIENCE).success();
}

#[test]
fn a_cable_is_cut() {
    std::thread::scope(|scope| ["tcp", "udp", "ws"].map(|transport| scope.spawn(move || cut(transport))).map(|done| done.join().unwrap()));
}
