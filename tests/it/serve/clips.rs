//! What was before: rec.json, and clips out of recordings and out of the ring, judged by ffprobe, ffmpeg and mpv.

use super::Server;
use super::client::ask;
use crate::util::{PATIENCE, TempDir, eventually, run, shell};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What ffprobe has of each packet of a track.
fn packets(file: &Path, track: &str, entries: &str) -> Vec<String> {
    let entries = format!("packet={entries}");
    let mut ffprobe = Command::new("ffprobe");
    ffprobe
        .args(["-v", "error", "-select_streams", track, "-show_entries", &entries, "-show_data_hash", "md5", "-of", "csv=p=0"])
        .arg(file);
    let lines = run(&mut ffprobe, b"").success().text();
    lines.lines().map(|line| line.trim_matches(',').to_owned()).filter(|line| !line.is_empty()).collect()
}

/// The test picture, live, with what was sent kept in a file.
pub fn live(dir: &TempDir, args: &[&str]) -> (Server, crate::util::Running) {
    let (film, fifo) = (dir.join("sent.mp4"), dir.join("live.mp4"));
    run(Command::new("mkfifo").arg(&fifo), b"").success();
    let line = format!("h5cap test --size 320x240 | h5enc --gop 500ms | h5mux | tee {} > {}", film.display(), fifo.display());
    let server = Server::start(&[args, &["--on-eof", "wait", fifo.to_str().unwrap()]].concat());
    let source = crate::util::Running::start_with(&mut shell(&line), Stdio::null(), Stdio::null());
    eventually("it is live", || (server.streams()["live"]["state"] == "live").then_some(()));
    (server, source)
}

pub fn json(server: &Server, path: &str) -> Value {
    let got = ask(server.port, "GET", path, &[]);
    assert_eq!(got.status, 200, "{path}: {got:?}");
    serde_json::from_slice(&got.body).unwrap()
}

pub fn seconds(time: &Value) -> f64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_microsecond() as f64 / 1e6
}

/// So much of the stream has been recorded.
pub fn recorded(server: &Server, least: f64) -> Value {
    eventually("enough is recorded", || {
        let told = json(server, "/live/rec.json");
        let spans = told["spans"].as_array()?;
        let length: f64 = spans.iter().map(|span| seconds(&span["to"]) - seconds(&span["from"])).sum();
        (length > least).then_some(told)
    })
}

/// The clip as a file, and its headers.
fn clip(server: &Server, dir: &TempDir, query: &str) -> (std::path::PathBuf, super::client::Answer) {
    let got = ask(server.port, "GET", &format!("/live/clip.mp4?{query}"), &[]);
    assert_eq!(got.status, 200, "{query}: {:?}", String::from_utf8_lossy(&got.body));
    let file = dir.join("clip.mp4");
    fs::write(&file, &got.body).unwrap();
    (file, got)
}

/// The clip has what was sent, and nothing else; it begins with the picture that was asked for.
#[track_caller]
fn judge(file: &Path, sent: &Path, length: f64) {
    for track in ["v", "a"] {
        let (clip, all) = (packets(file, track, "data_hash"), packets(sent, track, "data_hash"));
        // The tone of the test picture repeats: only all of it says where it is from.
        assert!(!clip.is_empty() && all.windows(clip.len()).any(|sent| sent == clip), "{track}: {clip:?} is no part of {all:?}");
    }
    // The first picture that is shown has time zero, whatever is before it in the file.
    let shown = run(
        Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0"])
            .arg(file),
        b"",
    );
    let shown: Vec<f64> = shown.success().text().lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect();
    let first = shown.iter().copied().find(|time| *time >= 0.0).unwrap();
    assert!(first.abs() < 0.001, "{shown:?}");
    let last = shown.last().unwrap() - first;
    assert!((last - length).abs() < 0.15, "{last} s and not {length} s");
    let decoded = run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(["-f", "null", "-"]), b"").success();
    assert_eq!(decoded.stderr, "");
    run(Command::new("mpv").args(["--no-config", "--vo=null", "--ao=null", "--untimed"]).arg(file), b"").success();
    // The movie header comes first.
    let bytes = fs::read(file).unwrap();
    assert_eq!((&bytes[4..8], &bytes[32..36]), (&b"ftyp"[..], &b"moov"[..]));
}

#[test]
fn clips_out_of_recordings() {
    let dir = TempDir::new();
    let folder = dir.join("recordings");
    let (server, source) = live(&dir, &["--record", folder.to_str().unwrap(), "--record-segment", "2s"]);
    let told = recorded(&server, 6.0);
    assert_eq!((told["spans"].as_array().unwrap().len(), &told["gaps"], &told["recording"]), (1, &Value::Array(vec![]), &true.into()));
    assert!(told["spans"][0]["files"].as_u64().unwrap() >= 3 && told["bytes"].as_u64().unwrap() > 10_000, "{told}");
    let begin = seconds(&told["spans"][0]["from"]);
    let time = |after: f64| jiff::Timestamp::from_microsecond(((begin + after) * 1e6) as i64).unwrap();
    // In one recording, over the cut of two, and of three.
    for (from, to) in [(0.7, 1.6), (1.3, 3.2), (0.0, 5.0), (1.77, 5.03)] {
        let (file, got) = clip(&server, &dir, &format!("from={}&to={}", time(from), time(to)));
        judge(&file, &dir.join("sent.mp4"), to - from);
        let name = got.header("content-disposition").unwrap().to_owned();
        assert!(name.starts_with("attachment; filename=\"live-2") && name.ends_with("Z.mp4\""), "{name}");
        // It is the same file when it is asked for by its own address, and in pieces.
        let place = format!("/live/{}", got.header("content-location").unwrap());
        let tag = got.header("etag").unwrap().to_owned();
        let range = ask(server.port, "GET", &place, &["Range: bytes=1000-20999", &format!("If-Range: {tag}")]);
        assert_eq!((range.status, &range.body[..]), (206, &got.body[1000..21_000]), "{place}");
        let other = ask(server.port, "GET", &place, &["Range: bytes=1000-", "If-Range: \"other\""]);
        assert_eq!((other.status, other.body.len()), (200, got.body.len()));
    }
    // The last seconds, at once.
    let begun = Instant::now();
    let (file, _) = clip(&server, &dir, "from=-2s");
    println!("the last 2 s: {:?}", begun.elapsed());
    judge(&file, &dir.join("sent.mp4"), 2.0);
    for (query, status) in [
        ("", 400),
        ("from=x", 400),
        ("from=-1s&to=-2s", 400),
        ("from=-3h", 400),
        ("from=2001-01-01T00:00:00Z&to=2001-01-01T00:01:00Z", 404),
        ("from=2999-01-01T00:00:00Z", 404),
        ("from=%ff", 400),
    ] {
        assert_eq!(ask(server.port, "GET", &format!("/live/clip.mp4?{query}"), &[]).status, status, "{query}");
    }
    assert_eq!(ask(server.port, "HEAD", "/live/clip.mp4?from=-1s", &[]).status, 200);
    assert_eq!(ask(server.port, "POST", "/live/clip.mp4?from=-1s", &[]).status, 405);
    drop(source);
}

#[test]
fn clips_out_of_the_ring() {
    let dir = TempDir::new();
    let (server, source) = live(&dir, &["--hls-window", "30"]);
    assert_eq!(json(&server, "/live/rec.json")["spans"], Value::Array(vec![]));
    std::thread::sleep(Duration::from_secs(4));
    let (file, _) = clip(&server, &dir, "from=-2.3s");
    judge(&file, &dir.join("sent.mp4"), 2.3);
    let (file, _) = clip(&server, &dir, "from=-3s&to=-1s");
    judge(&file, &dir.join("sent.mp4"), 2.0);
    drop(source);
}

/// Who may only see it live gets nothing of before.
#[test]
fn the_past_needs_a_right() {
    let dir = TempDir::new();
    let users = dir.join("users");
    let mut tokens = Vec::new();
    for (name, rights) in [("now", "view"), ("then", "view,rewind")] {
        let made = run(&mut crate::util::h5("h5serve", &["passwd", users.to_str().unwrap(), name, "--token", "--rights", rights]), b"");
        tokens.push(made.success().text().trim().to_owned());
    }
    let folder = dir.join("recordings");
    let args = ["--record", folder.to_str().unwrap(), "--users", users.to_str().unwrap()];
    let mut server = Server::start(&args);
    let mut stdin = server.process.stdin();
    let mut studio = super::studio::Studio::new(10, 1000);
    _ = stdin.write_all(&[studio.init(), studio.picture(), studio.picture()].concat());
    let status = |path: &str, token: &str| {
        let bearer = format!("Authorization: Bearer {token}");
        let headers: Vec<&str> = if token.is_empty() { vec![] } else { vec![&bearer] };
        ask(server.port, "GET", path, &headers).status
    };
    eventually("it is recorded", || (status("/live/rec.json", &tokens[1]) == 200).then_some(()));
    for path in ["/live/rec.json", "/live/clip.mp4?from=-1h"] {
        assert_eq!((status(path, ""), status(path, &tokens[0]), status(path, &tokens[1])), (401, 403, 200), "{path}");
    }
    // A picture of before is more than the newest one. These are none that a decoder wants.
    for path in ["/live.jpg?at=-0.1s", "/live.jpg?at=x", "/live.jpg?at=%ff"] {
        assert_eq!((status(path, ""), status(path, &tokens[0])), (401, 403), "{path}");
    }
    assert_eq!(status("/live.jpg?at=x", &tokens[1]), 400);
    drop(stdin);
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
}
