//! What the server needs of who records, as traits that a program fills.

use crate::format::bmff::{RecordedFragment, Snap};
use crate::media::WallTime;
use bytes::Bytes;
use serde_json::Value;
use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Recordings of streams. Its calls may wait for a disk, and are not made by a thread that serves viewers.
pub trait Recordings: Debug + Send + Sync {
    /// There is something of a stream. This is known from memory, without a disk.
    fn has(&self, stream: &str) -> bool;

    /// What there is of a stream in this time. `None`: it is not known here.
    fn timeline(&self, stream: &str, from: WallTime, to: WallTime) -> Option<Timeline>;

    /// What was captured between these two, as one file. `None`: nothing was recorded of it.
    ///
    /// # Errors
    /// It cannot be read.
    fn clip(&self, stream: &str, from: WallTime, to: WallTime) -> io::Result<Option<Arc<dyn RecordedClip>>>;

    /// The files that have something of this time, the oldest first. `None`: the stream is not known here.
    fn files(&self, stream: &str, from: WallTime, to: WallTime) -> Option<Vec<RecordedFile>>;

    /// One of them as it stands. `None`: there is none; likewise below.
    ///
    /// # Errors
    /// It cannot be read; likewise below.
    fn file(&self, stream: &str, day: &str, name: &str) -> io::Result<Option<Arc<dyn RecordedClip>>>;

    /// The init segment that its fragments need, for players that know when they begin.
    ///
    /// # Errors
    /// As above.
    fn init(&self, stream: &str, day: &str, name: &str) -> io::Result<Option<Bytes>>;

    /// The files of this time, cut at keyframes into segments of at least this length. `settled`: of a file that is being written only those that stay as they are.
    ///
    /// # Errors
    /// As above, or there are too many.
    fn segments(&self, stream: &str, time: (WallTime, WallTime), length: Duration, settled: bool) -> io::Result<Vec<SegmentedFile>>;

    /// Some of them one behind the other, as one file. `None`: nothing was recorded of it.
    ///
    /// # Errors
    /// As above.
    fn joined(&self, stream: &str, joining: Joining) -> io::Result<Option<JoinedFile>>;

    /// Whether a stream is to be recorded now, and is, as JSON for a client. This is known without a disk. `None`: no stream of this name is published here.
    fn switch(&self, stream: &str) -> Option<Value>;

    /// Changes that, without a disk too. `change`: JSON as the client sent it.
    ///
    /// # Errors
    /// It is not understood, or no stream of this name is published here.
    fn set_switch(&self, stream: &str, change: &[u8]) -> Result<(), RecordSwitchError>;

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

/// Why it is not changed whether a stream is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordSwitchError {
    /// No stream of this name is published here.
    UnknownStream,
    /// The change is not understood; why, for people.
    NotUnderstood(String),
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

/// A file of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedFile {
    /// Of its folder: a date, by UTC.
    pub day: String,
    /// In the folder.
    pub name: String,
    /// When it begins,
    pub from: WallTime,
    /// and when it ends.
    pub to: WallTime,
    /// In bytes.
    pub bytes: u64,
    /// It is being written.
    pub open: bool,
}

/// A file, and what of it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentedFile {
    /// Which it is.
    pub file: RecordedFile,
    /// Where each segment stands, in bytes, when it begins in the file, and how long it is. At least one.
    pub segments: Vec<(Range<u64>, Duration, Duration)>,
}

/// What is to be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joining {
    /// Of this time
    pub from: WallTime,
    /// up to this one.
    pub to: WallTime,
    /// Files are cut at the keyframes before `from` and behind `to`. Otherwise those that begin in this time are taken whole.
    pub cut: bool,
    /// Where nothing was recorded the file has nothing for as long. Otherwise it goes on at once.
    pub keep_gaps: bool,
}

/// Files that were joined.
#[derive(Clone, Debug)]
pub struct JoinedFile {
    /// All of it.
    pub file: Arc<dyn RecordedClip>,
    /// When what has other tracks begins, which is not in it.
    pub next: Option<WallTime>,
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
    fn run(&self, at: u64) -> Option<(Arc<File>, u64, u64)>;
}
