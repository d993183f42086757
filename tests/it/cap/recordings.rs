//! Recordings in files, and streams from pipes.

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
