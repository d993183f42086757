//! Certificates from files, that change, and of the server's own; from HTTP to HTTPS; cookies and origins.

use super::client::{answer, connect, ends_within, raw};
use super::studio::Studio;
use super::tls_client::TlsServer;
use super::{Server, feed};
use crate::util::{PATIENCE, TempDir, eventually, h5, run, run_for};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Certificate and key in `NAME.pem` and `NAME.key`, by openssl.
fn pair(folder: &Path, name: &str) {
    let args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
    let names = ["-addext", "subjectAltName=DNS:localhost", "-keyout"];
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    run(Command::new("openssl").args(args).args(names).arg(key).arg("-out").arg(certificate), b"").success();
}

/// The fingerprint that a server shows, by openssl.
fn shown(port: u16) -> String {
    let line = format!("openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256");
    run(Command::new("sh").args(["-c", &line]), b"").text().trim().rsplit('=').next().unwrap_or_default().to_owned()
}

fn print(certificate: &Path) -> String {
    let done = run(Command::new("openssl").args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(certificate), b"").success();
    done.text().trim().rsplit('=').next().unwrap().to_owned()
}

#[test]
fn curl_openssl_and_ffmpeg_watch() {
    let mut tls = TlsServer::start(&[]);
    let mut stdin = tls.server.process.stdin();
    let film = [
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x240:rate=30",
        "-t",
        "3",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-g",
        "30",
    ];
    let form = ["-pix_fmt", "yuv420p", "-movflags", "+frag_every_frame+empty_moov+default_base_moof", "-f", "mp4", "-"];
    let film = run(Command::new("ffmpeg").args(film).args(form), b"").success().stdout;
    feed(&mut stdin, &film);
    eventually("the stream begins", || (tls.streams()["live"]["state"] == "live").then_some(()));
    let certificate = tls.certificate().display().to_string();
    for (version, said) in [("--http2", "2 200"), ("--http1.1", "1.1 200")] {
        let args = ["-s", "--cacert", &certificate, version, "-o", "/dev/null", "-w", "%{http_version} %{http_code}", &tls.url("/")];
        assert_eq!(run(Command::new("curl").args(args), b"").success().text(), said);
        let endless = ["-sN", "--cacert", &certificate, version, "--max-time", "2", &tls.url("/live.mp4")];
        let endless = run(Command::new("curl").args(endless), b"");
        assert_eq!((endless.code(), &endless.stdout[4..8]), (28, &b"ftyp"[..]), "{version}: {}", endless.stderr);
        assert!(endless.stdout.len() > 4096, "{version}: {}", endless.stdout.len());
    }
    let decode = [
        "-v",
        "error",
        "-xerror",
        "-tls_verify",
        "1",
        "-ca_file",
        &certificate,
        "-i",
        &tls.url("/live.mp4"),
        "-frames:v",
        "1",
        "-f",
        "null",
        "-",
    ];
    run_for(Command::new("ffmpeg").args(decode), b"", PATIENCE).success();
    let port = tls.server.port;
    for (args, says) in [
        (&["-tls1_3", "-alpn", "h2,http/1.1"][..], &["TLSv1.3", "ALPN protocol: h2", "TLS_AES_128_GCM_SHA256"][..]),
        (&["-tls1_2", "-alpn", "http/1.1"], &["TLSv1.2", "ALPN protocol: http/1.1", "ECDHE-ECDSA-AES128-GCM-SHA256"]),
        (&["-tls1_2"], &["No ALPN negotiated"]),
    ] {
        let connect = ["s_client", "-connect", &format!("127.0.0.1:{port}")];
        let said = run(Command::new("openssl").args(connect).args(args), b"").text();
        assert!(says.iter().all(|text| said.contains(text)), "{args:?}: {said}");
    }
    let old = run(Command::new("openssl").args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-tls1_1"]), b"");
    assert!(!old.text().contains("Cipher is ECDHE"), "{}", old.text());
}

#[test]
fn what_is_wrong_with_a_pair_is_said() {
    let folder = TempDir::new();
    pair(&folder, "a");
    pair(&folder, "b");
    let whole = fs::read_to_string(folder.join("a.pem")).unwrap();
    fs::write(folder.join("cut.pem"), &whole[..whole.len() / 2]).unwrap();
    fs::write(folder.join("empty.pem"), "").unwrap();
    let encrypt = ["pkey", "-in", "a.key", "-aes256", "-passout", "pass:s3cret", "-out", "encrypted.key"];
    run(Command::new("openssl").args(encrypt).current_dir(&*folder), b"").success();
    for (certificate, key, says) in [
        ("a.pem", "b.key", "--tls-key b.key: the key is not that of the first certificate"),
        ("nope", "a.key", "--tls-cert nope: No such file"),
        ("a.pem", "nope", "--tls-key nope: No such file"),
        ("empty.pem", "a.key", "--tls-cert empty.pem: there is no -----BEGIN CERTIFICATE----- in it"),
        ("cut.pem", "a.key", "--tls-cert cut.pem: it ends in the middle of a section"),
        ("a.key", "a.key", "--tls-cert a.key: there is no -----BEGIN CERTIFICATE----- in it"),
        ("a.pem", "encrypted.key", "--tls-key encrypted.key: the key is encrypted"),
    ] {
        let args = ["--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key];
        let end = run(h5("h5serve", &args).current_dir(&*folder), b"");
        assert_eq!((end.code(), end.stderr.lines().count()), (1, 1), "{certificate} {key}: {}", end.stderr);
        assert!(end.stderr.contains(says), "{}", end.stderr);
    }
    for args in [&["--tls-cert", "a.pem"][..], &["--tls-key", "a.key"], &["--redirect-http", "127.0.0.1:0"], &["--hsts", "60"]] {
        assert_eq!(run(h5("h5serve", &["--listen", "127.0.0.1:0"]).args(args).current_dir(&*folder), b"").code(), 2, "{args:?}");
    }
    // TLS hides what is said, and says nothing of who may watch.
    let args = ["--listen", "0.0.0.0:0", "--tls-cert", "a.pem", "--tls-key", "a.key"];
    let end = run(h5("h5serve", &args).current_dir(&*folder), b"");
    assert!(end.code() == 2 && end.stderr.contains("--public") && end.stderr.contains("https://0.0.0.0:"), "{}", end.stderr);
}

#[test]
fn a_changed_pair_is_taken_and_a_wrong_one_is_not() {
    let folder = TempDir::new();
    pair(&folder, "a");
    pair(&folder, "b");
    let [certificate, key] = ["now.pem", "now.key"].map(|name| folder.join(name));
    let put = |name: &str, to: &Path| _ = fs::copy(folder.join(name), to).unwrap();
    put("a.pem", &certificate);
    put("a.key", &key);
    let args = ["--tls-cert", &certificate.display().to_string(), "--tls-key", &key.display().to_string()];
    let mut server = Server::start(&args);
    let [a, b] = ["a.pem", "b.pem"].map(|name| print(&folder.join(name)));
    assert_eq!(shown(server.port), a);
    // Half of a renewal.
    put("b.pem", &certificate);
    server.process.wait_for("the key is not that of the first certificate; the old certificate stays in use");
    assert_eq!(shown(server.port), a);
    put("b.key", &key);
    eventually("the new pair", || (shown(server.port) == b).then_some(()));
    fs::write(&certificate, "nonsense").unwrap();
    server.process.wait_for("there is no -----BEGIN CERTIFICATE----- in it; the old certificate stays in use");
    fs::remove_file(&certificate).unwrap();
    server.process.wait_for("No such file or directory (os error 2); the old certificate stays in use");
    assert_eq!(shown(server.port), b);
    // As certbot does it: a link that points elsewhere.
    std::os::unix::fs::symlink("a.pem", &certificate).unwrap();
    put("a.key", &key);
    eventually("the old pair again", || (shown(server.port) == a).then_some(()));
}

#[test]
fn a_self_signed_certificate_is_kept() {
    let folder = TempDir::new();
    let (state, pem) = (folder.join("state"), folder.join("state/self-signed.pem"));
    let args = [&format!("--tls-self-signed={}", state.display())[..], "--host", "cam.example"];
    let said =
        |server: &mut Server| server.process.wait_for("certificate, SHA-256: ").trim_start_matches("certificate, SHA-256: ").to_owned();
    let first = said(&mut Server::start(&args));
    assert_eq!(first, print(&pem));
    assert_eq!(fs::metadata(&pem).unwrap().permissions().mode() & 0o777, 0o600);
    let names = run(Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(&pem), b"").success().text();
    for name in ["DNS:localhost", "DNS:cam.example", "IP Address:127.0.0.1"] {
        assert!(names.contains(name), "{names}");
    }
    let mut second = Server::start(&args);
    assert_eq!((said(&mut second), shown(second.port)), (first.clone(), first.clone()));
    // One that is not good for long is made anew.
    let text = fs::read_to_string(&pem).unwrap();
    let line = text.lines().find(|line| line.starts_with("Good until: ")).unwrap();
    fs::write(&pem, text.replace(line, "Good until: 2020-01-01")).unwrap();
    let third = said(&mut Server::start(&args));
    assert!(third != first && third == print(&pem));
    fs::write(&pem, "nonsense").unwrap();
    let end = run(&mut h5("h5serve", &[&args[..], &["--listen", "127.0.0.1:0"]].concat()), b"");
    assert!(end.code() == 1 && end.stderr.contains("self-signed.pem: there is no -----BEGIN CERTIFICATE-----"), "{}", end.stderr);
}

#[test]
fn from_http_to_https() {
    let redirect = crate::util::free_port();
    let tls = TlsServer::start(&["--redirect-http", &format!("127.0.0.1:{redirect}"), "--on-eof", "wait"]);
    let port = tls.server.port;
    for asked in [port, redirect] {
        let to = |head: &str| {
            let answer = answer(&raw(asked, head.as_bytes()));
            (answer.status, answer.header("location").map(String::from))
        };
        let https = |path: &str| (308, Some(format!("https://localhost:{port}{path}")));
        let host = format!("Host: localhost:{asked}\r\n");
        assert_eq!(to(&format!("GET /cam?token=a HTTP/1.1\r\n{host}\r\n")), https("/cam?token=a"));
        assert_eq!(to(&format!("POST /api/login HTTP/1.1\r\n{host}Content-Length: 3\r\n\r\na=b")), https("/api/login"));
        assert_eq!(to("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n").0, 421);
        assert_eq!(to("GET / HTTP/1.1\r\n\r\n").0, 400);
        assert_eq!(to("\u{15}\u{3}\u{1}garbage\r\n\r\n").0, 400);
    }
    // Nothing is served there.
    assert!(!tls.server.process.stderr().contains(&redirect.to_string()));
}

/// What knows that it goes over TLS: cookies, origins, and a browser that was told so.
#[test]
fn cookies_origins_and_hsts() {
    let folder = TempDir::new();
    pair(&folder, "a");
    run(h5("h5serve", &["passwd", "users", "ann"]).current_dir(&*folder), b"ann's s3cret").success();
    let [certificate, key, users] = ["a.pem", "a.key", "users"].map(|name| folder.join(name).display().to_string());
    let own = TlsServer::start(&["--users", &users, "--on-eof", "wait"]);
    let form = "name=ann&password=ann%27s+s3cret";
    let login = |origin: &str| {
        let head = format!(
            "POST /api/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{origin}Content-Length: {}\r\n\r\n{form}",
            form.len()
        );
        answer(&own.client(&[]).raw(head.as_bytes()))
    };
    for origin in ["", "Origin: https://localhost\r\n"] {
        let done = login(origin);
        assert!(done.status == 303 && done.header("set-cookie").unwrap().ends_with("; Secure"), "{done:?}");
    }
    assert_eq!(login("Origin: http://localhost\r\n").status, 403, "anybody on the way may have written that page");
    assert_eq!(own.ask("GET", "/api/login", &[]).header("strict-transport-security"), None);
    let args = ["--tls-cert", &certificate, "--tls-key", &key, "--hsts", "600"];
    let server = Server::start(&args);
    let curl = ["-skD-", "-o/dev/null", &format!("https://localhost:{}/", server.port)];
    let head = run(Command::new("curl").args(curl), b"").success().text();
    assert!(head.contains("strict-transport-security: max-age=600\r\n"), "{head}");
    assert!(!String::from_utf8(raw(server.port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")).unwrap().contains("strict-transport"));
}

/// Neither holds a place for long, and viewers go on.
#[test]
fn who_does_not_finish_a_handshake_is_let_go() {
    let mut tls = TlsServer::start(&[]);
    let mut stdin = tls.server.process.stdin();
    let mut studio = Studio::new(30, 1000);
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    eventually("the stream begins", || (tls.streams()["live"]["state"] == "live").then_some(()));
    let mut viewer = tls.client(&[]).websocket("live").watching();
    let [mut silent, mut slow, mut wrong] = [(); 3].map(|()| connect(tls.server.port));
    slow.write_all(&[0x16, 3, 1]).unwrap();
    wrong.write_all(&[0x16; 2000]).unwrap();
    assert!(ends_within(&mut wrong, Duration::from_secs(5)), "no TLS");
    for stream in [&mut silent, &mut slow] {
        assert!(ends_within(stream, Duration::from_secs(20)));
    }
    feed(&mut stdin, &studio.picture());
    viewer.binary();
}
