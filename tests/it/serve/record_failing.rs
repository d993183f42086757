//! h5serve --record on a disk that fails: a file system of FUSE that answers with EIO for a while.

use super::client::Ws;
use super::studio::{Studio, number};
use super::{Server, feed};
use crate::util::{PATIENCE, Running, TempDir, eventually, free_port, http, repository};
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A file system that fails as long as there is a file `flag`.
struct Failing {
    dir: TempDir,
    _process: Running,
}

impl Failing {
    /// `None`: there is no FUSE, or the test may not mount.
    fn mount() -> Option<Failing> {
        let python = repository("target/python/bin/python");
        let has_fuse = Command::new(&python).args(["-c", "import mfusepy"]).output().is_ok_and(|done| done.status.success());
        if !has_fuse || fs::File::open("/dev/fuse").is_err() {
            return None;
        }
        let dir = TempDir::new();
        fs::create_dir(dir.join("disk")).unwrap();
        fs::create_dir(dir.join("mounted")).unwrap();
        let mut command = Command::new(python);
        command.arg(repository("tests/it/serve/failing_disk.py")).args([dir.join("disk"), dir.join("mounted"), dir.join("flag")]);
        let mut process = Running::start_with(&mut command, Stdio::null(), Stdio::null());
        let is_mounted = || fs::read_to_string("/proc/mounts").unwrap().contains(dir.join("mounted").to_str().unwrap());
        let begun = Instant::now();
        while !is_mounted() {
            if !process.is_running() || begun.elapsed() > PATIENCE {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Failing { dir, _process: process })
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("-l").arg(self.dir.join("mounted")).output();
    }
}

#[test]
fn a_failing_disk_stops_no_viewer() {
    let Some(disk) = Failing::mount() else { return println!("no file system of FUSE can be mounted here") };
    let (folder, flag, port) = (disk.dir.join("mounted/recordings"), disk.dir.join("flag"), free_port());
    let args = ["--record", folder.to_str().unwrap(), "--record-segment", "1s", "--control", &port.to_string()];
    let mut server = Server::start(&args);
    let (mut stdin, mut studio) = (server.process.stdin(), Studio::new(10, 2000));
    feed(&mut stdin, &[studio.init(), studio.picture()].concat());
    let mut viewer = Ws::viewer(server.port, "live");
    let mut seen = BTreeSet::new();
    let mut play_until = |what: &str, until: &dyn Fn() -> bool| {
        let end = Instant::now() + PATIENCE;
        while !until() {
            assert!(Instant::now() < end, "{what}: {}", server.process.stderr());
            feed(&mut stdin, &studio.picture());
            std::thread::sleep(Duration::from_millis(10));
            while seen.last() != Some(&(studio.pictures() - 1)) {
                seen.extend(number(&viewer.binary()));
            }
        }
        studio.pictures()
    };
    let health = || http(port, "GET", "/healthz", b"").0;
    let is_recorded = |yes: u8| http(port, "GET", "/metrics", b"").1.contains(&format!("h5serve_recording{{stream=\"live\"}} {yes}"));
    play_until("it is recorded", &|| is_recorded(1));
    for _ in 0..2 {
        fs::write(&flag, "").unwrap();
        play_until("it is not recorded", &|| health() == 503 && is_recorded(0));
        // It is tried again, in vain.
        let until = Instant::now() + Duration::from_secs(3);
        play_until("time goes by", &|| Instant::now() > until);
        fs::remove_file(&flag).unwrap();
        play_until("it is recorded again", &|| health() == 200 && is_recorded(1));
    }
    let fed = play_until("a moment", &|| true);
    assert!(seen.iter().copied().eq(*seen.first().unwrap()..fed), "live lost a frame");
    let said = server.process.stderr();
    assert_eq!(said.matches("is not recorded").count(), 2, "{said}");
    assert_eq!(said.matches("is recorded again").count(), 2, "{said}");
    drop(stdin);
    assert_eq!(server.process.finish(PATIENCE).code(), 0);
    // What was recorded opens, whatever has failed in it.
    let days = fs::read_dir(disk.dir.join("disk/recordings/live")).unwrap();
    let files = days.flat_map(|day| fs::read_dir(day.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    let recordings: Vec<_> = files.filter(|file| file.extension().is_some_and(|end| end == "mp4")).collect();
    assert!(recordings.len() >= 3, "{recordings:?}");
    for file in recordings {
        let probed =
            Command::new("ffprobe").args(["-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets"]).arg(&file).output();
        let probed = eventually("ffprobe", || probed.as_ref().ok());
        assert!(probed.status.success(), "{}", file.display());
    }
}
