//! Container syntax, pure: bytes in, events out, and back. No I/O, no clock.
//!
//! Every reader of a format is a [`Demuxer`]; one format, one file.

pub mod adts;
pub mod annexb;
pub mod bmff;
pub mod byte_stream;
mod coded_frame;
pub(crate) mod ebml;
pub mod flv;
mod frames;
mod header_gate;
pub mod hls;
pub mod mjpeg;
pub mod mkv;
pub mod mp3;
pub mod mpegts;
mod nal_codec;
pub mod nut;
mod pcm;
mod simple;
pub(crate) mod tags;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod timing;
mod unwrap;
pub mod wav;
pub mod y4m;

pub use coded_frame::CodedFrame;
pub use timing::{FrameTimes, SampleTimes, Timing};

use crate::media::{Event, Malformed, OmittedTrack, Timestamp};
use bytes::BytesMut;

/// Turns bytes into events. The contract:
///
/// - The caller appends input to `buf` and calls [`Demuxer::next`] until it says [`Step::Need`]; the demuxer takes what it
///   has used off the front of `buf` (`split_to(n).freeze()`: payloads are not copied) and leaves the rest.
/// - `Need(n)` means: call again when `buf` holds at least `n` bytes, counted from its present front, or at the end of the
///   input. `n` is exact where the length is known (a whole frame), so that the caller can read straight into place;
///   it is always more than `buf` holds and never more than the demuxer's own bound.
/// - `Skip(n)`: the next `n` bytes are of no interest and `buf` is empty; the caller may pass over them unread.
/// - The events do not depend on how the input was cut.
/// - With `eof`, no more input will come: the demuxer gives out what it still holds, then `End`. A last element cut short
///   is dropped and counted in [`Demuxer::damage`], as when a writer was killed.
/// - `now` is the arrival time of the newest byte in stream time; only a demuxer that times by arrival looks at it.
pub trait Demuxer: Send {
    /// The next step. See the contract above.
    fn next(&mut self, buf: &mut BytesMut, eof: bool, now: Timestamp) -> Result<Step, Malformed>;

    /// How many elements were damaged and skipped so far.
    fn damage(&self) -> u64 {
        0
    }

    /// The tracks that are left out and were not given out by this function before. They are complete when a header is given out, but
    /// for those of formats that name their tracks only as they come.
    fn omitted(&mut self) -> Vec<OmittedTrack> {
        Vec::new()
    }
}

/// No raw picture is larger, in bytes: 8K with four bytes a pixel takes half of it.
pub const MAX_PICTURE: usize = 256 << 20;

/// What a [`Demuxer`] says.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// This came next.
    Event(Event),
    /// So many bytes are needed in the buffer.
    Need(usize),
    /// So many bytes are of no interest.
    Skip(u64),
    /// The input has ended, and all of it was given out.
    End,
}
