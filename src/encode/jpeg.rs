//! JPEG both ways, through libjpeg-turbo's planar interface: no way through RGB, chroma stays as small as it is coded.
//!
//! Measured at 1280x720, quality 80, one core (scripts/bench.d/enc): encoding 2.5 ms (`jpeg-encoder` 6.5), decoding 2.5 ms
//! (`zune-jpeg` 4.0, without the way back from full-size chroma).

use super::colour::Space;
use super::convert::to_i420;
use super::picture::{Picture, Planes, copy_rows};
use crate::media::{Malformed, PixelFormat, Unsupported};
use std::borrow::Cow;
use turbojpeg::{Colorspace, Compressor, DecompressHeader, Decompressor, Image, Subsamp, YuvImage, YuvPlanesImage};

/// A side larger than this is taken for damage (as for every track).
const MAX_SIDE: usize = 16384;
/// A progressive image of more scans is taken for an attack: encoders write about ten.
const MAX_SCANS: u32 = 64;

/// Encodes 4:2:0 pictures; one per thread.
pub struct Encoder {
    compressor: Compressor,
}

impl Encoder {
    /// `quality` 1 to 100, as of libjpeg.
    ///
    /// # Errors
    /// If libjpeg-turbo has no memory.
    pub fn new(quality: u8) -> Result<Encoder, turbojpeg::Error> {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(i32::from(quality.clamp(1, 100)))?;
        Ok(Encoder { compressor })
    }

    /// One whole JPEG image. The samples are taken for BT.601 of the full range, which is what JPEG means.
    ///
    /// # Errors
    /// For sizes that JPEG cannot say: 0 or over 65535.
    pub fn encode(&mut self, picture: &Planes<'_>) -> Result<Vec<u8>, turbojpeg::Error> {
        let (width, height) = (picture.width, picture.height);
        // The library wants luma up to the edge of the last whole chroma sample.
        let (y, y_stride) = if width % 2 == 0 && height % 2 == 0 {
            (Cow::Borrowed(picture.y), picture.y_stride)
        } else {
            (Cow::Owned(pad(picture)), width.next_multiple_of(2))
        };
        self.compressor.compress_yuv_planes_to_vec(&YuvPlanesImage {
            y_plane: &y[..],
            u_plane: picture.u,
            v_plane: picture.v,
            width,
            height,
            y_stride,
            u_stride: picture.c_stride,
            v_stride: picture.c_stride,
            subsamp: Subsamp::Sub2x2,
        })
    }
}

/// Luma with its last column and row repeated up to an even size.
fn pad(picture: &Planes<'_>) -> Vec<u8> {
    let (width, stride) = (picture.width, picture.width.next_multiple_of(2));
    let mut padded = Vec::with_capacity(stride * picture.height.next_multiple_of(2));
    for row in picture.y.chunks(picture.y_stride).take(picture.height) {
        padded.extend_from_slice(&row[..width]);
        padded.resize(padded.len().next_multiple_of(stride), row[width - 1]);
    }
    if picture.height % 2 == 1 {
        padded.extend_from_within(padded.len() - stride..);
    }
    padded
}

/// Why an image gave no picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

/// Decodes to planar 4:2:0.
pub struct Decoder {
    decompressor: Decompressor,
    scratch: Vec<u8>,
}

impl Decoder {
    /// # Errors
    /// If libjpeg-turbo has no memory.
    pub fn new() -> Result<Decoder, turbojpeg::Error> {
        let mut decompressor = Decompressor::new()?;
        decompressor.set_scan_limit(MAX_SCANS)?;
        Ok(Decoder { decompressor, scratch: Vec::new() })
    }

    /// Decodes one image, whatever its size; the numbers stay those of the image (BT.601, full range).
    ///
    /// # Errors
    /// [`Error::Malformed`] for damage that would be seen; [`Error::Unsupported`] for CMYK.
    pub fn decode(&mut self, image: &[u8], out: &mut Picture) -> Result<(), Error> {
        let header = self.decompressor.read_header(image).map_err(damage)?;
        let (width, height) = (header.width, header.height);
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(Malformed::new("JPEG", format!("an image of {width}x{height} pixels")).into());
        }
        match (header.colorspace, layout(header.subsamp)) {
            (Colorspace::CMYK | Colorspace::YCCK, _) => {
                let advice = "convert it to an ordinary JPEG".to_owned();
                Err(Unsupported { what: "a CMYK JPEG is for print".to_owned(), advice }.into())
            }
            (Colorspace::YCbCr | Colorspace::Gray, Some(format)) => self.planar(image, &header, format, out),
            _ => self.through_rgb(image, &header, out),
        }
    }

    fn planar(&mut self, image: &[u8], header: &DecompressHeader, format: PixelFormat, out: &mut Picture) -> Result<(), Error> {
        let DecompressHeader { width, height, subsamp, .. } = *header;
        let whole = match format {
            PixelFormat::I420 => width % 2 == 0 && height % 2 == 0,
            PixelFormat::I422 => width % 2 == 0,
            _ => true,
        };
        if format == PixelFormat::I420 && whole {
            out.resize(width, height);
            return self.decompress(image, YuvImage { pixels: out.data_mut(), width, align: 1, height, subsamp });
        }
        let len = turbojpeg::yuv_pixels_len(width, 1, height, subsamp).map_err(damage)?;
        let mut pixels = std::mem::take(&mut self.scratch);
        pixels.resize(len, 0);
        let decoded = self.decompress(image, YuvImage { pixels: &mut pixels[..], width, align: 1, height, subsamp });
        let size = format.picture_size(width as u32, height as u32);
        if !whole {
            pixels = tighten(&pixels, width, height, size);
        }
        let converted = decoded.and_then(|()| Ok(to_i420(format, width, height, &pixels[..size], Space::JPEG, out)?));
        self.scratch = pixels;
        converted
    }

    fn decompress(&mut self, image: &[u8], out: YuvImage<&mut [u8]>) -> Result<(), Error> {
        self.decompressor.decompress_to_yuv(image, out).or_else(harmless)
    }

    /// Rare kinds: RGB inside, or chroma halved in height only.
    fn through_rgb(&mut self, image: &[u8], header: &DecompressHeader, out: &mut Picture) -> Result<(), Error> {
        let (width, height) = (header.width, header.height);
        let mut pixels = std::mem::take(&mut self.scratch);
        pixels.resize(3 * width * height, 0);
        let format = turbojpeg::PixelFormat::RGB;
        let decoded = self.decompressor.decompress(image, Image { pixels: &mut pixels[..], width, pitch: 3 * width, height, format });
        let converted = decoded.or_else(harmless).and_then(|()| Ok(to_i420(PixelFormat::Rgb24, width, height, &pixels, Space::JPEG, out)?));
        self.scratch = pixels;
        converted
    }
}

fn layout(subsamp: Subsamp) -> Option<PixelFormat> {
    match subsamp {
        Subsamp::Sub2x2 => Some(PixelFormat::I420),
        Subsamp::Sub2x1 => Some(PixelFormat::I422),
        Subsamp::None => Some(PixelFormat::I444),
        Subsamp::Gray => Some(PixelFormat::Gray),
        _ => None,
    }
}

/// The library pads luma of odd sizes to whole chroma samples; chroma behind it is as we have it.
fn tighten(padded: &[u8], width: usize, height: usize, size: usize) -> Vec<u8> {
    let chroma = size - width * height;
    let mut tight = vec![0; size];
    copy_rows(padded, width.next_multiple_of(2), &mut tight[..width * height], width);
    tight[width * height..].copy_from_slice(&padded[padded.len() - chroma..]);
    tight
}

/// Webcams leave stray bytes between the picture and its end; nothing of the picture is lost.
fn harmless(error: turbojpeg::Error) -> Result<(), Error> {
    if error.to_string().contains("extraneous bytes before marker") { Ok(()) } else { Err(damage(error)) }
}

fn damage(error: turbojpeg::Error) -> Error {
    Malformed::new("JPEG", error.to_string().trim_start_matches("TurboJPEG error: ")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            Decoder::new().unwrap().decode(&image, &mut back).unwrap();
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
        let format = turbojpeg::PixelFormat::RGB;
        let mut expected = Picture::default();
        to_i420(PixelFormat::Rgb24, width, height, &rgb, Space::JPEG, &mut expected).unwrap();
        for subsamp in [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub1x2, Subsamp::Sub4x1] {
            let image = Image { pixels: &rgb[..], width, pitch: 3 * width, height, format };
            let jpeg = turbojpeg::compress(image, 98, subsamp).unwrap();
            let mut back = Picture::default();
            Decoder::new().unwrap().decode(&jpeg, &mut back).unwrap();
            let (a, b) = (expected.planes(), back.planes());
            let off = worst(a.y, b.y).max(worst(a.u, b.u)).max(worst(a.v, b.v));
            assert!(off <= 8, "{subsamp:?}: off by {off}");
        }
    }

    #[test]
    fn damage_is_an_error_and_stray_bytes_before_the_end_are_not() {
        let mut image = Encoder::new(80).unwrap().encode(&ramp(64, 48).planes()).unwrap();
        let mut decoder = Decoder::new().unwrap();
        let mut out = Picture::default();
        for cut in [0, 1, 2, 20, image.len() / 2, image.len() - 40] {
            assert!(decoder.decode(&image[..cut], &mut out).is_err(), "cut at {cut}");
        }
        let end = image.len() - 2;
        image.splice(end..end, [0x12, 0x34]);
        decoder.decode(&image, &mut out).unwrap();
        assert!(decoder.decode(b"\xff\xd8\xff\xd9", &mut out).is_err());
    }
}
