//! HLS as files: `--hls` and `--put`.

use crate::args::Args;
use crate::target;
use anyhow::Context as _;
use h5live::cli::{self, Counter, Gauge};
use h5live::format::bmff::{Chunk, Init};
use h5live::package::{Directory, Operation, Pace, PackageOptions, Packager, Publisher, Report, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// So many troubles are told before a store is back.
const MAX_TOLD: usize = 5;
/// At the end, each store has so long to take something.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for a recording, of which all is to be there: longer than a server may take over a file.
const PATIENCE_STORED: Duration = Duration::from_secs(60);
/// After a request to stop: the process is ended two seconds later.
const STOPPING: Duration = Duration::from_secs(3);

/// The stream as files, and the stores that get them.
pub struct Stores {
    packager: Packager,
    stores: Vec<(String, Publisher)>,
    /// The input is a file: a store that does not take it all is an error.
    stored: bool,
}

impl Stores {
    /// `None`: no store is asked for. `stored`: the input is a file, which is kept as a whole.
    pub fn open(args: &Args, stored: bool, cx: &cli::Context) -> anyhow::Result<Option<Stores>> {
        let window = (!stored).then_some(args.hls_window);
        let mut packager = Packager::new(PackageOptions { segment: args.segment, window });
        let mut stores = Vec::new();
        if let Some(path) = &args.hls {
            let name = path.display().to_string();
            let directory = Directory::open(path).with_context(|| format!("--hls {name}"))?;
            for (rendition, playlist) in directory.playlists() {
                packager.follow(rendition, &playlist);
            }
            stores.push(start(directory, "hls", name, stored, cx)?);
        }
        if let Some(url) = &args.put {
            let (name, mut upload) = target::open(url, args.put_token_file.as_deref(), args.segment)?;
            for (rendition, playlist) in upload.playlists() {
                packager.follow(rendition, &playlist);
            }
            stores.push(start(upload, "put", name, stored, cx)?);
        }
        Ok((!stores.is_empty()).then_some(Stores { packager, stores, stored }))
    }

    pub fn init(&mut self, init: &Init) {
        let operations = self.packager.init(init.clone());
        self.push(operations);
    }

    pub fn chunk(&mut self, chunk: &Chunk) {
        let operations = self.packager.chunk(chunk.clone());
        self.push(operations);
    }

    fn push(&self, operations: Vec<Operation>) {
        self.stores.iter().for_each(|(_, publisher)| publisher.push(operations.clone()));
    }

    /// `ended`: no more comes. Else another run is to go on, and what is not whole is left out.
    pub fn finish(mut self, ended: bool, stop: &cli::Stop) -> anyhow::Result<()> {
        if ended {
            let operations = self.packager.end();
            self.push(operations);
        }
        let mut outcome = Ok(());
        for (name, publisher) in self.stores {
            let patience = match stop.requested() {
                true => STOPPING,
                false if self.stored => PATIENCE_STORED,
                false => PATIENCE,
            };
            match publisher.finish(patience) {
                0 => {}
                left if self.stored => outcome = Err(anyhow::anyhow!("{name}: has not taken {left} files")),
                left => tracing::warn!("{name}: has not taken the last {left} files"),
            }
        }
        outcome
    }
}

fn start(
    store: impl Store + 'static,
    option: &'static str,
    name: String,
    stored: bool,
    cx: &cli::Context,
) -> anyhow::Result<(String, Publisher)> {
    let mut reporter = Reporter::new(option, name.clone(), &cx.stats);
    let pace = if stored { Pace::Wait } else { Pace::Drop };
    Ok((name, Publisher::start(store, pace, move |report| reporter.report(report)).context("threads")?))
}

/// Counts what happens at a store, and tells of trouble once.
struct Reporter {
    option: &'static str,
    name: String,
    stats: Arc<cli::Stats>,
    files: Counter,
    bytes: Counter,
    failures: Counter,
    lost: Counter,
    waiting: Gauge,
    /// The troubles of this time, each told once.
    troubles: Vec<StoreError>,
    /// Segments that were lost in it.
    missed: u64,
    told_lost: bool,
    told_stays: bool,
}

impl Reporter {
    fn new(option: &'static str, name: String, stats: &Arc<cli::Stats>) -> Reporter {
        let labels = [("store", option)];
        Reporter {
            option,
            name,
            files: stats.counter("store_files_total", "Files that a store of HLS has taken.", &labels),
            bytes: stats.counter("store_bytes_total", "Bytes of files that a store of HLS has taken.", &labels),
            failures: stats.counter("store_failures_total", "Tries at which a store of HLS has not taken a file.", &labels),
            lost: stats.counter("store_lost_segments_total", "Segments that left the window before a store of HLS took them.", &labels),
            waiting: stats.gauge("store_waiting_files", "Files that wait for a store of HLS.", &labels),
            stats: stats.clone(),
            troubles: Vec::new(),
            missed: 0,
            told_lost: false,
            told_stays: false,
        }
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::Put(bytes) => {
                self.files.inc();
                self.bytes.add(bytes as u64);
            }
            Report::Removed => {}
            Report::Failed(error) => self.failed(error),
            Report::Back(after) => self.back(after),
            Report::Stays(error) => {
                if !std::mem::replace(&mut self.told_stays, true) {
                    tracing::warn!("{}: files that are no longer listed stay there: {error}", self.name);
                }
            }
            Report::Lost(segments) => {
                self.lost.add(segments);
                self.missed += segments;
                if self.troubles.is_empty() && !std::mem::replace(&mut self.told_lost, true) {
                    tracing::warn!("{}: is too slow for the stream: segments are lost", self.name);
                }
            }
            Report::Waiting(files) => self.waiting.set(files as f64),
        }
    }

    fn failed(&mut self, error: &StoreError) {
        self.failures.inc();
        self.stats.set_trouble(self.option, Some(format!("{}: {error}", self.name)));
        if !self.troubles.contains(error) && self.troubles.len() < MAX_TOLD {
            tracing::warn!("{}: {error}; trying again", self.name);
            self.troubles.push(error.clone());
        }
    }

    fn back(&mut self, after: Duration) {
        self.stats.set_trouble(self.option, None);
        self.troubles.clear();
        let lost = match std::mem::take(&mut self.missed) {
            0 => "nothing is lost".into(),
            1 => "1 segment is lost".into(),
            segments => format!("{segments} segments are lost"),
        };
        tracing::warn!("{}: back after {:.1} s; {lost}", self.name, after.as_secs_f32());
    }
}
