//! RGB to planes by the SIMD code of the crate `yuv`.

use super::super::colour::{Space, weights};
use super::super::picture::Picture;
use crate::media::{Malformed, PixelFormat};
use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

/// RGB of any order to `out`, which has its size and is 4:2:0.
pub fn rgb(format: PixelFormat, data: &[u8], space: Space, out: &mut Picture) -> Result<(), Malformed> {
    let width = out.width() as u32;
    let range = if space.full { YuvRange::Full } else { YuvRange::Limited };
    let (kr, kb) = weights(space.matrix).unwrap_or((0.299, 0.114));
    let (matrix, mode) = (YuvStandardMatrix::Custom(kr as f32, kb as f32), YuvConversionMode::Balanced);
    let height = out.height() as u32;
    let half = width.div_ceil(2);
    let [y_plane, u_plane, v_plane] = out.planes_mut().map(BufferStoreMut::Borrowed);
    let mut to = YuvPlanarImageMut { y_plane, y_stride: width, u_plane, u_stride: half, v_plane, v_stride: half, width, height };
    let done = match format {
        PixelFormat::Bgr24 => yuv::bgr_to_yuv420(&mut to, data, 3 * width, range, matrix, mode),
        PixelFormat::Rgba => yuv::rgba_to_yuv420(&mut to, data, 4 * width, range, matrix, mode),
        PixelFormat::Bgra => yuv::bgra_to_yuv420(&mut to, data, 4 * width, range, matrix, mode),
        _ => yuv::rgb_to_yuv420(&mut to, data, 3 * width, range, matrix, mode),
    };
    done.map_err(|error| Malformed::new("raw video", error.to_string()))
}
