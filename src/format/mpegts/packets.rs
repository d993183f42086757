//! Packets of 188 bytes, written (ISO/IEC 13818-1, section 2.4.3.2).

use super::sync::{PACKET, SYNC};
use bytes::{BufMut, BytesMut};

const HEAD: usize = 4;
/// A packet of nothing, which may stand between any two (section 2.4.3.3).
pub const NULL_PACKET: [u8; PACKET] = {
    let mut packet = [0xff; PACKET];
    [packet[0], packet[1], packet[2], packet[3]] = [SYNC, 0x1f, 0xff, 0x10];
    packet
};

/// What the first packet of a payload says.
#[derive(Clone, Copy, Debug)]
pub struct PacketHead {
    pub pid: u16,
    /// program_clock_reference_base.
    pub clock: Option<u64>,
    /// A decoder can start here.
    pub random_access: bool,
}

/// Appends a payload, a PES packet or a section with its pointer_field. `counter`: continuity_counter of the next packet.
pub fn put_payload(out: &mut BytesMut, counter: &mut u8, head: PacketHead, payload: &[u8]) {
    let (mut rest, mut first) = (payload, true);
    out.reserve(payload.len().div_ceil(PACKET - HEAD - 8) * PACKET);
    while first || !rest.is_empty() {
        let mut field = Adaptation::default();
        if first {
            field.put(head);
        }
        let part = rest.len().min(PACKET - HEAD - field.len());
        field.fill(PACKET - HEAD - field.len() - part);
        let control = if field.len() > 0 { 0x30 } else { 0x10 } | *counter & 0xf;
        out.put_slice(&[SYNC, u8::from(first) << 6 | (head.pid >> 8) as u8 & 0x1f, head.pid as u8, control]);
        out.put_slice(field.bytes());
        out.put_slice(&rest[..part]);
        rest = &rest[part..];
        *counter = (*counter + 1) & 0xf;
        first = false;
    }
}

/// The adaptation field (section 2.4.3.4), with its length; empty where there is none.
struct Adaptation {
    bytes: [u8; PACKET],
    len: usize,
}

impl Default for Adaptation {
    fn default() -> Adaptation {
        Adaptation { bytes: [0xff; PACKET], len: 0 }
    }
}

impl Adaptation {
    fn len(&self) -> usize {
        self.len
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put(&mut self, head: PacketHead) {
        const RANDOM_ACCESS: u8 = 0x40;
        const CLOCK: u8 = 0x10;
        if head.clock.is_none() && !head.random_access {
            return;
        }
        let flags = if head.random_access { RANDOM_ACCESS } else { 0 } | if head.clock.is_some() { CLOCK } else { 0 };
        (self.bytes[1], self.len) = (flags, 2);
        if let Some(clock) = head.clock {
            // 33 bits of 90 kHz, 6 reserved, 9 of 27 MHz.
            self.bytes[2..6].copy_from_slice(&((clock >> 1) as u32).to_be_bytes());
            (self.bytes[6], self.bytes[7], self.len) = ((clock as u8 & 1) << 7 | 0x7e, 0, 8);
        }
        self.bytes[0] = self.len as u8 - 1;
    }

    /// Makes it longer by so many bytes.
    fn fill(&mut self, more: usize) {
        if more == 0 {
            return;
        }
        if self.len == 0 && more > 1 {
            // No flags.
            self.bytes[1] = 0;
        }
        self.len += more;
        self.bytes[0] = self.len as u8 - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_every_length() {
        for clock in [None, Some(0x1_2345_6789)] {
            for length in 1..600 {
                let (mut out, mut counter, payload) = (BytesMut::new(), 14, vec![7; length]);
                put_payload(&mut out, &mut counter, PacketHead { pid: 0x123, clock, random_access: false }, &payload);
                assert!(out.len().is_multiple_of(PACKET));
                let mut carried = 0;
                for (n, packet) in out.chunks(PACKET).enumerate() {
                    assert_eq!((packet[0], packet[1] & 0x1f, packet[2]), (SYNC, 1, 0x23));
                    assert_eq!((packet[1] & 0x40 != 0, usize::from(packet[3] & 0xf)), (n == 0, (14 + n) % 16));
                    let field = if packet[3] & 0x20 != 0 { 1 + usize::from(packet[4]) } else { 0 };
                    assert!(packet[HEAD + field..].iter().all(|byte| *byte == 7), "{length}");
                    carried += PACKET - HEAD - field;
                }
                assert_eq!((carried, usize::from(counter)), (length, (14 + out.len() / PACKET) % 16));
            }
        }
    }
}
