use super::*;
use crate::util::shell;
use std::path::Path;

/// Whether something listens at a port of loopback: asking it would take the place of the one client that ffmpeg serves.
fn is_listening(port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| line.contains(&format!(":{port:04X} ")) && line.split_whitespace().nth(3) == Some("0A"))
}

/// ffmpeg as a server of endless streams, told apart by their bytes: what arrives is what ffmpeg has written to a file at the same time.
#[test]
fn streams_of_ffmpeg() {
    let cases = [
        ("matroska", "-c:v libx264 -g 10 -bf 2 -c:a aac", "matroska", vec![Codec::H264, Codec::Aac]),
        ("webm", "-c:v libvpx -deadline realtime -g 10 -c:a libopus", "webm", vec![Codec::Vp8, Codec::Opus]),
        (
            "mp4",
            "-c:v libx264 -g 10 -bf 2 -c:a aac -movflags empty_moov+default_base_moof+frag_keyframe",
            "mp4",
            vec![Codec::H264, Codec::Aac],
        ),
        ("adts", "-vn -c:a aac", "adts", vec![Codec::Aac]),
        ("h264", "-an -c:v libx264 -g 10 -bf 0", "h264", vec![Codec::H264]),
        ("hevc", "-an -c:v libx265 -x265-params log-level=error:keyint=10:bframes=0", "hevc", vec![Codec::H265]),
    ];
    std::thread::scope(|scope| {
        for (what, coding, format, codecs) in cases {
            scope.spawn(move || {
                let (dir, port) = (TempDir::new(), free_port());
                let sources = "-re -f lavfi -i testsrc2=size=160x120:rate=25 -re -f lavfi -i sine";
                let line = format!(
                    "exec ffmpeg -v error -nostdin {sources} {coding} -flush_packets 1 -content_type text/plain -f {format} -listen 1 http://127.0.0.1:{port}/x"
                );
                let _ffmpeg = Running::start_with(shell(&line).current_dir(&*dir), Stdio::null(), Stdio::null());
                eventually("ffmpeg listens", || is_listening(port).then_some(()));
                let done = h5cap(&[&format!("http://127.0.0.1:{port}/x"), "--duration", "2", "--late", "block", "-v"]).success();
                let recording = Recording::of(&done.stdout);
                assert_eq!((recording.codecs(), recording.headers), (codecs, 1), "{what}: {}", done.stderr);
                let times = recording.times(0);
                assert!(times.len() > 20 && recording.zero.is_some(), "{what}: {times:?}");
                let file = dir.join("out.mkv");
                fs::write(&file, &done.stdout).unwrap();
                let judge = format!("ffmpeg -v warning -i {} -map 0 -enc_time_base -1 -f null -", file.display());
                let decoded = run_for(&mut shell(&judge), b"", PATIENCE);
                assert_eq!((decoded.code(), &*decoded.stderr), (0, ""), "{what}");
            });
        }
    });
}

/// nginx with this in its one server, which listens at `port`. The user is cam.
pub fn nginx(dir: &TempDir, port: u16, server: &str) -> Running {
    fs::write(dir.join("users"), format!("cam:{{PLAIN}}{PASSWORD}\n")).unwrap();
    let conf = format!(
        "daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr error; events {{}}
         http {{ access_log access.log; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
           server {{ {server} }} }}"
    );
    fs::write(dir.join("nginx.conf"), conf).unwrap();
    let nginx = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(nginx);
    command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(&**dir).current_dir(&**dir);
    let running = Running::start_with(&mut command, Stdio::null(), Stdio::null());
    eventually("nginx listens", || is_listening(port).then_some(()));
    running
}

/// nginx with a picture on its disk, and the login of RFC 7617.
#[test]
fn a_picture_of_nginx() {
    let dir = TempDir::new();
    let (pictures, port) = (fs::read(pictures(&dir)).unwrap(), free_port());
    let end = memchr::memmem::find(&pictures[2..], b"\xff\xd8").unwrap() + 2;
    let (first, second) = (&pictures[..end], &pictures[end..]);
    let second = &second[..memchr::memmem::find(&second[2..], b"\xff\xd8").unwrap() + 2];
    fs::write(dir.join("still.jpg"), first).unwrap();
    let server = format!("listen 127.0.0.1:{port}; root .; auth_basic camera; auth_basic_user_file users; location / {{ }}");
    let _nginx = nginx(&dir, port, &server);
    let file = dir.join("out.mkv");
    let mut command = h5("h5cap", &["--rate", "10", &format!("http://127.0.0.1:{port}/still.jpg")]);
    command.env("H5CAP_USER", "cam").env("H5CAP_PASSWORD", PASSWORD);
    let mut cap = Running::start_with(&mut command, Stdio::null(), fs::File::create(&file).unwrap().into());
    grows(&mut cap, &file, 3 * first.len() as u64, "it stays the same");
    fs::write(dir.join("new.jpg"), second).unwrap();
    fs::rename(dir.join("new.jpg"), dir.join("still.jpg")).unwrap();
    grows(&mut cap, &file, 5 * second.len() as u64, "it is another one");
    cap.signal("TERM");
    cap.finish(PATIENCE).success();
    let recording = Recording::of(&fs::read(&file).unwrap());
    let mut seen: Vec<&[u8]> = recording.packets.iter().map(|packet| &packet.data[..]).collect();
    seen.dedup();
    assert!(seen == [first, second], "{} different pictures", seen.len());
    let log = fs::read_to_string(dir.join("access.log")).unwrap();
    let count = |status: &str| log.lines().filter(|line| line.contains(&format!("\" {status} "))).count();
    assert_eq!((count("401"), count("200")), (1, 2), "{log}");
    assert!(count("304") > 3, "{log}");
}

/// What h5serve sends to players is a source too: MP4 with its capture times, and MJPEG.
#[test]
fn streams_of_h5serve() {
    let mp4 = relay::Node::start("h5cap test --size 160x120 --rate 25 | h5enc --gop 500ms | h5mux").begun();
    let done = h5cap(&[&mp4.http("live.mp4"), "--duration", "1"]).success();
    assert_eq!(Recording::of(&done.stdout).codecs(), [Codec::H264, Codec::Opus]);
    let mjpeg = relay::Node::start("h5cap test --size 160x120 --rate 25 --no-audio | h5enc --video mjpeg").begun();
    let done = h5cap(&[&mjpeg.http("live.mjpg"), "--duration", "1"]).success();
    let recording = Recording::of(&done.stdout);
    assert!(recording.codecs() == [Codec::Jpeg] && recording.packets.len() > 10);
    let done = h5cap(&[&mjpeg.http("live.jpg"), "--duration", "1", "--rate", "10"]).success();
    assert!(Recording::of(&done.stdout).packets.len() > 4);
}
