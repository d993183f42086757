//! The output of a stage: it decides what becomes of items when the next stage is slower than the camera.
//!
//! With [`OverflowPolicy::Block`] items are written in place. Otherwise a thread writes, and items wait for it in a short queue. When
//! the queue is full, the rules of the item say what is dropped ([`Droppable`]).

use super::Error;
use super::queue::{Failure, Shared};
use crate::media::{Droppable, OverflowPolicy};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Where items are written.
pub trait Sink<T>: Send + 'static {
    /// So many bytes are gathered for one call of [`Sink::write`]; with 0 each item is written at once.
    const GATHERED: usize;

    /// Writes all items whole.
    ///
    /// # Errors
    /// Of the output.
    fn write(&mut self, items: &[T]) -> Result<(), Error>;

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
    /// With [`OverflowPolicy::Block`] items are written in place; else by a thread of its own behind a bounded queue.
    pub fn new(mut sink: S, policy: OverflowPolicy) -> OutputQueue<T, S> {
        if policy == OverflowPolicy::Block {
            return OutputQueue { mode: Mode::Direct { sink, gathered: Vec::new(), bytes: 0, most: S::GATHERED } };
        }
        let shared = Arc::new(Shared::new(sink.name(), policy));
        let ours = Arc::clone(&shared);
        let thread = std::thread::spawn(move || ours.drain(&mut sink));
        OutputQueue { mode: Mode::Queued { shared, thread } }
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
            Mode::Queued { shared, .. } => shared.send(item),
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
            Mode::Queued { shared, thread } => {
                shared.close();
                // If it panicked, it has left an error.
                _ = thread.join();
                shared.check()
            }
            Mode::GivenUp { .. } => Ok(()),
        }
    }
}

impl<T: Droppable> Shared<T> {
    /// The writing thread: writes what comes until the queue is closed and empty.
    fn drain(&self, sink: &mut impl Sink<T>) {
        let _leaving = Failure(self);
        if let Err(error) = self.write_all(sink) {
            self.fail(error);
        }
    }

    fn write_all<S: Sink<T>>(&self, sink: &mut S) -> Result<(), Error> {
        while let Some(items) = self.take(|waiting| Some(waiting.start_writing(S::GATHERED)).filter(|items| !items.is_empty())) {
            let outcome = sink.write(&items);
            self.wrote(sink.written());
            outcome?;
        }
        sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::mkv;
    use crate::format::testing::events;
    use crate::media::Event;
    use crate::pipe::Writer;
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
