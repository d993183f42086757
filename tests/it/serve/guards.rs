//! What must hold when something has run out, is in the way, or is closed.

use super::client::{answer, connect, read_head};
use super::studio::{Studio, number};
use super::{Server, feed};
use crate::util::{PATIENCE, Running, TempDir, eventually, h5, program, run, shell};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};

#[test]
fn what_is_no_socket_is_left_alone() {
    let dir = TempDir::new();
    let [film, link, fifo, stale, stale_link, folder, dangling] =
        ["recording.mp4", "link.mp4", "fifo", "stale.sock", "link.sock", "folder", "dangling"].map(|name| dir.join(name));
    std::fs::write(&film, b"precious").unwrap();
    std::os::unix::fs::symlink(&film, &link).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    drop(UnixListener::bind(&stale).unwrap());
    std::os::unix::fs::symlink(&stale, &stale_link).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", &dangling).unwrap();
    std::fs::create_dir(&folder).unwrap();
    for path in [&film, &link, &fifo, &stale_link, &folder, &dangling] {
        let before = std::fs::symlink_metadata(path).unwrap();
        let end = run(&mut h5("h5serve", &["--listen", &format!("unix:{}", path.display())]), b"");
        assert_eq!((end.code(), end.stderr.lines().count()), (1, 1), "{}: {}", path.display(), end.stderr);
        assert!(end.stderr.contains("no socket") && end.stderr.contains(path.to_str().unwrap()), "{}", end.stderr);
        let after = std::fs::symlink_metadata(path).unwrap();
        assert_eq!(before.file_type(), after.file_type(), "{}", path.display());
    }
    assert_eq!(std::fs::read(&film).unwrap(), b"precious");
    assert!(stale.exists());
    // The one that may be replaced, as a killed server leaves it.
    let end = run(&mut h5("h5serve", &["--listen", &format!("unix:{}", stale.display())]), b"");
    assert_eq!(end.code(), 0, "{}", end.stderr);
    assert!(!stale.exists(), "and it is taken away");
}

#[test]
fn at_its_end_a_server_takes_away_its_own_socket_only() {
    let dir = TempDir::new();
    let path = dir.join("h5.sock");
    let listen = format!("unix:{}", path.display());
    for other in ["a socket", "a file", "nothing"] {
        let server = Server::start(&["--listen", &listen]);
        assert!(std::fs::symlink_metadata(&path).unwrap().file_type().is_socket());
        std::fs::remove_file(&path).unwrap();
        let theirs = (other == "a socket").then(|| UnixListener::bind(&path).unwrap());
        if other == "a file" {
            std::fs::write(&path, b"precious").unwrap();
        }
        server.process.signal("TERM");
        assert_eq!(server.process.finish(PATIENCE).code(), 0);
        assert_eq!(path.exists(), other != "nothing");
        if theirs.is_some() {
            UnixStream::connect(&path).expect("it is still the other's");
        }
        _ = std::fs::remove_file(&path);
    }
    // Also when it cannot start for another reason.
    let end = run(&mut h5("h5serve", &["--listen", &listen, "--listen", "256.0.0.1:80"]), b"");
    assert_eq!((end.code(), path.exists()), (1, false), "{}", end.stderr);
}

/// `ulimit -n`, then h5serve with its stdin piped.
fn with_files(limit: u32, args: &str) -> Running {
    let line = format!("ulimit -n {limit}; exec {} --listen 127.0.0.1:0 {args}", program("h5serve").display());
    Running::start(&mut shell(&line))
}

#[test]
fn too_few_files_to_start_with() {
    for limit in 4..40 {
        let mut running = with_files(limit, "");
        let mut stdin = running.stdin();
        // Where it starts, it serves.
        _ = stdin.write_all(b"");
        drop(stdin);
        let end = running.finish(PATIENCE);
        assert!(!end.stderr.contains("panicked"), "{limit}: {}", end.stderr);
        let errors = end.stderr.lines().filter(|l| !l.starts_with("http://")).count();
        match end.code() {
            0 => assert_eq!(errors, 0, "{limit}: {}", end.stderr),
            // Below that not even the system's libraries can be loaded.
            127 | 126 if limit < 6 => {}
            code => assert_eq!((code, errors), (1, 1), "{limit}: {}", end.stderr),
        }
    }
}

#[test]
fn more_connections_than_files() {
    let mut process = with_files(64, "");
    let address = process.wait_for("http://127.0.0.1:");
    let port = address["http://127.0.0.1:".len()..].trim_end_matches('/').parse().unwrap();
    let mut stdin = process.stdin();
    let mut studio = Studio::new(1, 500);
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    let server = Server { process, port };
    let mut viewer = super::client::Ws::viewer(port, "live");
    while number(&viewer.binary()) != Some(0) {}
    // All places and more. Who has none is told so at once.
    let held: Vec<TcpStream> = (0..200).map(|_| connect(port)).collect();
    let refused = eventually("refusals", || {
        let mut refused = connect(port);
        let mut bytes = vec![];
        refused.read_to_end(&mut bytes).is_ok_and(|_| !bytes.is_empty()).then_some(bytes)
    });
    let refused = answer(&refused);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    // Those who are there notice nothing, nor does the input.
    for n in 1..50 {
        feed(&mut stdin, &studio.picture());
        assert_eq!(number(&viewer.binary()), Some(n));
    }
    let said = server.process.stderr();
    assert_eq!(said.matches("connections are refused").count(), 1, "once for all of them: {said}");
    drop(held);
    let mut again = eventually("room again", || {
        let mut stream = connect(port);
        stream.write_all(b"GET /live.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).ok()?;
        (&status == b"HTTP/1.1 200").then_some(stream)
    });
    read_head(&mut again);
    drop((again, viewer, stdin));
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
}

#[test]
fn the_address_is_part_of_the_log() {
    let mut server = Running::start(&mut h5("h5serve", &["--listen", "127.0.0.1:0", "--log", "json"]));
    let line = server.wait_for("http://127.0.0.1:");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    assert_eq!((&line["program"], &line["level"]), (&"h5serve".into(), &"info".into()));
    assert!(line["message"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{line}");
    let end = run(&mut h5("h5serve", &["--listen", "127.0.0.1:0", "-q"]), b"");
    assert_eq!((end.code(), end.stderr.as_str()), (0, ""));
}

/// A stderr that cannot be written to is no reason to end.
#[test]
fn a_closed_stderr_is_no_failure() {
    for stderr in ["2>/dev/full", "2>&-", "2> >(exit)"] {
        for line in ["h5serve --listen 127.0.0.1:0", "h5cap test --duration 0.2 -vv >/dev/null", "h5enc -v", "h5mux -v"] {
            let done = run(&mut shell(&format!("{line} {stderr}; echo $?")), b"");
            assert_eq!(done.text(), "0\n", "{line} {stderr}");
        }
        // And an error is still one.
        let done = run(&mut shell(&format!("h5mux {stderr}; echo $?")), &[0xff; 5000]);
        assert_eq!(done.text(), "4\n", "{stderr}");
    }
}
