//! Inputs that have nothing new, are made anew, fail, or hang; and the log of events, which may hang too.

use super::client::{Message, Ws, ask};
use super::pictures::pictures;
use super::studio::{Studio, number};
use super::{Server, feed};
use crate::util::{PATIENCE, Running, TempDir, eventually, h5, http};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

fn mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Opens a FIFO once it has a reader. A plain open would wait for the reader for ever, and the test with it.
fn writer(path: &Path) -> File {
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    eventually("a reader of the FIFO", || File::options().write(true).custom_flags(nonblocking).open(path).ok())
}

/// Waits until a program has opened a file. An input that is gone before that ends h5serve: it says its address first, and opens its inputs then.
fn wait_until_opened(program: &Running, path: &Path) {
    eventually("the program opens the file", || {
        let fds = std::fs::read_dir(format!("/proc/{}/fd", program.id())).ok()?;
        fds.flatten().find(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to == path))
    });
}

/// Calls of read(2) so far, of all threads; sockets are not read by it.
fn reads(server: &Server) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{}/io", server.process.id())).unwrap();
    io.lines().find_map(|l| l.strip_prefix("syscr: ")?.parse().ok()).unwrap()
}

#[test]
fn an_input_with_nothing_new_is_not_read_again_and_again() {
    let dir = TempDir::new();
    let (empty, header, still, broken) = (dir.join("empty.mp4"), dir.join("header.mp4"), dir.join("still.jpg"), dir.join("broken.mp4"));
    let mut studio = Studio::new(1, 500);
    let picture = pictures(1).remove(0);
    std::fs::write(&empty, b"").unwrap();
    std::fs::write(&header, studio.init()).unwrap();
    std::fs::write(&still, &picture).unwrap();
    std::fs::write(&broken, [studio.init(), studio.picture(), vec![0xff; 100]].concat()).unwrap();
    for path in [&empty, &header, &still, &broken, Path::new("/dev/null")] {
        let mut server = Server::start(&["--on-eof", "reopen", &format!("cam={}", path.display())]);
        let begun = |server: &Server| reads(server) > 0 && server.streams()["cam"]["state"] == "waiting";
        eventually("it has been read", || begun(&server).then_some(()));
        if path == broken {
            server.process.wait_for("byte ");
        }
        let before = reads(&server);
        for _ in 0..200 {
            server.streams();
        }
        let more = reads(&server) - before;
        assert!(more < 60, "{}: {more} reads while 200 requests were answered", path.display());
        let said = server.process.stderr();
        assert!(said.matches("cam").count() <= 1, "once is enough: {said}");
        assert_eq!(path == still, ask(server.port, "GET", "/cam.jpg", &[]).status == 200);
    }
}

#[test]
fn a_file_that_changes_is_read_again() {
    let dir = TempDir::new();
    let (still, growing) = (dir.join("still.jpg"), dir.join("growing.mp4"));
    let [first, second] = pictures(2).try_into().unwrap();
    let mut studio = Studio::new(1, 500);
    std::fs::write(&still, &first).unwrap();
    std::fs::write(&growing, studio.init()).unwrap();
    let server = Server::start(&["--on-eof", "reopen", still.to_str().unwrap(), growing.to_str().unwrap()]);
    let shown = || ask(server.port, "GET", "/still.jpg", &[]).body;
    eventually("the first picture", || (shown() == first).then_some(()));
    // As a camera does that writes snapshots: beside, and renamed.
    std::fs::write(dir.join("next"), &second).unwrap();
    std::fs::rename(dir.join("next"), &still).unwrap();
    eventually("the second", || (shown() == second).then_some(()));
    let mut file = File::options().append(true).open(&growing).unwrap();
    feed(&mut file, &studio.picture());
    let mut ws = Ws::connect(server.port, "growing");
    ws.say(r#"{"type":"mse","value":""}"#);
    while number(&ws.binary()) != Some(0) {}
}

/// A short film of pictures goes on and on, at its own rate: it is not taken for one that has nothing new.
#[test]
fn a_short_film_of_pictures_goes_round() {
    let dir = TempDir::new();
    let path = dir.join("film.mjpeg");
    let film = pictures(3);
    std::fs::write(&path, film.concat()).unwrap();
    let server = Server::start(&["--on-eof", "reopen", "--rate", "10", path.to_str().unwrap()]);
    let mut ws = Ws::connect(server.port, "film");
    ws.say(r#"{"type":"mjpeg"}"#);
    let mut last = None;
    let mut seen = 0;
    while seen < 10 {
        let Message::Binary(picture) = ws.next() else { continue };
        let n = film.iter().position(|p| *p == picture).expect("one of the three");
        assert!(last.is_none_or(|last| n == (last + 1) % 3), "{n} after {last:?}");
        (last, seen) = (Some(n), seen + 1);
    }
}

#[test]
fn a_fifo_made_anew_is_noticed() {
    let dir = TempDir::new();
    let path = dir.join("cam.mp4");
    for on_eof in ["reopen", "exit", "wait"] {
        mkfifo(&path);
        let server = Server::start(&["--on-eof", on_eof, path.to_str().unwrap()]);
        wait_until_opened(&server.process, &path);
        let mut ws = Ws::connect(server.port, "cam");
        ws.say(r#"{"type":"mse","value":""}"#);
        // With reopen also when the stream has begun, whether the old writer has gone or holds on.
        let rounds = if on_eof == "reopen" { 4 } else { 1 };
        let mut old = vec![];
        for round in 0..rounds {
            std::fs::remove_file(&path).unwrap();
            mkfifo(&path);
            let mut writer = writer(&path);
            let mut studio = Studio::new(1, 500);
            feed(&mut writer, &[studio.init(), studio.picture()].concat());
            while number(&ws.binary()) != Some(0) {}
            if round % 2 == 0 {
                old.push(writer);
            }
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_fifo_that_comes_later_or_through_a_link() {
    let dir = TempDir::new();
    let (link, inner) = (dir.join("cam.mp4"), dir.join("inner"));
    std::fs::create_dir(&inner).unwrap();
    let target = inner.join("fifo");
    mkfifo(&target);
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let server = Server::start(&["--on-eof", "reopen", link.to_str().unwrap()]);
    wait_until_opened(&server.process, &target);
    let mut ws = Ws::connect(server.port, "cam");
    ws.say(r#"{"type":"mse","value":""}"#);
    let mut show = |path: &Path| {
        let mut studio = Studio::new(1, 500);
        feed(&mut writer(path), &[studio.init(), studio.picture()].concat());
        while number(&ws.binary()) != Some(0) {}
    };
    std::fs::remove_file(&target).unwrap();
    mkfifo(&target);
    show(&target);
    // Away for a while, and its folder too.
    std::fs::remove_dir_all(&inner).unwrap();
    std::fs::create_dir(&inner).unwrap();
    mkfifo(&target);
    show(&target);
}

/// The first runs: what becomes of the second is said at once all the same, and /healthz tells it.
#[test]
fn the_second_input_s_failure_is_told() {
    let dir = TempDir::new();
    let broken = dir.join("broken.mp4");
    std::fs::write(&broken, [0xff; 5000]).unwrap();
    for (input, said) in [(broken.to_str().unwrap(), "broken.mp4"), ("/nowhere/at/all", "no such file")] {
        let other = format!("b={input}");
        let mut server = Server::start(&["a=-", &other, "--control", "127.0.0.1:0", "-v"]);
        let control = server.process.wait_for("control endpoint at");
        let control = control.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        let (mut stdin, mut studio) = (server.process.stdin(), Studio::new(1, 500));
        feed(&mut stdin, &[studio.init(), studio.picture()].concat());
        let line = server.process.wait_for(said);
        assert!(line.starts_with("h5serve: b: "), "{line}");
        eventually("the first runs", || (server.streams()["a"]["state"] == "live").then_some(()));
        feed(&mut stdin, &studio.picture());
        let (status, health) = http(control, "GET", "/healthz", b"");
        assert!(status == 503 && health.contains("b: has failed: ") && health.contains(said), "{status} {health}");
        drop(stdin);
        let end = server.process.finish(PATIENCE);
        assert!(matches!(end.code(), 3 | 4), "the first failure is the program's: {}", end.code());
    }
}

#[test]
fn the_log_of_events_is_never_written_over_an_input() {
    let dir = TempDir::new();
    let (input, other) = (dir.join("cam.mp4"), dir.join("link.mp4"));
    std::fs::write(&input, Studio::new(10, 1000).init()).unwrap();
    std::os::unix::fs::symlink(&input, &other).unwrap();
    let before = std::fs::read(&input).unwrap();
    for events in [&input, &other] {
        let listen = ["--listen", "127.0.0.1:0", "--events"].map(String::from);
        let names = [events.display().to_string(), input.display().to_string()];
        let done = crate::util::run(h5("h5serve", &[]).args(listen).args(names), b"");
        assert_eq!(done.code(), 2, "{}", done.stderr);
        assert!(done.stderr.contains("is an input too"), "{}", done.stderr);
        assert_eq!(std::fs::read(&input).unwrap(), before);
    }
}

#[test]
fn a_log_of_events_that_nobody_reads_holds_up_nothing() {
    let dir = TempDir::new();
    let log = dir.join("events");
    mkfifo(&log);
    // It is never read.
    let server = Server::start(&["--events", log.to_str().unwrap()]);
    server.process.signal("TERM");
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
    // Somebody does, later, goes, and comes again.
    let mut server = Server::start(&["--events", log.to_str().unwrap()]);
    let (mut stdin, mut studio) = (server.process.stdin(), Studio::new(1, 500));
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    for _ in 0..2 {
        drop(Ws::viewer(server.port, "live"));
        let mut lines = BufReader::new(File::open(&log).unwrap()).lines();
        let mut next = || lines.next().unwrap().unwrap();
        while !next().contains("\"event\":\"leave\"") {}
    }
    // A descriptor that nobody reads either.
    let line = format!("exec 3<>{0}; exec {1} --listen 127.0.0.1:0 --events 3", log.display(), crate::util::program("h5serve").display());
    let mut third = Running::start(crate::util::shell(&line).stdin(std::process::Stdio::piped()));
    third.wait_for("http://127.0.0.1:");
    third.signal("TERM");
    assert_eq!(third.finish(PATIENCE).code(), 0);
}

/// Whatever a program is to open, waiting for it ends with the wish to stop.
#[test]
fn opening_a_fifo_ends_when_it_is_asked_to() {
    let dir = TempDir::new();
    let path = dir.join("fifo.mkv");
    mkfifo(&path);
    let path = path.to_str().unwrap();
    let cases: [(&str, &[&str]); 3] = [("h5cap", &[path]), ("h5mux", &[path]), ("h5serve", &["--listen", "127.0.0.1:0", path])];
    for (name, args) in cases {
        let running = Running::start(&mut h5(name, args));
        wait_until_opened(&running, Path::new(path));
        running.signal("TERM");
        assert_eq!(running.finish(PATIENCE).code(), 0, "{name}");
    }
}
