//! The arguments of recording, the same in all programs that record.

use std::path::PathBuf;
use std::time::Duration;

/// Where and how to record; flatten it into the program's own.
#[derive(clap::Args, Clone, Debug)]
pub struct RecordArgs {
    /// Record into this folder: DIR/NAME/2026-11-26/18-20-00.000Z.mp4, named by UTC
    ///
    /// A recording is fragmented MP4, and can be played at any moment. Neither a crash nor a loss of power costs what was written before.
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,

    /// A recording is cut at the first keyframe after this time, such as 10m
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = segment, requires = "record")]
    pub record_segment: Duration,

    /// Delete recordings that are older than this, such as 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = time, requires = "record")]
    pub keep: Option<Duration>,

    /// Delete the oldest recordings when all together take more than this, such as 50G
    #[arg(long, value_name = "SIZE", value_parser = size, requires = "record")]
    pub keep_size: Option<u64>,

    /// Delete the oldest recordings when less than this is free on their disk, such as 2G
    #[arg(long, value_name = "SIZE", value_parser = size, requires = "record")]
    pub min_free: Option<u64>,
}

/// `--record-segment`: 1 s to a day.
fn segment(text: &str) -> Result<Duration, String> {
    let length = time(text)?;
    let fits = (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&length);
    if fits { Ok(length) } else { Err("expected 1s to 1d".into()) }
}

/// A number and s, m, h or d.
///
/// # Errors
/// It is something else; why.
pub fn time(text: &str) -> Result<Duration, String> {
    let unit = match text.as_bytes().last() {
        Some(b's') => 1,
        Some(b'm') => 60,
        Some(b'h') => 3600,
        Some(b'd') => 86_400,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u32>().ok());
    match number.map_or(0, |number| u64::from(number) * unit) {
        0 => Err("expected a time such as 90s, 10m, 12h or 7d".into()),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

/// A number and M, G or T.
fn size(text: &str) -> Result<u64, String> {
    let shift = match text.as_bytes().last() {
        Some(b'M') => 20,
        Some(b'G') => 30,
        Some(b'T') => 40,
        _ => return Err("expected a size such as 500M, 50G or 2T".into()),
    };
    let number = text.get(..text.len() - 1).and_then(|number| number.parse::<u64>().ok());
    number.and_then(|number| number.checked_mul(1 << shift)).ok_or_else(|| "expected a size such as 500M, 50G or 2T".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes() {
        assert_eq!((time("90s"), time("7d")), (Ok(Duration::from_secs(90)), Ok(Duration::from_secs(7 * 86_400))));
        assert_eq!((segment("10m"), segment("1d")), (Ok(Duration::from_secs(600)), Ok(Duration::from_secs(86_400))));
        assert_eq!((size("500M"), size("2T")), (Ok(500 << 20), Ok(2 << 40)));
        for wrong in ["", "0s", "d", "7", "-1d", "1.5h", "7 d", "9999999999d", "5é"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert!(segment("2d").is_err());
        for wrong in ["", "G", "5", "-1G", "1.5G", "99999999999T", "5é"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
