//! The time of a source over a network, over all its connections.

use super::times::Times;
use crate::media::{Timestamp, WallTime};
use crate::source::clock::{StreamClock, monotonic};
use std::time::{Duration, Instant};

/// A clock of a sender is called wrong if it is off by more, in microseconds. Servers exist that are ahead by the delay of their encoder.
const WRONG: u64 = 2_000_000;

/// Stream times, and the wall-clock time of stream time zero.
pub struct Timeline {
    /// Who sends, for a warning.
    sender: &'static str,
    /// How old what a connection begins with may be, in microseconds.
    oldest_start: i64,
    clock: StreamClock,
    times: Times,
    /// As it was reported last.
    zero: Option<WallTime>,
    /// The end of all that went out.
    end: Option<Timestamp>,
    /// Jumps of the sender's clock in the connections before this one.
    jumps: u64,
    /// It was said that the sender's clock is wrong.
    is_wrong: bool,
}

impl Timeline {
    /// Time zero is that of the first packet. `sender`: who sends, for a warning. `oldest_start`: how old what a connection begins with may be, in
    /// microseconds.
    pub fn new(sender: &'static str, oldest_start: i64) -> Timeline {
        let (clock, times) = (StreamClock::default(), Times::new(0, None, None));
        Timeline { sender, oldest_start, clock, times, zero: None, end: None, jumps: 0, is_wrong: false }
    }

    /// A connection with so many tracks begins, or its tracks are others. The first is the main one.
    pub fn begin(&mut self, tracks: usize) {
        self.jumps += self.times.jumps();
        self.times = Times::new(tracks, self.end, self.zero).starting_up_to(self.oldest_start);
    }

    /// How often the sender's clock was set.
    pub fn jumps(&self) -> u64 {
        self.jumps + self.times.jumps()
    }

    /// The sender's time zero was this wall-clock time, for all its tracks.
    pub fn report(&mut self, tracks: usize, wall: WallTime) {
        (0..tracks).for_each(|track| self.report_at(track, 0, wall));
    }

    /// By the sender, its time `sent` of a track was this wall-clock time; see [`Times::report`].
    pub fn report_at(&mut self, track: usize, sent: i64, wall: WallTime) {
        self.times.report(track, sent, wall);
    }

    /// The stream time of a packet; see [`Times::stamp`].
    pub fn stamp(&mut self, track: usize, sent: i64, arrived: Instant, back: i64) -> Option<Timestamp> {
        let arrived = self.clock.stream_time(micros(arrived));
        let pts = self.times.stamp(track, sent, arrived, back)?;
        self.end = self.end.max(Some(pts));
        Some(pts)
    }

    /// The stream time of now for a picture in place of those of a sender that is away, of which nothing has gone out since; `None`: what went out before is
    /// not over yet.
    pub fn stand_in(&mut self) -> Option<Timestamp> {
        let now = self.clock.stream_time(monotonic());
        if self.end.is_some_and(|end| now <= end) {
            return None;
        }
        let next = now + 1;
        self.end = Some(next);
        self.times.begin_after(next);
        Some(now)
    }

    /// The wall-clock time of stream time zero.
    pub fn zero(&self) -> Option<WallTime> {
        self.zero
    }

    /// Whether the wall-clock time of stream time zero is another one now. `name`: of the source, for a warning.
    pub fn tell_zero(&mut self, name: &str) -> bool {
        // The clock of the arrivals follows the wall clock where that is set.
        self.clock.moved();
        let moved = self.clock.wall().and_then(|arrival| self.times.zero(arrival));
        if let Some(way) = self.times.disbelieved().filter(|way| !self.is_wrong && way.unsigned_abs() > WRONG) {
            self.is_wrong = true;
            let (off, side) = (Duration::from_micros(way.unsigned_abs()), if way > 0 { "behind" } else { "ahead" });
            tracing::warn!("{name}: the {}'s clock is {off:.1?} {side}: the latency counts from the arrival of a picture", self.sender);
        }
        self.zero = moved.or(self.zero);
        moved.is_some()
    }
}

/// A time of arrival by CLOCK_MONOTONIC, in microseconds.
pub fn micros(arrived: Instant) -> i64 {
    monotonic().saturating_sub(i64::try_from(arrived.elapsed().as_micros()).unwrap_or(i64::MAX))
}
