//! Who may watch what, over every way that a picture takes: HTTP, WebSocket, MJPEG, MP4.

use super::client::{Answer, answer, ask, connect, handshake, raw, read_head};
use super::h2::H2;
use super::pictures::pictures;
use super::studio::Studio;
use super::tls_client::TlsClient;
use super::{Server, feed};
use crate::util::{TempDir, eventually, h5, run};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

/// A server with the streams `cam` (fMP4) and `pic` (JPEG); Ann may do all, Bob may see `cam`, a program has a token for `pic`.
pub struct Fixture {
    pub folder: TempDir,
    pub server: Server,
    /// With it, everything goes over TLS: a WebSocket by HTTP/1.1, the rest by HTTP/2.
    tls: Option<TlsClients>,
    pub token: String,
    _stdin: Box<dyn Write>,
    _state: Option<TempDir>,
}

pub const ANN: &str = "ann:ann's s3cret";
pub const BOB: &str = "bob:bob's s3cret";

fn tool(folder: &Path, args: &[&str], typed: &str) -> String {
    run(h5("h5serve", args).current_dir(folder), typed.as_bytes()).success().text().trim_end().to_owned()
}

pub fn basic(user: &str) -> String {
    use base64::Engine;
    format!("Authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(user))
}

struct TlsClients {
    http1: TlsClient,
    http2: TlsClient,
}

impl Fixture {
    fn start_tls() -> Fixture {
        let state = TempDir::new();
        let mut fixture = Fixture::start_with(&[&format!("--tls-self-signed={}", state.display())], |port| {
            let client = |alpn: &[&str]| TlsClient::new(&state.join("self-signed.pem"), port, alpn);
            Some(TlsClients { http1: client(&[]), http2: client(&["h2"]) })
        });
        fixture._state = Some(state);
        fixture
    }

    pub fn start(args: &[&str]) -> Fixture {
        Fixture::start_with(args, |_| None)
    }

    fn start_with(args: &[&str], tls: impl Fn(u16) -> Option<TlsClients>) -> Fixture {
        let folder = TempDir::new();
        tool(&folder, &["passwd", "users", "ann", "--rights", "admin"], "ann's s3cret");
        tool(&folder, &["passwd", "users", "bob", "--rights", "cam=view"], "bob's s3cret");
        let token = tool(&folder, &["passwd", "users", "program", "--token", "--rights", "pic=view"], "");
        tool(&folder, &["link", "--key", "key", "--new-key"], "");
        tool(&folder, &["link", "--key", "next", "--new-key"], "");
        fs::write(folder.join("pic.mjpeg"), pictures(2).concat()).unwrap();
        let [users, key, pic] = ["users", "key", "pic.mjpeg"].map(|name| folder.join(name).display().to_string());
        let pic = format!("pic={pic}");
        let all = [&["--users", &users, "--link-key", &key, "--on-eof", "wait", "cam=-", &pic][..], args].concat();
        let mut server = Server::start(&all);
        let mut stdin = server.process.stdin();
        let mut studio = Studio::new(30, 1000);
        feed(&mut stdin, &[studio.init(), studio.picture(), studio.picture()].concat());
        let tls = tls(server.port);
        let fixture = Fixture { folder, server, tls, token, _stdin: Box::new(stdin), _state: None };
        eventually("both streams", || {
            ["/cam.mp4", "/pic.jpg"].iter().all(|target| fixture.status(target, &[&basic(ANN)]) == 200).then_some(())
        });
        fixture
    }

    pub fn get(&self, target: &str, headers: &[&str]) -> Answer {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        answer(&self.raw(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n")))
    }

    pub fn link(&self, key: &str, args: &[&str]) -> String {
        tool(&self.folder, &[&["link", "--key", key][..], args].concat(), "")
    }

    fn raw(&self, request: &str) -> Vec<u8> {
        self.tls.as_ref().map_or_else(|| raw(self.server.port, request.as_bytes()), |tls| tls.http1.raw(request.as_bytes()))
    }

    /// The status of an answer that may have no end.
    fn status(&self, target: &str, headers: &[&str]) -> u16 {
        if let Some(tls) = &self.tls {
            return H2::over(tls.http2.connect(), &[]).get(1, target, headers);
        }
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        first_status(&mut connect(self.server.port), &format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"))
    }

    fn websocket(&self, target: &str, headers: &[&str]) -> u16 {
        let lines: String = headers.iter().map(|line| format!("\r\n{line}")).collect();
        let request = handshake(target).replacen("\r\n\r\n", &format!("{lines}\r\n\r\n"), 1);
        match &self.tls {
            Some(tls) => first_status(&mut tls.http1.connect(), &request),
            None => first_status(&mut connect(self.server.port), &request),
        }
    }

    /// `/`, the list, the page of cam, MP4, WebSocket of cam; the page of pic, MJPEG, JPEG, WebSocket of pic; `query` behind each address, or
    /// `prefix` before it.
    fn row(&self, prefix: &str, query: &str, headers: &[&str]) -> [u16; 9] {
        let target = |path: &str| {
            let join = if path.contains('?') { "&" } else { "?" };
            format!("{prefix}{path}{}", if query.is_empty() { String::new() } else { format!("{join}token={query}") })
        };
        let get = |path: &str| self.status(&target(path), headers);
        let ws = |path: &str| self.websocket(&target(path), headers);
        [
            get("/"),
            get("/api/streams"),
            get("/cam"),
            get("/cam.mp4"),
            ws("/api/ws?src=cam"),
            get("/pic"),
            get("/pic.mjpg"),
            get("/pic.jpg"),
            ws("/api/ws?src=pic"),
        ]
    }

    pub fn login(&self, user: &str, headers: &[&str]) -> Answer {
        let (name, password) = user.split_once(':').unwrap();
        self.post("/api/login", &format!("next=cam&name={name}&password={}", password.replace(' ', "+").replace('\'', "%27")), headers)
    }

    pub fn post(&self, target: &str, form: &str, headers: &[&str]) -> Answer {
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let length = form.len();
        let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}Content-Length: {length}\r\n\r\n");
        answer(&self.raw(&format!("{head}{form}")))
    }
}

fn first_status(stream: &mut (impl Read + Write), request: &str) -> u16 {
    stream.write_all(request.as_bytes()).unwrap();
    let (head, _) = read_head(stream);
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// The token of a link as `h5serve link` prints it.
fn token(link: &str) -> &str {
    link.split_once("token=").unwrap().1
}

#[test]
fn who_may_do_what() {
    table(&Fixture::start(&[]));
}

/// The same by HTTP/2, and by WebSocket over TLS.
#[test]
fn who_may_do_what_by_http2() {
    table(&Fixture::start_tls());
}

fn table(fixture: &Fixture) {
    let (ann, bob) = (basic(ANN), basic(BOB));
    let bearer = format!("Authorization: Bearer {}", fixture.token);
    let cookie = fixture.login(BOB, &[]).header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let cookie = format!("Cookie: a=b; {cookie}");
    let all = [200, 200, 200, 200, 101, 200, 200, 200, 101];
    let cam = [200, 200, 200, 200, 101, 403, 403, 403, 403];
    let pic = [200, 200, 403, 403, 403, 200, 200, 200, 101];
    let none = [401; 9];
    for (what, header, wanted) in [
        ("admin", &*ann, all),
        ("user", &bob, cam),
        ("token", &bearer, pic),
        ("session", &cookie, cam),
        ("nothing", "X: y", none),
        ("wrong password", &basic("bob:ann's s3cret"), none),
        ("unknown name", &basic("eve:s3cret"), none),
        ("wrong token", "Authorization: Bearer s3cret", none),
        ("another scheme", "Authorization: Digest x", none),
        ("no session", "Cookie: h5live=s3cret", none),
    ] {
        // So many wrong ones are slowed down.
        let refused = |status| if status == 429 { 401 } else { status };
        assert_eq!(fixture.row("", "", &[header]).map(refused), wanted, "{what}");
    }
    assert_eq!(fixture.row("", "", &[&ann, &bob]), none, "two of them are none");
    // Links, as a query and in the path. A page goes to where the link is in the path.
    let link = |key, args: &[&str]| token(&fixture.link(key, &[&["--stream", "cam"], args].concat())).to_owned();
    let good = link("key", &[]);
    let in_query = |row: [u16; 9]| row.map(|status| if status == 303 { 200 } else { status });
    let row = fixture.row("", &good, &[]);
    assert_eq!((row[0], row[2], in_query(row)), (303, 303, cam));
    assert_eq!(fixture.row(&format!("/t/{good}"), "", &[]), cam);
    assert_eq!(fixture.row(&format!("/t/{good}"), "", &[&ann]), cam, "the link counts");
    let expired = {
        let short = link("key", &["--ttl", "1s"]);
        eventually("its end", || {
            (fixture.status("/cam", &[]) == 401 && fixture.status(&format!("/t/{short}/cam"), &[]) == 401).then_some(())
        });
        short
    };
    for (what, bad) in [
        ("expired", expired),
        ("tampered", good.replacen("1.", "1.A", 1)),
        ("of another key", link("next", &[])),
        ("for another address", link("key", &["--from-ip", "192.0.2.1"])),
        ("a bearer token", fixture.token.clone()),
    ] {
        assert_eq!(fixture.row("", &bad, &[]), none, "{what}");
        assert_eq!(fixture.row(&format!("/t/{bad}"), "", &[]), none, "{what}");
    }
    assert_eq!(fixture.row("", &link("key", &["--from-ip", "127.0.0.1"]), &[])[3], 200);
}

/// Each address that the server knows, and some that it does not: what is answered without credentials has nothing of a stream in it.
#[test]
fn no_route_is_open() {
    let fixture = Fixture::start(&[]);
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "FROB"] {
        for path in [
            "/",
            "/cam",
            "/cam.mp4",
            "/cam.mjpg",
            "/cam.jpg",
            "/pic",
            "/pic.mjpg",
            "/pic.jpg",
            "/other",
            "/%63am",
            "/api/streams",
            "/api/ws",
            "/api/ws?src=cam",
            "/api/ws?src=%",
            "/cam/rec.json",
            "/cam/clip.mp4?from=-10s",
            "/in/cam",
            "/in/new",
        ] {
            let got = ask(fixture.server.port, method, path, &[]);
            assert_eq!(got.status, 401, "{method} {path}: {got:?}");
            assert!(got.header("www-authenticate").is_some() && got.header("cache-control") == Some("no-store"), "{got:?}");
            assert_eq!((got.header("link"), got.header("location")), (None, None), "{method} {path}");
        }
    }
    for open in ["/h5live.js", "/page.js", "/page.css", "/icon.svg", "/api/login"] {
        assert_eq!(fixture.get(open, &[]).status, 200, "{open}");
    }
    for nothing in ["/a/b", "/cam/", "//cam", "/api/x", "/t/x", "/cam.avi"] {
        assert_eq!(fixture.get(nothing, &[]).status, 404, "{nothing}");
    }
    // What is asked before a request from another origin says nothing.
    assert_eq!(ask(fixture.server.port, "OPTIONS", "/cam.mp4", &[]).status, 204);
}

#[test]
fn the_list_has_what_one_may_see() {
    let fixture = Fixture::start(&[]);
    let names = |headers: &[&str]| {
        let list: serde_json::Value = serde_json::from_slice(&fixture.get("/api/streams", headers).body).unwrap();
        list.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!((names(&[&basic(ANN)]), names(&[&basic(BOB)])), (vec!["cam".into(), "pic".into()], vec![String::from("cam")]));
}

#[test]
fn login_and_logout() {
    let fixture = Fixture::start(&[]);
    let html = "Accept: text/html,*/*;q=0.8";
    let page = fixture.get("/cam", &[html]);
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert_eq!((page.status, page.header("www-authenticate")), (401, Some("Bearer realm=\"h5live\"")), "no window of the browser's own");
    assert!(
        page.header("content-security-policy").is_some_and(|p| p.contains("form-action 'self'") && p.contains("frame-ancestors 'none'"))
    );
    assert!(
        text.contains("action=\"api/login\"") && text.contains("name=\"next\" value=\"cam\"") && text.contains("A login is needed"),
        "{text}"
    );
    let chinese = String::from_utf8(fixture.get("/cam", &[html, "Accept-Language: zh-CN,en;q=0.5"]).body).unwrap();
    assert!(chinese.contains("<html lang=\"zh\">") && chinese.contains("请登录"), "{chinese}");
    assert!(!text.contains('{') && !chinese.contains('{'), "each place is filled");
    // In with the right password only, and only from our own page.
    assert_eq!(fixture.login("bob:wrong s3cret", &[html]).status, 401);
    assert_eq!(fixture.login(BOB, &["Origin: http://evil.example"]).status, 403);
    assert_eq!(fixture.post("/api/login", "name=bob", &[]).status, 400);
    assert_eq!(fixture.post("/api/login", &"x".repeat(9000), &[]).status, 413);
    let done = fixture.login(BOB, &["Origin: http://localhost"]);
    assert_eq!((done.status, done.header("location")), (303, Some("../cam")));
    let cookie = done.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(fixture.login(BOB, &["Origin: https://localhost"]).header("set-cookie").unwrap().ends_with("; Secure"));
    // The cookie is for our own pages.
    let session = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(fixture.websocket("/api/ws?src=cam", &[&session, "Origin: http://localhost"]), 101);
    for other in ["Origin: http://evil.example", "Origin: http://localhost:9000", "Sec-Fetch-Site: same-site"] {
        assert_eq!(fixture.websocket("/api/ws?src=cam", &[&session, other]), 401, "{other}");
        assert_eq!(fixture.status("/api/streams", &[&session, other]), 401, "{other}");
    }
    // Out, on the server too.
    assert_eq!(fixture.post("/api/logout", "", &[&session, "Origin: http://evil.example"]).status, 403);
    assert_eq!(fixture.status("/cam", &[&session]), 200);
    let out = fixture.post("/api/logout", "", &[&session]);
    assert!(out.status == 303 && out.header("set-cookie").unwrap().starts_with("h5live=; Path=/; Max-Age=0;"), "{out:?}");
    assert_eq!(fixture.status("/cam", &[&session]), 401);
    assert!(String::from_utf8(fixture.get("/pic", &[html, &basic(BOB)]).body).unwrap().contains("You may not see this stream"));
}

/// The page behind a link asks for everything beside itself.
#[test]
fn a_page_with_a_link() {
    let fixture = Fixture::start(&[]);
    let link = fixture.link("key", &["--stream", "cam"]);
    let moved = fixture.get(&link, &[]);
    let wanted = format!("t/{}/cam", token(&link));
    assert_eq!((moved.status, moved.header("location"), moved.header("cache-control")), (303, Some(&*wanted), Some("no-store")));
    let page = fixture.get(&format!("/{wanted}"), &[]);
    assert_eq!((page.status, page.header("link")), (200, Some("<api/ws?src=cam>; rel=\"alternate\"; upgrade=\"websocket\"")));
    let beside = |name: &str| format!("/t/{}/{name}", token(&link));
    assert_eq!(fixture.status(&beside("h5live.js"), &[]), 200);
    assert_eq!(fixture.websocket(&beside("api/ws?src=cam"), &[]), 101);
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "the token goes nowhere");
    let expired = fixture.get("/t/1.x.y/cam", &["Accept: text/html"]);
    let text = String::from_utf8(expired.body).unwrap();
    assert!(text.contains("This link is not valid") && text.contains("action=\"../../api/login\""), "{text}");
}

#[test]
fn files_that_change() {
    let fixture = Fixture::start(&[]);
    let link = fixture.link("key", &["--stream", "cam", "--path-prefix"]);
    assert_eq!((fixture.status("/cam", &[&basic(BOB)]), fixture.status(&link, &[])), (200, 200));
    // What is wrong changes nothing, and is said with its place.
    let users = fs::read_to_string(fixture.folder.join("users")).unwrap();
    fs::write(fixture.folder.join("users"), format!("{users}carl:s3cret:view\n")).unwrap();
    let said =
        eventually("it is said", || fixture.server.process.stderr().lines().find(|l| l.contains("line 4, column 6")).map(String::from));
    assert!(said.contains("--users ") && !said.contains("s3cret"), "{said}");
    assert_eq!(fixture.status("/cam", &[&basic(BOB)]), 200);
    // A user comes, one changes the password, one goes.
    fs::write(fixture.folder.join("users"), &users).unwrap();
    tool(&fixture.folder, &["passwd", "users", "carl"], "carl's s3cret");
    eventually("a new user", || {
        // Each time that it is too early counts as a wrong try.
        std::thread::sleep(std::time::Duration::from_millis(500));
        (fixture.status("/cam", &[&basic("carl:carl's s3cret")]) == 200).then_some(())
    });
    tool(&fixture.folder, &["passwd", "users", "bob"], "new s3cret");
    eventually("the old password is no longer good", || (fixture.status("/cam", &[&basic(BOB)]) == 401).then_some(()));
    assert_eq!(fixture.status("/cam", &[&basic("bob:new s3cret")]), 200);
    // A key is taken away, and its links with it.
    fs::rename(fixture.folder.join("next"), fixture.folder.join("key")).unwrap();
    eventually("the link is taken back", || (fixture.status(&link, &[]) == 401).then_some(()));
    assert_eq!(fixture.status(&fixture.link("key", &["--stream", "cam", "--path-prefix"]), &[]), 200);
}

#[test]
fn wrong_passwords_are_slowed_down_and_a_right_one_is_cheap() {
    let fixture = Fixture::start(&[]);
    // A hundred checks would take seconds.
    let cheap = Instant::now();
    (0..100).for_each(|_| assert_eq!(fixture.status("/cam", &[&basic(ANN)]), 200));
    eprintln!("100 requests with a password: {:?}", cheap.elapsed());
    let cookie = fixture.login(ANN, &[]).header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    // Until a try has to wait so long that what follows comes before its end.
    let mut tries = 0;
    eventually("a long wait", || {
        let answer = fixture.get("/cam", &[&basic("bob:a guess, s3cret")]);
        tries += usize::from(answer.status == 401);
        let wait = answer.header("retry-after").and_then(|wait| wait.parse().ok()).unwrap_or(0);
        assert_eq!(answer.status, if wait > 0 { 429 } else { 401 });
        (wait > 10_u64).then_some(())
    });
    assert!((10..=15).contains(&tries), "{tries}");
    assert_eq!((fixture.status("/cam", &[&basic(BOB)]), fixture.login(BOB, &[]).status), (429, 429), "not even the right one");
    assert_eq!(fixture.status("/pic.jpg", &[&format!("Authorization: Bearer {}", fixture.token)]), 200);
    assert_eq!(fixture.status("/cam", &[&format!("Cookie: {cookie}")]), 200);
}

#[test]
fn everybody_may_watch_in_public() {
    let fixture = Fixture::start(&["--public"]);
    let all = [200, 200, 200, 200, 101, 200, 200, 200, 101];
    assert_eq!(fixture.row("", "", &[]), all);
    assert_eq!(fixture.row("", "", &["Cookie: h5live=s3cret"]), all);
    assert_eq!(fixture.status("/cam", &[&basic("bob:wrong s3cret")]), 401);
}

#[test]
fn who_listens_wider_says_who_may_watch() {
    let folder = TempDir::new();
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let end = run(&mut h5("h5serve", &["--listen", listen, "-q"]), b"");
        assert_eq!((end.code(), end.stderr.lines().count()), (2, 1), "{listen}: {}", end.stderr);
        for way in ["--users", "--link-key", "--public"] {
            assert!(end.stderr.contains(way), "{}", end.stderr);
        }
        assert_eq!(run(&mut h5("h5serve", &["--listen", listen, "-q", "--public"]), b"").code(), 0);
    }
    tool(&folder, &["link", "--key", "key", "--new-key"], "");
    tool(&folder, &["passwd", "users", "ann", "--token"], "");
    for args in [["--users", "users"], ["--link-key", "key"]] {
        assert_eq!(run(h5("h5serve", &["--listen", "0.0.0.0:0", "-q"]).args(args).current_dir(&*folder), b"").code(), 0);
    }
    fs::write(folder.join("broken"), "x").unwrap();
    for (args, says) in [
        (&["--users", "nope"][..], "--users nope: No such file"),
        (&["--users", "broken"], "--users broken: line 1, column 1: expected name:hash:rights"),
        (&["--link-key", "broken"], "--link-key broken: line 1, column 1: expected a key"),
    ] {
        let end = run(h5("h5serve", &["--listen", "127.0.0.1:0"]).args(args).current_dir(&*folder), b"");
        assert_eq!((end.code(), end.stderr.lines().count()), (1, 1), "{args:?}: {}", end.stderr);
        assert!(end.stderr.contains(says), "{}", end.stderr);
    }
}
