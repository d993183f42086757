//! One stream that a client sends, from its connection to who reads it. Who reads slowly, or a rate that is reached, holds the client back by its
//! connection: no more than [`WAITING`] pieces wait here.

use super::api::{PublishOptions, Upload, UploadEnds, UploadError};
use super::flow::{RateLimit, Silence};
use crate::access::Ended;
use crate::serve::access::Authorization;
use bytes::Bytes;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::time::{sleep, sleep_until};

/// Pieces that wait for who reads, and the bytes of each: half a MiB of each stream.
const WAITING: usize = 8;
const PIECE: usize = 64 * 1024;
/// How often it is looked whether the client may go on.
const LOOK: Duration = Duration::from_secs(1);
/// A client that is held back for longer at a time is told of in the log.
const LONG: Duration = Duration::from_secs(1);

/// The way of one stream.
#[derive(Debug)]
pub struct Intake {
    name: String,
    ends: UploadEnds,
    rate: RateLimit,
    silence: Silence,
    authorization: Option<Authorization>,
    /// When it was last looked whether it may go on.
    looked: Instant,
    /// That it is too fast.
    said: bool,
}

/// Why no more is taken.
#[derive(Debug)]
pub enum End {
    /// Who reads it has ended.
    Told(Result<(), UploadError>),
    /// The client sends nothing.
    Silent,
    /// Its right has ended.
    Over(Ended),
}

impl Intake {
    /// `authorization`: by which it may, for as long as that holds.
    pub fn new(
        (name, from, is_file): (&str, String, bool),
        options: &PublishOptions,
        authorization: Option<Authorization>,
    ) -> (Intake, Upload) {
        let (upload, ends) = Upload::new(name, from, is_file, WAITING);
        let now = Instant::now();
        let (rate, silence) = (RateLimit::new(options.rate, now), Silence::new(options.idle, now));
        (Intake { name: name.to_owned(), ends, rate, silence, authorization, looked: now, said: false }, upload)
    }

    /// Waits for what the client says next.
    ///
    /// # Errors
    /// Nothing more is taken; likewise below.
    pub async fn next<T>(&mut self, next: impl Future<Output = T>) -> Result<T, End> {
        self.beside(next, true).await
    }

    /// So many bytes have come of it.
    pub fn came(&mut self, bytes: usize) {
        self.silence.came(bytes, Instant::now());
    }

    /// Gives this to who reads; waits until there is room, and until the rate allows more.
    pub async fn give(&mut self, mut bytes: Bytes) -> Result<(), End> {
        let begun = Instant::now();
        let wait = self.rate.take(bytes.len(), begun);
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            let pieces = self.ends.pieces.clone();
            // Who takes no more has said why, or is about to.
            if self.beside(async move { pieces.send(piece).await }, false).await?.is_err() {
                return Err(End::Told(told((&mut self.ends.outcome).await)));
            }
        }
        if !wait.is_zero() {
            if wait > LONG && !std::mem::replace(&mut self.said, true) {
                tracing::warn!("{}: its publisher sends faster than --publish-rate allows, and is held back", self.name);
            }
            self.beside(sleep(wait), false).await?;
        }
        self.silence.held_back(begun.elapsed());
        Ok(())
    }

    /// The client has sent all; gives how it ended for who reads.
    pub async fn finish(self) -> Result<(), UploadError> {
        let UploadEnds { pieces, outcome } = self.ends;
        drop(pieces);
        told(outcome.await)
    }

    async fn beside<T>(&mut self, next: impl Future<Output = T>, of_client: bool) -> Result<T, End> {
        let mut next = pin!(next);
        loop {
            // Also of a client that is never waited for that long.
            if self.looked.elapsed() >= LOOK {
                self.look(of_client)?;
            }
            tokio::select! {
                biased;
                outcome = &mut self.ends.outcome => return Err(End::Told(told(outcome))),
                done = &mut next => return Ok(done),
                () = sleep_until((self.looked + LOOK).into()) => {}
            }
        }
    }

    /// Whether the client may go on.
    fn look(&mut self, of_client: bool) -> Result<(), End> {
        let now = Instant::now();
        self.looked = now;
        if let Some(authorization) = &self.authorization {
            authorization.check().map_err(End::Over)?;
        }
        if of_client && self.silence.is_over(now) { Err(End::Silent) } else { Ok(()) }
    }
}

fn told<E>(outcome: Result<Result<(), UploadError>, E>) -> Result<(), UploadError> {
    outcome.unwrap_or_else(|_| Err(UploadError::Failed("the server is stopping".into())))
}
