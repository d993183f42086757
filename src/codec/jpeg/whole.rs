//! Whether an image without an end marker is whole: its entropy-coded data is followed, without decoding, to the last block.

use super::segment::{Segment, segment};
use super::tables::TABLES;

/// Baseline and extended sequential DCT with Huffman coding.
const SEQUENTIAL: [u8; 2] = [0xc0, 0xc1];

/// The length of a sequential image of which every block is there, up to where its end marker belongs. Of other images, and of damaged
/// ones, this is not known.
pub fn whole_len(image: &[u8]) -> Option<usize> {
    let mut frame = Frame::default();
    let mut at = 0;
    loop {
        match segment(image, at) {
            Ok(Segment::Marker(next)) => at = next,
            Ok(Segment::Data { marker, body, next }) => {
                frame.learn(marker, &image[body..next])?;
                at = next;
            }
            Ok(Segment::Scan { body, next }) => {
                at = next + frame.scan(&image[body..next], &image[next..])?;
                if frame.components.iter().all(|c| c.seen) {
                    return Some(at);
                }
            }
            Ok(Segment::Short | Segment::End(_) | Segment::Begin(_)) | Err(_) => return None,
        }
    }
}

/// What the segments have said so far.
struct Frame {
    width: usize,
    height: usize,
    components: Vec<Component>,
    /// By class and identifier, as DHT numbers them: DC 0 to 3, AC 16 to 19.
    tables: Vec<(u8, Table)>,
    /// MCUs between restart markers; 0: no such markers.
    restart: usize,
}

struct Component {
    id: u8,
    horizontal: usize,
    vertical: usize,
    /// A scan of it was whole.
    seen: bool,
}

impl Default for Frame {
    fn default() -> Frame {
        let tables = TABLES.iter().map(|(id, counts, values)| (*id, Table::new(counts, values))).collect();
        Frame { width: 0, height: 0, components: Vec::new(), tables, restart: 0 }
    }
}

impl Frame {
    fn learn(&mut self, marker: u8, body: &[u8]) -> Option<()> {
        match marker {
            _ if SEQUENTIAL.contains(&marker) => self.header(body),
            0xc2..=0xcf if marker != 0xc4 && marker != 0xc8 && marker != 0xcc => None,
            0xc4 => self.huffman(body),
            0xdd => {
                self.restart = u16::from_be_bytes([*body.first()?, *body.get(1)?]).into();
                Some(())
            }
            _ => Some(()),
        }
    }

    fn header(&mut self, body: &[u8]) -> Option<()> {
        let (&[_, h0, h1, w0, w1, count], parts) = body.split_first_chunk::<6>()?;
        (self.height, self.width) = (u16::from_be_bytes([h0, h1]).into(), u16::from_be_bytes([w0, w1]).into());
        let component =
            |c: &[u8]| Component { id: c[0], horizontal: usize::from(c[1] >> 4), vertical: usize::from(c[1] & 15), seen: false };
        self.components = parts.chunks_exact(3).take(count.into()).map(component).collect();
        let sound = |c: &Component| (1..=4).contains(&c.horizontal) && (1..=4).contains(&c.vertical);
        (self.width > 0 && self.height > 0 && self.components.len() == usize::from(count) && self.components.iter().all(sound))
            .then_some(())
    }

    fn huffman(&mut self, mut body: &[u8]) -> Option<()> {
        while let Some((id, rest)) = body.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let length = counts.iter().map(|n| usize::from(*n)).sum();
            let (values, rest) = rest.split_at_checked(length)?;
            self.tables.retain(|(known, _)| known != id);
            self.tables.push((*id, Table::new(counts, values)));
            body = rest;
        }
        Some(())
    }

    fn table(&self, id: u8) -> Option<&Table> {
        self.tables.iter().find(|(known, _)| *known == id).map(|(_, table)| table)
    }

    /// Follows one scan; gives the length of its data.
    fn scan(&mut self, header: &[u8], data: &[u8]) -> Option<usize> {
        let (count, parts) = header.split_first()?;
        let parts: Vec<&[u8]> = parts.chunks_exact(2).take((*count).into()).collect();
        let mut members = Vec::new();
        for part in parts {
            let index = self.components.iter().position(|c| c.id == part[0])?;
            members.push((index, self.table(part[1] >> 4)?, self.table(0x10 | part[1] & 15)?));
        }
        let (highest_h, highest_v) =
            (self.components.iter().map(|c| c.horizontal).max()?, self.components.iter().map(|c| c.vertical).max()?);
        let units = |size: usize, factor: usize, highest: usize| (size * factor).div_ceil(highest).div_ceil(8);
        // A scan of one component has its blocks row by row, without those that only fill up an MCU (section A.2.2).
        let mcus = match members[..] {
            [] => return None,
            [(index, ..)] => {
                let c = &self.components[index];
                units(self.width, c.horizontal, highest_h) * units(self.height, c.vertical, highest_v)
            }
            _ => self.width.div_ceil(8 * highest_h) * self.height.div_ceil(8 * highest_v),
        };
        let alone = members.len() == 1;
        let mut bits = Bits { data, at: 0, byte: 0, left: 0 };
        for mcu in 0..mcus {
            if self.restart > 0 && mcu > 0 && mcu % self.restart == 0 {
                bits.restart()?;
            }
            for (index, dc, ac) in &members {
                let c = &self.components[*index];
                for _ in 0..if alone { 1 } else { c.horizontal * c.vertical } {
                    block(&mut bits, dc, ac)?;
                }
            }
        }
        let seen: Vec<usize> = members.iter().map(|m| m.0).collect();
        seen.into_iter().for_each(|index| self.components[index].seen = true);
        Some(bits.at)
    }
}

/// Passes over one block of 8x8 (sections F.2.2.1 and F.2.2.2).
fn block(bits: &mut Bits<'_>, dc: &Table, ac: &Table) -> Option<()> {
    let size = dc.read(bits)?;
    bits.pass(size)?;
    let mut at = 1;
    while at < 64 {
        let (run, size) = match ac.read(bits)? {
            0 => return Some(()),
            code => (usize::from(code >> 4), code & 15),
        };
        bits.pass(size)?;
        at += run + 1;
    }
    Some(())
}

/// A Huffman table (section F.2.2.3).
struct Table {
    /// For each length: the largest code, or -1, and what to add to a code to have the index of its value.
    lengths: [(i32, i32); 16],
    values: Vec<u8>,
}

impl Table {
    fn new(counts: &[u8; 16], values: &[u8]) -> Table {
        let (mut code, mut index, mut lengths) = (0i32, 0i32, [(-1, 0); 16]);
        for (length, &count) in lengths.iter_mut().zip(counts) {
            let count = i32::from(count);
            if count > 0 {
                *length = (code + count - 1, index - code);
            }
            (code, index) = ((code + count) << 1, index + count);
        }
        Table { lengths, values: values.to_vec() }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let mut code = 0;
        for (largest, offset) in self.lengths {
            code = code << 1 | i32::from(bits.next()?);
            if code <= largest {
                return self.values.get(usize::try_from(code + offset).ok()?).copied();
            }
        }
        None
    }
}

/// Entropy-coded data as bits, without the stuffed zeros.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    byte: u8,
    left: u8,
}

impl Bits<'_> {
    fn next(&mut self) -> Option<u8> {
        if self.left == 0 {
            let byte = *self.data.get(self.at)?;
            self.at += 1;
            if byte == 0xff {
                // Anything but a stuffed zero is a marker.
                if *self.data.get(self.at)? != 0 {
                    return None;
                }
                self.at += 1;
            }
            (self.byte, self.left) = (byte, 8);
        }
        self.left -= 1;
        Some(self.byte >> self.left & 1)
    }

    fn pass(&mut self, count: u8) -> Option<()> {
        (0..count).try_for_each(|_| self.next().map(drop))
    }

    /// At a restart marker, which fill bytes may precede.
    fn restart(&mut self) -> Option<()> {
        self.left = 0;
        while self.data.get(self.at) == Some(&0xff) && self.data.get(self.at + 1) == Some(&0xff) {
            self.at += 1;
        }
        let Some(&[0xff, 0xd0..=0xd7]) = self.data.get(self.at..self.at + 2) else { return None };
        self.at += 2;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

    /// A picture with something in every block.
    fn image(sampling: SamplingFactor, restart: Option<u16>, optimised: bool) -> Vec<u8> {
        let (width, height) = (83, 45);
        let rgb: Vec<u8> = (0..width * height * 3).map(|n| (n * 7919 % 251) as u8).collect();
        let mut image = Vec::new();
        let mut encoder = Encoder::new(&mut image, 80);
        encoder.set_sampling_factor(sampling);
        encoder.set_optimized_huffman_tables(optimised);
        if let Some(interval) = restart {
            encoder.set_restart_interval(interval);
        }
        encoder.encode(&rgb, width as u16, height as u16, ColorType::Rgb).unwrap();
        image
    }

    #[test]
    fn whole_images_and_cut_ones() {
        for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2, SamplingFactor::F_4_1] {
            for restart in [None, Some(1), Some(3)] {
                for optimised in [false, true] {
                    let image = image(sampling, restart, optimised);
                    let without = image.len() - 2;
                    assert_eq!(whole_len(&image[..without]), Some(without), "{sampling:?} {restart:?} {optimised}");
                    let followed = [&image[..without], b"\r\n--frame\r\n"].concat();
                    assert_eq!(whole_len(&followed), Some(without), "what follows does not matter");
                    for cut in [0, 2, 100, without / 2, without - 10, without - 2] {
                        assert_eq!(whole_len(&image[..cut]), None, "{sampling:?} {restart:?} {optimised} cut at {cut} of {without}");
                    }
                }
            }
        }
    }

    #[test]
    fn progressive_and_damaged_images_are_not_known_to_be_whole() {
        let mut other = image(SamplingFactor::F_2_2, None, false);
        let at = other.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        other[at + 1] = 0xc2;
        assert_eq!(whole_len(&other), None);
        for at in 0..other.len() {
            let mut damaged = other.clone();
            damaged[at] ^= 0x55;
            whole_len(&damaged);
        }
    }
}
