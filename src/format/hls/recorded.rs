//! The playlist of what was recorded, as text (draft-pantos-hls-rfc8216bis, section 4.4): segments are ranges of files. Pure.

use crate::media::WallTime;
use std::fmt::{self, Write};
use std::ops::Range;
use std::time::Duration;

/// What was recorded, the oldest first.
#[derive(Clone, Debug)]
pub struct RecordedPlaylist {
    /// Apart from each other in time, or with tracks of their own: each begins anew.
    pub files: Vec<RecordedFile>,
    /// No segment will follow.
    pub ended: bool,
}

/// A file of which some segments are listed.
#[derive(Clone, Debug)]
pub struct RecordedFile {
    /// Of the media, relative to the playlist.
    pub uri: String,
    /// Of its init segment, likewise.
    pub init: String,
    /// When the first of the segments was captured.
    pub begin: WallTime,
    /// Ranges of bytes, and how long each is. They follow each other.
    pub segments: Vec<(Range<u64>, Duration)>,
}

impl RecordedPlaylist {
    /// The text. Each segment begins with a keyframe. A playlist that has not ended gets more at its end, and loses nothing.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a string takes everything");
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let longest = self.files.iter().flat_map(|file| &file.segments).map(|(_, length)| *length).max().unwrap_or_default();
        // Rounded to the nearest second no segment is longer (section 4.4.3.1). It never changes (section 6.2.1), so it is not small at first.
        let target = longest.as_millis().div_ceil(1000).max(10);
        let kind = if self.ended { "VOD" } else { "EVENT" };
        writeln!(out, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:{kind}")?;
        writeln!(out, "#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS")?;
        for (n, file) in self.files.iter().enumerate() {
            if n > 0 {
                writeln!(out, "#EXT-X-DISCONTINUITY")?;
            }
            writeln!(out, "#EXT-X-MAP:URI=\"{}\"", file.init)?;
            let begin = jiff::Timestamp::from_microsecond(file.begin.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{begin:.3}")?;
            for (bytes, length) in &file.segments {
                writeln!(
                    out,
                    "#EXTINF:{:.6},\n#EXT-X-BYTERANGE:{}@{}\n{}",
                    length.as_secs_f64(),
                    bytes.end - bytes.start,
                    bytes.start,
                    file.uri
                )?;
            }
        }
        if self.ended {
            writeln!(out, "#EXT-X-ENDLIST")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_player_reads_it() {
        let file = |uri: &str, begin| RecordedFile {
            uri: uri.into(),
            init: format!("{uri}.init"),
            begin: WallTime(begin),
            segments: vec![(700..5700, Duration::from_millis(6006)), (5700..9000, Duration::from_millis(10_200))],
        };
        let files = vec![file("a", 1_795_717_200_000_000), file("b", 1_795_717_300_000_000)];
        let mut playlist = RecordedPlaylist { files, ended: true };
        let text = playlist.text();
        assert!(text.starts_with("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:11\n#EXT-X-PLAYLIST-TYPE:VOD\n"), "{text}");
        assert!(text.contains(
            "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"b.init\"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-26T18:21:40.000Z\n#EXTINF:6.006000,\n#EXT-X-BYTERANGE:5000@700\nb\n"
        ));
        assert!(text.ends_with("#EXT-X-ENDLIST\n") && text.matches("DISCONTINUITY").count() == 1);
        playlist.ended = false;
        assert!(playlist.text().contains("TYPE:EVENT") && !playlist.text().contains("ENDLIST"));
    }
}
