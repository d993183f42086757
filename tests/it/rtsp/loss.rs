//! Lines that lose and reorder datagrams: no broken picture goes out, and what was lost is counted.

use super::Camera;
use crate::util::{PATIENCE, Running, TempDir, eventually, free_port, h5, http, repository, run_for, shell};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// 3 % of the datagrams are lost.
#[test]
fn losses_on_the_way_break_no_picture() {
    // One after the other: the server's encoders have no processor to themselves.
    for path in ["h264aac", "h265", "mjpeg"] {
        let dir = TempDir::new();
        let (script, camera) = (repository("tests/it/rtsp/loss.sh"), repository("tests/it/rtsp/camera.py"));
        let namespace = "unshare --net $([ $(id -u) = 0 ] || echo --map-root-user)";
        let line = format!("exec {namespace} bash '{}' {path} '{}'", script.display(), camera.display());
        let done = run_for(shell(&line).current_dir(&*dir), b"", 3 * PATIENCE);
        let messages = fs::read_to_string(dir.join("messages")).unwrap_or_default();
        assert_eq!(done.code(), 0, "{path}: {} {messages}", done.stderr);
        let counts: Vec<u64> = done.text().split_whitespace().map(|count| count.parse().unwrap()).collect();
        assert!(counts[0] + counts[1] >= 10 && (path != "mjpeg" || counts[1] > 0), "{path}: {counts:?}");
        decodes(&dir, path);
    }
}

/// Each twelfth packet of RTP comes after the one behind it.
#[test]
fn packets_out_of_order_break_no_picture() {
    let camera = Camera::start(&["auth=none", "size=640x360"]);
    let mut command = Command::new("python3");
    command.arg(repository("tests/it/rtsp/reorder.py")).arg(camera.port.to_string());
    let mut line = Running::start_with(&mut command, Stdio::null(), Stdio::piped());
    let mut ready = String::new();
    BufReader::new(line.stdout()).read_line(&mut ready).unwrap();
    let port = ready.trim().strip_prefix("ready ").unwrap_or_else(|| panic!("no line: {}", line.stderr()));
    let (dir, control) = (TempDir::new(), free_port());
    let out = fs::File::create(dir.join("out.mkv")).unwrap();
    let url = format!("rtsp://127.0.0.1:{port}/h264");
    let mut command = h5("h5cap", &["--transport", "udp", "--control", &control.to_string(), &url]);
    let mut cap = Running::start_with(&mut command, Stdio::null(), out.into());
    let lost = |text: &str| text.lines().find_map(|line| line.strip_prefix("h5cap_lost_packets_total ")?.parse::<u64>().ok());
    eventually("packets are missing", || {
        assert!(cap.is_running(), "{}", cap.stderr());
        let is_ready = std::net::TcpStream::connect(("127.0.0.1", control)).is_ok();
        (is_ready && lost(&http(control, "GET", "/metrics", b"").1).is_some_and(|lost| lost >= 20)).then_some(())
    });
    cap.signal("TERM");
    cap.finish(PATIENCE).success();
    decodes(&dir, "h264");
}

/// ffmpeg finds nothing wrong in `out.mkv`.
fn decodes(dir: &TempDir, path: &str) {
    let decoded = run_for(shell("ffmpeg -v warning -i out.mkv -map 0 -f null -").current_dir(&**dir), b"", PATIENCE);
    assert_eq!((decoded.code(), decoded.stderr.as_str()), (0, ""), "{path}: a broken picture");
}
