//! `NAME.jpg?at=TIME`: the picture that was on the screen then, out of recordings and the ring, over cuts and a gap. The clock in each picture says which it is.

use super::Server;
use super::client::{Answer, ask};
use super::clips::{live, recorded, seconds};
use crate::util::{TempDir, eventually, run};
use std::process::Command;
use std::time::Duration;

const MODULO: f64 = 4_294_967.296;

/// When pictures were captured, in seconds of a clock of 32 bits, and their numbers.
fn clocks(input: &[&str], data: &[u8]) -> Vec<(f64, u32)> {
    // 36 × 2 blocks, 8 pixels high at this size: one pixel each.
    let filter = ["-an", "-fps_mode", "passthrough", "-vf", "crop=in_w:16:0:0,scale=36:2:flags=area,format=gray", "-f", "rawvideo", "-"];
    let mut ffmpeg = Command::new("ffmpeg");
    let pixels = run(ffmpeg.args(["-v", "error"]).args(input).args(filter), data).success().stdout;
    let number = |row: &[u8]| row[..32].iter().fold(0, |sum, pixel| 2 * sum + u32::from(*pixel > 128));
    pixels.chunks_exact(72).map(|two| (f64::from(number(two)) / 1000.0, number(&two[36..]))).collect()
}

/// A time of that clock, near one of ours.
fn near(clock: f64, time: f64) -> f64 {
    clock + ((time - clock) / MODULO).round() * MODULO
}

/// Keyframes that were sent, by ffmpeg.
fn keyframes(dir: &TempDir, about: f64) -> Vec<(f64, u32)> {
    let sent = dir.join("sent.mp4");
    let all = clocks(&["-skip_frame", "nokey", "-i", sent.to_str().unwrap()], b"");
    all.into_iter().map(|(time, number)| (near(time, about), number)).collect()
}

fn text(time: f64) -> String {
    jiff::Timestamp::from_microsecond((time * 1e6) as i64).unwrap().to_string()
}

fn thumbnail(server: &Server, query: &str, headers: &[&str]) -> Answer {
    ask(server.port, "GET", &format!("/live.jpg?{query}"), headers)
}

/// At each moment between two keyframes, the first of them is the picture.
#[track_caller]
fn judge(server: &Server, keyframes: &[(f64, u32)]) {
    assert!(keyframes.len() > 3, "{keyframes:?}");
    for two in keyframes.windows(2) {
        let at = f64::midpoint(two[0].0, two[1].0);
        let got = thumbnail(server, &format!("at={}", text(at)), &[]);
        assert_eq!(got.status, 200, "{at}: {}", String::from_utf8_lossy(&got.body));
        let seen = clocks(&["-f", "jpeg_pipe", "-i", "-"], &got.body);
        assert_eq!(seen.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [two[0].1], "{at} in {two:?}");
        // It says when it was captured.
        let place = got.header("content-location").unwrap();
        let told = seconds(&place.strip_prefix("live.jpg?at=").unwrap().into());
        assert!((told - two[0].0).abs() < 0.15, "{place} is {}", two[0].0);
    }
}

#[test]
fn out_of_recordings() {
    let dir = TempDir::new();
    let folder = dir.join("recordings");
    let (server, source) = live(&dir, &["--record", folder.to_str().unwrap(), "--record-segment", "2s"]);
    let told = recorded(&server, 6.0);
    let begin = seconds(&told["spans"][0]["from"]);
    drop(source);
    let all = keyframes(&dir, begin);
    // Without the ring: another server, to which nothing comes.
    drop(server);
    // A shorter pause is no gap.
    std::thread::sleep(Duration::from_secs(3));
    let other = TempDir::new();
    let (server, source) = live(&other, &["--record", folder.to_str().unwrap(), "--record-segment", "2s"]);
    let told = eventually("it goes on", || Some(recorded(&server, 7.0)).filter(|told| told["spans"].as_array().unwrap().len() == 2));
    let (gap_begin, gap_end) = (seconds(&told["gaps"][0]["from"]), seconds(&told["gaps"][0]["to"]));
    let old: Vec<_> = all.into_iter().filter(|(time, _)| *time < gap_begin).collect();
    judge(&server, &old);
    // In the gap there is nothing, and behind it nothing from before.
    assert!(gap_end - gap_begin > 1.0, "{told}");
    let wanted = thumbnail(&server, &format!("at={}", text(gap_end + 0.05)), &[]);
    let seen = clocks(&["-f", "jpeg_pipe", "-i", "-"], &wanted.body);
    assert!((near(seen[0].0, gap_end) - gap_end).abs() < 0.15, "{seen:?} at {gap_end}");
    eventually("the gap is old enough", || (thumbnail(&server, &format!("at={}", text(gap_end - 0.05)), &[]).status == 404).then_some(()));
    let before = thumbnail(&server, &format!("at={}", text(gap_begin + 0.2)), &[]);
    assert_eq!(clocks(&["-f", "jpeg_pipe", "-i", "-"], &before.body)[0].1, old.last().unwrap().1, "it was still on the screen");
    answers(&server, old[1].0);
    drop(source);
}

#[track_caller]
fn answers(server: &Server, at: f64) {
    let query = format!("at={}&width=160", text(at + 0.1));
    let first = thumbnail(server, &query, &[]);
    let size = ["-v", "error", "-f", "jpeg_pipe", "-show_entries", "stream=width,height", "-of", "csv=p=0", "-"];
    assert_eq!(run(Command::new("ffprobe").args(size), &first.body).success().text().trim(), "160,120");
    let etag = first.header("etag").unwrap();
    // It is the same for a while, and for this browser alone.
    let cache = first.header("cache-control").unwrap();
    assert!(cache.starts_with("private, "), "{cache}");
    let again = thumbnail(server, &query, &[&format!("If-None-Match: {etag}")]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    let place = first.header("content-location").unwrap();
    let same = ask(server.port, "GET", &format!("/{place}"), &[]);
    assert_eq!((same.status, same.header("etag"), same.body == first.body), (200, Some(etag), true), "{place}");
    assert_ne!(thumbnail(server, &format!("at={}", text(at + 0.1)), &[]).header("etag"), Some(etag), "another width");
    let head = ask(server.port, "HEAD", &format!("/live.jpg?{query}"), &[]);
    assert_eq!((head.status, head.header("etag"), head.body.len()), (200, Some(etag), 0));
    let now = thumbnail(server, "at=-1s", &[]);
    assert_eq!((now.status, now.header("cache-control")), (200, Some("private, no-cache")));
    for (query, status) in [
        ("at=", 400),
        ("at=x", 400),
        ("at=%ff", 400),
        ("at=-1s&width=1", 400),
        ("at=-3h", 404),
        ("at=2001-01-01T00:00:00Z", 404),
        ("at=2999-01-01T00:00:00Z", 404),
    ] {
        let got = thumbnail(server, query, &[]);
        assert_eq!(got.status, status, "{query}");
    }
    assert!(String::from_utf8_lossy(&thumbnail(server, "at=-3h", &[]).body).contains("nothing of that time"));
    assert_eq!(ask(server.port, "GET", "/other.jpg?at=-1s", &[]).status, 404);
    assert_eq!(ask(server.port, "POST", "/live.jpg?at=-1s", &[]).status, 405);
}

#[test]
fn out_of_the_ring() {
    let dir = TempDir::new();
    let (server, source) = live(&dir, &["--hls-window", "30"]);
    let told = eventually("four seconds", || {
        let told = super::clips::json(&server, "/live/rec.json");
        (seconds(&told["ring"]["to"]) - seconds(&told["ring"]["from"]) > 4.0).then_some(told)
    });
    assert_eq!((told["spans"].as_array().unwrap().len(), &told["recording"], &told["ring"]["live"]), (0, &false.into(), &true.into()));
    assert_eq!(server.streams()["live"]["recorded"], false);
    let from = seconds(&told["ring"]["from"]);
    let all = keyframes(&dir, from);
    judge(&server, &all);
    assert!((all[0].0 - from).abs() < 0.15, "{all:?} from {from}");
    assert_eq!(thumbnail(&server, &format!("at={}", text(from - 1.0)), &[]).status, 404);
    answers(&server, all[1].0);
    drop(source);
}
