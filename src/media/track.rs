//! Tracks and their parameters.

use super::{Orientation, Rate, SampleAspect};
use bytes::Bytes;
use std::fmt;
use std::time::Duration;

/// More tracks than this in one stream are refused: no camera has them, and a hostile header costs nothing.
pub const MAX_TRACKS: usize = 32;

/// Sample rates, in Hz, that are read and encoded. Less is no sound, and each byte of it would be seconds of work.
pub const AUDIO_RATES: std::ops::RangeInclusive<u32> = 100..=768_000;

/// Description of one track.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// How the packets are coded.
    pub codec: Codec,
    /// Codec configuration in the form that Matroska and MP4 share: avcC (H.264), hvcC (H.265), av1C, AudioSpecificConfig
    /// (AAC), OpusHead (Opus), METADATA_BLOCK_STREAMINFO with `fLaC` marker (FLAC); else empty.
    pub config: Bytes,
    /// Nominal duration of one packet, where it is known.
    pub frame_duration: Option<Duration>,
    /// Language tag (RFC 5646), where it is known.
    pub language: Option<String>,
    /// Name for people, where there is one.
    pub name: Option<String>,
    /// The parameters of the pictures, or of the samples.
    pub params: Params,
}

impl Track {
    /// A track of video without configuration, language or name.
    pub fn video(codec: Codec, video: VideoParams) -> Track {
        let frame_duration = video.rate.map(Rate::frame_duration);
        Track { codec, config: Bytes::new(), frame_duration, language: None, name: None, params: Params::Video(video) }
    }

    /// A track of audio without configuration, language or name.
    pub fn audio(codec: Codec, audio: AudioParams) -> Track {
        Track { codec, config: Bytes::new(), frame_duration: None, language: None, name: None, params: Params::Audio(audio) }
    }

    /// Video or audio.
    pub fn kind(&self) -> Kind {
        match self.params {
            Params::Video(_) => Kind::Video,
            Params::Audio(_) => Kind::Audio,
        }
    }

    /// The parameters, if it is video.
    pub fn as_video(&self) -> Option<&VideoParams> {
        match &self.params {
            Params::Video(v) => Some(v),
            Params::Audio(_) => None,
        }
    }

    /// The parameters, if it is audio.
    pub fn as_audio(&self) -> Option<&AudioParams> {
        match &self.params {
            Params::Audio(a) => Some(a),
            Params::Video(_) => None,
        }
    }
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Samples of audio.
    Audio,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Video => "video",
            Kind::Audio => "audio",
        })
    }
}

/// The parameters of a track, by its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Params {
    /// Of pictures.
    Video(VideoParams),
    /// Of audio.
    Audio(AudioParams),
}

/// Width and height of the stored picture in pixels, 1 to 16384 each; `rate` is nominal.
#[derive(Clone, Debug, PartialEq)]
pub struct VideoParams {
    /// Of the coded picture, in pixels.
    pub width: u32,
    /// Of the coded picture, in pixels.
    pub height: u32,
    /// The nominal frame rate, where it is known.
    pub rate: Option<Rate>,
    /// What the numbers mean as colours.
    pub colour: Colour,
    /// How the stored picture is brought upright.
    pub orientation: Orientation,
    /// Shape of a pixel of the stored picture, before it is turned.
    pub sample_aspect: SampleAspect,
}

impl VideoParams {
    /// Upright pictures of square pixels of which no more is known.
    pub fn new(width: u32, height: u32) -> VideoParams {
        let (orientation, sample_aspect) = (Orientation::UPRIGHT, SampleAspect::SQUARE);
        VideoParams { width, height, rate: None, colour: Colour::default(), orientation, sample_aspect }
    }

    /// The size at which the picture is shown: upright, of square pixels.
    pub fn displayed(&self) -> (u32, u32) {
        let (width, height) = self.sample_aspect.size(self.width, self.height);
        self.orientation.size(width, height)
    }
}

/// ISO/IEC 23091-2 (H.273) code points; `None` where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Colour {
    /// ColourPrimaries.
    pub primaries: Option<u8>,
    /// TransferCharacteristics.
    pub transfer: Option<u8>,
    /// MatrixCoefficients.
    pub matrix: Option<u8>,
    /// `true`: 0..=255 ("PC"), `false`: 16..=235 ("TV").
    pub full_range: Option<bool>,
}

/// `rate` in Hz, within [`AUDIO_RATES`]; `channels` 1 to 64, interleaved in the order of the WAVE format.
#[derive(Clone, Debug, PartialEq)]
pub struct AudioParams {
    /// Sample rate in Hz.
    pub rate: u32,
    /// Number of channels.
    pub channels: u16,
    /// Samples of decoder start-up to discard (Opus pre-skip), as time.
    pub delay: Duration,
}

/// What is inside the packets. Form of the bytes: see [`super::Packet`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Raw pictures.
    Raw(PixelFormat),
    /// Independent JPEG images (MJPEG).
    Jpeg,
    /// H.264 (AVC).
    H264,
    /// H.265 (HEVC).
    H265,
    /// AV1.
    Av1,
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
    /// Raw audio.
    Pcm(SampleFormat),
    /// AAC.
    Aac,
    /// Opus.
    Opus,
    /// FLAC.
    Flac,
    /// MPEG audio layer III.
    Mp3,
}

impl Codec {
    /// Video or audio.
    pub fn kind(self) -> Kind {
        match self {
            Codec::Raw(_) | Codec::Jpeg | Codec::H264 | Codec::H265 | Codec::Av1 | Codec::Vp8 | Codec::Vp9 => Kind::Video,
            Codec::Pcm(_) | Codec::Aac | Codec::Opus | Codec::Flac | Codec::Mp3 => Kind::Audio,
        }
    }

    /// Every packet is a keyframe.
    pub fn intra_only(self) -> bool {
        self.kind() == Kind::Audio || matches!(self, Codec::Raw(_) | Codec::Jpeg)
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Codec::Raw(p) => write!(f, "raw {p}"),
            Codec::Jpeg => f.write_str("MJPEG"),
            Codec::H264 => f.write_str("H.264"),
            Codec::H265 => f.write_str("H.265"),
            Codec::Av1 => f.write_str("AV1"),
            Codec::Vp8 => f.write_str("VP8"),
            Codec::Vp9 => f.write_str("VP9"),
            Codec::Pcm(s) => write!(f, "PCM {s}"),
            Codec::Aac => f.write_str("AAC"),
            Codec::Opus => f.write_str("Opus"),
            Codec::Flac => f.write_str("FLAC"),
            Codec::Mp3 => f.write_str("MP3"),
        }
    }
}

/// Layout of raw pictures; the names are the fourccs' (see `h5pipe(5)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Planar 4:2:0: Y, U, V.
    I420,
    /// Planar 4:2:0: Y, then interleaved U and V.
    Nv12,
    /// Planar 4:2:2: Y, U, V.
    I422,
    /// Planar 4:4:4: Y, U, V.
    I444,
    /// Packed 4:2:2: Y0 U Y1 V.
    Yuy2,
    /// Packed 4:2:2: U Y0 V Y1.
    Uyvy,
    /// R, G, B bytes.
    Rgb24,
    /// B, G, R bytes.
    Bgr24,
    /// R, G, B, A bytes.
    Rgba,
    /// B, G, R, A bytes.
    Bgra,
    /// One byte of luma.
    Gray,
}

impl PixelFormat {
    /// Every format.
    pub const ALL: [PixelFormat; 11] = [
        PixelFormat::I420,
        PixelFormat::Nv12,
        PixelFormat::I422,
        PixelFormat::I444,
        PixelFormat::Yuy2,
        PixelFormat::Uyvy,
        PixelFormat::Rgb24,
        PixelFormat::Bgr24,
        PixelFormat::Rgba,
        PixelFormat::Bgra,
        PixelFormat::Gray,
    ];

    /// Bytes of one tightly packed picture. Odd sizes round chroma up, as ffmpeg and GStreamer do.
    pub fn picture_size(self, width: u32, height: u32) -> usize {
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        match self {
            PixelFormat::I420 | PixelFormat::Nv12 => w * h + 2 * cw * ch,
            PixelFormat::I422 => w * h + 2 * cw * h,
            PixelFormat::Yuy2 | PixelFormat::Uyvy => 4 * cw * h,
            PixelFormat::I444 | PixelFormat::Rgb24 | PixelFormat::Bgr24 => 3 * w * h,
            PixelFormat::Rgba | PixelFormat::Bgra => 4 * w * h,
            PixelFormat::Gray => w * h,
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PixelFormat::I420 => "i420",
            PixelFormat::Nv12 => "nv12",
            PixelFormat::I422 => "i422",
            PixelFormat::I444 => "i444",
            PixelFormat::Yuy2 => "yuy2",
            PixelFormat::Uyvy => "uyvy",
            PixelFormat::Rgb24 => "rgb24",
            PixelFormat::Bgr24 => "bgr24",
            PixelFormat::Rgba => "rgba",
            PixelFormat::Bgra => "bgra",
            PixelFormat::Gray => "gray",
        })
    }
}

impl std::str::FromStr for PixelFormat {
    type Err = super::Unsupported;

    fn from_str(s: &str) -> Result<PixelFormat, super::Unsupported> {
        let known = || PixelFormat::ALL.map(|p| p.to_string()).join(", ");
        PixelFormat::ALL
            .into_iter()
            .find(|p| p.to_string().eq_ignore_ascii_case(s))
            .ok_or_else(|| super::Unsupported { what: format!("no pixel format {s:?}"), advice: format!("choose one of {}", known()) })
    }
}

/// Layout of PCM samples, little-endian, interleaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SampleFormat {
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 16 bits.
    S16,
    /// Signed, 24 bits.
    S24,
    /// Signed, 32 bits.
    S32,
    /// Floating point, 32 bits.
    F32,
}

impl SampleFormat {
    /// Bytes of a sample of one channel.
    pub fn bytes(self) -> usize {
        match self {
            SampleFormat::U8 => 1,
            SampleFormat::S16 => 2,
            SampleFormat::S24 => 3,
            SampleFormat::S32 | SampleFormat::F32 => 4,
        }
    }
}

impl fmt::Display for SampleFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SampleFormat::U8 => "u8",
            SampleFormat::S16 => "s16",
            SampleFormat::S24 => "s24",
            SampleFormat::S32 => "s32",
            SampleFormat::F32 => "f32",
        })
    }
}
