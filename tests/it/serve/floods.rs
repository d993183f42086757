use super::abuse::beside_a_viewer_of;
use super::client::{answer, ask, connect, handshake, raw};
use crate::util::{TempDir, eventually, h5, run};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const MANY: usize = 2000;

/// Room for all of these in this program; the server makes its own.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
}

/// As many connections as there is room for; where there is none, the server says so.
fn open(port: u16) -> Vec<TcpStream> {
    (0..MANY).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect()
}

/// A newcomer is answered.
fn room_again(port: u16) {
    eventually("there is room again", || (ask(port, "GET", "/api/streams", &[]).status == 200).then_some(()));
}

/// One byte of a request at a time, and never a whole one.
#[test]
fn two_thousand_slow_requests() {
    allow_many_files();
    beside_a_viewer_of(&["--memory", "64M", "--ring", "16"], |server| {
        let mut connections = open(server.port);
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: xxxxxxxx";
        for byte in request {
            for connection in &mut connections {
                // One that was refused is closed.
                _ = connection.write(&[*byte]);
            }
        }
        // The limit on the time for a head ends them.
        let begun = Instant::now();
        for connection in &mut connections {
            connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            _ = connection.read_to_end(&mut Vec::new());
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "they are held for ever");
        drop(connections);
        room_again(server.port);
    });
}

/// Connections that say nothing, and of which half have ended their side.
#[test]
fn two_thousand_silent_connections() {
    allow_many_files();
    beside_a_viewer_of(&["--memory", "64M", "--ring", "16"], |server| {
        let connections = open(server.port);
        for connection in connections.iter().step_by(2) {
            _ = connection.shutdown(std::net::Shutdown::Write);
        }
        for mut connection in connections {
            connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            _ = connection.read_to_end(&mut Vec::new());
        }
        room_again(server.port);
    });
}

#[test]
fn a_flood_of_handshakes() {
    allow_many_files();
    beside_a_viewer_of(&["--memory", "64M", "--ring", "16"], |server| {
        let mut held = Vec::new();
        for n in 0..MANY {
            let mut stream = connect(server.port);
            // Some are broken, some ask for what is not there, some are viewers that never read.
            let path = ["/api/ws", "/api/ws?src=nothing", "/api/ws?src=%zz"][n % 3];
            _ = stream.write_all(handshake(path).as_bytes());
            _ = stream.write_all(b"\x81\x98\0\0\0\0{\"type\":\"mse\",\"value\":\"\"}");
            if n % 2 == 0 {
                held.push(stream);
            }
        }
        drop(held);
    });
}

/// Passwords are checked elsewhere than viewers are served, few at a time; who tries too often has to wait.
#[test]
fn a_flood_of_logins() {
    let folder = TempDir::new();
    run(h5("h5serve", &["passwd", "users", "ann"]).current_dir(&*folder), b"ann's s3cret").success();
    let users = folder.join("users").display().to_string();
    beside_a_viewer_of(&["--users", &users, "--public"], |server| {
        let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
        for n in 0..MANY {
            let form = format!("name=user{n}&password=wrong&next=%2F");
            let request = format!(
                "POST /api/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n{form}",
                form.len()
            );
            *statuses.entry(answer(&raw(server.port, request.as_bytes())).status).or_default() += 1;
        }
        assert_eq!(statuses.keys().copied().collect::<Vec<_>>(), [401, 429], "{statuses:?}");
        assert!(statuses[&401] < 50, "{statuses:?}");
    });
}
