//! Access units of H.264 and H.265 in PES packets: one in each as a rule, but also several, or one over several.

use crate::codec::nal::AccessUnit;
use crate::codec::order::DisplayOrder;
use crate::format::annexb::AccessUnits;
use crate::format::header_gate::HeaderGate;
use crate::format::nal_codec::NalCodec;
use crate::media::{Timestamp, Track};
use std::collections::VecDeque;
use std::time::Duration;

/// More PES packets than a picture can span are not remembered.
const MAX_MARKS: usize = 1 << 16;
/// A delimiter and its start code: so far behind the beginning of a PES packet may be what counts as that of its access unit.
const DELIMITER: u64 = 16;
/// So many packets in a row have to end where their pictures end before it is relied on.
const HABIT: u32 = 8;

/// The pictures of one stream.
pub struct Pictures {
    codec: NalCodec,
    units: AccessUnits,
    order: DisplayOrder,
    /// Position in the stream of what comes next.
    at: u64,
    /// Where PES packets began, and their times.
    marks: VecDeque<Mark>,
    /// Time and number in presentation order of the last picture.
    last: Option<(Timestamp, u64)>,
    /// Something was lost: pictures wait for one at which a decoder can go on.
    lost: bool,
    alignment: Alignment,
    /// The PES packet has ended, for all that is seen.
    ended: bool,
}

struct Mark {
    at: u64,
    pts: Option<Timestamp>,
}

/// Whether a picture ends where its PES packet ends. Where that is so, it need not wait for the next one's beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alignment {
    /// So many packets in a row were so.
    Seen(u32),
    /// One was not.
    No,
}

impl Pictures {
    pub fn new(codec: NalCodec) -> Pictures {
        let (units, order) = match codec {
            NalCodec::H264 => (AccessUnits::H264(Default::default()), DisplayOrder::h264()),
            NalCodec::H265 => (AccessUnits::H265(Default::default()), DisplayOrder::h265()),
        };
        let (marks, alignment) = (VecDeque::new(), Alignment::Seen(0));
        Pictures { codec, units, order, at: 0, marks, last: None, lost: false, alignment, ended: false }
    }

    /// Bytes are missing.
    pub fn lose(&mut self) {
        self.units.lose();
        self.marks.clear();
        (self.lost, self.ended) = (true, false);
    }

    /// A PES packet begins.
    pub fn begin(&mut self, pts: Option<Timestamp>) {
        self.ended = false;
        if self.marks.len() < MAX_MARKS {
            self.marks.push_back(Mark { at: self.at, pts });
        }
    }

    /// Data of a PES packet. Gives how many pictures were damaged.
    pub fn data(&mut self, data: &[u8], gate: &mut HeaderGate, slot: usize) -> u64 {
        if self.ended {
            self.alignment = Alignment::No;
        }
        self.at += data.len() as u64;
        self.units.push(data);
        self.give(false, gate, slot)
    }

    /// The PES packet ends here, for all that is seen.
    pub fn end(&mut self, gate: &mut HeaderGate, slot: usize) -> u64 {
        self.ended = true;
        let aligned = matches!(self.alignment, Alignment::Seen(HABIT..));
        if aligned { self.give(true, gate, slot) } else { 0 }
    }

    /// The stream ends here. A picture that may be cut off goes no further.
    pub fn finish(&mut self, gate: &mut HeaderGate, slot: usize) -> u64 {
        if self.ended {
            return self.give(true, gate, slot);
        }
        let cut = u64::from(!self.marks.is_empty());
        self.lose();
        cut
    }

    /// With `all`, also a picture that only the end of its PES packet makes whole.
    fn give(&mut self, all: bool, gate: &mut HeaderGate, slot: usize) -> u64 {
        loop {
            match self.units.next(all) {
                Ok(Some(unit)) => self.picture(unit, gate, slot),
                Ok(None) => return 0,
                Err(_) => {
                    // Too long to be a picture.
                    self.lose();
                    return 1;
                }
            }
        }
    }

    fn picture(&mut self, unit: AccessUnit, gate: &mut HeaderGate, slot: usize) {
        let number = self.order.number(&unit.data);
        let coded = self.mark(unit.at);
        let Some(pts) = coded.or_else(|| self.derived(number, gate.track(slot))) else { return gate.came(slot) };
        self.last = Some((pts, number));
        if self.lost && !self.codec.is_entry(&unit.data) {
            return gate.came(slot);
        }
        self.lost = false;
        if unit.key || gate.track(slot).is_none() {
            self.describe(&unit, gate, slot);
        }
        gate.packet(slot, pts, unit.key, unit.data);
    }

    /// The time of the PES packet in which a picture begins as the first.
    fn mark(&mut self, at: u64) -> Option<Timestamp> {
        let mut passed = 0;
        while self.marks.get(1).is_some_and(|next| next.at <= at) {
            self.marks.pop_front();
            passed += 1;
        }
        let mark = self.marks.front_mut().filter(|mark| mark.at <= at)?;
        let aligned = at - mark.at <= DELIMITER && passed <= 1;
        self.alignment = match self.alignment {
            Alignment::Seen(n) if aligned => Alignment::Seen(n.saturating_add(1)),
            _ => Alignment::No,
        };
        mark.pts.take()
    }

    /// The time of a picture whose PES packet tells none: by its place among the others.
    fn derived(&self, number: u64, track: Option<&Track>) -> Option<Timestamp> {
        const FRAME: Duration = Duration::from_millis(40);
        let (last, last_number) = self.last?;
        let frame = track.and_then(|track| track.frame_duration).unwrap_or(FRAME).as_micros() as i64;
        let frames = i64::try_from(number).ok()?.checked_sub(i64::try_from(last_number).ok()?)?;
        Some(last + frames.saturating_mul(frame))
    }

    /// A picture may bring parameter sets. Another header is for another kind of pictures only: sets go with the pictures.
    fn describe(&self, unit: &AccessUnit, gate: &mut HeaderGate, slot: usize) {
        let Some(track) = self.units.track(&unit.data) else { return };
        let same = gate.track(slot).is_some_and(|known| known.params == track.params && self.codec.sets(known) == self.codec.sets(&track));
        if !same {
            gate.describe(slot, track);
        }
    }
}
