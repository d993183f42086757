//! Motion JPEG, 4:2:2. Every row of MCUs (8 lines) is a restart interval of its own (ITU-T T.81, section E.1.4), so that
//! a picture can be put together from two: the strip with the clock, encoded for this frame, and the rest, encoded once.

use crate::clock::Stamp;
use crate::scene::Scene;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

const QUALITY: u8 = 80;
const MCU_LINES: usize = 8;
const MCU_WIDTH: usize = 16;
const SOS: u8 = 0xda;
const RST0: u8 = 0xd0;

pub struct Mjpeg {
    scene: Scene,
    /// All before the entropy-coded data, from SOI to the end of the SOS segment.
    head: Vec<u8>,
    /// Entropy-coded data below the strip, with its restart marker in front, to EOI.
    rest: Vec<u8>,
    frame: Vec<u8>,
}

impl Mjpeg {
    pub fn new(scene: Scene) -> Mjpeg {
        let still: Vec<u8> = (0..scene.height).flat_map(|y| (0..scene.width).flat_map(move |x| scene.still(x, y))).collect();
        let mut head = encode(&still, scene.width);
        let scan = scan_start(&head);
        let below = restarts(&head[scan..]).nth(scene.strip_height() / MCU_LINES - 1);
        let rest = head.split_off(scan + below.expect("a restart marker after every row"));
        head.truncate(scan);
        Mjpeg { scene, head, rest, frame: Vec::new() }
    }

    pub fn frame(&mut self, stamp: Stamp) -> &[u8] {
        let strip = self.scene.strip(stamp);
        let lines: Vec<&[u8]> = strip.rows().collect();
        let rows: Vec<&[&[u8]]> = lines.chunks(MCU_LINES).collect();
        // Rows within one row of blocks are alike: they are encoded once.
        let mut distinct = rows.clone();
        distinct.dedup();
        let pixels: Vec<u8> = distinct.iter().copied().flatten().copied().flatten().flat_map(|luma| [*luma, 128, 128]).collect();
        let jpeg = encode(&pixels, self.scene.width);
        let scan = &jpeg[scan_start(&jpeg)..jpeg.len() - 2];
        let mut coded = split_at_restarts(scan);

        self.frame.clear();
        self.frame.extend_from_slice(&self.head);
        let mut data = coded.next();
        for (n, row) in rows.iter().enumerate() {
            if n > 0 {
                self.frame.extend([0xff, RST0 | ((n - 1) as u8 & 7)]);
                data = if *row == rows[n - 1] { data } else { coded.next() };
            }
            self.frame.extend_from_slice(data.expect("as many rows coded as are distinct"));
        }
        self.frame.extend_from_slice(&self.rest);
        &self.frame
    }
}

/// Encodes interleaved Y, Cb, Cr.
fn encode(pixels: &[u8], width: usize) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_1);
    encoder.set_restart_interval(width.div_ceil(MCU_WIDTH) as u16);
    let height = pixels.len() / width / 3;
    encoder.encode(pixels, width as u16, height as u16, ColorType::Ycbcr).expect("writing to memory does not fail");
    jpeg
}

/// Where the entropy-coded data begins.
fn scan_start(jpeg: &[u8]) -> usize {
    let mut at = 2;
    loop {
        let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] == SOS {
            return at + 2 + length;
        }
        at += 2 + length;
    }
}

/// Positions of the restart markers.
fn restarts(scan: &[u8]) -> impl Iterator<Item = usize> {
    (0..scan.len() - 1).filter(|i| scan[*i] == 0xff && scan[i + 1] & 0xf8 == RST0)
}

/// The entropy-coded data between the restart markers.
fn split_at_restarts(scan: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    restarts(scan).chain([scan.len()]).map(move |end| &scan[std::mem::replace(&mut start, end + 2)..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Restart markers must count up modulo 8 without a break across the seam.
    #[test]
    fn the_seam_keeps_the_count_of_restarts() {
        let mut mjpeg = Mjpeg::new(Scene { width: 640, height: 480, colour: [100, 90, 80] });
        for number in 0..3 {
            let jpeg = mjpeg.frame(Stamp { time: 99, number });
            assert_eq!((&jpeg[..2], &jpeg[jpeg.len() - 2..]), (&[0xff, 0xd8][..], &[0xff, 0xd9][..]));
            let scan = &jpeg[scan_start(jpeg)..];
            let restarts: Vec<u8> = scan.windows(2).filter(|w| w[0] == 0xff && w[1] & 0xf8 == RST0).map(|w| w[1] & 7).collect();
            assert_eq!(restarts, (0..59).map(|n| n % 8).collect::<Vec<u8>>());
        }
    }
}
