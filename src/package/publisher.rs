//! The thread that carries out operations at a store, again and again until the store takes them or nobody wants them.

use super::file::{File, Operation, rendition_of, with_kept};
use super::queue::{Inventory, Pace, Queue};
use crate::format::hls::Name;
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two tries: the first time, and at most. A store is not missed for long once it is back: less than a segment.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(1600));

/// Where files go.
pub trait Store: Send {
    /// Puts a file, all of it or nothing: who reads it meanwhile gets the old one or the new one.
    ///
    /// # Errors
    /// It was not taken, and is tried again.
    fn put(&mut self, file: &File) -> Result<(), StoreError>;

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// It stays.
    fn remove(&mut self, name: &Name) -> Result<(), StoreError>;

    /// The files that an earlier run has left, where the store can tell.
    fn earlier(&self) -> Vec<Name> {
        Vec::new()
    }

    /// It has no list of its files: a playlist notes there what else is to be removed.
    fn has_no_list(&self) -> bool {
        false
    }
}

/// Why a store did not do something, in one line without a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// What happens at a store, for who tells and counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report<'a> {
    /// It took a file of so many bytes.
    Put(usize),
    /// It removed a file.
    Removed,
    /// It did not take a file. It is asked again.
    Failed(&'a StoreError),
    /// It takes files again, after so long.
    Back(Duration),
    /// It did not remove a file, which stays there.
    Stays(&'a StoreError),
    /// So many segments were dropped, because they left the window before the store took them.
    Lost(u64),
    /// So many files wait for it now.
    Waiting(usize),
}

/// Publishes at one store. Dropped, it gives up what was not done.
pub struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: Queue,
    phase: Phase,
    /// When something was last done, or there was nothing to do.
    progress: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// No more will be pushed.
    Finishing,
    /// All is done.
    Done,
    /// Nothing more is to be done.
    Abandoned,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_phase(&self, phase: Phase) {
        self.lock().phase = phase;
        self.changed.notify_all();
    }
}

impl Publisher {
    /// `report` is called by the thread of the store.
    ///
    /// # Errors
    /// The process is out of threads.
    pub fn start(store: impl Store + 'static, pace: Pace, report: impl FnMut(Report) + Send + 'static) -> io::Result<Publisher> {
        let state = State { queue: Queue::new(pace), phase: Phase::Running, progress: Instant::now() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let worker = Worker {
            shared: shared.clone(),
            earlier: store.earlier().into_iter().collect(),
            store,
            report,
            early: None,
            inventory: Inventory::default(),
            sweeps: false,
            failing: None,
        };
        std::thread::Builder::new().name("publisher".into()).spawn(move || worker.run())?;
        Ok(Publisher { shared })
    }

    /// Never waits, but for [`Pace::Wait`].
    pub fn push(&self, operations: Vec<Operation>) {
        if operations.is_empty() {
            return;
        }
        let mut state = self.shared.lock();
        while state.queue.is_full() && state.phase == Phase::Running {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.queue.push(operations);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until all is done, as long as something is done within `patience`. Gives the number of files that the store did not take.
    pub fn finish(self, patience: Duration) -> usize {
        let mut state = self.shared.lock();
        if state.phase == Phase::Running {
            (state.phase, state.progress) = (Phase::Finishing, Instant::now());
            self.shared.changed.notify_all();
        }
        loop {
            let left = patience.saturating_sub(state.progress.elapsed());
            if state.phase != Phase::Finishing || left.is_zero() {
                return if state.phase == Phase::Done { 0 } else { state.queue.amount().0.max(1) };
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.set_phase(Phase::Abandoned);
    }
}

struct Worker<S, R> {
    shared: Arc<Shared>,
    store: S,
    report: R,
    inventory: Inventory,
    /// The multivariant playlist, until there are those that it names.
    early: Option<File>,
    earlier: HashSet<Name>,
    /// What of an earlier run is left is to go, once there is a playlist of this one.
    sweeps: bool,
    /// Since when the store takes nothing, and the pause before the next try.
    failing: Option<(Instant, Duration)>,
}

impl<S: Store, R: FnMut(Report)> Worker<S, R> {
    fn run(mut self) {
        while let Some(operation) = self.next() {
            match operation {
                Operation::Put(file) if self.inventory.is_early(&file) => self.early = Some(file),
                Operation::Put(file) if self.inventory.is_stale(&file) && self.shared.lock().queue.has(&file.name) => {}
                Operation::Put(file) => self.put(self.noted(self.inventory.without_lost(file))),
                Operation::Remove(name) => self.inventory.leave(name),
                Operation::Sweep => self.sweeps = true,
            }
            if let Some(file) = self.early.take_if(|file| !self.inventory.is_early(file)) {
                self.put(file);
            }
            while let Some(name) = self.inventory.next_to_go() {
                self.remove(&name);
            }
            if self.sweeps && self.inventory.has_playlists() {
                self.sweep();
            }
            self.shared.changed.notify_all();
        }
    }

    /// Waits for it. `None`: there will be no more.
    fn next(&mut self) -> Option<Operation> {
        let mut state = self.shared.lock();
        loop {
            let (lost, waiting) = (state.queue.take_lost(), state.queue.amount().0);
            if lost > 0 {
                (self.report)(Report::Lost(lost));
            }
            (self.report)(Report::Waiting(waiting));
            if state.phase == Phase::Abandoned {
                return None;
            }
            if let Some(operation) = state.queue.pop() {
                return Some(operation);
            }
            if state.phase == Phase::Finishing {
                state.phase = Phase::Done;
                self.shared.changed.notify_all();
                return None;
            }
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A playlist, with what there is besides what it names, where a run after this one could not know.
    fn noted(&self, file: File) -> File {
        match file.name {
            Name::Playlist(rendition) if self.store.has_no_list() => {
                let earlier = self.earlier.iter().copied().filter(|name| rendition_of(name) == Some(rendition));
                with_kept(file, self.inventory.files(rendition).chain(earlier))
            }
            _ => file,
        }
    }

    fn put(&mut self, file: File) {
        match self.store.put(&file) {
            Ok(()) => {
                self.inventory.add(&file);
                self.shared.lock().progress = Instant::now();
                (self.report)(Report::Put(file.size()));
                if let Some((since, _)) = self.failing.take() {
                    (self.report)(Report::Back(since.elapsed()));
                }
            }
            Err(error) => {
                (self.report)(Report::Failed(&error));
                let (since, pause) = self.failing.unwrap_or((Instant::now(), PAUSES.0));
                self.failing = Some((since, (2 * pause).min(PAUSES.1)));
                self.shared.lock().queue.push_back(Operation::Put(file));
                self.pause(pause);
            }
        }
    }

    /// Before the next try; less, if nothing more is to be done.
    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut state = self.shared.lock();
        while let left = until.saturating_duration_since(Instant::now())
            && !left.is_zero()
            && state.phase != Phase::Abandoned
        {
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The playlists first: nothing that is gone is named.
    fn sweep(&mut self) {
        let (inventory, is_playlist) = (&self.inventory, |name: &Name| matches!(name, Name::Playlist(_) | Name::Multivariant));
        let mut gone: Vec<_> = self.earlier.drain().filter(|name| !inventory.has(name)).collect();
        gone.sort_by_key(|name| !is_playlist(name));
        gone.iter().for_each(|name| self.remove(name));
    }

    fn remove(&mut self, name: &Name) {
        match self.store.remove(name) {
            Ok(()) => (self.report)(Report::Removed),
            Err(error) => (self.report)(Report::Stays(&error)),
        }
    }
}
