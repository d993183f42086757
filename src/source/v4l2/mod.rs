//! A camera of Linux (Video4Linux2): its frames with the driver's times.
//!
//! - Which camera: `Selector`. Which format, size and rate: `modes::choose`.
//! - MJPEG and H.264 go straight through, made canonical (`super::coded`); raw pictures are packed (`picture`). A damaged frame
//!   never goes out: it is counted.
//! - Times are the driver's (CLOCK_MONOTONIC at the start of exposure, where the driver is that good), not those of arrival.
//! - A camera that is unplugged, hangs or fails is waited for: the same one, by its [`Identity`], wherever it is plugged in
//!   again; the stream goes on with correct times.
//!
//! It refuses to convert pictures, and to read from devices that do not stream.

mod controls;
mod device;
mod find;
mod live;
mod modes;
mod picture;
mod refused;
mod stream;

pub use controls::{Control, ControlKind};
pub use device::{Device, FourCc, Offer, Rates, Sizes};
pub(super) use find::Selector;
pub use find::{Identity, Node, nodes};
pub(super) use modes::ModeRequest;
pub use modes::{FormatError, FormatRequest};
pub use picture::codec;

use super::OnLoss;
use super::black::{self, BlackPictures, EncodePictures};
use super::clock::{StreamClock, monotonic};
use super::retry::Retry;
use super::uevent::{self, Uevents};
use super::wait;
use super::{ControlError, Error};
use crate::media::{Codec, Event, Header, Packet, Timestamp, Track};
use bytes::Bytes;
use device::errno;
use live::{Dequeued, Live};
use rustix::event::{PollFd, PollFlags};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What is asked of a camera.
#[derive(Clone)]
pub(super) struct Options {
    pub selector: Selector,
    pub request: ModeRequest,
    /// Controls to set, by name and value, in this order.
    pub controls: Vec<(String, String)>,
    /// A camera that gives no frame for this long hangs.
    pub stall: Duration,
    pub on_loss: OnLoss,
    /// Codes black pictures.
    pub encode_pictures: Option<EncodePictures>,
    /// Time zero, where other devices feed the same stream.
    pub clock: StreamClock,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Frames that went out.
    pub frames: u64,
    /// Frames that the driver counted and did not give us (gaps in the sequence numbers).
    pub lost: u64,
    /// Frames that came damaged or short, and were dropped.
    pub damaged: u64,
    /// Times that the camera was away.
    pub losses: u64,
}

/// A camera, plugged in or waited for.
pub(super) struct Camera {
    options: Options,
    /// For messages: the selector, then the node.
    name: String,
    identity: Option<Identity>,
    state: State,
    /// Since when something is wrong, after it was reported; until a frame comes.
    trouble: Option<Instant>,
    /// The tracks of the last header.
    track: Option<Track>,
    /// In place of its pictures, where they are wanted.
    black: Option<BlackPictures>,
    last: Option<Timestamp>,
    ready: VecDeque<Event>,
    counts: Counts,
    controls: Controls,
    uevents: Option<Uevents>,
}

enum State {
    Live(Box<Live>),
    Away(Retry),
}

/// Times further than this from now are not believed.
const SANE: i64 = 5_000_000;

impl Camera {
    /// Opens the camera and starts it.
    ///
    /// # Errors
    /// There is no such camera; it may not be opened or is in use (and what to do about it); it has no format that fits; a control
    /// is not there.
    pub fn open(options: Options) -> Result<Camera, Error> {
        let name = options.selector.to_string();
        let state = State::Away(Retry::now());
        let wanted = Vec::with_capacity(options.controls.len());
        let controls = Controls(Arc::new(Mutex::new(Shared { device: None, wanted })));
        let uevents = Uevents::listen().inspect_err(|e| tracing::debug!("no kernel events: {e}")).ok();
        let (identity, track, last, trouble, black) = (None, None, None, None, None);
        let (ready, counts) = (VecDeque::new(), Counts::default());
        let mut camera = Camera { options, name, identity, state, trouble, track, black, last, ready, counts, controls, uevents };
        camera.connect()?;
        for (id, value) in camera.options.controls.clone() {
            let set = super::Controls::set(&camera.controls, &id, &value);
            set.map_err(|e| match e {
                ControlError::Io { id, why } => Error::io(format!("{}: {id}", camera.name), why),
                e => Error::unsupported(&camera.name, e.to_string(), "see `h5cap --list`"),
            })?;
        }
        Ok(camera)
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A handle to its controls, for other threads.
    pub fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// The next event, or `None` when there is none within `wait`.
    ///
    /// # Errors
    /// The camera is lost, with [`OnLoss::Exit`].
    pub fn poll(&mut self, wait: Duration) -> Result<Option<Event>, Error> {
        let end = Instant::now() + wait;
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let now = Instant::now();
            match &mut self.state {
                State::Live(live) => {
                    let until = end.min(live.heard + self.options.stall);
                    let mut fd = [PollFd::from_borrowed_fd(live.fd(), PollFlags::IN)];
                    let ready = wait::ready(&mut fd, until.saturating_duration_since(now));
                    match if ready { live.take() } else { Ok(None) } {
                        Ok(Some(taken)) => self.taken(taken),
                        // Some drivers have an error to tell, and then only "try again": that is as good as silence.
                        Ok(None) if live.heard.elapsed() >= self.options.stall => {
                            let what = format!("no frame for {} s", self.options.stall.as_secs_f32());
                            self.lost(std::io::Error::other(what))?;
                        }
                        Ok(None) if now >= end => return Ok(None),
                        Ok(None) => {}
                        Err(e) => self.lost(e)?,
                    }
                }
                State::Away(retry) => {
                    let try_again = retry.at();
                    let black = self.next_black();
                    let until = end.min(try_again).min(black.unwrap_or(end));
                    if uevent::news(self.uevents.as_ref(), "video4linux", until.saturating_duration_since(now))
                        || Instant::now() >= try_again
                    {
                        self.reconnect();
                    } else if black.is_some_and(|due| Instant::now() >= due) {
                        self.black();
                    } else if Instant::now() >= end {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Finds the camera and starts it.
    fn connect(&mut self) -> Result<(), Error> {
        let nodes = find::nodes();
        let candidates = match &self.identity {
            Some(identity) => identity.find(nodes).into_iter().collect(),
            None => self.options.selector.matches(nodes),
        };
        let mut unfit = None;
        for node in candidates {
            // Later, a try that fails is made again without waiting here.
            let first = self.identity.is_none();
            let device = match if first { opened(&node.path) } else { Device::open(&node.path) } {
                Ok(device) => Arc::new(device),
                // A node for metadata or output.
                Err(e) if matches!(errno(&e), Some(libc::ENODEV | libc::ENOTTY | libc::EINVAL)) => continue,
                Err(e) => return Err(self.refused(&node.path, e)),
            };
            let live = match Live::start(device.clone(), &self.options.request, &self.name) {
                Ok(live) => live,
                Err(live::StartError::Io(e)) => return Err(self.refused(&node.path, e)),
                // Another that was meant as well may do better, such as the second node of a camera, with its H.264.
                Err(live::StartError::NoFormat(what)) => {
                    unfit.get_or_insert_with(|| Error::unsupported(&self.name, what, "see `h5cap --list` for what it offers"));
                    continue;
                }
            };
            tracing::info!("{}: {}, {} ({})", self.name, live.description, device.card, node.path.display());
            self.identity = Some(node.identity);
            self.controls.attach(device);
            self.state = State::Live(Box::new(live));
            return Ok(());
        }
        Err(unfit.unwrap_or_else(|| {
            let advice = match self.options.selector {
                Selector::First => "no camera found; plug one in, or try the test picture: h5cap test",
                Selector::Path(_) => "this device is no camera; `h5cap --list` shows those there are",
                Selector::Text(_) => "no such camera; `h5cap --list` shows those there are",
            };
            Error::no_source(&self.name, advice)
        }))
    }

    fn refused(&self, path: &std::path::Path, e: std::io::Error) -> Error {
        let e = refused::explain(path, e);
        let node = path.display().to_string();
        Error::io(if self.name == node { node } else { format!("{}: {node}", self.name) }, e)
    }

    fn lost(&mut self, why: std::io::Error) -> Result<(), Error> {
        let why = match errno(&why) {
            Some(libc::ENODEV) => std::io::Error::other("it was unplugged"),
            _ => why,
        };
        self.controls.detach();
        let hangs = self.trouble.is_some();
        self.state = State::Away(Retry::lost(hangs));
        if self.options.on_loss == OnLoss::Exit {
            return Err(Error::io(&self.name, why));
        }
        if self.trouble.is_none() {
            tracing::warn!("{}: lost: {why}; waiting for it", self.name);
            self.trouble = Some(Instant::now());
            self.counts.losses += 1;
        }
        Ok(())
    }

    fn reconnect(&mut self) {
        if let Err(e) = self.connect() {
            let cause = std::error::Error::source(&e).map(ToString::to_string).unwrap_or_default();
            tracing::debug!("{e}: {cause}");
            if let State::Away(retry) = &mut self.state {
                retry.failed();
            }
        }
    }

    /// A buffer came from the driver.
    fn taken(&mut self, taken: Dequeued) {
        self.counts.lost += taken.lost;
        let frame = match taken.frame {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(what) => {
                self.counts.damaged += 1;
                return tracing::debug!("{}: frame dropped: {what}", self.name);
            }
        };
        if let Some(since) = self.trouble.take() {
            tracing::warn!("{}: back after {:.1} s", self.name, since.elapsed().as_secs_f32());
        }
        let now = monotonic();
        let time = taken.time.filter(|t| now.saturating_sub(*t).abs() < SANE).unwrap_or(now);
        if let Some(track) = frame.track.filter(|track| self.track.as_ref() != Some(track)) {
            self.header(track, time);
        }
        self.packet(time, frame.key, frame.data);
    }

    fn header(&mut self, track: Track, time: i64) {
        // A stream begins with its first frame.
        self.options.clock.stream_time(time);
        if self.options.on_loss == OnLoss::Black {
            self.black = self.black_pictures(&track);
        }
        self.track = Some(track.clone());
        self.ready.push_back(Event::Header(Header { tracks: Arc::new([track]), time_zero: self.options.clock.wall() }));
    }

    fn packet(&mut self, time: i64, key: bool, data: Bytes) {
        let pts = self.options.clock.stream_time(time);
        // Drivers that give the same time twice exist.
        let pts = self.last.map_or(pts, |last| pts.max(last + 1));
        self.last = Some(pts);
        self.counts.frames += 1;
        self.ready.push_back(Event::Packet(Packet { track: 0, pts, key, data, hidden: false }));
    }

    /// Raw pictures and JPEG stay in their track. Another track would need a header of its own, in the middle of the audio of a microphone.
    fn black_pictures(&self, track: &Track) -> Option<BlackPictures> {
        let black = match track.codec {
            Codec::Raw(_) | Codec::Jpeg => BlackPictures::like(track, self.options.encode_pictures.as_ref()),
            codec => Err(format!("there are none for {codec} of a camera of this machine").into()),
        };
        black.inspect_err(|why| tracing::warn!("{}: no black pictures while it is away: {why}", self.name)).ok()
    }

    /// When the next black picture is due, where they are wanted.
    fn next_black(&self) -> Option<Instant> {
        let (_, track) = self.black.as_ref().zip(self.track.as_ref())?;
        let since = monotonic().saturating_sub(self.options.clock.monotonic(self.last?)?);
        Some(Instant::now() + black::interval(track.frame_duration).saturating_sub(Duration::from_micros(since.max(0) as u64)))
    }

    fn black(&mut self) {
        if let Some(picture) = self.black.as_mut().map(BlackPictures::picture) {
            self.packet(monotonic(), true, picture);
        }
    }
}

/// The controls of a camera, for another thread. What was set is set again when the camera is back.
#[derive(Clone)]
pub(super) struct Controls(Arc<Mutex<Shared>>);

struct Shared {
    device: Option<Arc<Device>>,
    wanted: Vec<(String, String)>,
}

impl super::Controls for Controls {
    fn list(&self) -> Result<serde_json::Value, ControlError> {
        self.device().map(|device| serde_json::json!(device.controls()))
    }

    fn set(&self, id: &str, value: &str) -> Result<(), ControlError> {
        self.device()?.set_control(id, value)?;
        let wanted = &mut self.lock().wanted;
        wanted.retain(|(known, _)| known != id);
        wanted.push((id.to_owned(), value.to_owned()));
        Ok(())
    }
}

impl Controls {
    fn device(&self) -> Result<Arc<Device>, ControlError> {
        self.lock().device.clone().ok_or(ControlError::Away)
    }

    fn attach(&self, device: Arc<Device>) {
        for (id, value) in &self.lock().wanted {
            if let Err(e) = device.set_control(id, value) {
                tracing::warn!("{}: {e}", device.path().display());
            }
        }
        self.lock().device = Some(device);
    }

    fn detach(&self) {
        self.lock().device = None;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Opens a device. For a moment after it was plugged in, drivers call it busy, though no program has it.
fn opened(path: &std::path::Path) -> std::io::Result<Device> {
    const MOMENT: Duration = Duration::from_secs(2);
    let until = Instant::now() + MOMENT;
    loop {
        match Device::open(path) {
            Err(e) if errno(&e) == Some(libc::EBUSY) && Instant::now() < until && !refused::is_held(path) => {
                std::thread::sleep(MOMENT / 20);
            }
            done => return done,
        }
    }
}
