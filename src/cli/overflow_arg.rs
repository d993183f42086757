//! The argument `--late`, the same in all programs.

use crate::media::OverflowPolicy;
use clap::builder::PossibleValue;

/// The argument `--late`; flatten it into the program's own. The default is `block`; another one is set with
/// `#[command(mut_arg("late", |a| a.default_value("drop")))]`.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct OverflowArg {
    /// What to do when the next program is too slow
    ///
    /// At most half a second of coded video, two seconds of audio, two raw or MJPEG pictures, and 64 MiB in all wait for the next program.
    #[arg(long = "late", id = "late", value_enum, value_name = "POLICY", default_value_t)]
    pub policy: OverflowPolicy,
}

impl clap::ValueEnum for OverflowPolicy {
    fn value_variants<'a>() -> &'a [OverflowPolicy] {
        &[OverflowPolicy::Drop, OverflowPolicy::Block, OverflowPolicy::Exit]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            OverflowPolicy::Drop => {
                ("drop", "Drop the oldest raw or MJPEG picture, or the rest of a group of pictures, and count the drops")
            }
            OverflowPolicy::Block => ("block", "Wait, and make the source wait"),
            OverflowPolicy::Exit => ("exit", "End with exit code 1"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}
