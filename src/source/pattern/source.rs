//! `test`: the test picture in real time.

use super::{Options as PatternOptions, Pattern};
use crate::media::{Event, OverflowPolicy, Timestamp};
use crate::source::kind::{Kind, Scheme, Setting};
use crate::source::pace::Pace;
use crate::source::paced::Paced;
use crate::source::{Captured, Error, Limit, Options, Poll, Source};
use std::sync::Arc;
use std::time::Duration;

pub static KIND: Kind = Kind {
    scheme: Scheme::Word("test"),
    accepts: &[Setting::Size, Setting::PixelFormat, Setting::NoAudio],
    several: false,
    is_live: |options| options.pace != Some(false),
    open: |_, options| Ok(Box::new(PatternSource::open(options))),
};

/// A test picture this far behind leaves out what is past, as a camera does.
const TOO_LATE: Duration = Duration::from_secs(1);

struct PatternSource {
    pattern: Pattern,
    paced: Paced,
    frame: Duration,
    skips: bool,
}

impl PatternSource {
    fn open(options: &Options) -> PatternSource {
        let mut pace = Pace::live(Arc::clone(&options.clock));
        let (defaults, time_zero) = (PatternOptions::default(), pace.start(Timestamp::ZERO));
        let (width, height) = options.size.unwrap_or((defaults.width, defaults.height));
        let shown = PatternOptions {
            width,
            height,
            rate: options.rate.unwrap_or(defaults.rate),
            format: options.pixel_format.unwrap_or(defaults.format),
            audio: options.audio,
            duration: options.duration,
        };
        let frame = shown.rate.frame_duration();
        let paced = Paced::new((options.pace != Some(false)).then_some(pace), Limit::default());
        PatternSource { pattern: Pattern::new(shown, time_zero), paced, frame, skips: options.late != OverflowPolicy::Block }
    }

    /// How late it is for `due`, where that matters.
    fn too_late(&self, due: Timestamp) -> Option<Duration> {
        let behind = self.paced.pace.as_ref().filter(|_| self.skips)?.behind(due);
        Some(behind).filter(|behind| *behind > TOO_LATE)
    }
}

impl Source for PatternSource {
    fn poll(&mut self, _: Duration) -> Result<Poll, Error> {
        loop {
            if let Some(poll) = self.paced.give() {
                if let Poll::Captured(Captured { event: Event::TimeZero(zero), .. }) = &poll {
                    self.pattern.set_time_zero(*zero);
                }
                return Ok(poll);
            }
            match self.pattern.next() {
                None => return Ok(Poll::End),
                Some(Event::Packet(packet)) => match self.too_late(packet.pts) {
                    Some(behind) => self.pattern.skip_to(packet.pts.saturating_add(behind)),
                    // It is drawn before its time, and goes out at its time.
                    None => self.paced.hold(packet.pts, Event::Packet(packet)),
                },
                Some(header) => return Ok(Poll::Captured(Captured::always(header))),
            }
        }
    }

    fn frame_duration(&self) -> Option<Duration> {
        Some(self.frame)
    }
}
