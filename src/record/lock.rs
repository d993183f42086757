//! One program at a time records into a folder.

use rustix::fs::FlockOperation;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Held by the program that records. The system lets go of it when that ends, however it ends.
const FILE: &str = ".lock";

/// The right to record into a folder, as long as it is there.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// The folder is made if it is not there.
    ///
    /// # Errors
    /// It cannot be written to, or another program records into it.
    pub fn take(folder: &Path) -> io::Result<Lock> {
        fs::create_dir_all(folder)?;
        let file = File::create(folder.join(FILE))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "another program records into this folder"))
            }
            outcome => outcome.map(|()| Lock { _file: file }).map_err(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = std::env::temp_dir().join(format!("h5live-lock-{}", std::process::id()));
        let first = Lock::take(&folder).unwrap();
        assert_eq!(Lock::take(&folder).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        drop(Lock::take(&folder).unwrap());
        fs::remove_dir_all(folder).unwrap();
    }
}
