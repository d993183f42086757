//! MP4 files as cameras and phones write them, with the index (`moov`) behind the media data: read as if it stood before it.
//!
//! A stream cannot go back to what it has passed, a file can. The bytes are those of the file but for the order of the boxes and
//! the chunk offsets in the index, which move by its own length.
//!
//! ```text
//!   in the file    ftyp  mdat …………………………  moov
//!   as read        ftyp  moov  mdat …………………………
//! ```

use super::mkv;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};

/// A longer index is left where it is: this is that of days.
const MAX_INDEX: u64 = 256 << 20;
/// More than this does not stand before the media data.
const MAX_HEAD: u64 = 1 << 20;
/// More boxes do not stand at the top of a file.
const MAX_BOXES: usize = 10_000;

/// The file with its index first; Matroska with its Tracks first. A file that is neither, or has them first already, or is damaged, or of
/// which a part was read before, is read as it is.
///
/// # Errors
/// The file cannot be read or has no positions.
pub fn index_first(mut file: File) -> io::Result<Box<dyn Read + Send>> {
    if file.stream_position()? > 0 {
        return Ok(Box::new(file));
    }
    if let Some(mkv::Reordered { head, rest }) = mkv::tracks_first(&mut file)? {
        file.seek(SeekFrom::Start(rest))?;
        return Ok(Box::new(Cursor::new(head).chain(file)));
    }
    let reordered = reorder(&mut file)?;
    file.seek(SeekFrom::Start(0))?;
    let Some(Reordered { head, media }) = reordered else { return Ok(Box::new(file)) };
    file.seek(SeekFrom::Start(media.start))?;
    Ok(Box::new(Cursor::new(head).chain(file.take(media.end - media.start))))
}

struct Reordered {
    /// What stands before the media data, and the index.
    head: Vec<u8>,
    media: std::ops::Range<u64>,
}

fn reorder(file: &mut File) -> io::Result<Option<Reordered>> {
    let Some((media, index)) = find(file)? else { return Ok(None) };
    let length = index.end - index.start;
    if media.start > MAX_HEAD || length > MAX_INDEX {
        return Ok(None);
    }
    let mut head = read(file, 0, media.start)?;
    let mut moov = read(file, index.start, length)?;
    let moved = Moved { media: media.clone(), by: length };
    if moov.len() as u64 != length || moved.container(&mut moov).is_none() {
        return Ok(None);
    }
    head.append(&mut moov);
    Ok(Some(Reordered { head, media }))
}

type Span = std::ops::Range<u64>;

/// Where the media data and, behind it, the index are; `None` if that is not how the file is.
fn find(file: &mut File) -> io::Result<Option<(Span, Span)>> {
    let length = file.metadata()?.len();
    let (mut at, mut media) = (0, None);
    for _ in 0..MAX_BOXES {
        let head = read(file, at, 16)?;
        let Some((kind, _, size)) = box_head(&head).filter(|(kind, _, _)| at > 0 || opens(*kind)) else { return Ok(None) };
        let Some(end) = at.checked_add(size).filter(|end| *end <= length) else { return Ok(None) };
        match (&kind, media) {
            (b"mdat", None) => media = Some(at),
            (b"moov", Some(start)) => return Ok(Some((start..at, at..end))),
            (b"moov", None) => return Ok(None),
            _ => {}
        }
        at = end;
    }
    Ok(None)
}

/// Whether a file that begins with this box is MP4 or QuickTime.
fn opens(kind: [u8; 4]) -> bool {
    [b"ftyp", b"mdat", b"wide", b"free", b"skip", b"pnot"].contains(&&kind)
}

fn read(file: &mut File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Type, length of the head, and size of the box that begins here (ISO/IEC 14496-12, section 4.2). A box that reaches to the end of
/// the file has no index behind it.
fn box_head(bytes: &[u8]) -> Option<([u8; 4], usize, u64)> {
    let (size, rest) = bytes.split_first_chunk()?;
    let (kind, rest) = rest.split_first_chunk()?;
    let (head, size) = match u32::from_be_bytes(*size) {
        1 => (16, u64::from_be_bytes(*rest.first_chunk()?)),
        size => (8, size.into()),
    };
    (size >= head as u64).then_some((*kind, head, size))
}

/// What happens to the media data.
struct Moved {
    media: Span,
    by: u64,
}

impl Moved {
    /// Corrects all chunk offsets in a box and the boxes in it. `None` if it is damaged, or an offset leads elsewhere.
    fn container(&self, bytes: &mut [u8]) -> Option<()> {
        let (kind, head, size) = box_head(bytes)?;
        let body = bytes.get_mut(head..usize::try_from(size).ok()?)?;
        match &kind {
            b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => {
                let mut rest = body;
                // Some writers end a container with four zero bytes (QuickTime File Format, "user data atoms").
                while rest.len() >= 8 {
                    let size = usize::try_from(box_head(rest)?.2).ok()?;
                    let (child, after) = rest.split_at_mut_checked(size)?;
                    self.container(child)?;
                    rest = after;
                }
                Some(())
            }
            b"stco" => offsets::<4>(body, |at| u32::try_from(self.offset(u32::from_be_bytes(at).into())?).ok().map(u32::to_be_bytes)),
            b"co64" => offsets::<8>(body, |at| self.offset(u64::from_be_bytes(at)).map(u64::to_be_bytes)),
            _ => Some(()),
        }
    }

    fn offset(&self, at: u64) -> Option<u64> {
        self.media.contains(&at).then(|| at.checked_add(self.by))?
    }
}

/// Version and flags, a count, and that many offsets of `N` bytes (section 8.7.5).
fn offsets<const N: usize>(body: &mut [u8], change: impl Fn([u8; N]) -> Option<[u8; N]>) -> Option<()> {
    let (head, table) = body.split_first_chunk_mut::<8>()?;
    let count = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
    let (table, _) = table.as_chunks_mut::<N>();
    for entry in table.get_mut(..count)? {
        *entry = change(*entry)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat()
    }

    fn index(offset: u32) -> Vec<u8> {
        let stco = boxed(b"stco", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &offset.to_be_bytes()].concat());
        let co64 = boxed(b"co64", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &u64::from(offset).to_be_bytes()].concat());
        let inner = [boxed(b"free", b"xy"), stco, co64].concat();
        [b"stbl", b"minf", b"mdia", b"trak", b"moov"].iter().fold(inner, |body, kind| boxed(kind, &body))
    }

    /// What is read of a file with these bytes.
    fn read_back(bytes: &[u8]) -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("h5live-mp4-{}-{:?}", std::process::id(), std::thread::current().id()));
        std::fs::write(&path, bytes).unwrap();
        let mut out = Vec::new();
        index_first(File::open(&path).unwrap()).unwrap().read_to_end(&mut out).unwrap();
        std::fs::remove_file(path).unwrap();
        out
    }

    #[test]
    fn the_index_comes_first_and_points_to_where_the_data_now_is() {
        let (ftyp, mdat) = (boxed(b"ftyp", b"isom"), boxed(b"mdat", b"frames"));
        let file = [&ftyp[..], &mdat, &index(20), &boxed(b"free", b"")].concat();
        let moved = index(20 + index(0).len() as u32);
        assert_eq!(read_back(&file), [&ftyp[..], &moved, &mdat].concat());
    }

    #[test]
    fn other_files_are_read_as_they_are() {
        let (ftyp, mdat) = (boxed(b"ftyp", b"isom"), boxed(b"mdat", b"frames"));
        let first = [&ftyp[..], &index(200), &mdat].concat();
        let elsewhere = [&ftyp[..], &mdat, &index(2000)].concat();
        for file in [&b""[..], b"no MP4 at all", &first, &elsewhere, &[0xff; 100]] {
            assert_eq!(read_back(file), file);
        }
        let whole = [&ftyp[..], &mdat, &index(20)].concat();
        for cut in 0..whole.len() {
            let cut = &whole[..cut];
            assert_eq!(read_back(cut), cut, "an index cut short is no index");
        }
    }

    #[test]
    fn what_was_read_before_is_not_read_again() {
        let path = std::env::temp_dir().join(format!("h5live-mp4-part-{}", std::process::id()));
        std::fs::write(&path, [boxed(b"ftyp", b"isom"), boxed(b"mdat", b"frames"), index(20)].concat()).unwrap();
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::Start(4)).unwrap();
        let mut out = Vec::new();
        index_first(file).unwrap().read_to_end(&mut out).unwrap();
        std::fs::remove_file(path).unwrap();
        assert!(out.starts_with(b"ftypisom"));
    }

    #[test]
    fn damage_does_not_panic() {
        let whole = [boxed(b"ftyp", b"isom"), boxed(b"mdat", b"frames"), index(20)].concat();
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut file = whole.clone();
                file[at] = value;
                read_back(&file);
            }
        }
    }
}
