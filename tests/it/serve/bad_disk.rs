//! h5serve --record on a disk that is full, or fails. The disk in memory of the unit tests fails in more ways. Here it is a real one, and live is watched
//! meanwhile.

use super::client::Ws;
use super::record::{packets, pictures, recordings};
use super::studio::{Studio, number};
use super::{Server, feed};
use crate::util::{PATIENCE, Running, TempDir, free_port, http, repository};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A file system of this size, if the test may mount one.
struct Tmpfs(TempDir);

impl Tmpfs {
    fn mount(size: &str) -> Option<Tmpfs> {
        let dir = TempDir::new();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&*dir).output();
        mounted.is_ok_and(|done| done.status.success()).then_some(Tmpfs(dir))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("-l").arg(&*self.0).output();
    }
}

/// A file system that fails as long as there is a file `flag`.
struct FailingFilesystem {
    dir: TempDir,
    _process: Running,
}

impl FailingFilesystem {
    /// `None`: there is no FUSE, or the test may not mount.
    fn mount() -> Option<FailingFilesystem> {
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
        Some(FailingFilesystem { dir, _process: process })
    }
}

impl Drop for FailingFilesystem {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("-l").arg(self.dir.join("mounted")).output();
    }
}

/// A stream that is recorded, and that somebody watches.
struct RecordedStream {
    server: Server,
    /// Of the control endpoint.
    control: u16,
    stdin: Box<dyn Write>,
    studio: Studio,
    viewer: Ws,
    /// Numbers of the pictures that the viewer got.
    seen: BTreeSet<u64>,
}

impl RecordedStream {
    fn recorded_to(folder: &Path) -> RecordedStream {
        let control = free_port();
        let args = ["--record", folder.to_str().unwrap(), "--record-segment", "1s", "--control", &control.to_string()];
        let mut server = Server::start(&args);
        let (mut stdin, mut studio) = (server.process.stdin(), Studio::new(10, 2000));
        feed(&mut stdin, &[studio.init(), studio.picture()].concat());
        let viewer = Ws::viewer(server.port, "live");
        let mut live = RecordedStream { server, control, stdin: Box::new(stdin), studio, viewer, seen: BTreeSet::new() };
        live.play_until("it is recorded", &|live| live.is_recorded(1));
        live
    }

    fn play_until(&mut self, what: &str, until: &dyn Fn(&RecordedStream) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !until(self) {
            assert!(Instant::now() < end, "{what}: {}", self.server.process.stderr());
            feed(&mut self.stdin, &self.studio.picture());
            std::thread::sleep(Duration::from_millis(5));
            while self.seen.last() != Some(&(self.studio.pictures() - 1)) {
                self.seen.extend(number(&self.viewer.binary()));
            }
        }
    }

    fn play_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        self.play_until("time goes by", &|_| Instant::now() > end);
    }

    fn health(&self) -> (u16, String) {
        http(self.control, "GET", "/healthz", b"")
    }

    fn is_recorded(&self, yes: u8) -> bool {
        http(self.control, "GET", "/metrics", b"").1.contains(&format!("h5serve_recording{{stream=\"live\"}} {yes}"))
    }

    /// The viewer has lost nothing, and the log has said so many times that the stream is not recorded, and that it is again.
    fn end(self, times: usize) {
        assert!(self.seen.iter().copied().eq(*self.seen.first().unwrap()..self.studio.pictures()), "live lost a frame");
        let said = self.server.process.stderr();
        assert_eq!(said.matches("is not recorded").count(), times, "{said}");
        assert_eq!(said.matches("is recorded again").count(), times, "{said}");
        drop(self.stdin);
        assert_eq!(self.server.process.finish(PATIENCE).code(), 0);
    }
}

#[test]
fn a_full_disk_stops_no_viewer() {
    let Some(small) = Tmpfs::mount("4m") else { return println!("no file system can be mounted here") };
    let folder = small.0.join("recordings");
    let mut live = RecordedStream::recorded_to(&folder);
    live.play_until("the disk is full", &|live| live.health().0 == 503);
    assert!(live.health().1.contains("live: is not recorded"), "{}", live.health().1);
    let full = recordings(&folder);
    live.play_for(Duration::from_secs(5));
    // Room is made: recording goes on by itself.
    full.iter().for_each(|file| fs::remove_file(file).unwrap());
    live.play_until("it is recorded again", &|live| live.health().0 == 200 && live.is_recorded(1));
    live.end(1);
    for file in recordings(&folder) {
        let found = pictures(&file);
        assert!(!found.is_empty() && found.windows(2).all(|two| two[0] + 1 == two[1]), "{}: {found:?}", file.display());
        assert_eq!(packets(&file, "v", "pts").len(), found.len());
    }
}

#[test]
fn a_failing_disk_stops_no_viewer() {
    let Some(disk) = FailingFilesystem::mount() else { return println!("no file system of FUSE can be mounted here") };
    let flag = disk.dir.join("flag");
    let mut live = RecordedStream::recorded_to(&disk.dir.join("mounted/recordings"));
    for _ in 0..2 {
        fs::write(&flag, "").unwrap();
        live.play_until("it is not recorded", &|live| live.health().0 == 503 && live.is_recorded(0));
        // It is tried again, in vain.
        live.play_for(Duration::from_secs(3));
        fs::remove_file(&flag).unwrap();
        live.play_until("it is recorded again", &|live| live.health().0 == 200 && live.is_recorded(1));
    }
    live.end(2);
    // What was recorded opens, whatever has failed in it.
    let recordings = recordings(&disk.dir.join("disk/recordings"));
    assert!(recordings.len() >= 3, "{recordings:?}");
    recordings.iter().for_each(|file| _ = packets(file, "v", "pts"));
}
