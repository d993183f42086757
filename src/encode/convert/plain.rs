//! RGB to planes, pixel by pixel: for builds without the crate `yuv`, which takes more than a minute of a processor to compile.

use super::super::colour::{Space, weights};
use super::super::picture::Picture;
use crate::media::{Malformed, PixelFormat};

/// Fixed point of the factors.
const BITS: u32 = 15;

/// RGB of any order to `out`, which has its size and is 4:2:0. Chroma is that of the mean of each four pixels.
pub fn rgb(format: PixelFormat, data: &[u8], space: Space, out: &mut Picture) -> Result<(), Malformed> {
    let (step, [r, g, b]) = match format {
        PixelFormat::Bgr24 => (3, [2, 1, 0]),
        PixelFormat::Rgba => (4, [0, 1, 2]),
        PixelFormat::Bgra => (4, [2, 1, 0]),
        _ => (3, [0, 1, 2]),
    };
    let (width, half) = (out.width(), out.width().div_ceil(2));
    let (kr, kb) = weights(space.matrix).unwrap_or((0.299, 0.114));
    let kg = 1.0 - kr - kb;
    let (luma, chroma, black) = if space.full { (1.0, 1.0, 0) } else { (219.0 / 255.0, 224.0 / 255.0, 16) };
    let factors = |weights: [f64; 3], range: f64| weights.map(|weight| (weight * range * f64::from(1 << BITS)).round() as i32);
    let of_y = factors([kr, kg, kb], luma);
    let of_cb = factors([-kr, -kg, 1.0 - kb], chroma / (2.0 * (1.0 - kb)));
    let of_cr = factors([1.0 - kr, -kg, -kb], chroma / (2.0 * (1.0 - kr)));
    let sample = |[r, g, b]: [i32; 3], of: [i32; 3], zero: i32, bits: u32| {
        ((r * of[0] + g * of[1] + b * of[2] + (zero << bits) + (1 << (bits - 1))) >> bits).clamp(0, 255) as u8
    };
    let pixel = |row: &[u8], at: usize| [r, g, b].map(|channel| i32::from(row[at * step + channel]));
    let [y, u, v] = out.planes_mut();
    for (row, y) in data.chunks_exact(step * width).zip(y.chunks_exact_mut(width)) {
        for (pixel, y) in row.chunks_exact(step).zip(y) {
            *y = sample([r, g, b].map(|channel| i32::from(pixel[channel])), of_y, black, BITS);
        }
    }
    for ((pair, u), v) in data.chunks(2 * step * width).zip(u.chunks_exact_mut(half)).zip(v.chunks_exact_mut(half)) {
        // A last odd row or column stands for itself.
        let (top, bottom) = (&pair[..step * width], &pair[pair.len() - step * width..]);
        for (column, (u, v)) in u.iter_mut().zip(v).enumerate() {
            let (left, right) = (2 * column, (2 * column + 1).min(width - 1));
            let four = [pixel(top, left), pixel(top, right), pixel(bottom, left), pixel(bottom, right)];
            let sum = [0, 1, 2].map(|channel| four.iter().map(|pixel| pixel[channel]).sum());
            *u = sample(sum, of_cb, 128, BITS + 2);
            *v = sample(sum, of_cr, 128, BITS + 2);
        }
    }
    Ok(())
}
