//! What docs/players.md and docs/nodejs.md promise, beside one stream; snapshots; events.

use super::Server;
use super::client::{ask, connect, read_head};
use super::judges::television;
use super::pictures::{live, pictures};
use crate::util::{PATIENCE, Running, TempDir, eventually, path_with_programs, repository, run_for, shell};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::io::{ErrorKind, Read, Write};
use std::process::Command;
use std::time::Duration;

/// The lines in boxes of shell, as they are run: at this port, and to their end.
fn recipes(port: u16) -> Vec<String> {
    let page = std::fs::read_to_string(repository("docs/players.md")).unwrap();
    let boxes = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<String> = boxes.flat_map(str::lines).map(|line| line.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))).collect();
    assert!(lines.len() >= 6, "{lines:?}");
    let ends = |line: String| {
        line.replace("mpv ", "mpv --no-config --vo=null --ao=null --frames=30 --msg-level=all=error ")
            .replace("autovideosink", "fakesink num-buffers=30")
    };
    lines.into_iter().map(ends).collect()
}

#[test]
fn the_documents_are_true() {
    let (server, _ffmpeg) = television();
    let folder = TempDir::new();
    for line in recipes(server.port) {
        // A player that has enough ends what feeds it.
        let played = run_for(shell(&format!("set +o pipefail; {line}")).current_dir(&*folder), b"", PATIENCE).success();
        assert!(played.stderr.is_empty() && played.text().is_empty(), "{line}: {} {}", played.stderr, played.text());
    }
    // The client in Node.js, until its reader has enough.
    let mut watch =
        Running::start(Command::new("node").arg(repository("examples/watch.mjs")).arg(format!("http://127.0.0.1:{}/live", server.port)));
    let mut mp4 = vec![0; 300_000];
    watch.stdout().read_exact(&mut mp4).unwrap();
    assert!(watch.stderr().contains("avc1.") && watch.stderr().contains("320x240"), "{}", watch.stderr());
    drop(watch);
    let probe = ["-v", "error", "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0", "-"];
    let probed = run_for(Command::new("ffprobe").args(probe), &mp4, PATIENCE);
    assert!(probed.text().contains("h264,") && probed.text().contains("aac,"), "{} {}", probed.text(), probed.stderr);
    opencv(&server, &["live.ts", "live.h264", "live.mp4", "live.flv"]);
    snapshots(&server, &folder);
    events(&server);
}

/// OpenCV as a viewer: ten pictures of the right size, none of them of one colour.
fn opencv(server: &Server, forms: &[&str]) {
    const SCRIPT: &str = "
import sys, cv2
for url in sys.argv[1:]:
    camera = cv2.VideoCapture(url)
    for n in range(10):
        ok, picture = camera.read()
        assert ok, f'{url}: picture {n}'
        assert picture.std() > 20, f'{url}: {picture.std()}'
    print(url.rsplit('/', 1)[1], picture.shape)
    camera.release()
";
    let urls = forms.iter().map(|form| format!("http://127.0.0.1:{}/{form}", server.port));
    let mut python = Command::new(repository("target/python/bin/python"));
    python.args(["-c", SCRIPT]).args(urls).env("OPENCV_LOG_LEVEL", "SILENT").env("OPENCV_FFMPEG_LOGLEVEL", "-8");
    let watched = run_for(&mut python, b"", PATIENCE).success();
    for form in forms {
        assert!(watched.text().contains(&format!("{form} (240, 320, 3)")), "{}", watched.text());
    }
}

fn size_of(jpeg: &[u8]) -> String {
    let probe = ["-v", "error", "-f", "jpeg_pipe", "-show_entries", "stream=width,height", "-of", "csv=p=0", "-"];
    run_for(Command::new("ffprobe").args(probe), jpeg, PATIENCE).success().text().trim().to_owned()
}

/// Pictures of H.264, in the sandbox.
fn snapshots(server: &Server, folder: &TempDir) {
    for (query, size) in [("", "320,240"), ("?width=160", "160,120"), ("?width=3840", "320,240")] {
        let got = ask(server.port, "GET", &format!("/live.jpg{query}"), &[]);
        assert_eq!(
            (got.status, got.header("content-type"), got.header("cache-control")),
            (200, Some("image/jpeg"), Some("no-store")),
            "{query}"
        );
        assert_eq!(size_of(&got.body), size, "{query}");
    }
    // All who ask within a second get one image.
    let images: Vec<_> = (0..8).map(|_| ask(server.port, "GET", "/live.jpg?width=64", &[]).body).collect();
    let different = images.windows(2).filter(|two| two[0] != two[1]).count();
    assert!(different <= 2, "{different} of 8 are new");
    for wrong in ["width=0", "width=15", "width=3841", "width=x", "width=-1", "width="] {
        assert_eq!(ask(server.port, "GET", &format!("/live.jpg?{wrong}"), &[]).status, 400, "{wrong}");
    }
    // The page that somebody looks at has it inside, and what a program gets of the page can be kept.
    let page = eventually("a page with a picture", || {
        let page = ask(server.port, "GET", "/live", &["Accept: text/html"]);
        (page.header("cache-control") == Some("no-store")).then_some(page)
    });
    let text = String::from_utf8(page.body.clone()).unwrap();
    let image = text
        .split_once("<main><img hidden alt=\"\" src=\"data:image/jpeg;base64,")
        .and_then(|(_, rest)| rest.split_once("\"></main>"))
        .unwrap();
    assert_eq!((size_of(&BASE64_STANDARD.decode(image.0).unwrap()).as_str(), page.header("etag")), ("320,240", None));
    assert!(
        page.header("link").is_some_and(|link| link.starts_with("<api/ws?src=live>")) && page.header("content-security-policy").is_some()
    );
    let kept = ask(server.port, "GET", "/live", &[]);
    assert!(kept.header("etag").is_some() && !String::from_utf8(kept.body).unwrap().contains("data:"));
    // The script for cron: whole files, so many of them.
    let script = repository("scripts/h5-snapshot");
    let snapshot = |args: &[&str]| {
        let mut command = Command::new(&script);
        command
            .args(args)
            .current_dir(&**folder)
            .env("H5_SERVER", format!("http://127.0.0.1:{}/", server.port))
            .env("PATH", path_with_programs());
        run_for(&mut command, b"", PATIENCE)
    };
    let saved = snapshot(&["-d", "shots", "-k", "2", "-w", "160", "live"]).success();
    let name = saved.text().trim().to_owned();
    assert!(name.starts_with("shots/live-20") && name.ends_with(".jpg"), "{name}");
    assert_eq!(size_of(&std::fs::read(folder.join(&name)).unwrap()), "160,120");
    for old in ["live-20200101-000000.jpg", "live-20200101-000001.jpg", "live2-20200101-000000.jpg", "other.txt"] {
        std::fs::write(folder.join("shots").join(old), "").unwrap();
    }
    snapshot(&["-d", "shots", "-k", "2", "live"]).success();
    let mut left: Vec<_> =
        std::fs::read_dir(folder.join("shots")).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert!(left.len() == 4 && left[2] == "live2-20200101-000000.jpg" && left[3] == "other.txt", "{left:?}");
    for (args, code) in [(&["-k", "0", "live"][..], 2), (&[], 2), (&["-n", "../x", "live"], 2), (&["-x"], 2), (&["nothing"], 1)] {
        assert_eq!(snapshot(args).code(), code, "{args:?}");
    }
    assert!(std::fs::read_dir(&**folder).unwrap().all(|f| !f.unwrap().file_name().to_string_lossy().ends_with(".part")));
}

/// An MJPEG stream is scaled on demand, and otherwise given as it came.
#[test]
fn snapshots_of_mjpeg() {
    let pictures = pictures(2);
    let (server, _stdin) = live(&pictures);
    assert!(ask(server.port, "GET", "/cam.jpg", &[]).body == pictures[0]);
    assert_eq!(size_of(&ask(server.port, "GET", "/cam.jpg?width=80", &[]).body), "80,60");
    assert_eq!(ask(server.port, "GET", "/none.jpg?width=80", &[]).status, 404);
    let all = ask(server.port, "GET", "/", &["Accept: text/html"]);
    assert!(String::from_utf8(all.body).unwrap().contains("data:image/jpeg"), "there is but one");
}

/// A listener hears who comes and goes, and not where they are.
fn events(server: &Server) {
    let mut listener = Listener::open(server.port, &[]);
    let url = "/live.ts";
    let mut viewer = connect(server.port);
    viewer.write_all(format!("GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    let joined = listener.event("join");
    assert_eq!(
        (joined["stream"].as_str(), joined["transport"].as_str(), joined.get("remote")),
        (Some("live"), Some("ts"), None),
        "{joined}"
    );
    drop(viewer);
    let left = listener.event("leave");
    assert_eq!(left["viewer"], joined["viewer"]);
    assert_eq!(ask(server.port, "POST", "/api/events", &[]).status, 405);
}

/// Who looks after the streams hears the log too, and where viewers are. Who may see one stream hears of that one.
#[test]
fn events_by_right() {
    let folder = TempDir::new();
    let users = folder.join("users");
    let token = |name: &str, rights: &str| {
        let mut passwd = crate::util::h5("h5serve", &["passwd", users.to_str().unwrap(), name, "--token", "--rights", rights]);
        run_for(&mut passwd, b"", PATIENCE).success().text().trim().lines().last().unwrap().to_owned()
    };
    let (admin, guest, stranger) = (token("admin", "admin"), token("guest", "live=view"), token("stranger", "other=view"));
    let server = Server::start(&["--users", users.to_str().unwrap()]);
    // Nothing of it is to be had in any form without a right.
    for path in [
        "/api/events",
        "/live.ts",
        "/live.flv",
        "/live.h264",
        "/live.jpg?width=64",
        "/wfs/live",
        "/play2",
        "/video_feed",
        "/video_feed?src=live",
    ] {
        assert_eq!(ask(server.port, "GET", path, &[]).status, 401, "{path}");
    }
    for path in ["/wfs/live", "/live", "/play2", "/live.flv"] {
        let request = super::client::handshake(path);
        let mut refused = connect(server.port);
        refused.write_all(request.as_bytes()).unwrap();
        assert!(read_head(&mut refused).0.contains(" 401 "), "{path}");
    }
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let mut hears: Vec<_> = [&admin, &guest, &stranger].iter().map(|token| Listener::open(server.port, &[&bearer(token)])).collect();
    let mut ws = connect(server.port);
    let request = super::client::handshake("/api/ws?src=live").replace("\r\n\r\n", &format!("\r\n{}\r\n\r\n", bearer(&guest)));
    ws.write_all(request.as_bytes()).unwrap();
    assert!(read_head(&mut ws).0.contains(" 101 "));
    let seen = hears[0].event("join");
    assert!(seen["remote"].as_str().is_some_and(|remote| remote.starts_with("127.0.0.1")), "{seen}");
    assert_eq!(hears[1].event("join").get("remote"), None);
    // A change of the users file is logged.
    std::fs::write(&users, "not a line of users\n").unwrap();
    let line = hears[0].event("log");
    assert!(line["line"].as_str().is_some_and(|line| line.starts_with("h5serve: ")), "{line}");
    drop(ws);
    eventually("the viewer has gone", || (hears[1].event("leave")["stream"] == "live").then_some(()));
    assert!(!hears[1].heard.contains("event: log"), "{}", hears[1].heard);
    hears[2].stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut rest = [0; 4096];
    let n = hears[2].stream.read(&mut rest).unwrap_or(0);
    assert!(!String::from_utf8_lossy(&rest[..n]).contains("event: "), "{}", String::from_utf8_lossy(&rest[..n]));
}

struct Listener {
    stream: std::net::TcpStream,
    heard: String,
    at: usize,
}

impl Listener {
    #[track_caller]
    fn open(port: u16, headers: &[&str]) -> Listener {
        let mut stream = connect(port);
        let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        stream.write_all(format!("GET /api/events HTTP/1.0\r\nHost: localhost\r\n{lines}\r\n").as_bytes()).unwrap();
        let (head, rest) = read_head(&mut stream);
        assert!(head.contains(" 200 ") && head.to_ascii_lowercase().contains("content-type: text/event-stream"), "{head}");
        let mut listener = Listener { stream, heard: String::from_utf8(rest).unwrap(), at: 0 };
        // The comment at its beginning: from now on it hears everything.
        while !listener.heard.starts_with(":\n\n") {
            listener.read();
        }
        listener
    }

    #[track_caller]
    fn read(&mut self) {
        let mut piece = [0; 4096];
        let n = match self.stream.read(&mut piece) {
            Err(e) if e.kind() == ErrorKind::Interrupted => return,
            read => read.unwrap_or_else(|e| panic!("{e}: {}", self.heard)),
        };
        assert!(n > 0, "it ended: {}", self.heard);
        self.heard += &String::from_utf8_lossy(&piece[..n]);
    }

    /// The next of this name; others are passed over.
    #[track_caller]
    fn event(&mut self, name: &str) -> serde_json::Value {
        let begin = format!("event: {name}\ndata: ");
        loop {
            if let Some(found) = self.heard[self.at..].find(&begin) {
                let data = self.at + found + begin.len();
                if let Some(end) = self.heard[data..].find("\n\n") {
                    self.at = data + end;
                    return serde_json::from_str(&self.heard[data..data + end]).unwrap();
                }
            }
            self.read();
        }
    }
}
