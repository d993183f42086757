use super::client::{Message, Ws, frame};
use super::studio::{Studio, boxes, number};
use super::{Server, feed};
use serde_json::json;
use std::io::Write;

/// A server with sound and pictures 0 to 4, keyframes at 0 and 3.
fn live() -> (Server, impl Write + use<>, Studio, Vec<Vec<u8>>) {
    let mut server = Server::start(&[]);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::with(3, 500, true, 0);
    feed(&mut stdin, &studio.init());
    let mut sent = vec![];
    for _ in 0..5 {
        sent.extend([studio.picture(), studio.sound()]);
    }
    feed(&mut stdin, &sent.concat());
    // The last chunk is in when a viewer gets it.
    let mut first = Ws::viewer(server.port, "live");
    while first.binary() != sent[9] {}
    (server, stdin, studio, sent)
}

#[test]
fn go2rtc_client_in_its_own_order() {
    let (server, mut stdin, mut studio, mut sent) = live();
    let mut ws = Ws::connect(server.port, "live");
    ws.say(r#"{"type":"webrtc/offer","value":"v=0\r\n"}"#);
    ws.say(r#"{"type":"webrtc/candidate","value":""}"#);
    ws.say(r#"{"type":"mse","value":"avc1.640029,avc1.64002A,avc1.640033,hvc1.1.6.L153.B0,mp4a.40.2,mp4a.40.5,flac,opus"}"#);
    let refused = ws.text();
    assert_eq!(refused["type"], "error");
    assert!(refused["value"].as_str().unwrap().contains("webrtc/offer"), "its page looks for that");
    assert_eq!(ws.text()["type"], "error", "the candidate");
    assert_eq!(ws.text(), json!({"type": "mse", "value": "video/mp4; codecs=\"avc1.42C01E,opus\""}));
    let stream = ws.text();
    assert_eq!((&stream["type"], &stream["value"]["width"], &stream["value"]["audio"]), (&"stream".into(), &640.into(), &"opus".into()));
    assert_eq!(ws.binary(), studio.init());
    for chunk in &sent[6..] {
        assert_eq!(&ws.binary(), chunk, "one chunk a message, from the newest keyframe on");
    }
    sent.push(studio.picture());
    feed(&mut stdin, sent.last().unwrap());
    assert_eq!(&ws.binary(), sent.last().unwrap());
    ws.send(&frame(0x88, &[0x03, 0xe8]));
    assert_eq!(ws.closed(), (1000, String::new()));
    assert_eq!(ws.next(), Message::End, "and the server closes");
}

/// As our page asks, while its player is on its way.
#[test]
fn asked_for_with_the_handshake() {
    let (server, _stdin, _, sent) = live();
    let mut ws = Ws::connect(server.port, "live&codecs=hvc1.1.6.L153.B0,avc1.640029");
    assert_eq!(ws.text(), json!({"type": "mse", "value": "video/mp4; codecs=\"avc1.42C01E\""}));
    assert_eq!(ws.text()["type"], "stream");
    ws.binary();
    assert_eq!((ws.binary(), ws.binary()), (sent[6].clone(), sent[8].clone()));
    let mut other = Ws::connect(server.port, "live&codecs=vp09.00.40.08");
    assert_eq!(other.text()["value"], "mse: codecs not matched: avc1.42C01E,opus");
    other.say(r#"{"type":"mse","value":"avc1.640029"}"#);
    assert_eq!(other.text()["type"], "mse", "and it may ask for another");
}

#[test]
fn pictures_alone() {
    let (server, _stdin, studio, sent) = live();
    let mut ws = Ws::connect(server.port, "live");
    ws.say(r#"{"type":"mse","value":"hvc1.1.6.L153.B0,avc1.640029"}"#);
    assert_eq!(ws.text()["value"], "video/mp4; codecs=\"avc1.42C01E\"");
    let init = ws.binary();
    assert_eq!((boxes(&init), init.windows(4).filter(|w| w == b"trak").count()), (vec!["ftyp".into(), "moov".into()], 1));
    assert!(init.len() < studio.init().len());
    assert_eq!((ws.binary(), ws.binary()), (sent[6].clone(), sent[8].clone()));
    // And with sound after all, on the same connection.
    ws.say(r#"{"type":"mse","value":"avc1.640029,opus"}"#);
    assert_eq!(ws.text()["value"], "video/mp4; codecs=\"avc1.42C01E,opus\"");
    assert_eq!(ws.binary(), studio.init());
    assert_eq!(ws.binary(), sent[6]);
}

#[test]
fn what_cannot_be_played_is_an_error() {
    let (server, _stdin, ..) = live();
    let mut ws = Ws::connect(server.port, "live");
    ws.say(r#"{"type":"mse","value":"av01.0.04M.08,flac"}"#);
    let error = ws.text();
    assert!(error["type"] == "error" && error["value"].as_str().unwrap().starts_with("mse: "), "{error}");
    ws.say(r#"{"type":"mjpeg"}"#);
    assert!(ws.text()["value"].as_str().unwrap().starts_with("mjpeg: "));
    // It stays open.
    ws.say(r#"{"type":"ping","value":12.5}"#);
    let pong = ws.text();
    assert_eq!((&pong["type"], &pong["value"]["t"]), (&"pong".into(), &12.5.into()));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as f64;
    assert!((pong["value"]["server"].as_f64().unwrap() - now).abs() < 5000.0, "{pong}");
    for junk in ["", "mse", "[1]", "{}", r#"{"type":7}"#, &"[".repeat(4000)] {
        ws.say(junk);
        assert_eq!(ws.text()["type"], "error", "{junk}");
    }
    ws.send(&frame(0x89, b"are you there"));
    assert_eq!(ws.next(), Message::Pong(b"are you there".to_vec()));
}

#[test]
fn a_stream_that_is_not_there() {
    let (server, _stdin, ..) = live();
    let mut ws = Ws::connect(server.port, "nobody");
    ws.say(r#"{"type":"mse","value":"avc1.640029"}"#);
    let error = ws.text();
    assert!(error["type"] == "error" && error["value"].as_str().unwrap().starts_with("mse: "), "{error}");
}

#[test]
fn who_comes_early_waits() {
    let mut server = Server::start(&[]);
    let mut stdin = server.process.stdin();
    let mut ws = Ws::connect(server.port, "live");
    ws.say(r#"{"type":"mse","value":"avc1.640029"}"#);
    // A question asked later is answered first: so the wish has been heard.
    ws.say(r#"{"type":"ping","value":1}"#);
    assert_eq!(ws.text()["type"], "pong");
    let mut studio = Studio::new(30, 500);
    let first = studio.picture();
    feed(&mut stdin, &studio.init());
    feed(&mut stdin, &first);
    assert_eq!(ws.text()["type"], "mse");
    assert_eq!(ws.binary(), studio.init());
    assert_eq!(ws.binary(), first);
}

#[test]
fn each_frame_is_out_before_the_next_one_is_in() {
    let (server, mut stdin, mut studio, _) = live();
    let mut ws = Ws::viewer(server.port, "live");
    while number(&ws.binary()) != Some(4) {}
    assert_eq!(number(&ws.binary()), None, "the sound beside it");
    for n in 5..50 {
        feed(&mut stdin, &studio.picture());
        assert_eq!(number(&ws.binary()), Some(n));
    }
}

#[test]
fn a_goodbye_from_the_server() {
    let (server, _stdin, ..) = live();
    let mut ws = Ws::viewer(server.port, "live");
    let mut body = super::client::connect(server.port);
    body.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    super::client::read_head(&mut body);
    server.process.signal("TERM");
    assert_eq!(ws.closed().0, 1001);
    ws.send(&frame(0x88, &[0x03, 0xe9]));
    let mut rest = vec![];
    std::io::Read::read_to_end(&mut body, &mut rest).unwrap();
    assert!(rest.ends_with(b"\r\n0\r\n\r\n"), "the body ends as a chunked body should");
    let end = server.process.finish(crate::util::PATIENCE);
    assert_eq!(end.code(), 0, "{}", end.stderr);
}
