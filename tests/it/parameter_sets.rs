//! Encoders that send their parameter sets once (V4L2 M2M by ffmpeg, most encoders whose output goes into a container): every place at which a
//! viewer or a recording can start has them.

use crate::serve::{Server, feed};
use crate::util::{PATIENCE, TempDir, eventually, h5, http, run, run_for};
use bytes::BytesMut;
use h5live::codec::{h264, h265};
use h5live::format::Timing;
use h5live::format::bmff::{Split, Splitter};
use h5live::media::{Codec, Event, SystemClock};
use h5live::pipe::{Reader, ReaderOptions};
use std::fs;
use std::io::{Cursor, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Three seconds at 25 frames a second, each with a keyframe.
const GOP: usize = 25;

/// ffmpeg's encoder, the types of its parameter sets, and the filter that makes a byte stream.
const X264: [&str; 4] = ["h264", "libx264 -preset ultrafast -x264-params scenecut=0", "7-8", "h264_mp4toannexb"];
const X265: [&str; 4] =
    ["hevc", "libx265 -preset ultrafast -x265-params scenecut=0:log-level=error -tag:v hvc1", "32-34", "hevc_mp4toannexb"];

/// Runs ffmpeg, quietly; `args` are split at spaces.
#[track_caller]
fn ffmpeg(dir: &Path, args: &str) {
    run(Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(args.split(' ')).current_dir(dir), b"").success();
}

/// A film whose parameter sets are in the header of the container alone, and the same as a byte stream with them at its beginning alone.
fn films(dir: &Path, name: &str, size: &str, [_, encoder, types, annex_b]: [&str; 4]) {
    let source = format!("-f lavfi -i testsrc2=size={size}:rate=25:duration=3 -c:v {encoder} -g {GOP} -flags +global_header");
    ffmpeg(dir, &format!("{source} {name}.all.mkv"));
    let without = format!("filter_units=remove_types={types}");
    ffmpeg(dir, &format!("-i {name}.all.mkv -c copy -bsf:v {without} {name}.mkv"));
    let raw = if annex_b.starts_with("h264") { "h264" } else { "hevc" };
    ffmpeg(dir, &format!("-i {name}.mkv -c copy -bsf:v {annex_b},{without} -f {raw} {name}.body"));
    ffmpeg(dir, &format!("-i {name}.mkv -c copy -frames:v 1 -bsf:v {annex_b},filter_units=pass_types={types} -f {raw} {name}.head"));
    let parts = ["head", "body"].map(|part| fs::read(dir.join(format!("{name}.{part}"))).unwrap());
    fs::write(dir.join(format!("{name}.once")), parts.concat()).unwrap();
}

/// How many keyframes of a film bring parameter sets.
fn keyframes_with_sets(film: &[u8]) -> usize {
    let options = ReaderOptions { name: "film".into(), format: None, timing: Timing::Stream, clock: Arc::new(SystemClock::default()) };
    let mut reader = Reader::new(Cursor::new(film.to_vec()), options);
    let (mut codec, mut count) = (Codec::H264, 0);
    while let Some(event) = reader.next().unwrap() {
        match event {
            Event::Header(header) => codec = header.tracks[0].codec,
            Event::Packet(packet) if packet.key => {
                let config = if codec == Codec::H264 { h264::config_of(&packet.data) } else { h265::config_of(&packet.data) };
                count += usize::from(config.is_some());
            }
            _ => {}
        }
    }
    count
}

/// The initialization segment, and chunks: whether a decoder can start there, and their bytes.
fn pieces(stream: &[u8]) -> (Vec<u8>, Vec<(bool, Vec<u8>)>) {
    let (mut splitter, mut buf) = (Splitter::default(), BytesMut::from(stream));
    let (mut init, mut chunks) = (Vec::new(), Vec::new());
    loop {
        match splitter.next(&mut buf, true).unwrap() {
            Split::Init(one) => init = one.bytes.to_vec(),
            Split::Chunk(chunk) => chunks.push((chunk.key, [&chunk.head[..], &chunk.data.concat()].concat())),
            Split::End => return (init, chunks),
            Split::Need(_) | Split::Skip(_) => panic!("the stream is whole"),
        }
    }
}

/// ffmpeg decodes so many pictures, and finds nothing wrong.
#[track_caller]
fn decodes(what: &str, file: &[u8], frames: std::ops::RangeInclusive<usize>) {
    let dir = TempDir::new();
    fs::write(dir.join("cut.mp4"), file).unwrap();
    let args = ["-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", "cut.mp4"];
    let done = run(Command::new("ffprobe").args(args).current_dir(&*dir), b"").success();
    assert_eq!(done.stderr, "", "{what}");
    let count: usize = done.text().trim().trim_end_matches(',').parse().unwrap();
    assert!(frames.contains(&count), "{what}: {count} pictures");
}

/// What a viewer of `/live.mp4` gets who comes when the stream has passed its second keyframe.
fn late_joiner(init: &[u8], chunks: &[(bool, Vec<u8>)], second: usize) -> Vec<u8> {
    let mut server = Server::start(&["--lag", "60", "--control", "127.0.0.1:0", "-v"]);
    let control = server.process.wait_for("control endpoint at").trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let mut stdin = server.process.stdin();
    feed(&mut stdin, init);
    chunks[..second + 5].iter().for_each(|(_, chunk)| feed(&mut stdin, chunk));
    let frames = || {
        http(control, "GET", "/metrics", b"")
            .1
            .lines()
            .find_map(|line| line.strip_prefix("h5serve_stream_frames_total{stream=\"live\"} ")?.parse::<usize>().ok())
    };
    eventually("they are in the server", || frames().filter(|count| *count == second + 5));
    let mut viewer = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    viewer.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::Write::write_all(&mut viewer, b"GET /live.mp4 HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = vec![0; 4096];
    viewer.read_exact(&mut answer).unwrap();
    chunks[second + 5..].iter().for_each(|(_, chunk)| feed(&mut stdin, chunk));
    drop(stdin);
    viewer.read_to_end(&mut answer).unwrap();
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    answer.split_off(body)
}

#[track_caller]
fn every_start_has_them(what: &str, film: &[u8], sent: usize) {
    assert_eq!(keyframes_with_sets(film), sent, "{what}: it would prove nothing");
    let muxed = run_for(&mut h5("h5mux", &[]), film, PATIENCE).success().stdout;
    let (init, chunks) = pieces(&muxed);
    let keys: Vec<usize> = (0..chunks.len()).filter(|n| chunks[*n].0).collect();
    assert_eq!(keys.iter().map(|key| key % GOP).sum::<usize>(), 0, "{what}: {keys:?}");
    assert!(keys.len() >= 3, "{what}: {keys:?}");
    for &key in &keys {
        let rest: Vec<u8> = chunks[key..].iter().flat_map(|(_, chunk)| chunk.clone()).collect();
        decodes(&format!("{what} from frame {key}"), &[init.clone(), rest].concat(), chunks.len() - key..=chunks.len() - key);
    }
    let last = keys[keys.len() - 2];
    let seen = late_joiner(&init, &chunks, last);
    decodes(&format!("{what}, a late viewer"), &seen, chunks.len() - last..=chunks.len() - last);
}

#[test]
fn parameter_sets_that_come_once_are_at_every_start() {
    for coder in [X264, X265] {
        let (dir, name) = (TempDir::new(), coder[0]);
        films(&dir, "small", "320x180", coder);
        let read = |file: &str| fs::read(dir.join(file)).unwrap();
        every_start_has_them(&format!("{name} in Matroska"), &read("small.mkv"), 0);
        ffmpeg(&dir, "-i small.mkv -c copy -f nut small.nut");
        every_start_has_them(&format!("{name} in NUT"), &read("small.nut"), 0);
        if name == "h264" {
            ffmpeg(&dir, "-i small.mkv -c copy -f flv small.flv");
            every_start_has_them("h264 in FLV", &read("small.flv"), 0);
        }
        every_start_has_them(&format!("{name} as a byte stream"), &read("small.once"), 1);
        // The encoder is started again with another size: its new parameter sets come once too.
        films(&dir, "large", "640x360", coder);
        let both = [read("small.once"), read("large.once")].concat();
        every_start_has_them(&format!("{name} as a byte stream of two sizes"), &both, 2);
    }
}
