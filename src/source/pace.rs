//! Plays a recording in real time: puts its packets in the order in which they are due, and waits for that.
//!
//! A packet is due at its decode time: a picture that others are predicted from is needed before those are shown. Recordings hold
//! no decode times of their own here, so they are found again from the presentation times, as the muxer does it.

use crate::codec::{DecodeTimes, reorder_depth};
use crate::media::{Clock, Event, Header, Packet, Timestamp, Track, WallTime, ZeroWatch};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A recording this far behind is resumed where it is; one less far behind catches up. Otherwise minutes of a
/// stopped pipe would be followed by minutes of hurry.
const SLACK: Duration = Duration::from_secs(1);
/// How far one track is read ahead while another has nothing yet. Writers of MP4 interleave by up to a second.
const AHEAD: Duration = Duration::from_secs(2);
/// How many bytes are read ahead at most.
const AHEAD_BYTES: usize = 64 << 20;
/// A hole in a recording longer than this is not waited for.
const HOLE: Duration = Duration::from_secs(10);

/// Waits until stream times are due.
pub struct Pace {
    clock: Arc<dyn Clock>,
    /// A stream time, and when it is due on the clock.
    anchor: Option<(Timestamp, Duration)>,
    /// More delay than this is not caught up with.
    slack: Duration,
    /// A wait longer than this is a hole, and does not take place.
    longest: Duration,
    /// Time zero, from the start on.
    zero: Option<ZeroWatch>,
    /// A new one that `moved` has not given yet.
    news: Option<WallTime>,
}

impl Pace {
    /// Keeps to the clock: after any delay it catches up.
    pub fn live(clock: Arc<dyn Clock>) -> Pace {
        Pace { clock, anchor: None, slack: Duration::MAX, longest: Duration::MAX, zero: None, news: None }
    }

    /// As [`Pace::live`], but goes on at once where there is a hole of more than ten seconds.
    pub fn file(clock: Arc<dyn Clock>) -> Pace {
        Pace { longest: HOLE, ..Pace::live(clock) }
    }

    /// Plays on in its own time after a delay of more than a second, and at once where the recording has a hole: where times
    /// are further apart than `longest`, or than ten seconds if that is longer.
    pub fn recording(clock: Arc<dyn Clock>, longest: Duration) -> Pace {
        Pace { slack: SLACK, longest: longest.max(HOLE), ..Pace::live(clock) }
    }

    /// Starts now with stream time `first`; gives the wall-clock time of stream time zero.
    pub fn start(&mut self, first: Timestamp) -> WallTime {
        self.anchor = Some((first, self.clock.now()));
        let zero = WallTime(self.clock.wall().0.saturating_sub(first.micros()));
        self.zero = Some(ZeroWatch::new(zero, &*self.clock));
        zero
    }

    /// The new wall-clock time of stream time zero, where it has changed since the last call: the clock was set, or a delay was not
    /// caught up with.
    pub fn moved(&mut self) -> Option<WallTime> {
        let set = self.zero.as_mut()?.moved(&*self.clock);
        set.or(self.news).inspect(|_| self.news = None)
    }

    /// How late it is for `due`.
    pub fn behind(&self, due: Timestamp) -> Duration {
        self.anchor.map_or(Duration::ZERO, |anchor| self.clock.now().saturating_sub(on_clock(anchor, due)))
    }

    /// How early it is for `due`.
    fn ahead(&self, due: Timestamp) -> Duration {
        self.anchor.map_or(Duration::ZERO, |anchor| on_clock(anchor, due).saturating_sub(self.clock.now()))
    }

    /// Waits until `due` has come; `false` if the clock ended the wait before. Starts with the first call, if [`Pace::start`] was not called.
    pub fn wait(&mut self, due: Timestamp) -> bool {
        if self.anchor.is_none() {
            self.start(due);
        } else if self.behind(due) > self.slack || self.ahead(due) > self.longest {
            self.news = Some(self.start(due));
        }
        let Some(anchor) = self.anchor else { return true };
        let until = on_clock(anchor, due);
        self.clock.sleep_until(until);
        self.clock.now() >= until
    }
}

fn on_clock((stream, clock): (Timestamp, Duration), t: Timestamp) -> Duration {
    (clock + t.since(stream)).saturating_sub(stream.since(t))
}

/// Puts the packets of all tracks in the order in which they are due.
#[derive(Default)]
pub struct Schedule {
    header: Option<Header>,
    tracks: Vec<TrackQueue>,
    /// What the queued packets take, in bytes.
    queued: usize,
}

/// The packets of one track that wait, with the times at which they are due.
struct TrackQueue {
    order: DecodeTimes,
    waiting: VecDeque<(Timestamp, Packet)>,
}

/// Where a stream does not say how far apart its frames are.
const FRAME: Duration = Duration::from_millis(40);

impl TrackQueue {
    fn new(track: &Track) -> TrackQueue {
        let frame = i64::try_from(track.frame_duration.unwrap_or(FRAME).as_micros()).unwrap_or(i64::MAX);
        TrackQueue { order: DecodeTimes::new(reorder_depth(track), frame), waiting: VecDeque::new() }
    }
}

impl Schedule {
    /// Takes what is read next. Before a header and at the end of the input, [`Schedule::pop`] with `end` until it gives nothing.
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Header(header) => {
                self.tracks = header.tracks.iter().map(TrackQueue::new).collect();
                self.header = Some(header);
                self.queued = 0;
            }
            Event::Packet(packet) => {
                let Some(queue) = self.tracks.get_mut(packet.track) else { return };
                self.queued += packet.cost();
                let due = Timestamp(queue.order.next(packet.pts.micros()).decode);
                queue.waiting.push_back((due, packet));
            }
            // A recording that is played now has a time zero of now.
            Event::TimeZero(_) => {}
        }
    }

    /// What is due next, and when; `None` when more must be read first. `end`: there is no more. A header comes right
    /// before its first packet, with the same time.
    pub fn pop(&mut self, end: bool) -> Option<(Timestamp, Event)> {
        let due = |queue: &TrackQueue| queue.waiting.front().map(|(due, _)| *due);
        let (first, index) = self.tracks.iter().enumerate().filter_map(|(i, queue)| due(queue).map(|d| (d, i))).min()?;
        let complete = self.tracks.iter().all(|queue| !queue.waiting.is_empty());
        let last = self.tracks.iter().filter_map(|queue| queue.waiting.back()).map(|(due, _)| *due).max().unwrap_or(first);
        if !(end || complete || last.since(first) > AHEAD || self.queued > AHEAD_BYTES) {
            return None;
        }
        if let Some(header) = self.header.take() {
            return Some((first, Event::Header(header)));
        }
        let (due, packet) = self.tracks[index].waiting.pop_front()?;
        self.queued -= packet.cost();
        Some((due, Event::Packet(packet)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AudioParams, Codec, ManualClock, Rate, VideoParams};
    use bytes::Bytes;

    fn video() -> Track {
        let rate = Rate::new(25, 1);
        Track::video(Codec::H264, VideoParams { rate, ..VideoParams::new(16, 16) })
    }

    fn audio() -> Track {
        Track::audio(Codec::Opus, AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO })
    }

    fn header(tracks: Vec<Track>) -> Event {
        Event::Header(Header { tracks: tracks.into(), time_zero: None })
    }

    fn packet(track: usize, millis: i64) -> Event {
        Event::Packet(Packet { track, pts: Timestamp(millis * 1000), key: true, data: Bytes::from_static(b"0123456789"), hidden: false })
    }

    /// Track and presentation time, in the order of the schedule; `None` is a header.
    fn drain(schedule: &mut Schedule, end: bool) -> Vec<Option<(usize, i64)>> {
        let name = |e| if let Event::Packet(p) = e { Some((p.track, p.pts.micros() / 1000)) } else { None };
        std::iter::from_fn(|| schedule.pop(end)).map(|(_, event)| name(event)).collect()
    }

    #[test]
    fn time_passes_as_the_stream_says() {
        let clock = Arc::new(ManualClock::default());
        clock.advance(Duration::from_secs(100));
        let mut pace = Pace::recording(clock.clone(), Duration::ZERO);
        for (stream, expected) in [(5000, 100_000), (5040, 100_040), (4990, 100_040), (6000, 101_000)] {
            pace.wait(Timestamp(stream * 1000));
            assert_eq!(clock.now(), Duration::from_millis(expected));
        }
        clock.advance(Duration::from_millis(300));
        pace.wait(Timestamp(6_040_000));
        pace.wait(Timestamp(6_400_000));
        assert_eq!(clock.now(), Duration::from_millis(101_400), "a short delay is made up for");
        clock.advance(Duration::from_secs(60));
        pace.wait(Timestamp(6_440_000));
        pace.wait(Timestamp(6_480_000));
        assert_eq!(clock.now(), Duration::from_millis(161_440), "a long one is not");
        let mut live = Pace::live(clock.clone());
        live.wait(Timestamp::ZERO);
        clock.advance(Duration::from_secs(60));
        live.wait(Timestamp(30_000_000));
        assert_eq!(live.behind(Timestamp(30_000_000)), Duration::from_secs(30));
        live.wait(Timestamp(61_000_000));
        assert_eq!(clock.now(), Duration::from_millis(222_440), "what is live stays on the clock");
    }

    #[test]
    fn a_hole_in_a_recording_is_not_waited_for() {
        let clock = Arc::new(ManualClock::default());
        let mut pace = Pace::recording(clock.clone(), Duration::ZERO);
        for seconds in [0, 1, 3600, 3601] {
            pace.wait(Timestamp(seconds * 1_000_000));
        }
        assert_eq!(clock.now(), Duration::from_secs(2));
    }

    #[test]
    fn a_file_catches_up_after_any_delay() {
        let clock = Arc::new(ManualClock::default());
        let mut pace = Pace::file(clock.clone());
        // Another track may begin far behind.
        for (seconds, expected) in [(0, 0), (9, 9), (3, 9), (10, 10), (3600, 10), (3601, 11)] {
            pace.wait(Timestamp(seconds * 1_000_000));
            assert_eq!(clock.now(), Duration::from_secs(expected), "{seconds}");
        }
        clock.advance(Duration::from_secs(60));
        pace.wait(Timestamp(3_650_000_000));
        pace.wait(Timestamp(3_662_000_000));
        assert_eq!(clock.now(), Duration::from_secs(72));
    }

    #[test]
    fn time_zero_moves_with_the_wall_clock_and_with_delays_that_are_not_caught_up_with() {
        let clock = Arc::new(ManualClock::default());
        let mut pace = Pace::recording(clock.clone(), Duration::ZERO);
        let zero = pace.start(Timestamp::ZERO);
        pace.wait(Timestamp(40_000));
        assert_eq!(pace.moved(), None);
        clock.step(5_000_000);
        assert_eq!((pace.moved(), pace.moved()), (Some(WallTime(zero.0 + 5_000_000)), None));
        clock.advance(Duration::from_secs(60));
        pace.wait(Timestamp(80_000));
        assert_eq!((pace.moved(), pace.moved()), (Some(WallTime(zero.0 + 5_000_000 + 60_000_000 - 40_000)), None));
    }

    #[test]
    fn time_zero_is_when_the_stream_would_have_started() {
        let clock = Arc::new(ManualClock::default());
        let zero = Pace::live(clock.clone()).start(Timestamp(-80_000));
        assert_eq!(zero.at(Timestamp(-80_000)), clock.wall());
    }

    #[test]
    fn tracks_written_in_long_runs_are_interleaved() {
        let mut schedule = Schedule::default();
        schedule.push(header(vec![video(), audio()]));
        for t in [0, 40, 80] {
            schedule.push(packet(0, t));
            assert_eq!(schedule.pop(false), None, "nothing is known of the sound yet");
        }
        schedule.push(packet(1, 0));
        schedule.push(packet(1, 60));
        assert_eq!(drain(&mut schedule, false), [None, Some((0, 0)), Some((1, 0)), Some((0, 40)), Some((1, 60))]);
        assert_eq!(drain(&mut schedule, true), [Some((0, 80))]);
    }

    #[test]
    fn packets_of_a_byte_are_few() {
        let mut schedule = Schedule::default();
        schedule.push(header(vec![video(), audio()]));
        let all = AHEAD_BYTES / crate::media::PACKET_COST + 1000;
        let out = (0..all).filter(|_| {
            schedule.push(Event::Packet(Packet {
                track: 0,
                pts: Timestamp::ZERO,
                key: true,
                data: Bytes::from_static(b"x"),
                hidden: false,
            }));
            schedule.pop(false).is_some()
        });
        assert!(out.count() > 900, "they wait without bound for a track that does not come");
    }

    #[test]
    fn a_track_without_packets_does_not_stop_the_others() {
        let mut schedule = Schedule::default();
        schedule.push(header(vec![video(), audio()]));
        let mut out = 0;
        for n in 0..1000 {
            schedule.push(packet(0, n * 40));
            out += drain(&mut schedule, false).len();
        }
        assert!(out > 940, "{out}");
        schedule.push(packet(7, 0));
        assert_eq!(drain(&mut schedule, true).len() + out, 1001, "a packet of no track is passed over");
    }
}
