//! How streams are cut for HLS.

use h5live::cli::seconds;
use h5live::serve::HlsOptions;
use std::time::Duration;

/// The options of HLS.
#[derive(clap::Args, Clone, Debug)]
pub struct HlsArgs {
    /// Length of a segment of HLS: at least the encoder's keyframe interval, 0.5 to 60 seconds
    ///
    /// A segment begins at the first keyframe of its time. Where keyframes are farther apart, some segments begin without one.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds(0.5, 60.0))]
    segment: Duration,

    /// Length of a part of HLS, 0.05 to 5 seconds: a player is three of them late, or more
    #[arg(long, value_name = "SECONDS", default_value = "0.2", value_parser = seconds(0.05, 5.0))]
    part: Duration,

    /// What a playlist of HLS lists, as far as --ring has room for it
    #[arg(long, value_name = "SECONDS", default_value = "12", value_parser = seconds(1.0, 3600.0))]
    hls_window: Duration,
}

impl HlsArgs {
    pub fn options(&self) -> HlsOptions {
        HlsOptions { segment: self.segment, part: self.part, window: self.hls_window }
    }
}
