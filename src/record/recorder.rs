//! Threads: one for each stream that is recorded, which writes it, and one that deletes what is not to be kept.

use super::catalogue::Catalogue;
use super::library::Library;
use super::queue::{self, Feed, Next, Source};
use super::retention::{self, Candidate, Retention, TrustedClock};
use super::session::{Now, Session};
use super::status::StatusCell;
use super::syncer::{Job, Syncer};
use crate::media::{Clock, WallTime};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a stream that stands still is looked after.
const IDLE: Duration = Duration::from_millis(500);
/// How often it is looked whether something is to be deleted.
const KEEP_EVERY: Duration = Duration::from_secs(10);
/// So many are deleted at a time, before it is looked again: a stop waits for no more.
const AT_ONCE: usize = 1000;

/// How to record.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// A recording is cut at the first keyframe after so long.
    pub segment: Duration,
    /// What is kept.
    pub retention: Retention,
    /// Bytes of a stream that may wait for the disk.
    pub queue: usize,
}

/// Records streams into a folder. Dropped, it waits for what is in the queues of feeds that were dropped before.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    statuses: Statuses,
}

/// How each stream fares that is recorded, or was. Clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub struct Statuses(Arc<Mutex<Vec<(StatusCell, Numbers)>>>);

impl Statuses {
    /// As they are now.
    pub fn all(&self) -> Vec<(StatusCell, Numbers)> {
        lock(&self.0).clone()
    }
}

#[derive(Debug)]
struct Shared {
    library: Library,
    options: Options,
    clock: ClockHandle,
    starved: Arc<AtomicBool>,
    stopping: Mutex<bool>,
    stopped: Condvar,
}

/// What is counted of the recording of a stream.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    bytes: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

impl Numbers {
    /// Bytes of media that were handed to the disk.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Chunks that did not fit because the disk was too slow.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

#[derive(Clone)]
struct ClockHandle(Arc<dyn Clock>);

impl std::fmt::Debug for ClockHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl ClockHandle {
    fn now(&self) -> Now {
        Now { wall: self.0.wall(), monotonic: self.0.now() }
    }
}

impl Recorder {
    /// Starts to look after a folder.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(library: Library, options: Options, clock: Arc<dyn Clock>) -> io::Result<Recorder> {
        let (stopping, stopped, starved) = (Mutex::new(false), Condvar::new(), Arc::default());
        let shared = Arc::new(Shared { library, options, clock: ClockHandle(clock), starved, stopping, stopped });
        let keeper = shared.clone();
        let thread = std::thread::Builder::new().name("recordings".into()).spawn(move || keeper.keep())?;
        Ok(Recorder { shared, threads: Mutex::new(vec![thread]), statuses: Statuses::default() })
    }

    /// What there is in the folder.
    pub fn library(&self) -> &Library {
        &self.shared.library
    }

    /// The way into the recordings of a stream. Its thread ends some time after the feed was dropped.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn record(&self, stream: &str) -> io::Result<Feed> {
        let (feed, source) = queue::queue(self.shared.options.queue);
        let status = StatusCell::new(stream, self.shared.starved.clone());
        let numbers = Numbers::default();
        let (shared, name) = (self.shared.clone(), format!("record {stream}"));
        let (jobs, given) = mpsc::channel::<Job>();
        // Who has ended does nothing more.
        let syncer = Syncer::new(move |job| drop(jobs.send(job)));
        let session = Session::new(shared.library.clone(), stream.to_owned(), shared.options.segment, status.clone(), syncer);
        let counted = numbers.clone();
        let syncing = std::thread::Builder::new().name(format!("sync {stream}")).spawn(move || given.into_iter().for_each(|job| job()))?;
        let thread = std::thread::Builder::new().name(name).spawn(move || write(&source, session, &shared.clock, &counted))?;
        let mut threads = lock(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.extend([thread, syncing]);
        let mut statuses = lock(&self.statuses.0);
        // It was recorded before.
        statuses.retain(|(status, _)| status.stream() != stream);
        statuses.push((status, numbers));
        Ok(feed)
    }

    /// How each stream fares.
    pub fn statuses(&self) -> Statuses {
        self.statuses.clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        *lock(&self.shared.stopping) = true;
        self.shared.stopped.notify_all();
        for thread in lock(&self.threads).drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn write(source: &Source, mut session: Session, clock: &ClockHandle, numbers: &Numbers) {
    session.prepare();
    loop {
        let (next, lost) = source.next(IDLE);
        numbers.lost.store(lost, Relaxed);
        match next {
            Next::Item(item) => {
                if let queue::Item::Chunk(fragment) = &item {
                    numbers.bytes.fetch_add(fragment.bytes.len() as u64, Relaxed);
                }
                session.item(item, clock.now());
            }
            Next::Nothing => session.idle(clock.now()),
            Next::Over => return session.end(),
        }
    }
}

impl Shared {
    /// Looks through the folder, and deletes, until the stop.
    fn keep(&self) {
        if let Ok(names) = self.library.names() {
            for name in names {
                if let Err(error) = self.library.stream(&name) {
                    tracing::warn!("{}: {error}", self.library.dir().join(name).display());
                }
            }
        }
        let newest = self.library.streams().iter().filter_map(|(_, catalogue)| catalogue.end()).max();
        let Now { wall, monotonic } = self.clock.now();
        let mut trusted = TrustedClock::new(wall, monotonic, newest);
        loop {
            let Now { wall, monotonic } = self.clock.now();
            let more = self.delete(trusted.now(wall, monotonic));
            let patience = if more { Duration::from_millis(1) } else { KEEP_EVERY };
            let stopping = self.stopped.wait_timeout_while(lock(&self.stopping), patience, |stopping| !*stopping);
            if *stopping.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
        }
    }

    /// `true`: there is more to delete.
    fn delete(&self, now: WallTime) -> bool {
        let keep = self.options.retention;
        if keep == Retention::default() {
            return false;
        }
        let streams: Vec<(String, Catalogue)> = self.library.streams();
        let mut all: Vec<Candidate> = Vec::new();
        for (stream, (_, catalogue)) in streams.iter().enumerate() {
            all.extend(catalogue.all().into_iter().map(|(one, in_use)| Candidate {
                stream,
                start: one.start,
                duration: one.duration,
                size: one.size,
                in_use,
            }));
        }
        let free = keep.free.and_then(|_| self.library.disk().free(self.library.dir()));
        let (gone, enough) = retention::surplus(&mut all, &keep, now, free);
        let mut deleted = true;
        for one in gone.iter().take(AT_ONCE) {
            let (stream, _) = &streams[one.stream];
            match self.library.delete(stream, one.start) {
                Ok(_) => tracing::debug!("{}: deleted", self.library.path(stream, one.start).display()),
                Err(error) => {
                    deleted = false;
                    tracing::warn!("{}: cannot be deleted: {error}", self.library.path(stream, one.start).display());
                }
            }
        }
        self.starved.store(!enough, Relaxed);
        deleted && gone.len() > AT_ONCE
    }
}

/// A poisoned lock only means that another thread died while it held it.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
