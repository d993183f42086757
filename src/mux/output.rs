//! What leaves the muxer, and which of it goes when the next program is slower than the camera: of video the rest of the group of
//! pictures, since what comes after a lost frame cannot be decoded; of audio what has just come.

use crate::format::bmff::Chunk;
use crate::media::{Droppable, Kind, MAX_AUDIO_LAG, MAX_VIDEO_LAG, MAX_WAITING, PACKET_COST, Timestamp, Vectored, Waiting};
use bytes::Bytes;

/// A part of the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// An initialization segment. It is never dropped.
    Init(Bytes),
    /// A chunk. It may be dropped.
    Chunk(Chunk),
}

/// What decides about the next chunk.
#[derive(Debug, Default)]
pub struct ChunkRules {
    /// Video is dropped until the next chunk that a decoder can start at.
    dropping: bool,
}

impl Vectored for Output {
    fn buffers(&self) -> impl Iterator<Item = &Bytes> {
        let (init, chunk) = match self {
            Output::Init(init) => (Some(init), None),
            Output::Chunk(chunk) => (None, Some(chunk.buffers())),
        };
        init.into_iter().chain(chunk.into_iter().flatten())
    }
}

impl Droppable for Output {
    type Rules = ChunkRules;
    /// Kind and end of a chunk.
    type Mark = (Kind, Timestamp);
    const UNIT: &'static str = "bytes";

    fn size(&self) -> usize {
        self.buffers().map(Bytes::len).sum()
    }

    fn cost(&self) -> usize {
        self.buffers().map(|buffer| buffer.len() + PACKET_COST).sum()
    }

    fn frames(&self) -> u64 {
        if let Output::Chunk(chunk) = self { chunk.frames.into() } else { 0 }
    }

    fn mark(&self) -> Option<(Kind, Timestamp)> {
        if let Output::Chunk(chunk) = self { Some((chunk.kind, chunk.end())) } else { None }
    }

    fn is_full(&self, _: &ChunkRules, waiting: &Waiting<Output>) -> bool {
        let Output::Chunk(chunk) = self else { return false };
        let mut ends = waiting.writing().iter().copied().chain(waiting.items().iter().filter_map(Droppable::mark));
        let oldest = ends.find(|(kind, _)| *kind == chunk.kind).map(|(_, end)| end);
        let most = if chunk.kind == Kind::Video { MAX_VIDEO_LAG } else { MAX_AUDIO_LAG };
        // However large a chunk is, it may wait alone.
        let bytes = Output::amount(waiting);
        let over = bytes > 0 && bytes + self.cost() - PACKET_COST > MAX_WAITING;
        over || oldest.is_some_and(|end| chunk.start.since(end) > most)
    }

    fn admit(&self, full: bool, rules: &mut ChunkRules, _: &mut Waiting<Output>) -> bool {
        match self {
            Output::Chunk(chunk) if chunk.kind == Kind::Video => {
                rules.dropping = full || (rules.dropping && !chunk.key);
                !rules.dropping
            }
            Output::Chunk(_) => !full,
            Output::Init(_) => true,
        }
    }

    fn amount(waiting: &Waiting<Output>) -> usize {
        waiting.cost() + waiting.writing_cost()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Admission, DropQueue, OverflowPolicy};
    use std::time::Duration;

    fn chunk(kind: Kind, key: bool, size: usize) -> Chunk {
        at(0, kind, key, size)
    }

    /// A chunk of 40 ms.
    fn at(millis: i64, kind: Kind, key: bool, size: usize) -> Chunk {
        Chunk {
            head: Bytes::from_static(b"head"),
            data: vec![vec![0; size].into()],
            track: Some(1),
            kind,
            key,
            start: Timestamp(millis * 1000),
            duration: Duration::from_millis(40),
            frames: 1,
            captured: None,
        }
    }

    /// A queue whose writer has the first of what came and writes nothing.
    #[derive(Default)]
    struct Stuck {
        queue: DropQueue<Output>,
        begun: bool,
    }

    impl Stuck {
        fn send(&mut self, chunk: Chunk) -> bool {
            let sent = self.queue.push(Output::Chunk(chunk), OverflowPolicy::Drop) == Admission::Queued;
            if sent && !std::mem::replace(&mut self.begun, true) {
                self.queue.waiting_mut().start_writing(0);
            }
            sent
        }

        /// Writes all; gives the number of bytes.
        fn go_on(&mut self) -> usize {
            let waiting = self.queue.waiting_mut();
            let rest = waiting.start_writing(usize::MAX);
            waiting.written();
            rest.iter().map(Droppable::size).sum()
        }
    }

    #[test]
    fn the_rest_of_the_group_of_pictures_is_dropped() {
        let mut stuck = Stuck::default();
        let half = MAX_WAITING / 2 - 3 * PACKET_COST;
        let mut sent = [true, false, false, false].map(|key| stuck.send(chunk(Kind::Video, key, half))).to_vec();
        sent.push(stuck.send(chunk(Kind::Audio, true, 6 * PACKET_COST)));
        assert_eq!(sent, [true, true, false, false, false]);
        assert_eq!(stuck.queue.waiting().dropped(), 3);
        assert_eq!(stuck.go_on(), half + 4);
        assert!(!stuck.send(chunk(Kind::Video, false, 10)), "the queue is empty, but the picture lacks its reference");
        assert!(stuck.send(chunk(Kind::Audio, true, 10)));
        assert!(stuck.send(chunk(Kind::Video, true, 10)));
        assert_eq!(stuck.go_on(), 2 * 10 + 2 * 4);
    }

    #[test]
    fn a_slow_stream_waits_no_longer_than_a_fast_one() {
        let mut stuck = Stuck::default();
        let sent = |stuck: &mut Stuck, kind| (0..100).filter(|n| stuck.send(at(n * 40, kind, *n == 0, 100))).count();
        assert_eq!(sent(&mut stuck, Kind::Video), 14, "half a second, behind the first");
        assert_eq!(sent(&mut stuck, Kind::Audio), 52, "two seconds");
        assert_eq!(stuck.go_on(), (13 + 52) * 104);
    }

    #[test]
    fn long_chunks_may_wait_for_each_other() {
        let mut stuck = Stuck::default();
        let gop = |n: i64| Chunk { duration: Duration::from_secs(2), ..at(n * 2000, Kind::Video, true, 100) };
        let sent: Vec<bool> = (0..4).map(|n| stuck.send(gop(n))).collect();
        assert_eq!(sent, [true, true, false, false]);
    }

    #[test]
    fn exit_tells_that_it_is_full() {
        let mut queue = DropQueue::default();
        let mut send = |key, size| queue.push(Output::Chunk(chunk(Kind::Video, key, size)), OverflowPolicy::Exit);
        assert_eq!(send(true, MAX_WAITING + 1), Admission::Queued);
        assert_eq!(send(false, 1), Admission::TooSlow);
    }
}
