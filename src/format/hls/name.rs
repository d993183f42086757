//! What parts, segments and init segments are called.

use super::grid::Grid;
use std::fmt;

/// The form of every playlist, as HTTP names it.
pub const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// By which an init segment is named.
#[cfg(any(feature = "package", feature = "serve"))]
pub fn init_hash(init: &[u8]) -> u64 {
    use sha2::Digest as _;
    u64::from_be_bytes(sha2::Sha256::digest(init)[..8].try_into().expect("32 bytes"))
}

/// What a media playlist is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rendition {
    /// The pictures alone.
    Video,
    /// The sound alone.
    Audio,
    /// All tracks, where fragments have several and cannot be taken apart.
    Muxed,
}

impl Rendition {
    /// All of them.
    pub const ALL: [Rendition; 3] = [Rendition::Video, Rendition::Audio, Rendition::Muxed];

    /// Of its playlist, and of what is in it.
    pub fn name(self) -> &'static str {
        match self {
            Rendition::Video => "video",
            Rendition::Audio => "audio",
            Rendition::Muxed => "muxed",
        }
    }

    /// The form of its segments, as HTTP names it.
    pub fn content_type(self) -> &'static str {
        if self == Rendition::Audio { "audio/mp4" } else { "video/mp4" }
    }

    fn of(name: &str) -> Option<Rendition> {
        Rendition::ALL.into_iter().find(|rendition| rendition.name() == name)
    }
}

/// A file of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// `index.m3u8`.
    Multivariant,
    /// `video.m3u8`.
    Playlist(Rendition),
    /// `video-1f2e3d4c5b6a7988.mp4`: the init segment whose hash this is.
    Init(Rendition, u64),
    /// `video-1700000000000000-2000.m4s`, `video-1700000000000000-2000-200.m4s`.
    Media(Rendition, Object),
}

/// A segment, or a part of one. With the lengths that it was cut by, so that a server with other lengths has other names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    /// What follows the frame at this position.
    pub after: u64,
    /// In milliseconds.
    pub segment: u32,
    /// In milliseconds; `None`: it is a whole segment.
    pub part: Option<u32>,
}

impl Object {
    /// `after`: a position; what lies before the first cell is no name.
    pub(super) fn segment(grid: &Grid, after: i64) -> Object {
        Object { after: after.saturating_add(grid.segment()).max(0) as u64, segment: (grid.segment() / 1000) as u32, part: None }
    }

    pub(super) fn part(grid: &Grid, after: i64) -> Object {
        Object { part: Some((grid.part() / 1000) as u32), ..Object::segment(grid, after) }
    }
}

impl Name {
    /// In the one form that [`Name`] is written in; anything else is no name.
    pub fn parse(text: &str) -> Option<Name> {
        let (stem, form) = text.split_once('.')?;
        let mut fields = stem.split('-');
        let first = fields.next()?;
        let name = match (form, fields.next()) {
            ("m3u8", None) if first == "index" => Name::Multivariant,
            ("m3u8", None) => Name::Playlist(Rendition::of(first)?),
            ("mp4", Some(hash)) if hash.len() == 16 => Name::Init(Rendition::of(first)?, hex(hash)?),
            ("m4s", Some(after)) => {
                let (after, segment) = (number(after)?, number(fields.next()?)?);
                let part = fields.next().map(|part| number(part).ok_or(())).transpose().ok()?;
                let millis = |n: u64| u32::try_from(n).ok();
                let part = part.map(|part| millis(part).ok_or(())).transpose().ok()?;
                Name::Media(Rendition::of(first)?, Object { after, segment: millis(segment)?, part })
            }
            _ => return None,
        };
        fields.next().is_none().then_some(name)
    }
}

/// Without a sign and without zeros in front: each number has one form.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

fn hex(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if plain { u64::from_str_radix(text, 16).ok() } else { None }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Multivariant => f.write_str("index.m3u8"),
            Name::Playlist(rendition) => write!(f, "{}.m3u8", rendition.name()),
            Name::Init(rendition, hash) => write!(f, "{}-{hash:016x}.mp4", rendition.name()),
            Name::Media(rendition, Object { after, segment, part }) => {
                write!(f, "{}-{after}-{segment}", rendition.name())?;
                part.map_or(Ok(()), |part| write!(f, "-{part}"))?;
                f.write_str(".m4s")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_form() {
        let object = Object { after: 1_700_000_000_000_000, segment: 2000, part: None };
        for (text, name) in [
            ("index.m3u8", Name::Multivariant),
            ("audio.m3u8", Name::Playlist(Rendition::Audio)),
            ("muxed-00000000000000ff.mp4", Name::Init(Rendition::Muxed, 255)),
            ("video-1700000000000000-2000.m4s", Name::Media(Rendition::Video, object)),
            ("video-1700000000000000-2000-200.m4s", Name::Media(Rendition::Video, Object { part: Some(200), ..object })),
            ("audio-0-500-50.m4s", Name::Media(Rendition::Audio, Object { after: 0, segment: 500, part: Some(50) })),
        ] {
            assert_eq!((Name::parse(text), name.to_string()), (Some(name), text.to_string()));
        }
        for none in [
            "",
            ".",
            "index",
            "index.m3u",
            "index-1.m3u8",
            "video-.m3u8",
            "Video.m3u8",
            "video.m4s",
            "video-1.m4s",
            "video-01-2000.m4s",
            "video-+1-2000.m4s",
            "video--1-2000.m4s",
            "video-1-2000-.m4s",
            "video-1-2000-200-1.m4s",
            "video-1-4294967296.m4s",
            "video-18446744073709551616-1.m4s",
            "video-ff.mp4",
            "video-00000000000000FF.mp4",
            "video-00000000000000ff-1.mp4",
            "video-1-2000.m4s.m4s",
            "index.m3u8/",
            "../index.m3u8",
            "index.m3u8?x",
        ] {
            assert_eq!(Name::parse(none), None, "{none}");
        }
    }
}
