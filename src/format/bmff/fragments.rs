//! What the fragments of a file say of its samples: where each stands, and when. For those who keep files, and make others of them without touching a sample.

use super::boxes::{boxes, malformed};
use super::moof;
use super::movie::{Movie, MovieTrack};
use super::shift;
use super::splitter::decode_time;
use crate::media::{Kind, Malformed, Timestamp};
use bytes::Bytes;

/// Reads the `moof` boxes that belong to one initialization segment.
#[derive(Debug)]
pub struct FragmentReader {
    movie: Movie,
    /// Where each track goes on when a fragment does not say its time, in ticks.
    next_times: Vec<(u32, u64)>,
}

/// A track of the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentTrack {
    /// track_ID.
    pub id: u32,
    /// Pictures or sound.
    pub kind: Kind,
    /// Ticks a second.
    pub timescale: u32,
    /// Media time of presentation time zero, in ticks.
    pub origin: i64,
}

/// The samples of one track in one fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackSamples {
    /// track_ID.
    pub track: u32,
    /// Index of the sample entry.
    pub entry: usize,
    /// When the first is decoded, in ticks.
    pub decode_time: u64,
    /// In decoding order.
    pub samples: Vec<LocatedSample>,
}

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocatedSample {
    /// In bytes from the start of the file.
    pub offset: u64,
    /// In bytes.
    pub size: u32,
    /// In ticks.
    pub duration: u32,
    /// When it is shown, in ticks after it is decoded.
    pub composition_offset: i64,
    /// A decoder can start at it.
    pub sync: bool,
}

impl FragmentReader {
    /// `init`: ftyp and moov.
    ///
    /// # Errors
    /// There is no track that is understood.
    pub fn new(init: &Bytes) -> Result<FragmentReader, Malformed> {
        let moov = boxes(init).find(|b| b.kind == *b"moov").ok_or_else(|| malformed("box moov is missing"))?;
        Ok(FragmentReader { movie: Movie::parse(&init.slice_ref(moov.body))?, next_times: Vec::new() })
    }

    /// The tracks that are understood.
    pub fn tracks(&self) -> impl Iterator<Item = FragmentTrack> {
        let described =
            |track: &MovieTrack| FragmentTrack { id: track.id, kind: track.track.kind(), timescale: track.timescale, origin: track.origin };
        self.movie.tracks.iter().map(described)
    }

    /// The track by which a file is cut: the first of pictures, or else the first.
    pub fn main(&self) -> Option<FragmentTrack> {
        self.tracks().find(|track| track.kind == Kind::Video).or_else(|| self.tracks().next())
    }

    /// `moof`: the whole box, which stands at byte `at` of the file.
    ///
    /// # Errors
    /// It contradicts itself.
    pub fn read(&mut self, moof: &[u8], at: u64) -> Result<Vec<TrackSamples>, Malformed> {
        let found = boxes(moof).next().filter(|b| b.kind == *b"moof").ok_or_else(|| malformed("box moof is missing"))?;
        let mut all = Vec::new();
        for mut fragment in moof::parse(found.body, at, |id| self.movie.track(id).map(|t| t.defaults))? {
            decode_time(&mut self.next_times, &mut fragment);
            let place = |offset| at.checked_add_signed(offset).ok_or_else(|| malformed("sample offset out of range"));
            let decode_time = fragment.decode_time.unwrap_or_default();
            let located = fragment.samples.into_iter().map(|sample| {
                Ok(LocatedSample {
                    offset: place(sample.offset)?,
                    size: sample.size,
                    duration: sample.duration,
                    composition_offset: sample.composition_offset,
                    sync: sample.sync,
                })
            });
            let samples = located.collect::<Result<Vec<_>, Malformed>>()?;
            all.push(TrackSamples { track: fragment.track_id, entry: fragment.entry, decode_time, samples });
        }
        Ok(all)
    }
}

impl FragmentTrack {
    /// A media time on the presentation time line.
    pub fn time(&self, ticks: i64) -> Timestamp {
        Timestamp::from_ticks(ticks.saturating_sub(self.origin), self.timescale)
    }

    /// The media time of a presentation time, rounded down.
    pub fn ticks(&self, time: Timestamp) -> i64 {
        shift::ticks(time.micros(), self.timescale).saturating_add(self.origin)
    }
}

impl TrackSamples {
    /// Of all of them together, in ticks.
    pub fn duration(&self) -> u64 {
        self.samples.iter().map(|sample| u64::from(sample.duration)).sum()
    }
}

/// The `moof` box of a whole fragment, and where in it that begins.
pub fn moof_of(fragment: &[u8]) -> Option<(usize, &[u8])> {
    let moof = boxes(fragment).find(|b| b.kind == *b"moof")?;
    Some((moof.whole.as_ptr() as usize - fragment.as_ptr() as usize, moof.whole))
}

/// Type, and size with its own header, of the box at the front of these bytes. `None`: that needs more than these, or none begins here; size
/// `None`: up to the end of the file.
pub fn box_at(bytes: &[u8]) -> Option<([u8; 4], Option<u64>)> {
    match super::boxes::peek(bytes) {
        Ok(super::boxes::Peek::Box(head)) => Some((head.kind, head.size)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::opus::OpusHead;
    use crate::format::bmff::{Fragment, Sample, init, init_at};
    use crate::media::{AudioParams, Codec, Header, Track};
    use std::time::Duration;

    #[test]
    fn samples_are_located_in_the_file() {
        let params = AudioParams { rate: 48_000, channels: 2, delay: Duration::from_micros(6500) };
        let track = Track { config: OpusHead::new(2, 312, 48_000).build(), ..Track::audio(Codec::Opus, params) };
        let init = init(&Header { tracks: [track.clone(), track].into(), time_zero: None }).unwrap();
        let late = init_at(&init.bytes, Timestamp(2_000_000));
        let mut reader = FragmentReader::new(&late).unwrap();
        let samples = [
            Sample { size: 5, duration: 960, composition_offset: 0, key: true },
            Sample { size: 7, duration: 960, composition_offset: 10, key: false },
        ];
        let decode_time = 312 + 120_000;
        let head = Fragment { sequence: 1, track_id: 1, decode_time, samples: &samples, producer_time: None };
        let head = head.head(&mut bytes::BytesMut::new());
        let found = reader.read(&head[..head.len() - 8], 1000).unwrap();
        let places: Vec<_> = found[0].samples.iter().map(|s| (s.offset, s.size, s.sync)).collect();
        assert_eq!(places, [(1000 + head.len() as u64, 5, true), (1005 + head.len() as u64, 7, false)]);
        let main = reader.main().unwrap();
        assert_eq!((main.id, main.time(found[0].decode_time as i64)), (1, Timestamp(500_000)));
        assert_eq!((main.ticks(Timestamp(500_000)), found[0].duration()), (decode_time as i64, 1920));
        assert_eq!(main.time(main.ticks(Timestamp(-20_000))), Timestamp(-20_000), "what comes a little before is there too");
    }
}
