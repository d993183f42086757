//! From a TrackEntry of Matroska to an [`Entry`].

use super::blocks::Encoding;
use super::entry::{Entry, FrameLayout};
use super::pictures::Pictures;
use super::schema::{self, ChromaOrder, id};
use super::shape::{Shape, gcd};
use crate::codec::{aac, av1, flac, opus};
use crate::format::nal_codec::NalCodec;
use crate::format::{MAX_PICTURE, ebml};
use crate::media::{
    AUDIO_RATES, AudioParams, Codec, Colour, Kind, OmittedTrack, Params, PixelFormat, Rate, SampleFormat, Track, VideoParams,
};
use bytes::Bytes;
use std::time::Duration;

/// Reads one TrackEntry. `Err`: not for us; the words say why.
pub fn entry(data: &[u8]) -> Result<Entry, OmittedTrack> {
    let fields = Fields::read(data);
    let refuse = |why: &str| fields.omitted(why);
    let encodings = fields.encodings.as_ref().map_err(|why| refuse(why))?;
    let config = fields.config().ok_or_else(|| refuse("damaged CodecPrivate"))?;
    let (mut track, layout) = match fields.track_type {
        schema::VIDEO_TRACK => fields.video(config).map_err(refuse)?,
        schema::AUDIO_TRACK => fields.audio(config).map_err(refuse)?,
        _ => return Err(refuse("neither video nor audio")),
    };
    fields.describe(&mut track);
    let encodings = encodings.iter().filter(|(scope, _)| scope & ALL_FRAMES != 0).map(|(_, e)| e.clone()).collect();
    let delay = i64::try_from(fields.codec_delay / 1000).unwrap_or(0);
    Ok(Entry { number: fields.number, track, layout, encodings, delay })
}

/// Bits of ContentEncodingScope (RFC 9559, section 5.1.4.1.31.1.2).
const ALL_FRAMES: u64 = 1;
const CODEC_PRIVATE: u64 = 2;

/// The elements of a TrackEntry as they stand there.
struct Fields<'a> {
    number: u64,
    track_type: u64,
    codec_id: String,
    codec_private: &'a [u8],
    default_duration: u64,
    codec_delay: u64,
    name: Option<String>,
    language: Option<String>,
    video: VideoFields<'a>,
    audio: AudioFields,
    /// With their scopes, in the order in which they are undone; or why that cannot be.
    encodings: Result<Vec<(u64, Encoding)>, &'static str>,
}

#[derive(Default)]
struct VideoFields<'a> {
    width: u64,
    height: u64,
    fourcc: &'a [u8],
    colour: Colour,
    shape: Shape,
}

struct AudioFields {
    rate: f64,
    channels: u64,
    bit_depth: u64,
}

impl Default for AudioFields {
    /// Sections 5.1.4.1.29.1 and 5.1.4.1.29.3.
    fn default() -> Self {
        AudioFields { rate: 8000.0, channels: 1, bit_depth: 0 }
    }
}

impl<'a> Fields<'a> {
    fn read(data: &'a [u8]) -> Self {
        let mut f = Fields {
            number: 0,
            track_type: 0,
            codec_id: String::new(),
            codec_private: &[],
            default_duration: 0,
            codec_delay: 0,
            name: None,
            language: None,
            video: VideoFields::default(),
            audio: AudioFields::default(),
            encodings: Ok(Vec::new()),
        };
        let mut language = None;
        for (id, data) in ebml::children(data) {
            match id {
                id::TRACK_NUMBER => f.number = ebml::uint(data),
                id::TRACK_TYPE => f.track_type = ebml::uint(data),
                id::CODEC_ID => f.codec_id = ebml::text(&data[..data.len().min(64)]),
                id::CODEC_PRIVATE => f.codec_private = data,
                id::DEFAULT_DURATION => f.default_duration = ebml::uint(data),
                id::CODEC_DELAY => f.codec_delay = ebml::uint(data),
                id::NAME => f.name = words(data),
                id::LANGUAGE => language = words(data).filter(|l| l != "und"),
                id::LANGUAGE_BCP47 => f.language = words(data).filter(|l| l != "und"),
                id::VIDEO => f.video = video_fields(data),
                id::AUDIO => f.audio = audio_fields(data),
                id::CONTENT_ENCODINGS => f.encodings = content_encodings(data),
                _ => {}
            }
        }
        f.language = f.language.or(language);
        f
    }

    fn omitted(&self, reason: &str) -> OmittedTrack {
        let kind = match self.track_type {
            schema::VIDEO_TRACK => Some(Kind::Video),
            schema::AUDIO_TRACK => Some(Kind::Audio),
            _ => None,
        };
        OmittedTrack { number: self.number, kind, codec: self.codec_id.clone(), reason: reason.into() }
    }

    /// CodecPrivate with its encodings undone.
    fn config(&self) -> Option<Bytes> {
        const MAX: usize = 1 << 20;
        let encodings = self.encodings.iter().flatten().filter(|(scope, _)| scope & CODEC_PRIVATE != 0);
        encodings.map(|(_, e)| e).try_fold(Bytes::copy_from_slice(self.codec_private), |data, e| e.undo(data, MAX))
    }

    fn video(&self, config: Bytes) -> Result<(Track, FrameLayout), &'static str> {
        match self.codec_id.as_str() {
            "V_MPEG4/ISO/AVC" => self.nal(NalCodec::H264, config),
            "V_MPEGH/ISO/HEVC" => self.nal(NalCodec::H265, config),
            "V_AV1" => match av1::track(config.clone()) {
                Ok(track) => Ok((track, FrameLayout::Av1)),
                Err(_) => Ok((self.plain_video(Codec::Av1)?.with(config), FrameLayout::Av1)),
            },
            "V_VP8" => Ok((self.plain_video(Codec::Vp8)?, FrameLayout::Canonical)),
            "V_VP9" => Ok((self.plain_video(Codec::Vp9)?.with(config), FrameLayout::Canonical)),
            "V_MJPEG" => Ok((self.plain_video(Codec::Jpeg)?, FrameLayout::Jpeg)),
            "V_UNCOMPRESSED" => match schema::pixel_format(self.video.fourcc) {
                Some(layout) => self.raw(layout),
                None => Err("of a layout that is not known here: use I420, NV12, YUY2 or another of h5pipe(5)"),
            },
            // What AVI's BITMAPINFOHEADER says; its biCompression is a fourcc. mkvmerge makes it of AVI files.
            "V_MS/VFW/FOURCC" => match config.get(16..20).unwrap_or_default() {
                b"MJPG" | b"mjpg" => Ok((self.plain_video(Codec::Jpeg)?, FrameLayout::Jpeg)),
                b"H264" | b"h264" | b"avc1" | b"X264" | b"x264" => self.nal(NalCodec::H264, Bytes::new()),
                fourcc => self.raw(schema::pixel_format(fourcc).ok_or("of a fourcc that is not known here")?),
            },
            _ => Err("not a codec that is read here"),
        }
    }

    fn nal(&self, codec: NalCodec, config: Bytes) -> Result<(Track, FrameLayout), &'static str> {
        if config.is_empty() || config.starts_with(&[0, 0, 0, 1]) || config.starts_with(&[0, 0, 1]) {
            let sets = codec.config_of(&codec.from_annex_b(&config));
            let track = sets.and_then(|config| codec.track(config).ok()).map_or_else(|| self.plain_video(codec.codec()), Ok)?;
            return Ok((track, FrameLayout::AnnexB(codec)));
        }
        let length_size = codec.length_size(&config).ok_or("damaged CodecPrivate")?;
        let config = codec.four_byte_lengths(config);
        let track = match codec.track(config.clone()) {
            Ok(track) => track,
            // Parameter sets in band only, or beyond our reading: the container knows the size.
            Err(_) => self.plain_video(codec.codec())?.with(config),
        };
        Ok((track, FrameLayout::Lengths(codec, length_size)))
    }

    fn raw(&self, (format, order): (PixelFormat, ChromaOrder)) -> Result<(Track, FrameLayout), &'static str> {
        let track = self.plain_video(Codec::Raw(format))?;
        let video = track.as_video().expect("plain_video makes a video track");
        let pictures = Pictures::new(format, order, video.width, video.height);
        if pictures.max_len() > MAX_PICTURE {
            return Err("pictures of over 256 MiB");
        }
        Ok((track, FrameLayout::Raw(pictures)))
    }

    fn plain_video(&self, codec: Codec) -> Result<Track, &'static str> {
        let side = |n: u64| u32::try_from(n).ok().filter(|n| (1..=16384).contains(n)).ok_or("picture size not from 1 to 16384");
        let (width, height) = (side(self.video.width)?, side(self.video.height)?);
        Ok(Track::video(codec, VideoParams::new(width, height)))
    }

    fn audio(&self, config: Bytes) -> Result<(Track, FrameLayout), &'static str> {
        let damaged = |_| "damaged CodecPrivate";
        let plain = |codec| self.plain_audio(codec);
        match self.codec_id.as_str() {
            // The IDs with a profile in them are from before CodecPrivate was used.
            id if id == "A_AAC" || id.starts_with("A_AAC/") => {
                let audio = self.audio_params()?;
                let config = if config.is_empty() { aac::AudioSpecificConfig::lc(audio.rate, audio.channels).build() } else { config };
                Ok((aac::track(config).map_err(damaged)?, FrameLayout::Canonical))
            }
            "A_OPUS" => Ok((opus::track(config).map_err(damaged)?, FrameLayout::Canonical)),
            "A_FLAC" => {
                // Pictures and seek tables in CodecPrivate are left behind.
                let stream_info = flac::metadata_block(&config).map_err(damaged)?;
                Ok((flac::track(flac::config(&stream_info)).map_err(damaged)?, FrameLayout::Canonical))
            }
            "A_MPEG/L3" => Ok((plain(Codec::Mp3)?, FrameLayout::Canonical)),
            "A_PCM/INT/LIT" => Ok((plain(Codec::Pcm(self.integers()?))?, FrameLayout::Canonical)),
            "A_PCM/INT/BIG" => {
                let format = self.integers()?;
                Ok((plain(Codec::Pcm(format))?, FrameLayout::BigEndian(format.bytes())))
            }
            "A_PCM/FLOAT/IEEE" => match self.audio.bit_depth {
                64 => Ok((plain(Codec::Pcm(SampleFormat::F32))?, FrameLayout::Doubles)),
                0 | 32 => Ok((plain(Codec::Pcm(SampleFormat::F32))?, FrameLayout::Canonical)),
                _ => Err("of a depth that is not known here"),
            },
            _ => Err("not a codec that is read here"),
        }
    }

    fn integers(&self) -> Result<SampleFormat, &'static str> {
        match self.audio.bit_depth {
            8 => Ok(SampleFormat::U8),
            16 => Ok(SampleFormat::S16),
            24 => Ok(SampleFormat::S24),
            32 => Ok(SampleFormat::S32),
            _ => Err("of a depth that is not known here"),
        }
    }

    fn plain_audio(&self, codec: Codec) -> Result<Track, &'static str> {
        Ok(Track::audio(codec, self.audio_params()?))
    }

    fn audio_params(&self) -> Result<AudioParams, &'static str> {
        let rate = self.audio.rate.round();
        if !AUDIO_RATES.contains(&(rate as u32)) {
            return Err("sample rate not from 100 to 768000 Hz");
        }
        let channels = u16::try_from(self.audio.channels).ok().filter(|n| (1..=64).contains(n)).ok_or("channels not from 1 to 64")?;
        Ok(AudioParams { rate: rate as u32, channels, delay: Duration::ZERO })
    }

    /// What the container adds to, and knows better than, the codec's own configuration.
    fn describe(&self, track: &mut Track) {
        track.name.clone_from(&self.name);
        track.language.clone_from(&self.language);
        let duration = Some(self.default_duration).filter(|ns| (1..=MAX_DURATION).contains(ns));
        if let Some(ns) = duration {
            track.frame_duration = Some(Duration::from_nanos(ns));
        }
        match &mut track.params {
            Params::Video(video) => {
                video.rate = duration.and_then(rate_of).or(video.rate);
                let (ours, theirs) = (&mut video.colour, &self.video.colour);
                ours.primaries = theirs.primaries.or(ours.primaries);
                ours.transfer = theirs.transfer.or(ours.transfer);
                ours.matrix = theirs.matrix.or(ours.matrix);
                ours.full_range = theirs.full_range.or(ours.full_range);
                self.video.shape.describe(video, (self.video.width, self.video.height));
            }
            Params::Audio(audio) => {
                if self.codec_delay > 0 {
                    audio.delay = Duration::from_nanos(self.codec_delay.min(MAX_DURATION));
                }
            }
        }
    }
}

/// Nominal durations and delays over 1000 s are none, in nanoseconds.
const MAX_DURATION: u64 = 1_000_000_000_000;

/// The frame rate of frames that last `ns` nanoseconds, rounded up or down: whole, whole by 1001, or just as it is.
fn rate_of(ns: u64) -> Option<Rate> {
    let second = 1_000_000_000;
    let close = |num: u64, den: u64| num > 0 && (den * second / num).abs_diff(ns) <= 1;
    let whole = (second + ns / 2) / ns;
    if close(whole, 1) {
        return Rate::new(whole as u32, 1);
    }
    let ntsc = (second * 1001 / 1000 + ns / 2) / ns;
    if close(ntsc * 1000, 1001) {
        return Rate::new(ntsc as u32 * 1000, 1001);
    }
    let divisor = gcd(second, ns);
    Rate::new((second / divisor) as u32, u32::try_from(ns / divisor).ok()?)
}

trait WithConfig {
    fn with(self, config: Bytes) -> Track;
}

impl WithConfig for Track {
    fn with(mut self, config: Bytes) -> Track {
        self.config = config;
        self
    }
}

/// Text of up to 256 bytes, unless empty.
fn words(data: &[u8]) -> Option<String> {
    Some(ebml::text(&data[..data.len().min(256)])).filter(|text| !text.is_empty())
}

fn video_fields(data: &[u8]) -> VideoFields<'_> {
    let mut v = VideoFields::default();
    for (id, data) in ebml::children(data) {
        match id {
            id::PIXEL_WIDTH => v.width = ebml::uint(data),
            id::PIXEL_HEIGHT => v.height = ebml::uint(data),
            id::UNCOMPRESSED_FOURCC => v.fourcc = data,
            id::COLOUR => v.colour = colour(data),
            _ => v.shape.read(id, data),
        }
    }
    v
}

/// Code points of H.273, where 2 is "unspecified"; ranges 1 and 2 are "TV" and "PC" (section 5.1.4.1.28.16).
fn colour(data: &[u8]) -> Colour {
    let mut c = Colour::default();
    let code = |data| u8::try_from(ebml::uint(data)).ok().filter(|&code| code != 2);
    for (id, data) in ebml::children(data) {
        match id {
            id::MATRIX_COEFFICIENTS => c.matrix = code(data),
            id::TRANSFER_CHARACTERISTICS => c.transfer = code(data),
            id::PRIMARIES => c.primaries = code(data),
            id::RANGE => {
                c.full_range = match ebml::uint(data) {
                    1 => Some(false),
                    2 => Some(true),
                    _ => None,
                }
            }
            _ => {}
        }
    }
    c
}

fn audio_fields(data: &[u8]) -> AudioFields {
    let mut a = AudioFields::default();
    for (id, data) in ebml::children(data) {
        match id {
            id::SAMPLING_FREQUENCY => a.rate = ebml::float(data),
            id::CHANNELS => a.channels = ebml::uint(data),
            id::BIT_DEPTH => a.bit_depth = ebml::uint(data),
            _ => {}
        }
    }
    a
}

/// Section 5.1.4.1.31: the last in ContentEncodingOrder is undone first.
fn content_encodings(data: &[u8]) -> Result<Vec<(u64, Encoding)>, &'static str> {
    /// More are not of this world.
    const MAX: usize = 8;
    let encodings = ebml::children(data).filter(|(id, _)| *id == id::CONTENT_ENCODING).take(MAX);
    let mut all: Vec<_> = encodings.map(|(_, data)| content_encoding(data)).collect::<Result<_, _>>()?;
    all.sort_by_key(|(order, ..)| std::cmp::Reverse(*order));
    Ok(all.into_iter().map(|(_, scope, encoding)| (scope, encoding)).collect())
}

/// Order, scope and what was done; or why it cannot be undone.
fn content_encoding(data: &[u8]) -> Result<(u64, u64, Encoding), &'static str> {
    const COMPRESSION: u64 = 0;
    const ENCRYPTION: u64 = 1;
    let (mut order, mut scope, mut kind, mut algorithm, mut settings) = (0, ALL_FRAMES, COMPRESSION, 0, &[][..]);
    for (id, data) in ebml::children(data) {
        match id {
            id::CONTENT_ENCODING_ORDER => order = ebml::uint(data),
            id::CONTENT_ENCODING_SCOPE => scope = ebml::uint(data),
            id::CONTENT_ENCODING_TYPE => kind = ebml::uint(data),
            id::CONTENT_COMPRESSION => {
                for (id, data) in ebml::children(data) {
                    match id {
                        id::CONTENT_COMP_ALGO => algorithm = ebml::uint(data),
                        id::CONTENT_COMP_SETTINGS => settings = data,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    let encoding = match (kind, algorithm) {
        (COMPRESSION, 0) => Encoding::Zlib,
        (COMPRESSION, 3) => Encoding::HeaderStripping(Bytes::copy_from_slice(settings)),
        (ENCRYPTION, _) => return Err("encrypted"),
        _ => return Err("compressed in a way that is not read here"),
    };
    Ok((order, scope, encoding))
}
