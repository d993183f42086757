//! For tests: drives a demuxer the way `pipe::Reader` does, in pieces of a chosen size, and holds it to the contract.

use super::{Demuxer, Step};
use crate::media::{Event, Malformed, Timestamp};
use bytes::BytesMut;

/// All events of `input`, arriving `piece` bytes at a time, and the damage count.
pub fn events(mut demuxer: impl Demuxer, input: &[u8], piece: usize) -> Result<(Vec<Event>, u64), Malformed> {
    let (mut events, mut buf, mut rest) = (Vec::new(), BytesMut::new(), input);
    loop {
        match demuxer.next(&mut buf, rest.is_empty(), Timestamp::ZERO)? {
            Step::Event(event) => events.push(event),
            Step::End => {
                assert!(rest.is_empty(), "end before the end");
                return Ok((events, demuxer.damage()));
            }
            Step::Need(n) => {
                assert!(n > buf.len() && !rest.is_empty(), "needs {n} of {}, {} to come", buf.len(), rest.len());
                let (now, later) = rest.split_at(piece.min(rest.len()));
                buf.extend_from_slice(now);
                rest = later;
            }
            Step::Skip(n) => {
                assert!(buf.is_empty(), "skips with bytes at hand");
                rest = &rest[rest.len().min(usize::try_from(n).unwrap_or(usize::MAX))..];
            }
        }
    }
}

/// The events of `input` in one piece, after a check that they are the same in pieces of every size up to 64 bytes and in two
/// pieces cut at every place (of a long input: at some hundred places).
pub fn events_at_every_split<D: Demuxer>(make: impl Fn() -> D, input: &[u8]) -> Result<(Vec<Event>, u64), Malformed> {
    let whole = events(make(), input, input.len().max(1));
    let places = (1..input.len()).step_by((input.len() / 300).max(1));
    for piece in (1..64.min(input.len())).chain(places) {
        assert_eq!(events(make(), input, piece), whole, "in pieces of {piece}");
    }
    whole
}
