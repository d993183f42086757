//! How to mux.

use crate::media::Unsupported;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How much goes into a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragment {
    /// One frame: no delay.
    #[default]
    Frame,
    /// From a keyframe to the next; without video, a second.
    Gop,
    /// As much as lasts this long, never more than from a keyframe to the next.
    Every(Duration),
}

impl FromStr for Fragment {
    type Err = Unsupported;

    /// `frame`, `gop`, or milliseconds from 1 to 60000.
    fn from_str(s: &str) -> Result<Fragment, Unsupported> {
        let millis = |s: &str| s.parse().ok().filter(|ms| (1..=60_000).contains(ms)).map(Duration::from_millis);
        match s {
            "frame" => Ok(Fragment::Frame),
            "gop" => Ok(Fragment::Gop),
            _ => millis(s).map(Fragment::Every).ok_or_else(|| Unsupported {
                what: format!("no fragment {s:?}"),
                advice: "choose frame, gop, or milliseconds from 1 to 60000".into(),
            }),
        }
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fragment::Frame => f.write_str("frame"),
            Fragment::Gop => f.write_str("gop"),
            Fragment::Every(d) => write!(f, "{}", d.as_millis()),
        }
    }
}

/// How to mux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MuxOptions {
    /// How much goes into a chunk.
    pub fragment: Fragment,
    /// Tell the wall-clock time of capture before each video chunk (audio chunk where there is no video).
    pub prft: bool,
}

impl Default for MuxOptions {
    fn default() -> Self {
        MuxOptions { fragment: Fragment::Frame, prft: true }
    }
}
