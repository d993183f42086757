//! Raw pictures: which of V4L2's formats the pipe carries, and how a picture in the driver's memory, with its padding and planes
//! in buffers of their own, becomes tightly packed (Linux Media userspace API, "Image Formats").

use super::device::{Format, FourCc};
use crate::media::{BufferPool, Codec, PixelFormat};
use bytes::{BufMut, Bytes};

/// The codec as which a format of V4L2 is carried; `None` where the pipe has none.
pub fn codec(fourcc: FourCc) -> Option<Codec> {
    Some(match &fourcc.0 {
        b"MJPG" | b"JPEG" => Codec::Jpeg,
        b"H264" => Codec::H264,
        b"HEVC" => Codec::H265,
        b"YU12" | b"YM12" | b"YV12" | b"YM21" => Codec::Raw(PixelFormat::I420),
        b"NV12" | b"NM12" => Codec::Raw(PixelFormat::Nv12),
        b"422P" | b"YM16" => Codec::Raw(PixelFormat::I422),
        b"YM24" => Codec::Raw(PixelFormat::I444),
        b"YUYV" => Codec::Raw(PixelFormat::Yuy2),
        b"UYVY" => Codec::Raw(PixelFormat::Uyvy),
        b"RGB3" => Codec::Raw(PixelFormat::Rgb24),
        b"BGR3" => Codec::Raw(PixelFormat::Bgr24),
        b"AB24" => Codec::Raw(PixelFormat::Rgba),
        b"AR24" => Codec::Raw(PixelFormat::Bgra),
        b"GREY" => Codec::Raw(PixelFormat::Gray),
        _ => return None,
    })
}

/// Where the lines of a picture are.
#[derive(Debug)]
pub struct Layout {
    planes: Vec<Lines>,
    size: usize,
    /// Bytes of a group of pixels that share their colour, where they are in one plane.
    group: usize,
    pool: BufferPool,
}

/// Lines of one plane: buffer, byte offset of the first, distance, length in bytes, count.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Lines {
    buffer: usize,
    offset: usize,
    stride: usize,
    length: usize,
    count: usize,
}

impl Layout {
    pub fn new(pixels: PixelFormat, format: &Format) -> Layout {
        let (width, height) = (format.width as usize, format.height as usize);
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        // Length and count of the lines of each plane, and how much of the first plane's stride it has.
        let planes: Vec<(usize, usize, usize)> = match pixels {
            PixelFormat::I420 => vec![(width, height, 1), (chroma_width, chroma_height, 2), (chroma_width, chroma_height, 2)],
            PixelFormat::Nv12 => vec![(width, height, 1), (2 * chroma_width, chroma_height, 1)],
            PixelFormat::I422 => vec![(width, height, 1), (chroma_width, height, 2), (chroma_width, height, 2)],
            PixelFormat::I444 => vec![(width, height, 1); 3],
            PixelFormat::Yuy2 | PixelFormat::Uyvy => vec![(4 * chroma_width, height, 1)],
            PixelFormat::Rgb24 | PixelFormat::Bgr24 => vec![(3 * width, height, 1)],
            PixelFormat::Rgba | PixelFormat::Bgra => vec![(4 * width, height, 1)],
            PixelFormat::Gray => vec![(width, height, 1)],
        };
        let group = match pixels {
            PixelFormat::Yuy2 | PixelFormat::Uyvy => 4,
            PixelFormat::Nv12 => 2,
            _ => 1,
        };
        let own_buffers = format.planes.len() == planes.len();
        let mut offset = 0;
        let mut lines = Vec::with_capacity(planes.len());
        for (n, (length, count, part)) in planes.into_iter().enumerate() {
            let buffer = if own_buffers { n } else { 0 };
            let given = format.planes.get(buffer).map_or(0, |p| p.stride as usize) / if own_buffers { 1 } else { part };
            // Some drivers leave the stride at 0 where there is no padding. Of an odd width, vivid and uvcvideo leave out what the last
            // group has no pixels for.
            let stride = if given > 0 && given + group > length { given } else { length };
            lines.push(Lines { buffer, offset: if own_buffers { 0 } else { offset }, stride, length, count });
            offset += stride * count;
        }
        // V before U.
        if matches!(&format.fourcc.0, b"YV12" | b"YM21") {
            lines.swap(1, 2);
        }
        Layout { planes: lines, size: pixels.picture_size(format.width, format.height), group, pool: BufferPool::default() }
    }

    /// The picture, tightly packed; `None` when the buffers hold less than all of it.
    pub fn pack(&mut self, buffers: &[&[u8]]) -> Option<Bytes> {
        let mut picture = self.pool.take(self.size);
        picture.clear();
        for plane in &self.planes {
            let data = buffers.get(plane.buffer)?.get(plane.offset..)?;
            if plane.stride == plane.length {
                picture.extend_from_slice(data.get(..plane.length * plane.count)?);
                continue;
            }
            // The last line may come without its padding.
            for n in 0..plane.count {
                picture.extend_from_slice(data.get(n * plane.stride..)?.get(..plane.length.min(plane.stride))?);
                // The missing bytes of the last group are those of the group before.
                for _ in plane.stride..plane.length {
                    picture.put_u8(*picture.get(picture.len().checked_sub(self.group)?)?);
                }
            }
        }
        debug_assert_eq!(picture.len(), self.size, "the planes are the picture");
        let picture = picture.freeze();
        self.pool.lend(&picture);
        Some(picture)
    }
}

#[cfg(test)]
mod tests {
    use super::super::device::Plane;
    use super::*;
    use crate::media::Colour;

    fn format(fourcc: &[u8; 4], width: u32, height: u32, strides: &[u32]) -> Format {
        let planes = strides.iter().map(|stride| Plane { stride: *stride, size: 0 }).collect();
        Format { fourcc: FourCc(*fourcc), width, height, planes, colour: Colour::default(), alternate: false }
    }

    fn pack(format: &Format, buffers: &[&[u8]]) -> Option<Vec<u8>> {
        let Some(Codec::Raw(pixels)) = codec(format.fourcc) else { panic!("not raw") };
        Layout::new(pixels, format).pack(buffers).map(|b| b.to_vec())
    }

    #[test]
    fn padding_goes() {
        let grey = format(b"GREY", 3, 2, &[4]);
        assert_eq!(pack(&grey, &[&[1, 2, 3, 0, 4, 5, 6, 0]]), Some(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(pack(&grey, &[&[1, 2, 3, 0, 4, 5, 6]]), Some(vec![1, 2, 3, 4, 5, 6]), "no padding at the end");
        assert_eq!(pack(&grey, &[&[1, 2, 3, 0, 4, 5]]), None, "a short frame");
        assert_eq!(pack(&grey, &[]), None);
        assert_eq!(pack(&format(b"YUYV", 3, 1, &[0]), &[&[1, 2, 3, 4, 5, 6, 7, 8]]), Some(vec![1, 2, 3, 4, 5, 6, 7, 8]));
    }

    #[test]
    fn half_a_group_at_the_end_of_a_line() {
        let yuyv = format(b"YUYV", 3, 2, &[6]);
        let whole = [1, 2, 3, 4, 5, 6, 3, 4, 11, 12, 13, 14, 15, 16, 13, 14];
        assert_eq!(pack(&yuyv, &[&[1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]]), Some(whole.to_vec()));
        let nv12 = format(b"NV12", 3, 2, &[3]);
        assert_eq!(pack(&nv12, &[&[1, 1, 1, 2, 2, 2, 7, 8, 9]]).unwrap()[6..], [7, 8, 9, 8]);
        assert_eq!(pack(&yuyv, &[&[1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15]]), None, "a short frame");
    }

    #[test]
    fn pictures_that_were_dropped_give_their_buffers_back() {
        let mut layout = Layout::new(PixelFormat::Gray, &format(b"GREY", 3, 2, &[4]));
        let mut picture = |n| layout.pack(&[&[n; 8]]).unwrap();
        let held = picture(0);
        let second = picture(1).as_ptr();
        assert!((2..100).all(|n| picture(n).as_ptr() == second));
        assert_eq!(held, [0; 6][..]);
    }

    #[test]
    fn planes_of_odd_sizes() {
        // 3x3 in lines of 4: chroma 2x2 in lines of 2.
        let memory = [1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3, 0, 4, 4, 5, 5, 6, 6, 7, 7];
        let i420 = [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7];
        assert_eq!(pack(&format(b"YU12", 3, 3, &[4]), &[&memory]), Some(i420.to_vec()));
        let yv12 = [1, 1, 1, 2, 2, 2, 3, 3, 3, 6, 6, 7, 7, 4, 4, 5, 5];
        assert_eq!(pack(&format(b"YV12", 3, 3, &[4]), &[&memory]), Some(yv12.to_vec()));
        // NV12: chroma lines as long as luma's.
        let memory = [1, 1, 1, 0, 2, 2, 2, 0, 3, 3, 3, 0, 4, 5, 4, 5, 6, 7, 6, 7];
        assert_eq!(pack(&format(b"NV12", 3, 3, &[4]), &[&memory]).unwrap()[9..], [4, 5, 4, 5, 6, 7, 6, 7]);
    }

    #[test]
    fn planes_in_buffers_of_their_own() {
        let nm12 = format(b"NM12", 2, 2, &[3, 4]);
        assert_eq!(pack(&nm12, &[&[1, 2, 0, 3, 4, 0], &[5, 6, 0, 0]]), Some(vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(pack(&nm12, &[&[1, 2, 0, 3, 4, 0]]), None);
    }
}
