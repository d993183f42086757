//! Names of recordings: `2026-11-26/18-20-00.000Z.mp4`, the UTC at which one begins. Pure.

use crate::media::WallTime;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// A recording that was begun, but not synced yet, has this behind its name.
pub const NEW: &str = ".new";

/// The name of a file that is not synced yet.
pub fn new(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(NEW);
    name.into()
}

/// A moment as a name has it, in milliseconds since 1970 by UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Start(i64);

/// The last that has a name: 9999-12-30.
const LAST: i64 = 253_402_128_000_000;

impl Start {
    /// The first moment at this time or after it that a name can have.
    pub fn at(time: WallTime) -> Start {
        Start(time.0.div_euclid(1000).saturating_add(i64::from(time.0.rem_euclid(1000) > 0)).clamp(0, LAST))
    }

    /// The next one.
    pub fn next(self) -> Start {
        Start((self.0 + 1).min(LAST))
    }

    /// The time that it stands for.
    pub fn wall(self) -> WallTime {
        WallTime(self.0 * 1000)
    }

    /// Of the folder.
    pub fn day(self) -> String {
        self.civil().date().to_string()
    }

    /// Of the file in it.
    pub fn file(self) -> String {
        let time = self.civil();
        format!("{:02}-{:02}-{:02}.{:03}Z.mp4", time.hour(), time.minute(), time.second(), time.millisecond())
    }

    fn civil(self) -> DateTime {
        let time = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        TimeZone::UTC.to_datetime(time)
    }

    /// `None`: these are no names of ours.
    pub fn parse(day: &str, file: &str) -> Option<Start> {
        let (hour, rest) = file.strip_suffix("Z.mp4")?.split_once('-')?;
        let (minute, rest) = rest.split_once('-')?;
        let (second, milli) = rest.split_once('.')?;
        let fields = [(hour, 2), (minute, 2), (second, 2), (milli, 3)];
        if !is_day(day) || !fields.iter().all(|(text, length)| text.len() == *length && text.bytes().all(|b| b.is_ascii_digit())) {
            return None;
        }
        let time: jiff::Timestamp = format!("{day}T{hour}:{minute}:{second}.{milli}Z").parse().ok()?;
        let start = Start(time.as_millisecond());
        // A leap second is read as the second before it.
        ((0..=LAST).contains(&start.0) && start.file() == file).then_some(start)
    }
}

/// Whether a stream of this name can be recorded: 1 to 64 letters, digits, `-` and `_`, as the streams of a server.
pub fn allows(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Whether a folder may be that of a day.
pub fn is_day(name: &str) -> bool {
    name.len() == 10 && name.bytes().enumerate().all(|(n, b)| if matches!(n, 4 | 7) { b == b'-' } else { b.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_moments() {
        let start = Start::at(WallTime(1_795_717_200_000_000));
        assert_eq!((start.day(), start.file()), ("2026-11-26".into(), "18-20-00.000Z.mp4".into()));
        for time in [0, 1, 999, 1000, 1_795_717_200_123_456, i64::MAX, -5] {
            let start = Start::at(WallTime(time));
            assert_eq!(Start::parse(&start.day(), &start.file()), Some(start), "{time}");
            assert!(!(0..LAST).contains(&time) || (0..1000).contains(&(start.wall().0 - time)), "{time}");
        }
        assert!(Start::at(WallTime(i64::MAX)).next() == Start::at(WallTime(i64::MAX)));
    }

    #[test]
    fn what_is_no_name() {
        for (day, file) in [
            ("2026-11-26", "18-20-00.000Z.mp4.new"),
            ("2026-11-26", "index"),
            ("2026-11-26", "18-20-60.000Z.mp4"),
            ("2026-11-26", "24-00-00.000Z.mp4"),
            ("2026-11-26", "1-20-00.000Z.mp4"),
            ("2026-11-26", "18-20-00.0Z.mp4"),
            ("2026-13-26", "18-20-00.000Z.mp4"),
            ("1969-11-26", "18-20-00.000Z.mp4"),
            ("today", "18-20-00.000Z.mp4"),
        ] {
            assert_eq!(Start::parse(day, file), None, "{day} {file}");
        }
        assert!(is_day("2026-11-26") && !is_day("2026-11-2x") && !is_day("..") && !is_day("2026/11/26"));
    }
}
