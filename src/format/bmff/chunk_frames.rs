//! The frames of a chunk, for those who put them into another container.

use super::boxes::{boxes, malformed};
use super::description::SampleLayout;
use super::moof::{self, TrackFragment};
use super::movie::{Movie, MovieTrack};
use super::segment::Init;
use crate::codec::{av1, h264, h265};
use crate::format::CodedFrame;
use crate::media::{Codec, Kind, Malformed, Timestamp};
use bytes::Bytes;

/// Reads chunks that belong to one initialization segment.
#[derive(Debug)]
pub struct ChunkFrames {
    movie: Movie,
}

impl ChunkFrames {
    /// # Errors
    /// The segment has no track that is understood.
    pub fn new(init: &Init) -> Result<ChunkFrames, Malformed> {
        let moov = boxes(&init.bytes).find(|b| b.kind == *b"moov").ok_or_else(|| malformed("box moov is missing"))?;
        Ok(ChunkFrames { movie: Movie::parse(&init.bytes.slice_ref(moov.body))? })
    }

    /// The frames of a whole chunk, in the order in which they stand there. `start`: when the first is decoded, where the chunk does not say it.
    ///
    /// # Errors
    /// The chunk contradicts itself.
    pub fn read(&self, chunk: &Bytes, start: Timestamp) -> Result<Vec<CodedFrame>, Malformed> {
        let mut frames = Vec::new();
        // Samples that overlap would make more of a chunk than there is.
        let mut left = chunk.len();
        for moof in boxes(chunk).filter(|b| b.kind == *b"moof") {
            let at = moof.whole.as_ptr() as usize - chunk.as_ptr() as usize;
            for fragment in moof::parse(moof.body, at as u64, |id| self.movie.track(id).map(|t| t.defaults))? {
                let Some(track) = self.movie.track(fragment.track_id) else { continue };
                read_fragment(track, &fragment, (chunk, at, start), &mut left, &mut frames)?;
            }
        }
        Ok(frames)
    }
}

fn read_fragment(
    track: &MovieTrack,
    fragment: &TrackFragment,
    (chunk, moof, start): (&Bytes, usize, Timestamp),
    left: &mut usize,
    frames: &mut Vec<CodedFrame>,
) -> Result<(), Malformed> {
    let out_of_range = || malformed("sample offset out of range").track(track.id.into());
    let time = |ticks: i64| Timestamp::from_ticks(ticks.saturating_sub(track.origin), track.timescale);
    let (mut ticks, late) = match fragment.decode_time {
        Some(ticks) => (i64::try_from(ticks).map_err(|_| out_of_range())?, 0),
        None => (track.origin, start.micros()),
    };
    for sample in &fragment.samples {
        let size = sample.size as usize;
        *left = left.checked_sub(size).ok_or_else(out_of_range)?;
        let begin = usize::try_from(sample.offset).ok().and_then(|offset| moof.checked_add(offset)).ok_or_else(out_of_range)?;
        let end = begin.checked_add(size).filter(|end| *end <= chunk.len()).ok_or_else(out_of_range)?;
        if size > 0 {
            frames.push(CodedFrame {
                track: track.id,
                dts: time(ticks) + late,
                pts: time(ticks.saturating_add(sample.composition_offset)) + late,
                key: sample.sync || track.track.kind() == Kind::Audio,
                data: canonical(track, chunk.slice(begin..end))?,
            });
        }
        ticks = ticks.saturating_add(sample.duration.into());
    }
    Ok(())
}

fn canonical(track: &MovieTrack, data: Bytes) -> Result<Bytes, Malformed> {
    match (track.track.codec, track.layout()) {
        (Codec::H264, SampleLayout::Lengths(size)) => h264::normalize(data, size),
        (Codec::H265, SampleLayout::Lengths(size)) => h265::normalize(data, size),
        (Codec::Av1, _) => Ok(av1::normalize(data)),
        _ => Ok(data),
    }
}
