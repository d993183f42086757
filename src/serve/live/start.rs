//! Whether a viewer who comes now can begin, and if not, why. Pure: times are arguments.

use crate::media::{KeyframeWatch, NO_KEYFRAME};
use serde::Serialize;
use std::time::Instant;

/// Why no viewer can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// The stream has a picture, but only sound comes.
    NoPicture,
    /// None of the pictures so far is a keyframe.
    NoKeyframe,
    /// The newest keyframe has left the ring.
    KeyframeLost,
}

impl Trouble {
    const ALL: [Trouble; 3] = [Trouble::NoPicture, Trouble::NoKeyframe, Trouble::KeyframeLost];

    /// For people: what is wrong, and what to do.
    pub fn text(self) -> &'static str {
        match self {
            Trouble::NoPicture => "no picture so far, only sound",
            Trouble::NoKeyframe => NO_KEYFRAME,
            Trouble::KeyframeLost => "a group of pictures is larger than --ring; set the encoder's keyframe interval to 1 s",
        }
    }

    /// As a number; 0 is none.
    pub(crate) fn code(trouble: Option<Trouble>) -> u8 {
        trouble.map_or(0, |trouble| trouble as u8 + 1)
    }

    pub(crate) fn of_code(code: u8) -> Option<Trouble> {
        Trouble::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }
}

/// What is known of a stream's starts.
#[derive(Debug)]
pub struct Start {
    watch: KeyframeWatch,
    /// Chunks of the main track have come.
    pictures: bool,
    /// What a ring keeps, in bytes.
    ring: usize,
    /// From the newest keyframe on.
    bytes: usize,
    lost: bool,
    /// So did the keyframe before.
    lost_before: bool,
}

impl Start {
    pub fn new(ring: usize) -> Start {
        Start { watch: KeyframeWatch::default(), pictures: false, ring, bytes: 0, lost: false, lost_before: false }
    }

    /// Takes note of a chunk of `bytes` in the ring. `main`: it is of the track that viewers start with.
    pub fn chunk(&mut self, main: bool, key: bool, bytes: usize, now: Instant) {
        self.watch.frame(main && key, now);
        self.pictures |= main;
        if main && key {
            (self.lost_before, self.lost, self.bytes) = (self.lost, false, 0);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        // The newest chunk is always kept.
        self.lost |= self.bytes > self.ring && !(main && key);
    }

    /// A viewer could begin at some time.
    pub fn found(&self) -> bool {
        self.watch.found()
    }

    pub fn trouble(&self, now: Instant) -> Option<Trouble> {
        match self.watch.is_overdue(now) {
            true if self.pictures => Some(Trouble::NoKeyframe),
            true => Some(Trouble::NoPicture),
            false if self.found() && (self.lost || self.lost_before) => Some(Trouble::KeyframeLost),
            false => None,
        }
    }

    /// The trouble of a stream that has ended without a start.
    pub fn missing(&self) -> Option<Trouble> {
        let missing = if self.pictures { Trouble::NoKeyframe } else { Trouble::NoPicture };
        self.watch.lacks().then_some(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_keeps_viewers_from_beginning() {
        let (t, later) = (Instant::now(), Instant::now() + Duration::from_secs(10));
        let mut start = Start::new(1000);
        assert_eq!((start.trouble(later), start.missing()), (None, None), "nothing came");
        start.chunk(false, true, 10, t);
        assert_eq!((start.trouble(t), start.trouble(later)), (None, Some(Trouble::NoPicture)));
        start.chunk(true, false, 10, t);
        assert_eq!((start.trouble(t), start.trouble(later), start.missing()), (None, Some(Trouble::NoKeyframe), Some(Trouble::NoKeyframe)));
        start.chunk(true, true, 2000, t);
        assert_eq!((start.trouble(later), start.found()), (None, true));
        start.chunk(true, false, 1, t);
        assert_eq!(start.trouble(later), Some(Trouble::KeyframeLost));
        start.chunk(true, true, 500, t);
        start.chunk(false, true, 400, t);
        assert_eq!(start.trouble(later), Some(Trouble::KeyframeLost), "until a whole group fits");
        start.chunk(true, true, 500, t);
        assert_eq!(start.trouble(later), None);
    }

    #[test]
    fn codes_round_trip() {
        for trouble in [None].into_iter().chain(Trouble::ALL.map(Some)) {
            assert_eq!(Trouble::of_code(Trouble::code(trouble)), trouble);
        }
        assert_eq!(Trouble::of_code(200), None);
    }
}
