//! `camera`: a camera of this machine, alone or with a microphone.

use super::kind::{Kind, Scheme, Setting};
#[cfg(not(all(target_os = "linux", feature = "v4l2")))]
use super::{Error, Options, Source};

pub static KIND: Kind = Kind {
    scheme: Scheme::Named("camera"),
    accepts: &[Setting::Size, Setting::Microphone],
    several: false,
    is_live: |_| true,
    open: |addresses, options| open(addresses.first().map_or("camera", String::as_str), options),
};

#[cfg(not(all(target_os = "linux", feature = "v4l2")))]
fn open(which: &str, _: &Options) -> Result<Box<dyn Source>, Error> {
    let advice = "capture with ffmpeg: ffmpeg -f v4l2 -i DEVICE -c:v rawvideo -pix_fmt yuv420p -f nut -flush_packets 1 - | h5cap -".into();
    Err(Error::Other(Box::new(crate::media::Unsupported { what: format!("{which}: built without cameras"), advice })))
}

#[cfg(all(target_os = "linux", feature = "v4l2"))]
use linux::open;

#[cfg(all(target_os = "linux", feature = "v4l2"))]
mod linux {
    use crate::source::clock::StreamClock;
    use crate::source::clocked::ClockedEvents;
    use crate::source::joined::Joined;
    use crate::source::v4l2::{self, Camera, ModeRequest, Selector};
    use crate::source::{Captured, Controls, Count, Error, Options, Poll, Source, microphone};
    use std::sync::Arc;
    use std::time::Duration;

    pub fn open(which: &str, options: &Options) -> Result<Box<dyn Source>, Error> {
        let selector = Selector::parse(which).ok_or_else(|| Error::no_source(which, "no camera is called so"))?;
        let request = ModeRequest { format: options.format.clone(), size: options.size, rate: options.rate };
        let clock = StreamClock::default();
        let camera = Camera::open(v4l2::Options {
            selector,
            request,
            controls: options.controls.clone(),
            stall: options.stall,
            on_loss: options.on_loss,
            encode_pictures: options.encode_pictures.clone(),
            clock: clock.clone(),
        })?;
        let microphone = options.microphone.as_ref().map(|which| microphone::beside(which, options, &clock)).transpose()?;
        let camera = Box::new(CameraSource { camera, events: ClockedEvents::new(clock) });
        Ok(Box::new(Joined::new(camera, microphone.into_iter().collect())))
    }

    struct CameraSource {
        camera: Camera,
        events: ClockedEvents,
    }

    impl Source for CameraSource {
        fn poll(&mut self, wait: Duration) -> Result<Poll, Error> {
            self.events.poll(|| self.camera.poll(wait))
        }

        fn pending(&mut self) -> Option<Captured> {
            self.events.pending()
        }

        fn counts(&self) -> Vec<Count> {
            let v4l2::Counts { lost, damaged, losses, .. } = self.camera.counts();
            let lost_help = "Frames that the camera counted and did not give.";
            vec![
                Count::damaged(damaged),
                Count { name: "lost_frames_total", help: lost_help, total: lost },
                Count { name: "camera_losses_total", help: "Times that the camera was away.", total: losses },
            ]
        }

        fn controls(&self) -> Option<Arc<dyn Controls>> {
            Some(Arc::new(self.camera.controls()))
        }

        fn summary(&self, dropped: u64) -> Vec<String> {
            let v4l2::Counts { frames, lost, damaged, .. } = self.camera.counts();
            vec![format!("{frames} frames, {lost} lost, {damaged} damaged, {dropped} dropped")]
        }
    }
}
