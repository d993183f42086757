//! A file of a stream, and what is to be done with it.

use crate::format::hls::{Name, PLAYLIST_TYPE, Rendition};
use bytes::Bytes;
use std::collections::HashSet;

/// What a name never stands for something else, a cache may keep.
const IMMUTABLE: &str = "max-age=31536000, immutable";
/// Where a restart may give the same name to other bytes.
const WHILE_LISTED: &str = "max-age=60";
/// Of a playlist.
const PLAYLISTS: &str = "max-age=0, s-maxage=1";

/// A file as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// What it is called.
    pub name: Name,
    /// Its bytes, one after the other. None of them is copied.
    pub pieces: Vec<Bytes>,
    /// The header of this name, for stores that keep it.
    pub cache_control: &'static str,
}

/// What a store is to do, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The file is new, or takes the place of the one of this name.
    Put(File),
    /// Nobody can want the file of this name any more.
    Remove(Name),
    /// Nor any file of an earlier run.
    Sweep,
}

impl File {
    /// A segment or init segment. `known`: it is known when the stream was captured, by which names never come twice.
    pub(super) fn media(name: Name, pieces: Vec<Bytes>, known: bool) -> File {
        let immutable = known || matches!(name, Name::Init(..));
        File { name, pieces, cache_control: if immutable { IMMUTABLE } else { WHILE_LISTED } }
    }

    pub(super) fn playlist(name: Name, text: String) -> File {
        File { name, pieces: vec![text.into()], cache_control: PLAYLISTS }
    }

    /// In bytes.
    pub fn size(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum()
    }

    /// As HTTP names it.
    pub fn content_type(&self) -> &'static str {
        match self.name {
            Name::Multivariant | Name::Playlist(_) => PLAYLIST_TYPE,
            Name::Init(rendition, _) | Name::Media(rendition, _) => rendition.content_type(),
        }
    }

    /// A playlist's.
    pub(super) fn text(&self) -> &str {
        let [text] = &*self.pieces else { return "" };
        std::str::from_utf8(text).unwrap_or_default()
    }
}

/// The rendition of which a file is a segment or the init segment.
pub(super) fn rendition_of(name: &Name) -> Option<Rendition> {
    match name {
        Name::Init(rendition, _) | Name::Media(rendition, _) => Some(*rendition),
        Name::Multivariant | Name::Playlist(_) => None,
    }
}

/// What a media playlist names and does not mark as a gap.
pub(super) fn named(text: &str) -> impl Iterator<Item = Name> {
    let mut gap = false;
    text.lines().filter_map(move |line| {
        if let Some(map) = line.strip_prefix("#EXT-X-MAP:URI=\"") {
            return Name::parse(map.split('"').next()?);
        }
        gap |= line == "#EXT-X-GAP";
        if line.starts_with('#') || std::mem::take(&mut gap) { None } else { Name::parse(line) }
    })
}

/// The playlists that a multivariant playlist names.
pub(super) fn lists(text: &str) -> impl Iterator<Item = Name> {
    text.lines().filter_map(|line| match line.split_once(",URI=\"") {
        _ if !line.starts_with('#') => Name::parse(line),
        Some((_, uri)) => Name::parse(uri.split('"').next()?),
        None => None,
    })
}

/// Before the name of a file that is still there, and listed no more: a comment (draft-pantos-hls-rfc8216bis, section 4.1).
const KEPT: &str = "#h5mux-kept:";
/// So many are noted at most.
const MOST_KEPT: usize = 256;

/// The same playlist, with a note of what is there besides what it names: another run reads of it what is to go.
pub(super) fn with_kept(file: File, kept: impl Iterator<Item = Name>) -> File {
    let named: HashSet<_> = named(file.text()).collect();
    let mut kept: Vec<_> = kept.filter(|name| !named.contains(name)).map(|name| format!("{KEPT}{name}\n")).collect();
    kept.sort_unstable();
    kept.dedup();
    kept.truncate(MOST_KEPT);
    let mut lines = file.text().split_inclusive('\n').filter(|line| !line.starts_with(KEPT));
    let text = lines.next().into_iter().chain(kept.iter().map(String::as_str)).chain(lines).collect();
    File::playlist(file.name, text)
}

/// What a run has left of which this is the playlist: that, what it names, and what it notes as kept.
#[cfg(feature = "publish")]
pub(super) fn left_by(rendition: Rendition, text: &str) -> impl Iterator<Item = Name> {
    let kept = text.lines().filter_map(|line| Name::parse(line.strip_prefix(KEPT)?)).take(MOST_KEPT);
    named(text).chain(kept).filter(move |name| rendition_of(name) == Some(rendition)).chain([Name::Playlist(rendition)])
}

/// The numbers after those of a media playlist: of segments, and of discontinuities.
pub(super) fn next_numbers(text: &str) -> Option<(u64, u64)> {
    let value = |tag: &str| text.lines().find_map(|line| line.strip_prefix(tag)?.parse::<u64>().ok());
    let count = |is: fn(&str) -> bool| text.lines().filter(|line| is(line)).count() as u64;
    let segments = count(|line| !line.starts_with('#') && !line.is_empty());
    let breaks = count(|line| line == "#EXT-X-DISCONTINUITY");
    // Seconds since 1970 are far below; what is not is no number of ours.
    let number = value("#EXT-X-MEDIA-SEQUENCE:")?.checked_add(segments).filter(|number| *number < 1 << 52)?;
    Some((number, value("#EXT-X-DISCONTINUITY-SEQUENCE:").unwrap_or(0).saturating_add(breaks + 1)))
}
