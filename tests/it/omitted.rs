//! One useless or damaged track never costs the others; what is left out is named in one warning, without -v.

use crate::util::{Finished, TempDir, h5, run, shell};
use std::path::Path;
use std::process::Command;

/// Half a second of pictures and audio, as these encoders and options make it; the file's bytes.
fn clip(dir: &Path, name: &str, options: &str) -> Vec<u8> {
    let sources = "-f lavfi -i testsrc2=size=64x48:rate=25:duration=0.6 -f lavfi -i sine=duration=0.6";
    let line = format!("ffmpeg -v error -nostdin -y {sources} {options} {name}");
    run(shell(&line).current_dir(dir), b"").success();
    std::fs::read(dir.join(name)).unwrap()
}

/// Codecs of the streams in `bytes`, as ffprobe names them, with the number of packets of each.
fn streams(bytes: &[u8]) -> Vec<String> {
    let args = ["-v", "error", "-count_packets", "-show_entries", "stream=codec_name,nb_read_packets", "-of", "csv=p=0", "-"];
    run(Command::new("ffprobe").args(args), bytes).success().text().lines().map(Into::into).collect()
}

/// The only line on stderr.
#[track_caller]
fn warning(done: &Finished) -> &str {
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}", done.stderr);
    lines[0]
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = bytes.windows(from.len()).rposition(|w| w == from).expect("it is there");
    bytes[at..at + to.len()].copy_from_slice(to);
}

#[test]
fn a_codec_that_is_not_read_is_named() {
    let dir = TempDir::new();
    for (name, track) in [("a.mp4", "track 2 (audio, ac-3)"), ("a.mov", "track 2 (audio, ac-3)"), ("a.mkv", "track 2 (audio, A_AC3)")] {
        let file = clip(&dir, name, "-c:v libx264 -c:a ac3 -movflags +faststart");
        let done = run(&mut h5("h5mux", &["-"]), &file).success();
        assert_eq!(streams(&done.stdout), ["h264,15"]);
        assert_eq!(warning(&done), format!("h5mux: warning: stdin: left out: {track}: not a codec that is read here"));
    }
}

#[test]
fn encryption_is_called_so() {
    let dir = TempDir::new();
    let key =
        "-encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8";
    let file = clip(&dir, "a.mp4", &format!("-c:v libx264 -c:a aac -movflags +faststart {key}"));
    let done = run(h5("h5cap", &["--no-pace", "file:a.mp4"]).current_dir(&*dir), b"");
    assert_eq!(done.code(), 4);
    assert!(warning(&done).contains("track 1 (video, avc1): encrypted; track 2 (audio, mp4a): encrypted"), "{}", done.stderr);
    let done = run(&mut h5("h5serve", &["--listen", "127.0.0.1:0", "-q", "-"]), &file);
    assert_eq!(done.code(), 4);
    assert!(done.stderr.contains("encrypted"), "{}", done.stderr);
}

#[test]
fn a_damaged_track_costs_nothing_but_itself() {
    let dir = TempDir::new();
    let whole = clip(&dir, "a.mp4", "-c:v libx264 -c:a aac -movflags +faststart");
    for (from, to, expected) in [
        (&b"minf"[..], &b"xinf"[..], Some("track 2 (audio): box minf is missing")),
        (b"stsc", b"xtsc", Some("track 2 (audio, mp4a): box stsc is missing")),
        (b"esds", b"xsds", Some("track 2 (audio, mp4a): box esds is missing")),
        (b"mdhd", b"xdhd", Some("track 2 (audio, mp4a): box mdhd is missing")),
        // Names are for people: in whatever code, they stop nothing.
        (b"SoundHandler", b"\xff\xfe\x80 \xc3\x28", None),
    ] {
        let mut file = whole.clone();
        replace(&mut file, from, to);
        let done = run(&mut h5("h5mux", &["-"]), &file).success();
        let found = streams(&done.stdout);
        match expected {
            Some(line) => {
                assert_eq!(found, ["h264,15"]);
                assert_eq!(warning(&done), format!("h5mux: warning: stdin: left out: {line}"));
            }
            None => assert_eq!((found.len(), done.stderr.as_str()), (2, "")),
        }
    }
}

#[test]
fn a_stage_names_what_it_leaves_out_itself() {
    let dir = TempDir::new();
    let pcm = clip(&dir, "pcm.mkv", "-c:v libx264 -c:a pcm_s16le");
    let done = run(&mut h5("h5mux", &["-"]), &pcm).success();
    assert_eq!(streams(&done.stdout), ["h264,15"]);
    let why = "browsers do not play PCM s16 from MP4; put h5enc before h5mux";
    assert_eq!(warning(&done), format!("h5mux: warning: stdin: left out: track 2 (audio, PCM s16): {why}"));
    // The track in front goes; the one behind it keeps its packets.
    let vp8 = clip(&dir, "vp8.mkv", "-c:v libvpx -c:a libopus");
    let done = run(&mut h5("h5mux", &["-"]), &vp8).success();
    assert!(streams(&done.stdout)[0].starts_with("opus,"), "{:?}", streams(&done.stdout));
    assert!(warning(&done).contains("track 1 (video, VP8): VP8 is not carried in MP4 here"), "{}", done.stderr);
    // h5enc cannot decode H.265, but audio is no worse for it.
    let h265 = clip(&dir, "h265.mkv", "-c:v libx265 -x265-params log-level=error -c:a pcm_s16le");
    let done = run(&mut h5("h5enc", &["--video", "h264"]), &h265).success();
    assert!(warning(&done).contains("left out: track 1 (video, H.265): h5enc does not decode H.265"), "{}", done.stderr);
    assert!(streams(&done.stdout)[0].starts_with("opus,"));
    let done = run(&mut h5("h5enc", &["--video", "h264", "--audio", "none"]), &h265);
    assert_eq!(done.code(), 4, "nothing is left");
}

#[test]
fn h5serve_names_the_sound_beside_mjpeg() {
    let dir = TempDir::new();
    let file = clip(&dir, "a.mkv", "-c:v mjpeg -c:a aac");
    let done = run(&mut h5("h5serve", &["--listen", "127.0.0.1:0", "-"]), &file).success();
    let lines: Vec<_> = done.stderr.lines().filter(|line| line.contains("warning")).collect();
    assert_eq!(lines.len(), 1, "{}", done.stderr);
    assert!(lines[0].contains("stdin: left out: track 2 (audio, AAC): not served beside MJPEG"), "{}", lines[0]);
}

#[test]
fn a_file_that_is_played_again_says_it_once() {
    let dir = TempDir::new();
    clip(&dir, "a.mp4", "-c:v libx264 -c:a ac3");
    let done = run(h5("h5cap", &["--no-pace", "--loop", "--duration", "3s", "file:a.mp4"]).current_dir(&*dir), b"").success();
    assert!(warning(&done).contains("left out: track 2 (audio, ac-3)"), "{}", done.stderr);
}
