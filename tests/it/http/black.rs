use super::*;
use crate::util::{lumas, shell};

/// Black JPEG pictures of the camera's size go on in its track while it is away.
#[test]
fn black_pictures_of_a_camera_with_mjpeg() {
    let (dir, port) = (TempDir::new(), free_port());
    let file = dir.join("out.mkv");
    let server = Server::on(port, &dir, &[]);
    let data = fs::read(dir.join("pictures")).unwrap();
    let url = server.url("mjpeg/std");
    let mut command = h5("h5cap", &["--on-loss", "black", "--stall", "1", &url]);
    let mut cap = Running::start_with(&mut command, Stdio::null(), fs::File::create(&file).unwrap().into());
    grows(&mut cap, &file, 20_000, "the first pictures");
    let recording = || Recording::of(&fs::read(&file).unwrap());
    let is_ours = |packet: &Packet| memchr::memmem::find(&data, &packet.data).is_some();
    let black = || recording().packets.into_iter().filter(|packet| !is_ours(packet)).collect::<Vec<_>>();
    drop(server);
    eventually("black pictures", || (black().len() > 20).then_some(()));
    let server = Server::on(port, &dir, &[]);
    cap.wait_for("back after");
    grows(&mut cap, &file, 20_000, "it is back");
    let before = black().len();
    // One that hangs is away too.
    server.running.signal("STOP");
    eventually("black again", || (black().len() > before + 10).then_some(()));
    cap.signal("TERM");
    cap.finish(PATIENCE).success();
    let (recording, black) = (recording(), black());
    recording.goes_on(0);
    assert_eq!((recording.headers, recording.codecs()), (1, vec![Codec::Jpeg]));
    // 25 a second, as the camera: measured, as MJPEG does not say it.
    let mut steps: Vec<i64> = black.windows(2).map(|two| two[1].pts.micros() - two[0].pts.micros()).collect();
    steps.sort_unstable();
    assert!((35_000..70_000).contains(&steps[steps.len() / 2]), "{steps:?}");
    let jpegs: Vec<u8> = black.iter().flat_map(|packet| packet.data.to_vec()).collect();
    let lumas = lumas("mjpeg", &jpegs, (160, 120));
    assert!(lumas.len() == black.len() && lumas.iter().all(|luma| (15.0..18.0).contains(luma)), "{lumas:?}");
}

/// Over WebSocket, in place of H.264: other parameter sets, so another header, and the camera's own when it is back.
#[test]
fn black_pictures_of_a_relay() {
    let (dir, port) = (TempDir::new(), free_port());
    let file = dir.join("out.mkv");
    let line = "h5cap test --size 160x120 --rate 25 | h5enc --gop 400ms";
    let origin = relay::Node::on(port, line).begun();
    let mut command = h5("h5cap", &["--on-loss", "black", &origin.ws("live")]);
    let mut cap = Running::start_with(&mut command, Stdio::null(), fs::File::create(&file).unwrap().into());
    grows(&mut cap, &file, 20_000, "the first pictures");
    let recording = || Recording::of(&fs::read(&file).unwrap());
    drop(origin);
    eventually("black pictures", || (recording().headers == 2).then_some(()));
    let _origin = relay::Node::on(port, line);
    cap.wait_for("back after");
    grows(&mut cap, &file, 20_000, "it is back");
    cap.signal("TERM");
    cap.finish(PATIENCE).success();
    let recording = recording();
    assert_eq!((recording.headers, recording.codecs()), (3, vec![Codec::H264, Codec::Opus]));
    let all = run_for(&mut h5("h5mux", &[file.to_str().unwrap()]), b"", PATIENCE).success();
    assert!(all.stdout.len() > 20_000, "h5mux takes all three headers");
}

/// No size that the encoder refuses and no stream without video is waited for in silence.
#[test]
fn what_cannot_be_black_is_said_at_the_start() {
    let dir = TempDir::new();
    let size = "testsrc2=size=4096x2304:rate=2";
    let cases = [
        ("h264", format!("-i {size} -frames:v 3 -c:v libx264 -preset ultrafast"), "the H.264 encoder takes no pictures of 4096x2304"),
        ("adts", "-i sine=duration=1 -c:a aac".into(), "it has no video"),
    ];
    for (format, coding, why) in cases {
        let file = dir.join(format);
        let line = format!("exec ffmpeg -v error -nostdin -f lavfi {coding} -f {format} -y {}", file.display());
        run_for(&mut shell(&line), b"", PATIENCE).success();
        let server = Server::start(&dir, &[&format!("file={}", file.display())]);
        let mut command = h5("h5cap", &["--on-loss", "black", &server.url("file")]);
        let mut cap = Running::start_with(&mut command, Stdio::null(), Stdio::null());
        let line = cap.wait_for("no black pictures");
        assert_eq!(line, format!("h5cap: warning: {}: no black pictures while it is away: {why}", server.url("file")));
    }
}
