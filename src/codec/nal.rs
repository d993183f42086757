//! NAL units, which H.264 and H.265 share: the byte stream format (Annex B of both), length prefixes (ISO/IEC 14496-15, section 5.3.3),
//! and how a byte stream falls into access units.

use crate::media::Malformed;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Larger access units are refused: an 8K intra picture at the highest bit rate of level 6.2 stays below it.
pub const MAX_ACCESS_UNIT: usize = 32 << 20;

/// As much of a NAL unit as the role of it can depend on; a slice header's first fields fit several times.
pub(super) const ROLE_BYTES: usize = 64;

/// The header of H.264 or H.265, and the first bit of a slice.
const EARLY_BYTES: usize = 3;

/// The NAL units of a canonical access unit (4-byte lengths). Ends at the first length that runs past the end.
pub fn units(au: &[u8]) -> impl Iterator<Item = &[u8]> {
    Units { rest: au, length_size: 4 }
}

/// The NAL units of an access unit with length fields of 1 to 4 bytes.
struct Units<'a> {
    rest: &'a [u8],
    length_size: usize,
}

impl<'a> Iterator for Units<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_at_checked(self.length_size)?;
        let length = length.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
        let (unit, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(unit)
    }
}

/// The NAL units between the start codes of a byte stream, without trailing zeros, none empty.
pub fn annex_b_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = start_code(stream, 0).map_or(&[][..], |at| &stream[at + 3..]);
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = start_code(rest, 0);
            let unit = trim_zeros(&rest[..end.unwrap_or(rest.len())]);
            rest = end.map_or(&[][..], |at| &rest[at + 3..]);
            if !unit.is_empty() {
                return Some(unit);
            }
        }
        None
    })
}

/// A byte stream as a canonical access unit, without the NAL units that `drop` names.
pub(super) fn from_annex_b(stream: &[u8], drop: fn(&[u8]) -> bool) -> Bytes {
    let mut out = BytesMut::with_capacity(stream.len() + 16);
    annex_b_units(stream).filter(|u| !drop(u)).for_each(|u| put_unit(&mut out, u));
    out.freeze()
}

/// A canonical access unit as a byte stream (Annex B), each NAL unit after a 4-byte start code.
pub fn to_annex_b(au: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(au.len());
    for unit in units(au) {
        out.put_slice(&[0, 0, 0, 1]);
        out.put_slice(unit);
    }
    out.freeze()
}

/// An access unit in the canonical form: 4-byte lengths, no empty NAL units, none that `drop` names. Without a copy where it
/// has that form already.
pub(super) fn normalize(au: Bytes, length_size: u8, drop: fn(&[u8]) -> bool, format: &'static str) -> Result<Bytes, Malformed> {
    let mut canonical = length_size == 4;
    let mut used = 0;
    for unit in (Units { rest: &au, length_size: usize::from(length_size) }) {
        used += usize::from(length_size) + unit.len();
        canonical &= !unit.is_empty() && !drop(unit);
    }
    if used != au.len() {
        return Err(Malformed::new(format, format!("NAL unit at byte {used} of a frame runs past its {} bytes", au.len())));
    }
    if canonical {
        return Ok(au);
    }
    let mut out = BytesMut::with_capacity(au.len() + 64);
    let keep = Units { rest: &au, length_size: usize::from(length_size) }.filter(|u| !u.is_empty() && !drop(u));
    keep.for_each(|u| put_unit(&mut out, u));
    Ok(out.freeze())
}

pub(super) fn put_unit(out: &mut BytesMut, unit: &[u8]) {
    out.put_u32(u32::try_from(unit.len()).expect("units are parts of bounded access units"));
    out.put_slice(unit);
}

/// The raw byte sequence payload of a NAL unit, after a header of `header` bytes: without emulation prevention bytes (H.264,
/// section 7.3.1).
pub(super) fn rbsp(unit: &[u8], header: usize) -> Vec<u8> {
    let body = unit.get(header..).unwrap_or_default();
    let mut out = Vec::with_capacity(body.len());
    let mut zeros = 0;
    for &byte in body {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// A NAL unit of this payload, with emulation prevention bytes.
pub(super) fn escaped(header: u8, rbsp: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(rbsp.len() + 8);
    out.push(header);
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Position of the first `00 00 01` at or after `from`.
fn start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 2;
    while let Some(&byte) = data.get(at) {
        match byte {
            1 if data[at - 1] == 0 && data[at - 2] == 0 => return Some(at - 2),
            0 => at += 1,
            // Only a zero here can be one of the first two bytes of a later start code.
            _ => at += 3,
        }
    }
    None
}

fn trim_zeros(unit: &[u8]) -> &[u8] {
    let end = unit.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    &unit[..end]
}

/// What a NAL unit means for the access unit that it is found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Access unit delimiter: begins an access unit; not kept.
    Delimiter,
    /// Parameter sets, SEI: belongs to the next picture, so begins an access unit after a picture.
    Prefix,
    /// First slice of a picture.
    FirstSlice,
    /// Another slice of the same picture.
    Slice,
    /// Belongs to the picture before it.
    Other,
    /// End of sequence or stream: the last of its access unit.
    End,
}

/// What differs between the codecs.
pub trait Syntax {
    /// The name in errors.
    const FORMAT: &'static str;
    /// Role of a NAL unit by its very first bytes, where they tell what [`Syntax::role`] will say: a small frame is known to
    /// begin before its 64th byte.
    fn early_role(&self, start: &[u8]) -> Option<Role>;
    /// Role of a NAL unit by its first bytes (at least `ROLE_BYTES` or all of it).
    fn role(&self, head: &[u8]) -> Role;
    /// Sees every whole NAL unit in order.
    fn unit(&mut self, unit: &[u8]);
    /// The picture so far is the first field of a frame: the second may come, with what stands before it.
    fn lacks_field(&self) -> bool {
        false
    }
    /// A decoder can start at this access unit, which is in the canonical form.
    fn is_keyframe(au: &[u8]) -> bool;
}

/// A configuration record with its byte `at` set to say that lengths have 4 bytes.
pub(super) fn four_byte_lengths(config: Bytes, at: usize) -> Bytes {
    match config.get(at) {
        Some(b) if b & 3 != 3 => {
            let mut bytes = config.to_vec();
            bytes[at] |= 3;
            bytes.into()
        }
        _ => config,
    }
}

/// One access unit in the canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// Its NAL units, each with its length before it in four bytes.
    pub data: Bytes,
    /// A decoder can start here.
    pub key: bool,
    /// Position in the stream where it starts, in bytes.
    pub at: u64,
}

/// Cuts a byte stream into access units, however it arrives. An access unit is given out as soon as the first bytes of the next
/// one (delimiter, parameter sets or slice header) show that it is complete; nothing in the format says it earlier.
///
/// Call [`push`](Splitter::push) with what has arrived, then [`next`](Splitter::next) until it gives `None`.
/// [`flush`](Splitter::flush) is for the end of the input, or for a caller who knows from elsewhere (a pause on the line) that the
/// access unit is whole.
pub struct Splitter<S> {
    syntax: S,
    buf: BytesMut,
    /// Position in the stream of the front of `buf`.
    at: u64,
    state: State,
    au: BytesMut,
    au_at: u64,
    has_picture: bool,
    /// Where in `au`, and in the stream, the NAL units begin that stand after a first field: they belong to the second field, or
    /// else to the next access unit.
    between: Option<(usize, u64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first start code, or between two: `buf` begins with zeros, a start code, or garbage.
    Between,
    /// `buf` begins with a NAL unit whose role is not known yet.
    Header,
    /// `buf` begins with a NAL unit of this role; no start code begins before this offset.
    Body(Role, usize),
}

/// What stands after a start code.
enum Header {
    Is(Role),
    /// Nothing but zeros.
    Padding,
    /// Not enough to say.
    Short,
}

impl<S: Default> Default for Splitter<S> {
    fn default() -> Self {
        Splitter {
            syntax: S::default(),
            buf: BytesMut::new(),
            at: 0,
            state: State::Between,
            au: BytesMut::new(),
            au_at: 0,
            has_picture: false,
            between: None,
        }
    }
}

impl<S: Syntax> Splitter<S> {
    /// Takes more of the stream.
    pub fn push(&mut self, data: &[u8]) {
        self.buf.extend_from_slice(data);
    }

    /// Bytes of the stream are missing here: the access unit so far is dropped, and what comes up to the next start code.
    pub fn lose(&mut self) {
        self.skip(self.buf.len());
        self.au.clear();
        (self.state, self.has_picture, self.between) = (State::Between, false, None);
    }

    /// # Errors
    /// An access unit over [`MAX_ACCESS_UNIT`] bytes.
    #[allow(clippy::should_implement_trait, reason = "it fails, and a later call may give more")]
    pub fn next(&mut self) -> Result<Option<AccessUnit>, Malformed> {
        self.advance(false)
    }

    /// At the end of the stream: the last access unit.
    pub fn flush(&mut self) -> Result<Option<AccessUnit>, Malformed> {
        Ok(self.advance(true)?.or_else(|| self.take()))
    }

    fn advance(&mut self, eof: bool) -> Result<Option<AccessUnit>, Malformed> {
        loop {
            match self.state {
                State::Between => {
                    let Some(code) = start_code(&self.buf, 0) else {
                        let keep = if eof { 0 } else { 2 };
                        self.skip(self.buf.len().saturating_sub(keep));
                        return Ok(None);
                    };
                    self.skip(code + 3);
                    self.state = State::Header;
                }
                State::Header => {
                    let role = match self.header(eof) {
                        Header::Short => return Ok(None),
                        Header::Padding => {
                            self.state = State::Between;
                            continue;
                        }
                        Header::Is(role) => role,
                    };
                    self.state = State::Body(role, 0);
                    if self.has_picture && self.begins(role) {
                        return Ok(self.take());
                    }
                }
                State::Body(role, from) => {
                    let end = match start_code(&self.buf, from) {
                        Some(end) => end,
                        None if eof => self.buf.len(),
                        None => {
                            self.state = State::Body(role, self.buf.len().saturating_sub(2));
                            return self.bounded().map(|()| None);
                        }
                    };
                    self.body(role, end);
                    self.bounded()?;
                    self.state = State::Between;
                    if role == Role::End && self.has_picture {
                        return Ok(self.take());
                    }
                }
            }
        }
    }

    /// A NAL unit of this role, after a picture, begins the next access unit.
    fn begins(&mut self, role: Role) -> bool {
        let prefix = matches!(role, Role::Delimiter | Role::Prefix);
        if prefix && self.syntax.lacks_field() {
            self.between.get_or_insert((self.au.len(), self.at.saturating_sub(3)));
            return false;
        }
        if role == Role::Slice {
            // The second field: what stands before it is part of the same access unit.
            self.between = None;
        }
        prefix || role == Role::FirstSlice
    }

    /// Looks at the NAL unit that `buf` begins with.
    fn header(&self, eof: bool) -> Header {
        if let Some(role) = self.buf.get(..EARLY_BYTES).and_then(|start| self.syntax.early_role(start)) {
            return Header::Is(role);
        }
        let head = &self.buf[..self.buf.len().min(ROLE_BYTES)];
        let end = start_code(&self.buf[..self.buf.len().min(ROLE_BYTES + 3)], 0);
        if end.is_none() && head.len() < ROLE_BYTES && !eof {
            return Header::Short;
        }
        let head = trim_zeros(end.map_or(head, |end| &self.buf[..end]));
        if head.is_empty() { Header::Padding } else { Header::Is(self.syntax.role(head)) }
    }

    /// Takes over the NAL unit that ends at `end`.
    fn body(&mut self, role: Role, end: usize) {
        let unit = trim_zeros(&self.buf[..end]);
        if !unit.is_empty() {
            self.syntax.unit(unit);
            if self.au.is_empty() {
                self.au_at = self.at.saturating_sub(3);
            }
            if role != Role::Delimiter {
                put_unit(&mut self.au, unit);
            }
            self.has_picture |= matches!(role, Role::FirstSlice | Role::Slice);
        }
        self.skip(end);
    }

    fn bounded(&self) -> Result<(), Malformed> {
        if self.au.len() + self.buf.len() <= MAX_ACCESS_UNIT {
            return Ok(());
        }
        Err(Malformed::new(S::FORMAT, format!("access unit of more than {MAX_ACCESS_UNIT} bytes")).at(self.au_at))
    }

    /// The access unit so far, where it has a picture.
    fn take(&mut self) -> Option<AccessUnit> {
        if !std::mem::take(&mut self.has_picture) {
            return None;
        }
        let at = self.au_at;
        let data = match self.between.take() {
            Some((len, next_at)) if len < self.au.len() => {
                self.au_at = next_at;
                self.au.split_to(len).freeze()
            }
            _ => self.au.split().freeze(),
        };
        Some(AccessUnit { key: S::is_keyframe(&data), data, at })
    }

    fn skip(&mut self, n: usize) {
        self.buf.advance(n);
        self.at += n as u64;
    }
}
