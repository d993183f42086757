//! The index of a day: what each recording is, so that not all of them have to be read at a start. A line for each that was closed. Pure.
//!
//! ```text
//! 18-20-00.000Z.mp4 600033000 75012345 8e1f33a0
//! name, microseconds, bytes, and a hash of the three
//! ```
//! A line is believed only if the file has this size. So a lost, torn or wrong index costs time, and nothing else.

use super::name::Start;
use std::time::Duration;

/// Its name in the folder of the day.
pub const FILE: &str = "index";

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    pub start: Start,
    pub duration: Duration,
    pub size: u64,
}

impl Line {
    /// With its line break.
    pub fn text(&self) -> String {
        let line = format!("{} {} {}", self.start.file(), self.duration.as_micros(), self.size);
        format!("{line} {:08x}\n", hash(&line))
    }

    fn parse(day: &str, line: &str) -> Option<Line> {
        let (line, sum) = line.rsplit_once(' ')?;
        if u32::from_str_radix(sum, 16) != Ok(hash(line)) {
            return None;
        }
        let mut fields = line.split(' ');
        let start = Start::parse(day, fields.next()?)?;
        let duration = Duration::from_micros(fields.next()?.parse().ok()?);
        let size = fields.next()?.parse().ok()?;
        fields.next().is_none().then_some(Line { start, duration, size })
    }
}

/// All lines that are whole. The last one about a recording counts.
pub fn parse<'t>(day: &'t str, text: &'t str) -> impl Iterator<Item = Line> + 't {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).filter_map(move |line| Line::parse(day, line))
}

/// FNV-1a of 32 bits: against damage, not against intent.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::WallTime;

    #[test]
    fn damaged_lines_are_passed_over() {
        let line = |n: i64| Line {
            start: Start::at(WallTime(1_795_717_200_000_000 + n * 600_000_000)),
            duration: Duration::from_micros(599_999_000 + n as u64),
            size: 75_000_000 * n as u64,
        };
        let whole: String = (0..3).map(|n| line(n).text()).collect();
        let read = |text: &str| parse("2026-11-26", text).collect::<Vec<_>>();
        assert_eq!(read(&whole), [line(0), line(1), line(2)]);
        for cut in 0..whole.len() {
            let found = read(&whole[..cut]);
            assert_eq!(found, [line(0), line(1), line(2)][..found.len()], "{cut}");
            let changed = [&whole[..cut], "7", &whole[cut + 1..]].concat();
            let known = [line(0), line(1), line(2)];
            assert!(read(&changed).iter().all(|line| known.contains(line)), "{changed}");
        }
    }
}
