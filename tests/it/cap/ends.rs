//! How it ends: errors, signals, closed pipes.

use super::*;

#[test]
fn errors_are_one_line_with_the_right_code() {
    let dir = TempDir::new();
    fs::write(dir.join("garbage.mkv"), "garbage that is no stream of any kind").unwrap();
    fs::write(dir.join("garbage.jpg"), "garbage").unwrap();
    fs::write(dir.join("cut.jpg"), [0xff, 0xd8, 0xff, 0xd9]).unwrap();
    fs::write(dir.join("empty.mkv"), "").unwrap();
    fs::create_dir(dir.join("folder")).unwrap();
    let cases = [
        ("none.mkv", 3, "none.mkv: No such file"),
        ("none.jpg", 3, "none.jpg: No such file"),
        ("folder", 3, "folder: no pictures in this directory"),
        ("/dev/video99", 3, "/dev/video99: No such file"),
        ("/dev/null", 3, "/dev/null: this device is no camera"),
        ("rtmp://camera/stream", 4, "ffmpeg -i rtmp://"),
        ("garbage.mkv", 4, "garbage.mkv: "),
        ("garbage.jpg", 4, "garbage.jpg: "),
        ("cut.jpg", 4, "cut.jpg: "),
        ("empty.mkv", 4, "empty.mkv: input: the file is empty"),
        ("test - --no-pace", 2, "only pictures can be several"),
        ("test --loop", 2, "--loop"),
        ("- --loop", 2, "cannot be read again"),
        ("test --follow", 2, "--follow"),
        ("empty.mkv --size 2x2", 2, "--size"),
        ("empty.mkv --pixel-format nv12", 2, "--pixel-format"),
        ("cut.jpg --live", 2, "--live"),
        ("test --size 0x0", 2, "a size is"),
        ("test --size 1x99999999999", 2, "a size is"),
        ("test --rate 0", 2, "a frame rate is"),
        ("test --pixel-format yuv", 2, "choose one of"),
        ("test --duration never", 2, "a time is"),
    ];
    for (args, code, text) in cases {
        let args: Vec<_> = args.split(' ').collect();
        let done = run(h5("h5cap", &args).current_dir(&*dir), b"");
        assert_eq!(done.code(), code, "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains(text) && !done.stderr.contains("panicked"), "{args:?}: {}", done.stderr);
        assert!(code == 2 || done.stderr.lines().count() == 1, "{args:?}: {}", done.stderr);
        assert!(done.stdout.is_empty(), "{args:?}: nothing goes out");
    }
}

#[test]
fn without_a_source_it_names_the_test_picture() {
    if fs::read_dir("/dev").unwrap().flatten().any(|e| e.file_name().to_string_lossy().starts_with("video")) {
        return;
    }
    for args in [&[][..], &["camera:"]] {
        let done = run(&mut h5("h5cap", args), b"");
        assert_eq!(done.code(), 3);
        assert!(done.stderr.contains("h5cap test"), "{}", done.stderr);
    }
}

#[test]
fn signals_and_closed_pipes_are_normal_ends() {
    for signal in ["TERM", "INT"] {
        // At this rate it sleeps for minutes between two frames.
        let mut running = Running::start(&mut h5("h5cap", &["test", "--rate", "1/300", "--no-audio", "--size", "64x36"]));
        let mut first = [0; 4000];
        let mut stdout = running.stdout();
        stdout.read_exact(&mut first).unwrap();
        running.signal(signal);
        eventually("ends", || (!running.is_running()).then_some(()));
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).unwrap();
        assert_eq!(parse(&[&first[..], &rest].concat()).1.len(), 1, "what was begun is whole");
        assert_eq!(running.finish(Duration::from_secs(20)).code(), 0, "SIG{signal}");
    }
    for late in ["drop", "block"] {
        let done = run(&mut shell(&format!("h5cap test --late {late} | head -c 100000 | wc -c")), b"").success();
        assert_eq!((done.text().trim(), done.stderr.as_str()), ("100000", ""));
        let full = run(&mut shell(&format!("h5cap test --late {late} > /dev/full")), b"");
        assert_eq!(full.code(), 1);
        assert!(full.stderr.contains("stdout: No space left"), "{}", full.stderr);
    }
}

#[test]
fn a_prefix_tells_a_file_from_a_source() {
    let dir = TempDir::new();
    let film = cap("test --size 64x36 --duration 1 --no-pace");
    fs::write(dir.join("test"), &film).unwrap();
    let stream = cap_in(&dir, "file:test --no-pace");
    assert_eq!(times("v", &stream).len(), 30);
    assert_eq!(probe("-show_entries stream=width", &cap_in(&dir, "test: --duration 0.1")), ["1280", ""]);
}
