//! The server's numbers, for the status line and the control endpoint.

use crate::record::Recording;
use h5live::cli::{self, Counter, Gauge, Reply};
use h5live::serve::{Histogram, Registry, Server, State, Stream, Trouble};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How often the numbers are taken over.
const EVERY: Duration = Duration::from_millis(500);
/// A live stream without a frame for longer is not healthy.
const STILL: Duration = Duration::from_secs(5);
/// /stats lists no more viewers, so that it stays a short answer.
const MOST_LISTED: usize = 1000;

/// What a viewer is told that is closed by hand.
const KICKED: &str = "closed by the operator";

/// Takes over the numbers in a thread of its own, until the stop.
pub fn start(server: &Server, cx: &cli::Context, recording: Option<&Recording>) {
    let total = cx.stats.gauge("viewers", "Viewers now.", &[]);
    cx.stats.show("viewers", &total);
    let registry = server.registry();
    let mut table = Table { registry: registry.clone(), rows: vec![] };
    table.follow(&cx.stats);
    let streams = registry.clone();
    let recorded = recording.map(Recording::health);
    cx.stats.set_health(move || health(&streams.streams()).and_then(|()| recorded.as_ref().map_or(Ok(()), |recorded| recorded())));
    let mut meter = recording.map(|recording| recording.meter(&cx.stats));
    let viewers = server.viewers();
    cx.stats.set_detail("viewers", move || serde_json::json!(viewers(MOST_LISTED)));
    cx.control.route("GET", "/streams", move |_| {
        let now = Instant::now();
        Reply::json(&serde_json::json!(registry.streams().iter().map(|s| s.summary(now)).collect::<Vec<_>>()))
    });
    let dismiss = server.dismiss();
    cx.control.route("POST", "/kick", move |body| match std::str::from_utf8(body).ok().and_then(|number| number.trim().parse().ok()) {
        None => Reply::text(400, "which viewer? send its number, as /stats has it"),
        Some(viewer) if dismiss(viewer, KICKED) => Reply::done(),
        Some(viewer) => Reply::text(404, format!("there is no viewer {viewer}")),
    });
    let refusals = server.refusals();
    let refused: Vec<_> = refusals
        .limits()
        .map(|limit| {
            (
                limit,
                cx.stats.counter(
                    "refused_total",
                    "Connections, requests and viewers refused so far, by limit.",
                    &[("limit", limit.name())],
                ),
            )
        })
        .collect();
    let cx = cx.clone();
    let take_over = move || loop {
        total.set(table.take_over(&cx.stats) as f64);
        meter.iter_mut().for_each(|meter| meter());
        refused.iter().for_each(|(limit, counter)| counter.set_total(refusals.count(*limit)));
        if cx.stop.wait_for(EVERY) {
            return;
        }
    };
    if let Err(error) = std::thread::Builder::new().name("numbers".into()).spawn(take_over) {
        tracing::warn!("no statistics: {error}");
    }
}

/// Healthy while every stream that has a writer has frames.
fn health(streams: &[Arc<Stream>]) -> Result<(), String> {
    for stream in streams {
        match (stream.state(), stream.since_last(Instant::now())) {
            (State::Waiting, _) => return Err(format!("{}: no writer", stream.name)),
            (State::Ended, _) => {
                let why = stream.failure().map_or_else(|| "has ended".into(), |why| format!("has failed: {why}"));
                return Err(format!("{}: {why}", stream.name));
            }
            (State::Live, Some(still)) if still > STILL => {
                return Err(format!("{}: no frame for {:.1} s", stream.name, still.as_secs_f64()));
            }
            (State::Live, _) => {
                if let Some(trouble) = stream.trouble() {
                    return Err(format!("{}: {}", stream.name, trouble.text()));
                }
            }
        }
    }
    Ok(())
}

/// The numbers of the streams that there are.
struct Table {
    registry: Registry,
    rows: Vec<Row>,
}

impl Table {
    /// Gives the number of viewers.
    fn take_over(&mut self, stats: &cli::Stats) -> usize {
        self.follow(stats);
        self.rows.iter_mut().map(|row| row.take_over(stats)).sum()
    }

    /// Streams have come or gone.
    fn follow(&mut self, stats: &cli::Stats) {
        let streams = self.registry.streams();
        for gone in self.rows.extract_if(.., |row| !streams.iter().any(|stream| row.is_of(stream))) {
            stats.forget("stream", &gone.stream.name);
        }
        for stream in &streams {
            if !self.rows.iter().any(|row| row.is_of(stream)) {
                self.rows.push(Row::new(stream, stats));
            }
        }
    }
}

type Total = fn(&Stream) -> &AtomicU64;

/// One stream's numbers, here and there.
struct Row {
    stream: Arc<Stream>,
    viewers: Gauge,
    lag: Gauge,
    totals: [(Counter, Total); 7],
    dropped: u64,
    /// What was said to be wrong.
    said: Vec<Trouble>,
}

impl Row {
    fn new(stream: &Arc<Stream>, stats: &cli::Stats) -> Row {
        let label = [("stream", stream.name.as_str())];
        let counter = |name, help| stats.counter(name, help, &label);
        let histogram = |name, help, of: fn(&Stream) -> &Histogram| {
            let stream = stream.clone();
            stats.histogram(name, help, &label, move || histogram(of(&stream)));
        };
        histogram("player_latency_seconds", "From capture to screen, as players report it now and then.", |s| &s.numbers.latency);
        histogram("player_stall_seconds", "How long pictures stood still, as players report.", |s| &s.numbers.stalls);
        Row {
            viewers: stats.gauge("stream_viewers", "Viewers of the stream now.", &label),
            lag: stats.gauge("lag_seconds", "How far the last viewer is behind the newest frame.", &label),
            totals: [
                (counter("stream_joined_total", "Viewers that have come so far."), |s| &s.numbers.joined),
                (counter("stream_frames_total", "Frames of the main track so far."), |s| &s.numbers.frames),
                (counter("stream_sent_bytes_total", "Bytes sent to viewers so far."), |s| &s.numbers.bytes_out),
                (counter("stream_dropped_frames_total", "Frames that late viewers skipped so far."), |s| &s.numbers.dropped),
                (counter("stream_stalled_total", "Viewers closed so far because they took nothing."), |s| &s.numbers.stalled),
                (counter("player_dropped_frames_total", "Frames that players had and did not show, as they report."), |s| {
                    &s.numbers.player_dropped
                }),
                (counter("player_errors_total", "Errors of decoding or playback, as players report."), |s| &s.numbers.player_errors),
            ],
            stream: stream.clone(),
            dropped: 0,
            said: vec![],
        }
    }

    fn is_of(&self, stream: &Arc<Stream>) -> bool {
        Arc::ptr_eq(&self.stream, stream)
    }

    /// Gives the number of viewers.
    fn take_over(&mut self, stats: &cli::Stats) -> usize {
        if let Some(trouble) = self.stream.trouble().filter(|trouble| !self.said.contains(trouble)) {
            self.said.push(trouble);
            tracing::warn!("{}: {}", self.stream.name, trouble.text());
        }
        let viewers = self.stream.viewers();
        self.viewers.set(viewers as f64);
        self.lag.set(self.stream.numbers.lag_ms.load(Relaxed) as f64 / 1000.0);
        for (counter, value) in &self.totals {
            counter.set_total(value(&self.stream).load(Relaxed));
        }
        let dropped = self.stream.numbers.dropped.load(Relaxed);
        stats.dropped.add(dropped - std::mem::replace(&mut self.dropped, dropped));
        viewers
    }
}

fn histogram(histogram: &Histogram) -> cli::Histogram {
    cli::Histogram { bounds: &Histogram::BOUNDS, counts: histogram.counts(), sum: histogram.sum().as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use h5live::access::Rules;
    use h5live::serve::{Access, Capacity, Events, Options, Policy, ViewerLimits};

    #[test]
    fn the_table_has_the_streams_that_there_are() {
        let options = Options {
            listen: vec![],
            tls: None,
            redirect: vec![],
            hsts: None,
            ring: 1 << 20,
            max_streams: 1,
            groups: Default::default(),
            limits: ViewerLimits { lag: EVERY, stall: EVERY },
            capacity: Capacity::default(),
            threads: 1,
            policy: Policy::default(),
            proxies: Default::default(),
            base_path: Default::default(),
            hls: Default::default(),
            access: Access::new(Rules::default()).unwrap(),
            events: Events::default(),
            decoder: None,
            recordings: None,
            publishing: None,
        };
        let registry = Server::bind(&options).unwrap().registry();
        let (stats, mut table) = (cli::Stats::new("h5serve"), Table { registry: registry.clone(), rows: vec![] });
        let mut streams = || {
            table.take_over(&stats);
            let lines = stats.prometheus();
            lines.lines().filter_map(|l| l.strip_prefix("h5serve_stream_viewers{stream=").map(String::from)).collect::<Vec<_>>()
        };
        let a = registry.publish("a").unwrap();
        assert_eq!(streams(), ["\"a\"} 0"]);
        a.withdraw();
        let b = registry.publish("b").unwrap();
        assert_eq!(streams(), ["\"b\"} 0"]);
        // Another of the same name is another stream, and counts from nothing.
        drop(b);
        let _b = registry.publish("b").unwrap();
        assert_eq!(streams(), ["\"b\"} 0"]);
    }
}
