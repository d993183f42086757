//! A stream's newest chunks, each stored once for all viewers. Pure: times are arguments.
//!
//! A chunk lies behind the head of its WebSocket frame in one allocation, copied once when it is published: to 300 sockets, three pieces cost 0 to 3 %
//! more CPU in `sendmsg` and 10 % more in `writev` than one in `send`, and pieces of a reader's buffer would hold memory that the ring does not count.

use super::form::{Conversion, Conversions, Form};
use super::init_segment::{ALL, FormOf, InitSegment, Mask};
use crate::format::bmff::Chunk;
use crate::format::mpegts::WriterState;
#[cfg(test)]
use crate::media::Timestamp;
use crate::serve::ws::frames;
use bytes::Bytes;
use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One chunk, or JPEG picture, as all viewers get it; immutable.
#[derive(Debug)]
pub struct Entry {
    /// Consecutive within a stream, across writers.
    pub seq: u64,
    /// What is known of it. Its bytes have moved to `message`, whose only handle in the server is this: so it can be seen who holds it.
    pub chunk: Chunk,
    /// The chunk in a WebSocket frame: server frames are not masked, so these are the same bytes for everybody. A text message
    /// about it may go before.
    pub message: Bytes,
    /// Where in `message` the chunk begins.
    pub payload_at: usize,
    /// The tracks inside: one bit, or all.
    pub tracks: Mask,
    /// Frames of the stream's main track, counted over the stream, up to and with this chunk.
    pub frames: u64,
    /// Breaks of the stream up to here: other tracks, another size, a new writer, a pause. For all tracks alike.
    pub breaks: u64,
    /// When it came in.
    pub arrived: Instant,
    /// The init segment it belongs to; `None` for JPEG.
    pub init: Option<Arc<InitSegment>>,
    /// In other forms.
    pub conversions: Conversions,
}

impl Entry {
    /// A JPEG picture, or a chunk until it is given its init segment. `text` goes before it.
    pub fn new(text: &str, chunk: Chunk, seq: u64, arrived: Instant) -> Entry {
        let (message, payload_at) = frames::binary(text, &chunk);
        let chunk = Chunk { head: Bytes::new(), data: Vec::new(), ..chunk };
        Entry {
            seq,
            chunk,
            message,
            payload_at,
            tracks: ALL,
            frames: seq + 1,
            breaks: 0,
            arrived,
            init: None,
            conversions: Conversions::default(),
        }
    }

    /// A picture of these bytes.
    #[cfg(test)]
    pub fn for_tests(bytes: &[u8], seq: u64, arrived: Instant) -> Entry {
        Entry::new("", Chunk::picture(Bytes::copy_from_slice(bytes), Timestamp::ZERO, None), seq, arrived)
    }

    /// The chunk alone.
    pub fn payload(&self) -> Bytes {
        self.message.slice(self.payload_at..)
    }

    /// Bytes of it in all forms.
    fn size(&self) -> usize {
        self.message.len() + self.conversions.size()
    }

    /// A viewer is in the middle of it.
    fn is_held(&self) -> bool {
        !self.message.is_unique() || !self.conversions.are_unique()
    }
}

/// How much a ring keeps.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// At most so many bytes, though always the newest chunk; what viewers are in the middle of counts.
    pub bytes: usize,
    /// Older chunks go, except those that follow the newest keyframe. Of JPEG pictures only the newest stays.
    pub age: Duration,
}

#[derive(Debug)]
pub struct Ring {
    chunks: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// Of conversions that were made through this ring.
    converted: Cell<usize>,
    indexes: Vec<TrackIndex>,
    lent: Lent,
    /// Number of the next chunk to come.
    end: u64,
    newest_key: u64,
    retention: Retention,
}

impl Ring {
    pub fn new(retention: Retention) -> Ring {
        Ring {
            chunks: VecDeque::new(),
            bytes: 0,
            converted: Cell::new(0),
            indexes: vec![],
            lent: Lent::default(),
            end: 0,
            newest_key: 0,
            retention,
        }
    }

    pub fn push(&mut self, chunk: Arc<Entry>) {
        self.end = chunk.seq + 1;
        self.bytes += chunk.message.len();
        if chunk.chunk.key && chunk.tracks & chunk.init.as_ref().map_or(ALL, |m| m.main()) != 0 {
            self.newest_key = chunk.seq;
        }
        self.index(chunk.tracks).push(&chunk);
        let oldest = chunk.arrived.checked_sub(self.retention.age);
        self.chunks.push_back(chunk);
        self.lent.settle();
        while self.chunks.len() > 1 && self.front_is_over(oldest) {
            self.pop_front();
        }
        self.lent.call_back(self.retention.bytes / 2);
    }

    fn index(&mut self, tracks: Mask) -> &mut TrackIndex {
        let at = self.indexes.iter().position(|index| index.tracks == tracks).unwrap_or_else(|| {
            self.indexes.push(TrackIndex { tracks, begins: VecDeque::new(), total: 0, key: None });
            self.indexes.len() - 1
        });
        &mut self.indexes[at]
    }

    fn front_is_over(&self, oldest: Option<Instant>) -> bool {
        let stale = |c: &Arc<Entry>| c.init.is_none() || (c.seq < self.newest_key && oldest.is_some_and(|t| c.arrived < t));
        self.bytes + self.converted.get() + self.lent.bytes > self.retention.bytes || self.chunks.front().is_some_and(stale)
    }

    fn pop_front(&mut self) {
        let Some(chunk) = self.chunks.pop_front() else { return };
        self.bytes -= chunk.message.len();
        // Another ring may have made some of them.
        self.converted.set(self.converted.get().saturating_sub(chunk.conversions.size()));
        self.index(chunk.tracks).begins.pop_front();
        self.lent.add(chunk);
    }

    /// Forgets all chunks; the numbers go on.
    pub fn clear(&mut self) {
        while !self.chunks.is_empty() {
            self.pop_front();
        }
        self.indexes.clear();
    }

    /// A viewer in the middle of a chunk before this one holds more memory than there is for slow viewers. It is to be closed.
    pub fn called_back(&self) -> u64 {
        self.lent.called_back
    }

    /// Number of the next chunk to come.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Chunk `seq`, if it is still there (or there already).
    pub fn get(&self, seq: u64) -> Option<&Arc<Entry>> {
        let first = self.chunks.front()?.seq;
        self.chunks.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    pub fn newest(&self) -> Option<&Arc<Entry>> {
        self.chunks.back()
    }

    /// The newest chunk from which on, up to chunk `before`, the tracks have as many bytes as this; the oldest if all have fewer. `None`: none
    /// has to be counted.
    pub fn oldest_of(&self, bytes: usize, tracks: Mask, before: u64) -> Option<&Arc<Entry>> {
        let (first, bytes) = (self.chunks.front()?.seq, bytes as u64);
        let size_from =
            |seq| self.indexes.iter().filter(|index| index.tracks & tracks != 0).map(|index| index.size(seq, before)).sum::<u64>();
        let (mut enough, mut less) = (first, before.min(self.end));
        if bytes == 0 || enough >= less {
            return None;
        }
        while enough + 1 < less {
            let middle = enough.midpoint(less);
            *(if size_from(middle) >= bytes { &mut enough } else { &mut less }) = middle;
        }
        self.get(enough)
    }

    /// The newest keyframe of the tracks `lead`.
    pub fn newest_key(&self, sync_track: Mask) -> Option<&Arc<Entry>> {
        self.get(self.indexes.iter().filter(|index| index.tracks & sync_track != 0).filter_map(|index| index.key).max()?)
    }

    /// A chunk of this ring in another form, and its init segment's converter. It goes on where the chunk before it ends, if that has the form; what
    /// lies between is made as well, so that a viewer who comes to it later finds no break. `None`: the form carries nothing of the stream.
    pub fn conversion<'r>(&'r self, chunk: &'r Entry, form: Form) -> Option<&'r Conversion> {
        if let Some(made) = chunk.conversions.get(form) {
            return Some(made);
        }
        let made_before = self.before(chunk.seq).find(|before| before.conversions.get(form).is_some());
        let mut state = made_before.and_then(|before| before.conversions.get(form)).map(|made| made.state).unwrap_or_default();
        let from = made_before.map_or(chunk.seq, |before| before.seq + 1);
        for between in self.from(from).take_while(|between| between.seq < chunk.seq) {
            state = self.make(between, form, state)?.state;
        }
        self.make(chunk, form, state)
    }

    fn make<'r>(&self, chunk: &'r Entry, form: Form, state: WriterState) -> Option<&'r Conversion> {
        let FormOf { converter, selection } = chunk.init.as_ref()?.form(form).ok()?;
        let make = || match chunk.tracks & selection.tracks {
            0 => Conversion { message: Bytes::new(), payload_at: 0, state },
            _ => converter.convert(&chunk.payload(), chunk.chunk.start, state),
        };
        let (made, new) = chunk.conversions.get_or_make(form, make);
        if new {
            self.converted.set(self.converted.get() + made.message.len());
        }
        Some(made)
    }

    /// The chunks before `seq`, the newest first.
    fn before(&self, seq: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let first = self.chunks.front().map_or(0, |c| c.seq);
        let end = usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX).min(self.chunks.len());
        self.chunks.range(..end).rev()
    }

    /// Number of the oldest chunk that is there.
    pub fn begin(&self) -> u64 {
        self.chunks.front().map_or(self.end, |c| c.seq)
    }

    /// The chunks from `seq` on.
    pub fn from(&self, seq: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let first = self.chunks.front().map_or(0, |c| c.seq);
        let skip = usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX).min(self.chunks.len());
        self.chunks.range(skip..)
    }
}

/// Where the chunks of one set of tracks are, so that no search looks through all of them.
#[derive(Debug)]
struct TrackIndex {
    tracks: Mask,
    /// Number of each chunk in the ring, and the bytes of all chunks of this lane before it.
    begins: VecDeque<(u64, u64)>,
    total: u64,
    /// Its newest keyframe; it may have left the ring.
    key: Option<u64>,
}

impl TrackIndex {
    fn push(&mut self, chunk: &Entry) {
        self.begins.push_back((chunk.seq, self.total));
        self.total += chunk.message.len() as u64;
        self.key = if chunk.chunk.key { Some(chunk.seq) } else { self.key };
    }

    /// Bytes of its chunks from one number to before another.
    fn size(&self, from: u64, to: u64) -> u64 {
        let before = |seq| self.begins.get(self.begins.partition_point(|(n, _)| *n < seq)).map_or(self.total, |(_, bytes)| *bytes);
        before(to).saturating_sub(before(from))
    }
}

/// Chunks that have left the ring while viewers are in the middle of them: memory all the same.
#[derive(Debug, Default)]
struct Lent {
    /// Each with the bytes that were counted of it.
    chunks: VecDeque<(Arc<Entry>, usize)>,
    bytes: usize,
    called_back: u64,
}

impl Lent {
    fn add(&mut self, chunk: Arc<Entry>) {
        if chunk.is_held() {
            let size = chunk.size();
            self.bytes += size;
            self.chunks.push_back((chunk, size));
        }
    }

    /// Takes off the list what no viewer holds any more.
    fn settle(&mut self) {
        let bytes = &mut self.bytes;
        self.chunks.retain(|(chunk, size)| {
            let held = chunk.is_held();
            *bytes -= if held { 0 } else { *size };
            held
        });
    }

    /// The oldest are called back, until no more than `limit` bytes are out.
    fn call_back(&mut self, limit: usize) {
        while self.bytes > limit
            && let Some((chunk, size)) = self.chunks.pop_front()
        {
            self.bytes -= size;
            self.called_back = chunk.seq + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::live::init_segment::InitSegment;

    fn chunk(seq: u64, key: bool, at: Instant, len: usize) -> Arc<Entry> {
        of_tracks(ALL, seq, key, at, len)
    }

    fn of_tracks(tracks: Mask, seq: u64, key: bool, at: Instant, len: usize) -> Arc<Entry> {
        let entry = Entry::for_tests(&vec![seq as u8; len], seq, at);
        Arc::new(Entry { chunk: Chunk { key, ..entry.chunk }, tracks, init: Some(InitSegment::for_tests()), ..entry })
    }

    #[test]
    fn of_pictures_only_the_newest_is_kept() {
        let mut ring = Ring::new(Retention { bytes: 1 << 20, age: Duration::MAX });
        for seq in 0..9 {
            ring.push(Arc::new(Entry::for_tests(b"picture", seq, Instant::now())));
        }
        assert_eq!((ring.from(0).count(), ring.newest().unwrap().seq), (1, 8));
    }

    /// Slow viewers hold what has left the ring: that is bounded too, and the oldest has to go.
    #[test]
    fn what_is_lent_is_called_back() {
        let mut ring = Ring::new(Retention { bytes: 1000, age: Duration::MAX });
        let mut held = vec![];
        for seq in 0..20 {
            ring.push(Arc::new(Entry::for_tests(&[0; 98], seq, Instant::now())));
            held.push((seq, ring.newest().unwrap().payload()));
            held.retain(|(seq, _)| *seq >= ring.called_back());
            assert!(ring.bytes + ring.lent.bytes <= 1000 && held.len() <= 6, "{} are held", held.len());
        }
        assert_eq!(ring.called_back(), 14);
        held.clear();
        ring.push(Arc::new(Entry::for_tests(&[0; 98], 20, Instant::now())));
        assert_eq!((ring.called_back(), ring.lent.bytes), (14, 0), "given back in time");
    }

    #[test]
    fn a_place_is_found_as_a_look_at_every_chunk_finds_it() {
        let t = Instant::now();
        let mut ring = Ring::new(Retention { bytes: 20_000, age: Duration::MAX });
        for seq in 0..300u64 {
            let tracks = [1, 2, 1, ALL, 4][(seq * seq % 5) as usize];
            let size = (seq * 7919 % 300) as usize;
            ring.push(of_tracks(tracks, seq, seq % 7 == 0, t, size));
            for (tracks, held, back) in [(1, 0, 0), (1, 1, 0), (2, 700, 3), (3, 5000, 1), (7, 100_000, 0), (4, 250, 9)] {
                let before = (seq + 1).saturating_sub(back);
                let mut left: usize = held;
                let scan = ring.chunks.iter().rev().filter(|c| c.seq < before).take_while(|c| {
                    let some = left > 0;
                    left = left.saturating_sub(if c.tracks & tracks != 0 { c.message.len() } else { 0 });
                    some
                });
                let found = ring.oldest_of(held, tracks, before).map(|c| c.seq);
                assert_eq!(found, scan.last().map(|c| c.seq), "{tracks} {held} before {before}");
                let key = ring.chunks.iter().rev().find(|c| c.chunk.key && c.tracks & tracks != 0).map(|c| c.seq);
                assert_eq!(ring.newest_key(tracks).map(|c| c.seq), key);
            }
        }
    }

    #[test]
    fn keeps_the_newest_gop_and_an_age() {
        let (t, second) = (Instant::now(), Duration::from_secs(1));
        let mut ring = Ring::new(Retention { bytes: 1 << 20, age: 2 * second });
        for seq in 0..20 {
            ring.push(chunk(seq, seq == 0, t + second * seq as u32, 100));
        }
        assert_eq!(ring.from(0).count(), 20, "one long GOP is kept whole");
        ring.push(chunk(20, true, t + second * 20, 100));
        assert_eq!(ring.from(0).next().unwrap().seq, 18);
        assert_eq!((ring.get(17).is_none(), ring.get(20).unwrap().seq, ring.get(21).is_none()), (true, 20, true));
        assert_eq!(ring.bytes, 3 * 102);
    }

    #[test]
    fn bytes_are_bounded() {
        let t = Instant::now();
        let mut ring = Ring::new(Retention { bytes: 1000, age: Duration::MAX });
        for seq in 0..100 {
            ring.push(chunk(seq, seq == 0, t, 98));
            assert!(ring.bytes <= 1000);
        }
        ring.push(chunk(100, true, t, 5000));
        assert_eq!((ring.from(0).count(), ring.end()), (1, 101), "the newest is always kept");
    }
}
