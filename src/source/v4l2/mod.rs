//! A camera of Linux (Video4Linux2, single-planar capture): the driver's frames with the driver's times.
//!
//! Which of its formats is taken: see [`Wish`]. MJPEG and H.264 go out as they come; raw pictures lose their
//! row padding. A frame that the driver marks as broken, or that is cut short, is dropped and counted.

mod choose;
mod device;
mod picture;

pub use choose::Wish;

use super::Error;
use crate::codec::h264;
use crate::media::{Codec, Colour, Event, Header, Packet, Timestamp, Track, VideoParams, WallTime};
use bytes::Bytes;
use choose::Mode;
use device::Device;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A camera that gives nothing for this long hangs.
const STALL: Duration = Duration::from_secs(10);

/// An open camera.
pub struct Camera {
    name: String,
    device: Device,
    mode: Mode,
    /// The driver's time of stream time zero in microseconds, from the first frame on.
    zero: Option<i64>,
    /// The packet that follows the header.
    pending: Option<Packet>,
    damaged: u64,
    heard: Instant,
}

impl Camera {
    /// The first camera of this machine, in the order of their numbers.
    pub fn first() -> Option<PathBuf> {
        device::nodes().into_iter().find(|path| device::is_camera(path))
    }

    /// Opens a camera and sets it up.
    ///
    /// # Errors
    /// There is no such device, or it is no camera; it has no format that a pipe can carry; it may not be opened, or is
    /// in use.
    pub fn open(path: &Path, wish: Wish) -> Result<Camera, Error> {
        let name = path.display().to_string();
        let (device, mode) = Device::open(path, wish)?;
        tracing::info!("{name}: {} {}x{} at {} frames/s", mode.codec, mode.width, mode.height, mode.rate);
        Ok(Camera { name, device, mode, zero: None, pending: None, damaged: 0, heard: Instant::now() })
    }

    /// The next event, or `None` when there is none within `wait`.
    ///
    /// # Errors
    /// The camera is gone, or gives nothing any more.
    pub fn poll(&mut self, wait: Duration) -> Result<Option<Event>, Error> {
        if let Some(packet) = self.pending.take() {
            return Ok(Some(Event::Packet(packet)));
        }
        let frame = self.device.frame(wait).map_err(|e| device::error(&self.name, e))?;
        if let Some(frame) = frame {
            self.heard = Instant::now();
            let data = if frame.broken { None } else { picture::whole(&self.mode, frame.data) };
            let time = frame.time;
            self.damaged += u64::from(data.is_none());
            return Ok(data.and_then(|data| self.event(data, time)));
        }
        if self.heard.elapsed() > STALL {
            let what = format!("the camera gave no frame for {} s", STALL.as_secs());
            return Err(Error::io(self.name.clone(), io::Error::new(io::ErrorKind::TimedOut, what)));
        }
        Ok(None)
    }

    /// Broken frames so far.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    fn event(&mut self, data: Bytes, time: i64) -> Option<Event> {
        let key = self.mode.codec != Codec::H264 || h264::is_keyframe(&data);
        if let Some(zero) = self.zero {
            return Some(Event::Packet(Packet { track: 0, pts: Timestamp(time - zero), key, data }));
        }
        // A coded stream begins at its first keyframe with parameter sets.
        let track = if key { self.track(&data)? } else { return None };
        self.zero = Some(time);
        self.pending = Some(Packet { track: 0, pts: Timestamp::ZERO, key, data });
        let time_zero = WallTime::now().0.saturating_sub(device::monotonic_micros().saturating_sub(time));
        Some(Event::Header(Header { tracks: [track].into(), time_zero: Some(WallTime(time_zero)) }))
    }

    fn track(&self, first: &[u8]) -> Option<Track> {
        let Mode { codec, width, height, rate, full_range, .. } = self.mode;
        if codec == Codec::H264 {
            let track = h264::track(h264::config_of(first)?).ok()?;
            return Some(Track { frame_duration: Some(rate.frame_duration()), ..track });
        }
        Some(Track::video(codec, VideoParams { width, height, rate: Some(rate), colour: colour(codec, full_range) }))
    }
}

/// What cameras mean where drivers say nothing more: BT.601 for Y'CbCr, as V4L2 has it for the sRGB colour space.
fn colour(codec: Codec, full_range: bool) -> Colour {
    let rgb = choose::is_rgb(codec);
    Colour { matrix: Some(if rgb { 0 } else { 5 }), full_range: Some(full_range || rgb || codec == Codec::Jpeg), ..Colour::default() }
}
