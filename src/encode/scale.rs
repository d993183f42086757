//! Scaling of planar pictures, and what `--size` means.

use super::picture::{Picture, Planes, Sampling};
use crate::media::{SampleAspect, Unsupported};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use std::fmt;
use std::str::FromStr;

/// The largest side that can be asked for.
const MAX_SIDE: u32 = 16384;

/// A wanted size: `640x360`, or one side with the other in proportion: `640x`, `640`, `x360`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    width: Option<u32>,
    height: Option<u32>,
}

impl Size {
    /// The size of a picture of `width` x `height` when scaled to this, at least 1x1.
    pub fn of(self, width: u32, height: u32) -> (u32, u32) {
        self.with_pixels(width, height, SampleAspect::SQUARE)
    }

    /// The same of a picture whose pixels have this shape: what comes out has square ones.
    pub fn with_pixels(self, width: u32, height: u32, aspect: SampleAspect) -> (u32, u32) {
        let in_proportion = |side: u64, of: u64, to: u32| {
            let scaled = (u128::from(side) * u128::from(to) + u128::from(of) / 2) / u128::from(of.max(1));
            scaled.clamp(1, u128::from(MAX_SIDE)) as u32
        };
        let (shown_width, shown_height) = (u64::from(width) * u64::from(aspect.num()), u64::from(height) * u64::from(aspect.den()));
        match (self.width, self.height) {
            (Some(w), Some(h)) => (w, h),
            (Some(w), None) => (w, in_proportion(shown_height, shown_width, w)),
            (None, Some(h)) => (in_proportion(shown_width, shown_height, h), h),
            (None, None) => (width, height),
        }
    }
}

impl FromStr for Size {
    type Err = Unsupported;

    fn from_str(s: &str) -> Result<Size, Unsupported> {
        let side = |text: &str| match text {
            "" => Some(None),
            text => text.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side)).map(Some),
        };
        let (width, height) = s.split_once(['x', 'X']).unwrap_or((s, ""));
        match side(width).zip(side(height)) {
            Some((width, height)) if width.or(height).is_some() => Ok(Size { width, height }),
            _ => Err(Unsupported { what: format!("no size {s:?}"), advice: "say 640x360, 640x or x360".to_owned() }),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: Option<u32>| side.map_or_else(String::new, |side| side.to_string());
        write!(f, "{}x{}", side(self.width), side(self.height))
    }
}

/// Scales pictures plane by plane; bilinear, widened when scaling down, so that nothing flickers.
#[derive(Default)]
pub struct Scaler {
    resizer: Resizer,
    tight: Picture,
}

impl Scaler {
    /// `from` scaled to the size that `to` already has, of the same sampling.
    pub fn scale(&mut self, from: &Planes<'_>, to: &mut Picture) {
        let (width, height) = (to.width(), to.height());
        let Scaler { resizer, tight } = self;
        let from = if from.y_stride == from.width && from.c_stride == from.chroma().0 {
            *from
        } else {
            tight.copy_from(from);
            tight.planes()
        };
        let chroma = to.sampling().chroma(width, height);
        let [y, u, v] = to.planes_mut();
        let mut plane = |from: &[u8], (fw, fh): (usize, usize), to: &mut [u8], (tw, th): (usize, usize)| {
            // Typed views: the untyped `resize` would be compiled for every kind of pixel there is.
            let from = TypedImageRef::<U8>::from_buffer(fw as u32, fh as u32, &from[..fw * fh]).expect("a tight plane");
            let mut to = TypedImage::<U8>::from_buffer(tw as u32, th as u32, to).expect("a tight plane");
            let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
            resizer.resize_typed(&from, &mut to, &options).expect("two planes of one byte a sample");
        };
        plane(from.y, (from.width, from.height), y, (width, height));
        if from.sampling != Sampling::Gray {
            plane(from.u, from.chroma(), u, chroma);
            plane(from.v, from.chroma(), v, chroma);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_the_proportion() {
        let of = |text: &str| text.parse::<Size>().unwrap().of(1920, 1080);
        assert_eq!(of("640x360"), (640, 360));
        assert_eq!(of("640x"), (640, 360));
        assert_eq!(of("640"), (640, 360));
        assert_eq!(of("x720"), (1280, 720));
        assert_eq!(of("x1"), (2, 1));
        let wide = |text: &str| text.parse::<Size>().unwrap().with_pixels(160, 120, SampleAspect::new(64, 45).unwrap());
        assert_eq!((wide("640x"), wide("x120"), wide("64x48")), ((640, 338), (228, 120), (64, 48)));
        assert_eq!("1x".parse::<Size>().unwrap().of(16384, 1), (1, 1));
        for bad in ["", "x", "0x10", "10x0", "-1x5", "20000x1", "axb", "1x2x3", "640 x 360"] {
            assert!(bad.parse::<Size>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn colours_stay_and_halves_stay_halves() {
        let mut from = Picture::default();
        from.resize(64, 32);
        let [y, u, v] = from.planes_mut();
        y.chunks_mut(64).for_each(|row| {
            row[..32].fill(40);
            row[32..].fill(200);
        });
        u.fill(77);
        v.fill(99);
        for (width, height) in [(16, 8), (128, 64), (31, 7), (64, 32)] {
            let mut to = Picture::default();
            to.resize(width, height);
            Scaler::default().scale(&from.planes(), &mut to);
            let planes = to.planes();
            assert!(planes.u.iter().all(|u| *u == 77) && planes.v.iter().all(|v| *v == 99));
            assert_eq!((planes.y[0], planes.y[width - 1]), (40, 200), "{width}x{height}");
        }
        for sampling in [Sampling::S422, Sampling::S444, Sampling::Gray] {
            let (mut from, mut to) = (Picture::default(), Picture::default());
            from.reshape(sampling, 33, 17);
            from.data_mut().fill(60);
            to.reshape(sampling, 15, 21);
            Scaler::default().scale(&from.planes(), &mut to);
            assert!(to.data_mut().iter().all(|sample| *sample == 60), "{sampling:?}");
        }
    }

    #[test]
    fn a_cropped_view_is_scaled_without_what_was_cut() {
        let mut from = Picture::default();
        from.resize(5, 5);
        from.data_mut().fill(50);
        from.planes_mut()[0].chunks_mut(5).for_each(|row| row[4] = 255);
        let mut to = Picture::default();
        to.resize(8, 8);
        Scaler::default().scale(&from.planes().even(), &mut to);
        assert!(to.planes().y.iter().all(|y| *y == 50));
    }
}
