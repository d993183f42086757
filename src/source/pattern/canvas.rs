//! A raw picture in any [`PixelFormat`] that can be drawn on, so that the test picture is the same in all of them.
//!
//! Everything is drawn in Y'CbCr (BT.709, limited range). Formats with fewer chroma samples keep the same picture as long
//! as coloured areas start and end on even pixels; grey ones may lie anywhere on grey ground. [`PixelFormat::Gray`] is
//! the luma plane. R'G'B' formats hold the full-range equivalent.

use crate::media::{BufferPool, Colour, PixelFormat};
use bytes::{Bytes, BytesMut};

/// A colour: luma 16..=235, chroma 16..=240 around 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Yuv {
    pub y: u8,
    pub u: u8,
    pub v: u8,
}

impl Yuv {
    pub const fn grey(y: u8) -> Yuv {
        Yuv { y, u: 128, v: 128 }
    }

    /// From full-range R'G'B' (BT.709: ITU-R BT.709-6, item 3.3 and 3.4).
    pub fn from_rgb(r: u8, g: u8, b: u8) -> Yuv {
        let [r, g, b] = [r, g, b].map(|c| f64::from(c) / 255.0);
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let chroma = |difference: f64, range: f64| (128.0 + 224.0 * difference / range).round() as u8;
        Yuv { y: (16.0 + 219.0 * y).round() as u8, u: chroma(b - y, 1.8556), v: chroma(r - y, 1.5748) }
    }

    /// To full-range R'G'B'.
    fn to_rgb(self) -> [u8; 3] {
        let y = (f64::from(self.y) - 16.0) / 219.0;
        let [u, v] = [self.u, self.v].map(|c| (f64::from(c) - 128.0) / 224.0);
        let (b, r) = (y + 1.8556 * u, y + 1.5748 * v);
        let g = (y - 0.2126 * r - 0.0722 * b) / 0.7152;
        [r, g, b].map(|c| (c * 255.0).round().clamp(0.0, 255.0) as u8)
    }
}

/// What a decoder needs to know about the colours of a [`Canvas`].
pub fn colour(format: PixelFormat) -> Colour {
    let rgb = matches!(format, PixelFormat::Rgb24 | PixelFormat::Bgr24 | PixelFormat::Rgba | PixelFormat::Bgra);
    Colour { primaries: Some(1), transfer: Some(1), matrix: Some(if rgb { 0 } else { 1 }), full_range: Some(rgb) }
}

/// A picture being drawn. Drawing outside of it is cut off at its edges.
#[derive(Clone)]
pub struct Canvas {
    format: PixelFormat,
    width: usize,
    height: usize,
    data: BytesMut,
}

impl Canvas {
    pub fn new(format: PixelFormat, width: u32, height: u32, ground: Yuv) -> Canvas {
        let (width, height, data) = (width as usize, height as usize, BytesMut::zeroed(format.picture_size(width, height)));
        let mut canvas = Canvas { format, width, height, data };
        canvas.fill(0, 0, width, height, ground);
        canvas
    }

    /// The same picture, in a buffer of the pool.
    pub fn copy(&self, pool: &mut BufferPool) -> Canvas {
        let mut data = pool.take(self.data.len());
        data.copy_from_slice(&self.data);
        Canvas { data, ..*self }
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// The picture, in the form that [`crate::media::Packet`] asks for.
    pub fn into_bytes(self) -> Bytes {
        self.data.freeze()
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Yuv) {
        let row = vec![colour.y; width.min(self.width.saturating_sub(x))];
        for y in y..y.saturating_add(height).min(self.height) {
            self.row(x, y, &row, colour.u, colour.v);
        }
    }

    /// Draws a row of grey pixels that starts at (`x`, `y`).
    pub fn grey_row(&mut self, x: usize, y: usize, luma: &[u8]) {
        self.row(x, y, luma, 128, 128);
    }

    fn row(&mut self, x: usize, y: usize, luma: &[u8], u: u8, v: u8) {
        let luma = &luma[..luma.len().min(self.width.saturating_sub(x))];
        if luma.is_empty() || y >= self.height {
            return;
        }
        match self.format {
            PixelFormat::I420 | PixelFormat::I422 | PixelFormat::I444 | PixelFormat::Nv12 | PixelFormat::Gray => {
                self.data[y * self.width + x..][..luma.len()].copy_from_slice(luma);
                self.chroma(x, y, luma.len(), u, v);
            }
            PixelFormat::Yuy2 => self.packed(x, y, luma, [0, 1, 3], u, v),
            PixelFormat::Uyvy => self.packed(x, y, luma, [1, 0, 2], u, v),
            PixelFormat::Rgb24 => self.rgb::<3>(x, y, luma, [0, 1, 2], u, v),
            PixelFormat::Bgr24 => self.rgb::<3>(x, y, luma, [2, 1, 0], u, v),
            PixelFormat::Rgba => self.rgb::<4>(x, y, luma, [0, 1, 2], u, v),
            PixelFormat::Bgra => self.rgb::<4>(x, y, luma, [2, 1, 0], u, v),
        }
    }

    /// The chroma of a run of pixels, in the formats that keep it apart from luma.
    fn chroma(&mut self, x: usize, y: usize, len: usize, u: u8, v: u8) {
        let (across, down) = match self.format {
            PixelFormat::I444 => (1, 1),
            PixelFormat::I422 => (2, 1),
            PixelFormat::I420 | PixelFormat::Nv12 => (2, 2),
            _ => return,
        };
        let (stride, rows) = (self.width.div_ceil(across), self.height.div_ceil(down));
        let (first, last) = (x / across, (x + len).div_ceil(across));
        let planes = &mut self.data[self.width * self.height..];
        if self.format == PixelFormat::Nv12 {
            let row = &mut planes[y / down * stride * 2..][first * 2..last * 2];
            row.chunks_exact_mut(2).for_each(|uv| uv.copy_from_slice(&[u, v]));
        } else {
            let start = y / down * stride;
            planes[start + first..start + last].fill(u);
            planes[rows * stride + start + first..rows * stride + start + last].fill(v);
        }
    }

    /// Packed 4:2:2; `at` is where the first luma, U and V lie in a group of four bytes.
    fn packed(&mut self, x: usize, y: usize, luma: &[u8], at: [usize; 3], u: u8, v: u8) {
        let stride = self.width.div_ceil(2) * 4;
        let row = &mut self.data[y * stride..][..stride];
        for (x, &l) in (x..).zip(luma) {
            row[2 * x + at[0]] = l;
        }
        // An odd width has a last luma sample without a pixel: it repeats its neighbour.
        if x + luma.len() == self.width && self.width % 2 == 1 {
            row[2 * self.width + at[0]] = luma[luma.len() - 1];
        }
        for group in row.chunks_exact_mut(4).take((x + luma.len()).div_ceil(2)).skip(x / 2) {
            (group[at[1]], group[at[2]]) = (u, v);
        }
    }

    /// `at` is where R, G and B lie in the bytes of a pixel; a fourth byte is opacity.
    fn rgb<const N: usize>(&mut self, x: usize, y: usize, luma: &[u8], at: [usize; 3], u: u8, v: u8) {
        let row = &mut self.data[(y * self.width + x) * N..][..luma.len() * N];
        let mut last = (luma[0], Yuv { y: luma[0], u, v }.to_rgb());
        for (pixel, &l) in row.chunks_exact_mut(N).zip(luma) {
            if l != last.0 {
                last = (l, Yuv { y: l, u, v }.to_rgb());
            }
            pixel.fill(255);
            for (at, c) in at.into_iter().zip(last.1) {
                pixel[at] = c;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_bt709() {
        assert_eq!(Yuv::from_rgb(255, 255, 255), Yuv::grey(235));
        assert_eq!(Yuv::from_rgb(0, 0, 0), Yuv::grey(16));
        assert_eq!(Yuv::from_rgb(255, 0, 0), Yuv { y: 63, u: 102, v: 240 });
        assert_eq!(Yuv::from_rgb(0, 0, 255), Yuv { y: 32, u: 240, v: 118 });
        for rgb in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [191, 191, 0], [12, 200, 77]] {
            let back = Yuv::from_rgb(rgb[0], rgb[1], rgb[2]).to_rgb();
            assert!(back.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) <= 2), "{rgb:?} {back:?}");
        }
    }

    /// Luma and chroma of one pixel, as `media::PixelFormat` says where they lie.
    fn pixel(c: &Canvas, x: usize, y: usize) -> Yuv {
        let (w, h, d) = (c.width, c.height, &c.data);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let yuv = |y: usize, u: usize, v: usize| Yuv { y: d[y], u: d[u], v: d[v] };
        match c.format {
            PixelFormat::I420 => yuv(y * w + x, w * h + y / 2 * cw + x / 2, w * h + cw * ch + y / 2 * cw + x / 2),
            PixelFormat::Nv12 => yuv(y * w + x, w * h + (y / 2 * cw + x / 2) * 2, w * h + (y / 2 * cw + x / 2) * 2 + 1),
            PixelFormat::I422 => yuv(y * w + x, w * h + y * cw + x / 2, w * h + cw * h + y * cw + x / 2),
            PixelFormat::I444 => yuv(y * w + x, w * h + y * w + x, 2 * w * h + y * w + x),
            PixelFormat::Yuy2 => yuv(y * cw * 4 + x * 2, y * cw * 4 + x / 2 * 4 + 1, y * cw * 4 + x / 2 * 4 + 3),
            PixelFormat::Uyvy => yuv(y * cw * 4 + x * 2 + 1, y * cw * 4 + x / 2 * 4, y * cw * 4 + x / 2 * 4 + 2),
            _ => unreachable!("the test asks for Y'CbCr only"),
        }
    }

    #[test]
    fn a_rectangle_is_the_same_in_every_format() {
        let red = Yuv::from_rgb(255, 0, 0);
        for format in PixelFormat::ALL {
            // Odd sizes on purpose.
            let mut c = Canvas::new(format, 7, 5, Yuv::grey(100));
            assert_eq!(c.data.len(), format.picture_size(7, 5));
            c.fill(2, 2, 100, 2, red);
            c.grey_row(0, 4, &[50; 3]);
            let rgb = |x: usize, y: usize, n: usize| c.data[(y * 7 + x) * n..][..3].to_vec();
            match format {
                PixelFormat::Gray => assert_eq!((c.data[7 * 2 + 2], c.data[7 * 4]), (red.y, 50)),
                PixelFormat::Rgb24 => assert_eq!((rgb(3, 2, 3), rgb(1, 2, 3)), (red.to_rgb().to_vec(), vec![98; 3])),
                PixelFormat::Bgr24 => assert!(rgb(3, 2, 3)[2] > 240 && rgb(3, 2, 3)[0] < 20),
                PixelFormat::Rgba => assert_eq!((rgb(3, 2, 4), c.data[3]), (red.to_rgb().to_vec(), 255)),
                PixelFormat::Bgra => assert!(rgb(3, 2, 4)[2] > 240 && c.data[3] == 255),
                _ => {
                    for (x, y, expected) in
                        [(2, 2, red), (6, 3, red), (1, 2, Yuv::grey(100)), (2, 4, Yuv::grey(50)), (6, 0, Yuv::grey(100))]
                    {
                        assert_eq!(pixel(&c, x, y), expected, "{format} {x},{y}");
                    }
                }
            }
        }
    }

    #[test]
    fn drawing_outside_is_cut_off() {
        for format in PixelFormat::ALL {
            let mut c = Canvas::new(format, 3, 3, Yuv::grey(16));
            c.fill(usize::MAX, 0, usize::MAX, usize::MAX, Yuv::grey(235));
            c.grey_row(2, 2, &[200; 50]);
            c.grey_row(0, 3, &[200; 50]);
            c.grey_row(3, 0, &[200; 50]);
        }
    }
}
