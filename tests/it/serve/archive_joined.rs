//! Recordings of a day as one file, judged by ffprobe, ffmpeg and mpv: all pictures, in order, over gaps and another size.

use super::Server;
use super::client::{Answer, ask};
use super::clips::{json, seconds};
use crate::util::{PATIENCE, TempDir, eventually, run, run_for, shell};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Films that were recorded one after the other, each by a server of its own.
fn record(dir: &TempDir, folder: &Path, films: &[&str]) {
    for (n, make) in films.iter().enumerate() {
        let film = dir.join(format!("film{n}.mp4"));
        run_for(&mut shell(&format!("{make} > {}", film.display())), b"", PATIENCE).success();
        let mut server = Server::start(&["--record", folder.to_str().unwrap(), "--record-segment", "1s"]);
        server.process.feed(fs::read(&film).unwrap());
        assert_eq!(server.process.finish(PATIENCE).code(), 0);
    }
}

/// The recordings as they lie in the folder, the oldest first.
fn on_disk(folder: &Path) -> Vec<PathBuf> {
    let days = fs::read_dir(folder.join("live")).unwrap().map(|day| day.unwrap().path());
    let mut files: Vec<PathBuf> = days.flat_map(|day| fs::read_dir(day).unwrap().map(|file| file.unwrap().path())).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "mp4"));
    files.sort();
    files
}

/// Hashes of the pictures as they are decoded, each in its own size.
fn pictures(file: &Path) -> Vec<String> {
    let args = ["-map", "0:v", "-autoscale", "0", "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let frames = run_for(Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(file).args(args), b"", PATIENCE).success();
    assert_eq!(frames.stderr, "", "{}", file.display());
    frames.text().lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit(", ").next().unwrap().to_owned()).collect()
}

/// What ffprobe has of each packet of a track.
fn packets(file: &Path, track: &str, entry: &str) -> Vec<String> {
    let entry = format!("packet={entry}");
    let args = ["-v", "error", "-select_streams", track, "-show_entries", &entry, "-show_data_hash", "md5", "-of", "csv=p=0"];
    let lines = run(Command::new("ffprobe").args(args).arg(file), b"").success().text();
    lines.lines().map(|line| line.trim_matches(',').to_owned()).filter(|line| !line.is_empty()).collect()
}

fn get(server: &Server, dir: &TempDir, path: &str) -> (PathBuf, Answer) {
    let got = ask(server.port, "GET", path, &[]);
    assert_eq!(got.status, 200, "{path}: {}", got.head);
    let file = dir.join("joined.mp4");
    fs::write(&file, &got.body).unwrap();
    (file, got)
}

/// Every player that there is takes it, without a word.
fn judge(dir: &TempDir, file: &Path, parts: &[PathBuf]) {
    let shown: Vec<String> = parts.iter().flat_map(|part| pictures(part)).collect();
    assert!(shown.len() > 50 && pictures(file) == shown, "{} pictures, and not {}", pictures(file).len(), shown.len());
    for track in ["v", "a"] {
        let wanted: Vec<_> = parts.iter().flat_map(|part| packets(part, track, "data_hash")).collect();
        assert!(wanted.len() > 50 && packets(file, track, "data_hash") == wanted, "{track}");
        let times: Vec<i64> = packets(file, track, "dts").iter().map(|time| time.parse().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{track}: {times:?}");
    }
    let copy = dir.join("copy.mkv");
    let args = ["-map", "0", "-c", "copy", "-y"];
    let copied = run_for(Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(file).args(args).arg(&copy), b"", PATIENCE);
    assert_eq!(copied.success().stderr, "");
    run_for(Command::new("mpv").args(["--no-config", "--vo=null", "--ao=null", "--untimed"]).arg(file), b"", PATIENCE).success();
}

fn length(file: &Path) -> f64 {
    let times: Vec<f64> = packets(file, "v", "pts_time").iter().map(|time| time.parse().unwrap()).collect();
    assert!(times[0].abs() < 0.001, "{times:?}");
    times.last().unwrap() - times[0]
}

#[test]
fn a_day_as_one_file() {
    let dir = TempDir::new();
    let folder = dir.join("recordings");
    // After a gap of more than a second.
    let film = |size: &str| format!("sleep 2; h5cap test --duration 3 --size {size} | h5enc --gop 500ms | h5mux");
    let other = "sleep 2; ffmpeg -v error -f lavfi -i testsrc=size=128x96:rate=10:duration=2 -c:v libx264 -g 5 -movflags \
                 frag_keyframe+empty_moov+default_base_moof -f mp4 -";
    record(&dir, &folder, &[&film("320x240"), &film("480x360"), &film("320x240"), other]);
    let files = on_disk(&folder);
    // What ffmpeg has made has other ticks, so it cannot stand behind the rest.
    let is_other = |file: &&PathBuf| packets(file, "a", "pts").is_empty();
    let (others, parts): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|file| is_other(&file));
    assert!(parts.len() >= 6 && !others.is_empty(), "{files:?}");

    let server = Server::start(&["--record", folder.to_str().unwrap(), "--on-eof", "wait"]);
    let told = eventually("the recordings are known", || {
        let got = ask(server.port, "GET", "/live/rec.json", &[]);
        (got.status == 200).then(|| serde_json::from_slice::<Value>(&got.body).unwrap())
    });
    assert!(told["spans"].as_array().unwrap().len() >= 3, "{told}");
    // What came at once goes on for longer than it took to come, and what is asked for ends now.
    let end = seconds(&told["spans"].as_array().unwrap().last().unwrap()["to"]);
    eventually("the last picture's time is over", || (jiff::Timestamp::now().as_microsecond() as f64 / 1e6 > end).then_some(()));
    let all = "/live/rec/index.mp4?from=-20h";
    let (file, got) = get(&server, &dir, all);
    judge(&dir, &file, &parts);
    // Gaps are closed, or kept.
    let closed = length(&file);
    assert!((7.0..12.0).contains(&closed), "{closed}");
    let (file, kept) = get(&server, &dir, "/live/rec/index.mp4?from=-20h&gaps=keep");
    judge(&dir, &file, &parts);
    let spans = told["spans"].as_array().unwrap();
    let apart = seconds(&spans[2]["from"]) - seconds(&spans[0]["from"]);
    let whole = length(&file);
    assert!(whole > apart && whole < apart + 4.0, "{whole} and {apart}: {told}");
    assert!(kept.body.len() == got.body.len() && kept.header("etag") != got.header("etag"));

    // What has other tracks is the next file, by its address.
    let link = got.header("link").unwrap();
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
    let (file, rest) = get(&server, &dir, &format!("/live/rec/{next}"));
    assert_eq!(pictures(&file), others.iter().flat_map(|file| pictures(file)).collect::<Vec<_>>());
    assert_eq!(rest.header("link"), None);

    // Ranges are those of the whole, wherever they begin.
    let tag = got.header("etag").unwrap();
    let size = got.body.len();
    for n in 0..60 {
        let from = n * 7919 * 131 % size;
        let to = (from + [1, 100, 5000, 300_000][n % 4]).min(size);
        let part = ask(server.port, "GET", all, &[&format!("Range: bytes={from}-{}", to - 1), &format!("If-Range: {tag}")]);
        assert_eq!((part.status, part.body.len()), (206, to - from), "{from}..{to}");
        assert!(part.body == got.body[from..to], "{from}..{to}");
    }
    assert_eq!(ask(server.port, "HEAD", all, &[]).header("content-length"), Some(&*size.to_string()));

    // From a keyframe on, up to one.
    let begin = seconds(&spans[0]["from"]);
    let time = |after: f64| jiff::Timestamp::from_microsecond(((begin + after) * 1e6) as i64).unwrap();
    let (file, _) = get(&server, &dir, &format!("/live/rec/index.mp4?from={}&to={}", time(0.7), time(2.2)));
    let part = pictures(&file);
    let whole: Vec<String> = parts.iter().flat_map(|part| pictures(part)).collect();
    assert!((44..=64).contains(&part.len()) && whole.windows(part.len()).any(|some| some == part), "{}", part.len());
    length(&file);

    // Each day by its name. At midnight there are two.
    let days = json(&server, "/live/rec/index.json");
    let mut read = Vec::new();
    for day in days["days"].as_array().unwrap() {
        let name = day["file"].as_str().unwrap();
        let (file, got) = get(&server, &dir, &format!("/live/rec/{name}"));
        let wanted = format!("attachment; filename=\"live-{name}\"");
        assert_eq!(got.header("content-disposition"), Some(&*wanted));
        read.extend(pictures(&file));
        let list = json(&server, &format!("/live/rec/{}index.json", day["name"].as_str().unwrap()));
        assert_eq!(list["file"], format!("../{name}"));
    }
    assert!(whole.starts_with(&read) || read.starts_with(&whole), "{} of {}", read.len(), whole.len());
    for (path, status) in [
        ("index.mp4", 400),
        ("index.mp4?from=-30h", 400),
        ("index.mp4?from=-1h&gaps=x", 400),
        ("index.mp4?from=2001-01-01T00:00:00Z&to=2001-01-01T01:00:00Z", 404),
        ("2001-01-01.mp4", 404),
        ("2001-13-01.mp4", 404),
    ] {
        assert_eq!(ask(server.port, "GET", &format!("/live/rec/{path}"), &[]).status, status, "{path}");
    }
}
