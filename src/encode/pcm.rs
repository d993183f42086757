//! PCM of any layout to interleaved floats of one or two channels.

use crate::media::SampleFormat;

/// -3 dB.
const HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Turns `channels` into one or two: how much of each goes left and right.
#[derive(Debug)]
pub struct Mixer {
    channels: usize,
    format: SampleFormat,
    /// Empty: the channels stay as they are.
    gains: Vec<(f32, f32)>,
}

impl Mixer {
    /// One and two channels stay. More are mixed to two, as ITU-R BS.775, annex 4 has it: centre and surround at -3 dB, no
    /// LFE, scaled so that nothing clips. The channels stand in the order of the WAVE format.
    pub fn new(format: SampleFormat, channels: u16) -> Mixer {
        let (left, right, centre, lfe) = ((1.0, 0.0), (0.0, 1.0), (HALF, HALF), (0.0, 0.0));
        let (back_left, back_right) = ((HALF, 0.0), (0.0, HALF));
        let mut gains = match channels {
            0..=2 => Vec::new(),
            3 => vec![left, right, centre],
            4 => vec![left, right, back_left, back_right],
            5 => vec![left, right, centre, back_left, back_right],
            6 => vec![left, right, centre, lfe, back_left, back_right],
            7 => vec![left, right, centre, lfe, (0.5, 0.5), back_left, back_right],
            8 => vec![left, right, centre, lfe, back_left, back_right, back_left, back_right],
            n => (0..n).map(|n| if n % 2 == 0 { left } else { right }).collect(),
        };
        let sum = |side: fn(&(f32, f32)) -> f32| gains.iter().map(side).sum::<f32>();
        let loudest = sum(|gain| gain.0).max(sum(|gain| gain.1));
        gains.iter_mut().for_each(|gain| *gain = (gain.0 / loudest, gain.1 / loudest));
        Mixer { channels: usize::from(channels.max(1)), format, gains }
    }

    /// Channels that come out: 1 or 2.
    pub fn channels(&self) -> usize {
        self.channels.min(2)
    }

    /// Bytes of one sample frame that goes in.
    pub fn frame_bytes(&self) -> usize {
        self.channels * self.format.bytes()
    }

    /// Appends what the whole sample frames of `data` sound like; floats that are no numbers are silence.
    pub fn mix(&self, data: &[u8], out: &mut Vec<f32>) {
        match self.format {
            SampleFormat::U8 => self.frames::<1>(data, out, |[b]| (f32::from(b) - 128.0) / 128.0),
            SampleFormat::S16 => self.frames::<2>(data, out, |b| f32::from(i16::from_le_bytes(b)) / 32_768.0),
            SampleFormat::S24 => self.frames::<3>(data, out, |[a, b, c]| i32::from_le_bytes([0, a, b, c]) as f32 / 2_147_483_648.0),
            SampleFormat::S32 => self.frames::<4>(data, out, |b| i32::from_le_bytes(b) as f32 / 2_147_483_648.0),
            SampleFormat::F32 => self.frames::<4>(data, out, |b| {
                let sample = f32::from_le_bytes(b);
                if sample.is_finite() { sample.clamp(-4.0, 4.0) } else { 0.0 }
            }),
        }
    }

    fn frames<const N: usize>(&self, data: &[u8], out: &mut Vec<f32>, sample: impl Fn([u8; N]) -> f32) {
        let (samples, _) = data[..data.len() - data.len() % self.frame_bytes()].as_chunks::<N>();
        if self.gains.is_empty() {
            return out.extend(samples.iter().map(|bytes| sample(*bytes)));
        }
        for frame in samples.chunks_exact(self.channels) {
            let mixed = frame.iter().zip(&self.gains).fold((0.0, 0.0), |(left, right), (bytes, gain)| {
                let value = sample(*bytes);
                (left + value * gain.0, right + value * gain.1)
            });
            out.extend([mixed.0, mixed.1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(format: SampleFormat, channels: u16, data: &[u8]) -> Vec<f32> {
        let mut out = Vec::new();
        Mixer::new(format, channels).mix(data, &mut out);
        out
    }

    #[test]
    fn every_format_has_its_half_and_its_bottom() {
        assert_eq!(mixed(SampleFormat::U8, 1, &[192, 0, 128]), [0.5, -1.0, 0.0]);
        assert_eq!(mixed(SampleFormat::S16, 1, &[0, 0x40, 0, 0x80]), [0.5, -1.0]);
        assert_eq!(mixed(SampleFormat::S24, 1, &[0, 0, 0x40, 0, 0, 0x80]), [0.5, -1.0]);
        assert_eq!(mixed(SampleFormat::S32, 1, &[0, 0, 0, 0x40, 0, 0, 0, 0x80]), [0.5, -1.0]);
        let floats: Vec<u8> = [0.5f32, -1.0, f32::NAN, f32::INFINITY, 1e30].iter().flat_map(|f| f.to_le_bytes()).collect();
        assert_eq!(mixed(SampleFormat::F32, 1, &floats), [0.5, -1.0, 0.0, 0.0, 4.0]);
    }

    #[test]
    fn a_frame_cut_short_is_left_out() {
        assert_eq!(mixed(SampleFormat::S16, 2, &[0, 0x40, 0, 0x40, 0, 0x40, 9]), [0.5, 0.5]);
        assert!(mixed(SampleFormat::S24, 2, &[0; 5]).is_empty());
    }

    #[test]
    fn no_layout_clips_and_each_side_stays_on_its_side() {
        for channels in 3..=64u16 {
            let loud: Vec<u8> = vec![255; usize::from(channels)];
            let out = mixed(SampleFormat::U8, channels, &loud);
            assert_eq!(out.len(), 2);
            assert!(out.iter().all(|sample| (0.5..=1.0).contains(sample)), "{channels}: {out:?}");
            let mut left = vec![128; usize::from(channels)];
            left[0] = 255;
            let out = mixed(SampleFormat::U8, channels, &left);
            assert!(out[0] > 0.0 && out[1] == 0.0, "{channels}: {out:?}");
        }
        // The LFE of 5.1 is not heard; its centre is, on both sides.
        assert_eq!(mixed(SampleFormat::U8, 6, &[128, 128, 128, 255, 128, 128]), [0.0, 0.0]);
        let centre = mixed(SampleFormat::U8, 6, &[128, 128, 255, 128, 128, 128]);
        assert!(centre[0] == centre[1] && centre[0] > 0.2);
    }
}
