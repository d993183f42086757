//! Network cameras: RTSP by GStreamer's server, with ffmpeg as the judge of what arrives.

/// Black pictures while a camera is away.
mod black;
/// A cable that is cut.
mod cable;
/// Cameras that go and come back.
mod comeback;
/// Another server.
mod file_server;
/// Lines that lose and reorder datagrams.
mod loss;
/// What cannot be opened.
mod refusals;
/// RTSPS.
mod tls;

use crate::util::{
    Certificate, Finished, PASSWORD, PATIENCE, Running, TempDir, eventually, free_port, h5, http, percent_encoded, repository, run_for,
    shell,
};
use h5live::codec::{h264, h265, nal};
use h5live::format::Timing;
use h5live::media::{Codec, Event, Kind, SystemClock};
use h5live::pipe::{Reader, ReaderOptions};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// A camera, on a port of its own.
struct Camera {
    running: Running,
    port: u16,
    certificate: Option<Certificate>,
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
        Camera { port: port.unwrap_or_else(|| panic!("no camera: {line:?} {}", running.stderr())), running, certificate: None }
    }

    fn scheme(&self) -> &str {
        if self.certificate.is_some() { "rtsps" } else { "rtsp" }
    }

    /// Without user and password.
    fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}/{path}", self.scheme(), self.port)
    }

    /// With user and password, as ffmpeg takes them.
    fn secret_url(&self, path: &str) -> String {
        format!("{}://cam:{}@127.0.0.1:{}/{path}", self.scheme(), percent_encoded(PASSWORD), self.port)
    }
}

/// h5cap on a camera, with the password in the environment.
fn h5cap(camera: &Camera, path: &str, args: &[&str]) -> Command {
    let mut command = h5("h5cap", args);
    if let Some(certificate) = &camera.certificate {
        command.args(["--tls-fingerprint", &certificate.fingerprint]);
    }
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
    let out = fs::File::create(dir.join("ours.mkv")).unwrap();
    let mut command = h5cap(camera, path, &["-v", "--late", "block", "--transport", transport]);
    let mut cap = Running::start_with(&mut command, Stdio::null(), out.into());
    let frames = || read(fs::read(dir.join("ours.mkv")).unwrap()).packets.first().map_or(0, Vec::len);
    eventually(&format!("{what}: enough is recorded"), || {
        assert!(cap.is_running(), "{what}: {}", cap.stderr());
        std::thread::sleep(Duration::from_millis(500));
        (frames() >= FRAMES + 60).then_some(())
    });
    cap.signal("TERM");
    let ours = cap.finish(PATIENCE).success();
    clean(&ours.stderr);
    let what = format!("{what}: {}", ours.stderr);
    ffmpeg.signal("INT");
    ffmpeg.finish(PATIENCE);
    let (ours, theirs) = (read(fs::read(dir.join("ours.mkv")).unwrap()), read(fs::read(&file).unwrap()));
    for (track, codec) in ours.codecs.iter().enumerate() {
        let other = theirs.codecs.iter().position(|other| other.kind() == codec.kind()).unwrap();
        let (mine, other) = (&ours.packets[track], &theirs.packets[other]);
        // A busy machine loses datagrams, and a busy server lets packets go by TCP too.
        let agree = in_order(mine, other);
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
            assert!(agree >= 150, "{what}: of {} packets of audio, {agree} are among {} of theirs", mine.len(), other.len());
        }
    }
}

/// Every path that can be read, over both transports, with a password: what ffmpeg records from the same server at the same time.
#[test]
fn what_arrives_is_what_ffmpeg_records() {
    let paths = [("h264", false), ("h264aac", false), ("bframespcma", true), ("h265", false), ("h265pcmu", true), ("mjpegl16", true)];
    std::thread::scope(|scope| {
        for two in paths.chunks(2) {
            scope.spawn(move || {
                for (path, decoded) in two {
                    // One server each: a server with many encoders has hung on a busy machine.
                    let camera = Camera::start(&["fps=50"]);
                    for transport in ["tcp", "udp"] {
                        compare(&camera, path, transport, *decoded);
                    }
                }
            });
        }
    });
}

fn answer(command: &mut Command) -> Finished {
    let done = run_for(command, b"", PATIENCE);
    clean(&done.stderr);
    done
}

/// At an IPv6 address, by both transports.
#[test]
fn a_camera_at_an_ipv6_address() {
    let camera = Camera::start(&["address=::1"]);
    for transport in ["tcp", "udp"] {
        let url = format!("rtsp://[::1]:{}/h264aac", camera.port);
        let mut command = h5("h5cap", &[&url, "--duration", "1", "--transport", transport]);
        let done = answer(command.env("H5CAP_USER", "cam").env("H5CAP_PASSWORD", PASSWORD)).success();
        let recording = read(done.stdout);
        assert!(recording.codecs == [Codec::H264, Codec::Aac] && recording.packets[0].len() > 10, "{transport}: {}", done.stderr);
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

/// With all that can be said, the password and what basic authentication makes of it are neither in messages nor at the control endpoint.
#[test]
fn no_password_is_in_any_output() {
    let camera = Camera::start(&["auth=basic"]);
    let control = free_port();
    let mut command = h5("h5cap", &["-vvv", "--control", &control.to_string(), &camera.secret_url("h264aac")]);
    command.env_remove("H5LIVE_LOG").env_remove("H5CAP_PASSWORD").env_remove("H5CAP_USER");
    let mut cap = Running::start_with(&mut command, Stdio::null(), Stdio::piped());
    let mut out = cap.stdout();
    out.read_exact(&mut [0; 20_000]).unwrap();
    drop(camera);
    cap.wait_for("waiting for it");
    let mut said: String = ["/healthz", "/metrics", "/stats"].map(|path| http(control, "GET", path, b"").1).concat();
    cap.signal("TERM");
    drop(out);
    said += &cap.finish(PATIENCE).stderr;
    let basic = run_for(&mut shell(&format!("printf 'cam:%s' '{PASSWORD}' | base64")), b"", PATIENCE).text();
    assert!(said.contains("rtsp://cam:***@"), "{said}");
    for secret in [PASSWORD, &percent_encoded(PASSWORD), basic.trim()] {
        assert!(!said.contains(secret), "{secret} is in\n{said}");
    }
}
