//! h5cap: a camera, a test picture, pictures or a recording in, live Matroska out.

mod args;
#[cfg(all(target_os = "linux", feature = "v4l2"))]
#[cfg_attr(not(feature = "alsa"), allow(dead_code, reason = "microphones ask for the limits of cameras"))]
mod camera;
#[cfg(all(target_os = "linux", feature = "v4l2"))]
mod list;
#[cfg_attr(not(all(target_os = "linux", feature = "alsa")), path = "no_microphone.rs")]
#[cfg_attr(
    not(all(target_os = "linux", feature = "alsa", feature = "v4l2")),
    allow(dead_code, reason = "sound beside pictures takes both")
)]
mod microphone;
mod source;
mod stage;

use anyhow::Context as _;
use args::{Args, MANUAL};
use h5live::cli;
use h5live::format::Timing;
use h5live::media::{Clock, Event, Malformed, OverflowPolicy, Rate, SystemClock, Timestamp, WallTime};
use h5live::pipe::{Reader, ReaderOptions};
use h5live::source::looper::Looper;
use h5live::source::pace::Pace;
use h5live::source::pattern::{self, Pattern};
use h5live::source::pictures::{Follow, Slides};
use source::{Input, Source};
use stage::{Player, Stage};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// A test picture this far behind leaves out what is past, as a camera does.
const TOO_LATE: Duration = Duration::from_secs(1);
/// Between two looks at a source that does not say when it has something.
const MOMENT: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    cli::main(&MANUAL, run)
}

fn run(args: Args, cx: cli::Context) -> anyhow::Result<()> {
    #[cfg(all(target_os = "linux", feature = "v4l2"))]
    if args.camera.list {
        return list::list(args.camera.json);
    }
    let source = Source::of(&args)?;
    let clock: Arc<dyn Clock> = Arc::new(StopClock { clock: SystemClock::default(), stop: cx.stop.clone() });
    let late = late(args.late, source.is_live(&args));
    let mut stage = Stage::open(late, args.duration, &cx)?;
    let outcome = match source {
        Source::Test => test(&args, late, &clock, &mut stage),
        Source::Pictures(paths) if args.follow => follow(&args, &paths, &clock, &mut stage),
        Source::Pictures(paths) => slides(&args, &paths, &clock, &mut stage),
        Source::Stream(input) => stream(&args, &input, &clock, &cx, &mut stage),
        Source::Camera(which) => camera::capture(&args, &which, &cx, &mut stage),
        Source::Microphone(which) => microphone::capture(&args, &which, &cx, &mut stage),
    };
    // What was captured before an error is whole and goes out all the same.
    let finished = stage.finish();
    outcome.and(finished)
}

/// What is live does not wait for a slow reader.
fn late(asked: Option<OverflowPolicy>, live: bool) -> OverflowPolicy {
    asked.unwrap_or(if live { OverflowPolicy::Drop } else { OverflowPolicy::Block })
}

/// How fast pictures follow each other.
fn picture_rate(args: &Args) -> Rate {
    args.rate.unwrap_or_else(|| Rate::new(1, 1).expect("1 is a sane rate"))
}

fn test(args: &Args, late: OverflowPolicy, clock: &Arc<dyn Clock>, stage: &mut Stage) -> anyhow::Result<()> {
    let mut pace = Pace::live(Arc::clone(clock));
    let (defaults, time_zero) = (pattern::Options::default(), pace.start(Timestamp::ZERO));
    let (width, height) = args.size.unwrap_or((defaults.width, defaults.height));
    let options = pattern::Options {
        width,
        height,
        rate: args.rate.unwrap_or(defaults.rate),
        format: args.pixel_format.unwrap_or(defaults.format),
        audio: !args.no_audio,
        duration: args.duration,
    };
    stage.expect_frames_each(options.rate.frame_duration());
    let mut pattern = Pattern::new(options, time_zero);
    while stage.is_open()
        && let Some(event) = pattern.next()
    {
        if let Event::Packet(packet) = &event
            && !args.no_pace
        {
            let behind = pace.behind(packet.pts);
            if late != OverflowPolicy::Block && behind > TOO_LATE {
                pattern.skip_to(packet.pts.saturating_add(behind));
                continue;
            }
            // It is drawn before its time, and goes out at its time.
            if !stage.wait(&mut pace, packet.pts) {
                break;
            }
            if let Some(zero) = pace.moved() {
                pattern.set_time_zero(zero);
                stage.send(Event::TimeZero(zero))?;
            }
        }
        stage.send(event)?;
    }
    Ok(())
}

fn slides(args: &Args, paths: &[PathBuf], clock: &Arc<dyn Clock>, stage: &mut Stage) -> anyhow::Result<()> {
    let rate = picture_rate(args);
    stage.expect_frames_each(rate.frame_duration());
    let mut pace = Pace::recording(Arc::clone(clock), rate.frame_duration() * 2);
    let mut slides = Slides::open(paths, rate, args.repeat, pace.start(Timestamp::ZERO))?;
    while stage.is_open()
        && let Some(event) = slides.next()?
    {
        if let Event::Packet(packet) = &event {
            if stage.is_over(packet.pts) {
                break;
            }
            if !args.no_pace && !stage.wait(&mut pace, packet.pts) {
                break;
            }
            if let Some(zero) = pace.moved() {
                stage.send(Event::TimeZero(zero))?;
            }
        }
        stage.send(event)?;
    }
    Ok(())
}

fn follow(args: &Args, paths: &[PathBuf], clock: &Arc<dyn Clock>, stage: &mut Stage) -> anyhow::Result<()> {
    let rate = picture_rate(args);
    stage.expect_frames_each(rate.frame_duration());
    let mut follow = Follow::open(paths, rate, Arc::clone(clock))?;
    while stage.is_open() {
        match follow.poll()? {
            Some(Event::Packet(packet)) if stage.is_over(packet.pts) => break,
            Some(event) => stage.send(event)?,
            None => clock.sleep_until(clock.now() + MOMENT),
        }
    }
    Ok(())
}

#[cfg(not(all(target_os = "linux", feature = "v4l2")))]
#[cfg_attr(not(feature = "alsa"), allow(dead_code, reason = "microphones ask for the limits of cameras"))]
mod camera {
    //! Built without cameras.

    use crate::args::Args;
    use crate::stage::Stage;
    use h5live::cli::Context;
    use h5live::media::Unsupported;

    #[derive(clap::Args)]
    pub struct CameraArgs {}

    pub fn exits_on_loss(_: &CameraArgs) -> bool {
        false
    }

    pub fn stall(_: &CameraArgs) -> std::time::Duration {
        std::time::Duration::from_secs(3)
    }

    pub fn capture(_: &Args, which: &str, _: &Context, _: &mut Stage) -> anyhow::Result<()> {
        let advice =
            "capture with ffmpeg: ffmpeg -f v4l2 -i DEVICE -c:v rawvideo -pix_fmt yuv420p -f nut -flush_packets 1 - | h5cap -".into();
        Err(Unsupported { what: format!("{which}: built without cameras"), advice }.into())
    }
}

fn stream(args: &Args, input: &Input, clock: &Arc<dyn Clock>, cx: &cli::Context, stage: &mut Stage) -> anyhow::Result<()> {
    let timing = match args.rate {
        Some(rate) => Timing::Rate(rate),
        None if args.live => Timing::Arrival,
        None => Timing::Stream,
    };
    let stop = stage.stop.clone();
    let open = || -> anyhow::Result<Reader> {
        let options = ReaderOptions { name: input.name(), format: args.input_format, timing, clock: Arc::clone(clock) };
        Ok(Reader::new(input.open(&stop)?, options))
    };
    let paced = args.pace || (input.is_regular() && !args.no_pace);
    let mut player = Player::new(paced.then(|| Pace::recording(Arc::clone(clock), Duration::ZERO)), stage);
    let (mut reader, mut repeat) = (open()?, Looper::default());
    while player.stage.is_open() {
        match reader.next()? {
            Some(event) => repeat.event(event).map_or(Ok(()), |event| player.play(event))?,
            None if args.repeat && repeat.rewind() => reader = open()?.knowing(reader.said()),
            None if reader.bytes() == 0 && input.is_regular() => {
                return Err(Malformed::new("input", "the file is empty")).with_context(|| input.name());
            }
            None => {
                player.drain(true)?;
                return if player.stage.is_open() { cx.judge(&input.name(), reader.bytes(), None) } else { Ok(()) };
            }
        }
        player.stage.damaged(reader.damage());
    }
    Ok(())
}

/// The machine's clock, but a sleep ends when a stop is asked for.
struct StopClock {
    clock: SystemClock,
    stop: cli::Stop,
}

impl Clock for StopClock {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn wall(&self) -> WallTime {
        self.clock.wall()
    }

    fn sleep_until(&self, until: Duration) {
        self.stop.wait_for(until.saturating_sub(self.now()));
    }
}
