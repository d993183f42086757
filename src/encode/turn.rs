//! Turning and mirroring of planar pictures, for outputs that carry no orientation.

use super::picture::{Picture, Planes, Sampling};
use crate::media::Orientation;

/// Samples on a side of what is transposed at once: rows and columns of it fit a cache's lines.
const TILE: usize = 32;

/// `from`, brought upright as `orientation` says. Chroma is turned like luma, as ffmpeg turns 4:2:0 too. 4:2:2 cannot be turned on its
/// side.
pub fn turn(from: &Planes<'_>, orientation: Orientation, to: &mut Picture) {
    let (width, height) = orientation.size(from.width as u32, from.height as u32);
    debug_assert!(from.sampling != Sampling::S422 || !orientation.swaps_sides(), "4:2:2 on its side");
    to.reshape(from.sampling, width as usize, height as usize);
    let chroma = from.chroma();
    let [y, u, v] = to.planes_mut();
    plane(from.y, from.y_stride, (from.width, from.height), orientation, y);
    plane(from.u, from.c_stride, chroma, orientation, u);
    plane(from.v, from.c_stride, chroma, orientation, v);
}

fn plane(from: &[u8], stride: usize, (width, height): (usize, usize), orientation: Orientation, to: &mut [u8]) {
    if orientation.swaps_sides() {
        return transposed(from, stride, (width, height), orientation, to);
    }
    let (upside_down, backward) = (orientation.turns() == 2, (orientation.turns() == 2) != orientation.mirrored());
    for (row, to) in to.chunks_exact_mut(width.max(1)).enumerate() {
        let row = if upside_down { height - 1 - row } else { row };
        let from = &from[row * stride..][..width];
        if backward {
            to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from);
        } else {
            to.copy_from_slice(from);
        }
    }
}

/// A column of `from` becomes a row of `to`.
fn transposed(from: &[u8], stride: usize, (width, height): (usize, usize), orientation: Orientation, to: &mut [u8]) {
    let clockwise = orientation.turns() == 1;
    let last_first = clockwise == orientation.mirrored();
    for (band, rows) in to.chunks_mut(TILE * height.max(1)).enumerate() {
        for tile in (0..height).step_by(TILE) {
            for (row, to) in rows.chunks_exact_mut(height).enumerate() {
                let column = band * TILE + row;
                let column = if last_first { width - 1 - column } else { column };
                for (place, to) in to.iter_mut().enumerate().skip(tile).take(TILE) {
                    let row = if clockwise { height - 1 - place } else { place };
                    *to = from[row * stride + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_goes_where_the_matrix_sends_it() {
        for (width, height) in [(4, 2), (5, 3), (70, 41), (1, 1)] {
            let mut from = Picture::default();
            from.resize(width, height);
            from.data_mut().iter_mut().enumerate().for_each(|(n, sample)| *sample = (n * 7 % 251) as u8);
            for orientation in Orientation::ALL {
                let mut to = Picture::default();
                turn(&from.planes(), orientation, &mut to);
                let (before, after) = (from.planes(), to.planes());
                for (old, new, (w, h)) in [
                    (before.y, after.y, (width, height)),
                    (before.u, after.u, (width.div_ceil(2), height.div_ceil(2))),
                    (before.v, after.v, (width.div_ceil(2), height.div_ceil(2))),
                ] {
                    let [a, b, c, d] = orientation.matrix();
                    let (nw, nh) = orientation.size(w as u32, h as u32);
                    for (n, sample) in old.iter().enumerate() {
                        // About the middle of the pixels, doubled, so that all is whole.
                        let (x, y) = (2 * (n % w) as i32 - (w as i32 - 1), 2 * (n / w) as i32 - (h as i32 - 1));
                        let (x, y) = ((a * x + c * y + nw as i32 - 1) / 2, (b * x + d * y + nh as i32 - 1) / 2);
                        assert_eq!(new[y as usize * nw as usize + x as usize], *sample, "{orientation:?} {w}x{h}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_outside_of_the_rows_is_left_out() {
        let data = [1, 2, 9, 3, 4, 9];
        let planes = Planes { sampling: Sampling::S420, width: 2, height: 2, y_stride: 3, c_stride: 1, y: &data, u: &[5], v: &[6] };
        let mut to = Picture::default();
        turn(&planes, Orientation::new(false, 1), &mut to);
        assert_eq!((to.planes().y, to.planes().u), (&[3, 1, 4, 2][..], &[5][..]));
    }
}
