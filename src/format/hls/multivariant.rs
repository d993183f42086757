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

const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:9\n";

impl Multivariant {
    /// The playlist.
    pub fn text(&self) -> String {
        let mut text = String::from(HEAD);
        self.write(&mut text, "audio", "");
        text
    }

    /// The playlist of several variants, the first one first to be played. Each has a name, under which its files are.
    pub fn group(variants: &[(String, Multivariant)]) -> String {
        let mut text = String::from(HEAD);
        for (name, variant) in variants {
            variant.write(&mut text, name, &format!("{name}/"));
        }
        text
    }

    /// `group`: the name of the group of its sound. `folder`: where its files are, with a slash at the end.
    fn write(&self, text: &mut String, group: &str, folder: &str) {
        if let Some(sound) = &self.sound {
            let name = Name::Playlist(Rendition::Audio);
            _ = write!(text, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",NAME=\"audio\",DEFAULT=YES,AUTOSELECT=YES,");
            // A tag that is no tag would end the attribute.
            let plain = |language: &&String| !language.is_empty() && language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if let Some(language) = sound.language.as_ref().filter(plain) {
                _ = write!(text, "LANGUAGE=\"{language}\",");
            }
            if let Some(channels) = sound.channels {
                _ = write!(text, "CHANNELS=\"{channels}\",");
            }
            _ = writeln!(text, "URI=\"{folder}{name}\"");
        }
        let (most, average) = self.bandwidth;
        _ = write!(text, "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"", most.max(1), average.max(1), self.codecs);
        if let Some((width, height)) = self.size {
            _ = write!(text, ",RESOLUTION={width}x{height}");
        }
        if let Some(frame) = self.frame.filter(|frame| *frame > 0) {
            _ = write!(text, ",FRAME-RATE={:.3}", 1e6 / frame as f64);
        }
        if self.sound.is_some() {
            _ = write!(text, ",AUDIO=\"{group}\"");
        }
        _ = writeln!(text, "\n{folder}{}", Name::Playlist(self.rendition));
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
        assert!(!Multivariant { sound: sound("\"\n#EXT"), ..video.clone() }.text().contains("LANGUAGE"));
        let sd = Multivariant { sound: sound("de"), size: Some((320, 180)), ..video.clone() };
        let group = Multivariant::group(&[("hd".into(), video), ("sd".into(), sd)]);
        let sound = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sd\",NAME=\"audio\",DEFAULT=YES,AUTOSELECT=YES,LANGUAGE=\"de\",CHANNELS=\"2\",URI=\"sd/audio.m3u8\"";
        let lines: Vec<_> = group.lines().collect();
        assert_eq!((lines[3], lines[4], lines[6], lines.len()), ("hd/video.m3u8", sound, "sd/video.m3u8", 7));
        assert!(lines[2].ends_with("RESOLUTION=640x360,FRAME-RATE=30.000") && lines[5].ends_with(",AUDIO=\"sd\""));
    }
}
