//! A viewer's place in a ring, and the rule for those who fall behind. Pure: times are arguments.

use super::init_segment::{ALL, Mask, TrackSelection};
use super::ring::{Entry, Ring};
use super::slowness::Slowness;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which chunk goes next.
#[derive(Debug)]
pub struct Cursor {
    next: u64,
    tracks: Mask,
    sync_track: Mask,
    state: CursorState,
    /// Main-track frames of the stream that are behind it, sent or skipped.
    passed: u64,
    /// Until then it may be further behind than the limit: it started at a keyframe older than that.
    grace: Instant,
    /// Of one that is late; most are not, and what each chunk needs of a thousand viewers is to be small.
    slowness: Option<Box<Slowness>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CursorState {
    /// Between chunks that it gets one after the other.
    Following,
    /// Skipping to the next keyframe that comes; `count`: what it skips is a loss.
    AwaitingKey { count: bool },
}

impl Cursor {
    /// At the newest keyframe, or before the next one that comes.
    pub fn start(ring: &Ring, selection: &TrackSelection, now: Instant, limit: Duration) -> Cursor {
        let TrackSelection { tracks, sync_track, .. } = *selection;
        let mut cursor = Cursor {
            next: ring.end(),
            tracks,
            sync_track,
            state: CursorState::AwaitingKey { count: false },
            passed: 0,
            grace: now + limit,
            slowness: None,
        };
        if let Some(key) = ring.newest_key(sync_track) {
            cursor.go(key);
        }
        cursor
    }

    /// At this chunk instead, if it is a keyframe that is still there.
    pub fn start_at(&mut self, ring: &Ring, at: Option<u64>) {
        if let Some(key) = at.and_then(|at| ring.get(at)).filter(|entry| entry.chunk.key && entry.tracks & self.sync_track != 0) {
            self.go(key);
        }
    }

    /// For pictures that stand alone: always the newest.
    pub fn newest(ring: &Ring, now: Instant) -> Cursor {
        let next = ring.newest().map_or(ring.end(), |c| c.seq);
        Cursor { next, tracks: ALL, sync_track: ALL, state: CursorState::Following, passed: 0, grace: now, slowness: None }
    }

    fn go(&mut self, key: &Entry) {
        *self = Cursor { next: key.seq, state: CursorState::Following, passed: key.frames.saturating_sub(1), slowness: None, ..*self };
    }

    pub fn tracks(&self) -> Mask {
        self.tracks
    }

    /// How far behind the newest chunk the oldest one is that has not reached the viewer: `held` bytes of what was sent are on their
    /// way. `None` if the next one has left the ring.
    pub fn behind(&self, ring: &Ring, held: usize) -> Option<Duration> {
        let newest = ring.newest()?;
        let next = self.behind_next(ring)?;
        let oldest = ring.oldest_of(held, self.tracks, self.next);
        Some(oldest.map_or(next, |oldest| newest.arrived.saturating_duration_since(oldest.arrived)))
    }

    fn behind_next(&self, ring: &Ring) -> Option<Duration> {
        let newest = match ring.newest() {
            Some(newest) if self.next <= newest.seq => newest,
            _ => return Some(Duration::ZERO),
        };
        ring.get(self.next).map(|c| newest.arrived.saturating_duration_since(c.arrived))
    }

    /// Moves a viewer that is behind more than `limit` to the newest keyframe within the limit, or makes it wait for the next. One that
    /// is slow, as on a network that carries less than the stream, moves as soon as there is a keyframe within a sixth or a third of it: see [`Slowness`].
    /// Gives the number of frames lost when it goes on after a loss. To be called only between whole chunks.
    ///
    /// `held` tells how many bytes are on their way to it; it is asked only of a viewer that does not keep up.
    pub fn catch_up(&mut self, ring: &Ring, now: Instant, limit: Duration, held: impl FnOnce() -> usize) -> Option<u64> {
        let mut spare = limit;
        if self.state == CursorState::Following {
            self.pass_over(ring);
            let late = match self.behind_next(ring) {
                None => true,
                Some(Duration::ZERO) if self.slowness.is_none() => false,
                Some(next) => match self.behind(ring, held()) {
                    None => true,
                    Some(behind) => {
                        // A keyframe waits until what is on its way has arrived.
                        let on_its_way = behind.saturating_sub(next);
                        spare = limit.saturating_sub(on_its_way);
                        if self.is_slow(ring, behind, now, limit) {
                            // Much may be on its way for ever.
                            return self.jump(ring, (behind / 2).min(limit / 3).saturating_sub(on_its_way).max(limit / 8));
                        }
                        behind > limit && now >= self.grace
                    }
                },
            };
            if !late {
                return None;
            }
            self.state = CursorState::AwaitingKey { count: true };
        }
        let CursorState::AwaitingKey { count } = self.state else { return None };
        let lost = self.jump(ring, spare);
        if lost.is_none() {
            self.next = self.next.max(ring.end());
        }
        lost.filter(|_| count)
    }

    fn is_slow(&mut self, ring: &Ring, behind: Duration, now: Instant, limit: Duration) -> bool {
        if now < self.grace {
            self.slowness = None;
            return false;
        }
        let oldest = ring.newest().and_then(|newest| newest.arrived.checked_sub(behind));
        let is_slow = oldest.is_some_and(|oldest| self.slowness.get_or_insert_default().look(now, oldest, behind, limit));
        self.slowness.take_if(|slowness| slowness.is_none());
        is_slow
    }

    /// Goes on at the newest keyframe if that is not older than `spare`. Gives the number of frames passed over.
    fn jump(&mut self, ring: &Ring, spare: Duration) -> Option<u64> {
        let newest = ring.newest()?;
        let fresh = |c: &&Arc<Entry>| c.seq >= self.next && newest.arrived.saturating_duration_since(c.arrived) <= spare;
        let key = ring.newest_key(self.sync_track).filter(fresh)?;
        let lost = key.frames.saturating_sub(1).saturating_sub(self.passed);
        self.go(key);
        Some(lost)
    }

    /// Passes over chunks of other tracks, so that a track that pauses does not look like a viewer that is late.
    fn pass_over(&mut self, ring: &Ring) {
        if ring.get(self.next).is_some() {
            self.next = ring.from(self.next).find(|c| c.tracks & self.tracks != 0).map_or(ring.end(), |c| c.seq);
        }
    }

    /// For pictures that stand alone: on to the newest. Gives the number skipped.
    pub fn skip_to_newest(&mut self, ring: &Ring) -> u64 {
        let newest = ring.newest().map_or(self.next, |c| c.seq.max(self.next));
        newest - std::mem::replace(&mut self.next, newest)
    }

    /// For pictures that stand alone: the newest once more.
    pub fn repeat(&mut self, ring: &Ring) {
        self.next = ring.newest().map_or(self.next, |c| c.seq);
    }

    /// The chunks it gets from here on, as far as they are there. None while it waits for a keyframe.
    pub fn pending<'r>(&self, ring: &'r Ring) -> impl Iterator<Item = &'r Arc<Entry>> + use<'r> {
        let (tracks, next) = (self.tracks, self.next);
        let following = self.state == CursorState::Following && ring.get(next).is_some();
        ring.from(if following { next } else { ring.end() }).filter(move |c| c.tracks & tracks != 0)
    }

    /// Nothing comes next: all that there is has been sent.
    pub fn is_level(&self, ring: &Ring) -> bool {
        self.state == CursorState::Following && self.next == ring.end()
    }

    /// `chunk` is on its way.
    pub fn sent(&mut self, chunk: &Entry) {
        self.next = chunk.seq + 1;
        self.passed = chunk.frames;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::bmff::Chunk;
    use crate::serve::live::init_segment::InitSegment;
    use crate::serve::live::ring::Retention;

    const LIMIT: Duration = Duration::from_secs(2);
    const FRAME: Duration = Duration::from_millis(100);

    /// Ten frames a second, a keyframe every `gop`.
    fn ring(frames: std::ops::Range<u64>, gop: u64, t: Instant) -> Ring {
        let mut ring = Ring::new(Retention { bytes: usize::MAX, age: LIMIT });
        for seq in frames {
            push(&mut ring, seq, gop, t);
        }
        ring
    }

    fn push(ring: &mut Ring, seq: u64, gop: u64, t: Instant) {
        push_of(ring, 1, seq, gop, t + FRAME * seq as u32);
    }

    fn push_of(ring: &mut Ring, tracks: Mask, seq: u64, gop: u64, at: Instant) {
        let (key, init, entry) = (seq.is_multiple_of(gop), Some(InitSegment::for_tests()), Entry::for_tests(b"x", seq, at));
        ring.push(Arc::new(Entry { tracks, chunk: Chunk { key, ..entry.chunk }, init, ..entry }));
    }

    fn selection() -> TrackSelection {
        TrackSelection { tracks: 1, sync_track: 1, codecs: String::new() }
    }

    fn drain(cursor: &mut Cursor, ring: &Ring) -> Vec<u64> {
        let chunks: Vec<_> = cursor.pending(ring).cloned().collect();
        chunks.iter().for_each(|c| cursor.sent(c));
        chunks.iter().map(|c| c.seq).collect()
    }

    #[test]
    fn starts_at_the_newest_keyframe() {
        let t = Instant::now();
        let ring = ring(0..25, 10, t);
        let mut cursor = Cursor::start(&ring, &selection(), t, LIMIT);
        assert_eq!(drain(&mut cursor, &ring), [20, 21, 22, 23, 24]);
        assert_eq!(cursor.behind(&ring, 0), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_on_its_way_counts() {
        let t = Instant::now();
        let mut ring = Ring::new(Retention { bytes: usize::MAX, age: 2 * LIMIT });
        (0..30).for_each(|seq| push(&mut ring, seq, 10, t));
        let mut cursor = Cursor::start(&ring, &selection(), t, LIMIT);
        drain(&mut cursor, &ring);
        let size = ring.newest().unwrap().message.len();
        assert_eq!(cursor.behind(&ring, 0), Some(Duration::ZERO));
        assert_eq!(cursor.behind(&ring, size), Some(Duration::ZERO), "the newest itself");
        assert_eq!(cursor.behind(&ring, 4 * size + 1), Some(4 * FRAME));
        assert_eq!(cursor.behind(&ring, 1 << 20), Some(29 * FRAME), "no more than is known");
        push(&mut ring, 30, 10, t);
        assert_eq!(cursor.catch_up(&ring, t + LIMIT, LIMIT, || 1 << 20), None, "it has but one to get");
        push(&mut ring, 31, 10, t);
        assert_eq!(cursor.catch_up(&ring, t + LIMIT, LIMIT, || 19 * size), None, "20 frames behind, in all");
        assert_eq!(cursor.catch_up(&ring, t + LIMIT, LIMIT, || 20 * size), None, "21 are too many, and so is keyframe 30 behind them");
        assert!(drain(&mut cursor, &ring).is_empty());
        (32..=40).for_each(|seq| push(&mut ring, seq, 10, t));
        assert_eq!(cursor.catch_up(&ring, t + LIMIT, LIMIT, || 0), Some(10), "30 to 39");
    }

    #[test]
    fn waits_for_the_first_keyframe_without_a_loss() {
        let t = Instant::now();
        let mut ring = ring(0..0, 10, t);
        let mut cursor = Cursor::start(&ring, &selection(), t, LIMIT);
        assert_eq!(cursor.catch_up(&ring, t, LIMIT, || 0), None);
        push(&mut ring, 7, 10, t);
        assert_eq!((cursor.catch_up(&ring, t, LIMIT, || 0), drain(&mut cursor, &ring)), (None, vec![]));
        push(&mut ring, 8, 8, t);
        push(&mut ring, 9, 8, t);
        assert_eq!((cursor.catch_up(&ring, t, LIMIT, || 0), drain(&mut cursor, &ring)), (None, vec![8, 9]));
    }

    #[test]
    fn a_late_one_jumps_to_the_newest_keyframe_and_is_told() {
        let t = Instant::now();
        let mut ring = ring(0..5, 10, t);
        let mut cursor = Cursor::start(&ring, &selection(), t, LIMIT);
        assert_eq!(drain(&mut cursor, &ring), [0, 1, 2, 3, 4]);
        for seq in 5..26 {
            push(&mut ring, seq, 10, t);
            assert_eq!(cursor.catch_up(&ring, t + LIMIT, LIMIT, || 0), None, "{seq}: 2.0 s behind is within the limit");
        }
        push(&mut ring, 26, 10, t);
        assert_eq!(cursor.catch_up(&ring, t + LIMIT, LIMIT, || 0), Some(15), "5 to 19 are lost");
        assert_eq!(drain(&mut cursor, &ring), [20, 21, 22, 23, 24, 25, 26]);
    }

    #[test]
    fn on_a_slow_network_it_jumps_before_the_limit() {
        let t = Instant::now();
        let mut ring = ring(0..1, 10, t);
        let mut cursor = Cursor::start(&ring, &selection(), t, LIMIT);
        assert_eq!(drain(&mut cursor, &ring), [0]);
        let mut jumps = Vec::new();
        // It takes nine frames of ten.
        for seq in 1..400 {
            push(&mut ring, seq, 10, t);
            let now = t + FRAME * seq as u32;
            jumps.extend(cursor.catch_up(&ring, now, LIMIT, || 0).map(|lost| (seq, lost)));
            let chunk = cursor.pending(&ring).next().cloned();
            chunk.iter().filter(|_| !seq.is_multiple_of(10)).for_each(|c| cursor.sent(c));
            assert!(cursor.behind(&ring, 0).unwrap() <= LIMIT, "{seq}");
        }
        assert!((40..60).contains(&jumps[0].0), "{jumps:?}");
        assert!((30..=40).contains(&jumps.iter().map(|(_, lost)| lost).sum::<u64>()), "{jumps:?}");
    }

    #[test]
    fn a_pause_of_two_thirds_of_the_limit_costs_nothing() {
        let t = Instant::now();
        let mut ring = ring(0..1, 10, t);
        let mut cursor = Cursor::start(&ring, &selection(), t, LIMIT);
        assert_eq!(drain(&mut cursor, &ring), [0]);
        for seq in 1..400 {
            push(&mut ring, seq, 10, t);
            assert_eq!(cursor.catch_up(&ring, t + FRAME * seq as u32, LIMIT, || 0), None, "{seq}");
            if seq.is_multiple_of(13) {
                drain(&mut cursor, &ring);
            }
        }
    }

    #[test]
    fn without_a_fresh_keyframe_it_waits_for_the_next() {
        let t = Instant::now();
        let mut ring = ring(0..1, 50, t);
        let mut cursor = Cursor::start(&ring, &selection(), t, LIMIT);
        assert_eq!(drain(&mut cursor, &ring), [0]);
        for seq in 1..50 {
            push(&mut ring, seq, 50, t);
            assert_eq!(cursor.catch_up(&ring, t + LIMIT, LIMIT, || 0), None);
            if seq > 22 {
                assert_eq!(cursor.pending(&ring).count(), 0, "{seq}");
            }
        }
        push(&mut ring, 50, 50, t);
        assert_eq!(cursor.catch_up(&ring, t + LIMIT, LIMIT, || 0), Some(49));
        assert_eq!(drain(&mut cursor, &ring), [50]);
    }

    #[test]
    fn an_old_start_has_time_to_catch_up() {
        let t = Instant::now();
        let mut ring = ring(0..60, 100, t);
        let now = t + FRAME * 60;
        let mut cursor = Cursor::start(&ring, &selection(), now, LIMIT);
        push(&mut ring, 60, 100, t);
        assert_eq!((cursor.catch_up(&ring, now, LIMIT, || 0), cursor.pending(&ring).count()), (None, 61));
        let late = now + LIMIT;
        assert_eq!((cursor.catch_up(&ring, late, LIMIT, || 0), cursor.pending(&ring).count()), (None, 0), "time is up");
    }

    #[test]
    fn one_that_left_the_ring_jumps() {
        let t = Instant::now();
        let mut ring = ring(0..1, 10, t);
        let mut cursor = Cursor::start(&ring, &selection(), t, LIMIT);
        for seq in 1..95 {
            push(&mut ring, seq, 10, t);
        }
        assert_eq!(cursor.behind(&ring, 0), None);
        assert_eq!(cursor.catch_up(&ring, t, LIMIT, || 0), Some(90));
        assert_eq!(drain(&mut cursor, &ring), [90, 91, 92, 93, 94]);
    }

    #[test]
    fn a_track_that_pauses_is_no_lag() {
        let t = Instant::now();
        let mut ring = ring(0..1, 10, t);
        let mut cursor = Cursor::start(&ring, &selection(), t, LIMIT);
        assert_eq!(drain(&mut cursor, &ring), [0]);
        for seq in 1..50 {
            push_of(&mut ring, 2, seq, 1, t + FRAME * seq as u32);
            assert_eq!(cursor.catch_up(&ring, t + LIMIT, LIMIT, || 0), None);
        }
        push(&mut ring, 50, 7, t);
        assert_eq!((cursor.catch_up(&ring, t + LIMIT, LIMIT, || 0), drain(&mut cursor, &ring)), (None, vec![50]));
    }

    #[test]
    fn other_tracks_are_passed_over() {
        let t = Instant::now();
        let mut ring = Ring::new(Retention { bytes: usize::MAX, age: LIMIT });
        for seq in 0..6u64 {
            push_of(&mut ring, 1 << (seq % 2), seq, 1, t);
        }
        let mut cursor = Cursor::start(&ring, &selection(), t, LIMIT);
        assert_eq!(drain(&mut cursor, &ring), [4]);
        let mut both = Cursor::start(&ring, &TrackSelection { tracks: 3, ..selection() }, t, LIMIT);
        assert_eq!(drain(&mut both, &ring), [4, 5]);
    }
}
