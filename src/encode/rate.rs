//! Rate control: which quantiser the next picture gets, so that the stream keeps to its bitrate. Pure arithmetic.
//!
//! One pass, no look-ahead, no held frame. The quantiser of P pictures moves slowly, because equal quantisers look better at
//! equal bits than equal sizes do (EVIDENCE: OpenH264's own control, which evens out sizes, loses 0.01 of SSIM at 1.5 Mbit/s).
//! The sizes to expect come from what recent pictures took; a leaky bucket of [`WINDOW`] brings every debt back.

/// Over this time the bitrate is kept, in seconds: a receiver that buffers as much never runs dry.
const WINDOW: f64 = 1.0;
/// Keyframes are coded this much finer: all that follow are predicted from them.
const KEY_GAIN: f64 = 2.0;
/// A keyframe may take this many seconds' worth of bits.
const KEY_SHARE: f64 = 0.5;
/// P pictures change the quantiser by no more than this, down and up.
const STEP: (f64, f64) = (-0.5, 1.0);
/// Bits halve with so many steps of the quantiser (measured on camera pictures; the standard's step doubles every 6).
const HALVING: f64 = 5.5;
/// Worst and best quantiser that is ever used.
const COARSEST: f64 = 46.0;
pub const FINEST: u8 = 16;

/// The state of one encoder's rate control.
#[derive(Clone, Debug)]
pub struct RateControl {
    bitrate: f64,
    pixels: f64,
    finest: f64,
    /// Quantiser of P pictures.
    qp: f64,
    /// Bits above (positive) or below what the bitrate allows, so far.
    debt: f64,
    /// Bits that a picture would take at quantiser 0: of keyframes, of the others.
    key_weight: Option<f64>,
    weight: Option<f64>,
}

impl RateControl {
    /// `bitrate` in bits a second, `finest` the quantiser that is good enough whatever the bitrate, `pixels` of one picture.
    pub fn new(bitrate: u32, finest: u8, pixels: u64) -> RateControl {
        let mut control = RateControl {
            bitrate: f64::from(bitrate.max(1)),
            pixels: pixels.max(1) as f64,
            finest: f64::from(finest),
            qp: 0.0,
            debt: 0.0,
            key_weight: None,
            weight: None,
        };
        control.qp = control.guess(25.0);
        control
    }

    /// From now on `bitrate` bits a second; debts of the old rate are forgotten.
    pub fn set_bitrate(&mut self, bitrate: u32) {
        let old = std::mem::replace(&mut self.bitrate, f64::from(bitrate.max(1)));
        self.debt = 0.0;
        self.qp = self.clamp(self.qp + HALVING * (old / self.bitrate).log2());
    }

    /// The quantiser for the next picture, `elapsed` seconds after the last one, when pictures come `duration` seconds apart
    /// and keys `gop` seconds.
    pub fn quantiser(&mut self, key: bool, elapsed: f64, duration: f64, gop: f64) -> u8 {
        let duration = duration.clamp(0.001, 1.0);
        self.debt = (self.debt - self.bitrate * elapsed.clamp(0.0, WINDOW)).max(-self.bitrate * WINDOW / 2.0);
        if self.key_weight.is_none() {
            self.qp = self.guess(1.0 / duration);
        }
        if let (Some(key_weight), Some(weight)) = (self.key_weight, self.weight) {
            let wanted = self.wanted(key_weight, weight, duration, gop.max(duration));
            let late = 1.0 + (self.debt / (self.bitrate * WINDOW)).max(0.0) * 2.0;
            self.qp = self.clamp(wanted.clamp(self.qp + STEP.0, self.qp + STEP.1 * late));
        }
        let qp = if key { self.key_quantiser() } else { self.qp };
        self.clamp(qp).round() as u8
    }

    /// The picture took `bits` at `qp`.
    pub fn coded(&mut self, key: bool, qp: u8, bits: u64) {
        let weight = bits.max(1) as f64 * scale(f64::from(qp)).recip();
        let (old, inertia) = if key { (&mut self.key_weight, 0.3) } else { (&mut self.weight, 0.8) };
        *old = Some(old.map_or(weight, |old| old * inertia + weight * (1.0 - inertia)));
        if key && self.weight.is_none() {
            self.weight = Some(weight / 10.0);
        }
        self.debt += bits as f64;
    }

    /// After the first keyframe took `bits` at `qp`: the quantiser to code it again with, where the first guess was far off.
    pub fn again(&self, qp: u8, bits: u64) -> Option<u8> {
        let limit = self.bitrate * KEY_SHARE;
        let too_much = (bits as f64 / limit).log2() * HALVING;
        (too_much > 1.0).then(|| self.clamp(f64::from(qp) + too_much).ceil() as u8).filter(|better| *better > qp)
    }

    /// The quantiser at which a keyframe and the others up to the next one, and the debt, fit into the bitrate.
    fn wanted(&self, key_weight: f64, weight: f64, duration: f64, gop: f64) -> f64 {
        let span = gop.max(WINDOW);
        let (keys, others) = (span / gop, span / duration - span / gop);
        let at_zero = keys * key_weight / scale(KEY_GAIN) + others * weight;
        let budget = (self.bitrate * span - self.debt).max(self.bitrate * span / 8.0);
        HALVING * (at_zero / budget).log2()
    }

    fn key_quantiser(&self) -> f64 {
        let least = self.key_weight.map_or(0.0, |weight| HALVING * (weight / (self.bitrate * KEY_SHARE)).log2());
        (self.qp - KEY_GAIN).max(least)
    }

    /// Before anything is known: camera pictures of 0.065 bits a pixel look right at quantiser 28.
    fn guess(&self, rate: f64) -> f64 {
        let per_pixel = self.bitrate / (rate * self.pixels);
        self.clamp(28.0 - HALVING * (per_pixel / 0.065).log2())
    }

    fn clamp(&self, qp: f64) -> f64 {
        qp.clamp(self.finest, COARSEST)
    }
}

/// How many times fewer bits a picture takes at `qp` than at 0.
fn scale(qp: f64) -> f64 {
    (-qp / HALVING).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes `seconds` of pictures that take `key` and `other` bits at quantiser 30; gives bits a second of the second half.
    fn run(control: &mut RateControl, seconds: u32, key: f64, other: f64) -> f64 {
        let (mut total, frames) = (0.0, seconds * 25);
        for n in 0..frames {
            let is_key = n % 25 == 0;
            let qp = control.quantiser(is_key, 0.04, 0.04, 1.0);
            let bits = if is_key { key } else { other } * scale(f64::from(qp)) / scale(30.0);
            control.coded(is_key, qp, bits as u64);
            if n >= frames / 2 {
                total += bits;
            }
        }
        total / f64::from(seconds) * 2.0
    }

    #[test]
    fn the_bitrate_is_kept_and_changed() {
        for bitrate in [500_000u32, 1_500_000, 5_000_000] {
            let mut control = RateControl::new(bitrate, FINEST, 1280 * 720);
            let reached = run(&mut control, 20, 400_000.0, 30_000.0);
            assert!((reached / f64::from(bitrate) - 1.0).abs() < 0.05, "{bitrate}: {reached}");
            control.set_bitrate(bitrate / 2);
            let reached = run(&mut control, 20, 400_000.0, 30_000.0);
            assert!((reached / f64::from(bitrate / 2) - 1.0).abs() < 0.06, "{bitrate} halved: {reached}");
        }
    }

    #[test]
    fn still_pictures_take_less_than_they_may() {
        let mut control = RateControl::new(4_000_000, 20, 1280 * 720);
        let reached = run(&mut control, 10, 200_000.0, 500.0);
        assert!(reached < 1_500_000.0, "{reached}");
    }

    #[test]
    fn a_sudden_change_is_paid_back_within_seconds() {
        let mut control = RateControl::new(1_500_000, FINEST, 1280 * 720);
        run(&mut control, 10, 300_000.0, 10_000.0);
        run(&mut control, 2, 900_000.0, 200_000.0);
        assert!(control.debt < 1_500_000.0, "{} bits behind", control.debt);
        let reached = run(&mut control, 10, 900_000.0, 200_000.0);
        assert!((reached / 1_500_000.0 - 1.0).abs() < 0.06, "{reached}");
    }

    #[test]
    fn a_first_key_that_is_far_too_large_is_coded_again() {
        let control = RateControl::new(1_000_000, FINEST, 1280 * 720);
        assert_eq!(control.again(20, 400_000), None);
        let better = control.again(20, 4_000_000).unwrap();
        assert!((34..=40).contains(&better), "{better}");
        assert_eq!(control.again(46, 40_000_000), None, "it gets no coarser");
    }
}
