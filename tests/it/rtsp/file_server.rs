//! A second RTSP server, which others have written: aio-rtsp-toolkit (PyPI) serves files, with a packetizer of its own. Each client gets a file from its
//! beginning, so that what arrives can be compared with the file too.

use super::{Recording, clean, read};
use crate::util::{PATIENCE, Running, TempDir, eventually, free_port, h5, repository, run_for};
use h5live::media::{Codec, Kind};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const FRAMES: usize = 300;

fn ffmpeg(dir: &Path, args: &[&str]) {
    run_for(Command::new("ffmpeg").args(["-v", "error", "-nostdin"]).args(args).current_dir(dir), b"", PATIENCE).success();
}

/// A film with audio, and one of H.265: eight seconds each, with keyframes of several RTP packets. No B-frames: this server sends times that only grow.
fn films(dir: &Path) {
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=50:d=8"];
    let audio = ["-f", "lavfi", "-i", "sine=d=8:r=48000", "-c:a", "aac"];
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-b:v", "600k", "h264.mp4"];
    let x265 =
        ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:bframes=0", "-g", "50", "-b:v", "600k", "h265.mp4"];
    // Read here from its beginning to its end.
    let first = ["-movflags", "+faststart"];
    ffmpeg(dir, &[&picture[..], &audio, &first, &x264].concat());
    ffmpeg(dir, &[&picture[..], &first, &x265].concat());
}

/// h5cap for less than the length of the film: at its end the server ends the session.
fn by_h5cap(url: &str) -> Recording {
    let done = run_for(&mut h5("h5cap", &[url, "-v", "--late", "block", "--duration", "7"]), b"", PATIENCE).success();
    clean(&done.stderr);
    assert!(done.stderr.contains(" 0 RTP packets lost, 0 damaged"), "{}", done.stderr);
    read(done.stdout)
}

/// What ffmpeg records, each stream in a file of its own: in one file it puts packets in the order of times, which RTP does not have for decoding.
/// Packets with times that do not grow it drops: they get times that do.
fn by_ffmpeg(dir: &Path, film: &str, url: &str, has_audio: bool) -> Recording {
    let [video, audio] = ["video", "audio"].map(|name| format!("{film}.{name}"));
    let raw = if film == "h264" { "h264" } else { "hevc" };
    let mut args = vec!["-rtsp_transport", "tcp", "-i", url, "-map", "0:v", "-c", "copy", "-bsf:v", "setts=ts=N*100000", "-f", raw, &video];
    if has_audio {
        args.extend(["-map", "0:a", "-c", "copy", "-f", "adts", &audio]);
    }
    ffmpeg(dir, &args);
    let mut recording = read(fs::read(dir.join(&video)).unwrap());
    if has_audio {
        let audio = read(fs::read(dir.join(&audio)).unwrap());
        recording.codecs.extend(audio.codecs);
        recording.packets.extend(audio.packets);
    }
    // On a busy machine it writes a packet up to nine times. No two packets of the film are equal.
    recording.packets.iter_mut().for_each(Vec::dedup);
    recording
}

/// Without what the server sends once more: it puts the parameter sets before every keyframe.
fn same(what: &str, ours: &Recording, others: &[(&str, &Recording)]) {
    for (track, codec) in ours.codecs.iter().enumerate() {
        let mine = &ours.packets[track];
        assert!(mine.len() >= if codec.kind() == Kind::Video { FRAMES } else { 200 }, "{what}: {} of {codec:?}", mine.len());
        for (name, other) in others {
            let at = other.codecs.iter().position(|other| other == codec).unwrap_or_else(|| panic!("{what}: no {codec:?} in {name}"));
            let theirs = &other.packets[at];
            let begin = theirs.iter().position(|packet| packet == &mine[0]);
            let begin = begin.unwrap_or_else(|| panic!("{what}: {name} has not the first packet of {codec:?}"));
            // One packet of audio may be before the first picture.
            assert!(begin <= 1 && (begin == 0 || codec.kind() == Kind::Audio), "{what}: {name}: {begin} packets of {codec:?} are missing");
            let differs = mine.iter().zip(&theirs[begin..]).position(|(a, b)| a != b);
            assert!(differs.is_none() && mine.len() <= theirs.len() - begin, "{what}: {name} differs at {differs:?} of {codec:?}");
        }
    }
}

#[test]
fn another_server_than_gstreamers() {
    let dir = TempDir::new();
    films(&dir);
    let (port, control) = (free_port().to_string(), free_port().to_string());
    // The script names its interpreter by a path, which is another one after the checkout was moved.
    let mut command = Command::new(repository("target/python/bin/python"));
    command.arg(repository("target/python/bin/rtsp-server")).args(["-H", "127.0.0.1", "-p", &port, "-cp", &control, "-d"]).arg(&*dir);
    let server = Running::start_with(&mut command, Stdio::null(), Stdio::null());
    let listens = || std::net::TcpStream::connect(("127.0.0.1", port.parse().unwrap())).ok();
    eventually(&format!("the server listens: {}", server.stderr()), listens);
    std::thread::scope(|scope| {
        for (film, codecs) in [("h264", &[Codec::H264, Codec::Aac][..]), ("h265", &[Codec::H265])] {
            let (dir, port) = (&dir, &port);
            scope.spawn(move || {
                let url = format!("rtsp://127.0.0.1:{port}/{film}.mp4");
                let record = scope.spawn({
                    let url = url.clone();
                    move || by_ffmpeg(dir, film, &url, codecs.len() > 1)
                });
                let ours = by_h5cap(&url);
                let recorded = record.join().unwrap();
                assert_eq!(ours.codecs, codecs);
                let file = read(fs::read(dir.join(format!("{film}.mp4"))).unwrap());
                same(film, &ours, &[("the file", &file), ("what ffmpeg records", &recorded)]);
            });
        }
    });
}
