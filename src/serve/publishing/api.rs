//! What the server needs of who reads the streams that clients send, as a trait that a program fills.

use bytes::{Buf, Bytes};
use std::fmt::Debug;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How clients may send streams.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// Who reads them.
    pub to: Arc<dyn Publishing>,
    /// Everybody may, where no right is asked for. Else, there, only programs on this machine.
    pub public: bool,
    /// Bytes of one stream in a second, in the long run. One that sends faster is held back.
    pub rate: u64,
    /// One that sends nothing for so long is let go.
    pub idle: Duration,
}

/// Takes streams that clients send.
pub trait Publishing: Debug + Send + Sync {
    /// A client is about to send a stream. Returns at once; another thread reads it.
    ///
    /// # Errors
    /// It is not taken.
    fn open(&self, upload: Upload) -> Result<(), NotTaken>;
}

/// Why a stream is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// An input or a group of the server has this name.
    Configured,
    /// Another client is sending a stream of this name.
    Taken,
    /// As many streams as may be are there.
    Full,
    /// Not now: the stream before is being taken down, or the server stops.
    Later,
}

/// A stream that a client sends.
#[derive(Debug)]
pub struct Upload {
    /// Of the stream; one that a stream may have.
    pub name: String,
    /// Who sends it: the address, for the log.
    pub from: String,
    /// It is as long as was said before: a file, which has all its frames at once.
    pub is_file: bool,
    /// What it sends.
    pub bytes: UploadBytes,
    /// To be told how it ended.
    pub outcome: UploadOutcome,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadError {
    /// The client sends something that cannot be shown.
    NotUnderstood(String),
    /// It is not its fault.
    Failed(String),
}

/// What a client sends, for a thread that is not of the server. It ends when the client ends, or goes. Dropped, no more is taken.
#[derive(Debug)]
pub struct UploadBytes {
    pieces: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Read for UploadBytes {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() && !buf.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = piece,
                None => return Ok(0),
            }
        }
        let n = self.rest.len().min(buf.len());
        self.rest.copy_to_slice(&mut buf[..n]);
        Ok(n)
    }
}

/// Tells the client how its stream ended. Dropped before: that it failed.
#[derive(Debug)]
pub struct UploadOutcome(oneshot::Sender<Result<(), UploadError>>);

impl UploadOutcome {
    /// The stream has ended; who sent it may have gone.
    pub fn tell(self, outcome: Result<(), UploadError>) {
        _ = self.0.send(outcome);
    }
}

/// The server's ends of an upload.
#[derive(Debug)]
pub(in crate::serve) struct UploadEnds {
    pub pieces: mpsc::Sender<Bytes>,
    pub outcome: oneshot::Receiver<Result<(), UploadError>>,
}

impl Upload {
    /// `waiting`: so many pieces may wait for who reads.
    pub(in crate::serve) fn new(name: &str, from: String, is_file: bool, waiting: usize) -> (Upload, UploadEnds) {
        let (pieces, received) = mpsc::channel(waiting);
        let (told, outcome) = oneshot::channel();
        let bytes = UploadBytes { pieces: received, rest: Bytes::new() };
        (Upload { name: name.to_owned(), from, is_file, bytes, outcome: UploadOutcome(told) }, UploadEnds { pieces, outcome })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_stream() {
        let (mut upload, ends) = Upload::new("cam", "unix".into(), false, 4);
        for piece in ["ab", "", "cde"] {
            ends.pieces.try_send(piece.into()).unwrap();
        }
        drop(ends.pieces);
        let mut two = [0; 2];
        upload.bytes.read_exact(&mut two).unwrap();
        let mut rest = String::new();
        upload.bytes.read_to_string(&mut rest).unwrap();
        assert_eq!((&two, &*rest), (b"ab", "cde"));
    }
}
