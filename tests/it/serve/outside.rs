//! Judges outside of the server: a service that is asked, and a CDN that has asked already.

use super::access::basic;
use super::client::{Answer, ask, connect, handshake, read_head};
use super::pictures::pictures;
use super::rewind::viewer::Viewer;
use super::studio::Studio;
use super::{Server, feed};
use crate::util::{PATIENCE, TempDir, eventually, h5, run};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// What was asked, as JSON.
type Asked = Arc<Mutex<Vec<serde_json::Value>>>;

/// A service that lets Ann do all, and who has a cookie or a token see `cam`, live. It may be silent.
struct Service {
    url: String,
    asked: Asked,
    silent: Arc<AtomicBool>,
}

impl Service {
    fn start() -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/judge?site=1", listener.local_addr().unwrap());
        let (asked, silent) = (Asked::default(), Arc::<AtomicBool>::default());
        let service = Service { url, asked: asked.clone(), silent: silent.clone() };
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if silent.load(SeqCst) {
                    kept.push(stream);
                } else {
                    let asked = asked.clone();
                    std::thread::spawn(move || answer(stream, &asked));
                }
            }
        });
        service
    }

    fn asked(&self) -> Vec<serde_json::Value> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, asked: &Asked) {
    let (head, mut body) = read_head(&mut stream);
    assert!(head.starts_with("POST /judge?site=1 HTTP/1.1\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    while body.len() < length {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).unwrap();
        body.extend_from_slice(&piece[..n]);
    }
    let question: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let is = |field: &str, value: &str| question[field] == value;
    let status = match () {
        () if is("user", "ann") && is("password", "ann's s3cret") => "204 No Content",
        () if is("token", "s3cret") || is("cookie", "site=s3cret") => {
            if is("stream", "cam") && is("action", "view") {
                "200 OK"
            } else {
                "403 Forbidden"
            }
        }
        () if is("user", "broken") => "500 Oh",
        () => "401 Unauthorized",
    };
    asked.lock().unwrap().push(question);
    _ = stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
}

/// `cam` (fMP4) and `pic` (JPEG).
fn server(folder: &TempDir, args: &[&str]) -> (Server, impl Write + use<>) {
    fs::write(folder.join("pic.mjpeg"), pictures(2).concat()).unwrap();
    let pic = format!("pic={}", folder.join("pic.mjpeg").display());
    let mut server = Server::start(&[args, &["--on-eof", "wait", "cam=-", &pic]].concat());
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(30, 1000);
    feed(&mut stdin, &[studio.init(), studio.picture(), studio.picture()].concat());
    (server, stdin)
}

fn status(port: u16, target: &str, header: &str) -> u16 {
    let mut stream = connect(port);
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n").as_bytes()).unwrap();
    read_head(&mut stream).0.split(' ').nth(1).unwrap().parse().unwrap()
}

fn get(port: u16, target: &str, headers: &[&str]) -> Answer {
    ask(port, "GET", target, headers)
}

const SITE: &str = "Cookie: site=s3cret";

#[test]
fn a_service_is_asked() {
    let (folder, service) = (TempDir::new(), Service::start());
    run(h5("h5serve", &["link", "--key", "key", "--new-key"]).current_dir(&*folder), b"").success();
    let key = folder.join("key").display().to_string();
    let (server, _stdin) = server(&folder, &["--auth-url", &service.url, "--link-key", &key, "--auth-cache", "600"]);
    let port = server.port;
    let ann = basic("ann:ann's s3cret");
    eventually("both streams", || {
        let list: serde_json::Value = serde_json::from_slice(&get(port, "/api/streams", &[&ann]).body).ok()?;
        (list["cam"]["type"] == "mse" && list["pic"]["type"] == "mjpeg").then_some(())
    });
    let row = |header: &str| {
        let ws = handshake("/api/ws?src=cam").replacen("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"), 1);
        let mut stream = connect(port);
        stream.write_all(ws.as_bytes()).unwrap();
        let ws = read_head(&mut stream).0.split(' ').nth(1).unwrap().parse::<u16>().unwrap();
        [
            status(port, "/", header),
            status(port, "/cam.mp4", header),
            status(port, "/pic.mjpg", header),
            status(port, "/pic.jpg", header),
            ws,
        ]
    };
    assert_eq!(row(&ann), [200, 200, 200, 200, 101]);
    assert_eq!(row(SITE), [200, 200, 403, 403, 101], "the site's own cookie");
    assert_eq!(row("Authorization: Bearer s3cret"), [200, 200, 403, 403, 101]);
    assert_eq!(row("X: y"), [401; 5]);
    assert_eq!(row(&basic("ann:wrong s3cret")), [401; 5]);
    assert_eq!(row(&basic("broken:s3cret")), [503; 5]);
    assert_eq!(status(port, "/h5live.js", "X: y"), 200);
    let list: serde_json::Value = serde_json::from_slice(&get(port, "/api/streams", &[SITE]).body).unwrap();
    assert_eq!(list.as_object().unwrap().keys().collect::<Vec<_>>(), ["cam"]);
    // A browser is to ask for the password where it shows a page, and not where a script asks.
    let challenge = |mode: &str| get(port, "/cam", &["Accept: text/html", &format!("Sec-Fetch-Mode: {mode}")]).head.contains("Basic realm");
    assert!(challenge("navigate") && !challenge("cors"));
    // A link is judged here.
    let asked = service.asked().len();
    let link = ["link", "--key", "key", "--stream", "cam", "--path-prefix"];
    let link = run(h5("h5serve", &link).current_dir(&*folder), b"").success().text();
    assert_eq!((status(port, link.trim(), "X: y"), status(port, "/t/1.x.y/cam", "X: y")), (200, 401));
    // What was asked once is not asked again.
    row(&ann);
    assert_eq!(service.asked().len(), asked);
    let questions = service.asked();
    let first = questions.iter().find(|question| question["path"] == "/cam.mp4" && question["user"] == "ann").unwrap();
    let wanted = serde_json::json!({
        "action": "view", "stream": "cam", "method": "GET", "path": "/cam.mp4", "query": "", "address": "127.0.0.1",
        "user": "ann", "password": "ann's s3cret", "token": "", "cookie": "",
    });
    assert_eq!(*first, wanted);
    let said = server.process.stderr();
    assert!(said.contains("--auth-url: it answers with status 500") && !said.contains("s3cret"), "{said}");
}

/// The service says of each viewer whether it may see what was before.
#[test]
fn a_service_is_asked_who_may_rewind() {
    let (folder, service) = (TempDir::new(), Service::start());
    let (server, _stdin) = server(&folder, &["--auth-url", &service.url]);
    let ann = basic("ann:ann's s3cret");
    eventually("the stream", || (status(server.port, "/cam.mp4", &ann) == 200).then_some(()));
    let mut site = Viewer::with(server.port, "cam", SITE);
    site.say("seek", -1);
    assert_eq!(site.error(), "rewind: you may see this stream live, and not what was before");
    let mut ann = Viewer::with(server.port, "cam", &ann);
    ann.say("seek", -1);
    ann.begun();
    ann.shown();
    let asked = |user: &str, action: &str| service.asked().iter().any(|question| question["user"] == user && question["action"] == action);
    assert!(asked("ann", "rewind") && asked("", "rewind"));
}

/// It is not waited for in the loop that serves viewers, many who ask the same ask once, and it is said once.
#[test]
fn a_service_that_is_silent() {
    let (folder, service) = (TempDir::new(), Service::start());
    let (server, _stdin) = server(&folder, &["--auth-url", &service.url, "--auth-cache", "0.1"]);
    let port = server.port;
    eventually("the stream", || (status(port, "/cam.mp4", SITE) == 200).then_some(()));
    service.silent.store(true, SeqCst);
    eventually("what it said holds no longer", || {
        let mut asking = connect(port);
        asking.write_all(format!("GET /cam HTTP/1.1\r\nHost: localhost\r\n{SITE}\r\n\r\n").as_bytes()).unwrap();
        // Meanwhile others are served.
        assert_eq!(status(port, "/h5live.js", "X: y"), 200);
        asking.set_read_timeout(Some(PATIENCE)).unwrap();
        read_head(&mut asking).0.starts_with("HTTP/1.1 503 ").then_some(())
    });
    let together: Vec<_> = (0..20).map(|_| std::thread::spawn(move || status(port, "/pic", SITE))).collect();
    assert!(together.into_iter().all(|one| one.join().unwrap() == 503));
    service.silent.store(false, SeqCst);
    let before = service.asked().len();
    let together: Vec<_> = (0..20).map(|_| std::thread::spawn(move || status(port, "/pic", SITE))).collect();
    assert!(together.into_iter().all(|one| one.join().unwrap() == 403));
    assert!(service.asked().len() - before < 20, "{} questions", service.asked().len() - before);
    let said = server.process.stderr();
    assert_eq!(said.matches("--auth-url: it has not answered in time").count(), 1, "{said}");
}

#[test]
fn a_cdn_that_is_known_by_its_secret() {
    let folder = TempDir::new();
    let [old, new] = ["old-s3cret-", "new-s3cret-"].map(|text| text.repeat(4));
    fs::write(folder.join("old"), format!("{old}\n")).unwrap();
    fs::write(folder.join("new"), format!("{new}\n")).unwrap();
    let [old_file, new_file] = ["old", "new"].map(|name| folder.join(name).display().to_string());
    let (server, _stdin) = server(&folder, &["--cdn-secret", &old_file, "--cdn-secret", &new_file]);
    let with = |secret: &str, target: &str| status(server.port, target, &format!("H5live-CDN-Secret: {secret}"));
    eventually("the picture", || (with(&old, "/pic.jpg") == 200).then_some(()));
    let row = |secret: &str| ["/pic.jpg", "/pic", "/cam", "/", "/api/streams", "/cam.mp4", "/pic.mjpg"].map(|target| with(secret, target));
    // What a cache can keep, and nothing that has no end or is not the same for all.
    assert_eq!((row(&old), row(&new)), ([200, 200, 200, 401, 401, 401, 401], [200, 200, 200, 401, 401, 401, 401]));
    assert_eq!((row("s3cret"), row("")), ([401; 7], [401; 7]));
    let websocket = handshake("/api/ws?src=cam").replacen("\r\n\r\n", &format!("\r\nH5live-CDN-Secret: {old}\r\n\r\n"), 1);
    let mut stream = connect(server.port);
    stream.write_all(websocket.as_bytes()).unwrap();
    assert!(read_head(&mut stream).0.starts_with("HTTP/1.1 401 "));
    // The old one is taken away; a wrong file changes nothing, and is not shown.
    fs::write(folder.join("old"), "short s3cret\n").unwrap();
    eventually("it is said", || server.process.stderr().contains("--cdn-secret").then_some(()));
    assert_eq!(with(&old, "/pic.jpg"), 200);
    fs::write(folder.join("old"), format!("{new}\n")).unwrap();
    eventually("it is no longer good", || (with(&old, "/pic.jpg") == 401).then_some(()));
    assert_eq!(with(&new, "/pic.jpg"), 200);
    assert!(!server.process.stderr().contains("s3cret"));
}
