//! Which streams of a presentation are played, and their frames as packets.

use crate::codec::aac;
use crate::codec::g711::{self, Law};
use crate::media::{AudioParams, Codec, Kind, OmittedTrack, Params, Rate, SampleFormat, Track};
use crate::source::coded::{self, Coded, Unit};
use bytes::Bytes;
use retina::client::Stream;
use retina::codec::{AudioFrame, ParametersRef, VideoFrame};
use std::time::Duration;

/// The streams of a presentation that are played: one of video, one of audio.
pub struct Selection {
    /// Their numbers in the presentation; video first.
    pub streams: Vec<usize>,
    /// All others.
    pub omitted: Vec<OmittedTrack>,
}

impl Selection {
    /// The first stream of each kind that can be read.
    pub fn of(streams: &[Stream]) -> Selection {
        let mut selection = Selection { streams: Vec::new(), omitted: Vec::new() };
        for wanted in [Kind::Video, Kind::Audio] {
            let fit = streams.iter().position(|stream| kind(stream) == Some(wanted) && is_read(stream.encoding_name()));
            selection.streams.extend(fit);
        }
        for (number, stream) in streams.iter().enumerate().filter(|(number, _)| !selection.streams.contains(number)) {
            let reason = if is_read(stream.encoding_name()) { "another of its kind is played" } else { "no codec that is read here" };
            selection.omitted.push(OmittedTrack {
                number: number as u64 + 1,
                kind: kind(stream),
                codec: stream.encoding_name().chars().filter(|c| c.is_ascii_graphic()).take(40).collect(),
                reason: reason.into(),
            });
        }
        selection
    }
}

fn kind(stream: &Stream) -> Option<Kind> {
    match stream.media() {
        "video" | "image" => Some(Kind::Video),
        "audio" => Some(Kind::Audio),
        _ => None,
    }
}

/// Encoding names of RTP (IANA, RTP Payload Format Media Types), in lower case.
fn is_read(encoding: &str) -> bool {
    matches!(encoding, "h264" | "h265" | "jpeg" | "mpeg4-generic" | "pcma" | "pcmu" | "l16")
}

/// A stream that is played.
pub struct PlayedStream {
    content: Content,
    /// What it carries, once that is known.
    track: Option<Track>,
    /// Parts of it may be lost on the way.
    is_lossy: bool,
}

enum Content {
    Coded {
        units: Box<Coded>,
        rate: Option<Rate>,
    },
    Jpeg {
        rate: Option<Rate>,
    },
    Aac,
    G711(Law),
    /// Linear samples of 16 bits, big-endian (RFC 3551, section 4.5.11).
    Linear,
}

/// What goes out of one frame.
#[derive(Debug)]
pub struct Frame {
    pub data: Bytes,
    pub key: bool,
    /// The track is new or has changed.
    pub is_new_track: bool,
}

impl PlayedStream {
    /// A stream of [`Selection::streams`] after its SETUP. `is_lossy`: it comes in datagrams.
    pub fn new(stream: &Stream, is_lossy: bool) -> PlayedStream {
        let rate = stream.framerate().and_then(|rate| rate.to_string().parse().ok());
        // A CRA picture of H.265 is a keyframe before which most servers put no parameter sets: those of the SDP are its own.
        let record = if let Some(ParametersRef::Video(video)) = stream.parameters() { video.extra_data() } else { &[] };
        let content = match stream.encoding_name() {
            "h264" => Content::Coded { units: Box::new(Coded::new(Codec::H264).with_config(record)), rate },
            "h265" => Content::Coded { units: Box::new(Coded::new(Codec::H265).with_config(record)), rate },
            "jpeg" => Content::Jpeg { rate },
            "pcma" => Content::G711(Law::A),
            "pcmu" => Content::G711(Law::Mu),
            "l16" => Content::Linear,
            _ => Content::Aac,
        };
        let track = match stream.parameters() {
            Some(ParametersRef::Audio(audio)) => audio_track(&content, audio),
            _ => None,
        };
        PlayedStream { content, track, is_lossy }
    }

    /// What it carries; pictures tell it with their first keyframe.
    pub fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }

    /// A picture. `Ok(None)`: it cannot be decoded, as pictures before it are missing.
    ///
    /// # Errors
    /// It is damaged.
    pub fn video(&mut self, frame: VideoFrame) -> Result<Option<Frame>, &'static str> {
        let lost = frame.loss() > 0;
        let data = Bytes::from(frame.into_data());
        match &mut self.content {
            Content::Coded { units, rate } => {
                if lost {
                    units.lost();
                }
                match units.length_prefixed(data)? {
                    Unit::Nothing => Ok(None),
                    Unit::Frame { data, key, track } => {
                        let is_new_track = track.is_some();
                        if let Some(track) = track {
                            self.track = Some(with_rate(track, *rate));
                        }
                        Ok(Some(Frame { data, key, is_new_track }))
                    }
                }
            }
            Content::Jpeg { rate } => {
                let (data, info) = coded::jpeg(data)?;
                // A loss inside a picture is not reported.
                if lost || (self.is_lossy && !coded::is_whole_jpeg(&data)) {
                    return Err("a part of it was lost");
                }
                let track = with_rate(coded::jpeg_track(&info), *rate);
                let is_new_track = self.track.as_ref() != Some(&track);
                self.track = Some(track);
                Ok(Some(Frame { data, key: true, is_new_track }))
            }
            Content::Aac | Content::G711(_) | Content::Linear => Err("a picture in a stream of audio"),
        }
    }

    /// A packet of audio.
    pub fn audio(&self, frame: &AudioFrame) -> Bytes {
        match self.content {
            Content::G711(law) => g711::decode(law, frame.data()).into(),
            Content::Linear => frame.data().chunks_exact(2).flat_map(|sample| [sample[1], sample[0]]).collect(),
            Content::Aac | Content::Coded { .. } | Content::Jpeg { .. } => Bytes::copy_from_slice(frame.data()),
        }
    }
}

/// The parameter sets of cameras seldom have a frame rate: then it is that of the description.
fn with_rate(mut track: Track, rate: Option<Rate>) -> Track {
    if let Params::Video(video) = &mut track.params {
        video.rate = video.rate.or(rate);
        track.frame_duration = video.rate.map(Rate::frame_duration);
    }
    track
}

fn audio_track(content: &Content, audio: &retina::codec::AudioParameters) -> Option<Track> {
    if matches!(content, Content::Aac) {
        return aac::track(Bytes::copy_from_slice(audio.extra_data())).ok();
    }
    let rate = audio.clock_rate();
    let params = AudioParams { rate, channels: audio.channels().get(), delay: Duration::ZERO };
    let sane = crate::media::AUDIO_RATES.contains(&rate) && params.channels <= 64;
    sane.then(|| Track::audio(Codec::Pcm(SampleFormat::S16), params))
}
