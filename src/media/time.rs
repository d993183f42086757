//! Every time base has its own type: stream time, wall-clock time, frame rate.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Stream time: integer microseconds since the stream's time zero. May be negative (audio priming).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Time zero of the stream.
    pub const ZERO: Timestamp = Timestamp(0);

    /// Microseconds since time zero.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// The time `ticks / timescale` seconds, rounded to the nearest microsecond. `timescale` 0 counts as 1.
    pub fn from_ticks(ticks: i64, timescale: u32) -> Self {
        let scale = i128::from(timescale.max(1));
        let num = i128::from(ticks) * 1_000_000;
        let half = if num < 0 { -scale / 2 } else { scale / 2 };
        Timestamp(((num + half) / scale).clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    /// Later by so much, or the latest time there is.
    pub fn saturating_add(self, d: Duration) -> Self {
        Timestamp(self.0.saturating_add(i64::try_from(d.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How far `self` is after `earlier`; zero if it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

impl Add<i64> for Timestamp {
    type Output = Timestamp;
    fn add(self, micros: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(micros))
    }
}

impl Sub for Timestamp {
    /// Difference in microseconds.
    type Output = i64;
    fn sub(self, other: Timestamp) -> i64 {
        self.0.saturating_sub(other.0)
    }
}

/// Wall-clock time: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(pub i64);

impl WallTime {
    /// By the clock of the system.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallTime(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// The wall-clock time of stream time `t`, when `self` is the wall-clock time of time zero.
    pub fn at(self, t: Timestamp) -> WallTime {
        WallTime(self.0.saturating_add(t.0))
    }

    /// 64-bit NTP time (RFC 5905, section 6): seconds since 1900 and a binary fraction.
    pub fn ntp(self) -> u64 {
        const EPOCH_1900: i64 = 2_208_988_800;
        let secs = self.0.div_euclid(1_000_000) + EPOCH_1900;
        let frac = ((self.0.rem_euclid(1_000_000) as u64) << 32) / 1_000_000;
        ((secs as u64) << 32) | frac
    }

    /// The inverse of [`WallTime::ntp`], rounded to the nearest microsecond.
    pub fn from_ntp(ntp: u64) -> WallTime {
        const EPOCH_1900: i64 = 2_208_988_800;
        let secs = (ntp >> 32) as i64 - EPOCH_1900;
        let micros = ((ntp & 0xffff_ffff) * 1_000_000 + (1 << 31)) >> 32;
        WallTime(secs * 1_000_000 + micros as i64)
    }
}

/// A frame rate as a fraction, 1/1000 to 1000 frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    num: u32,
    den: u32,
}

impl Rate {
    /// `num / den` frames a second, in lowest terms; `None` outside 1/1000 to 1000.
    pub fn new(num: u32, den: u32) -> Option<Rate> {
        let (n, d) = (u64::from(num), u64::from(den));
        let sane = d > 0 && n * 1000 >= d && n <= d * 1000;
        let divisor = gcd(num, den);
        sane.then(|| Rate { num: num / divisor, den: den / divisor })
    }

    /// So many frames,
    pub fn num(self) -> u32 {
        self.num
    }

    /// in so many seconds.
    pub fn den(self) -> u32 {
        self.den
    }

    /// Frames a second.
    pub fn fps(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// Length of one frame.
    pub fn frame_duration(self) -> Duration {
        Duration::from_nanos(u64::from(self.den) * 1_000_000_000 / u64::from(self.num))
    }

    /// Time of frame `n`, exact to the microsecond however large `n` is.
    pub fn time_of(self, n: u64) -> Timestamp {
        let t = u128::from(n) * u128::from(self.den) * 1_000_000 / u128::from(self.num);
        Timestamp(i64::try_from(t).unwrap_or(i64::MAX))
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 { write!(f, "{}", self.num) } else { write!(f, "{}/{}", self.num, self.den) }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    /// `30`, `30000/1001` or `29.97` (at most six decimals count).
    fn from_str(s: &str) -> Result<Rate, RateError> {
        let parsed = match s.split_once('/') {
            Some((n, d)) => n.parse().ok().zip(d.parse().ok()),
            None => s.parse::<f64>().ok().filter(|f| (0.001..=1000.0).contains(f)).map(fraction),
        };
        parsed.and_then(|(n, d)| Rate::new(n, d)).ok_or(RateError)
    }
}

fn fraction(fps: f64) -> (u32, u32) {
    if fps.fract() == 0.0 {
        return (fps as u32, 1);
    }
    let ntsc = fps.ceil() * 1000.0 / 1001.0;
    if (fps - ntsc).abs() < 0.005 {
        return (fps.ceil() as u32 * 1000, 1001);
    }
    ((fps * 1_000_000.0).round() as u32, 1_000_000)
}

/// The text is no frame rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame rate is a number or fraction from 1/1000 to 1000, such as 30 or 30000/1001")]
pub struct RateError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        assert_eq!("29.97".parse(), Ok(Rate { num: 30000, den: 1001 }));
        assert_eq!("25".parse(), Ok(Rate { num: 25, den: 1 }));
        assert_eq!("1/5".parse(), Ok(Rate { num: 1, den: 5 }));
        assert_eq!(Rate::new(60, 2), Rate::new(30, 1));
        assert_eq!("0".parse::<Rate>(), Err(RateError));
        assert_eq!("5/0".parse::<Rate>(), Err(RateError));
        assert_eq!("nan".parse::<Rate>(), Err(RateError));
        assert_eq!(Rate::new(30, 1).unwrap().time_of(30), Timestamp(1_000_000));
    }

    #[test]
    fn ntp_round_trip() {
        for us in [0, 1, 999_999, 1_700_000_000_123_456] {
            assert_eq!(WallTime::from_ntp(WallTime(us).ntp()), WallTime(us));
        }
    }

    #[test]
    fn ticks_round_to_nearest() {
        assert_eq!(Timestamp::from_ticks(1, 3), Timestamp(333_333));
        assert_eq!(Timestamp::from_ticks(2, 3), Timestamp(666_667));
        assert_eq!(Timestamp::from_ticks(-2, 3), Timestamp(-666_667));
        assert_eq!(Timestamp::from_ticks(i64::MAX, 0), Timestamp(i64::MAX));
    }
}
