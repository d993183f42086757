//! The limits of the server: for late viewers, and for connections as far as the system has room for them.

use rustix::process::{Resource, getrlimit};
use std::io;
use std::time::Duration;

/// Descriptors that connections leave to the rest of the program, and to each stream: its input is opened again and again.
const OTHER_FILES: u64 = 16;
const FILES_OF_A_STREAM: u64 = 6;

/// The limits for late viewers.
#[derive(Clone, Copy, Debug)]
pub struct ViewerLimits {
    /// Further behind than this, it jumps to a newer keyframe.
    pub lag: Duration,
    /// Having taken nothing for so long, it is closed.
    pub stall: Duration,
}

/// How many connections the limit on open files leaves room for, as things are now, if `more` files are about to be opened.
///
/// # Errors
/// Not for a single one.
pub(crate) fn room(streams: usize, more: usize) -> io::Result<usize> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Where that cannot be seen, nothing else is open.
    let open = std::fs::read_dir("/dev/fd").map_or(0, |files| files.count() as u64);
    let others = open + more as u64 + OTHER_FILES + FILES_OF_A_STREAM * streams as u64;
    match limit.saturating_sub(others) {
        0 => Err(io::Error::other(format!("only {limit} open files are allowed, and more than {others} are needed: see ulimit -n"))),
        room => Ok(usize::try_from(room).unwrap_or(usize::MAX)),
    }
}
