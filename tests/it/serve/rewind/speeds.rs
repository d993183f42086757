//! Faster, slower, backwards, picture by picture; and what others make of it.

use super::super::Server;
use super::super::client::{Message, Ws};
use super::super::studio::{Studio, decode_time};
use super::viewer::{Came, Feeder, Viewer, duration, now, recorded};
use crate::util::{Running, TempDir, eventually, run, shell};
use serde_json::json;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn fast_slow_and_backwards() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(240);
    let mut viewer = Viewer::new(server.port);
    viewer.say("seek", -3);
    viewer.begun();
    let (mut last, _) = viewer.shown();
    viewer.say("speed", 0.25);
    viewer.begun();
    let begun = Instant::now();
    let (first, _) = viewer.shown();
    assert!((last.saturating_sub(1)..last + 4).contains(&first));
    for n in 1..=8 {
        let (number, bytes) = viewer.shown();
        assert_eq!(number, first + n);
        assert!(duration(&bytes).abs_diff(133_333) < 20, "{}", duration(&bytes));
    }
    assert!((0.85..1.6).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    viewer.say("speed", 2);
    viewer.begun();
    let begun = Instant::now();
    for _ in 0..60 {
        viewer.shown();
    }
    assert!((0.85..1.6).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    // Keyframes, one before the other, up to the first.
    viewer.say("speed", -4);
    viewer.begun();
    (last, _) = viewer.shown();
    assert!(last.is_multiple_of(15), "{last}");
    while last > 0 {
        let (number, _) = viewer.shown();
        assert!(number < last && number.is_multiple_of(15), "{number} after {last}");
        last = number;
    }
    // And on, up to live.
    viewer.say("speed", 16);
    viewer.begun();
    (last, _) = viewer.shown();
    loop {
        match viewer.next() {
            Came::Picture(number, true, _) => {
                assert!(number > last && number.is_multiple_of(15), "{number} after {last}");
                last = number;
            }
            Came::Position(value) if value["live"] == true => break,
            Came::Error(what) => panic!("{what}"),
            _ => {}
        }
    }
    let newest = feeder.sent.lock().unwrap().len() as u64;
    assert!(last + 40 > newest, "{last} of {newest}");
}

#[test]
fn picture_by_picture() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(150);
    let mut viewer = Viewer::new(server.port);
    viewer.say("seek", -3);
    viewer.begun();
    let mut shown: Vec<(u64, Vec<u8>)> = (0..20).map(|_| viewer.shown()).collect();
    let standing = |viewer: &mut Viewer, shown: &mut Vec<(u64, Vec<u8>)>| loop {
        match viewer.next() {
            Came::Position(value) if value["paused"] == true => break value["media"].as_f64().unwrap(),
            Came::Picture(number, true, bytes) => shown.push((number, bytes)),
            Came::Kind => shown.clear(),
            Came::Error(what) => panic!("{what}"),
            _ => {}
        }
    };
    let at = |shown: &[(u64, Vec<u8>)], media: f64| {
        let found = shown.iter().find(|(_, bytes)| (decode_time(bytes) as f64 / 1e6 - media).abs() < 0.001);
        found.unwrap_or_else(|| panic!("no picture at {media}")).0
    };
    viewer.say("pause", ());
    let media = standing(&mut viewer, &mut shown);
    let mut number = at(&shown, media);
    assert_eq!(number, shown.last().unwrap().0);
    for _ in 0..4 {
        viewer.say("step", 1);
        let media = standing(&mut viewer, &mut shown);
        assert_eq!(at(&shown, media), number + 1);
        number += 1;
    }
    // Over a keyframe, too.
    for _ in 0..20 {
        viewer.say("step", -1);
        viewer.begun();
        shown.clear();
        let mut media = standing(&mut viewer, &mut shown);
        if shown.is_empty() {
            media = standing(&mut viewer, &mut shown);
        }
        number -= 1;
        assert_eq!((at(&shown, media), shown.len()), (number, 1));
    }
    viewer.say("step", 3);
    for _ in 0..3 {
        standing(&mut viewer, &mut shown);
    }
    assert_eq!(shown.last().unwrap().0, number + 3);
    viewer.say("play", ());
    for n in 4..30 {
        assert_eq!(viewer.shown().0, number + n);
    }
    // A player says which picture it shows: one of those that came before the last.
    let shown: Vec<_> = (0..10).map(|_| viewer.shown()).collect();
    let (number, bytes) = &shown[4];
    viewer.say("pause", json!({ "media": decode_time(bytes) as f64 / 1e6 + 0.02 }));
    let told = loop {
        let told = viewer.position();
        if told["paused"] == true {
            break told;
        }
    };
    assert!((told["media"].as_f64().unwrap() - decode_time(bytes) as f64 / 1e6).abs() < 0.001, "{number}: {told}");
    // From live.
    viewer.say("live", ());
    while viewer.position()["live"] != true {}
    viewer.shown();
    viewer.say("pause", ());
    viewer.begun();
    let (number, _) = viewer.shown();
    assert!(now() - feeder.sent(number) < 1.5);
}

/// The test picture with sound: another program decodes what comes, and finds no fault.
#[test]
fn others_can_decode_it() {
    let dir = TempDir::new();
    let (folder, fifo) = (dir.join("recordings"), dir.join("live.mp4"));
    run(Command::new("mkfifo").arg(&fifo), b"").success();
    let line = format!("h5cap test --size 320x240 | h5enc --gop 1s | h5mux > {}", fifo.display());
    let server =
        Server::start(&["--record", folder.to_str().unwrap(), "--record-segment", "2s", "--on-eof", "wait", fifo.to_str().unwrap()]);
    let _source = Running::start_with(&mut shell(&line), Stdio::null(), Stdio::null());
    eventually("it is live", || (server.streams()["live"]["state"] == "live").then_some(()));
    std::thread::sleep(Duration::from_secs(6));
    let mut ws = Ws::viewer(server.port, "live");
    for (speed, sounds) in [(1.0, true), (0.5, false), (2.0, false), (-2.0, false)] {
        ws.say(&json!({ "type": "seek", "value": -4.3 }).to_string());
        ws.say(&json!({ "type": "speed", "value": speed }).to_string());
        let (mut film, mut kind) = (Vec::new(), String::new());
        let end = Instant::now() + Duration::from_millis(1500);
        while Instant::now() < end {
            match ws.next() {
                Message::Text(text) if text.contains(r#""type":"mse""#) => {
                    film.clear();
                    kind = text;
                }
                Message::Binary(bytes) => film.extend(bytes),
                _ => {}
            }
        }
        assert_eq!(kind.contains("opus"), sounds, "{speed}: {kind}");
        let file = dir.join("film.mp4");
        fs::write(&file, &film).unwrap();
        let decoded = run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&file).args(["-f", "null", "-"]), b"").success();
        assert_eq!(decoded.stderr, "", "{speed}");
        let streams =
            run(Command::new("ffprobe").args(["-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0"]).arg(&file), b"");
        assert_eq!(streams.success().text().contains("audio"), sounds, "{speed}");
    }
}
