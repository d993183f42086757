//! The audio of the test source: a soft fifth, in which a gap is heard at once, and a beep at each whole second.
//!
//! One second of it is made once and repeats without a seam (all frequencies are whole numbers of hertz): packets are slices
//! of it, nothing is computed or copied while it plays.

use crate::media::Timestamp;
use bytes::Bytes;
use std::f64::consts::TAU;
use std::time::Duration;

/// Samples a second.
pub const RATE: u32 = 48_000;
pub const CHANNELS: u16 = 2;
/// Samples in a packet, per channel: 10 ms.
pub const PACKET: u32 = RATE / 100;
/// How long the beep, and the flash in the picture, last.
pub const BEEP: Duration = Duration::from_millis(100);

/// Bytes of one sample of all channels.
const FRAME: usize = 2 * CHANNELS as usize;
/// Left and right tone in Hz, and their level.
const TONES: ([f64; 2], f64) = ([220.0, 330.0], 0.01);
/// Pitch of the beep in Hz, and its level.
const PIP: (f64, f64) = (1000.0, 0.25);
/// The beep's ends are faded over this many samples, so that they do not click.
const FADE: f64 = 96.0;

/// The audio, cut into packets.
pub struct Tone {
    second: Bytes,
}

impl Tone {
    pub fn new() -> Tone {
        let samples = (0..RATE).flat_map(|i| [sample(i, 0), sample(i, 1)]);
        Tone { second: samples.flat_map(i16::to_le_bytes).collect::<Vec<u8>>().into() }
    }

    /// Packet `n` as interleaved s16, and its time.
    pub fn packet(&self, n: u64) -> (Timestamp, Bytes) {
        let start = (n % u64::from(RATE / PACKET)) as usize * PACKET as usize * FRAME;
        (time_of(n), self.second.slice(start..start + PACKET as usize * FRAME))
    }
}

/// Time of packet `n`.
pub fn time_of(n: u64) -> Timestamp {
    Timestamp(i64::try_from(u128::from(n) * u128::from(PACKET) * 1_000_000 / u128::from(RATE)).unwrap_or(i64::MAX))
}

fn sample(i: u32, channel: usize) -> i16 {
    let phase = |hertz: f64| (TAU * hertz * f64::from(i) / f64::from(RATE)).sin();
    let length = BEEP.as_secs_f64() * f64::from(RATE);
    let fade = (f64::from(i) / FADE).min((length - f64::from(i)) / FADE).clamp(0.0, 1.0);
    let level = TONES.1 * phase(TONES.0[channel]) + PIP.1 * fade * phase(PIP.0);
    (level * f64::from(i16::MAX)).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loudest(packet: &Bytes) -> u16 {
        packet.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]]).unsigned_abs()).max().unwrap_or(0)
    }

    #[test]
    fn the_beep_is_at_the_whole_second() {
        let tone = Tone::new();
        for n in 0..250 {
            let (at, data) = tone.packet(n);
            assert_eq!((at, data.len()), (Timestamp(n as i64 * 10_000), 480 * 4));
            assert_eq!(loudest(&data) > 5000, n % 100 < 10, "packet {n}");
            assert!(loudest(&data) > 250, "the soft tone never stops");
        }
    }

    #[test]
    fn seconds_join_without_a_jump() {
        let steps = |a: u32, b: u32| (i32::from(sample(a, 1)) - i32::from(sample(b, 1))).abs();
        assert!(steps(RATE - 1, 0) <= steps(1, 0).max(60));
    }
}
