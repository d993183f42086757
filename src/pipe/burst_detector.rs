//! Detects a live input that comes in bursts. Some writers gather frames before they write them (ffmpeg's Matroska: a second of them);
//! no program behind them can make up for that.
//!
//! It does not report inputs that are not live, and rather misses a burst than reports a false one. A burst is some frames that come at
//! once after silence. Several bursts in a row count, in even time, with no other frames between them. A machine that is short of processor time delays
//! some frames, but not each time, not evenly, and not by a third of a second; and the time in which this program did not wait for its
//! input, because it wrote, does not count as silence.

use super::InputFormat;
use crate::media::Timestamp;
use std::time::Duration;

/// So many bursts in a row are a habit.
const HABIT: u32 = 8;
/// So many frames at least are a burst.
const FRAMES: u32 = 4;
/// The input was waited for at least so long, and the frames that came then are to be shown over as long a time.
const SILENCE: Duration = Duration::from_millis(300);
/// They came in this part of the time over which they are to be shown.
const AT_ONCE: u32 = 4;
/// The longest silence is not more than so many times the shortest.
const EVEN: u32 = 3;
/// A live input has at least this much, and at most its inverse, of a second of pictures in a second.
const LIVE: f64 = 0.8;

/// Watches the frames of an input's main track.
#[derive(Debug, Default)]
pub struct BurstDetector {
    /// Since when the input is waited for.
    waits: Option<Duration>,
    run: Option<Run>,
    /// The bursts so far that follow each other.
    row: Option<Row>,
    said: bool,
}

/// What comes between two silences.
#[derive(Clone, Copy, Debug)]
struct Run {
    began: Duration,
    ended: Duration,
    first: Timestamp,
    last: Timestamp,
    frames: u32,
    silence: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    count: u32,
    began: Duration,
    first: Timestamp,
    frames: u32,
    shortest: Duration,
    longest: Duration,
}

/// An input that comes in bursts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurstFinding {
    /// Frames in a burst.
    pub frames: u32,
    /// From one burst to the next.
    pub apart: Duration,
}

impl BurstFinding {
    /// The warning, with what to change.
    pub fn text(&self, format: Option<InputFormat>) -> String {
        let advice = match format {
            Some(InputFormat::Matroska) => "ffmpeg's Matroska does so: let it write NUT, with `-f nut -flush_packets 1 -`",
            Some(InputFormat::Mp4) => {
                "let it have one frame in a fragment; for ffmpeg: `-movflags +frag_every_frame+empty_moov+default_base_moof -flush_packets 1`"
            }
            Some(InputFormat::Nut) => "its writer lacks `-flush_packets 1`, or reads from what comes so, as HLS does",
            _ => "the program that writes it holds them back; for ffmpeg: `-f nut -flush_packets 1 -`",
        };
        let (frames, seconds) = (self.frames, self.apart.as_secs_f64());
        format!("the input comes in bursts, {frames} frames every {seconds:.1} s, which makes every picture late by as much; {advice}")
    }
}

impl BurstDetector {
    /// All that was read has been dealt with: from now on the input is waited for.
    pub fn wait(&mut self, now: Duration) {
        self.waits = Some(now);
    }

    /// Frames of these times came together. `Some`, once: the input comes in bursts.
    pub fn arrived(&mut self, now: Duration, first: Timestamp, last: Timestamp, frames: u32) -> Option<BurstFinding> {
        if self.said {
            return None;
        }
        let silence = self.waits.take().map_or(Duration::ZERO, |since| now.saturating_sub(since));
        if let Some(run) = self.run.as_mut().filter(|_| silence < SILENCE) {
            (run.ended, run.frames) = (now, run.frames + frames);
            (run.first, run.last) = (run.first.min(first), run.last.max(last));
            return None;
        }
        let before = self.run.replace(Run { began: now, ended: now, first, last, frames, silence });
        let finding = before.and_then(|run| self.finish(&run, now, first));
        self.said = finding.is_some();
        finding
    }

    /// A run is over; the next one begins with `first`.
    fn finish(&mut self, run: &Run, now: Duration, first: Timestamp) -> Option<BurstFinding> {
        let shown = run.last.since(run.first);
        let burst = run.silence >= SILENCE && run.frames >= FRAMES && shown >= SILENCE && (run.ended - run.began) * AT_ONCE <= shown;
        if !burst {
            self.row = None;
            return None;
        }
        let new = Row { count: 0, began: run.began, first: run.first, frames: 0, shortest: run.silence, longest: run.silence };
        let row = self.row.get_or_insert(new);
        (row.count, row.frames) = (row.count + 1, row.frames + run.frames);
        (row.shortest, row.longest) = (row.shortest.min(run.silence), row.longest.max(run.silence));
        let (passed, shown) = (now.saturating_sub(row.began), first.since(row.first));
        let speed = shown.as_secs_f64() / passed.as_secs_f64().max(0.001);
        if row.longest > row.shortest * EVEN || !(LIVE..=1.0 / LIVE).contains(&speed) {
            self.row = None;
            return None;
        }
        (row.count >= HABIT).then(|| BurstFinding { frames: row.frames / row.count, apart: passed / row.count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds frames that arrive and are shown at these milliseconds, each waited for.
    fn watch(frames: impl IntoIterator<Item = (u64, i64)>) -> Option<BurstFinding> {
        let mut bursts = BurstDetector::default();
        let mut before = 0;
        frames.into_iter().find_map(|(arrival, shown)| {
            if arrival > before {
                bursts.wait(Duration::from_millis(before));
            }
            before = arrival;
            let pts = Timestamp(shown * 1000);
            bursts.arrived(Duration::from_millis(arrival), pts, pts, 1)
        })
    }

    /// 25 frames a second for so many seconds, and when each arrives.
    fn live(seconds: u64, arrival: impl Fn(u64) -> u64) -> impl Iterator<Item = (u64, i64)> {
        (0..25 * seconds).map(move |n| (arrival(n * 40), (n * 40) as i64))
    }

    #[test]
    fn a_second_at_a_time_is_said_once_it_is_a_habit() {
        let finding = watch(live(30, |shown| shown.next_multiple_of(1000) + shown % 1000 / 100)).unwrap();
        assert!((23..=27).contains(&finding.frames) && finding.apart.as_millis().abs_diff(1000) < 100, "{finding:?}");
        assert_eq!(watch(live(5, |shown| shown.next_multiple_of(1000))), None, "not after some seconds");
    }

    #[test]
    fn smooth_inputs_are_not_said() {
        assert_eq!(watch(live(60, |shown| shown)), None);
        assert_eq!(watch(live(60, |shown| shown.next_multiple_of(80))), None, "two at a time");
        assert_eq!(watch((0..60).map(|n| (n * 1000, n as i64 * 1000))), None, "a picture a second");
    }

    #[test]
    fn what_is_not_live_is_not_said() {
        assert_eq!(watch(live(600, |shown| shown / 50)), None, "as fast as it can be had");
        assert_eq!(watch(live(600, |shown| shown.next_multiple_of(10_000) / 10)), None, "in bursts, but ten times too fast");
    }

    #[test]
    fn a_burst_at_the_start_and_an_uneven_machine_are_not_said() {
        assert_eq!(watch(live(60, |shown| shown.max(2000))), None);
        // Now and then a hold-up of half a second, and in between all is well.
        assert_eq!(watch(live(120, |shown| if shown / 500 % 2 == 0 { shown.next_multiple_of(500) } else { shown })), None);
        // Of every length.
        let uneven = |shown: u64| {
            [400, 1900, 2300, 4100]
                .into_iter()
                .cycle()
                .scan(0, |at, n| {
                    *at += n;
                    Some(*at)
                })
                .find(|at| *at >= shown)
        };
        assert_eq!(watch(live(120, |shown| uneven(shown).unwrap())), None);
    }

    #[test]
    fn time_in_which_nothing_was_waited_for_is_no_silence() {
        let mut bursts = BurstDetector::default();
        for n in 0..1000u64 {
            // It comes back from a write each second, and finds what has come meanwhile.
            let (arrival, pts) = (Duration::from_millis((n * 40).next_multiple_of(1000)), Timestamp(n as i64 * 40_000));
            bursts.wait(arrival);
            assert_eq!(bursts.arrived(arrival, pts, pts, 1), None);
        }
    }
}
