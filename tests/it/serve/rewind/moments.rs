//! The right moment: out of recordings and the ring, up to what is live, over a restart and a gap.

use super::super::Server;
use super::super::client::{Ws, ask};
use super::super::studio::{Studio, decode_time};
use super::viewer::{Came, Feeder, Viewer, duration, media, now, recorded, seconds, time};
use crate::util::{PATIENCE, TempDir, eventually};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// The frames that were live, from the picture that was on the screen at that moment.
#[test]
fn a_moment_of_the_recordings() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 3000));
    feeder.wait_for(3);
    let port = server.port;
    let live = std::thread::spawn(move || {
        let mut viewer = Viewer::new(port);
        let mut seen = BTreeMap::new();
        while seen.len() < 200 {
            let (number, bytes) = viewer.shown();
            seen.insert(number, media(&bytes).to_vec());
        }
        seen
    });
    feeder.wait_for(190);
    let mut viewer = Viewer::new(server.port);
    // Within a recording, near its cuts, by both kinds of time.
    for (back, absolute) in [(4.0, false), (3.05, true), (1.5, false), (4.5, true)] {
        let asked = now() - back;
        if absolute {
            viewer.say("seek", time(asked))
        } else {
            viewer.say("seek", -back)
        }
        viewer.begun();
        assert!(matches!(viewer.next(), Came::Init));
        let (mut hidden, mut told) = (Vec::new(), None);
        let first = loop {
            match viewer.next() {
                Came::Picture(number, false, _) => hidden.push(number),
                Came::Position(value) => told = Some(value),
                Came::Picture(number, true, bytes) => break (number, bytes),
                other => panic!("{other:?}"),
            }
        };
        let (told, off) = (told.unwrap(), asked - feeder.sent(first.0));
        println!("{back} s back: picture {} was sent {off:.3} s before, {} hidden", first.0, hidden.len());
        assert!((-0.15..0.25).contains(&off), "{off}");
        assert_eq!(
            hidden,
            ((first.0 / 15 * 15).max(hidden.first().copied().unwrap_or(first.0))..first.0).collect::<Vec<_>>(),
            "{}",
            first.0
        );
        assert!((seconds(&told["time"]) - asked).abs() < 0.2 && told["live"] == false && told["paused"] == false, "{told}");
        assert!((told["media"].as_f64().unwrap() - decode_time(&first.1) as f64 / 1e6).abs() < 0.04, "{told}");
        // A second of it takes a second.
        let (begun, mut before) = (Instant::now(), first);
        for _ in 0..30 {
            let next = viewer.shown();
            assert_eq!(next.0, before.0 + 1);
            assert_eq!(decode_time(&next.1), decode_time(&before.1) + u64::from(duration(&before.1)));
            before = next;
        }
        let took = begun.elapsed().as_secs_f64();
        assert!((0.85..1.5).contains(&took), "{took} s");
    }
    let live = live.join().unwrap();
    viewer.say("seek", -3);
    viewer.begun();
    for _ in 0..40 {
        let (number, bytes) = viewer.shown();
        assert!(live.get(&number).is_none_or(|was| was == media(&bytes)), "{number} is another one");
    }
}

#[test]
fn back_at_live() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(120);
    let mut viewer = Viewer::new(server.port);
    viewer.say("seek", -3);
    viewer.begun();
    viewer.shown();
    viewer.say("live", ());
    let begun = Instant::now();
    while viewer.position()["live"] != true {}
    assert!(matches!(viewer.next(), Came::Kind) && matches!(viewer.next(), Came::Init));
    let (first, _) = viewer.shown();
    let newest = feeder.sent.lock().unwrap().len() as u64;
    assert!(first.is_multiple_of(15) && first + 20 >= newest, "{first} of {newest}");
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    let mut last = first;
    while now() - feeder.sent(last) > 0.3 {
        let (number, _) = viewer.shown();
        assert_eq!(number, last + 1);
        last = number;
    }
    // A moment that is now is live too.
    viewer.say("seek", 0);
    while viewer.position()["live"] != true {}
}

/// From recordings into the ring, and from there into what is live: no frame twice, none missing.
#[test]
fn no_seam_up_to_live() {
    let dir = TempDir::new();
    for args in [&[][..], &["--record", "recordings", "--record-segment", "2s"]] {
        let folder = dir.join("recordings");
        let args: Vec<&str> = args.iter().map(|arg| if *arg == "recordings" { folder.to_str().unwrap() } else { arg }).collect();
        let mut server = Server::start(&[&args[..], &["--on-eof", "wait", "--hls-window", "30"]].concat());
        let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
        feeder.wait_for(150);
        let mut viewer = Viewer::new(server.port);
        viewer.say("seek", -4);
        viewer.begun();
        let (mut last, _) = viewer.shown();
        viewer.say("speed", 4);
        viewer.begun();
        let (first, _) = viewer.shown();
        assert!((last.saturating_sub(1)..last + 10).contains(&first), "{first} after {last}");
        last = first;
        let mut live = 0;
        while live < 40 {
            match viewer.next() {
                Came::Position(value) if value["live"] == true => live = 1,
                Came::Picture(number, true, _) => {
                    assert_eq!(number, last + 1, "{} pictures after the begin of live", live);
                    last = number;
                    live += u64::from(live > 0);
                }
                Came::Error(what) => panic!("{what}"),
                _ => {}
            }
        }
        assert!(now() - feeder.sent(last) < 0.5);
    }
}

/// Over a restart of the server, and over the time in which there was none.
#[test]
fn over_a_restart_and_a_gap() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(75);
    let last_sent = feeder.sent(70);
    let (stdin, studio) = feeder.end();
    drop(stdin);
    let before = studio.pictures();
    server.process.signal("TERM");
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
    std::thread::sleep(Duration::from_millis(2500));
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::with(15, 1000, false, 0));
    feeder.wait_for(60);
    let mut viewer = Viewer::new(server.port);
    viewer.say("seek", time(last_sent - 1.0));
    viewer.begun();
    let (mut last, _) = viewer.shown();
    assert!((30..=50).contains(&last), "{last}");
    let mut gap = None;
    for _ in 0..60 {
        match viewer.next() {
            Came::Picture(number, true, _) => {
                let next = if last + 1 == before { 0 } else { last + 1 };
                assert_eq!((number, gap.is_some()), (next, last + 1 == before || gap.is_some()));
                last = number;
            }
            Came::Position(value) if value["gap"].is_number() => gap = value["gap"].as_f64(),
            Came::Error(what) => panic!("{what}"),
            _ => {}
        }
    }
    assert!(gap.is_some_and(|gap| (2.0..8.0).contains(&gap)), "{gap:?}");
    // A moment of which there is nothing: what comes after it.
    viewer.say("seek", time(last_sent + 1.0));
    viewer.begun();
    assert_eq!(viewer.shown().0, 0);
    viewer.say("seek", "2001-01-01T00:00:00Z");
    viewer.begun();
    assert_eq!(viewer.shown().0, 0, "the first there is");
}

/// A stream that was recorded, and is not there.
#[test]
fn a_stream_that_is_gone() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(60);
    drop(feeder);
    server.process.signal("TERM");
    server.process.finish(PATIENCE);
    fs::rename(dir.join("recordings/live"), dir.join("recordings/old")).unwrap();
    let server = recorded(&dir, &[]);
    eventually("it was looked through", || (ask(server.port, "GET", "/old/rec.json", &[]).status == 200).then_some(()));
    let mut viewer = Viewer(Ws::connect(server.port, "old"));
    viewer.say("mse", "");
    assert!(viewer.error().contains("no such stream"));
    viewer.say("seek", "-1h");
    viewer.begun();
    for number in 0..40 {
        assert_eq!(viewer.shown().0, number);
    }
}
