//! The machine-readable clock of the test picture: 36 columns by 2 rows of black and white blocks over the full width, at the top.
//!
//! ```text
//!   column   0 … 31 (most significant bit first)            32 … 35
//!   row 0    capture time, Unix milliseconds modulo 2^32    checksum, high 4 bits
//!   row 1    frame number modulo 2^32                       checksum, low 4 bits
//! ```
//!
//! Column `c` covers the pixels from `c·W/36` up to `(c+1)·W/36`; a row is [`block_height`] high; white (luma 235) is 1, black
//! (luma 16) is 0. The checksum is CRC-8 (polynomial 0x07, initial value 0xFF, no reflection) over the 8 bytes
//! of time and number, both big-endian. A block is sampled at its centre, so that the clock survives
//! coding at a low bitrate and scaling.

use std::ops::Range;

/// Blocks in a row.
pub const COLUMNS: usize = 36;

/// What one picture says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Unix time of the capture in milliseconds, modulo 2^32.
    pub time: u32,
    /// Frames since the start, modulo 2^32.
    pub number: u32,
}

impl Stamp {
    /// The two rows of blocks; `true` is white.
    pub fn bits(self) -> [[bool; COLUMNS]; 2] {
        let check = self.checksum();
        let row = |value: u32, nibble: u8| {
            let word = u64::from(value) << 4 | u64::from(nibble);
            std::array::from_fn(|column| word >> (COLUMNS - 1 - column) & 1 == 1)
        };
        [row(self.time, check >> 4), row(self.number, check & 15)]
    }

    /// Reads a stamp back from a plane of luma, `width` by `height` pixels without padding: the mean of the middle of each block,
    /// at the threshold halfway between black and white. `None` if the checksum is wrong or the picture is too small.
    #[cfg(test)]
    pub fn read(luma: &[u8], width: usize, height: usize) -> Option<Stamp> {
        let block = block_height(width);
        if width < COLUMNS || height < 2 * block || luma.len() < width * height {
            return None;
        }
        let word = |row: usize| {
            (0..COLUMNS).fold(0u64, |word, column| word << 1 | u64::from(is_white(luma, width, span(column, width), row * block, block)))
        };
        let (first, second) = (word(0), word(1));
        let stamp = Stamp { time: (first >> 4) as u32, number: (second >> 4) as u32 };
        (stamp.checksum() == ((first & 15) << 4 | second & 15) as u8).then_some(stamp)
    }

    fn checksum(self) -> u8 {
        crc8(&((u64::from(self.time) << 32 | u64::from(self.number)).to_be_bytes()))
    }
}

/// Height of a row of blocks in pixels, in a picture `width` pixels wide.
pub fn block_height(width: usize) -> usize {
    (width / COLUMNS).max(8)
}

/// Pixels of a column.
pub fn span(column: usize, width: usize) -> Range<usize> {
    column * width / COLUMNS..(column + 1) * width / COLUMNS
}

#[cfg(test)]
fn is_white(luma: &[u8], width: usize, across: Range<usize>, top: usize, block: usize) -> bool {
    let (quarter_x, quarter_y) = (across.len() / 4, block / 4);
    let columns = across.start + quarter_x..across.end - quarter_x;
    let rows = top + quarter_y..top + block - quarter_y;
    let count = columns.len() * rows.len();
    let sum: usize = rows.flat_map(|y| luma[y * width..][columns.clone()].iter()).map(|&l| usize::from(l)).sum();
    sum > count * 125
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0xFF, |crc, byte| (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 != 0 { crc << 1 ^ 0x07 } else { crc << 1 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Width of the picture that the tests draw.
    const WIDTH: usize = 101;

    fn draw(stamp: Stamp) -> Vec<u8> {
        let block = block_height(WIDTH);
        let mut luma = vec![0; WIDTH * 2 * block];
        for (row, bits) in stamp.bits().iter().enumerate() {
            for (column, &bit) in bits.iter().enumerate() {
                let across = span(column, WIDTH);
                for y in row * block..(row + 1) * block {
                    luma[y * WIDTH..][across.clone()].fill(if bit { 235 } else { 16 });
                }
            }
        }
        luma
    }

    #[test]
    fn the_checksum_is_the_one_of_the_description() {
        assert_eq!(crc8(b"123456789"), 0xFB);
    }

    #[test]
    fn what_is_drawn_is_read_back() {
        for stamp in [Stamp { time: 0, number: 0 }, Stamp { time: u32::MAX, number: 1 }, Stamp { time: 0x1234_5678, number: 0x9ABC_DEF0 }] {
            let luma = draw(stamp);
            assert_eq!(Stamp::read(&luma, WIDTH, 2 * block_height(WIDTH)), Some(stamp));
        }
    }

    #[test]
    fn a_damaged_block_is_noticed() {
        let mut luma = draw(Stamp { time: 77, number: 5 });
        let across = span(31, WIDTH);
        for y in 0..block_height(WIDTH) {
            luma[y * WIDTH..][across.clone()].iter_mut().for_each(|l| *l = 251 - *l);
        }
        assert_eq!(Stamp::read(&luma, WIDTH, 2 * block_height(WIDTH)), None);
        assert_eq!(Stamp::read(&[], 0, 0), None);
    }
}
