//! What waits for the disk, in the background: a thread that writes fragments never waits for a sync, so that little is lost when the program is killed.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

/// Something to be done, after what was given before.
pub type Job = Box<dyn FnOnce() + Send>;

/// Does what it is given in order.
pub struct Syncer {
    run: Box<dyn FnMut(Job) + Send>,
    outcome: Arc<Outcome>,
}

#[derive(Debug, Default)]
struct Outcome {
    waiting: AtomicUsize,
    error: Mutex<Option<io::Error>>,
}

impl std::fmt::Debug for Syncer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.outcome.fmt(f)
    }
}

impl Syncer {
    /// `run` does one thing after the other, at once or later.
    pub fn new(run: impl FnMut(Job) + Send + 'static) -> Syncer {
        Syncer { run: Box::new(run), outcome: Arc::default() }
    }

    pub fn give(&mut self, job: impl FnOnce() -> io::Result<()> + Send + 'static) {
        let outcome = self.outcome.clone();
        outcome.waiting.fetch_add(1, SeqCst);
        (self.run)(Box::new(move || {
            if let Err(error) = job() {
                outcome.error().get_or_insert(error);
            }
            outcome.waiting.fetch_sub(1, SeqCst);
        }));
    }

    /// Nothing waits.
    pub fn is_idle(&self) -> bool {
        self.outcome.waiting.load(SeqCst) == 0
    }

    /// The first thing that failed since this was asked last.
    pub fn error(&self) -> Option<io::Error> {
        self.outcome.error().take()
    }
}

impl Outcome {
    /// A poisoned lock only means that another thread died while it looked.
    fn error(&self) -> std::sync::MutexGuard<'_, Option<io::Error>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
