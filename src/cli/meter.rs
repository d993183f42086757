//! Rates and stalls, from totals noted now and then. Pure: times are arguments.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rates are means over this time: long enough to be steady at 5 frames a second, short enough to follow.
const WINDOW: Duration = Duration::from_secs(3);

/// Without a frame for this long, /healthz says 503, unless [`super::Stats::set_stall_limit`] says otherwise.
const STALL_LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub pictures: u64,
    pub frames: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    pub fps: f64,
    pub bits_per_second: f64,
}

/// Rates and stalls, from totals noted now and then.
pub struct Meter {
    samples: VecDeque<(Instant, Totals)>,
    moved: Instant,
    pub stall_limit: Duration,
}

impl Meter {
    pub fn new(now: Instant) -> Meter {
        Meter { samples: VecDeque::from([(now, Totals::default())]), moved: now, stall_limit: STALL_LIMIT }
    }

    pub fn sample(&mut self, now: Instant, totals: Totals) {
        if self.samples.back().is_none_or(|(_, last)| last.frames != totals.frames) {
            self.moved = now;
        }
        self.samples.push_back((now, totals));
        while self.samples.len() > 2 && now - self.samples[1].0 >= WINDOW {
            self.samples.pop_front();
        }
    }

    pub fn rates(&self) -> Rates {
        let (Some((from, a)), Some((to, b))) = (self.samples.front(), self.samples.back()) else { return Rates::default() };
        let seconds = (*to - *from).as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        // The main flow may change from input to output once, at the first frame: hence saturating.
        let per_second = |from: u64, to: u64| to.saturating_sub(from) as f64 / seconds;
        Rates { fps: per_second(a.pictures, b.pictures), bits_per_second: 8.0 * per_second(a.bytes, b.bytes) }
    }

    pub fn health(&self, now: Instant) -> Result<(), String> {
        let still = now - self.moved;
        match self.samples.back() {
            Some((_, totals)) if totals.frames == 0 => Err(format!("no frame yet, {:.1} s after the start", still.as_secs_f64())),
            _ if still > self.stall_limit => Err(format!("no frame for {:.1} s", still.as_secs_f64())),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_means_over_the_window() {
        let start = Instant::now();
        let mut meter = Meter::new(start);
        for second in 1..=10 {
            let frames = if second <= 5 { 0 } else { (second - 5) * 30 };
            meter.sample(start + Duration::from_secs(second), Totals { pictures: frames, frames, bytes: frames * 1000 });
        }
        assert_eq!(meter.rates(), Rates { fps: 30.0, bits_per_second: 240_000.0 });
    }

    #[test]
    fn no_frames_is_not_healthy() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut meter = Meter::new(start);
        assert!(meter.health(at(1)).unwrap_err().contains("yet"));
        meter.sample(at(2), Totals { pictures: 1, frames: 1, bytes: 1 });
        assert_eq!(meter.health(at(3)), Ok(()));
        meter.sample(at(8), Totals { pictures: 1, frames: 1, bytes: 1 });
        assert_eq!(meter.health(at(8)).unwrap_err(), "no frame for 6.0 s");
        meter.stall_limit = Duration::from_secs(60);
        assert_eq!(meter.health(at(8)), Ok(()));
    }
}
