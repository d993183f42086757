//! What everybody may know about a stream: its name, what it carries, its numbers. Shared by all threads.

use super::init_segment::InitSegment;
use super::start::Trouble;
use crate::codec::{exif, jpeg};
use crate::media::{SampleAspect, VideoParams, WallTime};
use crate::serve::stats::histogram::Histogram;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Rates are means over this time.
const WINDOW: Duration = Duration::from_secs(2);
/// Without a chunk for so long a stream has no rate.
const STILL: Duration = Duration::from_secs(5);

/// The number of a stream. No two streams of a process have the same, though they may have had the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(u64);

impl StreamId {
    fn next() -> StreamId {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        StreamId(NEXT.fetch_add(1, Relaxed))
    }
}

/// One stream, under one name.
#[derive(Debug)]
pub struct Stream {
    id: StreamId,
    /// Under which it is asked for.
    pub name: String,
    /// What is counted of it.
    pub numbers: Numbers,
    /// [`Trouble::code`].
    trouble: AtomicU8,
    withdrawn: AtomicBool,
    /// The wall-clock time of its time zero, as the first keyframe tells it; `None`: that tells none.
    time_zero: OnceLock<Option<WallTime>>,
    info: Mutex<Info>,
}

/// Totals since the stream was published, and viewers now. MJPEG pictures that are skipped are not a loss, and not counted as one.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Viewers now.
    pub viewers: AtomicUsize,
    /// Viewers that have come.
    pub joined: AtomicU64,
    /// Frames of the main track.
    pub frames: AtomicU64,
    /// Bytes of media that were published.
    pub bytes_in: AtomicU64,
    /// Bytes that went to viewers, with what the WebSocket puts before them.
    pub bytes_out: AtomicU64,
    /// Frames that late viewers skipped.
    pub dropped: AtomicU64,
    /// Viewers that were closed because they took nothing.
    pub stalled: AtomicU64,
    /// From capture to screen, as players report it.
    pub latency: Histogram,
    /// How long pictures stood still, as players report it.
    pub stalls: Histogram,
    /// Frames that players had and did not show, as they report.
    pub player_dropped: AtomicU64,
    /// Errors of decoding or playback, as players report.
    pub player_errors: AtomicU64,
    /// How far the viewer furthest behind is behind, in milliseconds, at the last look.
    pub lag_ms: AtomicU64,
}

/// What a stream carries.
#[derive(Clone, Debug)]
pub enum Content {
    Fmp4(Arc<InitSegment>),
    Jpeg(VideoParams),
}

/// Whether something comes of a stream; in JSON in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No writer yet, or between writers.
    Waiting,
    /// It is being published.
    Live,
    /// No more will come.
    Ended,
}

#[derive(Debug)]
struct Info {
    content: Option<Content>,
    state: State,
    /// Why it has ended, if not because its input has.
    failure: Option<String>,
    rate: RateWindow,
}

/// What `/api/streams` says of a stream, and the message `stream`.
#[derive(Debug, Serialize)]
pub struct Summary {
    name: String,
    state: State,
    /// `mse` or `mjpeg`: what to ask for on the WebSocket; null before the first picture.
    r#type: Option<&'static str>,
    /// RFC 6381 names.
    codecs: Vec<String>,
    /// That of the sound; null without.
    audio: Option<String>,
    /// The size at which it is shown: upright, with square pixels.
    width: Option<u32>,
    height: Option<u32>,
    /// How the coded picture is brought upright, as EXIF counts: 1 to 8. Only where it is not upright.
    #[serde(skip_serializing_if = "Option::is_none")]
    orientation: Option<u8>,
    /// Width to height of the coded picture's pixels, as in `64:45`. Only where they are not square.
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_aspect: Option<String>,
    /// Measured, frames a second.
    fps: f64,
    /// Measured, bits a second.
    bitrate: u64,
    viewers: usize,
    /// Why no viewer can begin although frames come; null: one can, or none come.
    trouble: Option<Trouble>,
    /// Of a group, whose name is `name`: the name of the stream that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<String>,
    /// Of a group: the streams that there are, the best first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    qualities: Vec<Quality>,
}

/// The group by which a stream was asked for.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Its name.
    pub name: String,
    /// Its streams, the best first.
    pub members: Vec<Arc<Stream>>,
}

/// One of the streams of a group, as a viewer chooses among them.
#[derive(Debug, Serialize)]
struct Quality {
    name: String,
    width: Option<u32>,
    height: Option<u32>,
    bitrate: u64,
}

impl Summary {
    /// The same, as one of the streams of a group.
    pub(crate) fn in_group(self, group: Option<&Membership>, now: Instant) -> Summary {
        let Some(Membership { name, members }) = group else { return self };
        let quality = |member: &Arc<Stream>| {
            let Summary { name, width, height, bitrate, .. } = member.summary(now);
            Quality { name, width, height, bitrate }
        };
        Summary { name: name.clone(), quality: Some(self.name), qualities: members.iter().map(quality).collect(), ..self }
    }
}

impl Stream {
    pub(crate) fn new(name: String) -> Stream {
        let info = Info { content: None, state: State::Waiting, failure: None, rate: RateWindow::default() };
        let (id, withdrawn) = (StreamId::next(), AtomicBool::new(false));
        Stream {
            id,
            name,
            numbers: Numbers::default(),
            trouble: AtomicU8::new(0),
            withdrawn,
            time_zero: OnceLock::new(),
            info: Mutex::new(info),
        }
    }

    pub(crate) fn id(&self) -> StreamId {
        self.id
    }

    /// It has left the registry, and is not to be kept anywhere again.
    pub(crate) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Relaxed)
    }

    pub(crate) fn set_withdrawn(&self) {
        self.withdrawn.store(true, Relaxed);
    }

    /// The wall-clock time of its time zero, by the first keyframe; `None`: there was none yet, or it does not tell.
    pub(crate) fn time_zero(&self) -> Option<WallTime> {
        self.time_zero.get().copied().flatten()
    }

    /// A keyframe has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.time_zero.get().is_some()
    }

    /// Only the first call counts.
    pub(crate) fn set_time_zero(&self, wall: Option<WallTime>) {
        _ = self.time_zero.set(wall);
    }

    /// `None`: nothing has come yet.
    pub(crate) fn content(&self) -> Option<Content> {
        self.info().content.clone()
    }

    /// Whether something comes of it now.
    pub fn state(&self) -> State {
        self.info().state
    }

    /// Why it has ended, if not because its input has.
    pub fn failure(&self) -> Option<String> {
        self.info().failure.clone()
    }

    /// It has ended or is about to, and why.
    pub fn fail(&self, why: String) {
        self.info().failure = Some(why);
    }

    /// How many watch it now, over all shards.
    pub fn viewers(&self) -> usize {
        self.numbers.viewers.load(Relaxed)
    }

    /// Time since the newest chunk; `None` before the first.
    pub fn since_last(&self, now: Instant) -> Option<Duration> {
        self.info().rate.last.map(|last| now.saturating_duration_since(last))
    }

    /// Why no viewer can begin although frames come.
    pub fn trouble(&self) -> Option<Trouble> {
        Trouble::of_code(self.trouble.load(Relaxed))
    }

    pub(crate) fn set_trouble(&self, trouble: Option<Trouble>) {
        self.trouble.store(Trouble::code(trouble), Relaxed);
    }

    pub(crate) fn set_content(&self, content: Content) {
        self.info().content = Some(content);
    }

    pub(crate) fn set_state(&self, state: State) {
        self.info().state = state;
    }

    pub(crate) fn count(&self, frames: u64, bytes: usize, now: Instant) {
        self.numbers.frames.fetch_add(frames, Relaxed);
        self.numbers.bytes_in.fetch_add(bytes as u64, Relaxed);
        let mut info = self.info();
        info.state = State::Live;
        info.rate.count(frames, bytes, now);
    }

    /// What there is to say of it now.
    pub fn summary(&self, now: Instant) -> Summary {
        let info = self.info();
        let (fps, bitrate) = info.rate.rates(now);
        let (kind, codecs, audio, video) = match &info.content {
            None => (None, vec![], None, None),
            Some(Content::Jpeg(video)) => (Some("mjpeg"), vec!["jpeg".into()], None, Some(video)),
            Some(Content::Fmp4(init)) => (Some("mse"), init.codecs(), init.sound(), init.video()),
        };
        Summary {
            name: self.name.clone(),
            state: info.state,
            r#type: kind,
            codecs,
            audio,
            width: video.map(|v| v.displayed().0),
            height: video.map(|v| v.displayed().1),
            orientation: video.filter(|v| !v.orientation.is_upright()).map(|v| v.orientation.exif()),
            sample_aspect: video.filter(|v| !v.sample_aspect.is_square()).map(|v| v.sample_aspect.to_string()),
            fps: (fps * 100.0).round() / 100.0,
            bitrate: bitrate as u64,
            viewers: self.viewers(),
            trouble: self.trouble(),
            quality: None,
            qualities: Vec::new(),
        }
    }

    /// A poisoned lock only means that another thread died while it counted.
    fn info(&self) -> MutexGuard<'_, Info> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Size and orientation of a JPEG picture, as far as its header says; pixels have the shape that its track says.
pub fn jpeg_content(picture: &[u8], sample_aspect: SampleAspect) -> Content {
    let (width, height) = jpeg::parse(picture).map_or((0, 0), |info| (info.width, info.height));
    let orientation = exif::shape(picture).orientation.unwrap_or_default();
    Content::Jpeg(VideoParams { orientation, sample_aspect, ..VideoParams::new(width, height) })
}

/// A mean over the last window.
#[derive(Debug, Default)]
struct RateWindow {
    began: Option<Instant>,
    frames: u64,
    bytes: usize,
    last: Option<Instant>,
    rates: (f64, f64),
}

impl RateWindow {
    /// A window begins with a chunk and ends with the first chunk after its time: the last one opens the next.
    fn count(&mut self, frames: u64, bytes: usize, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let elapsed = now.duration_since(began);
        self.last = Some(now);
        if elapsed >= WINDOW || (self.rates == (0.0, 0.0) && elapsed >= WINDOW / 4) {
            self.rates = (self.frames as f64 / elapsed.as_secs_f64(), 8.0 * self.bytes as f64 / elapsed.as_secs_f64());
        }
        if elapsed >= WINDOW {
            (self.began, self.frames, self.bytes) = (Some(now), 0, 0);
        }
        self.frames += frames;
        self.bytes += bytes;
    }

    /// Frames and bits a second.
    fn rates(&self, now: Instant) -> (f64, f64) {
        match self.last {
            Some(last) if now.saturating_duration_since(last) < STILL => self.rates,
            _ => (0.0, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_measured() {
        let (t, mut rate) = (Instant::now(), RateWindow::default());
        for i in 0..200u32 {
            rate.count(1, 1000, t + Duration::from_millis(40) * i);
        }
        let now = t + Duration::from_millis(40) * 200;
        let (fps, bits) = rate.rates(now);
        assert!((fps - 25.0).abs() < 0.01 && (bits - 200_000.0).abs() < 100.0, "{fps} {bits}");
        assert_eq!(rate.rates(now + STILL), (0.0, 0.0));
    }
}
