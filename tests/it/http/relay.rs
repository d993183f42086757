use super::*;
use crate::util::{Certificate, shell};
use std::time::Duration;

/// An h5serve and what feeds it, in one pipe.
pub struct Node {
    running: Running,
    pub port: u16,
}

impl Node {
    /// What `line` writes, served.
    pub fn start(line: &str) -> Node {
        Node::on(0, line)
    }

    pub fn on(port: u16, line: &str) -> Node {
        let line = format!("{line} | h5serve --on-eof exit --listen 127.0.0.1:{port}");
        let mut running = Running::start_with(&mut shell(&line), Stdio::null(), Stdio::null());
        running.wait_for("http://127.0.0.1:");
        let port = eventually("the address", || {
            running.stderr().lines().find_map(|line| line.strip_prefix("http://127.0.0.1:")?.trim_end_matches('/').parse().ok())
        });
        Node { running, port }
    }

    pub fn http(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub fn ws(&self, path: &str) -> String {
        format!("ws://127.0.0.1:{}/{path}", self.port)
    }

    /// The stream has begun.
    #[track_caller]
    pub fn begun(mut self) -> Node {
        eventually("a picture", || {
            assert!(self.running.is_running(), "it has ended: {}", self.running.stderr());
            let (_, list) = crate::util::http(self.port, "GET", "/api/streams", b"");
            let list: serde_json::Value = serde_json::from_str(&list).unwrap();
            list["live"]["fps"].as_f64().is_some_and(|fps| fps > 0.0).then_some(())
        });
        self
    }
}

/// Wall-clock time of capture, in microseconds, and bytes of each packet of a track.
fn captured(recording: &Recording, track: usize) -> Vec<(i64, bytes::Bytes)> {
    let zero = recording.zero.expect("relays tell the time").0;
    recording
        .packets
        .iter()
        .filter(|packet| packet.track == track)
        .map(|packet| (zero + packet.pts.micros(), packet.data.clone()))
        .collect()
}

/// Through four relays every byte of media and every capture time arrive as they were, whether a relay is given a WebSocket or a page.
#[test]
fn a_chain_of_four_relays() {
    let origin = Node::start("h5cap test --size 160x120 --rate 25 | h5enc --gop 400ms | h5mux").begun();
    let mut chain = vec![origin];
    for number in 0..4 {
        let before = &chain[number];
        let url = [before.ws("live"), before.http("live"), before.http(""), before.ws("api/ws")][number].clone();
        chain.push(Node::start(&format!("h5cap {url}")).begun());
    }
    let (first, last) = (&chain[0], &chain[4]);
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| h5cap(&[&first.http("live.mp4"), "--duration", "5", "--late", "block"]).success());
        let ours = scope.spawn(|| h5cap(&[&last.ws("api/ws?src=live"), "--duration", "3", "--late", "block"]).success());
        (Recording::of(&ours.join().unwrap().stdout), Recording::of(&theirs.join().unwrap().stdout))
    });
    assert_eq!((ours.codecs(), ours.headers, ours.moves), (vec![Codec::H264, Codec::Opus], 1, 0));
    assert_eq!(ours.tracks, theirs.tracks);
    for track in 0..2 {
        let (ours, theirs) = (captured(&ours, track), captured(&theirs, track));
        // The one that reads the origin may be there later. Silence has the same bytes again and again, so the time counts as well.
        let is_same =
            |(time, data): &(i64, bytes::Bytes), (other, bytes): &(i64, bytes::Bytes)| data == bytes && time.abs_diff(*other) < 1000;
        let place = |ours| theirs.iter().position(|theirs| is_same(ours, theirs));
        let (skipped, start) = ours.iter().enumerate().find_map(|(at, ours)| Some((at, place(ours)?))).expect("a packet that both have");
        let both: Vec<_> = ours[skipped..].iter().zip(&theirs[start..]).collect();
        assert!(both.len() > 30, "track {track}: {} packets in common", both.len());
        for ((our_time, our_data), (their_time, their_data)) in both {
            assert!(our_data == their_data, "track {track}: not bit-identical");
            assert!(our_time.abs_diff(*their_time) < 1000, "track {track}: captured at {their_time}, at the end of the chain {our_time}");
        }
    }
}

/// The origin ends and comes back with another size: the relay goes on, and its viewers keep their connection.
#[test]
fn an_origin_that_comes_back_with_another_size() {
    let (dir, port) = (TempDir::new(), free_port());
    let line = |size: &str| format!("h5cap test --size {size} --rate 25 --no-audio | h5enc --gop 400ms");
    let origin = Node::on(port, &line("160x120")).begun();
    let mut relay = Node::start(&format!("h5cap {}", origin.ws("live"))).begun();
    let file = dir.join("edge.mkv");
    let mut viewer = Running::start_with(&mut h5("h5cap", &[&relay.ws("")]), Stdio::null(), fs::File::create(&file).unwrap().into());
    grows(&mut viewer, &file, 5_000, "the first pictures");
    let mut by_page = Running::start_with(&mut h5("h5cap", &[&origin.http("live")]), Stdio::null(), Stdio::piped());
    let mut output = by_page.stdout();
    std::io::Read::read_exact(&mut output, &mut [0; 5_000]).unwrap();
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    drop(origin);
    relay.running.wait_for("waiting for it");
    by_page.wait_for("waiting for it");
    let _origin = Node::on(port, &line("320x240"));
    relay.running.wait_for("back after");
    by_page.wait_for("back after");
    eventually("another size", || {
        // The parameter sets in band say it.
        let args = ["-v", "quiet", "-show_entries", "frame=width", "-of", "csv=p=0"];
        run_for(Command::new("ffprobe").args(args).arg(&file), b"", PATIENCE)
            .text()
            .lines()
            .any(|line| line.starts_with("320"))
            .then_some(())
    });
    grows(&mut viewer, &file, 5_000, "it goes on");
    assert!(!viewer.stderr().contains("lost"), "{}", viewer.stderr());
    Recording::of(&fs::read(&file).unwrap()).goes_on(0);
}

/// Pictures by WebSocket have their capture times too.
#[test]
fn pictures_by_websocket() {
    let origin = Node::start("h5cap test --size 160x120 --rate 25 --no-audio | h5enc --video mjpeg").begun();
    let relay = Node::start(&format!("h5cap {}", origin.ws("live"))).begun();
    for url in [relay.ws("live"), relay.http("live")] {
        let done = h5cap(&[&url, "--duration", "3"]).success();
        let recording = Recording::of(&done.stdout);
        assert_eq!(recording.codecs(), [Codec::Jpeg], "{url}");
        assert!(recording.packets.len() > 10, "{url}: {:?} ms", recording.times(0));
        let late = WallTime::now().0 - captured(&recording, 0).last().unwrap().0;
        assert!((0..5_000_000).contains(&late), "captured {late} us ago");
    }
}

/// By https, at another path, with a password: the page's link leads to the WebSocket behind the proxy.
#[test]
fn the_page_of_a_stream_behind_a_proxy() {
    let origin = Node::start("h5cap test --size 160x120 --rate 25 | h5enc --gop 400ms").begun();
    let (dir, port) = (TempDir::new(), free_port());
    let Certificate { cert, key, fingerprint } = Certificate::new(&dir, "proxy");
    let (cert, key) = (cert.display(), key.display());
    let _nginx = servers::nginx(
        &dir,
        port,
        &format!(
            "listen 127.0.0.1:{port} ssl; ssl_certificate {cert}; ssl_certificate_key {key};
             auth_basic camera; auth_basic_user_file users;
             location /site/ {{ proxy_pass http://127.0.0.1:{}/; proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection; }}",
            origin.port
        ),
    );
    let ask = |user: &str| {
        let url = format!("https://{user}127.0.0.1:{port}/site/live");
        h5cap(&[&url, "--tls-fingerprint", &fingerprint, "--duration", "1"])
    };
    let done = ask(&format!("cam:{PASSWORD}@")).success();
    assert_eq!(Recording::of(&done.stdout).codecs(), [Codec::H264, Codec::Opus]);
    let log = fs::read_to_string(dir.join("access.log")).unwrap();
    assert!(log.contains("\"GET /site/live HTTP/1.1\" 200") && log.contains("\"GET /site/api/ws?src=live HTTP/1.1\" 101"), "{log}");
    let none = ask("");
    assert!(none.code() == 1 && none.stderr.contains("401: it asks for a user and a password"), "{}", none.stderr);
}

/// A page that links to another server, or to nothing, is a page.
#[test]
fn a_page_leads_to_no_other_server() {
    let origin = Node::start("h5cap test --size 160x120 --rate 25 | h5enc").begun();
    let dir = TempDir::new();
    let server = Server::start(&dir, &[&format!("away=127.0.0.1:{}", origin.port)]);
    let done = h5cap(&[&server.url("linked")]);
    assert!(done.code() == 4 && done.stderr.contains("the input is a web page"), "{}", done.stderr);
    assert_eq!(done.stderr.lines().count(), 1);
}

#[test]
fn what_is_no_such_stream_is_said() {
    let origin = Node::start("h5cap test --size 160x120 --rate 25 | h5enc").begun();
    let done = h5cap(&[&origin.ws("nothing")]);
    assert!(done.code() == 3 && done.stderr.contains("it answers: mse: there is no such stream"), "{}", done.stderr);
    let done = h5cap(&[&origin.ws("api/streams?x")]);
    assert!(done.code() == 1 && done.stderr.lines().count() == 1, "{}", done.stderr);
    let dir = TempDir::new();
    let server = Server::start(&dir, &["user=cam", &format!("password={PASSWORD}"), "auth=md5"]);
    let ask = |user: &str| h5cap(&[&format!("ws://{user}127.0.0.1:{}/cam", server.port)]);
    let none = ask("");
    assert!(none.code() == 1 && none.stderr.contains("401: it asks for a user and a password"), "{}", none.stderr);
    let wrong = ask("cam:wrong-s3cret@");
    assert!(wrong.code() == 1 && wrong.stderr.contains("401: wrong user or password"), "{}", wrong.stderr);
    let right = ask(&format!("cam:{PASSWORD}@"));
    assert!(right.code() == 3 && right.stderr.contains("404: the path is not there"), "{}", right.stderr);
    assert!(server.requests().len() <= 5 && right.took < Duration::from_secs(20));
}
