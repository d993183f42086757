//! HLS as files: into a folder, and by HTTP PUT.

/// Folders: while a stream runs, after it, and where the disk is full.
mod folder;
/// Servers that take files, and go away.
mod put;

use crate::util::{PATIENCE, Running, eventually, h5};
use h5live::format::hls::checker::{Checker, read};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Instant;

/// Segments of a second, four in a playlist.
pub const SHORT: [&str; 4] = ["--segment", "1", "--hls-window", "4"];

/// A live camera, and an h5mux that makes files of it. What that writes to stdout is counted.
pub struct Live {
    camera: Option<Running>,
    _encoder: Running,
    pub mux: Running,
    /// Bytes on stdout.
    pub written: Arc<AtomicU64>,
}

impl Live {
    pub fn start(mux: &mut std::process::Command) -> Live {
        let mut camera = Running::start(&mut h5("h5cap", &["test", "--size", "320x180", "--rate", "15"]));
        let mut encoder = Running::start(&mut h5("h5enc", &[]));
        let mut mux = Running::start(mux);
        connect(camera.stdout(), encoder.stdin());
        connect(encoder.stdout(), mux.stdin());
        let (written, mut stdout) = (Arc::<AtomicU64>::default(), mux.stdout());
        let count = written.clone();
        std::thread::spawn(move || {
            let mut piece = [0; 65536];
            while let Ok(n @ 1..) = stdout.read(&mut piece) {
                count.fetch_add(n as u64, SeqCst);
            }
        });
        Live { camera: Some(camera), _encoder: encoder, mux, written }
    }

    /// The stream goes on: half a second of it.
    #[track_caller]
    pub fn goes_on(&self) {
        let before = self.written.load(SeqCst);
        eventually("stdout goes on", || (self.written.load(SeqCst) > before + 20_000).then_some(()));
    }

    /// The camera ends, and with it the stream. What h5mux said.
    pub fn end(mut self) -> String {
        drop(self.camera.take());
        self.mux.finish(PATIENCE).success().stderr
    }
}

fn connect(mut from: impl Read + Send + 'static, mut to: impl std::io::Write + Send + 'static) {
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
}

/// Reads playlists again and again as a player does: their rules hold, and what they name is there.
pub struct Player {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Player {
    /// `get`: the bytes of a file; `None`: it is not there.
    pub fn start(get: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> Player {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut checkers = [Checker::default(), Checker::default()];
            checkers.iter_mut().for_each(|checker| checker.may_be_away = true);
            let mut seen = 0;
            while !stopped.load(SeqCst) {
                for (checker, name) in checkers.iter_mut().zip(["video.m3u8", "audio.m3u8"]) {
                    // A server that is away gives nothing.
                    let Some(text) = get(name) else { continue };
                    let text = String::from_utf8(text).unwrap();
                    let list = checker.next(&text).unwrap();
                    let segments = list.segments.iter().filter(|segment| !segment.gap);
                    let missing = segments.flat_map(|segment| [segment.uri.clone(), Some(segment.map.clone())]).flatten();
                    // Asked twice: a server may just have come back.
                    let missing: Vec<_> = missing.filter(|uri| get(uri).is_none() && get(uri).is_none()).collect();
                    // It is away, or goes away meanwhile.
                    assert!(missing.is_empty() || get(name).is_none(), "{name} names {missing:?}, which is not there:\n{text}");
                    seen += 1;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            seen
        });
        Player { stop, thread }
    }

    /// How many playlists it has read.
    pub fn stop(self) -> usize {
        self.stop.store(true, SeqCst);
        self.thread.join().unwrap()
    }
}

/// The newest segment that a playlist in a folder has: its number.
pub fn newest(folder: &Path, playlist: &str) -> Option<u64> {
    let list = read(&std::fs::read_to_string(folder.join(playlist)).ok()?).ok()?;
    Some(list.sequence + list.segments.len() as u64)
}

/// So many more segments are there.
#[track_caller]
pub fn more_segments(folder: &Path, count: u64) {
    let before = eventually("a playlist", || newest(folder, "video.m3u8"));
    let begun = Instant::now();
    while newest(folder, "video.m3u8").is_none_or(|now| now < before + count) {
        assert!(begun.elapsed() < PATIENCE, "no segment more than {before}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
