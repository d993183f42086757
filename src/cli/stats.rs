//! What a program counts: one registry, shown as the status line, as /metrics, as /stats and as /healthz.
//!
//! A part of the program asks for a handle once ([`Stats::counter`], [`Stats::gauge`]); counting is then one atomic
//! addition. What every stage has is there already: [`Stats::input`], [`Stats::output`], [`Stats::dropped`],
//! [`Stats::damaged`]. Rates are computed when they are asked for, never where frames flow.

use super::meter::{Meter, Rates, Totals};
use super::metrics::{Counter, Gauge, Histogram, Metric, Value};
use crate::media::{Event, Kind, Track};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Frames and bytes on one side of a stage, by kind of track.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    video: (Counter, Counter),
    audio: (Counter, Counter),
    /// Of the tracks of the last header that [`Flow::event`] got.
    kinds: Arc<Mutex<Vec<Kind>>>,
}

impl Flow {
    /// Counts an event of the only stream that flows here: the frame of a packet. Headers tell the kinds of the tracks.
    pub fn event(&self, event: &Event) {
        match event {
            Event::Header(header) => *lock(&self.kinds) = header.tracks.iter().map(Track::kind).collect(),
            Event::Packet(packet) => {
                if let Some(&kind) = lock(&self.kinds).get(packet.track) {
                    self.count(kind, packet.data.len());
                }
            }
            Event::TimeZero(_) => {}
        }
    }

    /// Counts one frame of `bytes` bytes.
    pub fn count(&self, kind: Kind, bytes: usize) {
        self.count_frames(kind, 1, bytes as u64);
    }

    /// Counts frames that take so many bytes together.
    pub fn count_frames(&self, kind: Kind, count: u64, bytes: u64) {
        let (frames, total) = match kind {
            Kind::Video => &self.video,
            Kind::Audio => &self.audio,
        };
        frames.add(count);
        total.add(bytes);
    }

    /// Frames so far, of both kinds.
    pub fn frames(&self) -> u64 {
        self.video.0.get() + self.audio.0.get()
    }

    fn totals(&self) -> Totals {
        Totals { pictures: self.video.0.get(), frames: self.frames(), bytes: self.video.1.get() + self.audio.1.get() }
    }
}

/// All numbers of one program.
pub struct Stats {
    program: &'static str,
    started: Instant,
    /// What the stage has read.
    pub input: Flow,
    /// What the stage has written.
    pub output: Flow,
    /// Frames thrown away because the next program was too slow.
    pub dropped: Counter,
    /// Elements of the input that were damaged and skipped.
    pub damaged: Counter,
    metrics: Mutex<Vec<Metric>>,
    shown: Mutex<Vec<(&'static str, Value)>>,
    meter: Mutex<Meter>,
    health: Mutex<Option<HealthCheck>>,
    /// By what it is about.
    troubles: Mutex<BTreeMap<&'static str, String>>,
    details: Mutex<Vec<(&'static str, Detail)>>,
}

type Detail = Box<dyn Fn() -> serde_json::Value + Send>;

type HealthCheck = Box<dyn Fn() -> Result<(), String> + Send>;

impl Stats {
    /// Numbers named `PROGRAM_…`.
    pub fn new(program: &'static str) -> Stats {
        let stats = Stats {
            program,
            started: Instant::now(),
            input: Flow::default(),
            output: Flow::default(),
            dropped: Counter::default(),
            damaged: Counter::default(),
            metrics: Mutex::default(),
            shown: Mutex::default(),
            meter: Mutex::new(Meter::new(Instant::now())),
            health: Mutex::default(),
            troubles: Mutex::default(),
            details: Mutex::default(),
        };
        stats.register_flow("input", "read", &stats.input);
        stats.register_flow("output", "written", &stats.output);
        stats.register("dropped_frames_total", "Frames dropped because the next program was too slow.", &[], (&stats.dropped).into());
        stats.register("damaged_total", "Damaged elements of the input that were skipped.", &[], (&stats.damaged).into());
        stats
    }

    /// A counter `PROGRAM_NAME`; by convention the name ends in `_total`. The same name and labels give the same counter.
    pub fn counter(&self, name: &str, help: &'static str, labels: &[(&str, &str)]) -> Counter {
        match self.register(name, help, labels, Value::Counter(Counter::default())) {
            Value::Counter(counter) => counter,
            Value::Gauge(_) | Value::Histogram(_) => Counter::default(),
        }
    }

    /// A gauge `PROGRAM_NAME`. The same name and labels give the same gauge.
    pub fn gauge(&self, name: &str, help: &'static str, labels: &[(&str, &str)]) -> Gauge {
        match self.register(name, help, labels, Value::Gauge(Gauge::default())) {
            Value::Gauge(gauge) => gauge,
            Value::Counter(_) | Value::Histogram(_) => Gauge::default(),
        }
    }

    /// A histogram `PROGRAM_NAME` that is kept elsewhere; `read` is called for each answer.
    pub fn histogram(&self, name: &str, help: &'static str, labels: &[(&str, &str)], read: impl Fn() -> Histogram + Send + Sync + 'static) {
        self.register(name, help, labels, Value::Histogram(Arc::new(read)));
    }

    /// Another member of what /stats says; `make` is called for each answer.
    pub fn set_detail(&self, name: &'static str, make: impl Fn() -> serde_json::Value + Send + 'static) {
        lock(&self.details).push((name, Box::new(make)));
    }

    /// Takes away every number that has this label, as when a stream is gone.
    pub fn forget(&self, label: &str, value: &str) {
        lock(&self.metrics).retain(|m| !m.labels.iter().any(|(l, v)| l == label && v == value));
    }

    /// Shows a gauge on the status line, as `3 viewers`.
    pub fn show(&self, unit: &'static str, gauge: &Gauge) {
        lock(&self.shown).push((unit, gauge.into()));
    }

    /// Decides what /healthz says, in place of "frames flow".
    pub fn set_health(&self, check: impl Fn() -> Result<(), String> + Send + 'static) {
        *lock(&self.health) = Some(Box::new(check));
    }

    /// Sets what is wrong about something although frames flow. /healthz says it until it is taken back.
    pub fn set_trouble(&self, about: &'static str, what: Option<String>) {
        let mut troubles = lock(&self.troubles);
        match what {
            Some(what) => _ = troubles.insert(about, what),
            None => _ = troubles.remove(about),
        }
    }

    /// How long a time without a frame is still healthy: for sources of less than a frame in five seconds.
    pub fn set_stall_limit(&self, limit: Duration) {
        lock(&self.meter).stall_limit = limit;
    }

    /// Whether frames flow, and if not, what is wrong.
    ///
    /// # Errors
    /// The reason, for people.
    pub fn health(&self) -> Result<(), String> {
        let troubles: Vec<_> = lock(&self.troubles).values().cloned().collect();
        if !troubles.is_empty() {
            return Err(troubles.join("; "));
        }
        match &*lock(&self.health) {
            Some(check) => check(),
            None => lock(&self.meter).health(Instant::now()),
        }
    }

    /// Takes note of the totals; the program calls it about once a second.
    pub(super) fn sample(&self) {
        let totals = self.main_flow().totals();
        lock(&self.meter).sample(Instant::now(), totals);
    }

    /// `30.0 fps, 2.10 Mbit/s, 0 dropped, 3 viewers`.
    pub(super) fn status(&self) -> String {
        let Rates { fps, bits_per_second } = lock(&self.meter).rates();
        let mut line = format!("{fps:.1} fps, {}, {} dropped", bitrate(bits_per_second), self.dropped.get());
        for (unit, value) in &*lock(&self.shown) {
            _ = write!(line, ", {} {unit}", value.get());
        }
        if self.damaged.get() > 0 {
            _ = write!(line, ", {} damaged", self.damaged.get());
        }
        line
    }

    /// The Prometheus text format, version 0.0.4.
    pub fn prometheus(&self) -> String {
        let metrics = lock(&self.metrics);
        let mut names: Vec<&str> = metrics.iter().map(|m| m.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let mut out = String::new();
        for name in names {
            let family = || metrics.iter().filter(|m| m.name == name);
            if let Some(first) = family().next() {
                _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", first.help, first.value.kind());
            }
            family().for_each(|metric| metric.write(&mut out));
        }
        let gauge = |name: &str, help: &str, value: f64| {
            let p = self.program;
            format!("# HELP {p}_{name} {help}\n# TYPE {p}_{name} gauge\n{p}_{name} {value}\n")
        };
        out += &gauge("up_seconds", "Time since the program started.", self.started.elapsed().as_secs_f64());
        out += &gauge("healthy", "1 while frames flow, else 0.", f64::from(u8::from(self.health().is_ok())));
        out
    }

    /// Everything as one JSON object.
    pub fn json(&self) -> serde_json::Value {
        let Rates { fps, bits_per_second } = lock(&self.meter).rates();
        let health = self.health();
        let metrics: Vec<_> = lock(&self.metrics).iter().map(Metric::json).collect();
        let mut all = serde_json::json!({
            "program": self.program,
            "version": env!("CARGO_PKG_VERSION"),
            "up_seconds": self.started.elapsed().as_secs_f64(),
            "healthy": health.is_ok(),
            "reason": health.err(),
            "fps": fps,
            "bits_per_second": bits_per_second,
            "metrics": metrics,
        });
        for (name, make) in &*lock(&self.details) {
            all[*name] = make();
        }
        all
    }

    pub(super) fn program(&self) -> &'static str {
        self.program
    }

    /// The side that shows whether the stage works: what it writes, or what it reads if it writes no frames (h5serve).
    fn main_flow(&self) -> &Flow {
        if self.output.frames() > 0 { &self.output } else { &self.input }
    }

    fn register_flow(&self, side: &str, done: &str, flow: &Flow) {
        let (frames_help, bytes_help) = match done {
            "read" => ("Frames read.", "Bytes of frames read."),
            _ => ("Frames written.", "Bytes of frames written."),
        };
        for (kind, (frames, bytes)) in [("video", &flow.video), ("audio", &flow.audio)] {
            let labels = [("kind", kind)];
            self.register(&format!("{side}_frames_total"), frames_help, &labels, frames.into());
            self.register(&format!("{side}_bytes_total"), bytes_help, &labels, bytes.into());
        }
    }

    /// Adds a number, or gives the one that stands under the same name and labels.
    fn register(&self, name: &str, help: &'static str, labels: &[(&str, &str)], value: Value) -> Value {
        let name = format!("{}_{name}", self.program);
        let labels: Vec<_> = labels.iter().map(|(l, v)| (String::from(*l), String::from(*v))).collect();
        let mut metrics = lock(&self.metrics);
        if let Some(same) = metrics.iter().find(|m| m.name == name && m.labels == labels) {
            return same.value.clone();
        }
        metrics.push(Metric { name, help, labels, value: value.clone() });
        value
    }
}

fn bitrate(bits_per_second: f64) -> String {
    match bits_per_second {
        b if b >= 1e6 => format!("{:.2} Mbit/s", b / 1e6),
        b => format!("{:.0} kbit/s", b / 1e3),
    }
}

/// A poisoned lock only means that a counting thread died; the numbers are still numbers.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AudioParams, Codec, Header, Packet, Timestamp, VideoParams};

    #[test]
    fn numbers_appear_in_both_forms() {
        let stats = Stats::new("h5enc");
        stats.output.count(Kind::Video, 1000);
        stats.counter("keyframes_total", "Keyframes asked for.", &[("by", "a \"b\"")]).add(2);
        stats.counter("keyframes_total", "Keyframes asked for.", &[("by", "a \"b\"")]).inc();
        let text = stats.prometheus();
        assert!(text.contains("h5enc_output_bytes_total{kind=\"video\"} 1000\n"), "{text}");
        assert!(text.contains("# TYPE h5enc_keyframes_total counter\nh5enc_keyframes_total{by=\"a \\\"b\\\"\"} 3\n"), "{text}");
        assert_eq!(text.matches("# TYPE h5enc_output_frames_total").count(), 1);
        let json = stats.json();
        assert_eq!(json["program"], "h5enc");
        assert!(json["metrics"].as_array().unwrap().iter().any(|m| m["name"] == "h5enc_output_bytes_total" && m["value"] == 1000.0));
    }

    #[test]
    fn events_count_by_the_kinds_of_the_last_header() {
        let flow = Flow::default();
        let audio = Track::audio(Codec::Mp3, AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO });
        let video = Track::video(Codec::Vp8, VideoParams::new(16, 16));
        let header = |tracks: &[Track]| Event::Header(Header { tracks: tracks.into(), time_zero: None });
        let packet = |track| Event::Packet(Packet { track, pts: Timestamp(0), key: true, data: vec![0; 10].into(), hidden: false });
        flow.event(&packet(0));
        flow.event(&header(&[video.clone(), audio.clone()]));
        [0, 0, 1, 2].into_iter().for_each(|track| flow.event(&packet(track)));
        flow.event(&header(&[audio, video]));
        flow.event(&packet(0));
        assert_eq!((flow.video.0.get(), flow.audio.0.get(), flow.audio.1.get()), (2, 2, 20));
    }

    #[test]
    fn histograms_are_cumulated() {
        let stats = Stats::new("h5serve");
        let now = || Histogram { bounds: &[0.1, 1.0], counts: vec![2, 3, 1], sum: 4.5 };
        stats.histogram("stall_seconds", "Stalls.", &[("stream", "yard")], now);
        let text = stats.prometheus();
        let expected = "# HELP h5serve_stall_seconds Stalls.\n# TYPE h5serve_stall_seconds histogram\n\
            h5serve_stall_seconds_bucket{stream=\"yard\",le=\"0.1\"} 2\nh5serve_stall_seconds_bucket{stream=\"yard\",le=\"1\"} 5\n\
            h5serve_stall_seconds_bucket{stream=\"yard\",le=\"+Inf\"} 6\n\
            h5serve_stall_seconds_sum{stream=\"yard\"} 4.5\nh5serve_stall_seconds_count{stream=\"yard\"} 6\n";
        assert!(text.contains(expected), "{text}");
        stats.set_detail("viewers", || serde_json::json!([7]));
        let json = stats.json();
        assert_eq!((&json["viewers"][0], &json["metrics"][0]["name"]), (&7.into(), &"h5serve_input_frames_total".into()));
    }

    #[test]
    fn forgotten_labels_are_gone() {
        let stats = Stats::new("h5serve");
        stats.gauge("viewers", "Viewers.", &[("stream", "yard")]).add(1.0);
        stats.forget("stream", "yard");
        assert!(!stats.prometheus().contains("yard"));
    }
}
