//! What a program asks of a source, in one type for all kinds. A kind reads what it accepts ([`super::Kind::accepts`]).

use super::black::EncodePictures;
use super::input::OpenInput;
#[cfg(feature = "http")]
use super::input::ReadBytes;
use super::loss::OnLoss;
#[cfg(feature = "network")]
use super::network::NetworkOptions;
#[cfg(all(target_os = "linux", feature = "v4l2"))]
use super::v4l2::FormatRequest;
use crate::media::{Clock, OverflowPolicy, PixelFormat, Rate};
use std::sync::Arc;
use std::time::Duration;

/// What is asked of a source.
#[derive(Clone)]
pub struct Options {
    /// A stop ends its sleeps.
    pub clock: Arc<dyn Clock>,
    /// Makes events of a stream of bytes.
    pub open_input: OpenInput,
    /// Makes events of bytes from a network; sources over HTTP need it.
    #[cfg(feature = "http")]
    pub read_bytes: Option<ReadBytes>,
    /// How much of the stream is wanted.
    pub duration: Option<Duration>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Frames a second.
    pub rate: Option<Rate>,
    /// Of the test picture.
    pub pixel_format: Option<PixelFormat>,
    /// The test picture comes with audio.
    pub audio: bool,
    /// Start again after the end, endlessly.
    pub again: bool,
    /// Watch a directory or a file for new pictures.
    pub follow: bool,
    /// Play in real time; `None`: as the kind of source does.
    pub pace: Option<bool>,
    /// What the program does when the next one is too slow.
    pub late: OverflowPolicy,
    /// The format of a camera.
    #[cfg(all(target_os = "linux", feature = "v4l2"))]
    pub format: Option<FormatRequest>,
    /// Controls to set, by name and value, in this order.
    pub controls: Vec<(String, String)>,
    /// A device that gives nothing for this long hangs.
    pub stall: Duration,
    /// What to do while a device is away.
    pub on_loss: OnLoss,
    /// Codes black pictures for [`OnLoss::Black`]; without it there are raw ones only.
    pub encode_pictures: Option<EncodePictures>,
    /// The microphone beside a camera.
    pub microphone: Option<String>,
    /// For sources over a network.
    #[cfg(feature = "network")]
    pub network: NetworkOptions,
}

impl Options {
    /// Nothing is asked for: each source does what is usual for its kind.
    pub fn new(clock: Arc<dyn Clock>, open_input: OpenInput) -> Options {
        Options {
            clock,
            open_input,
            #[cfg(feature = "http")]
            read_bytes: None,
            duration: None,
            size: None,
            rate: None,
            pixel_format: None,
            audio: true,
            again: false,
            follow: false,
            pace: None,
            late: OverflowPolicy::Block,
            #[cfg(all(target_os = "linux", feature = "v4l2"))]
            format: None,
            controls: Vec::new(),
            stall: Duration::from_secs(3),
            on_loss: OnLoss::Wait,
            encode_pictures: None,
            microphone: None,
            #[cfg(feature = "network")]
            network: NetworkOptions::default(),
        }
    }
}
