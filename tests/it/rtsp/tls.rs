use super::*;

/// A camera with TLS, with this certificate.
fn camera(port: u16, certificate: Certificate, options: &[&str]) -> Camera {
    let tls = format!("tls={},{}", certificate.cert.display(), certificate.key.display());
    let mut camera = Camera::on(port, &[&[&*tls], options].concat());
    camera.certificate = Some(certificate);
    camera
}

/// Pictures and audio by TLS, with digest: what ffmpeg records by TLS.
#[test]
fn what_arrives_by_tls_is_what_ffmpeg_records() {
    let dir = TempDir::new();
    let camera = camera(0, Certificate::new(&dir, "camera"), &["fps=50"]);
    compare(&camera, "h264aac", "tcp", false);
}

/// The camera's own certificate is refused with its fingerprint, and taken by it. Datagrams would not be encrypted.
#[test]
fn a_certificate_by_its_fingerprint() {
    let dir = TempDir::new();
    let camera = camera(0, Certificate::new(&dir, "camera"), &[]);
    let url = camera.url("h264");
    let print = &camera.certificate.as_ref().unwrap().fingerprint;
    let refused = answer(&mut h5("h5cap", &[&url]));
    let text = format!("{url}: no authority that this machine knows has signed its certificate; if the camera's own is {print},");
    assert!(refused.code() == 1 && refused.stderr.contains(&text) && refused.stderr.lines().count() == 1, "{}", refused.stderr);
    let wrong = answer(&mut h5("h5cap", &[&url, "--tls-fingerprint", &Certificate::new(&dir, "other").fingerprint]));
    assert!(wrong.code() == 1 && wrong.stderr.contains("another one than --tls-fingerprint names"), "{}", wrong.stderr);
    let none = answer(&mut h5("h5cap", &[&url, "--tls-fingerprint", print]));
    assert!(none.code() == 1 && none.stderr.contains("401: it asks for a user and a password"), "{}", none.stderr);
    let udp = answer(&mut h5cap(&camera, "h264", &["--transport", "udp"]));
    assert!(udp.code() == 4 && udp.stderr.contains("datagrams of RTP are not encrypted"), "{}", udp.stderr);
    let plain = Camera::start(&[]);
    let done = answer(&mut h5("h5cap", &[&format!("rtsps://127.0.0.1:{}/h264", plain.port), "--timeout", "2"]));
    assert!(done.code() != 0 && done.stderr.lines().count() == 1, "{}", done.stderr);
    let by_plain = answer(&mut h5("h5cap", &[&format!("rtsp://127.0.0.1:{}/h264", camera.port), "--timeout", "2"]));
    assert!(by_plain.code() != 0 && by_plain.stderr.lines().count() == 1, "{}", by_plain.stderr);
    let usage = answer(&mut h5("h5cap", &[&plain.url("h264"), "--tls-fingerprint", print]));
    assert!(usage.code() == 2 && usage.stderr.contains("--tls-fingerprint is for https, wss and rtsps"), "{}", usage.stderr);
}

/// A camera with TLS that is killed and started again is played again, and nothing of the connections before is left.
#[test]
fn a_camera_with_tls_that_comes_back() {
    let (dir, port) = (TempDir::new(), free_port());
    let start = |name: &str| camera(port, Certificate::new(&dir, name), &["fps=50"]);
    let first = start("camera");
    let mut cap = Running::start_with(&mut h5cap(&first, "h264", &["--late", "drop"]), Stdio::null(), Stdio::piped());
    let mut out = cap.stdout();
    out.read_exact(&mut [0; 4000]).unwrap();
    let reader = std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    let certificate = Certificate { cert: dir.join("camera.pem"), key: dir.join("camera.key"), fingerprint: String::new() };
    let descriptors = |cap: &Running| fs::read_dir(format!("/proc/{}/fd", cap.id())).unwrap().count();
    let before = descriptors(&cap);
    drop(first);
    cap.wait_for("waiting for it");
    let second = camera(port, certificate, &["fps=50", "size=320x240"]);
    cap.wait_for("back after");
    eventually("descriptors are closed", || (descriptors(&cap) <= before).then_some(()));
    drop(second);
    eventually("it is lost again", || (cap.stderr().matches("waiting for it").count() == 2).then_some(()));
    // Another certificate is another camera.
    let _other = start("other");
    cap.wait_for("another one than --tls-fingerprint names");
    cap.signal("TERM");
    let done = cap.finish(PATIENCE).success();
    clean(&done.stderr);
    reader.join().unwrap().unwrap();
}
