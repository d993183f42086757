//! PES packets (ISO/IEC 13818-1, section 2.4.3.6) from the payloads of packets of one PID.

use mpeg2ts_reader::pes::{PesParsedContents, PtsDts, Timestamp};

/// Bytes up to PES_header_data_length.
const FIXED: usize = 9;

/// Where a PID is in its PES packets.
#[derive(Default)]
pub struct Packets {
    state: State,
    /// A header that is not whole: less than FIXED + 255 bytes and a payload.
    head: Vec<u8>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Up to the next beginning, nothing is of use.
    #[default]
    Outside,
    Head,
    /// With so many bytes to come; `None`: up to the next beginning.
    Body(Option<usize>),
}

/// What a payload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A packet begins, with this presentation time of 33 bits.
    Begin(Option<u64>),
    Data(&'a [u8]),
    /// The packet has all the bytes that its length promised.
    End,
    /// The packet before lacks bytes.
    Short,
    Scrambled,
}

impl Packets {
    /// Bytes are missing.
    pub fn lose(&mut self) {
        self.state = State::Outside;
    }

    /// The packet is one that ends with the next, for all that is known.
    pub fn is_unbounded(&self) -> bool {
        self.state == State::Body(None)
    }

    /// Takes the payload of a packet; `start`: a PES packet begins in it.
    pub fn push(&mut self, payload: &[u8], start: bool, mut each: impl FnMut(Piece<'_>)) {
        if start {
            if matches!(self.state, State::Head | State::Body(Some(1..))) {
                each(Piece::Short);
            }
            self.state = State::Head;
            self.head.clear();
        }
        match self.state {
            State::Outside => {}
            State::Head => self.head(payload, &mut each),
            State::Body(left) => self.body(payload, left, &mut each),
        }
    }

    fn head(&mut self, payload: &[u8], each: &mut impl FnMut(Piece<'_>)) {
        self.head.extend_from_slice(payload);
        let Some(&[a, b, c, id, length_1, length_0, flags, _, header_length]) = self.head.first_chunk::<FIXED>() else { return };
        if [a, b, c] != [0, 0, 1] || !has_header(id) || flags >> 6 != 2 {
            self.state = State::Outside;
            return;
        }
        if flags & 0x30 != 0 {
            self.state = State::Outside;
            return each(Piece::Scrambled);
        }
        let whole = FIXED + usize::from(header_length);
        let head = std::mem::take(&mut self.head);
        let Some((header, data)) = head.split_at_checked(whole) else {
            self.head = head;
            return;
        };
        let length = usize::from(u16::from_be_bytes([length_1, length_0]));
        // The length counts from behind itself.
        let left = (length > 0).then(|| (6 + length).saturating_sub(whole));
        each(Piece::Begin(presentation_time(header)));
        self.body(data, left, each);
    }

    fn body(&mut self, payload: &[u8], left: Option<usize>, each: &mut impl FnMut(Piece<'_>)) {
        let data = &payload[..payload.len().min(left.unwrap_or(usize::MAX))];
        let after = left.map(|left| left - data.len());
        self.state = State::Body(after);
        if !data.is_empty() {
            each(Piece::Data(data));
            if after == Some(0) {
                each(Piece::End);
            }
        }
    }
}

/// All others have data from the length on (table 2-21).
fn has_header(stream_id: u8) -> bool {
    !matches!(stream_id, 0xbc | 0xbe | 0xbf | 0xf0 | 0xf1 | 0xf2 | 0xf8 | 0xff)
}

fn presentation_time(header: &[u8]) -> Option<u64> {
    let value = |time: Result<Timestamp, _>| time.ok().map(|time: Timestamp| time.value());
    match PesParsedContents::from_bytes(&header[6..])?.pts_dts().ok()? {
        PtsDts::PtsOnly(pts) | PtsDts::Both { pts, .. } => value(pts),
        PtsDts::None | PtsDts::Invalid => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a PTS of 1, and stuffing.
    const HEAD: &[u8] = b"\0\0\x01\xe0\0\0\x80\x80\x07\x21\0\x01\0\x03\xff\xff";

    fn pieces(payloads: &[(&[u8], bool)]) -> Vec<String> {
        let (mut packets, mut found) = (Packets::default(), Vec::new());
        for (payload, start) in payloads {
            packets.push(payload, *start, |piece| found.push(format!("{piece:?}")));
        }
        found
    }

    #[test]
    fn packets_of_no_length() {
        let one = [HEAD, b"abc"].concat();
        let expected = ["Begin(Some(1))", "Data([97, 98, 99])", "Data([100])", "Begin(Some(1))"];
        assert_eq!(pieces(&[(b"x", false), (&one, true), (b"d", false), (HEAD, true)]), expected);
        assert_eq!(pieces(&[(&one[..5], true), (&one[5..12], false), (&one[12..], false)]), expected[..2]);
        assert_eq!(pieces(&[(&one[..5], true), (HEAD, true)]), ["Short", "Begin(Some(1))"]);
    }

    #[test]
    fn packets_of_a_length() {
        let mut one = [HEAD, b"abc"].concat();
        one[5] = 13;
        let whole = ["Begin(Some(1))", "Data([97, 98, 99])", "End"];
        assert_eq!(pieces(&[(&[&one[..], b"too much"].concat(), true), (b"more", false)]), whole);
        assert_eq!(pieces(&[(&one[..18], true), (HEAD, true)]), ["Begin(Some(1))", "Data([97, 98])", "Short", "Begin(Some(1))"]);
    }

    #[test]
    fn what_is_none() {
        let change = |at: usize, value: u8| {
            let mut one = HEAD.to_vec();
            one[at] = value;
            pieces(&[(&one, true), (b"data", false)])
        };
        assert!(change(2, 2).is_empty() && change(3, 0xbe).is_empty() && change(6, 0).is_empty());
        assert_eq!(change(6, 0x90), ["Scrambled"]);
        assert_eq!(change(7, 0)[0], "Begin(None)");
        assert_eq!(change(13, 2)[0], "Begin(None)", "a marker bit is missing");
    }
}
