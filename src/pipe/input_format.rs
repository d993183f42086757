//! The formats that are read, and their names on the command line.

use crate::media::Unsupported;
use std::fmt;
use std::str::FromStr;

/// The formats that every program takes on stdin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputFormat {
    /// Matroska and WebM.
    Matroska,
    /// Fragmented MP4, and MP4 whose `moov` comes first.
    Mp4,
    /// H.264 Annex B byte stream.
    H264,
    /// H.265 Annex B byte stream.
    H265,
    /// YUV4MPEG2.
    Y4m,
    /// JPEG images one after the other.
    Jpeg,
    /// `multipart/x-mixed-replace` body of JPEG parts.
    Multipart,
    /// AAC with ADTS headers.
    Adts,
    /// MPEG audio layer III.
    Mp3,
    /// RIFF WAVE.
    Wav,
    /// NUT, which ffmpeg writes without holding a frame back.
    Nut,
    /// FLV, with legacy and enhanced codecs.
    Flv,
    /// MPEG transport stream.
    MpegTs,
}

impl InputFormat {
    /// Every format.
    pub const ALL: [InputFormat; 13] = [
        InputFormat::Matroska,
        InputFormat::Mp4,
        InputFormat::H264,
        InputFormat::H265,
        InputFormat::Y4m,
        InputFormat::Jpeg,
        InputFormat::Multipart,
        InputFormat::Adts,
        InputFormat::Mp3,
        InputFormat::Wav,
        InputFormat::Nut,
        InputFormat::Flv,
        InputFormat::MpegTs,
    ];

    /// Whether its packets have times of their own, so that [`crate::format::Timing`] does not matter.
    pub fn has_times(self) -> bool {
        matches!(self, InputFormat::Matroska | InputFormat::Mp4 | InputFormat::Nut | InputFormat::Flv | InputFormat::MpegTs)
    }
}

/// The names of `--input-format`.
impl fmt::Display for InputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InputFormat::Matroska => "matroska",
            InputFormat::Mp4 => "mp4",
            InputFormat::H264 => "h264",
            InputFormat::H265 => "h265",
            InputFormat::Y4m => "y4m",
            InputFormat::Jpeg => "jpeg",
            InputFormat::Multipart => "multipart",
            InputFormat::Adts => "adts",
            InputFormat::Mp3 => "mp3",
            InputFormat::Wav => "wav",
            InputFormat::Nut => "nut",
            InputFormat::Flv => "flv",
            InputFormat::MpegTs => "mpegts",
        })
    }
}

impl FromStr for InputFormat {
    type Err = Unsupported;

    fn from_str(s: &str) -> Result<InputFormat, Unsupported> {
        let known = || InputFormat::ALL.map(|f| f.to_string()).join(", ");
        InputFormat::ALL
            .into_iter()
            .find(|f| f.to_string().eq_ignore_ascii_case(s))
            .ok_or_else(|| Unsupported { what: format!("no input format {s:?}"), advice: format!("choose one of {}", known()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for format in InputFormat::ALL {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert!("mov".parse::<InputFormat>().unwrap_err().to_string().contains("matroska, mp4"));
    }
}
