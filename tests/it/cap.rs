//! h5cap: what its sources put on the pipe, judged by ffmpeg and ffprobe.

use crate::util::{Finished, Running, TempDir, eventually, h5, run, run_for, shell};
use h5live::format::Timing;
use h5live::media::{Event, Header, Packet, PixelFormat, SystemClock, WallTime};
use h5live::pipe::{Reader, ReaderOptions};
use h5live::source::pattern::{Options, Pattern};
use std::fs;
use std::io::Write;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Runs h5cap to its end.
#[track_caller]
fn cap(args: &str) -> Vec<u8> {
    cap_in(Path::new("."), args)
}

#[track_caller]
fn cap_in(dir: &Path, args: &str) -> Vec<u8> {
    let args: Vec<_> = args.split(' ').collect();
    run(h5("h5cap", &args).current_dir(dir), b"").success().stdout
}

/// Runs ffmpeg or ffprobe on a stream.
#[track_caller]
fn tool(name: &str, args: &str, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(name);
    command.args(["-v", "error"]).args(args.split(' '));
    let done = run(&mut command, input).success();
    assert_eq!(done.stderr, "", "{name} {args}");
    done.stdout
}

/// The lines of ffprobe's compact output, without the section's name.
#[track_caller]
fn probe(entries: &str, input: &[u8]) -> Vec<String> {
    let text = String::from_utf8(tool("ffprobe", &format!("{entries} -of csv=p=0 -"), input)).unwrap();
    text.lines().map(|line| line.trim_end_matches(',').to_owned()).collect()
}

/// Presentation times of one kind of track, in microseconds, in the order of the file.
#[track_caller]
fn times(kind: &str, input: &[u8]) -> Vec<i64> {
    let lines = probe(&format!("-select_streams {kind} -show_entries packet=pts_time"), input);
    lines.iter().map(|t| (t.parse::<f64>().unwrap() * 1e6).round() as i64).collect()
}

/// What is in a stream, read by our own reader.
fn read(stream: impl Read + Send + 'static) -> impl Iterator<Item = Event> {
    let options = ReaderOptions { name: "h5cap".into(), format: None, timing: Timing::Stream, clock: Arc::new(SystemClock::default()) };
    let mut reader = Reader::new(stream, options);
    std::iter::from_fn(move || reader.next().unwrap())
}

fn parse(stream: &[u8]) -> (Header, Vec<Packet>) {
    let mut events = read(Cursor::new(stream.to_vec()));
    let Some(Event::Header(header)) = events.next() else { panic!("no header") };
    let packet = |e| if let Event::Packet(p) = e { p } else { panic!("a second header") };
    (header, events.map(packet).collect())
}

/// The machine-readable clock of a picture: capture time in milliseconds and frame number, both modulo 2^32. Written from
/// its description, not from the code that draws it.
fn clock(luma: &[u8], width: usize) -> Option<(u32, u32)> {
    let block = (width / 36).max(8);
    let bit = |row: usize, column: usize| {
        let (x, y) = ((2 * column + 1) * width / 72, row * block + block / 2);
        luma[y * width + x] > 125
    };
    let word = |row: usize, columns: std::ops::Range<usize>| columns.fold(0u32, |n, c| n << 1 | u32::from(bit(row, c)));
    let (time, number) = (word(0, 0..32), word(1, 0..32));
    let told = word(0, 32..36) << 4 | word(1, 32..36);
    let mut crc = 0xff_u32;
    for byte in time.to_be_bytes().into_iter().chain(number.to_be_bytes()) {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 0x80 == 0 { crc << 1 } else { (crc << 1 ^ 0x107) & 0xff };
        }
    }
    (crc == told).then_some((time, number))
}

/// Pictures of plain luma, cut apart.
fn pictures(raw: &[u8], width: usize, height: usize) -> std::slice::ChunksExact<'_, u8> {
    assert_eq!(raw.len() % (width * height), 0);
    raw.chunks_exact(width * height)
}

mod test_picture {
    use super::*;

    #[test]
    fn times_are_exact() {
        let stream = cap("test --size 64x36 --rate 30000/1001 --duration 2 --no-pace");
        let expected: Vec<i64> = (0..60).map(|n| n * 1_001_000_000 / 30_000).collect();
        assert_eq!(times("v", &stream), expected);
        let expected: Vec<i64> = (0..200).map(|n| n * 10_000).collect();
        assert_eq!(times("a", &stream), expected);
        let (_, packets) = parse(&stream);
        assert!(packets.is_sorted_by_key(|p| p.pts), "interleaved by time");
        let streams = probe("-show_entries stream=codec_name,width,height,r_frame_rate,sample_rate,channels", &stream);
        assert_eq!(streams, ["rawvideo,64,36,30000/1001", "pcm_s16le,48000,2,0/0"]);
        assert_eq!(probe("-show_entries stream=codec_type", &cap("test --no-audio --duration 1 --no-pace")), ["video"]);
    }

    /// ffmpeg takes every layout for what it is, and its bytes for what was drawn.
    #[test]
    fn every_pixel_format_is_exact() {
        let names = [
            (PixelFormat::I420, "yuv420p"),
            (PixelFormat::Nv12, "nv12"),
            (PixelFormat::I422, "yuv422p"),
            (PixelFormat::I444, "yuv444p"),
            (PixelFormat::Yuy2, "yuyv422"),
            (PixelFormat::Uyvy, "uyvy422"),
            (PixelFormat::Rgb24, "rgb24"),
            (PixelFormat::Bgr24, "bgr24"),
            (PixelFormat::Rgba, "rgba"),
            (PixelFormat::Bgra, "bgra"),
            (PixelFormat::Gray, "gray"),
        ];
        assert_eq!(names.map(|(format, _)| format), PixelFormat::ALL);
        for (format, name) in names {
            let stream = cap(&format!("test --size 322x184 --rate 10 --duration 1 --no-audio --no-pace --pixel-format {format}"));
            assert_eq!(probe("-show_entries stream=pix_fmt", &stream), [name]);
            let (header, _) = parse(&stream);
            let rate = "10".parse().unwrap();
            let options = Options { width: 322, height: 184, rate, format, audio: false, duration: Some(Duration::from_secs(1)) };
            let drawn: Vec<u8> = Pattern::new(options, header.time_zero.unwrap())
                .flat_map(|e| if let Event::Packet(p) = e { p.data.to_vec() } else { Vec::new() })
                .collect();
            assert!(tool("ffmpeg", "-i - -f rawvideo -", &stream) == drawn, "{format}: ffmpeg sees other bytes");
        }
    }

    /// The same picture in every format: converted by ffmpeg, each gives the luma of I420, but for rounding.
    #[test]
    fn every_pixel_format_shows_the_same() {
        let luma = |format: PixelFormat| {
            let stream = cap(&format!("test --size 320x180 --rate 1 --duration 1 --no-audio --no-pace --pixel-format {format}"));
            // The clocks differ from run to run: what is compared are the bars and the grey steps.
            let convert = "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,crop=320:70:0:18,extractplanes=y";
            tool("ffmpeg", &format!("-i - -vf {convert} -f rawvideo -"), &stream)
        };
        let expected = luma(PixelFormat::I420);
        assert!(expected.iter().max() > expected.iter().min());
        for format in PixelFormat::ALL {
            // ffmpeg takes plain grey for full range whatever the stream says; the test above has its bytes.
            if format != PixelFormat::Gray {
                let seen = luma(format);
                let worst = expected.iter().zip(&seen).map(|(a, b)| a.abs_diff(*b)).max();
                assert!(seen.len() == expected.len() && worst <= Some(1), "{format}: {worst:?}");
            }
        }
    }

    /// After H.264 at a low bitrate, and after scaling.
    #[test]
    fn the_machine_clock_survives() {
        let stream = cap("test --duration 3 --no-audio --no-pace");
        let (header, _) = parse(&stream);
        let zero = header.time_zero.unwrap();
        let check = |what: &str, raw: &[u8], width: usize, height: usize| {
            let frames: Vec<_> = pictures(raw, width, height).map(|luma| clock(luma, width)).collect();
            assert_eq!(frames.len(), 90, "{what}");
            for (n, seen) in frames.into_iter().enumerate() {
                let time = (zero.0 + n as i64 * 1_000_000 / 30) / 1000;
                assert_eq!(seen, Some((time as u32, n as u32)), "{what}: frame {n}");
            }
        };
        let gray = "-f rawvideo -pix_fmt gray -";
        // No change of range: luma as it is.
        let luma = "-vf format=yuv420p,extractplanes=y";
        check("raw", &tool("ffmpeg", &format!("-i - {luma} {gray}"), &stream), 1280, 720);
        let coded = tool("ffmpeg", "-i - -c:v libx264 -preset veryfast -tune zerolatency -b:v 300k -f matroska -", &stream);
        assert!(coded.len() < 300_000 / 8 * 3 * 2, "{} bytes", coded.len());
        check("coded", &tool("ffmpeg", &format!("-i - {luma} {gray}"), &coded), 1280, 720);
        check(
            "coded and scaled",
            &tool("ffmpeg", &format!("-i - -vf scale=320:180,format=yuv420p,extractplanes=y {gray}"), &coded),
            320,
            180,
        );
        let scaled =
            tool("ffmpeg", "-i - -vf scale=320:180 -c:v libx264 -preset veryfast -tune zerolatency -b:v 100k -f matroska -", &stream);
        check("scaled and coded", &tool("ffmpeg", &format!("-i - {luma} {gray}"), &scaled), 320, 180);
    }

    #[test]
    fn the_beep_sounds_with_the_flash() {
        let stream = cap("test --size 320x180 --rate 25 --duration 3 --no-pace");
        let sound = tool("ffmpeg", "-i - -map 0:a -ac 1 -f s16le -", &stream);
        let samples: Vec<u16> = sound.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]]).unsigned_abs()).collect();
        // Loud where the loudest of 5 ms is.
        let loud: Vec<bool> = samples.chunks(240).map(|c| c.iter().max() > Some(&3000)).collect();
        let beeps: Vec<f64> = starts(&loud).map(|n| n as f64 * 0.005).collect();
        let raw = tool("ffmpeg", "-i - -map 0:v -vf crop=64:64:246:100,extractplanes=y -f rawvideo -pix_fmt gray -", &stream);
        let bright: Vec<bool> = pictures(&raw, 64, 64).map(|l| l.iter().map(|&v| u32::from(v)).sum::<u32>() > 64 * 64 * 90).collect();
        let flashes: Vec<f64> = starts(&bright).map(|n| n as f64 * 0.04).collect();
        assert_eq!(flashes, [0.0, 1.0, 2.0]);
        assert_eq!(beeps, [0.0, 1.0, 2.0]);
    }

    /// Where a run of `true` starts.
    fn starts(on: &[bool]) -> impl Iterator<Item = usize> {
        on.iter().enumerate().filter(|&(n, &now)| now && (n == 0 || !on[n - 1])).map(|(n, _)| n)
    }

    /// Each frame comes when it says that it was captured, not before and not much later.
    #[test]
    fn frames_come_at_their_time() {
        let mut running = Running::start(&mut h5("h5cap", &["test", "--size", "64x36", "--duration", "2", "--late", "block"]));
        let mut events = read(running.stdout());
        let Some(Event::Header(header)) = events.next() else { panic!("no header") };
        let zero = header.time_zero.unwrap();
        let delays: Vec<i64> =
            events.map(|e| if let Event::Packet(p) = e { WallTime::now().0 - zero.at(p.pts).0 } else { panic!() }).collect();
        assert_eq!(delays.len(), 260);
        let mut sorted = delays.clone();
        sorted.sort_unstable();
        assert!(sorted[0] > -2_000, "one came {} µs before its time", -sorted[0]);
        assert!(sorted[130] < 100_000, "half came {} µs late or more", sorted[130]);
    }

    /// What is live does not wait: a reader that was away gets what is new.
    #[test]
    fn a_slow_reader_loses_the_oldest_pictures() {
        let mut running = Running::start(&mut h5("h5cap", &["test", "--duration", "4", "--no-audio"]));
        let mut stdout = running.stdout();
        std::thread::sleep(Duration::from_secs(2));
        let times: Vec<i64> = {
            let mut all = Vec::new();
            stdout.read_to_end(&mut all).unwrap();
            parse(&all).1.iter().map(|p| p.pts.micros()).collect()
        };
        assert!(times.len() < 90 && times.is_sorted(), "{} frames of 120", times.len());
        let hole = times.windows(2).map(|w| w[1] - w[0]).max().unwrap();
        assert!(hole > 1_000_000, "{hole} µs");
        let mut blocked = Running::start(&mut h5("h5cap", &["test", "--duration", "1", "--no-audio", "--late", "block"]));
        std::thread::sleep(Duration::from_millis(1500));
        let mut all = Vec::new();
        blocked.stdout().read_to_end(&mut all).unwrap();
        assert_eq!(parse(&all).1.len(), 30, "--late block loses nothing");
    }
}

mod stills {
    use super::*;

    /// Three JPEGs and a PNG of other contents and size.
    fn album() -> TempDir {
        let dir = TempDir::new();
        for (n, file) in ["1.jpg", "2.jpg", "10.jpg"].iter().enumerate() {
            let source = format!("testsrc2=size=160x120:rate=1:duration=9,trim=start={n},setpts=0");
            let args = ["-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", "1", "-update", "1", file];
            run(Command::new("ffmpeg").args(args).current_dir(&*dir), b"").success();
        }
        let args = ["-v", "error", "-i", "2.jpg", "-vf", "scale=90:50", "-pix_fmt", "rgb24", "-update", "1", "3.png"];
        run(Command::new("ffmpeg").args(args).current_dir(&*dir), b"").success();
        dir
    }

    #[test]
    fn jpegs_pass_untouched() {
        let dir = album();
        let stream = cap_in(&dir, "1.jpg 2.jpg 10.jpg --rate 2 --no-pace");
        let (_, packets) = parse(&stream);
        let files = ["1.jpg", "2.jpg", "10.jpg"].map(|f| fs::read(dir.join(f)).unwrap());
        assert!(packets.iter().map(|p| &p.data[..]).eq(files.iter().map(|f| &f[..])), "the bytes of the files");
        assert_eq!(times("v", &stream), [0, 500_000, 1_000_000]);
        assert_eq!(probe("-show_entries stream=codec_name,width,height", &stream), ["mjpeg,160,120"]);
        // ffmpeg's own hash of what it read.
        let hashes = probe("-show_entries packet=data_hash -show_data_hash md5", &stream);
        let expected: Vec<_> = ["1.jpg", "2.jpg", "10.jpg"].map(|f| md5(&dir.join(f))).into();
        assert_eq!(hashes, expected);
    }

    fn md5(path: &Path) -> String {
        let done = run(Command::new("md5sum").arg(path), b"").success();
        format!("MD5:{}", done.text().split(' ').next().unwrap())
    }

    #[test]
    fn they_are_shown_in_real_time_and_again() {
        let dir = album();
        let start = Instant::now();
        let stream = cap_in(&dir, "1.jpg 2.jpg 10.jpg --rate 4 --loop --duration 1.5");
        assert!(start.elapsed() >= Duration::from_millis(1250), "{:?}", start.elapsed());
        let (_, packets) = parse(&stream);
        assert_eq!(packets.iter().map(|p| p.pts.micros()).collect::<Vec<_>>(), (0..6).map(|n| n * 250_000).collect::<Vec<_>>());
        assert!((0..3).all(|n| packets[n].data == packets[n + 3].data), "the second round is the first");
    }

    #[test]
    fn other_formats_are_decoded_and_announced() {
        let dir = album();
        // In the order of their names: 1.jpg, 2.jpg, 3.png, 10.jpg.
        let stream = cap_in(&dir, ". --no-pace");
        let events: Vec<_> = read(Cursor::new(stream)).collect();
        let headers = events.iter().filter_map(|e| if let Event::Header(h) = e { Some(h.tracks[0].codec.to_string()) } else { None });
        assert_eq!(headers.collect::<Vec<_>>(), ["MJPEG", "raw rgb24", "MJPEG"]);
        let png = events.iter().find_map(|e| match e {
            Event::Packet(p) if p.data.len() == 90 * 50 * 3 => Some(p.data.clone()),
            _ => None,
        });
        let args = ["-v", "error", "-i", "3.png", "-f", "rawvideo", "-"];
        let decoded = run(Command::new("ffmpeg").args(args).current_dir(&*dir), b"").success().stdout;
        assert!(png.is_some_and(|png| png == decoded), "what ffmpeg decodes");
        let only = cap_in(&dir, "3.png");
        assert_eq!(probe("-show_entries stream=codec_name,pix_fmt,width,height", &only), ["rawvideo,90,50,rgb24"]);
    }
}

mod growing {
    use super::*;

    /// Packets of a running h5cap, as they come.
    fn follow(dir: &Path) -> (Running, Receiver<Packet>) {
        let mut running = Running::start(&mut h5("h5cap", &["--follow", dir.to_str().unwrap(), "--rate", "1/60"]));
        let stdout = running.stdout();
        let (to, packets) = channel();
        std::thread::spawn(move || {
            for event in read(stdout) {
                if let Event::Packet(packet) = event {
                    _ = to.send(packet);
                }
            }
        });
        (running, packets)
    }

    fn jpeg(dir: &Path, second: u32) -> Vec<u8> {
        let source = format!("testsrc2=size=640x480:rate=1,trim=start={second},setpts=0");
        let args = ["-v", "error", "-f", "lavfi", "-i", &source, "-frames:v", "1", "-update", "1", "-f", "mjpeg", "made"];
        run(Command::new("ffmpeg").args(["-y"]).args(args).current_dir(dir), b"").success();
        fs::read(dir.join("made")).unwrap()
    }

    #[test]
    fn new_pictures_come_when_they_are_whole() {
        let (dir, made) = (TempDir::new(), TempDir::new());
        let images: Vec<_> = (0..4).map(|n| jpeg(&made, n)).collect();
        fs::write(dir.join("old.jpg"), &images[0]).unwrap();
        let (mut running, packets) = follow(&dir);
        let patience = Duration::from_secs(30);
        let next = |what: &str| packets.recv_timeout(patience).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(next("what is there").data == images[0]);

        let mut slow = fs::File::create(dir.join("a.jpg")).unwrap();
        let half = images[1].len() / 2;
        slow.write_all(&images[1][..half]).unwrap();
        // One that is whole overtakes it, as does one that is renamed when it is whole.
        fs::write(dir.join("b.jpg"), &images[2]).unwrap();
        assert!(next("the whole one").data == images[2]);
        fs::write(dir.join("c.jpg.part"), &images[3]).unwrap();
        fs::rename(dir.join("c.jpg.part"), dir.join("c.jpg")).unwrap();
        assert!(next("the renamed one").data == images[3]);
        assert!(packets.recv_timeout(Duration::from_millis(500)).is_err(), "half a picture is none");
        slow.write_all(&images[1][half..]).unwrap();
        let late = next("the slow one, now whole");
        assert!(late.data == images[1]);

        // Written over in place.
        fs::write(dir.join("old.jpg"), &images[3]).unwrap();
        let last = next("the same name again");
        assert!(last.data == images[3] && last.pts > late.pts);
        running.signal("TERM");
        eventually("ends on SIGTERM", || (!running.is_running()).then_some(()));
        assert_eq!(running.finish(patience).code(), 0);
    }

    #[test]
    fn an_empty_directory_is_waited_for_and_a_missing_one_is_not() {
        let dir = TempDir::new();
        let (_running, packets) = follow(&dir);
        assert!(packets.recv_timeout(Duration::from_millis(300)).is_err());
        let made = TempDir::new();
        let image = jpeg(&made, 1);
        fs::write(dir.join("1.JPG"), &image).unwrap();
        assert!(packets.recv_timeout(Duration::from_secs(30)).unwrap().data == image);
        let missing = run(&mut h5("h5cap", &["--follow", "/no/such/directory"]), b"");
        assert_eq!(missing.code(), 3);
    }
}

mod recordings {
    use super::*;

    /// Two seconds of H.264 with B-frames, and AAC.
    fn film(dir: &Path, file: &str, options: &str) -> PathBuf {
        let path = dir.join(file);
        let video = "-f lavfi -i testsrc2=size=160x120:rate=25:duration=2 -f lavfi -i sine=frequency=440:duration=2";
        let coding = "-c:v libx264 -preset veryfast -bf 3 -g 25 -c:a aac -shortest";
        let all = format!("-v error -y {video} {coding} {options}");
        run(Command::new("ffmpeg").args(all.split_whitespace()).arg(&path), b"").success();
        path
    }

    /// Time, size and hash of every packet, sorted by time.
    fn packets_of(input: &str, stream: &[u8]) -> Vec<String> {
        let entries = "-show_entries packet=stream_index,pts_time,size,data_hash -show_data_hash md5 -of compact=p=0";
        let text = String::from_utf8(tool("ffprobe", &format!("{entries} {input}"), stream)).unwrap();
        // Side data stand on a line of their own, in the middle of a packet's.
        let text = text.replace("\n|", "|").replace("||", "|");
        let mut lines: Vec<_> = text.lines().map(|l| l.trim_end_matches('|').to_owned()).filter(|l| !l.is_empty()).collect();
        lines.sort();
        lines
    }

    #[test]
    fn packets_pass_untouched() {
        let dir = TempDir::new();
        let path = film(&dir, "film.mkv", "");
        let stream = cap(&format!("{} --no-pace", path.display()));
        assert!(packets_of("-", &stream) == packets_of(path.to_str().unwrap(), b""));
    }

    /// A pipe cannot go back to an index at the end; a file can.
    #[test]
    fn mp4_with_its_index_at_the_end() {
        let dir = TempDir::new();
        let path = film(&dir, "film.mp4", "");
        let file = fs::read(&path).unwrap();
        let place = |kind: &[u8]| file.windows(4).position(|w| w == kind).unwrap();
        assert!(place(b"mdat") < place(b"moov"), "as ffmpeg writes it");
        let stream = cap(&format!("{} --no-pace", path.display()));
        let packets = packets_of("-", &stream);
        assert!(packets.len() > 100);
        assert!(packets == packets_of(path.to_str().unwrap(), b""));
    }

    #[test]
    fn a_loop_has_no_jump() {
        let dir = TempDir::new();
        let path = film(&dir, "film.mkv", "");
        let stream = cap(&format!("{} --no-pace --loop --duration 7", path.display()));
        let once = fs::read(&path).unwrap();
        for kind in ["v", "a"] {
            let (looped, single) = (times(kind, &stream), times(kind, &once));
            let mut shown = looped.clone();
            shown.sort_unstable();
            let steps: Vec<_> = shown.windows(2).map(|w| w[1] - w[0]).collect();
            let frame = if kind == "v" { 40_000 } else { 23_219 };
            assert!(looped.len() > 3 * single.len(), "{kind}: three times and more");
            // At a seam the shorter track waits for the longer one: no more than the length of a few frames of audio.
            assert!(steps.iter().all(|&s| s > frame - 2_000 && s < frame + 60_000), "{kind}: {steps:?}");
            // Each round is the first one, later, by the same time for both tracks.
            let round = looped[single.len()] - looped[0];
            assert!((0..single.len()).all(|n| (looped[n + single.len()] - looped[n] - round).abs() <= 1), "{kind}");
            assert!((2_000_000..2_080_000).contains(&round), "{kind}: {round}");
        }
        let rounds = ["v", "a"].map(|kind| times(kind, &stream)[times(kind, &once).len()] - times(kind, &stream)[0]);
        assert!((rounds[0] - rounds[1]).abs() <= 1, "picture and sound stay together: {rounds:?}");
        tool("ffmpeg", "-xerror -i - -f null -", &stream);
    }

    #[test]
    fn files_play_in_real_time_and_pipes_as_they_come() {
        let dir = TempDir::new();
        let path = film(&dir, "film.mkv", "");
        let timed = |command: &mut Command, input: &[u8]| {
            let done: Finished = run_for(command, input, Duration::from_secs(60)).success();
            (done.took, parse(&done.stdout))
        };
        let before = WallTime::now();
        let file = path.to_str().unwrap();
        let (took, (header, packets)) = timed(&mut h5("h5cap", &[file]), b"");
        assert!(took >= Duration::from_millis(1850), "{took:?}");
        assert!(packets.len() > 50);
        let zero = header.time_zero.unwrap();
        assert!(zero.0 - before.0 > -1_000_000 && zero <= WallTime::now(), "it is live now");
        let bytes = fs::read(&path).unwrap();
        let (took, _) = timed(&mut h5("h5cap", &["-"]), &bytes);
        assert!(took < Duration::from_millis(1850), "{took:?}");
        let (took, _) = timed(&mut h5("h5cap", &["-", "--pace"]), &bytes);
        assert!(took >= Duration::from_millis(1850), "{took:?}");
        let redirected = Stdio::from(fs::File::open(&path).unwrap());
        let running = Running::start_with(&mut h5("h5cap", &["-", "--duration", "1"]), redirected, Stdio::piped());
        let done = running.finish(Duration::from_secs(60)).success();
        assert!(done.took >= Duration::from_millis(900), "{:?}", done.took);
        assert_eq!(times("v", &done.stdout).len(), 25);
    }

    /// Raw media passes through, timed by --rate.
    #[test]
    fn raw_streams_get_times() {
        let dir = TempDir::new();
        let source = film(&dir, "film.mkv", "");
        let raw = tool("ffmpeg", &format!("-i {} -map 0:v -c copy -bsf:v h264_mp4toannexb -f h264 -", source.display()), b"");
        let done = run(&mut h5("h5cap", &["-", "--rate", "50"]), &raw).success();
        assert_eq!(probe("-show_entries stream=codec_name,width,height", &done.stdout), ["h264,160,120"]);
        let mut shown = times("v", &done.stdout);
        shown.sort_unstable();
        assert!(shown.windows(2).all(|w| w[1] - w[0] == 20_000) && shown.len() == 50, "{shown:?}");
    }

    /// A FIFO is waited for, and read as it comes.
    #[test]
    fn a_fifo_is_a_source() {
        let dir = TempDir::new();
        let path = film(&dir, "film.mkv", "");
        let fifo = dir.join("fifo");
        run(Command::new("mkfifo").arg(&fifo), b"").success();
        let running = Running::start(&mut h5("h5cap", &[fifo.to_str().unwrap()]));
        std::thread::sleep(Duration::from_millis(200));
        fs::write(&fifo, fs::read(&path).unwrap()).unwrap();
        let done = running.finish(Duration::from_secs(60)).success();
        assert_eq!(times("v", &done.stdout).len(), 50);
        // And not for ever, when asked to stop.
        let mut waiting = Running::start(&mut h5("h5cap", &[fifo.to_str().unwrap()]));
        std::thread::sleep(Duration::from_millis(300));
        assert!(waiting.is_running());
        waiting.signal("TERM");
        assert_eq!(waiting.finish(Duration::from_secs(20)).code(), 0);
    }
}

mod ends {
    use super::*;

    #[test]
    fn errors_are_one_line_with_the_right_code() {
        let dir = TempDir::new();
        fs::write(dir.join("garbage.mkv"), "garbage that is no stream of any kind").unwrap();
        fs::write(dir.join("garbage.jpg"), "garbage").unwrap();
        fs::write(dir.join("cut.jpg"), [0xff, 0xd8, 0xff, 0xd9]).unwrap();
        fs::write(dir.join("empty.mkv"), "").unwrap();
        fs::create_dir(dir.join("folder")).unwrap();
        let cases = [
            ("none.mkv", 3, "none.mkv: No such file"),
            ("none.jpg", 3, "none.jpg: No such file"),
            ("folder", 3, "folder: no pictures in this directory"),
            ("/dev/video99", 3, "/dev/video99: No such file"),
            ("/dev/null", 3, "/dev/null: this device is no camera"),
            ("rtmp://camera/stream", 4, "ffmpeg -i rtmp://"),
            ("garbage.mkv", 4, "garbage.mkv: "),
            ("garbage.jpg", 4, "garbage.jpg: "),
            ("cut.jpg", 4, "cut.jpg: "),
            ("empty.mkv", 4, "empty.mkv: input: the file is empty"),
            ("test - --no-pace", 2, "only pictures can be several"),
            ("test --loop", 2, "--loop"),
            ("- --loop", 2, "cannot be read again"),
            ("test --follow", 2, "--follow"),
            ("empty.mkv --size 2x2", 2, "--size"),
            ("empty.mkv --pixel-format nv12", 2, "--pixel-format"),
            ("cut.jpg --live", 2, "--live"),
            ("test --size 0x0", 2, "a size is"),
            ("test --size 1x99999999999", 2, "a size is"),
            ("test --rate 0", 2, "a frame rate is"),
            ("test --pixel-format yuv", 2, "choose one of"),
            ("test --duration never", 2, "a time is"),
        ];
        for (args, code, text) in cases {
            let args: Vec<_> = args.split(' ').collect();
            let done = run(h5("h5cap", &args).current_dir(&*dir), b"");
            assert_eq!(done.code(), code, "{args:?}: {}", done.stderr);
            assert!(done.stderr.contains(text) && !done.stderr.contains("panicked"), "{args:?}: {}", done.stderr);
            assert!(code == 2 || done.stderr.lines().count() == 1, "{args:?}: {}", done.stderr);
            assert!(done.stdout.is_empty(), "{args:?}: nothing goes out");
        }
    }

    #[test]
    fn without_a_source_it_names_the_test_picture() {
        if fs::read_dir("/dev").unwrap().flatten().any(|e| e.file_name().to_string_lossy().starts_with("video")) {
            return;
        }
        for args in [&[][..], &["camera:"]] {
            let done = run(&mut h5("h5cap", args), b"");
            assert_eq!(done.code(), 3);
            assert!(done.stderr.contains("h5cap test"), "{}", done.stderr);
        }
    }

    #[test]
    fn signals_and_closed_pipes_are_normal_ends() {
        for signal in ["TERM", "INT"] {
            // At this rate it sleeps for minutes between two frames.
            let mut running = Running::start(&mut h5("h5cap", &["test", "--rate", "1/300", "--no-audio", "--size", "64x36"]));
            let mut first = [0; 4000];
            let mut stdout = running.stdout();
            stdout.read_exact(&mut first).unwrap();
            running.signal(signal);
            eventually("ends", || (!running.is_running()).then_some(()));
            let mut rest = Vec::new();
            stdout.read_to_end(&mut rest).unwrap();
            assert_eq!(parse(&[&first[..], &rest].concat()).1.len(), 1, "what was begun is whole");
            assert_eq!(running.finish(Duration::from_secs(20)).code(), 0, "SIG{signal}");
        }
        for late in ["drop", "block"] {
            let done = run(&mut shell(&format!("h5cap test --late {late} | head -c 100000 | wc -c")), b"").success();
            assert_eq!((done.text().trim(), done.stderr.as_str()), ("100000", ""));
            let full = run(&mut shell(&format!("h5cap test --late {late} > /dev/full")), b"");
            assert_eq!(full.code(), 1);
            assert!(full.stderr.contains("stdout: No space left"), "{}", full.stderr);
        }
    }

    #[test]
    fn a_prefix_tells_a_file_from_a_source() {
        let dir = TempDir::new();
        let film = cap("test --size 64x36 --duration 1 --no-pace");
        fs::write(dir.join("test"), &film).unwrap();
        let stream = cap_in(&dir, "file:test --no-pace");
        assert_eq!(times("v", &stream).len(), 30);
        assert_eq!(probe("-show_entries stream=width", &cap_in(&dir, "test: --duration 0.1")), ["1280", ""]);
    }
}
