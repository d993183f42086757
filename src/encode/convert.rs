//! Any layout of raw pictures to planar 4:2:0, and packed 4:2:2 to planar. RGB goes through the SIMD code of the crate `yuv` (feature
//! `yuv`) or through loops of our own; planar and semi-planar YUV needs no more than averages and copies, which the compiler vectorises.

mod packed;
#[cfg(any(test, not(feature = "yuv")))]
mod plain;
#[cfg(feature = "yuv")]
mod simd;

#[cfg(not(feature = "yuv"))]
use plain as rgb;
#[cfg(feature = "yuv")]
use simd as rgb;

use super::colour::Space;
use super::picture::{Picture, Sampling};
use crate::media::{Malformed, PixelFormat};

/// The chroma of a layout. RGB has none; it becomes 4:2:0, which is what cameras and screens are coded in.
pub fn sampling(format: PixelFormat) -> Sampling {
    match format {
        PixelFormat::I422 | PixelFormat::Yuy2 | PixelFormat::Uyvy => Sampling::S422,
        PixelFormat::I444 => Sampling::S444,
        PixelFormat::Gray => Sampling::Gray,
        PixelFormat::I420 | PixelFormat::Nv12 => Sampling::S420,
        PixelFormat::Rgb24 | PixelFormat::Bgr24 | PixelFormat::Rgba | PixelFormat::Bgra => Sampling::S420,
    }
}

/// Whether a picture of this layout is planes already, Y, U and V one after the other.
pub fn is_planar(format: PixelFormat) -> bool {
    matches!(format, PixelFormat::I420 | PixelFormat::I422 | PixelFormat::I444 | PixelFormat::Gray)
}

/// Converts a tightly packed picture of 4:2:2; its numbers stay.
///
/// # Errors
/// If `data` is not one picture of that size, or of another sampling.
pub fn to_i422(format: PixelFormat, width: usize, height: usize, data: &[u8], out: &mut Picture) -> Result<(), Malformed> {
    check(format, width, height, data)?;
    out.reshape(Sampling::S422, width, height);
    match format {
        PixelFormat::Yuy2 | PixelFormat::Uyvy => packed::unpack(format, data, out),
        _ => return Err(Malformed::new("raw video", format!("{format} where packed 4:2:2 was expected"))),
    }
    Ok(())
}

fn check(format: PixelFormat, width: usize, height: usize, data: &[u8]) -> Result<(), Malformed> {
    let size = format.picture_size(width as u32, height as u32);
    if data.len() == size && size > 0 {
        return Ok(());
    }
    let what = format!("a picture of {} bytes, where {format} of {width}x{height} has {size}", data.len());
    Err(Malformed::new("raw video", what))
}

/// Converts a tightly packed picture. RGB becomes Y'CbCr of this space; other layouts keep their numbers.
///
/// # Errors
/// If `data` is not one picture of that size.
pub fn to_i420(format: PixelFormat, width: usize, height: usize, data: &[u8], space: Space, out: &mut Picture) -> Result<(), Malformed> {
    check(format, width, height, data)?;
    out.resize(width, height);
    match format {
        PixelFormat::I420 => out.data_mut().copy_from_slice(data),
        PixelFormat::Nv12 => from_nv12(data, out),
        PixelFormat::I422 => from_planar(data, out, width.div_ceil(2), halve_rows),
        PixelFormat::I444 => from_planar(data, out, width, halve_both),
        PixelFormat::Gray => {
            let [y, u, v] = out.planes_mut();
            y.copy_from_slice(data);
            u.fill(128);
            v.fill(128);
        }
        PixelFormat::Yuy2 | PixelFormat::Uyvy => packed::unpack(format, data, out),
        PixelFormat::Rgb24 | PixelFormat::Bgr24 | PixelFormat::Rgba | PixelFormat::Bgra => rgb::rgb(format, data, space, out)?,
    }
    Ok(())
}

fn from_nv12(data: &[u8], out: &mut Picture) {
    let luma = out.width() * out.height();
    let [y, u, v] = out.planes_mut();
    y.copy_from_slice(&data[..luma]);
    for ((pair, u), v) in data[luma..].chunks_exact(2).zip(u).zip(v) {
        (*u, *v) = (pair[0], pair[1]);
    }
}

/// Planes of chroma with `width` columns and as many rows as luma.
fn from_planar(data: &[u8], out: &mut Picture, width: usize, halve: fn(&[u8], usize, &mut [u8])) {
    let (luma, chroma) = (out.width() * out.height(), width * out.height());
    let [y, u, v] = out.planes_mut();
    y.copy_from_slice(&data[..luma]);
    halve(&data[luma..luma + chroma], width, u);
    halve(&data[luma + chroma..], width, v);
}

/// Mean of each two rows; a last odd row stands for itself.
fn halve_rows(from: &[u8], width: usize, to: &mut [u8]) {
    for (rows, to) in from.chunks(2 * width).zip(to.chunks_exact_mut(width)) {
        let (top, bottom) = rows.split_at(width);
        let bottom = if bottom.is_empty() { top } else { bottom };
        for ((to, top), bottom) in to.iter_mut().zip(top).zip(bottom) {
            *to = (u16::from(*top) + u16::from(*bottom)).div_ceil(2) as u8;
        }
    }
}

/// Mean of each two by two samples; a last odd row or column stands for itself.
fn halve_both(from: &[u8], width: usize, to: &mut [u8]) {
    for (rows, to) in from.chunks(2 * width).zip(to.chunks_exact_mut(width.div_ceil(2))) {
        let (top, bottom) = rows.split_at(width);
        let bottom = if bottom.is_empty() { top } else { bottom };
        for ((to, top), bottom) in to.iter_mut().zip(top.chunks(2)).zip(bottom.chunks(2)) {
            let sum = |pair: &[u8]| u16::from(pair[0]) + u16::from(*pair.last().unwrap_or(&pair[0]));
            *to = ((sum(top) + sum(bottom) + 2) / 4) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SD: Space = Space { matrix: 6, full: false };

    /// A picture of one colour in each layout: limited BT.601 green, (145, 54, 34).
    fn green(format: PixelFormat, width: usize, height: usize) -> Vec<u8> {
        let (pixels, half, quarter) = (width * height, width.div_ceil(2) * height, width.div_ceil(2) * height.div_ceil(2));
        let plane = |value: u8, len: usize| std::iter::repeat_n(value, len);
        let planar = |chroma: usize| plane(145, pixels).chain(plane(54, chroma)).chain(plane(34, chroma)).collect();
        match format {
            PixelFormat::I420 => planar(quarter),
            PixelFormat::I422 => planar(half),
            PixelFormat::I444 => planar(pixels),
            PixelFormat::Nv12 => plane(145, pixels).chain([54, 34].repeat(quarter)).collect(),
            PixelFormat::Yuy2 => [145, 54, 145, 34].repeat(half),
            PixelFormat::Uyvy => [54, 145, 34, 145].repeat(half),
            PixelFormat::Rgb24 | PixelFormat::Bgr24 => [0, 255, 0].repeat(pixels),
            PixelFormat::Rgba | PixelFormat::Bgra => [0, 255, 0, 255].repeat(pixels),
            PixelFormat::Gray => vec![145; pixels],
        }
    }

    #[test]
    fn every_layout_and_odd_sizes_give_the_colour() {
        let mut out = Picture::default();
        for (width, height) in [(16, 8), (17, 9), (33, 5), (2, 2), (1, 1), (640, 3)] {
            for format in PixelFormat::ALL {
                to_i420(format, width, height, &green(format, width, height), SD, &mut out).unwrap();
                let planes = out.planes();
                let (u, v) = if format == PixelFormat::Gray { (128, 128) } else { (54, 34) };
                let near = |plane: &[u8], value: u8| plane.iter().all(|sample| sample.abs_diff(value) <= 1);
                assert!(near(planes.y, 145) && near(planes.u, u) && near(planes.v, v), "{format} {width}x{height}: {planes:?}");
            }
        }
    }

    #[test]
    fn a_picture_of_another_size_is_refused() {
        let mut out = Picture::default();
        for format in PixelFormat::ALL {
            let data = green(format, 16, 8);
            assert!(to_i420(format, 16, 8, &data[1..], SD, &mut out).is_err());
            assert!(to_i420(format, 16, 10, &data, SD, &mut out).is_err());
        }
        assert!(to_i420(PixelFormat::I420, 0, 0, &[], SD, &mut out).is_err());
    }

    #[test]
    fn chroma_is_averaged_and_edges_stand_for_themselves() {
        let mut to = [0; 4];
        halve_both(&[10, 20, 30, 30, 40, 50, 70, 80, 90], 3, &mut to);
        assert_eq!(to, [25, 40, 75, 90]);
        let mut to = [0; 4];
        halve_rows(&[10, 20, 30, 40, 50, 60], 2, &mut to);
        assert_eq!(to, [20, 30, 50, 60]);
    }

    /// Bytes without a pattern.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    #[cfg(feature = "yuv")]
    fn both_ways_from_rgb_are_one() {
        for (width, height) in [(16, 8), (17, 9), (33, 5), (1, 1), (2, 3), (131, 64)] {
            for format in [PixelFormat::Rgb24, PixelFormat::Bgr24, PixelFormat::Rgba, PixelFormat::Bgra] {
                let data = noise(format.picture_size(width as u32, height as u32));
                for space in [SD, Space { matrix: 1, full: true }] {
                    let (mut a, mut b) = (Picture::default(), Picture::default());
                    a.resize(width, height);
                    b.resize(width, height);
                    plain::rgb(format, &data, space, &mut a).unwrap();
                    simd::rgb(format, &data, space, &mut b).unwrap();
                    let worst = a.data_mut().iter().zip(b.data_mut()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
                    assert!(worst <= 3, "{format} {width}x{height} {space:?}: {worst}");
                }
            }
        }
    }

    /// Packed 4:2:2 is what planar 4:2:2 is, and becomes the same 4:2:0.
    #[test]
    fn packed_is_the_same_as_planar() {
        for (width, height) in [(16, 8), (64, 9), (34, 5), (2, 1)] {
            let planar = noise(PixelFormat::I422.picture_size(width as u32, height as u32));
            let (y, chroma) = planar.split_at(width * height);
            let (u, v) = chroma.split_at(chroma.len() / 2);
            let pairs = || y.chunks(2).zip(u).zip(v);
            let yuy2: Vec<u8> = pairs().flat_map(|((y, u), v)| [y[0], *u, y[1], *v]).collect();
            let uyvy: Vec<u8> = pairs().flat_map(|((y, u), v)| [*u, y[0], *v, y[1]]).collect();
            let mut expected = Picture::default();
            to_i420(PixelFormat::I422, width, height, &planar, SD, &mut expected).unwrap();
            for (format, data) in [(PixelFormat::Yuy2, yuy2), (PixelFormat::Uyvy, uyvy)] {
                let mut out = Picture::default();
                to_i422(format, width, height, &data, &mut out).unwrap();
                assert!(out.data_mut() == &planar[..], "{format} {width}x{height}");
                to_i420(format, width, height, &data, SD, &mut out).unwrap();
                assert!(out.data_mut() == expected.data_mut(), "{format} {width}x{height} to 4:2:0");
            }
        }
    }
}
