//! The sample tables of a movie that is not fragmented (section 8.6, 8.7): where each sample stands, and when.

use super::boxes::{BoxRef, child, descend, malformed};
use super::movie::MovieTrack;
use crate::media::Malformed;
use mp4_atom::{Co64, Ctts, Stco, Stsc, Stss, Stsz, StszSamples, Stts};

/// More samples in one movie are refused: 20 hours of video and sound.
const MAX_SAMPLES: usize = 6_000_000;

/// Where a sample stands in the file, and when it is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// In bytes from the start of the file.
    pub offset: u64,
    pub size: u32,
    /// Index of the track.
    pub track: usize,
    /// On the media time line, in ticks.
    pub pts: i64,
    pub sync: bool,
}

/// Adds all samples of a track to `places`, in decoding order.
pub(super) fn places(track: &MovieTrack, index: usize, places: &mut Vec<Place>) -> Result<(), Malformed> {
    let stbl = &track.sample_table;
    let sizes: Stsz = descend(stbl, &[b"stsz"])?.decode()?;
    let count = match &sizes.samples {
        StszSamples::Identical { count, .. } => *count as usize,
        StszSamples::Different { sizes } => sizes.len(),
    };
    if count > MAX_SAMPLES.saturating_sub(places.len()) {
        return Err(malformed(format!("more than {MAX_SAMPLES} samples")));
    }
    let optional = |kind| child(stbl, kind);
    let stts: Stts = descend(stbl, &[b"stts"])?.decode()?;
    let ctts: Option<Ctts> = optional(b"ctts").map(|b| b.decode()).transpose()?;
    let stss: Option<Stss> = optional(b"stss").map(|b| b.decode()).transpose()?;
    let mut offsets = Offsets::new(stbl)?;
    let mut deltas = runs(stts.entries.into_iter().map(|e| (e.sample_count, i64::from(e.sample_delta))));
    let mut shifts = runs(ctts.into_iter().flat_map(|c| c.entries).map(|e| (e.sample_count, e.sample_offset)));
    let mut syncs = stss.map(|s| s.entries.into_iter().peekable());
    let mut dts = 0i64;
    for n in 0..count {
        let size = match &sizes.samples {
            StszSamples::Identical { size, .. } => *size,
            StszSamples::Different { sizes } => sizes[n],
        };
        let offset = offsets.next(size).ok_or_else(|| malformed("sample tables name more samples than chunks hold"))?;
        let sync = syncs.as_mut().is_none_or(|s| s.next_if(|first| *first as usize == n + 1).is_some());
        let pts = dts.saturating_add(shifts.next().unwrap_or(0));
        places.push(Place { offset, size, track: index, pts, sync });
        dts = dts.saturating_add(deltas.next().unwrap_or(0));
    }
    Ok(())
}

/// Run-length coded values, one by one.
fn runs(entries: impl Iterator<Item = (u32, i64)>) -> impl Iterator<Item = i64> {
    entries.flat_map(|(count, value)| std::iter::repeat_n(value, count as usize))
}

/// Walks samples through the chunks that hold them.
struct Offsets {
    chunks: Vec<u64>,
    runs: Vec<mp4_atom::StscEntry>,
    /// Chunk in `chunks`, run in `runs`, samples left in the chunk, place of the next one.
    chunk: usize,
    run: usize,
    left: u32,
    at: u64,
}

impl Offsets {
    fn new(stbl: &[u8]) -> Result<Offsets, Malformed> {
        let chunks = match (child(stbl, b"stco"), child(stbl, b"co64")) {
            (Some(stco), _) => widen(stco)?,
            (None, Some(co64)) => co64.decode::<Co64>()?.entries,
            (None, None) => return Err(malformed("box stco is missing")),
        };
        let stsc: Stsc = descend(stbl, &[b"stsc"])?.decode()?;
        Ok(Offsets { chunks, runs: stsc.entries, chunk: 0, run: 0, left: 0, at: 0 })
    }

    fn next(&mut self, size: u32) -> Option<u64> {
        while self.left == 0 {
            self.at = *self.chunks.get(self.chunk)?;
            self.chunk += 1;
            while self.runs.get(self.run + 1).is_some_and(|r| r.first_chunk as usize <= self.chunk) {
                self.run += 1;
            }
            self.left = self.runs.get(self.run)?.samples_per_chunk;
        }
        self.left -= 1;
        let at = self.at;
        self.at = at.checked_add(u64::from(size))?;
        Some(at)
    }
}

fn widen(stco: BoxRef) -> Result<Vec<u64>, Malformed> {
    Ok(stco.decode::<Stco>()?.entries.into_iter().map(u64::from).collect())
}
