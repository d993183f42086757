//! Who may, what is not understood, and what many viewers cost.

use super::super::Server;
use super::super::client::Ws;
use super::super::studio::Studio;
use super::viewer::{Feeder, Viewer, recorded};
use crate::util::{TempDir, eventually, h5, run};
use serde_json::{Value, json};
use std::fs;

#[test]
fn who_may() {
    let dir = TempDir::new();
    let users = dir.join("users");
    let mut tokens = Vec::new();
    for (name, rights) in [("now", "view"), ("then", "view,rewind")] {
        let made = run(&mut h5("h5serve", &["passwd", users.to_str().unwrap(), name, "--token", "--rights", rights]), b"");
        tokens.push(made.success().text().trim().to_owned());
    }
    let mut server = recorded(&dir, &["--users", users.to_str().unwrap()]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(60);
    let viewer = |token: &str| Viewer::with(server.port, "live", &format!("Authorization: Bearer {token}"));
    let mut only_now = viewer(&tokens[0]);
    for (what, value) in [("seek", json!(-1)), ("pause", Value::Null), ("speed", json!(-1)), ("step", json!(-1)), ("live", Value::Null)] {
        only_now.say(what, value);
        assert_eq!(only_now.error(), "rewind: you may see this stream live, and not what was before");
    }
    only_now.shown();
    let mut both = viewer(&tokens[1]);
    both.say("seek", -1);
    both.begun();
    both.shown();
    // The right is taken away.
    let file = fs::read_to_string(&users).unwrap();
    fs::write(&users, file.replace("view,rewind", "view")).unwrap();
    assert_eq!(both.0.closed(), (4401, "you may no longer see this stream".to_owned()));
    only_now.shown();
}

#[test]
fn what_is_not_understood() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(15, 1000));
    feeder.wait_for(60);
    let mut viewer = Viewer::new(server.port);
    for wrong in [
        r#"{"type":"seek"}"#,
        r#"{"type":"seek","value":"yesterday"}"#,
        r#"{"type":"seek","value":1e308}"#,
        r#"{"type":"seek","value":[1]}"#,
        r#"{"type":"speed","value":0}"#,
        r#"{"type":"speed","value":-0.3}"#,
        r#"{"type":"speed","value":1000}"#,
        r#"{"type":"step","value":0.5}"#,
        r#"{"type":"step","value":-1000000000000}"#,
        r#"{"type":"pause","value":{}}"#,
    ] {
        viewer.0.say(wrong);
        let error = viewer.error();
        assert!(error.contains(": the value is"), "{wrong}: {error}");
    }
    viewer.shown();
    for odd in [json!("9999-12-30T00:00:00Z"), json!("0001-01-01T00:00:00Z"), json!(-1e9), json!(1e9)] {
        viewer.say("seek", odd);
        viewer.shown();
    }
    // Many at a time: the last counts, and nobody is harmed.
    for n in 0..200 {
        viewer.say(["seek", "speed", "step", "pause", "play", "live"][n % 6], [json!(-1), json!(2), json!(-1)][n % 3].clone());
    }
    viewer.say("live", ());
    let mut fresh = Viewer::new(server.port);
    fresh.shown();
    // A viewer of another kind, and one who has asked for nothing.
    let mut nobody = Ws::connect(server.port, "live");
    nobody.say(r#"{"type":"seek","value":-1}"#);
    assert_eq!(nobody.text()["value"], "rewind: ask for mse first");
    let mut gone = Ws::connect(server.port, "nothing");
    gone.say(r#"{"type":"mse","value":""}"#);
    assert_eq!(gone.text()["type"], "error");
    gone.say(r#"{"type":"seek","value":-1}"#);
    assert_eq!(gone.text()["value"], "seek: there is nothing of that time");
}

/// Open files of the process, and its memory in KiB.
fn cost(server: &Server) -> (usize, u64) {
    (fs::read_dir(format!("/proc/{}/fd", server.process.id())).unwrap().count(), server.resident_kib())
}

#[test]
fn many_who_seek_at_random() {
    let dir = TempDir::new();
    let mut server = recorded(&dir, &[]);
    let feeder = Feeder::start(&mut server, Studio::new(30, 20_000));
    feeder.wait_for(240);
    let mut live = Viewer::new(server.port);
    live.shown();
    let mut viewers: Vec<Viewer> = (0..10).map(|_| Viewer::new(server.port)).collect();
    let mut costs = Vec::new();
    for round in 0..40usize {
        for (n, viewer) in viewers.iter_mut().enumerate() {
            let random = (round * 7919 + n * 104_729) % 1000;
            viewer.say("seek", -(0.7 + random as f64 / 150.0));
            if random % 5 == 0 {
                viewer.say("speed", [0.5, 4.0, -2.0, 16.0][random / 5 % 4]);
            }
        }
        for viewer in &mut viewers {
            viewer.begun();
            viewer.shown();
        }
        if round % 10 == 9 {
            costs.push(cost(&server));
        }
    }
    println!("open files and KiB: {costs:?}");
    let files = costs[0].0;
    assert!(costs.iter().all(|(open, _)| open.abs_diff(files) <= 12), "{costs:?}");
    assert!(costs[3].1 < costs[1].1 + 30_000, "{costs:?}");
    drop(viewers);
    eventually("the files are closed", || (cost(&server).0 + 15 < files.max(25)).then_some(()));
    live.shown();
}
