//! Tells a network that carries less than the stream from one that pauses. Pure: times are arguments.

use std::time::{Duration, Instant};

/// What is known of one viewer. It is late if what has reached it is behind the newest chunk by more than a sixth of the limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slowness {
    /// Since when it is late by more than a third.
    third: Option<Instant>,
    /// Since when it is late and takes something.
    taking: Option<Taking>,
}

/// A stretch of time in which a viewer that is late takes something.
#[derive(Clone, Copy, Debug)]
struct Taking {
    since: Instant,
    /// How late it was then.
    behind: Duration,
    /// What it took last, by the time at which that came in, and when.
    newest: Instant,
    took: Instant,
}

impl Slowness {
    /// It is not late.
    pub fn is_none(&self) -> bool {
        self.third.is_none() && self.taking.is_none()
    }

    /// Whether less is carried than comes: it was late by more than a third of the limit for a third of it, whatever was the reason, or it was late for
    /// that time, took something all the while, and did not catch up. One that is behind by more than the limit is another matter.
    ///
    /// `behind`: how far behind it is; `oldest`: when the oldest chunk came in that has not reached it.
    pub fn look(&mut self, now: Instant, oldest: Instant, behind: Duration, limit: Duration) -> bool {
        let for_long = self.is_late_for_long(now, behind, limit);
        (self.falls_back(now, oldest, behind, limit) || for_long) && behind <= limit
    }

    fn is_late_for_long(&mut self, now: Instant, behind: Duration, limit: Duration) -> bool {
        if behind <= limit / 3 {
            self.third = None;
            return false;
        }
        now.saturating_duration_since(*self.third.get_or_insert(now)) >= limit / 3
    }

    fn falls_back(&mut self, now: Instant, oldest: Instant, behind: Duration, limit: Duration) -> bool {
        if behind <= limit / 6 {
            self.taking = None;
            return false;
        }
        let afresh = Taking { since: now, behind, newest: oldest, took: now };
        let taking = self.taking.get_or_insert(afresh);
        if oldest > taking.newest {
            // It was a pause.
            if now.saturating_duration_since(taking.took) > limit / 6 {
                *taking = afresh;
            }
            (taking.newest, taking.took) = (oldest, now);
        }
        let time = now.saturating_duration_since(taking.since);
        let pauses = now.saturating_duration_since(taking.took) > limit / 6;
        if time < limit / 3 || pauses {
            return false;
        }
        let catches_up = behind + time / 8 <= taking.behind;
        if catches_up {
            *taking = Taking { took: taking.took, ..afresh };
        }
        !catches_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);
    const FRAME: Duration = Duration::from_millis(40);

    /// A chunk comes each 40 ms; `takes` says which part of one the viewer takes then. Gives when the viewer was found to be slow, in frames, and was
    /// level again by that.
    fn slow(takes: impl Fn(u32) -> f64) -> Vec<u32> {
        let (t, mut slowness, mut taken, mut found) = (Instant::now(), Slowness::default(), 0.0, vec![]);
        for n in 0..500 {
            let oldest = (taken as u32).min(n);
            let (now, behind) = (t + FRAME * n, FRAME * (n - oldest));
            if slowness.look(now, t + FRAME * oldest, behind, LIMIT) {
                (slowness, taken) = (Slowness::default(), f64::from(n));
                found.push(n);
            }
            taken = (taken + takes(n)).min(f64::from(n) + 1.0);
        }
        found
    }

    #[test]
    fn one_that_carries_less_than_comes() {
        // Late by a sixth after 28 frames, and 17 frames more.
        let found = slow(|_| 0.7);
        assert!((42..50).contains(&found[0]) && (9..=11).contains(&found.len()), "{found:?}");
        let found = slow(|_| 0.97);
        assert!((260..340).contains(&found[0]) && found.len() == 1, "{found:?}");
        assert!(slow(|_| 1.0).is_empty());
    }

    #[test]
    fn a_pause_is_none_and_neither_is_what_is_caught_up() {
        let pause = |n: u32| (100..120).contains(&n);
        for catching_up in [1.3, 2.0, 30.0] {
            let found = slow(|n| if pause(n) { 0.0 } else { catching_up });
            assert!(found.is_empty(), "{catching_up}: {found:?}");
        }
        // A short one, again and again.
        assert!(slow(|n| if n % 14 < 11 { 0.0 } else { 30.0 }).is_empty());
    }

    #[test]
    fn one_that_is_late_for_long_whatever_the_reason() {
        let found = slow(|n| if n < 100 { 1.0 } else { 0.0 });
        assert!((132..140).contains(&found[0]), "{found:?}");
    }
}
