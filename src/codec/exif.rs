//! How a JPEG image is shown, by its application segments: EXIF's orientation, and the shape of its pixels (JFIF).
//!
//! ```text
//!   FF D8   FF E0 len "JFIF\0" version units Xdensity Ydensity …   FF E1 len "Exif\0\0" TIFF …
//!   TIFF:   "II" | "MM"   42   offset of IFD0   …   IFD0: count, then entries of 12 bytes: tag type count value
//! ```
//!
//! Only IFD0 counts: the thumbnail's IFD1, and images inside of segments, are passed over.

use crate::media::{Orientation, SampleAspect};
use bytes::{BufMut, Bytes, BytesMut};

/// Marker codes (ITU-T T.81, table B.1).
const SOI: [u8; 2] = [0xff, 0xd8];
const SOS: u8 = 0xda;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;

const JFIF: &[u8] = b"JFIF\0";
const EXIF: &[u8] = b"Exif\0\0";

/// Tag Orientation, and the types SHORT and LONG (EXIF 2.32, section 4.6.2).
const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;
const LONG: u16 = 4;

/// What an image says of itself; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// How the picture is to be turned.
    pub orientation: Option<Orientation>,
    /// The shape of its pixels.
    pub sample_aspect: Option<SampleAspect>,
}

/// Reads the segments of an image up to its scan; what is damaged says nothing.
pub fn shape(image: &[u8]) -> Shape {
    let mut shape = Shape::default();
    for Segment { marker, body, .. } in segments(image) {
        match marker {
            APP0 => shape.sample_aspect = shape.sample_aspect.or_else(|| density(body)),
            APP1 => shape.orientation = shape.orientation.or_else(|| orientation(body.strip_prefix(EXIF)?)),
            _ => {}
        }
    }
    shape
}

/// The image, with this orientation in its EXIF; without a copy where it says so already.
pub fn with_orientation(image: Bytes, orientation: Orientation) -> Bytes {
    let exif = segments(&image).filter(|s| s.marker == APP1).find_map(|s| {
        let tiff = s.body.strip_prefix(EXIF)?;
        let field = field(tiff)?;
        Some((s.at + 4 + EXIF.len() + field.at, field))
    });
    match exif {
        Some((_, field)) if field.orientation().unwrap_or_default() == orientation => image,
        None if orientation.is_upright() || !image.starts_with(&SOI) => image,
        Some((at, field)) => patched(&image, at, field.bytes(orientation)),
        None => inserted(&image, orientation),
    }
}

fn patched(image: &[u8], at: usize, value: [u8; 2]) -> Bytes {
    let mut turned = BytesMut::from(image);
    turned[at..at + 2].copy_from_slice(&value);
    turned.freeze()
}

/// With a segment of its own, behind a JFIF segment, which wants to be first.
fn inserted(image: &[u8], orientation: Orientation) -> Bytes {
    let at = segments(image).next().filter(|s| s.marker == APP0).map_or(SOI.len(), |s| s.at + 4 + s.body.len());
    let mut turned = BytesMut::with_capacity(image.len() + 36);
    turned.put_slice(&image[..at]);
    turned.put_slice(&[0xff, APP1, 0, 34]);
    turned.put_slice(EXIF);
    turned.put_slice(b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01");
    turned.put_slice(&[0, orientation.exif(), 0, 0, 0, 0, 0, 0]);
    turned.put_slice(&image[at..]);
    turned.freeze()
}

/// A marker segment: where its marker stands, and what is in it.
struct Segment<'a> {
    at: usize,
    marker: u8,
    body: &'a [u8],
}

/// The marker segments before the first scan; ends where there is none.
fn segments(image: &[u8]) -> impl Iterator<Item = Segment<'_>> {
    let mut at = if image.starts_with(&SOI) { SOI.len() } else { image.len() };
    std::iter::from_fn(move || {
        // Fill bytes (section B.1.1.2).
        while image.get(at + 1) == Some(&0xff) {
            at += 1;
        }
        let &[0xff, marker, high, low] = image.get(at..at + 4)? else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let here = at;
        at += 2 + length;
        let body = image.get(here + 4..at)?;
        (marker != SOS && marker >= 0xc0).then_some(Segment { at: here, marker, body })
    })
}

/// Orientation of a TIFF structure (II or MM, then 42), as in EXIF.
pub fn orientation(tiff: &[u8]) -> Option<Orientation> {
    field(tiff)?.orientation()
}

/// The value of the tag Orientation.
struct Field {
    /// Where its 16 bits stand in the TIFF structure.
    at: usize,
    big_endian: bool,
    value: u16,
}

impl Field {
    fn orientation(&self) -> Option<Orientation> {
        Orientation::from_exif(self.value)
    }

    fn bytes(&self, orientation: Orientation) -> [u8; 2] {
        let value = u16::from(orientation.exif());
        if self.big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

fn field(tiff: &[u8]) -> Option<Field> {
    let big_endian = match tiff.get(..4)? {
        b"MM\0\x2a" => true,
        b"II\x2a\0" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let bytes = *tiff.get(4..)?.first_chunk()?;
    let ifd = usize::try_from(if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }).ok()?;
    let entries = (0..short(ifd)?).map(|n| ifd.saturating_add(2 + 12 * usize::from(n)));
    let mut found = entries.map_while(|at| Some((at, short(at)?, short(at.saturating_add(2))?)));
    let (entry, _, kind) = found.find(|(_, tag, _)| *tag == ORIENTATION)?;
    // The lower half of a LONG.
    let at = entry + if kind == LONG && big_endian { 10 } else { 8 };
    matches!(kind, SHORT | LONG).then_some(Field { at, big_endian, value: short(at)? })
}

/// The shape of a pixel by the density of JFIF (ITU-T T.871, section 10.1), where its unit is none. Read as width to height, as ffmpeg and
/// libjpeg write it. Dots per inch say how large a print is.
fn density(body: &[u8]) -> Option<SampleAspect> {
    match body.strip_prefix(JFIF)? {
        &[_, _, 0, x0, x1, y0, y1, ..] => SampleAspect::new(u16::from_be_bytes([x0, x1]).into(), u16::from_be_bytes([y0, y1]).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JFIF_SEGMENT: &[u8] = b"\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x0a\0\x07\0\0";
    const REST: &[u8] = b"\xff\xc0\0\x0b\x08\0\x10\0\x20\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\xaa\xff\xd9";

    /// A little-endian EXIF segment: another tag, the orientation, and a second IFD with another orientation (the thumbnail's).
    fn exif(value: u8) -> Vec<u8> {
        let ifd = |next: u8, value: u8| {
            [b"\x02\0\x0f\x01\x02\0\x01\0\0\0A\0\0\0\x12\x01\x03\0\x01\0\0\0", &[value, 0, 0, 0, next, 0, 0, 0][..]].concat()
        };
        let tiff = [b"II\x2a\0\x08\0\0\0", &ifd(38, value)[..], &ifd(0, 3)].concat();
        [&[0xff, 0xe1, 0, 8 + tiff.len() as u8][..], EXIF, &tiff].concat()
    }

    fn image(segments: &[&[u8]]) -> Bytes {
        [&SOI[..], &segments.concat(), REST].concat().into()
    }

    #[test]
    fn every_orientation_and_the_shape_of_pixels() {
        for value in 1..=8 {
            let expected = Shape { orientation: Orientation::from_exif(value), sample_aspect: SampleAspect::new(10, 7) };
            assert_eq!(shape(&image(&[JFIF_SEGMENT, &exif(value as u8)])), expected);
        }
        assert_eq!(shape(&image(&[])), Shape::default());
        assert_eq!(shape(&image(&[&exif(9)])), Shape::default(), "no orientation of ours");
        let mut inches = JFIF_SEGMENT.to_vec();
        inches[11] = 1;
        assert_eq!(shape(&image(&[&inches])), Shape::default());
    }

    #[test]
    fn an_orientation_is_put_in_or_put_right() {
        for orientation in Orientation::ALL {
            let there = image(&[JFIF_SEGMENT, &exif(6)]);
            let patched = with_orientation(there.clone(), orientation);
            assert_eq!((shape(&patched).orientation, patched.len()), (Some(orientation), there.len()));
            for segments in [&[][..], &[JFIF_SEGMENT]] {
                let inserted = with_orientation(image(segments), orientation);
                assert_eq!(shape(&inserted).orientation.unwrap_or_default(), orientation);
                assert_eq!(shape(&inserted).sample_aspect.is_some(), !segments.is_empty());
                assert!(inserted.ends_with(REST) && crate::codec::jpeg::parse(&inserted).is_ok());
            }
        }
        let right = image(&[&exif(6)]);
        assert_eq!(with_orientation(right.clone(), Orientation::from_exif(6).unwrap()).as_ptr(), right.as_ptr(), "not copied");
        assert_eq!(with_orientation(Bytes::from_static(b"GIF89a"), Orientation::new(true, 1)), "GIF89a");
    }

    #[test]
    fn damage_says_nothing_and_never_panics() {
        let whole = image(&[JFIF_SEGMENT, &exif(6)]);
        for at in 0..whole.len() {
            _ = shape(&whole[..at]);
            for value in [0, 1, 8, 0x7f, 0xff] {
                let mut damaged = whole.to_vec();
                damaged[at] = value;
                _ = shape(&damaged);
                _ = with_orientation(damaged.into(), Orientation::new(true, 1));
            }
        }
        assert_eq!(orientation(b"MM\0\x2a\xff\xff\xff\xff"), None);
    }
}
