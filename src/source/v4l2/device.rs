//! The device node: opening, setting up, frames out of its memory. The only `unsafe` of this source is here.

use super::choose::{self, Mode, Offer, Wish};
use crate::media::Rate;
use crate::source::Error;
use std::fs;
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::time::Duration;
use v4l::buffer::{Flags, Type};
use v4l::format::{Colorspace, Quantization};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::io::traits::CaptureStream;
use v4l::prelude::MmapStream;
use v4l::video::Capture;
use v4l::video::capture::Parameters;
use v4l::{Format, FourCC, Fraction};

/// Buffers that the driver fills in turn: enough for a delay of 100 ms at 30 frames a second.
const BUFFERS: u32 = 4;
/// How long a camera may take to start.
const START: Duration = Duration::from_secs(10);

/// A camera that streams.
pub struct Device {
    device: v4l::Device,
    /// Never dropped: its destructor panics where the driver refuses to stop. Closing the device, at the latest at the end of the
    /// program, stops the stream as well.
    stream: ManuallyDrop<MmapStream<'static>>,
    started: bool,
}

/// One filled buffer.
pub struct Frame<'a> {
    pub data: &'a [u8],
    /// When it was captured, in microseconds of the monotonic clock.
    pub time: i64,
    /// The driver says so.
    pub broken: bool,
}

impl Device {
    /// Opens the node and sets the mode.
    pub fn open(path: &Path, wish: Wish) -> Result<(Device, Mode), Error> {
        let name = path.display().to_string();
        let failed = |e| error(&name, e);
        let device = v4l::Device::with_path(path).map_err(failed)?;
        if !can_capture(&device).map_err(failed)? {
            return Err(Error::no_source(name, "this device is no camera; try another /dev/video*"));
        }
        let offers = offers(&device, wish).map_err(failed)?;
        let Some(offer) = choose::choose(&offers, wish) else {
            return Err(Error::unsupported(
                name,
                "the camera has no format that is understood here",
                "capture with ffmpeg: ffmpeg -f v4l2 -i DEVICE -f matroska - | h5cap -",
            ));
        };
        let mode = set_up(&device, offer).map_err(failed)?.ok_or_else(|| {
            Error::unsupported(name.clone(), "the camera's driver chose another format than it offered", "ask for another --size")
        })?;
        let stream = MmapStream::with_buffers(&device, Type::VideoCapture, BUFFERS).map_err(failed)?;
        Ok((Device { device, stream: ManuallyDrop::new(stream), started: false }, mode))
    }

    /// The next frame, if there is one within `wait`; the first one is waited for longer, while the camera starts.
    pub fn frame(&mut self, wait: Duration) -> io::Result<Option<Frame<'_>>> {
        if self.started {
            let millis = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
            match self.device.handle().poll(libc::POLLIN, millis) {
                Ok(0) => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(None),
                outcome => outcome?,
            };
        } else {
            // Polling a device that does not stream is an error: this call starts it.
            self.stream.set_timeout(START);
            self.started = true;
        }
        let (data, meta) = match CaptureStream::next(&mut *self.stream) {
            // A signal, while the first frame was waited for.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(None),
            outcome => outcome?,
        };
        let used = data.len().min(meta.bytesused as usize);
        let time = if meta.flags.contains(Flags::TIMESTAMP_MONOTONIC) {
            micros(meta.timestamp.sec, meta.timestamp.usec)
        } else {
            monotonic_micros()
        };
        Ok(Some(Frame { data: &data[..used], time, broken: used == 0 || meta.flags.contains(Flags::ERROR) }))
    }
}

/// Device nodes, in the order of their numbers.
pub fn nodes() -> Vec<PathBuf> {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("video")?.parse::<u32>().ok();
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.map(|e| e.path()).filter_map(|path| Some((number(&path)?, path))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// Whether a node is a camera, or may be one that this user may not open.
pub fn is_camera(path: &Path) -> bool {
    match v4l::Device::with_path(path).and_then(|device| can_capture(&device)) {
        Ok(camera) => camera,
        Err(e) => e.kind() == io::ErrorKind::PermissionDenied,
    }
}

/// An error of a call to the device, with what can be done about it.
pub fn error(name: &str, error: io::Error) -> Error {
    let advised = |advice: &str| Error::io(name, io::Error::new(error.kind(), format!("{error}; {advice}")));
    match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => Error::no_source(name, error.to_string()),
        Some(libc::EACCES | libc::EPERM) => advised("join the group video: sudo usermod -aG video $USER, then log in again"),
        Some(libc::EBUSY) => advised("another program uses the camera"),
        _ => Error::io(name, error),
    }
}

/// Now, on the clock of the driver's times.
pub fn monotonic_micros() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writing for the length of the call.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    micros(now.tv_sec, now.tv_nsec / 1000)
}

#[expect(clippy::unnecessary_cast, reason = "these are narrower on 32-bit systems")]
fn micros(seconds: libc::time_t, micros: libc::c_long) -> i64 {
    (seconds as i64).saturating_mul(1_000_000).saturating_add(micros as i64)
}

/// Asked without the crate's own function, which panics at a name that is not UTF-8, as when a long one is cut.
fn can_capture(device: &v4l::Device) -> io::Result<bool> {
    use v4l::v4l_sys::{V4L2_CAP_STREAMING, V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_M2M, v4l2_capability};
    // SAFETY: all-zero is a valid v4l2_capability, which is plain integers; VIDIOC_QUERYCAP writes one.
    let caps = unsafe {
        let mut caps: v4l2_capability = std::mem::zeroed();
        match v4l::v4l2::ioctl(device.handle().fd(), v4l::v4l2::vidioc::VIDIOC_QUERYCAP, (&raw mut caps).cast()) {
            Err(e) if e.raw_os_error() == Some(libc::ENOTTY) => return Ok(false),
            outcome => outcome?,
        }
        caps.device_caps
    };
    let needed = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    // A codec in hardware captures too, but only what it is fed.
    Ok(caps & needed == needed && caps & V4L2_CAP_VIDEO_M2M == 0)
}

/// All that the camera has, as far as a pipe can carry it.
fn offers(device: &v4l::Device, wish: Wish) -> io::Result<Vec<Offer>> {
    let mut offers = Vec::new();
    for format in device.enum_formats()? {
        if choose::codec(format.fourcc.repr).is_none() {
            continue;
        }
        for (width, height) in sizes(device, format.fourcc, wish) {
            for rate in rates(device, format.fourcc, (width, height), wish) {
                offers.push(Offer { fourcc: format.fourcc.repr, width, height, rate });
            }
        }
    }
    Ok(offers)
}

/// The sizes of a format. Where every size goes, the asked one, or the largest that is taken without asking.
fn sizes(device: &v4l::Device, format: FourCC, wish: Wish) -> Vec<(u32, u32)> {
    let listed = device.enum_framesizes(format).unwrap_or_default();
    if listed.is_empty() {
        // Old drivers do not list sizes; the present one works at least.
        let present = device.format().map(|f| (f.width, f.height));
        return wish.size.into_iter().chain(present.ok()).collect();
    }
    let size = |size: FrameSizeEnum| match size {
        FrameSizeEnum::Discrete(s) => (s.width, s.height),
        FrameSizeEnum::Stepwise(s) => {
            let (width, height) = wish.size.unwrap_or(choose::LARGEST);
            (step(width, s.min_width, s.max_width, s.step_width), step(height, s.min_height, s.max_height, s.step_height))
        }
    };
    listed.into_iter().map(|s| size(s.size)).collect()
}

/// The rates of a size. Where every rate goes, the wanted one.
fn rates(device: &v4l::Device, format: FourCC, (width, height): (u32, u32), wish: Wish) -> Vec<Rate> {
    let wanted = choose::wanted_rate(wish);
    let rate = |interval: FrameIntervalEnum| match interval {
        FrameIntervalEnum::Discrete(f) => Rate::new(f.denominator, f.numerator),
        FrameIntervalEnum::Stepwise(s) => {
            let (slowest, fastest) = (Rate::new(s.max.denominator, s.max.numerator), Rate::new(s.min.denominator, s.min.numerator));
            let slow_enough = fastest.filter(|f| f.fps() < wanted.fps());
            let fast_enough = slowest.filter(|s| s.fps() > wanted.fps());
            slow_enough.or(fast_enough).or(Some(wanted))
        }
    };
    let listed = device.enum_frameintervals(format, width, height).unwrap_or_default();
    let rates: Vec<Rate> = listed.into_iter().filter_map(|i| rate(i.interval)).collect();
    if rates.is_empty() { vec![wanted] } else { rates }
}

/// The value nearest to `wanted` that a range with steps has, rounded down to a step.
fn step(wanted: u32, min: u32, max: u32, step: u32) -> u32 {
    let value = wanted.min(max).max(min);
    value - (value - min) % step.max(1)
}

/// Sets the camera to the offer; `None` if the driver then has a format that no pipe can carry.
fn set_up(device: &v4l::Device, offer: Offer) -> io::Result<Option<Mode>> {
    let set = device.set_format(&Format::new(offer.width, offer.height, FourCC::new(&offer.fourcc)))?;
    let interval = Fraction::new(offer.rate.den(), offer.rate.num());
    // Not every driver lets the rate be set; then the camera has the one it has.
    let interval = device.set_params(&Parameters::new(interval)).or_else(|_| device.params()).map(|p| p.interval);
    let rate = interval.ok().and_then(|f| Rate::new(f.denominator, f.numerator)).unwrap_or(offer.rate);
    let fourcc = set.fourcc.repr;
    let full_range = matches!(set.quantization, Quantization::FullRange) || matches!(set.colorspace, Colorspace::JPEG);
    let mode = |codec| Mode { codec, width: set.width, height: set.height, rate, stride: set.stride as usize, full_range };
    if (set.width, set.height, fourcc) != (offer.width, offer.height, offer.fourcc) {
        tracing::info!("the driver chose {} {}x{}", set.fourcc, set.width, set.height);
    }
    let sane = (1..=16384).contains(&set.width) && (1..=16384).contains(&set.height);
    Ok(choose::codec(fourcc).filter(|_| sane).map(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps() {
        assert_eq!(step(1920, 16, 4096, 16), 1920);
        assert_eq!(step(1921, 16, 4096, 16), 1920);
        assert_eq!(step(1, 16, 4096, 16), 16);
        assert_eq!(step(9999, 16, 640, 0), 640);
        assert_eq!(step(5, 10, 3, 1), 10, "nonsense from a driver");
    }

    #[test]
    fn what_is_no_camera() {
        let refused = |path: &str| Device::open(Path::new(path), Wish::default()).err().unwrap();
        for path in ["/dev/video-none", "/dev/null", "/dev/zero"] {
            assert!(matches!(refused(path), Error::NoSource { .. }), "{path}");
        }
        assert!(!is_camera(Path::new("/dev/null")));
    }

    #[test]
    fn errors_say_what_to_do() {
        let told = |code| format!("{:#}", anyhow::Error::new(error("/dev/video0", io::Error::from_raw_os_error(code))));
        assert!(told(libc::EACCES).contains("group video"));
        assert!(told(libc::EBUSY).contains("another program"));
        assert!(matches!(error("x", io::Error::from_raw_os_error(libc::ENODEV)), Error::NoSource { .. }));
    }

    #[test]
    fn the_clock_is_the_one_of_instant() {
        let (before, start) = (monotonic_micros(), std::time::Instant::now());
        std::thread::sleep(Duration::from_millis(20));
        let (clock, instant) = (monotonic_micros() - before, start.elapsed().as_micros() as i64);
        assert!((clock - instant).abs() < 5_000, "{clock} {instant}");
    }
}
