use super::{Live, Player, SHORT, more_segments, newest};
use crate::serve::client::ask;
use crate::util::{PATIENCE, Running, TempDir, eventually, free_port, h5, http, repository, run, run_for};
use h5live::format::hls::checker::read;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TOKEN: &str = "a-token-that-is-a-s3cret";

/// nginx, which takes files from who shows the token, and gives them to all.
struct WebDav {
    folder: TempDir,
    port: u16,
    scheme: &'static str,
    nginx: Option<Running>,
}

impl WebDav {
    fn start() -> WebDav {
        WebDav::speaking("http")
    }

    /// `https`: by a certificate that is its own authority, in the file cert.
    fn speaking(scheme: &'static str) -> WebDav {
        let (folder, port) = (TempDir::new(), free_port());
        let tls = match scheme {
            "https" => {
                let args = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=store -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE -keyout key -out cert";
                run_for(Command::new("openssl").args(args.split(' ')).current_dir(&*folder), b"", PATIENCE).success();
                "ssl; ssl_certificate cert; ssl_certificate_key key"
            }
            _ => "",
        };
        fs::create_dir(folder.join("cams")).unwrap();
        let conf = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr crit; events {{}}
             http {{
                 access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
                 client_max_body_size 64m;
                 server {{
                     listen 127.0.0.1:{port} {tls};
                     location / {{
                         root {folder};
                         dav_methods PUT DELETE;
                         set $refused $request_method;
                         if ($http_authorization = \"Bearer {TOKEN}\") {{ set $refused no; }}
                         if ($refused ~ \"PUT|DELETE\") {{ return 401; }}
                     }}
                 }}
             }}",
            folder = folder.display()
        );
        fs::write(folder.join("nginx.conf"), conf).unwrap();
        let mut dav = WebDav { folder, port, scheme, nginx: None };
        dav.on();
        dav
    }

    fn on(&mut self) {
        let nginx = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let mut command = Command::new(nginx);
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(&*self.folder).current_dir(&*self.folder);
        self.nginx = Some(Running::start_with(&mut command, Stdio::null(), Stdio::null()));
        eventually("nginx", || std::net::TcpStream::connect(("127.0.0.1", self.port)).ok());
    }

    /// Killed, and not asked.
    fn off(&mut self) {
        drop(self.nginx.take());
    }

    fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/cams", self.scheme, self.port)
    }

    fn files(&self) -> PathBuf {
        self.folder.join("cams")
    }
}

/// A token in a file.
fn token(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("token");
    fs::write(&path, format!("{text}\n")).unwrap();
    path
}

fn mux(url: &str, args: &[&str]) -> Command {
    let mut mux = h5("h5mux", &["--put", url]);
    mux.args(SHORT).args(args);
    mux
}

#[test]
fn a_web_server_that_dies_for_longer_than_the_window() {
    let mut dav = WebDav::start();
    let (control, token) = (free_port(), token(&dav.folder, TOKEN));
    let files = dav.files();
    let mut live = Live::start(mux(&dav.url(), &["--control", &control.to_string(), "--put-token-file"]).arg(token));
    eventually("the stream", || files.join("index.m3u8").exists().then_some(()));
    let port = dav.port;
    let player = Player::start(move |name| {
        // Nothing, where nobody listens.
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
        let got = std::panic::catch_unwind(|| ask(port, "GET", &format!("/cams/{name}"), &[])).ok()?;
        (got.status == 200).then_some(got.body)
    });
    more_segments(&files, 3);
    dav.off();
    live.mux.wait_for("trying again");
    let stale = newest(&files, "video.m3u8").unwrap();
    // Longer than the four segments of the window, by what h5mux counts.
    let lost = || {
        let (_, metrics) = http(control, "GET", "/metrics", b"");
        let line = metrics.lines().find(|line| line.starts_with("h5mux_store_lost_segments_total{store=\"put\"} ")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    // At first the connection that was open is closed.
    eventually("health", || (http(control, "GET", "/healthz", b"").1.contains("connection refused")).then_some(()));
    eventually("segments leave the window", || (lost() >= 4.0).then_some(()));
    live.goes_on();
    assert_eq!(newest(&files, "video.m3u8"), Some(stale));
    dav.on();
    let said = live.mux.wait_for("back after");
    assert!(said.contains("segments are lost"), "{said}");
    eventually("what is in the window is caught up", || {
        let list = read(&fs::read_to_string(files.join("video.m3u8")).ok()?).ok()?;
        let whole = list.sequence > stale && list.segments.len() >= 4 && list.segments.iter().all(|segment| !segment.gap);
        whole.then_some(())
    });
    eventually("health", || (http(control, "GET", "/healthz", b"").0 == 200).then_some(()));
    more_segments(&files, 2);
    let said = live.end();
    assert!(player.stop() > 20);
    assert!(said.lines().count() <= 3 && said.matches("refused").count() == 1, "once for each: {said}");
    let index = format!("{}/index.m3u8", dav.url());
    let args = ["-v", "error", "-xerror", "-i", &index, "-f", "null", "-"];
    run_for(Command::new("ffmpeg").args(args), b"", PATIENCE).success();
    let count = fs::read_dir(&files).unwrap().count();
    assert!(count < 70, "what left the window is deleted: {count}");
}

#[test]
fn another_run_goes_on_where_the_run_before_has_put_its_files() {
    let dav = WebDav::start();
    let (files, token) = (dav.files(), token(&dav.folder, TOKEN));
    let run = || Live::start(mux(&dav.url(), &["--put-token-file"]).arg(&token));
    let first = run();
    eventually("the stream", || files.join("index.m3u8").exists().then_some(()));
    let port = dav.port;
    let player = Player::start(move |name| {
        Some(ask(port, "GET", &format!("/cams/{name}"), &[])).filter(|got| got.status == 200).map(|got| got.body)
    });
    more_segments(&files, 2);
    first.mux.signal("TERM");
    assert_eq!(first.mux.finish(PATIENCE).success().stderr, "");
    let left = read(&fs::read_to_string(files.join("video.m3u8")).unwrap()).unwrap();
    let next = left.sequence + left.segments.len() as u64;
    // As if numbers had run ahead of the time: the next run goes on with them all the same.
    let text = fs::read_to_string(files.join("audio.m3u8")).unwrap();
    let ahead = read(&text).unwrap().sequence + 1000;
    let changed: String = text
        .lines()
        .map(
            |line| {
                if line.starts_with("#EXT-X-MEDIA-SEQUENCE:") { format!("#EXT-X-MEDIA-SEQUENCE:{ahead}\n") } else { format!("{line}\n") }
            },
        )
        .collect();
    fs::write(files.join("audio.m3u8"), changed).unwrap();
    let second = run();
    eventually("the second run", || newest(&files, "video.m3u8").filter(|newest| *newest > next));
    assert!(newest(&files, "audio.m3u8").unwrap() > ahead, "{ahead}");
    let old = files.join(left.segments.last().unwrap().uri.as_ref().unwrap());
    assert!(old.exists(), "who has the old playlist gets what it names");
    eventually("it is removed", || (!old.exists()).then_some(()));
    assert_eq!(second.end(), "");
    assert!(player.stop() > 20);
}

#[test]
fn a_wrong_token_is_said_and_not_shown() {
    let dav = WebDav::start();
    let wrong = token(&dav.folder, "a-wrong-s3cret");
    let mut live = Live::start(mux(&dav.url(), &["--put-token-file"]).arg(wrong));
    let said = live.mux.wait_for("trying again");
    assert_eq!(said, format!("h5mux: warning: {}: 401: it refuses the token, user or key; trying again", dav.url()));
    live.goes_on();
    assert_eq!(fs::read_dir(dav.files()).unwrap().count(), 0);
    drop(live);
    // A user in the URL.
    let mut live = Live::start(&mut mux(&dav.url().replace("//", "//ann:s3cret@"), &[]));
    let said = live.mux.wait_for("trying again");
    assert!(said.contains("//ann:***@127.0.0.1") && !said.contains("s3cret"), "{said}");
}

#[test]
fn by_tls_where_the_authority_is_known() {
    let dav = WebDav::speaking("https");
    let token = token(&dav.folder, TOKEN);
    let mut live = Live::start(mux(&dav.url(), &["--put-token-file"]).arg(&token));
    let said = live.mux.wait_for("trying again");
    assert!(said.contains("TLS: invalid peer certificate"), "{said}");
    drop(live);
    let live = Live::start(mux(&dav.url(), &["--put-token-file"]).arg(&token).env("SSL_CERT_FILE", dav.folder.join("cert")));
    eventually("the stream", || dav.files().join("index.m3u8").exists().then_some(()));
    more_segments(&dav.files(), 1);
    assert_eq!(live.end(), "");
}

#[test]
fn what_is_no_target() {
    for (args, what) in [
        (&["--put", "ftp://ann:s3cret@host/"][..], "http://HOST/PATH"),
        (&["--put", "http://ann:s3cret@host/", "--put-token-file", "/dev/null"], "give a user in the URL, or"),
        (&["--put", "http://host/", "--put-token-file", "/dev/null"], "expected one line with a token"),
        (&["--put", "http://host/", "--put-token-file", "/none"], "No such file"),
        (&["--put", "s3://bucket/path"], "AWS_ACCESS_KEY_ID"),
        (&["--put", "s3://ann:s3cret@bucket/path"], "AWS_ACCESS_KEY_ID"),
    ] {
        let done = run(h5("h5mux", args).env_remove("AWS_ACCESS_KEY_ID"), b"");
        assert!(done.code() != 0 && done.stderr.contains(what) && !done.stderr.contains("s3cret"), "{args:?}: {}", done.stderr);
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    }
}

/// s3rver, on files that outlive it.
fn s3(folder: &Path, port: u16) -> Running {
    let program = repository("target/s3rver/node_modules/.bin/s3rver");
    let mut command = Command::new(&program);
    command.args(["--directory", "data", "--port", &port.to_string(), "--configure-bucket", "bucket", "--silent"]).current_dir(folder);
    let running = Running::start_with(&mut command, Stdio::null(), Stdio::null());
    eventually("s3rver", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    running
}

#[test]
fn a_store_that_speaks_s3_dies_and_comes_back() {
    let (folder, port) = (TempDir::new(), free_port());
    fs::create_dir(folder.join("data")).unwrap();
    let store = s3(&folder, port);
    let endpoint = format!("http://127.0.0.1:{port}");
    let key = [
        ("AWS_ACCESS_KEY_ID", "S3RVER"),
        ("AWS_SECRET_ACCESS_KEY", "S3RVER"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_REGION", "eu-central-1"),
    ];
    let mut live = Live::start(mux("s3://bucket/cams/yard", &[]).envs(key));
    // The folder of s3rver: each object is a file with an ending of its own.
    let files = folder.join("data/bucket/cams/yard");
    let object = move |name: &str| fs::read(files.join(format!("{name}._S3rver_object"))).ok();
    let list = || read(&String::from_utf8(object("video.m3u8")?).ok()?).ok();
    eventually("the stream", || object("index.m3u8"));
    let begun = eventually("segments", || list().filter(|list| list.segments.len() >= 3));
    drop(store);
    live.mux.wait_for("trying again");
    live.goes_on();
    let _store = s3(&folder, port);
    live.mux.wait_for("back after");
    let caught = eventually("it goes on", || list().filter(|list| list.sequence > begun.sequence + 2));
    let uri = caught.segments.iter().rev().find_map(|segment| segment.uri.clone()).unwrap();
    assert_eq!(object(&uri).unwrap()[4..8], *b"prft");
    eventually("what left the window is deleted", || object(begun.segments[0].uri.as_ref().unwrap()).is_none().then_some(()));
    let kind = fs::read_to_string(folder.join("data/bucket/cams/yard/video.m3u8._S3rver_metadata.json")).unwrap();
    assert!(kind.contains("application/vnd.apple.mpegurl") && kind.contains("s-maxage=1"), "{kind}");
    assert!(!live.end().contains("Signature"));
    // Another run sees what this one has left.
    let left = list().unwrap();
    let second = Live::start(mux("s3://bucket/cams/yard", &[]).envs(key));
    eventually("the second run", || list().filter(|list| list.sequence >= left.sequence + left.segments.len() as u64));
    let old = left.segments.last().unwrap().uri.clone().unwrap();
    eventually("what the run before has left is deleted", || object(&old).is_none().then_some(()));
    assert_eq!(second.end(), "");
}
