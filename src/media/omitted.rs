//! Tracks that are left out: a stream goes on without them, and a warning names them.

use super::Kind;
use std::fmt;

/// A track of the input that a demuxer or a stage leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OmittedTrack {
    /// As the container counts it (track_ID, TrackNumber); of a [`super::Header`], the index plus 1.
    pub number: u64,
    /// `None`: neither video nor audio, or the track does not say.
    pub kind: Option<Kind>,
    /// The name of its codec: a four-character code, a Matroska CodecID, or as [`super::Codec`] prints it. Empty where it is not known.
    pub codec: String,
    /// Why; `encrypted` where it is.
    pub reason: String,
}

impl fmt::Display for OmittedTrack {
    /// `track 2 (audio, ac-3): no codec that is read here`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.map(|kind| kind.to_string());
        let words: Vec<&str> = [kind.as_deref().unwrap_or_default(), &self.codec].into_iter().filter(|word| !word.is_empty()).collect();
        write!(f, "track {}", self.number)?;
        if !words.is_empty() {
            write!(f, " ({})", words.join(", "))?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// So many tracks are named in one line.
const NAMED: usize = 8;

/// All of them in one line for people.
pub fn omitted_line(tracks: &[OmittedTrack]) -> String {
    let mut names: Vec<String> = tracks.iter().take(NAMED).map(ToString::to_string).collect();
    if tracks.len() > NAMED {
        names.push(format!("and {} more", tracks.len() - NAMED));
    }
    names.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_them() {
        let track = |number, kind, codec: &str, reason: &str| OmittedTrack { number, kind, codec: codec.into(), reason: reason.into() };
        let two = [track(2, Some(Kind::Audio), "enca", "encrypted"), track(3, None, "", "damaged")];
        assert_eq!(omitted_line(&two), "track 2 (audio, enca): encrypted; track 3: damaged");
        let many: Vec<_> = (0..20).map(|n| track(n, None, "mebx", "x")).collect();
        assert!(omitted_line(&many).ends_with("track 7 (mebx): x; and 12 more"));
    }
}
