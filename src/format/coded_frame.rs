//! A coded frame on its way from one container to another.

use crate::media::Timestamp;
use bytes::Bytes;

/// One coded frame. Its times are those of the presentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodedFrame {
    /// The number of its track: track_ID in MP4.
    pub track: u32,
    /// When it is decoded.
    pub dts: Timestamp,
    /// When it is shown.
    pub pts: Timestamp,
    /// A decoder can start at it.
    pub key: bool,
    /// In its canonical form: NAL units of H.264 and H.265 after lengths of 4 bytes, audio without headers of a container.
    pub data: Bytes,
}
