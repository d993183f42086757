use super::client::{Answer, answer, ask, connect, handshake, raw, read_head};
use super::studio::{Studio, boxes};
use super::{Server, feed};
use crate::util::{TempDir, eventually, h5};
use std::io::{Read, Write};
use std::process::Command;

/// A server whose stream `live` has begun; the writer is to be kept.
fn live(args: &[&str]) -> (Server, impl Write + use<>) {
    let mut server = Server::start(args);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(30, 1000);
    feed(&mut stdin, &[studio.init(), studio.picture(), studio.picture()].concat());
    eventually("the stream begins", || (server.streams()["live"]["state"] == "live").then_some(()));
    (server, stdin)
}

#[test]
fn status_codes() {
    let (server, _stdin) = live(&[]);
    let cases = [
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/live", 200),
        ("HEAD", "/live.mp4", 200),
        ("GET", "/api/streams", 200),
        ("GET", "/h5live.js", 200),
        ("GET", "/live.mjpg", 404),
        ("GET", "/live.jpg", 404),
        ("GET", "/live.mp4?codecs=av01", 404),
        ("GET", "/other", 404),
        ("GET", "/other.mp4", 404),
        ("GET", "/live.avi", 404),
        ("GET", "/live/", 404),
        ("GET", "//live", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/%6cive", 200),
        ("GET", "/live%2Emp4?codecs=av01", 404),
        ("GET", "/%2flive", 404),
        ("GET", "/live%00", 404),
        ("GET", "/%2e%2e/etc/passwd", 404),
        ("POST", "/%6cive", 405),
        ("HEAD", "/live.mp4?codecs=avc1%2Cmp4a", 200),
        ("HEAD", "/live.mp4?%63odecs=avc1+,%20mp4a", 200),
        ("HEAD", "/live.mp4?codecs=avc1%252Cmp4a", 404),
        ("GET", "/live.mp4?codecs=%ff", 400),
        ("GET", "/live.mp4?codecs=%", 400),
        ("GET", "/api", 404),
        ("GET", "/api/ws", 426),
        ("HEAD", "/api/ws", 426),
        ("POST", "/", 405),
        ("PUT", "/live.mp4", 405),
        ("DELETE", "/api/streams", 405),
        ("FROB", "/h5live.js", 405),
        ("POST", "/other", 404),
        ("OPTIONS", "/live.mp4", 204),
        ("OPTIONS", "*", 204),
        ("GET", "/live/rec.json", 200),
        ("GET", "/live/clip.mp4", 400),
        ("PUT", "/live/clip.mp4", 405),
        ("GET", "/other/clip.mp4?from=-1s", 404),
    ];
    for (method, target, status) in cases {
        let got = ask(server.port, method, target, &[]);
        assert_eq!(got.status, status, "{method} {target}: {got:?}");
        assert_eq!(got.header("x-content-type-options"), Some("nosniff"), "{method} {target}");
        assert_eq!(got.header("allow").is_some(), matches!(status, 405 | 204), "{method} {target}");
        assert!(method != "HEAD" || got.body.is_empty(), "{method} {target}");
    }
}

/// The page of a stream links to its WebSocket, for programs that are given the address of the page; the page of all of them where there is one.
#[test]
fn a_page_links_to_its_websocket() {
    let (server, _stdin) = live(&[]);
    let link = |target| ask(server.port, "HEAD", target, &[]).header("link").map(str::to_owned);
    let to = |target: &str| Some(format!("<{target}>; rel=\"alternate\"; upgrade=\"websocket\""));
    assert_eq!((link("/live"), link("/%6cive")), (to("api/ws?src=live"), to("api/ws?src=live")));
    assert_eq!((link("/"), link("/other"), link("/live.mp4")), (to("api/ws"), None, None));
}

/// A page that can do without a picture is told so without an error, but not of a mistake of its own.
#[test]
fn a_picture_that_is_optional() {
    let (server, _stdin) = live(&[]);
    let get = |query| ask(server.port, "GET", &format!("/live.jpg{query}"), &[]);
    assert_eq!((get("").status, get("?optional=1&width=1").status, get("?optional=2").status), (404, 400, 404));
    let none = get("?optional=1&width=640");
    assert_eq!((none.status, none.header("cache-control"), none.body.len()), (204, Some("no-store"), 0));
}

/// A browser says that it wants a page; an address in an `<img>`, a player and a script do not.
#[test]
fn people_get_a_page_for_a_stream_that_is_not_there() {
    let (server, _stdin) = live(&[]);
    let get = |target, accept: &str| ask(server.port, "GET", target, &[&format!("Accept: {accept}")]);
    let page = get("/other", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    assert_eq!((page.status, page.header("content-type")), (404, Some("text/html; charset=utf-8")));
    assert_eq!(page.body, ask(server.port, "GET", "/", &[]).body, "its script looks at the address");
    assert!(page.header("content-security-policy").is_some_and(|policy| policy.contains("script-src 'self'")));
    assert_eq!((page.header("cache-control"), page.header("etag")), (Some("no-store"), None));
    for (target, accept) in [("/other", "*/*"), ("/other.mp4", "video/*;q=0.9"), ("/a/b", "text/html")] {
        let line = get(target, accept);
        assert_eq!((line.status, line.header("content-type")), (404, Some("text/plain; charset=utf-8")), "{target}");
    }
}

#[test]
fn pages_in_frames_of_others() {
    let policies = |args: &[&str]| {
        let (server, _stdin) = live(args);
        let page = ask(server.port, "GET", "/live", &[]);
        let policies = page.head.lines().filter_map(|line| line.strip_prefix("content-security-policy: "));
        policies.filter(|policy| policy.starts_with("frame-ancestors")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(policies(&[]), ["frame-ancestors 'self'"]);
    assert_eq!(
        policies(&["--embed", "https://a.example/", "--embed", "http://b.example:8080"]),
        ["frame-ancestors 'self' https://a.example http://b.example:8080"]
    );
}

#[test]
fn headers() {
    let (server, _stdin) = live(&[]);
    let get = |target| ask(server.port, "GET", target, &[]);
    let page = get("/");
    assert!(page.header("content-security-policy").is_some_and(|p| p.contains("default-src 'none'") && !p.contains("unsafe")));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let module = get("/h5live.js");
    assert_eq!(module.header("cache-control"), Some("no-cache"));
    assert_eq!(module.header("access-control-allow-origin"), Some("*"), "the player is for every page");
    let tag = module.header("etag").unwrap();
    // Under the name that has its version it never changes.
    let name = format!("/h5live.js?{}", tag.trim_matches('"'));
    let versioned = ask(server.port, "GET", &name, &[]);
    assert_eq!((versioned.header("cache-control"), versioned.body == module.body), (Some("max-age=31536000, immutable"), true));
    assert_eq!(get("/h5live.js?0123456789abcdef").header("cache-control"), Some("no-cache"));
    let again = |tag: &str| ask(server.port, "GET", "/h5live.js", &[&format!("If-None-Match: {tag}")]);
    assert_eq!((again(tag).status, again(&format!("\"x\", W/{tag}")).status, again("\"x\"").status), (304, 304, 200));
    assert!(again(tag).body.is_empty() && again(tag).header("etag") == Some(tag));
    assert_eq!((module.header("content-encoding"), module.header("vary")), (None, Some("Accept-Encoding")));
    let deflated = ask(server.port, "GET", "/h5live.js", &["Accept-Encoding: gzip, deflate, br"]);
    assert_eq!((deflated.header("content-encoding"), deflated.body.len() < module.body.len() / 3), (Some("deflate"), true));
    assert_ne!(deflated.header("etag"), Some(tag));
    let curl = Command::new("curl").args(["-sS", "--compressed", &format!("http://127.0.0.1:{}/h5live.js", server.port)]).output().unwrap();
    assert!(curl.stdout == module.body, "{curl:?}");
    let head = ask(server.port, "HEAD", "/live.mp4", &[]);
    assert_eq!(head.header("content-type"), Some("video/mp4; codecs=\"avc1.42C01E\""));
    assert_eq!((head.header("cache-control"), head.header("content-length")), (Some("no-store"), None));
    assert_eq!(head.header("cross-origin-resource-policy"), Some("same-origin"));
    assert_eq!(get("/api/streams").header("cache-control"), Some("no-store"));
}

#[test]
fn list_of_streams() {
    let (server, _stdin) = live(&["-", "door=/dev/null", "--name", "live", "--on-eof", "wait"]);
    let list = server.streams();
    let live = &list["live"];
    assert_eq!(
        (&live["type"], &live["codecs"][0], &live["width"], &live["height"]),
        (&"mse".into(), &"avc1.42C01E".into(), &640.into(), &360.into())
    );
    assert_eq!((&live["viewers"], &live["audio"]), (&0.into(), &serde_json::Value::Null));
    assert_eq!((&list["door"]["state"], &list["door"]["type"]), (&"waiting".into(), &serde_json::Value::Null));
    assert_eq!(ask(server.port, "GET", "/door.mp4", &[]).header("retry-after"), Some("1"));
}

#[test]
fn origins_and_hosts() {
    let (server, _stdin) = live(&["--cors", "https://friend.example", "--host", "cam.example"]);
    let streams = |headers: &[&str]| ask(server.port, "GET", "/api/streams", headers);
    let allowed = |got: Answer| got.header("access-control-allow-origin").map(String::from);
    assert_eq!(allowed(streams(&["Origin: https://friend.example"])).as_deref(), Some("https://friend.example"));
    assert_eq!(allowed(streams(&["Origin: https://other.example"])), None);
    assert_eq!(allowed(streams(&[])), None);
    assert_eq!(streams(&["Host: cam.example:99"]).status, 200);
    assert_eq!(streams(&["Host: rebound.example"]).status, 421);
    assert_eq!(streams(&["Host: a", "Host: b"]).status, 400);
    assert_eq!(answer(&raw(server.port, b"GET / HTTP/1.1\r\n\r\n")).status, 400, "no Host");
    assert_eq!(answer(&raw(server.port, b"GET / HTTP/1.0\r\n\r\n")).status, 200, "none needed");
    assert_eq!(ask(server.port, "GET", "http://rebound.example/", &[]).status, 421, "the target's name counts");
    for garbled in [&b"evil.example/.localhost"[..], b"evil.example#.localhost", b"localhost@evil.example", b"evil.example:80.localhost"] {
        assert_eq!(streams(&[&format!("Host: {}", String::from_utf8_lossy(garbled))]).status, 421);
    }
    let unreadable = |line: &[u8]| raw(server.port, &[b"GET /api/streams HTTP/1.1\r\nConnection: close\r\n", line, b"\r\n\r\n"].concat());
    assert_eq!(answer(&unreadable(b"Host: localhost\xff")).status, 400);
    let upgrade_with = |headers: &[u8]| {
        let mut stream = connect(server.port);
        let request = handshake("/api/ws?src=live").replace("\r\n\r\n", "\r\n");
        stream.write_all(&[request.as_bytes(), headers, b"\r\n"].concat()).unwrap();
        read_head(&mut stream).0.split(' ').nth(1).unwrap().to_string()
    };
    let upgrade = |origin: &str| upgrade_with(format!("Origin: {origin}\r\n").as_bytes());
    assert_eq!(upgrade_with(b"Origin: http://evil\xff\r\n"), "403", "unreadable is not absent");
    assert_eq!(upgrade_with(b"Origin: http://localhost\r\nOrigin: http://evil.example\r\n"), "403", "the first does not decide");
    assert_eq!(upgrade_with(b"Origin: http://evil.example\r\nOrigin: http://localhost\r\n"), "403");
    // Whose page may embed pictures: that of the origin that is welcome, and nobody else's.
    let embed = |headers: &[&str]| streams(headers).header("cross-origin-resource-policy").map(String::from).unwrap();
    assert_eq!(embed(&["Origin: https://friend.example"]), "cross-origin");
    assert_eq!(embed(&["Referer: https://friend.example/page"]), "cross-origin");
    for other in ["Origin: https://other.example", "Referer: https://other.example/", "Accept: */*"] {
        assert_eq!(embed(&[other]), "same-origin", "{other}");
    }
    assert_eq!(upgrade("http://localhost"), "101");
    assert_eq!(upgrade("https://friend.example"), "101");
    assert_eq!(upgrade("https://other.example"), "403");
    assert_eq!(upgrade("null"), "403");
    let preflight = ask(server.port, "OPTIONS", "/live.mp4", &["Origin: https://friend.example", "Access-Control-Request-Method: GET"]);
    assert_eq!((preflight.status, preflight.header("access-control-allow-methods")), (204, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn handshakes() {
    let (server, _stdin) = live(&[]);
    let good = handshake("/api/ws?src=live");
    let status = |request: &str| {
        let mut stream = connect(server.port);
        stream.write_all(request.as_bytes()).unwrap();
        let head = read_head(&mut stream).0;
        (head.split(' ').nth(1).unwrap().to_string(), head.to_ascii_lowercase())
    };
    assert_eq!(status(&good).0, "101");
    assert_eq!(status(&handshake("/api/ws")).0, "101", "the only stream needs no name");
    assert_eq!(status(&good.replace("Connection: Upgrade", "Connection: keep-alive, UPGRADE")).0, "101");
    let (code, head) = status(&good.replace("Version: 13", "Version: 8"));
    assert!(code == "426" && head.contains("sec-websocket-version: 13") && head.contains("upgrade: websocket"), "{head}");
    assert_eq!(status(&good.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=")).0, "400");
    assert_eq!(status(&good.replace("Connection: Upgrade", "Connection: close")).0, "400");
    assert_eq!(
        status(&good.replace("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade")).0,
        "101",
        "a list in two lines"
    );
    assert_eq!(status(&good.replace("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: WebSocket")).0, "101");
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(status(&good.replace(key, &format!("{key}{key}"))).0, "400", "two keys");
    assert_eq!(status(&good.replace("src=live", "src=%6cive")).0, "101");
    assert_eq!(status(&good.replace("src=live", "src=%ff")).0, "400");
    assert_eq!(status(&good.replace("GET ", "POST ")).0, "405");
    assert_eq!(status(&good.replace("Upgrade: websocket", "Upgrade: h2c")).0, "426");
}

#[test]
fn several_streams_need_a_name() {
    let (server, _stdin) = live(&["-", "door=/dev/null", "--on-eof", "wait"]);
    let mut stream = connect(server.port);
    stream.write_all(handshake("/api/ws").as_bytes()).unwrap();
    assert!(read_head(&mut stream).0.starts_with("HTTP/1.1 400 "));
}

#[test]
fn places_are_limited() {
    let (server, _stdin) = live(&["--max-viewers", "2"]);
    let open = |path: &str| {
        let mut stream = connect(server.port);
        stream.write_all(handshake(path).as_bytes()).unwrap();
        let status = read_head(&mut stream).0.split(' ').nth(1).unwrap().to_string();
        (stream, status)
    };
    let (a, b) = (open("/api/ws?src=live"), open("/api/ws?src=nobody"));
    assert_eq!((a.1.as_str(), b.1.as_str()), ("101", "101"));
    assert_eq!(open("/api/ws?src=live").1, "503");
    assert_eq!(ask(server.port, "GET", "/live.mp4", &[]).status, 503);
    assert_eq!(ask(server.port, "GET", "/", &[]).status, 200, "pages are no viewers");
    drop(a);
    eventually("the place is free again", || (open("/api/ws?src=live").1 == "101").then_some(()));
}

#[test]
fn unix_socket_and_several_addresses() {
    let dir = TempDir::new();
    let path = dir.join("h5.sock");
    let listen = format!("unix:{}", path.display());
    let (mut server, _stdin) = live(&["--listen", &listen, "--listen", "[::1]:0"]);
    assert!(server.process.stderr().contains("http://[::1]:"));
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(b"GET /api/streams HTTP/1.1\r\nHost: whatever\r\nConnection: close\r\n\r\n").unwrap();
    let mut got = String::new();
    stream.read_to_string(&mut got).unwrap();
    assert!(got.starts_with("HTTP/1.1 200 ") && got.contains("\"live\""), "{got}");
    // While it runs nobody else gets the address; a socket left behind by a killed one is no obstacle.
    let second = crate::util::run(&mut h5("h5serve", &["--listen", &listen]), b"");
    assert_eq!(second.code(), 1, "{}", second.stderr);
    server.process.signal("KILL");
    eventually("it is dead", || (!server.process.is_running()).then_some(()));
    assert!(path.exists());
    let third = crate::util::run(&mut h5("h5serve", &["--listen", &listen]), b"");
    assert_eq!(third.code(), 0, "an empty input: {}", third.stderr);
    assert!(!path.exists(), "it takes its socket away");
}

#[test]
fn endless_mp4() {
    let mut server = Server::start(&[]);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::with(3, 1000, true, 0);
    feed(&mut stdin, &studio.init());
    let mut sent = vec![];
    for _ in 0..5 {
        sent.push(studio.picture());
        sent.push(studio.sound());
    }
    feed(&mut stdin, &sent.concat());
    eventually("all is there", || (server.streams()["live"]["state"] == "live").then_some(()));
    let get = |target: &str| {
        let mut stream = connect(server.port);
        // HTTP/1.0: the body is not chunked, so that it can be compared.
        stream.write_all(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        stream
    };
    let (mut both, mut pictures) = (get("/live.mp4"), get("/live.mp4?codecs=avc1.640028"));
    eventually("both watch", || (server.streams()["live"]["viewers"] == 2).then_some(()));
    for _ in 0..5 {
        sent.push(studio.picture());
        sent.push(studio.sound());
        feed(&mut stdin, &sent[sent.len() - 2..].concat());
    }
    drop(stdin);
    let body = |stream: &mut std::net::TcpStream| {
        let mut bytes = vec![];
        stream.read_to_end(&mut bytes).unwrap();
        answer(&bytes)
    };
    let both = body(&mut both);
    assert_eq!(both.header("content-type"), Some("video/mp4; codecs=\"avc1.42C01E,opus\""));
    // From picture 3, the newest keyframe when it came, and everything after it.
    assert!(both.body == [studio.init(), sent[6..].concat()].concat(), "{:?}", boxes(&both.body));
    let pictures = body(&mut pictures);
    assert_eq!(pictures.header("content-type"), Some("video/mp4; codecs=\"avc1.42C01E\""));
    let only: Vec<u8> = sent[6..].iter().step_by(2).flatten().copied().collect();
    assert!(pictures.body.ends_with(&only), "the pictures alone");
    let init = &pictures.body[..pictures.body.len() - only.len()];
    assert_eq!(boxes(init), ["ftyp", "moov"]);
    assert!(init.len() < studio.init().len(), "a movie of one track");
    assert_eq!(server.process.finish(crate::util::PATIENCE).code(), 0);
}
