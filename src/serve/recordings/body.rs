//! The body of a clip: read from its recordings piece by piece, as its client takes it, by threads that may wait for a disk.

use super::api::RecordedClip;
use bytes::Bytes;
use std::future::Future as _;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

/// One piece: what a client that is slow costs.
pub const PIECE: usize = 256 * 1024;

/// A part of a clip on its way to a client.
pub struct ClipBody {
    clip: Arc<dyn RecordedClip>,
    left: Range<u64>,
    reading: Option<JoinHandle<std::io::Result<Bytes>>>,
    _place: OwnedSemaphorePermit,
}

impl ClipBody {
    /// `place`: one of those that there are for clips.
    pub fn new(clip: Arc<dyn RecordedClip>, range: Range<u64>, place: OwnedSemaphorePermit) -> ClipBody {
        ClipBody { clip, left: range, reading: None, _place: place }
    }

    /// In bytes, of what was not given out.
    pub fn len(&self) -> u64 {
        self.left.end.saturating_sub(self.left.start)
    }

    pub fn clip(&self) -> &dyn RecordedClip {
        &*self.clip
    }

    /// What was not given out.
    pub fn left(&self) -> Range<u64> {
        self.left.clone()
    }

    /// The next piece. `None`: it was the last, or a recording cannot be read; the length that was promised tells a client which.
    pub fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.len() == 0 {
            return Poll::Ready(None);
        }
        let reading = self.reading.get_or_insert_with(|| {
            let (clip, range) = (self.clip.clone(), self.left.clone());
            tokio::task::spawn_blocking(move || clip.read(range, PIECE))
        });
        let Poll::Ready(read) = Pin::new(reading).poll(cx) else { return Poll::Pending };
        self.reading = None;
        match read {
            Ok(Ok(bytes)) if !bytes.is_empty() => {
                self.left.start += bytes.len() as u64;
                Poll::Ready(Some(bytes))
            }
            Ok(Err(error)) => {
                tracing::warn!("a clip cannot be read: {error}");
                Poll::Ready(None)
            }
            Ok(Ok(_)) | Err(_) => Poll::Ready(None),
        }
    }
}
