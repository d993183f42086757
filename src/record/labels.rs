//! Which time of the day a recording gets, whatever happens to the clock. Pure.
//!
//! Within a recording time is that of the stream, so a step of the clock changes nothing in it. Where the stream goes on, so do the labels: the next
//! recording begins where the last one ends, as long as the clock agrees to [`DRIFT`]. A clock that was set back by less than [`SMALL`] does not make two
//! recordings of one time: labels go on from the last end, and are ahead by so much. After a larger step the clock is right and the recordings before it
//! were wrong: labels follow it at once. A name that is taken is never taken again.

use crate::media::WallTime;

/// By so much labels and clock may differ while a stream runs on, in microseconds: clocks of cameras are not those of machines.
const DRIFT: i64 = 200_000;
/// By so much a clock may be set back before labels follow it, in microseconds.
const SMALL: i64 = 60_000_000;

/// When a recording begins. `now`: when its first picture was captured, as the clock says; `expected`: where it would go on without a gap; `last`: the end of
/// the newest recording that there is.
pub fn begin(now: WallTime, expected: Option<WallTime>, last: Option<WallTime>) -> WallTime {
    if let Some(expected) = expected.filter(|expected| (-SMALL..=DRIFT).contains(&(now.0.saturating_sub(expected.0)))) {
        return expected;
    }
    match last {
        Some(last) if last > now && last.0.saturating_sub(now.0) <= SMALL => last,
        _ => now,
    }
}

/// The clock has moved so far away from the labels that the next recording has to begin.
pub fn is_off(now: WallTime, expected: WallTime) -> bool {
    !(-SMALL..=10 * DRIFT).contains(&now.0.saturating_sub(expected.0))
}

/// When a picture was captured: as the stream says it, if that is near to the clock here, else the time of its arrival.
pub fn captured(told: Option<WallTime>, arrived: WallTime) -> WallTime {
    told.filter(|told| told.0.abs_diff(arrived.0) <= SMALL as u64).unwrap_or(arrived)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    #[test]
    fn labels_go_on_while_the_stream_does() {
        let at = |seconds: i64| WallTime(1_795_717_200 * S + seconds * S);
        let exact = |micros: i64| WallTime(at(600).0 + micros);
        for (now, expected, last, begins, why) in [
            (at(600), None, None, at(600), "the first"),
            (exact(90_000), Some(at(600)), Some(at(600)), at(600), "no gap where there is none"),
            (exact(900_000), Some(at(600)), Some(at(600)), exact(900_000), "a clock that runs away is followed"),
            (at(599), Some(at(600)), Some(at(600)), at(600), "set back by a second"),
            (at(570), None, Some(at(600)), at(600), "and stopped in between"),
            (at(-3000), Some(at(600)), Some(at(600)), at(-3000), "set back by an hour"),
            (at(87_000), Some(at(600)), Some(at(600)), at(87_000), "set forward by a day"),
            (at(5000), None, Some(at(600)), at(5000), "a gap is a gap"),
        ] {
            assert_eq!(begin(now, expected, last), begins, "{why}");
        }
        assert!(!is_off(at(600), at(600)) && !is_off(at(550), at(600)) && is_off(at(603), at(600)) && is_off(at(500), at(600)));
    }

    #[test]
    fn a_stream_that_tells_another_day_is_not_believed() {
        let now = WallTime(1_795_717_200 * S);
        assert_eq!(captured(Some(WallTime(now.0 - S)), now), WallTime(now.0 - S));
        assert_eq!((captured(Some(WallTime(0)), now), captured(None, now)), (now, now));
        assert_eq!(captured(Some(WallTime(i64::MIN)), now), now);
    }
}
