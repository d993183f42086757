//! Video and sound to smaller video and sound: the inside of h5enc.
//!
//! ```text
//!  Event -> EncodeStage
//!    +- video: FrameDropper -> Preprocess (jpeg | convert, scale, colour) -> H264 (rate, openh264) | jpeg -+-> ReorderBuffer -> Event
//!    +- audio: timeline -> pcm -> resample -> opus | aac --------------------------------------------------+
//!    +- copy ----------------------------------------------------------------------------------------------+
//! ```
//!
//! What always holds: a packet that goes in is out, encoded, before the next one goes in (or, on several threads, as soon as
//! it and those before it are done); the times of pictures pass through untouched; the times of sound count its samples.
//! It opens nothing and knows no pipe: events come in by [`EncodeStage::push`] and go out to a function.

mod aac;
mod audio;
mod colour;
mod convert;
mod h264;
pub mod jpeg;
mod openh264;
mod options;
mod opus;
mod pcm;
mod picture;
mod preprocess;
mod rate;
mod reorder;
mod resample;
mod scale;
mod stage;
mod timeline;
mod turn;
mod video;

pub use options::{AudioCodec, Gop, Live, Options, VideoCodec, parse_bitrate};
pub use picture::{Picture, Planes};
pub use reorder::SinkError;
pub use scale::Size;
pub use stage::EncodeStage;

use crate::media::{Codec, Malformed, Unsupported};

/// What ends a stage. A damaged picture does not: it is left out and counted.
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

impl From<jpeg::Error> for Error {
    fn from(error: jpeg::Error) -> Error {
        match error {
            jpeg::Error::Malformed(error) => error.into(),
            jpeg::Error::Unsupported(error) => error.into(),
        }
    }
}

const DECODE_VIDEO: &str = "-c:v rawvideo -c:a copy";

fn cannot_decode(codec: Codec, flags: &str) -> Error {
    let advice = format!("copy it, or decode it first: ffmpeg -i - {flags} -f nut -flush_packets 1 -");
    Unsupported { what: format!("h5enc does not decode {codec}"), advice }.into()
}
