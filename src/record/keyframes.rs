//! The keyframes of a recording, and where its media ends: of one that is being written as they are known, else by its table, else by reading it through.

use super::catalogue::Lease;
use super::disk::ReadAt;
use super::scan;
use crate::format::bmff::SyncPoint;
use std::io;
use std::time::Duration;

/// What a recording can be cut by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keyframes {
    /// In the order of the file.
    pub keys: Vec<SyncPoint>,
    /// Where the last fragment that is whole ends, in bytes.
    pub end: u64,
    /// So much of the main track is before that.
    pub duration: Duration,
}

/// `None`: the file is no recording.
pub fn keyframes(file: &dyn ReadAt, lease: &Lease) -> io::Result<Option<Keyframes>> {
    let duration = lease.recording.duration;
    if let Some(keys) = &lease.keys {
        return Ok(Some(Keyframes { keys: keys.clone(), end: lease.recording.size, duration }));
    }
    if let Some((end, _, keys)) = scan::table(file)? {
        return Ok(Some(Keyframes { keys, end, duration }));
    }
    Ok(scan::scan(file)?.map(|scanned| Keyframes { keys: scanned.keys, end: scanned.whole, duration: scanned.duration }))
}
