//! What a buffer of the driver holds, as a packet carries it.

use super::choose::Mode;
use crate::codec::{h264, jpeg};
use crate::media::{Codec, PixelFormat};
use bytes::Bytes;

/// The frame in canonical form; `None` if it is not whole.
pub fn whole(mode: &Mode, data: &[u8]) -> Option<Bytes> {
    match mode.codec {
        Codec::Jpeg => {
            // Cameras pad a JPEG to what the wire likes; what follows its end is no picture.
            let end = jpeg::EndFinder::default().find(data).ok()??;
            Some(Bytes::copy_from_slice(&data[..end]))
        }
        // A buffer holds one access unit (V4L2_PIX_FMT_H264).
        Codec::H264 => Some(h264::to_length_prefixed(data)).filter(|unit| !unit.is_empty()),
        Codec::Raw(format) => tight(format, mode.width as usize, mode.height as usize, mode.stride, data),
        _ => None,
    }
}

/// A raw picture without the padding of its rows.
fn tight(format: PixelFormat, width: usize, height: usize, stride: usize, data: &[u8]) -> Option<Bytes> {
    let planes = planes(format, width, height, stride);
    let needed: usize = planes.iter().map(|p| p.stride * p.rows).sum();
    // The last row need not be padded.
    let data = data.get(..needed.min(data.len()))?;
    let mut out = Vec::with_capacity(planes.iter().map(|p| p.row * p.rows).sum());
    let mut start = 0;
    for plane in planes {
        for row in 0..plane.rows {
            out.extend_from_slice(data.get(start + row * plane.stride..)?.get(..plane.row)?);
        }
        start += plane.rows * plane.stride;
    }
    Some(out.into())
}

struct Plane {
    /// Bytes of a row that are picture.
    row: usize,
    /// Bytes from one row to the next.
    stride: usize,
    rows: usize,
}

/// The planes of a buffer. `stride` is of the first; that of smaller planes follows from it (V4L2, "single-planar formats").
fn planes(format: PixelFormat, width: usize, height: usize, stride: usize) -> Vec<Plane> {
    let (half, half_rows) = (width.div_ceil(2), height.div_ceil(2));
    let plane = |row: usize, stride: usize, rows: usize| Plane { row, stride: stride.max(row), rows };
    match format {
        PixelFormat::I420 => {
            [(width, stride, height), (half, stride / 2, half_rows), (half, stride / 2, half_rows)].map(|(r, s, n)| plane(r, s, n)).into()
        }
        PixelFormat::I422 => {
            [(width, stride, height), (half, stride / 2, height), (half, stride / 2, height)].map(|(r, s, n)| plane(r, s, n)).into()
        }
        PixelFormat::I444 => [(width, stride, height); 3].map(|(r, s, n)| plane(r, s, n)).into(),
        PixelFormat::Nv12 => vec![plane(width, stride, height), plane(2 * half, stride, half_rows)],
        PixelFormat::Yuy2 | PixelFormat::Uyvy => vec![plane(4 * half, stride, height)],
        PixelFormat::Rgb24 | PixelFormat::Bgr24 => vec![plane(3 * width, stride, height)],
        PixelFormat::Rgba | PixelFormat::Bgra => vec![plane(4 * width, stride, height)],
        PixelFormat::Gray => vec![plane(width, stride, height)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Rate;

    #[test]
    fn row_padding_is_taken_off() {
        for format in PixelFormat::ALL {
            let (width, height) = (6, 4);
            for padding in [0, 10] {
                let first_row = planes(format, width, height, 0)[0].row;
                let mut padded = Vec::new();
                for plane in planes(format, width, height, first_row + padding) {
                    for _ in 0..plane.rows {
                        padded.extend(std::iter::repeat_n(7, plane.row).chain(std::iter::repeat_n(99, plane.stride - plane.row)));
                    }
                }
                let picture = tight(format, width, height, first_row + padding, &padded).expect("whole");
                assert_eq!(picture, vec![7; format.picture_size(6, 4)], "{format}, {padding} bytes of padding");
                let short = &padded[..padded.len() - padding - 1];
                assert_eq!(tight(format, width, height, first_row + padding, short), None, "{format}");
            }
        }
    }

    #[test]
    fn a_jpeg_without_its_end_is_not_whole() {
        let mode = Mode { codec: Codec::Jpeg, width: 8, height: 8, rate: Rate::new(30, 1).unwrap(), stride: 0, full_range: true };
        let image = [0xff, 0xd8, 0xff, 0xda, 0, 2, 1, 2, 3, 0xff, 0xd9];
        assert_eq!(whole(&mode, &[&image[..], &[0; 9]].concat()).as_deref(), Some(&image[..]));
        assert_eq!(whole(&mode, &image[..10]), None);
        assert_eq!(whole(&mode, &[]), None);
        assert_eq!(whole(&Mode { codec: Codec::H264, ..mode }, b"no start code"), None);
    }
}
