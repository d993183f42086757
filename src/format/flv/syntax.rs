//! Heads of files and tags (Adobe Flash Video File Format Specification 10.1, sections E.2 to E.4.1).

/// The name in errors.
pub const FORMAT: &str = "FLV";
/// `FLV` and the version.
pub const MAGIC: &[u8; 4] = b"FLV\x01";
/// Bytes of a file header: the magic, flags, and its own length.
pub const FILE_HEADER: usize = 9;
/// PreviousTagSize, which is not believed: some writers leave it zero.
pub const PREVIOUS_SIZE: usize = 4;
/// Bytes of a tag before its data.
pub const TAG_HEADER: usize = 11;

pub const AUDIO: u8 = 8;
pub const VIDEO: u8 = 9;
pub const SCRIPT: u8 = 18;

/// The file header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    pub audio: bool,
    pub video: bool,
    /// Bytes of the header, 9 in all known files.
    pub len: u32,
}

impl FileHeader {
    /// `None` where no file begins here.
    pub fn parse(data: &[u8]) -> Option<FileHeader> {
        let &[a, b, c, d, flags, e, f, g, h] = data.first_chunk::<FILE_HEADER>()?;
        let len = u32::from_be_bytes([e, f, g, h]);
        ([a, b, c, d] == *MAGIC && len as usize >= FILE_HEADER).then_some(FileHeader { audio: flags & 4 != 0, video: flags & 1 != 0, len })
    }
}

/// The head of a tag.
///
/// ```text
///  0        8        16       24       32       40       48       56       64
///  |00FTTTTT|SSSSSSSS|SSSSSSSS|SSSSSSSS|mmmmmmmm|mmmmmmmm|mmmmmmmm|MMMMMMMM|stream ID, 24 bits
/// ```
/// F: encrypted, T: type, S: bytes of data, M and m: milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagHeader {
    pub kind: u8,
    pub encrypted: bool,
    /// Bytes of data.
    pub size: usize,
    /// When the data is to be decoded, in milliseconds modulo 2^32.
    pub time: u32,
    stream: u32,
}

impl TagHeader {
    /// `None` where no tag of a known type begins here.
    pub fn parse(data: &[u8]) -> Option<TagHeader> {
        const FILTER: u8 = 0x20;
        let &[first, s2, s1, s0, t2, t1, t0, t3, i2, i1, i0] = data.first_chunk::<TAG_HEADER>()?;
        let kind = first & !FILTER;
        let size = u32::from_be_bytes([0, s2, s1, s0]) as usize;
        let (time, stream) = (u32::from_be_bytes([t3, t2, t1, t0]), u32::from_be_bytes([0, i2, i1, i0]));
        matches!(kind, AUDIO | VIDEO | SCRIPT).then_some(TagHeader { kind, encrypted: first & FILTER != 0, size, time, stream })
    }

    /// What follows the tag says that it was one.
    pub fn is_confirmed(&self, previous_size: [u8; PREVIOUS_SIZE]) -> bool {
        u32::from_be_bytes(previous_size) as usize == TAG_HEADER + self.size
    }

    /// It looks like one where a tag is only guessed: no writer uses the stream ID.
    pub fn is_likely(&self) -> bool {
        self.stream == 0 && self.size > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let file = FileHeader::parse(b"FLV\x01\x05\0\0\0\x09\0\0\0\0").unwrap();
        assert_eq!(file, FileHeader { audio: true, video: true, len: 9 });
        assert_eq!((FileHeader::parse(b"FLV\x01\x05\0\0\0\x08"), FileHeader::parse(b"FLV\x01\x05\0\0\0")), (None, None));
        let tag = TagHeader::parse(b"\x29\0\x01\x02\x03\x04\x05\x06\0\0\0").unwrap();
        assert_eq!(tag, TagHeader { kind: VIDEO, encrypted: true, size: 258, time: 0x0603_0405, stream: 0 });
        assert!(tag.is_confirmed([0, 0, 1, 13]) && !tag.is_confirmed([0, 0, 1, 2]));
        assert_eq!(TagHeader::parse(b"\x0f\0\0\x01\0\0\0\0\0\0\0"), None);
    }
}
