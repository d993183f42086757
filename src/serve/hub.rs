//! The hub: one loop per shard that owns all its viewers. A pass first takes in what was published, then gives every viewer
//! that can take something all that it lacks. The thread that publishes may make the pass itself ([`SharedHub::pass_here`]).

use super::limits::ViewerLimits;
use super::live::replica::{Change, StreamReplica};
use super::live::ring::{Retention, Ring};
use super::live::stream::{Stream, StreamId};
use super::live::update::ShardMessage;
use super::net::permit::ConnectionPermit;
use super::net::socket::Socket;
use super::rewind::rings::Rings;
use super::ws::frames::code;
use super::ws::viewer::{Accepted, Viewer};
use crossbeam_channel::Receiver;
use slab::Slab;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Viewers served between two looks at the rest of the runtime, so that handshakes get in.
const TURN: usize = 64;
/// So many viewers are looked at before the first of them is served. Of a thousand, most of what is known of each has to come from memory: so it comes at once,
/// and not while the others wait.
const AHEAD: usize = 16;
/// So many viewers are served by the thread that publishes. With more, to wake the shard's thread costs little beside the pass, and the input is
/// read meanwhile.
const FEW: usize = 512;
/// How often viewers are looked after that nothing happens to. It wakes a thread, which costs as much as to send one of them a frame.
const TICK: Duration = Duration::from_millis(500);
/// After so many of these they are measured: that asks the kernel about each of them.
const MEASURE: u32 = 2;
/// One read from a viewer, of which as much may be kept for later.
const SCRATCH: usize = 512;

pub struct Hub {
    /// Of the streams that this shard has heard of and that have not been withdrawn.
    streams: BTreeMap<StreamId, StreamReplica>,
    retention: Retention,
    viewers: Slab<Slot>,
    ready: Arc<Ready>,
    limits: ViewerLimits,
    scratch: Box<[u8]>,
    stopping: bool,
    /// What was published.
    inbox: Receiver<ShardMessage>,
    /// The shard's thread is in the middle of a pass.
    passing: bool,
}

/// A hub, for its shard's thread and for those that publish. Nothing that is done with it waits for a viewer.
#[derive(Clone)]
pub struct SharedHub(Arc<Mutex<Hub>>);

/// The same, without keeping it.
#[derive(Clone, Debug)]
pub struct WeakHub(Weak<Mutex<Hub>>);

struct Slot {
    viewer: Viewer,
    _permit: ConnectionPermit,
    stream: Option<StreamId>,
    waker: Arc<ViewerWaker>,
}

/// The viewers whose sockets have become readable or writable.
struct Ready {
    keys: Mutex<Vec<usize>>,
    wake: Arc<Notify>,
}

/// One viewer's waker: puts it on the list, once.
struct ViewerWaker {
    key: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for ViewerWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Relaxed) {
            self.ready.keys.lock().unwrap_or_else(PoisonError::into_inner).push(self.key);
            self.ready.wake.notify_one();
        }
    }
}

impl Hub {
    pub fn new(retention: Retention, limits: ViewerLimits, inbox: Receiver<ShardMessage>, wake: Arc<Notify>) -> Hub {
        Hub {
            streams: BTreeMap::new(),
            retention,
            viewers: Slab::new(),
            ready: Arc::new(Ready { keys: Mutex::default(), wake }),
            limits,
            scratch: vec![0; SCRATCH].into(),
            stopping: false,
            inbox,
            passing: false,
        }
    }

    /// A viewer whose WebSocket handshake is done; `early`: what it has said since.
    pub fn join(&mut self, socket: Socket, early: &[u8], accepted: Accepted, permit: ConnectionPermit) {
        let now = Instant::now();
        let Accepted { stream, asked, group, rewinding, handle } = accepted;
        let stream = stream.as_ref().filter(|stream| self.open(stream).is_some()).map(|stream| stream.id());
        let entry = self.viewers.vacant_entry();
        let waker = Arc::new(ViewerWaker { key: entry.key(), queued: AtomicBool::new(false), ready: self.ready.clone() });
        let mut viewer = Viewer::new(socket, Waker::from(waker.clone()), handle, now);
        viewer.is_of(group);
        viewer.may_rewind(rewinding);
        viewer.ask(asked);
        viewer.on_bytes(early, now);
        if self.stopping {
            viewer.close(code::GOING_AWAY, "the server is stopping", now);
        }
        waker.wake_by_ref();
        entry.insert(Slot { viewer, _permit: permit, stream, waker });
    }

    /// The stream as it is here; `None`: nothing of it has come yet, or it has been withdrawn.
    pub fn replica(&self, stream: StreamId) -> Option<&StreamReplica> {
        self.streams.get(&stream)
    }

    pub fn replica_mut(&mut self, stream: StreamId) -> Option<&mut StreamReplica> {
        self.streams.get_mut(&stream)
    }

    /// The same, made if this shard hears of the stream for the first time. `None`: it has been withdrawn.
    pub fn open(&mut self, stream: &Arc<Stream>) -> Option<&mut StreamReplica> {
        match self.streams.entry(stream.id()) {
            Entry::Occupied(replica) => Some(replica.into_mut()),
            Entry::Vacant(_) if stream.is_withdrawn() => None,
            Entry::Vacant(place) => Some(place.insert(StreamReplica::new(stream.clone(), self.retention))),
        }
    }

    pub fn limits(&self) -> ViewerLimits {
        self.limits
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
        for (_, slot) in &mut self.viewers {
            slot.viewer.close(code::GOING_AWAY, "the server is stopping", now);
            slot.waker.wake_by_ref();
        }
        self.streams.values_mut().for_each(StreamReplica::wake);
    }

    /// The shard's thread makes a pass, with pauses: meanwhile no other thread does.
    pub fn begin_pass(&mut self) {
        self.passing = true;
    }

    pub fn end_pass(&mut self) {
        self.passing = false;
    }

    /// Takes in what was published, as much as may wait at a time. `true`: that was all.
    fn take_published(&mut self) -> bool {
        let waiting = self.inbox.len();
        for _ in 0..waiting {
            let Ok(message) = self.inbox.try_recv() else { break };
            self.take(message);
        }
        self.inbox.is_empty()
    }

    fn take(&mut self, message: ShardMessage) {
        let ShardMessage { stream, update } = message;
        let Some(replica) = self.open(&stream) else { return };
        let (stream, called_back) = (stream.id(), replica.ring.called_back());
        let change = replica.take(update);
        if replica.ring.called_back() != called_back {
            let before = replica.call_back();
            self.call_back(stream, before);
        }
        if change == Change::None {
            return;
        }
        let now = Instant::now();
        for (_, slot) in &mut self.viewers {
            if slot.stream == Some(stream) && slot.viewer.plays() {
                slot.viewer.close(code::RESTART, "the stream has other tracks now", now);
            }
        }
    }

    /// Closes the viewers that hold what the ring wants back, up to chunk `before`: they have been in the middle of it for too long.
    fn call_back(&mut self, stream: StreamId, before: u64) {
        let late = |(key, slot): (usize, &Slot)| (slot.stream == Some(stream) && slot.viewer.holds_before(before)).then_some(key);
        let late: Vec<usize> = self.viewers.iter().filter_map(late).collect();
        late.into_iter().for_each(|key| self.viewers.remove(key).viewer.cut_off());
    }

    /// One viewer's turn.
    fn turn(&mut self, key: usize, act: impl FnOnce(&mut Viewer, Option<&StreamReplica>, ViewerLimits, &mut [u8]) -> ControlFlow<()>) {
        let Some(slot) = self.viewers.get_mut(key) else { return };
        let replica = slot.stream.and_then(|stream| self.streams.get(&stream));
        if act(&mut slot.viewer, replica, self.limits, &mut self.scratch) == ControlFlow::Break(()) {
            self.viewers.remove(key).viewer.leave();
        }
    }

    fn serve_ready(&mut self, key: usize) {
        if let Some(slot) = self.viewers.get(key) {
            slot.waker.queued.store(false, Relaxed);
        }
        self.turn(key, |viewer, replica, limits, scratch| viewer.ready(replica, Instant::now(), limits, scratch));
    }

    fn serve_fresh(&mut self, mut keys: std::ops::Range<usize>, fresh: &[StreamId]) {
        let now = Instant::now();
        while !keys.is_empty() {
            let next = keys.start..keys.end.min(keys.start + AHEAD);
            keys.start = next.end;
            let (mut lacking, mut n) = ([0; AHEAD], 0);
            for key in next.filter(|key| self.lacks(*key, fresh)) {
                lacking[n] = key;
                n += 1;
            }
            for key in &lacking[..n] {
                self.turn(*key, |viewer, replica, limits, _| viewer.pump(replica, now, limits));
            }
        }
    }

    /// There is a viewer of one of these streams, and something that it has not got.
    fn lacks(&self, key: usize, fresh: &[StreamId]) -> bool {
        let Some((slot, stream)) = self.viewers.get(key).and_then(|slot| Some((slot, slot.stream?))) else { return false };
        fresh.binary_search(&stream).is_ok() && !slot.viewer.is_level(self.streams.get(&stream))
    }

    fn tick(&mut self, keys: std::ops::Range<usize>) {
        let now = Instant::now();
        for key in keys {
            self.turn(key, |viewer, replica, limits, _| viewer.tick(replica, now, limits));
        }
    }

    /// Takes note of the viewer furthest behind, per stream.
    fn measure_lag(&self) {
        let mut lags: BTreeMap<StreamId, Duration> = self.streams.keys().map(|stream| (*stream, Duration::ZERO)).collect();
        for (_, slot) in &self.viewers {
            if let Some(stream) = slot.stream
                && let (Some(replica), Some(lag)) = (self.streams.get(&stream), lags.get_mut(&stream))
            {
                *lag = slot.viewer.behind(replica).max(*lag);
            }
        }
        for (replica, lag) in self.streams.values().zip(lags.into_values()) {
            replica.stream.numbers.lag_ms.store(lag.as_millis() as u64, Relaxed);
        }
    }

    /// Removes the streams that were withdrawn, and closes the viewers that have not got all of them.
    fn release_withdrawn(&mut self) {
        let gone: Vec<StreamId> = self.streams.iter().filter(|(_, replica)| replica.withdrawn).map(|(stream, _)| *stream).collect();
        if gone.is_empty() {
            return;
        }
        let now = Instant::now();
        for (_, slot) in &mut self.viewers {
            if slot.stream.is_some_and(|stream| gone.contains(&stream)) && !slot.viewer.rewinds() {
                slot.viewer.close(code::NORMAL, "the stream has ended", now);
                slot.waker.wake_by_ref();
            }
        }
        for stream in gone {
            self.streams.remove(&stream).iter_mut().for_each(StreamReplica::wake);
        }
    }

    /// Endless bodies that wait for news look whether their viewers may still watch.
    fn wake_bodies(&mut self) {
        self.streams.values_mut().for_each(StreamReplica::wake);
    }

    fn take_ready(&self) -> Vec<usize> {
        std::mem::take(&mut *self.ready.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The streams of which something new has come, in order.
    fn take_fresh(&mut self) -> Vec<StreamId> {
        self.streams.iter_mut().filter_map(|(stream, replica)| std::mem::take(&mut replica.fresh).then_some(*stream)).collect()
    }
}

impl SharedHub {
    pub fn new(hub: Hub) -> SharedHub {
        SharedHub(Arc::new(Mutex::new(hub)))
    }

    pub fn downgrade(&self) -> WeakHub {
        WeakHub(Arc::downgrade(&self.0))
    }

    /// # Panics
    /// If another thread has panicked in it: then nothing goes on without it, and the server ends.
    pub fn lock(&self) -> MutexGuard<'_, Hub> {
        lock(&self.0)
    }

    /// A way to its rings, for as long as its shard is there.
    pub fn rings(&self) -> Weak<dyn Rings> {
        let hub: Weak<Mutex<Hub>> = Arc::downgrade(&self.0);
        hub
    }

    /// A pass at once, in the thread that publishes. `false`: the shard's thread has to make one.
    pub fn pass_here(&self) -> bool {
        // Where another thread has panicked in it, the shard's thread sees it too, and ends the server.
        let Ok(mut hub) = self.0.lock() else { return false };
        if hub.passing || hub.viewers.len() > FEW {
            return false;
        }
        let all = hub.take_published();
        let fresh = hub.take_fresh();
        if !fresh.is_empty() {
            let keys = 0..hub.viewers.capacity();
            hub.serve_fresh(keys, &fresh);
            hub.release_withdrawn();
        }
        all
    }
}

/// # Panics
/// See [`SharedHub::lock`].
fn lock(hub: &Mutex<Hub>) -> MutexGuard<'_, Hub> {
    hub.lock().expect("no thread has panicked in the hub")
}

impl Rings for Mutex<Hub> {
    fn look(&self, stream: StreamId, look: &mut dyn FnMut(&Ring)) {
        if let Some(replica) = lock(self).replica(stream) {
            look(&replica.ring);
        }
    }
}

impl WeakHub {
    /// `None`: its shard has ended.
    pub fn upgrade(&self) -> Option<SharedHub> {
        self.0.upgrade().map(SharedHub)
    }
}

/// The loop. Ends with the runtime that it runs on.
pub async fn run(hub: SharedHub) {
    let (mut ticks, mut ticked) = (tokio::time::interval(TICK), 0u32);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let wake = hub.lock().ready.wake.clone();
    loop {
        tokio::select! {
            () = wake.notified() => pass(&hub, &wake).await,
            _ = ticks.tick() => {
                each_turn(&hub, |hub, keys| hub.tick(keys)).await;
                ticked = ticked.wrapping_add(1);
                let mut hub = hub.lock();
                let empty = hub.is_empty();
                if empty || ticked.is_multiple_of(MEASURE) {
                    hub.measure_lag();
                    hub.wake_bodies();
                }
                if empty {
                    // There is nothing in between that could not wait.
                    ticks.reset_after(TICK * MEASURE);
                }
            }
        }
    }
}

async fn pass(shared: &SharedHub, wake: &Notify) {
    let ready = {
        let mut hub = shared.lock();
        hub.begin_pass();
        if !hub.take_published() {
            // An input faster than we are: once round, so that no viewer waits for its end.
            wake.notify_one();
        }
        hub.take_ready()
    };
    for (i, key) in ready.into_iter().enumerate() {
        if i % TURN == TURN - 1 {
            tokio::task::yield_now().await;
        }
        shared.lock().serve_ready(key);
    }
    let fresh = shared.lock().take_fresh();
    if !fresh.is_empty() {
        each_turn(shared, |hub, keys| hub.serve_fresh(keys, &fresh)).await;
        shared.lock().release_withdrawn();
    }
    shared.lock().end_pass();
}

async fn each_turn(shared: &SharedHub, mut act: impl FnMut(&mut Hub, std::ops::Range<usize>)) {
    let mut from = 0;
    loop {
        let end = {
            let mut hub = shared.lock();
            let end = hub.viewers.capacity();
            act(&mut hub, from.min(end)..end.min(from + TURN));
            end
        };
        from += TURN;
        if from >= end {
            return;
        }
        tokio::task::yield_now().await;
    }
}
