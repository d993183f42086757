use super::client::{Answer, ask, connect, read_head};
use super::studio::Studio;
use super::{Server, feed};
use crate::util::{PATIENCE, Running, TempDir, eventually, free_port, h5, repository, run, run_for};
use h5live::format::hls::checker::{Checker, Read, read};
use std::collections::BTreeMap;
use std::io::{Read as _, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// So many seconds of pictures, with sound beside each.
fn seconds(studio: &mut Studio, seconds: usize) -> Vec<u8> {
    (0..30 * seconds).flat_map(|_| [studio.picture(), studio.sound()].concat()).collect()
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

impl Server {
    pub fn get(&self, file: &str) -> Answer {
        ask(self.port, "GET", &format!("/live/{file}"), &[])
    }

    fn playlist(&self, file: &str) -> Read {
        let answer = self.get(file);
        assert_eq!(answer.status, 200, "{file}: {answer:?}");
        read(&text(&answer)).unwrap()
    }

    /// Everything that a playlist lists, by name.
    fn objects(&self, playlist: &str) -> BTreeMap<String, Vec<u8>> {
        let listed = self.playlist(playlist);
        let parts = listed.segments.iter().flat_map(|segment| segment.parts.iter().map(|part| part.0.clone()));
        let names = parts.chain(listed.segments.iter().filter_map(|s| s.uri.clone())).chain(listed.segments.iter().map(|s| s.map.clone()));
        names.map(|name| (name.clone(), Some(self.get(&name)).filter(|answer| answer.status == 200).expect(&name).body)).collect()
    }
}

/// A server that has got ten seconds, and the way into it.
fn fed(args: &[&str]) -> (Server, Studio, Box<dyn Write>) {
    let mut server = Server::start(args);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::with(30, 300, true, 0);
    feed(&mut stdin, &[studio.init(), seconds(&mut studio, 10)].concat());
    eventually("the stream", || (server.get("video.m3u8").status == 200).then_some(()));
    (server, studio, Box::new(stdin))
}

#[test]
fn two_servers_give_the_same_names_the_same_bytes() {
    let (first, mut studio, mut into_first) = fed(&[]);
    let mut second = Server::start(&[]);
    let mut into_second = second.process.stdin();
    // It joins in the middle.
    feed(&mut into_second, &[studio.init(), seconds(&mut Studio::with(30, 300, true, 0), 10)[studio.picture().len()..].to_vec()].concat());
    let more = seconds(&mut studio, 9);
    feed(&mut into_first, &more);
    feed(&mut into_second, &more);
    for playlist in ["video.m3u8", "audio.m3u8"] {
        let newest = |server: &Server| server.playlist(playlist).hint;
        eventually("both have all", || (second.get(playlist).status == 200 && newest(&first) == newest(&second)).then_some(()));
        let (one, other) = (first.objects(playlist), second.objects(playlist));
        let same = one.iter().filter(|(name, bytes)| other.get(*name) == Some(*bytes)).count();
        assert!(one.iter().all(|(name, bytes)| other.get(name).is_none_or(|others| others == bytes)));
        assert!(same * 10 > one.len() * 8, "{same} of {}", one.len());
        let numbers = |server: &Server| server.playlist(playlist).sequence;
        assert!(numbers(&first).abs_diff(numbers(&second)) <= 1);
        // A segment is the sum of its parts.
        let listed = first.playlist(playlist);
        let segment = listed.segments.iter().rfind(|segment| segment.uri.is_some()).unwrap();
        let whole: Vec<u8> = segment.parts.iter().flat_map(|part| one[&part.0].clone()).collect();
        assert_eq!(whole, one[segment.uri.as_ref().unwrap()]);
        assert_eq!(&whole[4..8], b"moof");
    }
}

#[test]
fn routes() {
    let (server, mut studio, mut stdin) = fed(&["--hls-window", "30"]);
    let multivariant = server.get("index.m3u8");
    assert_eq!(multivariant.header("content-type"), Some("application/vnd.apple.mpegurl"));
    assert_eq!((multivariant.header("cache-control"), multivariant.header("set-cookie")), (Some("max-age=0, s-maxage=1"), None));
    let line = text(&multivariant);
    for part in
        ["CODECS=\"avc1.42C01E,opus\"", "RESOLUTION=640x360", "FRAME-RATE=30.000", "AUDIO=\"audio\"\nvideo.m3u8\n", "URI=\"audio.m3u8\""]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    let listed = server.playlist("video.m3u8");
    let (number, part) = listed.newest().unwrap();
    assert_eq!(server.playlist("audio.m3u8").reports, [("video.m3u8".to_owned(), number, part)]);
    // A file that never changes.
    let segment = listed.segments.iter().find_map(|segment| segment.uri.clone()).unwrap();
    let (whole, path) = (server.get(&segment), format!("/live/{segment}"));
    assert_eq!((whole.header("content-type"), whole.header("accept-ranges")), (Some("video/mp4"), Some("bytes")));
    assert_eq!(whole.header("cache-control"), Some("max-age=60"), "this stream does not tell when it was captured");
    assert_eq!(whole.header("content-length"), Some(&*whole.body.len().to_string()));
    let etag = whole.header("etag").unwrap();
    assert_eq!(ask(server.port, "GET", &path, &[&format!("If-None-Match: {etag}")]).status, 304);
    let head = ask(server.port, "HEAD", &path, &[]);
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, whole.header("content-length"), 0));
    let range = |range: &str| ask(server.port, "GET", &path, &[&format!("Range: bytes={range}")]);
    let (middle, past) = (range("100-4999"), range("99999999-"));
    assert_eq!((middle.status, &middle.body[..]), (206, &whole.body[100..5000]));
    assert_eq!(middle.header("content-range"), Some(&*format!("bytes 100-4999/{}", whole.body.len())));
    assert_eq!((past.status, past.header("content-range")), (416, Some(&*format!("bytes */{}", whole.body.len()))));
    let audio = server.playlist("audio.m3u8").segments.iter().find_map(|segment| segment.uri.clone()).unwrap();
    assert_eq!(server.get(&audio).header("content-type"), Some("audio/mp4"));
    assert_eq!(server.get(&listed.segments[0].map).body[4..8], *b"ftyp");
    // Wrong, too far ahead, and not there.
    for wrong in ["_HLS_part=1", "_HLS_msn=x", "_HLS_msn=1&_HLS_part=-1", "_HLS_skip=1", &format!("_HLS_msn={}", number + 3)] {
        assert_eq!(server.get(&format!("video.m3u8?{wrong}")).status, 400, "{wrong}");
    }
    for none in [
        "muxed.m3u8",
        "video-1-2000.m4s",
        "video-1-2000-200.m4s",
        &segment.replace("-2000", "-2001"),
        "video-0000000000000000.mp4",
        "x.m3u8",
    ] {
        assert_eq!(server.get(none).status, 404, "{none}");
    }
    assert_eq!(ask(server.port, "GET", "/none/index.m3u8", &[]).status, 404);
    assert_eq!(ask(server.port, "POST", "/live/index.m3u8", &[]).status, 405);
    // A delta update.
    feed(&mut stdin, &seconds(&mut studio, 20));
    let update =
        eventually("twenty more", || Some(text(&server.get("video.m3u8?_HLS_skip=YES"))).filter(|text| text.contains("#EXT-X-SKIP:")));
    assert!(update.contains("CAN-SKIP-UNTIL=18.000000"), "{update}");
}

/// A request on a connection of its own, whose answer is not waited for.
fn begin(port: u16, target: &str) -> std::net::TcpStream {
    let mut stream = connect(port);
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

fn finish(mut stream: std::net::TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    super::client::answer(&bytes)
}

#[test]
fn what_is_not_there_yet_is_waited_for() {
    let (server, mut studio, mut stdin) = fed(&[]);
    let listed = server.playlist("video.m3u8");
    let (number, part) = listed.newest().unwrap();
    let hint = listed.hint.clone().unwrap();
    let part_asked = begin(server.port, &format!("/live/{hint}"));
    let next_part = begin(server.port, &format!("/live/video.m3u8?_HLS_msn={number}&_HLS_part={}", part + 1));
    let segment = begin(server.port, &format!("/live/video.m3u8?_HLS_msn={number}"));
    let (spoken, _) = server.playlist("audio.m3u8").newest().unwrap();
    let sound = begin(server.port, &format!("/live/audio.m3u8?_HLS_msn={spoken}"));
    // None is answered before the stream goes on.
    let mut waiting = [&part_asked, &next_part, &segment, &sound];
    for stream in &mut waiting {
        stream.set_nonblocking(true).unwrap();
        assert_eq!(stream.peek(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
    }
    feed(&mut stdin, &(0..12).flat_map(|_| studio.picture()).collect::<Vec<_>>());
    assert_eq!((finish(part_asked).status, finish(next_part).status), (200, 200), "a part more");
    feed(&mut stdin, &seconds(&mut studio, 5));
    let segment = read(&text(&finish(segment))).unwrap();
    assert!(segment.segments[(number - segment.sequence) as usize].uri.is_some());
    assert_eq!(finish(sound).status, 200);
    let after = server.playlist("video.m3u8");
    assert!(after.segments.iter().any(|segment| segment.parts.iter().any(|part| part.0 == hint)), "what was hinted came");
}

#[test]
fn a_thousand_that_wait_and_go_leave_nothing() {
    let (server, mut studio, mut stdin) = fed(&[]);
    let files = || std::fs::read_dir(format!("/proc/{}/fd", server.process.id())).unwrap().count();
    let (number, part) = server.playlist("video.m3u8").newest().unwrap();
    let target = format!("/live/video.m3u8?_HLS_msn={number}&_HLS_part={}", part + 1);
    let round = || {
        let held: Vec<_> = (0..1000).map(|_| begin(server.port, &target)).collect();
        eventually("they are there", || (files() > 1000).then_some(()));
        let most = server.resident_kib();
        drop(held);
        most
    };
    let before = files();
    let most = [(); 6].map(|()| {
        let most = round();
        // Some still wait for what has come now.
        feed(&mut stdin, &seconds(&mut studio, 1));
        eventually("they are gone", || (files() <= before).then_some(()));
        most
    });
    // The allocator keeps what the first of them took. Two thousand that left their connection's memory behind would be 40 MiB.
    assert!(most[5] < most[3] + 8192, "{most:?} KiB");
    assert_eq!(server.streams()["live"]["viewers"], 0);
    assert_eq!(server.get("video.m3u8").status, 200);
}

/// The real pipe: its time line has a wall-clock time.
pub fn camera(args: &[&str]) -> (Server, [Running; 3]) {
    let mut server = Server::start(args);
    let start = |name: &str, args: &[&str], from: Option<&mut Running>| {
        let mut program = Running::start(&mut h5(name, args));
        if let Some(from) = from {
            let (mut from, mut to) = (from.stdout(), program.stdin());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        }
        program
    };
    let mut cap = start("h5cap", &["test", "--size", "320x180"], None);
    let mut enc = start("h5enc", &[], Some(&mut cap));
    let mut mux = start("h5mux", &[], Some(&mut enc));
    let (mut from, mut to) = (mux.stdout(), server.process.stdin());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    eventually("the stream begins", || (server.streams()["live"]["state"] == "live").then_some(()));
    (server, [cap, enc, mux])
}

#[test]
fn a_camera_by_ffmpeg_and_mpv_and_its_rules() {
    let (server, _camera) = camera(&[]);
    let url = format!("http://127.0.0.1:{}/live/index.m3u8", server.port);
    eventually("a segment", || (server.get("video.m3u8").status == 200).then_some(()));
    let judge = std::thread::spawn({
        let port = server.port;
        move || {
            let (mut checkers, mut waited) = ([Checker::default(), Checker::default()], Duration::ZERO);
            let begun = Instant::now();
            let mut next = [String::new(), String::new()];
            while begun.elapsed() < Duration::from_secs(8) {
                for (index, name) in ["video", "audio"].into_iter().enumerate() {
                    let asked = Instant::now();
                    let answer = ask(port, "GET", &format!("/live/{name}.m3u8{}", next[index]), &[]);
                    waited += asked.elapsed();
                    let read = checkers[index].next(&text(&answer)).unwrap();
                    assert!(read.segments.iter().all(|segment| segment.date.is_some()), "{name}");
                    let (number, part) = read.newest().unwrap();
                    next[index] = format!("?_HLS_msn={number}&_HLS_part={}", part + 1);
                    assert!(number > 800_000_000, "it counts from 1970");
                }
            }
            checkers.map(|checker| checker.judged)
        }
    });
    let decode = ["-v", "error", "-xerror", "-t", "3", "-i", &url, "-f", "null", "-"];
    run_for(Command::new("ffmpeg").args(decode), b"", PATIENCE).success();
    let mut mpv = Command::new("mpv");
    mpv.args(["--no-config", "--vo=null", "--ao=null", "--frames=60", "--msg-level=all=error", &url]);
    run_for(&mut mpv, b"", PATIENCE).success();
    let judged = judge.join().unwrap();
    assert!(judged.iter().all(|(parts, segments)| *parts > 100 && *segments > 10), "{judged:?}");
    let segment = server.playlist("video.m3u8").segments.iter().find_map(|segment| segment.uri.clone()).unwrap();
    assert_eq!(server.get(&segment).header("cache-control"), Some("max-age=31536000, immutable"));
}

#[test]
fn who_may_watch() {
    let folder = TempDir::new();
    let tool = |args: &[&str], typed: &str| {
        run(h5("h5serve", args).current_dir(&*folder), typed.as_bytes()).success().text().trim_end().to_owned()
    };
    tool(&["passwd", "users", "ann"], "ann's s3cret");
    tool(&["link", "--key", "key", "--new-key"], "");
    std::fs::write(folder.join("cdn"), "the-secret-of-a-cdn-0123456789abcdef\n").unwrap();
    let [users, key, cdn] = ["users", "key", "cdn"].map(|name| folder.join(name).display().to_string());
    let mut server = Server::start(&["--users", &users, "--link-key", &key, "--cdn-secret", &cdn]);
    let mut stdin = server.process.stdin();
    let mut studio = Studio::with(30, 300, true, 0);
    feed(&mut stdin, &[studio.init(), seconds(&mut studio, 6)].concat());
    let ann = "Authorization: Basic YW5uOmFubidzIHMzY3JldA==";
    let get = |target: &str, headers: &[&str]| ask(server.port, "GET", target, headers);
    eventually("the stream", || (get("/live/video.m3u8", &[ann]).status == 200).then_some(()));
    for file in ["index.m3u8", "video.m3u8", "video-1-2000.m4s", "video-0000000000000000.mp4"] {
        assert_eq!(get(&format!("/live/{file}"), &[]).status, 401, "{file}");
    }
    let link = tool(&["link", "--key", "key", "--stream", "live", "--path-prefix"], "");
    let other = tool(&["link", "--key", "key", "--stream", "other", "--path-prefix"], "");
    assert_eq!(get(&format!("{}/index.m3u8", other.replace("/other", "/live")), &[]).status, 403);
    let listed = get(&format!("{link}/video.m3u8"), &[]);
    assert!(!text(&listed).contains("/t/") && !text(&listed).contains("token"), "all of it is relative");
    let segment = read(&text(&listed)).unwrap().segments[0].uri.clone().unwrap();
    assert_eq!(get(&format!("{link}/{segment}"), &[]).status, 200);
    // A link in the query goes into the path.
    let query = tool(&["link", "--key", "key", "--stream", "live"], "").replace("/live?", "/live/index.m3u8?");
    let moved = get(&query, &[]);
    let location = moved.header("location").unwrap();
    assert!(moved.status == 303 && location.starts_with("../t/") && location.ends_with("/live/index.m3u8"), "{moved:?}");
    assert_eq!(get(&format!("/{}", location.trim_start_matches("../")), &[]).status, 200);
    let secret = "H5live-Cdn-Secret: the-secret-of-a-cdn-0123456789abcdef";
    assert_eq!(get(&format!("/live/{segment}"), &[secret]).status, 200);
    assert_eq!(get("/live/video.m3u8", &["H5live-Cdn-Secret: another"]).status, 401);
}

/// Varnish in front of these servers, by the example's configuration.
fn varnish(folder: &Path, origins: [u16; 2]) -> (u16, Running) {
    let port = free_port();
    let vcl = std::fs::read_to_string(repository("examples/hls.vcl")).unwrap();
    let vcl = vcl.replace("\"8081\"", &format!("\"{}\"", origins[0])).replace("\"8082\"", &format!("\"{}\"", origins[1]));
    std::fs::write(folder.join("default.vcl"), vcl).unwrap();
    let mut command = Command::new(if Path::new("/usr/sbin/varnishd").exists() { "/usr/sbin/varnishd" } else { "varnishd" });
    command.args(["-F", "-j", "none", "-s", "malloc,32m", "-a", &format!("127.0.0.1:{port}"), "-f"]).arg(folder.join("default.vcl"));
    let varnish = Running::start_with(command.arg("-n").arg(folder.join("varnish")), Stdio::null(), Stdio::null());
    eventually("Varnish listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    (port, varnish)
}

/// A player of low latency: a playlist, what it hints, and so on. What it asked for, and how late each part was there.
fn player(port: u16, until: impl Fn() -> bool) -> (Vec<String>, usize) {
    let mut stream = connect(port);
    let mut asked = Vec::new();
    let mut get = |target: String| {
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let (head, mut body) = read_head(&mut stream);
        let header = |name: &str| head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(|v| v.trim().to_owned()));
        if let Some(length) = header("content-length:") {
            let mut rest = vec![0; length.parse::<usize>().unwrap() - body.len()];
            stream.read_exact(&mut rest).unwrap();
            body.extend(rest);
        } else {
            // In chunks, as of what comes while it is fetched.
            let mut byte = [0; 1];
            while !body.ends_with(b"0\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                body.push(byte[0]);
            }
            body = dechunked(&body);
        }
        asked.push(target);
        (head, body)
    };
    let (mut next, mut parts) = (String::new(), 0);
    let mut last = None;
    while !until() {
        let (head, body) = get(format!("/live/video.m3u8{next}"));
        if !head.starts_with("HTTP/1.1 200") {
            next.clear();
            continue;
        }
        let read = read(&String::from_utf8(body).unwrap()).unwrap();
        let (number, part) = read.newest().unwrap();
        assert!(last.is_none_or(|last| last <= (number, part)), "numbers go back");
        last = Some((number, part));
        next = format!("?_HLS_msn={number}&_HLS_part={}", part + 1);
        let (head, body) = get(format!("/live/{}", read.segments.last().unwrap().parts.last().unwrap().0));
        assert!(!head.starts_with("HTTP/1.1 200") || body.windows(4).any(|w| w == b"moof"));
        parts += usize::from(head.starts_with("HTTP/1.1 200"));
    }
    (asked, parts)
}

fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(at) = body.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&body[..at]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&body[at + 2..at + 2 + size]);
        body = &body[at + 4 + size..];
    }
    whole
}

#[test]
fn a_cache_in_front_of_two_origins() {
    let folder = TempDir::new();
    // One muxer feeds both.
    let mut servers = [Server::start(&[]), Server::start(&[])];
    let mut pipe = Running::start(&mut crate::util::shell("h5cap test --size 320x180 --no-audio | h5enc | h5mux"));
    let (mut from, mut to) = (pipe.stdout(), servers.each_mut().map(|server| server.process.stdin()));
    std::thread::spawn(move || {
        let mut bytes = [0; 16384];
        while let Ok(n @ 1..) = from.read(&mut bytes) {
            to.iter_mut().for_each(|to| feed(to, &bytes[..n]));
        }
    });
    for server in &servers {
        eventually("both have begun", || (server.get("video.m3u8").status == 200).then_some(()));
    }
    let (port, _varnish) = varnish(&folder, servers.each_ref().map(|server| server.port));
    let counted = || {
        let mut stat = Command::new("varnishstat");
        let text = run(stat.args(["-1", "-f", "MAIN.backend_req", "-n"]).arg(folder.join("varnish")), b"").success().text();
        text.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()
    };
    let run_for = |time: Duration| {
        let end = Instant::now() + time;
        let players: Vec<_> = (0..30).map(|_| std::thread::spawn(move || player(port, || Instant::now() > end))).collect();
        players.into_iter().map(|player| player.join().unwrap()).collect::<Vec<_>>()
    };
    let before = counted();
    let played = run_for(Duration::from_secs(5));
    let asked: usize = played.iter().map(|(asked, _)| asked.len()).sum();
    let objects: std::collections::BTreeSet<_> = played.iter().flat_map(|(asked, _)| asked).collect();
    let fetched = counted() - before;
    println!("30 players, {asked} requests, {} objects, {fetched} requests at the origins", objects.len());
    // The playlist without directives is fetched again when it is a second old.
    assert!(fetched <= objects.len() + 8, "{fetched} for {}", objects.len());
    assert!(played.iter().all(|(_, parts)| *parts > 5));
    // One origin dies.
    let [first, second] = servers;
    drop(first);
    let played = run_for(Duration::from_secs(5));
    assert!(played.iter().all(|(_, parts)| *parts > 5), "{:?}", played.iter().map(|(_, parts)| parts).collect::<Vec<_>>());
    drop(second);
}
