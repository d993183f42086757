//! A playlist of what was recorded: byte ranges of files that are there anyway (RFC 8216, sections 4.3.2 and 4.3.3). Pure.

use crate::media::WallTime;
use std::fmt::Write as _;
use std::time::Duration;

/// A file, and what of it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VodFile {
    /// Relative to the playlist.
    pub uri: String,
    /// Bytes of its init segment, with which it begins.
    pub init: u64,
    /// When the first segment that is listed begins.
    pub begins: WallTime,
    /// One after the other.
    pub segments: Vec<VodSegment>,
}

/// A part of a file that begins at a keyframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VodSegment {
    /// In bytes from the begin of the file,
    pub at: u64,
    /// and how many.
    pub length: u64,
    /// How long it lasts.
    pub duration: Duration,
}

/// The playlist of these files.
pub fn vod_playlist(files: &[VodFile]) -> String {
    let longest = files.iter().flat_map(|file| &file.segments).map(|segment| segment.duration).max().unwrap_or_default();
    // Each is at most this when it is rounded (section 4.3.3.1).
    let target = (longest + Duration::from_millis(500)).as_secs().max(1);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n"
    );
    for (number, file) in files.iter().filter(|file| !file.segments.is_empty()).enumerate() {
        let (uri, init) = (&file.uri, file.init);
        if number > 0 {
            text.push_str("#EXT-X-DISCONTINUITY\n");
        }
        let time = jiff::Timestamp::from_microsecond(file.begins.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        _ = writeln!(text, "#EXT-X-MAP:URI=\"{uri}\",BYTERANGE=\"{init}@0\"\n#EXT-X-PROGRAM-DATE-TIME:{time:.3}");
        for VodSegment { at, length, duration } in &file.segments {
            _ = writeln!(text, "#EXTINF:{:.6},\n#EXT-X-BYTERANGE:{length}@{at}\n{uri}", duration.as_secs_f64());
        }
    }
    text.push_str("#EXT-X-ENDLIST\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_by_ranges() {
        let segment = |at, length, millis| VodSegment { at, length, duration: Duration::from_millis(millis) };
        let file = |uri: &str, segments| VodFile { uri: uri.into(), init: 700, begins: WallTime(1_795_717_200_000_000), segments };
        let files = [file("a.mp4", vec![segment(700, 1000, 4000), segment(1700, 10, 4499)]), file("b.mp4", vec![segment(700, 5, 500)])];
        let text = vod_playlist(&files);
        assert!(text.starts_with("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n") && text.ends_with("b.mp4\n#EXT-X-ENDLIST\n"), "{text}");
        for part in [
            "#EXT-X-MAP:URI=\"a.mp4\",BYTERANGE=\"700@0\"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-26T18:20:00.000Z\n#EXTINF:4.000000,\n#EXT-X-BYTERANGE:1000@700\na.mp4\n",
            "#EXT-X-BYTERANGE:10@1700\na.mp4\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"b.mp4\"",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(vod_playlist(&[]).contains("ENDLIST"));
    }
}
