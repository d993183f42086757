//! Every example of the README and the manual pages is run, in a folder and a network of its own, with the real programs and
//! real players. Nothing is left out; what cannot run as it stands is in the table [`CHANGED`], with the reason.
//!
//! An example passes if it does what it is there for: what it serves can be fetched and has frames in it, what it writes is
//! a media file, and nothing fails before it is stopped.

/// The examples in Rust.
mod library;
/// None of the pipelines holds a frame back.
mod live;

use crate::util::{PATIENCE, Running, TempDir, data, path_with_programs, repository, run, shell};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// What stands there, what is run in its place, and why.
const CHANGED: [(&str, &str, &str); 25] = [
    ("h5cap http://camera/axis-cgi/mjpg/video.cgi |", "h5cap 1.jpg 2.jpg --loop |", "no camera; tests/it/http has one"),
    ("h5cap ws://origin:8080/live |", "h5cap test | h5enc |", "nor another server; tests/it/http has some"),
    ("rtsp://camera/stream1", "rtsp://127.0.0.1:8554/h264", "the camera of the tests, which runner.sh starts"),
    ("onvif://192.168.1.20/", "onvif://127.0.0.1:8000/", "likewise"),
    ("h5cap camera --format h264 | h5mux", "h5cap test | h5enc | h5mux", "no camera that codes"),
    ("h5cap camera | h5serve", "h5cap 1.jpg 2.jpg --loop | h5serve", "no camera; the pictures stand for one that gives MJPEG"),
    ("camera:C920 --audio C920", "test", "nor one with a microphone"),
    ("microphone:hw:1", "test", "nor a microphone"),
    ("h5cap camera |", "h5cap test |", "nor any other camera"),
    ("curl ", "true curl ", "it asks an h5cap that has a camera; scripts/test-devices runs one"),
    ("sudo ", "true sudo ", "it is for the system and not for a test"),
    ("systemctl ", "true systemctl ", "likewise"),
    ("loginctl ", "true loginctl ", "likewise"),
    ("h5cap | h5serve", "h5cap 1.jpg 2.jpg --loop | h5serve", "no camera; the pictures stand for one that gives MJPEG"),
    (
        "mkfifo door.mp4 yard.mp4; h5serve",
        "mkfifo door.mp4 yard.mp4; for f in door yard; do h5cap test | h5enc | h5mux > $f.mp4 & done; h5serve",
        "it leaves the writers to the reader",
    ),
    (
        "mkfifo hd.mp4 sd.mp4; h5serve",
        "mkfifo hd.mp4 sd.mp4; for f in hd sd; do h5cap test | h5enc | h5mux > $f.mp4 & done; h5serve",
        "likewise",
    ),
    ("--put https://media.example.org/live --put-token-file token", "--hls live", "no such server; tests/it/package has some"),
    ("/srv/ftp/camera", "pictures", "a directory with three pictures in the folder of the example"),
    ("demo=show.mp4", "demo=clip.mp4", "a recording that is there"),
    ("/dev/video0", "test", "test machines have no camera; scripts/test-devices drives real ones"),
    ("camera --audio default", "test", "nor a microphone"),
    ("rpicam-vid ", "rpicam-vid ", "the one on PATH is a stand-in, by ffmpeg: only a Raspberry Pi has it"),
    ("ssh camera-host", "ssh camera-host", "the ssh on PATH is a stand-in that runs the command here"),
    ("mpv ", "mpv ", "plays to nowhere: a configuration with vo=null, ao=null and 50 frames"),
    ("scripts/", "true scripts/", "run by the tests of the scripts, or running these tests"),
];

#[test]
fn readme() {
    run_all("README.md", markdown_examples(&text("README.md")));
}

/// Each line of the pages in docs/ is an example of its own.
#[test]
fn docs_on_cameras() {
    run_all("docs/cameras.md", lines(markdown_examples(&text("docs/cameras.md"))));
}

#[test]
fn docs_on_network_cameras() {
    run_all("docs/network-cameras.md", lines(markdown_examples(&text("docs/network-cameras.md"))));
}

#[test]
fn every_page_with_examples_is_known() {
    // The last two are run by tests/it/serve/players.rs and tests/it/proxies.rs.
    let known = ["cameras.md", "network-cameras.md", "players.md", "proxies.md"];
    for entry in fs::read_dir(repository("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let has_examples = name.ends_with(".md") && !markdown_examples(&text(&format!("docs/{name}"))).is_empty();
        assert_eq!(has_examples, known.contains(&&*name), "docs/{name}");
    }
}

#[test]
fn h5cap() {
    run_all("man/h5cap.1", man_examples(&text("man/h5cap.1")));
}

#[test]
fn h5enc() {
    run_all("man/h5enc.1", man_examples(&text("man/h5enc.1")));
}

#[test]
fn h5mux() {
    run_all("man/h5mux.1", man_examples(&text("man/h5mux.1")));
}

#[test]
fn h5serve() {
    run_all("man/h5serve.1", man_examples(&text("man/h5serve.1")));
}

#[test]
fn h5pipe() {
    run_all("man/h5pipe.5", man_examples(&text("man/h5pipe.5")));
}

#[test]
fn overview() {
    run_all("man/h5live.7", man_examples(&text("man/h5live.7")));
}

#[test]
fn every_change_has_an_example() {
    let pages = [
        "README.md",
        "docs/cameras.md",
        "docs/network-cameras.md",
        "man/h5cap.1",
        "man/h5enc.1",
        "man/h5mux.1",
        "man/h5serve.1",
        "man/h5pipe.5",
        "man/h5live.7",
    ];
    let all = pages.map(text).concat().replace("\\-", "-");
    for (what, _, why) in CHANGED {
        assert!(all.contains(what), "no example has {what:?} any more ({why})");
    }
}

#[test]
fn a_broken_example_is_noticed() {
    let examples = [
        ("serves nothing", "sleep 100 | h5serve"),
        ("writes no media", "h5cap test --size 160x120 | sleep 100 > show.mp4"),
        ("fails", "h5cap no-such-file | h5enc > x.mkv"),
        ("is no command", "h5nothing"),
    ];
    // Each waits until its time is over: side by side.
    std::thread::scope(|scope| {
        let started = examples.map(|(what, script)| (what, scope.spawn(move || run_example("planted", script))));
        for (what, example) in started {
            assert!(example.join().is_err(), "an example that {what} passed");
        }
    });
}

fn text(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The ```sh blocks, each one example.
fn markdown_examples(text: &str) -> Vec<String> {
    text.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned()).collect()
}

/// The lines of examples, without those that are comments; continued ones in one.
fn lines(examples: Vec<String>) -> Vec<String> {
    let text = examples.join("\n").replace("\\\n", " ");
    text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty()).map(str::to_owned).collect()
}

/// The blocks between .nf and .fi under EXAMPLES, each one example.
fn man_examples(roff: &str) -> Vec<String> {
    let Some((_, section)) = roff.split_once(".SH EXAMPLES\n") else { return vec![] };
    let section = section.split("\n.SH ").next().unwrap_or_default();
    let plain =
        |block: &str| block.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\(aq", "'").replace("\\&", "").replace("\\e", "\\");
    section.split("\n.nf\n").skip(1).map(|rest| plain(rest.split("\n.fi").next().unwrap_or_default())).collect()
}

#[track_caller]
fn run_all(place: &str, examples: Vec<String>) {
    assert!(!examples.is_empty(), "{place} has no examples");
    for example in examples {
        run_example(place, &example);
    }
}

#[track_caller]
fn run_example(place: &str, example: &str) {
    let folder = TempDir::new();
    furnish(&folder);
    let script = CHANGED.iter().fold(example.to_owned(), |script, (from, to, _)| script.replace(from, to));
    // Root makes a network of its own; others become root in a namespace first.
    let mut command = shell("exec unshare --net $([ $(id -u) = 0 ] || echo --map-root-user) bash -c \"$RUNNER\"");
    command
        .env("RUNNER", include_str!("runner.sh"))
        .current_dir(&*folder)
        .env("EXAMPLE", &script)
        .env("HOME", &*folder)
        .env("MPV_HOME", folder.join("mpv"));
    command.env("PATH", format!("{}:{}", folder.join("bin").display(), path_with_programs()));
    let done = Running::start(&mut command).finish(2 * PATIENCE);
    assert!(done.code() == 0 && !done.stderr.contains("panicked"), "{place}:\n{script}\n--\n{}{}", done.text(), done.stderr);
}

/// Puts into the folder what the examples speak of: recordings, pictures, a stand-in for ssh, a player's configuration.
fn furnish(folder: &Path) {
    let clip = data("bigbuckbunny-3s.mp4");
    fs::write(folder.join("password"), "secret\n").unwrap();
    for name in ["FILE", "film.mp4", "clip.mp4"] {
        fs::copy(&clip, folder.join(name)).unwrap();
    }
    for name in ["examples", "scripts", "tests"] {
        symlink(repository(name), folder.join(name)).unwrap();
    }
    run(shell("ffmpeg -v error -i film.mp4 -frames:v 3 %d.jpg").current_dir(folder), b"").success();
    run(shell("mkdir pictures && cp [123].jpg pictures && ln -s film.mp4 film.mkv").current_dir(folder), b"").success();
    fs::create_dir(folder.join("bin")).unwrap();
    fs::create_dir(folder.join("mpv")).unwrap();
    fs::write(folder.join("mpv/mpv.conf"), "vo=null\nao=null\nframes=50\n").unwrap();
    executable(&folder.join("bin/ssh"), "#!/bin/sh\n# Stand-in: runs the command of `ssh HOST COMMAND` here.\nshift\nexec sh -c \"$*\"\n");
    // H.264, or with `--codec mjpeg` that.
    executable(
        &folder.join("bin/rpicam-vid"),
        "#!/bin/sh\ncase $* in *mjpeg*) code='-c:v mjpeg -f mjpeg' ;; *) code='-c:v libx264 -tune zerolatency -f h264' ;; esac\n\
         exec ffmpeg -v error -re -f lavfi -i testsrc $code -flush_packets 1 -\n",
    );
    let python = repository("target/python/bin/python");
    if python.exists() {
        executable(&folder.join("bin/python3"), &format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.display()));
    }
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
