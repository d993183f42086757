//! What cannot be opened: one line says why.

use super::{Camera, answer, h5cap};
use crate::util::{free_port, h5};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

#[test]
fn a_refusal_says_what_was_tried_and_what_the_camera_answered() {
    let camera = Camera::start(&[]);
    let wrong = answer(h5("h5cap", &[&format!("rtsp://cam:wrong-s3cret@127.0.0.1:{}/h264", camera.port)]).env_remove("H5CAP_PASSWORD"));
    assert_eq!((wrong.code(), wrong.stderr.lines().count()), (1, 1), "{}", wrong.stderr);
    assert!(
        wrong.stderr.contains(&format!("rtsp://cam:***@127.0.0.1:{}/h264: 401: wrong user or password", camera.port)),
        "{}",
        wrong.stderr
    );
    let none = answer(&mut h5("h5cap", &[&camera.url("h264")]));
    assert!(none.code() == 1 && none.stderr.contains("401: it asks for a user and a password"), "{}", none.stderr);
    let absent = answer(&mut h5cap(&camera, "nothing", &[]));
    assert!(absent.code() == 3 && absent.stderr.contains("404: the path is not there"), "{}", absent.stderr);
    let unreadable = answer(&mut h5cap(&camera, "vp8opus", &[]));
    assert!(unreadable.code() == 4 && unreadable.stderr.contains("track 1 (video, vp8)"), "{}", unreadable.stderr);
    let closed = answer(&mut h5("h5cap", &[&format!("rtsp://127.0.0.1:{}/", free_port())]));
    assert!(closed.code() == 3 && closed.stderr.contains("connection refused"), "{}", closed.stderr);
    let name = answer(&mut h5("h5cap", &["rtsp://no-such-host.invalid/"]));
    assert!(name.code() == 3 && name.stderr.contains("the host's name is not known"), "{}", name.stderr);
    for usage in ["rtsp://", "rtsp://u:s3cret@/x"] {
        let done = answer(&mut h5("h5cap", &[usage]));
        assert!(done.code() == 4 && done.stderr.contains("the address has no host"), "{}", done.stderr);
    }
}

/// The RTSP library does not read `algorithm=md5`: that is said, and no password is called wrong.
#[test]
fn a_login_that_is_not_read_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let sequence = lines.find_map(|line| line.strip_prefix("CSeq: ").map(str::to_owned)).unwrap_or_default();
            let login = "Digest realm=\"camera\", nonce=\"1\", algorithm=md5";
            let answer = format!("RTSP/1.0 401 Unauthorized\r\nCSeq: {sequence}\r\nWWW-Authenticate: {login}\r\n\r\n");
            _ = (&stream).write_all(answer.as_bytes());
        }
    });
    let done = answer(&mut h5("h5cap", &[&format!("rtsp://cam:s3cret@127.0.0.1:{port}/h264")]));
    assert!(done.code() == 1 && done.stderr.contains("401: its login is none that is read here"), "{}", done.stderr);
}
