//! What passes between a viewer and the task that plays the past to it.

use super::command::RewindCommand;
use bytes::Bytes;
use std::task::Waker;
use tokio::sync::mpsc;

/// A command, and how often what was sent before had become useless by then.
#[derive(Clone, Copy, Debug)]
pub struct PlaybackCommand {
    pub command: RewindCommand,
    pub generation: u64,
}

/// What the viewer gets.
#[derive(Debug)]
pub enum PlaybackOutput {
    /// A whole message.
    Message(Bytes),
    /// It is live from here on: from this chunk of the ring, or from the newest keyframe.
    Live(Option<u64>),
    /// It cannot be played, and why.
    Failed(String),
}

/// Where it goes to.
#[derive(Debug)]
pub struct Outlet {
    pub messages: mpsc::Sender<(u64, PlaybackOutput)>,
    pub viewer: Waker,
}

/// The viewer has gone.
pub struct Gone;

impl Outlet {
    /// Waits for room.
    pub async fn send(&self, generation: u64, output: PlaybackOutput) -> Result<(), Gone> {
        // Woken first, so that it makes room; and after, to take it.
        if self.messages.capacity() == 0 {
            self.viewer.wake_by_ref();
        }
        self.messages.send((generation, output)).await.map_err(|_| Gone)?;
        self.viewer.wake_by_ref();
        Ok(())
    }
}
