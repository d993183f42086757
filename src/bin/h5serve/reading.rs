//! How an input is read.

use h5live::format::Timing;
use h5live::media::Rate;
use h5live::pipe::InputFormat;

/// The options of reading, for all inputs.
#[derive(clap::Args, Clone, Debug)]
pub struct Reading {
    /// Format of the inputs, in place of detection
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<InputFormat>,

    /// Frame rate of inputs without timestamps, such as raw H.264
    #[arg(long, value_name = "FPS")]
    rate: Option<Rate>,

    /// Time inputs without timestamps by their arrival
    #[arg(long, conflicts_with = "rate")]
    live: bool,
}

impl Reading {
    /// For what others send: whatever it is, it says so itself.
    pub fn detected(&self) -> Reading {
        Reading { input_format: None, ..self.clone() }
    }

    pub fn timing(&self) -> Timing {
        match self.rate {
            Some(rate) => Timing::Rate(rate),
            None if self.live => Timing::Arrival,
            None => Timing::Stream,
        }
    }
}
