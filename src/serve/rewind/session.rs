//! PlaybackOutput a viewer may see of before, and what is being played to it.

use super::command::RewindCommand;
use super::outlet::{Outlet, PlaybackCommand, PlaybackOutput};
use super::past::Past;
use super::playback;
use super::rings::Rings;
use crate::serve::access::Authorization;
use crate::serve::live::stream::Stream;
use crate::serve::recordings::api::Recordings;
use std::sync::{Arc, Weak};
use std::task::Waker;
use tokio::sync::{Semaphore, mpsc};

/// Messages that wait for a viewer: all that a slow one holds, beside what is read at a time.
const MESSAGES: usize = 8;
/// Commands that wait for the disk.
const COMMANDS: usize = 32;

const NOT_YOURS: &str = "you may see this stream live, and not what was before";
const TOO_MANY: &str = "too many viewers are rewinding";

/// With which right a viewer may rewind, and what there is.
#[derive(Debug)]
pub struct Rewinding {
    /// The name that recordings have.
    pub name: String,
    /// `None`: it is not here now.
    pub stream: Option<Arc<Stream>>,
    pub recordings: Option<Arc<dyn Recordings>>,
    pub rings: Weak<dyn Rings>,
    /// `None`: it has no right to.
    pub(in crate::serve) authorization: Option<Authorization>,
    /// So many may rewind at a time.
    pub places: Arc<Semaphore>,
    /// The codecs that it last asked for.
    pub codecs: Option<String>,
}

impl Rewinding {
    /// It had the right to when it came.
    pub fn is_allowed(&self) -> bool {
        self.authorization.is_some()
    }

    /// Whether it may, now.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), String> {
        let Some(authorization) = &self.authorization else { return Err(NOT_YOURS.into()) };
        authorization.check().map_err(|why| why.to_string())
    }

    /// Begins to play. `viewer` is woken when there is something for it.
    ///
    /// # Errors
    /// Too many do.
    pub fn start(&self, viewer: Waker) -> Result<Playing, &'static str> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| TOO_MANY)?;
        let ((commands, taken), (messages, given)) = (mpsc::channel(COMMANDS), mpsc::channel(MESSAGES));
        let stream = self.stream.as_ref().map(|stream| stream.id());
        let past = Past::new(self.name.clone(), self.recordings.clone(), self.rings.clone(), stream);
        let (outlet, codecs) = (Outlet { messages, viewer }, self.codecs.clone().unwrap_or_default());
        tokio::spawn(async move {
            playback::run(past, taken, outlet, codecs).await;
            drop(place);
        });
        Ok(Playing { commands, messages: given, generation: 0 })
    }
}

/// PlaybackOutput is being played to a viewer. Dropped, it ends.
#[derive(Debug)]
pub struct Playing {
    commands: mpsc::Sender<PlaybackCommand>,
    messages: mpsc::Receiver<(u64, PlaybackOutput)>,
    generation: u64,
}

impl Playing {
    /// `false`: there are too many already.
    pub fn obey(&mut self, command: RewindCommand) -> bool {
        let anew = u64::from(command.begins_anew());
        let is_taken = self.commands.try_send(PlaybackCommand { command, generation: self.generation + anew }).is_ok();
        if is_taken && anew > 0 {
            self.generation += anew;
            // Room for what is new.
            while let Ok((generation, output)) = self.messages.try_recv() {
                debug_assert!(generation < self.generation, "{output:?}");
            }
        }
        is_taken
    }

    /// The next message. PlaybackOutput was meant for before the last command is passed over.
    pub fn next(&mut self) -> Option<PlaybackOutput> {
        loop {
            match self.messages.try_recv() {
                Ok((generation, output)) if generation == self.generation => return Some(output),
                Ok(_) => {}
                Err(mpsc::error::TryRecvError::Empty) => return None,
                // Its task has died.
                Err(mpsc::error::TryRecvError::Disconnected) => return Some(PlaybackOutput::Live(None)),
            }
        }
    }
}
