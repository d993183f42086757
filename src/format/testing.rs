//! For tests and fuzz targets: drives a demuxer or a splitter the way their callers do, in pieces of a chosen size, and holds them
//! to the contract. A breach of it is a panic.

use super::bmff::{Split, Splitter};
use super::{Demuxer, Step};
use crate::media::{Event, Malformed, Timestamp};
use bytes::{Bytes, BytesMut};
use std::fmt::Debug;

/// What `run` gives in one piece of `len` bytes, after a check that it gives the same in pieces of other sizes: the smallest, and
/// some `places` over the whole length.
pub fn at_every_split<T: PartialEq + Debug>(len: usize, places: usize, run: impl Fn(usize) -> T) -> T {
    let whole = run(len.max(1));
    let few = (places / 5).clamp(1, len.max(1));
    let many = (few..len).step_by((len / places).max(1));
    for piece in (1..few).chain(many) {
        assert_eq!(run(piece), whole, "in pieces of {piece}");
    }
    whole
}

/// The events of `input`, the same in pieces of every size up to 64 bytes and in two pieces cut at every place (of a long input: at
/// some hundred places).
pub fn events_at_every_split<D: Demuxer>(make: impl Fn() -> D, input: &[u8]) -> Result<(Vec<Event>, u64), Malformed> {
    at_every_split(input.len(), 320, |piece| events(make(), input, piece))
}

/// All events of `input`, arriving `piece` bytes at a time, and the damage count.
pub fn events(mut demuxer: impl Demuxer, input: &[u8], piece: usize) -> Result<(Vec<Event>, u64), Malformed> {
    let (mut events, mut partial) = (Vec::new(), PartialInput::new(input, piece));
    loop {
        match demuxer.next(&mut partial.buf, partial.rest.is_empty(), Timestamp::ZERO)? {
            Step::Event(event) => events.push(event),
            Step::Need(n) => partial.more(n),
            Step::Skip(n) => partial.skip(n),
            Step::End => {
                assert!(partial.rest.is_empty(), "end before the end");
                return Ok((events, demuxer.damage()));
            }
        }
    }
}

/// What a splitter makes of `input`, arriving `piece` bytes at a time, all times moved by `shift`: the bytes of each init segment and
/// chunk, and a line that says the rest of it.
pub fn splits(shift: i64, input: &[u8], piece: usize) -> Result<Vec<(Bytes, String)>, Malformed> {
    let (mut splitter, mut found, mut partial) = (Splitter::default(), Vec::new(), PartialInput::new(input, piece));
    splitter.set_shift(shift);
    loop {
        match splitter.next(&mut partial.buf, partial.rest.is_empty())? {
            Split::Init(init) => found.push((init.bytes, format!("{:?}", init.tracks))),
            Split::Chunk(c) => {
                let said = format!("{:?} {} {} {:?} {} {:?}", c.track, c.key, c.start.micros(), c.duration, c.frames, c.captured);
                found.push((c.head, said));
            }
            Split::Need(n) => partial.more(n),
            Split::Skip(n) => partial.skip(n),
            Split::End => return Ok(found),
        }
    }
}

/// An input of which a part has arrived.
struct PartialInput<'a> {
    buf: BytesMut,
    rest: &'a [u8],
    piece: usize,
}

impl<'a> PartialInput<'a> {
    fn new(rest: &'a [u8], piece: usize) -> PartialInput<'a> {
        PartialInput { buf: BytesMut::new(), rest, piece }
    }

    fn more(&mut self, wanted: usize) {
        let have = self.buf.len();
        assert!(wanted > have && !self.rest.is_empty(), "needs {wanted} of {have}, {} to come", self.rest.len());
        let (now, later) = self.rest.split_at(self.piece.min(self.rest.len()));
        self.buf.extend_from_slice(now);
        self.rest = later;
    }

    fn skip(&mut self, n: u64) {
        assert!(self.buf.is_empty() && n > 0, "skips {n} with {} bytes at hand", self.buf.len());
        self.rest = &self.rest[self.rest.len().min(usize::try_from(n).unwrap_or(usize::MAX))..];
    }
}
