//! Behind a proxy: who is seen, which names are known, and a path under which all is served.

use super::client::{Answer, answer, ask, connect, handshake, raw, read_head};
use super::studio::Studio;
use super::{Server, feed};
use crate::util::{TempDir, eventually, h5, run};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

/// A server with the stream `cam`, and its log of viewers.
struct Fixture {
    folder: TempDir,
    server: Server,
    _stdin: Box<dyn Write>,
}

impl Fixture {
    fn start(args: &[&str]) -> Fixture {
        let folder = TempDir::new();
        tool(&folder, &["passwd", "users", "ann"], "ann's s3cret");
        tool(&folder, &["link", "--key", "key", "--new-key"], "");
        let [users, key, events] = ["users", "key", "events"].map(|name| folder.join(name).display().to_string());
        let args = args.iter().map(|arg| arg.replace("USERS", &users).replace("KEY", &key)).collect::<Vec<_>>();
        let all: Vec<&str> = ["--events", &events, "--name", "cam"].into_iter().chain(args.iter().map(String::as_str)).collect();
        let mut server = Server::start(&all);
        let mut stdin = server.process.stdin();
        let mut studio = Studio::new(30, 1000);
        feed(&mut stdin, &[studio.init(), studio.picture(), studio.picture()].concat());
        Fixture { folder, server, _stdin: Box::new(stdin) }
    }

    fn get(&self, target: &str, headers: &[&str]) -> Answer {
        ask(self.server.port, "GET", target, headers)
    }

    /// The status of the answer to a request with such a beginning.
    fn begun(&self, request: &[u8]) -> (u16, String) {
        let mut stream = connect(self.server.port);
        stream.write_all(request).unwrap();
        let (head, _) = read_head(&mut stream);
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head)
    }

    /// Where the viewers who came so far are.
    fn viewers(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("events")).unwrap_or_default();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.filter(|event| event["event"] == "join").map(|event| event["remote"].as_str().unwrap().to_owned()).collect()
    }

    fn eventually_seen(&self, count: usize) -> Vec<String> {
        eventually("the viewers", || Some(self.viewers()).filter(|viewers| viewers.len() >= count))
    }

    fn link(&self, args: &[&str]) -> String {
        tool(&self.folder, &[&["link", "--key", "key", "--stream", "cam"], args].concat(), "")
    }
}

fn tool(folder: &Path, args: &[&str], typed: &str) -> String {
    run(h5("h5serve", args).current_dir(folder), typed.as_bytes()).success().text().trim_end().to_owned()
}

fn request(target: &str, lines: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").into_bytes()
}

const BEHIND: &str = "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n";

#[test]
fn the_viewer_is_seen_and_not_the_proxy() {
    let fixture = Fixture::start(&["--trusted-proxy", "192.0.2.1", "--trusted-proxy", "127.0.0.0/8"]);
    eventually("the stream", || (fixture.begun(&request("/cam.mp4", BEHIND)).0 == 200).then_some(()));
    let websocket = handshake("/api/ws?src=cam").replacen("\r\n\r\n", &format!("\r\n{BEHIND}\r\n"), 1);
    assert_eq!(fixture.begun(websocket.as_bytes()).0, 101);
    assert_eq!(fixture.eventually_seen(2)[..2], ["192.0.2.7", "192.0.2.7"]);
    // What a trusted proxy has not understood is not believed.
    fixture.begun(&request("/cam.mp4", "X-Forwarded-For: 192.0.2.7, unknown\r\n"));
    assert!(fixture.eventually_seen(3)[2].starts_with("127.0.0.1:"));
}

#[test]
fn others_are_not_believed() {
    let fixture = Fixture::start(&["--trusted-proxy", "192.0.2.0/24", "--link-key", "KEY"]);
    let link = fixture.link(&["--from-ip", "192.0.2.7"]).replace("/cam?", "/cam.mp4?");
    let with = |lines: &str| fixture.begun(&request(&link, lines)).0;
    assert_eq!((with(""), with(BEHIND)), (401, 401));
    assert_eq!(fixture.get("/h5live.js", &["Host: cam.example", "X-Forwarded-Host: localhost"]).status, 421);
    assert_eq!(fixture.get("/h5live.js", &["X-Forwarded-Host: cam.example"]).status, 200);
}

#[test]
fn links_and_slowed_tries_are_of_the_viewer() {
    let fixture = Fixture::start(&["--trusted-proxy", "127.0.0.1", "--link-key", "KEY", "--users", "USERS"]);
    let link = fixture.link(&["--from-ip", "192.0.2.7"]);
    let with = |lines: &str| fixture.begun(&request(&link, lines)).0;
    assert_eq!((with(BEHIND), with("X-Forwarded-For: 192.0.2.7, 198.51.100.1\r\n"), with("")), (303, 401, 401));
    let wrong = "Authorization: Basic YW5uOngtczNjcmV0";
    let from = |viewer: &str| fixture.get("/cam", &[wrong, &format!("X-Forwarded-For: {viewer}")]).status;
    eventually("one is slowed down", || (from("192.0.2.8") == 429).then_some(()));
    assert_eq!(from("192.0.2.9"), 401, "and not all behind the proxy");
}

#[test]
fn names_of_the_proxy_are_known() {
    let fixture = Fixture::start(&["--trusted-proxy", "127.0.0.1", "--users", "USERS"]);
    assert_eq!(fixture.get("/h5live.js", &["Host: cam.example"]).status, 200);
    let form = "name=ann&password=ann%27s+s3cret&next=cam";
    let login = |lines: &str| {
        let length = form.len();
        let head = format!("POST /api/login HTTP/1.1\r\nConnection: close\r\n{lines}Content-Length: {length}\r\n\r\n{form}");
        answer(&raw(fixture.server.port, head.as_bytes()))
    };
    // The port in the name of a cookie is that of the proxy; another server on the same host has another.
    let cookie = |lines: &str| {
        login(lines).header("set-cookie").map(|cookie| (cookie.split('=').next().unwrap().to_owned(), cookie.ends_with("; Secure")))
    };
    assert_eq!(cookie("Host: 127.0.0.1:9\r\nX-Forwarded-Host: cam.example\r\nX-Forwarded-Proto: https\r\n"), Some(("h5live".into(), true)));
    assert_eq!(
        cookie("Host: cam.example:8443\r\nX-Forwarded-Proto: http\r\nOrigin: http://cam.example:8443\r\n"),
        Some(("h5live-8443".into(), false))
    );
    assert_eq!(login("Host: cam.example\r\nOrigin: https://evil.example\r\n").status, 403);
    let session = login("Host: cam.example:8443\r\n").header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let with = |host: &str| fixture.get("/", &[&format!("Host: {host}"), &format!("Cookie: h5live=s3cret; {session}")]).status;
    assert_eq!((with("cam.example:8443"), with("cam.example"), with("cam.example:8444")), (200, 401, 401));
}

#[test]
fn the_proxy_protocol() {
    let fixture = Fixture::start(&["--trusted-proxy", "127.0.0.1", "--proxy-protocol"]);
    let get = request("/cam.mp4", "X-Forwarded-For: 198.51.100.9\r\n");
    let line = b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\n";
    eventually("the stream", || (fixture.begun(&[&line[..], &get].concat()).0 == 200).then_some(()));
    let version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x08\xc0\0\x02\x01\xdc\x04\x01\xbb";
    assert_eq!(fixture.begun(&[&version_2[..], &get].concat()).0, 200);
    // The proxy itself, and one that does not say.
    assert_eq!(fixture.begun(&[b"PROXY UNKNOWN\r\n", &request("/cam.mp4", "")[..]].concat()).0, 200);
    let seen = fixture.eventually_seen(3);
    assert_eq!(seen[seen.len() - 3..seen.len() - 1], ["192.0.2.7:56324", "192.0.2.8:56324"], "who is behind it is no trusted proxy");
    assert!(seen.last().unwrap().starts_with("127.0.0.1:"), "{seen:?}");
    // In pieces, and none at all.
    let mut slow = connect(fixture.server.port);
    [&line[..], &get].concat().iter().for_each(|byte| slow.write_all(&[*byte]).unwrap());
    assert!(read_head(&mut slow).0.starts_with("HTTP/1.1 200 "));
    for wrong in [&get[..], b"PROXY TCP4 x\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00"] {
        let mut stream = connect(fixture.server.port);
        stream.write_all(wrong).unwrap();
        let mut answer = Vec::new();
        // A reset is an end too: it has not read all.
        _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));
    }
}

#[test]
fn the_proxy_protocol_is_for_trusted_proxies() {
    let fixture = Fixture::start(&["--trusted-proxy", "192.0.2.1", "--proxy-protocol"]);
    assert_eq!(fixture.get("/h5live.js", &[]).status, 200);
    assert_eq!(answer(&raw(fixture.server.port, b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\nGET / HTTP/1.1\r\n\r\n")).status, 400);
    let alone = run(&mut h5("h5serve", &["--proxy-protocol", "-"]), b"");
    assert_eq!(alone.code(), 2, "{}", alone.stderr);
    assert!(alone.stderr.contains("--trusted-proxy"), "{}", alone.stderr);
}

#[test]
fn under_a_path() {
    let fixture = Fixture::start(&["--base-path", "/my/cams", "--link-key", "KEY", "--users", "USERS"]);
    let address = format!("http://127.0.0.1:{}/my/cams/", fixture.server.port);
    assert!(fixture.server.process.stderr().contains(&address), "{}", fixture.server.process.stderr());
    let ann = "Authorization: Basic YW5uOmFubidzIHMzY3JldA==";
    eventually("the stream", || (fixture.get("/my/cams/cam", &[ann]).status == 200).then_some(()));
    // A proxy may leave the path there, or take it off.
    for path in ["/", "/cam", "/api/streams", "/h5live.js"] {
        let (left, taken) = (fixture.get(&format!("/my/cams{path}"), &[ann]), fixture.get(path, &[ann]));
        assert_eq!((left.status, taken.status, left.body == taken.body), (200, 200, true), "{path}");
    }
    let moved = fixture.get("/my/cams?token=x", &[]);
    assert_eq!((moved.status, moved.header("location")), (308, Some("cams/?token=x")));
    for none in ["/my", "/my/camsx", "/my/cams/my/cams/cam"] {
        assert_eq!(fixture.get(none, &[ann]).status, 404, "{none}");
    }
    // Login, and a link.
    let form = "name=ann&password=ann%27s+s3cret&next=cam";
    let post =
        format!("POST /my/cams/api/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{form}", form.len());
    let login = answer(&raw(fixture.server.port, post.as_bytes()));
    assert_eq!(login.header("location"), Some("../cam"));
    assert!(login.header("set-cookie").unwrap().contains("; Path=/my/cams/; "), "{login:?}");
    let page = String::from_utf8(fixture.get("/my/cams/cam", &["Accept: text/html"]).body).unwrap();
    assert!(page.contains("action=\"api/login\"") && page.contains("value=\"cam\""), "{page}");
    let link = fixture.link(&["--base-path", "/my/cams", "--path-prefix"]);
    assert!(link.starts_with("/my/cams/t/"), "{link}");
    assert_eq!(fixture.get(&link, &[]).status, 200);
    let page = String::from_utf8(fixture.get("/my/cams/t/1.x.y/cam", &["Accept: text/html"]).body).unwrap();
    assert!(page.contains("action=\"../../api/login\""), "{page}");
    assert_eq!(
        fixture.begun(handshake("/my/cams/api/ws?src=cam").replacen("\r\n\r\n", &format!("\r\n{ann}\r\n\r\n"), 1).as_bytes()).0,
        101
    );
}

/// nginx would write to its disk what a slow viewer does not take.
#[test]
fn endless_bodies_are_not_to_be_buffered() {
    let fixture = Fixture::start(&[]);
    eventually("the stream", || {
        let (status, head) = fixture.begun(&request("/cam.mp4", ""));
        (status == 200).then(|| assert!(head.to_ascii_lowercase().contains("x-accel-buffering: no\r\n"), "{head}"))
    });
    assert_eq!(fixture.get("/cam", &[]).header("x-accel-buffering"), None);
}
