//! The fragments of what was before, one after the other: out of recordings, then out of the ring, without a seam between them.
//!
//! A recording has the bytes of the stream's own fragments. So the ring goes on behind the fragment that has the same bytes as the last one of a
//! recording, whatever clocks and labels say, and the other way round for who is so slow that the ring has moved on.

use super::rings::Rings;
use crate::format::bmff::{self, FragmentReader, RecordedFragment, Snap};
use crate::media::{Timestamp, WallTime};
use crate::serve::live::ring::{Entry, Ring};
use crate::serve::live::stream::StreamId;
use crate::serve::recordings::api::{RecordingReader, Recordings};
use crate::serve::recordings::from_ring;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Read at a time, in bytes and in fragments: what a viewer costs that does not take it.
const BATCH: usize = 256 * 1024;
const FRAGMENTS: usize = 16;
/// For so long the recordings may be behind the ring before what is missing in them is missing.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between a keyframe and a moment that was played there are not more fragments than this.
const SEARCHED: usize = 20_000;
/// By so much two labels of one moment may differ, in microseconds.
const LABELS: i64 = 250_000;

/// Where the fragments of a stream come from, and the place in it.
#[derive(Debug)]
pub struct Past {
    name: String,
    recordings: Option<Arc<dyn Recordings>>,
    reader: Option<Box<dyn RecordingReader>>,
    rings: Weak<dyn Rings>,
    stream: Option<StreamId>,
    place: Place,
    batch: VecDeque<Next>,
    last: Option<RecordedFragment>,
    /// Since when the recordings have had no more.
    exhausted: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Nowhere,
    Recording,
    /// At this chunk, and time zero of its presentation.
    Ring(u64, WallTime),
}

/// What comes next.
#[derive(Clone, Debug)]
pub enum Next {
    Fragment(RecordedFragment),
    /// The same, and its number in the ring: it is a keyframe there, where a live viewer can begin.
    Key(RecordedFragment, u64),
    /// Nothing, for now.
    Wait {
        /// It is level with what is live.
        level: bool,
    },
}

/// A keyframe in the ring.
#[derive(Clone, Copy)]
struct RingKey {
    seq: u64,
    wall: WallTime,
    zero: WallTime,
}

impl Past {
    /// Of the stream of this name, which may be live here, or not any more.
    pub fn new(name: String, recordings: Option<Arc<dyn Recordings>>, rings: Weak<dyn Rings>, stream: Option<StreamId>) -> Past {
        let (reader, place, batch) = (None, Place::Nowhere, VecDeque::new());
        Past { name, recordings, reader, rings, stream, place, batch, last: None, exhausted: None }
    }

    /// The stream is live: something came not long ago.
    pub fn is_live(&self) -> bool {
        let mut live = false;
        self.look(|ring| live = ring.newest().is_some_and(|newest| newest.init.is_some() && newest.arrived.elapsed() < PATIENCE));
        live
    }

    fn look(&self, mut look: impl FnMut(&Ring)) {
        if let Some((stream, rings)) = self.stream.zip(self.rings.upgrade()) {
            rings.look(stream, &mut look);
        }
    }

    /// Goes to a keyframe. `false`: there is none.
    pub async fn seek(&mut self, time: WallTime, snap: Snap) -> bool {
        self.batch.clear();
        (self.exhausted, self.last) = (None, None);
        if self.reader.is_none() {
            self.reader = self.recordings.as_ref().and_then(|recordings| recordings.reader(&self.name));
        }
        let recorded = self.with_reader(move |reader| if reader.seek(time, snap)? { reader.next() } else { Ok(None) }).await.flatten();
        let in_ring = self.key_in_ring(time, snap);
        let recorded_at = recorded.as_ref().and_then(begins);
        match in_ring {
            Some(found) if is_ring_better(snap, time, recorded_at, found.wall) => {
                self.place = Place::Ring(found.seq, found.zero);
                true
            }
            _ if recorded.is_some() => {
                self.batch.extend(recorded.map(Next::Fragment));
                self.place = Place::Recording;
                true
            }
            _ => {
                self.place = Place::Nowhere;
                false
            }
        }
    }

    /// The next fragment.
    pub async fn next(&mut self) -> Next {
        loop {
            if let Some(next) = self.batch.pop_front() {
                if let Next::Fragment(fragment) | Next::Key(fragment, _) = &next {
                    self.last = Some(fragment.clone());
                }
                return next;
            }
            match self.place {
                Place::Nowhere => return Next::Wait { level: false },
                Place::Recording => {
                    let fragments = self.with_reader(read).await.unwrap_or_default();
                    if !fragments.is_empty() {
                        self.exhausted = None;
                        self.batch.extend(fragments.into_iter().map(Next::Fragment));
                    } else if let Some(place) = self.place_in_ring() {
                        (self.place, self.exhausted) = (place, None);
                    } else {
                        return Next::Wait { level: false };
                    }
                }
                Place::Ring(seq, zero) => {
                    let (begin, end) = self.gather(seq, zero);
                    if begin <= seq || begin == end {
                        if self.batch.is_empty() {
                            return Next::Wait { level: self.is_live() };
                        }
                    } else if !self.back_to_recordings().await {
                        self.place = match self.key_in_ring(WallTime(i64::MIN), Snap::After) {
                            Some(RingKey { seq, zero, .. }) => Place::Ring(seq, zero),
                            None => Place::Ring(end, zero),
                        };
                    }
                }
            }
        }
    }

    /// Does something with the recordings, in a thread that may wait for the disk. `None`: there are none, or they cannot be read.
    async fn with_reader<T: Send + 'static>(
        &mut self,
        act: impl FnOnce(&mut dyn RecordingReader) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let mut reader = self.reader.take()?;
        let acted = tokio::task::spawn_blocking(move || {
            let done = act(&mut *reader);
            (reader, done)
        });
        let (reader, done) = acted.await.ok()?;
        self.reader = Some(reader);
        done.inspect_err(|error| tracing::warn!("{}: a recording cannot be played: {error}", self.name)).ok()
    }

    fn key_in_ring(&self, time: WallTime, snap: Snap) -> Option<RingKey> {
        let mut found = None;
        self.look(|ring| found = key_in(ring, time, snap));
        found
    }

    /// Takes chunks from the ring; gives which it has.
    fn gather(&mut self, from: u64, zero: WallTime) -> (u64, u64) {
        let (mut bytes, mut batch, mut bounds, mut next) = (0, VecDeque::new(), (0, 0), from);
        self.look(|ring| {
            bounds = (ring.begin(), ring.end());
            if ring.begin() > from {
                return;
            }
            for entry in ring.from(from) {
                let Some(init) = &entry.init else { break };
                if bytes >= BATCH || batch.len() >= FRAGMENTS {
                    break;
                }
                next = entry.seq + 1;
                bytes += entry.message.len();
                // A copy: what is lent of a ring is wanted back from viewers who are slow.
                let fragment = RecordedFragment { init: init.init().bytes.clone(), zero, bytes: Bytes::copy_from_slice(&entry.payload()) };
                batch.push_back(if is_main_key(entry) { Next::Key(fragment, entry.seq) } else { Next::Fragment(fragment) });
            }
        });
        if bounds.0 <= from && next != from {
            self.place = Place::Ring(next, zero);
        }
        self.batch.extend(batch);
        bounds
    }

    /// The place in the ring behind the last fragment of a recording. Where the ring has not got it, what lies between is missing, as soon as there was time
    /// enough for it to be recorded.
    fn place_in_ring(&mut self) -> Option<Place> {
        let last = self.last.clone()?;
        let (mut place, mut newest) = (None, None);
        self.look(|ring| {
            let found = ring.from(ring.begin()).filter(|entry| entry.payload().ends_with(&last.bytes)).last();
            place = found.and_then(|entry| Some(Place::Ring(entry.seq + 1, zero_of(entry, &last)?)));
            newest = ring.newest().map(|newest| newest.seq);
        });
        newest?;
        if place.is_some() {
            return place;
        }
        let exhausted = *self.exhausted.get_or_insert_with(Instant::now);
        if exhausted.elapsed() < PATIENCE {
            return None;
        }
        let behind = WallTime(begins(&last)?.0.saturating_add(1));
        self.key_in_ring(behind, Snap::After).map(|found| Place::Ring(found.seq, found.zero))
    }

    /// The ring has moved on: to the same place in the recordings, or behind what they lack.
    async fn back_to_recordings(&mut self) -> bool {
        let Some(last) = self.last.clone() else { return false };
        let Some(wall) = begins(&last) else { return false };
        if self.reader.is_none() {
            self.reader = self.recordings.as_ref().and_then(|recordings| recordings.reader(&self.name));
        }
        let found = self.with_reader(move |reader| {
            if reader.seek(WallTime(wall.0 - LABELS), Snap::Covering)? {
                for _ in 0..SEARCHED {
                    match reader.next()? {
                        Some(fragment) if last.bytes.ends_with(&fragment.bytes) => return Ok(true),
                        Some(_) => {}
                        None => break,
                    }
                }
            }
            reader.seek(WallTime(wall.0 + LABELS), Snap::After)
        });
        let is_found = found.await.unwrap_or(false);
        if is_found {
            self.place = Place::Recording;
        }
        is_found
    }
}

fn read(reader: &mut dyn RecordingReader) -> io::Result<Vec<RecordedFragment>> {
    let (mut fragments, mut bytes) = (Vec::new(), 0);
    while bytes < BATCH && fragments.len() < FRAGMENTS {
        match reader.next() {
            Ok(Some(fragment)) => {
                bytes += fragment.bytes.len();
                fragments.push(fragment);
            }
            Ok(None) => break,
            // What was read before is not lost.
            Err(_) if !fragments.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(fragments)
}

/// Whether the keyframe in the ring is rather that which was asked for than the one that was recorded.
fn is_ring_better(snap: Snap, time: WallTime, recorded: Option<WallTime>, ring: WallTime) -> bool {
    let Some(recorded) = recorded else { return true };
    match snap {
        Snap::Covering if recorded <= time => false,
        Snap::Covering => ring <= time || ring.0 < recorded.0 - LABELS,
        Snap::After => ring.0 < recorded.0 - LABELS,
        Snap::Before => ring.0 > recorded.0 + LABELS,
    }
}

fn is_main_key(entry: &Entry) -> bool {
    entry.chunk.key && entry.init.as_ref().is_some_and(|init| entry.tracks & init.main() != 0)
}

fn key_in(ring: &Ring, time: WallTime, snap: Snap) -> Option<RingKey> {
    let zero = from_ring::zero(ring, WallTime::now())?;
    let keys = ring.from(ring.begin()).filter(|entry| is_main_key(entry));
    let mut keys = keys.map(|entry| RingKey { seq: entry.seq, wall: zero.at(entry.chunk.start), zero });
    match snap {
        Snap::After => keys.find(|key| key.wall >= time),
        Snap::Before => keys.take_while(|key| key.wall <= time).last(),
        Snap::Covering => {
            let first = keys.next()?;
            Some(keys.take_while(|key| key.wall <= time).last().unwrap_or(first))
        }
    }
}

/// When the main track of a fragment begins, or the first that it has.
pub fn begins(fragment: &RecordedFragment) -> Option<WallTime> {
    Some(fragment.zero.at(begin_in(&fragment.init, &fragment.bytes)?))
}

fn begin_in(init: &Bytes, bytes: &[u8]) -> Option<Timestamp> {
    let mut reader = FragmentReader::new(init).ok()?;
    let main = reader.main()?;
    let (at, moof) = bmff::moof_of(bytes)?;
    let tracks = reader.read(moof, at as u64).ok()?;
    let samples = tracks.iter().find(|samples| samples.track == main.id).or(tracks.first())?;
    let track = reader.tracks().find(|track| track.id == samples.track)?;
    let offset = samples.samples.first().map_or(0, |first| first.composition_offset);
    Some(track.time(i64::try_from(samples.decode_time).ok()?.saturating_add(offset)))
}

/// Time zero of the ring's presentation, by what a recording says of the same fragment.
fn zero_of(entry: &Entry, recorded: &RecordedFragment) -> Option<WallTime> {
    let wall = begins(recorded)?;
    let here = begin_in(&entry.init.as_ref()?.init().bytes, &entry.payload())?;
    Some(WallTime(wall.0.saturating_sub(here.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_or_the_recordings() {
        let at = |seconds: i64| WallTime(seconds * 1_000_000);
        for (snap, recorded, ring, better) in [
            (Snap::Covering, Some(at(9)), at(10), false),
            (Snap::Covering, Some(at(15)), at(10), true),
            (Snap::Covering, Some(at(15)), at(12), true),
            (Snap::Covering, Some(at(15)), at(20), false),
            (Snap::Covering, None, at(20), true),
            (Snap::After, Some(at(11)), at(12), false),
            (Snap::After, Some(at(20)), at(12), true),
            (Snap::Before, Some(at(9)), at(9), false),
            (Snap::Before, Some(at(7)), at(9), true),
        ] {
            assert_eq!(is_ring_better(snap, at(10), recorded, ring), better, "{snap:?} {recorded:?} {ring:?}");
        }
    }
}
