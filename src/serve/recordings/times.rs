//! Moments as a query has them: RFC 3339, or so long before now. Pure.

use crate::media::WallTime;
use std::borrow::Cow;

/// `2026-11-26T18:20:00Z`, `2026-11-26T20:20:00.5+02:00`, `-10s`, `-1.5m`, `-2h`, `-7d`, `now`.
pub fn moment(text: &str, now: WallTime) -> Option<WallTime> {
    if text == "now" {
        return Some(now);
    }
    if let Some(back) = text.strip_prefix('-') {
        return Some(WallTime(now.0.saturating_sub(micros(back)?)));
    }
    // In a query a plus that was not escaped is a space.
    let text = if text.contains(' ') { Cow::Owned(text.replace(' ', "+")) } else { Cow::Borrowed(text) };
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(WallTime(time.as_microsecond()))
}

fn micros(text: &str) -> Option<i64> {
    let (number, unit) = match text.char_indices().last()? {
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3600.0),
        (at, 'd') => (&text[..at], 86_400.0),
        _ => (text, 1.0),
    };
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = number.parse::<f64>().ok().filter(|n| plain && *n <= 1e9)? * unit;
    Some((seconds * 1e6) as i64)
}

/// As RFC 3339 writes it, to the millisecond.
pub fn text(time: WallTime) -> String {
    let time = jiff::Timestamp::from_microsecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

/// The same to the microsecond: a picture may begin between two milliseconds.
pub fn exact(time: WallTime) -> String {
    let time = jiff::Timestamp::from_microsecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.6}")
}

/// As a part of a file's name.
pub fn in_name(time: WallTime) -> String {
    text(WallTime(time.0 - time.0.rem_euclid(1_000_000))).replace(".000Z", "Z").replace(':', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now = WallTime(1_795_717_200_000_000);
        let ago = |micros: i64| Some(WallTime(now.0 - micros));
        for (text, wanted) in [
            ("2026-11-26T18:20:00Z", ago(0)),
            ("2026-11-26T18:19:59.75Z", ago(250_000)),
            ("2026-11-26T20:20:00+02:00", ago(0)),
            ("2026-11-26T20:20:00 02:00", ago(0)),
            ("now", ago(0)),
            ("-10s", ago(10_000_000)),
            ("-10", ago(10_000_000)),
            ("-1.5m", ago(90_000_000)),
            ("-1h", ago(3_600_000_000)),
            ("-1d", ago(86_400_000_000)),
        ] {
            assert_eq!(moment(text, now), wanted, "{text}");
        }
        for wrong in ["", "-", "-s", "-1e3", "--1", "-inf", "-nan", "-1w", "-1.2.3", "2026-11-26", "18:20", "-99999999999", "-é", "1"] {
            assert_eq!(moment(wrong, now), None, "{wrong}");
        }
    }

    #[test]
    fn written() {
        let time = WallTime(1_795_717_200_250_000);
        assert_eq!((text(time), in_name(time)), ("2026-11-26T18:20:00.250Z".into(), "2026-11-26T18-20-00Z".into()));
    }
}
