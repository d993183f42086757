//! `--record`: what is published goes into a folder too.

use anyhow::Context as _;
use bytes::Bytes;
use h5live::cli;
use h5live::format::bmff::{Chunk, Init};
use h5live::media::{SystemClock, WallTime};
use h5live::record::{self, Feed, Library, Numbers, Options, RealDisk, Recorder, Retention, State, StatusCell};
use h5live::serve::{Publisher, RecordedClip, RecordedSpan, Recordings, Tap, Timeline};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Held by the program that records into the folder.
const LOCK: &str = ".lock";
/// A keyframe has to fit into what may wait for the disk.
const LEAST_QUEUE: usize = 2 << 20;

/// The options of recording.
#[derive(clap::Args, Clone, Debug)]
pub struct RecordArgs {
    /// Record all streams into this folder: DIR/NAME/2026-11-26/18-20-00.000Z.mp4, named by UTC
    ///
    /// A recording is fragmented MP4, and can be played at any moment. Neither a crash nor a loss of power costs what was written before.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,

    /// A recording is cut at the first keyframe after this time, such as 10m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = segment, requires = "record")]
    record_segment: Duration,

    /// Delete recordings that are older than this, such as 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = time, requires = "record")]
    keep: Option<Duration>,

    /// Delete the oldest recordings when all together take more than this, such as 50G
    #[arg(long, value_name = "SIZE", value_parser = size, requires = "record")]
    keep_size: Option<u64>,

    /// Delete the oldest recordings when less than this is free on their disk, such as 2G
    #[arg(long, value_name = "SIZE", value_parser = size, requires = "record")]
    min_free: Option<u64>,
}

impl RecordArgs {
    /// Before the program is confined: the folder is there.
    pub fn prepare(&self) -> anyhow::Result<()> {
        let Some(folder) = &self.record else { return Ok(()) };
        std::fs::create_dir_all(folder).with_context(|| format!("--record {}", folder.display()))
    }

    /// Where it is recorded to.
    pub fn folder(&self) -> Option<PathBuf> {
        self.record.clone()
    }

    /// What there is in the folder. Nothing of it is read yet.
    pub fn shelf(&self) -> Option<Arc<Shelf>> {
        let folder = self.record.clone()?;
        Some(Arc::new(Shelf { library: Library::new(folder, Box::new(RealDisk)), statuses: OnceLock::new() }))
    }

    /// `ring`: bytes that are kept of each stream. What waits for the disk is memory of it.
    ///
    /// # Errors
    /// The folder cannot be written to, or another program records into it.
    pub fn start(&self, ring: usize, shelf: Option<&Arc<Shelf>>) -> anyhow::Result<Option<Recording>> {
        let (Some(folder), Some(shelf)) = (&self.record, shelf) else { return Ok(None) };
        let context = || format!("--record {}", folder.display());
        let lock = File::create(folder.join(LOCK)).with_context(context)?;
        if rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            anyhow::bail!("--record {}: another program records into this folder", folder.display());
        }
        let retention = Retention { age: self.keep, size: self.keep_size, free: self.min_free };
        let options = Options { segment: self.record_segment, retention, queue: (ring / 4).max(LEAST_QUEUE) };
        let recorder = Recorder::start(shelf.library.clone(), options, Arc::new(SystemClock::default())).with_context(context)?;
        Ok(Some(Recording { recorder, shelf: shelf.clone(), _lock: lock }))
    }
}

/// A recorder, and the lock of its folder.
pub struct Recording {
    recorder: Recorder,
    shelf: Arc<Shelf>,
    _lock: File,
}

impl Recording {
    /// What is published by all of these goes into the folder too.
    pub fn record_all(&self, publishers: &mut [Publisher]) -> anyhow::Result<()> {
        publishers.iter_mut().try_for_each(|publisher| self.record(publisher))?;
        _ = self.shelf.statuses.set(self.recorder.statuses().into_iter().map(|(status, _)| status).collect());
        Ok(())
    }

    fn record(&self, publisher: &mut Publisher) -> anyhow::Result<()> {
        let name = publisher.stream().name.clone();
        let feed = self.recorder.record(&name).with_context(|| format!("{name}: recording"))?;
        publisher.tap(Box::new(StreamTap { feed, name, said: false }));
        Ok(())
    }

    /// For /healthz: what is wrong with the first stream that is not recorded.
    pub fn health(&self) -> impl Fn() -> Result<(), String> + Send + use<> {
        let statuses = self.recorder.statuses();
        move || {
            let failed = statuses.iter().find_map(|(status, _)| match status.state() {
                State::Failed(why) => Some(format!("{}: is not recorded: {why}", status.stream())),
                State::Waiting | State::Recording => None,
            });
            failed.map_or(Ok(()), Err)
        }
    }

    /// Takes the numbers over, whenever it is called.
    pub fn meter(&self, stats: &cli::Stats) -> impl FnMut() + Send + use<> {
        let row = |(status, numbers): (StatusCell, Numbers)| {
            let label = [("stream", status.stream())];
            let recording = stats.gauge("recording", "1 while the stream is recorded.", &label);
            let bytes = stats.counter("recorded_bytes_total", "Bytes of the stream handed to the disk so far.", &label);
            let lost = stats.counter("record_lost_chunks_total", "Chunks not recorded so far because the disk was too slow.", &label);
            (status, numbers, recording, bytes, lost)
        };
        let rows: Vec<_> = self.recorder.statuses().into_iter().map(row).collect();
        move || {
            for (status, numbers, recording, bytes, lost) in &rows {
                recording.set(f64::from(u8::from(status.state() == State::Recording)));
                bytes.set_total(numbers.bytes());
                lost.set_total(numbers.lost());
            }
        }
    }
}

/// The recordings, as the server asks for them.
#[derive(Debug)]
pub struct Shelf {
    library: Library,
    /// Of the streams that are recorded now.
    statuses: OnceLock<Vec<StatusCell>>,
}

impl Recordings for Shelf {
    fn timeline(&self, stream: &str, from: WallTime, to: WallTime) -> Option<Timeline> {
        let catalogue = self.library.find(stream)?;
        let span = |span: record::Span| RecordedSpan { from: span.from, to: span.to, bytes: span.size, files: span.recordings };
        let spans = record::spans(&catalogue.between(from, to), record::MAX_SPANS).into_iter().map(span).collect();
        let state = self.statuses.get().and_then(|all| Some(all.iter().find(|status| status.stream() == stream)?.state()));
        let trouble = if let Some(State::Failed(why)) = &state { Some(why.clone()) } else { None };
        Some(Timeline { spans, recording: state == Some(State::Recording), trouble })
    }

    fn clip(&self, stream: &str, from: WallTime, to: WallTime) -> io::Result<Option<Arc<dyn RecordedClip>>> {
        Ok(self.library.clip(stream, from, to)?.map(|clip| Arc::new(Clip(clip)) as Arc<dyn RecordedClip>))
    }
}

#[derive(Debug)]
struct Clip(record::RecordedClip);

impl RecordedClip for Clip {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn head(&self) -> &Bytes {
        self.0.head()
    }

    fn time(&self) -> (WallTime, WallTime) {
        self.0.time()
    }

    fn read(&self, range: Range<u64>, most: usize) -> io::Result<Bytes> {
        self.0.read(range, most)
    }
}

struct StreamTap {
    feed: Feed,
    name: String,
    /// That pictures are not recorded.
    said: bool,
}

impl Tap for StreamTap {
    fn init(&mut self, init: &Init) {
        self.feed.init(init);
    }

    fn chunk(&mut self, chunk: &Chunk, bytes: Bytes) {
        self.feed.chunk(chunk, bytes);
    }

    fn picture(&mut self) {
        if !std::mem::replace(&mut self.said, true) {
            tracing::warn!("{}: MJPEG is not recorded: put h5enc | h5mux before h5serve", self.name);
        }
    }

    fn away(&mut self) {
        self.feed.pause();
    }
}

/// `--record-segment`: 1 s to a day.
fn segment(text: &str) -> Result<Duration, String> {
    let length = time(text)?;
    let fits = (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&length);
    if fits { Ok(length) } else { Err("expected 1s to 1d".into()) }
}

/// A number and s, m, h or d.
fn time(text: &str) -> Result<Duration, String> {
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        Some(b'd') => 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u32>().ok());
    match number.map_or(0, |number| u64::from(number) * unit) {
        0 => Err("expected a time such as 90s, 10m, 12h or 7d".into()),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

/// A number and M, G or T.
fn size(text: &str) -> Result<u64, String> {
    let shift = match text.as_bytes().last() {
        Some(b'M') => 20,
        Some(b'G') => 30,
        Some(b'T') => 40,
        _ => return Err("expected a size such as 500M, 50G or 2T".into()),
    };
    let number = text.get(..text.len() - 1).and_then(|number| number.parse::<u64>().ok());
    number.and_then(|number| number.checked_mul(1 << shift)).ok_or_else(|| "expected a size such as 500M, 50G or 2T".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        assert_eq!((time("90s"), time("7d")), (Ok(Duration::from_secs(90)), Ok(Duration::from_secs(7 * 86_400))));
        assert_eq!((segment("10m"), segment("1d")), (Ok(Duration::from_secs(600)), Ok(Duration::from_secs(86_400))));
        assert_eq!((size("500M"), size("2T")), (Ok(500 << 20), Ok(2 << 40)));
        for wrong in ["", "0s", "d", "7", "-1d", "1.5h", "7 d", "9999999999d", "5é"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert!(segment("2d").is_err());
        for wrong in ["", "G", "5", "-1G", "1.5G", "99999999999T", "5é"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
