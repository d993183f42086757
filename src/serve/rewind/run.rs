//! What is played from one command to the next that begins anew: what was sent, and where the player is.

use super::line::Line;
use super::outgoing::Output;
use super::retime::Retimer;
use super::sent::{KNOWN, SentPictures};
use crate::media::WallTime;
use std::collections::VecDeque;
use std::time::Instant;

/// A run.
pub struct Run {
    pub retimer: Retimer,
    pub queue: VecDeque<Output>,
    /// The last that was sent, which says where the player is. `None`: there was nothing to show so far.
    pub line: Option<Line>,
    pub clock: MediaClock,
    pub told: Option<Instant>,
    pub sent: SentPictures,
    /// Steps that wait for a picture.
    pub steps: i64,
    /// It is not known yet which picture is the one that it stands at.
    pub unsettled: bool,
    /// Level with what is live: at the next keyframe the viewer is live.
    pub closing: bool,
    /// The last keyframe, where only those are played, and how often it was that.
    pub key: Option<WallTime>,
    pub missed: i64,
    /// There is nothing more that way.
    pub over: bool,
}

/// The media time that a player is at, by the pace.
#[derive(Clone, Copy)]
pub enum MediaClock {
    Standing(i64),
    Running(Instant, i64),
}

impl MediaClock {
    pub fn now(self) -> i64 {
        match self {
            MediaClock::Standing(at) => at,
            MediaClock::Running(since, at) => at.saturating_add(i64::try_from(since.elapsed().as_micros()).unwrap_or(i64::MAX)),
        }
    }
}

impl Run {
    pub fn new(retimer: Retimer, paused: bool) -> Run {
        Run {
            retimer,
            queue: VecDeque::new(),
            line: None,
            clock: MediaClock::Standing(0),
            told: None,
            sent: SentPictures::default(),
            steps: 0,
            unsettled: paused,
            closing: false,
            key: None,
            missed: 0,
            over: false,
        }
    }

    /// When the next output is due, in microseconds from now, sent so much before it is to be shown. `None`: there is none.
    pub fn due(&self, lead: i64) -> Option<i64> {
        Some(match self.queue.front()? {
            Output::Frame(frame) if self.line.is_some() && self.steps == 0 && !self.closing => frame.decoded - self.clock.now() - lead,
            _ => 0,
        })
    }

    /// What waits for its next picture goes without it.
    pub fn flush(&mut self) {
        let mut out = Vec::new();
        self.retimer.flush(&mut out);
        self.queue.extend(out);
    }

    /// So many pictures more, on from where it stands.
    pub fn add_steps(&mut self, steps: i64) {
        self.steps = (self.steps + steps).min(KNOWN as i64);
    }

    /// Steps on that were asked for, and whose pictures were sent, are taken; gives how many are left, and where it stands then.
    pub fn take_steps(&mut self, mut held: WallTime) -> (i64, WallTime) {
        while self.steps > 0
            && let Some((next, _)) = self.sent.after(held)
        {
            self.steps -= 1;
            held = next;
        }
        (self.steps, held)
    }

    /// The picture after this one, as soon as it is known which that is.
    pub fn next(&self, held: WallTime) -> Option<(WallTime, i64)> {
        let (wall, media) = self.sent.after(held)?;
        // A picture between them may still come, where they are decoded in another order.
        let is_next = match self.queue.front() {
            Some(Output::Frame(frame)) => frame.decoded >= media,
            _ => self.over,
        };
        is_next.then_some((wall, media))
    }
}
