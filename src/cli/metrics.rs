//! Counters, gauges and histograms, and how each is written in the text format of Prometheus and as JSON.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Counts so many.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Counts up to a total that is kept elsewhere. A counter does not go back.
    pub fn set_total(&self, total: u64) {
        self.0.fetch_max(total, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets the number.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds to the number; less than nothing takes away.
    pub fn add(&self, by: f64) {
        let added = |bits| Some((f64::from_bits(bits) + by).to_bits());
        _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }

    /// The number as it stands.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// How often there was how much, as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Upper bounds, growing.
    pub bounds: &'static [f64],
    /// Of values above the bound before and up to this one; the last: above all bounds.
    pub counts: Vec<u64>,
    /// Of all values.
    pub sum: f64,
}

impl Histogram {
    /// How many values there are up to each bound, and in all.
    fn cumulated(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.counts).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((bound, *sum))
        })
    }

    fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// A number with its name.
pub(super) struct Metric {
    pub name: String,
    pub help: &'static str,
    pub labels: Vec<(String, String)>,
    pub value: Value,
}

/// A number of any kind.
#[derive(Clone)]
pub(super) enum Value {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Arc<dyn Fn() -> Histogram + Send + Sync>),
}

impl Value {
    /// Of a histogram: how many values there were.
    pub fn get(&self) -> f64 {
        match self {
            Value::Counter(c) => c.get() as f64,
            Value::Gauge(g) => g.get(),
            Value::Histogram(read) => read().count() as f64,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Value::Counter(_) => "counter",
            Value::Gauge(_) => "gauge",
            Value::Histogram(_) => "histogram",
        }
    }
}

impl From<&Counter> for Value {
    fn from(counter: &Counter) -> Value {
        Value::Counter(counter.clone())
    }
}

impl From<&Gauge> for Value {
    fn from(gauge: &Gauge) -> Value {
        Value::Gauge(gauge.clone())
    }
}

impl Metric {
    pub fn json(&self) -> serde_json::Value {
        let labels: serde_json::Map<_, _> = self.labels.iter().map(|(l, v)| (l.clone(), v.clone().into())).collect();
        let mut json = serde_json::json!({ "name": self.name, "labels": labels, "value": self.value.get() });
        if let Value::Histogram(read) = &self.value {
            json["sum"] = read().sum.into();
        }
        json
    }

    /// In the Prometheus text format.
    pub fn write(&self, out: &mut String) {
        let Metric { name, labels, value, .. } = self;
        let Value::Histogram(read) = value else {
            _ = writeln!(out, "{name}{} {}", self::labels(labels), value.get());
            return;
        };
        let histogram = read();
        for (bound, count) in histogram.cumulated() {
            let le = if bound.is_finite() { bound.to_string() } else { "+Inf".into() };
            let bucket: Vec<_> = labels.iter().cloned().chain([("le".into(), le)]).collect();
            _ = writeln!(out, "{name}_bucket{} {count}", self::labels(&bucket));
        }
        let labels = self::labels(labels);
        _ = writeln!(out, "{name}_sum{labels} {}\n{name}_count{labels} {}", histogram.sum, histogram.count());
    }
}

fn labels(labels: &[(String, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let escape = |v: &str| v.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<_> = labels.iter().map(|(l, v)| format!("{l}=\"{}\"", escape(v))).collect();
    format!("{{{}}}", pairs.join(","))
}
