//! The sample tables of a movie (sections 8.6 and 8.7): where each sample stands, and when. They are read as the samples come, so that
//! what they claim costs nothing.

use super::boxes::{BoxRef, child, descend, malformed};
use crate::media::Malformed;
use bytes::Bytes;

/// More samples in one track are refused: a week of video.
const MAX_SAMPLES: u32 = 1 << 24;

/// A sample as its tables say; times on the media time line, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    /// Counted from 0.
    pub number: u32,
    /// In bytes from the start of the file.
    pub offset: u64,
    pub size: u32,
    /// When it is shown.
    pub time: i64,
    pub duration: i64,
    pub sync: bool,
    /// Index of its sample entry.
    pub entry: usize,
}

/// Walks the tables of one track, in decoding order.
#[derive(Clone, Debug)]
pub(super) struct Table {
    sizes: Sizes,
    offsets: Offsets,
    durations: Runs,
    shifts: Runs,
    syncs: Option<Numbers>,
    /// Samples of PCM stand for themselves in the tables, and are taken many at a time.
    run: Option<Run>,
    next: u32,
    time: i64,
}

/// How PCM is gathered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Bytes of one sample of all channels.
    pub frame: u32,
    /// So many at most.
    pub most: u32,
}

impl Table {
    /// Reads the body of an `stbl`.
    ///
    /// # Errors
    /// A table is missing, or there are more samples than anything has.
    pub fn new(stbl: &Bytes, run: Option<Run>) -> Result<Table, Malformed> {
        let sizes = Sizes::new(stbl)?;
        // The size is that of the samples, or 1 as the Macintosh counted them.
        let run = run.filter(|run| matches!(sizes, Sizes::Same { size, .. } if size <= 1 || size == run.frame));
        if run.is_none() && sizes.count() > MAX_SAMPLES {
            return Err(malformed(format!("more than {MAX_SAMPLES} samples")));
        }
        let durations = Runs::new(table(stbl, descend(stbl, &[b"stts"])?));
        let shifts = child(stbl, b"ctts").map(|ctts| table(stbl, ctts)).unwrap_or_default();
        let syncs = child(stbl, b"stss").map(|stss| Numbers(table(stbl, stss)));
        Ok(Table { offsets: Offsets::new(stbl)?, sizes, durations, shifts: Runs::new(shifts), syncs, run, next: 0, time: 0 })
    }

    /// Samples that are left.
    pub fn left(&self) -> u32 {
        self.sizes.count().saturating_sub(self.next)
    }

    /// The end of the last sample on the time line of decoding, in ticks.
    pub fn duration(&self) -> u64 {
        let runs = self.durations.entries.as_chunks::<8>().0;
        runs.iter().map(|e| u64::from(word(e, 0)) * u64::from(word(e, 4))).fold(0, u64::saturating_add)
    }

    /// Index of the first sample's entry.
    pub fn first_entry(&self) -> usize {
        self.offsets.runs.first_chunk::<12>().map_or(0, |run| word(run, 8).saturating_sub(1) as usize)
    }

    /// Chunks stand in the order in which they are decoded.
    pub fn is_in_order(&self) -> bool {
        let mut last = 0;
        (0..self.offsets.count()).all(|n| {
            let offset = self.offsets.chunk(n).unwrap_or(0);
            std::mem::replace(&mut last, offset) <= offset
        })
    }

    /// As many samples as are gathered, from the next one on, that stand in one chunk.
    fn take(&mut self, count: u32, bytes: u64) -> Option<(u64, usize)> {
        let place = self.offsets.take(count, bytes)?;
        self.next += count;
        Some(place)
    }
}

impl Iterator for Table {
    type Item = Sample;

    /// `None`: no more samples, or none that a chunk holds.
    fn next(&mut self) -> Option<Sample> {
        let left = self.left();
        if left == 0 {
            return None;
        }
        let number = self.next;
        let sync = self.syncs.as_mut().is_none_or(|syncs| syncs.has(number));
        if let Some(run) = self.run {
            let count = self.offsets.in_chunk()?.min(run.most).min(left).max(1);
            let (offset, entry) = self.take(count, u64::from(count) * u64::from(run.frame))?;
            let time = self.time;
            // A sample lasts one tick, whatever the table says.
            self.time = time.saturating_add(count.into());
            return Some(Sample { number, offset, size: count * run.frame, time, duration: count.into(), sync, entry });
        }
        let size = self.sizes.get(number);
        let (offset, entry) = self.take(1, size.into())?;
        let (time, duration) = (self.time.saturating_add(self.shifts.next().unwrap_or(0).into()), self.durations.next().unwrap_or(0));
        // A duration below zero is what some writers make of a step back.
        let duration = i64::from(if duration < 0 { 1 } else { duration });
        self.time = self.time.saturating_add(duration);
        Some(Sample { number, offset, size, time, duration, sync, entry })
    }
}

/// The entries of a table, behind version, flags and count. They stay in the memory of the box.
fn table(stbl: &Bytes, found: BoxRef) -> Bytes {
    found.body.get(8..).map(|table| stbl.slice_ref(table)).unwrap_or_default()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_be_bytes(*word))
}

/// `stsz` and `stz2` (sections 8.7.3.2 and 8.7.3.3).
#[derive(Clone, Debug)]
enum Sizes {
    Same { size: u32, count: u32 },
    Listed { bits: u8, count: u32, table: Bytes },
}

impl Sizes {
    fn new(stbl: &Bytes) -> Result<Sizes, Malformed> {
        let (found, bits) = match (child(stbl, b"stsz"), child(stbl, b"stz2")) {
            (Some(stsz), _) => (stsz, 32),
            (None, Some(stz2)) => (stz2, stz2.body.get(7).copied().unwrap_or(0)),
            (None, None) => return Err(malformed("box stsz is missing")),
        };
        let (size, count) = (word(found.body, 4), word(found.body, 8));
        if bits == 32 && size > 0 {
            return Ok(Sizes::Same { size, count });
        }
        if !matches!(bits, 4 | 8 | 16 | 32) {
            return Err(malformed(format!("box stz2 has sizes of {bits} bits")));
        }
        let table = found.body.get(12..).map(|table| stbl.slice_ref(table)).unwrap_or_default();
        // No more samples than the table has sizes.
        let have = table.len() as u64 * 8 / u64::from(bits);
        Ok(Sizes::Listed { bits, count: u64::from(count).min(have) as u32, table })
    }

    fn count(&self) -> u32 {
        match self {
            Sizes::Same { count, .. } | Sizes::Listed { count, .. } => *count,
        }
    }

    fn get(&self, n: u32) -> u32 {
        let n = n as usize;
        match self {
            Sizes::Same { size, .. } => *size,
            Sizes::Listed { bits: 4, table, .. } => {
                let pair = table.get(n / 2).copied().unwrap_or(0);
                u32::from(if n.is_multiple_of(2) { pair >> 4 } else { pair & 0xf })
            }
            Sizes::Listed { bits: 8, table, .. } => table.get(n).copied().unwrap_or(0).into(),
            Sizes::Listed { bits: 16, table, .. } => {
                table.get(2 * n..).and_then(|rest| rest.first_chunk()).map_or(0, |size| u16::from_be_bytes(*size)).into()
            }
            Sizes::Listed { table, .. } => word(table, 4 * n),
        }
    }
}

/// Run-length coded values, one by one: `stts` and `ctts`. Offsets are signed in both versions of `ctts`: QuickTime and phones write
/// negative ones in version 0, and no picture is shown 2^31 ticks after it was decoded.
#[derive(Clone, Debug)]
struct Runs {
    entries: Bytes,
    at: usize,
    left: u32,
    value: i32,
}

impl Runs {
    fn new(entries: Bytes) -> Runs {
        Runs { entries, at: 0, left: 0, value: 0 }
    }

    fn next(&mut self) -> Option<i32> {
        while self.left == 0 {
            let entry: &[u8; 8] = self.entries.get(self.at..)?.first_chunk()?;
            (self.left, self.value) = (word(entry, 0), word(entry, 4) as i32);
            self.at += 8;
        }
        self.left -= 1;
        Some(self.value)
    }
}

/// The sorted numbers of `stss`, asked for one after the other.
#[derive(Clone, Debug)]
struct Numbers(Bytes);

impl Numbers {
    fn has(&mut self, number: u32) -> bool {
        while let Some(listed) = self.0.first_chunk::<4>().map(|n| u32::from_be_bytes(*n)) {
            if listed > number + 1 {
                return false;
            }
            let _ = self.0.split_to(4);
            if listed == number + 1 {
                return true;
            }
        }
        false
    }
}

/// Walks samples through the chunks that hold them: `stsc`, and `stco` or `co64`.
#[derive(Clone, Debug)]
struct Offsets {
    chunks: Bytes,
    /// Bytes of an offset: 4 or 8.
    width: usize,
    /// First chunk (from 1), samples in each, sample entry (from 1).
    runs: Bytes,
    /// Chunk, run, samples left in the chunk, place of the next one.
    chunk: usize,
    run: usize,
    left: u32,
    at: u64,
}

impl Offsets {
    fn new(stbl: &Bytes) -> Result<Offsets, Malformed> {
        let (found, width) = match (child(stbl, b"stco"), child(stbl, b"co64")) {
            (Some(stco), _) => (stco, 4),
            (None, Some(co64)) => (co64, 8),
            (None, None) => return Err(malformed("box stco is missing")),
        };
        let runs = table(stbl, descend(stbl, &[b"stsc"])?);
        Ok(Offsets { chunks: table(stbl, found), width, runs, chunk: 0, run: 0, left: 0, at: 0 })
    }

    fn count(&self) -> usize {
        self.chunks.len() / self.width
    }

    fn chunk(&self, n: usize) -> Option<u64> {
        let bytes = self.chunks.get(n.checked_mul(self.width)?..)?.get(..self.width)?;
        Some(bytes.iter().fold(0, |offset, b| offset << 8 | u64::from(*b)))
    }

    fn run(&self, n: usize) -> Option<&[u8; 12]> {
        self.runs.get(n.checked_mul(12)?..)?.first_chunk()
    }

    /// Samples that are left in the chunk of the next one, which is at least one.
    fn in_chunk(&mut self) -> Option<u32> {
        while self.left == 0 {
            self.at = self.chunk(self.chunk)?;
            self.chunk += 1;
            while self.run(self.run + 1).is_some_and(|run| word(run, 0) as usize <= self.chunk) {
                self.run += 1;
            }
            self.left = word(self.run(self.run)?, 4);
        }
        Some(self.left)
    }

    /// Place and sample entry of the next `count` samples, which are in one chunk and take so many bytes.
    fn take(&mut self, count: u32, bytes: u64) -> Option<(u64, usize)> {
        self.left = self.in_chunk()?.checked_sub(count)?;
        let at = self.at;
        self.at = at.checked_add(bytes)?;
        Some((at, word(self.run(self.run)?, 8).saturating_sub(1) as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], words: &[u32]) -> Vec<u8> {
        let body: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
        [&(body.len() as u32 + 8).to_be_bytes()[..], kind, &body].concat()
    }

    fn tables(all: &[Vec<u8>]) -> Bytes {
        all.concat().into()
    }

    #[test]
    fn samples_are_found_in_their_chunks() {
        let stbl = tables(&[
            boxed(b"stsz", &[0, 0, 4, 10, 20, 30, 40]),
            boxed(b"stts", &[0, 1, 4, 100]),
            boxed(b"ctts", &[0, 2, 1, 200, 3, -100i32 as u32]),
            boxed(b"stss", &[0, 2, 1, 3]),
            boxed(b"stsc", &[0, 2, 1, 3, 1, 2, 1, 2]),
            boxed(b"stco", &[0, 2, 1000, 2000]),
        ]);
        let found: Vec<_> = Table::new(&stbl, None).unwrap().map(|s| (s.offset, s.size, s.time, s.sync, s.entry)).collect();
        assert_eq!(found, [(1000, 10, 200, true, 0), (1010, 20, 0, false, 0), (1030, 30, 100, true, 0), (2000, 40, 200, false, 1)]);
        assert_eq!(Table::new(&stbl, None).unwrap().duration(), 400);
    }

    #[test]
    fn compact_sizes_of_every_width() {
        let rest = [boxed(b"stts", &[0, 1, 9, 1]), boxed(b"stsc", &[0, 1, 1, 9, 1]), boxed(b"stco", &[0, 1, 0])].concat();
        for (bits, words, expected) in
            [(4, 0x1f23_4000u32, vec![1, 15, 2]), (8, 0x01ff_0200, vec![1, 255, 2]), (16, 0x0100_ffff, vec![256, 65535])]
        {
            let stbl = tables(&[boxed(b"stz2", &[0, bits, expected.len() as u32, words]), rest.clone()]);
            let sizes: Vec<_> = Table::new(&stbl, None).unwrap().map(|s| s.size).collect();
            assert_eq!(sizes, expected, "{bits}");
        }
        assert!(Table::new(&tables(&[boxed(b"stz2", &[0, 5, 1, 0]), rest]), None).is_err());
    }

    #[test]
    fn pcm_is_taken_many_samples_at_a_time() {
        for size in [1, 4] {
            let stbl = tables(&[
                boxed(b"stsz", &[0, size, 25]),
                boxed(b"stts", &[0, 1, 25, 1]),
                boxed(b"stsc", &[0, 1, 1, 15, 1]),
                boxed(b"stco", &[0, 2, 100, 500]),
            ]);
            let found: Vec<_> = Table::new(&stbl, Some(Run { frame: 4, most: 10 })).unwrap().map(|s| (s.offset, s.size, s.time)).collect();
            assert_eq!(found, [(100, 40, 0), (140, 20, 10), (500, 40, 15)]);
        }
    }

    #[test]
    fn claims_cost_nothing() {
        let rest =
            [boxed(b"stts", &[0, u32::MAX, u32::MAX, 1]), boxed(b"stsc", &[0, 1, 1, u32::MAX, 1]), boxed(b"stco", &[0, 1, 0])].concat();
        let claims = |stsz: &[u32]| Table::new(&tables(&[boxed(b"stsz", stsz), rest.clone()]), None);
        assert!(claims(&[0, 1, u32::MAX]).is_err());
        assert_eq!(claims(&[0, 0, u32::MAX, 7, 7]).unwrap().count(), 2, "no more than there are sizes");
        assert_eq!(claims(&[0, 1, 6_000_000]).unwrap().nth(5_999_999).map(|s| s.offset), Some(5_999_999));
        let cut = Table::new(
            &tables(&[boxed(b"stsz", &[0, 1, 9]), boxed(b"stts", &[]), boxed(b"stsc", &[0, 1]), boxed(b"stco", &[0, 9, 1])]),
            None,
        );
        assert_eq!(cut.unwrap().count(), 0);
    }
}
