//! The wall clock is set while a stream runs: what is told of capture times is right again at once, and media time goes on as before.

use crate::util::{PATIENCE, Running, TempDir, path_with_programs};
use bytes::BytesMut;
use h5live::format::bmff::{Chunk, Split, Splitter};
use h5live::media::WallTime;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;
/// Frames are 100 ms apart.
const FRAME: i64 = SECOND / 10;

/// Debian's package faketime; the variant for programs with threads.
pub fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path().join("faketime"));
    let places = folders.chain(["/usr/lib64/faketime".into(), "/usr/lib/faketime".into()]);
    let found = places.map(|folder| folder.join("libfaketimeMT.so.1")).find(|file| file.exists());
    found.expect("libfaketimeMT.so.1 is not there: install faketime")
}

/// A wall clock for some programs, which a test can set. The monotonic clock is left alone.
struct Clock(PathBuf);

impl Clock {
    fn new(dir: &Path) -> Clock {
        let clock = Clock(dir.join("clock"));
        clock.set("+0");
        clock
    }

    /// As faketime(1) has it: `+1h`.
    fn set(&self, to: &str) {
        // A program may read it at any time: it is never half written.
        let new = self.0.with_extension("new");
        fs::write(&new, format!("{to}\n")).unwrap();
        fs::rename(&new, &self.0).unwrap();
    }

    /// Before a program's name on a command line.
    fn prefix(&self) -> String {
        let (library, file) = (faketime().display().to_string(), self.0.display());
        format!(
            "env LD_PRELOAD={library} FAKETIME_TIMESTAMP_FILE={file} FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1"
        )
    }
}

/// The chunks of a pipeline that ends with h5mux.
struct Chunks {
    _pipeline: Running,
    stdout: Box<dyn Read>,
    splitter: Splitter,
    buf: BytesMut,
}

impl Chunks {
    fn of(line: &str) -> Chunks {
        let mut command = Command::new("bash");
        command.args(["-c", line]).env("PATH", path_with_programs());
        let mut pipeline = Running::start(&mut command);
        Chunks { stdout: Box::new(pipeline.stdout()), _pipeline: pipeline, splitter: Splitter::default(), buf: BytesMut::new() }
    }

    /// The next chunk that tells its capture time, and by how much its wall clock is ahead of its media time.
    fn next(&mut self) -> (Chunk, i64) {
        loop {
            match self.splitter.next(&mut self.buf, false).unwrap() {
                Split::Chunk(chunk) => {
                    if let Some(WallTime(wall)) = chunk.captured {
                        let ahead = wall - chunk.start.micros();
                        return (chunk, ahead);
                    }
                }
                Split::Init(_) => {}
                _ => {
                    let mut piece = [0; 4096];
                    let n = self.stdout.read(&mut piece).unwrap();
                    assert!(n > 0, "the pipeline has ended");
                    self.buf.extend_from_slice(&piece[..n]);
                }
            }
        }
    }

    /// Reads on until the wall clock is ahead of media time by `by` more than it was at `before`, to a tenth of a second. No time between
    /// is another, and media time neither jumps nor steps back.
    fn until_moved(&mut self, before: i64, by: i64) -> i64 {
        let (start, mut last) = (Instant::now(), None);
        loop {
            assert!(start.elapsed() < PATIENCE, "capture times have not moved by {by} µs");
            let (chunk, ahead) = self.next();
            let step = last.map_or(FRAME, |last| chunk.start - last);
            assert!((FRAME / 2..5 * FRAME).contains(&step), "media time went on by {step} µs");
            last = Some(chunk.start);
            if (ahead - before - by).abs() < SECOND / 10 {
                return ahead;
            }
            assert!((ahead - before).abs() < SECOND / 10, "neither the old clock nor the new one: {} µs", ahead - before);
        }
    }

    /// The next two seconds have the same clock.
    fn stays(&mut self, before: i64) {
        for _ in 0..20 {
            let (_, ahead) = self.next();
            assert!((ahead - before).abs() < SECOND / 10, "moved by {} µs", ahead - before);
        }
    }
}

const CAP: &str = "h5cap test --size 64x36 --rate 10 --no-audio";

#[test]
fn capture_times_follow_the_clock_of_the_camera() {
    let dir = TempDir::new();
    let clock = Clock::new(&dir);
    // Whatever clock the other machines have: the camera's is what counts.
    for rest in ["h5enc | h5mux".to_owned(), format!("{0} h5enc | {0} h5mux", clock.prefix())] {
        clock.set("+0");
        let mut chunks = Chunks::of(&format!("{} {CAP} | {rest}", clock.prefix()));
        let mut ahead = chunks.next().1;
        for (to, by) in [("+1h", HOUR), ("+0", -HOUR), ("-1h", -HOUR)] {
            clock.set(to);
            ahead = chunks.until_moved(ahead, by);
        }
    }
}

#[test]
fn the_clock_of_another_machine_moves_no_capture_time() {
    let dir = TempDir::new();
    let clock = Clock::new(&dir);
    let mut chunks = Chunks::of(&format!("{CAP} | {0} h5enc | {0} h5mux", clock.prefix()));
    let ahead = chunks.next().1;
    clock.set("+1h");
    chunks.stays(ahead);
}

#[test]
fn where_nobody_tells_time_zero_it_is_that_of_h5mux() {
    let dir = TempDir::new();
    let clock = Clock::new(&dir);
    let ffmpeg = "ffmpeg -v error -re -f lavfi -i testsrc=size=64x36:rate=10 -pix_fmt yuv420p -c:v libx264 -tune zerolatency";
    for (coded, live) in [("-f matroska -cluster_time_limit 0", ""), ("-f h264", "--live")] {
        clock.set("+0");
        let mut chunks = Chunks::of(&format!("{ffmpeg} {coded} -flush_packets 1 - | {} h5mux {live}", clock.prefix()));
        let ahead = chunks.next().1;
        clock.set("-1h");
        chunks.until_moved(ahead, -HOUR);
    }
}
