//! Whether a decoder has found a start in a stream.

use std::time::{Duration, Instant};

/// So long a stream may run before a warning says that no viewer can start in it: an encoder's keyframes are a second or two apart.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is said of a video stream without a keyframe, in every program and on the page.
pub const NO_KEYFRAME: &str = "no keyframe so far; set the encoder's keyframe interval to 1 s";

/// Waits for the first keyframe of a stream. Pure: times are arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyframeWatch {
    /// When the first frame came, while there has been no keyframe.
    since: Option<Instant>,
    found: bool,
}

impl KeyframeWatch {
    /// Takes note of a frame of the track that a decoder starts with.
    pub fn frame(&mut self, key: bool, now: Instant) {
        self.found |= key;
        self.since.get_or_insert(now);
    }

    /// There has been a keyframe.
    pub fn found(&self) -> bool {
        self.found
    }

    /// Frames come, and none of them is a keyframe.
    pub fn lacks(&self) -> bool {
        self.since.is_some() && !self.found
    }

    /// That has been so for too long.
    pub fn is_overdue(&self, now: Instant) -> bool {
        !self.found && self.since.is_some_and(|since| now.saturating_duration_since(since) >= PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_waited_for() {
        let (t, mut watch) = (Instant::now(), KeyframeWatch::default());
        assert!(!watch.is_overdue(t + PATIENCE) && !watch.lacks(), "nothing came");
        watch.frame(false, t);
        watch.frame(false, t + PATIENCE / 2);
        assert!(watch.lacks() && !watch.is_overdue(t + PATIENCE / 2) && watch.is_overdue(t + PATIENCE));
        watch.frame(true, t + PATIENCE);
        watch.frame(false, t + PATIENCE);
        assert!(watch.found() && !watch.lacks() && !watch.is_overdue(t + 2 * PATIENCE));
    }
}
