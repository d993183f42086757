//! The main header: how frames are written in this file; and the packets around it.

use super::syntax::Fields;
use crate::media::{MAX_TRACKS, Rate};
use bytes::Bytes;

/// Frame flags.
pub mod flag {
    pub const KEY: u64 = 1;
    pub const CODED_PTS: u64 = 8;
    pub const STREAM_ID: u64 = 16;
    pub const SIZE_MSB: u64 = 32;
    pub const CHECKSUM: u64 = 64;
    pub const RESERVED: u64 = 128;
    pub const SM_DATA: u64 = 256;
    pub const HEADER_IDX: u64 = 1024;
    pub const MATCH_TIME: u64 = 2048;
    pub const CODED: u64 = 4096;
    pub const INVALID: u64 = 8192;
}

/// Higher versions are not known.
const MAX_VERSION: u64 = 4;
/// Each takes two numbers in the header; files have one for each stream.
const MAX_TIME_BASES: u64 = 1024;

/// What a main header says.
#[derive(Clone, Debug, PartialEq)]
pub struct Main {
    pub streams: usize,
    /// Frames of more than twice this length have a checksum.
    pub max_distance: u64,
    time_bases: Vec<TimeBase>,
    pub codes: Vec<FrameCode>,
    /// What the data of small frames may begin with, without being written.
    pub elisions: Vec<Bytes>,
}

/// Seconds in a tick, as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBase {
    num: u64,
    den: u64,
}

/// What the first byte of a frame says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameCode {
    pub flags: u64,
    pub stream: u64,
    pub size_mul: u64,
    pub size_lsb: u64,
    pub pts_delta: i64,
    pub reserved: u64,
    pub header_idx: u64,
}

impl Main {
    /// The data of a main header packet.
    pub fn parse(data: &[u8]) -> Option<Main> {
        let mut f = Fields::new(data);
        let version = f.number().filter(|version| (2..=MAX_VERSION).contains(version))?;
        if version > 3 {
            f.number()?;
        }
        let streams = f.number().filter(|n| (1..=MAX_TRACKS as u64).contains(n))? as usize;
        let max_distance = f.number()?;
        let count = f.number().filter(|n| (1..=MAX_TIME_BASES).contains(n))?;
        let time_bases = (0..count).map(|_| TimeBase::read(&mut f)).collect::<Option<Vec<_>>>()?;
        let codes = frame_codes(&mut f)?;
        let mut elisions = vec![Bytes::new()];
        // Files of old versions end here.
        for _ in 0..f.number().unwrap_or(0) {
            if elisions.len() > 128 {
                return None;
            }
            elisions.push(Bytes::copy_from_slice(f.bytes().filter(|bytes| bytes.len() <= 256)?));
        }
        Some(Main { streams, max_distance, time_bases, codes, elisions })
    }

    pub fn time_base(&self, id: u64) -> Option<TimeBase> {
        self.time_bases.get(usize::try_from(id).ok()?).copied()
    }

    /// `t`: a time and its time base in one number.
    pub fn time(&self, value: u64) -> Option<(u64, TimeBase)> {
        let count = self.time_bases.len() as u64;
        Some((value / count, self.time_base(value % count)?))
    }
}

impl TimeBase {
    fn read(f: &mut Fields<'_>) -> Option<TimeBase> {
        let (num, den) = (f.number()?, f.number()?);
        ((1..1 << 31).contains(&num) && (1..1 << 31).contains(&den)).then_some(TimeBase { num, den })
    }

    /// To the nearest microsecond.
    pub fn micros(self, ticks: i64) -> i64 {
        let (num, den) = (i128::from(self.num) * 1_000_000, i128::from(self.den));
        let half = if ticks < 0 { -den / 2 } else { den / 2 };
        // 63 + 31 + 20 bits.
        ((i128::from(ticks) * num + half) / den).clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// A time in this base, of `ticks` in another, rounded down.
    pub fn of(self, ticks: u64, other: TimeBase) -> i64 {
        let (num, den) = (u128::from(other.num) * u128::from(self.den), u128::from(other.den) * u128::from(self.num));
        // A tick of at least 2^-31 s and a time of 64 bits can be more than there is room for; no stream has it.
        let value = u128::from(ticks).checked_mul(num).map_or(u128::MAX, |value| value / den);
        i64::try_from(value).unwrap_or(i64::MAX)
    }
}

/// The table of the 256 frame codes, in runs.
fn frame_codes(f: &mut Fields<'_>) -> Option<Vec<FrameCode>> {
    let mut codes: Vec<FrameCode> = Vec::with_capacity(256);
    let invalid = FrameCode { flags: flag::INVALID, stream: 0, size_mul: 1, size_lsb: 0, pts_delta: 0, reserved: 0, header_idx: 0 };
    // Fields that are not given are as in the run before.
    let mut run = invalid;
    while codes.len() < 256 {
        run.flags = f.number()?;
        let fields = f.number()?;
        run.pts_delta = if fields > 0 { f.signed()? } else { run.pts_delta };
        run.size_mul = if fields > 1 { f.number()? } else { run.size_mul };
        run.stream = if fields > 2 { f.number()? } else { run.stream };
        let size = if fields > 3 { f.number()? } else { 0 };
        run.reserved = if fields > 4 { f.number()? } else { 0 };
        let count = if fields > 5 { f.number()? } else { run.size_mul.checked_sub(size)? };
        if fields > 6 {
            f.signed()?;
        }
        run.header_idx = if fields > 7 { f.number()? } else { run.header_idx };
        for _ in 8..fields {
            f.number()?;
        }
        let mut written = 0;
        while written < count && codes.len() < 256 {
            if codes.len() == usize::from(b'N') {
                codes.push(invalid);
                continue;
            }
            codes.push(FrameCode { size_lsb: size.checked_add(written)?, ..run });
            written += 1;
        }
        // A run of none would have no end.
        if count == 0 && f.at > 1 << 16 {
            return None;
        }
    }
    Some(codes)
}

/// The frame rate that an info packet tells: of which stream, and how many.
pub fn frame_rate(data: &[u8]) -> Option<(u64, Rate)> {
    let mut f = Fields::new(data);
    let stream = f.number()?.checked_sub(1)?;
    f.signed()?;
    f.number()?;
    f.number()?;
    for _ in 0..f.number()? {
        let name = f.bytes()?;
        let text = match f.signed()? {
            -1 => Some(f.bytes()?),
            -2 => {
                f.bytes()?;
                Some(f.bytes()?)
            }
            -3 => f.signed().map(|_| None)?,
            -4 => f.number().map(|_| None)?,
            kind if kind < -4 => f.signed().map(|_| None)?,
            _ => None,
        };
        if let (b"r_frame_rate", Some(text)) = (name, text) {
            let (num, den) = std::str::from_utf8(text).ok()?.split_once('/')?;
            return Some((stream, Rate::new(num.trim().parse().ok()?, den.trim().parse().ok()?)?));
        }
    }
    None
}

/// What stands before the data of a frame with [`flag::SM_DATA`]: two tables of side data and of metadata.
pub fn side_data(data: &[u8]) -> Option<usize> {
    let mut f = Fields::new(data);
    for _ in 0..2 {
        for _ in 0..f.number()? {
            f.bytes()?;
            match f.signed()? {
                -1 => drop(f.bytes()?),
                -2 => {
                    f.bytes()?;
                    f.bytes()?;
                }
                -3 => drop(f.signed()?),
                -4 => drop(f.number()?),
                kind if kind < -4 => drop(f.signed()?),
                _ => {}
            }
        }
    }
    Some(f.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_bases() {
        let base = TimeBase { num: 1, den: 51_200 };
        assert_eq!((base.micros(2048), base.micros(-1), base.micros(i64::MAX)), (40_000, -20, i64::MAX));
        let other = TimeBase { num: 1, den: 48_000 };
        assert_eq!(base.of(48_001, other), 51_201);
        assert_eq!(TimeBase { num: 1, den: 1 << 30 }.of(u64::MAX, TimeBase { num: 1 << 30, den: 1 }), i64::MAX);
    }

    #[test]
    fn rates() {
        let info = b"\x01\0\0\0\x02\x05other\x0d\x0cr_frame_rate\x02\x0530000/1001";
        assert_eq!(frame_rate(info), None, "cut in the middle of a number");
        let info = b"\x01\0\0\0\x02\x05other\x0d\x0cr_frame_rate\x02\x0a30000/1001";
        assert_eq!(frame_rate(info), Some((0, Rate::new(30_000, 1001).unwrap())));
        for cut in 0..info.len() {
            assert_eq!(frame_rate(&info[..cut]), None);
        }
    }
}
