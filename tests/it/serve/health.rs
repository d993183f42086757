use super::client::{Ws, connect, frame, read_head};
use super::studio::{Studio, number};
use super::{Server, feed};
use crate::util::{PATIENCE, TempDir, eventually, h5, http, run};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

struct Watched {
    server: Server,
    studio: Studio,
    stdin: Box<dyn Write>,
    control: u16,
    log: PathBuf,
    _dir: TempDir,
}

impl Watched {
    /// A server with a stream of two pictures, a control endpoint and a log of events.
    fn start(args: &[&str]) -> Watched {
        let dir = TempDir::new();
        let log = dir.join("events");
        let more = ["--control", "127.0.0.1:0", "-v", "--events", log.to_str().unwrap()];
        let mut server = Server::start(&[args, &more[..]].concat());
        let line = server.process.wait_for("control endpoint at");
        let control = line.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        let (mut stdin, mut studio) = (server.process.stdin(), Studio::new(1, 500));
        feed(&mut stdin, &[studio.init(), studio.picture(), studio.picture()].concat());
        Watched { server, studio, stdin: Box::new(stdin), control, log, _dir: dir }
    }

    fn stats(&self) -> Value {
        serde_json::from_str(&http(self.control, "GET", "/stats", b"").1).unwrap()
    }

    fn viewers(&self) -> Vec<Value> {
        self.stats()["viewers"].as_array().unwrap().clone()
    }

    fn events(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    fn event(&self, kind: &str, viewer: &Value) -> Value {
        eventually(kind, || self.events().into_iter().find(|e| e["event"] == kind && e["viewer"] == *viewer))
    }

    /// A viewer that has had a picture.
    fn viewer(&self) -> Ws {
        let mut ws = Ws::viewer(self.server.port, "live");
        while number(&ws.binary()).is_none() {}
        ws
    }
}

#[test]
fn each_viewer_is_listed_with_what_it_reports() {
    let mut watched = Watched::start(&[]);
    let mut ws = watched.viewer();
    // The stream may not have begun yet in the thread that serves this one.
    let plain = eventually("a body", || {
        let mut plain = connect(watched.server.port);
        plain.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        read_head(&mut plain).0.starts_with("HTTP/1.1 200 ").then_some(plain)
    });
    let [first, second] = &watched.viewers()[..] else { panic!("two: {:?}", watched.viewers()) };
    assert_eq!((&first["stream"], &first["transport"], &first["player"]), (&"live".into(), &"mse".into(), &Value::Null));
    assert_eq!(first["remote"].as_str(), Some(ws.stream.local_addr().unwrap().to_string().as_str()));
    assert_eq!((&second["transport"], &second["jumps"], &second["dropped"]), (&"mp4".into(), &0.into(), &0.into()));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 60.0..=now).contains(&first["since"].as_f64().unwrap()), "{first}");
    assert_ne!(first["id"], second["id"]);
    let bytes = eventually("a keyframe", || watched.viewers()[0]["bytes"].as_u64().filter(|bytes| *bytes >= 3000));
    feed(&mut watched.stdin, &watched.studio.picture());
    while number(&ws.binary()) != Some(2) {}

    ws.say(
        r#"{"type":"h5live/report","value":{"latency":84,"stalls":[640,20],"dropped":3,"errors":1,"error":"no key","transport":"MSE"}}"#,
    );
    let is_told = |v: &Value| v["player"].is_object() && v["bytes"].as_u64() > Some(bytes);
    let reported = eventually("the report", || watched.viewers().into_iter().find(|v| is_told(v)));
    let expected =
        json!({ "transport": "MSE", "latency_ms": 84.0, "stalls": 2, "stalled_ms": 660.0, "dropped": 3, "errors": 1, "error": "no key" });
    let mut player = reported["player"].clone();
    assert!(player.as_object_mut().unwrap().remove("age").unwrap().as_f64().unwrap() < 60.0);
    assert_eq!(player, expected);
    assert_eq!(reported["id"], first["id"]);

    let metrics = http(watched.control, "GET", "/metrics", b"").1;
    for line in [
        "# TYPE h5serve_player_latency_seconds histogram",
        "h5serve_player_latency_seconds_bucket{stream=\"live\",le=\"0.075\"} 0",
        "h5serve_player_latency_seconds_bucket{stream=\"live\",le=\"0.1\"} 1",
        "h5serve_player_latency_seconds_bucket{stream=\"live\",le=\"+Inf\"} 1",
        "h5serve_player_latency_seconds_sum{stream=\"live\"} 0.084",
        "h5serve_player_stall_seconds_bucket{stream=\"live\",le=\"0.02\"} 1",
        "h5serve_player_stall_seconds_bucket{stream=\"live\",le=\"1\"} 2",
        "h5serve_player_stall_seconds_count{stream=\"live\"} 2",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line} in {metrics}");
    }
    drop((ws, plain));
    // That a client which could still be reading has gone is seen when something is sent to it.
    eventually("both have gone", || {
        feed(&mut watched.stdin, &watched.studio.picture());
        watched.viewers().is_empty().then_some(())
    });
}

#[test]
fn reports_are_bounded() {
    let watched = Watched::start(&[]);
    let mut ws = watched.viewer();
    let player = || watched.viewers()[0]["player"].clone();
    let wrong = json!({ "type": "h5live/report", "value":
        { "latency": -1, "stalls": ["x", null, 1e300], "dropped": -5, "errors": u64::MAX, "error": "\u{1b}[31m".repeat(200), "transport": "x".repeat(1000) } });
    ws.say(&wrong.to_string());
    let first = eventually("the report", || Some(player()).filter(Value::is_object));
    assert_eq!(
        (&first["latency_ms"], &first["stalls"], &first["dropped"], &first["errors"]),
        (&Value::Null, &0.into(), &0.into(), &100_000.into())
    );
    let (error, transport) = (first["error"].as_str().unwrap(), first["transport"].as_str().unwrap());
    assert!(error.chars().count() == 200 && !error.contains('\u{1b}') && transport.len() == 24, "{first}");
    // A flood: hardly any of it is counted, and all of it is read.
    for _ in 0..1000 {
        ws.say(r#"{"type":"h5live/report","value":{"dropped":1}}"#);
    }
    for value in ["null", "[]", "7", "\"\"", "{}"] {
        ws.say(&format!("{{\"type\":\"h5live/report\",\"value\":{value}}}"));
    }
    ws.send(&frame(0x89, b"read"));
    while ws.next() != super::client::Message::Pong(b"read".to_vec()) {}
    assert!(player()["dropped"].as_u64().unwrap() < 100, "{}", player());
}

#[test]
fn events_are_lines_of_json() {
    let mut watched = Watched::start(&["--lag", "0.2", "--stall", "1"]);
    let mut ws = watched.viewer();
    let id = watched.viewers()[0]["id"].clone();
    let join = watched.event("join", &id);
    assert_eq!(
        (&join["stream"], &join["transport"], &join["remote"]),
        (&"live".into(), &"websocket".into(), &ws.stream.local_addr().unwrap().to_string().into())
    );
    assert!(join["time"].as_str().unwrap().ends_with('Z'), "{join}");
    ws.say(r#"{"type":"h5live/report","value":{"stalls":[640],"dropped":3,"errors":1,"error":"no\nkey"}}"#);
    assert_eq!(watched.event("error", &id)["error"], "nokey");
    assert_eq!((&watched.event("stall", &id)["by"], &watched.event("stall", &id)["seconds"]), (&"player".into(), &0.64.into()));
    assert_eq!((&watched.event("drop", &id)["by"], &watched.event("drop", &id)["frames"]), (&"player".into(), &3.into()));
    ws.send(&frame(0x83, b"what is this"));
    assert_eq!(ws.closed().0, 1002);
    drop(ws);
    let leave = watched.event("leave", &id);
    assert_eq!((&leave["code"], &leave["transport"], &leave["dropped"]), (&1002.into(), &"mse".into(), &0.into()));
    assert!(leave["bytes"].as_u64().unwrap() >= 3000 && leave["seconds"].as_f64().unwrap() > 0.0, "{leave}");
    let errors: Vec<_> = watched.events().into_iter().filter(|e| e["event"] == "error").map(|e| e["by"].clone()).collect();
    assert_eq!(errors, ["player", "server"]);

    // One that takes nothing any more.
    let mut stopped = Ws::connect_narrow(watched.server.port, "live", 4096);
    stopped.say(r#"{"type":"mse","value":""}"#);
    let id = eventually("it is there", || watched.viewers().first().map(|v| v["id"].clone()));
    watched.studio.size = 20_000;
    let stalled = eventually("it is closed", || {
        feed(&mut watched.stdin, &watched.studio.picture());
        std::thread::sleep(Duration::from_millis(20));
        watched.events().into_iter().find(|e| e["event"] == "stall" && e["viewer"] == id)
    });
    assert!(stalled["by"] == "server" && stalled["seconds"].as_f64().unwrap() >= 1.0, "{stalled}");
    drop(stopped);
    watched.event("leave", &id);
    watched.server.process.signal("TERM");
    assert_eq!(watched.server.process.finish(PATIENCE).code(), 0);
}

#[test]
fn a_late_viewer_s_jumps_are_told() {
    let mut watched = Watched::start(&["--lag", "0.2", "--stall", "30"]);
    let mut slow = Ws::connect_narrow(watched.server.port, "live", 4096);
    slow.say(r#"{"type":"mse","value":""}"#);
    watched.studio.size = 20_000;
    let jump = eventually("it is too late once", || {
        feed(&mut watched.stdin, &watched.studio.picture());
        std::thread::sleep(Duration::from_millis(20));
        slow.sip(10_000);
        watched.events().into_iter().find(|e| e["event"] == "drop")
    });
    assert!(jump["by"] == "server" && jump["frames"].as_u64().unwrap() > 0, "{jump}");
    let viewer = &watched.viewers()[0];
    assert_eq!((&viewer["id"], viewer["jumps"].as_u64() >= Some(1)), (&jump["viewer"], true), "{viewer}");
    assert!(viewer["dropped"].as_u64() >= jump["frames"].as_u64(), "{viewer}");
}

#[test]
fn events_to_a_descriptor_and_places_that_are_none() {
    let code = |place: &str| {
        let end = run(h5("h5serve", &["--listen", "127.0.0.1:0", "-q"]).args(["--events", place]), b"");
        assert!(end.code() == 0 || end.stderr.lines().count() == 1 || end.code() == 2, "{}", end.stderr);
        end.code()
    };
    assert_eq!([code("2"), code("77"), code("/nowhere/at/all"), code("0"), code("")], [0, 1, 1, 2, 2]);
    // On stderr, where a pipe reads it.
    let mut server = Server::start(&["--events", "2"]);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(1, 500);
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    let ws = Ws::viewer(server.port, "live");
    assert!(server.process.wait_for("\"event\":\"join\"").starts_with('{'));
    drop(stdin);
    drop(ws);
    let end = server.process.finish(PATIENCE);
    assert!(end.code() == 0 && end.stderr.contains("\"event\":\"leave\""), "the last lines are written: {}", end.stderr);
}
