//! Reading `moof`, as tolerant as foreign writers need: defaults from `tfhd` and `trex`, runs without offsets, several tracks.

use super::boxes::{boxes, child, malformed};
use super::edits::FAR;
use crate::media::Malformed;
use mp4_atom::{Tfdt, Tfhd, Trun};

/// More samples in one `moof` are refused: 20 s of PCM with a sample for each.
const MAX_SAMPLES: usize = 1 << 20;

/// Sample values for a track where a fragment does not say them (`trex`, section 8.8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Defaults {
    pub duration: u32,
    pub size: u32,
    pub flags: u32,
    /// Index of the sample entry.
    pub entry: usize,
}

/// A track's part of a fragment.
#[derive(Debug)]
pub(super) struct TrackFragment {
    pub track_id: u32,
    /// `None` where the writer counts on the reader to add up durations.
    pub decode_time: Option<u64>,
    /// Index of the sample entry.
    pub entry: usize,
    pub samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// From the start of the `moof`.
    pub offset: i64,
    pub size: u32,
    /// In ticks.
    pub duration: u32,
    pub composition_offset: i64,
    pub sync: bool,
}

impl TrackFragment {
    /// Sum of the samples' durations, in ticks.
    pub fn duration(&self) -> u64 {
        self.samples.iter().map(|s| u64::from(s.duration)).sum()
    }
}

/// Reads the body of a `moof` that stands at byte `at`; `defaults` by track number, `None` for tracks of no interest.
pub(super) fn parse(body: &[u8], at: u64, defaults: impl Fn(u32) -> Option<Defaults>) -> Result<Vec<TrackFragment>, Malformed> {
    let mut fragments = Vec::new();
    let mut samples_left = MAX_SAMPLES;
    // Where data goes on when nothing is said: the start of the moof, then the end of the track fragment before.
    let mut data = 0;
    for traf in boxes(body).filter(|b| b.kind == *b"traf") {
        let tfhd: Tfhd = child(traf.body, b"tfhd").ok_or_else(|| malformed("box tfhd is missing"))?.decode()?;
        let tfdt: Option<Tfdt> = child(traf.body, b"tfdt").map(|b| b.decode()).transpose()?;
        let base = base(&tfhd, at, data);
        data = base;
        let track = defaults(tfhd.track_id).map(|d| Defaults {
            duration: tfhd.default_sample_duration.unwrap_or(d.duration),
            size: tfhd.default_sample_size.unwrap_or(d.size),
            flags: tfhd.default_sample_flags.unwrap_or(d.flags),
            entry: tfhd.sample_description_index.map_or(d.entry, |index| index.saturating_sub(1) as usize),
        });
        let mut samples = Vec::new();
        for trun in boxes(traf.body).filter(|b| b.kind == *b"trun") {
            let trun: Trun = trun.decode()?;
            samples_left = samples_left.checked_sub(trun.samples.len()).ok_or_else(|| malformed("fragment of too many samples"))?;
            data = trun.data_offset.map_or(data, |offset| base + i64::from(offset));
            data = run(&trun, data, track.unwrap_or_default(), &mut samples)?;
        }
        if let Some(Defaults { entry, .. }) = track {
            let decode_time = tfdt.map(|t| t.base_media_decode_time);
            if decode_time.is_some_and(|time| time >= FAR as u64) {
                return Err(malformed("its decode time is out of range").track(tfhd.track_id.into()));
            }
            fragments.push(TrackFragment { track_id: tfhd.track_id, decode_time, entry, samples });
        }
    }
    Ok(fragments)
}

/// What a track fragment's offsets count from, as a distance from the `moof`.
fn base(tfhd: &Tfhd, at: u64, data: i64) -> i64 {
    let near = |absolute: u64| i64::try_from(absolute).ok()?.checked_sub(i64::try_from(at).ok()?).filter(|d| d.unsigned_abs() < 1 << 32);
    match tfhd.base_data_offset {
        // An absolute position of a file that this is only a part of means the moof, as all writers of it do.
        Some(absolute) => near(absolute).unwrap_or(0),
        None if tfhd.default_base_is_moof => 0,
        None => data,
    }
}

fn run(trun: &Trun, mut offset: i64, defaults: Defaults, samples: &mut Vec<Sample>) -> Result<i64, Malformed> {
    const NON_SYNC: u32 = 0x1_0000;
    samples.reserve(trun.samples.len());
    for entry in trun.samples.iter() {
        let size = entry.size.unwrap_or(defaults.size);
        let sync = entry.flags.unwrap_or(defaults.flags) & NON_SYNC == 0;
        let duration = entry.duration.unwrap_or(defaults.duration);
        // Signed in version 0 too, as in `ctts`.
        let composition_offset = i64::from(entry.cts.unwrap_or(0) as i32);
        samples.push(Sample { offset, size, duration, composition_offset, sync });
        offset = offset.checked_add(i64::from(size)).ok_or_else(|| malformed("sample offset out of range"))?;
    }
    Ok(offset)
}
