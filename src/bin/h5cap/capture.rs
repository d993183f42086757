//! The loop of the program: events of a source out, counted, until it is time to end.

use crate::controls;
use h5live::cli;
use h5live::media::{Event, OverflowPolicy};
use h5live::pipe::{OutputQueue, Writer, stdio};
use h5live::source::{Captured, Count, Limit, Poll, Source};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at whether it is time to stop.
const MOMENT: Duration = Duration::from_millis(100);
/// /healthz complains after this long without a frame, at usual rates.
const QUIET: Duration = Duration::from_secs(5);

/// Captures until the source ends, the duration is over or a stop is asked for.
pub fn capture(source: &mut dyn Source, output: &mut Output, cx: &cli::Context) -> anyhow::Result<()> {
    if let Some(frame) = source.frame_duration() {
        // At low rates it takes longer until silence means that something is wrong.
        cx.stats.set_stall_limit(QUIET.max(frame * 3));
    }
    if let Some(controls) = source.controls() {
        controls::routes(&cx.control, controls);
    }
    let counters = Counters::of(&source.counts(), &cx.stats);
    while output.is_open() {
        match source.poll(MOMENT)? {
            Poll::Captured(captured) => output.take(captured)?,
            Poll::Nothing => {}
            Poll::End => {
                counters.set(&source.counts());
                return ended(source, output, cx);
            }
        }
        counters.set(&source.counts());
    }
    // Events from before a stop go out.
    while let Some(captured) = source.pending() {
        output.take(captured)?;
    }
    source.summary(output.dropped()).iter().for_each(|line| tracing::info!("{line}"));
    Ok(())
}

/// Something of an input must have been shown, unless a stop was asked for.
fn ended(source: &dyn Source, output: &Output, cx: &cli::Context) -> anyhow::Result<()> {
    match source.input() {
        Some((name, bytes)) if output.is_open() => cx.judge(&name, bytes, None),
        _ => Ok(()),
    }
}

/// The counts of a source in the program's numbers.
struct Counters(Vec<cli::Counter>);

impl Counters {
    fn of(counts: &[Count], stats: &cli::Stats) -> Counters {
        Counters(counts.iter().map(|count| stats.counter(count.name, count.help, &[])).collect())
    }

    fn set(&self, counts: &[Count]) {
        for (counter, count) in self.0.iter().zip(counts) {
            counter.set_total(count.total);
        }
    }
}

/// Where the events go.
pub struct Output {
    queue: OutputQueue<Event, Writer<stdio::Stdout>>,
    stop: cli::Stop,
    stats: Arc<cli::Stats>,
    /// A header went out.
    begun: bool,
    limit: Limit,
    over: bool,
}

impl Output {
    /// `duration`: how much of the stream goes out.
    pub fn open(late: OverflowPolicy, duration: Option<Duration>, cx: &cli::Context) -> anyhow::Result<Output> {
        let queue = OutputQueue::new(Writer::new(stdio::Stdout::open()?).at_once(stdio::Stdout::write_now), late);
        let (stop, stats) = (cx.stop.clone(), Arc::clone(&cx.stats));
        Ok(Output { queue, stop, stats, begun: false, limit: Limit::new(duration), over: false })
    }

    /// Whether there is room for more: no stop was asked for, and the duration is not over.
    fn is_open(&self) -> bool {
        !self.over && !self.stop.requested()
    }

    /// Writes an event, unless the duration is over by its time.
    fn take(&mut self, captured: Captured) -> anyhow::Result<()> {
        if captured.due.is_some_and(|due| self.limit.is_over(due)) {
            self.over = true;
            return Ok(());
        }
        self.send(captured.event)
    }

    fn send(&mut self, event: Event) -> anyhow::Result<()> {
        match &event {
            // The header that is still to come says it.
            Event::TimeZero(_) if !self.begun => return Ok(()),
            Event::Header(_) => self.begun = true,
            Event::TimeZero(_) | Event::Packet(_) => {}
        }
        self.stats.input.event(&event);
        self.stats.output.event(&event);
        self.queue.send(event)?;
        self.stats.dropped.set_total(self.queue.dropped());
        Ok(())
    }

    /// Packets that the next program was too slow for.
    fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// Writes what is still queued.
    pub fn finish(self) -> anyhow::Result<()> {
        Ok(self.queue.finish()?)
    }
}
