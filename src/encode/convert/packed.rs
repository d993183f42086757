//! Packed 4:2:2 to planes. The crate `yuv` is not asked: to 4:2:0 it keeps the chroma of one row of each two, here the first and there the second.

use super::super::picture::{Picture, Sampling};
use crate::media::PixelFormat;

/// YUY2 or UYVY to `out`, which has its size and is 4:2:0 or 4:2:2.
pub fn unpack(format: PixelFormat, data: &[u8], out: &mut Picture) {
    let (width, half) = (out.width(), out.width().div_ceil(2));
    let rows = if out.sampling() == Sampling::S422 { 1 } else { 2 };
    // Where the samples stand in each four bytes.
    let [y0, cb, y1, cr] = if format == PixelFormat::Yuy2 { [0, 1, 2, 3] } else { [1, 0, 3, 2] };
    let [y, u, v] = out.planes_mut();
    for (row, y) in data.chunks_exact(4 * half).zip(y.chunks_exact_mut(width)) {
        for (group, y) in row.chunks_exact(4).zip(y.chunks_mut(2)) {
            y[0] = group[y0];
            if let [_, second] = y {
                *second = group[y1];
            }
        }
    }
    for ((pair, u), v) in data.chunks(rows * 4 * half).zip(u.chunks_exact_mut(half)).zip(v.chunks_exact_mut(half)) {
        // A last odd row stands for itself.
        let (top, bottom) = (&pair[..4 * half], &pair[pair.len() - 4 * half..]);
        for (((top, bottom), u), v) in top.chunks_exact(4).zip(bottom.chunks_exact(4)).zip(u).zip(v) {
            let mean = |at: usize| (u16::from(top[at]) + u16::from(bottom[at])).div_ceil(2) as u8;
            (*u, *v) = (mean(cb), mean(cr));
        }
    }
}
