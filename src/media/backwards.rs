//! Times that go back, as they do where two programs write into one pipe.

/// A step back is reported at the second time: one alone is a clock that was set, or a recording that begins anew.
const TOLD_AT: u32 = 2;
/// More tracks are not watched.
const MAX_TRACKS: usize = 32;

/// Watches the times of a stream's tracks, as they come in. Pure.
#[derive(Clone, Debug, Default)]
pub struct TimeWatch {
    /// The latest time of each track, in microseconds.
    latest: Vec<(u32, i64)>,
    steps: u32,
}

impl TimeWatch {
    /// Takes note of a time, in microseconds. Gives how far it is behind the one before it in the same track, when that is worth a
    /// word: once in a stream. Less than `slack` is reordering.
    pub fn step_back(&mut self, track: u32, time: i64, slack: i64) -> Option<i64> {
        let Some((_, latest)) = self.latest.iter_mut().find(|(id, _)| *id == track) else {
            if self.latest.len() < MAX_TRACKS {
                self.latest.push((track, time));
            }
            return None;
        };
        let back = latest.saturating_sub(time);
        if back <= 0 || back > slack {
            *latest = time;
        }
        self.steps += u32::from(back > slack && self.steps < u32::MAX);
        (back > slack && self.steps == TOLD_AT).then_some(back)
    }
}

/// What is said then.
pub fn step_back_line(input: &str, micros: i64) -> String {
    format!("{input}: times go back by {:.1} s, again and again: do two programs write into it?", micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_writers_are_told_once() {
        let reported = |times: &[(u32, i64)]| {
            let mut watch = TimeWatch::default();
            times.iter().filter_map(|(track, time)| watch.step_back(*track, *time, 100)).collect::<Vec<_>>()
        };
        let two: Vec<_> = (0..50).flat_map(|n| [(1, n * 40), (1, n * 40 - 3000)]).collect();
        assert_eq!(reported(&two), [3000]);
        assert!(reported(&[(1, 0), (1, 160), (1, 80), (1, 120), (1, 320), (1, 240)]).is_empty(), "reordering");
        assert!(reported(&[(1, 10_000), (1, 0), (1, 40), (1, 80)]).is_empty(), "begun anew");
        assert!(reported(&[(1, 10_000), (2, 0), (1, 10_040), (2, 40)]).is_empty(), "tracks of their own");
        assert!(reported(&[(1, i64::MAX), (1, i64::MIN)]).is_empty());
    }
}
