//! The arguments of h5mux.

use h5live::cli;
use h5live::media::Rate;
use h5live::mux::Fragment;
use h5live::pipe::InputFormat;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments as typed.
#[derive(clap::Parser)]
#[command(group = clap::ArgGroup::new("stores").args(["hls", "put"]).multiple(true))]
pub struct Args {
    /// File to read; - or nothing for stdin
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,

    /// Write to a file in place of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Write HLS into a folder, for a web server: playlists and segments
    #[arg(long, value_name = "DIR")]
    pub hls: Option<PathBuf>,

    /// Put HLS at a server by HTTP PUT: http://HOST/PATH, https://HOST/PATH or s3://BUCKET/PATH
    #[arg(long, value_name = "URL")]
    pub put: Option<String>,

    /// The server of --put wants the token in this file: Authorization: Bearer TOKEN
    #[arg(long, value_name = "FILE", requires = "put")]
    pub put_token_file: Option<PathBuf>,

    /// Length of a segment of HLS: at least the encoder's keyframe interval, 0.5 to 60 seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = cli::seconds(0.5, 60.0), requires = "stores")]
    pub segment: Duration,

    /// What a playlist of HLS lists; what leaves it is deleted later
    #[arg(long, value_name = "SECONDS", default_value = "12", value_parser = cli::seconds(1.0, 3600.0), requires = "stores")]
    pub hls_window: Duration,

    #[command(flatten)]
    pub record: cli::RecordArgs,

    /// Name of the stream in the folder of --record
    #[arg(long, value_name = "NAME", default_value = "live", requires = "record")]
    pub record_name: String,

    /// Length of a chunk: one frame (no delay), a group of pictures, or a number of milliseconds
    #[arg(long, value_name = "frame|gop|MS", default_value_t)]
    pub fragment: Fragment,

    /// Format of the input, in place of detection: matroska, mp4, nut, h264, h265, adts, ...
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<InputFormat>,

    /// Frame rate of an input without timestamps
    #[arg(long, value_name = "FPS", conflicts_with = "live")]
    pub rate: Option<Rate>,

    /// Time an input without timestamps by its arrival
    #[arg(long)]
    pub live: bool,

    /// Omit the wall-clock times
    #[arg(long)]
    pub no_clock: bool,

    #[command(flatten)]
    pub overflow: cli::OverflowArg,

    #[command(flatten)]
    pub common: cli::Common,
}

impl AsRef<cli::Common> for Args {
    fn as_ref(&self) -> &cli::Common {
        &self.common
    }
}
