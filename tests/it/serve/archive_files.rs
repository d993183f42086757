//! The recordings as files: lists, each by its name, and a playlist of them, judged by ffprobe and ffmpeg.

use super::client::ask;
use super::clips::{json, live, recorded, seconds};
use crate::util::{PATIENCE, TempDir, eventually, run, run_for};
use serde_json::Value;
use std::fs;
use std::process::Command;

/// The names of what a list has.
fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_files_and_playlists() {
    let dir = TempDir::new();
    let folder = dir.join("recordings");
    let (server, source) = live(&dir, &["--record", folder.to_str().unwrap(), "--record-segment", "2s"]);
    let told = recorded(&server, 7.0);
    let begin = seconds(&told["spans"][0]["from"]);
    let time = |after: f64| jiff::Timestamp::from_microsecond(((begin + after) * 1e6) as i64).unwrap();

    // The days, and what is of a day. At midnight there are two.
    let days = json(&server, "/live/rec/index.json");
    let day = names(&days["days"])[0].clone();
    let page = ask(server.port, "GET", "/live/rec/", &["Accept-Language: zh-CN"]);
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert!(page.status == 200 && text.contains(&format!("href=\"{day}\"")) && text.contains("<html lang=\"zh\">"), "{text}");
    for (path, to) in [("/live/rec".to_owned(), "rec/".to_owned()), (format!("/live/rec/{}", day.trim_end_matches('/')), day.clone())] {
        let moved = ask(server.port, "GET", &path, &[]);
        assert_eq!((moved.status, moved.header("location")), (308, Some(&*to)), "{path}");
    }
    let files = json(&server, &format!("/live/rec/{day}index.json"));
    let files = files["files"].as_array().unwrap();
    assert!(files.len() >= 3 && files[0]["recording"] == false, "{files:?}");
    let page = ask(server.port, "GET", &format!("/live/rec/{day}"), &[]);
    let first = files[0]["name"].as_str().unwrap();
    assert!(String::from_utf8(page.body).unwrap().contains(&format!("<a href=\"{first}\">{first}</a>")));

    // Each as it stands on the disk, or a part of it.
    let path = format!("/live/rec/{day}{first}");
    let on_disk = fs::read(folder.join("live").join(&day).join(first)).unwrap();
    let got = ask(server.port, "GET", &path, &[]);
    assert!(got.status == 200 && got.body == on_disk && got.header("content-type") == Some("video/mp4"), "{}", got.head);
    assert!(got.header("content-disposition").unwrap().starts_with("attachment; filename=\"live-2"), "{}", got.head);
    let part = ask(server.port, "GET", &path, &["Range: bytes=100-199"]);
    assert_eq!((part.status, &part.body[..]), (206, &on_disk[100..200]));
    for wrong in [
        "/live/rec/2026-13-01/",
        "/live/rec/2001-01-01/18-20-00.000Z.mp4",
        "/live/rec/2001-01-01/index",
        "/live/rec/..%2f..%2fetc/passwd",
        "/live/rec/2001-01-01/..%2f..%2f.lock",
        "/live/rec/.lock",
        "/live/rec/x/y/z",
        "/none/rec/",
        "/live/rec/2001-01-01/18-20-00.000Z.init.mp4",
    ] {
        assert_eq!(ask(server.port, "GET", wrong, &[]).status, 404, "{wrong}");
    }
    let empty = json(&server, "/live/rec/2001-01-01/index.json");
    assert_eq!(names(&empty["files"]).len(), 0);

    // A playlist of all: what was sent, frame by frame.
    let playlist = format!("/live/rec/index.m3u8?from={}&to={}", time(0.0), time(6.0));
    let got = ask(server.port, "GET", &playlist, &[]);
    let text = String::from_utf8(got.body).unwrap();
    assert!(got.status == 200 && text.contains("PLAYLIST-TYPE:VOD") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
    assert!(text.matches("#EXT-X-DISCONTINUITY").count() >= 2 && text.matches("#EXT-X-MAP").count() >= 3, "{text}");
    let url = format!("http://127.0.0.1:{}{playlist}", server.port);
    let copy = dir.join("copy.ts");
    let args = ["-v", "error", "-xerror", "-allowed_extensions", "ALL", "-i", &url, "-map", "0:v", "-c", "copy", copy.to_str().unwrap()];
    run_for(Command::new("ffmpeg").args(args), b"", PATIENCE).success();
    let decoded = run(Command::new("ffmpeg").args(["-v", "error", "-xerror", "-i"]).arg(&copy).args(["-f", "null", "-"]), b"").success();
    assert_eq!(decoded.stderr, "");
    // In a transport stream a frame has its start codes: what is compared are the pictures.
    let hashes = |file: &std::path::Path| {
        let frames = run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(file).args(["-map", "0:v", "-f", "framemd5", "-"]), b"");
        let lines = frames.success().text();
        lines.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit(", ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (played, sent) = (hashes(&copy), hashes(&dir.join("sent.mp4")));
    assert!(played.len() >= 170 && sent.windows(played.len()).any(|part| part == played), "{} of {}", played.len(), sent.len());

    // Without an end it goes on, and loses nothing.
    let open = format!("/live/rec/index.m3u8?from={}", time(0.5));
    let read = || String::from_utf8(ask(server.port, "GET", &open, &[]).body).unwrap();
    let before = read();
    assert!(before.contains("PLAYLIST-TYPE:EVENT") && !before.contains("ENDLIST"), "{before}");
    let after = eventually("it has grown", || Some(read()).filter(|text| text.len() > before.len()));
    assert!(after.starts_with(&before), "{before}\n{after}");
    // What is so long before now ends now.
    let text = ask(server.port, "GET", "/live/rec/index.m3u8?from=-5s", &[]).body;
    assert!(String::from_utf8(text).unwrap().contains("ENDLIST"));
    for (query, status) in [("", 400), ("from=x", 400), ("from=-30h", 400), ("from=2001-01-01T00:00:00Z&to=2001-01-01T01:00:00Z", 404)] {
        assert_eq!(ask(server.port, "GET", &format!("/live/rec/index.m3u8?{query}"), &[]).status, status, "{query}");
    }
    drop(source);
}
