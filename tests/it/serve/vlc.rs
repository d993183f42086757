//! VLC and GStreamer as viewers of each address that they know.

use super::hls::camera;
use crate::util::{PATIENCE, Running, TempDir, eventually, run, run_for};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// VLC does not run as root.
const NOBODY: u32 = 65534;
/// Bytes: two seconds and more of the test picture.
const ENOUGH: u64 = 150_000;

/// What VLC gets of an address, as it passes it on, until that is enough.
fn by_vlc(url: &str, to: &Path) {
    let mut vlc = Command::new("cvlc");
    let out = format!("#std{{access=file,mux=ts,dst={}}}", to.display());
    vlc.args(["--quiet", "--sout", &out, url, "vlc://quit"]).env("HOME", to.parent().unwrap());
    if rustix::process::geteuid().is_root() {
        vlc.uid(NOBODY).gid(NOBODY);
    }
    let _vlc = Running::start(&mut vlc);
    eventually("VLC has passed on enough", || std::fs::metadata(to).is_ok_and(|file| file.len() > ENOUGH).then_some(()));
}

#[test]
fn every_address_by_vlc_and_hls_by_gstreamer() {
    let (server, _camera) = camera(&[]);
    eventually("a segment", || (server.get("video.m3u8").status == 200).then_some(()));
    let folder = TempDir::new();
    std::fs::set_permissions(&*folder, PermissionsExt::from_mode(0o777)).unwrap();
    let address = |name: &str| format!("http://127.0.0.1:{}/{name}", server.port);
    std::thread::scope(|scope| {
        for name in ["live/index.m3u8", "live.ts", "live.mp4", "live.h264"] {
            let (url, to) = (address(name), folder.join(name.replace('/', "-")));
            scope.spawn(move || {
                by_vlc(&url, &to);
                let probe =
                    ["-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"];
                let pictures = run(Command::new("ffprobe").args(probe).arg(&to), b"").success();
                let count: u32 = pictures.text().lines().next().and_then(|line| line.trim_matches(',').parse().ok()).unwrap_or(0);
                println!("VLC, {name}: {count} pictures");
                assert!(count > 30, "{name}: {count} {}", pictures.stderr);
            });
        }
        scope.spawn(|| {
            let mut gstreamer = Command::new("gst-launch-1.0");
            gstreamer.args(["playbin3", "flags=video", &format!("uri={}", address("live/index.m3u8"))]);
            gstreamer.args(["video-sink=fakesink num-buffers=60 sync=true"]);
            run_for(&mut gstreamer, b"", PATIENCE).success();
        });
    });
}
