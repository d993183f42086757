//! Streams that clients send, each read in a thread of its own. There it waits for its publisher to come back, who then continues it under its
//! viewers; when none comes the stream goes.

use crate::ingest::Ingest;
use crate::reading::Reading;
use crate::record::Recording;
use crate::writer_input::WriterInput;
use anyhow::Context as _;
use h5live::cli;
use h5live::serve::{NotTaken, Publishing, Registry, Upload, UploadBytes, UploadError};
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// Takes the streams that clients send. Clones are the same.
#[derive(Clone)]
pub struct Publishers(Arc<Inner>);

struct Inner {
    /// That others have.
    names: Vec<String>,
    /// Streams at a time.
    most: usize,
    /// For so long a publisher may come back.
    keep: Duration,
    reading: Reading,
    /// Known when the server listens.
    server: OnceLock<Server>,
    places: Mutex<HashMap<String, Place>>,
    /// What was said last: a program that tries the same again and again is told of once.
    said: Mutex<String>,
}

struct Server {
    registry: Registry,
    cx: cli::Context,
    /// The program ends it when all streams have ended.
    recording: Option<Weak<Recording>>,
}

/// The place of one stream: the way to its thread.
struct Place {
    uploads: Sender<Upload>,
    state: PlaceState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PlaceState {
    /// A publisher is there.
    Taken,
    /// It has gone; the next one continues.
    Free,
    /// The stream is being taken down.
    Leaving,
}

impl std::fmt::Debug for Publishers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Publishers")
    }
}

impl Publishers {
    /// `names`: that are others'; `most`: streams at a time; `keep`: for so long a publisher may come back.
    pub fn new(names: Vec<String>, most: usize, keep: Duration, reading: Reading) -> Publishers {
        let (server, places, said) = (OnceLock::new(), Mutex::default(), Mutex::default());
        Publishers(Arc::new(Inner { names, most, keep, reading, server, places, said }))
    }

    /// From now on streams are taken.
    /// From then on they are recorded too, where there is a `recording`.
    pub fn open(&self, registry: Registry, cx: &cli::Context, recording: Option<&Arc<Recording>>) {
        _ = self.0.server.set(Server { registry, cx: cx.clone(), recording: recording.map(Arc::downgrade) });
    }

    /// After a stop: no stream waits for its publisher to come back.
    pub fn close(&self) {
        lock(&self.0.places).clear();
    }
}

impl Publishing for Publishers {
    fn open(&self, upload: Upload) -> Result<(), NotTaken> {
        let name = upload.name.clone();
        self.0.take(upload).inspect_err(|why| match why {
            NotTaken::Configured => self.0.say(format!("{name}: a publisher is refused: the name is that of an input or a group")),
            NotTaken::Taken => self.0.say(format!("{name}: a publisher is refused: another one is there")),
            // The server says the one; the other passes.
            NotTaken::Full | NotTaken::Later => {}
        })
    }
}

impl Inner {
    fn take(self: &Arc<Inner>, upload: Upload) -> Result<(), NotTaken> {
        if self.names.contains(&upload.name) {
            return Err(NotTaken::Configured);
        }
        if self.server.get().is_none_or(|server| server.cx.stop.requested()) {
            return Err(NotTaken::Later);
        }
        let mut places = lock(&self.places);
        let full = places.len() >= self.most;
        match places.get_mut(&upload.name) {
            Some(Place { state: PlaceState::Taken, .. }) => return Err(NotTaken::Taken),
            Some(Place { state: PlaceState::Leaving, .. }) => return Err(NotTaken::Later),
            Some(place) => {
                place.state = PlaceState::Taken;
                // Its thread looks here once more before it leaves.
                return place.uploads.send(upload).map_err(|_| NotTaken::Later);
            }
            None if full => return Err(NotTaken::Full),
            None => {}
        }
        let (uploads, given) = mpsc::channel();
        let (inner, name) = (self.clone(), upload.name.clone());
        let serving = std::thread::Builder::new().name(format!("publish {name}")).spawn(move || inner.serve(upload, &given));
        serving.inspect_err(|error| tracing::warn!("{name}: no thread for a publisher: {error}")).map_err(|_| NotTaken::Later)?;
        places.insert(name, Place { uploads, state: PlaceState::Taken });
        Ok(())
    }

    /// One stream, from its first publisher until none comes back.
    fn serve(self: &Arc<Inner>, first: Upload, uploads: &Receiver<Upload>) {
        let name = first.name.clone();
        // However this ends: the name is free again.
        let held = HeldPlace { inner: self.clone(), name: name.clone() };
        let Some(server) = self.server.get() else { return };
        let publish = || {
            let mut publisher = server.registry.publish(&name)?;
            if let Some(recording) = server.recording.as_ref().and_then(Weak::upgrade) {
                recording.record(&mut publisher)?;
            }
            Ok(publisher)
        };
        let publisher = match publish() {
            Ok(publisher) => publisher,
            Err(error) => {
                drop(held);
                let error: anyhow::Error = error;
                return first.outcome.tell(Err(UploadError::Failed(cli::exit::one_line(&error))));
            }
        };
        let mut ingest = Ingest::new(publisher, &server.cx);
        let mut next = Some(first);
        while let Some(Upload { from, is_file, bytes, outcome, .. }) = next {
            tracing::info!("{name}: a publisher has come: {from}");
            let played = self.play(&mut ingest, &name, is_file, bytes, server);
            if server.cx.stop.requested() {
                return ingest.abandon();
            }
            match &played {
                Ok(()) => tracing::info!("{name}: its publisher has gone"),
                Err(UploadError::NotUnderstood(why) | UploadError::Failed(why)) => self.say(why.clone()),
            }
            if ingest.end().is_none() {
                // There is nothing to continue.
                ingest.withdraw();
                drop(held);
                return outcome.tell(played);
            }
            ingest.away();
            self.set(&name, PlaceState::Free);
            // Whoever is told may come right back.
            outcome.tell(played);
            next = self.next(&name, uploads);
        }
        tracing::info!("{name}: no publisher has come back; the stream ends");
        ingest.withdraw();
    }

    fn play(&self, ingest: &mut Ingest, name: &str, is_file: bool, bytes: UploadBytes, server: &Server) -> Result<(), UploadError> {
        let before = ingest.end();
        let input = WriterInput::new(UntilStop { bytes, stop: server.cx.stop.clone() }, None, false);
        let outcome = ingest.play(format!("/in/{name}"), input, &self.reading, is_file);
        let outcome = outcome.and_then(|()| match ingest.end() == before {
            true => ingest.judge().and_then(|()| Err(Nothing.into())).with_context(|| format!("/in/{name}")),
            false => Ok(()),
        });
        outcome.map_err(|error| {
            let why = cli::exit::one_line(&error);
            let is_its_fault = error.is::<Nothing>() || cli::exit::code(&error) == cli::exit::NOT_UNDERSTOOD;
            if is_its_fault { UploadError::NotUnderstood(why) } else { UploadError::Failed(why) }
        })
    }

    /// The next publisher of a stream; `None`: none has come in time, and the stream is to be taken down.
    fn next(&self, name: &str, uploads: &Receiver<Upload>) -> Option<Upload> {
        match uploads.recv_timeout(self.keep) {
            Ok(upload) => Some(upload),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                let mut places = lock(&self.places);
                // One may have come meanwhile: it is seen here, or not taken.
                let late = uploads.try_recv().ok();
                if let Some(place) = places.get_mut(name).filter(|_| late.is_none()) {
                    place.state = PlaceState::Leaving;
                }
                late
            }
        }
    }

    fn set(&self, name: &str, state: PlaceState) {
        if let Some(place) = lock(&self.places).get_mut(name) {
            place.state = state;
        }
    }

    fn say(&self, line: String) {
        let mut said = lock(&self.said);
        if *said != line {
            tracing::warn!("{line}");
            *said = line;
        }
    }
}

/// The publisher sent no frame.
#[derive(Debug, thiserror::Error)]
#[error("there is no frame in it")]
struct Nothing;

/// Held by the thread of a stream.
struct HeldPlace {
    inner: Arc<Inner>,
    name: String,
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        lock(&self.inner.places).remove(&self.name);
    }
}

/// What a client sends, to its end or to that of the program.
struct UntilStop {
    bytes: UploadBytes,
    stop: cli::Stop,
}

impl Read for UntilStop {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.stop.requested() { Ok(0) } else { self.bytes.read(buf) }
    }
}

/// A poisoned lock only means that another thread died while it held it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
