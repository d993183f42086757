//! What the server needs of who records, as traits that a program fills.

use crate::format::bmff::{RecordedFragment, Snap};
use crate::media::WallTime;
use bytes::Bytes;
use std::fmt::Debug;
use std::fs::File;
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

    /// A place in the recordings of a stream. `None`: it is not known here.
    fn reader(&self, stream: &str) -> Option<Box<dyn RecordingReader>>;
}

/// A place in the recordings of a stream: fragments from a keyframe on, from one recording into the next.
pub trait RecordingReader: Debug + Send {
    /// Goes to a keyframe, which is the next fragment. `false`: there is none, and it stays where it is.
    ///
    /// # Errors
    /// A recording cannot be read.
    fn seek(&mut self, time: WallTime, snap: Snap) -> io::Result<bool>;

    /// The next fragment. `None`: there is no more, for now.
    ///
    /// # Errors
    /// A recording cannot be read. The next call goes on behind it.
    fn next(&mut self) -> io::Result<Option<RecordedFragment>>;
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

    /// Which file has what stands there, where in it, and how many bytes follow there, at least one. `None`: no file has it, but it can be read.
    fn run(&self, at: u64) -> Option<(&File, u64, u64)>;
}
