//! The machine-readable clock: 36 columns by 2 rows of black and white blocks at the top of the picture. Column c covers x from
//! c·W/36 to (c+1)·W/36; a block is max(8, W/36) high. Row 0: 32 bits of time, then the high 4 bits of the checksum; row 1: 32
//! bits of frame number, then the low 4 bits. Most significant bit first, white is 1. The checksum is CRC-8 with polynomial
//! 0x07, start 0xFF, over time and number (big-endian).

pub const COLUMNS: usize = 36;
pub const WHITE: u8 = 235;
pub const BLACK: u8 = 16;

/// What the clock shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Time of capture, Unix milliseconds modulo 2^32.
    pub time: u32,
    /// Frame number since the stream was started.
    pub number: u32,
}

/// Height of one row of blocks, in pixels.
pub fn block_height(width: usize) -> usize {
    (width / COLUMNS).max(8)
}

impl Stamp {
    /// The two rows of luma, one line of `width` pixels each.
    pub fn lines(self, width: usize) -> [Vec<u8>; 2] {
        let check = u64::from(self.checksum());
        let rows = [u64::from(self.time) << 4 | check >> 4, u64::from(self.number) << 4 | check & 15];
        rows.map(|bits| {
            let mut line = vec![BLACK; width];
            for c in (0..COLUMNS).filter(|c| bits >> (COLUMNS - 1 - c) & 1 == 1) {
                line[c * width / COLUMNS..(c + 1) * width / COLUMNS].fill(WHITE);
            }
            line
        })
    }

    /// Reads the clock in a picture of `luma`, 8 bits a pixel, tightly packed; `None` when the checksum is wrong.
    pub fn read(luma: &[u8], width: usize) -> Option<Stamp> {
        let height = block_height(width);
        let row = |r: usize| {
            (0..COLUMNS).try_fold(0u64, |bits, c| {
                let x = (c * width / COLUMNS + (c + 1) * width / COLUMNS) / 2;
                let pixel = luma.get((r * height + height / 2) * width + x)?;
                Some(bits << 1 | u64::from(*pixel >= 126))
            })
        };
        let (top, bottom) = (row(0)?, row(1)?);
        let stamp = Stamp { time: (top >> 4) as u32, number: (bottom >> 4) as u32 };
        let check = ((top & 15) << 4 | bottom & 15) as u8;
        (check == stamp.checksum()).then_some(stamp)
    }

    fn checksum(self) -> u8 {
        self.time
            .to_be_bytes()
            .into_iter()
            .chain(self.number.to_be_bytes())
            .fold(0xff, |crc, byte| (0..8).fold(crc ^ byte, |c: u8, _| if c & 0x80 == 0 { c << 1 } else { c << 1 ^ 0x07 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote_at_any_width() {
        for width in [320, 640, 641, 1280] {
            let stamp = Stamp { time: 0x89ab_cdef, number: 0x0123_4567 };
            let height = block_height(width);
            let picture: Vec<u8> = stamp.lines(width).iter().flat_map(|line| line.repeat(height)).collect();
            assert_eq!(Stamp::read(&picture, width), Some(stamp));
            let mut wrong = picture.clone();
            wrong[..height * width / COLUMNS].fill(0);
            wrong.iter_mut().for_each(|p| *p = 255 - *p);
            assert_eq!(Stamp::read(&wrong, width), None);
        }
        assert_eq!(Stamp::read(&[], 640), None);
    }
}
