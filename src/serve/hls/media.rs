//! The body of a part or segment: chunks of the ring, none of them copied.

use crate::serve::http::data::Data;
use crate::serve::live::ring::Entry;
use crate::serve::live::stream::Stream;
use crate::serve::net::link::Link;
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// So many chunks go out in one `writev`.
const RUN: usize = 16;

/// Chunks on their way to one client. They are its memory: where the ring wants them back, its connection ends.
pub struct Media {
    chunks: VecDeque<(u64, Bytes)>,
    left: u64,
    stream: Arc<Stream>,
    link: Arc<Link>,
}

impl Media {
    pub fn new<'r>(chunks: impl Iterator<Item = &'r Arc<Entry>>, stream: Arc<Stream>, link: Arc<Link>) -> Media {
        Media::of(chunks.map(|chunk| (chunk.seq, chunk.payload())).collect(), stream, link)
    }

    /// Pieces, each with the number of the chunk that it is of.
    pub fn of(chunks: VecDeque<(u64, Bytes)>, stream: Arc<Stream>, link: Arc<Link>) -> Media {
        let left = chunks.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        Media { chunks, left, stream, link }
    }

    /// In bytes, of what was not given out.
    pub fn len(&self) -> u64 {
        self.left
    }

    /// Only these bytes of it.
    pub fn cut(mut self, range: Range<u64>) -> Media {
        let mut at = 0;
        self.chunks.retain_mut(|(_, bytes)| {
            let (begin, end) = (at, at + bytes.len() as u64);
            at = end;
            let (from, to) = (range.start.clamp(begin, end), range.end.clamp(begin, end));
            *bytes = bytes.slice((from - begin) as usize..(to.max(from) - begin) as usize);
            !bytes.is_empty()
        });
        self.left = self.chunks.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        self
    }

    /// The next chunks, a run of them at a time. The connection is told what it holds: all from there on.
    pub fn next(&mut self) -> Option<Data> {
        let (chunk, _) = self.chunks.front()?;
        self.link.lock().holds = Some(*chunk);
        let run: VecDeque<Bytes> =
            self.chunks.drain(..self.chunks.len().min(RUN)).map(|(_, bytes)| bytes).filter(|bytes| !bytes.is_empty()).collect();
        let bytes = run.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
        self.left -= bytes;
        self.stream.numbers.bytes_out.fetch_add(bytes, Relaxed);
        Some(Data::Several(run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;
    use std::time::Instant;

    #[test]
    fn a_range_of_several_chunks() {
        let now = Instant::now();
        let entries: Vec<_> =
            [&b"abc"[..], b"d", b"efgh"].iter().zip(0..).map(|(bytes, n)| Arc::new(Entry::for_tests(bytes, n, now))).collect();
        let media = || Media::new(entries.iter(), Arc::new(Stream::new("a".into())), Arc::default());
        for (range, wanted) in [(0..8, "abcdefgh"), (0..1, "a"), (2..5, "cde"), (3..4, "d"), (7..8, "h"), (8..8, ""), (4..100, "efgh")] {
            let mut cut = media().cut(range);
            assert_eq!(cut.len(), wanted.len() as u64);
            let got: Vec<u8> = std::iter::from_fn(|| cut.next()).flat_map(|mut data| data.copy_to_bytes(data.remaining())).collect();
            assert_eq!((got, cut.len()), (wanted.into(), 0));
        }
    }
}
