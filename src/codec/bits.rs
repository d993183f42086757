//! Reading bits, most significant first.

/// Reads bits and Exp-Golomb codes from a byte string without emulation prevention bytes. `None` means that the bytes ran out.
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// Position in bits.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        BitReader { data, at: 0 }
    }

    pub fn flag(&mut self) -> Option<bool> {
        let byte = *self.data.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// The next `n` bits, at most 32.
    pub fn bits(&mut self, n: u32) -> Option<u32> {
        let mut value = 0u64;
        for _ in 0..n {
            value = value << 1 | u64::from(self.flag()?);
        }
        Some(value as u32)
    }

    pub fn skip(&mut self, n: usize) -> Option<()> {
        self.at = self.at.checked_add(n).filter(|at| *at <= self.data.len() * 8)?;
        Some(())
    }

    /// On to the next byte, unless one begins here.
    pub fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// Unsigned Exp-Golomb code, `ue(v)` (H.264, section 9.1); codes beyond 32 bits are refused.
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// Signed Exp-Golomb code, `se(v)` (H.264, section 9.1.1).
    pub fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 } as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb() {
        // 1 | 010 | 011 | 00100 | 1 = ue 0, 1, 2, 3, 0
        let mut r = BitReader::new(&[0b1010_0110, 0b0100_1000]);
        let codes: Vec<_> = (0..5).map(|_| r.ue().unwrap()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 0]);
        let mut r = BitReader::new(&[0b0100_1100, 0b1000_0000]);
        assert_eq!((r.se(), r.se(), r.se()), (Some(1), Some(-1), Some(2)));
        assert_eq!(BitReader::new(&[0; 8]).ue(), None, "too long a code");
        assert_eq!(BitReader::new(&[0]).ue(), None, "ends inside");
    }

    #[test]
    fn never_past_the_end() {
        let mut r = BitReader::new(&[0xff]);
        assert_eq!(r.bits(9), None);
        assert_eq!(BitReader::new(&[0xff]).skip(9), None);
        assert_eq!(BitReader::new(&[0xff]).skip(usize::MAX), None);
        assert_eq!(BitReader::new(&[0xff; 4]).bits(32), Some(u32::MAX));
    }
}
