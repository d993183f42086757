//! What recordings are read by: which keyframe a seek goes to, and the fragments that follow it.

use crate::media::WallTime;
use bytes::Bytes;

/// To which keyframe a seek snaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snap {
    /// From which on the time can be shown: the last one before it or, where nothing was recorded then, the first behind it.
    Covering,
    /// The first at this time or behind it.
    After,
    /// The last at this time or before it.
    Before,
}

/// A fragment of a recording.
#[derive(Clone, Debug)]
pub struct RecordedFragment {
    /// ftyp and moov of its recording.
    pub init: Bytes,
    /// When the recording begins: time zero of its presentation.
    pub zero: WallTime,
    /// `moof` and `mdat`, as they were published.
    pub bytes: Bytes,
}
