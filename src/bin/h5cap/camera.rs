//! Cameras: the arguments that are only for them, capturing, and the routes of the control endpoint.

use crate::args::Args;
use crate::microphone::{self, Sound};
use crate::stage::Stage;
use anyhow::Context as _;
use h5live::cli::{self, Context};
use h5live::media::Event;
use h5live::source::clock::StreamClock;
use h5live::source::join::TrackJoiner;
use h5live::source::v4l2::modes::FormatRequest;
use h5live::source::v4l2::{Camera, Controls, ModeRequest, OnLoss, Options, Selector, controls};
use std::time::Duration;

/// Between two looks at whether it is time to stop.
const MOMENT: Duration = Duration::from_millis(100);

/// Arguments as typed.
#[derive(clap::Args)]
#[command(next_help_heading = "Cameras")]
pub struct CameraArgs {
    /// Format to capture: mjpeg, h264, h265, a pixel format such as yuy2, or the driver's four characters [default: the camera's best]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatRequest>,

    /// Set a control of the camera, such as brightness=128 or power_line_frequency="60 Hz"; --list names them
    #[arg(long = "control-set", value_name = "NAME=VALUE", value_parser = parse_control)]
    pub controls: Vec<(String, String)>,

    /// Restart a camera that gives no frame for this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = parse_stall)]
    pub stall: Duration,

    /// When the camera is lost: wait for it, exit, or send black pictures (raw formats only) while waiting
    #[arg(long, value_enum, value_name = "POLICY", default_value_t)]
    pub on_loss: LossPolicy,

    /// List cameras with their formats and controls, and microphones, and exit
    #[arg(long)]
    pub list: bool,

    /// Print the list as JSON
    #[arg(long, requires = "list")]
    pub json: bool,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub enum LossPolicy {
    #[default]
    Wait,
    Exit,
    Black,
}

fn parse_control(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a control is set as NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn parse_stall(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|s| (0.1..=3600.0).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "0.1 to 3600 seconds".into())
}

pub fn exits_on_loss(args: &CameraArgs) -> bool {
    matches!(args.on_loss, LossPolicy::Exit)
}

pub fn stall(args: &CameraArgs) -> Duration {
    args.stall
}

/// Captures until it is time to stop. `which`: as on the command line.
pub fn capture(args: &Args, which: &str, cx: &Context, stage: &mut Stage) -> anyhow::Result<()> {
    let selector = Selector::parse(which).ok_or_else(|| cli::usage(format!("{which}: no camera is called so")))?;
    let CameraArgs { format, controls, stall, on_loss, .. } = &args.camera;
    let on_loss = match on_loss {
        LossPolicy::Wait => OnLoss::Wait,
        LossPolicy::Exit => OnLoss::Exit,
        LossPolicy::Black => OnLoss::Black,
    };
    let request = ModeRequest { format: format.clone(), size: args.size, rate: args.rate };
    let clock = StreamClock::default();
    let options = Options { selector, request, controls: controls.clone(), stall: *stall, on_loss, clock: clock.clone() };
    let mut camera = Camera::open(options)?;
    let mut sound = args.audio.device().map(|which| Sound::open(args, which, cx, clock.clone())).transpose()?;
    let mut join = TrackJoiner::new(1 + usize::from(sound.is_some()));
    let moment = if sound.is_some() { microphone::TURN } else { MOMENT };
    routes(&cx.control, camera.controls());
    let lost = cx.stats.counter("lost_frames_total", "Frames that the camera counted and did not give.", &[]);
    let losses = cx.stats.counter("camera_losses_total", "Times that the camera was away.", &[]);
    let unheard = cx.stats.counter("unjoined_packets_total", "Packets left out because the other device had not begun.", &[]);
    while stage.is_open() {
        let event = camera.poll(moment)?;
        if let Some(zero) = clock.moved() {
            join.push(microphone::PICTURE, Event::TimeZero(zero));
        }
        if let Some(event) = event {
            join.push(microphone::PICTURE, event);
        }
        if let Some(sound) = &mut sound {
            sound.drain(&mut join)?;
        }
        // What came in before a stop goes out.
        while let Some(event) = join.pop() {
            match event {
                Event::Packet(packet) if packet.track == microphone::PICTURE && stage.is_over(packet.pts) => {}
                event => stage.send(event)?,
            }
        }
        if join.dropped() > unheard.get() {
            if unheard.get() == 0 {
                tracing::warn!("nothing goes out before the microphone says what it gives; what is more than 2 s old is left out");
            }
            unheard.add(join.dropped() - unheard.get());
        }
        let counts = camera.counts();
        stage.damaged(counts.damaged);
        lost.add(counts.lost.saturating_sub(lost.get()));
        losses.add(counts.losses.saturating_sub(losses.get()));
    }
    let counts = camera.counts();
    let dropped = stage.dropped();
    tracing::info!("{} frames, {} lost, {} damaged, {dropped} dropped", counts.frames, counts.lost, counts.damaged);
    if let Some(sound) = &sound {
        sound.sum_up();
    }
    Ok(())
}

/// `GET /controls` lists; `PUT /controls` with `{"brightness": 128}` sets.
fn routes(control: &cli::Control, camera: Controls) {
    let list = camera.clone();
    control.route("GET", "/controls", move |_| match list.list() {
        Ok(controls) => cli::Reply::json(&serde_json::json!(controls)),
        Err(e) => refusal(&e),
    });
    control.route("PUT", "/controls", move |body| match set(&camera, body) {
        Ok(()) => cli::Reply::done(),
        Err(e) => e.downcast_ref().map_or_else(|| cli::Reply::text(400, format!("{e:#}")), refusal),
    });
}

fn set(camera: &Controls, body: &[u8]) -> anyhow::Result<()> {
    let wanted: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).context("no JSON object of names and values")?;
    for (name, value) in wanted {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        camera.set(&name, &value)?;
    }
    Ok(())
}

fn refusal(error: &controls::Error) -> cli::Reply {
    let status = match error {
        controls::Error::Unknown(_) => 404,
        controls::Error::Value { .. } => 400,
        controls::Error::Io { .. } => 500,
        controls::Error::Away => 503,
    };
    cli::Reply::text(status, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        assert_eq!(parse_control("focus = 5"), Ok(("focus".into(), "5".into())));
        assert!(parse_control("focus").is_err());
        assert_eq!(parse_stall("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "1e9", ""] {
            assert!(parse_stall(wrong).is_err(), "{wrong}");
        }
    }
}
