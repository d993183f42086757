//! How a picture is to be shown: Projection and the Display elements of a track, both ways.
//!
//! Matroska says which way up as the pose of a projection (RFC 9559, section 5.1.4.1.28.41): ProjectionPoseRoll turns anticlockwise, a
//! ProjectionPoseYaw of half a turn before it mirrors, as ffmpeg, mpv and GStreamer have it. The shape of pixels follows from the size of the
//! surface (sections 5.1.4.1.28.12 to 5.1.4.1.28.14).

use super::schema::id;
use crate::format::ebml;
use crate::media::{Orientation, SampleAspect, VideoParams};

/// DisplayUnit (section 5.1.4.1.28.14).
const PIXELS: u64 = 0;
const ASPECT_RATIO: u64 = 3;
/// ProjectionType.
const RECTANGULAR: u64 = 0;

/// What a Video element says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// DisplayWidth and DisplayHeight.
    surface: (u64, u64),
    unit: u64,
    /// PixelCropLeft and PixelCropRight, PixelCropTop and PixelCropBottom: not part of what the surface shows.
    crop: (u64, u64),
    orientation: Option<Orientation>,
}

impl Shape {
    /// Takes an element of Video in, if it is one of these.
    pub fn read(&mut self, id: u32, data: &[u8]) {
        match id {
            id::DISPLAY_WIDTH => self.surface.0 = ebml::uint(data),
            id::DISPLAY_HEIGHT => self.surface.1 = ebml::uint(data),
            id::DISPLAY_UNIT => self.unit = ebml::uint(data),
            id::PIXEL_CROP_LEFT | id::PIXEL_CROP_RIGHT => self.crop.0 = self.crop.0.saturating_add(ebml::uint(data)),
            id::PIXEL_CROP_TOP | id::PIXEL_CROP_BOTTOM => self.crop.1 = self.crop.1.saturating_add(ebml::uint(data)),
            id::PROJECTION => self.orientation = projection(data),
            _ => {}
        }
    }

    /// The container takes precedence over the codec.
    pub fn describe(&self, video: &mut VideoParams, stored: (u64, u64)) {
        video.orientation = self.orientation.unwrap_or(video.orientation);
        video.sample_aspect = self.sample_aspect(stored, video.sample_aspect).unwrap_or(video.sample_aspect);
    }

    /// `None` where nothing is said, or `known` but for the rounding to whole pixels.
    fn sample_aspect(&self, stored: (u64, u64), known: SampleAspect) -> Option<SampleAspect> {
        let side = |all: u64, cut: u64| all.checked_sub(cut).and_then(|side| u32::try_from(side).ok()).filter(|side| *side > 0);
        let stored = (side(stored.0, self.crop.0)?, side(stored.1, self.crop.1)?);
        let aspect = SampleAspect::of_sizes(stored, self.surface).filter(|_| self.unit <= ASPECT_RATIO)?;
        let width = f64::from(stored.0) * f64::from(known.num()) / f64::from(known.den());
        let height = f64::from(stored.1);
        let (shown_width, shown_height) = (self.surface.0 as f64, self.surface.1 as f64);
        let rounded =
            (shown_height * width / height - shown_width).abs() < 1.0 || (shown_width * height / width - shown_height).abs() < 1.0;
        (self.unit != PIXELS || !rounded).then_some(aspect)
    }
}

/// `None` for a sphere, and for a pose that is no quarter turn.
fn projection(data: &[u8]) -> Option<Orientation> {
    let (mut kind, mut yaw, mut pitch, mut roll) = (RECTANGULAR, 0.0, 0.0, 0.0);
    for (id, data) in ebml::children(data) {
        match id {
            id::PROJECTION_TYPE => kind = ebml::uint(data),
            id::PROJECTION_POSE_YAW => yaw = ebml::float(data),
            id::PROJECTION_POSE_PITCH => pitch = ebml::float(data),
            id::PROJECTION_POSE_ROLL => roll = ebml::float(data),
            _ => {}
        }
    }
    let flat = kind == RECTANGULAR && pitch == 0.0 && (yaw == 0.0 || yaw.abs() == 180.0);
    Orientation::from_degrees(yaw != 0.0, -roll).filter(|_| flat)
}

/// Writes what there is to say. `coded` is what the codec says of the shape of pixels: it is overruled where it is not the track's.
pub fn write(out: &mut Vec<u8>, video: &VideoParams, coded: Option<SampleAspect>) {
    let aspect = video.sample_aspect;
    if !aspect.is_square() || coded.is_some_and(|coded| coded != aspect) {
        let (width, height) = (u64::from(video.width) * u64::from(aspect.num()), u64::from(video.height) * u64::from(aspect.den()));
        let divisor = gcd(width, height).max(1);
        // Exact as a ratio; whole pixels would round.
        ebml::put_uint(out, id::DISPLAY_WIDTH, width / divisor);
        ebml::put_uint(out, id::DISPLAY_HEIGHT, height / divisor);
        ebml::put_uint(out, id::DISPLAY_UNIT, ASPECT_RATIO);
    }
    if !video.orientation.is_upright() {
        ebml::put_master(out, id::PROJECTION, |out| {
            ebml::put_uint(out, id::PROJECTION_TYPE, RECTANGULAR);
            if video.orientation.mirrored() {
                ebml::put_float(out, id::PROJECTION_POSE_YAW, 180.0);
            }
            ebml::put_float(out, id::PROJECTION_POSE_ROLL, anticlockwise(video.orientation));
        });
    }
}

/// -180 to 180.
fn anticlockwise(orientation: Orientation) -> f64 {
    match orientation.turns() {
        0 => 0.0,
        1 => -90.0,
        2 => 180.0,
        _ => 90.0,
    }
}

pub(super) fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(elements: &[u8], stored: (u64, u64), known: SampleAspect) -> VideoParams {
        let mut shape = Shape::default();
        ebml::children(elements).for_each(|(id, data)| shape.read(id, data));
        let mut video = VideoParams { sample_aspect: known, ..VideoParams::new(stored.0 as u32, stored.1 as u32) };
        shape.describe(&mut video, stored);
        video
    }

    fn aspect(num: u64, den: u64) -> SampleAspect {
        SampleAspect::new(num, den).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        for orientation in Orientation::ALL {
            for sample_aspect in [SampleAspect::SQUARE, aspect(10, 7), aspect(40, 33), aspect(65_521, 65_519)] {
                let video = VideoParams { orientation, sample_aspect, ..VideoParams::new(1279, 719) };
                let mut out = Vec::new();
                write(&mut out, &video, Some(aspect(12, 11)));
                assert_eq!(read(&out, (1279, 719), aspect(12, 11)), video);
            }
        }
        let mut nothing = Vec::new();
        write(&mut nothing, &VideoParams::new(720, 576), None);
        assert!(nothing.is_empty());
    }

    fn display(width: u64, height: u64, unit: u64) -> Vec<u8> {
        let mut out = Vec::new();
        ebml::put_uint(&mut out, id::DISPLAY_WIDTH, width);
        ebml::put_uint(&mut out, id::DISPLAY_HEIGHT, height);
        ebml::put_uint(&mut out, id::DISPLAY_UNIT, unit);
        out
    }

    #[test]
    fn surfaces_of_other_writers() {
        let of = |surface: &[u8], known| read(surface, (160, 120), known).sample_aspect;
        let square = SampleAspect::SQUARE;
        assert_eq!(of(&display(229, 120, 0), aspect(10, 7)), aspect(10, 7), "rounded to whole pixels");
        assert_eq!(of(&display(229, 120, 0), square), aspect(229, 160));
        assert_eq!(of(&display(160, 120, 0), aspect(10, 7)), square, "the container overrules the codec");
        assert_eq!(of(&display(161, 120, 0), square), square);
        assert_eq!(of(&display(16, 9, 3), square), aspect(4, 3));
        assert_eq!(of(&display(16, 9, 1), square), aspect(4, 3), "centimetres");
        assert_eq!(of(&display(16, 9, 4), square), square, "unknown");
        for nothing in [display(0, 0, 0), display(0, 9, 3), display(u64::MAX, u64::MAX, 3), display(1, u64::MAX, 0), vec![]] {
            assert_eq!(of(&nothing, aspect(10, 7)), aspect(10, 7));
        }
    }

    #[test]
    fn what_is_cropped_is_not_on_the_surface() {
        let mut out = display(1920, 1080, 0);
        ebml::put_uint(&mut out, id::PIXEL_CROP_BOTTOM, 8);
        assert_eq!(read(&out, (1920, 1088), SampleAspect::SQUARE).sample_aspect, SampleAspect::SQUARE);
        ebml::put_uint(&mut out, id::PIXEL_CROP_TOP, u64::MAX);
        assert_eq!(read(&out, (1920, 1088), aspect(10, 7)).sample_aspect, aspect(10, 7), "nothing is left");
    }

    #[test]
    fn poses_that_turn_by_no_quarter_are_none() {
        let pose = |kind, yaw, pitch, roll| {
            let mut out = Vec::new();
            ebml::put_master(&mut out, id::PROJECTION, |out| {
                ebml::put_uint(out, id::PROJECTION_TYPE, kind);
                ebml::put_float(out, id::PROJECTION_POSE_YAW, yaw);
                ebml::put_float(out, id::PROJECTION_POSE_PITCH, pitch);
                ebml::put_float(out, id::PROJECTION_POSE_ROLL, roll);
            });
            read(&out, (4, 2), SampleAspect::SQUARE).orientation
        };
        assert_eq!(pose(0, 0.0, 0.0, -90.0), Orientation::new(false, 1));
        assert_eq!(pose(0, -180.0, 0.0, 90.0), Orientation::new(true, 3));
        for (kind, yaw, pitch, roll) in [(1, 0.0, 0.0, 90.0), (0, 90.0, 0.0, 90.0), (0, 0.0, 10.0, 90.0), (0, 0.0, 0.0, 45.0)] {
            assert!(pose(kind, yaw, pitch, roll).is_upright());
        }
        assert!(pose(0, f64::NAN, 0.0, f64::INFINITY).is_upright());
    }
}
