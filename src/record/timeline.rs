//! What there is of a stream, as spans of time: recordings that follow each other are one. Pure.

use super::catalogue::Recording;
use crate::media::WallTime;

/// Recordings with less than this between them are one span, in microseconds.
const JOINED: i64 = 1_000_000;
/// More spans are not told: the smallest gaps are closed first. A thousand are 100 KB of JSON, and finer than a month on any screen.
pub const MAX_SPANS: usize = 1000;

/// Time of which all was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it begins,
    pub from: WallTime,
    /// and when it ends.
    pub to: WallTime,
    /// In bytes.
    pub size: u64,
    /// So many files.
    pub recordings: usize,
}

/// The spans of recordings, which come in the order in which they begin; `most` at most.
pub fn spans(recordings: &[Recording], most: usize) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for one in recordings {
        let span = Span { from: one.start.wall(), to: one.end(), size: one.size, recordings: 1 };
        match spans.last_mut() {
            Some(last) if span.from.0 - last.to.0 < JOINED => join(last, span),
            _ => spans.push(span),
        }
    }
    if spans.len() > most.max(1) {
        let mut gaps: Vec<i64> = spans.windows(2).map(|two| two[1].from.0 - two[0].to.0).collect();
        // So many gaps stay: those that are larger than this.
        let (_, limit, _) = gaps.select_nth_unstable_by(spans.len() - most.max(1) - 1, i64::cmp);
        let limit = *limit;
        let mut fewer: Vec<Span> = Vec::new();
        for span in spans {
            match fewer.last_mut() {
                Some(last) if span.from.0 - last.to.0 <= limit => join(last, span),
                _ => fewer.push(span),
            }
        }
        return fewer;
    }
    spans
}

fn join(last: &mut Span, next: Span) {
    last.to = last.to.max(next.to);
    last.size += next.size;
    last.recordings += next.recordings;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Start;
    use std::time::Duration;

    fn one(seconds: i64, length: u64) -> Recording {
        Recording { start: Start::at(WallTime(seconds * 1_000_000)), duration: Duration::from_secs(length), size: 10, open: false }
    }

    fn told(recordings: &[Recording], most: usize) -> Vec<(i64, i64, usize)> {
        let seconds = |time: WallTime| time.0 / 1_000_000;
        spans(recordings, most).iter().map(|span| (seconds(span.from), seconds(span.to), span.recordings)).collect()
    }

    #[test]
    fn what_follows_is_one_span() {
        let all = [one(0, 10), one(10, 10), one(25, 5), one(31, 5), one(100, 10), one(105, 1)];
        assert_eq!(told(&all, 9), [(0, 20, 2), (25, 30, 1), (31, 36, 1), (100, 110, 2)]);
        assert_eq!(told(&all, 3), [(0, 20, 2), (25, 36, 2), (100, 110, 2)]);
        assert_eq!((told(&all, 1), told(&[], 9)), (vec![(0, 110, 6)], vec![]));
    }

    /// A month of ten minutes each, with a gap after each: what the worst camera leaves.
    #[test]
    fn a_month_is_told_in_a_moment() {
        let all: Vec<_> = (0..30 * 144).map(|n| one(n * 600, 590 + n as u64 % 7)).collect();
        let begun = std::time::Instant::now();
        let found = spans(&all, MAX_SPANS);
        assert!(found.len() <= MAX_SPANS && found.iter().map(|span| span.recordings).sum::<usize>() == all.len());
        assert!(begun.elapsed() < Duration::from_millis(200), "{:?}", begun.elapsed());
    }
}
