//! The arguments that are only for cameras and microphones, as far as this build has them.

#[cfg(all(target_os = "linux", feature = "v4l2"))]
use h5live::source::v4l2::FormatRequest;
use h5live::source::{OnLoss, Options};
use std::time::Duration;

/// Arguments for cameras, as typed.
#[cfg(all(target_os = "linux", feature = "v4l2"))]
#[derive(clap::Args)]
#[command(next_help_heading = "Cameras")]
pub struct CameraArgs {
    /// Format to capture: mjpeg, h264, h265, a pixel format such as yuy2, or the driver's four characters [default: the camera's best]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<FormatRequest>,

    /// Set a control of the camera, such as brightness=128 or power_line_frequency="60 Hz"; --list names them
    #[arg(long = "control-set", value_name = "NAME=VALUE", value_parser = parse_control)]
    pub controls: Vec<(String, String)>,

    /// List cameras with their formats and controls, and microphones, and exit
    #[arg(long)]
    pub list: bool,

    /// List the cameras of the local network too, by ONVIF; with --user also their profiles
    #[cfg(feature = "onvif")]
    #[arg(long = "network", requires = "list")]
    pub network: bool,

    /// Print the list as JSON
    #[arg(long, requires = "list")]
    pub json: bool,
}

/// Built without cameras.
#[cfg(not(all(target_os = "linux", feature = "v4l2")))]
#[derive(clap::Args)]
pub struct CameraArgs {}

/// Arguments for all cameras, as typed.
#[derive(clap::Args)]
#[command(next_help_heading = "Cameras")]
pub struct LossArgs {
    /// Restart a camera that gives no frame for this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = parse_stall)]
    pub stall: Duration,

    /// When the camera is lost: wait for it, exit, or send black pictures while waiting
    #[arg(long, value_enum, value_name = "POLICY", default_value_t)]
    pub on_loss: LossPolicy,
}

impl LossArgs {
    /// Into the options of the source.
    pub fn set(&self, options: &mut Options) {
        options.stall = self.stall;
        options.on_loss = match self.on_loss {
            LossPolicy::Wait => OnLoss::Wait,
            LossPolicy::Exit => OnLoss::Exit,
            LossPolicy::Black => OnLoss::Black,
        };
    }
}

impl CameraArgs {
    /// What is asked of a camera, into the options of the source.
    #[cfg(all(target_os = "linux", feature = "v4l2"))]
    pub fn set(&self, options: &mut Options) {
        options.format.clone_from(&self.format);
        options.controls.clone_from(&self.controls);
    }

    #[cfg(not(all(target_os = "linux", feature = "v4l2")))]
    pub fn set(&self, _: &mut Options) {}
}

/// Arguments for microphones, as typed.
#[cfg(all(target_os = "linux", feature = "alsa"))]
#[derive(clap::Args)]
#[command(next_help_heading = "Microphones")]
pub struct AudioArgs {
    /// Audio for a camera: default, an ALSA device such as hw:1, or a sound card's name, serial number or place on the bus
    #[arg(long, value_name = "DEVICE")]
    pub audio: Option<String>,
}

/// Built without microphones.
#[cfg(not(all(target_os = "linux", feature = "alsa")))]
#[derive(clap::Args)]
pub struct AudioArgs {}

impl AudioArgs {
    #[cfg(all(target_os = "linux", feature = "alsa"))]
    pub fn device(&self) -> Option<&str> {
        self.audio.as_deref()
    }

    #[cfg(not(all(target_os = "linux", feature = "alsa")))]
    pub fn device(&self) -> Option<&str> {
        None
    }
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub enum LossPolicy {
    #[default]
    Wait,
    Exit,
    Black,
}

#[cfg(all(target_os = "linux", feature = "v4l2"))]
fn parse_control(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a control is set as NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn parse_stall(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|s| (0.1..=3600.0).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "0.1 to 3600 seconds".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", feature = "v4l2"))]
    fn controls() {
        assert_eq!(parse_control("focus = 5"), Ok(("focus".into(), "5".into())));
        assert!(parse_control("focus").is_err());
    }

    #[test]
    fn stalls() {
        assert_eq!(parse_stall("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "nan", "1e9", ""] {
            assert!(parse_stall(wrong).is_err(), "{wrong}");
        }
    }
}
