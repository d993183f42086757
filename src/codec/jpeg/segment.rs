//! Marker segments of a JPEG image (ITU-T T.81, section B.1.1).

use crate::media::Malformed;

/// The format's name in errors.
pub(super) const FORMAT: &str = "JPEG";

/// Marker codes (table B.1).
pub(super) mod marker {
    pub const SOI: u8 = 0xd8;
    pub const EOI: u8 = 0xd9;
    pub const SOS: u8 = 0xda;
}

/// What stands at a place between segments.
pub(super) enum Segment {
    /// A marker without a body; what follows stands here.
    Marker(usize),
    /// A marker segment: its body, and where the next one begins.
    Data { marker: u8, body: usize, next: usize },
    /// A scan header; entropy-coded data begins at `next`.
    Scan { body: usize, next: usize },
    /// Another image begins here: this one has no end.
    Begin(usize),
    /// The end of the image.
    End(usize),
    /// The data ends before one can say.
    Short,
}

/// What stands at byte `at` of an image.
pub(super) fn segment(data: &[u8], at: usize) -> Result<Segment, Malformed> {
    let Some(&[first, code]) = data.get(at..at + 2) else { return Ok(Segment::Short) };
    if first != 0xff || (at == 0 && code != marker::SOI) || code == 0 {
        return Err(Malformed::new(FORMAT, format!("no marker at byte {at} of an image")));
    }
    match code {
        // Fill bytes (section B.1.1.2).
        0xff => return Ok(Segment::Marker(at + 1)),
        marker::EOI => return Ok(Segment::End(at + 2)),
        marker::SOI if at > 0 => match data.get(at + 2) {
            None => return Ok(Segment::Short),
            Some(0xff) => return Ok(Segment::Begin(at)),
            Some(_) => {}
        },
        _ => {}
    }
    match code {
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
        marker::SOS => Segment::Scan { body: at + 4, next },
        marker => Segment::Data { marker, body: at + 4, next },
    })
}
