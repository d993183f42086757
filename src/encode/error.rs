//! The errors of the encoders.

use super::{aac, jpeg, openh264, resample};
use crate::media::{Codec, Malformed, Unsupported};

/// Why an event could not be written; kept as it is for the end of the program.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// An error that ends a stage. A damaged picture is none: it is left out and counted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A packet, or a header, is not what it says.
    #[error("the input")]
    Malformed(#[from] Malformed),
    /// What was asked for cannot be done with this input.
    #[error("nothing that h5enc can do")]
    Unsupported(#[from] Unsupported),
    /// The H.264 encoder refused.
    #[error("the H.264 encoder")]
    H264(#[from] openh264::Error),
    /// The JPEG encoder refused.
    #[error("the JPEG encoder")]
    Jpeg(#[from] jpeg::EncodeError),
    /// The Opus encoder refused.
    #[error("the Opus encoder")]
    Opus(#[from] ::opus::Error),
    /// The AAC encoder refused, or is not installed.
    #[error("the AAC encoder")]
    Aac(#[from] aac::Error),
    /// The resampler refused.
    #[error(transparent)]
    Resample(#[from] resample::Error),
    /// The system gave no thread.
    #[error("no thread for the encoder")]
    Thread(#[source] std::io::Error),
    /// The threads of the JPEG encoder panicked.
    #[error("the threads of the JPEG encoder are gone")]
    NoThreads,
    /// The kind of a track is not that of its parameters.
    #[error("a track whose codec and parameters are not of one kind")]
    NoParams,
    /// An event could not be written; prints as the cause does.
    #[error(transparent)]
    Output(SinkError),
}

impl From<aac::OpenError> for Error {
    fn from(error: aac::OpenError) -> Error {
        match error {
            aac::OpenError::Missing(error) => error.into(),
            aac::OpenError::Refused(error) => error.into(),
        }
    }
}

impl From<jpeg::Error> for Error {
    fn from(error: jpeg::Error) -> Error {
        match error {
            jpeg::Error::Malformed(error) => error.into(),
            jpeg::Error::Unsupported(error) => error.into(),
        }
    }
}

/// Options of ffmpeg that decode the video and leave the audio.
pub(super) const DECODE_VIDEO: &str = "-c:v rawvideo -c:a copy";

/// There is no decoder for this codec here; ffmpeg has one.
pub(super) fn cannot_decode(codec: Codec, flags: &str) -> Error {
    let advice = format!("copy it, or decode it first: ffmpeg -i - {flags} -f nut -flush_packets 1 -");
    Unsupported { what: format!("h5enc does not decode {codec}"), advice }.into()
}
