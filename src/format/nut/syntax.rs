//! The numbers that NUT is made of, its checksum, and its marks.

/// What a file begins with.
pub const FILE_ID: &[u8] = b"nut/multimedia container\0";

/// The startcodes of packets. All begin with `N`, which no frame does.
pub const STARTCODES: [([u8; 8], Packet); 5] = [
    (*b"NM\x7a\x56\x1f\x5f\x04\xad", Packet::Main),
    (*b"NS\x11\x40\x5b\xf2\xf9\xdb", Packet::Stream),
    (*b"NK\xe4\xad\xee\xca\x45\x69", Packet::Syncpoint),
    (*b"NX\xdd\x67\x2f\x23\xe6\x4e", Packet::Index),
    (*b"NI\xab\x68\xb5\x96\xba\x78", Packet::Info),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    Main,
    Stream,
    Syncpoint,
    Index,
    Info,
}

/// Reads values from the front of some bytes. `None`: they end too soon, or a number is larger than any.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    data: &'a [u8],
    pub at: usize,
}

impl<'a> Fields<'a> {
    pub fn new(data: &'a [u8]) -> Fields<'a> {
        Fields { data, at: 0 }
    }

    pub fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// `v`: seven bits a byte, the first ones first.
    pub fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        loop {
            let byte = self.byte()?;
            if value >> 57 != 0 {
                return None;
            }
            value = value << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    /// `s`: 0, 1, -1, 2, -2, …
    pub fn signed(&mut self) -> Option<i64> {
        let value = self.number()?.checked_add(1)?;
        let half = (value >> 1) as i64;
        Some(if value & 1 == 1 { -half } else { half })
    }

    /// `vb`: a length, and so many bytes.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let bytes = self.data.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(bytes)
    }

    /// `u(32)`.
    pub fn word(&mut self) -> Option<u32> {
        let bytes = self.data.get(self.at..self.at + 4)?.try_into().ok()?;
        self.at += 4;
        Some(u32::from_be_bytes(bytes))
    }
}

/// CRC-32 with the generator 0x04C11DB7, high bits first, from 0.
pub fn checksum(data: &[u8]) -> u32 {
    data.iter().fold(0, |crc, byte| crc << 8 ^ TABLE[usize::from((crc >> 24) as u8 ^ byte)])
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut crc = (n as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
            bit += 1;
        }
        table[n] = crc;
        n += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let mut fields = Fields::new(b"\x05\x83\x10\0\x01\x02\x03\x02abc\x01");
        assert_eq!((fields.number(), fields.number()), (Some(5), Some(400)));
        assert_eq!([fields.signed(), fields.signed(), fields.signed(), fields.signed()], [Some(0), Some(1), Some(-1), Some(2)]);
        assert_eq!((fields.bytes(), fields.byte(), fields.bytes()), (Some(&b"ab"[..]), Some(b'c'), None));
        assert_eq!(Fields::new(&[0xff; 20]).number(), None);
        assert_eq!(Fields::new(b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f").number(), Some(u64::MAX));
        assert_eq!(Fields::new(b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\x7f").signed(), None);
        assert_eq!(Fields::new(b"\x80").number(), None);
    }

    #[test]
    fn the_checksum_of_what_carries_its_own_is_zero() {
        let crc = checksum(b"123456789");
        assert_eq!(checksum(&[&b"123456789"[..], &crc.to_be_bytes()].concat()), 0);
        assert_eq!(crc, 0x89a1_897f);
    }
}
