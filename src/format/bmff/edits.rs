//! Edit lists (ISO/IEC 14496-12, section 8.6.6): which part of a track's media is shown, and when.
//!
//! ```text
//!   media         |--cut--|== segment ==|-----cut-----|== segment ==|--cut--
//!   presentation          |== segment ==|== segment ==|
//! ```
//!
//! A stream goes forward: segments that go back in the media are left out.

use super::boxes::{BoxRef, child, malformed};
use crate::media::{Malformed, Timestamp};

/// Fixed-point 1.0 of a media rate.
const NORMAL: i64 = 1 << 16;
/// Decoding what is not shown takes times too: this much, for what lies a second before the in-point.
const COMPRESSION: i64 = 1000;
/// At most this, in microseconds: what a Matroska block can tell before time zero.
const MAX_BEFORE: i64 = 30_000;

/// The edit list of a track; times in ticks of the track.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edits {
    /// In the order of their media, which is that of the presentation; at least one.
    segments: Vec<Segment>,
    timescale: u32,
    /// A time is in ticks of the movie: so much may be rounding.
    rounding: i64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    /// Media time of the in-point.
    start: i64,
    /// Media time of the out-point; nothing of it is shown.
    end: i64,
    /// Presentation time of the in-point.
    at: i64,
    /// 16.16 fixed point; 0: one picture stands still.
    rate: i64,
}

/// An edit list that was read.
pub(super) struct Read {
    pub edits: Edits,
    /// A part of it cannot be followed.
    pub incomplete: bool,
}

impl Edits {
    /// All of the media, at its own times.
    pub fn none(timescale: u32) -> Edits {
        Edits { segments: vec![Segment { start: i64::MIN, end: i64::MAX, at: i64::MIN, rate: NORMAL }], timescale, rounding: 0 }
    }

    /// The edit list of a `trak`. `fragmented`: its last segment goes on in the fragments, whatever it says.
    ///
    /// # Errors
    /// No part of the media is shown, or times are out of range.
    pub fn of(trak: BoxRef, timescale: u32, movie_timescale: u32, fragmented: bool) -> Result<Read, Malformed> {
        let entries =
            child(trak.body, b"edts").and_then(|edts| child(edts.body, b"elst")).map(|elst| entries(elst.body)).unwrap_or_default();
        let mut read = Read { edits: Edits::none(timescale), incomplete: false };
        if entries.is_empty() {
            return Ok(read);
        }
        read.edits.rounding = i64::from(timescale / movie_timescale / 2);
        read.edits.segments.clear();
        let out_of_range = || malformed("its edit list is out of range");
        let ticks = |duration: u64| i128::from(duration) * i128::from(timescale) / i128::from(movie_timescale);
        let (mut at, mut reach) = (0i128, i64::MIN);
        let last = entries.len() - 1;
        for (n, entry) in entries.into_iter().enumerate() {
            let begin = i64::try_from(at).ok().filter(|at| *at < FAR).ok_or_else(out_of_range)?;
            at += ticks(entry.duration);
            let Some(start) = entry.media_time else { continue };
            if start >= FAR {
                return Err(out_of_range());
            }
            let open = entry.duration == 0 || (fragmented && n == last);
            let length = (i128::from(entry.rate) * ticks(entry.duration)) >> 16;
            let end = match entry.rate {
                0 => start + 1,
                _ if open => i64::MAX,
                _ => i64::try_from(i128::from(start) + length).unwrap_or(i64::MAX),
            };
            if start < reach.saturating_sub(read.edits.rounding + 1) || read.edits.segments.len() >= MAX_SEGMENTS {
                read.incomplete = true;
                continue;
            }
            reach = end;
            read.edits.segments.push(Segment { start, end, at: begin, rate: entry.rate });
        }
        if read.edits.segments.is_empty() { Err(malformed("its edit list shows nothing of it")) } else { Ok(read) }
    }

    /// Everything is shown, at its own time.
    pub fn is_none(&self) -> bool {
        self.segments[0].start == i64::MIN
    }

    /// Media time of presentation time zero, as far as one number can say it.
    pub fn origin(&self) -> i64 {
        if self.is_none() { 0 } else { self.segments[0].start.saturating_sub(self.segments[0].at) }
    }

    /// Media time of the first in-point, where it is at presentation time zero.
    pub fn first_start(&self) -> Option<i64> {
        (!self.is_none() && self.segments[0].at == 0).then(|| self.segments[0].start)
    }

    /// When a picture is shown that stands at this media time and lasts so long; `None`: it was cut away. A picture of which most lies
    /// behind an in-point is the first one there.
    pub fn shown(&self, media: i64, duration: i64) -> Option<Timestamp> {
        if self.is_none() {
            return Some(self.time(media));
        }
        let after = self.segments.partition_point(|s| s.start <= media);
        let first = after.checked_sub(1).map_or(0, |last| self.segments.partition_point(|s| s.start < self.segments[last].start));
        if let Some(segment) =
            self.segments[first..after].iter().find(|s| media.saturating_add(self.rounding) < s.end || (s.rate == 0 && media < s.end))
        {
            return Some(self.time(segment.presentation(media)));
        }
        let next = self.segments.get(after)?;
        let visible = media.saturating_add(duration).saturating_sub(next.start);
        let enough = if next.rate == 0 { visible > 0 } else { visible.saturating_mul(2) >= duration.max(1) };
        enough.then(|| self.time(next.at))
    }

    /// The part of a run of samples, of one tick each, that is shown: from which one on, how many, and when.
    pub fn part(&self, media: i64, count: i64) -> Option<(i64, i64, Timestamp)> {
        if self.is_none() {
            return Some((0, count, self.time(media)));
        }
        let end = media.saturating_add(count);
        let segment = self.segments.iter().find(|s| s.end > media && s.rate == NORMAL)?;
        let (from, to) = (media.max(segment.start), end.min(segment.end));
        (from < to).then(|| (from - media, to - from, self.time(segment.presentation(from))))
    }

    /// The time of a picture that was cut away and must be decoded: just before the first that is shown after it.
    pub fn hidden(&self, media: i64) -> Timestamp {
        let after = self.segments.partition_point(|s| s.start <= media);
        let micros = |ticks: i64| self.time(ticks).micros() / COMPRESSION;
        match (self.segments.get(after), after.checked_sub(1).map(|last| &self.segments[last])) {
            (Some(next), _) => self.time(next.at) + -micros(next.start.saturating_sub(media)).clamp(1, MAX_BEFORE),
            (None, Some(last)) => self.time(last.presentation(last.end)) + micros(media.saturating_sub(last.end)).clamp(0, MAX_BEFORE),
            (None, None) => self.time(media),
        }
    }

    /// The time of audio that stands before the first in-point, at presentation time zero: decoders need some to start up.
    pub fn before(&self, media: i64) -> Timestamp {
        self.time(media.saturating_sub(self.segments[0].start))
    }

    fn time(&self, ticks: i64) -> Timestamp {
        Timestamp::from_ticks(ticks, self.timescale)
    }
}

impl Segment {
    fn presentation(&self, media: i64) -> i64 {
        if self.start == i64::MIN {
            return media;
        }
        let since = i128::from(media) - i128::from(self.start);
        let since = if self.rate == 0 { 0 } else { since * i128::from(NORMAL) / i128::from(self.rate) };
        i64::try_from(i128::from(self.at) + since).unwrap_or(i64::MAX)
    }
}

/// Times of media and presentation are below this, in ticks: longer than anything real, and additions do not overflow.
pub(super) const FAR: i64 = 1 << 60;
/// An editor makes some; more than this are left out.
const MAX_SEGMENTS: usize = 10_000;

struct Entry {
    /// In ticks of the movie.
    duration: u64,
    /// `None`: nothing is shown.
    media_time: Option<i64>,
    rate: i64,
}

/// Version, flags and a count, then entries of duration, media time (of 8 bytes each in version 1) and media rate.
fn entries(body: &[u8]) -> Vec<Entry> {
    let Some((head, table)) = body.split_first_chunk::<8>() else { return Vec::new() };
    let count = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
    let rate = |bytes: [u8; 4]| i64::from(i32::from_be_bytes(bytes));
    // A rate below zero plays backwards, which nothing here does.
    let entry = |duration, media_time: i64, rate: i64| Entry {
        duration,
        media_time: (media_time >= 0).then_some(media_time),
        rate: if rate < 0 { NORMAL } else { rate },
    };
    match head[0] {
        1 => table
            .as_chunks::<20>()
            .0
            .iter()
            .take(count)
            .map(|e| {
                let [duration, time] = [0, 8].map(|at| u64::from_be_bytes(e[at..at + 8].try_into().expect("eight bytes")));
                entry(duration, time as i64, rate([e[16], e[17], e[18], e[19]]))
            })
            .collect(),
        _ => table
            .as_chunks::<12>()
            .0
            .iter()
            .take(count)
            .map(|e| {
                let time = i32::from_be_bytes([e[4], e[5], e[6], e[7]]);
                entry(u32::from_be_bytes([e[0], e[1], e[2], e[3]]).into(), time.into(), rate([e[8], e[9], e[10], e[11]]))
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a track and a movie of 1000 ticks a second; entries of duration, media time and rate.
    fn edits(list: &[(u32, i32, f64)]) -> Result<Read, Malformed> {
        let mut elst = [vec![0; 4], (list.len() as u32).to_be_bytes().to_vec()].concat();
        for (duration, time, rate) in list {
            elst.extend(duration.to_be_bytes());
            elst.extend(time.to_be_bytes());
            elst.extend(((rate * 65536.0) as i32).to_be_bytes());
        }
        let boxed = |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes()[..], kind, body].concat();
        let edts = boxed(b"edts", &boxed(b"elst", &elst));
        Edits::of(BoxRef { kind: *b"trak", whole: &edts, body: &edts }, 1000, 1000, false)
    }

    /// Presentation times, in milliseconds, of pictures of 40 ms at these media times.
    fn shown(list: &[(u32, i32, f64)], media: &[i64]) -> Vec<Option<i64>> {
        let edits = edits(list).unwrap().edits;
        media.iter().map(|m| edits.shown(*m, 40).map(|t| t.micros() / 1000)).collect()
    }

    #[test]
    fn in_point_and_out_point() {
        let list = [(1000, 2000, 1.0)];
        assert_eq!(shown(&list, &[0, 1960, 2000, 2040, 2960, 3000]), [None, None, Some(0), Some(40), Some(960), None]);
        // Within a picture: the larger part of it decides.
        assert_eq!(shown(&[(1000, 2010, 1.0)], &[1960, 2000, 2040]), [None, Some(0), Some(30)]);
        assert_eq!(shown(&[(1000, 2030, 1.0)], &[1960, 2000, 2040]), [None, None, Some(10)]);
    }

    #[test]
    fn several_segments_and_pauses() {
        let list = [(500, -1, 1.0), (1000, 0, 1.0), (200, -1, 1.0), (1000, 4000, 1.0)];
        assert_eq!(
            shown(&list, &[0, 960, 1000, 3960, 4000, 4960, 5000]),
            [Some(500), Some(1460), None, None, Some(1700), Some(2660), None]
        );
    }

    #[test]
    fn rates() {
        assert_eq!(shown(&[(1000, 0, 2.0)], &[0, 400, 1960, 2000]), [Some(0), Some(200), Some(980), None]);
        // A picture that stands still for a second, then the film goes on.
        assert_eq!(shown(&[(400, 0, 1.0), (1000, 400, 0.0), (400, 400, 1.0)], &[360, 400, 440]), [Some(360), Some(400), Some(1440)]);
    }

    #[test]
    fn what_goes_back_is_left_out_and_said() {
        let read = edits(&[(1000, 5000, 1.0), (1000, 0, 1.0)]).unwrap();
        assert!(read.incomplete);
        assert_eq!([0, 5000].map(|m| read.edits.shown(m, 40).is_some()), [false, true]);
    }

    #[test]
    fn nothing_and_nonsense() {
        assert_eq!(shown(&[], &[-40, 0, 40]), [Some(-40), Some(0), Some(40)]);
        assert!(edits(&[(1000, -1, 1.0)]).is_err());
        assert_eq!(shown(&[(0, 1000, 1.0)], &[0, 1000, 9_000_000]), [None, Some(0), Some(8_999_000)], "no duration: to the end");
        let far =
            Edits { segments: vec![Segment { start: FAR - 1, end: i64::MAX, at: FAR - 1, rate: 1 }], timescale: 1, rounding: i64::MAX };
        for media in [i64::MIN, -1, 0, FAR, i64::MAX] {
            _ = (far.shown(media, i64::MAX), far.hidden(media), far.before(media), far.part(media, i64::MAX));
        }
    }

    #[test]
    fn hidden_pictures_keep_their_order_just_before_the_first_shown() {
        let edits = edits(&[(1000, 2000, 1.0), (1000, 4000, 1.0)]).unwrap().edits;
        let times: Vec<_> = [0, 40, 1960, 3000, 3960, 5000, 5040].map(|m| edits.hidden(m).micros()).to_vec();
        assert_eq!(times, [-2000, -1960, -40, 999_000, 999_960, 2_000_000, 2_000_040]);
    }

    #[test]
    fn sound_is_cut_to_the_sample() {
        let edits = edits(&[(100, 50, 1.0)]).unwrap().edits;
        assert_eq!(edits.part(0, 40), None);
        assert_eq!(edits.part(40, 40), Some((10, 30, Timestamp(0))));
        assert_eq!(edits.part(120, 40), Some((0, 30, Timestamp(70_000))));
        assert_eq!(edits.part(150, 40), None);
    }
}
