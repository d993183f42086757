//! Network cameras: RTSP by GStreamer's server, with ffmpeg as the judge of what arrives.

use crate::util::{Finished, PATIENCE, Running, TempDir, eventually, free_port, h5, repository, run_for, shell};
use h5live::codec::{h264, h265, nal};
use h5live::format::Timing;
use h5live::media::{Codec, Event, Kind, SystemClock};
use h5live::pipe::{Reader, ReaderOptions};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Found nowhere in what the programs print.
const PASSWORD: &str = "kT9-s3cret#%?";

/// A camera, on a port of its own.
struct Camera {
    running: Running,
    port: u16,
}

impl Camera {
    fn start(options: &[&str]) -> Camera {
        Camera::on(0, options)
    }

    /// On a port that was free.
    fn on(port: u16, options: &[&str]) -> Camera {
        let script = repository("tests/it/rtsp/camera.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(port.to_string()).arg(format!("password={PASSWORD}")).args(options);
        let mut running = Running::start_with(&mut command, Stdio::null(), Stdio::piped());
        let mut line = String::new();
        BufReader::new(running.stdout()).read_line(&mut line).unwrap();
        let port = line.strip_prefix("ready ").and_then(|port| port.trim().parse().ok());
        Camera { port: port.unwrap_or_else(|| panic!("no camera: {line:?} {}", running.stderr())), running }
    }

    /// Without user and password.
    fn url(&self, path: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{path}", self.port)
    }

    /// With user and password, as ffmpeg takes them.
    fn secret_url(&self, path: &str) -> String {
        let encoded: String = PASSWORD.bytes().map(|b| format!("%{b:02X}")).collect();
        format!("rtsp://cam:{encoded}@127.0.0.1:{}/{path}", self.port)
    }
}

/// h5cap on a camera, with the password in the environment.
fn h5cap(camera: &Camera, path: &str, args: &[&str]) -> Command {
    let mut command = h5("h5cap", args);
    command.arg(camera.url(path)).env("H5CAP_USER", "cam").env("H5CAP_PASSWORD", PASSWORD);
    command
}

/// No secret is in what was printed.
#[track_caller]
fn clean(stderr: &str) {
    assert!(!stderr.contains(PASSWORD) && !stderr.contains("s3cret"), "{stderr}");
}

/// Codecs, and for each track what its packets are, in an order that two recordings of one stream share.
struct Recording {
    codecs: Vec<Codec>,
    packets: Vec<Vec<Vec<u8>>>,
}

/// A packet without what servers and readers add and leave out: the slices of a picture, each for itself and without zeros after it; the scan
/// of a JPEG.
fn essence(codec: Codec, data: &[u8]) -> Vec<Vec<u8>> {
    let whole = |unit: &[u8]| unit[..unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)].to_vec();
    let slices = |is_slice: fn(&[u8]) -> bool| nal::units(data).filter(|unit| is_slice(unit)).map(whole).collect();
    match codec {
        Codec::H264 => slices(|unit| (1..=5).contains(&h264::type_of(unit))),
        Codec::H265 => slices(|unit| h265::type_of(unit) < 32),
        Codec::Jpeg => {
            let scan = data.windows(2).position(|two| two == [0xff, 0xda]).map_or(0, |at| at + 14);
            let end = data.windows(2).position(|two| two == [0xff, 0xd9]).unwrap_or(data.len());
            vec![data[scan..end].to_vec()]
        }
        _ => vec![data.to_vec()],
    }
}

fn read(bytes: Vec<u8>) -> Recording {
    let clock = Arc::new(SystemClock::default());
    let options = ReaderOptions { name: "recording".into(), format: None, timing: Timing::Stream, clock };
    let mut reader = Reader::new(std::io::Cursor::new(bytes), options);
    let mut recording = Recording { codecs: vec![], packets: vec![] };
    // A recording that was stopped may end within a frame.
    while let Ok(Some(event)) = reader.next() {
        match event {
            Event::Header(header) => {
                recording.codecs = header.tracks.iter().map(|track| track.codec).collect();
                recording.packets.resize(recording.codecs.len(), vec![]);
            }
            Event::Packet(packet) => recording.packets[packet.track].extend(essence(recording.codecs[packet.track], &packet.data)),
            Event::TimeZero(_) => {}
        }
    }
    recording
}

/// How many of `ours` are among `theirs`, in the same order.
fn in_order<T: PartialEq>(ours: &[T], theirs: &[T]) -> usize {
    let mut rest = theirs;
    let mut found = 0;
    for packet in ours {
        if let Some(at) = rest.iter().position(|other| other == packet) {
            rest = &rest[at + 1..];
            found += 1;
        }
    }
    found
}

/// The longest run of `ours` that is among `theirs` without a hole.
fn in_one_run<T: PartialEq>(ours: &[T], theirs: &[T]) -> usize {
    // How long the run is that ends with one of ours and each of theirs.
    let mut runs = vec![0; theirs.len() + 1];
    let mut longest = 0;
    for packet in ours {
        for at in (0..theirs.len()).rev() {
            runs[at + 1] = if *packet == theirs[at] { runs[at] + 1 } else { 0 };
            longest = longest.max(runs[at + 1]);
        }
    }
    longest
}

/// Where `needle` begins.
fn places<'a>(hay: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    hay.windows(needle.len()).enumerate().filter(move |(_, window)| *window == needle).map(|(at, _)| at)
}

/// The two paths are recorded at the same time, by ffmpeg first and longest.
fn compare(camera: &Camera, path: &str, transport: &str, sound_is_decoded: bool) {
    const FRAMES: usize = 300;
    let (dir, what) = (TempDir::new(), format!("{path} over {transport}"));
    let file = dir.join("ffmpeg.mkv");
    let decode: &[&str] = if sound_is_decoded { &["-c:a", "pcm_s16le"] } else { &[] };
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-rtsp_transport", transport, "-i", &camera.secret_url(path), "-map", "0", "-c", "copy"]);
    // RTSP has no decoding times, and ffmpeg writes no packet without one.
    command.args(decode).args(["-bsf:v", "setts=dts=PTS", "-flush_packets", "1", "-y"]).arg(&file);
    let ffmpeg = Running::start_with(&mut command, Stdio::null(), Stdio::null());
    eventually(&format!("{what}: ffmpeg records"), || fs::metadata(&file).ok().filter(|meta| meta.len() > 10_000));
    let ours =
        run_for(&mut h5cap(camera, path, &["-v", "--late", "block", "--duration", "7", "--transport", transport]), b"", PATIENCE).success();
    clean(&ours.stderr);
    assert!(!ours.stderr.contains("warning"), "{what}: {}", ours.stderr);
    let what = format!("{what}: {}", ours.stderr);
    ffmpeg.signal("INT");
    ffmpeg.finish(PATIENCE);
    let (ours, theirs) = (read(ours.stdout), read(fs::read(&file).unwrap()));
    for (track, codec) in ours.codecs.iter().enumerate() {
        let other = theirs.codecs.iter().position(|other| other.kind() == codec.kind()).unwrap();
        let (mine, other) = (&ours.packets[track], &theirs.packets[other]);
        // A busy machine loses datagrams; and the server lets packets go where a client has just begun.
        let agree = if transport == "tcp" { in_one_run(mine, other) } else { in_order(mine, other) };
        if codec.kind() == Kind::Video {
            assert!(agree >= FRAMES, "{what}: of {} of ours, {agree} are among {} of theirs", mine.len(), other.len());
        } else if sound_is_decoded {
            // Packets of samples have no borders of their own. A second at 8 kHz has 16,000 bytes.
            let (mine, other) = (mine.concat(), other.concat());
            let mine = &mine[mine.iter().position(|byte| *byte != 0).unwrap_or(0)..];
            let common = |at: usize| mine.iter().zip(&other[at..]).take_while(|(a, b)| a == b).count();
            let run = places(&other, &mine[..2000]).map(common).max().unwrap_or(0);
            assert!(run >= if transport == "tcp" { 80_000 } else { 20_000 }, "{what}: {run} bytes of sound agree");
        } else {
            assert!(agree >= 200, "{what}: of {} packets of audio, {agree} are among {} of theirs", mine.len(), other.len());
        }
    }
}

/// Every path that can be read, over both transports, with a password: what ffmpeg records from the same server at the same time.
#[test]
fn what_arrives_is_what_ffmpeg_records() {
    let camera = Camera::start(&["fps=50"]);
    let paths = [("h264", false), ("h264aac", false), ("bframespcma", true), ("h265", false), ("h265pcmu", true), ("mjpegl16", true)];
    std::thread::scope(|scope| {
        for transport in ["tcp", "udp"] {
            for (path, decoded) in paths {
                let camera = &camera;
                scope.spawn(move || compare(camera, path, transport, decoded));
            }
        }
    });
}

fn answer(command: &mut Command) -> Finished {
    let done = run_for(command, b"", PATIENCE);
    clean(&done.stderr);
    done
}

#[test]
fn a_refusal_says_what_was_tried_and_what_the_camera_answered() {
    let camera = Camera::start(&[]);
    let wrong = answer(h5("h5cap", &[&format!("rtsp://cam:wrong-s3cret@127.0.0.1:{}/h264", camera.port)]).env_remove("H5CAP_PASSWORD"));
    assert_eq!((wrong.code(), wrong.stderr.lines().count()), (1, 1), "{}", wrong.stderr);
    assert!(
        wrong.stderr.contains(&format!("rtsp://cam:***@127.0.0.1:{}/h264: 401: wrong user or password", camera.port)),
        "{}",
        wrong.stderr
    );
    let none = answer(&mut h5("h5cap", &[&camera.url("h264")]));
    assert!(none.code() == 1 && none.stderr.contains("401: it asks for a user and a password"), "{}", none.stderr);
    let absent = answer(&mut h5cap(&camera, "nothing", &[]));
    assert!(absent.code() == 3 && absent.stderr.contains("404: the path is not there"), "{}", absent.stderr);
    let unreadable = answer(&mut h5cap(&camera, "vp8opus", &[]));
    assert!(unreadable.code() == 4 && unreadable.stderr.contains("track 1 (video, vp8)"), "{}", unreadable.stderr);
    let closed = answer(&mut h5("h5cap", &[&format!("rtsp://127.0.0.1:{}/", free_port())]));
    assert!(closed.code() == 3 && closed.stderr.contains("connection refused"), "{}", closed.stderr);
    let name = answer(&mut h5("h5cap", &["rtsp://no-such-host.invalid/"]));
    assert!(name.code() == 3 && name.stderr.contains("the host's name is not known"), "{}", name.stderr);
    for usage in ["rtsp://", "rtsp://u:s3cret@/x"] {
        let done = answer(&mut h5("h5cap", &[usage]));
        assert!(done.code() == 4 && done.stderr.contains("the address has no host"), "{}", done.stderr);
    }
}

/// A track that cannot be read is named, and costs the rest nothing.
#[test]
fn tracks_without_a_reader_are_left_out_by_name() {
    let camera = Camera::start(&["auth=basic"]);
    let done = answer(&mut h5cap(&camera, "h264opus", &["--duration", "1"])).success();
    assert!(done.stderr.contains("left out: track 2 (audio, opus): no codec that is read here"), "{}", done.stderr);
    assert_eq!(read(done.stdout).codecs, [Codec::H264]);
}

/// The password comes from a file, and is in no process list.
#[test]
fn a_password_file() {
    let (camera, dir) = (Camera::start(&[]), TempDir::new());
    let file = dir.join("password");
    fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let mut command = h5("h5cap", &["--user", "cam", "--duration", "0.5", "--password-file"]);
    let done = answer(command.arg(&file).arg(camera.url("h264"))).success();
    assert!(!done.stdout.is_empty());
}

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
    let mut command = h5cap(&camera, "h264aac", &["--stall", "1"]);
    let mut cap = Running::start_with(&mut command, Stdio::null(), out.into());
    let grows = |cap: &mut Running, what: &str| {
        let now = fs::metadata(&file).unwrap().len();
        eventually(what, || (fs::metadata(&file).unwrap().len() > now + 20_000 || !cap.is_running()).then_some(()));
        assert!(cap.is_running(), "{what}: {}", cap.stderr());
    };
    grows(&mut cap, "the first picture");
    drop(camera);
    cap.wait_for("waiting for it");
    let camera = Camera::on(port, &["fps=25", "size=320x240"]);
    cap.wait_for("back after");
    grows(&mut cap, "another size");
    camera.running.signal("STOP");
    eventually("it is seen that the camera hangs", || cap.stderr().contains("nothing came for 1 s").then_some(()));
    camera.running.signal("CONT");
    eventually("it goes on", || (cap.stderr().matches("back after").count() == 2).then_some(()));
    grows(&mut cap, "after it hung");
    cap.signal("TERM");
    let done = cap.finish(PATIENCE).success();
    clean(&done.stderr);
    let times = times(&file);
    let steps: Vec<f64> = times.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(steps.iter().all(|step| *step > 0.0) && times.len() > 30, "{steps:?}");
}

/// 3 % of the datagrams are lost: no broken picture goes out, and what was lost is counted.
#[test]
fn losses_on_the_way_break_no_picture() {
    std::thread::scope(|scope| {
        for path in ["h264aac", "h265", "mjpeg"] {
            scope.spawn(move || {
                let dir = TempDir::new();
                let script = repository("tests/it/rtsp/loss.sh");
                let camera = repository("tests/it/rtsp/camera.py");
                let line = format!(
                    "exec unshare --net $([ $(id -u) = 0 ] || echo --map-root-user) bash '{}' {path} '{}'",
                    script.display(),
                    camera.display()
                );
                let done = run_for(shell(&line).current_dir(&*dir), b"", PATIENCE);
                let messages = fs::read_to_string(dir.join("messages")).unwrap_or_default();
                assert_eq!(done.code(), 0, "{path}: {} {messages}", done.stderr);
                let counts: Vec<u64> = done.text().split_whitespace().map(|count| count.parse().unwrap()).collect();
                assert!(counts[0] >= 20 && (path != "mjpeg" || counts[1] > 0), "{path}: {counts:?}");
                let decoded = run_for(&mut shell("ffmpeg -v warning -i out.mkv -map 0 -f null -").current_dir(&*dir), b"", PATIENCE);
                assert_eq!((decoded.code(), decoded.stderr.as_str()), (0, ""), "{path}: a broken picture");
            });
        }
    });
}
