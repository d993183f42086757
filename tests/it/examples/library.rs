//! The examples that use the library, run as the functions that they are.

#[path = "../../../examples/mux.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod mux;
#[path = "../../../examples/push.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod push;

use crate::util::{TempDir, data, eventually, run, shell};

#[test]
fn a_file_is_muxed() {
    let folder = TempDir::new();
    let to = folder.join("show.mp4");
    // Of WebM with VP8, which MP4 does not carry here, there is no track left.
    assert!(mux::mux(&data("mediarecorder-vp8-opus.webm"), &to).is_ok_and(|frames| frames > 0), "the sound is");
    let frames = mux::mux(&data("mediarecorder-h264.webm"), &to).unwrap();
    let line = format!("ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of csv=p=0 '{}'", to.display());
    let probed = run(&mut shell(&line), b"").success();
    assert_eq!(probed.stderr, "");
    let read: u32 = probed.text().lines().map(|line| line.trim_end_matches(',').parse::<u32>().unwrap()).sum();
    assert!(frames > 50 && read == frames, "{frames} frames went in, {read} came out");
}

#[test]
fn a_stream_is_pushed_into_a_server() {
    let folder = TempDir::new();
    let show = folder.join("show.mp4");
    mux::mux(&data("mediarecorder-h264.webm"), &show).unwrap();
    let server = push::bind("127.0.0.1:0").unwrap();
    let address = server.addresses()[0].clone();
    let serving = std::thread::spawn(move || push::run(server, &show).map_err(|error| error.to_string()));
    let line = format!("curl -sf '{address}live.mp4' | ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of csv=p=0 -");
    let watched = run(&mut shell(&line), b"").success().text();
    assert!(watched.lines().any(|line| line.trim_end_matches(',').parse::<u32>().unwrap() > 10), "{watched}");
    eventually("the server ends with the file", || serving.is_finished().then_some(()));
    serving.join().unwrap().unwrap();
}
