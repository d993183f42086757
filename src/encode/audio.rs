//! One track of audio: PCM in, coded packets out, each as soon as its samples are there.

use super::options::{AudioCodec, Options};
use super::pcm::Mixer;
use super::resample::Resampler;
use super::timeline::{Arrival, Timeline};
use super::{Error, aac, opus};
use crate::media::{Codec, Packet, SampleFormat, Timestamp, Track};
use bytes::Bytes;

/// Silence is made in pieces of this many sample frames, so that a long gap takes little memory.
const PIECE: usize = 4096;

enum Encoder {
    Opus(opus::Encoder),
    Aac(aac::Encoder),
}

impl Encoder {
    fn new(codec: AudioCodec, input_rate: u32, channels: usize, bitrate: Option<u32>) -> Result<Encoder, Error> {
        let bitrate = bitrate.unwrap_or(if channels == 1 { 64_000 } else { 128_000 });
        Ok(match codec {
            AudioCodec::Aac => Encoder::Aac(aac::Encoder::new(aac::rate_for(input_rate), channels, bitrate)?),
            _ => Encoder::Opus(opus::Encoder::new(channels, bitrate)?),
        })
    }

    fn frame(&self) -> usize {
        match self {
            Encoder::Opus(_) => opus::FRAME,
            Encoder::Aac(_) => aac::FRAME,
        }
    }

    fn encode(&mut self, frame: &[f32]) -> Result<Bytes, Error> {
        Ok(match self {
            Encoder::Opus(encoder) => encoder.encode(frame)?,
            Encoder::Aac(encoder) => encoder.encode(frame)?,
        })
    }
}

/// The encoder of one track.
pub struct AudioEncoder {
    encoder: Encoder,
    mixer: Mixer,
    resampler: Resampler,
    timeline: Timeline,
    input_rate: u32,
    rate: u32,
    channels: usize,
    /// Audio that waits for a whole frame.
    waiting: Vec<f32>,
    /// Frames encoded since the timeline's start.
    frames: u64,
    /// Sample frames that the resampler made since then.
    made: u64,
    /// The encoder puts so many microseconds before the audio: a packet's time is that of its first sample as decoded.
    delay: i64,
    track: Track,
}

impl AudioEncoder {
    /// For a PCM track, with the encoder that `codec` names.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the encoder is not there.
    pub fn new(input: &Track, format: SampleFormat, codec: AudioCodec, options: &Options) -> Result<AudioEncoder, Error> {
        let params = input.as_audio().ok_or(Error::NoParams)?;
        let mixer = Mixer::new(format, params.channels);
        let (input_rate, channels) = (params.rate.max(1), mixer.channels());
        let encoder = Encoder::new(codec, input_rate, channels, options.audio_bitrate)?;
        let mut track = match &encoder {
            Encoder::Opus(encoder) => encoder.track(input_rate)?,
            Encoder::Aac(encoder) => encoder.track()?,
        };
        (track.language, track.name) = (input.language.clone(), input.name.clone());
        let (rate, delay) = track.as_audio().map_or((opus::RATE, 0), |audio| (audio.rate, audio.delay.as_micros() as i64));
        let resampler = Resampler::new(input_rate, rate, channels)?;
        let timeline = Timeline::default();
        Ok(AudioEncoder {
            encoder,
            mixer,
            resampler,
            timeline,
            input_rate,
            rate,
            channels,
            waiting: Vec::new(),
            frames: 0,
            made: 0,
            delay,
            track,
        })
    }

    /// The track that comes out.
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// Takes a packet of PCM; gives what became whole by it, with its times.
    ///
    /// # Errors
    /// If the encoder or the resampler fails.
    pub fn push(&mut self, packet: &Packet, out: &mut Vec<(Timestamp, Bytes)>) -> Result<(), Error> {
        let mut data = &packet.data[..];
        let bytes = self.mixer.frame_bytes();
        let seconds = (data.len() / bytes) as f64 / f64::from(self.input_rate);
        match self.timeline.arrive(packet.pts, seconds) {
            Arrival::Follows => self.resampler.set_stretch(self.timeline.stretch()),
            Arrival::Gap(micros) => self.silence(self.input_frames(micros), out)?,
            Arrival::Overlap(micros) => data = data.get(self.input_frames(micros).saturating_mul(bytes)..).unwrap_or(&[]),
            Arrival::Restart => {
                self.finish(out)?;
                self.timeline.restart(packet.pts);
            }
        }
        self.mixer.mix(data, self.resampler.input());
        self.run(out)
    }

    /// At the end of the input: what is left, in the encoder too, filled up with silence.
    ///
    /// # Errors
    /// As [`AudioEncoder::push`].
    pub fn finish(&mut self, out: &mut Vec<(Timestamp, Bytes)>) -> Result<(), Error> {
        if self.timeline.start().is_some() {
            self.flush(out)?;
        }
        Ok(())
    }

    fn input_frames(&self, micros: i64) -> usize {
        (micros.max(0) as u64 * u64::from(self.input_rate) / 1_000_000) as usize
    }

    fn silence(&mut self, mut frames: usize, out: &mut Vec<(Timestamp, Bytes)>) -> Result<(), Error> {
        while frames > 0 {
            let piece = frames.min(PIECE);
            let len = self.resampler.input().len() + piece * self.channels;
            self.resampler.input().resize(len, 0.0);
            self.run(out)?;
            frames -= piece;
        }
        Ok(())
    }

    fn run(&mut self, out: &mut Vec<(Timestamp, Bytes)>) -> Result<(), Error> {
        self.made += self.resampler.run(&mut self.waiting)? as u64;
        let held = self.resampler.input().len() / self.channels;
        let seconds = self.made as f64 / f64::from(self.rate) + held as f64 / f64::from(self.input_rate);
        self.timeline.set_length(seconds * 1e6);
        self.encode(out)
    }

    fn encode(&mut self, out: &mut Vec<(Timestamp, Bytes)>) -> Result<(), Error> {
        let frame = self.encoder.frame() * self.channels;
        let mut used = 0;
        while self.waiting.len() - used >= frame {
            let coded = self.encoder.encode(&self.waiting[used..used + frame])?;
            let samples = self.frames * self.encoder.frame() as u64;
            let offset = Timestamp::from_ticks(samples as i64, self.rate);
            let start = self.timeline.start().unwrap_or(Timestamp::ZERO);
            out.push((start + (offset.micros() - self.delay), coded));
            self.frames += 1;
            used += frame;
        }
        self.waiting.drain(..used);
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<(Timestamp, Bytes)>) -> Result<(), Error> {
        self.resampler.finish(&mut self.waiting)?;
        let frame = self.encoder.frame() * self.channels;
        // The encoder gives out the last audio only after so much more.
        let delayed = (self.delay as u64 * u64::from(self.rate)).div_ceil(1_000_000) as usize * self.channels;
        self.waiting.resize((self.waiting.len() + delayed).next_multiple_of(frame), 0.0);
        self.encode(out)?;
        self.resampler = Resampler::new(self.input_rate, self.rate, self.channels)?;
        (self.frames, self.made) = (0, 0);
        Ok(())
    }
}

/// Whether and how a track of audio is encoded.
pub fn plan(input: &Track, wanted: AudioCodec) -> Result<Plan, Error> {
    match (wanted, input.codec) {
        (AudioCodec::None, _) => Ok(Plan::Leave),
        (AudioCodec::Copy, _) => Ok(Plan::Copy),
        (AudioCodec::Auto, Codec::Pcm(format)) => Ok(Plan::Encode(format, AudioCodec::Opus)),
        (codec, Codec::Pcm(format)) => Ok(Plan::Encode(format, codec)),
        (AudioCodec::Auto, _) | (AudioCodec::Opus, Codec::Opus) | (AudioCodec::Aac, Codec::Aac) => Ok(Plan::Copy),
        (_, codec) => Err(super::error::cannot_decode(codec, "-c:a pcm_s16le -c:v copy")),
    }
}

/// What becomes of a track of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Leave,
    Copy,
    Encode(SampleFormat, AudioCodec),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::AudioParams;
    use std::time::Duration;

    /// Of libopus, in microseconds.
    const DELAY: i64 = 6_500;

    fn encoder(rate: u32, channels: u16, codec: AudioCodec) -> AudioEncoder {
        let params = AudioParams { rate, channels, delay: Duration::ZERO };
        let track = Track::audio(Codec::Pcm(SampleFormat::S16), params);
        AudioEncoder::new(&track, SampleFormat::S16, codec, &Options::default()).unwrap()
    }

    fn packet(pts: i64, frames: usize) -> Packet {
        Packet { track: 0, pts: Timestamp(pts), key: true, data: vec![0; 2 * frames].into(), hidden: false }
    }

    fn times(encoder: &mut AudioEncoder, packets: &[Packet]) -> Vec<i64> {
        let mut out = Vec::new();
        packets.iter().for_each(|packet| encoder.push(packet, &mut out).unwrap());
        encoder.finish(&mut out).unwrap();
        out.iter().map(|(pts, _)| pts.0 + DELAY).collect()
    }

    #[test]
    fn whole_frames_come_out_at_once_and_times_count_samples() {
        let mut encoder = encoder(48_000, 1, AudioCodec::Opus);
        let mut out = Vec::new();
        for n in 0..50 {
            // Times with a jitter of 1 ms: the output's have none.
            encoder.push(&packet(1_000_000 + n * 20_000 + n % 2 * 1_000, 960), &mut out).unwrap();
            assert_eq!(out.len(), n as usize + 1, "a packet was held back");
            assert_eq!(out[n as usize].0.0, 1_000_000 + n * 20_000 - DELAY);
        }
    }

    #[test]
    fn a_gap_is_filled_an_overlap_is_cut_and_a_new_time_starts_anew() {
        let step = 20_000;
        let mut gap = encoder(48_000, 1, AudioCodec::Opus);
        assert_eq!(times(&mut gap, &[packet(0, 960), packet(400_000, 960)]), (0..22).map(|n| n * step).collect::<Vec<_>>());
        let mut overlap = encoder(48_000, 1, AudioCodec::Opus);
        assert_eq!(times(&mut overlap, &[packet(0, 9_600), packet(100_000, 9_600)]), (0..16).map(|n| n * step).collect::<Vec<_>>());
        let mut anew = encoder(48_000, 1, AudioCodec::Opus);
        assert_eq!(times(&mut anew, &[packet(0, 970), packet(3_600_000_000, 960)]), [0, step, 3_600_000_000, 3_600_000_000 + step]);
    }

    #[test]
    fn a_slow_clock_is_followed() {
        let mut encoder = encoder(48_000, 1, AudioCodec::Opus);
        let mut out = Vec::new();
        // 500 ppm: the samples of 20 ms come every 20.01 ms, for two minutes.
        for n in 0..6_000i64 {
            encoder.push(&packet(n * 20_010, 960), &mut out).unwrap();
        }
        let last = out.last().unwrap().0.0;
        assert!((last - 5_999 * 20_010).abs() < 40_000, "drifted to {last}");
        assert!(out.windows(2).all(|pair| pair[1].0 - pair[0].0 == 20_000), "times are those of the samples");
    }

    #[test]
    fn coded_sound_is_copied_or_refused() {
        let track = |codec| Track::audio(codec, AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO });
        assert_eq!(plan(&track(Codec::Aac), AudioCodec::Auto).unwrap(), Plan::Copy);
        assert_eq!(plan(&track(Codec::Aac), AudioCodec::Aac).unwrap(), Plan::Copy);
        assert!(matches!(plan(&track(Codec::Aac), AudioCodec::Opus), Err(Error::Unsupported(_))));
        let encode = Plan::Encode(SampleFormat::S16, AudioCodec::Opus);
        assert_eq!(plan(&track(Codec::Pcm(SampleFormat::S16)), AudioCodec::Auto).unwrap(), encode);
    }
}
