//! What the server gives up at its start. The programs of the tests have routes on the control endpoint that try to get out (`src/bin/h5serve/sandbox.rs`).

use super::Server;
use super::studio::Studio;
use crate::util::{TempDir, eventually, free_port, h5, http, run};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// What each try comes to: a file of the system, a file beside the inputs, one that would be made there, a shell, a connection.
fn tries(args: &[&str], folder: &Path) -> [String; 5] {
    let control = free_port();
    let input = folder.join("film.mp4").display().to_string();
    let server = Server::start(&[&["--control", &control.to_string(), "--on-eof", "wait", &input], args].concat());
    let try_to = |what: &str, body: &str| {
        let (status, answer) = http(control, "POST", &format!("/escape/{what}"), body.as_bytes());
        assert_eq!(status, 200, "{what}: {answer}");
        answer.trim_end().to_owned()
    };
    let inside = |name: &str| folder.join(name).display().to_string();
    [
        try_to("read", "/etc/passwd"),
        try_to("read", &inside("film.mp4")),
        try_to("write", &inside("new")),
        try_to("shell", "true"),
        try_to("connect", &format!("127.0.0.1:{}", server.port)),
    ]
}

fn film() -> TempDir {
    let folder = TempDir::new();
    let mut studio = Studio::new(30, 1000);
    fs::write(folder.join("film.mp4"), [studio.init(), studio.picture(), studio.picture()].concat()).unwrap();
    folder
}

#[test]
fn no_way_out() {
    let folder = film();
    let refused = "permission denied";
    assert_eq!(tries(&[], &folder), [refused, "done", refused, refused, refused]);
    assert!(!folder.join("new").exists());
    // The tries are no duds.
    assert_eq!(tries(&["--no-sandbox"], &folder), ["done"; 5]);
}

/// Run by root, as the tests of CI are.
#[test]
fn root_becomes_another_user() {
    let folder = film();
    let input = folder.join("film.mp4").display().to_string();
    if !rustix::process::geteuid().is_root() {
        let refused = run(&mut h5("h5serve", &["--listen", "127.0.0.1:0", "--user", "root", &input]), b"");
        assert!(refused.code() == 2 && refused.stderr.contains("only root can become another user"), "{}", refused.stderr);
        return;
    }
    fs::set_permissions(&*folder, fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start(&["--user", "nobody", "--on-eof", "wait", &input]);
    eventually("the film was read", || (server.streams()["film"]["type"] == "mse").then_some(()));
    let tasks = fs::read_dir(format!("/proc/{}/task", server.process.id())).unwrap();
    let nobody = fs::metadata(format!("/proc/{}", server.process.id())).unwrap().uid();
    assert_ne!(nobody, 0);
    for task in tasks {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let ids = |field: &str| {
            status.lines().find_map(|line| line.strip_prefix(field)).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(ids("Uid:"), vec![nobody.to_string(); 4], "each thread");
        assert!(!ids("Groups:").contains(&"0".to_owned()) && !ids("Gid:").contains(&"0".to_owned()), "{status}");
        assert_eq!(ids("NoNewPrivs:"), ["1"]);
    }
    let wrong = run(&mut h5("h5serve", &["--listen", "127.0.0.1:0", "--user", "no-such-user", &input]), b"");
    assert!(wrong.code() == 2 && wrong.stderr.contains("there is no user no-such-user"), "{}", wrong.stderr);
}
