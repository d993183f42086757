//! Where a stream can be started, and that nothing is ever not shown without a word.

use crate::serve::Server;
use crate::util::{Running, TempDir, data, eventually, free_port, h5, http, run, shell};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Presentation times in milliseconds, in decoding order, of the first video track.
fn times(file: &Path) -> Vec<i64> {
    let args = ["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0"];
    let found = run(Command::new("ffprobe").args(args).arg(file), b"").success();
    let millis = |line: &str| (line.trim_matches(',').parse::<f64>().unwrap() * 1000.0).round() as i64;
    found.text().lines().map(millis).collect()
}

/// What a program makes of a file, in a file.
fn made(dir: &TempDir, program: &str, args: &[&str], file: &Path) -> std::path::PathBuf {
    let end = run(h5(program, args).arg(file), b"").success();
    assert_eq!(end.stderr, "", "{program}");
    let out = dir.join(format!("{program}.out"));
    fs::write(&out, end.stdout).unwrap();
    out
}

fn stderr_lines(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| !line.starts_with("http://")).collect()
}

#[test]
fn a_jump_of_the_clock_between_b_frames_moves_no_picture() {
    let (dir, file) = (TempDir::new(), data("time-jump.mkv"));
    let expected = times(&file);
    assert!(expected.iter().any(|t| *t > 10_000_000));
    assert_eq!(times(&made(&dir, "h5mux", &[], &file)), expected);
    assert_eq!(times(&made(&dir, "h5cap", &["--no-pace"], &file)), expected);
}

#[test]
fn times_before_zero_keep_their_distances() {
    let (dir, file) = (TempDir::new(), data("negative-times.mkv"));
    for (program, args) in [("h5mux", &[][..]), ("h5cap", &["--no-pace"])] {
        let mut found = times(&made(&dir, program, args, &file));
        assert_eq!(found.len(), 50, "{program}");
        found.sort_unstable();
        assert_eq!(found, (0..50).map(|n| 40 * n).collect::<Vec<_>>(), "{program}");
    }
}

#[test]
fn matroska_tracks_behind_the_clusters() {
    let (dir, file) = (TempDir::new(), data("tracks-behind.mkv"));
    let expected = times(&file);
    assert_eq!(expected.len(), 13);
    assert_eq!(times(&made(&dir, "h5mux", &[], &file)), expected);
    assert_eq!(times(&made(&dir, "h5cap", &["--no-pace"], &file)), expected);
    let stdin = Running::start_with(&mut h5("h5mux", &[]), fs::File::open(&file).unwrap().into(), Stdio::piped());
    let out = dir.join("stdin.mp4");
    fs::write(&out, stdin.finish(crate::util::PATIENCE).success().stdout).unwrap();
    assert_eq!(times(&out), expected);
    // A pipe cannot go back: it is told what to do.
    let piped = run(&mut h5("h5mux", &[]), &fs::read(&file).unwrap());
    assert_eq!((piped.code(), piped.stderr.contains("give the file by its name")), (4, true), "{}", piped.stderr);
}

#[test]
fn a_program_config_element_is_part_of_the_configuration() {
    let (dir, file) = (TempDir::new(), data("program-config.aac"));
    let out = made(&dir, "h5mux", &[], &file);
    let pcm =
        |file: &Path| run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(["-f", "md5", "-"]), b"").success().text();
    assert_eq!(pcm(&out), pcm(&file));
    let channels = ["-v", "error", "-show_entries", "stream=channels", "-of", "csv=p=0"];
    assert_eq!(run(Command::new("ffprobe").args(channels).arg(&out), b"").success().text().trim(), "6");
}

#[test]
fn fields_last_as_long_as_their_frames() {
    let (dir, file) = (TempDir::new(), data("paff.h264"));
    let out = made(&dir, "h5mux", &[], &file);
    assert_eq!(times(&out), (0..20).map(|n| 40 * n).collect::<Vec<_>>());
    let frames =
        |file: &Path| run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(["-f", "framemd5", "-"]), b"").success();
    let hashes =
        |file: &Path| frames(file).text().lines().filter_map(|l| Some(l.rsplit_once(',')?.1.trim().to_string())).collect::<Vec<_>>();
    assert_eq!(hashes(&out), hashes(&file), "the same pictures");
}

/// Sync samples of a fragmented file, by number.
fn keys(file: &Path) -> Vec<usize> {
    let args = ["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=flags", "-of", "csv=p=0"];
    let found = run(Command::new("ffprobe").args(args).arg(file), b"").success();
    found.text().lines().enumerate().filter(|(_, flags)| flags.starts_with('K')).map(|(n, _)| n).collect()
}

#[test]
fn intra_refresh_is_played_from_its_recovery_points() {
    let (dir, file) = (TempDir::new(), data("intra-refresh.h264"));
    assert_eq!(keys(&made(&dir, "h5mux", &[], &file)), [0, 25]);
    // In a container that says that there is none.
    let line = format!("ffmpeg -v error -i {} -c copy -f matroska - | h5mux", file.display());
    let piped = run(&mut shell(&line), b"").success();
    let out = dir.join("piped.mp4");
    fs::write(&out, piped.stdout).unwrap();
    assert_eq!(keys(&out), [0, 25]);
    // Chromium starts only where recovery_frame_cnt is 0.
    let whole = b"\x06\x06\x01\xc4\x80";
    assert_eq!(fs::read(&out).unwrap().windows(whole.len()).filter(|w| w == whole).count(), 2);
}

/// The stream without any start: P pictures alone.
fn without_keyframes(dir: &TempDir) -> std::path::PathBuf {
    let file = dir.join("p.mp4");
    let line = format!(
        "ffmpeg -v error -f lavfi -i testsrc2=s=64x48:r=25:d=10 -c:v libx264 -bf 0 -x264-params keyint=infinite:scenecut=0 \
         -bsf:v noise=drop='eq(n\\,0)' -movflags frag_every_frame+empty_moov+default_base_moof -f mp4 {}",
        file.display()
    );
    run(&mut shell(&line), b"").success();
    file
}

const NO_KEYFRAME: &str = "no keyframe so far; set the encoder's keyframe interval to 1 s";

#[test]
fn a_stream_without_a_keyframe_is_told_everywhere() {
    let (dir, control, of_mux) = (TempDir::new(), free_port(), free_port());
    let file = without_keyframes(&dir);
    // h5mux reads it in real time, so that it is told while the stream runs.
    let line = format!("h5cap --pace {} | h5mux --control {of_mux}", file.display());
    let mut server = Server::start(&["--control", &control.to_string()]);
    let mut pipe = Running::start_with(&mut shell(&line), Stdio::null(), Stdio::piped());
    let (mut from, mut to) = (pipe.stdout(), server.process.stdin());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));

    let said = eventually("the trouble", || server.streams()["live"]["trouble"].as_str().map(String::from));
    assert_eq!(said, "no-keyframe");
    let (status, body) = http(control, "GET", "/healthz", b"");
    assert_eq!((status, body.contains(NO_KEYFRAME)), (503, true), "{body}");
    server.process.wait_for(NO_KEYFRAME);
    let (status, body) = http(server.port, "GET", "/live.mp4", b"");
    assert_eq!((status, body.trim()), (503, NO_KEYFRAME));
    let (status, body) =
        eventually("h5mux's trouble", || Some(http(of_mux, "GET", "/healthz", b"")).filter(|(_, body)| body.contains(NO_KEYFRAME)));
    assert_eq!(status, 503, "{body}");
    pipe.wait_for(NO_KEYFRAME);
    let end = server.process.finish(crate::util::PATIENCE);
    assert_eq!(end.code(), 4, "{}", end.stderr);
    assert!(stderr_lines(&end.stderr).last().unwrap().ends_with(&format!("frames: {NO_KEYFRAME}")), "{}", end.stderr);
    assert_eq!(end.stderr.matches(NO_KEYFRAME).count(), 2, "once while it runs, once at the end: {}", end.stderr);
}

#[test]
fn a_group_of_pictures_larger_than_the_ring_is_told() {
    let control = free_port();
    let mut server = Server::start(&["--ring", "1", "--control", &control.to_string()]);
    let mut stdin = server.process.stdin();
    let mut studio = crate::serve::studio::Studio::new(1000, 100_000);
    stdin.write_all(&studio.init()).unwrap();
    for _ in 0..15 {
        stdin.write_all(&studio.picture()).unwrap();
    }
    let said = eventually("the trouble", || server.streams()["live"]["trouble"].as_str().map(String::from));
    assert_eq!(said, "keyframe-lost");
    let (status, body) = http(control, "GET", "/healthz", b"");
    assert_eq!((status, body.contains("larger than --ring")), (503, true), "{body}");
    let (status, body) = http(server.port, "GET", "/live.mp4", b"");
    assert_eq!((status, body.contains("larger than --ring")), (503, true), "{body}");
    server.process.wait_for("larger than --ring");
}

#[test]
fn a_program_that_showed_nothing_says_why() {
    let dir = TempDir::new();
    let sound = run(&mut shell("ffmpeg -v error -f lavfi -i sine=d=1 -c:a libopus -f matroska -"), b"").success().stdout;
    let header = run(&mut shell("h5cap test --duration 1 --no-pace --no-audio | h5enc"), b"").success().stdout[..2500].to_vec();
    let moov = run(&mut shell("h5cap test --duration 1 --no-pace --no-audio | h5enc | h5mux"), b"").success().stdout;
    let moov = moov[..moov.windows(4).position(|w| w == b"prft").unwrap() - 4].to_vec();
    let p = fs::read(without_keyframes(&dir)).unwrap();
    let listen = ["--listen", "127.0.0.1:0"];
    type Case<'a> = (&'a str, &'a [&'a str], &'a [u8], i32, &'a str);
    let cases: &[Case] = &[
        ("h5cap", &["-"], b"", 0, ""),
        ("h5enc", &[], b"", 0, ""),
        ("h5mux", &[], b"", 0, ""),
        ("h5serve", &listen, b"", 0, ""),
        ("h5cap", &["-"], &header, 4, "there is no frame in it"),
        ("h5enc", &[], &header, 4, "there is no frame in it"),
        ("h5mux", &[], &header, 4, "there is no frame in it"),
        ("h5serve", &listen, &header, 4, "there is no frame in it"),
        ("h5mux", &[], &moov, 4, "there is no frame in it"),
        ("h5serve", &listen, &moov, 4, "there is no frame in it"),
        ("h5enc", &["--audio", "none"], &sound, 4, ""),
        ("h5enc", &["--video", "none", "--audio", "none"], &sound, 2, "leaves nothing"),
        ("h5serve", &listen, &p, 4, NO_KEYFRAME),
        ("h5cap", &["test", "--duration", "0"], b"", 2, "above 0"),
    ];
    for (program, args, input, code, why) in cases {
        let end = run(&mut h5(program, args), input);
        assert_eq!(end.code(), *code, "{program} {args:?}: {}", end.stderr);
        let lines = stderr_lines(&end.stderr);
        assert_eq!(lines.is_empty(), *code == 0, "{program} {args:?}: {}", end.stderr);
        assert!(end.stderr.contains(why), "{program} {args:?}: {}", end.stderr);
    }
}

#[test]
fn two_writers_on_one_pipe_are_told() {
    let file = |name: &str| {
        run(&mut shell(&format!("h5cap test --duration {name} --no-pace --no-audio --rate 10 --size 64x48 | h5enc | h5mux")), b"")
            .success()
            .stdout
    };
    let chunks = |stream: &[u8]| {
        let starts: Vec<usize> = stream.windows(4).enumerate().filter(|(_, w)| *w == b"prft").map(|(at, _)| at - 4).collect();
        let ends = starts[1..].iter().copied().chain([stream.len()]);
        (stream[..starts[0]].to_vec(), starts.iter().zip(ends).map(|(&from, to)| stream[from..to].to_vec()).collect::<Vec<_>>())
    };
    let (init, a) = chunks(&file("6"));
    // The second began two seconds later.
    let mixed: Vec<u8> = a[20..].iter().zip(&a).flat_map(|(new, old)| [new.clone(), old.clone()].concat()).collect();
    let both = [init, mixed].concat();
    for (program, args) in [("h5mux", &[][..]), ("h5serve", &["--listen", "127.0.0.1:0"])] {
        let mut end = Running::start(&mut h5(program, args));
        end.feed(both.clone());
        let end = end.finish(crate::util::PATIENCE);
        assert_eq!(end.stderr.matches("do two programs write into it?").count(), 1, "{program}: {}", end.stderr);
    }
}
