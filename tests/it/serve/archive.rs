//! A large archive of recordings: a hundred thousand recordings, how soon it is told what there is, and what viewers notice while most of them go.

use super::client::{Ws, ask};
use super::studio::{Studio, number};
use super::{Server, feed};
use crate::util::{PATIENCE, TempDir};
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

const RECORDINGS: i64 = 100_000;
/// Of each, as its file system has it; none has a byte on the disk.
const SIZE: u64 = 1000;
const A_MINUTE: i64 = 60;

/// A recording begins each minute, each ends ten to twenty seconds before the next, and the last has just ended. Those of a day are in its index.
fn fill(stream: &Path) {
    let now = jiff::Timestamp::now().as_second() / A_MINUTE * A_MINUTE;
    let (mut day, mut lines) = (String::new(), String::new());
    let close = |day: &str, lines: &str| fs::write(stream.join(day).join("index"), lines).unwrap();
    for n in (1..=RECORDINGS).rev() {
        let time = jiff::Timestamp::from_second(now - n * A_MINUTE).unwrap().to_string();
        let (date, clock) = time.trim_end_matches('Z').split_once('T').unwrap();
        if date != day {
            if !day.is_empty() {
                close(&day, &lines);
            }
            (day, lines) = (date.to_owned(), String::new());
            fs::create_dir_all(stream.join(date)).unwrap();
        }
        let name = format!("{}.000Z.mp4", clock.replace(':', "-"));
        File::create(stream.join(date).join(&name)).unwrap().set_len(SIZE).unwrap();
        let line = format!("{name} {} {SIZE}", 50_000_000 - n * 7919 % 9973 * 1000);
        // FNV-1a, as the index has it.
        let hash = line.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        lines.push_str(&format!("{line} {hash:08x}\n"));
    }
    close(&day, &lines);
}

/// How many there are, by what the server says.
fn known(server: &Server) -> u64 {
    let told = ask(server.port, "GET", "/live/rec.json", &[]);
    let told: Value = serde_json::from_slice(&told.body).unwrap_or_default();
    told["spans"].as_array().into_iter().flatten().filter_map(|span| span["files"].as_u64()).sum()
}

/// Feeds a picture every 10 ms as long as `goes_on`, and gives how long the slowest took to its viewer, and how many there were.
fn watched(viewer: &mut Ws, studio: &mut Studio, mut feed_one: impl FnMut(&[u8]), mut goes_on: impl FnMut() -> bool) -> (Duration, u32) {
    let (mut slowest, mut pictures) = (Duration::ZERO, 0);
    while goes_on() {
        let begun = Instant::now();
        feed_one(&studio.picture());
        let wanted = studio.pictures() - 1;
        // Each comes, in order: none is left out.
        assert_eq!(number(&viewer.binary()), Some(wanted));
        slowest = slowest.max(begun.elapsed());
        pictures += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    (slowest, pictures)
}

#[test]
fn a_hundred_thousand_recordings() {
    let dir = TempDir::new();
    let folder = dir.join("recordings");
    fill(&folder.join("live"));
    let args = |keep: &'static str| ["--record", folder.to_str().unwrap(), "--keep-size", keep, "--on-eof", "wait"].map(str::to_owned);
    let start = |keep| Server::start(&args(keep).iter().map(String::as_str).collect::<Vec<_>>());

    let server = start("1T");
    let begun = Instant::now();
    while known(&server) < RECORDINGS as u64 {
        assert!(begun.elapsed() < PATIENCE, "{} are known", known(&server));
    }
    println!("the index of {RECORDINGS} recordings was read within {:?}", begun.elapsed());
    let times = (0..5).map(|_| {
        let begun = Instant::now();
        let month = ask(server.port, "GET", "/live/rec.json?from=-30d", &[]);
        assert!(month.status == 200 && month.body.len() < 1_000_000, "{} bytes", month.body.len());
        (begun.elapsed(), month.body.len())
    });
    let (time, bytes) = times.min().unwrap();
    println!("a month of 43,200 recordings with a gap after each: {time:?}, {bytes} bytes");
    drop(server);

    let mut server = start("1M");
    let (mut stdin, mut studio) = (server.process.stdin(), Studio::new(10, 2000));
    feed(&mut stdin, &studio.init());
    feed(&mut stdin, &studio.picture());
    let mut viewer = Ws::viewer(server.port, "live");
    while number(&viewer.binary()).is_none() {}
    let (begun, mut left) = (Instant::now(), u64::MAX);
    let (slowest, pictures) = watched(
        &mut viewer,
        &mut studio,
        |bytes| feed(&mut stdin, bytes),
        || {
            left = known(&server);
            assert!(begun.elapsed() < 4 * PATIENCE, "{left} are left");
            left == 0 || left > 2000
        },
    );
    println!("{RECORDINGS} recordings went to {left} within {:?}: the slowest of {pictures} pictures took {slowest:?}", begun.elapsed());
    let until = Instant::now() + Duration::from_secs(2);
    let (slowest, pictures) = watched(&mut viewer, &mut studio, |bytes| feed(&mut stdin, bytes), || Instant::now() < until);
    println!("after that, the slowest of {pictures} took {slowest:?}");
    drop(stdin);
    server.process.signal("TERM");
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
}
