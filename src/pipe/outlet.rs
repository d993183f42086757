//! A writer that knows what to do when the next stage is slower than the camera.
//!
//! With [`OverflowPolicy::Block`] events are written in place. Otherwise a thread writes, and events wait for it in a short queue; when the
//! queue is full, the oldest thing goes that can go without spoiling what comes after it.

use super::{Error, Writer};
use crate::media::{Codec, Event, Header, Kind, MAX_AUDIO_LAG, MAX_VIDEO_LAG, MAX_WAITING, OverflowPolicy, Packet};
use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// Pictures that stand alone (raw, JPEG): so many wait, beside the one that is being written. With one less, two that come in
/// quick succession would lose one.
const MAX_PICTURES: usize = 2;

/// No more packets of a track wait, whatever their times say.
const MAX_PACKETS: usize = 512;

/// The end of a stage: events go in, live Matroska comes out.
pub struct Outlet<W: Write + Send + 'static> {
    way: Way<W>,
}

enum Way<W: Write> {
    InPlace(Writer<W>),
    Queued { shared: Arc<Shared>, thread: JoinHandle<()>, late: OverflowPolicy },
}

pub(super) struct Shared {
    pub(super) queue: Mutex<Queue>,
    pub(super) changed: Condvar,
}

#[derive(Default)]
pub(super) struct Queue {
    events: VecDeque<Event>,
    bytes: usize,
    header: Option<Header>,
    /// Tracks of coded video that lost a packet, and so wait for their next keyframe.
    broken: BTreeSet<usize>,
    pub(super) dropped: u64,
    written: u64,
    state: QueueState,
}

#[derive(Default)]
enum QueueState {
    #[default]
    Open,
    /// No more events will come.
    Closed,
    /// The writer is gone, with this error until somebody has taken it.
    Failed(Option<Error>),
}

impl<W: Write + Send + 'static> Outlet<W> {
    /// With [`OverflowPolicy::Block`] `out` is written in place; else by a thread of its own behind a bounded queue.
    pub fn new(out: W, late: OverflowPolicy) -> Outlet<W> {
        let mut writer = Writer::new(out);
        if late == OverflowPolicy::Block {
            return Outlet { way: Way::InPlace(writer) };
        }
        let shared = Arc::new(Shared { queue: Mutex::default(), changed: Condvar::new() });
        let ours = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let _leaving = Leaving(&ours);
            while let Some(event) = ours.take() {
                let result = writer.write(&event);
                ours.written(writer.written(), result);
            }
        });
        Outlet { way: Way::Queued { shared, thread, late } }
    }

    /// Takes one event. Never blocks, unless told [`OverflowPolicy::Block`].
    ///
    /// # Errors
    /// As [`Writer::write`], possibly of an earlier event; [`Error::TooSlow`] with [`OverflowPolicy::Exit`].
    pub fn send(&mut self, event: Event) -> Result<(), Error> {
        match &mut self.way {
            Way::InPlace(writer) => writer.write(&event),
            Way::Queued { shared, late, .. } => {
                let mut queue = shared.lock();
                queue.check()?;
                queue.push(event, *late)?;
                shared.changed.notify_all();
                Ok(())
            }
        }
    }

    /// Packets dropped so far.
    pub fn dropped(&self) -> u64 {
        match &self.way {
            Way::InPlace(_) => 0,
            Way::Queued { shared, .. } => shared.lock().dropped,
        }
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        match &self.way {
            Way::InPlace(writer) => writer.written(),
            Way::Queued { shared, .. } => shared.lock().written,
        }
    }

    /// Writes what is still queued and waits for it.
    pub fn finish(self) -> Result<(), Error> {
        let Way::Queued { shared, thread, .. } = self.way else { return Ok(()) };
        shared.lock().close();
        shared.changed.notify_all();
        // If it panicked, it has left an error.
        _ = thread.join();
        shared.lock().check()
    }
}

/// The end of the writing thread. If it panics, that is an error of the output: nothing waits for a writer that has gone.
struct Leaving<'a>(&'a Shared);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let source = std::io::Error::other("the writing thread ended unexpectedly");
            let written = self.0.lock().written;
            self.0.written(written, Err(Error::Io { name: "stdout".into(), source }));
        }
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits for the next event; `None` at the end.
    pub(super) fn take(&self) -> Option<Event> {
        let mut queue = self.lock();
        loop {
            if let Some(event) = queue.pop() {
                return Some(event);
            }
            if !matches!(queue.state, QueueState::Open) {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn written(&self, bytes: u64, result: Result<(), Error>) {
        let mut queue = self.lock();
        queue.written = bytes;
        if let Err(error) = result {
            queue.state = QueueState::Failed(Some(error));
            queue.events.clear();
        }
    }
}

impl Queue {
    pub(super) fn close(&mut self) {
        if matches!(self.state, QueueState::Open) {
            self.state = QueueState::Closed;
        }
    }

    fn check(&mut self) -> Result<(), Error> {
        match &mut self.state {
            QueueState::Failed(error) => {
                Err(error.take().unwrap_or_else(|| Error::Io { name: "stdout".into(), source: std::io::ErrorKind::BrokenPipe.into() }))
            }
            QueueState::Open | QueueState::Closed => Ok(()),
        }
    }

    pub(super) fn push(&mut self, event: Event, late: OverflowPolicy) -> Result<(), Error> {
        match &event {
            Event::Header(header) => {
                if self.events.len() >= MAX_PACKETS {
                    self.start_anew(late)?;
                }
                self.header = Some(header.clone());
                self.broken.clear();
            }
            Event::Packet(packet) => {
                if !self.admit(packet, late)? {
                    self.dropped += 1;
                    return Ok(());
                }
                self.bytes += packet.cost();
            }
            Event::TimeZero(_) => {}
        }
        self.events.push_back(event);
        Ok(())
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Packet(packet) = &event {
            self.bytes -= packet.cost();
        }
        Some(event)
    }

    /// Makes room for a packet; `false`: it is not to be queued.
    fn admit(&mut self, packet: &Packet, late: OverflowPolicy) -> Result<bool, Error> {
        let Some(codec) = self.header.as_ref().and_then(|h| h.tracks.get(packet.track)).map(|t| t.codec) else { return Ok(true) };
        let full = self.is_full(packet, codec);
        if full && late == OverflowPolicy::Exit {
            return Err(Error::TooSlow { name: "stdout".into(), waiting: self.events.len() });
        }
        if codec.intra_only() {
            while self.is_full(packet, codec) && self.drop_oldest(packet.track) {}
            return Ok(!self.is_full(packet, codec));
        }
        if full {
            self.broken.insert(packet.track);
            return Ok(false);
        }
        if packet.key {
            self.broken.remove(&packet.track);
        }
        Ok(!self.broken.contains(&packet.track))
    }

    /// Where headers follow each other fast, what waits under the old ones goes.
    fn start_anew(&mut self, late: OverflowPolicy) -> Result<(), Error> {
        if late == OverflowPolicy::Exit {
            return Err(Error::TooSlow { name: "stdout".into(), waiting: self.events.len() });
        }
        self.dropped += self.events.iter().filter(|e| matches!(e, Event::Packet(_))).count() as u64;
        self.events.clear();
        self.bytes = 0;
        Ok(())
    }

    fn is_full(&self, packet: &Packet, codec: Codec) -> bool {
        // However large a packet is, it may wait alone.
        let over = self.bytes > 0 && self.bytes + packet.cost() > MAX_WAITING;
        let mut waiting = self.waiting(packet.track);
        let Some(oldest) = waiting.next() else { return over };
        let count = 1 + waiting.count();
        let lag = packet.pts.since(oldest.pts);
        let late = match codec.kind() {
            Kind::Audio => lag > MAX_AUDIO_LAG,
            Kind::Video if codec.intra_only() => count >= MAX_PICTURES,
            Kind::Video => lag > MAX_VIDEO_LAG,
        };
        late || over || count >= MAX_PACKETS
    }

    /// The packets of a track in the queue, since the last header.
    fn waiting(&self, track: usize) -> impl Iterator<Item = &Packet> {
        let start = self.events.iter().rposition(|e| matches!(e, Event::Header(_))).map_or(0, |at| at + 1);
        self.events.range(start..).filter_map(move |event| match event {
            Event::Packet(packet) if packet.track == track => Some(packet),
            _ => None,
        })
    }

    fn drop_oldest(&mut self, track: usize) -> bool {
        let start = self.events.iter().rposition(|e| matches!(e, Event::Header(_))).map_or(0, |at| at + 1);
        let oldest = self.events.range(start..).position(|e| matches!(e, Event::Packet(p) if p.track == track));
        let Some(Event::Packet(packet)) = oldest.and_then(|at| self.events.remove(start + at)) else { return false };
        self.bytes -= packet.cost();
        self.dropped += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::mkv;
    use crate::format::testing::events;
    use crate::media::{AudioParams, PixelFormat, Timestamp, Track, VideoParams};
    use bytes::Bytes;
    use std::io::{self, Read};
    use std::sync::mpsc;
    use std::time::Duration;

    const FRAME: i64 = 40_000;

    fn header() -> Event {
        let video = |codec| Track::video(codec, VideoParams::new(4, 2));
        let audio = Track::audio(Codec::Mp3, AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO });
        let tracks = [video(Codec::Raw(PixelFormat::Gray)), video(Codec::Vp8), audio];
        Event::Header(Header { tracks: tracks.into(), time_zero: None })
    }

    fn packet(track: usize, n: i64, key: bool) -> Event {
        Event::Packet(Packet { track, pts: Timestamp(n * FRAME), key, data: Bytes::from(vec![n as u8; 8]), hidden: false })
    }

    /// An output that takes nothing until it is told to; then all of it can be had.
    struct Stuck {
        go: mpsc::Receiver<()>,
        open: bool,
        out: io::PipeWriter,
    }

    impl Write for Stuck {
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
        let mut outlet = Outlet::new(Stuck { go: wait, open: false, out }, late);
        outlet.send(header())?;
        for event in sent {
            outlet.send(event)?;
        }
        let dropped = outlet.dropped();
        go.send(()).unwrap();
        outlet.finish()?;
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
        assert!(frames[0].len() <= 1 + MAX_PICTURES);
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
    fn after_a_loss_coded_video_goes_on_with_a_keyframe() {
        let mut queue = Queue::default();
        queue.push(header(), OverflowPolicy::Drop).unwrap();
        let send = |queue: &mut Queue, n: i64| queue.push(packet(1, n, n % 25 == 0), OverflowPolicy::Drop).unwrap();
        (0..20).for_each(|n| send(&mut queue, n));
        while queue.pop().is_some() {}
        (20..30).for_each(|n| send(&mut queue, n));
        let left: Vec<_> = queue.waiting(1).map(|p| p.pts.micros() / FRAME).collect();
        assert_eq!(left, [25, 26, 27, 28, 29]);
        assert_eq!(queue.dropped, 12);
    }

    #[test]
    fn what_is_dropped_leaves_nothing_behind() {
        let mut queue = Queue::default();
        queue.push(header(), OverflowPolicy::Drop).unwrap();
        (0..100_000).for_each(|n| queue.push(packet(1, n, n == 0), OverflowPolicy::Drop).unwrap());
        assert_eq!((queue.broken.len(), queue.events.len() as u64 + queue.dropped), (1, 100_001));
    }

    #[test]
    fn a_packet_costs_more_than_its_bytes() {
        let mut queue = Queue::default();
        queue.push(header(), OverflowPolicy::Drop).unwrap();
        (0..10).for_each(|n| queue.push(packet(1, n, true), OverflowPolicy::Drop).unwrap());
        assert_eq!(queue.bytes, 10 * (8 + crate::media::PACKET_COST));
        while queue.pop().is_some() {}
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn many_bytes_do_not_wait_under_many_headers() {
        let mut queue = Queue::default();
        for n in 0..100_000 {
            queue.push(header(), OverflowPolicy::Drop).unwrap();
            queue.push(packet(0, n, true), OverflowPolicy::Drop).unwrap();
        }
        assert!(queue.events.len() <= MAX_PACKETS + 2 && queue.dropped > 99_000, "{} wait", queue.events.len());
        let big = Bytes::from(vec![0; MAX_WAITING / 3]);
        for n in 0..10 {
            queue.push(header(), OverflowPolicy::Drop).unwrap();
            queue
                .push(
                    Event::Packet(Packet { track: 0, pts: Timestamp(n), key: true, data: big.clone(), hidden: false }),
                    OverflowPolicy::Drop,
                )
                .unwrap();
        }
        assert!(queue.bytes <= MAX_WAITING, "{} bytes wait", queue.bytes);
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
        let mut outlet = Outlet::new(Vec::new(), OverflowPolicy::Block);
        outlet.send(header()).unwrap();
        (0..1000).for_each(|n| outlet.send(packet(0, n, true)).unwrap());
        assert_eq!(outlet.dropped(), 0);
        assert!(outlet.written() > 26_000);
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
        let error = (0..1_000_000).find_map(|n| {
            std::thread::yield_now();
            outlet.send(if n == 0 { header() } else { packet(0, n, true) }).err()
        });
        assert!(matches!(error, Some(Error::Io { source, .. }) if source.to_string().contains("unexpectedly")));
        let mut outlet = Outlet::new(Dying, OverflowPolicy::Drop);
        outlet.send(header()).unwrap();
        assert!(outlet.finish().is_err());
    }

    #[test]
    fn a_closed_next_stage_is_told() {
        let (drain, out) = io::pipe().unwrap();
        drop(drain);
        let mut outlet = Outlet::new(out, OverflowPolicy::Drop);
        let error = (0..10_000).find_map(|n| {
            std::thread::sleep(Duration::from_millis(1));
            outlet.send(if n == 0 { header() } else { packet(0, n, true) }).err()
        });
        assert!(matches!(error, Some(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe));
        assert!(outlet.send(header()).is_err(), "and stays closed");
    }
}
