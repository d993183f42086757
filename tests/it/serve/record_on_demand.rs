//! Recording when it is asked for, by `PUT /record`, by the script for cron, and by `PUT /NAME/record`; and of streams that clients send.

use super::client::{Answer, answer, ask, raw};
use super::clips::{json, live, recorded, seconds};
use super::studio::Studio;
use super::{Server, feed};
use crate::util::{PATIENCE, Running, TempDir, eventually, free_port, h5, http, repository, run, run_for, shell};
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

/// One request, with a token where there is one, and more lines of head.
fn send(port: u16, method: &str, target: &str, token: &str, more: &str, body: &str) -> Answer {
    let token = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let length = body.len();
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{token}{more}\r\n");
    answer(&raw(port, (head + body).as_bytes()))
}

#[test]
fn by_who_has_the_right() {
    let dir = TempDir::new();
    let [folder, users] = ["recordings", "users"].map(|name| dir.join(name).display().to_string());
    let token = |name, rights| {
        run(&mut h5("h5serve", &["passwd", &users, name, "--token", "--rights", rights]), b"").success().text().trim().to_owned()
    };
    let (sees, records) = (token("sees", "view,rewind,publish"), token("records", "live=record gone=record"));
    let mut server = Server::start(&["--record", &folder, "--record-on-demand", "--users", &users]);
    let (port, mut stdin, mut studio) = (server.port, server.process.stdin(), Studio::new(10, 1000));
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    let put = |token: &str, more: &str, body: &str| send(port, "PUT", "/live/record", token, more, body).status;
    let mut is = |state: &str| {
        eventually(state, || {
            feed(&mut stdin, &studio.picture());
            let told = send(port, "GET", "/live/record", &records, "", "");
            let told: Value = serde_json::from_slice(&told.body).unwrap_or_default();
            (told["state"] == state && told["stream"] == "live").then_some(())
        });
    };
    let on = r#"{"value":true,"for":"1h"}"#;
    is("off");
    for (token, status) in [("", 401), (&*sees, 403), ("wrong", 401)] {
        assert_eq!((put(token, "", on), send(port, "GET", "/live/record", token, "", "").status), (status, status), "{token}");
    }
    for foreign in ["Origin: http://evil.example\r\n", "Origin: null\r\n"] {
        assert_eq!(put(&records, foreign, on), 403, "{foreign}");
    }
    is("off");
    assert_eq!(put(&records, "", on), 204);
    is("recording");
    assert_eq!(put(&records, "Origin: http://localhost\r\n", r#"{"stream":"live","value":false}"#), 204);
    is("off");
    let long = " ".repeat(5000);
    for (wrong, status) in [("", 400), (r#"{"value":1}"#, 400), (r#"{"stream":"door","value":true}"#, 400), (&long, 413)] {
        assert_eq!(put(&records, "", wrong), status, "{wrong}");
    }
    let posted = send(port, "POST", "/live/record", &records, "", on);
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD, PUT, OPTIONS")));
    assert_eq!(send(port, "PUT", "/gone/record", &records, "", on).status, 404);
    // Its right is for some streams.
    assert_eq!(send(port, "PUT", "/other/record", &records, "", on).status, 403);
}

/// Where anybody may watch, nobody is known to have the right.
#[test]
fn not_by_anybody() {
    let dir = TempDir::new();
    let folder = dir.join("recordings").display().to_string();
    let (server, source) = live(&dir, &["--record", &folder]);
    for method in ["GET", "PUT"] {
        let got = send(server.port, method, "/live/record", "", "", r#"{"value":false}"#);
        assert_eq!((got.status, String::from_utf8_lossy(&got.body).contains("--control")), (403, true), "{got:?}");
    }
    recorded(&server, 0.5);
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
