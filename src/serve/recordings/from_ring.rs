//! A clip of the past that is still in the ring: for streams that nobody records.

use crate::format::bmff::{self, ClipBuilder, Wanted};
use crate::media::WallTime;
use crate::serve::live::ring::Ring;
use bytes::Bytes;
use std::collections::VecDeque;

/// A keyframe is looked for so long before the begin: it may be shown later than it is decoded.
const REORDER: i64 = 500_000;
/// A stream that tells times farther from ours is not believed, in microseconds.
const BELIEVED: u64 = 60_000_000;

/// A clip whose media data are those of the ring.
pub struct RingClip {
    pub layout: bmff::Clip,
    /// Its bytes, each with the number of the chunk that it is of.
    pub pieces: VecDeque<(u64, Bytes)>,
}

/// Time zero of the presentation of what is in the ring: as the stream says it, or by when it came.
pub fn zero(ring: &Ring, now: WallTime) -> Option<WallTime> {
    let newest = ring.newest()?;
    let waited = i64::try_from(newest.arrived.elapsed().as_micros()).unwrap_or(i64::MAX);
    let arrived = WallTime(now.0.saturating_sub(waited));
    let told = ring.from(ring.begin()).filter_map(|entry| Some((entry.chunk.captured?, entry.chunk.start))).last();
    let zero = match told.filter(|(captured, _)| captured.0.abs_diff(now.0) <= BELIEVED) {
        Some((captured, start)) => captured.0.saturating_sub(start.0),
        None => arrived.0.saturating_sub(newest.chunk.start.0),
    };
    Some(WallTime(zero))
}

/// What the ring has of the time between these two. `None`: nothing.
pub fn clip(ring: &Ring, from: WallTime, to: WallTime, now: WallTime) -> Option<RingClip> {
    let zero = zero(ring, now)?;
    let is_main_key = |entry: &crate::serve::live::ring::Entry| {
        entry.chunk.key && entry.init.as_ref().is_some_and(|init| entry.tracks & init.main() != 0)
    };
    let keys = ring.from(ring.begin()).filter(|entry| is_main_key(entry));
    let mut first = None;
    for key in keys {
        if first.is_some() && zero.at(key.chunk.start).0 > from.0 - REORDER {
            break;
        }
        first = Some(key.seq);
    }
    let mut builder = ClipBuilder::new(from, to);
    // The chunks as one file: where each begins, its number and its bytes.
    let mut places: Vec<(u64, u64, Bytes)> = Vec::new();
    let (mut at, mut init) = (0, None);
    for entry in ring.from(first?) {
        let Some(its_init) = &entry.init else { break };
        if init.as_ref().is_none_or(|have| !std::sync::Arc::ptr_eq(have, its_init)) {
            if builder.source(&its_init.init().bytes, zero).ok()? == Wanted::Nothing {
                break;
            }
            init = Some(its_init.clone());
        }
        let bytes = entry.payload();
        let Some((inside, moof)) = bmff::moof_of(&bytes) else { continue };
        match builder.fragment(moof, at + inside as u64) {
            Ok(Wanted::More) => {}
            Ok(Wanted::Nothing) => break,
            Err(_) => return None,
        }
        places.push((at, entry.seq, bytes.clone()));
        // A byte of nothing between them: what stands in two chunks is two pieces.
        at += bytes.len() as u64 + 1;
    }
    let layout = builder.finish().ok()??;
    let mut pieces = VecDeque::with_capacity(layout.extents.len() + 1);
    for extent in &layout.extents {
        let (begin, seq, bytes) = &places[places.partition_point(|(begin, ..)| *begin <= extent.at).checked_sub(1)?];
        let inside = usize::try_from(extent.at - begin).ok()?;
        let length = usize::try_from(extent.length).ok()?;
        if inside + length > bytes.len() {
            return None;
        }
        pieces.push_back((*seq, bytes.slice(inside..inside + length)));
    }
    pieces.push_front((pieces.front()?.0, layout.head.clone()));
    Some(RingClip { layout, pieces })
}
