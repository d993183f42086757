//! Video and audio to smaller video and audio: the inside of h5enc.
//!
//! ```text
//!  Event -> EncodeStage
//!    +- video: FrameDropper -> Preprocess (jpeg | convert, scale, colour) -> H264 (rate, openh264) | jpeg -+-> ReorderBuffer -> Event
//!    +- audio: timeline -> pcm -> resample -> opus | aac --------------------------------------------------+
//!    +- copy ----------------------------------------------------------------------------------------------+
//! ```
//!
//! What always holds: a packet that goes in is out, encoded, before the next one goes in (or, on several threads, as soon as
//! it and those before it are done); the times of pictures pass through untouched; the times of audio count its samples.
//! It opens nothing and knows no pipe: events come in by [`EncodeStage::push`] and go out to a function.

mod aac;
mod audio;
mod colour;
mod convert;
mod error;
mod h264;
pub mod jpeg;
mod openh264;
mod openh264_decoder;
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
mod still;
mod timeline;
mod turn;
mod video;

pub use error::{Error, SinkError};
pub use options::{AudioCodec, Gop, Live, Options, VideoCodec, parse_bitrate};
pub use picture::{Picture, Planes};
pub use scale::Size;
pub use stage::EncodeStage;
pub use still::{StillError, still};
