//! Picture files and directories of them, as a source.

use super::{Follow, Slides};
use crate::media::{Clock, Event, Rate, Timestamp};
use crate::source::kind::{Kind, Scheme, Setting};
use crate::source::pace::Pace;
use crate::source::paced::Paced;
use crate::source::{Captured, Error, Limit, Options, Poll, Source};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub static KIND: Kind = Kind {
    scheme: Scheme::Path,
    accepts: &[Setting::Again, Setting::Follow],
    several: true,
    is_live: |options| options.follow,
    open: |addresses, options| {
        let paths: Vec<PathBuf> = addresses.iter().map(PathBuf::from).collect();
        // How fast pictures follow each other.
        let rate = options.rate.unwrap_or_else(|| Rate::new(1, 1).expect("1 is a sane rate"));
        if options.follow { follow(&paths, rate, options) } else { slides(&paths, rate, options) }
    },
};

/// Between two looks for new pictures.
const MOMENT: Duration = Duration::from_millis(20);

fn slides(paths: &[PathBuf], rate: Rate, options: &Options) -> Result<Box<dyn Source>, Error> {
    let mut pace = Pace::recording(Arc::clone(&options.clock), rate.frame_duration() * 2);
    let slides = Slides::open(paths, rate, options.again, pace.start(Timestamp::ZERO))?;
    let paced = Paced::new((options.pace != Some(false)).then_some(pace), Limit::new(options.duration));
    Ok(Box::new(SlidesSource { slides, paced, frame: rate.frame_duration() }))
}

fn follow(paths: &[PathBuf], rate: Rate, options: &Options) -> Result<Box<dyn Source>, Error> {
    let clock = Arc::clone(&options.clock);
    let follow = Follow::open(paths, rate, Arc::clone(&clock))?;
    Ok(Box::new(FollowSource { follow, clock, frame: rate.frame_duration() }))
}

struct SlidesSource {
    slides: Slides,
    paced: Paced,
    frame: Duration,
}

impl Source for SlidesSource {
    fn poll(&mut self, _: Duration) -> Result<Poll, Error> {
        loop {
            if let Some(poll) = self.paced.give() {
                return Ok(poll);
            }
            match self.slides.next()? {
                None => return Ok(Poll::End),
                Some(Event::Packet(packet)) => self.paced.hold(packet.pts, Event::Packet(packet)),
                Some(header) => return Ok(Poll::Captured(Captured::always(header))),
            }
        }
    }

    fn frame_duration(&self) -> Option<Duration> {
        Some(self.frame)
    }
}

struct FollowSource {
    follow: Follow,
    clock: Arc<dyn Clock>,
    frame: Duration,
}

impl Source for FollowSource {
    fn poll(&mut self, wait: Duration) -> Result<Poll, Error> {
        if let Some(event) = self.follow.poll()? {
            return Ok(Poll::Captured(Captured::by_time(event)));
        }
        self.clock.sleep_until(self.clock.now() + wait.min(MOMENT));
        Ok(Poll::Nothing)
    }

    fn frame_duration(&self) -> Option<Duration> {
        Some(self.frame)
    }
}
