use super::*;

const LOGIN: [&str; 2] = ["user=cam", "password=kT9-s3cret#%?"];

/// Basic and both digests, one of them in small letters, by the command line, the environment and a file; a nonce that is too old is replaced.
#[test]
fn logins() {
    let dir = TempDir::new();
    let file = dir.join("password");
    fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    for auth in ["auth=basic", "auth=md5", "auth=small", "auth=sha256"] {
        let server = Server::start(&dir, &[LOGIN[0], LOGIN[1], auth]);
        let secret = format!("http://cam:{PASSWORD}@127.0.0.1:{}/still.jpg", server.port);
        let args = ["--rate", "20", "--duration", "1.5", "-v", "--late", "block"];
        let by_url = h5cap(&[&[&*secret], &args[..]].concat()).success();
        assert!(Recording::of(&by_url.stdout).packets.len() >= 6, "{auth}: {}", by_url.stderr);
        let refused = server.requests().iter().filter(|request| request[1] == "-").count();
        assert_eq!(refused, 1, "{auth}: only the first request was without a login");
        let by_file = ["--user", "cam", "--password-file", file.to_str().unwrap(), "--duration", "0.2"];
        h5cap(&[&[&*server.url("still.jpg")], &by_file[..]].concat()).success();
        let mut command = h5("h5cap", &[&server.url("mjpeg/std"), "--duration", "0.2"]);
        command.env("H5CAP_USER", "cam").env("H5CAP_PASSWORD", PASSWORD);
        run_for(&mut command, b"", PATIENCE).success();
    }
}

#[test]
fn a_login_that_fails_is_not_repeated() {
    let dir = TempDir::new();
    for auth in ["auth=basic", "auth=md5"] {
        let server = Server::start(&dir, &[LOGIN[0], LOGIN[1], auth]);
        let wrong = h5cap(&[&format!("http://cam:wrong-s3cret@127.0.0.1:{}/still.jpg", server.port)]);
        let text = format!("h5cap: http://cam:***@127.0.0.1:{}/still.jpg: 401: wrong user or password\n", server.port);
        assert_eq!((wrong.code(), &*wrong.stderr), (1, &*text));
        assert_eq!(server.requests().len(), 2, "cameras lock accounts");
        let none = h5cap(&[&server.url("still.jpg")]);
        assert!(none.code() == 1 && none.stderr.contains("401: it asks for a user and a password"), "{}", none.stderr);
    }
}

/// Redirects are followed with the password on the same server only.
#[test]
fn a_password_goes_to_no_other_host() {
    let dir = TempDir::new();
    let other = Server::start(&dir, &[LOGIN[0], LOGIN[1], "auth=basic"]);
    let away = format!("away=localhost:{}", other.port);
    let server = Server::start(&dir, &[LOGIN[0], LOGIN[1], "auth=basic", &away]);
    let secret = |path: &str| format!("http://cam:{PASSWORD}@127.0.0.1:{}/{path}", server.port);
    h5cap(&[&secret("redirect/4"), "--duration", "0.2", "--rate", "10"]).success();
    let done = h5cap(&[&secret("away/still.jpg")]);
    assert!(done.code() == 1 && done.stderr.contains("it has redirected to another host"), "{}", done.stderr);
    let requests = other.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request[1] == "-"), "{requests:?}");
}

/// A camera that has signed itself is refused with its fingerprint, and taken by it; another one is not.
#[test]
fn a_certificate_by_its_fingerprint() {
    let dir = TempDir::new();
    let Certificate { cert, key, fingerprint: print } = Certificate::new(&dir, "camera");
    let server = Server::start(&dir, &[&format!("cert={}", cert.display()), &format!("key={}", key.display())]);
    let url = format!("https://127.0.0.1:{}/mjpeg/std", server.port);
    let refused = h5cap(&[&url]);
    let text = format!(
        "{url}: no authority that this machine knows has signed its certificate; if the camera's own is {print}, --tls-fingerprint"
    );
    assert!(refused.code() == 1 && refused.stderr.contains(&text), "{}", refused.stderr);
    assert!(server.requests().is_empty(), "nothing was asked for");
    let taken = h5cap(&[&url, "--duration", "0.5", "--tls-fingerprint", &print]).success();
    assert!(Recording::of(&taken.stdout).packets.len() > 3);
    let other = Certificate::new(&dir, "other").fingerprint;
    let done = h5cap(&[&url, "--tls-fingerprint", &other]);
    assert!(done.code() == 1 && done.stderr.contains("another one than --tls-fingerprint names"), "{}", done.stderr);
    let wrong = h5cap(&[&url, "--tls-fingerprint", "AB:CD"]);
    assert!(wrong.code() == 2 && wrong.stderr.contains("64 hexadecimal digits"), "{}", wrong.stderr);
    let plain = Server::start(&dir, &[]);
    let done = h5cap(&[&format!("https://127.0.0.1:{}/", plain.port)]);
    assert!(done.code() == 1 && done.stderr.contains("it does not speak TLS at this port"), "{}", done.stderr);
    let done = h5cap(&[&format!("http://127.0.0.1:{}/", server.port), "--timeout", "2"]);
    assert!(done.code() != 0 && done.stderr.lines().count() == 1, "{}", done.stderr);
}

/// An authority that the machine knows: the certificate must be for the host's name.
#[test]
fn a_certificate_by_an_authority() {
    let dir = TempDir::new();
    let make = "set -e; \
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem; \
        openssl req -newkey rsa:2048 -nodes -subj /CN=camera -keyout camera.key -out camera.csr; \
        echo subjectAltName=DNS:localhost > names; \
        openssl x509 -req -days 2 -in camera.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out camera.pem";
    run_for(Command::new("bash").args(["-c", make]).current_dir(&*dir), b"", PATIENCE).success();
    let file = |name: &str| dir.join(name).display().to_string();
    let server = Server::start(&dir, &[&format!("cert={}", file("camera.pem")), &format!("key={}", file("camera.key"))]);
    let ask = |host: &str| {
        let url = format!("https://{host}:{}/still.jpg", server.port);
        run_for(h5("h5cap", &[&url, "--duration", "0.2"]).env("SSL_CERT_FILE", file("ca.pem")), b"", PATIENCE)
    };
    ask("localhost").success();
    let done = ask("127.0.0.1");
    assert!(done.code() == 1 && done.stderr.contains("its certificate is for another name"), "{}", done.stderr);
}
