//! Where audio stands in time: decides, for each packet that comes in, whether it follows on, leaves a gap or overlaps, and
//! how fast the sender's clock runs. Pure arithmetic; the audio itself is in [`super::audio`].

use crate::media::Timestamp;

/// More than this off, in microseconds, is a hole or an overlap and no jitter; capture devices wake up every 10 to 40 ms.
const JUMP: i64 = 80_000;
/// A longer hole or overlap is a new beginning: minutes of silence are not written.
const RESTART: i64 = 10_000_000;
/// Deviations are averaged over this many seconds.
const SMOOTHING: f64 = 1.0;
/// Within this many microseconds of where it should be, audio is left alone.
const CALM: f64 = 3_000.0;
/// A deviation is made good in this many seconds, and the speed that it takes to stay there is learned in twice the time: a clock that is one
/// per cent off never gets more than 20 ms away.
const RECOVERY: f64 = 1.5;
/// Largest change of speed: no sound card is further off, and more would be heard as a wrong pitch.
const MAX_SPEED: f64 = 0.015;

/// What to do with a packet before it is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// It follows on.
    Follows,
    /// Audio is missing: so many microseconds of silence come first.
    Gap(i64),
    /// It was heard already: leave out so many microseconds of its beginning.
    Overlap(i64),
    /// Count from this packet's time anew.
    Restart,
}

/// The input's clock, as seen from the samples that came.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    start: Option<Timestamp>,
    /// Microseconds of audio since `start`, at the output's pace.
    length: f64,
    /// Smoothed deviation of the input's times from that, in microseconds.
    drift: f64,
    /// How much faster the input's clock runs, as far as it is known: 0.01 is one per cent.
    speed: f64,
}

impl Timeline {
    /// Time of the first sample after the last [`Arrival::Restart`].
    pub fn start(&self) -> Option<Timestamp> {
        self.start
    }

    /// A packet of time `pts` and `duration` seconds arrives. After [`Arrival::Restart`] comes [`Timeline::restart`].
    pub fn arrive(&mut self, pts: Timestamp, duration: f64) -> Arrival {
        let Some(start) = self.start else { return Arrival::Restart };
        let off = (pts - start).saturating_sub(self.length.round() as i64);
        if off.saturating_abs() > RESTART {
            return Arrival::Restart;
        }
        if off.abs() > JUMP {
            self.drift = 0.0;
            return if off > 0 { Arrival::Gap(off) } else { Arrival::Overlap(-off) };
        }
        let weight = (duration / SMOOTHING).clamp(0.0, 1.0);
        self.drift += (off as f64 - self.drift) * weight;
        // A controller with a proportional and an integral part, damped critically.
        let learned = self.off() * duration / (4.0 * RECOVERY * RECOVERY);
        self.speed = (self.speed + learned).clamp(-MAX_SPEED, MAX_SPEED);
        Arrival::Follows
    }

    /// Counts from `pts` on.
    pub fn restart(&mut self, pts: Timestamp) {
        *self = Timeline { start: Some(pts), ..Timeline::default() };
    }

    /// So many microseconds of audio were made of the input since the start.
    pub fn set_length(&mut self, micros: f64) {
        self.length = micros;
    }

    /// How much longer than it came audio should be made, to stay where the input's times are: about 1.
    pub fn stretch(&self) -> f64 {
        1.0 + (self.off() / RECOVERY + self.speed).clamp(-MAX_SPEED, MAX_SPEED)
    }

    /// The deviation beyond what is left alone, in seconds.
    fn off(&self) -> f64 {
        (self.drift.abs() - CALM).max(0.0).copysign(self.drift) / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: f64 = 0.02;

    /// Feeds packets of 20 ms whose times run `speed` times as fast, for `seconds`; gives the worst deviation seen.
    fn run(timeline: &mut Timeline, speed: f64, seconds: f64) -> f64 {
        let mut worst = 0f64;
        let packets = (seconds / PACKET) as i64;
        let first = timeline.length;
        for n in 0..packets {
            let pts = Timestamp((first + n as f64 * PACKET * speed * 1e6) as i64);
            if n == 0 && timeline.start().is_none() {
                timeline.restart(pts);
            }
            assert_eq!(timeline.arrive(pts, PACKET), Arrival::Follows, "packet {n}");
            worst = worst.max((pts.0 as f64 - timeline.length).abs());
            timeline.length += PACKET * 1e6 * timeline.stretch();
        }
        worst
    }

    #[test]
    fn a_clock_that_is_off_never_drifts_away() {
        for ppm in [-10_000.0, -300.0, -50.0, 50.0, 300.0, 1000.0, 10_000.0] {
            let mut timeline = Timeline::default();
            let worst = run(&mut timeline, 1.0 + ppm / 1e6, 3600.0);
            assert!(worst < 20_000.0, "{ppm} ppm: {worst} µs off");
            let worst = run(&mut timeline, 1.0 + ppm / 1e6, 60.0);
            assert!(worst < 5_000.0, "{ppm} ppm, learned: {worst} µs off");
        }
    }

    #[test]
    fn an_exact_clock_is_left_alone() {
        let mut timeline = Timeline::default();
        run(&mut timeline, 1.0, 60.0);
        assert_eq!(timeline.stretch(), 1.0);
        // Jitter of 20 ms either way changes nothing for good.
        for n in 0..500 {
            let jitter = if n % 2 == 0 { 20_000 } else { -20_000 };
            assert_eq!(timeline.arrive(Timestamp(timeline.length as i64 + jitter), PACKET), Arrival::Follows);
            timeline.length += PACKET * 1e6;
        }
        assert_eq!(timeline.stretch(), 1.0);
    }

    #[test]
    fn holes_overlaps_and_new_beginnings() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.arrive(Timestamp(5_000_000), PACKET), Arrival::Restart);
        timeline.restart(Timestamp(5_000_000));
        timeline.set_length(20_000.0);
        assert_eq!(timeline.arrive(Timestamp(5_120_000), PACKET), Arrival::Gap(100_000));
        timeline.set_length(140_000.0);
        assert_eq!(timeline.arrive(Timestamp(5_040_000), PACKET), Arrival::Overlap(100_000));
        for pts in [60_000_000, -6_000_000, i64::MAX, i64::MIN] {
            assert_eq!(timeline.arrive(Timestamp(pts), PACKET), Arrival::Restart, "{pts}");
        }
        timeline.restart(Timestamp(i64::MIN));
        assert_eq!(timeline.arrive(Timestamp(i64::MAX), PACKET), Arrival::Restart);
    }
}
