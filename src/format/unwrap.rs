//! Counters that wrap: times of 32 bits in FLV, of 33 in a transport stream.

/// Makes of a counter of so many bits one that does not wrap: each value is taken for the one that is nearest to the value before it.
#[derive(Clone, Debug)]
pub struct Unwrapped {
    bits: u32,
    last: Option<i64>,
}

impl Unwrapped {
    /// Of a counter of 1 to 62 bits.
    pub fn new(bits: u32) -> Unwrapped {
        Unwrapped { bits, last: None }
    }

    pub fn next(&mut self, counter: u64) -> i64 {
        let span = 1i64 << self.bits;
        let counter = (counter % (1 << self.bits)) as i64;
        let last = self.last.unwrap_or(counter);
        let ahead = counter.wrapping_sub(last).rem_euclid(span);
        let value = last.saturating_add(if ahead < span / 2 { ahead } else { ahead - span });
        self.last = Some(value);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest() {
        let mut times = Unwrapped::new(33);
        let top = (1u64 << 33) - 1;
        let values = [top - 1, 1, top, 2, 90_000].map(|value| times.next(value) - top as i64);
        assert_eq!(values, [-1, 2, 0, 3, 90_001]);
        let mut times = Unwrapped::new(32);
        assert_eq!([5, u64::from(u32::MAX), 7].map(|value| times.next(value)), [5, -1, 7]);
    }
}
