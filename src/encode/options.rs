//! The options of the encoders.

use super::scale::Size;
use crate::media::{Rate, Timestamp, Unsupported};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What becomes of video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoCodec {
    /// Raw and JPEG become H.264, other coded video stays as it is.
    #[default]
    Auto,
    /// H.264, from raw video or MJPEG.
    H264,
    /// Independent JPEG images.
    Mjpeg,
    /// Unchanged.
    Copy,
    /// No video.
    None,
}

/// What becomes of audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AudioCodec {
    /// PCM becomes Opus, coded stays as it is.
    #[default]
    Auto,
    /// Opus, packets of 20 ms.
    Opus,
    /// AAC-LC.
    Aac,
    /// Unchanged.
    Copy,
    /// No audio.
    None,
}

/// The settings of all encoders of a stage.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What video becomes.
    pub video: VideoCodec,
    /// What audio becomes.
    pub audio: AudioCodec,
    /// Bits a second of video; `None`: by size and rate.
    pub bitrate: Option<u32>,
    /// Bits a second of audio; `None`: by channels.
    pub audio_bitrate: Option<u32>,
    /// How far apart keyframes are.
    pub gop: Gop,
    /// The size of pictures; as they are by default.
    pub size: Option<Size>,
    /// At most so many pictures a second.
    pub rate: Option<Rate>,
    /// 1 to 100: of JPEG, and the best that H.264 ever gets.
    pub quality: Option<u8>,
    /// `None`: as many as it takes.
    pub threads: Option<u16>,
}

/// How far apart keyframes are, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gop {
    /// So many frames.
    Frames(u32),
    /// So long.
    Time(Duration),
}

impl Default for Gop {
    fn default() -> Gop {
        Gop::Time(Duration::from_secs(1))
    }
}

impl Gop {
    /// The longest that makes sense: a viewer waits for as long to see anything.
    const LONGEST: Duration = Duration::from_secs(600);

    /// Whether the picture at `pts` is to be a key, `frames` after the last one, which was at `key`; pictures come `spacing`
    /// seconds apart.
    pub fn is_over(self, key: Timestamp, pts: Timestamp, frames: u64, spacing: f64) -> bool {
        match self {
            Gop::Frames(n) => frames >= u64::from(n),
            // Half a picture early rather than half a picture late.
            Gop::Time(time) => pts < key || (pts - key) as f64 / 1e6 >= time.as_secs_f64() - spacing / 2.0,
        }
    }

    /// Seconds from key to key.
    pub fn seconds(self, spacing: f64) -> f64 {
        match self {
            Gop::Frames(n) => f64::from(n.max(1)) * spacing,
            Gop::Time(time) => time.as_secs_f64(),
        }
    }
}

/// `1s`, `0.5s`, `500ms`: a time; `50`: so many frames.
impl FromStr for Gop {
    type Err = Unsupported;

    fn from_str(s: &str) -> Result<Gop, Unsupported> {
        let time = |text: &str, unit: f64| {
            let seconds = text.parse::<f64>().ok().map(|value| value * unit).filter(|seconds| *seconds > 0.0)?;
            Some(Gop::Time(Duration::try_from_secs_f64(seconds).ok().filter(|time| *time <= Gop::LONGEST)?))
        };
        let gop = if let Some(text) = s.strip_suffix("ms") {
            time(text, 1e-3)
        } else if let Some(text) = s.strip_suffix('s') {
            time(text, 1.0)
        } else {
            s.parse().ok().filter(|frames| (1..=100_000).contains(frames)).map(Gop::Frames)
        };
        gop.ok_or_else(|| Unsupported {
            what: format!("no distance of key pictures {s:?}"),
            advice: "say 1s, 500ms or, in pictures, 50".to_owned(),
        })
    }
}

/// A number of bits a second: `1500000`, `1500K`, `1.5M`.
///
/// # Errors
/// Outside 1 bit to 1 Gbit a second, and for anything else.
pub fn parse_bitrate(s: &str) -> Result<u32, Unsupported> {
    let (digits, unit) = match s.trim_end_matches(['k', 'K']) {
        digits if digits.len() + 1 == s.len() => (digits, 1e3),
        _ => match s.trim_end_matches(['m', 'M']) {
            digits if digits.len() + 1 == s.len() => (digits, 1e6),
            _ => (s, 1.0),
        },
    };
    let bits = digits.parse::<f64>().ok().map(|value| (value * unit).round());
    bits.filter(|bits| (1.0..=1e9).contains(bits))
        .map(|bits| bits as u32)
        .ok_or_else(|| Unsupported { what: format!("no bitrate {s:?}"), advice: "say 1500K or 1.5M".to_owned() })
}

/// What can be changed, and seen, while a stage runs.
#[derive(Debug, Default)]
pub struct Live {
    keyframe: AtomicBool,
    /// 0: not changed.
    bitrate: AtomicU32,
    damaged: AtomicU64,
    thinned: AtomicU64,
}

impl Live {
    /// Makes the next picture of every encoder a keyframe.
    pub fn request_keyframe(&self) {
        self.keyframe.store(true, Ordering::Relaxed);
    }

    /// Bits a second of video, from the next picture on.
    pub fn set_bitrate(&self, bitrate: u32) {
        self.bitrate.store(bitrate, Ordering::Relaxed);
    }

    /// Pictures that could not be decoded and were left out, so far.
    pub fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Pictures left out to keep to the wanted rate, so far.
    pub fn thinned(&self) -> u64 {
        self.thinned.load(Ordering::Relaxed)
    }

    pub(super) fn take_keyframe(&self) -> bool {
        self.keyframe.load(Ordering::Relaxed) && self.keyframe.swap(false, Ordering::Relaxed)
    }

    pub(super) fn bitrate(&self) -> Option<u32> {
        Some(self.bitrate.load(Ordering::Relaxed)).filter(|bitrate| *bitrate > 0)
    }

    pub(super) fn count_damaged(&self) {
        self.damaged.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_thinned(&self) {
        self.thinned.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitrates() {
        for (text, bits) in [("1500000", 1_500_000), ("1500K", 1_500_000), ("1.5M", 1_500_000), ("64k", 64_000), ("1m", 1_000_000)] {
            assert_eq!(parse_bitrate(text), Ok(bits));
        }
        for bad in ["", "K", "0", "-1", "1G", "2000M", "1.5KK", "nan", "inf", "1 M"] {
            assert!(parse_bitrate(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn distances_of_keys() {
        assert_eq!("1s".parse(), Ok(Gop::Time(Duration::from_secs(1))));
        assert_eq!("500ms".parse(), Ok(Gop::Time(Duration::from_millis(500))));
        assert_eq!("30".parse(), Ok(Gop::Frames(30)));
        for bad in ["", "s", "0", "0s", "-1s", "nans", "1h", "1e9s", "infs"] {
            assert!(bad.parse::<Gop>().is_err(), "{bad:?}");
        }
        let second = Gop::default();
        let at = |micros| second.is_over(Timestamp(0), Timestamp(micros), 0, 1.0 / 30.0);
        assert!(!at(966_667) && at(1_000_000) && at(990_000));
        assert!(second.is_over(Timestamp(9_000_000), Timestamp(0), 1, 0.03), "time went back");
    }
}
