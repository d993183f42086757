//! Network cameras by ONVIF: one of the tests, one that others have written (ipycam), and hostile ones.

use crate::util::{Finished, PASSWORD, PATIENCE, Running, TempDir, eventually, free_port, h5, repository, run_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// The camera of the tests.
struct Device {
    running: Running,
    port: u16,
}

impl Device {
    fn start(options: &[&str]) -> Device {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(repository("tests/it/onvif/device.py")).arg(format!("password={PASSWORD}")).args(options);
        let mut running = Running::start_with(&mut command, Stdio::null(), Stdio::piped());
        let mut line = String::new();
        BufReader::new(running.stdout()).read_line(&mut line).unwrap();
        let port = line.strip_prefix("ready ").and_then(|port| port.trim().parse().ok());
        Device { port: port.unwrap_or_else(|| panic!("no camera: {line:?} {}", running.stderr())), running }
    }

    fn url(&self, path: &str) -> String {
        format!("onvif://127.0.0.1:{}/{path}", self.port)
    }
}

fn run(user: &str, password: &str, args: &[&str]) -> Finished {
    let mut command = h5("h5cap", args);
    let done = run_for(command.env("H5CAP_USER", user).env("H5CAP_PASSWORD", password), b"", PATIENCE);
    assert!(!done.stderr.contains("s3cret") && !done.text().contains("s3cret"), "{}", done.stderr);
    done
}

/// The camera at this port in the list of the network.
fn listed(user: &str, password: &str, port: u16) -> Value {
    let done = run(user, password, &["--list", "--network", "--json"]).success();
    let list: Value = serde_json::from_str(&done.text()).unwrap();
    let address = format!("onvif://127.0.0.1:{port}/");
    let camera = list["network"].as_array().unwrap().iter().find(|camera| camera["address"] == *address);
    camera.unwrap_or_else(|| panic!("{address} is not in {list:#}")).clone()
}

#[test]
fn a_camera_is_found_with_its_name_and_profiles() {
    let device = Device::start(&["ahead=-86400"]);
    let camera = listed("admin", PASSWORD, device.port);
    assert_eq!((&camera["name"], &camera["hardware"]), (&"Test camera".into(), &"T-1000".into()), "{camera:#}");
    let profile = &camera["profiles"][1];
    assert_eq!(
        (&profile["name"], &profile["encoding"], &profile["width"]),
        (&"Main stream".into(), &"H264".into(), &1280.into()),
        "{camera:#}"
    );
    assert_eq!(profile["uri"], "rtsp://127.0.0.1:554/main", "the host that answers");
    let refused = listed("admin", "wrong-s3cret", device.port);
    assert_eq!(refused["error"], "401: wrong user or password", "{refused:#}");
    let shown = run("admin", PASSWORD, &["--list", "--network"]).success().text();
    assert!(shown.contains("Main stream: H264 1280x720 at 25 fps  rtsp://127.0.0.1:554/main"), "{shown}");
}

/// Each camera believes one way alone, and has a clock of its own.
#[test]
fn every_login() {
    for (way, ahead) in [("digest", "86400"), ("digest", "-1000000000"), ("http", "0"), ("text", "0")] {
        let device = Device::start(&[&format!("way={way}"), &format!("ahead={ahead}")]);
        // Nothing is at the address of the stream: that it is known is enough.
        let done = run("admin", PASSWORD, &[&device.url(""), "-v"]);
        assert!(done.code() == 3 && done.stderr.contains("profile Main stream: H264 1280x720"), "{way}: {}", done.stderr);
        let wrong = run("admin", "wrong-s3cret", &[&device.url("")]);
        assert!(wrong.code() == 1 && wrong.stderr.contains("401: wrong user or password"), "{way}: {}", wrong.stderr);
        drop(device.running);
    }
}

#[test]
fn a_refusal_says_what_the_camera_answered() {
    let device = Device::start(&[]);
    let absent = run("admin", PASSWORD, &[&device.url("third")]);
    assert!(absent.code() == 3 && absent.stderr.contains("it has no such profile, but Sub stream: H264 320x180"), "{}", absent.stderr);
    let mut guest = h5("h5cap", &[&device.url("")]);
    let guest = run_for(guest.env_remove("H5CAP_USER").env_remove("H5CAP_PASSWORD"), b"", PATIENCE);
    assert!(guest.code() == 1 && guest.stderr.contains("401: it asks for a user and a password"), "{}", guest.stderr);
    let closed = run("admin", PASSWORD, &[&format!("onvif://127.0.0.1:{}/", free_port())]);
    assert!(closed.code() == 3 && closed.stderr.contains("connection refused"), "{}", closed.stderr);
    let usage = run("admin", PASSWORD, &["onvif://"]);
    assert!(usage.code() == 4 && usage.stderr.contains("write onvif://HOST/"), "{}", usage.stderr);
}

/// A camera that others have written, with its own RTSP server.
#[test]
fn ipycam_is_found_and_streamed() {
    let dir = TempDir::new();
    let (port, rtsp) = (free_port(), free_port());
    let config = serde_json::json!({
        "name": "Ipycam", "local_ip": "127.0.0.1", "onvif_port": port, "rtsp_port": rtsp, "username": "admin", "password": PASSWORD,
        "main_width": 320, "main_height": 180, "main_fps": 15, "sub_width": 160, "sub_height": 90, "sub_fps": 15, "hw_accel": "cpu",
    });
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let mut command = Command::new(repository("target/python/bin/python"));
    command
        .args(["-m", "ipycam", "--config", "config.json", "--source"])
        .arg(repository("tests/data/bigbuckbunny-3s.mp4"))
        .current_dir(&*dir);
    let _camera = Running::start_with(&mut command, Stdio::null(), Stdio::null());
    for port in [port, rtsp] {
        eventually("ipycam listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    }
    let camera = listed("admin", PASSWORD, port);
    assert_eq!(camera["name"], "Ipycam", "{camera:#}");
    let uris: Vec<&str> = camera["profiles"].as_array().unwrap().iter().filter_map(|profile| profile["uri"].as_str()).collect();
    assert_eq!(uris, ["main", "sub"].map(|name| format!("rtsp://127.0.0.1:{rtsp}/video_{name}")), "{camera:#}");
    assert_eq!(listed("admin", "wrong-s3cret", port)["error"], "401: wrong user or password");
    let done = run("admin", PASSWORD, &[&format!("onvif://127.0.0.1:{port}/"), "--duration", "1", "-v"]).success();
    assert!(done.stdout.len() > 10_000, "{} bytes: {}", done.stdout.len(), done.stderr);
}

/// Servers that answer without end, with nonsense or not at all: one line each, in bounded time.
#[test]
fn hostile_devices() {
    let xml = |body: String| format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}");
    let cases = [
        ("a document type", xml("<!DOCTYPE a [<!ENTITY b 'bbbb'><!ENTITY c '&b;&b;'>]><a>&c;</a>".into())),
        ("depth", xml("<a>".repeat(300_000))),
        ("elements", xml(format!("<a>{}</a>", "<b/>".repeat(250_000)))),
        ("length", xml(" ".repeat(8 << 20))),
        ("a length without bytes", "HTTP/1.1 200 OK\r\nContent-Length: 4294967296\r\n\r\n".into()),
        ("headers", format!("HTTP/1.1 200 OK\r\n{}", "A: b\r\n".repeat(100_000))),
        ("no HTTP", "SSH-2.0-x\r\n".into()),
        ("no address of RTSP", xml("<Media><XAddr>javascript:1</XAddr></Media>".into())),
        ("silence", String::new()),
    ];
    for (what, text) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let text = text.clone();
                kept.push(std::thread::spawn(move || {
                    _ = stream.read(&mut [0; 4096]);
                    _ = stream.write_all(text.as_bytes());
                    if text.is_empty() || text.contains("Content-Length") {
                        _ = stream.read_to_end(&mut Vec::new());
                    }
                }));
            }
        });
        let done = run("admin", PASSWORD, &[&format!("onvif://127.0.0.1:{port}/"), "--timeout", "1"]);
        assert!(matches!(done.code(), 1 | 3 | 4) && done.stderr.lines().count() == 1, "{what}: {} {}", done.code(), done.stderr);
    }
}
