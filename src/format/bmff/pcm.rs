//! PCM as QuickTime and MP4 store it, made canonical: little-endian, signed but for 8 bits.

use super::boxes::{BoxRef, child};
use crate::media::SampleFormat;
use bytes::Bytes;

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Signed { bytes: u8, big: bool },
    Unsigned8,
    Float { bytes: u8, big: bool },
    Alaw,
    Ulaw,
}

/// What a sample entry says of its samples, as far as it is of use here.
pub(super) struct Described<'a> {
    pub kind: [u8; 4],
    pub bits: u32,
    /// formatSpecificFlags of a sound description of version 2.
    pub flags: Option<u32>,
    pub children: &'a [u8],
}

impl Described<'_> {
    /// How the samples are stored; `None`: not PCM, or of a size that is not known here.
    pub fn stored(&self) -> Option<Stored> {
        let bytes = u8::try_from(self.bits.div_ceil(8)).ok()?;
        match &self.kind {
            b"twos" => signed(bytes, !self.little_endian()),
            b"sowt" => signed(bytes, false),
            // Of 16 bits these are signed after all, as other readers have it.
            b"raw " | b"NONE" | b"\0\0\0\0" => {
                if bytes == 1 {
                    Some(Stored::Unsigned8)
                } else {
                    signed(bytes, true)
                }
            }
            b"in24" => signed(3, !self.little_endian()),
            b"in32" => signed(4, !self.little_endian()),
            b"42ni" => signed(3, false),
            b"23ni" => signed(4, false),
            b"fl32" => float(4, !self.little_endian()),
            b"fl64" => float(8, !self.little_endian()),
            b"alaw" => Some(Stored::Alaw),
            b"ulaw" => Some(Stored::Ulaw),
            b"lpcm" => self.lpcm(bytes),
            b"ipcm" | b"fpcm" => self.iso(),
            _ => None,
        }
    }

    /// QuickTime says in `enda` that samples are little-endian, in `wave` or beside it.
    fn little_endian(&self) -> bool {
        let inner = child(self.children, b"wave").map_or(self.children, |wave: BoxRef| wave.body);
        child(inner, b"enda").or_else(|| child(self.children, b"enda")).is_some_and(|enda| enda.body.get(1) == Some(&1))
    }

    /// Flags of Core Audio: 1 float, 2 big-endian, 4 signed.
    fn lpcm(&self, bytes: u8) -> Option<Stored> {
        let flags = self.flags?;
        let big = flags & 2 != 0;
        match (flags & 1 != 0, flags & 4 != 0) {
            (true, _) => float(bytes, big),
            (false, false) if bytes == 1 => Some(Stored::Unsigned8),
            _ => signed(bytes, big),
        }
    }

    /// `pcmC` (ISO/IEC 23003-5, section 4.2): version and flags, format_flags (1: little-endian), PCM_sample_size.
    fn iso(&self) -> Option<Stored> {
        let pcmc = child(self.children, b"pcmC")?;
        let (flags, bits) = (pcmc.body.get(4)?, pcmc.body.get(5)?);
        let (bytes, big) = (bits.div_ceil(8), flags & 1 == 0);
        if &self.kind == b"fpcm" { float(bytes, big) } else { signed(bytes, big) }
    }
}

fn signed(bytes: u8, big: bool) -> Option<Stored> {
    matches!(bytes, 1..=4).then_some(Stored::Signed { bytes, big })
}

fn float(bytes: u8, big: bool) -> Option<Stored> {
    matches!(bytes, 4 | 8).then_some(Stored::Float { bytes, big })
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

    fn stored(kind: &[u8; 4], bits: u32, flags: Option<u32>, children: &[u8]) -> Option<Stored> {
        Described { kind: *kind, bits, flags, children }.stored()
    }

    #[test]
    fn what_the_codes_mean() {
        let little = b"\0\0\0\x12wave\0\0\0\x0aenda\0\x01";
        let big = |bytes| Some(Stored::Signed { bytes, big: true });
        assert_eq!(
            [stored(b"twos", 16, None, b""), stored(b"in24", 16, None, b""), stored(b"in32", 16, None, b"")],
            [big(2), big(3), big(4)]
        );
        assert_eq!(stored(b"in24", 16, None, little), Some(Stored::Signed { bytes: 3, big: false }));
        assert_eq!(stored(b"fl64", 16, None, little), Some(Stored::Float { bytes: 8, big: false }));
        assert_eq!(stored(b"lpcm", 24, Some(4 | 2), b""), big(3));
        assert_eq!(stored(b"lpcm", 32, Some(1), b""), Some(Stored::Float { bytes: 4, big: false }));
        assert_eq!(stored(b"ipcm", 0, None, b"\0\0\0\x0epcmC\0\0\0\0\0\x18"), big(3));
        assert_eq!(stored(b"fpcm", 0, None, b"\0\0\0\x0epcmC\0\0\0\0\x01\x20"), Some(Stored::Float { bytes: 4, big: false }));
        assert_eq!(stored(b"raw ", 8, None, b""), Some(Stored::Unsigned8));
        for (kind, bits) in [(b"lpcm", 16), (b"ipcm", 16), (b"twos", 40), (b"twos", 0), (b"ac-3", 16)] {
            assert_eq!(stored(kind, bits, None, b""), None);
        }
    }

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
