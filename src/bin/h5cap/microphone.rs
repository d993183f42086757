//! Microphones: their argument, capturing sound alone, and sound beside a camera.

use crate::args::Args;
use crate::camera;
use crate::stage::Stage;
use h5live::cli::Context;
use h5live::media::Event;
use h5live::source::alsa::{Options, Recorder, Selector};
use h5live::source::clock::StreamClock;
use h5live::source::join::TrackJoiner;
use std::time::Duration;

/// Between two looks at whether it is time to stop.
const MOMENT: Duration = Duration::from_millis(100);
/// Between two looks at the microphone while the camera is waited for.
pub const TURN: Duration = Duration::from_millis(5);
/// Numbers of the tracks.
pub const PICTURE: usize = 0;
const SOUND: usize = 1;

/// Arguments as typed.
#[derive(clap::Args)]
#[command(next_help_heading = "Microphones")]
pub struct AudioArgs {
    /// Audio for a camera: default, an ALSA device such as hw:1, or a sound card's name, serial number or place on the bus
    #[arg(long, value_name = "DEVICE")]
    pub audio: Option<String>,
}

impl AudioArgs {
    pub fn device(&self) -> Option<&str> {
        self.audio.as_deref()
    }
}

/// Captures sound alone until it is time to stop. `which`: as after `microphone:`.
pub fn capture(args: &Args, which: &str, cx: &Context, stage: &mut Stage) -> anyhow::Result<()> {
    let clock = StreamClock::default();
    let mut sound = Sound::open(args, which, cx, clock.clone())?;
    while stage.is_open() {
        let event = sound.recorder.poll(MOMENT)?;
        if let Some(zero) = clock.moved() {
            stage.send(Event::TimeZero(zero))?;
        }
        match event {
            Some(Event::Packet(packet)) if stage.is_over(packet.pts) => break,
            Some(event) => stage.send(event)?,
            None => {}
        }
        sound.count();
    }
    sound.sum_up();
    Ok(())
}

/// A microphone and what is counted of it.
pub struct Sound {
    recorder: Recorder,
    overruns: h5live::cli::Counter,
    losses: h5live::cli::Counter,
}

impl Sound {
    pub fn open(args: &Args, which: &str, cx: &Context, clock: StreamClock) -> anyhow::Result<Sound> {
        let (stall, exit_on_loss) = (camera::stall(&args.camera), camera::exits_on_loss(&args.camera));
        let recorder = Recorder::open(Options { selector: Selector::parse(which), stall, exit_on_loss, clock })?;
        let overruns = cx.stats.counter("microphone_overruns_total", "Times that sound was lost because it was not taken in time.", &[]);
        let losses = cx.stats.counter("microphone_losses_total", "Times that the microphone was away.", &[]);
        Ok(Sound { recorder, overruns, losses })
    }

    /// Gives on what there is of it, as the second track.
    pub fn drain(&mut self, join: &mut TrackJoiner) -> anyhow::Result<()> {
        while let Some(event) = self.recorder.poll(Duration::ZERO)? {
            join.push(SOUND, event);
        }
        self.count();
        Ok(())
    }

    fn count(&self) {
        let counts = self.recorder.counts();
        self.overruns.add(counts.overruns.saturating_sub(self.overruns.get()));
        self.losses.add(counts.losses.saturating_sub(self.losses.get()));
    }

    pub fn sum_up(&self) {
        let counts = self.recorder.counts();
        let speed = self.recorder.speed().map_or(String::new(), |s| format!(", its clock {:+.0} ppm", (s - 1.0) * 1e6));
        tracing::info!("{} audio packets, {} overruns{speed}", counts.packets, counts.overruns);
    }
}
