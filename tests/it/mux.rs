//! h5mux: what comes out is what went in, to the byte and the microsecond, at once, and every player takes it.

use crate::util::{Running, TempDir, data, h5, run, shell};
use bytes::BytesMut;
use h5live::codec::{self, h264, h265};
use h5live::format::bmff::{self, Chunk, Split, Splitter};
use h5live::format::{Demuxer, Step, mkv};
use h5live::media::{Event, Header, Packet, Timestamp, Vectored, WallTime};
use h5live::mux::{Fragment, MuxOptions, Muxer};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A packet as ffprobe sees it: times in microseconds, hash of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Probed {
    pts: i64,
    dts: i64,
    hash: String,
}

/// All packets of a file, by track.
fn probe(file: &Path) -> BTreeMap<usize, Vec<Probed>> {
    let args = ["-v", "error", "-show_packets", "-show_data_hash", "md5", "-of", "json"];
    let found = run(Command::new("ffprobe").args(args).arg(file), b"").success();
    assert_eq!(found.stderr, "", "ffprobe has nothing to say about {}", file.display());
    let json: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let mut tracks = BTreeMap::<_, Vec<_>>::new();
    for packet in json["packets"].as_array().unwrap() {
        let text = |name: &str| packet[name].as_str().unwrap_or_else(|| panic!("no {name}: {packet}"));
        let micros = |name| (text(name).parse::<f64>().unwrap() * 1e6).round() as i64;
        let probed = Probed { pts: micros("pts_time"), dts: micros("dts_time"), hash: text("data_hash").into() };
        tracks.entry(packet["stream_index"].as_u64().unwrap() as usize).or_default().push(probed);
    }
    tracks
}

/// Runs ffmpeg, quietly; `args` are split at spaces.
#[track_caller]
fn ffmpeg(dir: &Path, args: &str) {
    run(Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(args.split(' ')).current_dir(dir), b"").success();
}

/// Muxes a file and writes what comes out to `out`.
#[track_caller]
fn mux(input: &Path, out: &Path, args: &[&str]) {
    let muxed = run(h5("h5mux", args).arg(input), b"").success();
    assert_eq!(muxed.stderr, "");
    fs::write(out, muxed.stdout).unwrap();
}

/// The same packets; times may differ by a rounding of `slack` microseconds.
#[track_caller]
fn same_packets(ours: &[Probed], theirs: &[Probed], slack: u64) {
    assert_eq!(ours.len(), theirs.len());
    for (n, (a, b)) in ours.iter().zip(theirs).enumerate() {
        let close = |a: i64, b: i64| a.abs_diff(b) <= slack;
        assert!(a.hash == b.hash && close(a.pts, b.pts) && close(a.dts, b.dts), "packet {n}: {a:?} in place of {b:?}");
    }
}

#[test]
fn packets_of_a_real_file_are_the_sources_own() {
    let dir = TempDir::new();
    let source = data("bigbuckbunny-3s.mp4");
    let theirs = probe(&source);
    // As it is; and as Matroska by ffmpeg, which rounds times to milliseconds: audio becomes exact again.
    ffmpeg(&dir, &format!("-i {} -c copy bunny.mkv", source.display()));
    for (input, fragment) in [(&source, "frame"), (&dir.join("bunny.mkv"), "frame"), (&source, "gop"), (&source, "500")] {
        let out = dir.join("out.mp4");
        mux(input, &out, &["--fragment", fragment]);
        let ours = probe(&out);
        assert_eq!(ours.len(), 2);
        for track in 0..2 {
            same_packets(&ours[&track], &theirs[&track], 1);
        }
    }
}

#[test]
fn decode_times_with_b_frames_are_the_encoders_own() {
    let dir = TempDir::new();
    let constant = "fps=50";
    // Seven of ten frames, by no pattern: variable frame rate.
    let variable = "select=gt(mod(n*7919\\,10)\\,2)";
    for (bframes, params, filter) in [
        (3, "b-pyramid=normal", variable),
        (3, "b-pyramid=normal", constant),
        (3, "b-pyramid=none", variable),
        (16, "b-pyramid=normal:b-adapt=0", variable),
        (0, "ref=1", variable),
    ] {
        let x264 = format!("-c:v libx264 -preset veryfast -bf {bframes} -x264-params {params}");
        let source = format!("-f lavfi -i testsrc2=size=320x180:rate=50 -vf {filter} -fps_mode vfr -frames:v 120");
        ffmpeg(&dir, &format!("{source} {x264} -video_track_timescale 50000 -movflags +faststart b.mp4"));
        ffmpeg(&dir, "-copyts -i b.mp4 -c copy b.mkv");
        // Before the first frames there is nothing but the nominal rate, of which a Matroska file says only a mean.
        for (input, skip) in [("b.mp4", 0), ("b.mkv", 2)] {
            mux(&dir.join(input), &dir.join("out.mp4"), &[]);
            same_packets(&probe(&dir.join("out.mp4"))[&0][skip..], &probe(&dir.join("b.mp4"))[&0][skip..], 1);
        }
    }
}

#[test]
fn every_codec_that_belongs_into_mp4() {
    let dir = TempDir::new();
    let video = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=2";
    let audio = "-f lavfi -i sine=frequency=440:duration=2:sample_rate=48000";
    for (source, encoder) in [
        (video, "libx265 -preset ultrafast -x265-params log-level=error:bframes=2 -tag:v hvc1"),
        (video, "libsvtav1 -preset 12 -g 25 -svtav1-params pred-struct=1"),
        (audio, "aac -b:a 64k"),
        (audio, "libopus -b:a 64k"),
        (audio, "flac -strict experimental"),
        (audio, "libmp3lame -b:a 64k"),
    ] {
        let quiet = "-v fatal -nostats";
        ffmpeg(&dir, &format!("{quiet} {source} -c {encoder} -movflags +faststart a.mp4"));
        ffmpeg(&dir, "-i a.mp4 -c copy -f matroska a.mkv");
        for (input, slack) in [("a.mp4", 1), ("a.mkv", if source == audio { 1_000 } else { 1 })] {
            mux(&dir.join(input), &dir.join("out.mp4"), &[]);
            let (ours, mut theirs) = (probe(&dir.join("out.mp4")).remove(&0).unwrap(), probe(&dir.join("a.mp4")).remove(&0).unwrap());
            if input == "a.mkv" {
                // ffmpeg moves what begins before zero when it writes Matroska.
                let moved = ours[0].pts - theirs[0].pts;
                theirs.iter_mut().for_each(|p| (p.pts, p.dts) = (p.pts + moved, p.dts + moved));
            }
            same_packets(&ours, &theirs, slack);
            decodes(&dir.join("out.mp4"), &dir.join("a.mp4"));
        }
    }
}

/// Both files decode without a complaint to the same frames. Ours may have more of an audio decoder's start-up and padding, which
/// ffmpeg does not cut off in fragmented files: up to three frames before and one after.
#[track_caller]
fn decodes(ours: &Path, theirs: &Path) {
    let frames = |file: &Path| {
        let args = ["-v", "error", "-nostdin", "-copyts", "-i"];
        let hashes = ["-fps_mode", "passthrough", "-f", "framehash", "-"];
        let decoded = run(Command::new("ffmpeg").args(args).arg(file).args(hashes), b"").success();
        assert_eq!(decoded.stderr, "", "{}", file.display());
        let lines = decoded.text();
        // Size and hash of each frame.
        let fields = lines.lines().filter(|l| !l.starts_with('#')).map(|l| l.rsplit(',').take(2).map(str::to_owned).collect::<Vec<_>>());
        fields.collect::<Vec<_>>()
    };
    let (ours, theirs) = (frames(ours), frames(theirs));
    let same = |edge: usize| theirs.len() > 9 && ours.windows(theirs.len() - edge - 1).any(|w| w == &theirs[edge..theirs.len() - 1]);
    assert!(ours == theirs || (0..3).any(same), "{} frames in place of {}", ours.len(), theirs.len());
}

#[test]
fn raw_byte_streams() {
    let dir = TempDir::new();
    let video = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=2";
    for (name, encoder) in [
        ("a.h264", "libx264 -preset veryfast -bf 2 -x264-params slices=4:aud=1:log-level=none"),
        ("a.h265", "libx265 -preset ultrafast -x265-params log-level=error:bframes=2:slices=2"),
    ] {
        ffmpeg(&dir, &format!("-v fatal {video} -c:v {encoder} {name}"));
        mux(&dir.join(name), &dir.join("out.mp4"), &["--rate", "25"]);
        decodes(&dir.join("out.mp4"), &dir.join(name));
        assert_eq!(probe(&dir.join("out.mp4"))[&0].len(), 50);
    }
}

#[test]
fn players_and_other_tools_take_it() {
    let dir = TempDir::new();
    let out = dir.join("out.mp4");
    mux(&data("bigbuckbunny-3s.mp4"), &out, &[]);
    decodes(&out, &data("bigbuckbunny-3s.mp4"));
    let mpv = run(
        Command::new("mpv").args(["--no-config", "--vo=null", "--ao=null", "--untimed", "--msg-level=all=warn", "-"]),
        &fs::read(&out).unwrap(),
    );
    assert_eq!((mpv.success().stderr).as_str(), "");
    let gst =
        format!("gst-launch-1.0 -v filesrc location={} ! qtdemux name=d d.video_0 ! h264parse ! fakesink silent=false", out.display());
    let frames = run(&mut shell(&gst), b"").success().text().matches("chain").count();
    assert_eq!(frames, 75);
}

/// The packets of a file, by our own reader.
fn events(file: &Path) -> Vec<Event> {
    let mut demuxer = bmff::Demuxer::default();
    let (mut buf, mut events) = (BytesMut::from(&fs::read(file).unwrap()[..]), Vec::new());
    loop {
        match demuxer.next(&mut buf, true, Timestamp::ZERO).unwrap() {
            Step::Event(event) => events.push(event),
            Step::End => return events,
            Step::Need(_) | Step::Skip(_) => panic!("the file is whole"),
        }
    }
}

fn packets(file: &Path) -> Vec<Packet> {
    events(file).into_iter().filter_map(|e| if let Event::Packet(p) = e { Some(p) } else { None }).collect()
}

/// Reads chunks from a pipe as they come.
struct Chunks<R> {
    pipe: R,
    buf: BytesMut,
    splitter: Splitter,
}

impl<R: Read> Chunks<R> {
    fn new(pipe: R) -> Self {
        Chunks { pipe, buf: BytesMut::new(), splitter: Splitter::default() }
    }

    fn next(&mut self) -> Split {
        loop {
            match self.splitter.next(&mut self.buf, false).unwrap() {
                Split::Need(_) => {
                    let mut piece = [0; 65536];
                    let n = self.pipe.read(&mut piece).unwrap();
                    assert!(n > 0, "the output ended");
                    self.buf.extend_from_slice(&piece[..n]);
                }
                split => return split,
            }
        }
    }
}

/// All pieces of a whole stream.
fn pieces(stream: &[u8]) -> Vec<Split> {
    let (mut splitter, mut buf) = (Splitter::default(), BytesMut::from(stream));
    let mut next = || Some(splitter.next(&mut buf, true).unwrap()).filter(|s| !matches!(s, Split::End));
    std::iter::from_fn(&mut next).collect()
}

#[test]
fn no_frame_is_held_back() {
    let events = events(&data("bigbuckbunny-3s.mp4"));
    let Event::Header(header) = &events[0] else { panic!("no header first") };
    let mut running = Running::start(&mut h5("h5mux", &[]));
    let mut input = running.stdin();
    let mut output = Chunks::new(running.stdout());
    input.write_all(&mkv::write_header(header)).unwrap();
    let mut first = true;
    for event in &events[1..] {
        let Event::Packet(packet) = event else { panic!("a second header") };
        let stored = mkv::stored_time(&header.tracks[packet.track], packet.pts);
        input.write_all(&mkv::cluster_prefix(packet.track, stored, packet.key, packet.data.len())).unwrap();
        input.write_all(&packet.data).unwrap();
        if std::mem::take(&mut first) {
            assert!(matches!(output.next(), Split::Init(_)));
        }
        // This blocks for ever if the frame waits for its successor, which is not written before this chunk is there.
        let Split::Chunk(chunk) = output.next() else { panic!("no chunk") };
        assert!(chunk.head.ends_with(&packet.data) && chunk.frames == 1);
        assert_eq!(chunk.track, Some(packet.track as u32 + 1));
        assert!(chunk.start.micros().abs_diff(packet.pts.micros()) <= 21, "{:?} {:?}", chunk.start, packet.pts);
    }
    drop(input);
    assert_eq!(running.finish(Duration::from_secs(20)).success().stdout, b"");
}

#[test]
fn a_killed_h5mux_leaves_a_file_that_plays() {
    let dir = TempDir::new();
    ffmpeg(&dir, &format!("-i {} -c copy bunny.mkv", data("bigbuckbunny-3s.mp4").display()));
    let input = fs::read(dir.join("bunny.mkv")).unwrap();
    let show = dir.join("show.mp4");
    let file = fs::File::create(&show).unwrap();
    let mut running = Running::start_with(&mut h5("h5mux", &[]), Stdio::piped(), file.into());
    let mut stdin = running.stdin();
    stdin.write_all(&input[..input.len() * 2 / 3]).unwrap();
    crate::util::eventually("most of the file", || fs::metadata(&show).is_ok_and(|m| m.len() > input.len() as u64 / 2).then_some(()));
    running.signal("KILL");
    drop((stdin, running));
    let (ours, theirs) = (probe(&show), probe(&data("bigbuckbunny-3s.mp4")));
    assert!(ours[&0].len() > 20 && ours[&1].len() > 20, "{} and {} packets", ours[&0].len(), ours[&1].len());
    same_packets(&ours[&0], &theirs[&0][..ours[&0].len()], 1);
    let decoded = run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&show).args(["-f", "null", "-"]), b"").success();
    assert_eq!(decoded.stderr, "");
}

#[test]
fn a_change_of_resolution_goes_on_in_band() {
    let dir = TempDir::new();
    let x264 = "-c:v libx264 -preset ultrafast -bf 0 -x264-params log-level=none";
    for size in ["320x180", "640x360"] {
        ffmpeg(&dir, &format!("-f lavfi -i testsrc2=size={size}:rate=25:duration=1 {x264} {size}.mkv"));
    }
    let streams = [fs::read(dir.join("320x180.mkv")).unwrap(), fs::read(dir.join("640x360.mkv")).unwrap()].concat();
    let muxed = run(&mut h5("h5mux", &[]), &streams).success();
    fs::write(dir.join("out.mp4"), &muxed.stdout).unwrap();
    let times: Vec<i64> = probe(&dir.join("out.mp4"))[&0].iter().map(|p| p.pts).collect();
    assert_eq!(times, (0..50).map(|n| n * 40_000).collect::<Vec<_>>(), "one time line");
    let filter = ["-vf", "showinfo", "-f", "null", "-"];
    let decoded = run(Command::new("ffmpeg").args(["-nostdin", "-i"]).arg(dir.join("out.mp4")).args(["-autoscale", "0"]).args(filter), b"");
    let stderr = decoded.success().stderr;
    assert_eq!((stderr.matches(" s:320x180 ").count(), stderr.matches(" s:640x360 ").count()), (25, 25), "{stderr}");
    let inits = pieces(&muxed.stdout).iter().filter(|p| matches!(p, Split::Init(_))).count();
    assert_eq!(inits, 1, "viewers need no second initialization segment");
}

#[test]
fn other_tracks_are_a_new_initialization_segment() {
    let dir = TempDir::new();
    ffmpeg(&dir, "-f lavfi -i testsrc2=size=320x180:rate=25:duration=1 -c:v libx264 -preset ultrafast -x264-params log-level=none v.mkv");
    ffmpeg(&dir, "-f lavfi -i sine=duration=1 -c:a libopus a.mkv");
    let streams = [fs::read(dir.join("v.mkv")).unwrap(), fs::read(dir.join("a.mkv")).unwrap()].concat();
    let muxed = run(&mut h5("h5mux", &[]), &streams).success().stdout;
    let pieces = pieces(&muxed);
    let inits: Vec<usize> = pieces.iter().enumerate().filter(|(_, p)| matches!(p, Split::Init(_))).map(|(n, _)| n).collect();
    assert_eq!(inits, [0, 26]);
    assert!(matches!(&pieces[27], Split::Chunk(c) if c.start.micros().abs_diff(1_000_000) < 10_000), "time goes on");
}

#[test]
fn wall_clock_times_stand_before_every_picture() {
    let dir = TempDir::new();
    let before = h5live::media::WallTime::now().0;
    mux(&data("bigbuckbunny-3s.mp4"), &dir.join("out.mp4"), &[]);
    let mut zero = None;
    let pieces = pieces(&fs::read(dir.join("out.mp4")).unwrap());
    assert_eq!(pieces.len(), 1 + 75 + 141);
    for piece in &pieces[1..] {
        let Split::Chunk(chunk) = piece else { panic!("no chunk") };
        assert_eq!(chunk.captured.is_some(), chunk.track == Some(1));
        if let Some(captured) = chunk.captured {
            let zero = *zero.get_or_insert(captured.0);
            assert_eq!(captured.0 - zero, chunk.start.micros(), "no jitter: one clock for the stream");
        }
    }
    assert!((before..before + 20_000_000).contains(&zero.unwrap()));
}

#[test]
fn what_browsers_do_not_play_is_refused_with_advice() {
    let dir = TempDir::new();
    ffmpeg(&dir, "-f lavfi -i testsrc2=size=64x64:rate=5:duration=1 raw.y4m");
    ffmpeg(&dir, "-v fatal -f lavfi -i testsrc2=size=64x64:rate=5:duration=1 -c:v mjpeg jpeg.mkv");
    ffmpeg(&dir, "-v fatal -f lavfi -i testsrc2=size=64x64:rate=5:duration=1 -c:v libvpx vp8.webm");
    for (file, advice) in [
        (dir.join("raw.y4m"), "put h5enc before h5mux"),
        (dir.join("jpeg.mkv"), "put h5enc before h5mux"),
        (dir.join("vp8.webm"), "ffmpeg -i - -c:v libx264"),
    ] {
        let refused = run(h5("h5mux", &[]).arg(file), b"");
        assert_eq!((refused.code(), refused.stdout.len(), refused.stderr.lines().count()), (4, 0, 1), "{}", refused.stderr);
        assert!(refused.stderr.contains(advice), "{}", refused.stderr);
    }
}

#[test]
fn damage_is_one_line_with_its_place() {
    let garbage = run(&mut h5("h5mux", &[]), b"this is no video, and never will be one").stderr;
    assert_eq!(garbage.lines().count(), 1, "{garbage}");
    let dir = TempDir::new();
    mux(&data("bigbuckbunny-3s.mp4"), &dir.join("out.mp4"), &["--no-clock"]);
    let mut stream = fs::read(dir.join("out.mp4")).unwrap();
    // The second moof says that it is smaller than its own header.
    let second = stream.windows(4).enumerate().filter(|(_, w)| w == b"moof").nth(1).unwrap().0 - 4;
    stream[second..second + 4].copy_from_slice(&[0, 0, 0, 3]);
    let damaged = run(&mut h5("h5mux", &[]), &stream);
    assert_eq!((damaged.code(), damaged.stderr.lines().count()), (4, 1), "{}", damaged.stderr);
    assert!(damaged.stderr.contains(&format!("byte {second}")), "{} in place of byte {second}", damaged.stderr);
    assert_eq!(pieces(&damaged.stdout).len(), 2, "what came before the damage went out");
    assert_eq!(run(&mut h5("h5mux", &["/nowhere/at/all.mkv"]), b"").code(), 3);
}

#[test]
fn a_reader_that_goes_away_is_a_normal_end() {
    let line = format!("h5mux {} | head -c 1000 | wc -c", data("bigbuckbunny-3s.mp4").display());
    assert_eq!(run(&mut shell(&line), b"").success().text().trim(), "1000");
    let full = run(&mut shell(&format!("h5mux {} > /dev/full", data("bigbuckbunny-3s.mp4").display())), b"");
    assert_eq!((full.code(), full.stderr.lines().count()), (1, 1), "{}", full.stderr);
}

#[test]
fn a_stalled_reader_by_policy() {
    // The sample is smaller than what may wait, so it goes in several times: each file is a new header in the same pipe.
    let dir = TempDir::new();
    ffmpeg(&dir, &format!("-i {} -c copy bunny.mkv", data("bigbuckbunny-3s.mp4").display()));
    let once = fs::read(dir.join("bunny.mkv")).unwrap();
    let many = once.repeat(12_000_000 / once.len() + 1);
    let mut running = Running::start(&mut h5("h5mux", &["--late", "exit"]));
    let stdout = running.stdout();
    running.feed(many.clone());
    let line = running.wait_for("too slow");
    assert!(line.starts_with("h5mux: "), "{line}");
    drop(stdout);

    let mut running = Running::start(&mut h5("h5mux", &["--late", "drop", "-v"]));
    let mut stdout = running.stdout();
    let mut input = running.stdin();
    input.write_all(&many).unwrap();
    // All of it was taken though nobody reads: some was dropped. What comes out is whole pictures all the same.
    drop(input);
    let mut out = Vec::new();
    stdout.read_to_end(&mut out).unwrap();
    running.finish(Duration::from_secs(20)).success();
    assert!(out.len() < many.len());
    fs::write(dir.join("out.mp4"), out).unwrap();
    let decoded = run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(dir.join("out.mp4")).args(["-f", "null", "-"]), b"").success();
    assert!(!decoded.stderr.contains("h264"), "{}", decoded.stderr);
}

/// Access units of a byte stream that arrives in pieces.
fn access_units<'a>(codec: &str, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<(usize, bool)> {
    let mut found = Vec::new();
    let mut note = |au: h264::AccessUnit| found.push((au.data.len(), au.key));
    macro_rules! collect {
        ($units:expr) => {{
            let mut units = $units;
            for piece in pieces {
                units.push(piece);
                while let Some(au) = units.next().unwrap() {
                    note(au);
                }
            }
            units.flush().unwrap().map(note);
        }};
    }
    match codec {
        "h264" => collect!(h264::AccessUnits::default()),
        _ => collect!(h265::AccessUnits::default()),
    }
    found
}

#[test]
fn access_units_are_those_that_ffmpeg_finds() {
    let dir = TempDir::new();
    let source = "-f lavfi -i testsrc2=size=192x108:rate=25:duration=1";
    for (codec, encoder) in [
        ("h264", "libx264 -preset veryfast -bf 2 -x264-params slices=4:log-level=none"),
        ("h264", "libx264 -preset ultrafast -bf 0 -x264-params aud=1:keyint=5:log-level=none"),
        ("h264", "libx264 -preset veryfast -flags +ildct+ilme -x264-params tff=1:log-level=none"),
        ("hevc", "libx265 -preset ultrafast -x265-params log-level=none:slices=3:bframes=2:aud=1"),
        ("hevc", "libx265 -preset ultrafast -x265-params log-level=none:bframes=0:repeat-headers=1:keyint=5"),
    ] {
        ffmpeg(&dir, &format!("-v fatal {source} -c:v {encoder} -f {codec} a"));
        let stream = fs::read(dir.join("a")).unwrap();
        let whole = access_units(codec, std::iter::once(&stream[..]));
        let keys = ["-v", "error", "-f", codec, "-show_entries", "packet=flags", "-of", "csv=p=0"];
        let probed = run(Command::new("ffprobe").args(keys).arg(dir.join("a")), b"").success().text();
        let theirs: Vec<bool> = probed.lines().map(|l| l.contains('K')).collect();
        assert_eq!(whole.iter().map(|(_, key)| *key).collect::<Vec<_>>(), theirs, "{encoder}");
        assert_eq!(access_units(codec, stream.chunks(1)), whole, "byte by byte");
        for cut in (0..stream.len()).step_by(97) {
            let (a, b) = stream.split_at(cut);
            assert_eq!(access_units(codec, [a, b].into_iter()), whole, "{encoder}: cut at {cut}");
        }
    }
}

#[test]
fn foreign_fragments_are_read_and_cut() {
    let dir = TempDir::new();
    let source = data("bigbuckbunny-3s.mp4");
    let expected = packets(&source);
    for flags in [
        "frag_keyframe+empty_moov+default_base_moof",
        "frag_keyframe+empty_moov",
        "frag_every_frame+empty_moov+default_base_moof",
        "cmaf+empty_moov",
        "frag_keyframe+empty_moov+separate_moof+default_base_moof+omit_tfhd_offset",
        "frag_keyframe+empty_moov+default_base_moof+delay_moov+dash+global_sidx",
    ] {
        ffmpeg(&dir, &format!("-i {} -c copy -frag_duration 500000 -movflags {flags} f.mp4", source.display()));
        // ffmpeg 5.1 writes wrong times for audio with frag_every_frame: its own reading of them is the measure.
        let (read, theirs) = (packets(&dir.join("f.mp4")), probe(&dir.join("f.mp4")));
        for track in 0..2 {
            let of = |packets: &[Packet]| packets.iter().filter(|p| p.track == track).map(|p| p.data.clone()).collect::<Vec<_>>();
            assert_eq!(of(&read), of(&expected), "{flags}, track {track}");
            let times: Vec<i64> = read.iter().filter(|p| p.track == track).map(|p| p.pts.micros()).collect();
            assert_eq!(times, theirs[&track].iter().map(|p| p.pts).collect::<Vec<_>>(), "{flags}, track {track}");
        }
        let chunks = pieces(&fs::read(dir.join("f.mp4")).unwrap());
        let chunks: Vec<_> = chunks.iter().filter_map(|p| if let Split::Chunk(c) = p { Some(c) } else { None }).collect();
        let frames: u32 = chunks.iter().map(|c| c.frames).sum();
        let keys = chunks.iter().filter(|c| c.key && c.track != Some(2)).count();
        let separate = flags.contains("separate") || flags.contains("every") || flags.contains("cmaf") || flags.contains("dash");
        assert_eq!(keys, 1, "{flags}");
        assert!(frames == 75 || (separate && frames == 75 + 141), "{flags}: {frames} frames");
        // Our own stage takes it too.
        mux(&dir.join("f.mp4"), &dir.join("out.mp4"), &[]);
        same_packets(&probe(&dir.join("out.mp4"))[&0], &probe(&source)[&0], 1);
    }
}

/// The next writer begins where the wall clock says; one whose clock was set back meanwhile follows the one before.
#[test]
fn the_next_writer_never_goes_back_in_time() {
    let track = codec::opus::track(codec::opus::OpusHead::new(2, 312, 48_000).build()).unwrap();
    let header = |zero| Header { tracks: [track.clone()].into(), time_zero: Some(WallTime(zero)) };
    let packet = |n: i64| Packet { track: 0, pts: Timestamp(n * 20_000), key: true, data: vec![0xfc, 0xff, 0xfe].into(), hidden: false };
    let zero = 1_700_000_000_000_000;
    for (next, expected) in [(zero + 5_000_000, 5_000_000), (zero + 20_000, 20_000), (zero - 3_600_000_000, 40_000)] {
        let mut muxer = Muxer::new(&header(zero), MuxOptions { fragment: Fragment::Frame, prft: true }).unwrap();
        let mut movie = muxer.init().bytes.to_vec();
        let mut push = |muxer: &mut Muxer, n| {
            let chunk = muxer.push(packet(n)).unwrap().expect("a chunk per frame");
            movie.extend([chunk.head].into_iter().chain(chunk.data).flatten());
        };
        push(&mut muxer, 0);
        push(&mut muxer, 1);
        muxer.header(&header(next)).unwrap();
        push(&mut muxer, 0);
        let Split::Chunk(last) = pieces(&movie).pop().unwrap() else { panic!("no chunk") };
        assert_eq!(last.start.micros(), expected, "{next}");
        assert_eq!(last.captured, Some(WallTime(next)), "captured when it was captured");
    }
}

/// A chunk is the same thing wherever it comes from: what the muxer says of one is what a splitter finds in its bytes, and a stream
/// that follows another has the bytes of one that a splitter moved.
#[test]
fn a_chunk_says_what_is_in_its_bytes() {
    let events = events(&data("bigbuckbunny-3s.mp4"));
    let Event::Header(header) = &events[0] else { panic!("no header first") };
    let packets = events.iter().filter_map(|event| if let Event::Packet(packet) = event { Some(packet) } else { None });
    let made = |fragment, follow: Option<Timestamp>| {
        let mut muxer = Muxer::new(header, MuxOptions { fragment, prft: true }).unwrap();
        muxer.set_time_zero(|| WallTime(1_700_000_000_000_000));
        follow.into_iter().for_each(|start| muxer.follow(start));
        let mut chunks: Vec<_> = packets.clone().filter_map(|packet| muxer.push(packet.clone()).unwrap()).collect();
        chunks.extend(muxer.flush());
        let whole = |chunk: Chunk| Chunk { head: chunk.buffers().flatten().copied().collect(), data: vec![], ..chunk };
        (muxer.init().clone(), chunks.into_iter().map(whole).collect::<Vec<_>>())
    };
    for fragment in [Fragment::Frame, Fragment::Gop, Fragment::Every(Duration::from_millis(500))] {
        let (init, plain) = made(fragment, None);
        let start = Timestamp(7_654_321);
        for (shift, chunks) in [(0, &plain), (start - plain[0].start, &made(fragment, Some(start)).1)] {
            let (mut splitter, mut buf) = (Splitter::default(), BytesMut::from(&init.bytes[..]));
            splitter.set_shift(shift);
            plain.iter().for_each(|chunk| buf.extend_from_slice(&chunk.head));
            let Ok(Split::Init(found)) = splitter.next(&mut buf, true) else { panic!("no init segment first") };
            assert_eq!(found.bytes, init.bytes);
            for (found, said) in found.tracks.iter().zip(&init.tracks) {
                let of = |t: &bmff::InitTrack| {
                    (t.id, t.timescale, t.track.codec, codec::mime(&t.track), t.track.as_video().map(|v| v.displayed()))
                };
                assert_eq!(of(found), of(said));
            }
            for chunk in chunks {
                let Ok(Split::Chunk(found)) = splitter.next(&mut buf, true) else { panic!("a chunk is missing") };
                assert!(
                    found == *chunk,
                    "{fragment} by {shift}: {:?} {:?} {:?} {:?}",
                    found.start,
                    chunk.start,
                    found.duration,
                    chunk.duration
                );
            }
            assert!(matches!(splitter.next(&mut buf, true), Ok(Split::End)));
        }
    }
}
