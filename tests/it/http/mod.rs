//! Cameras and streams by HTTP: a camera of many faces (server.py), nginx, ffmpeg and h5serve as servers.

/// Black pictures while a camera is away.
mod black;
/// Answers that no camera gives.
mod hostile;
/// WebSocket: chains of relays.
mod relay;
/// Users, passwords and certificates.
mod secrets;
/// What ffmpeg, nginx and h5serve send.
mod servers;

use crate::util::{Certificate, Finished, PASSWORD, PATIENCE, Running, TempDir, eventually, free_port, h5, repository, run_for};
use h5live::format::Timing;
use h5live::media::{Codec, Event, Packet, PixelFormat, SystemClock, Track, WallTime};
use h5live::pipe::{Reader, ReaderOptions};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// Different pictures in a file, one after the other.
pub fn pictures(dir: &TempDir) -> PathBuf {
    let file = dir.join("pictures");
    let source = "testsrc2=size=160x120:rate=25";
    let args = ["-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "10", "-c:v", "mjpeg", "-f", "image2pipe", "-y"];
    run_for(Command::new("ffmpeg").args(args).arg(&file), b"", PATIENCE).success();
    file
}

/// server.py.
pub struct Server {
    pub running: Running,
    pub port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(dir: &TempDir, options: &[&str]) -> Server {
        Server::on(0, dir, options)
    }

    /// On a port that was free.
    pub fn on(port: u16, dir: &TempDir, options: &[&str]) -> Server {
        let file = dir.join("pictures");
        let file = if file.exists() { file } else { pictures(dir) };
        let mut command = Command::new("python3");
        command.arg(repository("tests/it/http/server.py")).arg(file).arg(format!("port={port}")).args(options);
        let mut running = Running::start_with(&mut command, Stdio::null(), Stdio::piped());
        let mut lines = BufReader::new(running.stdout()).lines();
        let line = lines.next().and_then(Result::ok).unwrap_or_default();
        let port = line.strip_prefix("ready ").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("no server: {line:?} {}", running.stderr()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line)));
        Server { running, port, requests }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// A line for each request so far: path, `login` or `-`, the tag of a picture that the client has, and the client's port.
    pub fn requests(&self) -> Vec<Vec<String>> {
        self.requests.lock().unwrap().iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
    }
}

/// What was captured.
#[derive(Default)]
pub struct Recording {
    pub headers: usize,
    pub tracks: Vec<Track>,
    /// Of the first header.
    pub zero: Option<WallTime>,
    /// Time zeros after that.
    pub moves: usize,
    pub packets: Vec<Packet>,
}

impl Recording {
    pub fn of(bytes: &[u8]) -> Recording {
        let clock = Arc::new(SystemClock::default());
        let options = ReaderOptions { name: "recording".into(), format: None, timing: Timing::Stream, clock };
        let mut reader = Reader::new(std::io::Cursor::new(bytes.to_vec()), options);
        let mut recording = Recording::default();
        // A recording that was stopped may end within a frame.
        while let Ok(Some(event)) = reader.next() {
            match event {
                Event::Header(header) => {
                    recording.headers += 1;
                    recording.tracks = header.tracks.to_vec();
                    recording.zero = recording.zero.or(header.time_zero);
                }
                Event::Packet(packet) => recording.packets.push(packet),
                Event::TimeZero(_) => recording.moves += 1,
            }
        }
        recording
    }

    pub fn codecs(&self) -> Vec<Codec> {
        self.tracks.iter().map(|track| track.codec).collect()
    }

    /// Times never go back, and no two packets of a track have the same.
    #[track_caller]
    pub fn goes_on(&self, track: usize) {
        let times: Vec<i64> = self.packets.iter().filter(|packet| packet.track == track).map(|packet| packet.pts.micros()).collect();
        assert!(times.windows(2).all(|two| two[0] < two[1]), "{times:?}");
    }

    /// Presentation times of a track, in milliseconds.
    pub fn times(&self, track: usize) -> Vec<i64> {
        self.packets.iter().filter(|packet| packet.track == track).map(|packet| packet.pts.micros() / 1000).collect()
    }
}

/// h5cap to its end; nothing secret is printed.
#[track_caller]
pub fn h5cap(args: &[&str]) -> Finished {
    let done = run_for(h5("h5cap", args).env_remove("H5CAP_USER").env_remove("H5CAP_PASSWORD"), b"", PATIENCE);
    assert!(!done.stderr.contains("s3cret"), "{}", done.stderr);
    done
}

/// The file has a given length, and the process still runs.
#[track_caller]
pub fn grows(cap: &mut Running, file: &std::path::Path, by: u64, what: &str) {
    let now = fs::metadata(file).unwrap().len();
    eventually(what, || (fs::metadata(file).unwrap().len() > now + by || !cap.is_running()).then_some(()));
    assert!(cap.is_running(), "{what}: {}", cap.stderr());
}

/// Every picture arrives whole, timed by its arrival, however its parts are written.
#[test]
fn every_dialect_of_cameras_with_mjpeg() {
    let dir = TempDir::new();
    let server = Server::start(&dir, &[]);
    let data = fs::read(dir.join("pictures")).unwrap();
    std::thread::scope(|scope| {
        for dialect in ["std", "none", "wrong", "dashes", "lf", "chunked", "bare"] {
            let (server, data) = (&server, &data);
            scope.spawn(move || {
                let done = h5cap(&[&server.url(&format!("mjpeg/{dialect}")), "--duration", "1.5", "--late", "block"]).success();
                let recording = Recording::of(&done.stdout);
                assert_eq!((recording.codecs(), recording.headers), (vec![Codec::Jpeg], 1), "{dialect}");
                let whole = |packet: &Packet| memchr::memmem::find(data, &packet.data).is_some();
                assert!(recording.packets.len() >= 10 && recording.packets.iter().all(whole), "{dialect}: {}", recording.packets.len());
                let times = recording.times(0);
                assert!(times[0] == 0 && times[times.len() - 1] > 800, "{dialect}: {times:?}");
                recording.goes_on(0);
                assert_eq!(done.stderr, "", "{dialect}");
            });
        }
    });
}

/// One picture is asked for at the rate, over one connection, with its tag; it goes out again while it stays the same.
#[test]
fn a_picture_is_asked_for_again_and_again() {
    let dir = TempDir::new();
    let server = Server::start(&dir, &[]);
    let done = h5cap(&[&server.url("still.jpg"), "--rate", "20", "--duration", "1.5", "--late", "block"]).success();
    let recording = Recording::of(&done.stdout);
    let requests = server.requests();
    assert_eq!((recording.codecs(), recording.headers), (vec![Codec::Jpeg], 1));
    let (packets, asked) = (recording.packets.len(), requests.len());
    assert!((10..=32).contains(&asked) && packets.abs_diff(asked) <= 2, "{asked} requests, {packets} pictures");
    assert!(requests.windows(2).all(|two| two[0][3] == two[1][3]), "one connection: {requests:?}");
    assert!(requests[1..].iter().all(|request| request[2].starts_with("\"picture-")), "{requests:?}");
    let mut different: Vec<_> = recording.packets.iter().map(|packet| packet.data.clone()).collect();
    different.dedup();
    assert!((3..=packets / 2).contains(&different.len()), "{} of {packets}", different.len());
    recording.goes_on(0);
    for form in ["close", "chunked"] {
        let done = h5cap(&[&server.url(&format!("still/{form}")), "--rate", "20", "--duration", "0.5"]).success();
        assert!(Recording::of(&done.stdout).packets.len() >= 3, "{form}");
    }
}

/// At an IPv6 address, whose brackets are part of the URL alone.
#[test]
fn a_camera_at_an_ipv6_address() {
    let dir = TempDir::new();
    let server = Server::start(&dir, &["address=::1", "user=cam", &format!("password={PASSWORD}"), "auth=md5"]);
    let url = |user: &str, port: u16| format!("http://{user}[::1]:{port}/mjpeg/std");
    let done = h5cap(&[&url(&format!("cam:{PASSWORD}@"), server.port), "--duration", "0.5"]).success();
    assert!(Recording::of(&done.stdout).packets.len() > 3);
    let none = h5cap(&[&url("", server.port)]);
    assert!(none.stderr.starts_with(&format!("h5cap: {}: 401", url("", server.port))), "{}", none.stderr);
}

/// Raw pictures: none is lost, and they are timed by their arrival.
#[test]
fn y4m_is_timed_by_its_arrival() {
    let dir = TempDir::new();
    let file = dir.join("raw.y4m");
    let args = ["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25", "-frames:v", "40", "-pix_fmt", "yuv420p", "-y"];
    run_for(Command::new("ffmpeg").args(args).arg(&file), b"", PATIENCE).success();
    let server = Server::start(&dir, &[&format!("y4m={}", file.display())]);
    let done = h5cap(&[&server.url("y4m"), "--on-loss", "exit", "--late", "block"]);
    assert!(done.code() == 1 && done.stderr.contains("it has ended the stream"), "{}", done.stderr);
    let recording = Recording::of(&done.stdout);
    let raw = fs::read(&file).unwrap();
    assert_eq!((recording.codecs(), recording.packets.len()), (vec![Codec::Raw(PixelFormat::I420)], 40));
    assert!(recording.packets.iter().all(|packet| memchr::memmem::find(&raw, &packet.data).is_some()));
    recording.goes_on(0);
    // 39 pauses of 40 ms.
    let (first, last) = (recording.times(0)[0], *recording.times(0).last().unwrap());
    assert!(first == 0 && last >= 39 * 40 * 9 / 10, "{last} ms");
}

/// Killed, hung, and back at once: the pipe stays open, and time goes on.
#[test]
fn a_camera_that_goes_and_comes_back() {
    let (dir, port) = (TempDir::new(), free_port());
    let file = dir.join("out.mkv");
    let server = Server::on(port, &dir, &[]);
    let mut command = h5("h5cap", &["--stall", "1", &server.url("mjpeg/std")]);
    let mut cap = Running::start_with(&mut command, Stdio::null(), fs::File::create(&file).unwrap().into());
    grows(&mut cap, &file, 20_000, "the first pictures");
    drop(server);
    cap.wait_for("waiting for it");
    let server = Server::on(port, &dir, &[]);
    cap.wait_for("back after");
    grows(&mut cap, &file, 20_000, "it is back");
    server.running.signal("STOP");
    cap.wait_for("nothing came for 1 s");
    server.running.signal("CONT");
    eventually("it goes on", || (cap.stderr().matches("back after").count() >= 2).then_some(()));
    grows(&mut cap, &file, 20_000, "after it hung");
    cap.signal("TERM");
    cap.finish(PATIENCE).success();
    let recording = Recording::of(&fs::read(&file).unwrap());
    let times = recording.times(0);
    assert_eq!(recording.headers, 1);
    recording.goes_on(0);
    assert!(times.windows(2).any(|two| two[1] - two[0] > 900), "the time without pictures has passed in the stream too: {times:?}");
}

/// With `--on-loss exit` a loss is the end.
#[test]
fn a_loss_that_ends_the_program() {
    let dir = TempDir::new();
    let server = Server::start(&dir, &[]);
    let mut cap = Running::start(&mut h5("h5cap", &["--on-loss", "exit", "-v", &server.url("mjpeg/std")]));
    eventually("a request", || (!server.requests().is_empty()).then_some(()));
    // Some pictures: one alone would be asked for again.
    let mut output = cap.stdout();
    std::io::Read::read_exact(&mut output, &mut [0; 40_000]).unwrap();
    drop(server);
    let done = cap.finish(PATIENCE);
    assert!(done.code() == 1 && done.stderr.contains("it has ended the stream"), "{}", done.stderr);
}

/// A server that is lost again and again costs neither descriptors nor threads.
#[test]
fn many_losses_leave_nothing_behind() {
    let dir = TempDir::new();
    let server = Server::start(&dir, &[]);
    let mut command = h5("h5cap", &[&server.url("brief")]);
    let cap = Running::start_with(&mut command, Stdio::null(), Stdio::null());
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", cap.id())).map_or(0, Iterator::count);
    eventually("the first losses", || (server.requests().len() > 2).then_some(()));
    let (files, threads) = (count("fd"), count("task"));
    eventually("many losses", || (server.requests().len() > 10).then_some(()));
    assert!(count("fd") <= files + 2 && count("task") <= threads + 2, "{files} {} {threads} {}", count("fd"), count("task"));
}
