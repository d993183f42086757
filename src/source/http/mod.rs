//! `http://`, `https://`, `ws://`, `wss://`: cameras and streams over HTTP and WebSocket.
//!
//! What an answer is, its first bytes say: pictures in parts, a stream of any format that the pipe reads, or one JPEG, which is then asked for
//! again and again. Formats with times keep them; the others have those of their arrival. A server that is lost is asked again until it is
//! back; the stream goes on, and time in it with the clock.
//!
//! | module | its job |
//! |---|---|
//! | `head`, `body` | the syntax of HTTP/1.1, pure |
//! | `link` | what a page links to, pure |
//! | `client` | requests, redirects and logins |
//! | `worker` | a session in a thread of its own |
//! | `resource`, `websocket` | sessions by HTTP and by WebSocket |

pub(super) mod body;
pub(super) mod client;
pub(super) mod head;
mod link;
mod resource;
#[cfg(feature = "testing")]
pub mod testing;
mod websocket;
mod worker;

use super::kind::{Kind, Scheme, Setting};
use super::network::black_on_loss::{Intermittent, with_black};
use super::network::connection::CancelToken;
use super::network::outage::{Outage, REACH};
use super::network::refusal::RefusalKind;
use super::network::timeline::{Timeline, micros};
use super::network::tls::TlsClient;
use super::network::{Address, Refusal};
use super::{Captured, Count, Error, Options, Poll, Source, network};
use crate::media::{Codec, Event, Header, Kind as TrackKind, Packet, Rate, Timestamp, Track, Unsupported};
use client::Request;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use worker::{Ended, Report, Session};

/// A stream or picture by HTTP.
pub static HTTP: Kind = kind("http", |addresses, options| open("http", addresses, options));
/// The same by TLS.
pub static HTTPS: Kind = kind("https", |addresses, options| open("https", addresses, options));
/// A stream of h5serve or go2rtc by WebSocket.
pub static WS: Kind = kind("ws", |addresses, options| open("ws", addresses, options));
/// The same by TLS.
pub static WSS: Kind = kind("wss", |addresses, options| open("wss", addresses, options));

const fn kind(scheme: &'static str, open: super::Open) -> Kind {
    let accepts = &[Setting::Network, Setting::Tls, Setting::InputFormat];
    Kind { scheme: Scheme::Url(scheme), accepts, several: false, is_live: |_| true, open }
}

/// A server sends from its newest keyframe on, which may be so old, in microseconds.
const OLDEST_START: i64 = 30_000_000;
/// How far a picture may be before one that came before it, in microseconds: pictures are reordered, audio is not.
const REORDERED: i64 = 1_000_000;

fn open(scheme: &'static str, addresses: &[String], options: &Options) -> Result<Box<dyn Source>, Error> {
    let text = addresses.first().map_or("", String::as_str);
    let unsupported = |what: String, advice: String| Error::Other(Box::new(Unsupported { what, advice }));
    let address = Address::parse(text, scheme).map_err(|e| unsupported(e.to_string(), format!("write {scheme}://HOST/PATH")))?;
    let read = options.read_bytes.clone();
    let read = read.ok_or_else(|| unsupported(format!("{scheme}: no reader"), "Options::read_bytes has to be set".into()))?;
    let name = address.to_string();
    let network = &options.network;
    let credentials = network.credentials.clone().or_else(|| address.credentials().cloned());
    let request = Request { address, credentials, tls: TlsClient::new(network.fingerprint), timeout: network.timeout };
    let interval = options.rate.map_or(Duration::from_secs(1), Rate::frame_duration);
    let run = if matches!(scheme, "ws" | "wss") { websocket::stream } else { resource::stream };
    let session = Session { name: name.clone(), request, read, interval, run };
    let outage = Outage::new(name, options.on_loss);
    let stall = options.stall;
    let resource = Resource {
        session,
        timeout: network.timeout,
        stall,
        outage,
        state: State::Away,
        timeline: Timeline::new("sender", OLDEST_START),
        tracks: Vec::new(),
        ready: VecDeque::new(),
        last_picture: None,
        counts: Counts::default(),
    };
    Ok(with_black(resource, options))
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    packets: u64,
    /// In the answers before this one.
    damaged: u64,
}

/// What a URL names.
struct Resource {
    session: Session,
    /// For an answer.
    timeout: Duration,
    stall: Duration,
    outage: Outage,
    state: State,
    timeline: Timeline,
    /// Of the last header that went out.
    tracks: Vec<Track>,
    ready: VecDeque<Event>,
    /// For a server that says that the picture is still the same.
    last_picture: Option<Packet>,
    counts: Counts,
}

enum State {
    Active(Box<Active>),
    Away,
}

/// A session that runs.
struct Active {
    reports: Receiver<Report>,
    cancel_token: CancelToken,
    /// The tracks of its last header, and whether each waits for a keyframe.
    tracks: Vec<(Track, bool)>,
    /// The server has answered.
    is_open: bool,
    /// A packet came.
    has_begun: bool,
    /// When something came last.
    heard: Instant,
    /// Nothing is expected for so long.
    pause: Duration,
    damage: u64,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.cancel_token.cancel();
    }
}

impl Resource {
    /// Does what can be done until `end`.
    fn advance(&mut self, end: Instant) -> Result<(), Error> {
        let State::Active(active) = &mut self.state else {
            let at = self.outage.retry_at();
            std::thread::sleep(end.min(at).saturating_duration_since(Instant::now()));
            return if Instant::now() >= at { self.begin() } else { Ok(()) };
        };
        let limit = if active.has_begun { self.stall + active.pause } else { self.timeout };
        let until = active.heard + limit;
        match active.reports.recv_timeout(end.min(until).saturating_duration_since(Instant::now())) {
            Ok(report) => self.take(report),
            Err(RecvTimeoutError::Timeout) if Instant::now() >= until => {
                let text = || format!("nothing came for {} s", limit.as_secs_f32());
                let (is_open, stage) = (active.is_open, active.cancel_token.stage());
                self.end(if is_open { Refusal::new(RefusalKind::Failed, text()) } else { stage.late(limit) }.into())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => self.end(Refusal::new(RefusalKind::Failed, "its session has ended").into()),
        }
    }

    fn begin(&mut self) -> Result<(), Error> {
        let cancel_token = CancelToken::default();
        self.session.request.timeout = if self.outage.is_away() { self.timeout.min(REACH) } else { self.timeout };
        let reports = self.session.start(&cancel_token).map_err(|error| Error::io(self.outage.name(), error))?;
        let (heard, pause) = (Instant::now(), Duration::ZERO);
        let active = Active { reports, cancel_token, tracks: Vec::new(), is_open: false, has_begun: false, heard, pause, damage: 0 };
        self.state = State::Active(Box::new(active));
        self.timeline.begin(0);
        Ok(())
    }

    /// A session has ended, or is ended.
    fn end(&mut self, ended: Ended) -> Result<(), Error> {
        let State::Active(active) = std::mem::replace(&mut self.state, State::Away) else { return Ok(()) };
        self.counts.damaged += active.damage;
        let refusal = match ended {
            Ended::Unreadable(error) if self.tracks.is_empty() => return Err(Error::Other(error)),
            Ended::Unreadable(error) => Refusal::new(RefusalKind::Failed, causes(&*error)),
            Ended::Refused(refusal) if self.tracks.is_empty() => return Err(refusal.into_error(self.outage.name())),
            Ended::Refused(refusal) => refusal,
        };
        if active.is_open || !self.outage.is_away() { self.outage.lost(refusal) } else { self.outage.refused(refusal) }
    }

    fn take(&mut self, report: Report) -> Result<(), Error> {
        let State::Active(active) = &mut self.state else { return Ok(()) };
        active.heard = Instant::now();
        match report {
            Report::Opened => active.is_open = true,
            Report::Event { at, event, has_time, damage } => {
                active.damage = damage;
                match event {
                    Event::Header(header) => self.header(&header, has_time),
                    Event::Packet(packet) => self.packet(packet, at, has_time),
                    Event::TimeZero(zero) if has_time => self.timeline.report(active.tracks.len(), zero),
                    Event::TimeZero(_) => {}
                }
            }
            Report::Unchanged(at) => {
                if let Some(packet) = self.last_picture.clone() {
                    self.packet(packet, at, false);
                }
            }
            Report::Pause(pause) => active.pause = pause,
            Report::Ended(ended) => return self.end(ended),
        }
        Ok(())
    }

    /// A header of the session. It goes out with the first packet, if it is another one than before.
    fn header(&mut self, header: &Header, has_time: bool) {
        let State::Active(active) = &mut self.state else { return };
        // One picture after the other has a header each.
        if !active.tracks.iter().map(|(track, _)| track).eq(header.tracks.iter()) {
            if active.tracks.len() != header.tracks.len() {
                self.timeline.begin(header.tracks.len());
            }
            let waits = |track: &Track| track.kind() == TrackKind::Video && !track.codec.intra_only();
            active.tracks = header.tracks.iter().map(|track| (track.clone(), waits(track))).collect();
        }
        if let Some(zero) = header.time_zero.filter(|_| has_time) {
            self.timeline.report(active.tracks.len(), zero);
        }
    }

    fn packet(&mut self, packet: Packet, at: Instant, has_time: bool) {
        let State::Active(active) = &mut self.state else { return };
        let Some((track, waits)) = active.tracks.get_mut(packet.track) else { return };
        active.has_begun = true;
        *waits &= !packet.key;
        if *waits {
            return;
        }
        let is_picture = !has_time && track.codec == Codec::Jpeg;
        let back = if track.kind() == TrackKind::Video { REORDERED } else { 0 };
        let sent = if is_picture { micros(at) } else { packet.pts.micros() };
        let Some(pts) = self.timeline.stamp(packet.track, sent, at, back) else { return };
        let is_told = self.timeline.tell_zero(self.outage.name());
        self.outage.back();
        if !active.tracks.iter().map(|(track, _)| track).eq(&self.tracks) {
            self.tracks = active.tracks.iter().map(|(track, _)| track.clone()).collect();
            self.ready.push_back(Event::Header(Header { tracks: self.tracks.clone().into(), time_zero: self.timeline.zero() }));
        } else if is_told {
            self.ready.extend(self.timeline.zero().map(Event::TimeZero));
        }
        self.counts.packets += 1;
        self.last_picture = is_picture.then(|| packet.clone());
        self.ready.push_back(Event::Packet(Packet { pts, ..packet }));
    }
}

/// An error without the name of the source, which stands before it already.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes: Vec<String> = std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string).collect();
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}

impl Intermittent for Resource {
    fn stand_in(&mut self) -> Option<Timestamp> {
        if self.outage.is_away() && self.ready.is_empty() { self.timeline.stand_in() } else { None }
    }

    fn name(&self) -> &str {
        self.outage.name()
    }
}

impl Source for Resource {
    fn poll(&mut self, wait: Duration) -> Result<Poll, Error> {
        network::poll(self, wait, Resource::advance)
    }

    fn pending(&mut self) -> Option<Captured> {
        self.ready.pop_front().map(Captured::by_time)
    }

    fn counts(&self) -> Vec<Count> {
        let damage = if let State::Active(active) = &self.state { active.damage } else { 0 };
        vec![
            Count::damaged(self.counts.damaged + damage),
            Count { name: "camera_losses_total", help: "Times that the camera was away.", total: self.outage.losses() },
            Count { name: "camera_clock_jumps_total", help: "Times that the clock of the camera was set.", total: self.timeline.jumps() },
        ]
    }

    fn summary(&self, dropped: u64) -> Vec<String> {
        let damaged = self.counts().first().map_or(0, |count| count.total);
        vec![format!("{} packets, {damaged} damaged, {dropped} dropped, {} times away", self.counts.packets, self.outage.losses())]
    }
}
