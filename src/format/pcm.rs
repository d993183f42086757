//! PCM as containers store it, made canonical: little-endian, signed but for 8 bits, A-law and u-law decoded.

use crate::media::SampleFormat;
use bytes::Bytes;

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Signed { bytes: u8, big: bool },
    Unsigned8,
    Float { bytes: u8, big: bool },
    Alaw,
    Ulaw,
}

impl Stored {
    /// Bytes of one sample of one channel, as stored.
    pub fn bytes(self) -> u32 {
        match self {
            Stored::Signed { bytes, .. } | Stored::Float { bytes, .. } => bytes.into(),
            Stored::Unsigned8 | Stored::Alaw | Stored::Ulaw => 1,
        }
    }

    /// What it becomes.
    pub fn format(self) -> SampleFormat {
        match self {
            Stored::Unsigned8 | Stored::Signed { bytes: 0 | 1, .. } => SampleFormat::U8,
            Stored::Signed { bytes: 2, .. } | Stored::Alaw | Stored::Ulaw => SampleFormat::S16,
            Stored::Signed { bytes: 3, .. } => SampleFormat::S24,
            Stored::Signed { .. } => SampleFormat::S32,
            Stored::Float { .. } => SampleFormat::F32,
        }
    }

    /// Makes samples canonical; without a copy where they are already.
    pub fn canonical(self, data: Bytes) -> Bytes {
        match self {
            Stored::Unsigned8 => data,
            Stored::Signed { bytes: 0 | 1, .. } => data.iter().map(|b| b ^ 0x80).collect(),
            Stored::Signed { big: false, .. } | Stored::Float { bytes: 4, big: false } => data,
            Stored::Signed { bytes, .. } => reversed(&data, bytes.into()).into(),
            Stored::Float { bytes: 4, .. } => reversed(&data, 4).into(),
            Stored::Float { big, .. } => {
                let double = |b: &[u8; 8]| if big { f64::from_be_bytes(*b) } else { f64::from_le_bytes(*b) };
                data.as_chunks().0.iter().flat_map(|b| (double(b) as f32).to_le_bytes()).collect()
            }
            Stored::Alaw => data.iter().flat_map(|b| alaw(*b).to_le_bytes()).collect(),
            Stored::Ulaw => data.iter().flat_map(|b| ulaw(*b).to_le_bytes()).collect(),
        }
    }
}

/// Each sample of so many bytes, in the other byte order.
fn reversed(data: &[u8], bytes: usize) -> Vec<u8> {
    let mut out = data[..data.len() - data.len() % bytes].to_vec();
    out.chunks_exact_mut(bytes).for_each(<[u8]>::reverse);
    out
}

/// ITU-T G.711, table 1: a sign, three bits of exponent, four of mantissa; even bits are inverted.
fn alaw(coded: u8) -> i16 {
    let bits = coded ^ 0x55;
    let (exponent, mantissa) = (bits >> 4 & 7, i16::from(bits & 0xf));
    let size = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    if bits & 0x80 != 0 { size } else { -size }
}

/// ITU-T G.711, table 2: as A-law, with all bits inverted, and 132 added before coding.
fn ulaw(coded: u8) -> i16 {
    let bits = !coded;
    let (exponent, mantissa) = (bits >> 4 & 7, i16::from(bits & 0xf));
    let size = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    if bits & 0x80 != 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_become_canonical() {
        let canonical = |stored: Stored, data: &'static [u8]| stored.canonical(Bytes::from_static(data)).to_vec();
        assert_eq!(canonical(Stored::Signed { bytes: 2, big: true }, &[1, 2, 3, 4, 5]), [2, 1, 4, 3]);
        assert_eq!(canonical(Stored::Signed { bytes: 3, big: true }, &[1, 2, 3]), [3, 2, 1]);
        assert_eq!(canonical(Stored::Signed { bytes: 1, big: true }, &[0x80, 0, 0x7f]), [0, 0x80, 0xff]);
        assert_eq!(canonical(Stored::Float { bytes: 8, big: true }, &[0x3f, 0xe0, 0, 0, 0, 0, 0, 0]), 0.5f32.to_le_bytes());
    }

    /// As ITU-T G.711 and `ffmpeg -f alaw`, `-f mulaw` have them.
    #[test]
    fn laws() {
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a, 0x80].map(alaw), [8, -8, 32256, -32256, 5504]);
        assert_eq!([0xff, 0x7f, 0x80, 0x00, 0xa0].map(ulaw), [0, 0, 32124, -32124, 7932]);
    }
}
