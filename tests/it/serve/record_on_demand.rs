//! Recording when it is asked for, by `PUT /record` and by the script for cron; and of streams that clients send.

use super::Server;
use super::client::ask;
use super::clips::{json, live, recorded, seconds};
use crate::util::{PATIENCE, Running, TempDir, eventually, free_port, http, repository, run_for, shell};
use serde_json::Value;
use std::process::{Command, Stdio};

/// Seconds that were recorded.
fn length(server: &Server, name: &str) -> f64 {
    let told = ask(server.port, "GET", &format!("/{name}/rec.json"), &[]);
    let told: Value = serde_json::from_slice(&told.body).unwrap_or_default();
    told["spans"].as_array().into_iter().flatten().map(|span| seconds(&span["to"]) - seconds(&span["from"])).sum()
}

#[test]
fn on_demand() {
    let dir = TempDir::new();
    let (folder, control) = (dir.join("recordings"), free_port());
    let args = ["--record", folder.to_str().unwrap(), "--record-on-demand", "--control", &control.to_string()];
    let (server, source) = live(&dir, &args);
    let script = |args: &[&str]| {
        let mut command = Command::new(repository("scripts/h5-record"));
        run_for(command.args(args).env("H5_CONTROL", format!("127.0.0.1:{control}")), b"", PATIENCE)
    };
    let listed = || {
        let all: Value = serde_json::from_str(&script(&["list"]).success().text()).unwrap();
        all[0].clone()
    };
    let is = |state: &str| eventually(state, || (listed()["state"] == state).then_some(()));
    is("off");
    assert_eq!((length(&server, "live"), json(&server, "/live/rec.json")["recording"].as_bool()), (0.0, Some(false)));
    script(&["on", "live"]).success();
    is("recording");
    assert_eq!((&listed()["value"], &listed()["until"]), (&Value::Bool(true), &Value::Null));
    recorded(&server, 1.0);
    script(&["off"]).success();
    is("off");
    let before = length(&server, "live");
    // It ends by itself, and there is a gap between the two.
    script(&["on", "-t", "2s", "live"]).success();
    assert!(listed()["until"].is_string(), "{}", listed());
    eventually("it goes on", || (length(&server, "live") > before + 1.0).then_some(()));
    is("off");
    let told = json(&server, "/live/rec.json");
    assert!(told["gaps"].as_array().unwrap().len() <= 1 && length(&server, "live") < before + 4.0, "{told}");
    for (args, code) in [
        (&[][..], 2),
        (&["maybe"], 2),
        (&["on", "-t", "x", "live"], 2),
        (&["off", "-t", "2s"], 2),
        (&["on", "no/name"], 2),
        (&["on", "nobody"], 1),
        (&["on", "-t", "99999999999d", "live"], 1),
    ] {
        assert_eq!(script(args).code(), code, "{args:?}");
    }
    assert_eq!(http(control, "PUT", "/record", b"{}").0, 400);
    drop(source);
}

/// A stream that a client sends is recorded as others are. A stop waits for what is written, and for no publisher.
#[test]
fn of_a_publisher() {
    let dir = TempDir::new();
    let folder = dir.join("recordings");
    let server = Server::start(&["--publish", "--record", folder.to_str().unwrap()]);
    let line = format!("h5cap test --size 320x240 | h5enc --gop 500ms | curl -s -T - http://127.0.0.1:{}/in/cam", server.port);
    let source = Running::start_with(&mut shell(&line), Stdio::null(), Stdio::null());
    eventually("it is recorded", || (length(&server, "cam") > 1.0).then_some(()));
    drop(source);
    // The stream waits for its publisher to come back, who goes on with it.
    let before = length(&server, "cam");
    let source = Running::start_with(&mut shell(&line), Stdio::null(), Stdio::null());
    eventually("it is recorded again", || (length(&server, "cam") > before + 1.0).then_some(()));
    drop(source);
    server.process.signal("TERM");
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
    let mut files: Vec<_> = walk(&folder.join("cam"));
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(&bytes[bytes.len() - 12..bytes.len() - 8], b"mfro", "{}", file.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let days = std::fs::read_dir(folder).unwrap().filter_map(|day| std::fs::read_dir(day.ok()?.path()).ok());
    days.flatten().map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|kind| kind == "mp4")).collect()
}
