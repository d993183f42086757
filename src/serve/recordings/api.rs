//! What the server needs of who records, as traits that a program fills.

use crate::media::WallTime;
use bytes::Bytes;
use std::fmt::Debug;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Recordings of streams. Its calls may wait for a disk, and are not made by a thread that serves viewers.
pub trait Recordings: Debug + Send + Sync {
    /// What there is of a stream in this time. `None`: it is not known here.
    fn timeline(&self, stream: &str, from: WallTime, to: WallTime) -> Option<Timeline>;

    /// What was captured between these two, as one file. `None`: nothing was recorded of it.
    ///
    /// # Errors
    /// It cannot be read.
    fn clip(&self, stream: &str, from: WallTime, to: WallTime) -> io::Result<Option<Arc<dyn RecordedClip>>>;
}

/// What there is of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Apart from each other, the oldest first; not more than some thousand.
    pub spans: Vec<RecordedSpan>,
    /// It is being recorded.
    pub recording: bool,
    /// Why it is not, although it should be.
    pub trouble: Option<String>,
}

/// Time of which all was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedSpan {
    /// When it begins,
    pub from: WallTime,
    /// and when it ends.
    pub to: WallTime,
    /// In bytes.
    pub bytes: u64,
    /// So many files.
    pub files: usize,
}

/// A clip: an MP4 file that is put together as it is read.
pub trait RecordedClip: Debug + Send + Sync {
    /// In bytes.
    fn size(&self) -> u64;

    /// All of it up to the media data: another clip has another.
    fn head(&self) -> &Bytes;

    /// When it begins and ends.
    fn time(&self) -> (WallTime, WallTime);

    /// These bytes of it, or the first of them, `most` at most.
    ///
    /// # Errors
    /// They cannot be read.
    fn read(&self, range: Range<u64>, most: usize) -> io::Result<Bytes>;
}
