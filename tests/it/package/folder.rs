use super::{Live, Player, SHORT, more_segments, newest};
use crate::serve::Server;
use crate::serve::client::ask;
use crate::util::{PATIENCE, Running, TempDir, data, eventually, free_port, h5, http, program, repository, run, run_for, shell};
use h5live::format::hls::checker::{Read, read};
use std::fs;
use std::path::Path;
use std::process::Command;

fn mux(folder: &Path, args: &[&str]) -> Command {
    let mut mux = h5("h5mux", &["--hls"]);
    mux.arg(folder).args(SHORT).args(args);
    mux
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn playlist(folder: &Path, name: &str) -> Read {
    read(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

fn reader(folder: &Path) -> Player {
    let folder = folder.to_owned();
    Player::start(move |name| fs::read(folder.join(name)).ok())
}

/// ffmpeg decodes so many seconds without a word.
fn decodes(list: &Path, seconds: &str) {
    let args = ["-v", "error", "-xerror", "-t", seconds, "-i"];
    let done = run_for(Command::new("ffmpeg").args(args).arg(list).args(["-f", "null", "-"]), b"", PATIENCE).success();
    assert_eq!(done.stderr, "");
}

#[test]
fn a_folder_is_played_while_it_grows_and_after() {
    let folder = TempDir::new();
    let files = folder.join("made/for/it");
    fs::create_dir_all(&files).unwrap();
    fs::write(files.join("notes.txt"), "mine").unwrap();
    fs::write(files.join(".h5mux-video-1-1000.m4s"), "half").unwrap();
    let live = Live::start(&mut mux(&files, &[]));
    let index = files.join("index.m3u8");
    eventually("the multivariant playlist", || index.exists().then_some(()));
    let player = reader(&files);
    let probe = ["-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0"];
    let probed = run_for(Command::new("ffprobe").args(probe).arg(&index), b"", PATIENCE).success().text();
    assert!(probed.contains("h264,320") && probed.contains("opus"), "{probed}");
    decodes(&index, "3");
    let mut mpv = Command::new("mpv");
    mpv.args(["--no-config", "--vo=null", "--ao=null", "--frames=30", "--msg-level=all=error"]).arg(&index);
    run_for(&mut mpv, b"", PATIENCE).success();
    // As long as it takes that something is removed.
    let first = playlist(&files, "video.m3u8").segments[0].uri.clone().unwrap();
    eventually("it is removed", || (!files.join(&first).exists()).then_some(()));
    let said = live.end();
    assert!(player.stop() > 100);
    assert_eq!(said, "", "nothing to say");
    let lists = ["video.m3u8", "audio.m3u8"].map(|name| playlist(&files, name));
    assert!(lists.iter().all(|list| list.ended && list.segments.len() >= 4));
    decodes(&index, "60");
    let names = names(&files);
    assert!(names.contains(&"notes.txt".to_owned()) && !names.iter().any(|name| name.starts_with('.')), "{names:?}");
    assert!(names.len() < 60, "{names:?}");
}

#[test]
fn names_and_bytes_are_those_of_h5serve() {
    let folder = TempDir::new();
    let mut server = Server::start(&["--segment", "1", "--hls-window", "4"]);
    let mut source = Running::start(&mut shell("h5cap test --size 320x180 --rate 15 | h5enc"));
    let mut mux = Running::start(&mut mux(&folder, &[]));
    super::connect(source.stdout(), mux.stdin());
    super::connect(mux.stdout(), server.process.stdin());
    let get = |name: &str| Some(ask(server.port, "GET", &format!("/live/{name}"), &[])).filter(|answer| answer.status == 200);
    eventually("both", || get("video.m3u8").filter(|_| newest(&folder, "audio.m3u8").is_some()));
    more_segments(&folder, 3);
    for list in ["video.m3u8", "audio.m3u8"] {
        let (ours, theirs) = (playlist(&folder, list), read(&String::from_utf8(get(list).unwrap().body).unwrap()).unwrap());
        let mut same = 0;
        for (number, segment) in (ours.sequence..).zip(&ours.segments) {
            let Some(other) = number.checked_sub(theirs.sequence).and_then(|at| theirs.segments.get(at as usize)) else { continue };
            if other.uri.is_some() {
                let of = |segment: &h5live::format::hls::checker::Segment| {
                    (segment.uri.clone(), segment.duration, segment.map.clone(), segment.discontinuity, segment.date.clone())
                };
                assert_eq!(of(segment), of(other));
                for uri in [segment.uri.as_ref().unwrap(), &segment.map] {
                    let served = get(uri).unwrap_or_else(|| panic!("{uri}"));
                    assert!(served.body == fs::read(folder.join(uri)).unwrap(), "{uri}");
                }
                same += 1;
            }
        }
        assert!(same >= 2, "{same}: {ours:?} {theirs:?}");
    }
    let plain = |text: String| text.lines().map(|line| line.rsplit("CODECS").next().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    let served = plain(String::from_utf8(get("index.m3u8").unwrap().body).unwrap());
    assert_eq!(plain(fs::read_to_string(folder.join("index.m3u8")).unwrap()), served);
}

#[test]
fn another_run_goes_on_in_the_same_folder() {
    let folder = TempDir::new();
    let first = Live::start(&mut mux(&folder, &[]));
    eventually("the stream", || folder.join("index.m3u8").exists().then_some(()));
    let player = reader(&folder);
    more_segments(&folder, 2);
    first.mux.signal("TERM");
    assert_eq!(first.mux.finish(PATIENCE).success().stderr, "");
    let left = playlist(&folder, "video.m3u8");
    assert!(!left.ended, "another run is to go on");
    let next = left.sequence + left.segments.len() as u64;
    let second = Live::start(&mut mux(&folder, &[]));
    let now = eventually("the second run", || Some(playlist(&folder, "video.m3u8")).filter(|list| list.sequence >= next));
    assert!(now.discontinuity > left.discontinuity || now.discontinuity < 10, "{} {}", left.discontinuity, now.discontinuity);
    let old = folder.join(left.segments[0].uri.as_ref().unwrap());
    assert!(old.exists(), "who has the old playlist gets what it names");
    eventually("it is removed", || (!old.exists()).then_some(()));
    second.end();
    player.stop();
}

#[test]
fn a_full_disk_does_not_hold_up_the_stream() {
    let folder = TempDir::new();
    let port = free_port();
    // No file may have more than 8 KiB: less than a segment, more than a playlist.
    let line = format!(
        "trap '' XFSZ; ulimit -f 8; exec '{}' --hls '{}' --segment 1 --control {port}",
        program("h5mux").display(),
        folder.display()
    );
    let mut live = Live::start(Command::new("bash").args(["-c", &line]));
    let said = live.mux.wait_for("trying again");
    assert!(said.contains(&format!("{}: File too large", folder.display())), "{said}");
    live.goes_on();
    let (status, health) = http(port, "GET", "/healthz", b"");
    assert!(status == 503 && health.contains("File too large"), "{status} {health}");
    let (_, metrics) = http(port, "GET", "/metrics", b"");
    assert!(metrics.contains("h5mux_store_failures_total{store=\"hls\"}"), "{metrics}");
    assert!(!folder.join("video.m3u8").exists(), "not ahead of what it names");
    assert!(names(&folder).iter().all(|name| !name.starts_with('.')), "no half files");
    live.goes_on();
}

#[test]
fn a_recording_becomes_a_whole_playlist() {
    let folder = TempDir::new();
    let clip = folder.join("clip.mp4");
    let args = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=31", "-c:v", "libx264", "-g", "25", "-y"];
    run(Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(args).arg(&clip), b"").success();
    let files = folder.join("hls");
    let done = run(h5("h5mux", &["--hls"]).arg(&files).arg(&clip), b"").success();
    assert!(done.stderr.is_empty() && done.stdout.len() > 10_000, "{}", done.stderr);
    let list = playlist(&files, "video.m3u8");
    let length: i64 = list.segments.iter().map(|segment| segment.duration).sum();
    assert!(list.ended && list.segments.len() >= 15 && (30_900_000..31_100_000).contains(&length), "{length} {list:?}");
    let count = ["-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"];
    let packets = |file: &Path| run(Command::new("ffprobe").args(count).arg(file), b"").success().text();
    assert_eq!(packets(&files.join("index.m3u8")).lines().next(), packets(&clip).lines().next());
}

#[test]
fn a_terminal_gets_nothing() {
    let folder = TempDir::new();
    let files = folder.join("hls");
    let line = format!("script -qec \"h5mux -q --hls '{}' '{}'\" /dev/null", files.display(), data("bigbuckbunny-3s.mp4").display());
    assert_eq!(run(&mut shell(&line), b"").success().text(), "");
    assert!(playlist(&files, "video.m3u8").ended);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_at_once() {
    let file = repository("Cargo.toml");
    let done = run(h5("h5mux", &["--hls"]).arg(&file), b"");
    assert_ne!(done.code(), 0);
    assert!(
        done.stderr.starts_with("h5mux: ") && done.stderr.contains("Cargo.toml") && done.stderr.lines().count() == 1,
        "{}",
        done.stderr
    );
    let done = run(&mut h5("h5mux", &["--segment", "1"]), b"");
    assert_eq!(done.code(), 2, "{}", done.stderr);
}
