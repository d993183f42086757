//! Fragments of several files behind one init segment: which files can follow each other, and how the times in a fragment are moved without a change of its length.

use super::boxes::{boxes, descend, malformed, track_id};
use super::fragments::FragmentTrack;
use super::movie::{Movie, MovieTrack};
use super::shift;
use crate::codec::{h264, h265};
use crate::media::{Codec, Kind, Malformed, Timestamp};
use bytes::Bytes;

/// How fragments of one file can follow those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// As they are: their tracks are described alike.
    AsTheyAre,
    /// If their first keyframe says itself how it is decoded ([`says_its_configuration`]).
    InBand,
    /// Not behind the same init segment.
    Not,
}

/// Whether the fragments of `next`, an init segment, can stand behind those of `before`, without the init segment itself. Tracks may be missing, and may have been left
/// out of either.
pub fn follows(before: &Bytes, next: &Bytes) -> Follows {
    let (Ok(old), Ok(new)) = (movie(before), movie(next)) else { return Follows::Not };
    let main = main(&new).map(|track| track.id);
    let each = new.tracks.iter().map(|track| match old.track(track.id) {
        // What an edit list says of a track counts for the whole of its file, and not for its fragments.
        Some(old) if is_alike(old, track) && descriptions(before, track.id) == descriptions(next, track.id) => Follows::AsTheyAre,
        Some(old) if is_alike(old, track) && Some(track.id) == main && can_say_it(old, track) => Follows::InBand,
        _ => Follows::Not,
    });
    each.fold(Follows::AsTheyAre, |all, one| match (all, one) {
        (Follows::Not, _) | (_, Follows::Not) => Follows::Not,
        (Follows::InBand, _) | (_, Follows::InBand) => Follows::InBand,
        _ => Follows::AsTheyAre,
    })
}

fn movie(init: &Bytes) -> Result<Movie, Malformed> {
    let moov = boxes(init).find(|b| b.kind == *b"moov").ok_or_else(|| malformed("box moov is missing"))?;
    Movie::parse(&init.slice_ref(moov.body))
}

/// What a file is cut by; see `FragmentReader::main`.
fn main(movie: &Movie) -> Option<&MovieTrack> {
    movie.tracks.iter().find(|track| track.track.kind() == Kind::Video).or(movie.tracks.first())
}

/// The sample descriptions of a track, as they stand.
fn descriptions(init: &Bytes, id: u32) -> Option<&[u8]> {
    let moov = boxes(init).find(|b| b.kind == *b"moov")?;
    let trak = boxes(moov.body).find(|b| b.kind == *b"trak" && track_id(*b).is_ok_and(|found| found == id))?;
    Some(descend(trak.body, &[b"mdia", b"minf", b"stbl", b"stsd"]).ok()?.whole)
}

/// What a fragment leaves to its init segment means the same.
fn is_alike(old: &MovieTrack, new: &MovieTrack) -> bool {
    old.timescale == new.timescale && old.defaults == new.defaults && old.track.codec == new.track.codec
}

/// A keyframe can have all that is described otherwise.
fn can_say_it(old: &MovieTrack, new: &MovieTrack) -> bool {
    let (old, new, codec) = (&old.track.config, &new.track.config, new.track.codec);
    let avc = |config: &Bytes| h264::AvcC::parse(config).map(|record| record.length_size).ok();
    let hevc = |config: &Bytes| h265::HvcC::parse(config).map(|record| record.length_size).ok();
    match codec {
        Codec::H264 => avc(old).is_some() && avc(old) == avc(new),
        Codec::H265 => hevc(old).is_some() && hevc(old) == hevc(new),
        Codec::Av1 | Codec::Vp8 | Codec::Vp9 | Codec::Jpeg => true,
        _ => false,
    }
}

/// A decoder that was set up for another picture can go on with this keyframe of the main track of `init`: it has its parameter sets with it.
pub fn says_its_configuration(init: &Bytes, keyframe: &[u8]) -> bool {
    let Ok(movie) = movie(init) else { return false };
    match main(&movie).map(|track| track.track.codec) {
        Some(Codec::H264) => h264::config_of(keyframe).is_some(),
        Some(Codec::H265) => h265::config_of(keyframe).is_some(),
        // They have it in every keyframe.
        Some(Codec::Av1 | Codec::Vp8 | Codec::Vp9 | Codec::Jpeg) => true,
        _ => false,
    }
}

/// So many ticks are to be added to the times of each track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeShift(Vec<(u32, i64)>);

impl TimeShift {
    /// For fragments of `tracks` behind an init segment with the tracks of `joined`: the presentation of `tracks` begins at `zero` of that of `joined`.
    pub fn new(joined: &[FragmentTrack], tracks: impl Iterator<Item = FragmentTrack>, zero: Timestamp) -> TimeShift {
        let moved = |track: FragmentTrack| {
            let of = joined.iter().find(|of| of.id == track.id)?;
            Some((track.id, of.ticks(zero).saturating_sub(track.origin)))
        };
        TimeShift(tracks.filter_map(moved).collect())
    }

    /// Nothing is moved.
    pub fn is_none(&self) -> bool {
        self.0.iter().all(|(_, ticks)| *ticks == 0)
    }

    /// Of this track.
    pub fn of(&self, track: u32) -> i64 {
        self.0.iter().find(|(id, _)| *id == track).map_or(0, |(_, ticks)| *ticks)
    }

    /// Moves the times of a `moof` or a `prft`, which is whole.
    ///
    /// # Errors
    /// A time of 32 bits has no room for what it would be.
    pub fn apply(&self, whole: &mut [u8]) -> Result<(), Malformed> {
        if shift::shift_in_place(whole, |track| self.of(track)) {
            Ok(())
        } else {
            Err(malformed("a time of 32 bits has no room for a later one"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::AvcC;
    use crate::format::bmff::{Fragment, FragmentReader, Sample, init, init_at};
    use crate::media::{AudioParams, Header, Track, VideoParams};
    use std::time::Duration;

    const SPS: [u8; 4] = [0x67, 0x42, 0xc0, 0x1e];

    fn segment(pps: &[u8], sound: Option<u32>) -> Bytes {
        let config = AvcC::build(&[&SPS[..]], &[pps]);
        let video = Track { config, ..Track::video(Codec::H264, VideoParams::new(320, 240)) };
        let sound = sound.map(|rate| {
            let params = AudioParams { rate, channels: 2, delay: Duration::from_micros(6500) };
            Track { config: crate::codec::opus::OpusHead::new(2, 312, rate).build(), ..Track::audio(Codec::Opus, params) }
        });
        init(&Header { tracks: [video].into_iter().chain(sound).collect(), time_zero: None }).unwrap().bytes
    }

    #[test]
    fn which_follow() {
        let first = segment(b"h1", Some(48_000));
        for (next, wanted) in [
            (first.clone(), Follows::AsTheyAre),
            (init_at(&first, Timestamp(5_000_000)), Follows::AsTheyAre),
            (segment(b"h1", None), Follows::AsTheyAre),
            (segment(b"h2", Some(48_000)), Follows::InBand),
            (Bytes::from_static(b"nothing"), Follows::Not),
        ] {
            assert_eq!(follows(&first, &next), wanted);
        }
        assert_eq!(follows(&segment(b"h1", None), &first), Follows::Not, "sound that was not there");
        let sets = [&[0, 0, 0, 4][..], &SPS, &[0, 0, 0, 2, 0x68, 1]].concat();
        assert!(says_its_configuration(&first, &[&sets[..], &[0, 0, 0, 2, 0x65, 1]].concat()));
        assert!(!says_its_configuration(&first, &[0, 0, 0, 2, 0x65, 1]) && !says_its_configuration(&first, b""));
    }

    #[test]
    fn times_are_moved_in_place() {
        let first = segment(b"h1", None);
        let tracks = |init: &Bytes| FragmentReader::new(init).unwrap().tracks().collect::<Vec<_>>();
        let late = tracks(&init_at(&first, Timestamp(2_000_000)));
        assert!(TimeShift::new(&late, late.clone().into_iter(), Timestamp(0)).is_none());
        // What began at two seconds of its own stream comes three seconds after the begin of the file.
        let shift = TimeShift::new(&tracks(&first), late.clone().into_iter(), Timestamp(3_000_000));
        let ticks = i64::from(late[0].timescale);
        assert_eq!(shift.of(1), ticks);
        let samples = [Sample { size: 3, duration: 10, composition_offset: 0, key: true }];
        let fragment = |decode_time| Fragment { sequence: 1, track_id: 1, decode_time, samples: &samples, producer_time: None };
        let head = |decode_time| fragment(decode_time).head(&mut bytes::BytesMut::new()).to_vec();
        let mut moof = head(2000);
        moof.truncate(moof.len() - 8);
        shift.apply(&mut moof).unwrap();
        assert_eq!(moof, head(2000 + ticks as u64)[..moof.len()]);
    }
}
