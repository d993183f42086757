//! An initialization segment and what is in it, whether it was written here or cut from a stream.

use super::boxes::{self, boxes};
use crate::media::{OmittedTrack, Track};
use bytes::Bytes;

/// An initialization segment: `ftyp` and `moov`.
#[derive(Clone, Debug)]
pub struct Init {
    /// ftyp and moov.
    pub bytes: Bytes,
    /// The tracks that can be described.
    pub tracks: Vec<InitTrack>,
    /// Tracks that viewers do not get.
    pub omitted: Vec<OmittedTrack>,
}

/// A track of an initialization segment.
#[derive(Clone, Debug, PartialEq)]
pub struct InitTrack {
    /// track_ID.
    pub id: u32,
    /// Ticks a second.
    pub timescale: u32,
    /// What the track carries.
    pub track: Track,
}

impl Init {
    /// The same segment with only the tracks of these numbers, for a viewer who takes no others.
    pub fn select(&self, ids: &[u32]) -> Bytes {
        let mut out = Vec::with_capacity(self.bytes.len());
        for b in boxes(&self.bytes) {
            if b.kind == *b"moov" {
                container(&mut out, b, |child, out| match &child.kind {
                    b"trak" if boxes::track_id(child).is_ok_and(|id| !ids.contains(&id)) => {}
                    b"mvex" => container(out, child, |trex, out| {
                        // track_ID follows version and flags.
                        let id = trex.body.get(4..8).map(|b| u32::from_be_bytes(b.try_into().expect("four bytes")));
                        if trex.kind != *b"trex" || id.is_none_or(|id| ids.contains(&id)) {
                            out.extend_from_slice(trex.whole);
                        }
                    }),
                    _ => out.extend_from_slice(child.whole),
                });
            } else {
                out.extend_from_slice(b.whole);
            }
        }
        out.into()
    }
}

/// Writes a box anew, with what `each` writes for every box in it.
pub(super) fn container(out: &mut Vec<u8>, b: boxes::BoxRef, mut each: impl FnMut(boxes::BoxRef, &mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&b.kind);
    boxes(b.body).for_each(|child| each(child, out));
    let size = u32::try_from(out.len() - start).expect("hardly larger than the box it comes from, which is bounded");
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}
