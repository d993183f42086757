//! Which numbers mean which colours: matrix and range of pictures, and the way from one to another.

use super::picture::{Picture, Sampling};
use crate::media::{Codec, Colour, PixelFormat, VideoParams};

/// How Y, Cb and Cr stand for red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Matrix coefficients, a code point of ISO/IEC 23091-2, table 4.
    pub matrix: u8,
    /// 0..=255 instead of 16..=235.
    pub full: bool,
}

/// ITU-R BT.709, BT.601 (525 lines), BT.2020 non-constant luminance: the same code points for primaries, transfer and matrix.
const BT709: u8 = 1;
const BT601: u8 = 6;
const UNSPECIFIED: u8 = 2;

impl Space {
    /// ITU-T T.871 (JFIF), section 7: BT.601 over the full range.
    pub const JPEG: Space = Space { matrix: BT601, full: true };

    /// The space of a track's pictures. What is not said is what players assume: BT.709 for high definition, BT.601 below.
    pub fn of(codec: Codec, params: &VideoParams) -> Space {
        let Colour { matrix, full_range, .. } = params.colour;
        if codec == Codec::Jpeg {
            return Space { full: full_range.unwrap_or(true), ..Space::JPEG };
        }
        let usual = Space::usual(params.width, params.height);
        let matrix = matrix.filter(|code| weights(*code).is_some()).unwrap_or(usual.matrix);
        let full = full_range.unwrap_or(codec == Codec::Raw(PixelFormat::Gray) && usual.full);
        Space { matrix, full }
    }

    /// What players assume of a picture of this size: limited range.
    pub fn usual(width: u32, height: u32) -> Space {
        let hd = width >= 1280 || height > 576;
        Space { matrix: if hd { BT709 } else { BT601 }, full: false }
    }

    /// The same in limited range, which every hardware decoder shows right.
    pub fn limited(self) -> Space {
        Space { full: false, ..self }
    }
}

/// The colour that an encoded track of this space declares; what `input` says of primaries and transfer holds on.
pub fn declared(space: Space, input: Colour, codec: Codec) -> Colour {
    let known = |code: Option<u8>| code.filter(|code| *code != UNSPECIFIED);
    // A camera's JPEG and a computer's RGB mean sRGB, whose primaries are BT.709's.
    let usual = if codec == Codec::Jpeg || is_rgb(codec) { BT709 } else { space.matrix };
    let usual = if weights(usual).is_some() && usual != 4 { usual } else { UNSPECIFIED };
    Colour {
        primaries: known(input.primaries).or(Some(usual)),
        transfer: known(input.transfer).or(Some(if usual == 9 { 14 } else { usual })),
        matrix: Some(space.matrix),
        full_range: Some(space.full),
    }
}

pub fn is_rgb(codec: Codec) -> bool {
    matches!(codec, Codec::Raw(PixelFormat::Rgb24 | PixelFormat::Bgr24 | PixelFormat::Rgba | PixelFormat::Bgra))
}

/// K_R and K_B (ISO/IEC 23091-2, section 8.3); `None` for code points that are no Y'CbCr matrix.
pub fn weights(matrix: u8) -> Option<(f64, f64)> {
    match matrix {
        1 => Some((0.2126, 0.0722)),
        4 => Some((0.30, 0.11)),
        5 | 6 => Some((0.299, 0.114)),
        7 => Some((0.212, 0.087)),
        9 => Some((0.2627, 0.0593)),
        _ => None,
    }
}

/// Turns pictures of one space into another. Grey is grey in every matrix, so chroma never depends on luma.
#[derive(Clone, Copy, Debug)]
pub struct Recolour {
    /// Factor of Y. Fixed point of [`BITS`], as all of them; 16 bits each, because products of 16 bits are what SIMD is quick at.
    luma: i16,
    /// Factors of Cb and Cr for Y, and an offset.
    shift: ([i16; 2], i32),
    /// Factors of Cb and Cr for Cb, for Cr.
    cb: [i16; 2],
    cr: [i16; 2],
}

const BITS: u32 = 14;

impl Recolour {
    /// `None` if there is nothing to do.
    pub fn new(from: Space, to: Space) -> Option<Recolour> {
        let (kr, kb) = weights(from.matrix)?;
        let (to_kr, to_kb) = weights(to.matrix)?;
        if from.full == to.full && (kr, kb) == (to_kr, to_kb) {
            return None;
        }
        // Red, green and blue of a unit of Cb and of Cr; of Y it is (1, 1, 1).
        let kg = 1.0 - kr - kb;
        let rgb = |cb: f64, cr: f64| {
            let (red, blue) = (2.0 * (1.0 - kr) * cr, 2.0 * (1.0 - kb) * cb);
            (red, -(kr * red + kb * blue) / kg, blue)
        };
        let luma = |(r, g, b): (f64, f64, f64)| to_kr * r + (1.0 - to_kr - to_kb) * g + to_kb * b;
        let chroma = |(r, g, b): (f64, f64, f64)| {
            let y = luma((r, g, b));
            ((b - y) / (2.0 * (1.0 - to_kb)), (r - y) / (2.0 * (1.0 - to_kr)))
        };
        let steps = |full: bool| if full { (255.0, 255.0) } else { (219.0, 224.0) };
        let ((from_y, from_c), (to_y, to_c)) = (steps(from.full), steps(to.full));
        // All are below 2.
        let fixed = |factor: f64| (factor * f64::from(1 << BITS)).round() as i16;
        let (cb, cr) = (rgb(1.0, 0.0), rgb(0.0, 1.0));
        let black = |full: bool| if full { 0.0 } else { 16.0 };
        let offset = black(to.full) - black(from.full) * to_y / from_y;
        Some(Recolour {
            luma: fixed(to_y / from_y),
            shift: (
                [fixed(luma(cb) * to_y / from_c), fixed(luma(cr) * to_y / from_c)],
                ((offset + 0.5) * f64::from(1 << BITS)).round() as i32,
            ),
            cb: [fixed(chroma(cb).0 * to_c / from_c), fixed(chroma(cr).0 * to_c / from_c)],
            cr: [fixed(chroma(cb).1 * to_c / from_c), fixed(chroma(cr).1 * to_c / from_c)],
        })
    }

    pub fn apply(&self, picture: &mut Picture) {
        let (sampling, width) = (picture.sampling(), picture.width());
        let (columns, _) = sampling.chroma(width, picture.height());
        let [y, u, v] = picture.planes_mut();
        if width == 0 {
            return;
        }
        // What chroma adds to luma: by its own columns, by those of luma.
        let mut shift = vec![self.shift.1; columns];
        let mut wide = vec![self.shift.1; width];
        if sampling == Sampling::Gray {
            y.chunks_mut(width).for_each(|row| self.apply_luma(row, &wide));
            return;
        }
        let rows = if sampling == Sampling::S420 { 2 } else { 1 };
        for ((rows, u), v) in y.chunks_mut(rows * width).zip(u.chunks_exact_mut(columns)).zip(v.chunks_exact_mut(columns)) {
            self.apply_chroma(u, v, &mut shift);
            if sampling == Sampling::S444 {
                wide.copy_from_slice(&shift);
            } else {
                wide.chunks_mut(2).zip(&shift).for_each(|(pair, shift)| pair.fill(*shift));
            }
            rows.chunks_mut(width).for_each(|row| self.apply_luma(row, &wide));
        }
    }

    fn apply_chroma(&self, u: &mut [u8], v: &mut [u8], shift: &mut [i32]) {
        for ((u, v), shift) in u.iter_mut().zip(v).zip(shift) {
            let (cb, cr) = (i16::from(*u) - 128, i16::from(*v) - 128);
            let sum = |[of_cb, of_cr]: [i16; 2]| i32::from(of_cb) * i32::from(cb) + i32::from(of_cr) * i32::from(cr);
            *shift = sum(self.shift.0) + self.shift.1;
            *u = sample(sum(self.cb) + MIDDLE);
            *v = sample(sum(self.cr) + MIDDLE);
        }
    }

    fn apply_luma(&self, row: &mut [u8], shift: &[i32]) {
        for (y, shift) in row.iter_mut().zip(shift) {
            *y = sample(i32::from(self.luma) * i32::from(i16::from(*y)) + shift);
        }
    }
}

/// Chroma of no colour, and half a step for rounding.
const MIDDLE: i32 = (128 << BITS) + (1 << (BITS - 1));

fn sample(fixed: i32) -> u8 {
    (fixed >> BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(y: u8, u: u8, v: u8) -> Picture {
        let mut picture = Picture::default();
        picture.resize(2, 2);
        picture.data_mut().copy_from_slice(&[y, y, y, y, u, v]);
        picture
    }

    fn convert(from: Space, to: Space, (y, u, v): (u8, u8, u8)) -> (u8, u8, u8) {
        let mut picture = one(y, u, v);
        Recolour::new(from, to).unwrap().apply(&mut picture);
        let planes = picture.planes();
        (planes.y[0], planes.u[0], planes.v[0])
    }

    const SD: Space = Space { matrix: 6, full: false };
    const HD: Space = Space { matrix: 1, full: false };

    #[test]
    fn ranges_meet_at_black_and_white() {
        assert_eq!(convert(Space::JPEG, SD, (0, 128, 128)), (16, 128, 128));
        assert_eq!(convert(Space::JPEG, SD, (255, 0, 255)), (235, 16, 240));
        assert_eq!(convert(SD, Space::JPEG, (16, 128, 128)), (0, 128, 128));
        assert_eq!(convert(SD, Space::JPEG, (235, 128, 128)), (255, 128, 128));
        assert_eq!(convert(SD, Space::JPEG, (5, 128, 250)).0, 0, "blacker than black is clipped");
        assert!(Recolour::new(SD, SD).is_none());
    }

    #[test]
    fn matrices_keep_the_colour() {
        // Pure red, green and blue at 100 %, limited range, as the two standards give them.
        for (sd, hd) in [((81, 90, 240), (63, 102, 240)), ((145, 54, 34), (173, 42, 26)), ((41, 240, 110), (32, 240, 118))] {
            let (y, u, v) = convert(SD, HD, sd);
            let off = (i32::from(y) - hd.0).abs().max((i32::from(u) - hd.1).abs()).max((i32::from(v) - hd.2).abs());
            assert!(off <= 2, "{sd:?} became {:?}, not {hd:?}", (y, u, v));
        }
    }
}
