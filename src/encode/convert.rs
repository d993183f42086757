//! Any layout of raw pictures to planar 4:2:0, and packed 4:2:2 to planar. RGB and packed YUV go through the SIMD code of the crate `yuv`; planar and
//! semi-planar YUV needs no more than averages and copies, which the compiler vectorises.

use super::colour::{Space, weights};
use super::picture::{Picture, Sampling};
use crate::media::{Malformed, PixelFormat};
use yuv::{BufferStoreMut, YuvConversionMode, YuvError, YuvPackedImage, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

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
    let (columns, _) = Sampling::S422.chroma(width, height);
    let [y, u, v] = out.planes_mut();
    let (mut to, packed) = pack(data, [y, u, v], width, height, columns);
    let done = match format {
        PixelFormat::Yuy2 => yuv::yuyv422_to_yuv422(&mut to, &packed),
        PixelFormat::Uyvy => yuv::uyvy422_to_yuv422(&mut to, &packed),
        _ => return Err(Malformed::new("raw video", format!("{format} where packed 4:2:2 was expected"))),
    };
    done.map_err(|error| Malformed::new("raw video", error.to_string()))
}

/// The two sides of a conversion, as the crate `yuv` takes them.
fn pack<'a>(
    data: &'a [u8],
    planes: [&'a mut [u8]; 3],
    width: usize,
    height: usize,
    columns: usize,
) -> (YuvPlanarImageMut<'a, u8>, YuvPackedImage<'a, u8>) {
    let (y_stride, c_stride, yuy_stride) = (width as u32, columns as u32, 4 * width.div_ceil(2) as u32);
    let (width, height) = (width as u32, height as u32);
    let [y_plane, u_plane, v_plane] = planes.map(BufferStoreMut::Borrowed);
    let to = YuvPlanarImageMut { y_plane, y_stride, u_plane, u_stride: c_stride, v_plane, v_stride: c_stride, width, height };
    (to, YuvPackedImage { yuy: data, yuy_stride, width, height })
}

fn check(format: PixelFormat, width: usize, height: usize, data: &[u8]) -> Result<(), Malformed> {
    let size = format.picture_size(width as u32, height as u32);
    if data.len() == size && size > 0 {
        return Ok(());
    }
    let what = format!("a picture of {} bytes, where {format} of {width}x{height} has {size}", data.len());
    Err(Malformed::new("raw video", what))
}

/// Converts a tightly packed picture. RGB becomes Y'CbCr of the space `rgb`; other layouts keep their numbers.
///
/// # Errors
/// If `data` is not one picture of that size.
pub fn to_i420(format: PixelFormat, width: usize, height: usize, data: &[u8], rgb: Space, out: &mut Picture) -> Result<(), Malformed> {
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
        _ => through_yuv(format, data, rgb, out).map_err(|error| Malformed::new("raw video", error.to_string()))?,
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

fn through_yuv(format: PixelFormat, data: &[u8], rgb: Space, out: &mut Picture) -> Result<(), YuvError> {
    let (width, height) = (out.width(), out.height());
    let (mut to, packed) = pack(data, out.planes_mut(), width, height, width.div_ceil(2));
    let width = width as u32;
    let range = if rgb.full { YuvRange::Full } else { YuvRange::Limited };
    let (kr, kb) = weights(rgb.matrix).unwrap_or((0.299, 0.114));
    let (matrix, mode) = (YuvStandardMatrix::Custom(kr as f32, kb as f32), YuvConversionMode::Balanced);
    match format {
        PixelFormat::Yuy2 => yuv::yuyv422_to_yuv420(&mut to, &packed),
        PixelFormat::Uyvy => yuv::uyvy422_to_yuv420(&mut to, &packed),
        PixelFormat::Rgb24 => yuv::rgb_to_yuv420(&mut to, data, 3 * width, range, matrix, mode),
        PixelFormat::Bgr24 => yuv::bgr_to_yuv420(&mut to, data, 3 * width, range, matrix, mode),
        PixelFormat::Rgba => yuv::rgba_to_yuv420(&mut to, data, 4 * width, range, matrix, mode),
        PixelFormat::Bgra => yuv::bgra_to_yuv420(&mut to, data, 4 * width, range, matrix, mode),
        PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::I422 | PixelFormat::I444 | PixelFormat::Gray => {
            unreachable!("to_i420 converts these itself")
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
}
