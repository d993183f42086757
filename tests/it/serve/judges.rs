use super::Server;
use crate::util::{PATIENCE, Running, eventually, run_for};
use std::process::Command;

/// A real stream, live: ffmpeg's test picture and a tone, as fragmented MP4.
pub fn television() -> (Server, Running) {
    let mut server = Server::start(&[]);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30", "-f", "lavfi", "-i", "sine=440"]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-pix_fmt", "yuv420p", "-c:a", "aac"]);
    ffmpeg.args(["-movflags", "+frag_every_frame+empty_moov+default_base_moof", "-flush_packets", "1", "-f", "mp4", "-"]);
    let mut ffmpeg = Running::start(&mut ffmpeg);
    let (mut from, mut to) = (ffmpeg.stdout(), server.process.stdin());
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    eventually("the stream begins", || (server.streams()["live"]["state"] == "live").then_some(()));
    (server, ffmpeg)
}

#[test]
fn ffmpeg_mpv_and_curl_watch() {
    let (server, _ffmpeg) = television();
    let url = format!("http://127.0.0.1:{}/live.mp4", server.port);
    let probe =
        ["-v", "error", "-read_intervals", "%+2", "-show_entries", "packet=stream_index,dts_time:stream=codec_name", "-of", "csv", &url];
    let packets = run_for(Command::new("ffprobe").args(probe), b"", PATIENCE).success();
    assert!(packets.stderr.is_empty(), "{}", packets.stderr);
    assert!(packets.text().contains("h264") && packets.text().contains("aac"));
    assert!(packets.text().lines().filter(|l| l.starts_with("packet,0")).count() >= 55, "{}", packets.text());
    let mut mpv = Command::new("mpv");
    mpv.args(["--no-config", "--vo=null", "--ao=null", "--profile=low-latency", "--frames=60", "--msg-level=all=error", &url]);
    let mpv = run_for(&mut mpv, b"", PATIENCE).success();
    assert!(mpv.text().is_empty() && mpv.stderr.is_empty(), "{} {}", mpv.text(), mpv.stderr);
    let curl = run_for(Command::new("curl").args(["-sN", "--max-time", "2", &url]), b"", PATIENCE);
    assert_eq!((curl.code(), &curl.stdout[4..8]), (28, &b"ftyp"[..]));
    let decode = ["-v", "error", "-xerror", "-t", "2", "-i", &url, "-f", "null", "-"];
    run_for(Command::new("ffmpeg").args(decode), b"", PATIENCE).success();
}
