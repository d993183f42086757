//! A clip: from fragments to an ordinary MP4 file of the same samples, which begins exactly where it was asked for. The file has the samples from the keyframe
//! before that on, and an edit list that hides what is not wanted. Pure: fragments come in with the places where they lie, and the layout of the file goes out.

use super::boxes::{self, BoxRef, boxes, descend, malformed};
use super::fragments::{FragmentReader, FragmentTrack, TrackSamples};
use super::movie_writer::{self, MovieSample, Run, WrittenTrack};
use crate::media::{Kind, Malformed, Timestamp, WallTime};
use bytes::Bytes;
use std::ops::Range;

/// A clip of more samples is refused: five hours of video and sound.
const MAX_SAMPLES: usize = 2_000_000;

/// Gathers the fragments of a clip, in the order of decoding, from a keyframe at or before its begin.
#[derive(Debug)]
pub struct ClipBuilder {
    from: WallTime,
    to: WallTime,
    first: Option<Source>,
    current: Option<Source>,
    tracks: Vec<Gathered>,
    main: u32,
    extents: Vec<Extent>,
    media: u64,
    /// Bytes of it that are no sample; `None`: there are to be none.
    skipped: Option<u64>,
    samples: usize,
}

/// One file, or a run of a stream: what its fragments belong to, and the time of the day at which its presentation begins.
#[derive(Debug)]
struct Source {
    init: Bytes,
    zero: WallTime,
    reader: FragmentReader,
}

#[derive(Debug)]
struct Gathered {
    track: FragmentTrack,
    /// When each sample is decoded, in ticks on the media time line of the first source.
    times: Vec<i64>,
    written: WrittenTrack,
    /// Of the last sample.
    duration: u32,
    /// Bytes of the last run.
    run_bytes: u64,
}

/// Bytes of the media data, and where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// As the fragments were placed.
    pub at: u64,
    /// In bytes.
    pub length: u64,
}

/// The file.
#[derive(Clone, Debug)]
pub struct Clip {
    /// All of it up to the media data.
    pub head: Bytes,
    /// The media data.
    pub extents: Vec<Extent>,
    /// When the first picture that is shown was captured,
    pub begin: WallTime,
    /// and when the last one ends.
    pub end: WallTime,
}

/// Whether more fragments are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Those that follow.
    More,
    /// The clip is whole.
    Nothing,
}

impl ClipBuilder {
    /// For a clip of what was captured between these two.
    pub fn new(from: WallTime, to: WallTime) -> ClipBuilder {
        let (first, current, tracks, extents) = (None, None, Vec::new(), Vec::new());
        ClipBuilder { from, to, first, current, tracks, main: 0, extents, media: 0, skipped: None, samples: 0 }
    }

    /// What lies between samples may be part of the media data, so that these are fewer and longer runs: a sixteenth of all at most.
    pub fn with_gaps(self) -> ClipBuilder {
        ClipBuilder { skipped: Some(0), ..self }
    }

    /// The fragments that follow belong to this init segment, whose presentation begins at `zero`. `Nothing`: it cannot go on in the same clip, because its tracks
    /// are others, or its time has been.
    ///
    /// # Errors
    /// Nothing of the segment is understood.
    pub fn source(&mut self, init: &Bytes, zero: WallTime) -> Result<Wanted, Malformed> {
        let source = Source { init: init.clone(), zero, reader: FragmentReader::new(init)? };
        match &self.first {
            Some(first) if !continues(&first.init, init) || self.end().is_some_and(|end| zero.0 < end.0 - SLACK) => {
                return Ok(Wanted::Nothing);
            }
            Some(_) => {}
            None => {
                self.main = source.reader.main().map_or(0, |main| main.id);
                let gathered = |track: FragmentTrack| Gathered {
                    track,
                    times: Vec::new(),
                    written: WrittenTrack { id: track.id, ..WrittenTrack::default() },
                    duration: 0,
                    run_bytes: 0,
                };
                self.tracks = source.reader.tracks().map(gathered).collect();
                self.first = Some(Source { init: init.clone(), zero, reader: FragmentReader::new(init)? });
            }
        }
        self.current = Some(source);
        Ok(Wanted::More)
    }

    /// The next fragment, whose `moof` box lies at `at`.
    ///
    /// # Errors
    /// It contradicts itself, or there are more samples than a clip may have.
    pub fn fragment(&mut self, moof: &[u8], at: u64) -> Result<Wanted, Malformed> {
        let (Some(first), Some(source)) = (&self.first, &mut self.current) else { return Ok(Wanted::Nothing) };
        let apart = source.zero.0 - first.zero.0;
        let mut wanted = Wanted::More;
        for samples in source.reader.read(moof, at)? {
            let Some(gathered) = self.tracks.iter_mut().find(|gathered| gathered.track.id == samples.track) else { continue };
            let Some(own) = source.reader.tracks().find(|track| track.id == samples.track) else { continue };
            // Ticks are as long in all sources: see `continues`.
            let moved = gathered.track.ticks(Timestamp(apart)).saturating_sub(own.origin);
            let begins = i64::try_from(samples.decode_time).unwrap_or(i64::MAX).saturating_add(moved);
            if first.zero.at(gathered.track.time(begins)) >= self.to {
                if samples.track == self.main {
                    wanted = Wanted::Nothing;
                }
                continue;
            }
            self.samples += samples.samples.len();
            if self.samples > MAX_SAMPLES {
                return Err(malformed("a clip of too many samples"));
            }
            gathered.add(&samples, begins, Media { bytes: &mut self.media, skipped: &mut self.skipped, extents: &mut self.extents });
        }
        Ok(wanted)
    }

    /// The end of the main track so far.
    fn end(&self) -> Option<WallTime> {
        let (first, main) = (self.first.as_ref()?, self.tracks.iter().find(|gathered| gathered.track.id == self.main)?);
        Some(first.zero.at(main.track.time(main.times.last()?.saturating_add(main.duration.into()))))
    }

    /// The layout of the file. `None`: there is nothing of the time that was asked for.
    ///
    /// # Errors
    /// The init segment cannot be written as a movie header.
    pub fn finish(mut self) -> Result<Option<Clip>, Malformed> {
        let Some(end) = self.end() else { return Ok(None) };
        let Some(first) = self.first.take() else { return Ok(None) };
        let Some(main) = self.tracks.iter().find(|gathered| gathered.track.id == self.main) else { return Ok(None) };
        let asked = self.from.0 - first.zero.0;
        let shown = main.shown().map(|ticks| main.track.time(ticks).micros());
        // The picture that was on the screen at that moment, or the first.
        let before = shown.clone().filter(|time| *time <= asked).max();
        let Some(begin) = before.or_else(|| shown.min()) else { return Ok(None) };
        let end = end.min(self.to);
        let length = (end.0 - first.zero.0).saturating_sub(begin);
        if length <= 0 {
            return Ok(None);
        }
        self.tracks.retain(|gathered| !gathered.times.is_empty());
        self.tracks.iter_mut().for_each(|gathered| gathered.finish(begin, length as u64));
        let written: Vec<WrittenTrack> = self.tracks.into_iter().map(|gathered| gathered.written).collect();
        let head = movie_writer::movie(&first.init, &written, self.media)?;
        let begin = first.zero.at(Timestamp(begin));
        Ok(Some(Clip { head, extents: self.extents, begin, end }))
    }
}

/// By so much files may overlap, in microseconds: names have milliseconds.
const SLACK: i64 = 1_000_000;

/// The media data so far.
struct Media<'a> {
    bytes: &'a mut u64,
    skipped: &'a mut Option<u64>,
    extents: &'a mut Vec<Extent>,
}

impl Media<'_> {
    /// A sample that lies there. Gives where it stands in the media data, and whether it lay right behind the one before.
    fn add(&mut self, offset: u64, length: u64) -> (u64, bool) {
        let gap = self.extents.last().and_then(|last| offset.checked_sub(last.at + last.length));
        match (gap, &mut *self.skipped, self.extents.last_mut()) {
            (Some(0), _, Some(last)) => last.length += length,
            (Some(gap), Some(skipped), Some(last)) if skipped.saturating_add(gap).saturating_mul(16) <= *self.bytes => {
                *skipped += gap;
                *self.bytes += gap;
                last.length += gap + length;
            }
            _ => self.extents.push(Extent { at: offset, length }),
        }
        let at = *self.bytes;
        *self.bytes += length;
        (at, gap == Some(0))
    }
}

impl Gathered {
    fn add(&mut self, samples: &TrackSamples, begins: i64, mut media: Media<'_>) {
        let entry = u32::try_from(samples.entry).unwrap_or_default();
        let mut time = begins;
        for sample in &samples.samples {
            let length = u64::from(sample.size);
            let (at, goes_on) = media.add(sample.offset, length);
            match self.written.runs.last_mut() {
                Some(run) if goes_on && run.entry == entry && run.at + self.run_bytes == at => {
                    run.samples += 1;
                    self.run_bytes += length;
                }
                _ => {
                    self.written.runs.push(Run { at, samples: 1, entry });
                    self.run_bytes = length;
                }
            }
            // Time goes on by a tick at least, whatever the labels of two files say.
            let at = self.times.last().map_or(time, |last| time.max(last + 1));
            self.times.push(at);
            self.duration = sample.duration;
            let composition_offset = i32::try_from(sample.composition_offset).unwrap_or_default();
            self.written.samples.push(MovieSample { size: sample.size, duration: 0, composition_offset, sync: sample.sync, entry });
            time = time.saturating_add(sample.duration.into());
        }
    }

    /// When its samples are shown, in ticks.
    fn shown(&self) -> impl Iterator<Item = i64> + Clone {
        self.times.iter().zip(&self.written.samples).map(|(time, sample)| time.saturating_add(sample.composition_offset.into()))
    }

    /// Durations, and the edit list that shows it from `begin` on, `length` microseconds long.
    fn finish(&mut self, begin: i64, length: u64) {
        // To the tick where a sample begins then: a time in microseconds may lie just before it.
        let exact = self.shown().find(|ticks| self.track.time(*ticks).micros() == begin);
        let begin_ticks = exact.unwrap_or_else(|| self.track.ticks(Timestamp(begin)));
        if self.track.kind == Kind::Video {
            self.hasten(begin_ticks);
        }
        for (n, sample) in self.written.samples.iter_mut().enumerate() {
            let next = self.times.get(n + 1).map_or(i64::from(self.duration), |next| next - self.times[n]);
            sample.duration = u32::try_from(next).unwrap_or(u32::MAX);
        }
        let zero = self.times.first().copied().unwrap_or_default();
        let media_time = begin_ticks - zero;
        // What comes later than the begin is waited for.
        let first = self.shown().min().unwrap_or(zero) - zero;
        let gap = if media_time < first { (self.track.time(zero + first).micros() - begin).max(0) as u64 } else { 0 };
        self.written.edits = match gap.min(length) {
            0 => vec![(length, media_time.max(0))],
            gap => vec![(gap, -1), (length - gap, first.max(0))],
        };
    }

    /// What is shown before `begin`, in ticks, takes a tick for each sample: a player that does not keep to the edit list is through with it at once.
    fn hasten(&mut self, begin: i64) {
        let shown: Vec<i64> = self.shown().collect();
        let mut before: Vec<usize> = (0..shown.len()).filter(|n| shown[*n] < begin).collect();
        // The first sample that is shown, in the order of decoding.
        let Some(lead) = shown.iter().position(|time| *time >= begin) else { return };
        before.sort_by_key(|n| shown[*n]);
        for n in (0..lead).rev() {
            self.times[n] = self.times[n + 1] - 1;
        }
        for (left, n) in before.iter().rev().enumerate() {
            // Decoded no later than shown, where it was so before.
            let offset = begin - 1 - left as i64 - self.times[*n];
            self.written.samples[*n].composition_offset = i32::try_from(offset).unwrap_or_default();
        }
    }
}

/// The tracks are the same, and so are their ticks and the descriptions of their samples.
fn continues(first: &Bytes, next: &Bytes) -> bool {
    let first = tracks(first);
    !first.is_empty() && first == tracks(next)
}

/// Of a track its number, and the boxes that say how its samples are read.
type Described<'a> = (u32, &'a [u8], &'a [u8]);

fn tracks(init: &[u8]) -> Vec<Option<Described<'_>>> {
    let moov = boxes(init).find(|b| b.kind == *b"moov");
    let traks = moov.into_iter().flat_map(|moov| boxes(moov.body)).filter(|b| b.kind == *b"trak");
    let described = |trak: BoxRef<'_>| {
        let id = boxes::track_id(trak).ok()?;
        let part = |path: &[&[u8; 4]]| -> Option<Range<usize>> {
            let found = descend(trak.body, path).ok()?.whole;
            let at = found.as_ptr() as usize - init.as_ptr() as usize;
            Some(at..at + found.len())
        };
        Some((id, &init[part(&[b"mdia", b"minf", b"stbl", b"stsd"])?], &init[part(&[b"mdia", b"mdhd"])?]))
    };
    traks.map(described).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks of a millisecond; what is shown in order of decoding, and when each sample is decoded and shown in the clip.
    fn hastened(decoded: &[i64], shown: &[i64], begin: i64) -> (Vec<i64>, Vec<i64>) {
        let track = FragmentTrack { id: 1, kind: Kind::Video, timescale: 1000, origin: 0 };
        let sample = |(at, shown): (&i64, &i64)| MovieSample {
            size: 1,
            duration: 0,
            composition_offset: (shown - at) as i32,
            sync: false,
            entry: 0,
        };
        let samples = decoded.iter().zip(shown).map(sample).collect();
        let written = WrittenTrack { id: 1, samples, ..WrittenTrack::default() };
        let mut gathered = Gathered { track, times: decoded.to_vec(), written, duration: 100, run_bytes: 0 };
        gathered.finish(begin * 1000, 1_000_000);
        let zero = gathered.times[0];
        let media_time = gathered.written.edits[0].1;
        assert_eq!(zero + media_time, begin);
        assert!(gathered.written.samples.iter().all(|sample| sample.composition_offset >= 0));
        let ends: i64 = gathered.written.samples.iter().map(|sample| i64::from(sample.duration)).sum();
        assert_eq!(zero + ends, decoded.last().unwrap() + 100);
        (gathered.times.clone(), gathered.shown().collect())
    }

    #[test]
    fn what_is_hidden_takes_no_time() {
        let times = [1000, 1100, 1200, 1300];
        assert_eq!(hastened(&times, &times, 1000), (times.to_vec(), times.to_vec()));
        assert_eq!(hastened(&times, &times, 1200), (vec![1198, 1199, 1200, 1300], vec![1198, 1199, 1200, 1300]));
        // I P B B P B B, with two pictures of delay: both that are shown before the begin, and one that is decoded after it, are hidden.
        let decoded = [0, 100, 200, 300, 400, 500, 600];
        let shown = [200, 500, 300, 400, 800, 600, 700];
        let (decoded, shown) = hastened(&decoded, &shown, 400);
        assert_eq!(shown, [398, 500, 399, 400, 800, 600, 700]);
        assert_eq!(decoded, [99, 100, 200, 300, 400, 500, 600]);
    }

    #[test]
    fn gaps_are_few_bytes() {
        // Samples of `size` bytes with `gap` bytes between them: how many extents, and how many bytes that are no sample.
        let laid = |size: u64, gap: u64, allowed: Option<u64>| {
            let (mut bytes, mut skipped, mut extents) = (0, allowed, Vec::new());
            for n in 0..1000 {
                let mut media = Media { bytes: &mut bytes, skipped: &mut skipped, extents: &mut extents };
                let (at, goes_on) = media.add(n * (size + gap), size);
                assert_eq!((at + size, goes_on), (bytes, n > 0 && gap == 0));
            }
            assert_eq!(extents.iter().map(|extent| extent.length).sum::<u64>(), bytes);
            (extents.len(), bytes - 1000 * size)
        };
        assert_eq!(laid(1000, 0, None), (1, 0));
        assert_eq!(laid(1000, 10, None), (1000, 0));
        // The first few gaps would be too much of what there is.
        assert_eq!(laid(1000, 10, Some(0)), (1, 9990));
        assert!(laid(1000, 100, Some(0)).1 <= 1000 * 1000 / 15);
        assert!(laid(100, 2000, Some(0)).1 <= 100 * 1000 / 15);
    }
}
