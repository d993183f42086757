//! A stream header, as a track; and the canonical form of its frames.

use super::headers::{Main, TimeBase};
use super::syntax::Fields;
use crate::codec::{aac, av1, flac, h264, h265, jpeg, opus};
use crate::format::MAX_PICTURE;
use crate::media::{
    AUDIO_RATES, AudioParams, Codec, Colour, Kind, Malformed, OmittedTrack, Params, PixelFormat, Rate, SampleAspect, SampleFormat, Track,
    VideoParams,
};
use bytes::Bytes;
use std::time::Duration;

/// One stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    pub id: u64,
    pub base: TimeBase,
    /// Bits of a coded time that say only the difference.
    pub msb_pts_shift: u32,
    /// Frames further than this from the one before have a checksum.
    pub max_pts_distance: u64,
    /// `None`: neither video nor audio.
    kind: Option<Kind>,
    /// The name of its codec.
    codec: String,
    /// `Err`: it is left out; the words say why.
    pub content: Result<Content, String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    /// Without `config` until [`Content::learn`] has found it.
    pub track: Track,
    pub layout: PacketLayout,
}

/// How frames are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketLayout {
    Canonical,
    H264,
    H265,
    /// NAL units after lengths of so many bytes, as in MP4.
    H264Lengths(u8),
    H265Lengths(u8),
    Av1,
    Jpeg,
    /// Big-endian samples of so many bytes.
    BigEndian(usize),
}

impl Stream {
    /// The data of a stream header packet.
    pub fn parse(main: &Main, data: &[u8]) -> Option<Stream> {
        let mut f = Fields::new(data);
        let id = f.number().filter(|id| *id < main.streams as u64)?;
        let class = f.number()?;
        let fourcc = f.bytes()?;
        let base = main.time_base(f.number()?)?;
        let msb_pts_shift = f.number().filter(|shift| *shift < 16)? as u32;
        let max_pts_distance = f.number()?;
        let (_decode_delay, _flags) = (f.number()?, f.number()?);
        let config = Bytes::copy_from_slice(f.bytes()?);
        let (kind, content) = match class {
            0 => (Some(Kind::Video), Picture::read(&mut f)?.content(fourcc, config)),
            1 => (Some(Kind::Audio), AudioFields::read(&mut f)?.content(fourcc, config)),
            _ => (None, Err("neither video nor audio".into())),
        };
        Some(Stream { id, base, msb_pts_shift, max_pts_distance, kind, codec: name(fourcc), content })
    }

    pub fn omitted(&self, reason: &str) -> OmittedTrack {
        OmittedTrack { number: self.id + 1, kind: self.kind, codec: self.codec.clone(), reason: reason.into() }
    }
}

/// What a header says of pictures.
struct Picture {
    width: u64,
    height: u64,
    aspect: SampleAspect,
    colour: Colour,
}

impl Picture {
    fn read(f: &mut Fields<'_>) -> Option<Picture> {
        let (width, height) = (f.number()?, f.number()?);
        let aspect = SampleAspect::new(f.number()?, f.number()?).unwrap_or(SampleAspect::SQUARE);
        let colour = match f.number()? {
            1 => Colour { matrix: Some(6), full_range: Some(false), ..Colour::default() },
            2 => Colour { matrix: Some(1), full_range: Some(false), ..Colour::default() },
            17 => Colour { matrix: Some(6), full_range: Some(true), ..Colour::default() },
            18 => Colour { matrix: Some(1), full_range: Some(true), ..Colour::default() },
            _ => Colour::default(),
        };
        Some(Picture { width, height, aspect, colour })
    }

    fn content(&self, fourcc: &[u8], config: Bytes) -> Result<Content, String> {
        let mp4 = config.first() == Some(&1);
        let (track, layout) = match fourcc {
            b"H264" | b"h264" | b"X264" | b"x264" | b"avc1" | b"AVC1" if mp4 => {
                let length_size = h264::AvcC::parse(&config).map_err(damaged)?.length_size;
                (h264::track(h264::four_byte_lengths(config.clone())).map_err(damaged)?, PacketLayout::H264Lengths(length_size))
            }
            b"HEVC" | b"hevc" | b"H265" | b"h265" | b"hvc1" | b"hev1" if mp4 => {
                let length_size = h265::HvcC::parse(&config).map_err(damaged)?.length_size;
                (h265::track(h265::four_byte_lengths(config.clone())).map_err(damaged)?, PacketLayout::H265Lengths(length_size))
            }
            b"H264" | b"h264" | b"X264" | b"x264" | b"avc1" | b"AVC1" => (self.plain(Codec::H264)?, PacketLayout::H264),
            b"HEVC" | b"hevc" | b"H265" | b"h265" | b"hvc1" | b"hev1" => (self.plain(Codec::H265)?, PacketLayout::H265),
            b"AV01" | b"av01" => (self.plain(Codec::Av1)?, PacketLayout::Av1),
            b"VP80" | b"VP8 " => (self.plain(Codec::Vp8)?, PacketLayout::Canonical),
            b"VP90" | b"VP9 " => (self.plain(Codec::Vp9)?, PacketLayout::Canonical),
            b"MJPG" | b"mjpg" | b"JPEG" | b"jpeg" => (self.plain(Codec::Jpeg)?, PacketLayout::Jpeg),
            _ => (self.raw(fourcc)?, PacketLayout::Canonical),
        };
        let mut content = Content { track, layout };
        match layout {
            PacketLayout::H264 => content.learn(&h264::to_length_prefixed(&config)),
            PacketLayout::H265 => content.learn(&h265::to_length_prefixed(&config)),
            PacketLayout::Av1 if mp4 || config.first() == Some(&0x81) => {
                content.adopt(av1::track(config).map_err(damaged)?);
            }
            PacketLayout::Av1 => content.learn(&config),
            _ => {}
        }
        Ok(content)
    }

    fn raw(&self, fourcc: &[u8]) -> Result<Track, String> {
        let format = match fourcc {
            b"I420" | b"IYUV" => PixelFormat::I420,
            b"NV12" => PixelFormat::Nv12,
            b"Y42B" | b"422P" => PixelFormat::I422,
            b"444P" | b"Y444" => PixelFormat::I444,
            b"YUY2" | b"YUYV" | b"yuy2" => PixelFormat::Yuy2,
            b"UYVY" => PixelFormat::Uyvy,
            b"RGB\x18" => PixelFormat::Rgb24,
            b"BGR\x18" => PixelFormat::Bgr24,
            b"RGBA" => PixelFormat::Rgba,
            b"BGRA" => PixelFormat::Bgra,
            b"Y800" | b"GREY" | b"Y8  " => PixelFormat::Gray,
            _ => return Err(FOREIGN.into()),
        };
        let track = self.plain(Codec::Raw(format))?;
        if format.picture_size(self.width as u32, self.height as u32) > MAX_PICTURE {
            return Err(format!("pictures of {}x{}", self.width, self.height));
        }
        Ok(track)
    }

    fn plain(&self, codec: Codec) -> Result<Track, String> {
        let side = |n: u64| u32::try_from(n).ok().filter(|n| (1..=16384).contains(n));
        match (side(self.width), side(self.height)) {
            (Some(width), Some(height)) => {
                let (sample_aspect, colour) = (self.aspect, self.colour);
                Ok(Track::video(codec, VideoParams { sample_aspect, colour, ..VideoParams::new(width, height) }))
            }
            _ => Err(format!("pictures of {}x{}", self.width, self.height)),
        }
    }
}

/// What a header says of audio.
struct AudioFields {
    rate: u32,
    channels: u16,
}

impl AudioFields {
    fn read(f: &mut Fields<'_>) -> Option<AudioFields> {
        let (num, den, channels) = (f.number()?, f.number()?, f.number()?);
        let rate = num.checked_div(den).and_then(|rate| u32::try_from(rate).ok()).unwrap_or(0);
        Some(AudioFields { rate, channels: u16::try_from(channels).unwrap_or(0) })
    }

    fn content(&self, fourcc: &[u8], config: Bytes) -> Result<Content, String> {
        let (track, layout) = match fourcc {
            b"\xff\0\0\0" | b"mp4a" | b"AAC " => {
                let config = if config.is_empty() { aac::AudioSpecificConfig::lc(self.rate, self.channels).build() } else { config };
                (aac::track(config).map_err(damaged)?, PacketLayout::Canonical)
            }
            b"Opus" | b"OPUS" => (opus::track(config).map_err(damaged)?, PacketLayout::Canonical),
            b"\xac\xf1\0\0" | b"fLaC" | b"FLAC" => {
                // STREAMINFO is the last block, and 34 bytes long; ffmpeg writes it without its head.
                let config = if config.len() == 34 { flac::config(&[&[0x80, 0, 0, 34], &config[..]].concat()) } else { config };
                (flac::track(flac::config(&flac::metadata_block(&config).map_err(damaged)?)).map_err(damaged)?, PacketLayout::Canonical)
            }
            b"U\0\0\0" | b"mp3 " | b".mp3" | b"MP3 " => (self.plain(Codec::Mp3)?, PacketLayout::Canonical),
            _ => self.pcm(fourcc)?,
        };
        Ok(Content { track, layout })
    }

    /// `P`, a letter for the type, `D` (interleaved), bits; big-endian ones backwards.
    fn pcm(&self, fourcc: &[u8]) -> Result<(Track, PacketLayout), String> {
        let (code, big) = match *fourcc {
            [b'P', kind, b'D', bits] => ((kind, bits), false),
            [bits, b'D', kind, b'P'] => ((kind, bits), true),
            _ => return Err(FOREIGN.into()),
        };
        let format = match code {
            (b'U', 8) => SampleFormat::U8,
            (b'S', 16) => SampleFormat::S16,
            (b'S', 24) => SampleFormat::S24,
            (b'S', 32) => SampleFormat::S32,
            (b'F', 32) => SampleFormat::F32,
            _ => return Err(FOREIGN.into()),
        };
        Ok((self.plain(Codec::Pcm(format))?, if big { PacketLayout::BigEndian(format.bytes()) } else { PacketLayout::Canonical }))
    }

    fn plain(&self, codec: Codec) -> Result<Track, String> {
        let AudioFields { rate, channels } = *self;
        if !AUDIO_RATES.contains(&rate) || !(1..=64).contains(&channels) {
            return Err(format!("{channels} channels at {rate} Hz"));
        }
        Ok(Track::audio(codec, AudioParams { rate, channels, delay: Duration::ZERO }))
    }
}

fn damaged(error: Malformed) -> String {
    error.to_string()
}

const FOREIGN: &str = "no codec that is read here";

/// Of a codec, by its mark: as text where it is.
fn name(fourcc: &[u8]) -> String {
    let shown = &fourcc[..fourcc.len().min(8)];
    if shown.iter().all(u8::is_ascii_graphic) {
        return String::from_utf8_lossy(shown).into_owned();
    }
    shown.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

impl Content {
    /// Whether the track can be described.
    pub fn is_ready(&self) -> bool {
        !matches!(self.layout, PacketLayout::H264 | PacketLayout::H265 | PacketLayout::Av1) || !self.track.config.is_empty()
    }

    /// Looks for the configuration that the header lacked, in a canonical frame.
    pub fn learn(&mut self, frame: &[u8]) {
        let track = match self.layout {
            PacketLayout::H264 => h264::config_of(frame).and_then(|config| h264::track(config).ok()),
            PacketLayout::H265 => h265::config_of(frame).and_then(|config| h265::track(config).ok()),
            PacketLayout::Av1 => av1::config_of(frame).and_then(|config| av1::track(config).ok()),
            _ => None,
        };
        if let Some(track) = track {
            self.adopt(track);
        }
    }

    /// The track as its bitstream describes it; rate and shape of a pixel as the container says, where it does.
    fn adopt(&mut self, track: Track) {
        let known = self.track.as_video().cloned();
        self.track = track;
        let Some(known) = known else { return };
        if let Some(rate) = known.rate {
            self.set_rate(rate);
        }
        if let Params::Video(video) = &mut self.track.params
            && known.sample_aspect != SampleAspect::SQUARE
        {
            video.sample_aspect = known.sample_aspect;
        }
    }

    pub fn set_rate(&mut self, new: Rate) {
        if let Params::Video(video) = &mut self.track.params {
            video.rate = Some(new);
            self.track.frame_duration = Some(new.frame_duration());
        }
    }

    pub fn canonical(&self, data: Bytes) -> Result<Bytes, Malformed> {
        match self.layout {
            PacketLayout::Canonical => Ok(data),
            PacketLayout::H264 => Ok(h264::to_length_prefixed(&data)),
            PacketLayout::H265 => Ok(h265::to_length_prefixed(&data)),
            PacketLayout::H264Lengths(size) => h264::normalize(data, size),
            PacketLayout::H265Lengths(size) => h265::normalize(data, size),
            PacketLayout::Av1 => Ok(av1::normalize(data)),
            PacketLayout::Jpeg => Ok(jpeg::with_tables(&data).unwrap_or(data)),
            PacketLayout::BigEndian(size) => Ok(data.chunks_exact(size).flat_map(|sample| sample.iter().rev()).copied().collect()),
        }
    }
}
