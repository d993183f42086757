//! JPEG (ITU-T T.81): size and sampling from the frame header, where an image ends in a stream of them, and what it lacks. No decoding.

mod segment;
mod several;
mod tables;
mod whole;

pub use several::images_in_file;
#[cfg(test)]
pub use tables::TABLES_LENGTH;
pub use tables::with_tables;
pub use whole::whole_len;

use crate::media::Malformed;
use bytes::Bytes;
use segment::{FORMAT, Segment, marker, segment};

/// What the frame header says (section B.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JpegInfo {
    pub width: u32,
    pub height: u32,
    pub sampling: Sampling,
    pub progressive: bool,
    /// Why neither browsers nor decoders of video show it, where they do not.
    pub obstacle: Option<&'static str>,
}

/// Chroma sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    Gray,
    S420,
    S422,
    S440,
    S444,
    S411,
    /// Four components (CMYK) or unusual factors.
    Other,
}

/// Why an image is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Broken(#[from] Malformed),
    /// It ends too soon.
    #[error("JPEG: the image is cut short")]
    Cut,
    /// It is of a kind that browsers do not show (see [`JpegInfo::obstacle`]).
    #[error("JPEG: {0}")]
    Obstacle(&'static str),
}

/// The image that `data` begins with, as [`Packet`](crate::media::Packet) says that it is: with Huffman tables, up to its end. Standard
/// tables are put in where there are none, an end marker where only that is missing.
pub fn canonical(data: Bytes) -> Result<(Bytes, JpegInfo), Fault> {
    let image = if data.ends_with(&END) { data } else { ended(data)? };
    let info = parse(&image)?;
    match info.obstacle {
        Some(obstacle) => Err(Fault::Obstacle(obstacle)),
        None => Ok((with_tables(&image).unwrap_or(image), info)),
    }
}

const END: [u8; 2] = [0xff, marker::EOI];

fn ended(data: Bytes) -> Result<Bytes, Fault> {
    let end = match EndFinder::default().find(&data)? {
        Some(End::Marked(end)) => return Ok(data.slice(..end)),
        Some(End::Missing(end)) => end,
        None => data.len(),
    };
    let end = whole_len(&data[..end]).ok_or(Fault::Cut)?;
    Ok([&data[..end], &END].concat().into())
}

/// Reads the headers of an image up to its frame header.
pub fn parse(image: &[u8]) -> Result<JpegInfo, Malformed> {
    let mut at = 0;
    loop {
        match segment(image, at)? {
            Segment::Short => return Err(Malformed::new(FORMAT, "ends before its frame header")),
            Segment::Marker(next) => at = next,
            Segment::Scan { .. } | Segment::End(_) | Segment::Begin(_) => {
                return Err(Malformed::new(FORMAT, "no frame header before the picture"));
            }
            Segment::Data { marker, body, next } if is_frame_header(marker) => {
                return frame_header(marker, &image[body..next]).ok_or_else(|| Malformed::new(FORMAT, "frame header is cut short"))?;
            }
            Segment::Data { next, .. } => at = next,
        }
    }
}

/// SOF0 to SOF15 without DHT, JPG and DAC, which stand in the same row.
fn is_frame_header(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

fn frame_header(marker: u8, body: &[u8]) -> Option<Result<JpegInfo, Malformed>> {
    let (&[precision, h0, h1, w0, w1, count], components) = body.split_first_chunk::<6>()?;
    let (width, height) = (u32::from(u16::from_be_bytes([w0, w1])), u32::from(u16::from_be_bytes([h0, h1])));
    if !(1..=16384).contains(&width) || !(1..=16384).contains(&height) {
        return Some(Err(Malformed::new(FORMAT, format!("picture of {width}x{height}"))));
    }
    let factors: Vec<u8> = components.chunks_exact(3).take(usize::from(count)).map(|c| c[1]).collect();
    let sampling = match factors[..] {
        [_] => Sampling::Gray,
        [0x22, 0x11, 0x11] => Sampling::S420,
        [0x21, 0x11, 0x11] | [0x22, 0x12, 0x12] => Sampling::S422,
        [0x12, 0x11, 0x11] => Sampling::S440,
        [0x41, 0x11, 0x11] => Sampling::S411,
        [a, b, c] if a == b && b == c => Sampling::S444,
        _ => Sampling::Other,
    };
    let progressive = matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce);
    Some(Ok(JpegInfo { width, height, sampling, progressive, obstacle: obstacle(marker, precision) }))
}

/// By the kind of frame (table B.1). All browsers decode 8-bit DCT with Huffman coding.
fn obstacle(marker: u8, precision: u8) -> Option<&'static str> {
    match marker {
        0xc3 | 0xc7 | 0xcb | 0xcf => Some("lossless coding is not shown by browsers"),
        0xc5 | 0xc6 | 0xcd | 0xce => Some("hierarchical coding is not shown by browsers"),
        0xc9 | 0xca => Some("arithmetic coding is not shown by browsers"),
        _ if precision != 8 => Some("only images of 8 bits are shown by browsers"),
        _ => None,
    }
}

/// Where an image ends: so many bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Behind its end marker.
    Marked(usize),
    /// It has no end marker: another image begins here.
    Missing(usize),
}

/// Finds the end of an image that arrives in pieces. Markers inside segments (thumbnails in EXIF data) do not count.
#[derive(Debug, Default)]
pub struct EndFinder {
    at: usize,
    in_scan: bool,
}

impl EndFinder {
    /// `image` begins with the image's first byte (SOI) and has grown since the last call. `None`: more is needed.
    pub fn find(&mut self, image: &[u8]) -> Result<Option<End>, Malformed> {
        loop {
            if self.in_scan {
                match scan_end(image, self.at) {
                    Ok(marker) => (self.at, self.in_scan) = (marker, false),
                    Err(searched) => {
                        self.at = searched;
                        return Ok(None);
                    }
                }
            }
            match segment(image, self.at)? {
                Segment::Short => return Ok(None),
                Segment::End(end) => return Ok(Some(End::Marked(end))),
                Segment::Begin(end) => return Ok(Some(End::Missing(end))),
                Segment::Marker(next) | Segment::Data { next, .. } => self.at = next,
                Segment::Scan { next, .. } => (self.at, self.in_scan) = (next, true),
            }
        }
    }
}

/// Where a marker that ends entropy-coded data stands, or how far there is none. Stuffed zeros and restart markers belong to
/// the data (section B.1.1.5).
fn scan_end(data: &[u8], from: usize) -> Result<usize, usize> {
    let mut at = from;
    while let Some(offset) = data.get(at..).and_then(|rest| memchr::memchr(0xff, rest)) {
        at += offset;
        match data.get(at + 1) {
            None => return Err(at),
            Some(0 | 0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            Some(_) => return Ok(at),
        }
    }
    Err(data.len().max(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers of a 4:2:0 picture of 640x480 with a comment that holds an end marker, then a scan with stuffing and a restart.
    const IMAGE: &[u8] = &[
        0xff, 0xd8, 0xff, 0xfe, 0, 4, 0xff, 0xd9, 0xff, 0xc0, 0, 17, 8, 0x01, 0xe0, 0x02, 0x80, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1,
        0xff, 0xda, 0, 2, 1, 0xff, 0, 2, 0xff, 0xd0, 3, 0xff, 0xff, 0xd9,
    ];

    #[test]
    fn frame_headers() {
        let info = parse(IMAGE).unwrap();
        assert_eq!(info, JpegInfo { width: 640, height: 480, sampling: Sampling::S420, progressive: false, obstacle: None });
        for cut in 0..27 {
            assert!(parse(&IMAGE[..cut]).is_err());
        }
        assert!(parse(b"GIF89a").is_err());
    }

    #[test]
    fn the_end_is_found_however_the_image_arrives() {
        let mut stream = IMAGE.to_vec();
        stream.extend_from_slice(IMAGE);
        for step in 1..stream.len() {
            let mut finder = EndFinder::default();
            let mut have = 0;
            let end = loop {
                have = (have + step).min(stream.len());
                if let Some(end) = finder.find(&stream[..have]).unwrap() {
                    break end;
                }
            };
            assert_eq!(end, End::Marked(IMAGE.len()), "in steps of {step}");
        }
    }

    #[test]
    fn an_image_without_an_end_ends_where_the_next_one_begins() {
        let without = &IMAGE[..IMAGE.len() - 2];
        for cut in [9, 20, 32, 37, without.len()] {
            let stream = [&IMAGE[..cut], IMAGE].concat();
            // Within a segment it cannot be seen.
            let expected = if matches!(cut, 9 | 20 | 32) { None } else { Some(End::Missing(cut)) };
            let found = EndFinder::default().find(&stream).unwrap_or(None);
            assert!(found == expected || expected.is_none(), "{cut}: {found:?}");
        }
    }

    fn encoded() -> Vec<u8> {
        let mut image = Vec::new();
        jpeg_encoder::Encoder::new(&mut image, 80).encode(&[100; 3 * 16 * 16], 16, 16, jpeg_encoder::ColorType::Rgb).unwrap();
        image
    }

    #[test]
    fn the_canonical_form_has_an_end_and_tables() {
        let whole = encoded();
        let made = |data: &[u8]| canonical(Bytes::copy_from_slice(data)).map(|(image, _)| image.to_vec());
        assert_eq!(made(&whole).as_ref(), Ok(&whole));
        assert_eq!(made(&[&whole[..], b"\0\0trailer"].concat()).as_ref(), Ok(&whole));
        assert_eq!(made(&whole[..whole.len() - 2]).as_ref(), Ok(&whole), "the end marker is put there");
        assert_eq!(made(&whole[..whole.len() - 1]).as_ref(), Ok(&whole), "half of it is none");
        assert_eq!(made(&whole[..whole.len() - 9]), Err(Fault::Cut));
        assert_eq!(made(&whole[..30]), Err(Fault::Cut));
        // The standard tables, in one segment, where the encoder wrote four.
        let mut bare = whole.clone();
        while let Some(at) = bare.windows(2).position(|w| w == [0xff, 0xc4]) {
            let length = usize::from(u16::from_be_bytes([bare[at + 2], bare[at + 3]]));
            bare.drain(at..at + 2 + length);
        }
        let with_tables = made(&bare).unwrap();
        assert_eq!(with_tables.len(), bare.len() + TABLES_LENGTH);
        assert_eq!(made(&with_tables).as_ref(), Ok(&with_tables), "with tables it stays as it is");
    }

    #[test]
    fn what_nobody_shows_is_named() {
        for (marker, precision, word) in [(0xc9, 8, "arithmetic"), (0xc3, 8, "lossless"), (0xc1, 12, "8 bits"), (0xc5, 8, "hierarchical")] {
            let mut image = encoded();
            let at = image.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
            (image[at + 1], image[at + 4]) = (marker, precision);
            let fault = canonical(image.into()).unwrap_err();
            assert!(fault.to_string().contains(word), "{fault}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        assert!(EndFinder::default().find(b"garbage").is_err());
        assert!(EndFinder::default().find(&[0xff, 0xd8, 0xff, 0xe0, 0, 1]).is_err(), "segment shorter than its length");
    }
}
