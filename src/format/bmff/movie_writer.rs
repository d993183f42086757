//! An ordinary MP4 file with its movie header first, from the tracks of an initialization segment and samples that lie elsewhere: no sample is touched.

use super::boxes::{self, BoxRef, boxes, descend, malformed};
use super::init_at::edts;
use super::segment::container;
use crate::media::Malformed;
use bytes::{BufMut, Bytes};
use mp4_atom::{Atom, Encode, Mdhd, Mvhd, Tkhd};

/// Ticks of the movie: microseconds.
const TIMESCALE: u32 = 1_000_000;

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MovieSample {
    pub size: u32,
    /// To the next, in ticks of the track.
    pub duration: u32,
    pub composition_offset: i32,
    pub sync: bool,
    pub entry: u32,
}

/// Samples that stand one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Where in the media data.
    pub at: u64,
    pub samples: u32,
    /// Index of their sample entry.
    pub entry: u32,
}

/// A track of the movie.
#[derive(Clone, Debug, Default)]
pub(super) struct WrittenTrack {
    pub id: u32,
    pub samples: Vec<MovieSample>,
    pub runs: Vec<Run>,
    /// Lengths in microseconds, and the media times from which on the track is shown; -1: nothing is.
    pub edits: Vec<(u64, i64)>,
}

/// All that stands before the media data, with the head of their `mdat`. `init`: where the tracks are described.
pub(super) fn movie(init: &Bytes, tracks: &[WrittenTrack], media: u64) -> Result<Bytes, Malformed> {
    let moov = boxes(init).find(|b| b.kind == *b"moov").ok_or_else(|| malformed("box moov is missing"))?;
    let mut out = Vec::new();
    out.put_slice(b"\0\0\0\x1cftypisom\0\0\x02\0isomiso6mp41");
    let ftyp = out.len();
    // Offsets take eight bytes whatever they are: so the length is known before they are.
    let length = write(moov, tracks, 0)?.len();
    let begin = (ftyp + length + MDAT) as u64;
    out.extend_from_slice(&write(moov, tracks, begin)?);
    out.put_u32(1);
    out.put_slice(b"mdat");
    out.put_u64(media + MDAT as u64);
    Ok(out.into())
}

/// Bytes of a box's head with a large size.
const MDAT: usize = 16;

fn write(moov: BoxRef, tracks: &[WrittenTrack], begin: u64) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::new();
    let mut outcome = Ok(());
    let longest = tracks.iter().map(|track| length(&track.edits)).max().unwrap_or_default();
    container(&mut out, moov, |child, out| {
        let done = match &child.kind {
            b"mvhd" => child.decode().and_then(|mvhd: Mvhd| encode(&Mvhd { timescale: TIMESCALE, duration: longest, ..mvhd }, out)),
            b"trak" => match boxes::track_id(child).ok().and_then(|id| tracks.iter().find(|track| track.id == id)) {
                Some(track) => trak(child, track, begin, out),
                None => Ok(()),
            },
            b"mvex" => Ok(()),
            _ => {
                out.extend_from_slice(child.whole);
                Ok(())
            }
        };
        if let Err(error) = done {
            outcome = Err(error);
        }
    });
    outcome.map(|()| out)
}

fn length(edits: &[(u64, i64)]) -> u64 {
    edits.iter().map(|(length, _)| length).sum()
}

fn encode<T: Atom>(atom: &T, out: &mut Vec<u8>) -> Result<(), Malformed> {
    atom.encode(out).map_err(|error| malformed(error.to_string()))
}

fn trak(trak: BoxRef, track: &WrittenTrack, begin: u64, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let stsd = descend(trak.body, &[b"mdia", b"minf", b"stbl", b"stsd"])?.whole;
    let tkhd: Tkhd = descend(trak.body, &[b"tkhd"])?.decode()?;
    let mdhd: Mdhd = descend(trak.body, &[b"mdia", b"mdhd"])?.decode()?;
    let media = track.samples.iter().map(|sample| u64::from(sample.duration)).sum();
    let (mut head, mut about) = (Vec::new(), Vec::new());
    encode(&Tkhd { duration: length(&track.edits), ..tkhd }, &mut head)?;
    encode(&Mdhd { duration: media, ..mdhd }, &mut about)?;
    let tables = stbl(stsd, track, begin);
    container(out, trak, |child, out| match &child.kind {
        b"tkhd" => {
            out.extend_from_slice(&head);
            out.extend_from_slice(&edts(&track.edits));
        }
        b"edts" => {}
        b"mdia" => container(out, child, |child, out| match &child.kind {
            b"mdhd" => out.extend_from_slice(&about),
            b"minf" => container(out, child, |child, out| match &child.kind {
                b"stbl" => out.extend_from_slice(&tables),
                _ => out.extend_from_slice(child.whole),
            }),
            _ => out.extend_from_slice(child.whole),
        }),
        _ => out.extend_from_slice(child.whole),
    });
    Ok(())
}

/// The sample tables (section 8.6, 8.7).
fn stbl(stsd: &[u8], track: &WrittenTrack, begin: u64) -> Vec<u8> {
    let samples = &track.samples;
    let mut body = stsd.to_vec();
    let durations = counted(samples.iter().map(|sample| sample.duration));
    table(&mut body, b"stts", 0, &durations.iter().flat_map(|(count, value)| [*count, *value]).collect::<Vec<_>>(), 2);
    if samples.iter().any(|sample| sample.composition_offset != 0) {
        let offsets = counted(samples.iter().map(|sample| sample.composition_offset as u32));
        table(&mut body, b"ctts", 1, &offsets.iter().flat_map(|(count, value)| [*count, *value]).collect::<Vec<_>>(), 2);
    }
    if samples.iter().any(|sample| !sample.sync) {
        let numbers = (1u32..).zip(samples).filter(|(_, sample)| sample.sync).map(|(number, _)| number);
        table(&mut body, b"stss", 0, &numbers.collect::<Vec<_>>(), 1);
    }
    let mut last = None;
    let mut chunks = Vec::new();
    for (number, run) in (1u32..).zip(&track.runs) {
        if last.replace((run.samples, run.entry)) != Some((run.samples, run.entry)) {
            chunks.extend([number, run.samples, run.entry + 1]);
        }
    }
    table(&mut body, b"stsc", 0, &chunks, 3);
    // stsz has the size of all samples before their number: 0, each has its own.
    let sizes: Vec<u32> = [0, samples.len() as u32].into_iter().chain(samples.iter().map(|sample| sample.size)).collect();
    head(&mut body, 12 + 4 * sizes.len(), b"stsz", 0);
    sizes.iter().for_each(|size| body.put_u32(*size));
    head(&mut body, 16 + 8 * track.runs.len(), b"co64", 0);
    body.put_u32(track.runs.len() as u32);
    track.runs.iter().for_each(|run| body.put_u64(begin + run.at));
    let mut out = Vec::with_capacity(body.len() + 8);
    out.put_u32(body.len() as u32 + 8);
    out.put_slice(b"stbl");
    out.extend_from_slice(&body);
    out
}

/// How many in a row have the same value.
fn counted(values: impl Iterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((count, last)) if *last == value => *count += 1,
            _ => runs.push((1, value)),
        }
    }
    runs
}

/// A table of entries of `width` numbers, behind their count.
fn table(out: &mut Vec<u8>, kind: &[u8; 4], version: u8, numbers: &[u32], width: usize) {
    head(out, 16 + 4 * numbers.len(), kind, version);
    out.put_u32((numbers.len() / width) as u32);
    numbers.iter().for_each(|number| out.put_u32(*number));
}

fn head(out: &mut Vec<u8>, size: usize, kind: &[u8; 4], version: u8) {
    out.put_u32(size as u32);
    out.put_slice(kind);
    out.put_u32(u32::from(version) << 24);
}
