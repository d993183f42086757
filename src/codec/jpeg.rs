//! JPEG (ITU-T T.81): size and sampling from the frame header, and where an image ends in a stream of them. No decoding.

use crate::media::Malformed;

const FORMAT: &str = "JPEG";

/// Marker codes (table B.1).
mod marker {
    pub const SOI: u8 = 0xd8;
    pub const EOI: u8 = 0xd9;
    pub const SOS: u8 = 0xda;
}

/// What the frame header says (section B.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JpegInfo {
    pub width: u32,
    pub height: u32,
    pub sampling: Sampling,
    pub progressive: bool,
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

/// Reads the headers of an image up to its frame header.
pub fn parse(image: &[u8]) -> Result<JpegInfo, Malformed> {
    let mut at = 0;
    loop {
        match segment(image, at)? {
            Segment::Short => return Err(Malformed::new(FORMAT, "ends before its frame header")),
            Segment::Marker(next) => at = next,
            Segment::Scan(_) | Segment::End(_) => return Err(Malformed::new(FORMAT, "no frame header before the picture")),
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
    let (&[_precision, h0, h1, w0, w1, count], components) = body.split_first_chunk::<6>()?;
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
    Some(Ok(JpegInfo { width, height, sampling, progressive: matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce) }))
}

/// What stands at a place between segments.
enum Segment {
    /// A marker without a body; what follows stands here.
    Marker(usize),
    /// A marker segment: its body, and where the next one begins.
    Data { marker: u8, body: usize, next: usize },
    /// A scan header; entropy-coded data begins here.
    Scan(usize),
    /// The end of the image.
    End(usize),
    /// The data ends before one can say.
    Short,
}

fn segment(data: &[u8], at: usize) -> Result<Segment, Malformed> {
    let Some(&[first, code]) = data.get(at..at + 2) else { return Ok(Segment::Short) };
    if first != 0xff || (at == 0 && code != marker::SOI) || code == 0 {
        return Err(Malformed::new(FORMAT, format!("no marker at byte {at} of an image")));
    }
    match code {
        // Fill bytes (section B.1.1.2).
        0xff => return Ok(Segment::Marker(at + 1)),
        marker::EOI => return Ok(Segment::End(at + 2)),
        // Markers without parameters: SOI, RSTn, TEM.
        marker::SOI | 0xd0..=0xd7 | 0x01 => return Ok(Segment::Marker(at + 2)),
        _ => {}
    }
    let Some(&[high, low]) = data.get(at + 2..at + 4) else { return Ok(Segment::Short) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < 2 {
        return Err(Malformed::new(FORMAT, format!("segment of {length} bytes at byte {at} of an image")));
    }
    let next = at + 2 + length;
    Ok(match code {
        _ if data.len() < next => Segment::Short,
        marker::SOS => Segment::Scan(next),
        marker => Segment::Data { marker, body: at + 4, next },
    })
}

/// Finds the end of an image that arrives in pieces. Markers inside segments (thumbnails in EXIF data) do not count.
#[derive(Debug, Default)]
pub struct EndFinder {
    at: usize,
    in_scan: bool,
}

impl EndFinder {
    /// `image` begins with the image's first byte (SOI) and has grown since the last call. `Some(n)`: the image is the first `n`
    /// bytes. `None`: more is needed.
    pub fn find(&mut self, image: &[u8]) -> Result<Option<usize>, Malformed> {
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
                Segment::End(end) => return Ok(Some(end)),
                Segment::Marker(next) | Segment::Data { next, .. } => self.at = next,
                Segment::Scan(next) => (self.at, self.in_scan) = (next, true),
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
        assert_eq!(info, JpegInfo { width: 640, height: 480, sampling: Sampling::S420, progressive: false });
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
            assert_eq!(end, IMAGE.len(), "in steps of {step}");
        }
    }

    #[test]
    fn garbage_is_refused() {
        assert!(EndFinder::default().find(b"garbage").is_err());
        assert!(EndFinder::default().find(&[0xff, 0xd8, 0xff, 0xe0, 0, 1]).is_err(), "segment shorter than its length");
    }
}
