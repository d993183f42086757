//! How QuickTime and MP4 say in which form PCM is stored.

use super::boxes::{BoxRef, child};
use crate::format::pcm::Stored;

/// The fields of a sample entry that describe its samples.
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
}
