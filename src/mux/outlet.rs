//! Where chunks leave: those that came in together by one `writev`; and what happens when the next program is slower than the camera.

use super::Chunk;
use crate::media::{Kind, MAX_AUDIO_LAG, MAX_VIDEO_LAG, MAX_WAITING, OverflowPolicy, PACKET_COST, Timestamp};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// What is gathered for one `writev`: as much as a pipe holds.
const GATHERED: usize = 64 << 10;
/// The same where nothing is live: fewer calls, and the next program is woken less often.
const STORED: usize = 256 << 10;

/// The next program did not keep up, and [`OverflowPolicy::Exit`] was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the next program is too slow: {0} bytes wait for it")]
pub struct TooSlow(pub usize);

/// The end of the stage. Chunks are gathered up to a [`flush`](Outlet::flush), which is due whenever the stage may wait for more.
pub struct Outlet<W: Write + Send + 'static> {
    late: OverflowPolicy,
    end: End<W>,
    /// Video is dropped until the next chunk that a decoder can start at.
    dropping: bool,
    dropped: u64,
}

enum End<W> {
    Direct { out: W, gathered: Vec<Bytes>, bytes: usize, most: usize },
    Queued { queue: Arc<Queue>, writer: Option<JoinHandle<io::Result<()>>> },
    GivenUp,
}

impl<W: Write + Send + 'static> Outlet<W> {
    /// With [`OverflowPolicy::Block`], `out` is written in place; else by a thread of its own behind a bounded queue. `out` should not buffer.
    pub fn new(mut out: W, late: OverflowPolicy) -> Outlet<W> {
        let end = if late == OverflowPolicy::Block {
            End::Direct { out, gathered: Vec::new(), bytes: 0, most: GATHERED }
        } else {
            let queue = Arc::new(Queue::default());
            let taken = Arc::clone(&queue);
            End::Queued { queue, writer: Some(std::thread::spawn(move || taken.drain(&mut out))) }
        };
        Outlet { late, end, dropping: false, dropped: 0 }
    }

    /// Gathers more: nothing in the stream is live, and no flush is due before its end.
    pub fn stored(mut self) -> Outlet<W> {
        if let End::Direct { most, .. } = &mut self.end {
            *most = STORED;
        }
        self
    }

    /// Writes an initialization segment. It is never dropped.
    ///
    /// # Errors
    /// Of the output, possibly of an earlier write.
    pub fn init(&mut self, init: Bytes) -> io::Result<()> {
        self.put(std::iter::once(init), None)
    }

    /// Takes one chunk; says whether it goes out, or is dropped.
    ///
    /// # Errors
    /// Of the output, possibly of an earlier write; [`TooSlow`] inside, with [`OverflowPolicy::Exit`].
    pub fn send(&mut self, chunk: &Chunk) -> io::Result<bool> {
        if let End::Queued { queue, .. } = &self.end {
            let (full, waiting) = queue.lock().is_full(chunk);
            if full && self.late == OverflowPolicy::Exit {
                // What the next program does not take is not waited for any more.
                self.end = End::GivenUp;
                return Err(io::Error::other(TooSlow(waiting)));
            }
            // Of video, the rest of the group of pictures goes: what comes after a lost frame cannot be decoded.
            let video = chunk.kind == Kind::Video;
            if video {
                self.dropping = full || (self.dropping && !chunk.key);
            }
            if if video { self.dropping } else { full } {
                self.dropped += u64::from(chunk.frames);
                return Ok(false);
            }
        }
        let pieces = std::iter::once(&chunk.head).chain(&chunk.data).cloned();
        self.put(pieces, Some((chunk.kind, chunk.end))).map(|()| true)
    }

    /// Lets go what was gathered.
    ///
    /// # Errors
    /// Of the output.
    pub fn flush(&mut self) -> io::Result<()> {
        let End::Direct { out, gathered, bytes, .. } = &mut self.end else { return Ok(()) };
        *bytes = 0;
        let written = write_all(out, gathered);
        gathered.clear();
        written
    }

    /// Frames dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Writes what still waits.
    ///
    /// # Errors
    /// Of the output.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        match &mut self.end {
            End::Direct { out, .. } => out.flush(),
            End::Queued { queue, writer } => {
                queue.lock().closed = true;
                queue.changed.notify_all();
                writer.take().map_or(Ok(()), join)
            }
            End::GivenUp => Ok(()),
        }
    }

    /// `chunk`: kind and end of the chunk whose pieces they are.
    fn put(&mut self, pieces: impl Iterator<Item = Bytes>, chunk: Option<(Kind, Timestamp)>) -> io::Result<()> {
        match &mut self.end {
            End::Direct { gathered, bytes, most, .. } => {
                for piece in pieces {
                    *bytes += piece.len();
                    gathered.push(piece);
                }
                if *bytes >= *most { self.flush() } else { Ok(()) }
            }
            End::Queued { queue, writer } => {
                if queue.put(pieces, chunk) {
                    return Ok(());
                }
                // The writer has gone, so it has an error to tell.
                writer.take().map_or(Ok(()), join)?;
                Err(io::ErrorKind::BrokenPipe.into())
            }
            End::GivenUp => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

fn join(writer: JoinHandle<io::Result<()>>) -> io::Result<()> {
    writer.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread ended unexpectedly")))
}

/// Writes all pieces with as few system calls as the system takes.
fn write_all(out: &mut impl Write, pieces: &[Bytes]) -> io::Result<()> {
    let mut slices: Vec<IoSlice> = pieces.iter().map(|p| IoSlice::new(p)).collect();
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match out.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut rest, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Chunks that wait for a writer.
#[derive(Default)]
struct Queue {
    state: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    pieces: VecDeque<Piece>,
    /// Kinds and ends of the chunks that are being written.
    writing: Vec<(Kind, Timestamp)>,
    /// What waits and is being written takes so many bytes.
    bytes: usize,
    /// No more will come.
    closed: bool,
    /// The writer has gone.
    abandoned: bool,
}

struct Piece {
    bytes: Bytes,
    /// With the last piece of a chunk: its kind and end.
    ends: Option<(Kind, Timestamp)>,
}

impl Piece {
    fn cost(&self) -> usize {
        self.bytes.len() + PACKET_COST
    }
}

impl Waiting {
    /// Whether there is no room for `chunk`, and how many bytes wait. However large a chunk is, it may wait alone.
    fn is_full(&self, chunk: &Chunk) -> (bool, usize) {
        let ends = self.writing.iter().chain(self.pieces.iter().filter_map(|piece| piece.ends.as_ref()));
        let oldest = ends.filter(|(kind, _)| *kind == chunk.kind).map(|(_, end)| *end).next();
        let most = if chunk.kind == Kind::Video { MAX_VIDEO_LAG } else { MAX_AUDIO_LAG };
        let size = chunk.head.len() + chunk.data.iter().map(|frame| frame.len() + PACKET_COST).sum::<usize>();
        let over = self.bytes > 0 && self.bytes + size > MAX_WAITING;
        (over || oldest.is_some_and(|end| chunk.start.since(end) > most), self.bytes)
    }
}

impl Queue {
    /// A poisoned lock only means that the other thread died, which its result tells.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false`: the writer has gone.
    fn put(&self, pieces: impl Iterator<Item = Bytes>, chunk: Option<(Kind, Timestamp)>) -> bool {
        let mut waiting = self.lock();
        for bytes in pieces {
            let piece = Piece { bytes, ends: None };
            waiting.bytes += piece.cost();
            waiting.pieces.push_back(piece);
        }
        if let Some(last) = waiting.pieces.back_mut() {
            last.ends = chunk;
        }
        self.changed.notify_all();
        !waiting.abandoned
    }

    /// The writer's thread: writes what comes until the queue is closed and empty.
    fn drain(&self, out: &mut impl Write) -> io::Result<()> {
        /// Also when the writing panics: nothing waits for a writer that has gone.
        struct Leaving<'a>(&'a Queue);
        impl Drop for Leaving<'_> {
            fn drop(&mut self) {
                self.0.lock().abandoned = true;
            }
        }
        let _leaving = Leaving(self);
        self.write_chunks(out)
    }

    fn write_chunks(&self, out: &mut impl Write) -> io::Result<()> {
        loop {
            let nothing_to_do = |waiting: &mut Waiting| waiting.pieces.is_empty() && !waiting.closed;
            let mut waiting = self.changed.wait_while(self.lock(), nothing_to_do).unwrap_or_else(PoisonError::into_inner);
            let (mut gathered, mut bytes, mut cost) = (Vec::new(), 0, 0);
            while bytes < GATHERED
                && let Some(piece) = waiting.pieces.pop_front()
            {
                bytes += piece.bytes.len();
                cost += piece.cost();
                waiting.writing.extend(piece.ends);
                gathered.push(piece.bytes);
            }
            drop(waiting);
            if gathered.is_empty() {
                return out.flush();
            }
            write_all(out, &gathered)?;
            let mut waiting = self.lock();
            waiting.bytes -= cost;
            waiting.writing.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    fn chunk(kind: Kind, key: bool, size: usize) -> Chunk {
        at(0, kind, key, size)
    }

    /// A chunk of 40 ms.
    fn at(millis: i64, kind: Kind, key: bool, size: usize) -> Chunk {
        let (start, end) = (Timestamp(millis * 1000), Timestamp((millis + 40) * 1000));
        Chunk { head: Bytes::from_static(b"head"), data: vec![vec![0; size].into()], kind, key, frames: 1, start, end }
    }

    /// Writes when it is told to.
    struct Slow(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(buf);
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(late: OverflowPolicy) -> (Outlet<Slow>, Sender<()>, Arc<Mutex<Vec<u8>>>) {
        let (go, wait) = channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        (Outlet::new(Slow(wait, Arc::clone(&written)), late), go, written)
    }

    #[test]
    fn the_rest_of_the_group_of_pictures_is_dropped() {
        let (mut outlet, go, written) = slow(OverflowPolicy::Drop);
        let half = MAX_WAITING / 2 - 3 * PACKET_COST;
        let sent: Vec<bool> = [true, false, false, false]
            .map(|key| outlet.send(&chunk(Kind::Video, key, half)).unwrap())
            .into_iter()
            .chain([outlet.send(&chunk(Kind::Audio, true, 6 * PACKET_COST)).unwrap()])
            .collect();
        assert_eq!(sent, [true, true, false, false, false]);
        assert_eq!(outlet.dropped(), 3);
        drop(go);
        while outlet.end_bytes() > 0 {
            std::thread::yield_now();
        }
        assert!(!outlet.send(&chunk(Kind::Video, false, 10)).unwrap(), "the queue is empty, but the picture lacks its reference");
        assert!(outlet.send(&chunk(Kind::Audio, true, 10)).unwrap());
        assert!(outlet.send(&chunk(Kind::Video, true, 10)).unwrap());
        outlet.finish().unwrap();
        assert_eq!(written.lock().unwrap().len(), 2 * half + 2 * 10 + 4 * 4);
    }

    #[test]
    fn a_slow_stream_waits_no_longer_than_a_fast_one() {
        let (mut outlet, go, written) = slow(OverflowPolicy::Drop);
        let sent = |outlet: &mut Outlet<Slow>, kind| (0..100).filter(|n| outlet.send(&at(n * 40, kind, *n == 0, 100)).unwrap()).count();
        assert_eq!(sent(&mut outlet, Kind::Video), 14, "half a second, behind the first");
        assert_eq!(sent(&mut outlet, Kind::Audio), 52, "two seconds");
        drop(go);
        outlet.finish().unwrap();
        assert_eq!(written.lock().unwrap().len(), (14 + 52) * 104);
    }

    #[test]
    fn long_chunks_may_wait_for_each_other() {
        let (mut outlet, _go, _) = slow(OverflowPolicy::Drop);
        let gop = |n: i64| Chunk { end: Timestamp((n + 1) * 2_000_000), ..at(n * 2000, Kind::Video, true, 100) };
        let sent: Vec<bool> = (0..4).map(|n| outlet.send(&gop(n)).unwrap()).collect();
        assert_eq!(sent, [true, true, false, false]);
    }

    #[test]
    fn exit_tells_why() {
        let (mut outlet, _go, _) = slow(OverflowPolicy::Exit);
        outlet.send(&chunk(Kind::Video, true, MAX_WAITING + 1)).unwrap();
        let error = outlet.send(&chunk(Kind::Video, false, 1)).unwrap_err();
        assert!(error.get_ref().unwrap().is::<TooSlow>());
        outlet.finish().unwrap();
    }

    #[test]
    fn an_error_of_the_output_comes_back() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut outlet = Outlet::new(Full, OverflowPolicy::Block);
        outlet.send(&chunk(Kind::Video, true, 1)).unwrap();
        assert_eq!(outlet.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        let mut outlet = Outlet::new(Full, OverflowPolicy::Drop);
        let error = (0..1_000_000).find_map(|_| outlet.send(&chunk(Kind::Audio, true, 1)).err());
        assert_eq!(error.unwrap().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_writer_that_dies_is_told() {
        struct Dying;
        impl Write for Dying {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                panic!("planted")
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut outlet = Outlet::new(Dying, OverflowPolicy::Drop);
        let error = (0..1_000_000).find_map(|_| {
            std::thread::yield_now();
            outlet.send(&chunk(Kind::Audio, true, 1)).err()
        });
        assert!(error.unwrap().to_string().contains("unexpectedly"));
    }

    #[test]
    fn what_is_gathered_leaves_together_and_is_bounded() {
        /// Sizes of the writes.
        #[derive(Clone, Default)]
        struct Writes(Arc<Mutex<Vec<usize>>>);
        impl Write for Writes {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.write_vectored(&[IoSlice::new(buf)])
            }
            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                let n = bufs.iter().map(|b| b.len()).sum();
                self.0.lock().unwrap().push(n);
                Ok(n)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for (stored, most) in [(false, GATHERED), (true, STORED)] {
            let writes = Writes::default();
            let outlet = Outlet::new(writes.clone(), OverflowPolicy::Block);
            let mut outlet = if stored { outlet.stored() } else { outlet };
            outlet.flush().unwrap();
            for size in [1000, 2000, 10, most - 19, most, 20] {
                outlet.send(&chunk(Kind::Video, true, size)).unwrap();
                if size == 2000 {
                    outlet.flush().unwrap();
                    outlet.flush().unwrap();
                }
            }
            assert_eq!(*writes.0.lock().unwrap(), [4 + 1000 + 4 + 2000, 4 + 10 + 4 + most - 19 + 4 + most]);
            outlet.finish().unwrap();
            assert_eq!(writes.0.lock().unwrap().last(), Some(&24));
        }
    }

    impl<W: Write + Send + 'static> Outlet<W> {
        fn end_bytes(&self) -> usize {
            match &self.end {
                End::Direct { .. } | End::GivenUp => 0,
                End::Queued { queue, .. } => queue.lock().bytes,
            }
        }
    }
}
