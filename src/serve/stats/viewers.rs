//! Places for viewers, counted: per stream, and all together up to a limit; and what is known of each who has one.

use super::events::Events;
use super::reports::Report;
use super::viewer_event::{Reporter, ViewerEvent, ViewerEventKind};
use crate::access::Ended;
use crate::media::WallTime;
use crate::serve::access::Authorization;
use crate::serve::limits::Capacity;
use crate::serve::live::stream::{Numbers, Stream};
use crate::serve::net::socket::Peer;
use crate::serve::places::Place;
use crate::serve::refusals::{Limit, Refusals};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// The median is taken over so many latencies.
const LATENCIES: usize = 15;
/// A report that comes sooner after the last one is ignored.
const BETWEEN_REPORTS: Duration = Duration::from_millis(250);

/// All the places there are.
#[derive(Debug)]
pub struct ViewerRegistry {
    taken: AtomicUsize,
    capacity: Capacity,
    refusals: Arc<Refusals>,
    /// For those who ask for a stream that is not there.
    without_stream: Numbers,
    events: Events,
    viewers: Mutex<BTreeMap<u64, Arc<ViewerState>>>,
    next: AtomicU64,
}

/// One place, given back when it is dropped.
#[derive(Debug)]
pub struct ViewerHandle {
    registry: Arc<ViewerRegistry>,
    state: Arc<ViewerState>,
    /// `None`: what was asked for is not there.
    authorization: Option<Box<Authorization>>,
    /// Of its user, if it has logged in.
    user: Option<Place<String>>,
}

/// What is known of a viewer. Of a fixed size but for two short texts.
#[derive(Debug)]
struct ViewerState {
    id: u64,
    stream: Option<Arc<Stream>>,
    peer: Peer,
    since: WallTime,
    began: Instant,
    bytes: AtomicU64,
    jumps: AtomicU64,
    dropped: AtomicU64,
    /// Of the close frame that was sent; 0: none was.
    code: AtomicU16,
    /// Why it is to go.
    dismissed: OnceLock<&'static str>,
    player: Mutex<PlayerStats>,
}

/// How it is served, and what it has reported.
#[derive(Debug)]
struct PlayerStats {
    transport: &'static str,
    at: Option<Instant>,
    latencies: [Duration; LATENCIES],
    measured: usize,
    stalls: u64,
    stalled: Duration,
    dropped: u64,
    errors: u64,
    error: Option<Box<str>>,
    player: Option<Box<str>>,
}

/// A viewer, for people.
#[derive(Debug, Serialize)]
pub struct ViewerSummary {
    id: u64,
    /// `None`: one that is not there.
    stream: Option<String>,
    /// `websocket` until it has asked for something, then `mse` or `mjpeg`; or, over plain HTTP, `mp4` or `multipart`.
    transport: &'static str,
    remote: Peer,
    /// Unix time.
    since: f64,
    /// As of a quarter of a second ago.
    bytes: u64,
    /// How often it was too late and went on at a newer keyframe, and how many frames it lost by that.
    jumps: u64,
    dropped: u64,
    /// `None` as long as nothing was reported.
    player: Option<PlayerSummary>,
}

/// What a viewer's player has reported, in all.
#[derive(Debug, Serialize)]
pub struct PlayerSummary {
    transport: Option<String>,
    /// The median of the newest.
    latency_ms: Option<f64>,
    stalls: u64,
    stalled_ms: f64,
    dropped: u64,
    errors: u64,
    error: Option<String>,
    /// Seconds since the newest report.
    age: f64,
}

impl ViewerRegistry {
    pub fn new(capacity: Capacity, refusals: Arc<Refusals>, events: Events) -> ViewerRegistry {
        let (taken, next) = (AtomicUsize::new(0), AtomicU64::new(1));
        ViewerRegistry { taken, capacity, refusals, without_stream: Numbers::default(), events, viewers: Mutex::default(), next }
    }

    /// Of so many places, for tests.
    #[cfg(test)]
    pub fn of(viewers: usize) -> ViewerRegistry {
        ViewerRegistry::new(Capacity { viewers, ..Capacity::default() }, Arc::default(), Events::default())
    }

    /// # Errors
    /// All are taken.
    pub fn take(
        self: &Arc<ViewerRegistry>,
        stream: Option<Arc<Stream>>,
        transport: &'static str,
        peer: Peer,
    ) -> Result<ViewerHandle, Limit> {
        self.count(stream.as_deref()).inspect_err(|limit| self.refusals.note(*limit))?;
        let state = Arc::new(ViewerState {
            id: self.next.fetch_add(1, Relaxed),
            stream,
            peer,
            since: WallTime::now(),
            began: Instant::now(),
            bytes: AtomicU64::new(0),
            jumps: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            code: AtomicU16::new(0),
            dismissed: OnceLock::new(),
            player: Mutex::new(PlayerStats::new(transport)),
        });
        self.lock().insert(state.id, state.clone());
        let handle = ViewerHandle { registry: self.clone(), state, authorization: None, user: None };
        handle.numbers().joined.fetch_add(1, Relaxed);
        handle.tell(|| ViewerEventKind::Join { remote: peer, transport });
        Ok(handle)
    }

    /// Takes a place in all, and one of the stream.
    fn count(&self, stream: Option<&Stream>) -> Result<(), Limit> {
        let below = |limit: usize| move |n: usize| (n < limit).then_some(n + 1);
        self.taken.fetch_update(Relaxed, Relaxed, below(self.capacity.viewers)).map_err(|_| Limit::Viewers)?;
        let viewers = &stream.map_or(&self.without_stream, |stream| &stream.numbers).viewers;
        if viewers.fetch_update(Relaxed, Relaxed, below(self.capacity.stream_viewers)).is_err() {
            self.taken.fetch_sub(1, Relaxed);
            return Err(Limit::StreamViewers);
        }
        Ok(())
    }

    /// The viewers who are there, at most so many, those who came first.
    pub fn viewers(&self, most: usize) -> Vec<ViewerSummary> {
        let viewers: Vec<_> = self.lock().values().take(most).cloned().collect();
        viewers.iter().map(|state| state.summary(Instant::now())).collect()
    }

    /// Has a viewer closed, within a moment or before its next frame. `false`: there is no such viewer.
    pub fn dismiss(&self, viewer: u64, why: &'static str) -> bool {
        // The first reason counts.
        self.lock().get(&viewer).map(|state| state.dismissed.set(why)).is_some()
    }

    /// A poisoned lock only means that another thread died while it counted.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<ViewerState>>> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ViewerHandle {
    /// It is this user.
    pub fn is_of(&mut self, user: Option<Place<String>>) {
        self.user = user;
    }

    /// By what it was let in.
    pub(in crate::serve) fn let_in(&mut self, authorization: Option<Authorization>) {
        self.authorization = authorization.map(Box::new);
    }

    /// Whether it may go on watching.
    ///
    /// # Errors
    /// Why not.
    pub fn may_go_on(&self) -> Result<(), Ended> {
        self.authorization.as_ref().map_or(Ok(()), |authorization| authorization.check())
    }

    /// So many bytes went to it.
    pub fn sent(&self, bytes: usize) {
        self.numbers().bytes_out.fetch_add(bytes as u64, Relaxed);
        self.state.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// It was too late and goes on at a newer keyframe.
    pub fn jumped(&self, frames: u64) {
        self.numbers().dropped.fetch_add(frames, Relaxed);
        self.state.jumps.fetch_add(1, Relaxed);
        self.state.dropped.fetch_add(frames, Relaxed);
        self.tell(|| ViewerEventKind::Drop { by: Reporter::Server, frames });
    }

    /// It took nothing for so long, and is closed.
    pub fn stalled(&self, time: Duration) {
        self.numbers().stalled.fetch_add(1, Relaxed);
        self.tell(|| ViewerEventKind::Stall { by: Reporter::Server, seconds: seconds(time) });
    }

    /// It broke the rules of the protocol.
    pub fn failed(&self, error: &str) {
        self.tell(|| ViewerEventKind::Error { by: Reporter::Server, error: error.into() });
    }

    /// Why it is to go, if it is.
    pub fn dismissed(&self) -> Option<&'static str> {
        self.state.dismissed.get().copied()
    }

    /// It has been granted what it asked for.
    pub fn gets(&self, transport: &'static str) {
        self.state.player().transport = transport;
    }

    /// A close frame with this code is on its way to it.
    pub fn closing(&self, code: u16) {
        self.state.code.store(code, Relaxed);
    }

    /// Takes a report of its player. Reports that come too often are ignored.
    pub fn reported(&self, report: &Report, now: Instant) {
        if !self.state.player().take(report, now) {
            return;
        }
        let numbers = self.numbers();
        report.latency.iter().for_each(|latency| numbers.latency.add(*latency));
        report.stalls.iter().for_each(|stall| numbers.stalls.add(*stall));
        numbers.player_dropped.fetch_add(report.dropped, Relaxed);
        numbers.player_errors.fetch_add(report.errors, Relaxed);
        for stall in &report.stalls {
            self.tell(|| ViewerEventKind::Stall { by: Reporter::Player, seconds: seconds(*stall) });
        }
        if report.dropped > 0 {
            self.tell(|| ViewerEventKind::Drop { by: Reporter::Player, frames: report.dropped });
        }
        if report.errors > 0 {
            self.tell(|| ViewerEventKind::Error { by: Reporter::Player, error: report.error.clone().unwrap_or_default() });
        }
    }

    fn numbers(&self) -> &Numbers {
        self.state.stream.as_ref().map_or(&self.registry.without_stream, |s| &s.numbers)
    }

    fn tell(&self, what: impl FnOnce() -> ViewerEventKind) {
        let ViewerState { id, stream, .. } = &*self.state;
        self.registry.events.tell(|| ViewerEvent { time: WallTime::now(), what: what(), stream: stream.clone(), viewer: *id });
    }
}

impl Drop for ViewerHandle {
    fn drop(&mut self) {
        let state = &self.state;
        self.tell(|| ViewerEventKind::Leave {
            transport: state.player().transport,
            seconds: seconds(state.began.elapsed()),
            bytes: state.bytes.load(Relaxed),
            dropped: state.dropped.load(Relaxed),
            code: Some(state.code.load(Relaxed)).filter(|code| *code > 0),
        });
        self.registry.lock().remove(&state.id);
        self.numbers().viewers.fetch_sub(1, Relaxed);
        self.registry.taken.fetch_sub(1, Relaxed);
    }
}

impl ViewerState {
    fn player(&self) -> MutexGuard<'_, PlayerStats> {
        self.player.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn summary(&self, now: Instant) -> ViewerSummary {
        let player = self.player();
        ViewerSummary {
            id: self.id,
            stream: self.stream.as_ref().map(|s| s.name.clone()),
            transport: player.transport,
            remote: self.peer,
            since: self.since.0 as f64 / 1e6,
            bytes: self.bytes.load(Relaxed),
            jumps: self.jumps.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            player: player.at.map(|at| player.summary(now.saturating_duration_since(at))),
        }
    }
}

impl PlayerStats {
    fn new(transport: &'static str) -> PlayerStats {
        PlayerStats {
            transport,
            at: None,
            latencies: [Duration::ZERO; LATENCIES],
            measured: 0,
            stalls: 0,
            stalled: Duration::ZERO,
            dropped: 0,
            errors: 0,
            error: None,
            player: None,
        }
    }

    /// `false`: too soon after the one before, and not taken.
    fn take(&mut self, report: &Report, now: Instant) -> bool {
        if self.at.is_some_and(|at| now < at + BETWEEN_REPORTS) {
            return false;
        }
        self.at = Some(now);
        if let Some(latency) = report.latency {
            self.latencies[self.measured % LATENCIES] = latency;
            self.measured += 1;
        }
        self.stalls += report.stalls.len() as u64;
        self.stalled = self.stalled.saturating_add(report.stalls.iter().sum());
        self.dropped = self.dropped.saturating_add(report.dropped);
        self.errors = self.errors.saturating_add(report.errors);
        if let Some(error) = &report.error {
            self.error = Some(error.as_str().into());
        }
        if let Some(player) = &report.transport {
            self.player = Some(player.as_str().into());
        }
        true
    }

    fn summary(&self, age: Duration) -> PlayerSummary {
        let mut latencies = self.latencies;
        let known = &mut latencies[..self.measured.min(LATENCIES)];
        known.sort_unstable();
        PlayerSummary {
            transport: self.player.as_deref().map(Into::into),
            latency_ms: known.get(known.len() / 2).map(millis),
            stalls: self.stalls,
            stalled_ms: millis(&self.stalled),
            dropped: self.dropped,
            errors: self.errors,
            error: self.error.as_deref().map(Into::into),
            age: seconds(age),
        }
    }
}

fn seconds(time: Duration) -> f64 {
    millis(&time) / 1000.0
}

/// To a tenth.
fn millis(time: &Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let registry = Arc::new(ViewerRegistry::of(2));
        let stream = Arc::new(Stream::new("a".into()));
        let take = |stream| registry.take(stream, "mp4", Peer::Local);
        let (a, b) = (take(Some(stream.clone())), take(None));
        assert!(a.is_ok() && b.is_ok() && matches!(take(None), Err(Limit::Viewers)));
        assert_eq!((stream.numbers.viewers.load(Relaxed), registry.viewers(10).len(), registry.viewers(1).len()), (1, 2, 1));
        drop(a);
        assert_eq!((stream.numbers.viewers.load(Relaxed), registry.taken.load(Relaxed)), (0, 1));
        assert_eq!(registry.viewers(10).len(), 1);
    }

    #[test]
    fn places_of_a_stream_are_limited() {
        let capacity = Capacity { viewers: 3, stream_viewers: 1, ..Capacity::default() };
        let registry = Arc::new(ViewerRegistry::new(capacity, Arc::default(), Events::default()));
        let streams = ["a", "b"].map(|name| Arc::new(Stream::new(name.into())));
        let take = |stream: &Arc<Stream>| registry.take(Some(stream.clone()), "mp4", Peer::Local);
        let first = take(&streams[0]);
        assert!(first.is_ok() && matches!(take(&streams[0]), Err(Limit::StreamViewers)) && take(&streams[1]).is_ok());
        drop(first);
        let again = take(&streams[0]);
        assert!(again.is_ok() && registry.taken.load(Relaxed) == 1, "a refused one takes no place");
        assert_eq!(registry.refusals.count(Limit::StreamViewers), 1);
    }

    #[test]
    fn the_median_is_that_of_the_newest_reports() {
        let (mut player, t) = (PlayerStats::new("mse"), Instant::now());
        let report = |ms| Report { latency: Some(Duration::from_millis(ms)), dropped: 1, ..Report::default() };
        let at = |n: u64| t + BETWEEN_REPORTS * n as u32;
        assert_eq!(player.summary(Duration::ZERO).latency_ms, None);
        for n in 0..20 {
            assert!(player.take(&report(if n < 5 { 9000 } else { n }), at(n)));
            assert!(!player.take(&report(1), at(n) + BETWEEN_REPORTS / 2), "too soon");
        }
        let summary = player.summary(Duration::ZERO);
        assert_eq!((summary.latency_ms, summary.dropped), (Some(12.0), 20));
    }
}
