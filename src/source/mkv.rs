//! Matroska files whose Tracks stand behind the Clusters, as tools write them that edit a header in place and find no room for it: read
//! as if they stood before. A file can be read in any order, a stream cannot.
//!
//! ```text
//!   in the file    EBML  Segment  Info  Cluster …………………………  Tracks
//!   as read        EBML  Segment  Info  Tracks  Cluster …………………………
//! ```

use crate::format::ebml;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// More than this does not stand before the first Cluster: attachments are passed over by those who keep them elsewhere.
const MAX_HEAD: u64 = 64 << 20;
/// Longer Tracks are none.
const MAX_TRACKS: u64 = 16 << 20;
/// SeekHead has a few entries of 14 bytes.
const MAX_SEEK_HEAD: u64 = 64 << 10;
/// So many elements are looked at, where no SeekHead says where Tracks are: days of Clusters.
const MAX_ELEMENTS: usize = 200_000;

/// IDs (RFC 9559, section 5.1).
mod id {
    pub const EBML: u32 = 0x1A45_DFA3;
    pub const SEGMENT: u32 = 0x1853_8067;
    pub const SEEK_HEAD: u32 = 0x114D_9B74;
    pub const SEEK: u32 = 0x4DBB;
    pub const SEEK_ID: u32 = 0x53AB;
    pub const SEEK_POSITION: u32 = 0x53AC;
    pub const TRACKS: u32 = 0x1654_AE6B;
    pub const CLUSTER: u32 = 0x1F43_B675;
}

/// What is to be read in place of the file's beginning, and where the rest begins.
pub struct Reordered {
    pub head: Vec<u8>,
    pub rest: u64,
}

/// `None`: the file is no Matroska, or its Tracks are where they belong, or nowhere.
///
/// # Errors
/// The file cannot be read.
pub fn tracks_first(file: &mut File) -> io::Result<Option<Reordered>> {
    let Some((cluster, tracks)) = find(file)? else { return Ok(None) };
    if cluster > MAX_HEAD {
        return Ok(None);
    }
    let mut head = read(file, 0, cluster)?;
    head.append(&mut read(file, tracks.start, tracks.end - tracks.start)?);
    Ok(Some(Reordered { head, rest: cluster }))
}

/// Where the first Cluster is, and the Tracks behind it.
fn find(file: &mut File) -> io::Result<Option<(u64, std::ops::Range<u64>)>> {
    let length = file.metadata()?.len();
    let Some(header) = element(file, 0)?.filter(|e| e.id == id::EBML) else { return Ok(None) };
    let Some(segment) = header.end else { return Ok(None) };
    let Some(segment) = element(file, segment)?.filter(|e| e.id == id::SEGMENT) else { return Ok(None) };
    let (mut at, mut cluster, mut said) = (segment.data, None, None);
    for _ in 0..MAX_ELEMENTS {
        let Some(found) = element(file, at)? else { return Ok(None) };
        match (found.id, cluster) {
            (id::TRACKS, None) => return Ok(None),
            (id::TRACKS, Some(cluster)) => return Ok(found.span(length).map(|tracks| (cluster, tracks))),
            (id::SEEK_HEAD, _) => said = said.or(seek_head(file, &found, segment.data)?),
            (id::CLUSTER, None) => {
                cluster = Some(at);
                if let Some(tracks) = tracks_at(file, said)?.filter(|tracks| tracks.at > at) {
                    return Ok(tracks.span(length).map(|tracks| (at, tracks)));
                }
            }
            _ => {}
        }
        // What does not say where it ends cannot be passed over.
        let Some(end) = found.end.filter(|end| *end < length) else { return Ok(None) };
        at = end;
    }
    Ok(None)
}

fn tracks_at(file: &mut File, at: Option<u64>) -> io::Result<Option<Element>> {
    let Some(at) = at else { return Ok(None) };
    Ok(element(file, at)?.filter(|e| e.id == id::TRACKS))
}

/// Where SeekHead says that Tracks are.
fn seek_head(file: &mut File, found: &Element, origin: u64) -> io::Result<Option<u64>> {
    let size = found.end.map_or(u64::MAX, |end| end - found.data);
    if size > MAX_SEEK_HEAD {
        return Ok(None);
    }
    let data = read(file, found.data, size)?;
    let field = |seek, wanted| ebml::children(seek).find(|(id, _)| *id == wanted).map(|(_, data)| ebml::uint(data));
    let seeks = ebml::children(&data).filter(|(id, _)| *id == id::SEEK);
    let tracks = seeks.map(|(_, seek)| seek).find(|seek| field(seek, id::SEEK_ID) == Some(id::TRACKS.into()));
    Ok(tracks.and_then(|seek| origin.checked_add(field(seek, id::SEEK_POSITION)?)))
}

/// The head of an element in the file.
struct Element {
    id: u32,
    at: u64,
    /// Where its data begins.
    data: u64,
    /// `None`: it does not say.
    end: Option<u64>,
}

impl Element {
    /// All of it, if it is as long as Tracks may be and inside the file.
    fn span(&self, length: u64) -> Option<std::ops::Range<u64>> {
        self.end.filter(|end| *end <= length && end - self.data <= MAX_TRACKS).map(|end| self.at..end)
    }
}

fn element(file: &mut File, at: u64) -> io::Result<Option<Element>> {
    let bytes = read(file, at, ebml::MAX_HEAD as u64)?;
    let Some(head) = ebml::head(&bytes).ok().flatten() else { return Ok(None) };
    let data = at + head.len as u64;
    Ok(Some(Element { id: head.id, at, data, end: head.size.and_then(|size| data.checked_add(size)) }))
}

fn read(file: &mut File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(id: u32, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        ebml::put(&mut out, id, data);
        out
    }

    fn reordered(bytes: &[u8]) -> Option<Vec<u8>> {
        let path = std::env::temp_dir().join(format!("h5live-mkv-{}-{:?}", std::process::id(), std::thread::current().id()));
        std::fs::write(&path, bytes).unwrap();
        let found = tracks_first(&mut File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(path).unwrap();
        found.map(|found| [&found.head[..], &bytes[found.rest as usize..]].concat())
    }

    #[test]
    fn tracks_are_found_with_and_without_a_seek_head() {
        let (ebml, info, cluster, tracks) =
            (put(id::EBML, b"x"), put(0x1549_A966, b"info"), put(id::CLUSTER, b"frames"), put(id::TRACKS, b"tracks"));
        let seek = |at: usize| {
            let mut entry = put(id::SEEK_ID, &id::TRACKS.to_be_bytes());
            ebml::put(&mut entry, id::SEEK_POSITION, &[at as u8]);
            put(id::SEEK_HEAD, &put(id::SEEK, &entry))
        };
        let seek = seek(seek(0).len() + info.len() + 2 * cluster.len());
        for parts in [vec![&info[..], &cluster, &cluster, &tracks, &cluster], vec![&seek[..], &info, &cluster, &cluster, &tracks]] {
            let segment = parts.concat();
            let file = [&ebml[..], &put(id::SEGMENT, &segment)].concat();
            let body = file.len() - segment.len();
            let before: usize = parts.iter().take_while(|part| **part != cluster).map(|part| part.len()).sum();
            let expected = [&file[..body + before], &tracks, &file[body + before..]].concat();
            assert_eq!(reordered(&file), Some(expected));
            for at in 0..file.len() {
                let mut damaged = file.clone();
                damaged[at] ^= 0xff;
                reordered(&damaged);
                reordered(&file[..at]);
            }
        }
        let right = [&ebml[..], &put(id::SEGMENT, &[&info[..], &tracks, &cluster].concat())].concat();
        for other in [&right[..], b"", b"no Matroska"] {
            assert_eq!(reordered(other), None);
        }
    }
}
