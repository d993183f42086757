//! h5cap: a camera, a test picture, pictures or a recording in, live Matroska out.

mod args;
mod capture;
mod controls;
mod devices;
mod encoder;
mod find;
mod input;
#[cfg(all(target_os = "linux", feature = "v4l2"))]
mod list;
#[cfg(all(target_os = "linux", feature = "v4l2", feature = "onvif"))]
mod list_network;
mod network;

use args::{Args, MANUAL};
use capture::{Output, capture};
use h5live::cli;
use h5live::media::Clock;
use h5live::source::Options;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    cli::main(&MANUAL, run)
}

fn run(args: Args, cx: cli::Context) -> anyhow::Result<()> {
    #[cfg(all(target_os = "linux", feature = "v4l2"))]
    if args.camera.list {
        #[cfg(feature = "onvif")]
        let network = if args.camera.network { Some(list_network::find(&args.network)?) } else { None };
        #[cfg(not(feature = "onvif"))]
        let network = None;
        return list::list(args.camera.json, network);
    }
    let found = find::find(&args)?;
    let clock: Arc<dyn Clock> = Arc::new(cx.stop.clock());
    let mut options = Options::new(Arc::clone(&clock), input::opener(&args, &clock, &cx.stop));
    #[cfg(feature = "http")]
    {
        options.read_bytes = Some(input::network_reader(&args, &clock));
    }
    options.encode_pictures = encoder::encoder();
    find::set(&args, &mut options, &found)?;
    let mut output = Output::open(options.late, args.duration, &cx)?;
    let outcome = found.open(&options).map_err(anyhow::Error::from).and_then(|mut source| capture(&mut *source, &mut output, &cx));
    // Events from before an error are whole: they go out.
    let finished = output.finish();
    outcome.and(finished)
}
