//! The chunk: what a muxer makes, a splitter cuts, and a server keeps and sends.

use crate::media::{Kind, Timestamp, Vectored, WallTime};
use bytes::Bytes;
use std::time::Duration;

/// Boxes up to and with one `mdat`: `prft`, `emsg`, `moof`, `mdat`. Its bytes are `head`, then every piece of `data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// All of it, up to the frames that are in `data`.
    pub head: Bytes,
    /// Frames of a muxer, untouched and not copied; nothing where the chunk is one piece.
    pub data: Vec<Bytes>,
    /// track_ID; `None` where the chunk has several tracks.
    pub track: Option<u32>,
    /// Of the video track where there is one, else of the first track. So are the times and the number of frames.
    pub kind: Kind,
    /// A decoder can start here: the first picture is a sync sample; always so without pictures.
    pub key: bool,
    /// Decode time of the first frame on the presentation time line (edit list taken off, shift added).
    pub start: Timestamp,
    /// Of all its frames together.
    pub duration: Duration,
    /// Number of frames.
    pub frames: u32,
    /// Wall-clock time of capture (`prft`).
    pub captured: Option<WallTime>,
}

impl Chunk {
    /// A JPEG picture: it has no boxes, and a viewer can start at each.
    pub fn picture(picture: Bytes, start: Timestamp, captured: Option<WallTime>) -> Chunk {
        let (track, kind, duration) = (None, Kind::Video, Duration::ZERO);
        Chunk { head: picture, data: Vec::new(), track, kind, key: true, start, duration, frames: 1, captured }
    }

    /// The end of its last frame.
    pub fn end(&self) -> Timestamp {
        self.start.saturating_add(self.duration)
    }

    /// In bytes.
    pub fn size(&self) -> usize {
        self.buffers().map(Bytes::len).sum()
    }
}

impl Vectored for Chunk {
    fn buffers(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.head).chain(&self.data)
    }
}
