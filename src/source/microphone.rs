//! `microphone`: a microphone of this machine, alone, or beside a camera.

use super::kind::{Kind, Scheme};
#[cfg(not(all(target_os = "linux", feature = "alsa")))]
use super::{Error, Options, Source};

pub static KIND: Kind = Kind {
    scheme: Scheme::Named("microphone"),
    accepts: &[],
    several: false,
    is_live: |_| true,
    open: |addresses, options| {
        let which = addresses.first().and_then(|address| address.split_once(':')).map_or("", |(_, which)| which);
        open(which, options)
    },
};

#[cfg(not(all(target_os = "linux", feature = "alsa")))]
fn open(_: &str, _: &Options) -> Result<Box<dyn Source>, Error> {
    let advice = "capture with ffmpeg: ffmpeg -f alsa -i default -c:a pcm_s16le -f nut -flush_packets 1 - | h5cap -".into();
    Err(Error::Other(Box::new(crate::media::Unsupported { what: "built without microphones".into(), advice })))
}

#[cfg(all(not(feature = "alsa"), target_os = "linux", feature = "v4l2"))]
pub(super) fn beside(which: &str, options: &Options, _: &super::clock::StreamClock) -> Result<Box<dyn Source>, Error> {
    open(which, options)
}

#[cfg(all(target_os = "linux", feature = "alsa"))]
#[cfg_attr(not(feature = "v4l2"), allow(unused_imports, reason = "only a camera has a microphone beside it"))]
pub(super) use linux::{beside, open};

#[cfg(all(target_os = "linux", feature = "alsa"))]
mod linux {
    use crate::source::alsa::{self, Recorder, Selector};
    use crate::source::clock::StreamClock;
    use crate::source::clocked::ClockedEvents;
    use crate::source::{Captured, Count, Error, OnLoss, Options, Poll, Source};
    use std::time::Duration;

    pub fn open(which: &str, options: &Options) -> Result<Box<dyn Source>, Error> {
        if options.on_loss == OnLoss::Black {
            tracing::warn!("{which}: no black pictures while it is away: it has no video");
        }
        beside(which, options, &StreamClock::default())
    }

    /// With the times of the other device on this clock.
    pub fn beside(which: &str, options: &Options, clock: &StreamClock) -> Result<Box<dyn Source>, Error> {
        let exit_on_loss = options.on_loss == OnLoss::Exit;
        let selector = Selector::parse(which);
        let recorder = Recorder::open(alsa::Options { selector, stall: options.stall, exit_on_loss, clock: clock.clone() })?;
        Ok(Box::new(MicrophoneSource { recorder, events: ClockedEvents::new(clock.clone()) }))
    }

    struct MicrophoneSource {
        recorder: Recorder,
        events: ClockedEvents,
    }

    impl Source for MicrophoneSource {
        fn poll(&mut self, wait: Duration) -> Result<Poll, Error> {
            self.events.poll(|| self.recorder.poll(wait))
        }

        fn pending(&mut self) -> Option<Captured> {
            self.events.pending()
        }

        fn counts(&self) -> Vec<Count> {
            let alsa::Counts { overruns, losses, .. } = self.recorder.counts();
            let overruns_help = "Times that sound was lost because it was not taken in time.";
            vec![
                Count { name: "microphone_overruns_total", help: overruns_help, total: overruns },
                Count { name: "microphone_losses_total", help: "Times that the microphone was away.", total: losses },
            ]
        }

        fn summary(&self, _: u64) -> Vec<String> {
            let counts = self.recorder.counts();
            let speed = self.recorder.speed().map_or(String::new(), |s| format!(", its clock {:+.0} ppm", (s - 1.0) * 1e6));
            vec![format!("{} audio packets, {} overruns{speed}", counts.packets, counts.overruns)]
        }
    }
}
