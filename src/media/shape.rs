//! How a picture is to be shown: which way up, and how wide its pixels are.

use std::fmt;

/// How a stored picture is brought upright: it is mirrored left to right where that is said, and then turned clockwise by quarter
/// turns. There are eight of them, as in EXIF and as the matrices of a `tkhd` that have no slant:
///
/// | EXIF | mirrored | quarter turns | matrix `a b c d` |
/// |---|---|---|---|
/// | 1 | no | 0 | 1 0 0 1 |
/// | 2 | yes | 0 | -1 0 0 1 |
/// | 3 | no | 2 | -1 0 0 -1 |
/// | 4 | yes | 2 | 1 0 0 -1 |
/// | 5 | yes | 3 | 0 1 1 0 |
/// | 6 | no | 1 | 0 1 -1 0 |
/// | 7 | yes | 1 | 0 -1 -1 0 |
/// | 8 | no | 3 | 0 -1 1 0 |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Orientation {
    mirrored: bool,
    /// 0 to 3.
    turns: u8,
}

impl Orientation {
    /// It is upright as it is stored.
    pub const UPRIGHT: Orientation = Orientation { mirrored: false, turns: 0 };

    /// All eight, in the order of EXIF.
    pub const ALL: [Orientation; 8] = [
        Orientation { mirrored: false, turns: 0 },
        Orientation { mirrored: true, turns: 0 },
        Orientation { mirrored: false, turns: 2 },
        Orientation { mirrored: true, turns: 2 },
        Orientation { mirrored: true, turns: 3 },
        Orientation { mirrored: false, turns: 1 },
        Orientation { mirrored: true, turns: 1 },
        Orientation { mirrored: false, turns: 3 },
    ];

    /// Mirrored left to right first, if so, then turned clockwise by so many quarter turns.
    pub fn new(mirrored: bool, turns: u8) -> Orientation {
        Orientation { mirrored, turns: turns % 4 }
    }

    /// Whether the picture is mirrored left to right, before it is turned.
    pub fn mirrored(self) -> bool {
        self.mirrored
    }

    /// Clockwise quarter turns, 0 to 3.
    pub fn turns(self) -> u8 {
        self.turns
    }

    /// Pictures are shown as they are stored.
    pub fn is_upright(self) -> bool {
        self == Orientation::UPRIGHT
    }

    /// Width and height are exchanged.
    pub fn swaps_sides(self) -> bool {
        self.turns % 2 == 1
    }

    /// The value of EXIF's tag Orientation, 1 to 8; `None` for others.
    pub fn from_exif(value: u16) -> Option<Orientation> {
        Orientation::ALL.get(usize::from(value).checked_sub(1)?).copied()
    }

    /// The value of EXIF's tag Orientation.
    pub fn exif(self) -> u8 {
        let place = Orientation::ALL.iter().position(|o| *o == self).expect("all eight are in the table");
        place as u8 + 1
    }

    /// Turned clockwise by a number of degrees that is a multiple of 90 but for a tenth of a degree; `None` for others.
    pub fn from_degrees(mirrored: bool, clockwise: f64) -> Option<Orientation> {
        let turns = (clockwise / 90.0).round();
        let near = clockwise.is_finite() && (turns * 90.0 - clockwise).abs() < 0.1;
        near.then(|| Orientation::new(mirrored, turns.rem_euclid(4.0) as u8))
    }

    /// The matrix `[a, b, c, d]` of ones and zeros: a point (x, y), y down, goes to (ax + cy, bx + dy).
    pub fn matrix(self) -> [i32; 4] {
        let side = if self.mirrored { -1 } else { 1 };
        match self.turns {
            0 => [side, 0, 0, 1],
            1 => [0, side, -1, 0],
            2 => [-side, 0, 0, -1],
            _ => [0, -side, 1, 0],
        }
    }

    /// The orientation of a matrix `[a, b, c, d]`, whatever it scales by. `None` for one that turns by no quarter: by less than
    /// a degree off is taken for rounding.
    pub fn from_matrix(matrix: [i32; 4]) -> Option<Orientation> {
        let small = |this: i32, beside: i32| u64::from(this.unsigned_abs()) * 64 <= u64::from(beside.unsigned_abs());
        let [a, b, c, d] = matrix;
        let signs = if a != 0 && d != 0 && small(b, a) && small(c, d) {
            [a.signum(), 0, 0, d.signum()]
        } else if b != 0 && c != 0 && small(a, b) && small(d, c) {
            [0, b.signum(), c.signum(), 0]
        } else {
            return None;
        };
        Orientation::ALL.into_iter().find(|o| o.matrix() == signs)
    }

    /// This one first, then `next`.
    pub fn then(self, next: Orientation) -> Orientation {
        // A mirror behind a turn is the same as one before the turn the other way round.
        let turns = if next.mirrored { 4 - self.turns } else { self.turns };
        Orientation::new(self.mirrored != next.mirrored, next.turns + turns)
    }

    /// The size of a picture of this size when it is upright.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        if self.swaps_sides() { (height, width) } else { (width, height) }
    }
}

/// Width to height of one stored pixel, in lowest terms; 1:1 where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SampleAspect {
    num: u32,
    den: u32,
}

impl Default for SampleAspect {
    fn default() -> SampleAspect {
        SampleAspect::SQUARE
    }
}

impl SampleAspect {
    /// Pixels as wide as they are high.
    pub const SQUARE: SampleAspect = SampleAspect { num: 1, den: 1 };

    /// Neither side is larger: what H.264 and MP4 readers have room for.
    const MAX: u64 = 65_535;
    /// Pixels that are wider or higher than this are damage.
    const EXTREME: u64 = 100;

    /// `num` to `den`; a fraction of larger numbers becomes the nearest with two of 16 bits. `None` for what is no shape: a side
    /// of 0, or over a hundred to one.
    pub fn new(num: u64, den: u64) -> Option<SampleAspect> {
        let (wide, high) = (num > den.saturating_mul(SampleAspect::EXTREME), den > num.saturating_mul(SampleAspect::EXTREME));
        if num == 0 || den == 0 || wide || high {
            return None;
        }
        let (num, den) = nearest(num, den, SampleAspect::MAX);
        Some(SampleAspect { num: num as u32, den: den as u32 })
    }

    /// The shape of a pixel when `stored` pixels are shown on a surface of the shape `shown`.
    pub fn of_sizes(stored: (u32, u32), shown: (u64, u64)) -> Option<SampleAspect> {
        let (num, den) = (shown.0.checked_mul(stored.1.into())?, shown.1.checked_mul(stored.0.into())?);
        SampleAspect::new(num, den)
    }

    /// The width of a pixel, in parts.
    pub fn num(self) -> u32 {
        self.num
    }

    /// The height of a pixel, in the same parts.
    pub fn den(self) -> u32 {
        self.den
    }

    /// Pixels are as wide as they are high.
    pub fn is_square(self) -> bool {
        self == SampleAspect::SQUARE
    }

    /// The shape of the pixels of a picture after it was brought upright.
    pub fn turned(self, orientation: Orientation) -> SampleAspect {
        if orientation.swaps_sides() { SampleAspect { num: self.den, den: self.num } } else { self }
    }

    /// A picture of this size with square pixels: the side that is too short grows, as HTML wants it.
    pub fn size(self, width: u32, height: u32) -> (u32, u32) {
        let grown = |side: u32, num: u32, den: u32| (u64::from(side) * u64::from(num) / u64::from(den)) as u32;
        if self.num >= self.den { (grown(width, self.num, self.den), height) } else { (width, grown(height, self.den, self.num)) }
    }
}

impl fmt::Display for SampleAspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.num, self.den)
    }
}

/// The last convergent of a fraction's continued fraction with both numbers up to `max`; the fraction itself in lowest terms, where
/// that is small enough.
fn nearest(num: u64, den: u64, max: u64) -> (u64, u64) {
    let (mut left, mut right) = (num, den);
    let (mut before, mut now) = ((0u64, 1u64), (1u64, 0u64));
    while right != 0 {
        let whole = left / right;
        let next = |a: u64, b: u64| whole.checked_mul(b).and_then(|n| n.checked_add(a)).filter(|n| *n <= max);
        let Some(new) = next(before.0, now.0).zip(next(before.1, now.1)) else { break };
        (before, now) = (now, new);
        (left, right) = (right, left % right);
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a point goes about the middle of a picture.
    fn apply(o: Orientation, (x, y): (i32, i32)) -> (i32, i32) {
        let [a, b, c, d] = o.matrix();
        (a * x + c * y, b * x + d * y)
    }

    #[test]
    fn exif_and_matrices_are_the_same_eight() {
        // Where EXIF says that the stored picture's first row and first column are (table 10 of EXIF 2.32): the point up and left
        // of the middle, and the one above it on the same row.
        let expected = [(-2, -1), (2, -1), (2, 1), (-2, 1), (-1, -2), (1, -2), (1, 2), (-1, 2)];
        for (value, corner) in (1..).zip(expected) {
            let o = Orientation::from_exif(value).unwrap();
            assert_eq!(apply(o, (-2, -1)), corner, "EXIF {value}");
            assert_eq!((o.exif(), Orientation::from_matrix(o.matrix())), (value as u8, Some(o)));
            assert_eq!(Orientation::from_matrix(o.matrix().map(|n| n * 65_536)), Some(o));
            assert_eq!(o.swaps_sides(), value >= 5);
        }
        assert_eq!((Orientation::from_exif(0), Orientation::from_exif(9)), (None, None));
    }

    #[test]
    fn one_after_the_other() {
        for first in Orientation::ALL {
            for next in Orientation::ALL {
                let both = first.then(next);
                for point in [(-2, -1), (3, 1)] {
                    assert_eq!(apply(both, point), apply(next, apply(first, point)), "{first:?} then {next:?}");
                }
            }
        }
    }

    #[test]
    fn matrices_that_are_no_quarter_turn_are_none() {
        for matrix in [[0; 4], [1, 0, 0, 0], [46341, 46341, -46341, 46341], [0, 1, 0, 0], [i32::MIN, i32::MIN, 1, 1]] {
            assert_eq!(Orientation::from_matrix(matrix), None, "{matrix:?}");
        }
        assert_eq!(Orientation::from_matrix([70_000, 3, -2, 65_536]), Some(Orientation::UPRIGHT));
        assert_eq!(Orientation::from_matrix([i32::MIN, 0, 0, i32::MIN]), Some(Orientation::new(false, 2)));
    }

    #[test]
    fn degrees() {
        for (degrees, turns) in [(0.0, 0), (90.0, 1), (-90.0, 3), (180.0, 2), (-180.0, 2), (270.05, 3), (720.0, 0)] {
            assert_eq!(Orientation::from_degrees(false, degrees), Some(Orientation::new(false, turns)), "{degrees}");
        }
        for odd in [45.0, f64::NAN, f64::INFINITY, 89.0] {
            assert_eq!(Orientation::from_degrees(false, odd), None);
        }
    }

    #[test]
    fn aspects_are_reduced_bounded_and_never_degenerate() {
        let of = |num, den| SampleAspect::new(num, den).map(|a| (a.num(), a.den()));
        assert_eq!(of(20, 14), Some((10, 7)));
        assert_eq!(of(229 * 120, 160 * 120), Some((229, 160)));
        assert_eq!(of(1 << 40, 1 << 40), Some((1, 1)));
        assert_eq!(of(u64::MAX, u64::MAX - 1), Some((1, 1)));
        // Beyond 16 bits: the nearest that has room.
        let (num, den) = of(100_003, 70_001).unwrap();
        assert!(num <= 65_535 && (f64::from(num) / f64::from(den) - 100_003.0 / 70_001.0).abs() < 1e-6);
        for none in [(0, 0), (0, 1), (1, 0), (101, 1), (1, 101), (u64::MAX, 1)] {
            assert_eq!(of(none.0, none.1), None);
        }
    }

    #[test]
    fn sizes_grow_on_the_short_side() {
        let of = |num, den| SampleAspect::new(num, den).unwrap();
        assert_eq!(of(10, 7).size(160, 120), (228, 120));
        assert_eq!(of(8, 9).size(720, 480), (720, 540));
        assert_eq!(SampleAspect::of_sizes((160, 120), (4, 3)), Some(SampleAspect::SQUARE));
        assert_eq!(of(10, 7).turned(Orientation::new(false, 1)), of(7, 10));
    }
}
