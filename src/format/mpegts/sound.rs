//! Frames of audio in PES packets: several in each, or over two of them.

use crate::codec::opus;
use crate::format::frames::{Begin, FrameSyntax};
use crate::format::header_gate::HeaderGate;
use crate::media::Timestamp;
use bytes::{Buf, Bytes, BytesMut};
use std::collections::VecDeque;

/// More is no frame of audio.
const MAX_UNIT: usize = 64 << 10;
/// More PES packets than a frame can span are not remembered.
const MAX_MARKS: usize = 1 << 12;

/// Bytes of audio, and the times of those at which PES packets begin.
#[derive(Default)]
struct Timed {
    buf: BytesMut,
    /// Position in the stream of the front of `buf`.
    at: u64,
    marks: VecDeque<(u64, Timestamp)>,
    /// Of the next frame, where no PES packet begins before it.
    next: Option<Timestamp>,
}

impl Timed {
    fn lose(&mut self) {
        self.skip(self.buf.len());
        self.marks.clear();
        self.next = None;
    }

    fn begin(&mut self, pts: Option<Timestamp>) {
        let at = self.at + self.buf.len() as u64;
        if let Some(pts) = pts.filter(|_| self.marks.len() < MAX_MARKS) {
            self.marks.push_back((at, pts));
        }
    }

    fn skip(&mut self, n: usize) {
        self.buf.advance(n);
        self.at += n as u64;
    }

    fn take(&mut self, n: usize) -> Bytes {
        self.at += n as u64;
        self.buf.split_to(n).freeze()
    }

    /// The time of a frame at the front of `buf`, after which the next follows. `None`: no PES packet gave any so far.
    fn time(&mut self, samples: u32, rate: u32) -> Option<Timestamp> {
        let mut pts = self.next;
        while let Some((_, given)) = self.marks.front().copied().filter(|(at, _)| *at <= self.at) {
            pts = Some(given);
            self.marks.pop_front();
        }
        self.next = pts.map(|pts| pts + Timestamp::from_ticks(samples.into(), rate).micros());
        pts
    }
}

/// Frames that say their length: ADTS and MPEG audio.
pub struct Frames<H> {
    timed: Timed,
    /// Of the last frame.
    header: Option<H>,
    /// A frame counts only if another follows it.
    lost: bool,
}

impl<H> Default for Frames<H> {
    fn default() -> Self {
        Frames { timed: Timed::default(), header: None, lost: true }
    }
}

impl<H: FrameSyntax> Frames<H> {
    /// Bytes are missing.
    pub fn lose(&mut self) {
        self.timed.lose();
        self.lost = true;
    }

    /// A PES packet begins.
    pub fn begin(&mut self, pts: Option<Timestamp>) {
        self.timed.begin(pts);
    }

    /// Data of a PES packet; `eof`: there is no more. Gives how many times something was no frame.
    pub fn data(&mut self, data: &[u8], eof: bool, gate: &mut HeaderGate, slot: usize) -> u64 {
        self.timed.buf.extend_from_slice(data);
        let mut damage = 0;
        while self.timed.buf.len() >= H::LEN {
            let header = H::parse(&self.timed.buf);
            let Some(header) = header else {
                damage += u64::from(!std::mem::replace(&mut self.lost, true));
                self.search();
                continue;
            };
            let (have, len) = (self.timed.buf.len(), header.frame_len());
            // What ends with the data so far is one, as PES packets mostly end with a frame.
            let wanted = if self.lost && have != len && !eof { len + H::LEN } else { len };
            if have < wanted {
                break;
            }
            if self.lost && have > len && !header.is_followed_by(&self.timed.buf[len..]) {
                self.search();
                continue;
            }
            self.lost = false;
            self.frame(header, gate, slot);
        }
        damage
    }

    /// On to what may be a frame, behind the first byte.
    fn search(&mut self) {
        let found = memchr::memchr(0xff, &self.timed.buf[1..]).map_or(self.timed.buf.len(), |at| at + 1);
        self.timed.skip(found);
    }

    fn frame(&mut self, header: H, gate: &mut HeaderGate, slot: usize) {
        let pts = self.timed.time(header.samples(), header.rate());
        let data = self.timed.take(header.frame_len());
        if self.header.as_ref().is_none_or(|known| !known.is_same_track(&header)) {
            // With an unknown number of channels, a later frame tells it.
            let Ok(Begin::Track(track)) = header.begin(&data, false) else { return gate.came(slot) };
            gate.describe(slot, track);
            self.header = Some(header);
        }
        if let Some(pts) = pts {
            gate.packet(slot, pts, true, data.slice(header.header_len()..));
        }
    }
}

/// Opus, each packet behind a control header.
#[derive(Default)]
pub struct OpusPackets {
    timed: Timed,
}

impl OpusPackets {
    /// Bytes are missing.
    pub fn lose(&mut self) {
        self.timed.lose();
    }

    /// A PES packet begins.
    pub fn begin(&mut self, pts: Option<Timestamp>) {
        self.timed.begin(pts);
    }

    /// Data of a PES packet. Gives how many times something was no packet.
    pub fn data(&mut self, data: &[u8], gate: &mut HeaderGate, slot: usize) -> u64 {
        self.timed.buf.extend_from_slice(data);
        loop {
            match control_header(&self.timed.buf) {
                Ok(Some((head, len))) if self.timed.buf.len() >= head + len => {
                    let pts = self.timed.time(opus::packet_samples(&self.timed.buf[head..head + len]).unwrap_or(0), 48_000);
                    let data = self.timed.take(head + len).slice(head..);
                    if let Some(pts) = pts {
                        gate.packet(slot, pts, true, data);
                    }
                }
                Ok(_) => return 0,
                Err(NoHeader) => {
                    self.timed.lose();
                    return 1;
                }
            }
        }
    }
}

/// No control header begins here.
struct NoHeader;

/// Bytes of an opus_control_header and of the packet behind it ("Opus in MPEG-2 Transport Streams", Xiph.Org); `None`: it is cut short.
///
/// ```text
///  0        8
///  |pppppppp|pppsex00|  size: bytes of 255 and a last one   [start trim: 2]  [end trim: 2]  [extension: length, bytes]
/// ```
/// p: 0x3ff, s, e, x: whether these follow.
fn control_header(data: &[u8]) -> Result<Option<(usize, usize)>, NoHeader> {
    let Some(&[first, second]) = data.first_chunk() else { return Ok(None) };
    if (first, second & 0xe0) != (0x7f, 0xe0) {
        return Err(NoHeader);
    }
    let run = data[2..].iter().take_while(|byte| **byte == 255).count();
    let Some(&last) = data.get(2 + run) else { return if run > MAX_UNIT / 255 { Err(NoHeader) } else { Ok(None) } };
    let trims = usize::from(second >> 4 & 1) + usize::from(second >> 3 & 1);
    let mut head = 3 + run + 2 * trims;
    if second & 4 != 0 {
        let Some(&length) = data.get(head) else { return Ok(None) };
        head += 1 + usize::from(length);
    }
    let size = 255 * run + usize::from(last);
    if size > MAX_UNIT { Err(NoHeader) } else { Ok(Some((head, size))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_headers() {
        let header = |data: &[u8]| control_header(data).ok();
        assert_eq!(header(b"\x7f\xe0\x05opus!"), Some(Some((3, 5))));
        assert_eq!(header(b"\x7f\xe0\xff\xff\x01"), Some(Some((5, 511))));
        assert_eq!(header(b"\x7f\xfc\x05\0\x01\0\x02\x01xopus!"), Some(Some((9, 5))));
        assert_eq!((header(b"\x7f\xe4\x05"), header(b"\x7f"), header(b"\x7f\xe0\xff")), (Some(None), Some(None), Some(None)));
        assert_eq!((header(b"\x7f\xc0\x05"), header(&[&b"\x7f\xe0"[..], &[255; 1000]].concat())), (None, None));
    }
}
