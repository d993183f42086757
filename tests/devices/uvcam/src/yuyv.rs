//! Raw pictures, packed 4:2:2 (Y0 Cb Y1 Cr).

use crate::clock::Stamp;
use crate::scene::Scene;

pub struct Yuyv {
    scene: Scene,
    picture: Vec<u8>,
}

impl Yuyv {
    pub fn new(scene: Scene) -> Yuyv {
        let mut picture = Vec::with_capacity(scene.width * scene.height * 2);
        for y in 0..scene.height {
            for x in (0..scene.width).step_by(2) {
                let [luma, cb, cr] = scene.still(x, y);
                picture.extend([luma, cb, luma, cr]);
            }
        }
        Yuyv { scene, picture }
    }

    pub fn frame(&mut self, stamp: Stamp) -> &[u8] {
        let strip = self.scene.strip(stamp);
        for (line, row) in self.picture.chunks_exact_mut(self.scene.width * 2).zip(strip.rows()) {
            for (pixel, luma) in line.chunks_exact_mut(2).zip(row) {
                pixel[0] = *luma;
            }
        }
        &self.picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_the_clock() {
        let mut yuyv = Yuyv::new(Scene { width: 320, height: 240, colour: [100, 90, 80] });
        for number in [7, 8] {
            let stamp = Stamp { time: 123, number };
            let picture = yuyv.frame(stamp);
            assert_eq!(picture[picture.len() - 4..], [100, 90, 100, 80]);
            let luma: Vec<u8> = picture.iter().step_by(2).copied().collect();
            assert_eq!(Stamp::read(&luma, 320), Some(stamp));
        }
    }
}
