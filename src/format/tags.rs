//! Tags that files of audio have before, between and after their frames: ID3v2, ID3v1, APE. They are passed over.

/// What stands at a place among frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// A tag of so many bytes.
    Length(u64),
    /// May be one: to be said when there are so many bytes.
    Need(usize),
    No,
}

const ID3V2_HEAD: usize = 10;
const APE_HEAD: usize = 32;
const ID3V1: u64 = 128;

/// Whether a tag begins here.
pub fn tag(data: &[u8]) -> Tag {
    match [id3v2(data), ape(data), id3v1(data)].into_iter().find(|tag| *tag != Tag::No) {
        Some(tag) => tag,
        None => Tag::No,
    }
}

/// ID3 2.2 to 2.4 (section 3.1): `ID3`, version, flags, and a length in four bytes of seven bits, which counts neither this head nor
/// the footer.
pub fn id3v2(data: &[u8]) -> Tag {
    const FOOTER: u8 = 0x10;
    if !begins(data, b"ID3") {
        return Tag::No;
    }
    let Some(&[_, _, _, major, minor, flags, a, b, c, d]) = data.first_chunk::<ID3V2_HEAD>() else { return Tag::Need(ID3V2_HEAD) };
    if major == 0xff || minor == 0xff || [a, b, c, d].iter().any(|byte| byte & 0x80 != 0) {
        return Tag::No;
    }
    let body = [a, b, c, d].iter().fold(0, |sum, byte| sum << 7 | u64::from(*byte));
    let footer = if flags & FOOTER != 0 { ID3V2_HEAD as u64 } else { 0 };
    Tag::Length(ID3V2_HEAD as u64 + body + footer)
}

/// APEv2: the length counts the items and the footer. A footer whose head was cut away stands for itself.
fn ape(data: &[u8]) -> Tag {
    const IS_HEAD: u32 = 1 << 29;
    if !begins(data, b"APETAGEX") {
        return Tag::No;
    }
    let Some(head) = data.first_chunk::<APE_HEAD>() else { return Tag::Need(APE_HEAD) };
    let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let body = if u32_at(20) & IS_HEAD != 0 { u64::from(u32_at(12)) } else { 0 };
    Tag::Length(APE_HEAD as u64 + body)
}

fn id3v1(data: &[u8]) -> Tag {
    match begins(data, b"TAG") {
        false => Tag::No,
        true if data.len() < 3 => Tag::Need(3),
        true => Tag::Length(ID3V1),
    }
}

/// As far as there is data, and there is some.
fn begins(data: &[u8], mark: &[u8]) -> bool {
    !data.is_empty() && data.iter().zip(mark).all(|(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        assert_eq!(tag(b"ID3\x04\0\0\0\0\x01\x02rest"), Tag::Length(10 + 130));
        assert_eq!(tag(b"ID3\x04\0\x10\0\0\0\x02"), Tag::Length(10 + 2 + 10), "with a footer");
        assert_eq!(tag(b"ID3\x04\0\0\0\0\x80\0"), Tag::No);
        assert_eq!(tag(b"ID3\x03"), Tag::Need(10));
        assert_eq!(tag(&[b"APETAGEX\xd0\x07\0\0\x40\0\0\0\x01\0\0\0\0\0\0\xa0", &[0; 8][..]].concat()), Tag::Length(32 + 64));
        assert_eq!(tag(&[b"APETAGEX\xd0\x07\0\0\x40\0\0\0\x01\0\0\0\0\0\0\x80", &[0; 8][..]].concat()), Tag::Length(32));
        assert_eq!(tag(b"TAGtitle"), Tag::Length(128));
        assert_eq!(tag(b"T"), Tag::Need(3));
        assert_eq!(tag(b"\xff\xf1"), Tag::No);
        assert_eq!(tag(b""), Tag::No);
    }
}
