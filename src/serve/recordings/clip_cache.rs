//! Clips that were put together a moment ago: a browser asks for many ranges of one, and its recordings are read through once for all of them.

use super::api::RecordedClip;
use crate::media::WallTime;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many are kept,
const MOST: usize = 8;
/// each so long after it was asked for. Until then its recordings are not deleted.
const KEPT: Duration = Duration::from_secs(10);

/// Clones are handles to the same.
#[derive(Clone, Debug, Default)]
pub struct ClipCache(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    clips: Vec<Kept>,
    /// A task looks for those that were kept long enough.
    pruned: bool,
}

#[derive(Debug)]
struct Kept {
    stream: String,
    time: (WallTime, WallTime),
    clip: Arc<dyn RecordedClip>,
    until: Instant,
}

impl ClipCache {
    /// The clip of this stream that begins and ends just then.
    pub fn find(&self, stream: &str, time: (WallTime, WallTime)) -> Option<Arc<dyn RecordedClip>> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = inner.clips.iter_mut().find(|kept| kept.time == time && kept.stream == stream)?;
        found.until = Instant::now() + KEPT;
        Some(found.clip.clone())
    }

    /// Keeps it, for who asks for the time that it has. To be called in a runtime.
    pub fn keep(&self, stream: &str, clip: &Arc<dyn RecordedClip>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = Kept { stream: stream.to_owned(), time: clip.time(), clip: clip.clone(), until: Instant::now() + KEPT };
        inner.clips.retain(|other| other.time != kept.time || other.stream != kept.stream);
        if inner.clips.len() >= MOST {
            inner.clips.remove(0);
        }
        inner.clips.push(kept);
        if !std::mem::replace(&mut inner.pruned, true) {
            let cache = Arc::downgrade(&self.0);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(KEPT).await;
                    let Some(cache) = cache.upgrade() else { return };
                    let mut inner = cache.lock().unwrap_or_else(PoisonError::into_inner);
                    inner.clips.retain(|kept| kept.until > Instant::now());
                    if inner.clips.is_empty() {
                        inner.pruned = false;
                        return;
                    }
                }
            });
        }
    }
}
