//! Viewers that jump about in a long archive: each sees the right moment, and the server needs no more memory or files for it than at first.
//!
//! `H5LIVE_ARCHIVE_HOURS=1000 cargo test --test it archive_seek` does so in an archive of a thousand hours.

use super::rewind::viewer::{Feeder, Viewer, time};
use super::studio::Studio;
use super::{Server, client::ask};
use crate::util::{TempDir, eventually};
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

const VIEWERS: u64 = 10;
/// Of one recording, in seconds.
const LENGTH: i64 = 600;
const FPS: i64 = 30;
/// In the normal run.
const HOURS: i64 = 10;

/// One recording of ten minutes, and the same under a name for every ten minutes of the archive. Gives when the first begins.
fn fill(folder: &Path, hours: i64) -> i64 {
    let (stream, recordings) = (folder.join("live"), hours * 3600 / LENGTH);
    let begin = jiff::Timestamp::now().as_second() - (recordings + 1) * LENGTH;
    let name = |n: i64| {
        let time = jiff::Timestamp::from_second(begin + n * LENGTH).unwrap().to_string();
        let (day, clock) = time.trim_end_matches('Z').split_once('T').unwrap();
        (stream.join(day), format!("{}.000Z.mp4", clock.replace(':', "-")))
    };
    let (day, first) = name(0);
    fs::create_dir_all(&day).unwrap();
    let mut studio = Studio::new(60, 100);
    let mut film = studio.init();
    (0..LENGTH * FPS).for_each(|_| film.extend(studio.picture()));
    fs::write(day.join(&first), film).unwrap();
    // As it is after a crash: a start makes it whole, and its line in the index.
    let server = Server::start(&["--record", folder.to_str().unwrap(), "--on-eof", "wait"]);
    let index = eventually("an index", || fs::read_to_string(day.join("index")).ok().filter(|text| text.ends_with('\n')));
    drop(server);
    let about = index.split_whitespace().skip(1).take(2).collect::<Vec<_>>().join(" ");
    let mut lines = index;
    for n in 1..recordings {
        let (folder, file) = name(n);
        if !folder.exists() {
            fs::create_dir(&folder).unwrap();
            lines.clear();
        }
        fs::hard_link(day.join(&first), folder.join(&file)).unwrap();
        let line = format!("{file} {about}");
        // FNV-1a, as the index has it.
        let hash = line.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        lines.push_str(&format!("{line} {hash:08x}\n"));
        fs::write(folder.join("index"), &lines).unwrap();
    }
    begin
}

fn open_files(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.process.id())).unwrap().count()
}

#[test]
fn viewers_jump_about_in_an_archive() {
    let hours = std::env::var("H5LIVE_ARCHIVE_HOURS").ok().and_then(|hours| hours.parse().ok()).unwrap_or(HOURS);
    let seeks = if hours > HOURS { 300 } else { 20 };
    let dir = TempDir::new();
    let folder = dir.join("recordings");
    let begin = fill(&folder, hours);
    let span = hours * 3600 / LENGTH * LENGTH;
    let mut server = Server::start(&["--record", folder.to_str().unwrap(), "--on-eof", "wait"]);
    let feeder = Feeder::start(&mut server, Studio::new(30, 100));
    eventually("the archive is known", || {
        let told = ask(server.port, "GET", "/live/rec.json", &[]);
        let told: serde_json::Value = serde_json::from_slice(&told.body).unwrap_or_default();
        let spans = told["spans"].as_array()?;
        (spans.iter().filter_map(|span| span["files"].as_i64()).sum::<i64>() >= span / LENGTH).then_some(())
    });
    let (measured, begun) = (Mutex::new(Vec::new()), Instant::now());
    let watch = |viewer: u64| {
        let mut watching = Viewer::new(server.port);
        // The same moments in each run.
        let mut random = viewer.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for n in 0..seeks {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (random >> 20) as i64 % span;
            watching.say("seek", time((begin + at) as f64));
            watching.begun();
            let (number, wanted) = (watching.shown().0 as i64, at % LENGTH * FPS);
            assert!((number - wanted).abs() <= 1, "viewer {viewer}, {at} s: {number} and not {wanted}");
            if viewer == 0 {
                measured.lock().unwrap().push((n, server.resident_kib(), open_files(&server)));
            }
        }
    };
    std::thread::scope(|scope| (0..VIEWERS).for_each(|viewer| _ = scope.spawn(move || watch(viewer))));
    let (took, measured) = (begun.elapsed(), measured.into_inner().unwrap());
    // All have begun by then.
    let (_, early, _) = measured[measured.len() / 4];
    let latest = measured[measured.len() / 4..].iter().map(|(_, memory, _)| *memory).max().unwrap();
    let files = measured.iter().map(|(.., files)| *files).max().unwrap();
    println!(
        "{VIEWERS} viewers, {seeks} seeks each, in {hours} h of {} recordings: {took:?}; {early} KiB after a quarter, {latest} KiB at most after that; {files} open files at most",
        span / LENGTH
    );
    assert!(latest < early + 16 * 1024, "{measured:?}");
    assert!(files < 100, "{measured:?}");
    drop(feeder);
}
