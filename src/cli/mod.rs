//! What the four programs share at their edges: arguments, exit codes, signals, the log, the status line, the
//! control endpoint and the manual.
//!
//! A program is its [`Manual`], its arguments and one function:
//!
//! ```no_run
//! # use h5live::cli;
//! # const MANUAL: cli::Manual = cli::Manual::new("h5cat", "pass a stream on", "");
//! #[derive(clap::Parser)]
//! struct Args {
//!     #[command(flatten)]
//!     common: cli::Common,
//! }
//!
//! impl AsRef<cli::Common> for Args {
//!     fn as_ref(&self) -> &cli::Common {
//!         &self.common
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     cli::main(&MANUAL, run)
//! }
//!
//! fn run(_args: Args, cx: cli::Context) -> anyhow::Result<()> {
//!     while !cx.stop.requested() { /* read, work, write */ }
//!     Ok(())
//! }
//! ```
//!
//! Nothing here knows of tracks, formats or stages.

mod console;
pub mod control;
pub mod exit;
mod log;
pub mod manual;
mod meter;
mod metrics;
mod overflow_arg;
mod panic;
mod record_args;
mod seconds;
pub mod stats;
mod status;
mod stop;

pub use control::{Control, Reply};
pub use exit::usage;
pub use log::{LogFormat, follow_log};
pub use manual::Manual;
pub use metrics::{Counter, Gauge, Histogram};
pub use overflow_arg::OverflowArg;
pub use record_args::{RecordArgs, time as length_of_time};
pub use seconds::seconds;
pub use stats::Stats;
pub use stop::{Stop, StopClock};

use anyhow::Context as _;
use manual::HEADING;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments that every program takes; flatten it into the program's own.
#[derive(clap::Args, Clone, Debug)]
pub struct Common {
    /// Print more on stderr: once for progress, twice for details, three times for everything
    #[arg(short, long, help_heading = HEADING, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Print only errors on stderr: no status line, no warnings
    #[arg(short, long, help_heading = HEADING, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Format of the messages on stderr
    #[arg(long, help_heading = HEADING, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log: LogFormat,

    /// Serve /metrics, /healthz and /stats over HTTP at this port, or address and port
    ///
    /// A port alone is on this machine only (127.0.0.1). Port 0 lets the system choose; -v prints the port.
    #[arg(long, help_heading = HEADING, value_name = "ADDR")]
    pub control: Option<control::Address>,

    /// Who asks the control endpoint shows the token in this file: Authorization: Bearer TOKEN
    ///
    /// It is wanted where --control listens wider than on this machine. The file is read at the start: one line, such as openssl rand -hex 32 prints.
    #[arg(long, help_heading = HEADING, value_name = "FILE", requires = "control")]
    pub control_token_file: Option<PathBuf>,

    /// Print the manual page or a shell's completions
    #[arg(long, help_heading = HEADING, value_enum, value_name = "WHAT", hide = true, exclusive = true)]
    generate: Option<manual::Generate>,
}

/// What a program's `run` gets besides its arguments.
#[derive(Clone)]
pub struct Context {
    /// The numbers that /metrics, /stats and the status line show.
    pub stats: Arc<Stats>,
    /// Whether the program is to end.
    pub stop: Stop,
    /// The control endpoint.
    pub control: Control,
}

impl Context {
    /// The end of an input of so many bytes: whether something of it was shown, by what was counted. See [`exit::shown`].
    ///
    /// # Errors
    /// Exit code 4, and why nothing was shown.
    pub fn judge(&self, input: &str, read: u64, why: Option<&str>) -> anyhow::Result<()> {
        let Stats { input: frames, output, damaged, dropped, .. } = &*self.stats;
        exit::shown(&exit::Outcome {
            input,
            read,
            frames: frames.frames(),
            shown: output.frames(),
            damaged: damaged.get(),
            dropped: dropped.get(),
            why,
        })
    }
}

/// Runs a program: parses the arguments, sets up log, signals, status line and control endpoint, calls `run` and turns
/// its result into an exit code (see [`exit`]).
pub fn main<A>(manual: &'static Manual, run: fn(A, Context) -> anyhow::Result<()>) -> ExitCode
where
    A: clap::Parser + AsRef<Common>,
{
    main_or_tool(manual, |_| None, |_| Ok(()), run)
}

/// As [`main`], for a program that is a tool too, by its first argument: where `tool` gives something, that is all, and signals do what they do in
/// any program. `prepare` comes before any thread is started: what it does to its own holds for all of them.
pub fn main_or_tool<A>(
    manual: &'static Manual,
    tool: fn(&A) -> Option<anyhow::Result<()>>,
    prepare: fn(&A) -> anyhow::Result<()>,
    run: fn(A, Context) -> anyhow::Result<()>,
) -> ExitCode
where
    A: clap::Parser + AsRef<Common>,
{
    let matches = manual.command::<A>().get_matches();
    if let Some(&what) = matches.get_one::<manual::Generate>("generate") {
        return exit::report(manual.name, manual.generate::<A>(what));
    }
    let args = A::from_arg_matches(&matches).unwrap_or_else(|e| e.format(&mut manual.command::<A>()).exit());
    let common = args.as_ref().clone();
    log::init(manual.name, common.log, common.quiet, common.verbose);
    panic::end_program_on_panic(manual.name);
    if let Some(outcome) = tool(&args) {
        return exit::report(manual.name, outcome);
    }
    let outcome = prepare(&args).and_then(|()| start(manual.name, &common)).and_then(|(context, _status)| run(args, context));
    exit::report(manual.name, outcome)
}

/// Says something that every user wants to know, such as an address: a line of its own, unless `-q`; with `--log json` an object as all
/// others are.
pub fn announce(common: &Common, program: &str, what: &str) {
    if !common.quiet {
        log::announce(program, common.log, what);
    }
}

/// The parts of a running program; the status line stands as long as the second value lives.
fn start(program: &'static str, common: &Common) -> anyhow::Result<(Context, status::Ticker)> {
    let stats = Arc::new(Stats::new(program));
    let control = Control::default();
    if let Some(address) = &common.control {
        let token = common.control_token_file.as_deref().map(control::Token::read).transpose().context("--control-token-file")?;
        let bound = control.listen(address, token, Arc::clone(&stats)).with_context(|| format!("--control {address}"))?;
        tracing::info!("control endpoint at http://{bound}/");
    }
    let stop = Stop::on_signals().context("signal handlers")?;
    let ticker = status::Ticker::start(Arc::clone(&stats), common.quiet);
    Ok((Context { stats, stop, control }, ticker))
}
