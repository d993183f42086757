//! The hub: one loop per shard that owns all its viewers. A pass first takes in what was published, then gives every viewer
//! that can take something all that it lacks.

use super::limits::Patience;
use super::live::replica::{Change, Feed};
use super::live::ring::Keep;
use super::live::stream::Stream;
use super::live::update::{INBOX, Publication};
use super::net::permit::Ticket;
use super::net::socket::Socket;
use super::stats::viewers::Seat;
use super::ws::frames::code;
use super::ws::session::{Fate, Viewer};
use crossbeam_channel::Receiver;
use slab::Slab;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Viewers served between two looks at the rest of the runtime, so that handshakes get in.
const TURN: usize = 64;
/// How often viewers are looked after that nothing happens to.
const TICK: Duration = Duration::from_millis(250);
/// How often they are measured: that asks the kernel about each of them.
const MEASURE: Duration = Duration::from_secs(1);
/// One read from a viewer, of which as much may be kept for later.
const SCRATCH: usize = 512;

pub struct Hub {
    feeds: Vec<Feed>,
    viewers: Slab<Place>,
    ready: Arc<Ready>,
    patience: Patience,
    scratch: Box<[u8]>,
    stopping: bool,
}

struct Place {
    viewer: Viewer,
    _ticket: Ticket,
    feed: Option<usize>,
    bell: Arc<Bell>,
}

/// The viewers whose sockets have become readable or writable.
struct Ready {
    keys: Mutex<Vec<usize>>,
    wake: Arc<Notify>,
}

/// One viewer's waker: puts it on the list, once.
struct Bell {
    key: usize,
    rung: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Relaxed) {
            self.ready.keys.lock().unwrap_or_else(PoisonError::into_inner).push(self.key);
            self.ready.wake.notify_one();
        }
    }
}

impl Hub {
    pub fn new(streams: &[Arc<Stream>], keep: Keep, patience: Patience, wake: Arc<Notify>) -> Hub {
        Hub {
            feeds: streams.iter().map(|s| Feed::new(s.clone(), keep)).collect(),
            viewers: Slab::new(),
            ready: Arc::new(Ready { keys: Mutex::default(), wake }),
            patience,
            scratch: vec![0; SCRATCH].into(),
            stopping: false,
        }
    }

    /// A viewer whose WebSocket handshake is done; `early`: what it has said since.
    pub fn join(&mut self, socket: Socket, early: &[u8], feed: Option<usize>, seat: Seat, ticket: Ticket) {
        let now = Instant::now();
        let entry = self.viewers.vacant_entry();
        let bell = Arc::new(Bell { key: entry.key(), rung: AtomicBool::new(false), ready: self.ready.clone() });
        let mut viewer = Viewer::new(socket, Waker::from(bell.clone()), seat, now);
        viewer.hear_first(early, now);
        if self.stopping {
            viewer.close(code::GOING_AWAY, "the server is stopping", now);
        }
        bell.wake_by_ref();
        entry.insert(Place { viewer, _ticket: ticket, feed, bell });
    }

    pub fn feed(&self, index: usize) -> &Feed {
        &self.feeds[index]
    }

    pub fn feed_mut(&mut self, index: usize) -> &mut Feed {
        &mut self.feeds[index]
    }

    pub fn patience(&self) -> Patience {
        self.patience
    }

    pub fn stopping(&self) -> bool {
        self.stopping
    }

    pub fn is_empty(&self) -> bool {
        self.viewers.is_empty()
    }

    /// Says goodbye to everybody.
    pub fn stop(&mut self) {
        self.stopping = true;
        let now = Instant::now();
        for (_, place) in &mut self.viewers {
            place.viewer.close(code::GOING_AWAY, "the server is stopping", now);
            place.bell.wake_by_ref();
        }
        self.feeds.iter_mut().for_each(Feed::wake);
    }

    fn take(&mut self, publication: Publication) {
        let Publication { stream, news } = publication;
        let called_back = self.feeds[stream].ring.called_back();
        let change = self.feeds[stream].take(news);
        if self.feeds[stream].ring.called_back() != called_back {
            self.call_back(stream);
        }
        if change == Change::None {
            return;
        }
        let now = Instant::now();
        for (_, place) in &mut self.viewers {
            if place.feed == Some(stream) && place.viewer.plays() {
                place.viewer.close(code::RESTART, "the stream has other tracks now", now);
            }
        }
    }

    /// Lets go of those who hold what the ring wants back: they have been in the middle of it for too long.
    fn call_back(&mut self, stream: usize) {
        let before = self.feeds[stream].call_back();
        let late = |(key, place): (usize, &Place)| (place.feed == Some(stream) && place.viewer.holds_before(before)).then_some(key);
        let late: Vec<usize> = self.viewers.iter().filter_map(late).collect();
        late.into_iter().for_each(|key| self.viewers.remove(key).viewer.cut_off());
    }

    /// One viewer's turn.
    fn turn(&mut self, key: usize, act: impl FnOnce(&mut Viewer, Option<&Feed>, Patience, &mut [u8]) -> Fate) {
        let Some(place) = self.viewers.get_mut(key) else { return };
        let feed = place.feed.map(|f| &self.feeds[f]);
        if act(&mut place.viewer, feed, self.patience, &mut self.scratch) == Fate::Goes {
            self.viewers.remove(key).viewer.leave();
        }
    }

    fn serve_ready(&mut self, key: usize) {
        if let Some(place) = self.viewers.get(key) {
            place.bell.rung.store(false, Relaxed);
        }
        self.turn(key, |viewer, feed, patience, scratch| viewer.ready(feed, Instant::now(), patience, scratch));
    }

    fn serve_fresh(&mut self, keys: std::ops::Range<usize>, fresh: &[bool]) {
        let now = Instant::now();
        for key in keys {
            if self.viewers.get(key).is_some_and(|p| p.feed.is_some_and(|f| fresh[f])) {
                self.turn(key, |viewer, feed, patience, _| viewer.pump(feed, now, patience));
            }
        }
    }

    fn tick(&mut self, keys: std::ops::Range<usize>) {
        let now = Instant::now();
        for key in keys {
            self.turn(key, |viewer, feed, patience, _| viewer.tick(feed, now, patience));
        }
    }

    /// Takes note of the viewer furthest behind, per stream.
    fn measure_lag(&self) {
        let mut lags = vec![Duration::ZERO; self.feeds.len()];
        for (_, place) in &self.viewers {
            if let Some(index) = place.feed {
                lags[index] = lags[index].max(place.viewer.behind(&self.feeds[index]));
            }
        }
        for (feed, lag) in self.feeds.iter().zip(lags) {
            feed.stream.numbers.lag_ms.store(lag.as_millis() as u64, Relaxed);
        }
    }

    fn take_ready(&self) -> Vec<usize> {
        std::mem::take(&mut *self.ready.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take_fresh(&mut self) -> Vec<bool> {
        self.feeds.iter_mut().map(|f| std::mem::take(&mut f.fresh)).collect()
    }
}

/// The loop. Ends with the runtime that it runs on.
pub async fn run(hub: Rc<RefCell<Hub>>, inbox: Receiver<Publication>, wake: Arc<Notify>) {
    let [mut ticks, mut measures] = [TICK, MEASURE].map(tokio::time::interval);
    for interval in [&mut ticks, &mut measures] {
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            () = wake.notified() => pass(&hub, &inbox).await,
            _ = ticks.tick() => each_turn(&hub, |hub, keys| hub.tick(keys)).await,
            _ = measures.tick() => hub.borrow().measure_lag(),
        }
    }
}

async fn pass(hub: &RefCell<Hub>, inbox: &Receiver<Publication>) {
    inbox.try_iter().take(INBOX).for_each(|publication| hub.borrow_mut().take(publication));
    if !inbox.is_empty() {
        // An input faster than we are: once round, so that nobody waits for its end.
        hub.borrow().ready.wake.notify_one();
    }
    let ready = hub.borrow().take_ready();
    for (i, key) in ready.into_iter().enumerate() {
        if i % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        hub.borrow_mut().serve_ready(key);
    }
    let fresh = hub.borrow_mut().take_fresh();
    if fresh.contains(&true) {
        each_turn(hub, |hub, keys| hub.serve_fresh(keys, &fresh)).await;
    }
}

async fn each_turn(hub: &RefCell<Hub>, mut act: impl FnMut(&mut Hub, std::ops::Range<usize>)) {
    let mut from = 0;
    loop {
        let end = hub.borrow().viewers.capacity();
        if from >= end {
            return;
        }
        act(&mut hub.borrow_mut(), from..end.min(from + TURN));
        from += TURN;
        if from < end {
            tokio::task::yield_now().await;
        }
    }
}
