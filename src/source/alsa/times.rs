//! The times of audio: where the samples of a sound card stand on the clock of the pictures. Pure.

/// How fast the smoothing follows, in Hz: a second's jitter is averaged, a card that is 1 % off is followed.
const BANDWIDTH: f64 = 0.2;
/// In the first second it follows faster.
const FIRST_BANDWIDTH: f64 = 1.0;
const FIRST: f64 = 1_000_000.0;
/// A time further than this, in microseconds, from where it should be is no jitter: audio was lost, or the card was away.
const JUMP: f64 = 50_000.0;

/// A delay-locked loop of second order (F. Adriaensen, "Using a DLL to filter time", 2005): it learns how fast the card's clock runs,
/// and gives times without jitter that never drift from those of the driver.
#[derive(Debug, Default)]
pub struct Times {
    state: Option<State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// When the next packet should come.
    next: f64,
    /// Microseconds a sample takes.
    sample: f64,
    /// Microseconds since the start.
    age: f64,
}

impl Times {
    /// The time of the first sample of a packet of `samples` at `rate` Hz, when the driver says `measured`; microseconds.
    pub fn next(&mut self, measured: i64, samples: usize, rate: u32) -> i64 {
        let nominal = 1e6 / f64::from(rate.max(1));
        let measured = measured as f64;
        let state = self.state.filter(|s| (measured - s.next).abs() <= JUMP);
        let State { next, sample, age } = state.unwrap_or(State { next: measured, sample: nominal, age: 0.0 });
        let length = samples as f64 * sample;
        let bandwidth = if age < FIRST { FIRST_BANDWIDTH } else { BANDWIDTH };
        let omega = (std::f64::consts::TAU * bandwidth * length / 1e6).min(0.5);
        let error = measured - next;
        let time = next;
        // Within 2 % of what it says: no crystal is worse, and a packet that lies cannot derail it.
        let sample = (sample + omega * omega * error / samples.max(1) as f64).clamp(0.98 * nominal, 1.02 * nominal);
        let next = next + std::f64::consts::SQRT_2 * omega * error + samples as f64 * sample;
        self.state = Some(State { next, sample, age: age + length });
        time.round() as i64
    }

    /// How fast the card's clock runs against the pictures': 1.01 is one per cent fast.
    pub fn speed(&self, rate: u32) -> f64 {
        self.state.map_or(1.0, |s| 1e6 / f64::from(rate.max(1)) / s.sample)
    }

    /// Audio was lost, or the card was away: the next time counts.
    pub fn restart(&mut self) {
        self.state = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;
    const PERIOD: usize = 480;

    /// The largest distance from the true time after five seconds, for a card that is `speed` times as fast as it says, its times
    /// being late by up to `jitter` microseconds.
    fn worst(speed: f64, jitter: i64, seconds: usize) -> (f64, f64) {
        let mut times = Times::default();
        let (mut worst, mut noise) = (0f64, 12345u64);
        for n in 0..seconds * 100 {
            let exact = n as f64 * 10_000.0 / speed;
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let late = if jitter == 0 { 0 } else { (noise >> 33) as i64 % jitter };
            let time = times.next(1_000_000_000 + exact as i64 + late, PERIOD, RATE) as f64 - 1e9;
            if n > 500 {
                worst = worst.max((time - exact - jitter as f64 / 2.0).abs());
            }
        }
        (worst, times.speed(RATE))
    }

    #[test]
    fn a_card_that_is_off_is_followed() {
        for speed in [1.0, 1.0001, 0.99, 1.01] {
            let (off, found) = worst(speed, 0, 60);
            assert!(off < 200.0, "{speed}: {off} µs off");
            assert!((found / speed - 1.0).abs() < 1e-4, "{speed}: found {found}");
        }
    }

    #[test]
    fn jitter_is_smoothed() {
        let (off, found) = worst(1.01, 4000, 60);
        assert!(off < 600.0, "{off} µs of 4000");
        assert!((found / 1.01 - 1.0).abs() < 2e-3, "found {found}");
    }

    #[test]
    fn a_hole_is_a_new_start() {
        let mut times = Times::default();
        for n in 0..100 {
            times.next(n * 10_000, PERIOD, RATE);
        }
        assert_eq!(times.next(2_000_000, PERIOD, RATE), 2_000_000);
        assert_eq!(times.next(2_010_000, PERIOD, RATE), 2_010_000);
        times.restart();
        assert_eq!(times.next(2_030_000, PERIOD, RATE), 2_030_000);
    }

    #[test]
    fn extremes_do_no_harm() {
        let mut times = Times::default();
        for (measured, samples, rate) in [(i64::MAX, 0, 0), (i64::MIN, usize::MAX, 1), (0, 1, u32::MAX), (i64::MAX, 1 << 20, 1)] {
            times.next(measured, samples, rate);
        }
        assert!(times.speed(0).is_finite());
    }
}
