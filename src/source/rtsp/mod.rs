//! `rtsp://`: a network camera, by RTSP (RFC 2326) and RTP (RFC 3550).
//!
//! Video and audio go out as they come, with the times of the camera's own clock. A camera that is lost is asked again until it is back; the
//! stream goes on, and time in it with the clock. What is damaged or lost on the way is counted, and no picture goes out that needs it.

mod session;
mod streams;

use super::clock::{StreamClock, monotonic};
use super::kind::{Kind, Scheme, Setting};
use super::network::refusal::RefusalKind;
use super::network::times::Times;
use super::network::{Address, Refusal};
use super::retry::Retry;
use super::{Captured, Count, Error, OnLoss, Options, Poll, Source};
use crate::media::{Event, Header, Packet, Timestamp, Track, Unsupported, WallTime, omitted_line};
use retina::codec::CodecItem;
use session::{Connection, Request};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};
use streams::Frame;
use tokio::runtime::Runtime;

/// A network camera.
pub static KIND: Kind = Kind {
    scheme: Scheme::Url("rtsp"),
    accepts: &[Setting::Network, Setting::Transport],
    several: false,
    is_live: |_| true,
    open: |addresses, options| Ok(Box::new(Camera::open(addresses.first().map_or("", String::as_str), options)?)),
};

/// How far a picture may be before one that came before it, in microseconds: pictures are reordered, audio is not.
const REORDERED: i64 = 1_000_000;
/// Waits between tries with a user or password that is refused: cameras lock accounts.
const DENIED: Duration = Duration::from_secs(30);
/// A clock of a camera is called wrong if it is off by more, in microseconds. Servers exist that are ahead by the delay of their encoder.
const WRONG: u64 = 2_000_000;
/// So many packets of audio wait for the first picture; older ones are left out.
const MAX_WAITING: usize = 500;

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    frames: u64,
    lost: u64,
    damaged: u64,
    losses: u64,
    jumps: u64,
}

struct Camera {
    /// As it is printed.
    name: String,
    request: Request,
    stall: Duration,
    on_loss: OnLoss,
    runtime: Runtime,
    state: State,
    retry: Retry,
    clock: StreamClock,
    times: Times,
    /// The wall-clock time of stream time zero, as it was reported last.
    zero: Option<WallTime>,
    /// The tracks of the last header.
    tracks: Vec<Track>,
    /// The end of all that went out.
    end: Option<Timestamp>,
    /// Frames of audio that came before the first picture.
    waiting: VecDeque<Packet>,
    ready: VecDeque<Event>,
    counts: Counts,
    trouble: Option<Trouble>,
    /// It was said that the camera's clock is wrong.
    clock_is_wrong: bool,
}

/// What is wrong, and since when, as it was said last.
struct Trouble {
    since: Instant,
    text: String,
}

type Opening = Pin<Box<dyn Future<Output = Result<Connection, Refusal>>>>;

enum State {
    Connecting(Opening),
    Playing(Box<Playing>),
    Away,
}

struct Playing {
    connection: Connection,
    /// When the last packet came.
    heard: Instant,
}

impl Camera {
    fn open(text: &str, options: &Options) -> Result<Camera, Error> {
        let address = Address::parse(text, "rtsp").map_err(|error| {
            let what = error.to_string();
            Error::Other(Box::new(Unsupported {
                what,
                advice: "write rtsp://HOST/PATH; h5cap(1), NETWORK CAMERAS, has the paths of some makers".into(),
            }))
        })?;
        let name = address.to_string();
        if options.on_loss == OnLoss::Black {
            tracing::warn!("{name}: black pictures are made for raw formats only");
        }
        let credentials = options.network.credentials.clone().or_else(|| address.credentials().cloned());
        let network = &options.network;
        let group = std::sync::Arc::default();
        let request = Request { address, credentials, transport: network.transport, timeout: network.timeout, group };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Error::io(&name, error))?;
        let state = State::Connecting(Box::pin(Connection::open(request.clone(), false)));
        Ok(Camera {
            name,
            request,
            stall: options.stall,
            on_loss: options.on_loss,
            runtime,
            state,
            retry: Retry::now(),
            clock: StreamClock::default(),
            times: Times::new(0, None, None),
            zero: None,
            tracks: Vec::new(),
            end: None,
            waiting: VecDeque::new(),
            ready: VecDeque::new(),
            counts: Counts::default(),
            trouble: None,
            clock_is_wrong: false,
        })
    }

    /// Does what can be done until `end`.
    fn advance(&mut self, end: Instant) -> Result<(), Error> {
        match &mut self.state {
            State::Connecting(opening) => {
                let opened = self.runtime.block_on(async { tokio::time::timeout_at(end.into(), opening).await });
                match opened {
                    Err(_) => {}
                    Ok(Ok(connection)) => self.connected(connection),
                    Ok(Err(refusal)) => self.refused(refusal)?,
                }
            }
            State::Playing(playing) => {
                let until = end.min(playing.heard + self.stall);
                let item = self.runtime.block_on(async { tokio::time::timeout_at(until.into(), playing.connection.next()).await });
                match item {
                    Ok(Ok(item)) => self.take(item),
                    Ok(Err(refusal)) => self.lost(refusal)?,
                    Err(_) if playing.heard.elapsed() >= self.stall => {
                        let what = format!("nothing came for {} s", self.stall.as_secs_f32());
                        self.lost(Refusal::new(RefusalKind::Failed, what))?;
                    }
                    Err(_) => {}
                }
            }
            State::Away => {
                let at = self.retry.at();
                self.runtime.block_on(async { tokio::time::sleep_until(end.min(at).into()).await });
                if Instant::now() >= at {
                    self.state = State::Connecting(Box::pin(Connection::open(self.request.clone(), true)));
                }
            }
        }
        Ok(())
    }

    fn connected(&mut self, connection: Connection) {
        if self.tracks.is_empty() && !connection.omitted.is_empty() {
            tracing::warn!("{}: left out: {}", self.name, omitted_line(&connection.omitted));
        }
        self.counts.jumps += self.times.jumps();
        self.times = Times::new(connection.played.len(), self.end, self.zero);
        self.waiting.clear();
        self.state = State::Playing(Box::new(Playing { connection, heard: Instant::now() }));
    }

    /// A try to connect has failed: an error at the start, and another try later.
    fn refused(&mut self, refusal: Refusal) -> Result<(), Error> {
        let Some(trouble) = &mut self.trouble else { return Err(refusal.into_error(&self.name)) };
        if trouble.text == refusal.text {
            tracing::debug!("{}: {}", self.name, refusal.text);
        } else {
            tracing::warn!("{}: {}; trying again", self.name, refusal.text);
        }
        trouble.text = refusal.text;
        match refusal.kind {
            RefusalKind::Denied => self.retry.postpone(DENIED),
            _ => self.retry.failed(),
        }
        self.state = State::Away;
        Ok(())
    }

    /// The connection has ended, or gives nothing.
    fn lost(&mut self, refusal: Refusal) -> Result<(), Error> {
        // The session ends in a task of the runtime.
        let _runtime = self.runtime.enter();
        self.state = State::Away;
        self.retry = Retry::lost(self.trouble.is_some());
        if self.on_loss == OnLoss::Exit {
            return Err(Error::io(&self.name, std::io::Error::other(refusal.text)));
        }
        if self.trouble.is_none() {
            tracing::warn!("{}: lost: {}; waiting for it", self.name, refusal.text);
            self.counts.losses += 1;
            self.trouble = Some(Trouble { since: Instant::now(), text: refusal.text });
        }
        Ok(())
    }

    fn take(&mut self, item: CodecItem) {
        let State::Playing(playing) = &mut self.state else { return };
        playing.heard = Instant::now();
        match item {
            CodecItem::VideoFrame(frame) => {
                self.counts.lost += u64::from(frame.loss());
                let Some(number) = playing.connection.number(frame.stream_id()) else { return };
                let (sent, arrived) = (micros(frame.timestamp()), arrival(frame.start_ctx().received()));
                match playing.connection.played[number].video(frame) {
                    Ok(Some(frame)) => self.packet(number, sent, arrived, REORDERED, frame),
                    Ok(None) => {}
                    Err(what) => {
                        self.counts.damaged += 1;
                        tracing::debug!("{}: frame dropped: {what}", self.name);
                    }
                }
            }
            CodecItem::AudioFrame(frame) => {
                self.counts.lost += u64::from(frame.loss());
                let Some(number) = playing.connection.number(frame.stream_id()) else { return };
                let data = playing.connection.played[number].audio(&frame);
                let (sent, arrived) = (micros(frame.timestamp()), arrival(frame.ctx().received()));
                self.packet(number, sent, arrived, 0, Frame { data, key: true, is_new_track: false });
            }
            CodecItem::Rtcp(packet) => {
                let report = packet.pkts().next().and_then(|packet| packet.as_sender_report().ok().flatten());
                let number = playing.connection.number(packet.stream_id());
                if let (Some(report), Some(sent), Some(number)) = (report, packet.rtp_timestamp(), number) {
                    self.times.report(number, micros(sent), WallTime::from_ntp(report.ntp_timestamp().0));
                }
            }
            _ => {}
        }
    }

    fn packet(&mut self, track: usize, sent: i64, arrived: i64, back: i64, frame: Frame) {
        let State::Playing(playing) = &self.state else { return };
        let arrived = self.clock.stream_time(arrived);
        let Some(pts) = self.times.stamp(track, sent, arrived, back) else { return };
        let packet = Packet { track, pts, key: frame.key, data: frame.data, hidden: false };
        if playing.connection.played.iter().any(|played| played.track().is_none()) {
            // What the pictures are is not known before the first of them.
            if self.waiting.len() == MAX_WAITING {
                self.waiting.pop_front();
            }
            return self.waiting.push_back(packet);
        }
        if let Some(trouble) = self.trouble.take() {
            tracing::warn!("{}: back after {:.1} s", self.name, trouble.since.elapsed().as_secs_f32());
        }
        let tracks = || playing.connection.played.iter().filter_map(|played| played.track());
        let changed = frame.is_new_track || self.tracks.is_empty() || !self.waiting.is_empty();
        if changed && !tracks().eq(&self.tracks) {
            self.tracks = tracks().cloned().collect();
            self.tell_zero();
            self.ready.push_back(Event::Header(Header { tracks: self.tracks.clone().into(), time_zero: self.zero }));
        } else if self.tell_zero() {
            self.ready.extend(self.zero.map(Event::TimeZero));
        }
        for packet in self.waiting.drain(..).chain([packet]) {
            self.end = self.end.max(Some(packet.pts));
            self.counts.frames += 1;
            self.ready.push_back(Event::Packet(packet));
        }
    }

    /// Whether the wall-clock time of stream time zero is another one now.
    fn tell_zero(&mut self) -> bool {
        // The clock of the arrivals follows the wall clock where that is set.
        self.clock.moved();
        let moved = self.clock.wall().and_then(|arrival| self.times.zero(arrival));
        if let Some(way) = self.times.disbelieved().filter(|way| !self.clock_is_wrong && way.unsigned_abs() > WRONG) {
            self.clock_is_wrong = true;
            let (off, side) = (Duration::from_micros(way.unsigned_abs()), if way > 0 { "behind" } else { "ahead" });
            tracing::warn!("{}: the camera's clock is {off:.1?} {side}: the latency counts from the arrival of a picture", self.name);
        }
        self.zero = moved.or(self.zero);
        moved.is_some()
    }
}

/// The camera's time of a packet, in microseconds since the start of its session.
fn micros(time: retina::Timestamp) -> i64 {
    Timestamp::from_ticks(time.elapsed(), time.clock_rate().get()).micros()
}

/// A time of arrival by CLOCK_MONOTONIC, in microseconds.
fn arrival(received: Instant) -> i64 {
    monotonic().saturating_sub(i64::try_from(received.elapsed().as_micros()).unwrap_or(i64::MAX))
}

impl Source for Camera {
    fn poll(&mut self, wait: Duration) -> Result<Poll, Error> {
        let end = Instant::now() + wait;
        loop {
            if let Some(captured) = self.pending() {
                return Ok(Poll::Captured(captured));
            }
            self.advance(end)?;
            if self.ready.is_empty() && Instant::now() >= end {
                return Ok(Poll::Nothing);
            }
        }
    }

    fn pending(&mut self) -> Option<Captured> {
        self.ready.pop_front().map(Captured::by_time)
    }

    fn counts(&self) -> Vec<Count> {
        let Counts { lost, damaged, losses, jumps, .. } = self.counts;
        vec![
            Count::damaged(damaged),
            Count { name: "lost_packets_total", help: "RTP packets that were lost on the way.", total: lost },
            Count { name: "camera_losses_total", help: "Times that the camera was away.", total: losses },
            Count {
                name: "camera_clock_jumps_total",
                help: "Times that the clock of the camera was set.",
                total: jumps + self.times.jumps(),
            },
        ]
    }

    fn summary(&self, dropped: u64) -> Vec<String> {
        let Counts { frames, lost, damaged, losses, .. } = self.counts;
        vec![format!("{frames} packets, {lost} RTP packets lost, {damaged} damaged, {dropped} dropped, {losses} times away")]
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // A session that is not ended occupies a camera for a minute.
        let group = std::sync::Arc::clone(&self.request.group);
        {
            let _runtime = self.runtime.enter();
            self.state = State::Away;
        }
        _ = self.runtime.block_on(async { tokio::time::timeout(session::GOODBYE, group.await_teardown()).await });
    }
}
