//! Multi-Picture Format (CIPA DC-007): a photograph and its smaller copies, one after the other in one file.

use super::segment::{Segment, segment};

/// The number of images says tag 0xB001 of the index (section 5.2.3.2).
const NUMBER_OF_IMAGES: u16 = 0xb001;
/// More images than this are not in one file.
const MAX_IMAGES: u32 = 100;

/// How many images the file has whose first this is; `None` if it does not say.
pub fn images_in_file(image: &[u8]) -> Option<u32> {
    let mut at = 0;
    loop {
        match segment(image, at).ok()? {
            Segment::Marker(next) => at = next,
            Segment::Data { marker: 0xe2, body, next } => match image[body..next].strip_prefix(b"MPF\0") {
                Some(tiff) => return count(tiff),
                None => at = next,
            },
            Segment::Data { next, .. } => at = next,
            Segment::Scan { .. } | Segment::End(_) | Segment::Begin(_) | Segment::Short => return None,
        }
    }
}

fn count(tiff: &[u8]) -> Option<u32> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = tiff.get(at..at + 2)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let u32_at = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    let index = usize::try_from(u32_at(4)?).ok().filter(|at| *at < tiff.len())?;
    let entries = usize::from(u16_at(index)?);
    let entry =
        (0..entries).map(|n| index + 2 + 12 * n).take_while(|at| *at < tiff.len()).find(|at| u16_at(*at) == Some(NUMBER_OF_IMAGES))?;
    u32_at(entry + 8).filter(|n| (1..=MAX_IMAGES).contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of an image whose MPF segment says that there are three.
    fn start(tiff: &[u8]) -> Vec<u8> {
        let length = (2 + 4 + tiff.len()) as u16;
        [&b"\xff\xd8\xff\xe0\0\x04ab\xff\xe2"[..], &length.to_be_bytes(), b"MPF\0", tiff, b"\xff\xda\0\x02"].concat()
    }

    #[test]
    fn the_index_says_how_many() {
        let big = b"MM\0*\0\0\0\x08\0\x02\xb0\0\0\x07\0\0\0\x040100\xb0\x01\0\x04\0\0\0\x01\0\0\0\x03\0\0\0\0";
        let little = b"II*\0\x08\0\0\0\x01\0\x01\xb0\x04\0\x01\0\0\0\x03\0\0\0\0\0\0\0";
        assert_eq!(images_in_file(&start(big)), Some(3));
        assert_eq!(images_in_file(&start(little)), Some(3));
        for cut in 0..big.len() - 8 {
            assert_eq!(images_in_file(&start(&big[..cut])), None, "{cut}");
        }
        assert_eq!(images_in_file(b"\xff\xd8\xff\xe2\0\x06abcd\xff\xda\0\x02"), None);
        assert_eq!(images_in_file(b"\xff\xd8\xff\xe2"), None);
    }
}
