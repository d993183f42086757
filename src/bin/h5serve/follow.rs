//! Files that may change while the program runs: each is looked at four times a second.

use h5live::cli;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often it is looked whether a file has changed.
const EVERY: Duration = Duration::from_millis(250);
/// No file is read further; a users file of so many bytes says itself that it is too large.
const MAX_FILE: u64 = (1 << 20) + 1;

/// What tells one version of a file from another: device, inode, size and time.
type Version = Option<(u64, u64, u64, i64, i64)>;

/// Calls `take` when one of the files has changed and none is being written any more, in a thread of its own, until the stop. `take` reads them, and
/// says why if it cannot use them. `what`: whose files they are.
pub fn follow(what: &'static str, files: Vec<PathBuf>, cx: &cli::Context, take: impl Fn() + Send + 'static) {
    if files.is_empty() {
        return;
    }
    let (stop, mut known) = (cx.stop.clone(), versions(&files));
    let follow = move || {
        // What changed between the first reading and now is read once more.
        stop.wait_for(EVERY);
        take();
        let mut before = known.clone();
        while !stop.wait_for(EVERY) {
            // Taken before the files are read: a change while they are is seen the next time.
            let now = versions(&files);
            if now != known && now == before {
                take();
                tracing::info!("the files of {what} have changed");
                known.clone_from(&now);
            }
            before = now;
        }
    };
    if let Err(error) = std::thread::Builder::new().name(what.into()).spawn(follow) {
        tracing::warn!("changes of the files of {what} will not be noticed: {error}");
    }
}

fn versions(files: &[PathBuf]) -> Vec<Version> {
    let version = |path: &PathBuf| fs::metadata(path).ok().map(|m| (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec()));
    files.iter().map(version).collect()
}

/// What is in a file.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(bytes)
}
