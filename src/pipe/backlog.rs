//! The queue of [`super::Outlet`] at the front of a stage: for one that may be slower than what comes in, such as an encoder. Whole
//! packets go before work is spent on them, by the same rules.

use super::outlet::Shared;
use super::{Error, outlet::Queue};
use crate::media::{Event, OverflowPolicy};
use std::sync::{Arc, Condvar, Mutex};

/// A bounded queue of events between the thread that reads and the one that works. Clones share it.
#[derive(Clone)]
pub struct Backlog {
    shared: Arc<Shared>,
    late: OverflowPolicy,
}

impl Backlog {
    /// With [`OverflowPolicy::Drop`] or [`OverflowPolicy::Exit`]; a stage that is told [`OverflowPolicy::Block`] needs no queue.
    pub fn new(late: OverflowPolicy) -> Backlog {
        Backlog { shared: Arc::new(Shared { queue: Mutex::new(Queue::default()), changed: Condvar::new() }), late }
    }

    /// Takes one event; never blocks.
    ///
    /// # Errors
    /// [`Error::TooSlow`] with [`OverflowPolicy::Exit`].
    pub fn send(&self, event: Event) -> Result<(), Error> {
        self.shared.lock().push(event, self.late)?;
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Waits for the next event; `None` once the queue is closed and empty.
    pub fn take(&self) -> Option<Event> {
        self.shared.take()
    }

    /// No more events will come.
    pub fn close(&self) {
        self.shared.lock().close();
        self.shared.changed.notify_all();
    }

    /// Packets dropped so far.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Codec, Header, Packet, PixelFormat, Timestamp, Track, VideoParams};
    use bytes::Bytes;

    #[test]
    fn a_slow_worker_gets_the_newest_pictures_and_then_the_end() {
        let backlog = Backlog::new(OverflowPolicy::Drop);
        let params = VideoParams::new(1, 1);
        let tracks = [Track::video(Codec::Raw(PixelFormat::Gray), params)].into();
        backlog.send(Event::Header(Header { tracks, time_zero: None })).unwrap();
        for n in 0..10 {
            let data = Bytes::from_static(&[0]);
            backlog.send(Event::Packet(Packet { track: 0, pts: Timestamp(n), key: true, data, hidden: false })).unwrap();
        }
        backlog.close();
        let left: Vec<Event> = std::iter::from_fn(|| backlog.take()).collect();
        assert!(matches!(&left[..], [Event::Header(_), Event::Packet(a), Event::Packet(b)] if a.pts.0 == 8 && b.pts.0 == 9));
        assert_eq!(backlog.dropped(), 8);
    }
}
