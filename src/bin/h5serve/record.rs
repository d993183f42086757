//! `--record`: what is published goes into a folder too.

use crate::record_switch::{Switch, Switches};
use anyhow::Context as _;
use bytes::Bytes;
use h5live::cli;
use h5live::format::bmff::{Chunk, Init, RecordedFragment, Snap};
use h5live::media::{SystemClock, WallTime};
use h5live::record::{self, Feed, Library, Lock, Numbers, Options, RealDisk, Recorder, Retention, Start, State, StatusCell, Statuses};
use h5live::serve::{
    JoinedFile, Joining, Publisher, RecordSwitchError, RecordedClip, RecordedFile, RecordedSpan, RecordingReader, Recordings,
    SegmentedFile, Tap, Timeline,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A playlist, or a file of joined ones, is of so many files at most: each is looked into.
const MOST_FILES: usize = 2000;
/// A keyframe has to fit into what may wait for the disk.
const LEAST_QUEUE: usize = 2 << 20;

/// What `--record` needs before the program runs, and the start.
pub trait Record {
    /// Before the program is confined: the folder is there.
    fn prepare(&self) -> anyhow::Result<()>;

    /// Where it is recorded to.
    fn folder(&self) -> Option<PathBuf>;

    /// What there is in the folder. Nothing of it is read yet.
    fn shelf(&self) -> Option<Arc<Shelf>>;

    /// `ring`: bytes that are kept of each stream. What waits for the disk is memory of it. `switches`: which streams are to be recorded.
    ///
    /// # Errors
    /// The folder cannot be written to, or another program records into it.
    fn start(&self, ring: usize, shelf: Option<&Arc<Shelf>>, switches: Switches) -> anyhow::Result<Option<Recording>>;
}

impl Record for cli::RecordArgs {
    fn prepare(&self) -> anyhow::Result<()> {
        let Some(folder) = &self.record else { return Ok(()) };
        std::fs::create_dir_all(folder).with_context(|| format!("--record {}", folder.display()))
    }

    fn folder(&self) -> Option<PathBuf> {
        self.record.clone()
    }

    fn shelf(&self) -> Option<Arc<Shelf>> {
        let folder = self.record.clone()?;
        Some(Arc::new(Shelf { library: Library::new(folder, Box::new(RealDisk)), running: OnceLock::new() }))
    }

    fn start(&self, ring: usize, shelf: Option<&Arc<Shelf>>, switches: Switches) -> anyhow::Result<Option<Recording>> {
        let (Some(folder), Some(shelf)) = (&self.record, shelf) else { return Ok(None) };
        let context = || format!("--record {}", folder.display());
        let lock = Lock::take(folder).with_context(context)?;
        let retention = Retention { age: self.keep, size: self.keep_size, free: self.min_free };
        let options = Options { segment: self.record_segment, retention, queue: (ring / 4).max(LEAST_QUEUE) };
        let recorder = Recorder::start(shelf.library.clone(), options, Arc::new(SystemClock::default())).with_context(context)?;
        _ = shelf.running.set((recorder.statuses(), switches.clone()));
        Ok(Some(Recording { recorder, switches, _lock: lock }))
    }
}

/// A recorder, and the lock of its folder.
pub struct Recording {
    recorder: Recorder,
    switches: Switches,
    _lock: Lock,
}

impl Recording {
    /// What is published by it goes into the folder too.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn record(&self, publisher: &mut Publisher) -> anyhow::Result<()> {
        let name = publisher.stream().name.clone();
        let feed = self.recorder.record(&name).with_context(|| format!("{name}: recording"))?;
        let switch = self.switches.of(&name);
        publisher.tap(Box::new(StreamTap { feed, name, switch, was_on: false, said: false }));
        Ok(())
    }

    /// `GET /record` and `PUT /record`.
    pub fn control(&self, control: &cli::Control) {
        self.switches.control(control, self.recorder.statuses());
    }

    /// For /healthz: what is wrong with the first stream that is not recorded.
    pub fn health(&self) -> impl Fn() -> Result<(), String> + Send + use<> {
        let statuses = self.recorder.statuses();
        move || {
            let failed = statuses.all().iter().find_map(|(status, _)| match status.state() {
                State::Failed(why) => Some(format!("{}: is not recorded: {why}", status.stream())),
                State::Waiting | State::Recording => None,
            });
            failed.map_or(Ok(()), Err)
        }
    }

    /// Takes the numbers over, whenever it is called.
    pub fn meter(&self, stats: &Arc<cli::Stats>) -> impl FnMut() + Send + use<> {
        let (stats, statuses) = (stats.clone(), self.recorder.statuses());
        let row = move |status: &StatusCell| {
            let label = [("stream", status.stream())];
            let recording = stats.gauge("recording", "1 while the stream is recorded.", &label);
            let bytes = stats.counter("recorded_bytes_total", "Bytes of the stream handed to the disk so far.", &label);
            let lost = stats.counter("record_lost_chunks_total", "Chunks not recorded so far because the disk was too slow.", &label);
            (recording, bytes, lost)
        };
        // Looked up once for each stream: they are found among all numbers of the program.
        let mut rows = BTreeMap::new();
        let mut meter = move |status: &StatusCell, numbers: &Numbers| {
            let (recording, bytes, lost) = rows.entry(status.stream().to_owned()).or_insert_with(|| row(status));
            recording.set(f64::from(u8::from(status.state() == State::Recording)));
            bytes.set_total(numbers.bytes());
            lost.set_total(numbers.lost());
        };
        move || statuses.all().iter().for_each(|(status, numbers)| meter(status, numbers))
    }
}

/// The recordings, as the server asks for them.
#[derive(Debug)]
pub struct Shelf {
    library: Library,
    /// How those fare that are recorded now, and which are to be.
    running: OnceLock<(Statuses, Switches)>,
}

impl Recordings for Shelf {
    fn has(&self, stream: &str) -> bool {
        self.library.find(stream).is_some_and(|catalogue| catalogue.after(WallTime(0)).is_some())
    }

    fn timeline(&self, stream: &str, from: WallTime, to: WallTime) -> Option<Timeline> {
        let catalogue = self.library.find(stream)?;
        let span = |span: record::Span| RecordedSpan { from: span.from, to: span.to, bytes: span.size, files: span.recordings };
        let spans = record::spans(&catalogue.between(from, to), record::MAX_SPANS).into_iter().map(span).collect();
        let state = self.running.get().and_then(|(all, _)| Some(all.all().iter().find(|(status, _)| status.stream() == stream)?.0.state()));
        let trouble = if let Some(State::Failed(why)) = &state { Some(why.clone()) } else { None };
        Some(Timeline { spans, recording: state == Some(State::Recording), trouble })
    }

    fn switch(&self, stream: &str) -> Option<serde_json::Value> {
        let (statuses, switches) = self.running.get()?;
        switches.one(stream, statuses)
    }

    fn set_switch(&self, stream: &str, change: &[u8]) -> Result<(), RecordSwitchError> {
        let (_, switches) = self.running.get().ok_or(RecordSwitchError::UnknownStream)?;
        switches.put_one(stream, change)
    }

    fn clip(&self, stream: &str, from: WallTime, to: WallTime) -> io::Result<Option<Arc<dyn RecordedClip>>> {
        Ok(self.library.clip(stream, from, to)?.map(|clip| Arc::new(Clip(clip)) as Arc<dyn RecordedClip>))
    }

    fn files(&self, stream: &str, from: WallTime, to: WallTime) -> Option<Vec<RecordedFile>> {
        Some(self.library.find(stream)?.between(from, to).iter().map(listed).collect())
    }

    fn file(&self, stream: &str, day: &str, name: &str) -> io::Result<Option<Arc<dyn RecordedClip>>> {
        let Some(start) = Start::parse(day, name) else { return Ok(None) };
        Ok(self.library.file(stream, start)?.map(|file| Arc::new(Clip(file)) as Arc<dyn RecordedClip>))
    }

    fn init(&self, stream: &str, day: &str, name: &str) -> io::Result<Option<Bytes>> {
        Start::parse(day, name).map_or(Ok(None), |start| self.library.init(stream, start))
    }

    fn segments(&self, stream: &str, time: (WallTime, WallTime), length: Duration, settled: bool) -> io::Result<Vec<SegmentedFile>> {
        let segmented = |record::SegmentedFile { recording, segments }| SegmentedFile {
            file: listed(&recording),
            segments: segments.into_iter().map(|segment| (segment.bytes, segment.begin, segment.length)).collect(),
        };
        Ok(self.library.segments(stream, time, length, settled, MOST_FILES)?.into_iter().map(segmented).collect())
    }

    fn joined(&self, stream: &str, joining: Joining) -> io::Result<Option<JoinedFile>> {
        let Joining { from, to, cut, keep_gaps } = joining;
        let joined = self.library.joined(stream, record::Joining { from, to, cut, keep_gaps, most: MOST_FILES })?;
        Ok(joined.map(|joined| JoinedFile { next: joined.next(), file: Arc::new(Joined(joined)) }))
    }

    fn reader(&self, stream: &str) -> Option<Box<dyn RecordingReader>> {
        Some(Box::new(Reader(self.library.reader(stream)?)))
    }
}

fn listed(one: &record::Recording) -> RecordedFile {
    RecordedFile { day: one.start.day(), name: one.start.file(), from: one.start.wall(), to: one.end(), bytes: one.size, open: one.open }
}

#[derive(Debug)]
struct Reader(record::RecordingReader);

impl RecordingReader for Reader {
    fn seek(&mut self, time: WallTime, snap: Snap) -> io::Result<bool> {
        self.0.seek(time, snap)
    }

    fn next(&mut self) -> io::Result<Option<RecordedFragment>> {
        self.0.read()
    }
}

/// What the server reads, of something that the recordings have.
macro_rules! served {
    ($name:ident, $of:ty) => {
        #[derive(Debug)]
        struct $name($of);

        impl RecordedClip for $name {
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

            fn run(&self, at: u64) -> Option<(Arc<File>, u64, u64)> {
                self.0.run(at)
            }
        }
    };
}

served!(Clip, record::RecordedClip);
served!(Joined, record::JoinedFile);

struct StreamTap {
    feed: Feed,
    name: String,
    switch: Arc<Switch>,
    was_on: bool,
    /// That pictures are not recorded.
    said: bool,
}

impl Tap for StreamTap {
    fn init(&mut self, init: &Init) {
        self.feed.init(init);
    }

    fn chunk(&mut self, chunk: &Chunk, bytes: Bytes) {
        let is_on = self.switch.is_on();
        if is_on {
            self.feed.chunk(chunk, bytes);
        } else if self.was_on {
            self.feed.pause();
        }
        self.was_on = is_on;
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
