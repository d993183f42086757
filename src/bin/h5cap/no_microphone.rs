//! Built without microphones.

use crate::args::Args;
use crate::stage::Stage;
use h5live::cli::Context;
use h5live::media::Unsupported;
use h5live::source::clock::StreamClock;
use h5live::source::join::TrackJoiner;
use std::time::Duration;

pub const TURN: Duration = Duration::ZERO;
pub const PICTURE: usize = 0;

#[derive(clap::Args)]
pub struct AudioArgs {}

impl AudioArgs {
    pub fn device(&self) -> Option<&str> {
        None
    }
}

pub fn capture(_: &Args, _: &str, _: &Context, _: &mut Stage) -> anyhow::Result<()> {
    let advice = "capture with ffmpeg: ffmpeg -f alsa -i default -c:a pcm_s16le -f nut -flush_packets 1 - | h5cap -".into();
    Err(Unsupported { what: "built without microphones".into(), advice }.into())
}

/// There is none.
pub enum Sound {}

impl Sound {
    pub fn open(args: &Args, which: &str, _: &Context, _: StreamClock) -> anyhow::Result<Sound> {
        unreachable!("{which} was not asked for: {:?}", args.audio.device())
    }

    pub fn drain(&mut self, _: &mut TrackJoiner) -> anyhow::Result<()> {
        match *self {}
    }

    pub fn sum_up(&self) {
        match *self {}
    }
}
