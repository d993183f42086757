//! Raw pictures as others store them, made canonical: without row padding, chroma as U, V.

use super::schema::ChromaOrder;
use crate::media::{Malformed, PixelFormat};
use bytes::Bytes;

/// How the pictures of a track are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pictures {
    format: PixelFormat,
    order: ChromaOrder,
    width: usize,
    height: usize,
}

/// One plane, or the only one of a packed format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plane {
    /// Bytes of a row, and rows, that are picture.
    row: usize,
    rows: usize,
    /// Bytes of a row, and rows, that are stored.
    stride: usize,
    stored_rows: usize,
}

impl Pictures {
    pub fn new(format: PixelFormat, order: ChromaOrder, width: u32, height: u32) -> Pictures {
        Pictures { format, order, width: width as usize, height: height as usize }
    }

    /// Bytes of the largest form in which a picture can come.
    pub fn max_len(&self) -> usize {
        self.planes().iter().map(|p| p.stride * p.stored_rows).sum()
    }

    /// Makes a stored picture canonical; without a copy where it is already.
    pub fn canonical(&self, stored: Bytes) -> Result<Bytes, Malformed> {
        let mut planes = self.planes();
        let tight: usize = planes.iter().map(|p| p.row * p.rows).sum();
        if stored.len() == tight {
            if self.order == ChromaOrder::UV {
                return Ok(stored);
            }
            planes.iter_mut().for_each(|p| (p.stride, p.stored_rows) = (p.row, p.rows));
        } else if stored.len() != self.max_len() {
            let what = format!("picture of {} bytes, where {} of {}x{} takes {tight}", stored.len(), self.format, self.width, self.height);
            return Err(Malformed::new(super::FORMAT, what));
        }
        Ok(self.rearranged(&stored, &planes).into())
    }

    fn rearranged(&self, stored: &[u8], planes: &[Plane]) -> Vec<u8> {
        let mut starts: Vec<usize> = planes.iter().scan(0, |at, p| Some(std::mem::replace(at, *at + p.stride * p.stored_rows))).collect();
        if self.order == ChromaOrder::VU {
            // Both chroma planes have the same size.
            starts.swap(1, 2);
        }
        let mut tight = Vec::with_capacity(stored.len());
        for (plane, start) in planes.iter().zip(starts) {
            for row in stored[start..].chunks(plane.stride).take(plane.rows) {
                tight.extend_from_slice(&row[..plane.row]);
            }
        }
        tight
    }

    /// The planes with the padding of GStreamer, which starts rows at multiples of 4 bytes and rounds 4:2:0 up to whole
    /// chroma rows.
    fn planes(&self) -> Vec<Plane> {
        let (w, h) = (self.width, self.height);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let plane = |row: usize, rows: usize| Plane { row, rows, stride: row.next_multiple_of(4), stored_rows: rows };
        let luma = Plane { stored_rows: 2 * ch, ..plane(w, h) };
        match self.format {
            PixelFormat::I420 => vec![luma, plane(cw, ch), plane(cw, ch)],
            PixelFormat::Nv12 => vec![luma, plane(2 * cw, ch)],
            PixelFormat::I422 => vec![plane(w, h), plane(cw, h), plane(cw, h)],
            PixelFormat::I444 => vec![plane(w, h); 3],
            PixelFormat::Yuy2 | PixelFormat::Uyvy => vec![plane(4 * cw, h)],
            PixelFormat::Rgb24 | PixelFormat::Bgr24 => vec![plane(3 * w, h)],
            PixelFormat::Rgba | PixelFormat::Bgra => vec![plane(4 * w, h)],
            PixelFormat::Gray => vec![plane(w, h)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tight_sizes_agree_with_the_pixel_formats() {
        for format in PixelFormat::ALL {
            for (w, h) in [(1, 1), (2, 2), (5, 3), (6, 5), (640, 360)] {
                let tight = vec![7; format.picture_size(w, h)];
                let pictures = Pictures::new(format, ChromaOrder::UV, w, h);
                assert!(pictures.canonical(tight.into()).is_ok(), "{format} {w}x{h}");
                assert!(pictures.canonical(vec![7; pictures.max_len() + 1].into()).is_err());
            }
        }
    }

    #[test]
    fn gstreamers_padding_is_taken_out() {
        // 2x3 in I420: rows of 4 bytes, and a fourth row of luma.
        let stored = b"ab..cd..ef......u...U...v...V...";
        let pictures = Pictures::new(PixelFormat::I420, ChromaOrder::UV, 2, 3);
        assert_eq!(pictures.canonical(Bytes::from_static(stored)).unwrap(), "abcdefuUvV");
        let pictures = Pictures::new(PixelFormat::Rgb24, ChromaOrder::UV, 1, 2);
        assert_eq!(pictures.canonical(Bytes::from_static(b"rgb.RGB.")).unwrap(), "rgbRGB");
    }

    #[test]
    fn chroma_order_is_made_the_same() {
        let tight = Pictures::new(PixelFormat::I420, ChromaOrder::VU, 4, 2);
        assert_eq!(tight.canonical(Bytes::from_static(b"yyyyyyyyvvuu")).unwrap(), "yyyyyyyyuuvv");
        let padded = Pictures::new(PixelFormat::I420, ChromaOrder::VU, 2, 2);
        assert_eq!(padded.canonical(Bytes::from_static(b"yy..yy..v...u...")).unwrap(), "yyyyuv");
    }
}
