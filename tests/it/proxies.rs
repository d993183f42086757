//! The recipes of docs/proxies.md, as they stand there: nginx, Caddy and HAProxy before h5serve, with TLS and under a path.

use crate::serve::Server;
use crate::serve::studio::Studio;
use crate::util::{Certificate, PATIENCE, Running, TempDir, eventually, free_port, h5, repository, run, run_for, shell};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// From where the viewers come: not from where the proxy does.
const VIEWER: &str = "127.0.0.5";

/// The code under a heading that begins so, in this language.
fn recipe(heading: &str, language: &str) -> String {
    let page = format!("\n{}", fs::read_to_string(repository("docs/proxies.md")).unwrap());
    let (_, section) = page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let (_, code) = section.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("{heading}: no {language}"));
    code.split("```").next().unwrap().to_owned()
}

/// A text with another in place of each of these, which must be there.
fn with(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "no {old} in {text}");
        text.replace(old, new)
    })
}

/// What is served: a picture that moves, or many bytes.
enum Picture {
    Test,
    Large,
}

/// A live stream, served as a line of the document says, and a proxy before it.
struct Site {
    folder: TempDir,
    server: Server,
    port: u16,
    fingerprint: String,
    _source: Option<Running>,
    proxy: Running,
}

impl Site {
    /// `proxy`: the program, once its configuration is written for the port on which it is to listen, the one of h5serve, and a certificate.
    fn start(heading: &str, picture: Picture, proxy: impl FnOnce(&Path, u16, u16, &Certificate) -> Command) -> Site {
        let folder = TempDir::new();
        let certificate = Certificate::new(&folder, "cams");
        run(h5("h5serve", &["passwd", "users", "ann"]).current_dir(&*folder), b"ann's s3cret").success();
        run(h5("h5serve", &["link", "--key", "key", "--new-key"]).current_dir(&*folder), b"").success();
        let line = recipe(heading, "sh");
        let [users, key, events] = ["users", "key", "events"].map(|name| folder.join(name).display().to_string());
        let mut args: Vec<&str> = line.trim().strip_prefix("h5serve ").unwrap().split(' ').collect();
        let place = args.iter_mut().find(|arg| **arg == "users").expect("--users users");
        *place = &users;
        args.extend(["--name", "cam", "--link-key", &key, "--events", &events, "--stall", "4"]);
        let mut server = Server::start(&args);
        let mut to = server.process.stdin();
        let source = match picture {
            Picture::Test => {
                let mut source = Running::start(&mut shell("h5cap test --size 320x240 --rate 15 --no-audio | h5enc | h5mux"));
                let mut from = source.stdout();
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                Some(source)
            }
            Picture::Large => {
                std::thread::spawn(move || {
                    let mut studio = Studio::new(30, 100_000);
                    _ = to.write_all(&studio.init());
                    while to.write_all(&studio.picture()).is_ok() {
                        std::thread::sleep(Duration::from_millis(33));
                    }
                });
                None
            }
        };
        let port = free_port();
        let proxy = Running::start(&mut proxy(&folder, port, server.port, &certificate));
        let site = Site { folder, server, port, fingerprint: certificate.fingerprint, _source: source, proxy };
        eventually("the proxy and the stream", || (site.status(&["-u", "ann:ann's s3cret"], "/cams/cam.mp4") == "200").then_some(()));
        site
    }

    /// curl, as a viewer; the certificate is its own authority.
    fn curl(&self, args: &[&str], path: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sk", "--http1.1", "--interface", VIEWER, "--resolve"]);
        curl.arg(format!("cams.example.org:{}:127.0.0.1", self.port)).args(args);
        curl.arg(format!("https://cams.example.org:{}{path}", self.port));
        curl
    }

    /// Of an answer that may have no end.
    fn status(&self, args: &[&str], path: &str) -> String {
        let args = [&["-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2"], args].concat();
        run_for(&mut self.curl(&args, path), b"", PATIENCE).text()
    }

    fn text(&self, args: &[&str], path: &str) -> String {
        run_for(&mut self.curl(args, path), b"", PATIENCE).success().text()
    }

    fn seen(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.join("events")).unwrap_or_default();
        let events = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        events.filter(|event| event["event"] == "join").map(|event| event["remote"].as_str().unwrap().to_owned()).collect()
    }

    /// All that is to work through any proxy.
    fn works(&self) {
        // The page, and what it asks for beside itself.
        let html = ["-H", "Accept: text/html"];
        assert!(self.text(&html, "/cams/cam").contains("action=\"api/login\""));
        assert_eq!(self.status(&[], "/cams/h5live.js"), "200");
        assert_eq!(
            self.text(&["-o", "/dev/null", "-w", "%{redirect_url}"], "/cams").trim_end_matches('/'),
            format!("https://cams.example.org:{}/cams", self.port)
        );
        // Login, by the form of the page; and a wrong one.
        let jar = self.folder.join("jar").display().to_string();
        let form = ["-d", "name=ann&next=cam", "--data-urlencode"];
        assert_eq!(self.status(&[&form[..], &["password=another s3cret"]].concat(), "/cams/api/login"), "401");
        let origin = format!("Origin: https://cams.example.org:{}", self.port);
        let login = [&form[..], &["password=ann's s3cret", "-c", &jar, "-H", &origin]].concat();
        assert_eq!(self.status(&login, "/cams/api/login"), "303");
        let cookies = fs::read_to_string(&jar).unwrap();
        let cookie = cookies.lines().find(|line| line.contains("h5live-")).unwrap_or_else(|| panic!("{cookies}"));
        assert!(cookie.starts_with("#HttpOnly_cams.example.org\tFALSE\t/cams/\tTRUE\t"), "Path, and Secure: {cookie}");
        assert!(self.text(&["-b", &jar], "/cams/cam").contains("page.js"));
        assert!(self.text(&["-b", &jar], "/cams/api/streams").contains("\"cam\""));
        for (args, path) in [(&[][..], "/cams/api/streams"), (&["-u", "ann:wrong s3cret"], "/cams/cam.mp4"), (&[], "/cams/t/1.x.y/cam.mp4")]
        {
            assert_eq!(self.status(args, path), "401", "{path}");
        }
        // MP4 comes as it is made; what a viewer says of itself is not believed.
        let film = self.folder.join("film").display().to_string();
        let lies = ["-b", &jar, "-N", "--max-time", "3", "-o", &film, "-H", "X-Forwarded-For: 192.0.2.1", "-H", "Forwarded: for=192.0.2.1"];
        assert_eq!(run_for(&mut self.curl(&lies, "/cams/cam.mp4"), b"", PATIENCE).code(), 28, "it has no end");
        let frames = ["-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", &film];
        let frames = run(Command::new("ffprobe").args(frames), b"").text();
        assert!(frames.trim().parse::<u32>().is_ok_and(|frames| frames > 15), "{frames} frames in 3 s");
        // A live picture over WebSocket, by a link.
        let link = ["link", "--key", "key", "--stream", "cam", "--path-prefix", "--base-path", "/cams"];
        let link = run(h5("h5serve", &link).current_dir(&*self.folder), b"").success().text();
        let prefix = link.trim().strip_suffix("/cam").unwrap();
        let address = format!("wss://127.0.0.1:{}{prefix}/api/ws?src=cam", self.port);
        let live = ["--tls-fingerprint", &self.fingerprint, "--duration", "2", &address];
        let live = run_for(&mut h5("h5cap", &live), b"", PATIENCE);
        assert!(live.stdout.len() > 10_000, "{} bytes; {}", live.stdout.len(), live.stderr);
        let seen = self.seen();
        let by_curl = seen.iter().filter(|viewer| viewer.split(':').next() == Some(VIEWER)).count();
        assert!(by_curl >= 2 && !seen.iter().any(|viewer| viewer.starts_with("192.0.2.")), "{seen:?}");
        assert!(seen.last().unwrap().starts_with("127.0.0.1"), "{seen:?}");
    }

    /// The proxy and its children.
    fn proxies(&self) -> Vec<String> {
        let id = self.proxy.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        children.split_whitespace().map(String::from).chain([id.to_string()]).collect()
    }
}

fn nginx(recipe: &str, folder: &Path) -> Command {
    let temporary = folder.join("spool");
    fs::create_dir_all(&temporary).unwrap();
    let spool = temporary.display();
    let paths: String =
        ["proxy", "fastcgi", "uwsgi", "scgi", "client_body"].map(|name| format!("{name}_temp_path {spool}/{name};\n")).concat();
    let whole = format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid {spool}/pid;\nerror_log stderr;\nevents {{ }}\nhttp {{\naccess_log off;\n{paths}{recipe}\n}}\n"
    );
    fs::write(folder.join("nginx.conf"), whole).unwrap();
    let mut nginx = Command::new("nginx");
    nginx.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).args(["-e", "stderr"]);
    nginx
}

#[test]
fn by_nginx() {
    let site = Site::start("# Behind a proxy", Picture::Test, |folder, port, server, certificate| {
        let changes = [
            ("listen 443 ssl", &*format!("listen 127.0.0.1:{port} ssl")),
            ("127.0.0.1:8080", &format!("127.0.0.1:{server}")),
            ("/etc/ssl/cams.pem", &certificate.cert.display().to_string()),
            ("/etc/ssl/private/cams.key", &certificate.key.display().to_string()),
        ];
        nginx(&with(&recipe("## nginx", "nginx"), &changes), folder)
    });
    site.works();
}

#[test]
fn by_caddy() {
    let site = Site::start("# Behind a proxy", Picture::Test, |folder, port, server, certificate| {
        let changes = [
            ("cams.example.org", &*format!("https://cams.example.org:{port}, https://127.0.0.1:{port}")),
            ("127.0.0.1:8080", &format!("127.0.0.1:{server}")),
            ("/etc/ssl/cams.pem", &certificate.cert.display().to_string()),
            ("/etc/ssl/private/cams.key", &certificate.key.display().to_string()),
        ];
        let options = "{\nadmin off\nauto_https disable_redirects\nskip_install_trust\ndefault_sni cams.example.org\n}\n";
        fs::write(folder.join("Caddyfile"), options.to_owned() + &with(&recipe("## Caddy", "caddyfile"), &changes)).unwrap();
        let mut caddy = Command::new(repository("target/python/bin/caddy"));
        caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
        caddy.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
        caddy
    });
    site.works();
}

#[test]
fn by_traefik() {
    let site = Site::start("# Behind a proxy", Picture::Test, |folder, port, server, certificate| {
        let changes = [
            ("Host(`cams.example.org`)", "(Host(`cams.example.org`) || Host(`127.0.0.1`))"),
            ("127.0.0.1:8080", &*format!("127.0.0.1:{server}")),
            ("/etc/ssl/cams.pem", &certificate.cert.display().to_string()),
            ("/etc/ssl/private/cams.key", &certificate.key.display().to_string()),
        ];
        // A client that names no host by TLS gets this certificate too.
        let default = format!(
            "  stores:\n    default:\n      defaultCertificate:\n        certFile: {}\n        keyFile: {}\n",
            certificate.cert.display(),
            certificate.key.display()
        );
        fs::write(folder.join("cams.yaml"), with(&recipe("## Traefik", "yaml"), &changes) + &default).unwrap();
        let mut traefik = Command::new(repository("target/python/bin/traefik"));
        traefik.arg(format!("--entryPoints.websecure.address=127.0.0.1:{port}"));
        traefik.arg(format!("--providers.file.filename={}", folder.join("cams.yaml").display()));
        traefik.args(["--global.checkNewVersion=false", "--global.sendAnonymousUsage=false", "--log.level=ERROR"]).env("HOME", folder);
        traefik
    });
    site.works();
}

fn haproxy(folder: &Path, recipe: &str, port: u16, server: u16, certificate: &Certificate) -> Command {
    let pem = folder.join("both.pem");
    fs::write(&pem, [fs::read(&certificate.cert).unwrap(), fs::read(&certificate.key).unwrap()].concat()).unwrap();
    let changes = [
        ("bind :443", &*format!("bind 127.0.0.1:{port}")),
        ("127.0.0.1:8080", &format!("127.0.0.1:{server}")),
        ("/etc/haproxy/cams.pem", &pem.display().to_string()),
    ];
    fs::write(folder.join("haproxy.cfg"), with(recipe, &changes)).unwrap();
    let mut haproxy = Command::new("haproxy");
    haproxy.arg("-db").arg("-f").arg(folder.join("haproxy.cfg"));
    haproxy
}

#[test]
fn by_haproxy() {
    let proxy = |folder: &Path, port, server, certificate: &Certificate| {
        haproxy(folder, &recipe("## HAProxy", "haproxy"), port, server, certificate)
    };
    Site::start("# Behind a proxy", Picture::Test, proxy).works();
}

#[test]
fn by_the_proxy_protocol() {
    let heading = "### By the PROXY protocol";
    let proxy =
        |folder: &Path, port, server, certificate: &Certificate| haproxy(folder, &recipe(heading, "haproxy"), port, server, certificate);
    Site::start(heading, Picture::Test, proxy).works();
}

/// What nginx has in files of its own for a viewer who reads nothing, in bytes. `more`: what is in the recipe besides.
fn spooled(more: &str) -> u64 {
    let mut site = Site::start("# Behind a proxy", Picture::Large, |folder, port, server, certificate| {
        let changes = [
            ("listen 443 ssl", &*format!("listen 127.0.0.1:{port} ssl")),
            ("127.0.0.1:8080;", &format!("127.0.0.1:{server}; {more}")),
            ("/etc/ssl/cams.pem", &certificate.cert.display().to_string()),
            ("/etc/ssl/private/cams.key", &certificate.key.display().to_string()),
        ];
        let plain = free_port();
        fs::write(folder.join("plain"), plain.to_string()).unwrap();
        let recipe = with(&recipe("## nginx", "nginx"), &changes);
        let plain = with(&recipe[recipe.find("server {").unwrap()..], &[(&format!("127.0.0.1:{port} ssl"), &format!("127.0.0.1:{plain}"))]);
        nginx(&(recipe + &plain), folder)
    });
    let plain: u16 = fs::read_to_string(site.folder.join("plain")).unwrap().parse().unwrap();
    let link = ["link", "--key", "key", "--stream", "cam", "--path-prefix", "--base-path", "/cams"];
    let link = run(h5("h5serve", &link).current_dir(&*site.folder), b"").success().text();
    // Little of it fits into the kernel.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], plain)).into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {}.mp4 HTTP/1.1\r\nHost: cams.example.org\r\n\r\n", link.trim()).as_bytes()).unwrap();
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    let files = |site: &Site| -> u64 {
        let open = site.proxies().into_iter().flat_map(|id| fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten());
        let spool = open.filter(|file| fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().contains("/spool/proxy")));
        spool.filter_map(|file| fs::metadata(file.path()).ok()).map(|file| file.len()).sum()
    };
    // Until something is spooled, or h5serve has given the viewer up, who takes nothing.
    let mut most = 0;
    eventually("an end", || {
        most = most.max(files(&site));
        let log = fs::read_to_string(site.folder.join("events")).unwrap();
        let stalled = log.lines().any(|line| line.contains("\"stall\""));
        (most > 0 || stalled || !site.server.process.is_running()).then_some(())
    });
    most
}

/// A slow viewer does not fill the proxy's disk; it would, were it not for X-Accel-Buffering.
#[test]
fn nginx_keeps_nothing_of_a_slow_viewer() {
    assert_eq!(spooled(""), 0);
    assert!(spooled("proxy_ignore_headers X-Accel-Buffering;") > 0);
}

/// None of the document is left out.
#[test]
fn each_recipe_is_run() {
    let page = fs::read_to_string(repository("docs/proxies.md")).unwrap();
    for section in page
        .split(
            "
## ",
        )
        .skip(1)
    {
        let name = section.lines().next().unwrap();
        assert!(include_str!("proxies.rs").contains(&format!("recipe(\"## {name}\"")), "{name}");
    }
}
