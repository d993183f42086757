//! From the input's sample rate to the encoder's, at a speed that can be nudged to follow the input's clock.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, SincInterpolationParameters, Slip, WindowFunction};

/// Input is worked on in pieces of this many seconds: the most that is held back.
const CHUNK: f64 = 0.0025;
/// Enough for 90 dB; half of it is the delay of a real conversion, in samples of the lower rate.
const SINC_LEN: usize = 96;
/// Slipping single samples is good for clocks that are a little off; at 0.8 % it is at its end, and is heard before.
const SLIPS: f64 = 0.001;

/// An error of the resampler; none is expected once it is made.
#[derive(Debug, thiserror::Error)]
#[error("resampling: {0}")]
pub struct Error(String);

/// A resampler of interleaved audio. Equal rates pass through, but for a sample now and then that is slipped in or out; from the moment
/// that they are found to be far from equal, they are converted as other rates are.
pub struct Resampler {
    inner: Box<dyn rubato::Resampler<f32>>,
    slips: bool,
    channels: usize,
    chunk: usize,
    input: Vec<f32>,
    output: Vec<f32>,
    /// Sample frames at the start that are the filter's and not the audio's.
    skip: usize,
}

impl Resampler {
    /// # Errors
    /// If one of the rates is 0.
    pub fn new(from: u32, to: u32, channels: usize) -> Result<Resampler, Error> {
        let chunk = ((f64::from(from) * CHUNK) as usize).max(8);
        let inner: Box<dyn rubato::Resampler<f32>> = if from == to {
            Box::new(Slip::new(chunk, channels, FixedAsync::Input).map_err(|e| Error(e.to_string()))?)
        } else {
            converter(f64::from(to) / f64::from(from), chunk, channels)?
        };
        let output = vec![0.0; inner.output_frames_max() * channels];
        let skip = inner.output_delay();
        Ok(Resampler { inner, slips: from == to, channels, chunk, input: Vec::new(), output, skip })
    }

    /// Makes audio `stretch` times as long from now on; out-of-range values do the most they can.
    pub fn set_stretch(&mut self, stretch: f64) {
        if self.slips
            && (stretch - 1.0).abs() > SLIPS
            && let Ok(converter) = converter(1.0, self.chunk, self.channels)
        {
            (self.slips, self.skip) = (false, converter.output_delay());
            self.output = vec![0.0; converter.output_frames_max() * self.channels];
            self.inner = converter;
        }
        if let Some(adjustable) = self.inner.as_adjustable() {
            // The error only says that the value was clamped.
            _ = adjustable.set_resample_ratio_relative(stretch, true);
        }
    }

    /// Where audio is put in.
    pub fn input(&mut self) -> &mut Vec<f32> {
        &mut self.input
    }

    /// Converts all whole pieces of what was put in, onto the end of `out`; gives the sample frames that the audio became,
    /// those of the filter's start included.
    pub fn run(&mut self, out: &mut Vec<f32>) -> Result<usize, Error> {
        let (whole, mut used, mut made) = (self.chunk * self.channels, 0, 0);
        while self.input.len() - used >= whole {
            made += self.piece(used, out)?;
            used += whole;
        }
        self.input.drain(..used);
        Ok(made)
    }

    /// Converts what is left, and what the filter still holds.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), Error> {
        let tail = self.inner.output_delay() as f64 / self.inner.resample_ratio();
        let silence = self.input.len() + tail.ceil() as usize * self.channels;
        let left = (self.input.len() / self.channels) as f64 + tail.ceil();
        self.input.resize(silence.next_multiple_of(self.chunk * self.channels), 0.0);
        let before = out.len();
        self.run(out)?;
        let audio = (left * self.inner.resample_ratio()).round() as usize * self.channels;
        out.truncate(before + audio.min(out.len() - before));
        Ok(())
    }

    fn piece(&mut self, at: usize, out: &mut Vec<f32>) -> Result<usize, Error> {
        let error = |e: &dyn std::fmt::Display| Error(e.to_string());
        let piece = &self.input[at..at + self.chunk * self.channels];
        let from = InterleavedSlice::new(piece, self.channels, self.chunk).map_err(|e| error(&e))?;
        let room = self.output.len() / self.channels;
        let mut to = InterleavedSlice::new_mut(&mut self.output, self.channels, room).map_err(|e| error(&e))?;
        let (_, made) = self.inner.process_into_buffer(&from, &mut to, None).map_err(|e| error(&e))?;
        let skipped = self.skip.min(made);
        self.skip -= skipped;
        out.extend_from_slice(&self.output[skipped * self.channels..made * self.channels]);
        Ok(made)
    }
}

fn converter(ratio: f64, chunk: usize, channels: usize) -> Result<Box<dyn rubato::Resampler<f32>>, Error> {
    let parameters = SincInterpolationParameters::new(SINC_LEN, WindowFunction::BlackmanHarris2);
    let made = Async::new_sinc(ratio, 1.02, &parameters, chunk, channels, FixedAsync::Input);
    Ok(Box::new(made.map_err(|e| Error(e.to_string()))?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    fn tone(rate: u32, seconds: f32) -> Vec<f32> {
        (0..(rate as f32 * seconds) as usize).flat_map(|n| [(n as f32 * 440.0 * TAU / rate as f32).sin() * 0.5; 2]).collect()
    }

    #[test]
    fn every_rate_gives_the_same_tone_at_the_same_time() {
        for from in [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000] {
            let mut resampler = Resampler::new(from, 48_000, 2).unwrap();
            let mut out = Vec::new();
            for piece in tone(from, 1.0).chunks(2 * 333) {
                resampler.input().extend_from_slice(piece);
                resampler.run(&mut out).unwrap();
            }
            resampler.finish(&mut out).unwrap();
            assert!(out.len().abs_diff(96_000) <= 64, "{from} Hz: {} samples", out.len());
            let expected = tone(48_000, 1.0);
            let off = out[4_800..90_000].iter().zip(&expected[4_800..]).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            assert!(off < 0.04, "{from} Hz: off by {off}");
        }
    }

    #[test]
    fn equal_rates_pass_at_once() {
        let mut resampler = Resampler::new(48_000, 48_000, 2).unwrap();
        let (audio, mut out) = (tone(48_000, 0.02), Vec::new());
        resampler.input().extend_from_slice(&audio);
        assert_eq!(resampler.run(&mut out).unwrap(), 960);
        assert_eq!(out, audio);
    }

    #[test]
    fn stretching_makes_more_samples_and_keeps_the_sound_whole() {
        for (from, stretch) in [(44_100, 1.005), (48_000, 1.0009), (48_000, 1.005), (48_000, 1.015), (48_000, 0.985)] {
            let mut resampler = Resampler::new(from, 48_000, 2).unwrap();
            resampler.set_stretch(stretch);
            let mut out = Vec::new();
            resampler.input().extend_from_slice(&tone(from, 4.0));
            resampler.run(&mut out).unwrap();
            let seconds = out.len() as f64 / 96_000.0;
            assert!((seconds - 4.0 * stretch).abs() < 0.005, "{from} Hz, {stretch}: {seconds} s");
            let steepest = out.chunks(2).map(|s| s[0]).collect::<Vec<_>>().windows(2).map(|w| (w[1] - w[0]).abs()).fold(0f32, f32::max);
            assert!(steepest < 0.04, "a click of {steepest}");
        }
    }
}
