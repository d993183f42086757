use super::client::{Message, Ws};
use super::studio::{Studio, boxes, decode_time, number};
use super::{Server, feed};
use crate::util::{PATIENCE, TempDir, eventually, h5, run};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

struct Fifo {
    _dir: TempDir,
    path: PathBuf,
}

impl Fifo {
    fn new() -> Fifo {
        let dir = TempDir::new();
        let path = dir.join("cam.mp4");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        Fifo { _dir: dir, path }
    }

    fn input(&self) -> String {
        format!("cam={}", self.path.display())
    }

    fn writer(&self) -> File {
        File::options().write(true).open(&self.path).unwrap()
    }
}

#[test]
fn exit_lets_viewers_have_the_rest() {
    let mut server = Server::start(&[]);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(30, 500);
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    let mut ws = Ws::viewer(server.port, "live");
    assert_eq!(boxes(&ws.binary()), ["ftyp", "moov"]);
    let rest: Vec<Vec<u8>> = (0..200).map(|_| studio.picture()).collect();
    feed(&mut stdin, &rest.concat());
    drop(stdin);
    let mut got = 0;
    loop {
        match ws.next() {
            Message::Binary(bytes) => {
                assert_eq!(number(&bytes), Some(got));
                got += 1;
            }
            Message::Close(code, reason) => {
                assert_eq!((code, got), (1000, 201), "{reason}");
                break;
            }
            other => assert!(matches!(other, Message::Text(_)), "{other:?}"),
        }
    }
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
}

#[test]
fn wait_keeps_the_last_picture() {
    let mut server = Server::start(&["--on-eof", "wait"]);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::new(2, 500);
    feed(&mut stdin, &[studio.init(), studio.picture(), studio.picture(), studio.picture()].concat());
    let mut ws = Ws::viewer(server.port, "live");
    while number(&ws.binary()) != Some(2) {}
    drop(stdin);
    eventually("the writer has gone", || (server.streams()["live"]["state"] == "waiting").then_some(()));
    let mut late = Ws::viewer(server.port, "live");
    assert_eq!(late.binary(), studio.init());
    assert_eq!(number(&late.binary()), Some(2));
    ws.say(r#"{"type":"ping","value":1}"#);
    assert_eq!(ws.text()["type"], "pong", "it is still connected");
    server.process.signal("INT");
    assert_eq!(ws.closed().0, 1001);
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
}

#[test]
fn the_next_writer_of_a_fifo_continues_the_stream() {
    let fifo = Fifo::new();
    let server = Server::start(&["--on-eof", "reopen", &fifo.input()]);
    let mut ws = Ws::connect(server.port, "cam");
    ws.say(r#"{"type":"mse","value":""}"#);
    let mut last = None;
    // The writers' own times begin where they like, and each is cut off in the middle of a chunk.
    for origin in [0, 5_000_000_000, 0, 77] {
        let mut studio = Studio::with(5, 500, false, origin);
        let mut writer = fifo.writer();
        feed(&mut writer, &studio.init());
        for n in 0..7 {
            feed(&mut writer, &studio.picture());
            if n == 0 {
                assert_eq!(ws.binary(), studio.init());
            }
            let chunk = ws.binary();
            assert_eq!(number(&chunk), Some(n));
            let time = decode_time(&chunk);
            if let Some(last) = last {
                assert!((33_333..=33_334).contains(&(time - last)), "picture {n} of {origin}: {last}, {time}: no hole, no overlap");
            }
            last = Some(time);
        }
        let broken = studio.picture();
        feed(&mut writer, &broken[..broken.len() / 2]);
        drop(writer);
        eventually("it has gone", || (server.streams()["cam"]["state"] == "waiting").then_some(()));
    }
    assert_eq!(server.streams()["cam"]["viewers"], 1, "it never had to come back");
}

#[test]
fn other_tracks_send_viewers_away_to_come_back() {
    let fifo = Fifo::new();
    let server = Server::start(&["--on-eof", "reopen", &fifo.input()]);
    let write = |sound| {
        let mut studio = Studio::with(5, 500, sound, 0);
        let mut writer = fifo.writer();
        feed(&mut writer, &[studio.init(), studio.picture()].concat());
        (writer, studio)
    };
    let (writer, _) = write(false);
    let mut ws = Ws::viewer(server.port, "cam");
    while number(&ws.binary()) != Some(0) {}
    drop(writer);
    let (_writer, studio) = write(true);
    let (code, reason) = ws.closed();
    assert_eq!((code, reason.is_empty()), (1012, false));
    let mut back = Ws::connect(server.port, "cam");
    back.say(r#"{"type":"mse","value":"avc1,opus"}"#);
    assert_eq!(back.text()["value"], "video/mp4; codecs=\"avc1.42C01E,opus\"");
    assert_eq!(back.binary(), studio.init());
}

/// Each writer comes when the one before has just gone, a little later each time: none finds the FIFO without a reader, and nothing that
/// it wrote is lost.
#[test]
fn writers_that_follow_at_once() {
    const WRITERS: u64 = 1000;
    let fifo = Fifo::new();
    let server = Server::start(&["--on-eof", "reopen", &fifo.input()]);
    let mut studio = Studio::new(1, 500);
    let mut ws = Ws::connect(server.port, "cam");
    ws.say(r#"{"type":"mse","value":""}"#);
    let watching = std::thread::spawn(move || {
        let mut next = 0;
        while next < WRITERS {
            match ws.next() {
                Message::Binary(bytes) => next = number(&bytes).map_or(next, |n| n + 1),
                Message::Text(_) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    for n in 0..WRITERS {
        let bytes = [studio.init(), studio.picture()].concat();
        fifo.writer().write_all(&bytes).unwrap_or_else(|e| panic!("writer {n}: {e}"));
        let gone = Instant::now();
        while gone.elapsed() < Duration::from_micros(n % 200) {}
    }
    watching.join().unwrap();
}

#[test]
fn a_writer_of_garbage_is_survived() {
    let fifo = Fifo::new();
    let mut server = Server::start(&["--on-eof", "reopen", &fifo.input()]);
    let mut studio = Studio::new(5, 500);
    let mut writer = fifo.writer();
    feed(&mut writer, &[studio.init(), studio.picture()].concat());
    let mut ws = Ws::viewer(server.port, "cam");
    while number(&ws.binary()) != Some(0) {}
    feed(&mut writer, &[0xff; 4096]);
    server.process.wait_for("cam.mp4: MP4: byte ");
    drop(writer);
    let mut studio = Studio::new(5, 500);
    let mut writer = fifo.writer();
    feed(&mut writer, &[studio.init(), studio.picture()].concat());
    assert_eq!(ws.binary(), studio.init());
    assert_eq!(number(&ws.binary()), Some(0));
}

/// As when the server is restarted beside a writer that goes on.
#[test]
fn a_stream_joined_in_the_middle_is_waited_for() {
    let (late, early) = (Fifo::new(), Fifo::new());
    let late_input = format!("late={}", late.path.display());
    let mut server = Server::start(&["--on-eof", "reopen", &late_input, &early.input()]);
    let mut other = early.writer();
    let mut steady = Studio::new(5, 500);
    feed(&mut other, &[steady.init(), steady.picture()].concat());
    let mut watching = Ws::viewer(server.port, "cam");
    while number(&watching.binary()) != Some(0) {}

    let mut studio = Studio::new(1, 500);
    let init = studio.init();
    let (first, second, third) = (studio.picture(), studio.picture(), studio.picture());
    // The end of a chunk, whole chunks without a header, then the header and what belongs to it: all from one writer.
    let mut writer = late.writer();
    feed(&mut writer, &first[first.len() - 700..]);
    feed(&mut writer, &[&second[..], &third].concat());
    let said = server.process.wait_for("passing over it");
    assert!(said.contains("byte "), "{said}");
    assert_eq!(server.streams()["late"]["state"], "waiting");
    feed(&mut writer, &[init.clone(), studio.picture()].concat());
    let mut ws = Ws::connect(server.port, "late");
    ws.say(r#"{"type":"mse","value":""}"#);
    assert_eq!(ws.binary(), init);
    assert_eq!(number(&ws.binary()), Some(3));
    drop(writer);

    // Another that never begins: up to its end.
    let mut writer = late.writer();
    feed(&mut writer, &third[100..]);
    feed(&mut writer, &second.repeat(200));
    drop(writer);
    let mut again = Studio::new(5, 500);
    let mut writer = late.writer();
    feed(&mut writer, &[again.init(), again.picture()].concat());
    assert_eq!(ws.binary(), again.init());
    assert_eq!(number(&ws.binary()), Some(0));

    let said = server.process.stderr();
    assert_eq!(said.matches("passing over it").count(), 2, "once for each writer: {said}");
    feed(&mut other, &steady.picture());
    while number(&watching.binary()) != Some(1) {}
}

#[test]
fn a_file_is_played_in_its_own_time_and_again() {
    let dir = TempDir::new();
    let path = dir.join("show.mp4");
    let mut studio = Studio::new(5, 500);
    let pictures: Vec<u8> = (0..30).flat_map(|_| studio.picture()).collect();
    std::fs::write(&path, [studio.init(), pictures].concat()).unwrap();
    let begun = std::time::Instant::now();
    let server = Server::start(&["--on-eof", "reopen", path.to_str().unwrap()]);
    let mut ws = Ws::viewer(server.port, "show");
    let mut last: Option<(u64, u64)> = None;
    let mut rounds = 0;
    while rounds < 2 {
        let chunk = ws.binary();
        let Some(n) = number(&chunk) else { continue };
        let time = decode_time(&chunk);
        if let Some((before, t)) = last {
            assert_eq!(n, (before + 1) % 30);
            assert!((33_333..=33_334).contains(&(time - t)), "{before} at {t}, {n} at {time}");
        }
        rounds += u32::from(last.is_some() && n == 0);
        last = Some((n, time));
    }
    assert!(begun.elapsed().as_secs_f64() > 1.9, "two rounds of a second in {:?}", begun.elapsed());
}

#[test]
fn inputs_that_are_none() {
    let code = |args: &[&str], input: &[u8]| {
        let end = run(h5("h5serve", &["--listen", "127.0.0.1:0"]).args(args), input);
        assert_eq!(
            end.stderr.lines().filter(|l| !l.starts_with("http://")).count(),
            usize::from(end.code() != 0),
            "one line: {}",
            end.stderr
        );
        end.code()
    };
    assert_eq!(code(&[], b""), 0);
    assert_eq!(code(&["cam=/nowhere/at/all"], b""), 3);
    assert_eq!(code(&["--on-eof", "reopen", "cam=/nowhere/at/all"], b""), 3);
    assert_eq!(code(&[], &[0xff; 100_000]), 4);
    assert_eq!(code(&["--on-eof", "reopen"], &[0xff; 100_000]), 4);
    assert_eq!(code(&["a=x", "a=y"], b""), 2);
    assert_eq!(code(&["--listen", "256.0.0.1:80"], b""), 1);
}
