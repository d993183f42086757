//! The pictures that were sent to a player: which one it shows, which is next, which was before. Pure.

use crate::media::WallTime;
use std::collections::VecDeque;

/// Pictures of which it is known where they were sent: those that steps may go to.
pub const KNOWN: usize = 1024;
/// Two times of one picture differ by less, in microseconds.
const SAME: i64 = 500;
/// A player's media times are exact to this, in microseconds.
const EXACT: i64 = 1000;
/// A picture is this long where nothing is known of it, in microseconds: shorter than any.
const UNKNOWN: i64 = 2000;

/// The moments of pictures and their media times, in microseconds, as they were sent.
#[derive(Debug, Default)]
pub struct SentPictures(VecDeque<(WallTime, i64)>);

impl SentPictures {
    pub fn push(&mut self, picture: (WallTime, i64)) {
        self.0.push_back(picture);
        if self.0.len() > KNOWN {
            self.0.pop_front();
        }
    }

    /// The last one that is shown.
    pub fn last(&self) -> Option<WallTime> {
        self.0.iter().max_by_key(|(_, media)| *media).map(|(wall, _)| *wall)
    }

    /// The one that a player shows at this media time. `None`: it was sent before all of these.
    pub fn at_media(&self, media: i64) -> Option<WallTime> {
        let before = self.0.iter().filter(|(_, begin)| *begin <= media.saturating_add(EXACT));
        before.max_by_key(|(_, begin)| *begin).map(|(wall, _)| *wall)
    }

    /// The one of this moment, or else the first there is.
    pub fn at(&self, moment: WallTime) -> Option<(WallTime, i64)> {
        self.0.iter().filter(|(wall, _)| wall.0 <= moment.0 + SAME).max().or(self.0.iter().min()).copied()
    }

    /// The one after it.
    pub fn after(&self, moment: WallTime) -> Option<(WallTime, i64)> {
        self.0.iter().filter(|(wall, _)| wall.0 > moment.0 + SAME).min().copied()
    }

    /// A moment within the picture that was so many pictures before this one.
    pub fn before(&self, moment: WallTime, steps: usize) -> WallTime {
        let mut known: Vec<i64> = self.0.iter().map(|(wall, _)| wall.0).filter(|wall| *wall <= moment.0 + SAME).collect();
        known.sort_unstable();
        known.dedup();
        match known.len().checked_sub(steps + 1) {
            // In the middle of it: what a stream says of times is not exact.
            Some(index) => WallTime(known[index].midpoint(known[index + 1])),
            None => {
                let frame = known.windows(2).map(|two| two[1] - two[0]).min().unwrap_or(UNKNOWN);
                let first = known.first().copied().unwrap_or(moment.0);
                WallTime(first - frame / 2 - frame * (steps.saturating_sub(known.len().max(1))) as i64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_are_not_equally_far_apart() {
        let mut sent = SentPictures::default();
        assert_eq!((sent.last(), sent.at(WallTime(0)), sent.at_media(0)), (None, None, None));
        assert_eq!(sent.before(WallTime(50_000), 1), WallTime(49_000));
        // The third was decoded before the second.
        let all = [(0, 1_000_000), (73_000, 1_073_000), (40_000, 1_040_000), (200_000, 1_200_000)];
        all.iter().for_each(|(wall, media)| sent.push((WallTime(*wall), *media)));
        assert_eq!(sent.last(), Some(WallTime(200_000)));
        for (media, shown) in
            [(999_500, Some(0)), (998_000, None), (1_039_999, Some(40_000)), (1_072_000, Some(73_000)), (1_190_000, Some(73_000))]
        {
            assert_eq!(sent.at_media(media), shown.map(WallTime), "{media}");
        }
        assert_eq!(sent.at(WallTime(72_600)), Some((WallTime(73_000), 1_073_000)));
        assert_eq!(sent.at(WallTime(-9)), Some((WallTime(0), 1_000_000)));
        assert_eq!(sent.after(WallTime(40_400)), Some((WallTime(73_000), 1_073_000)));
        assert_eq!(sent.after(WallTime(200_000)), None);
        for (steps, moment) in [(1, 56_500), (2, 20_000), (3, -16_500)] {
            assert_eq!(sent.before(WallTime(73_000), steps), WallTime(moment), "{steps}");
        }
    }
}
