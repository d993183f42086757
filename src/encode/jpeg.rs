//! JPEG both ways: [`Encoder`] is fed planes as they are, `zune-jpeg` gives Y'CbCr; neither converts to RGB.

mod encoder;

pub use encoder::{Encoder, Error as EncodeError};

use super::colour::Space;
use super::convert::to_i420;
use super::picture::Picture;
use crate::media::{Malformed, PixelFormat, Unsupported};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// A side larger than this is taken for damage (as for every track).
const MAX_SIDE: usize = 16384;
/// An image has at least a bit for each block of 8x8: what promises more pixels for a byte is no image, and is not given memory.
const MAX_PIXELS_PER_BYTE: usize = 512;
/// A progressive image of more scans is taken for an attack: encoders write about ten.
const MAX_SCANS: usize = 64;

/// Why an image gave no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The image is damaged.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The image is of a kind that is not decoded.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

/// Decodes to planar 4:2:0.
#[derive(Default)]
pub struct Decoder {
    scratch: Vec<u8>,
}

impl Decoder {
    /// Decodes one image, whatever its size; the numbers stay those of the image (BT.601, full range).
    ///
    /// # Errors
    /// [`Error::Malformed`] for damage that would be seen; [`Error::Unsupported`] for CMYK.
    pub fn decode(&mut self, image: &[u8], out: &mut Picture) -> Result<(), Error> {
        let limits = DecoderOptions::new_fast().set_max_width(MAX_SIDE).set_max_height(MAX_SIDE).set_strict_mode(true);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(image), limits.jpeg_set_max_scans(MAX_SCANS));
        decoder.decode_headers().map_err(damage)?;
        let (colours, format) = match decoder.input_colorspace() {
            Some(ColorSpace::Luma) => (ColorSpace::Luma, PixelFormat::Gray),
            Some(ColorSpace::RGB) => (ColorSpace::RGB, PixelFormat::Rgb24),
            Some(ColorSpace::YCbCr) => (ColorSpace::YCbCr, PixelFormat::I444),
            _ => {
                let advice = "convert it to an ordinary JPEG".to_owned();
                return Err(Unsupported { what: "a CMYK JPEG is for print".to_owned(), advice }.into());
            }
        };
        let options = *decoder.options();
        decoder.set_options(options.jpeg_set_out_colorspace(colours));
        let (width, height) = decoder.info().map_or((0, 0), |info| (usize::from(info.width), usize::from(info.height)));
        if (width * height).div_ceil(MAX_PIXELS_PER_BYTE) > image.len() {
            return Err(damage(format!("{width}x{height} pixels in {} bytes", image.len())));
        }
        let size = decoder.output_buffer_size().filter(|size| *size > 0).ok_or_else(|| damage("an image without size"))?;
        self.scratch.resize(size, 0);
        decoder.decode_into(&mut self.scratch).map_err(damage)?;
        if format == PixelFormat::I444 {
            halve_chroma(&self.scratch, width, height, out);
            return Ok(());
        }
        Ok(to_i420(format, width, height, &self.scratch, Space::JPEG, out)?)
    }
}

/// Y'CbCr samples, three bytes a pixel, to planar 4:2:0: chroma is the mean of each four.
fn halve_chroma(pixels: &[u8], width: usize, height: usize, out: &mut Picture) {
    out.resize(width, height);
    let [y, u, v] = out.planes_mut();
    for (pixel, y) in pixels.chunks_exact(3).zip(y) {
        *y = pixel[0];
    }
    let half = width.div_ceil(2);
    for ((rows, u), v) in pixels.chunks(6 * width).zip(u.chunks_exact_mut(half)).zip(v.chunks_exact_mut(half)) {
        let (top, bottom) = rows.split_at(3 * width);
        let bottom = if bottom.is_empty() { top } else { bottom };
        for (((top, bottom), u), v) in top.chunks(6).zip(bottom.chunks(6)).zip(u).zip(v) {
            // A last odd column stands for itself.
            let right = top.len() - 3;
            let mean = |n: usize| {
                let sum = [top[n], top[right + n], bottom[n], bottom[right + n]].into_iter().map(u16::from).sum::<u16>();
                ((sum + 2) / 4) as u8
            };
            (*u, *v) = (mean(1), mean(2));
        }
    }
}

fn damage(error: impl std::fmt::Display + std::fmt::Debug) -> Error {
    // The library's messages may span lines.
    let what = error.to_string();
    Malformed::new("JPEG", what.lines().next().unwrap_or("damaged").trim().to_owned()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jpeg_encoder::SamplingFactor;

    /// A ramp of luma with colour that changes from left to right.
    fn ramp(width: usize, height: usize) -> Picture {
        let mut picture = Picture::default();
        picture.resize(width, height);
        let half = width.div_ceil(2);
        let [y, u, v] = picture.planes_mut();
        y.iter_mut().enumerate().for_each(|(n, y)| *y = (20 + n / width * 200 / height) as u8);
        u.iter_mut().enumerate().for_each(|(n, u)| *u = (60 + n % half * 100 / half) as u8);
        v.fill(90);
        picture
    }

    fn worst(a: &[u8], b: &[u8]) -> u8 {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
    }

    #[test]
    fn round_trip_at_even_and_odd_sizes() {
        for (width, height) in [(64, 48), (63, 47), (64, 47), (63, 48), (1, 1), (2, 3)] {
            let picture = ramp(width, height);
            let image = Encoder::new(95).unwrap().encode(&picture.planes()).unwrap();
            let mut back = Picture::default();
            Decoder::default().decode(&image, &mut back).unwrap();
            let (a, b) = (picture.planes(), back.planes());
            let off = worst(a.y, b.y).max(worst(a.u, b.u)).max(worst(a.v, b.v));
            assert!(off <= 6, "{width}x{height}: off by {off}");
        }
    }

    #[test]
    fn quality_is_a_matter_of_bytes() {
        let size = |quality| Encoder::new(quality).unwrap().encode(&ramp(320, 240).planes()).unwrap().len();
        assert!(size(95) > size(50) && size(50) > size(5));
    }

    #[test]
    fn every_sampling_gives_the_same_picture() {
        let (width, height) = (63, 47);
        let rgb: Vec<u8> = (0..width * height).flat_map(|n| [200, (n / width * 4) as u8, 40]).collect();
        let mut expected = Picture::default();
        to_i420(PixelFormat::Rgb24, width, height, &rgb, Space::JPEG, &mut expected).unwrap();
        for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2, SamplingFactor::F_1_2, SamplingFactor::F_4_1]
        {
            let mut jpeg = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, 98);
            encoder.set_sampling_factor(sampling);
            encoder.encode(&rgb, width as u16, height as u16, jpeg_encoder::ColorType::Rgb).unwrap();
            let mut back = Picture::default();
            Decoder::default().decode(&jpeg, &mut back).unwrap();
            let (a, b) = (expected.planes(), back.planes());
            let off = worst(a.y, b.y).max(worst(a.u, b.u)).max(worst(a.v, b.v));
            assert!(off <= 8, "{sampling:?}: off by {off}");
        }
    }

    #[test]
    fn damage_is_an_error_and_stray_bytes_before_the_end_are_not() {
        let mut image = Encoder::new(80).unwrap().encode(&ramp(64, 48).planes()).unwrap();
        let mut decoder = Decoder::default();
        let mut out = Picture::default();
        for cut in [0, 1, 2, 20, image.len() / 2, image.len() - 40] {
            assert!(decoder.decode(&image[..cut], &mut out).is_err(), "cut at {cut}");
        }
        let end = image.len() - 2;
        image.splice(end..end, [0x12, 0x34]);
        decoder.decode(&image, &mut out).unwrap();
        assert!(decoder.decode(b"\xff\xd8\xff\xd9", &mut out).is_err());
        // Memory is not given for what a header alone says.
        let at = image.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        image[at + 5..at + 9].copy_from_slice(&[0x3f, 0xff, 0x3f, 0xff]);
        let error = decoder.decode(&image, &mut out).unwrap_err().to_string();
        assert!(error.contains("16383x16383 pixels in"), "{error}");
    }
}
