//! A sound card that records.

use super::times::Times;
use crate::media::{AudioParams, Codec, SampleFormat, Track};
use crate::source::clock::monotonic;
use alsa::pcm::{Access, Format, Frames, HwParams, PCM, TstampType};
use alsa::{Direction, ValueOr};
use bytes::{Bytes, BytesMut};
use rustix::event::{PollFd, PollFlags};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// What is asked of a card: what most of them have, and what browsers and Opus work in.
const RATE: u32 = 48_000;
const CHANNELS: u32 = 2;
/// A packet, in microseconds. Shorter ones cost more for less delay than the encoder's own.
const PERIOD: u32 = 10_000;
/// What the driver keeps while we are held up, in microseconds.
const BUFFER: u32 = 500_000;
/// Formats that the pipe carries too, the best compromise first.
const FORMATS: [(Format, SampleFormat); 5] = [
    (Format::S16LE, SampleFormat::S16),
    (Format::S32LE, SampleFormat::S32),
    (Format::FloatLE, SampleFormat::F32),
    (Format::S243LE, SampleFormat::S24),
    (Format::U8, SampleFormat::U8),
];
/// Times further than this from now, in microseconds, are not believed.
const SANE: i64 = 5_000_000;

pub struct Device {
    pcm: PCM,
    pub rate: u32,
    pub channels: u16,
    pub format: SampleFormat,
    /// Sample frames in a packet.
    period: usize,
    times: Times,
    /// When the last packet came.
    pub heard: Instant,
}

/// A packet, and the time of its first sample by CLOCK_MONOTONIC in microseconds.
pub struct Period {
    pub time: i64,
    pub data: Bytes,
}

/// What reading gave.
pub enum ReadOutcome {
    Period(Period),
    /// Nothing yet.
    Nothing,
    /// We were too slow: audio was lost.
    Overrun,
}

impl Device {
    /// Opens the device with this name for ALSA and starts it.
    ///
    /// # Errors
    /// It is not there, in use, may not be opened, or has no format that the pipe carries.
    pub fn start(name: &str) -> io::Result<Device> {
        let pcm = PCM::new(name, Direction::Capture, true).map_err(error)?;
        let (format, rate, channels, period) = set(&pcm)?;
        pcm.start().map_err(error)?;
        Ok(Device { pcm, rate, channels, format, period, times: Times::default(), heard: Instant::now() })
    }

    pub fn track(&self) -> Track {
        let params = AudioParams { rate: self.rate, channels: self.channels, delay: Duration::ZERO };
        let mut track = Track::audio(Codec::Pcm(self.format), params);
        track.frame_duration = Some(Duration::from_nanos(self.period as u64 * 1_000_000_000 / u64::from(self.rate)));
        track
    }

    /// As people read it: `S16, 48000 Hz, 2 channels`.
    pub fn description(&self) -> String {
        let plural = if self.channels == 1 { "" } else { "s" };
        format!("{}, {} Hz, {} channel{plural}", Codec::Pcm(self.format), self.rate, self.channels)
    }

    /// How fast its clock runs against the machine's: 1.01 is one per cent fast.
    pub fn speed(&self) -> f64 {
        self.times.speed(self.rate)
    }

    /// Takes a packet, if one is complete.
    ///
    /// # Errors
    /// The card is gone (ENODEV) or broken.
    pub fn take(&mut self) -> io::Result<ReadOutcome> {
        let status = match self.pcm.status() {
            Ok(status) => status,
            Err(e) => return self.recover(e),
        };
        let available = match self.pcm.avail_update() {
            Ok(available) => available.min(status.get_avail()),
            Err(e) => return self.recover(e),
        };
        if available < self.period as Frames {
            return Ok(ReadOutcome::Nothing);
        }
        // When the driver looked, so many samples had come since the first that is read now.
        let looked = status.get_htstamp();
        let now = monotonic();
        let looked = looked.tv_sec * 1_000_000 + looked.tv_nsec / 1000;
        // Sound servers give no time, or one of another clock.
        let looked = if (now - looked).abs() < SANE { looked } else { now };
        let first = looked - status.get_avail() * 1_000_000 / i64::from(self.rate);
        let frame = self.format.bytes() * usize::from(self.channels);
        let mut data = BytesMut::zeroed(self.period * frame);
        let read = self.pcm.io_bytes().readi(&mut data);
        let read = match read {
            Ok(0) => return Ok(ReadOutcome::Nothing),
            Ok(read) => read,
            Err(e) => return self.recover(e),
        };
        data.truncate(read * frame);
        self.heard = Instant::now();
        let time = self.times.next(first, read, self.rate);
        Ok(ReadOutcome::Period(Period { time, data: data.freeze() }))
    }

    /// Starts again after an overrun or a suspended machine.
    fn recover(&mut self, e: alsa::Error) -> io::Result<ReadOutcome> {
        if e.errno() == libc::EAGAIN {
            return Ok(ReadOutcome::Nothing);
        }
        if !matches!(e.errno(), libc::EPIPE | libc::ESTRPIPE | libc::EINTR) {
            return Err(error(e));
        }
        self.pcm.try_recover(e, true).map_err(error)?;
        if self.pcm.state() != alsa::pcm::State::Running {
            self.pcm.start().map_err(error)?;
        }
        self.times.restart();
        Ok(ReadOutcome::Overrun)
    }

    /// Waits until there may be something to take.
    pub fn wait(&self, wait: Duration) {
        let Ok(descriptors) = alsa::poll::Descriptors::get(&self.pcm) else {
            return std::thread::sleep(wait.min(Duration::from_millis(5)));
        };
        let borrow = |p: &libc::pollfd| {
            // SAFETY: the descriptors are the device's own, which is open as long as it is borrowed.
            let fd = unsafe { BorrowedFd::borrow_raw(p.fd) };
            PollFd::from_borrowed_fd(fd, PollFlags::from_bits_retain(p.events as u16))
        };
        let mut fds: Vec<PollFd<'_>> = descriptors.iter().map(borrow).collect();
        // A signal, or a device that is gone: the next read tells.
        _ = crate::source::wait::ready(&mut fds, wait);
    }
}

/// Format, rate, channels and sample frames in a period, as the driver accepted them.
fn set(pcm: &PCM) -> io::Result<(SampleFormat, u32, u16, usize)> {
    let hardware = HwParams::any(pcm).map_err(error)?;
    hardware.set_access(Access::RWInterleaved).map_err(error)?;
    let offered = FORMATS.into_iter().find(|(format, _)| hardware.test_format(*format).is_ok());
    let (theirs, ours) = offered.ok_or_else(|| io::Error::other("it has none of the formats s16, s32, f32, s24, u8"))?;
    hardware.set_format(theirs).map_err(error)?;
    let channels = hardware.set_channels_near(CHANNELS).map_err(error)?;
    let channels = u16::try_from(channels).map_err(|_| io::Error::other(format!("{channels} channels")))?;
    let rate = hardware.set_rate_near(RATE, ValueOr::Nearest).map_err(error)?;
    hardware.set_period_time_near(PERIOD, ValueOr::Nearest).map_err(error)?;
    hardware.set_buffer_time_near(BUFFER, ValueOr::Nearest).map_err(error)?;
    pcm.hw_params(&hardware).map_err(error)?;
    // Packets of the size asked for, also where the driver's periods are longer.
    let asked = (u64::from(rate) * u64::from(PERIOD) / 1_000_000).max(1) as usize;
    let period = usize::try_from(hardware.get_period_size().map_err(error)?).map_or(asked, |size| size.clamp(1, asked));
    let software = pcm.sw_params_current().map_err(error)?;
    software.set_avail_min(period as Frames).map_err(error)?;
    software.set_tstamp_mode(true).map_err(error)?;
    // Old plugins know only one clock; then the time of arrival counts.
    _ = software.set_tstamp_type(TstampType::Monotonic);
    pcm.sw_params(&software).map_err(error)?;
    Ok((ours, rate, channels, period))
}

fn error(e: alsa::Error) -> io::Error {
    io::Error::from_raw_os_error(e.errno())
}
