//! G.711: 8-bit logarithmic audio (ITU-T G.711), to linear samples.

/// The two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// A-law: Europe.
    A,
    /// µ-law: North America and Japan.
    Mu,
}

/// Signed 16-bit samples, little-endian.
pub fn decode(law: Law, data: &[u8]) -> Vec<u8> {
    let linear = match law {
        Law::A => a_law,
        Law::Mu => mu_law,
    };
    data.iter().flat_map(|&byte| linear(byte).to_le_bytes()).collect()
}

/// Table 1 of G.711, in units of an eighth of its own: 13 bits in the upper ones of 16.
fn a_law(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let (segment, step) = (code >> 4 & 7, i16::from(code & 15));
    let size = match segment {
        0 => step << 4 | 8,
        n => (step << 4 | 0x108) << (n - 1),
    };
    if code & 0x80 == 0 { -size } else { size }
}

/// Table 2 of G.711, in units of a quarter of its own: 14 bits in the upper ones of 16.
fn mu_law(byte: u8) -> i16 {
    const BIAS: i16 = 0x84;
    let code = !byte;
    let (segment, step) = (code >> 4 & 7, i16::from(code & 15));
    let size = ((step << 3 | BIAS) << segment) - BIAS;
    if code & 0x80 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Corners of both tables.
    #[test]
    fn values_of_the_tables() {
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a, 0x80].map(a_law), [8, -8, 32256, -32256, 5504]);
        assert_eq!([0xff, 0x7f, 0x80, 0x00, 0xf0].map(mu_law), [0, 0, 32124, -32124, 120]);
        assert_eq!(decode(Law::Mu, &[0x80, 0xff]), [0x7c, 0x7d, 0, 0]);
    }
}
