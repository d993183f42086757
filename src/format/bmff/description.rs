//! What a sample entry says of its samples, for pictures and audio alike.

use super::boxes::malformed;
use crate::format::pcm::Stored;
use crate::media::{Malformed, Track};

/// One sample entry, read.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub track: Track,
    pub layout: SampleLayout,
}

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SampleLayout {
    Plain,
    /// NAL units after lengths of so many bytes.
    Lengths(u8),
    /// `frame`: bytes of one sample of all channels.
    Pcm {
        stored: Stored,
        frame: u32,
    },
}

/// The reason for leaving out a codec that is not understood.
pub(super) const NOT_READ: &str = "not a codec that is read here";

/// The same of one that only its objectTypeIndication names.
pub(super) fn object_type(number: u8) -> Malformed {
    malformed(format!("{NOT_READ} (object type 0x{number:02X})"))
}
