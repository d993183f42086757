//! A source that is away: what is said of it, and when it is asked for again.

use super::Refusal;
use super::refusal::RefusalKind;
use crate::source::retry::Retry;
use crate::source::{Error, OnLoss};
use std::io;
use std::time::{Duration, Instant};

/// Waits between tries with a user or password that is refused: cameras lock accounts.
const DENIED: Duration = Duration::from_secs(30);
/// A host that is off answers nothing at all. After a loss, each try to connect has so long: two packets that ask for a connection, a second apart
/// (RFC 6298, section 2), and the answer. So it is found soon when it is back.
pub const REACH: Duration = Duration::from_millis(1300);
/// A source that is lost again within this time waits longer each time, as one that refuses.
const SOON: Duration = Duration::from_secs(5);

/// Says that a source is away, why, and that it is back, each once.
pub struct Outage {
    /// Of the source, as it is printed.
    name: String,
    on_loss: OnLoss,
    retry: Retry,
    trouble: Option<Trouble>,
    /// Since when it gives something.
    since: Instant,
    losses: u64,
}

/// What is wrong, and since when, as it was said last.
struct Trouble {
    since: Instant,
    text: String,
}

impl Outage {
    /// The source is there, or is about to be.
    pub fn new(name: String, on_loss: OnLoss) -> Outage {
        Outage { name, on_loss, retry: Retry::now(), trouble: None, since: Instant::now(), losses: 0 }
    }

    /// Of the source, as it is printed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it is to be tried again.
    pub fn retry_at(&self) -> Instant {
        self.retry.at()
    }

    /// It gave something, and was lost since.
    pub fn is_away(&self) -> bool {
        self.trouble.is_some()
    }

    /// How often it was lost.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// A try to reach it has failed.
    ///
    /// # Errors
    /// It was the first one.
    pub fn refused(&mut self, refusal: Refusal) -> Result<(), Error> {
        let Some(trouble) = &mut self.trouble else { return Err(refusal.into_error(&self.name)) };
        if trouble.text == refusal.text {
            tracing::debug!("{}: {}", self.name, refusal.text);
        } else {
            tracing::warn!("{}: {}; trying again", self.name, refusal.text);
        }
        trouble.text = refusal.text;
        match refusal.kind {
            RefusalKind::Denied => self.retry.postpone(DENIED),
            _ => self.retry.failed(),
        }
        Ok(())
    }

    /// It has ended, or gives nothing.
    ///
    /// # Errors
    /// That is to end the program.
    pub fn lost(&mut self, refusal: Refusal) -> Result<(), Error> {
        if self.trouble.is_some() || self.since.elapsed() < SOON {
            self.retry.failed();
        } else {
            self.retry = Retry::lost(false);
        }
        if self.on_loss == OnLoss::Exit {
            return Err(Error::io(&self.name, io::Error::other(refusal.text)));
        }
        if self.trouble.is_none() {
            tracing::warn!("{}: lost: {}; waiting for it", self.name, refusal.text);
            self.losses += 1;
            self.trouble = Some(Trouble { since: Instant::now(), text: refusal.text });
        }
        Ok(())
    }

    /// It gives something.
    pub fn back(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            self.since = Instant::now();
            tracing::warn!("{}: back after {:.1} s", self.name, trouble.since.elapsed().as_secs_f32());
        }
    }
}
