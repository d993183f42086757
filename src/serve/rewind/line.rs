//! Which moment of the past stands where on the media time line that a player plays. Pure.

use crate::media::WallTime;

/// A moment, where it stands, and how fast it goes on from there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// A moment of the past.
    pub wall: WallTime,
    /// Its media time, in microseconds.
    pub media: i64,
    /// Below zero: backwards.
    pub speed: f64,
}

impl Line {
    /// The media time of a moment.
    pub fn media_of(&self, wall: WallTime) -> i64 {
        let apart = wall.0.saturating_sub(self.wall.0);
        let apart = if self.speed == 1.0 { apart } else { (apart as f64 / self.speed) as i64 };
        self.media.saturating_add(apart)
    }

    /// The moment at a media time.
    pub fn wall_of(&self, media: i64) -> WallTime {
        let apart = media.saturating_sub(self.media);
        let apart = if self.speed == 1.0 { apart } else { (apart as f64 * self.speed) as i64 };
        WallTime(self.wall.0.saturating_add(apart))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for speed in [0.25, 1.0, 4.0, -2.0] {
            let line = Line { wall: WallTime(1_795_717_200_000_000), media: 5_000_000, speed };
            let later = line.wall_of(6_000_000);
            assert_eq!(later.0 - line.wall.0, (speed * 1e6) as i64);
            assert_eq!(line.media_of(later), 6_000_000);
        }
        let line = Line { wall: WallTime(0), media: 0, speed: 0.25 };
        assert_eq!(line.media_of(WallTime(i64::MAX)), i64::MAX);
    }
}
