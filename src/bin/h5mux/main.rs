//! h5mux: coded video and audio in, CMAF (fragmented MP4) out, one chunk per frame; and HLS, as files.

mod args;
mod input;
mod manual;
mod output;
mod record;
mod stage;
mod stores;
mod target;

use args::Args;
use h5live::cli;
use h5live::format::Timing;
use h5live::media::SystemClock;
use h5live::mux::MuxOptions;
use h5live::pipe::{OutputQueue, Reader, ReaderOptions, VectoredWriter};
use input::Opened;
use output::Output;
use record::Recording;
use stage::MuxStage;
use std::process::ExitCode;
use std::sync::Arc;
use stores::Stores;

fn main() -> ExitCode {
    cli::main(&manual::MANUAL, run)
}

fn run(args: Args, cx: cli::Context) -> anyhow::Result<()> {
    let file = input::open_input(args.input.as_deref(), &cx.stop)?;
    let output =
        output::open_output(args.output.as_deref(), &file, args.hls.is_some() || args.put.is_some() || args.record.record.is_some())?;
    let Opened { name, input, stored } = file.open()?;
    let stores = Stores::open(&args, stored, &cx)?;
    let recording = Recording::start(&args, stored, &cx)?;
    let timing = match args.rate {
        Some(rate) => Timing::Rate(rate),
        None if args.live => Timing::Arrival,
        None => Timing::Stream,
    };
    let clock = Arc::new(SystemClock::default());
    let mut reader = Reader::new(input, ReaderOptions { name: name.clone(), format: args.input_format, timing, clock: clock.clone() });
    let out = output.map(|(out_name, output)| {
        let out = OutputQueue::new(VectoredWriter::new(output, out_name), args.overflow.policy);
        if stored { out.gathering(VectoredWriter::<Output>::STORED) } else { out }
    });
    let options = MuxOptions { fragment: args.fragment, prft: !args.no_clock };
    let mut stage = MuxStage::new((name.clone(), stored), options, clock, out, (stores, recording), cx.stats.clone());
    let outcome = stage.pump(&mut reader, &cx);
    // Events from before an error are whole: they go out.
    let finished = stage.finish(!cx.stop.requested(), &cx.stop);
    outcome.and(finished)?;
    if cx.stop.requested() { Ok(()) } else { cx.judge(&name, reader.bytes(), None) }
}
