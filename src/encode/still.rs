//! One picture of a stream as a JPEG image: upright, with square pixels where it is scaled.
//!
//! Of H.264 it decodes keyframes, of at most [`MAX_PIXELS`] and of the kinds that cameras and browsers have: 4:2:0 of 8 bits.

use super::error::Error;
use super::jpeg::{self, EncodeError};
use super::openh264_decoder::Decoder;
use super::picture::{Picture, Planes};
use super::preprocess::{Preprocess, Target};
use super::scale::Size;
use crate::codec::h264;
use crate::codec::nal::annex_b_units;
use crate::media::{Codec, Malformed, PixelFormat, Track, Unsupported, VideoParams};

/// Larger pictures are not decoded: 3840x2160.
const MAX_PIXELS: u32 = 3840 * 2160;
/// As of a snapshot that people look at once.
const QUALITY: u8 = 85;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    /// The picture is damaged, or of a kind that is not decoded.
    #[error(transparent)]
    Picture(#[from] Error),
    /// OpenH264 refused it.
    #[error(transparent)]
    Decoder(#[from] super::openh264::Error),
    /// The image could not be written.
    #[error(transparent)]
    Encoder(#[from] EncodeError),
}

/// The image of one picture of this track: JPEG, or a keyframe of H.264 as a byte stream with its parameter sets. `width`: scaled down to so many
/// pixels, in proportion.
///
/// # Errors
/// The picture is damaged, too large, or of a kind that is not decoded.
pub fn still(track: &Track, data: &[u8], width: Option<u32>) -> Result<Vec<u8>, StillError> {
    let shape = track.as_video().cloned().unwrap_or_else(|| VideoParams::new(1, 1));
    match track.codec {
        Codec::Jpeg => image(Codec::Jpeg, &shape, data, width),
        Codec::H264 => {
            check(data)?;
            let mut picture = Picture::default();
            if !Decoder::new()?.decode(data, &mut picture)? {
                return Err(Error::from(Malformed::new("H.264", "a keyframe without a picture")).into());
            }
            let shape = VideoParams { width: picture.width() as u32, height: picture.height() as u32, ..shape };
            image(Codec::Raw(PixelFormat::I420), &shape, picture.data_mut(), width)
        }
        codec => Err(Error::from(Unsupported { what: format!("{codec} is not decoded"), advice: "see NAME.mp4".into() }).into()),
    }
}

/// What the parameter sets promise is looked at before anything is decoded.
fn check(access_unit: &[u8]) -> Result<(), Error> {
    let sets = annex_b_units(access_unit).filter(|unit| h264::type_of(unit) == h264::unit_type::SPS);
    let mut some = false;
    for set in sets {
        let info = h264::parse_sps(set)?;
        let unsupported = |what: String| Err(Unsupported { what, advice: "see NAME.mp4".into() }.into());
        if info.chroma_format != 1 || info.bit_depth_luma != 8 || info.bit_depth_chroma != 8 {
            return unsupported("H.264 of other than 4:2:0 and 8 bits is not decoded".into());
        }
        if info.width.saturating_mul(info.height) > MAX_PIXELS {
            return unsupported(format!("H.264 of {}x{} is not decoded", info.width, info.height));
        }
        some = true;
    }
    if some { Ok(()) } else { Err(Malformed::new("H.264", "no sequence parameter set").into()) }
}

fn image(codec: Codec, shape: &VideoParams, data: &[u8], width: Option<u32>) -> Result<Vec<u8>, StillError> {
    let (shown, _) = shape.displayed();
    // A picture whose pixels are not square is given square ones: images have no others.
    let is_square = shape.sample_aspect.is_square();
    let width = width.map(|width| width.clamp(1, shown.max(1))).or((!is_square).then_some(shown));
    let size: Option<Size> = width.map(|width| format!("{width}x").parse()).transpose().map_err(Error::from)?;
    let mut stage = Preprocess::new(codec, shape, Target::jpeg(codec, shape, size))?;
    let planes: Planes<'_> = stage.run(data)?;
    Ok(jpeg::Encoder::new(QUALITY)?.encode(&planes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::nal::to_annex_b;
    use crate::encode::openh264::{Config, Encoder};
    use crate::media::SampleAspect;

    /// A keyframe of a ramp.
    fn keyframe(width: u32, height: u32) -> Vec<u8> {
        let config = Config { width, height, rate: 25.0, threads: 1, slices: 1, colour: [6, 6, 6], sample_aspect: SampleAspect::SQUARE };
        let mut picture = Picture::default();
        picture.resize(width as usize, height as usize);
        let [y, u, v] = picture.planes_mut();
        for (n, y) in y.iter_mut().enumerate() {
            *y = 40 + (n % width as usize * 150 / width as usize) as u8;
        }
        u.fill(128);
        v.fill(128);
        let coded = Encoder::new(&config).unwrap().encode(&picture.planes(), true, 20).unwrap();
        assert!(coded.key);
        to_annex_b(&coded.data).to_vec()
    }

    fn track(width: u32, height: u32) -> Track {
        Track::video(Codec::H264, VideoParams::new(width, height))
    }

    #[test]
    fn a_keyframe_is_an_image() {
        let data = keyframe(640, 360);
        for (width, size) in [(None, (640, 360)), (Some(320), (320, 180)), (Some(5000), (640, 360))] {
            let image = still(&track(640, 360), &data, width).unwrap();
            let mut picture = Picture::default();
            jpeg::Decoder::default().decode(&image, &mut picture).unwrap();
            assert_eq!((picture.width(), picture.height()), size);
            let row = picture.planes().y[..size.0].to_vec();
            // 16 to 235 there, 0 to 255 here.
            for (x, y) in row.iter().enumerate() {
                let wanted = (24.0 + x as f64 * 150.0 / size.0 as f64) * 255.0 / 219.0;
                assert!((f64::from(*y) - wanted).abs() < 8.0, "{x}: {y}, not {wanted}");
            }
        }
        let turned = Track::video(
            Codec::H264,
            VideoParams { orientation: crate::media::Orientation::from_exif(6).unwrap(), ..VideoParams::new(640, 360) },
        );
        let mut picture = Picture::default();
        jpeg::Decoder::default().decode(&still(&turned, &data, None).unwrap(), &mut picture).unwrap();
        assert_eq!((picture.width(), picture.height()), (360, 640));
    }

    #[test]
    fn what_is_damaged_gives_none() {
        let whole = keyframe(320, 240);
        let track = track(320, 240);
        for cut in [0, 3, 12, 40, whole.len() / 2] {
            assert!(still(&track, &whole[..cut], None).is_err(), "{cut}");
        }
        // Any byte may be wrong: an image or an error comes of it.
        for at in 0..whole.len().min(400) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            drop(still(&track, &damaged, None));
        }
        assert!(still(&Track::video(Codec::H265, VideoParams::new(1, 1)), &whole, None).is_err());
    }
}
