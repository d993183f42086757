//! The multivariant playlist as text (draft-pantos-hls-rfc8216bis, section 4.4.6).

use super::name::{Name, Rendition};
use std::fmt::Write;

/// What a stream has.
#[derive(Clone, Debug)]
pub struct Multivariant {
    /// What a player plays: pictures, or sound where there are none.
    pub rendition: Rendition,
    /// The sound beside pictures.
    pub sound: Option<Sound>,
    /// RFC 6381 names of all tracks, with commas between them.
    pub codecs: String,
    /// In pixels, as it is shown.
    pub size: Option<(u32, u32)>,
    /// How long a picture lasts, in microseconds.
    pub frame: Option<i64>,
    /// Bits a second: at most, and on average.
    pub bandwidth: (u64, u64),
}

/// The rendition of sound.
#[derive(Clone, Debug)]
pub struct Sound {
    /// Channels, where their number is known.
    pub channels: Option<u16>,
    /// RFC 5646, where it is known.
    pub language: Option<String>,
}

impl Multivariant {
    /// The playlist.
    pub fn text(&self) -> String {
        let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:9\n");
        if let Some(sound) = &self.sound {
            let name = Name::Playlist(Rendition::Audio);
            text += "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"audio\",DEFAULT=YES,AUTOSELECT=YES,";
            // A tag that is no tag would end the attribute.
            let plain = |language: &&String| !language.is_empty() && language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if let Some(language) = sound.language.as_ref().filter(plain) {
                _ = write!(text, "LANGUAGE=\"{language}\",");
            }
            if let Some(channels) = sound.channels {
                _ = write!(text, "CHANNELS=\"{channels}\",");
            }
            _ = writeln!(text, "URI=\"{name}\"");
        }
        let (most, average) = self.bandwidth;
        _ = write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"", most.max(1), average.max(1), self.codecs);
        if let Some((width, height)) = self.size {
            _ = write!(text, ",RESOLUTION={width}x{height}");
        }
        if let Some(frame) = self.frame.filter(|frame| *frame > 0) {
            _ = write!(text, ",FRAME-RATE={:.3}", 1e6 / frame as f64);
        }
        text += if self.sound.is_some() { ",AUDIO=\"audio\"\n" } else { "\n" };
        _ = writeln!(text, "{}", Name::Playlist(self.rendition));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_has() {
        let video = Multivariant {
            rendition: Rendition::Video,
            sound: None,
            codecs: "avc1.42C01E".into(),
            size: Some((640, 360)),
            frame: Some(33_333),
            bandwidth: (1_200_000, 1_000_000),
        };
        let line = "BANDWIDTH=1200000,AVERAGE-BANDWIDTH=1000000,CODECS=\"avc1.42C01E\",RESOLUTION=640x360,FRAME-RATE=30.000";
        assert_eq!(video.text(), format!("#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-STREAM-INF:{line}\nvideo.m3u8\n"));
        let sound = |language: &str| Some(Sound { channels: Some(2), language: Some(language.into()) });
        let both = Multivariant { sound: sound("de"), ..video.clone() }.text();
        assert!(both.contains(",LANGUAGE=\"de\",CHANNELS=\"2\",URI=\"audio.m3u8\"\n") && both.contains(",AUDIO=\"audio\"\nvideo.m3u8\n"));
        assert!(!Multivariant { sound: sound("\"\n#EXT"), ..video }.text().contains("LANGUAGE"));
    }
}
