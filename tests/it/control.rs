//! The control endpoint of a running program: whatever clients do, it leaks nothing and answers the next one.

use crate::util::{Running, data, eventually, http, shell};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

/// h5mux, which waits for more input, with its control endpoint; at most `files` descriptors.
struct Program {
    running: Running,
    stdin: Box<dyn Write>,
    port: u16,
}

impl Program {
    fn start(files: u32) -> Program {
        let mut running = Running::start(&mut shell(&format!("ulimit -n {files}; exec h5mux -v --control 0 >/dev/null")));
        let mut stdin: Box<dyn Write> = Box::new(running.stdin());
        stdin.write_all(&fs::read(data("mediarecorder-avc1-opus.mkv")).unwrap()[..30_000]).unwrap();
        let line = running.wait_for("control endpoint at http://127.0.0.1:");
        let port = line.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
        Program { running, stdin, port }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).unwrap()
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.running.id())).unwrap().count()
    }

    fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.running.id())).unwrap().count()
    }

    fn answers(&self) -> bool {
        http(self.port, "GET", "/stats", b"").0 == 200
    }

    /// Ends it; nothing panicked meanwhile.
    fn finish(self) {
        drop(self.stdin);
        let done = self.running.finish(crate::util::PATIENCE);
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
    }
}

#[test]
fn long_bodies_leave_nothing_behind() {
    let program = Program::start(1024);
    assert!(program.answers());
    let before = (program.descriptors(), program.threads());
    for _ in 0..30 {
        let mut stream = program.connect();
        write!(stream, "PUT /x HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nContent-Length: {}\r\n\r\n", 2 << 20).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
    eventually("descriptors and threads are given back", || {
        (program.descriptors() <= before.0 && program.threads() <= before.1).then_some(())
    });
    program.finish();
}

#[test]
fn idle_connections_are_few() {
    let program = Program::start(1024);
    assert!(program.answers());
    let before = (program.descriptors(), program.threads());
    let idle: Vec<TcpStream> = (0..200).map(|_| program.connect()).collect();
    assert!(program.answers(), "a client that asks gets its answer");
    eventually("most are closed", || (program.descriptors() <= before.0 + 40 && program.threads() <= before.1 + 40).then_some(()));
    drop(idle);
    eventually("all are closed", || (program.descriptors() <= before.0 && program.threads() <= before.1).then_some(()));
    program.finish();
}

#[test]
fn a_line_without_an_end_is_not_kept() {
    let program = Program::start(1024);
    assert!(program.answers());
    let mut stream = program.connect();
    let more = [b'a'; 64 << 10];
    _ = stream.write_all(b"GET /stats HTTP/1.1\r\nHost: localhost\r\nX: ");
    let refused = (0..1600).any(|_| stream.write_all(&more).is_err());
    assert!(refused, "100 MB were taken");
    assert!(program.running.peak_kib() < 100 << 10, "{} KiB", program.running.peak_kib());
    program.finish();
}

#[test]
fn without_descriptors_it_waits_for_some() {
    let program = Program::start(40);
    assert!(program.answers());
    let many: Vec<TcpStream> = (0..80).map(|_| program.connect()).collect();
    eventually("there are none left", || (program.descriptors() >= 40).then_some(()));
    drop(many);
    assert!(program.answers(), "and then answers");
    program.finish();
}
