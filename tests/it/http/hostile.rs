use super::*;
use std::time::Duration;

/// One line, in time, and no memory, whatever the answer is.
#[test]
fn an_answer_that_no_camera_gives_is_refused_in_one_line() {
    let dir = TempDir::new();
    let server = Server::start(&dir, &[]);
    let cases = [
        ("endless-head", 1, "the head of its answer is too long"),
        ("slow-head", 3, "no answer within 2 s"),
        ("silent", 3, "no answer within 2 s"),
        ("ssh", 1, "it does not speak HTTP at this port"),
        ("nothing", 1, "it has closed the connection without an answer"),
        ("gzip", 4, "its answer is coded as gzip, which was not asked for"),
        ("lengths", 1, "the length of its answer is no number"),
        ("no-chunk", 1, "its answer is in chunks that are none"),
        ("huge", 4, "byte 0: not understood: the input begins with 00"),
        ("slow-body", 1, "nothing came for 2 s"),
        ("short", 1, "the connection ended before its answer did"),
        ("empty", 1, "its answer is empty"),
        ("page", 4, "byte 0: the input is a web page, which is not read here; give the address of the stream itself"),
        ("full", 1, "503: it cannot serve now: no picture yet, or too many viewers"),
        ("absent", 3, "404: the path is not there"),
        ("loop", 1, "301: it redirects more than 5 times"),
        ("ftp", 1, "302: it redirects to no address of HTTP"),
    ];
    std::thread::scope(|scope| {
        for (path, code, text) in cases {
            let server = &server;
            scope.spawn(move || {
                // Who answers at all does so in time, however busy the machine is.
                let timeout = if text.ends_with("within 2 s") || text.ends_with("for 2 s") { "2" } else { "30" };
                let done = h5cap(&[&server.url(path), "--timeout", timeout]);
                let line = format!("h5cap: {}: {text}", server.url(path));
                assert!(done.code() == code && done.stderr.starts_with(&line), "{path}: {} {}", done.code(), done.stderr);
                assert!(done.stderr.lines().count() == 1 && done.stdout.is_empty(), "{path}: {}", done.stderr);
                assert!(done.peak_kib < 64 << 10 && done.took < Duration::from_secs(50), "{path}: {} KiB, {:?}", done.peak_kib, done.took);
            });
        }
    });
}

/// A chunk of 2^64 bytes of which one picture comes: what came goes out, and the rest is not waited for.
#[test]
fn a_length_is_not_believed() {
    let dir = TempDir::new();
    let server = Server::start(&dir, &[]);
    let mut command = h5("h5cap", &[&server.url("huge-chunk"), "--stall", "0.5"]);
    let mut cap = Running::start_with(&mut command, Stdio::null(), Stdio::null());
    cap.wait_for("lost: nothing came for 0.5 s");
    assert!(cap.peak_kib() < 64 << 10);
}

#[test]
fn what_cannot_be_reached_is_said() {
    let closed = h5cap(&[&format!("http://127.0.0.1:{}/", free_port())]);
    assert!(closed.code() == 3 && closed.stderr.contains("connection refused"), "{}", closed.stderr);
    let name = h5cap(&["https://no-such-host.invalid/"]);
    assert!(name.code() == 3 && name.stderr.contains("the host's name is not known"), "{}", name.stderr);
    for (url, text) in
        [("http://", "the address has no host"), ("ws://u:s3cret@/x", "the address has no host"), ("https://h:99999/", "not a URL")]
    {
        let done = h5cap(&[url]);
        assert!(done.code() == 4 && done.stderr.contains(text), "{url}: {}", done.stderr);
    }
}
