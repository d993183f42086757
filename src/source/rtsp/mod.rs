//! `rtsp://` and `rtsps://`: a network camera, by RTSP (RFC 2326) and RTP (RFC 3550), with TLS or without.
//!
//! Video and audio go out as they come, with the times of the camera's own clock. A camera that is lost is asked again until it is back; the
//! stream goes on, and time in it with the clock. What is damaged or lost on the way is counted, and no picture goes out that needs it.

mod forwarder;
mod session;
mod streams;

use super::kind::{Kind, Scheme, Setting};
use super::network::black_on_loss::{Intermittent, with_black};
use super::network::outage::Outage;
use super::network::refusal::RefusalKind;
use super::network::timeline::Timeline;
use super::network::tls::TlsClient;
use super::network::{Address, Refusal, Transport};
use super::{Captured, Count, Error, Options, Poll, Source, network};
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
pub static RTSP: Kind = Kind {
    scheme: Scheme::Url("rtsp"),
    accepts: &[Setting::Network, Setting::Transport],
    several: false,
    is_live: |_| true,
    open: |addresses, options| Ok(with_black(Camera::open(addresses, "rtsp", options)?, options)),
};
/// The same by TLS.
pub static RTSPS: Kind = Kind {
    scheme: Scheme::Url("rtsps"),
    accepts: &[Setting::Network, Setting::Tls, Setting::Transport],
    open: |addresses, options| Ok(with_black(Camera::open(addresses, "rtsps", options)?, options)),
    ..RTSP
};

/// How far a picture may be before one that came before it, in microseconds: pictures are reordered, audio is not.
const REORDERED: i64 = 1_000_000;
/// So many packets of audio wait for the first picture; older ones are left out.
const MAX_WAITING: usize = 500;

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    frames: u64,
    lost: u64,
    damaged: u64,
}

struct Camera {
    request: Request,
    stall: Duration,
    outage: Outage,
    runtime: Runtime,
    state: State,
    timeline: Timeline,
    /// The tracks of the last header.
    tracks: Vec<Track>,
    /// Frames of audio that came before the first picture.
    waiting: VecDeque<Packet>,
    ready: VecDeque<Event>,
    counts: Counts,
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
    fn open(addresses: &[String], scheme: &'static str, options: &Options) -> Result<Camera, Error> {
        let unsupported = |what: String, advice: &str| Error::Other(Box::new(Unsupported { what, advice: advice.into() }));
        let address = Address::parse(addresses.first().map_or("", String::as_str), scheme).map_err(|error| {
            unsupported(error.to_string(), "write rtsp://HOST/PATH; h5cap(1), NETWORK CAMERAS, has the paths of some makers")
        })?;
        let name = address.to_string();
        let tls = (scheme == "rtsps").then(|| TlsClient::new(options.network.fingerprint));
        if tls.is_some() && options.network.transport == Transport::Udp {
            return Err(unsupported(format!("{name}: datagrams of RTP are not encrypted"), "leave --transport udp out"));
        }
        let credentials = options.network.credentials.clone().or_else(|| address.credentials().cloned());
        let network = &options.network;
        let group = std::sync::Arc::default();
        let request = Request { address, credentials, tls, transport: network.transport, timeout: network.timeout, group };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Error::io(&name, error))?;
        let state = State::Connecting(Box::pin(Connection::open(request.clone(), false)));
        Ok(Camera {
            request,
            stall: options.stall,
            outage: Outage::new(name, options.on_loss),
            runtime,
            state,
            timeline: Timeline::new("camera", 0),
            tracks: Vec::new(),
            waiting: VecDeque::new(),
            ready: VecDeque::new(),
            counts: Counts::default(),
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
                    Ok(Err(refusal)) => {
                        self.state = State::Away;
                        self.outage.refused(refusal)?;
                    }
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
                let at = self.outage.retry_at();
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
            tracing::warn!("{}: left out: {}", self.outage.name(), omitted_line(&connection.omitted));
        }
        self.timeline.begin(connection.played.len());
        self.waiting.clear();
        self.state = State::Playing(Box::new(Playing { connection, heard: Instant::now() }));
    }

    /// The connection has ended, or gives nothing.
    fn lost(&mut self, refusal: Refusal) -> Result<(), Error> {
        // The session ends in a task of the runtime.
        let _runtime = self.runtime.enter();
        self.state = State::Away;
        self.outage.lost(refusal)
    }

    fn take(&mut self, item: CodecItem) {
        let State::Playing(playing) = &mut self.state else { return };
        playing.heard = Instant::now();
        match item {
            CodecItem::VideoFrame(frame) => {
                self.counts.lost += u64::from(frame.loss());
                let Some(number) = playing.connection.number(frame.stream_id()) else { return };
                let (sent, arrived) = (micros(frame.timestamp()), frame.start_ctx().received());
                match playing.connection.played[number].video(frame) {
                    Ok(Some(frame)) => self.packet(number, sent, arrived, REORDERED, frame),
                    Ok(None) => {}
                    Err(what) => {
                        self.counts.damaged += 1;
                        tracing::debug!("{}: frame dropped: {what}", self.outage.name());
                    }
                }
            }
            CodecItem::AudioFrame(frame) => {
                self.counts.lost += u64::from(frame.loss());
                let Some(number) = playing.connection.number(frame.stream_id()) else { return };
                let data = playing.connection.played[number].audio(&frame);
                let (sent, arrived) = (micros(frame.timestamp()), frame.ctx().received());
                self.packet(number, sent, arrived, 0, Frame { data, key: true, is_new_track: false });
            }
            CodecItem::Rtcp(packet) => {
                let report = packet.pkts().next().and_then(|packet| packet.as_sender_report().ok().flatten());
                let number = playing.connection.number(packet.stream_id());
                if let (Some(report), Some(sent), Some(number)) = (report, packet.rtp_timestamp(), number) {
                    self.timeline.report_at(number, micros(sent), WallTime::from_ntp(report.ntp_timestamp().0));
                }
            }
            _ => {}
        }
    }

    fn packet(&mut self, track: usize, sent: i64, arrived: Instant, back: i64, frame: Frame) {
        let State::Playing(playing) = &self.state else { return };
        let Some(pts) = self.timeline.stamp(track, sent, arrived, back) else { return };
        let packet = Packet { track, pts, key: frame.key, data: frame.data, hidden: false };
        if playing.connection.played.iter().any(|played| played.track().is_none()) {
            // What the pictures are is not known before the first of them.
            if self.waiting.len() == MAX_WAITING {
                self.waiting.pop_front();
            }
            return self.waiting.push_back(packet);
        }
        self.outage.back();
        let tracks = || playing.connection.played.iter().filter_map(|played| played.track());
        let changed = frame.is_new_track || self.tracks.is_empty() || !self.waiting.is_empty();
        let has_moved = self.timeline.tell_zero(self.outage.name());
        if changed && !tracks().eq(&self.tracks) {
            self.tracks = tracks().cloned().collect();
            self.ready.push_back(Event::Header(Header { tracks: self.tracks.clone().into(), time_zero: self.timeline.zero() }));
        } else if has_moved {
            self.ready.extend(self.timeline.zero().map(Event::TimeZero));
        }
        for packet in self.waiting.drain(..).chain([packet]) {
            self.counts.frames += 1;
            self.ready.push_back(Event::Packet(packet));
        }
    }
}

/// The camera's time of a packet, in microseconds since the start of its session.
fn micros(time: retina::Timestamp) -> i64 {
    Timestamp::from_ticks(time.elapsed(), time.clock_rate().get()).micros()
}

impl Intermittent for Camera {
    fn stand_in(&mut self) -> Option<Timestamp> {
        let time = if self.outage.is_away() && self.ready.is_empty() { self.timeline.stand_in() } else { None };
        if time.is_some() {
            // It came before.
            self.waiting.clear();
        }
        time
    }

    fn name(&self) -> &str {
        self.outage.name()
    }
}

impl Source for Camera {
    fn poll(&mut self, wait: Duration) -> Result<Poll, Error> {
        network::poll(self, wait, Camera::advance)
    }

    fn pending(&mut self) -> Option<Captured> {
        self.ready.pop_front().map(Captured::by_time)
    }

    fn counts(&self) -> Vec<Count> {
        let Counts { lost, damaged, .. } = self.counts;
        vec![
            Count::damaged(damaged),
            Count { name: "lost_packets_total", help: "RTP packets that were lost on the way.", total: lost },
            Count { name: "camera_losses_total", help: "Times that the camera was away.", total: self.outage.losses() },
            Count { name: "camera_clock_jumps_total", help: "Times that the clock of the camera was set.", total: self.timeline.jumps() },
        ]
    }

    fn summary(&self, dropped: u64) -> Vec<String> {
        let (Counts { frames, lost, damaged }, losses) = (self.counts, self.outage.losses());
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
