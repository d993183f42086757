//! The request to end: SIGINT and SIGTERM, seen as a flag, as a readable file descriptor and as something to wait for.

use crate::media::{Clock, SystemClock, WallTime};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a program may take to finish what is in flight.
pub const GRACE: Duration = Duration::from_secs(5);

/// Says when the program should finish what is in flight and end. Clones share one state.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    requested: Mutex<bool>,
    changed: Condvar,
    /// Holds one byte from the request on; it is not read, so the descriptor stays readable for all who poll it.
    readable: PipeReader,
    writer: PipeWriter,
}

impl Stop {
    /// A stop that only [`Stop::request`] asks for: for tests and for parts of a program.
    ///
    /// # Errors
    /// The process is out of file descriptors.
    pub fn new() -> io::Result<Stop> {
        let (readable, writer) = io::pipe()?;
        Ok(Stop(Arc::new(Inner { requested: Mutex::new(false), changed: Condvar::new(), readable, writer })))
    }

    /// A stop that SIGINT or SIGTERM asks for. The second signal, or five seconds after the first, ends the process at once, as if
    /// the signal had never been caught: a program whose reader hangs stands in `write` and cannot end by itself.
    ///
    /// # Errors
    /// The process is out of file descriptors or threads.
    pub fn on_signals() -> io::Result<Stop> {
        let stop = Stop::new()?;
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let asked = stop.clone();
        // The work is done in a thread, not in the signal handler.
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                if asked.requested() {
                    _ = signal_hook::low_level::emulate_default_handler(signal);
                }
                asked.request();
                _ = std::thread::Builder::new().spawn(move || {
                    std::thread::sleep(GRACE);
                    _ = signal_hook::low_level::emulate_default_handler(signal);
                });
            }
        })?;
        Ok(stop)
    }

    /// Asks for the end.
    pub fn request(&self) {
        let mut requested = self.0.requested.lock().unwrap_or_else(PoisonError::into_inner);
        if !*requested {
            *requested = true;
            // The pipe is empty and both ends are ours: one byte always fits.
            _ = (&self.0.writer).write_all(&[0]);
            self.0.changed.notify_all();
        }
    }

    /// Whether the end was asked for.
    pub fn requested(&self) -> bool {
        *self.0.requested.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A clock whose sleeps end with the stop.
    pub fn clock(&self) -> StopClock {
        StopClock { clock: SystemClock::default(), stop: self.clone() }
    }

    /// A descriptor to poll beside others: readable from the request on, without end. Not to be read from.
    pub fn fd(&self) -> RawFd {
        self.0.readable.as_raw_fd()
    }

    /// Returns when the end is asked for.
    pub fn wait(&self) {
        let requested = self.0.requested.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.0.changed.wait_while(requested, |requested| !*requested));
    }

    /// As [`Stop::wait`], but also returns when `done` holds: asked at first, and after each [`Stop::recheck`]. Says whether the end was asked for.
    pub fn wait_or(&self, mut done: impl FnMut() -> bool) -> bool {
        let requested = self.0.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.changed.wait_while(requested, |requested| !*requested && !done());
        *waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// What [`Stop::wait_or`] waits for may hold now.
    pub fn recheck(&self) {
        // A waiter between its look and its sleep holds the lock.
        let _requested = self.0.requested.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.changed.notify_all();
    }

    /// As [`Stop::wait`], but for `limit` at most; says whether the end was asked for. A sleep that a signal cuts short.
    pub fn wait_for(&self, limit: Duration) -> bool {
        let requested = self.0.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.changed.wait_timeout_while(requested, limit, |requested| !*requested);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The machine's clock, but a sleep ends when a stop is asked for.
#[derive(Clone, Debug)]
pub struct StopClock {
    clock: SystemClock,
    stop: Stop,
}

impl Clock for StopClock {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn wall(&self) -> WallTime {
        self.clock.wall()
    }

    fn sleep_until(&self, until: Duration) {
        self.stop.wait_for(until.saturating_sub(self.now()));
    }
}

/// The descriptor of [`Stop::fd`].
impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.readable.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn what_is_waited_for_is_seen_without_a_request() {
        use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
        let (stop, done) = (Stop::new().unwrap(), Arc::<AtomicBool>::default());
        let (other, set) = (stop.clone(), done.clone());
        let waiter = std::thread::spawn(move || other.wait_or(|| set.load(SeqCst)));
        stop.recheck();
        done.store(true, SeqCst);
        stop.recheck();
        assert!(!waiter.join().unwrap());
        stop.request();
        assert!(stop.wait_or(|| false));
    }

    #[test]
    fn a_request_is_seen_in_all_three_ways() {
        let stop = Stop::new().unwrap();
        assert!(!stop.wait_for(Duration::from_millis(1)));
        let other = stop.clone();
        let waiter = std::thread::spawn(move || other.wait());
        stop.request();
        stop.request();
        waiter.join().unwrap();
        assert!(stop.requested());
        let before = Instant::now();
        assert!(stop.wait_for(Duration::from_secs(60)));
        assert!(before.elapsed() < Duration::from_secs(30));
        let mut byte = [0; 2];
        let read = io::Read::read(&mut &stop.0.readable, &mut byte).unwrap();
        assert_eq!(read, 1, "one request, one byte");
    }
}
