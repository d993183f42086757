//! Times for formats that have none: from a frame rate, or from arrival.

use crate::media::{Rate, Timestamp};

/// Where the times of a format without times come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Timing {
    /// From the stream itself where it says so (VUI, y4m header, sample rate), else 25 frames a second.
    Stream,
    /// This frame rate, whatever the stream says.
    Rate(Rate),
    /// The time of arrival.
    Arrival,
}

/// The rate of a stream of pictures that declares none: as ffmpeg assumes.
const DEFAULT_RATE: (u32, u32) = (25, 1);

/// The times of one track's frames.
#[derive(Clone, Debug)]
pub struct FrameTimes {
    timing: Timing,
    rate: Rate,
    last: Option<Timestamp>,
}

impl FrameTimes {
    /// `stream` is the rate that the stream says to have.
    pub fn new(timing: Timing, stream: Option<Rate>) -> FrameTimes {
        let default = || Rate::new(DEFAULT_RATE.0, DEFAULT_RATE.1).expect("a rate of 25 is one");
        let rate = if let Timing::Rate(rate) = timing { rate } else { stream.unwrap_or_else(default) };
        FrameTimes { timing, rate, last: None }
    }

    /// The nominal rate for the track's description; `None` if frames come when they come, and it is not said how often.
    pub fn nominal(timing: Timing, stream: Option<Rate>) -> Option<Rate> {
        match timing {
            Timing::Arrival => stream,
            Timing::Stream | Timing::Rate(_) => Some(FrameTimes::new(timing, stream).rate),
        }
    }

    /// The time of the frame with this number in presentation order, which arrived at `now`. Times of arrival are made to grow.
    pub fn time(&mut self, number: u64, now: Timestamp) -> Timestamp {
        match self.timing {
            Timing::Arrival => {
                let time = self.last.map_or(now, |last| now.max(last + 1));
                self.last = Some(time);
                time
            }
            Timing::Stream | Timing::Rate(_) => self.rate.time_of(number),
        }
    }
}

/// The times of audio: samples are counted, from the arrival of the first if that is wanted.
#[derive(Clone, Debug)]
pub struct SampleTimes {
    start: Option<Timestamp>,
    samples: u64,
    rate: u32,
}

impl SampleTimes {
    /// `rate` in Hz.
    pub fn new(timing: Timing, rate: u32) -> SampleTimes {
        SampleTimes { start: (timing != Timing::Arrival).then_some(Timestamp::ZERO), samples: 0, rate }
    }

    /// The time of the next packet, which has so many samples per channel and arrived at `now`.
    pub fn time(&mut self, samples: u32, now: Timestamp) -> Timestamp {
        let start = *self.start.get_or_insert(now);
        let elapsed = i64::try_from(self.samples).unwrap_or(i64::MAX);
        self.samples += u64::from(samples);
        start + Timestamp::from_ticks(elapsed, self.rate).micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let ntsc = Rate::new(30000, 1001);
        let mut stream = FrameTimes::new(Timing::Stream, ntsc);
        assert_eq!(stream.time(30000, Timestamp(5)), Timestamp(1_001_000_000));
        assert_eq!(FrameTimes::new(Timing::Stream, None).time(1, Timestamp(5)), Timestamp(40_000));
        let one = Rate::new(1, 1).unwrap();
        assert_eq!(FrameTimes::new(Timing::Rate(one), ntsc).time(3, Timestamp(5)), Timestamp(3_000_000));
        assert_eq!(FrameTimes::nominal(Timing::Arrival, None), None);
        assert_eq!(FrameTimes::nominal(Timing::Stream, None), Rate::new(25, 1));
    }

    #[test]
    fn arrival_grows() {
        let mut arrival = FrameTimes::new(Timing::Arrival, None);
        let times = [0, 7, 7, 3, 20].map(|now| arrival.time(0, Timestamp(now)).micros());
        assert_eq!(times, [0, 7, 8, 9, 20]);
    }

    #[test]
    fn samples() {
        let mut counted = SampleTimes::new(Timing::Stream, 44_100);
        assert_eq!([441, 441, 1].map(|n| counted.time(n, Timestamp(5)).micros()), [0, 10_000, 20_000]);
        let mut arrival = SampleTimes::new(Timing::Arrival, 48_000);
        assert_eq!([480, 480].map(|n| arrival.time(n, Timestamp(5_000)).micros()), [5_000, 15_000]);
    }
}
