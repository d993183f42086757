//! One H.264 stream: encoder, rate control and keyframes brought together.

use super::Error;
use super::openh264::{Coded, Config, Encoder, MAX_SIDES, MAX_THREADS, MIN_SIDE};
use super::options::{Gop, Options};
use super::picture::Planes;
use super::rate::{FINEST, RateControl};
use crate::codec::h264::AvcC;
use crate::media::{Rate, Timestamp, Unsupported, VideoParams};
use bytes::Bytes;

/// One thread codes so many pixels a second with half of a core to spare; 30 pictures of 3840x2160 a second get four threads.
const PIXELS_PER_THREAD: f64 = 80e6;
/// Slices are coded without knowledge of each other, which costs bits: none is smaller than this, in rows of macroblocks.
const ROWS_PER_SLICE: u32 = 4;
/// Two for each of the most threads there are.
const MAX_SLICES: u32 = 2 * MAX_THREADS as u32;
/// Frames a second where nothing is known.
const USUAL_RATE: f64 = 25.0;
/// A time between pictures says something about the rate if it is shorter than this, in seconds.
const LONGEST_SPACING: f64 = 2.0;

pub struct H264 {
    encoder: Encoder,
    control: RateControl,
    config: Bytes,
    gop: Gop,
    /// The last picture, and the last key and the pictures since.
    last: Option<Timestamp>,
    key: Option<Timestamp>,
    since_key: u64,
    /// Seconds from picture to picture, smoothed.
    spacing: f64,
}

/// The size in which a picture of this size is coded: even, because 4:2:0 crops by whole chroma samples only (H.264,
/// section 7.4.2.1.1, CropUnitX). A last odd column or row is left out.
///
/// # Errors
/// [`Error::Unsupported`] for sizes that the encoder does not take, with what to do.
pub fn coded_size(width: u32, height: u32) -> Result<(u32, u32), Error> {
    let (width, height) = (width & !1, height & !1);
    let (long, short) = (width.max(height), width.min(height));
    let advice = match () {
        () if long > MAX_SIDES.0 || short > MAX_SIDES.1 => {
            format!("scale it down with --size {}", if width >= height { "1920x" } else { "x1920" })
        }
        () if short < MIN_SIDE => "scale it up with --size 320x".to_owned(),
        () => return Ok((width, height)),
    };
    Err(Unsupported { what: format!("the H.264 encoder takes no pictures of {width}x{height}"), advice }.into())
}

/// Bits a second that look decent at this size and rate.
fn usual_bitrate(width: u32, height: u32, rate: f64) -> u32 {
    // 2 Mbit/s at 1280x720, 30 a second; larger pictures need less for each pixel.
    let pixels = f64::from(width) * f64::from(height) * rate / (1280.0 * 720.0 * 30.0);
    (2e6 * pixels.powf(0.75)).clamp(100e3, 50e6) as u32
}

impl H264 {
    /// For upright pictures of an even size of limited range.
    ///
    /// # Errors
    /// If the encoder refuses.
    pub fn new(video: &VideoParams, options: &Options) -> Result<H264, Error> {
        let VideoParams { width, height, rate, colour, sample_aspect, .. } = *video;
        let fps = rate.map_or(USUAL_RATE, Rate::fps);
        let pixels = u64::from(width) * u64::from(height);
        let threads = options.threads.unwrap_or_else(|| threads_for(pixels as f64 * fps));
        let code = |code: Option<u8>| code.unwrap_or(2);
        let colour = [code(colour.primaries), code(colour.transfer), code(colour.matrix)];
        let (threads, slices) = division(threads, height);
        let mut encoder = Encoder::new(&Config { width, height, rate: fps as f32, threads, slices, colour, sample_aspect })?;
        let sets = encoder.parameter_sets()?;
        let of_type = |kind: u8| sets.iter().filter(move |nal| nal.first().is_some_and(|byte| byte & 0x1f == kind)).collect::<Vec<_>>();
        let config = AvcC::build(&of_type(7), &of_type(8));
        let finest = options.quality.map_or(FINEST, |quality| 50 - quality.clamp(1, 100) * 2 / 5);
        let bitrate = options.bitrate.unwrap_or_else(|| usual_bitrate(width, height, fps));
        let control = RateControl::new(bitrate, finest, pixels);
        Ok(H264 { encoder, control, config, gop: options.gop, last: None, key: None, since_key: 0, spacing: 1.0 / fps })
    }

    /// avcC.
    pub fn config(&self) -> &Bytes {
        &self.config
    }

    /// Bits a second from the next picture on.
    pub fn set_bitrate(&mut self, bitrate: u32) {
        self.control.set_bitrate(bitrate);
    }

    /// Codes one picture; gives the access unit in canonical form (see [`crate::media::Packet`]) and whether it is a key.
    ///
    /// # Errors
    /// If the encoder fails.
    pub fn encode(&mut self, picture: &Planes<'_>, pts: Timestamp, want_key: bool) -> Result<(Bytes, bool), Error> {
        let elapsed = self.elapsed(pts);
        let over = |key| self.gop.is_over(key, pts, self.since_key, self.spacing);
        let key = want_key || self.key.is_none_or(over);
        let qp = self.control.quantiser(key, elapsed, self.spacing, self.gop.seconds(self.spacing));
        let mut coded = self.encoder.encode(picture, key, qp)?;
        let mut used = qp;
        if self.key.is_none()
            && let Some(better) = self.control.again(qp, bits(&coded))
        {
            coded = self.encoder.encode(picture, true, better)?;
            used = better;
        }
        self.control.coded(coded.key, used, bits(&coded));
        self.last = Some(pts);
        if coded.key {
            (self.key, self.since_key) = (Some(pts), 0);
        }
        self.since_key += 1;
        Ok((coded.data, coded.key))
    }

    /// Seconds since the last picture; what is usual for the first one and where time makes no sense.
    fn elapsed(&mut self, pts: Timestamp) -> f64 {
        let since = self.last.map(|last| (pts - last) as f64 / 1e6);
        let Some(since) = since.filter(|since| (0.0005..LONGEST_SPACING).contains(since)) else { return self.spacing };
        self.spacing += (since - self.spacing) * 0.1;
        since
    }
}

fn threads_for(pixels_per_second: f64) -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get()) as f64;
    (pixels_per_second / PIXELS_PER_THREAD).ceil().clamp(1.0, cores) as u16
}

/// How many threads code how many slices. With several threads the slices do not depend on their number, and so the stream does not.
fn division(threads: u16, height: u32) -> (u16, u16) {
    let slices = (height / 16 / ROWS_PER_SLICE).clamp(1, MAX_SLICES) as u16;
    let threads = threads.clamp(1, MAX_THREADS.min(slices));
    (threads, if threads == 1 { 1 } else { slices })
}

fn bits(coded: &Coded) -> u64 {
    8 * coded.data.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_for_several_threads_and_the_same_for_all() {
        assert_eq!(division(1, 2160), (1, 1));
        assert_eq!(division(2, 2160), (2, 8));
        assert_eq!(division(3, 2160), (3, 8));
        assert_eq!(division(64, 2160), (4, 8));
        // Too few rows of macroblocks for as many.
        assert_eq!(division(4, 240), (3, 3));
        assert_eq!(division(4, 64), (1, 1));
        assert_eq!(division(0, 16), (1, 1));
    }
}
