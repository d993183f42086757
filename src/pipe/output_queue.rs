//! The output of a stage: it decides what becomes of items when the next stage is slower than the camera.
//!
//! With [`OverflowPolicy::Block`] items are written in place. Otherwise what the output takes without waiting is written in place too, which
//! costs no change of threads. The rest waits in a short queue for a thread that writes. When the queue is full, the rules of the item say
//! what is dropped ([`Droppable`]).

use super::Error;
use super::named_output::Progress;
use super::queue::{Failure, Shared};
use crate::media::{Droppable, OverflowPolicy};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// A larger item has no room in a usual pipe, and what is left of it would be copied: the thread writes it.
const MAX_AT_ONCE: usize = 32 << 10;

/// Where items are written.
pub trait Sink<T>: Send + 'static {
    /// So many bytes are gathered for one call of [`Sink::write`]; with 0 each item is written at once.
    const GATHERED: usize;

    /// Writes all items whole, after what is left of one that was begun.
    ///
    /// # Errors
    /// Of the output.
    fn write(&mut self, items: &[T]) -> Result<(), Error>;

    /// Writes what the output takes of an item without waiting: nothing, where it cannot be asked so.
    ///
    /// # Errors
    /// Of the output.
    fn write_now(&mut self, _item: &T) -> Result<Progress, Error> {
        Ok(Progress::Nothing)
    }

    /// At the end.
    ///
    /// # Errors
    /// Of the output.
    fn flush(&mut self) -> Result<(), Error>;

    /// Bytes written so far.
    fn written(&self) -> u64;

    /// The output's name in errors.
    fn name(&self) -> &str;
}

/// A queue in front of an output, or the output itself.
pub struct OutputQueue<T: Droppable, S: Sink<T>> {
    mode: Mode<T, S>,
}

enum Mode<T: Droppable, S> {
    Direct {
        sink: S,
        gathered: Vec<T>,
        bytes: usize,
        most: usize,
    },
    Queued {
        shared: Arc<Shared<T>>,
        /// Locked while the queue is, or alone; the queue is never locked while this is.
        sink: Arc<Mutex<S>>,
        thread: JoinHandle<()>,
    },
    /// The next stage was too slow: it is not waited for any more.
    GivenUp {
        name: String,
        dropped: u64,
        written: u64,
    },
}

impl<T: Droppable, S: Sink<T>> OutputQueue<T, S> {
    /// With [`OverflowPolicy::Block`] items are written in place; else by a thread behind a bounded queue where the output would have to be
    /// waited for.
    pub fn new(sink: S, policy: OverflowPolicy) -> OutputQueue<T, S> {
        if policy == OverflowPolicy::Block {
            return OutputQueue { mode: Mode::Direct { sink, gathered: Vec::new(), bytes: 0, most: S::GATHERED } };
        }
        let shared = Arc::new(Shared::new(sink.name(), policy));
        let sink = Arc::new(Mutex::new(sink));
        let (queue, output) = (Arc::clone(&shared), Arc::clone(&sink));
        let thread = std::thread::spawn(move || queue.drain(&output));
        OutputQueue { mode: Mode::Queued { shared, sink, thread } }
    }

    /// Gathers so many bytes where items are written in place. For what is stored: a live stream would be held back.
    #[must_use]
    pub fn gathering(mut self, bytes: usize) -> Self {
        if let Mode::Direct { most, .. } = &mut self.mode {
            *most = bytes;
        }
        self
    }

    /// Takes one item, and says whether it goes out or is dropped. Blocks only with [`OverflowPolicy::Block`].
    ///
    /// # Errors
    /// Of the output, possibly of an earlier item; [`Error::TooSlow`] with [`OverflowPolicy::Exit`].
    pub fn send(&mut self, item: T) -> Result<bool, Error> {
        let sent = match &mut self.mode {
            Mode::Direct { gathered, bytes, most, .. } => {
                *bytes += item.size();
                gathered.push(item);
                if *bytes >= *most { self.flush().map(|()| true) } else { Ok(true) }
            }
            Mode::Queued { shared, sink, .. } => shared.send(item, |item| {
                let mut sink = lock(sink);
                let progress = if item.size() > MAX_AT_ONCE { Progress::Nothing } else { sink.write_now(item)? };
                Ok((progress, sink.written()))
            }),
            Mode::GivenUp { name, .. } => Err(Error::Io { name: name.clone(), source: std::io::ErrorKind::BrokenPipe.into() }),
        };
        if let Err(Error::TooSlow { name, .. }) = &sent {
            self.mode = Mode::GivenUp { name: name.clone(), dropped: self.dropped(), written: self.written() };
        }
        sent
    }

    /// Writes what was gathered. Due whenever the stage may wait for more.
    ///
    /// # Errors
    /// Of the output.
    pub fn flush(&mut self) -> Result<(), Error> {
        let Mode::Direct { sink, gathered, bytes, .. } = &mut self.mode else { return Ok(()) };
        *bytes = 0;
        let written = sink.write(gathered);
        gathered.clear();
        written
    }

    /// Frames dropped so far.
    pub fn dropped(&self) -> u64 {
        match &self.mode {
            Mode::Direct { .. } => 0,
            Mode::Queued { shared, .. } => shared.dropped(),
            Mode::GivenUp { dropped, .. } => *dropped,
        }
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        match &self.mode {
            Mode::Direct { sink, .. } => sink.written(),
            Mode::Queued { shared, .. } => shared.written(),
            Mode::GivenUp { written, .. } => *written,
        }
    }

    /// Writes what still waits, and waits for it.
    ///
    /// # Errors
    /// Of the output.
    pub fn finish(mut self) -> Result<(), Error> {
        self.flush()?;
        match self.mode {
            Mode::Direct { mut sink, .. } => sink.flush(),
            Mode::Queued { shared, thread, .. } => {
                shared.close();
                // If it panicked, it has left an error.
                _ = thread.join();
                shared.check()
            }
            Mode::GivenUp { .. } => Ok(()),
        }
    }
}

/// A poisoned lock means that the writing thread died, which the queue knows.
fn lock<S>(sink: &Mutex<S>) -> MutexGuard<'_, S> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Droppable> Shared<T> {
    /// The writing thread: writes what comes until the queue is closed and empty.
    fn drain(&self, sink: &Mutex<impl Sink<T>>) {
        let _leaving = Failure(self);
        if let Err(error) = self.write_all(sink) {
            self.fail(error);
        }
    }

    fn write_all<S: Sink<T>>(&self, sink: &Mutex<S>) -> Result<(), Error> {
        while let Some(items) = self.take(|waiting, is_begun| {
            let items = waiting.start_writing(S::GATHERED);
            (is_begun || !items.is_empty()).then_some(items)
        }) {
            let (outcome, written) = {
                let mut sink = lock(sink);
                (sink.write(&items), sink.written())
            };
            // Without the lock of the output: who sends takes that while it holds the queue's.
            self.wrote(written);
            outcome?;
        }
        lock(sink).flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::mkv;
    use crate::format::testing::events;
    use crate::media::{Event, Packet, Timestamp, WallTime};
    use crate::pipe::Writer;
    use crate::pipe::stdio;
    use crate::pipe::testing::{FRAME, header, packet};
    use std::io::{self, Read, Write};
    use std::sync::mpsc;
    use std::time::Duration;

    /// An output that takes nothing until it is opened; then all of it can be had.
    struct StuckOutput {
        go: mpsc::Receiver<()>,
        open: bool,
        out: io::PipeWriter,
    }

    impl Write for StuckOutput {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            if !self.open {
                let _ = self.go.recv();
                self.open = true;
            }
            self.out.write(buf)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The frame numbers that come out, by track, when the output was stuck while all of `sent` came; and the count of drops.
    fn through(late: OverflowPolicy, sent: Vec<Event>) -> Result<([Vec<i64>; 3], u64), Error> {
        let (go, wait) = mpsc::channel();
        let (mut drain, out) = io::pipe().unwrap();
        let mut queue = OutputQueue::new(Writer::new(StuckOutput { go: wait, open: false, out }), late);
        queue.send(header())?;
        for event in sent {
            queue.send(event)?;
        }
        let dropped = queue.dropped();
        go.send(()).unwrap();
        queue.finish()?;
        let mut bytes = Vec::new();
        drain.read_to_end(&mut bytes).unwrap();
        let mut frames = [vec![], vec![], vec![]];
        for event in events(mkv::Demuxer::default(), &bytes, bytes.len()).unwrap().0 {
            if let Event::Packet(p) = event {
                frames[p.track].push(p.pts.micros() / FRAME);
            }
        }
        Ok((frames, dropped))
    }

    #[test]
    fn raw_pictures_lose_the_oldest() {
        let (frames, dropped) = through(OverflowPolicy::Drop, (0..100).map(|n| packet(0, n, true)).collect()).unwrap();
        assert_eq!(frames[0][frames[0].len() - 2..], [98, 99]);
        assert_eq!(frames[0].len() as u64 + dropped, 100);
        assert!(frames[0].len() <= 3);
    }

    #[test]
    fn coded_video_loses_the_rest_of_a_group_of_pictures() {
        let key = |n: i64| n % 25 == 0;
        let mut sent: Vec<_> = (0..20).map(|n| packet(1, n, key(n))).collect();
        // The consumer catches up; until the next keyframe nothing is of use.
        sent.push(header());
        let (frames, dropped) = through(OverflowPolicy::Drop, sent).unwrap();
        assert_eq!(frames[1], (0..=12).collect::<Vec<_>>(), "half a second waits");
        assert_eq!(dropped, 7);
    }

    #[test]
    fn audio_stays_when_video_goes() {
        let sent = (0..40).flat_map(|n| [packet(0, n, true), packet(2, n, true)]).collect();
        let (frames, _) = through(OverflowPolicy::Drop, sent).unwrap();
        assert_eq!(frames[2], (0..40).collect::<Vec<_>>());
        let (frames, dropped) = through(OverflowPolicy::Drop, (0..200).map(|n| packet(2, n, true)).collect()).unwrap();
        assert_eq!(frames[2].last(), Some(&199));
        assert!(dropped >= 140, "two seconds wait, {dropped} went");
    }

    #[test]
    fn exit_fails_where_drop_drops() {
        let error = through(OverflowPolicy::Exit, (0..100).map(|n| packet(0, n, true)).collect()).unwrap_err();
        assert!(matches!(error, Error::TooSlow { .. }), "{error}");
    }

    #[test]
    fn block_loses_nothing() {
        let mut queue = OutputQueue::new(Writer::new(Vec::new()), OverflowPolicy::Block);
        queue.send(header()).unwrap();
        (0..1000).for_each(|n| assert!(queue.send(packet(0, n, true)).unwrap()));
        assert_eq!(queue.dropped(), 0);
        assert!(queue.written() > 26_000);
    }

    /// Through a pipe that is full now and then: what is written in place, begun in place and written by the thread is
    /// one stream, in order, and nothing of it is lost before the next stage is really late.
    #[test]
    fn what_is_written_in_place_and_what_waits_are_one_stream() {
        const SIZES: [usize; 5] = [100, 30 << 10, 5000, MAX_AT_ONCE - 12, MAX_AT_ONCE + 1];
        let (mut drain, out) = io::pipe().unwrap();
        let writer = Writer::new(stdio::Stdout::over(out)).at_once(stdio::Stdout::write_now);
        let mut queue = OutputQueue::new(writer, OverflowPolicy::Exit);
        queue.send(header()).unwrap();
        let ((go, wait), (done, caught_up)) = (mpsc::channel(), mpsc::channel());
        let reading = std::thread::spawn(move || {
            let (mut bytes, mut piece) = (Vec::new(), vec![0; 70_000]);
            for until in wait {
                while bytes.len() < until {
                    let size = 1 + bytes.len() * 7919 % piece.len();
                    let read = drain.read(&mut piece[..size]).unwrap();
                    bytes.extend_from_slice(&piece[..read]);
                }
                done.send(()).unwrap();
            }
            drain.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let mut sent = 0;
        for n in 0..300 {
            let data = vec![n as u8; SIZES[n % SIZES.len()]].into();
            let packet = Event::Packet(Packet { track: 2, pts: Timestamp(FRAME * n as i64), key: true, data, hidden: false });
            assert!(queue.send(packet).unwrap());
            // It takes no room in the queue.
            assert!(queue.send(Event::TimeZero(WallTime(n as i64))).unwrap());
            sent += SIZES[n % SIZES.len()];
            // Several fill the pipe; then they are read.
            if n % 7 == 6 {
                go.send(sent).unwrap();
                caught_up.recv().unwrap();
            }
        }
        drop(go);
        let written = queue.written();
        queue.finish().unwrap();
        let bytes = reading.join().unwrap();
        assert!(written <= bytes.len() as u64);
        let packets = events(mkv::Demuxer::default(), &bytes, bytes.len()).unwrap().0.into_iter().filter_map(|event| match event {
            Event::Packet(packet) => Some(packet),
            _ => None,
        });
        let mut numbers = 0..;
        for (packet, n) in packets.zip(&mut numbers) {
            assert!(packet.pts.micros() == FRAME * n as i64 && packet.data == vec![n as u8; SIZES[n % SIZES.len()]], "packet {n}");
        }
        assert_eq!(numbers.next(), Some(300));
    }

    #[test]
    fn a_writer_that_dies_is_told() {
        struct PanickingOutput;
        impl Write for PanickingOutput {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                panic!("planted")
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut queue = OutputQueue::new(Writer::new(PanickingOutput), OverflowPolicy::Drop);
        let error = (0..1_000_000).find_map(|n| {
            std::thread::yield_now();
            queue.send(if n == 0 { header() } else { packet(0, n, true) }).err()
        });
        assert!(matches!(error, Some(Error::Io { source, .. }) if source.to_string().contains("unexpectedly")));
        let mut queue = OutputQueue::new(Writer::new(PanickingOutput), OverflowPolicy::Drop);
        queue.send(header()).unwrap();
        assert!(queue.finish().is_err());
    }

    #[test]
    fn a_closed_next_stage_is_told() {
        let (drain, out) = io::pipe().unwrap();
        drop(drain);
        let mut queue = OutputQueue::new(Writer::new(out), OverflowPolicy::Drop);
        let error = (0..10_000).find_map(|n| {
            std::thread::sleep(Duration::from_millis(1));
            queue.send(if n == 0 { header() } else { packet(0, n, true) }).err()
        });
        assert!(matches!(error, Some(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe));
        assert!(queue.send(header()).is_err(), "and stays closed");
    }
}
