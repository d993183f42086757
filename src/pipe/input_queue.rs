//! A bounded queue at the front of a stage that may be slower than its input, such as an encoder. It drops whole items before work is
//! spent on them, by the same rules as an [`OutputQueue`](super::OutputQueue).

use super::Error;
use super::named_output::Progress;
use super::queue::Shared;
use crate::media::{Droppable, OverflowPolicy};
use std::sync::Arc;

/// A queue between the thread that reads and the one that works. Clones share it.
pub struct InputQueue<T: Droppable> {
    shared: Arc<Shared<T>>,
}

impl<T: Droppable> Clone for InputQueue<T> {
    fn clone(&self) -> Self {
        InputQueue { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Droppable> InputQueue<T> {
    /// With [`OverflowPolicy::Drop`] or [`OverflowPolicy::Exit`]; a stage with [`OverflowPolicy::Block`] needs no queue.
    pub fn new(policy: OverflowPolicy) -> InputQueue<T> {
        InputQueue { shared: Arc::new(Shared::new("stdout", policy)) }
    }

    /// Takes one item, and says whether it is queued or dropped; never blocks.
    ///
    /// # Errors
    /// [`Error::TooSlow`] with [`OverflowPolicy::Exit`].
    pub fn send(&self, item: T) -> Result<bool, Error> {
        self.shared.send(item, |_| Ok((Progress::Nothing, 0)))
    }

    /// Waits for the next item; `None` once the queue is closed and empty.
    pub fn take(&self) -> Option<T> {
        self.shared.take(|waiting, _| waiting.pop())
    }

    /// No more items will come.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Frames dropped so far.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Codec, Event, Header, Packet, PixelFormat, Timestamp, Track, VideoParams};
    use bytes::Bytes;

    #[test]
    fn a_slow_worker_gets_the_newest_pictures_and_then_the_end() {
        let queue = InputQueue::new(OverflowPolicy::Drop);
        let params = VideoParams::new(1, 1);
        let tracks = [Track::video(Codec::Raw(PixelFormat::Gray), params)].into();
        queue.send(Event::Header(Header { tracks, time_zero: None })).unwrap();
        for n in 0..10 {
            let data = Bytes::from_static(&[0]);
            queue.send(Event::Packet(Packet { track: 0, pts: Timestamp(n), key: true, data, hidden: false })).unwrap();
        }
        queue.close();
        let left: Vec<Event> = std::iter::from_fn(|| queue.take()).collect();
        assert!(matches!(&left[..], [Event::Header(_), Event::Packet(a), Event::Packet(b)] if a.pts.0 == 8 && b.pts.0 == 9));
        assert_eq!(queue.dropped(), 8);
    }
}
