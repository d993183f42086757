//! What of before is still in the ring: how far back it goes, and which keyframe was on the screen at a moment.

use super::from_ring;
use crate::media::WallTime;
use crate::serve::live::ring::{Entry, Ring};
use std::sync::Arc;
use std::time::Duration;

/// What ends so long before a moment, in microseconds, is what was on the screen then: `rec.json` tells of no shorter gap.
pub const PAUSE: i64 = 1_000_000;
/// A stream of which nothing has come for so long stands.
const STANDS: Duration = Duration::from_secs(2);

/// What can be seen again out of the ring alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSpan {
    /// When its first keyframe was captured,
    pub from: WallTime,
    /// and when it ends.
    pub to: WallTime,
    /// It goes on.
    pub live: bool,
}

/// `None`: there is nothing that can be seen again, as of a stream of single pictures.
pub fn span(ring: &Ring, now: WallTime) -> Option<RingSpan> {
    let zero = from_ring::zero(ring, now)?;
    let (first, newest) = (ring.from(ring.begin()).find(|entry| is_main_key(entry))?, ring.newest()?);
    let live = newest.arrived.elapsed() < STANDS;
    Some(RingSpan { from: zero.at(first.chunk.start), to: zero.at(newest.chunk.end()), live })
}

/// The keyframe that was on the screen at this time, or the last before it, and when it was captured. `None`: the ring does not reach back so far, or there was nothing
/// then.
pub fn keyframe(ring: &Ring, time: WallTime, now: WallTime) -> Option<(&Arc<Entry>, WallTime)> {
    let zero = from_ring::zero(ring, now)?;
    let (mut key, mut last) = (None, None);
    for entry in ring.from(ring.begin()).filter(|entry| zero.at(entry.chunk.start) <= time) {
        key = if is_main_key(entry) { Some(entry) } else { key };
        last = Some(entry);
    }
    let is_there = zero.at(last?.chunk.end()).0.saturating_add(PAUSE) > time.0;
    key.filter(|_| is_there).map(|key| (key, zero.at(key.chunk.start)))
}

fn is_main_key(entry: &Entry) -> bool {
    entry.chunk.key && entry.init.as_ref().is_some_and(|init| entry.tracks & init.main() != 0)
}
