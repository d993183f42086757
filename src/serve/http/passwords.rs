//! The threads that check passwords: few, behind a short queue, and none in the loop that serves viewers.

use crate::access::{PasswordCheck, PasswordChecked, PasswordMemory};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::io;
use tokio::sync::oneshot;

/// Checks at a time: each takes a processor. A thread that has checked one keeps its memory, 19 MiB.
const THREADS: usize = 2;
/// Checks that wait: some two seconds' work.
const QUEUE: usize = 64;

struct Job {
    check: PasswordCheck,
    done: oneshot::Sender<PasswordChecked>,
}

/// The way to the threads. They end when it is dropped.
#[derive(Debug)]
pub struct Passwords(Sender<Job>);

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl Passwords {
    /// # Errors
    /// No threads.
    pub fn start() -> io::Result<Passwords> {
        let (jobs, queue) = bounded::<Job>(QUEUE);
        for number in 0..THREADS {
            let queue = queue.clone();
            std::thread::Builder::new().name(format!("passwords {number}")).spawn(move || work(&queue))?;
        }
        Ok(Passwords(jobs))
    }

    /// Checks a password; `None`: too many wait already.
    pub async fn check(&self, check: PasswordCheck) -> Option<PasswordChecked> {
        let (done, checked) = oneshot::channel();
        self.0.try_send(Job { check, done }).ok()?;
        checked.await.ok()
    }
}

fn work(queue: &Receiver<Job>) {
    let mut memory = PasswordMemory::default();
    for Job { check, done } in queue {
        // Who asked may have gone.
        if !done.is_closed() {
            _ = done.send(check.run(&mut memory));
        }
    }
}
