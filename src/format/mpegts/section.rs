//! Sections of program tables (ISO/IEC 13818-1, section 2.4.4) from the payloads of packets.

use mpeg2ts_reader::mpegts_crc::sum32;

/// Bytes before what a table says, and of the CRC behind it.
const HEAD: usize = 8;
const CRC: usize = 4;
/// table_id of stuffing behind the last section.
const STUFFING: u8 = 0xff;

/// Gathers the sections of one PID. It holds less than one section and one packet: 4.3 kB.
#[derive(Default)]
pub struct Sections {
    gathered: Vec<u8>,
    begun: bool,
}

/// A section that applies now, and whose CRC is right.
pub struct Section<'a> {
    pub table_id: u8,
    /// Whether the table has no other sections.
    pub alone: bool,
    pub data: &'a [u8],
}

impl Sections {
    /// Bytes are missing.
    pub fn lose(&mut self) {
        self.gathered.clear();
        self.begun = false;
    }

    /// Takes the payload of a packet; `start`: a section begins in it.
    pub fn push(&mut self, payload: &[u8], start: bool, mut each: impl FnMut(&Section<'_>)) {
        if !start {
            if self.begun {
                self.gathered.extend_from_slice(payload);
                self.take(&mut each);
            }
            return;
        }
        let Some((before, new)) = payload.split_first().and_then(|(pointer, rest)| rest.split_at_checked((*pointer).into())) else {
            return self.lose();
        };
        if self.begun {
            self.gathered.extend_from_slice(before);
            self.take(&mut each);
        }
        self.gathered.clear();
        self.gathered.extend_from_slice(new);
        self.begun = true;
        self.take(&mut each);
    }

    fn take(&mut self, each: &mut impl FnMut(&Section<'_>)) {
        while let Some(&[table_id, length_1, length_0]) = self.gathered.first_chunk() {
            if table_id == STUFFING {
                return self.lose();
            }
            let whole = 3 + usize::from(u16::from_be_bytes([length_1 & 0xf, length_0]));
            let Some(bytes) = self.gathered.get(..whole) else { return };
            let current = bytes.get(5).is_some_and(|byte| byte & 1 == 1);
            if whole >= HEAD + CRC && current && sum32(bytes) == 0 {
                each(&Section { table_id, alone: bytes[7] == 0, data: &bytes[HEAD..whole - CRC] });
            }
            self.gathered.drain(..whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(data: &[u8]) -> Vec<u8> {
        let mut section = [&[0, 0xb0, (data.len() + 9) as u8, 0, 1, 0xc1, 0, 0][..], data].concat();
        section.extend(sum32(&section).to_be_bytes());
        section
    }

    #[test]
    fn sections_over_packets() {
        let (one, two) = (section(b"one"), section(&[7; 100]));
        let found = |payloads: &[(&[u8], bool)]| {
            let (mut sections, mut found) = (Sections::default(), Vec::new());
            payloads.iter().for_each(|(payload, start)| sections.push(payload, *start, |section| found.push(section.data.to_vec())));
            found
        };
        let both = [b"one".to_vec(), vec![7; 100]];
        assert_eq!(found(&[(&[&[0], &one[..], &two, &[0xff; 9]].concat(), true)]), both);
        assert_eq!(found(&[(&[&[0], &one[..], &two[..20]].concat(), true), (&two[20..], false)]), both);
        let rest = [&[92], &two[20..], &one].concat();
        assert_eq!(found(&[(&[&[0], &two[..20]].concat(), true), (&rest, true)]), [vec![7; 100], b"one".to_vec()]);
        assert_eq!(found(&[(&one, false), (&[&[200], &one[..]].concat(), true), (&[], true)]), Vec::<Vec<u8>>::new());
        let mut damaged = one;
        damaged[9] ^= 1;
        assert!(found(&[(&[&[0], &damaged[..]].concat(), true)]).is_empty());
    }
}
