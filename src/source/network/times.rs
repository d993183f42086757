//! Stream times of packets that come over a network with times of the sender's clock (RTP, RFC 3550). Pure: arrivals are arguments.
//!
//! A packet's stream time is the sender's time of it, moved by an offset that is fixed when a connection begins. So jitter on the way changes
//! nothing, and nothing is delayed. The sender's clock runs a little faster or slower than ours, and packets come later than they were captured:
//! that changes the wall-clock time of stream time zero, which is reported again when it has moved.

use crate::media::{Timestamp, WallTime};

/// The sender's clock was set if a packet is so much further from the packet before it than their arrivals are, in microseconds,
const AHEAD: i64 = 5_000_000;
/// or if it is so much before it. Reordered pictures are not that far apart.
const BACK: i64 = 1_000_000;
/// Tracks that are less apart by the sender's reports are in step, in microseconds.
const IN_STEP: i64 = 20_000;
/// Tracks that are further apart by the sender's reports have reports that mean nothing, in microseconds.
const APART: i64 = 10_000_000;
/// The earliest arrival is looked for over so long, in microseconds.
const WINDOW: i64 = 5_000_000;
/// A smaller change of the wall-clock time of zero is not reported, in microseconds.
const LEAST_CHANGE: i64 = 10_000;
/// A sender whose clock says that a packet took longer, in microseconds, has a clock that is wrong.
const LONGEST_WAY: i64 = 2_000_000;

/// Stream times of the tracks of one connection.
#[derive(Debug)]
pub struct Times {
    tracks: Vec<TrackTimes>,
    /// Added to the sender's times where a track has no offset of its own; known from the first packet on.
    offset: Option<i64>,
    /// Nothing of this connection is before it.
    not_before: i64,
    in_step: bool,
    /// How late packets of the first track came, at the least: in this window and in the one before.
    lateness: WindowedMinimum,
    zero: Option<WallTime>,
    /// The longest that a packet may have taken by the sender's wall clock, in microseconds.
    longest_way: i64,
    /// How long packets took by the sender's wall clock, in microseconds, where that cannot be.
    disbelieved: Option<i64>,
    jumps: u64,
}

#[derive(Clone, Debug, Default)]
struct TrackTimes {
    offset: Option<i64>,
    /// The sender's time of the last packet, and its arrival.
    last: Option<(i64, i64)>,
    /// The latest stream time so far.
    latest: Option<i64>,
    /// The wall-clock time, by the sender, of its time zero.
    report: Option<i64>,
}

/// The least of what was seen over the last one to two windows.
#[derive(Debug, Default)]
struct WindowedMinimum {
    began: Option<i64>,
    now: Option<i64>,
    before: Option<i64>,
}

impl Times {
    /// For so many tracks; the first is the main one. `not_before`: the end of what went out before this connection. `zero`: the wall-clock
    /// time of stream time zero that was reported then.
    pub fn new(tracks: usize, not_before: Option<Timestamp>, zero: Option<WallTime>) -> Times {
        Times {
            tracks: vec![TrackTimes::default(); tracks],
            offset: None,
            not_before: not_before.map_or(i64::MIN, Timestamp::micros),
            in_step: false,
            lateness: WindowedMinimum::default(),
            zero,
            longest_way: LONGEST_WAY,
            disbelieved: None,
            jumps: 0,
        }
    }

    /// A sender begins with what it captured up to so long ago, in microseconds.
    #[must_use]
    pub fn starting_up_to(self, ago: i64) -> Times {
        Times { longest_way: ago.max(LONGEST_WAY), ..self }
    }

    /// Nothing of this connection has gone out, but something else up to then: its times begin after that.
    pub fn begin_after(&mut self, time: Timestamp) {
        self.not_before = time.micros();
        self.offset = None;
        self.lateness = WindowedMinimum::default();
        for track in &mut self.tracks {
            *track = TrackTimes { report: track.report, ..TrackTimes::default() };
        }
    }

    /// How often the sender's clock was set.
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    /// The stream time of a packet: `sent` by the sender's clock, in microseconds, which came at stream time `arrived`. `back`: how far
    /// its time may be before that of a packet before it, in microseconds. `None`: it is further back, and to be left out.
    pub fn stamp(&mut self, track: usize, sent: i64, arrived: Timestamp, back: i64) -> Option<Timestamp> {
        let arrived = arrived.micros();
        let not_before = self.not_before;
        let first = arrived.max(not_before).saturating_sub(sent);
        let common = *self.offset.get_or_insert(first);
        let times = self.tracks.get_mut(track)?;
        let mut offset = times.offset.unwrap_or(common);
        if let Some((last_sent, last_arrived)) = times.last.replace((sent, arrived)) {
            let step = sent.saturating_sub(last_sent);
            if step < -BACK || step.saturating_sub(arrived.saturating_sub(last_arrived)) > AHEAD {
                self.jumps += 1;
                times.report = None;
                offset = arrived.max(times.latest.map_or(not_before, |latest| latest.saturating_add(1))).saturating_sub(sent);
                if track == 0 {
                    self.lateness = WindowedMinimum::default();
                }
            }
        }
        times.offset = Some(offset);
        let time = sent.saturating_add(offset);
        let floor = times.latest.map_or(not_before, |latest| latest.saturating_sub(back).max(not_before));
        if time < floor {
            return None;
        }
        times.latest = Some(times.latest.map_or(time, |latest| latest.max(time)));
        let has_main = self.tracks.first().is_some_and(|main| main.latest.is_some());
        if track == 0 || !has_main {
            self.lateness.seen(arrived, arrived.saturating_sub(time));
        }
        Some(Timestamp(time))
    }

    /// A sender report (RFC 3550, section 6.4.1): by the sender, its time `sent` in microseconds was the wall-clock time `wall`.
    pub fn report(&mut self, track: usize, sent: i64, wall: WallTime) {
        let Some(times) = self.tracks.get_mut(track) else { return };
        times.report = Some(wall.0.saturating_sub(sent));
        self.bring_into_step();
    }

    /// Once, when the reports of all tracks are there: what was captured at the same time gets the same time.
    fn bring_into_step(&mut self) {
        let Some((main, others)) = self.tracks.split_first_mut() else { return };
        let Some((report, offset)) = main.report.zip(main.offset) else { return };
        if self.in_step || others.iter().any(|other| other.report.is_none() || other.offset.is_none()) {
            return;
        }
        self.in_step = true;
        for other in others {
            let (Some(theirs), Some(old)) = (other.report, other.offset) else { continue };
            let new = offset.saturating_add(theirs.saturating_sub(report));
            if (IN_STEP..APART).contains(&new.saturating_sub(old).saturating_abs()) {
                other.offset = Some(new);
            }
        }
    }

    /// The wall-clock time of stream time zero where it has changed. `arrival`: that of the clock by which arrivals are timed.
    pub fn zero(&mut self, arrival: WallTime) -> Option<WallTime> {
        // What came fastest took no time, unless the sender knows better.
        let earliest = WallTime(arrival.0.saturating_add(self.lateness.least()?));
        let main = self.tracks.first()?;
        let by_sender = main.report.zip(main.offset.or(self.offset)).map(|(report, offset)| WallTime(report.saturating_sub(offset)));
        let way = by_sender.map_or(0, |zero| earliest.0.saturating_sub(zero.0));
        let believed = (0..=self.longest_way).contains(&way);
        self.disbelieved = (!believed).then_some(way);
        let wall = by_sender.filter(|_| believed).unwrap_or(earliest);
        if self.zero.is_some_and(|reported| reported.0.abs_diff(wall.0) < LEAST_CHANGE as u64) {
            return None;
        }
        self.zero = Some(wall);
        Some(wall)
    }

    /// How long packets took by the sender's wall clock, in microseconds, where that cannot be: its clock is wrong.
    pub fn disbelieved(&self) -> Option<i64> {
        self.disbelieved
    }
}

impl WindowedMinimum {
    fn seen(&mut self, now: i64, late: i64) {
        if now.saturating_sub(*self.began.get_or_insert(now)) > WINDOW {
            self.began = Some(now);
            self.before = self.now.take();
        }
        self.now = Some(self.now.map_or(late, |least| least.min(late)));
    }

    fn least(&self) -> Option<i64> {
        self.now.into_iter().chain(self.before).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = 40_000;
    /// How far a picture may be reordered.
    const REORDERED: i64 = 500_000;
    const ARRIVALS: WallTime = WallTime(1_700_000_000_000_000);

    fn stamp(times: &mut Times, track: usize, sent: i64, arrived: i64) -> Option<i64> {
        times.stamp(track, sent, Timestamp(arrived), REORDERED).map(Timestamp::micros)
    }

    #[test]
    fn jitter_does_not_change_times() {
        let mut times = Times::new(1, None, None);
        for n in 0..1000 {
            let late = if n == 0 { 0 } else { n * 7919 % 300_000 };
            assert_eq!(stamp(&mut times, 0, 777 + n * FRAME, n * FRAME + late), Some(n * FRAME));
        }
        assert_eq!(times.jumps(), 0);
    }

    #[test]
    fn tracks_of_one_connection_share_the_senders_time() {
        let mut times = Times::new(2, None, None);
        assert_eq!(stamp(&mut times, 0, 0, 1_000_000), Some(1_000_000));
        assert_eq!(stamp(&mut times, 1, -20_000, 1_040_000), Some(980_000), "it was captured before, though it came later");
    }

    #[test]
    fn a_clock_that_is_set_leaves_no_hole_and_no_step_back() {
        let mut times = Times::new(1, None, None);
        let mut sent = 0;
        let mut last = -1;
        for n in 0..400 {
            sent += FRAME
                + match n {
                    100 => 3_600_000_000,
                    200 => -7_200_000_000,
                    300 => i64::MAX / 2,
                    _ => 0,
                };
            let time = stamp(&mut times, 0, sent, n * FRAME).unwrap();
            assert!(time > last && (time - n * FRAME).abs() <= FRAME, "{n}: {time}");
            last = time;
        }
        assert_eq!(times.jumps(), 3);
    }

    #[test]
    fn a_stalled_line_is_no_jump() {
        let mut times = Times::new(1, None, None);
        for n in 0..1000 {
            let arrived = if (100..600).contains(&n) { 600 * FRAME } else { n * FRAME };
            assert_eq!(stamp(&mut times, 0, n * FRAME, arrived), Some(n * FRAME));
        }
    }

    #[test]
    fn a_new_connection_follows_what_went_out() {
        let mut times = Times::new(2, Some(Timestamp(5_000_000)), None);
        assert_eq!(stamp(&mut times, 0, 0, 4_900_000), Some(5_000_000));
        assert_eq!(stamp(&mut times, 1, -50_000, 4_900_000), None, "it would be before the end of what went out");
        assert_eq!(stamp(&mut times, 0, 3 * FRAME, 4_940_000), Some(5_120_000));
        assert_eq!(stamp(&mut times, 0, FRAME, 4_960_000), Some(5_040_000), "reordered");
    }

    #[test]
    fn a_connection_of_which_nothing_went_out_begins_again() {
        let mut times = Times::new(2, Some(Timestamp(1_000_000)), None);
        assert_eq!(stamp(&mut times, 1, 0, 2_000_000), Some(2_000_000), "audio, before the first picture");
        times.begin_after(Timestamp(3_000_000));
        assert_eq!(stamp(&mut times, 0, 700_000, 3_100_000), Some(3_100_000), "captured 0.3 s ago, and not before what went out");
        assert_eq!(stamp(&mut times, 1, 720_000, 3_110_000), Some(3_120_000));
    }

    #[test]
    fn reports_bring_tracks_into_step() {
        let mut times = Times::new(2, None, None);
        stamp(&mut times, 0, 0, 0);
        stamp(&mut times, 1, 0, 30_000);
        times.report(0, 0, WallTime(ARRIVALS.0));
        times.report(1, 0, WallTime(ARRIVALS.0 - 300_000));
        assert_eq!(stamp(&mut times, 1, 400_000, 430_000), Some(100_000));
        times.report(1, 0, WallTime(ARRIVALS.0));
        assert_eq!(stamp(&mut times, 1, 420_000, 450_000), Some(120_000), "once is enough");
        let mut apart = Times::new(2, None, None);
        stamp(&mut apart, 0, 0, 0);
        stamp(&mut apart, 1, 0, 0);
        apart.report(0, 0, WallTime(0));
        apart.report(1, 0, WallTime(3_600_000_000));
        assert_eq!(stamp(&mut apart, 1, FRAME, FRAME), Some(FRAME), "reports an hour apart mean nothing");
    }

    #[test]
    fn the_senders_wall_clock_is_believed_where_it_can_be_right() {
        for (way, believed) in [(0, true), (150_000, true), (3_600_000_000, false), (-3_600_000_000, false), (-60_000, false)] {
            let mut times = Times::new(1, None, None);
            stamp(&mut times, 0, 1_000_000, 0);
            assert_eq!(times.zero(ARRIVALS), Some(ARRIVALS), "nothing is known yet");
            times.report(0, 1_000_000, WallTime(ARRIVALS.0 - way));
            let zero = times.zero(ARRIVALS);
            assert_eq!(zero, (believed && way != 0).then_some(WallTime(ARRIVALS.0 - way)), "{way}");
            assert_eq!(times.disbelieved(), (!believed).then_some(way));
        }
    }

    #[test]
    fn zero_follows_a_clock_that_runs_fast_and_the_fastest_way() {
        let mut times = Times::new(1, None, None);
        stamp(&mut times, 0, 0, 50_000);
        assert_eq!(times.zero(ARRIVALS).unwrap(), ARRIVALS, "the first packet");
        stamp(&mut times, 0, FRAME, FRAME + 10_000);
        assert_eq!(times.zero(ARRIVALS).unwrap(), WallTime(ARRIVALS.0 - 40_000), "one that was faster");
        for n in 2..100_000 {
            let sent = n * FRAME + n * FRAME / 1000;
            let time = stamp(&mut times, 0, sent, n * FRAME).unwrap();
            let zero = times.zero(ARRIVALS).unwrap_or(times.zero.unwrap());
            // Within what passes in two windows, and what is not reported.
            assert!((zero.at(Timestamp(time)).0 - ARRIVALS.at(Timestamp(n * FRAME)).0).abs() < 70_000, "{n}");
        }
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut times = Times::new(2, Some(Timestamp(i64::MAX)), None);
        for sent in [0, i64::MAX, i64::MIN, 1, i64::MAX - 1] {
            for arrived in [i64::MIN, 0, i64::MAX] {
                times.stamp(0, sent, Timestamp(arrived), i64::MAX);
                times.report(0, sent, WallTime(arrived));
                times.report(1, arrived, WallTime(sent));
                times.zero(WallTime(sent));
            }
        }
        assert_eq!(times.stamp(9, 0, Timestamp(0), 0), None);
    }
}
