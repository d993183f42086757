//! What the camera looks at: the clock, a bar that sweeps under it, and still colours below, one of which tells two cameras apart.

use crate::clock::{BLACK, Stamp, WHITE, block_height};

const BARS: [[u8; 3]; 7] = [[180, 128, 128], [162, 44, 142], [131, 156, 44], [112, 72, 58], [84, 184, 198], [65, 100, 212], [35, 212, 114]];

/// Sizes in pixels. Colours are Y, Cb, Cr.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    pub width: usize,
    pub height: usize,
    /// Colour of the lower half.
    pub colour: [u8; 3],
}

/// The lines of the strip at the top that changes with every frame: grey, no colour.
pub struct Strip {
    clock: [Vec<u8>; 2],
    sweep: Vec<u8>,
    block: usize,
    height: usize,
}

impl Scene {
    /// Height of the strip that changes: clock and sweep, whole rows of 8 lines.
    pub fn strip_height(&self) -> usize {
        (2 * block_height(self.width) + 6).next_multiple_of(8)
    }

    pub fn strip(&self, stamp: Stamp) -> Strip {
        let mut sweep = vec![BLACK; self.width];
        let bar = self.width / 32;
        let x = stamp.number as usize * 4 % (self.width - bar);
        sweep[x..x + bar].fill(WHITE);
        Strip { clock: stamp.lines(self.width), sweep, block: block_height(self.width), height: self.strip_height() }
    }

    /// What stands still, anywhere in the picture.
    pub fn still(&self, x: usize, y: usize) -> [u8; 3] {
        if y < self.strip_height() {
            [BLACK, 128, 128]
        } else if y < self.height / 2 {
            BARS[x * BARS.len() / self.width]
        } else {
            self.colour
        }
    }
}

impl Strip {
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.height).map(|y| match y / self.block {
            row @ 0..=1 => &self.clock[row][..],
            _ => &self.sweep,
        })
    }
}

/// Colour of an `RRGGBB` number (ITU-R BT.601, video range).
pub fn ycbcr(rgb: u32) -> [u8; 3] {
    let [_, r, g, b] = rgb.to_be_bytes().map(f64::from);
    let y = 16.0 + 0.257 * r + 0.504 * g + 0.098 * b;
    let cb = 128.0 - 0.148 * r - 0.291 * g + 0.439 * b;
    let cr = 128.0 + 0.439 * r - 0.368 * g - 0.071 * b;
    [y, cb, cr].map(|v| v.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strip_holds_the_clock() {
        let scene = Scene { width: 640, height: 480, colour: ycbcr(0xff_0000) };
        let stamp = Stamp { time: 1, number: u32::MAX };
        let strip = scene.strip(stamp);
        let luma: Vec<u8> = strip.rows().flatten().copied().collect();
        assert_eq!(luma.len(), 640 * scene.strip_height());
        assert_eq!(Stamp::read(&luma, 640), Some(stamp));
        assert_eq!(scene.colour, [82, 90, 240]);
    }
}
