use super::access::Fixture;
use super::client::{Ws, ask};
use super::studio::Studio;
use super::{Server, feed};
use crate::util::{TempDir, eventually, h5, run};
use serde_json::Value;
use std::fs;

fn list(port: u16) -> Value {
    serde_json::from_slice(&ask(port, "GET", "/api/streams", &[]).body).unwrap()
}

fn names(qualities: &Value) -> Vec<&str> {
    qualities.as_array().unwrap().iter().map(|quality| quality["name"].as_str().unwrap()).collect()
}

#[test]
fn one_name_for_two_qualities() {
    let folder = TempDir::new();
    let (mut hd, mut sd) = (Studio::new(30, 2000), Studio::new(30, 300));
    let small = [sd.picture(), sd.picture()];
    fs::write(folder.join("sd.mp4"), [sd.init(), small.concat()].concat()).unwrap();
    let input = format!("sd={}", folder.join("sd.mp4").display());
    let mut server = Server::start(&["--on-eof", "wait", "--group", "cam=hd,sd", "hd=-", &input]);
    let mut stdin = server.process.stdin();
    let large = [hd.picture(), hd.picture()];
    feed(&mut stdin, &[hd.init(), large.concat()].concat());
    let listed = eventually("both streams", || {
        let list = list(server.port);
        let qualities = list["cam"]["qualities"].as_array()?.clone();
        (qualities.len() == 2 && qualities.iter().all(|quality| quality["width"] == 640)).then_some(list)
    });
    // The group is in the place of its streams.
    assert_eq!(listed.as_object().unwrap().keys().collect::<Vec<_>>(), ["cam"]);
    let cam = &listed["cam"];
    assert_eq!((&cam["name"], &cam["quality"], names(&cam["qualities"])), (&"cam".into(), &"hd".into(), vec!["hd", "sd"]));
    for (src, name, chunk) in [
        ("cam", Some("hd"), &large[0]),
        ("cam&quality=hd", Some("hd"), &large[0]),
        ("cam&quality=sd", Some("sd"), &small[0]),
        // By its own name it is a stream as any other.
        ("sd", None, &small[0]),
    ] {
        let mut ws = Ws::connect(server.port, &format!("{src}&codecs=avc1.640029"));
        assert_eq!(ws.text()["type"], "mse", "{src}");
        let stream = ws.text();
        let said = &stream["value"];
        match name {
            Some(name) => {
                assert_eq!((&said["name"], &said["quality"]), (&"cam".into(), &name.into()), "{src}");
                assert_eq!(names(&said["qualities"]), ["hd", "sd"]);
            }
            None => assert_eq!((&said["name"], &said["quality"], &said["qualities"]), (&"sd".into(), &Value::Null, &Value::Null)),
        }
        ws.binary();
        assert_eq!(&ws.binary(), chunk, "{src}");
    }
    // It is the only one there is.
    let mut only = Ws::connect(server.port, "cam");
    only.say(r#"{"type":"mse","value":"avc1.640029"}"#);
    assert_eq!(only.text()["type"], "mse");
    assert_eq!(ask(server.port, "GET", "/", &[]).header("link"), Some("<api/ws>; rel=\"alternate\"; upgrade=\"websocket\""));
    for (target, status) in [
        ("/cam", 200),
        ("/cam.mp4", 200),
        ("/cam.mp4?quality=sd", 200),
        ("/sd.mp4", 200),
        ("/cam.mp4?quality=ld", 404),
        ("/sd.mp4?quality=hd", 404),
        ("/cam.mp4?quality=%", 400),
    ] {
        assert_eq!(ask(server.port, "HEAD", target, &[]).status, status, "{target}");
    }
    // HLS has those that have begun, each under its own name.
    feed(&mut stdin, &(0..30).map(|_| hd.picture()).collect::<Vec<_>>().concat());
    let index = ask(server.port, "GET", "/cam/index.m3u8", &[]);
    let index = String::from_utf8(index.body).unwrap();
    assert_eq!(index.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>(), ["hd/video.m3u8"], "{index}");
    for (target, status) in [
        ("/cam/hd/index.m3u8", 200),
        ("/hd/index.m3u8", 200),
        ("/cam/video.m3u8", 404),
        ("/cam/ld/index.m3u8", 404),
        ("/hd/sd/index.m3u8", 404),
        ("/hd/hd/index.m3u8", 404),
    ] {
        assert_eq!(ask(server.port, "GET", target, &[]).status, status, "{target}");
    }
    let mut none = Ws::connect(server.port, "cam&quality=ld");
    none.say(r#"{"type":"mse","value":"avc1.640029"}"#);
    assert_eq!(none.text()["value"], "mse: there is no such stream");
}

#[test]
fn who_may_see_a_group_may_see_its_streams_by_it_and_not_otherwise() {
    let fixture = Fixture::start(&["--group", "both=cam,pic"]);
    let link = fixture.link("key", &["--stream", "both", "--path-prefix"]);
    let folder = link.strip_suffix("/both").unwrap();
    let folder = &folder[folder.find("/t/").unwrap()..];
    let status = |target: &str| ask(fixture.server.port, "HEAD", &format!("{folder}/{target}"), &[]).status;
    for allowed in ["both", "both.mp4", "both.jpg?quality=pic", "api/streams"] {
        assert_eq!(status(allowed), 200, "{allowed}");
    }
    for refused in ["cam", "cam.mp4", "pic.jpg", "pic.jpg?quality=pic"] {
        assert_eq!(status(refused), 403, "{refused}");
    }
    let list: Value = serde_json::from_slice(&ask(fixture.server.port, "GET", &format!("{folder}/api/streams"), &[]).body).unwrap();
    assert_eq!(list.as_object().unwrap().keys().collect::<Vec<_>>(), ["both"]);
}

#[test]
fn what_is_no_group_is_said_at_once() {
    for (group, said) in [
        ("cam=hd", "2 to 8 names"),
        ("cam=hd,../sd", "cannot be a name"),
        ("cam=hd,ld", "there is no stream ld"),
        ("hd=hd,sd", "there is a stream or a group hd already"),
    ] {
        let done = run(&mut h5("h5serve", &["--listen", "127.0.0.1:0", "--group", group, "hd=x", "sd=y"]), b"");
        assert_eq!(done.code(), 2, "{group}");
        assert!(done.stderr.contains(said), "{group}: {}", done.stderr);
    }
}
