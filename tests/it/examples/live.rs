//! Every pipeline that we print holds no frame back: each frame is out of h5mux before the frame after the next goes in. The test is
//! what is live in it: it stands where the pipeline has its camera or file, at 300 kbit/s, and the order of events is all that counts.

use super::{man_examples, markdown_examples, text};
use crate::util::{PATIENCE, Running, repository, run, shell};
use bytes::BytesMut;
use h5live::format::Timing;
use h5live::format::bmff::{Split, Splitter};
use h5live::media::{Event, Kind, Packet, SystemClock, Timestamp};
use h5live::pipe::{Reader, ReaderOptions, Sniffed, Writer, sniff};
use std::io::{Cursor, Read, Write};
use std::sync::Arc;
use std::sync::mpsc;

/// Frames that are fed: several of ffmpeg's Clusters.
const FRAMES: usize = 60;

/// What a pipeline begins with, what is put there to read from the test, and what the test feeds.
const INPUTS: [(&str, &str, Feed); 8] = [
    ("-re -i film.mp4", MATROSKA, Feed::Coded),
    ("-re -i FILE", MATROSKA, Feed::Coded),
    ("-i clip.mp4", MATROSKA, Feed::Coded),
    ("-i film.mp4", MATROSKA, Feed::Coded),
    ("-i \"$source\"", MATROSKA, Feed::Coded),
    ("-c copy -f nut", "-c copy -f nut", Feed::Coded),
    ("-probesize 32 -analyzeduration 0 -i -", MATROSKA, Feed::Raw),
    (
        "videotestsrc is-live=true ! video/x-raw,format=I420,width=640,height=360,framerate=30/1",
        "fdsrc blocksize=345600 ! rawvideoparse format=i420 width=640 height=360 framerate=30/1",
        Feed::Bare,
    ),
];

/// ffmpeg looks at some seconds of an input, else, before it lets the first frame go: not what is tested here.
const MATROSKA: &str = "-probesize 32 -analyzeduration 0 -f matroska -i pipe:0";

#[derive(Clone, Copy, Debug)]
enum Feed {
    /// H.264 at 300 kbit/s, as Matroska.
    Coded,
    /// Raw pictures, as Matroska.
    Raw,
    /// Raw pictures, one after the other.
    Bare,
}

impl Feed {
    /// What the program gets at once, and then frame by frame.
    fn pieces(self) -> Vec<Vec<u8>> {
        const SOURCE: &str = "ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=640x360:rate=30 -pix_fmt yuv420p";
        let coded = "-c:v libx264 -preset veryfast -tune zerolatency -b:v 300k -maxrate 300k -bufsize 300k -g 60";
        let (codec, frames) = if matches!(self, Feed::Coded) { (coded, FRAMES) } else { ("-c:v rawvideo", 12) };
        let made = run(&mut shell(&format!("{SOURCE} -frames:v {frames} {codec} -f matroska -")), b"").success().stdout;
        let events = events(made);
        if matches!(self, Feed::Bare) {
            let frames = events.iter().filter_map(|e| if let Event::Packet(p) = e { Some(p.data.to_vec()) } else { None });
            return std::iter::once(Vec::new()).chain(frames).collect();
        }
        let mut writer = Writer::new(Vec::new());
        let mut ends = vec![0];
        for event in &events {
            writer.write(event).unwrap();
            ends.push(writer.written() as usize);
        }
        let bytes = writer.into_inner();
        ends.windows(2).map(|end| bytes[end[0]..end[1]].to_vec()).collect()
    }
}

fn events(bytes: Vec<u8>) -> Vec<Event> {
    let options = ReaderOptions { name: "test".into(), format: None, timing: Timing::Stream, clock: Arc::new(SystemClock::default()) };
    let mut reader = Reader::new(Cursor::new(bytes), options);
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

/// Every pipeline that ffmpeg or GStreamer writes into: those of the manuals, and what errors advise.
fn printed() -> Vec<(String, String)> {
    let markdown = ["README.md", "docs/cameras.md", "docs/network-cameras.md", "docs/design.md", "docs/player.md"];
    let manuals = ["man/h5cap.1", "man/h5enc.1", "man/h5mux.1", "man/h5serve.1", "man/h5pipe.5", "man/h5live.7"];
    let examples = markdown.iter().flat_map(|page| markdown_examples(&text(page)).into_iter().map(|e| (page.to_string(), e)));
    let examples = examples.chain(manuals.iter().flat_map(|page| man_examples(&text(page)).into_iter().map(|e| (page.to_string(), e))));
    let lines = examples.flat_map(|(page, example)| {
        let lines: Vec<_> = example.replace("\\\n", " ").lines().map(|line| (page.clone(), line.to_owned())).collect();
        lines
    });
    let is_foreign = |line: &str| ["ffmpeg ", "gst-launch"].iter().any(|name| line.contains(name)) && line.contains("h5");
    let mut all: Vec<_> = lines.filter(|(_, line)| is_foreign(line)).collect();
    let script = text("scripts/live");
    let capture = script.lines().find_map(|line| line.split_once("ffmpeg -hide").map(|(_, rest)| format!("ffmpeg -hide{rest}")));
    let capture = capture.expect("scripts/live reads addresses by ffmpeg");
    all.push(("scripts/live".into(), format!("{} | h5mux", capture.trim_end_matches(" ;;"))));
    for foreign in [&b"OggS\0\x02"[..], b"\0\0\x01\xB3 MPEG-2"] {
        let Sniffed::Unknown(unsupported) = sniff(foreign, true) else { panic!("read by now: {foreign:?}") };
        let line = unsupported.advice.split('`').nth(1).expect("a command").replace("-i -", MATROSKA);
        // What it encodes is not what h5mux takes.
        all.push(("an error".into(), format!("{} | h5mux", line.replace("-c:v mjpeg", "-c copy"))));
    }
    let refused = run(&mut shell("h5cap rtmp://camera"), b"");
    let advice = refused.stderr.split_once("ffmpeg -i").map(|(_, rest)| rest.lines().next().unwrap_or_default().to_owned());
    let advice = advice.unwrap_or_else(|| panic!("no advice: {}", refused.stderr)).replace("rtmp://…", "film.mp4");
    all.push(("h5cap's advice".into(), format!("ffmpeg -i{}", advice.replace("| h5cap -", "| h5cap - | h5mux"))));
    all
}

#[test]
fn no_printed_pipeline_holds_a_frame_back() {
    let mut tried = 0;
    for (page, line) in printed() {
        // A file that is written is not live; nor is one that is read for an encoder's sake.
        if line.contains("yuv4mpegpipe") {
            continue;
        }
        let (before, rest) = line.split_once("ffmpeg ").or_else(|| line.split_once("gst-launch")).unwrap();
        let line = format!("{}{rest}", &line[before.len()..line.len() - rest.len()]);
        let Some((wanted, put, feed)) = INPUTS.iter().find(|(wanted, ..)| line.contains(wanted)) else {
            panic!("{page}: what does it read? {line}");
        };
        let line = line.replace(wanted, put).replace(" &", "");
        let pipe = match line.find("h5mux").or_else(|| line.find("h5serve")) {
            Some(at) => format!("{}h5mux", &line[..at]),
            None => panic!("{page}: {line}"),
        };
        in_step(&page, &pipe, *feed);
        tried += 1;
    }
    assert!(tried >= 9, "only {tried} pipelines were found");
}

/// The rule holds of what it is to hold of: the one that we printed before does not pass.
#[test]
fn a_pipeline_that_holds_frames_back_is_noticed() {
    let line = format!("ffmpeg -v error {MATROSKA} -c copy -flush_packets 1 -f matroska - | h5mux");
    let held = std::panic::catch_unwind(|| lag("planted", &line, Feed::Coded, 3)).is_err();
    assert!(held, "ffmpeg's Matroska muxer holds nothing back any more?");
}

/// Pipes of ffmpeg's Matroska into our programs stand nowhere.
#[test]
fn no_printed_pipeline_is_matroska_by_ffmpeg() {
    let line = "grep -rnE 'ffmpeg.*-f matroska (-|pipe:1) \\| *h5' README.md docs man scripts examples src | tr -d '\\\\' || true";
    let found = run(shell(line).current_dir(repository(".")), b"").success().text();
    assert_eq!(found, "");
}

#[track_caller]
fn in_step(place: &str, line: &str, feed: Feed) {
    lag(place, line, feed, usize::MAX);
}

/// Feeds frames in step with what comes out. With `patience`, it is given up after so many seconds without a frame.
#[track_caller]
fn lag(place: &str, line: &str, feed: Feed, patience: usize) {
    let pieces = feed.pieces();
    let mut running = Running::start(&mut shell(line));
    let mut stdin = running.stdin();
    let stdout = running.stdout();
    let (send, frames) = mpsc::channel();
    std::thread::spawn(move || count_frames(stdout, &send));
    stdin.write_all(&pieces[0]).unwrap();
    let mut out = 0;
    for (n, piece) in pieces[1..].iter().enumerate() {
        stdin.write_all(piece).unwrap_or_else(|e| panic!("{place}: {line}: {e}: {}", running.stderr()));
        // Frame n is in. Frame n - 1 is out before the next one goes in.
        while out < n {
            let limit = PATIENCE.min(std::time::Duration::from_secs(patience as u64));
            match frames.recv_timeout(limit) {
                Ok(()) => out += 1,
                Err(why) => panic!("{place}: {line}: {out} frames out of {} that went in ({why}): {}", n + 1, running.stderr()),
            }
        }
    }
}

/// Says each video frame in a stream of fragments.
fn count_frames(mut stream: impl Read, frames: &mpsc::Sender<()>) {
    let (mut splitter, mut buf, mut piece) = (Splitter::default(), BytesMut::new(), vec![0; 1 << 16]);
    let mut video = None;
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        buf.extend_from_slice(&piece[..n]);
        while let Ok(split) = splitter.next(&mut buf, false) {
            match split {
                Split::Init(init) => video = init.tracks.iter().find(|t| t.track.kind() == Kind::Video).map(|t| t.id),
                Split::Chunk(chunk) if chunk.track == video => {
                    (0..chunk.frames).for_each(|_| _ = frames.send(()));
                }
                Split::Chunk(_) => {}
                Split::Need(_) | Split::Skip(_) | Split::End => break,
            }
        }
    }
}

/// Coded frames of 25 a second whose times go on for ever.
fn endless() -> (Vec<u8>, impl FnMut() -> Vec<u8>) {
    let made =
        "ffmpeg -v error -nostdin -f lavfi -i testsrc2=size=64x48:rate=25 -frames:v 10 -pix_fmt yuv420p -c:v libx264 -g 1 -f matroska -";
    let events = events(run(&mut shell(made), b"").success().stdout);
    let mut writer = Writer::new(Vec::new());
    writer.write(&events[0]).unwrap();
    let start = writer.written() as usize;
    let packets: Vec<Packet> = events.into_iter().filter_map(|e| if let Event::Packet(p) = e { Some(p) } else { None }).collect();
    let mut head = writer.into_inner();
    head.truncate(start);
    let mut n = 0;
    let next = move || {
        let packet = &packets[n % packets.len()];
        let cluster = h5live::format::mkv::cluster_prefix(0, Timestamp(n as i64 * 40_000), true, packet.data.len());
        n += 1;
        [&*cluster, &packet.data].concat()
    };
    (head, next)
}

/// The pace of the input is the input; nothing waits for it.
#[test]
fn bursts_of_a_live_input_are_said_once() {
    for program in ["h5mux > /dev/null", "h5serve --listen 127.0.0.1:0"] {
        let (head, mut next) = endless();
        let mut running = Running::start(&mut shell(program));
        let mut stdin = running.stdin();
        stdin.write_all(&head).unwrap();
        let until = std::time::Instant::now() + PATIENCE;
        while !running.stderr().contains("bursts") {
            assert!(std::time::Instant::now() < until, "{program} says nothing: {}", running.stderr());
            std::thread::sleep(std::time::Duration::from_millis(520));
            let burst: Vec<u8> = (0..13).flat_map(|_| next()).collect();
            stdin.write_all(&burst).unwrap();
        }
        let said = running.wait_for("bursts");
        assert!(
            said.contains("stdin: the input comes in bursts, 13 frames every 0.") && said.contains("-f nut -flush_packets 1"),
            "{said}"
        );
        for _ in 0..3 {
            std::thread::sleep(std::time::Duration::from_millis(520));
            stdin.write_all(&(0..13).flat_map(|_| next()).collect::<Vec<u8>>()).unwrap();
        }
        assert_eq!(running.stderr().matches("bursts").count(), 1);
    }
}
