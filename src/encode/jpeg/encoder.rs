//! Planes to JPEG. libjpeg-turbo (feature `turbojpeg`) takes planes as they are and is two to four times as fast as the pure Rust crate
//! `jpeg-encoder`, which does the work in builds without it.

use super::super::picture::Planes;

/// Why a picture gave no image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// JPEG has no pictures of this size.
    #[error("JPEG has no pictures of {width}x{height}")]
    Size {
        /// In pixels.
        width: usize,
        /// In pixels.
        height: usize,
    },
    /// libjpeg-turbo refused.
    #[cfg(feature = "turbojpeg")]
    #[error(transparent)]
    Turbo(#[from] turbojpeg::Error),
    /// jpeg-encoder refused.
    #[cfg(not(feature = "turbojpeg"))]
    #[error(transparent)]
    Plain(#[from] jpeg_encoder::EncodingError),
}

/// Encodes pictures of any sampling, each as it is; one per thread.
pub struct Encoder {
    #[cfg(feature = "turbojpeg")]
    inner: turbo::Encoder,
    #[cfg(not(feature = "turbojpeg"))]
    inner: plain::Encoder,
}

impl Encoder {
    /// `quality` 1 to 100, as of libjpeg.
    ///
    /// # Errors
    /// If libjpeg-turbo has no memory.
    pub fn new(quality: u8) -> Result<Encoder, Error> {
        let quality = quality.clamp(1, 100);
        #[cfg(feature = "turbojpeg")]
        return Ok(Encoder { inner: turbo::Encoder::new(quality)? });
        #[cfg(not(feature = "turbojpeg"))]
        Ok(Encoder { inner: plain::Encoder::new(quality) })
    }

    /// One whole JPEG image. The samples are taken for BT.601 of the full range, which is what JPEG means.
    ///
    /// # Errors
    /// For sizes that JPEG cannot say: 0 or over 65,500 (libjpeg's limit).
    pub fn encode(&mut self, picture: &Planes<'_>) -> Result<Vec<u8>, Error> {
        debug_assert!(picture.is_whole(), "planes shorter than they say");
        let (width, height) = (picture.width, picture.height);
        let good = |side| (1..=MAX_SIDE).contains(&side);
        if !good(width) || !good(height) {
            return Err(Error::Size { width, height });
        }
        Ok(self.inner.encode(picture)?)
    }
}

/// The largest side that libjpeg writes (JPEG_MAX_DIMENSION).
const MAX_SIDE: usize = 65_500;

#[cfg(feature = "turbojpeg")]
mod turbo {
    use super::super::super::picture::{Picture, Planes, Sampling};
    use turbojpeg::{Compressor, Error, Image, PixelFormat, Subsamp, YuvPlanesImage};

    pub struct Encoder {
        compressor: Compressor,
        /// As long as the largest image can be; only what was written has been touched.
        image: Vec<u8>,
        /// A picture of an odd size with a last column and row to make it even.
        padded: Picture,
    }

    impl Encoder {
        pub fn new(quality: u8) -> Result<Encoder, Error> {
            let mut compressor = Compressor::new()?;
            compressor.set_quality(quality.into())?;
            Ok(Encoder { compressor, image: Vec::new(), padded: Picture::default() })
        }

        pub fn encode(&mut self, picture: &Planes<'_>) -> Result<Vec<u8>, Error> {
            let subsamp = match picture.sampling {
                Sampling::S420 => Subsamp::Sub2x2,
                Sampling::S422 => Subsamp::Sub2x1,
                Sampling::S444 => Subsamp::None,
                Sampling::Gray => Subsamp::Gray,
            };
            let (width, height) = (picture.width, picture.height);
            let most = turbojpeg::compressed_buf_len(width, height, subsamp)?;
            if self.image.len() < most {
                self.image = vec![0; most];
            }
            let len = if picture.sampling == Sampling::Gray {
                self.compressor.set_subsamp(subsamp)?;
                let image = Image { pixels: picture.y, width, pitch: picture.y_stride, height, format: PixelFormat::GRAY };
                self.compressor.compress_to_slice(image, &mut self.image)?
            } else {
                let Planes { y, u, v, y_stride, c_stride, .. } = whole_groups(picture, &mut self.padded);
                let (u_stride, v_stride) = (c_stride, c_stride);
                let image = YuvPlanesImage { y_plane: y, u_plane: u, v_plane: v, width, height, y_stride, u_stride, v_stride, subsamp };
                self.compressor.compress_yuv_planes_to_slice(&image, &mut self.image)?
            };
            Ok(self.image[..len].to_vec())
        }
    }

    /// The library wants luma for each sample of chroma: an odd last column and row twice.
    fn whole_groups<'a>(picture: &Planes<'a>, padded: &'a mut Picture) -> Planes<'a> {
        let even = |side: usize| side + side % 2;
        let (width, height) = match picture.sampling {
            Sampling::S420 => (even(picture.width), even(picture.height)),
            Sampling::S422 => (even(picture.width), picture.height),
            Sampling::S444 | Sampling::Gray => return *picture,
        };
        if (width, height) == (picture.width, picture.height) {
            return *picture;
        }
        // Luma alone; the planes of chroma are large enough.
        padded.reshape(Sampling::Gray, width, height);
        let [y, ..] = padded.planes_mut();
        for (row, to) in y.chunks_exact_mut(width).enumerate() {
            let from = &picture.y[row.min(picture.height - 1) * picture.y_stride..][..picture.width];
            to[..picture.width].copy_from_slice(from);
            to[picture.width..].fill(from[picture.width - 1]);
        }
        Planes { y: padded.planes().y, y_stride: width, ..*picture }
    }
}

/// Always compiled in tests, as a judge of the other.
#[cfg(any(test, not(feature = "turbojpeg")))]
#[cfg_attr(feature = "turbojpeg", allow(dead_code))]
pub mod plain {
    use super::super::super::picture::{Planes, Sampling};
    use jpeg_encoder::{EncodingError, ImageBuffer, JpegColorType, SamplingFactor};

    pub struct Encoder {
        quality: u8,
        /// Length of the last image: the next one will be about as long.
        last: usize,
    }

    impl Encoder {
        pub fn new(quality: u8) -> Encoder {
            Encoder { quality, last: 0 }
        }

        pub fn encode(&mut self, picture: &Planes<'_>) -> Result<Vec<u8>, EncodingError> {
            let mut image = Vec::with_capacity(self.last + self.last / 8);
            let mut encoder = jpeg_encoder::Encoder::new(&mut image, self.quality);
            encoder.set_sampling_factor(match picture.sampling {
                Sampling::S420 => SamplingFactor::F_2_2,
                Sampling::S422 => SamplingFactor::F_2_1,
                Sampling::S444 | Sampling::Gray => SamplingFactor::F_1_1,
            });
            encoder.encode_image(Rows(picture))?;
            self.last = image.len();
            Ok(image)
        }
    }

    /// The encoder takes full-size chroma and keeps the top left sample of each group, which here is all there is of them.
    struct Rows<'a>(&'a Planes<'a>);

    impl ImageBuffer for Rows<'_> {
        fn get_jpeg_color_type(&self) -> JpegColorType {
            if self.0.sampling == Sampling::Gray { JpegColorType::Luma } else { JpegColorType::Ycbcr }
        }

        fn width(&self) -> u16 {
            self.0.width as u16
        }

        fn height(&self) -> u16 {
            self.0.height as u16
        }

        fn fill_buffers(&self, y: u16, [luma, cb, cr, _]: &mut [Vec<u8>; 4]) {
            let (picture, y, width) = (self.0, usize::from(y), self.0.width);
            luma.extend_from_slice(&picture.y[y * picture.y_stride..][..width]);
            let (rows, columns) = match picture.sampling {
                Sampling::S420 => (2, 2),
                Sampling::S422 => (1, 2),
                Sampling::S444 => (1, 1),
                Sampling::Gray => return,
            };
            let row = y / rows * picture.c_stride;
            for (plane, to) in [(picture.u, cb), (picture.v, cr)] {
                let (end, from) = (to.len() + width, &plane[row..][..width.div_ceil(columns)]);
                if columns == 1 {
                    to.extend_from_slice(from);
                } else {
                    to.extend(from.iter().flat_map(|&sample| [sample; 2]));
                    to.truncate(end);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::picture::{Picture, Planes, Sampling};
    use super::super::Decoder;
    use super::*;

    const SAMPLINGS: [Sampling; 4] = [Sampling::S420, Sampling::S422, Sampling::S444, Sampling::Gray];

    /// Edges, ramps and some noise, so that every table of the coder is used.
    fn picture(sampling: Sampling, width: usize, height: usize) -> Picture {
        let mut picture = Picture::default();
        picture.reshape(sampling, width, height);
        let (columns, _) = sampling.chroma(width, height);
        let mut noise = 1u32;
        for (plane, width) in picture.planes_mut().into_iter().zip([width, columns, columns]) {
            for (n, sample) in plane.iter_mut().enumerate() {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (x, y) = (n % width, n / width);
                *sample = ((x * 3 + y * 5 + (x / 9 % 2) * 90) % 200 + (noise >> 28) as usize) as u8;
            }
        }
        picture
    }

    /// The same picture with rows that lie further apart; between them is what must not be seen.
    #[cfg(feature = "turbojpeg")]
    fn spread<'a>(picture: &Picture, room: &'a mut Vec<u8>) -> Planes<'a> {
        let planes = picture.planes();
        let (columns, rows) = planes.chroma();
        let (y_stride, c_stride) = (planes.width + 7, columns + 5);
        room.clear();
        for (plane, width, height, stride) in
            [(planes.y, planes.width, planes.height, y_stride), (planes.u, columns, rows, c_stride), (planes.v, columns, rows, c_stride)]
        {
            for row in 0..height {
                room.extend_from_slice(&plane[row * width..][..width]);
                room.resize(room.len() + stride - width, 255);
            }
        }
        let (y, rest) = room.split_at(y_stride * planes.height);
        let (u, v) = rest.split_at(c_stride * rows);
        Planes { y_stride, c_stride, y, u, v, ..planes }
    }

    /// What the Rust port of libjpeg-turbo writes, a program by other hands.
    #[cfg(feature = "turbojpeg")]
    fn port(picture: &Picture, quality: u8) -> Vec<u8> {
        use libjpeg_turbo_rs::{Subsampling, api::raw_data::compress_raw};
        let (planes, (columns, rows)) = (picture.planes(), picture.planes().chroma());
        let (width, height) = (planes.width, planes.height);
        let (subsampling, count) = match planes.sampling {
            Sampling::S420 => (Subsampling::S420, 3),
            Sampling::S422 => (Subsampling::S422, 3),
            Sampling::S444 => (Subsampling::S444, 3),
            Sampling::Gray => (Subsampling::S444, 1),
        };
        let all = [planes.y, planes.u, planes.v];
        let (widths, heights) = ([width, columns, columns], [height, rows, rows]);
        compress_raw(&all[..count], &widths[..count], &heights[..count], width, height, quality, subsampling).unwrap()
    }

    #[test]
    #[cfg(feature = "turbojpeg")]
    fn every_byte_is_that_of_the_rust_port() {
        let mut room = Vec::new();
        for (n, sampling) in SAMPLINGS.into_iter().enumerate() {
            for (width, height) in [(1, 1), (2, 2), (3, 5), (16, 16), (17, 33), (31, 8), (64, 48), (65, 47), (66, 31), (127, 2), (1, 40)] {
                let picture = picture(sampling, width, height);
                let spread = spread(&picture, &mut room);
                // A hundred qualities over the sizes, and the ends for each.
                for quality in (1 + (width + n) as u8 % 7..=100).step_by(7).chain([1, 50, 80, 100]) {
                    let expected = port(&picture, quality);
                    let mut encoder = Encoder::new(quality).unwrap();
                    let what = format!("{sampling:?} {width}x{height} quality {quality}");
                    assert!(encoder.encode(&picture.planes()).unwrap() == expected, "{what}");
                    assert!(encoder.encode(&spread).unwrap() == expected, "{what}, rows apart");
                }
            }
        }
    }

    #[test]
    fn both_encoders_make_the_same_picture() {
        for sampling in SAMPLINGS {
            for (width, height) in [(64, 48), (63, 47), (1, 1), (2, 3)] {
                let picture = picture(sampling, width, height);
                let decoded = |image: &[u8]| {
                    let mut out = Picture::default();
                    Decoder::default().decode(image, &mut out).unwrap();
                    out
                };
                let mut ours = decoded(&Encoder::new(90).unwrap().encode(&picture.planes()).unwrap());
                let mut plain = decoded(&plain::Encoder::new(90).encode(&picture.planes()).unwrap());
                let (ours, plain) = (ours.data_mut(), plain.data_mut());
                let worst = ours.iter().zip(plain).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
                assert!(worst <= 12, "{sampling:?} {width}x{height}: {worst}");
            }
        }
    }

    #[test]
    fn an_encoder_takes_another_size_and_sampling_at_any_time() {
        let mut encoder = Encoder::new(80).unwrap();
        for (sampling, width, height) in
            [(Sampling::S420, 320, 240), (Sampling::Gray, 9, 9), (Sampling::S444, 640, 360), (Sampling::S420, 5, 3)]
        {
            let picture = picture(sampling, width, height);
            let image = encoder.encode(&picture.planes()).unwrap();
            assert!(image == Encoder::new(80).unwrap().encode(&picture.planes()).unwrap());
            let parsed = crate::codec::jpeg::parse(&image).unwrap();
            assert_eq!((parsed.width as usize, parsed.height as usize), (width, height));
        }
    }

    #[test]
    fn sizes_that_jpeg_cannot_say_are_refused() {
        let data = vec![0; MAX_SIDE + 1];
        for (width, height) in [(0, 0), (0, 4), (MAX_SIDE + 1, 1), (1, MAX_SIDE + 1)] {
            let planes = Planes::packed(Sampling::Gray, width, height, &data).unwrap();
            assert!(matches!(Encoder::new(80).unwrap().encode(&planes), Err(Error::Size { .. })), "{width}x{height}");
        }
        let planes = Planes::packed(Sampling::Gray, MAX_SIDE, 1, &data).unwrap();
        assert!(Encoder::new(80).unwrap().encode(&planes).is_ok());
    }
}
