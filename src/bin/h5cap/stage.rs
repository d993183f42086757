//! The end of the program: events out, counted, until it is time to end.

use h5live::cli;
use h5live::media::{Event, Header, Kind, OverflowPolicy, Timestamp};
use h5live::pipe::{OutputQueue, Writer, stdio};
use h5live::source::pace::{Pace, Schedule};
use std::sync::Arc;
use std::time::Duration;

/// /healthz complains after this long without a frame, at usual rates.
const QUIET: Duration = Duration::from_secs(5);

/// Where the events go.
pub struct Stage {
    outlet: OutputQueue<Event, Writer<stdio::Stdout>>,
    pub stop: cli::Stop,
    stats: Arc<cli::Stats>,
    /// Kinds of the tracks of the last header.
    kinds: Vec<Kind>,
    duration: Option<Duration>,
    /// When the stream began, in its own time.
    first: Option<Timestamp>,
    over: bool,
}

impl Stage {
    /// `duration`: how much of the stream goes out.
    pub fn open(late: OverflowPolicy, duration: Option<Duration>, cx: &cli::Context) -> anyhow::Result<Stage> {
        let outlet = OutputQueue::new(Writer::new(stdio::Stdout::open()?), late);
        let (stop, stats) = (cx.stop.clone(), Arc::clone(&cx.stats));
        Ok(Stage { outlet, stop, stats, kinds: Vec::new(), duration, first: None, over: false })
    }

    /// Whether there is room for more: no stop was asked for, and the duration is not over.
    pub fn is_open(&self) -> bool {
        !self.over && !self.stop.requested()
    }

    /// Whether the duration is over at `due`; from then on, nothing more goes out.
    pub fn is_over(&mut self, due: Timestamp) -> bool {
        let first = *self.first.get_or_insert(due);
        self.over |= self.duration.is_some_and(|duration| due.since(first) >= duration);
        self.over
    }

    /// Waits until `due`; `false` if a stop was asked for meanwhile.
    pub fn wait(&self, pace: &mut Pace, due: Timestamp) -> bool {
        pace.wait(due);
        !self.stop.requested()
    }

    pub fn send(&mut self, event: Event) -> anyhow::Result<()> {
        match &event {
            // The header that is still to come says it.
            Event::TimeZero(_) if self.kinds.is_empty() => return Ok(()),
            Event::TimeZero(_) => {}
            Event::Header(header) => self.kinds = header.tracks.iter().map(|t| t.kind()).collect(),
            Event::Packet(packet) => {
                if let Some(&kind) = self.kinds.get(packet.track) {
                    self.stats.input.count(kind, packet.data.len());
                    self.stats.output.count(kind, packet.data.len());
                }
            }
        }
        self.outlet.send(event)?;
        self.stats.dropped.add(self.outlet.dropped().saturating_sub(self.stats.dropped.get()));
        Ok(())
    }

    /// Packets that the next program was too slow for.
    #[cfg_attr(not(all(target_os = "linux", feature = "v4l2")), allow(dead_code, reason = "cameras tell it"))]
    pub fn dropped(&self) -> u64 {
        self.outlet.dropped()
    }

    /// Tells how much was damaged so far.
    pub fn damaged(&self, total: u64) {
        self.stats.damaged.add(total.saturating_sub(self.stats.damaged.get()));
    }

    /// At low rates it takes longer until silence means that something is wrong.
    pub fn expect_frames_each(&self, frame: Duration) {
        self.stats.set_stall_limit(QUIET.max(frame * 3));
    }

    /// Writes what is still queued.
    pub fn finish(self) -> anyhow::Result<()> {
        Ok(self.outlet.finish()?)
    }
}

/// Plays a stream in real time, or passes it on as it comes.
pub struct Player<'a> {
    /// Real time, if it shall be.
    pace: Option<Pace>,
    schedule: Schedule,
    pub stage: &'a mut Stage,
}

impl<'a> Player<'a> {
    pub fn new(pace: Option<Pace>, stage: &'a mut Stage) -> Player<'a> {
        Player { pace, schedule: Schedule::default(), stage }
    }

    pub fn play(&mut self, event: Event) -> anyhow::Result<()> {
        if self.pace.is_none() {
            return match &event {
                Event::Packet(packet) if self.stage.is_over(packet.pts) => Ok(()),
                _ => self.stage.send(event),
            };
        }
        if let Event::Header(_) = &event {
            self.drain(true)?;
        }
        self.schedule.push(event);
        self.drain(false)
    }

    /// Plays what is due next, as far as that is known; with `end`, all that was read.
    pub fn drain(&mut self, end: bool) -> anyhow::Result<()> {
        let Some(pace) = &mut self.pace else { return Ok(()) };
        while self.stage.is_open()
            && let Some((due, event)) = self.schedule.pop(end)
        {
            let event = match event {
                // The recording is live now: its time zero is when it would have begun.
                Event::Header(header) => Event::Header(Header { time_zero: Some(pace.start(due)), ..header }),
                packet => packet,
            };
            if self.stage.is_over(due) {
                break;
            }
            if !self.stage.wait(pace, due) {
                break;
            }
            if let Some(zero) = pace.moved() {
                self.stage.send(Event::TimeZero(zero))?;
            }
            self.stage.send(event)?;
        }
        Ok(())
    }
}
