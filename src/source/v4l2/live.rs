//! A camera that runs: the driver's buffers as frames.

use super::device::Device;
use super::modes::{self, Mode, ModeRequest};
use super::picture::{self, Layout};
use super::stream::Stream;
use crate::media::{Codec, Params, Rate, Track, VideoParams};
use crate::source::coded::{self, Coded, Unit};
use bytes::Bytes;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

/// A running camera.
pub struct Live {
    stream: Stream,
    pictures: Pictures,
    /// What it does, for people: `MJPG 1280x720 at 30 fps`.
    pub description: String,
    sequence: Option<u32>,
    /// When the last buffer came.
    pub heard: Instant,
}

enum Pictures {
    Raw { layout: Layout, track: Track, announced: bool },
    Jpeg { rate: Option<Rate>, size: Option<(u32, u32)> },
    Coded { units: Coded, rate: Option<Rate> },
}

/// One buffer of the driver's.
pub struct Dequeued {
    /// The driver's time, see [`super::stream::Filled::time`].
    pub time: Option<i64>,
    /// Frames that were lost just before it.
    pub lost: u64,
    /// `None`: nothing to give out yet. An error says what is wrong with the frame.
    pub frame: Result<Option<Frame>, &'static str>,
}

pub struct Frame {
    pub data: Bytes,
    pub key: bool,
    /// The track, where it may have changed.
    pub track: Option<Track>,
}

/// Why a camera did not start.
pub enum StartError {
    Io(io::Error),
    NoFormat(String),
}

impl From<io::Error> for StartError {
    fn from(e: io::Error) -> Self {
        StartError::Io(e)
    }
}

/// A gap in the sequence numbers of more than this is a driver that counts in its own way.
const MAX_GAP: u32 = 1 << 16;

impl Live {
    pub fn start(device: Arc<Device>, request: &ModeRequest, name: &str) -> Result<Live, StartError> {
        let offers = device.offers(|fourcc| modes::accepted(fourcc, request));
        let current = device.format()?;
        let mode = modes::choose(&offers, request, (current.width, current.height)).ok_or_else(|| {
            let carried = offers.iter().filter(|o| picture::codec(o.fourcc).is_some());
            let offered = carried.map(|o| o.fourcc.to_string()).collect::<Vec<_>>().join(", ");
            StartError::NoFormat(if offered.is_empty() {
                "it offers no format that is understood here".into()
            } else {
                format!("it offers {offered}")
            })
        })?;
        let format = device.set_format(mode.fourcc, mode.width, mode.height)?;
        let codec = picture::codec(format.fourcc)
            .filter(|_| !format.alternate)
            .ok_or_else(|| StartError::NoFormat(format!("the driver gives {} in place of {}", format.fourcc, mode.fourcc)))?;
        let rate = device.set_rate(mode.rate);
        let got = Mode { fourcc: format.fourcc, width: format.width, height: format.height, rate };
        tell_changes(name, request, mode, got);
        let pictures = match codec {
            Codec::Raw(pixels) => {
                let video = VideoParams { rate, colour: format.colour, ..VideoParams::new(format.width, format.height) };
                Pictures::Raw { layout: Layout::new(pixels, &format), track: Track::video(codec, video), announced: false }
            }
            Codec::H264 | Codec::H265 => Pictures::Coded { units: Coded::new(codec), rate },
            _ => Pictures::Jpeg { rate, size: None },
        };
        let stream = Stream::start(device)?;
        Ok(Live { stream, pictures, description: got.to_string(), sequence: None, heard: Instant::now() })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Takes the next buffer; `None`: there is none yet.
    ///
    /// # Errors
    /// The camera is gone or broken.
    pub fn take(&mut self) -> io::Result<Option<Dequeued>> {
        let (filled, buffers) = match self.stream.next() {
            Ok(next) => next,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e),
        };
        self.heard = Instant::now();
        let gap = self.sequence.map_or(0, |last| filled.sequence.wrapping_sub(last).wrapping_sub(1));
        let lost = if gap < MAX_GAP { gap } else { 0 };
        self.sequence = Some(filled.sequence);
        if lost > 0 || filled.error {
            self.pictures.lost();
        }
        let frame = if filled.error { Err("the driver marks it as damaged") } else { self.pictures.frame(&buffers) };
        Ok(Some(Dequeued { time: filled.time, lost: lost.into(), frame }))
    }
}

impl Pictures {
    /// A frame did not come.
    fn lost(&mut self) {
        if let Pictures::Coded { units, .. } = self {
            units.lost();
        }
    }

    fn frame(&mut self, buffers: &[&[u8]]) -> Result<Option<Frame>, &'static str> {
        let first = buffers.first().copied().unwrap_or_default();
        match self {
            Pictures::Raw { layout, track, announced } => {
                let data = layout.pack(buffers).ok_or("it is short")?;
                let track = (!std::mem::replace(announced, true)).then(|| track.clone());
                Ok(Some(Frame { data, key: true, track }))
            }
            Pictures::Jpeg { rate, size } => {
                let (data, info) = coded::jpeg(Bytes::copy_from_slice(first))?;
                let now = (info.width, info.height);
                let new = size.replace(now) != Some(now);
                let video = VideoParams { rate: *rate, ..VideoParams::new(now.0, now.1) };
                Ok(Some(Frame { data, key: true, track: new.then(|| Track::video(Codec::Jpeg, video)) }))
            }
            Pictures::Coded { units, rate } => match units.byte_stream(first) {
                Unit::Nothing => Ok(None),
                Unit::Frame { data, key, track } => Ok(Some(Frame { data, key, track: track.map(|t| with_rate(t, *rate)) })),
            },
        }
    }
}

/// The parameter sets of webcams seldom have a frame rate: then it is the driver's.
fn with_rate(mut track: Track, rate: Option<Rate>) -> Track {
    if let Params::Video(video) = &mut track.params {
        video.rate = video.rate.or(rate);
        track.frame_duration = video.rate.map(Rate::frame_duration);
    }
    track
}

/// Says where the driver did not do as it was asked; drivers may take the nearest they can.
fn tell_changes(name: &str, request: &ModeRequest, asked: Mode, got: Mode) {
    let as_requested = |mode: Mode| {
        let size = request.size.is_none_or(|size| size == (mode.width, mode.height));
        size && request.rate.zip(mode.rate).is_none_or(|(wanted, has)| wanted == has)
    };
    if got != asked || !as_requested(got) {
        let asked = if got == asked { request.to_string() } else { asked.to_string() };
        tracing::warn!("{name}: asked for {asked}, the camera gives {got}");
    }
}
