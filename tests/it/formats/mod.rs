//! The formats at the joints, judged by the outside world: ffmpeg, ffprobe, mpv, GStreamer and mkvmerge read what we write, live,
//! from a pipe; we read what they and Chromium's MediaRecorder write.

/// FLV as others write it.
mod flv;
/// They read what we write.
mod judges;
/// MPEG transport streams as others write them.
mod mpegts;
/// NUT as ffmpeg writes it.
mod nut;
/// We read what they write.
mod world;

use crate::util::{Running, h5, run, shell};
use h5live::format::Timing;
use h5live::media::{Codec, Event, Header, Packet, PixelFormat, Rate, SystemClock, Timestamp, Track, VideoParams};
use h5live::pipe::{InputFormat, Reader, ReaderOptions, Writer};
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Reads a whole input of any format, without damage.
#[track_caller]
pub fn read(input: Vec<u8>) -> (InputFormat, Vec<Event>) {
    let options = ReaderOptions { name: "test".into(), format: None, timing: Timing::Stream, clock: Arc::new(SystemClock::default()) };
    let mut reader = Reader::new(Cursor::new(input), options);
    let mut events = Vec::new();
    while let Some(event) = reader.next().unwrap_or_else(|e| panic!("{:#}", anyhow::Error::from(e))) {
        events.push(event);
    }
    assert_eq!(reader.damage(), 0);
    (reader.format().expect("an input that was read has a format"), events)
}

/// What the pipe carries for these events, one piece an event.
fn written(events: &[Event]) -> Vec<Vec<u8>> {
    let mut writer = Writer::new(Vec::new());
    let mut ends = vec![0];
    for event in events {
        writer.write(event).expect("a vector takes all");
        ends.push(writer.written() as usize);
    }
    let bytes = writer.into_inner();
    ends.windows(2).map(|end| bytes[end[0]..end[1]].to_vec()).collect()
}

pub fn header(events: &[Event]) -> &Header {
    match &events[0] {
        Event::Header(header) => header,
        Event::Packet(_) | Event::TimeZero(_) => panic!("a packet before its header"),
    }
}

fn packets(events: &[Event]) -> Vec<&Packet> {
    events.iter().filter_map(|event| if let Event::Packet(packet) = event { Some(packet) } else { None }).collect()
}

/// The bytes of all packets of a track, one after the other.
fn payload(events: &[Event], track: usize) -> Vec<u8> {
    packets(events).iter().filter(|p| p.track == track).flat_map(|p| p.data.to_vec()).collect()
}

/// Raw pictures of noise, which no reader can get right by chance.
fn noise(format: PixelFormat, width: u32, height: u32, frames: i64) -> Vec<Event> {
    let video = VideoParams { rate: Rate::new(25, 1), ..VideoParams::new(width, height) };
    let header = Header { tracks: [Track::video(Codec::Raw(format), video)].into(), time_zero: None };
    let mut seed = 1u32;
    let mut byte = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    let mut picture = |n| {
        let data: Vec<u8> = (0..format.picture_size(width, height)).map(|_| byte()).collect();
        Event::Packet(Packet { track: 0, pts: Timestamp(n * 40_000), key: true, data: data.into(), hidden: false })
    };
    let pictures: Vec<_> = (0..frames).map(&mut picture).collect();
    [vec![Event::Header(header)], pictures].concat()
}

/// Runs a command line with `input` on stdin; gives its stdout.
#[track_caller]
fn piped(line: &str, input: &[u8]) -> Vec<u8> {
    crate::util::run(&mut shell(line), input).success().stdout
}

/// One packet as ffprobe prints it.
#[derive(Clone, Debug, PartialEq)]
struct Probed {
    stream: usize,
    micros: i64,
    key: bool,
    sha1: String,
}

/// The packets of a file, in its order.
#[track_caller]
fn probe(file: &Path) -> Vec<Probed> {
    let entries = "-show_data_hash SHA160 -show_entries packet=stream_index,pts_time,flags,data_hash";
    let list = piped(&format!("ffprobe -v error {entries} '{}'", file.display()), b"");
    let list = String::from_utf8(list).expect("ffprobe prints text");
    list.split("[/PACKET]").map(str::trim).filter(|p| !p.is_empty()).map(|p| probed(p).unwrap_or_else(|| panic!("ffprobe: {p}"))).collect()
}

fn probed(packet: &str) -> Option<Probed> {
    let field = |name: &str| packet.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let seconds: f64 = field("pts_time")?.parse().ok()?;
    Some(Probed {
        stream: field("stream_index")?.parse().ok()?,
        micros: (seconds * 1e6).round() as i64,
        key: field("flags")?.starts_with('K'),
        sha1: field("data_hash")?.split(':').next_back()?.to_lowercase(),
    })
}

fn sha1(data: &[u8]) -> String {
    use sha1::{Digest, Sha1};
    Sha1::digest(data).iter().map(|b| format!("{b:02x}")).collect()
}

/// A program that is fed step by step, and whose output is waited for.
struct Live {
    _running: Running,
    stdin: Box<dyn Write>,
    output: mpsc::Receiver<Vec<u8>>,
    name: String,
}

impl Live {
    fn start(line: &str) -> Live {
        let mut running = Running::start(&mut shell(line));
        let stdin = Box::new(running.stdin());
        let mut stdout = running.stdout();
        let (send, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = vec![0; 1 << 16];
            while let Ok(n @ 1..) = stdout.read(&mut piece) {
                if send.send(piece[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Live { _running: running, stdin, output, name: line.into() }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stdin.write_all(bytes).unwrap_or_else(|e| panic!("{}: {e}", self.name));
    }

    /// The next `n` bytes of output, without which nothing more is fed.
    #[track_caller]
    fn read(&mut self, n: usize, why: &str) -> Vec<u8> {
        // A program that waits for more input waits for ever: the time is only for slow machines.
        const PATIENCE: Duration = Duration::from_secs(40);
        let mut got = Vec::new();
        while got.len() < n {
            match self.output.recv_timeout(PATIENCE) {
                Ok(piece) => got.extend(piece),
                Err(RecvTimeoutError::Timeout) => panic!("{}: holds back {why}: {} of {n} bytes", self.name, got.len()),
                Err(RecvTimeoutError::Disconnected) => panic!("{}: ended before {why}: {} of {n} bytes", self.name, got.len()),
            }
        }
        got
    }
}

/// Every program takes two seconds of H.264 and AAC in this format where it takes coded media.
#[track_caller]
fn every_program_takes(stream: &[u8], format: &str) {
    let count = "ffprobe -v error -count_packets -show_entries stream=codec_name,nb_read_packets -of csv=p=0 -";
    let streams = |line: &str| run(&mut shell(&format!("{line} | {count}")), stream).success().text();
    let muxed = streams("h5mux");
    assert!(muxed.contains("h264,50") && muxed.contains("aac,9"), "{muxed}");
    assert!(streams("h5cap --no-pace - | h5mux").contains("h264,50"));
    assert!(streams("h5enc").contains("h264,50"));
    let refused = run(&mut h5("h5enc", &["--video", "mjpeg", "--audio", "none"]), stream);
    assert_eq!(refused.code(), 4);
    assert!(refused.stderr.contains("h5enc does not decode H.264"), "{}", refused.stderr);
    let named = run(&mut h5("h5mux", &["--input-format", format]), stream).success();
    assert!(!named.stdout.is_empty());
    let served = run(&mut h5("h5serve", &["--listen", "127.0.0.1:0", "-q", "-"]), stream).success();
    assert_eq!(served.stderr, "");
}
