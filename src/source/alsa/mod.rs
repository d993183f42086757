//! A microphone of Linux (ALSA): its audio as PCM with the driver's times.
//!
//! - Which microphone: `Selector`. The format is the card's own, at 48 kHz and in stereo where it can.
//! - Times are the driver's (CLOCK_MONOTONIC, smoothed: `times`), so that audio and picture stand on one clock however fast the card's
//!   own runs; h5enc stretches the audio to them.
//! - A microphone that is unplugged or hangs is waited for, and goes on with correct times when it is back.

mod device;
mod find;
mod times;

pub(super) use find::Selector;
pub use find::{Microphone, microphones};

use super::Error;
use super::clock::StreamClock;
use super::retry::Retry;
use super::uevent::{self, Uevents};
use crate::media::{Event, Header, Packet, Timestamp, Track};
use device::{Device, ReadOutcome};
use std::io;
use std::time::{Duration, Instant};

/// What is asked of a microphone.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub selector: Selector,
    /// A microphone that gives nothing for this long hangs.
    pub stall: Duration,
    /// Fail when it is lost, in place of waiting for it.
    pub exit_on_loss: bool,
    pub clock: StreamClock,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Packets that went out.
    pub packets: u64,
    /// Times that audio was lost because it was not taken in time.
    pub overruns: u64,
    /// Times that the microphone was away.
    pub losses: u64,
}

/// A microphone, plugged in or waited for.
pub(super) struct Recorder {
    options: Options,
    name: String,
    state: State,
    /// When it was lost, until audio comes.
    trouble: Option<Instant>,
    track: Option<Track>,
    last: Option<Timestamp>,
    ready: Option<Event>,
    counts: Counts,
    uevents: Option<Uevents>,
}

enum State {
    Live(Box<Device>),
    Away(Retry),
}

impl Recorder {
    /// Opens the microphone and starts it.
    ///
    /// # Errors
    /// There is no such microphone; it may not be opened or is in use; it has no format that fits.
    pub fn open(options: Options) -> Result<Recorder, Error> {
        let name = options.selector.to_string();
        let state = State::Away(Retry::now());
        let uevents = Uevents::listen().inspect_err(|e| tracing::debug!("no kernel events: {e}")).ok();
        let (trouble, track, last, ready, counts) = (None, None, None, None, Counts::default());
        let mut recorder = Recorder { options, name, state, trouble, track, last, ready, counts, uevents };
        recorder.connect()?;
        Ok(recorder)
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How fast the card's clock runs against the machine's, as far as it is known.
    pub fn speed(&self) -> Option<f64> {
        if let State::Live(device) = &self.state { Some(device.speed()) } else { None }
    }

    /// The next event, or `None` when there is none within `wait`.
    ///
    /// # Errors
    /// The microphone is lost, with [`Options::exit_on_loss`].
    pub fn poll(&mut self, wait: Duration) -> Result<Option<Event>, Error> {
        let end = Instant::now() + wait;
        loop {
            if let Some(event) = self.ready.take() {
                return Ok(Some(event));
            }
            match &mut self.state {
                State::Live(device) => match device.take() {
                    Ok(ReadOutcome::Period(period)) => return Ok(Some(self.packet(period))),
                    Ok(ReadOutcome::Overrun) => {
                        self.counts.overruns += 1;
                        tracing::debug!("{}: overrun", self.name);
                    }
                    Ok(ReadOutcome::Nothing) => {
                        let left = end.saturating_duration_since(Instant::now());
                        if device.heard.elapsed() >= self.options.stall {
                            let what = format!("no sound for {} s", self.options.stall.as_secs_f32());
                            self.lost(io::Error::other(what))?;
                        } else if left.is_zero() {
                            return Ok(None);
                        } else {
                            device.wait(left);
                        }
                    }
                    Err(e) => self.lost(e)?,
                },
                State::Away(retry) => {
                    let (now, try_again) = (Instant::now(), retry.at());
                    let news = uevent::news(self.uevents.as_ref(), "sound", end.min(try_again).saturating_duration_since(now));
                    if news || Instant::now() >= try_again {
                        self.reconnect();
                    } else if Instant::now() >= end {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn connect(&mut self) -> Result<(), Error> {
        let missing = || Error::no_source(&self.name, "no such microphone; `h5cap --list` shows those there are");
        let pcm = self.options.selector.find().ok_or_else(missing)?;
        let device = Device::start(&pcm).map_err(|e| match e.raw_os_error() {
            Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => missing(),
            Some(libc::EBUSY) => Error::io(&self.name, io::Error::other(format!("{pcm} is used by another program"))),
            Some(libc::EACCES | libc::EPERM) => {
                Error::io(&self.name, io::Error::other(format!("{pcm}: not allowed: add yourself to group audio, and log in again")))
            }
            _ => Error::io(&self.name, e),
        })?;
        tracing::info!("{}: {} ({pcm})", self.name, device.description());
        self.state = State::Live(Box::new(device));
        Ok(())
    }

    fn lost(&mut self, why: io::Error) -> Result<(), Error> {
        let why = match why.raw_os_error() {
            Some(libc::ENODEV | libc::ENOENT | libc::EBADFD) => io::Error::other("it was unplugged"),
            _ => why,
        };
        let hangs = self.trouble.is_some();
        self.state = State::Away(Retry::lost(hangs));
        if self.options.exit_on_loss {
            return Err(Error::io(&self.name, why));
        }
        if !hangs {
            tracing::warn!("{}: lost: {why}; waiting for it", self.name);
            self.trouble = Some(Instant::now());
            self.counts.losses += 1;
        }
        Ok(())
    }

    fn reconnect(&mut self) {
        if let Err(e) = self.connect() {
            tracing::debug!("{e}");
            if let State::Away(retry) = &mut self.state {
                retry.failed();
            }
        }
    }

    /// Audio came. The track comes before it, where it is new.
    fn packet(&mut self, period: device::Period) -> Event {
        if let Some(since) = self.trouble.take() {
            tracing::warn!("{}: back after {:.1} s", self.name, since.elapsed().as_secs_f32());
        }
        let pts = self.options.clock.stream_time(period.time);
        let pts = self.last.map_or(pts, |last| pts.max(last + 1));
        self.last = Some(pts);
        self.counts.packets += 1;
        let packet = Event::Packet(Packet { track: 0, pts, key: true, data: period.data, hidden: false });
        let State::Live(device) = &self.state else { return packet };
        let track = device.track();
        if self.track.as_ref() == Some(&track) {
            return packet;
        }
        self.track = Some(track.clone());
        self.ready = Some(packet);
        Event::Header(Header { tracks: [track].into(), time_zero: self.options.clock.wall() })
    }
}
