//! The way from a stream to the thread that writes it: bounded, and never waited for by who publishes. What does not fit is lost from there to the next keyframe.

use crate::format::bmff::{Chunk, Init};
use crate::media::{Kind, Timestamp, WallTime};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What comes of a stream.
#[derive(Clone, Debug)]
pub enum Item {
    /// The chunks that follow belong to this init segment.
    Init(Bytes),
    Chunk(Fragment),
    /// Some chunks did not fit.
    Lost,
    /// The writer of the stream has gone, or nothing comes for now.
    Pause,
}

/// A chunk, as far as writing it is concerned.
#[derive(Clone, Debug)]
pub struct Fragment {
    pub bytes: Bytes,
    /// Of the track by which recordings are cut.
    pub main: bool,
    /// A recording can begin here.
    pub key: bool,
    pub start: Timestamp,
    pub duration: Duration,
    /// As the stream says it.
    pub captured: Option<WallTime>,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// In bytes.
    limit: usize,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// Chunks are left out until a keyframe comes for which there is room.
    losing: bool,
    lost: u64,
    closed: bool,
}

/// The end of who publishes. Dropped, it ends the recording of the stream: what is in the queue is still written.
#[derive(Debug)]
pub struct Feed {
    shared: Arc<Shared>,
    /// track_ID of the main track; `None`: no init segment yet.
    main: Option<u32>,
}

/// The end of who writes.
#[derive(Clone, Debug)]
pub struct Source(Arc<Shared>);

/// What there is for who writes.
#[derive(Debug)]
pub enum Next {
    Item(Item),
    /// Nothing came for so long.
    Nothing,
    /// Nothing will come.
    Over,
}

/// A queue of so many bytes.
pub fn queue(limit: usize) -> (Feed, Source) {
    let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new(), limit });
    (Feed { shared: shared.clone(), main: None }, Source(shared))
}

impl Feed {
    /// A new init segment.
    pub fn init(&mut self, init: &Init) {
        let pictures = init.tracks.iter().find(|track| track.track.kind() == Kind::Video);
        self.main = pictures.or(init.tracks.first()).map(|track| track.id);
        self.shared.put(self.shared.lock(), Item::Init(init.bytes.clone()), 0);
    }

    /// A chunk, and all of its bytes, which are not copied.
    pub fn chunk(&mut self, chunk: &Chunk, bytes: Bytes) {
        let Some(main) = self.main else { return };
        let main = chunk.track.is_none_or(|track| track == main);
        let (size, key) = (bytes.len(), main && chunk.key);
        let fragment = Fragment { bytes, main, key, start: chunk.start, duration: chunk.duration, captured: chunk.captured };
        let mut queue = self.shared.lock();
        let fits = queue.bytes + size <= self.shared.limit;
        if !fits && !queue.losing {
            queue.losing = true;
            queue.items.push_back(Item::Lost);
        }
        if !fits || queue.losing && !key {
            queue.lost += 1;
            return;
        }
        queue.losing = false;
        self.shared.put(queue, Item::Chunk(fragment), size);
    }

    /// Nothing comes for now.
    pub fn pause(&mut self) {
        self.shared.put(self.shared.lock(), Item::Pause, 0);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl Source {
    /// Waits for the next item, for so long at most. Tells besides how many chunks did not fit so far.
    pub fn next(&self, patience: Duration) -> (Next, u64) {
        let queue = self.0.lock();
        let waited = self.0.changed.wait_timeout_while(queue, patience, |queue| queue.items.is_empty() && !queue.closed);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let next = match queue.items.pop_front() {
            Some(item) => {
                if let Item::Chunk(fragment) = &item {
                    queue.bytes -= fragment.bytes.len();
                }
                Next::Item(item)
            }
            None if queue.closed => Next::Over,
            None => Next::Nothing,
        };
        (next, queue.lost)
    }
}

impl Shared {
    fn put(&self, mut queue: MutexGuard<'_, Queue>, item: Item, size: usize) {
        queue.bytes += size;
        queue.items.push_back(item);
        drop(queue);
        self.changed.notify_one();
    }

    /// A poisoned lock only means that the other thread died.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::AudioParams;
    use crate::media::{Codec, Track};

    fn chunk(key: bool) -> Chunk {
        Chunk { key, track: Some(1), ..Chunk::picture(Bytes::new(), Timestamp(0), None) }
    }

    fn started(limit: usize) -> (Feed, Source) {
        let (mut feed, source) = queue(limit);
        let params = AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO };
        let track = crate::format::bmff::InitTrack { id: 1, timescale: 1, track: Track::audio(Codec::Opus, params) };
        feed.chunk(&chunk(true), Bytes::from_static(b"before the init segment"));
        feed.init(&Init { bytes: Bytes::new(), tracks: vec![track], omitted: vec![] });
        (feed, source)
    }

    /// What was in the queue, and how many chunks did not fit.
    fn taken(source: &Source) -> (String, u64) {
        let mut all = String::new();
        loop {
            all.push(match source.next(Duration::ZERO) {
                (Next::Item(Item::Init(_)), _) => 'i',
                (Next::Item(Item::Chunk(fragment)), _) => {
                    if fragment.key {
                        'K'
                    } else {
                        'c'
                    }
                }
                (Next::Item(Item::Lost), _) => '-',
                (Next::Item(Item::Pause), _) => 'p',
                (Next::Nothing | Next::Over, lost) => return (all, lost),
            });
        }
    }

    #[test]
    fn what_does_not_fit_is_lost_up_to_a_keyframe() {
        let (mut feed, source) = started(30);
        let mut send = |keys: &str| keys.chars().for_each(|key| feed.chunk(&chunk(key == 'K'), Bytes::from_static(&[0; 10])));
        send("KccccKc");
        assert_eq!(taken(&source), ("iKcc-".into(), 4));
        send("ccKc");
        assert_eq!(taken(&source), ("Kc".into(), 6));
        feed.pause();
        drop(feed);
        assert_eq!(taken(&source).0, "p");
        assert!(matches!(source.next(Duration::from_secs(60)).0, Next::Over));
    }
}
