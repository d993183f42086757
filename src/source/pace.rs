//! Plays a recording in real time: puts its packets in the order in which they are due, and waits for that.
//!
//! A packet is due at its decode time: a picture that others are predicted from is needed before those are shown. Recordings hold
//! no decode times of their own here, so they are found again from the presentation times, as the muxer does it.

use crate::codec::{h264, h265};
use crate::media::{Clock, Codec, Event, Header, Packet, Timestamp, Track, WallTime};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A recording this far behind is resumed where it is; one less far behind catches up. Minutes of a stopped pipe shall not be
/// followed by minutes of hurry.
const SLACK: Duration = Duration::from_secs(1);
/// How far one track is read ahead while another has nothing yet. Writers of MP4 interleave by up to a second.
const AHEAD: Duration = Duration::from_secs(2);
/// How many bytes are read ahead at most.
const AHEAD_BYTES: usize = 64 << 20;
/// More pictures than this are never reordered: H.264 and H.265 keep at most 16 (H.264, clause A.3.1).
const MAX_DEPTH: usize = 16;
/// A presentation time further back than this, in microseconds, is no reordering but a jump.
const JUMP: i64 = 2_000_000;
/// A hole in a recording longer than this is not waited for.
const HOLE: Duration = Duration::from_secs(10);

/// Waits until stream times are due.
pub struct Pace {
    clock: Arc<dyn Clock>,
    /// A stream time, and when it is due on the clock.
    anchor: Option<(Timestamp, Duration)>,
    /// What was due last.
    last: Timestamp,
    /// More delay than this is not caught up with.
    slack: Duration,
    /// A step in stream time longer than this is not waited for.
    longest: Duration,
}

impl Pace {
    /// Keeps to the clock: after any delay it catches up.
    pub fn live(clock: Arc<dyn Clock>) -> Pace {
        Pace { clock, anchor: None, last: Timestamp::ZERO, slack: Duration::MAX, longest: Duration::MAX }
    }

    /// Plays on in its own time after a delay of more than a second, and at once where the recording has a hole: where times
    /// are further apart than `longest`, or than ten seconds if that is longer.
    pub fn recording(clock: Arc<dyn Clock>, longest: Duration) -> Pace {
        Pace { slack: SLACK, longest: longest.max(HOLE), ..Pace::live(clock) }
    }

    /// Starts now with stream time `first`; gives the wall-clock time of stream time zero.
    pub fn start(&mut self, first: Timestamp) -> WallTime {
        self.anchor = Some((first, self.clock.now()));
        self.last = first;
        WallTime(self.clock.wall().0.saturating_sub(first.micros()))
    }

    /// How late it is for `due`.
    pub fn behind(&self, due: Timestamp) -> Duration {
        self.anchor.map_or(Duration::ZERO, |anchor| self.clock.now().saturating_sub(on_clock(anchor, due)))
    }

    /// Returns when `due` has come; starts with the first call, if [`Pace::start`] was not called.
    pub fn wait(&mut self, due: Timestamp) {
        if self.anchor.is_none() || self.behind(due) > self.slack || due.since(self.last) > self.longest {
            self.start(due);
        }
        self.last = due;
        if let Some(anchor) = self.anchor {
            self.clock.sleep_until(on_clock(anchor, due));
        }
    }
}

fn on_clock((stream, clock): (Timestamp, Duration), t: Timestamp) -> Duration {
    (clock + t.since(stream)).saturating_sub(stream.since(t))
}

/// Puts the packets of all tracks in the order in which they are due.
#[derive(Default)]
pub struct Schedule {
    header: Option<Header>,
    tracks: Vec<Line>,
    /// How many packets are queued, and their bytes.
    queued: (usize, usize),
}

/// The packets of one track that wait, with the times at which they are due.
struct Line {
    order: DecodeOrder,
    waiting: VecDeque<(Timestamp, Packet)>,
}

impl Schedule {
    /// Takes what is read next. Before a header and at the end of the input, [`Schedule::pop`] with `end` until it gives nothing.
    pub fn push(&mut self, event: Event) {
        match event {
            Event::Header(header) => {
                let line = |track| Line { order: DecodeOrder::new(track), waiting: VecDeque::new() };
                self.tracks = header.tracks.iter().map(line).collect();
                self.header = Some(header);
            }
            Event::Packet(packet) => {
                let Some(line) = self.tracks.get_mut(packet.track) else { return };
                self.queued = (self.queued.0 + 1, self.queued.1 + packet.data.len());
                line.waiting.push_back((line.order.due(packet.pts), packet));
            }
        }
    }

    /// What is due next, and when; `None` when more must be read first. `end`: there is no more. A header comes right
    /// before its first packet, with the same time.
    pub fn pop(&mut self, end: bool) -> Option<(Timestamp, Event)> {
        let due = |line: &Line| line.waiting.front().map(|(due, _)| *due);
        let (first, index) = self.tracks.iter().enumerate().filter_map(|(i, line)| due(line).map(|d| (d, i))).min()?;
        let complete = self.tracks.iter().all(|line| !line.waiting.is_empty());
        let last = self.tracks.iter().filter_map(|line| line.waiting.back()).map(|(due, _)| *due).max().unwrap_or(first);
        if !(end || complete || last.since(first) > AHEAD || self.queued.1 > AHEAD_BYTES) {
            return None;
        }
        if let Some(header) = self.header.take() {
            return Some((first, Event::Header(header)));
        }
        let (due, packet) = self.tracks[index].waiting.pop_front()?;
        self.queued = (self.queued.0 - 1, self.queued.1 - packet.data.len());
        Some((due, Event::Packet(packet)))
    }
}

/// Decode times of one track from its presentation times: never going back, and as a rule never after the presentation time.
struct DecodeOrder {
    /// Nominal duration of a packet in microseconds.
    frame: i64,
    /// How many pictures may come before one that is shown earlier.
    depth: usize,
    /// Presentation times that were not yet given out as decode times: at most one more than `depth`.
    pending: BinaryHeap<Reverse<i64>>,
    /// The first presentation time, and the decode time given out last.
    first: i64,
    last: Option<i64>,
}

impl DecodeOrder {
    fn new(track: &Track) -> DecodeOrder {
        let frame = track.frame_duration.and_then(|d| i64::try_from(d.as_micros()).ok()).unwrap_or(40_000);
        DecodeOrder { frame, depth: reorder_depth(track), pending: BinaryHeap::new(), first: 0, last: None }
    }

    fn due(&mut self, pts: Timestamp) -> Timestamp {
        let pts = pts.micros();
        if self.last.is_some_and(|last| pts < last - JUMP) {
            (self.pending, self.last) = (BinaryHeap::new(), None);
        }
        if self.last.is_none() {
            self.first = pts;
        } else if self.last.is_some_and(|last| pts < last) {
            // To be shown before one that was due already: the stream reorders by more pictures than it said.
            self.depth = (self.depth + 1).min(MAX_DEPTH);
        }
        self.pending.push(Reverse(pts));
        let missing = self.depth as i64 + 1 - self.pending.len() as i64;
        let next = match self.last {
            _ if missing <= 0 => self.pending.pop().map_or(pts, |Reverse(t)| t),
            // While the heap fills up at the start, decode times come up to the first presentation time in steps of a frame.
            None => pts - missing * self.frame,
            Some(last) if last < self.first => self.first - missing * self.frame,
            Some(last) => last,
        };
        let due = next.max(self.last.unwrap_or(i64::MIN));
        self.last = Some(due);
        Timestamp(due)
    }
}

/// As the configuration record says; streams without one are found out about as they play.
fn reorder_depth(track: &Track) -> usize {
    let depth = match track.codec {
        Codec::H264 => h264::AvcC::parse(&track.config).ok().and_then(|c| h264::parse_sps(c.sps.first()?).ok()).map(|s| s.reorder_depth),
        Codec::H265 => h265::HvcC::parse(&track.config).ok().and_then(|c| h265::parse_sps(c.sps.first()?).ok()).map(|s| s.reorder_depth),
        _ => None,
    };
    usize::from(depth.unwrap_or(0)).min(MAX_DEPTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AudioParams, Colour, ManualClock, Rate, VideoParams};
    use bytes::Bytes;

    fn video() -> Track {
        let rate = Rate::new(25, 1);
        Track::video(Codec::H264, VideoParams { width: 16, height: 16, rate, colour: Colour::default() })
    }

    fn audio() -> Track {
        Track::audio(Codec::Opus, AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO })
    }

    fn header(tracks: Vec<Track>) -> Event {
        Event::Header(Header { tracks: tracks.into(), time_zero: None })
    }

    fn packet(track: usize, millis: i64) -> Event {
        Event::Packet(Packet { track, pts: Timestamp(millis * 1000), key: true, data: Bytes::from_static(b"0123456789") })
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
    fn time_zero_is_when_the_stream_would_have_started() {
        let clock = Arc::new(ManualClock::default());
        let zero = Pace::live(clock.clone()).start(Timestamp(-80_000));
        assert_eq!(zero.at(Timestamp(-80_000)), clock.wall());
    }

    #[test]
    fn pictures_are_due_in_decode_order() {
        // I P B B P B B, shown as I B B P B B P.
        let shown = [0, 120, 40, 80, 240, 160, 200];
        let due = |mut order: DecodeOrder| shown.map(|t| order.due(Timestamp(t * 1000)).micros() / 1000);
        let told = due(DecodeOrder { depth: 1, ..DecodeOrder::new(&video()) });
        assert_eq!(told, [-40, 0, 40, 80, 120, 160, 200]);
        let found_out = due(DecodeOrder::new(&video()));
        assert!(found_out.is_sorted() && found_out[..4] == [0, 120, 120, 120] && found_out[6] <= 200, "{found_out:?}");
    }

    #[test]
    fn a_jump_back_starts_again() {
        let mut order = DecodeOrder::new(&video());
        assert_eq!([9_000_000, 9_040_000, 0, 40_000].map(|t| order.due(Timestamp(t)).micros()), [9_000_000, 9_040_000, 0, 40_000]);
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
