//! The events that travel between stages.

use super::{Timestamp, Track, WallTime};
use bytes::Bytes;
use std::sync::Arc;

/// Start of a stream, or of a new set of tracks in the same stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// At least one, at most [`super::MAX_TRACKS`]; [`Packet::track`] is an index into it.
    pub tracks: Arc<[Track]>,
    /// Wall-clock time of stream time zero, where it is known.
    pub time_zero: Option<WallTime>,
}

/// One frame, raw or coded (RFC 9559 "Block"): one picture, or one audio frame (PCM: a run of samples).
///
/// The canonical forms of `data`, which every source and parser makes and every stage may rely on:
/// - H.264, H.265: one access unit, NAL units each after a 4-byte big-endian length, no empty ones, no access unit delimiters;
/// - JPEG: one whole image; AV1: one temporal unit of low-overhead OBUs without temporal delimiter; VP8, VP9: one frame;
/// - AAC: one raw access unit (no ADTS header); Opus, FLAC, MP3: one packet;
/// - PCM: interleaved little-endian samples, whole sample frames;
/// - raw pictures: tightly packed planes (no row padding), top-down, in the order that the fourcc says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Index into [`Header::tracks`].
    pub track: usize,
    /// Presentation time. Packets come in decode order, so with B-frames it is not monotonic.
    pub pts: Timestamp,
    /// A decoder can start here (RFC 9559, section 10.2: the keyframe bit).
    pub key: bool,
    /// The frame itself.
    pub data: Bytes,
    /// To be decoded and not shown (RFC 9559, section 10.2: the invisible bit): an edit cut it away, and a picture that is shown is
    /// predicted from it. Its time is just before that of the first picture shown after it.
    pub hidden: bool,
}

/// What a packet takes in memory besides its data, in bytes: itself, its place in a queue and the head of its allocation. Packets of a
/// byte each would defeat a bound on data alone.
pub const PACKET_COST: usize = 128;

impl Packet {
    /// What it takes in memory, in bytes.
    pub fn cost(&self) -> usize {
        self.data.len() + PACKET_COST
    }
}

/// What a reader yields and a writer takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Always first; again when the tracks change (another size of raw video, a new writer on a FIFO).
    Header(Header),
    /// A frame of one of the tracks.
    Packet(Packet),
    /// The wall clock was set: from here on, this is the wall-clock time of stream time zero. Stream time itself goes on as before.
    TimeZero(WallTime),
}
