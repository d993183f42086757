//! Who watches while the right to ends: by time, by a change of the files, by logging out.

use super::access::{ANN, BOB, Fixture, basic};
use super::client::{Message, Ws, connect, ends_within, handshake, read_head};
use crate::util::PATIENCE;
use std::fs;
use std::io::Write;
use std::net::TcpStream;

/// A viewer by WebSocket, who has asked for the stream.
fn websocket(fixture: &Fixture, prefix: &str, header: &str) -> Ws {
    let mut stream = connect(fixture.server.port);
    let request = handshake(&format!("{prefix}/api/ws?src=cam")).replacen("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"), 1);
    stream.write_all(request.as_bytes()).unwrap();
    let mut ws = Ws::accepted(stream);
    ws.say(r#"{"type":"mse","value":""}"#);
    assert_eq!(ws.text()["type"], "mse");
    ws
}

fn endless(fixture: &Fixture, target: &str, header: &str) -> TcpStream {
    let mut stream = connect(fixture.server.port);
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n\r\n").as_bytes()).unwrap();
    assert!(read_head(&mut stream).0.starts_with("HTTP/1.1 200 "));
    stream
}

fn ended(mut ws: Ws, why: &str) {
    assert_eq!(ws.closed(), (4401, why.to_owned()));
}

#[test]
fn a_link_that_expires_while_it_is_watched() {
    let fixture = Fixture::start(&[]);
    let link = fixture.link("key", &["--stream", "cam", "--ttl", "5s", "--path-prefix"]);
    let prefix = link.strip_suffix("/cam").unwrap();
    let ws = websocket(&fixture, prefix, "X: y");
    let mut mp4 = endless(&fixture, &format!("{prefix}/cam.mp4"), "X: y");
    ended(ws, "this link has expired");
    assert!(ends_within(&mut mp4, PATIENCE), "though the stream stands still");
}

#[test]
fn who_is_taken_away_while_watching() {
    let fixture = Fixture::start(&[]);
    let (ann, bob) = (basic(ANN), basic(BOB));
    let link = fixture.link("key", &["--stream", "cam", "--path-prefix"]);
    let mut anns = websocket(&fixture, "", &ann);
    let mut anns_mp4 = endless(&fixture, "/cam.mp4", &ann);
    let bobs = websocket(&fixture, "", &bob);
    let (mut bobs_mp4, mut program) =
        (endless(&fixture, "/cam.mp4", &bob), endless(&fixture, "/pic.mjpg", &format!("Authorization: Bearer {}", fixture.token)));
    let linked = websocket(&fixture, link.strip_suffix("/cam").unwrap(), "X: y");
    // Bob may see another stream now, the program is gone, and so is the key.
    let users = fs::read_to_string(fixture.folder.join("users")).unwrap();
    let users: String =
        users.lines().filter(|line| !line.starts_with("program:")).map(|line| line.replace(":cam=view", ":pic=view") + "\n").collect();
    fs::write(fixture.folder.join("users"), users).unwrap();
    fs::copy(fixture.folder.join("next"), fixture.folder.join("key")).unwrap();
    ended(bobs, "you may no longer see this stream");
    ended(linked, "you may no longer see this stream");
    assert!(ends_within(&mut bobs_mp4, PATIENCE) && ends_within(&mut program, PATIENCE));
    // Who is as before goes on.
    anns.say(r#"{"type":"ping","value":7}"#);
    assert!(
        std::iter::from_fn(|| Some(anns.next())).take(50).any(|message| matches!(message, Message::Text(text) if text.contains("pong")))
    );
    assert!(!ends_within(&mut anns_mp4, std::time::Duration::from_millis(300)));
}

#[test]
fn logging_out_ends_what_the_session_watches() {
    let fixture = Fixture::start(&[]);
    let session = |user: &str| {
        let cookie = fixture.login(user, &[]).header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        format!("Cookie: {cookie}")
    };
    let (bob, other) = (session(BOB), session(BOB));
    let (ws, mut others) = (websocket(&fixture, "", &bob), endless(&fixture, "/cam.mp4", &other));
    let whose = |header: &str| String::from_utf8(fixture.get("/api/login", &["Accept: application/json", header]).body).unwrap();
    assert_eq!((&*whose(&bob), &*whose("X: y")), (r#"{"user":"bob"}"#, r#"{"user":null}"#));
    assert_eq!(fixture.post("/api/logout", "", &[&bob]).status, 303);
    ended(ws, "your session has ended");
    assert_eq!(whose(&bob), r#"{"user":null}"#);
    let page = String::from_utf8(fixture.get("/cam", &["Accept: text/html", &bob]).body).unwrap();
    assert!(page.contains("Your session has ended"), "{page}");
    assert!(!ends_within(&mut others, std::time::Duration::from_millis(300)), "another session of the same user");
}
