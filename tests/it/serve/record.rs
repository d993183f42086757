//! h5serve --record: what is on the disk while the server runs, and after it was killed.

use super::studio::{Studio, number};
use super::{Server, feed};
use crate::util::{PATIENCE, TempDir, eventually, h5, run, shell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What was recorded, the oldest first.
pub fn recordings(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|e| e == "mp4") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// The numbers of the pictures in a recording of the studio's.
pub fn pictures(recording: &Path) -> Vec<u64> {
    let bytes = fs::read(recording).unwrap();
    let mut rest = &bytes[..];
    let mut found = Vec::new();
    while let Some((size, kind)) = rest.first_chunk::<4>().zip(rest.get(4..8)) {
        let size = u32::from_be_bytes(*size) as usize;
        let Some(whole) = rest.get(..size).filter(|whole| whole.len() >= 8) else { break };
        if kind == b"mdat" {
            found.extend(number(whole));
        }
        rest = &rest[size..];
    }
    found
}

/// What ffprobe has of each packet of a track.
pub fn packets(file: &Path, track: &str, entries: &str) -> Vec<String> {
    let entries = format!("packet={entries}");
    let mut ffprobe = Command::new("ffprobe");
    ffprobe
        .args(["-v", "error", "-select_streams", track, "-show_entries", &entries, "-show_data_hash", "md5", "-of", "csv=p=0"])
        .arg(file);
    let lines = run(&mut ffprobe, b"").success().text();
    lines.lines().map(|line| line.trim_end_matches(',').to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_stream_is_recorded_without_a_change() {
    let dir = TempDir::new();
    let film = dir.join("film.mp4");
    let make = format!("h5cap test --duration 5 --size 320x240 | h5enc --gop 500ms | h5mux > {}", film.display());
    run(&mut shell(&make), b"").success();
    let folder = dir.join("recordings");
    let mut server = Server::start(&["--record", folder.to_str().unwrap(), "--record-segment", "1s"]);
    server.process.feed(fs::read(&film).unwrap());
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
    let files = recordings(&folder);
    assert!((4..=6).contains(&files.len()), "{files:?}");
    for track in ["v", "a"] {
        let recorded: Vec<_> = files.iter().flat_map(|file| packets(file, track, "data_hash")).collect();
        let sent = packets(&film, track, "data_hash");
        // Sound that comes before the first picture has no recording to be in.
        assert!(sent.ends_with(&recorded) && sent.len() <= recorded.len() + 25, "{track}: {} of {}", recorded.len(), sent.len());
    }
    for file in &files {
        let times = packets(file, "v", "pts_time,flags");
        assert!(times[0].starts_with("0.000000,K"), "{}: begins with {}", file.display(), times[0]);
        let decoded = run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(["-f", "null", "-"]), b"").success();
        assert_eq!(decoded.stderr, "", "{}", file.display());
        run(Command::new("mpv").args(["--no-config", "--vo=null", "--ao=null"]).arg(file), b"").success();
    }
    let day = files[0].parent().unwrap();
    assert_eq!(fs::read_to_string(day.join("index")).unwrap().lines().count(), files.len());
}

/// Every recording opens, what is older than the last moment is there, and the next start makes the index right.
#[test]
fn killed_at_any_moment() {
    killed(30);
}

/// As many times as it is promised for.
#[test]
#[ignore = "takes minutes"]
fn killed_at_a_hundred_moments() {
    killed(100);
}

fn killed(times: u64) {
    let mut most = 0;
    for n in 0..times {
        let dir = TempDir::new();
        let folder = dir.join("recordings");
        let args = ["--record", folder.to_str().unwrap(), "--record-segment", "1s", "--on-eof", "wait"];
        let mut server = Server::start(&args);
        let (mut stdin, mut studio) = (server.process.stdin(), Studio::new(10, 2000));
        feed(&mut stdin, &studio.init());
        // Moments all over a recording and its cuts: the time is made from the number.
        let end = Instant::now() + Duration::from_millis(600 + n * 7919 % 1000);
        let mut fed = Vec::new();
        while Instant::now() < end {
            feed(&mut stdin, &studio.picture());
            fed.push(Instant::now());
            std::thread::sleep(Duration::from_millis(4));
        }
        let killed = Instant::now();
        server.process.signal("KILL");
        drop(stdin);
        server.process.finish(PATIENCE);
        let files = recordings(&folder);
        let before: Vec<_> = files.iter().flat_map(|file| pictures(file)).collect();
        assert!(before.iter().copied().eq(0..before.len() as u64), "{n}: {before:?}");
        // On a busy machine the server may not have had its turn for a moment, to read or to write.
        let old = fed.iter().filter(|at| killed.duration_since(**at) > Duration::from_millis(500)).count();
        assert!(before.len() >= old, "{n}: {} of {old}, and {} younger ones", before.len(), fed.len() - old);
        most = most.max(fed.len() - before.len());
        files.iter().for_each(|file| assert!(!packets(file, "v", "pts").is_empty(), "{n}: {}", file.display()));
        // The next start looks through the folder, and goes on.
        let mut server = Server::start(&args);
        let mut stdin = server.process.stdin();
        let mut studio = Studio::new(10, 2000);
        feed(&mut stdin, &[studio.init(), studio.picture(), studio.picture()].concat());
        eventually("a new recording", || (recordings(&folder).len() > files.len()).then_some(()));
        drop(stdin);
        server.process.signal("TERM");
        assert_eq!(server.process.finish(PATIENCE).code(), 0);
        let now = recordings(&folder);
        let after: Vec<_> = now.iter().flat_map(|file| pictures(file)).collect();
        assert_eq!(after[..before.len()], before[..], "{n}");
        let index = fs::read_to_string(now[0].parent().unwrap().join("index")).unwrap();
        for file in &now {
            let name = file.file_name().unwrap().to_str().unwrap();
            let size = fs::metadata(file).unwrap().len().to_string();
            let is_right = |line: &str| line.starts_with(name) && line.split(' ').nth(2) == Some(&size);
            assert!(index.lines().any(is_right) || file.parent() != now[0].parent(), "{n}: {name} {size} in {index}");
        }
    }
    println!("of what was written to the server, at most the last {most} pictures (4 ms each) were not recorded");
}

#[test]
fn one_program_records_into_a_folder() {
    let dir = TempDir::new();
    let folder = dir.join("recordings");
    let _server = Server::start(&["--record", folder.to_str().unwrap()]);
    let second = run(&mut h5("h5serve", &["--listen", "127.0.0.1:0", "--record", folder.to_str().unwrap()]), b"");
    assert!(second.code() == 1 && second.stderr.contains("another program records into this folder"), "{}", second.stderr);
    for wrong in [&["--keep", "7d"][..], &["--record", "x", "--keep", "7"], &["--record", "x", "--record-segment", "0s"]] {
        assert_eq!(run(&mut h5("h5serve", wrong), b"").code(), 2, "{wrong:?}");
    }
}

/// Only what is too much goes, and the newest stays.
#[test]
fn the_oldest_recordings_go() {
    let dir = TempDir::new();
    let folder = dir.join("recordings");
    let day = folder.join("live/2020-01-02");
    fs::create_dir_all(&day).unwrap();
    let mut studio = Studio::new(10, 150_000);
    fs::write(day.join("03-04-05.000Z.mp4"), [studio.init(), studio.picture(), studio.picture()].concat()).unwrap();
    let args = ["--record", folder.to_str().unwrap(), "--keep-size", "1M", "--on-eof", "wait"];
    let mut server = Server::start(&args);
    let (mut stdin, mut studio) = (server.process.stdin(), Studio::new(10, 2000));
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    eventually("the old one is gone", || (!day.exists()).then_some(()));
    eventually("the new one is there", || (recordings(&folder).len() == 1).then_some(()));
}

/// h5mux records as h5serve does, beside what it writes to its output.
#[test]
fn h5mux_records_too() {
    let dir = TempDir::new();
    let (sent, folder) = (dir.join("sent.mp4"), dir.join("recordings"));
    let line = format!(
        "h5cap test --duration 3 --size 320x240 | h5enc --gop 500ms | h5mux --record {} --record-name door --record-segment 1s > {}",
        folder.display(),
        sent.display()
    );
    run(&mut shell(&line), b"").success();
    let files = recordings(&folder);
    assert!(files.len() >= 2 && files.iter().all(|file| file.starts_with(folder.join("door"))), "{files:?}");
    let recorded: Vec<_> = files.iter().flat_map(|file| packets(file, "v", "data_hash")).collect();
    assert_eq!(recorded, packets(&sent, "v", "data_hash"));
    let file = sent.to_str().unwrap();
    let refused = run(&mut h5("h5mux", &["--record", folder.to_str().unwrap(), file]), b"");
    assert!(refused.code() == 2 && refused.stderr.contains("is for what is live"), "{}", refused.stderr);
}
