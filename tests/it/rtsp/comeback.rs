//! Cameras that go and come back: the pipe stays open, time goes forward, nothing is left behind.

use super::{Camera, clean, h5cap};
use crate::util::{PATIENCE, Running, TempDir, Wait, eventually, free_port, h5, run_for};
use h5live::format::Timing;
use h5live::media::{Codec, Event, SystemClock};
use h5live::pipe::{Reader, ReaderOptions};
use std::fs;
use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Presentation times in milliseconds, in decoding order, of the first video track, and wall-clock times of capture.
fn times(file: &Path) -> Vec<f64> {
    let args = ["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=dts_time", "-of", "csv=p=0"];
    let found = run_for(Command::new("ffprobe").args(args).arg(file), b"", PATIENCE);
    found.text().lines().filter_map(|line| line.trim_matches(',').parse().ok()).collect()
}

/// Killed, hung, at another resolution, with another codec: the pipe stays open, time goes on, and the camera is back at once.
#[test]
fn a_camera_that_goes_and_comes_back() {
    let (port, dir) = (free_port(), TempDir::new());
    let file = dir.join("out.mkv");
    let out = fs::File::create(&file).unwrap();
    let camera = Camera::on(port, &["fps=25"]);
    let mut command = h5cap(&camera, "h264aac", &["--stall", "1", "-vv"]);
    let mut cap = Running::start_with(&mut command, Stdio::null(), out.into());
    let grows = |cap: &mut Running, what: &str| {
        let now = fs::metadata(&file).unwrap().len();
        eventually(what, || (fs::metadata(&file).unwrap().len() > now + 20_000 || !cap.is_running()).then_some(()));
        assert!(cap.is_running(), "{what}: {}", cap.stderr());
    };
    grows(&mut cap, "the first picture");
    drop(camera);
    // From the fifth on, tries are as far apart as they ever are.
    eventually("it is tried", || (cap.stderr().matches("connection refused").count() >= 6).then_some(()));
    let camera = Camera::on(port, &["fps=25", "size=320x240"]);
    let answers = Wait::begin();
    cap.wait_for("back after");
    answers.end(Instant::now(), Duration::from_secs(3), "the camera answers, and its first picture comes");
    grows(&mut cap, "another size");
    camera.running.signal("STOP");
    eventually("it is seen that the camera hangs", || cap.stderr().contains("nothing came for 1 s").then_some(()));
    camera.running.signal("CONT");
    eventually("it goes on", || (cap.stderr().matches("back after").count() == 2).then_some(()));
    grows(&mut cap, "after it hung");
    drop(camera);
    let camera = Camera::on(port, &["fps=25", "serve=h265aac"]);
    eventually("it is back again", || (cap.stderr().matches("back after").count() == 3).then_some(()));
    grows(&mut cap, "another codec");
    drop(camera);
    let _camera = Camera::on(port, &["password=another"]);
    cap.wait_for("401: wrong user or password; trying again");
    cap.signal("TERM");
    let done = cap.finish(PATIENCE).success();
    clean(&done.stderr);
    let times = times(&file);
    let steps: Vec<f64> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(steps.iter().all(|step| *step > 0.0) && times.len() > 30, "{steps:?}");
    let (sizes, steps) = read_to_end(&file);
    assert_eq!(sizes, [(Codec::H264, 160), (Codec::H264, 320), (Codec::H265, 160)]);
    assert!(steps.iter().all(|step| *step > 0), "{steps:?}");
}

/// The video of each header, and the steps from frame to frame over all of them, in microseconds.
fn read_to_end(file: &Path) -> (Vec<(Codec, u32)>, Vec<i64>) {
    let clock = Arc::new(SystemClock::default());
    let options = ReaderOptions { name: "recording".into(), format: None, timing: Timing::Stream, clock };
    let mut reader = Reader::new(fs::File::open(file).unwrap(), options);
    let (mut headers, mut times) = (Vec::new(), Vec::new());
    while let Ok(Some(event)) = reader.next() {
        match event {
            Event::Header(header) => {
                let video = &header.tracks[0];
                let now = (video.codec, video.as_video().unwrap().width);
                if headers.last() != Some(&now) {
                    headers.push(now);
                }
            }
            Event::Packet(packet) if packet.track == 0 => times.push(packet.pts.micros()),
            _ => {}
        }
    }
    (headers, times.windows(2).map(|two| two[1] - two[0]).collect())
}

/// A line to a camera that can be cut.
struct Line {
    port: u16,
    cut: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    fn to(camera: u16) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Line { port: listener.local_addr().unwrap().port(), cut: Arc::default() };
        let open = Arc::clone(&line.cut);
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", camera)) else { return };
                open.lock().unwrap().push(near.try_clone().unwrap());
                for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    std::thread::spawn(move || {
                        _ = std::io::copy(&mut from, &mut to);
                        _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        line
    }

    fn cut(&self) {
        for stream in self.cut.lock().unwrap().drain(..) {
            _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Reconnections leave nothing behind: neither descriptors nor memory.
#[test]
fn reconnections_leave_nothing_behind() {
    reconnect(15);
}

#[test]
#[ignore = "as the one above, many times: scripts/soak"]
fn many_reconnections_leave_nothing_behind() {
    reconnect(200);
}

fn reconnect(times: usize) {
    let begun = Instant::now();
    let camera = Camera::start(&["fps=50", "auth=none"]);
    let line = Line::to(camera.port);
    let url = format!("rtsp://127.0.0.1:{}/h264", line.port);
    let mut cap = Running::start_with(&mut h5("h5cap", &[&url, "--late", "drop"]), Stdio::null(), Stdio::piped());
    // A camera that is lost before its first picture is an error.
    let mut out = cap.stdout();
    out.read_exact(&mut [0; 4000]).unwrap();
    let reader = std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    let descriptors = |cap: &Running| fs::read_dir(format!("/proc/{}/fd", cap.id())).unwrap().count();
    let (mut before, mut memory) = (0, 0);
    for number in 1..=times {
        line.cut();
        eventually(&format!("it is back {number}: {}", cap.stderr()), || {
            (cap.stderr().matches("back after").count() >= number).then_some(())
        });
        if number == 3 {
            (before, memory) = (descriptors(&cap), cap.peak_kib());
        }
        if number == 3 || number % 25 == 0 {
            println!("{number} reconnections: {} descriptors, at most {} KiB", descriptors(&cap), cap.peak_kib());
        }
    }
    // What was cut last is closed within a moment.
    eventually("descriptors are closed", || (descriptors(&cap) <= before + 1).then_some(()));
    let grown = cap.peak_kib() - memory;
    assert!(grown < 4096, "{grown} KiB more than {memory}");
    cap.signal("TERM");
    // By its whole life.
    cap.finish(begun.elapsed() + PATIENCE).success();
    reader.join().unwrap().unwrap();
}
