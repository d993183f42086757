//! How a picture is to be shown: the matrices of `tkhd` and `mvhd`, and the shape of pixels by `pasp` or the size in `tkhd`, both ways.
//!
//! ```text
//!   tkhd (ISO/IEC 14496-12, section 8.3.2)  … matrix { a b u  c d v  x y w }  width height     16.16 fixed point
//!   pasp (section 12.1.4)                   hSpacing vSpacing
//! ```
//!
//! The width and height of `tkhd` are those before the matrix. `clap` is left alone: browsers and ffmpeg show the whole picture too.

use super::boxes::{BoxRef, child};
use crate::codec;
use crate::media::{Orientation, Params, SampleAspect, Track, VideoParams};
use mp4_atom::{FixedPoint, Matrix, Pasp};

/// One, in fixed point of 16 bits.
const ONE: i32 = 0x1_0000;
/// Bytes of a VisualSampleEntry before its boxes.
const VISUAL: usize = 78;

/// The boxes of a video track take precedence over its codec.
///
/// In this order, as ffmpeg has it: a matrix that scales one way more than the other, `pasp`, a size in `tkhd` that is not the coded one.
/// The last only where the entry is `alone`: others may be of another size.
pub(super) fn describe(moov: &[u8], trak: BoxRef, entry: BoxRef, alone: bool, track: &mut Track) {
    let Params::Video(video) = &mut track.params else { return };
    let header = child(trak.body, b"tkhd").and_then(|tkhd| Header::read(tkhd.body, 40)).unwrap_or_default();
    let movie = child(moov, b"mvhd").and_then(|mvhd| Header::read(mvhd.body, 36)).unwrap_or_default();
    let own = Orientation::from_matrix(header.matrix).unwrap_or_default();
    video.orientation = own.then(Orientation::from_matrix(movie.matrix).unwrap_or_default());
    let boxes = entry.body.get(VISUAL..).unwrap_or_default();
    let aspect = stretch(header.matrix).or_else(|| spacing(boxes)).or_else(|| header.sample_aspect(entry).filter(|_| alone));
    video.sample_aspect = aspect.unwrap_or(video.sample_aspect);
}

/// What `tkhd` and `mvhd` both have.
#[derive(Default)]
struct Header {
    /// `a b c d`; all zeros turn by nothing.
    matrix: [i32; 4],
    /// Width and height of the track, 16.16.
    size: Option<(u32, u32)>,
}

impl Header {
    /// `matrix_at`: where the matrix stands in version 0; times are longer by 12 bytes in version 1.
    fn read(body: &[u8], matrix_at: usize) -> Option<Header> {
        let at = if body.first()? == &1 { matrix_at + 12 } else { matrix_at };
        let number = |n: usize| Some(i32::from_be_bytes(*body.get(at + 4 * n..)?.first_chunk()?));
        let matrix = [number(0)?, number(1)?, number(3)?, number(4)?];
        Some(Header { matrix, size: number(9).zip(number(10)).map(|(width, height)| (width as u32, height as u32)) })
    }

    /// By the size in `tkhd`, where it is off from the coded one by a pixel or more.
    fn sample_aspect(&self, entry: BoxRef) -> Option<SampleAspect> {
        let (width, height) = self.size?;
        let side = |at: usize| Some(u32::from(u16::from_be_bytes(*entry.body.get(at..)?.first_chunk()?)));
        let (coded_width, coded_height) = (side(24)?, side(26)?);
        let near = |shown: u32, coded: u32| shown.abs_diff(coded << 16) < 1 << 16;
        if near(width, coded_width) && near(height, coded_height) {
            return None;
        }
        SampleAspect::of_sizes((coded_width, coded_height), (width.into(), height.into()))
    }
}

/// `None` where the matrix scales both ways alike, but for rounding.
fn stretch([a, b, c, d]: [i32; 4]) -> Option<SampleAspect> {
    Orientation::from_matrix([a, b, c, d])?;
    let (across, down) = (a.unsigned_abs().max(b.unsigned_abs()), c.unsigned_abs().max(d.unsigned_abs()));
    let alike = across.abs_diff(down) <= down / 512;
    SampleAspect::new(across.into(), down.into()).filter(|_| !alike)
}

fn spacing(boxes: &[u8]) -> Option<SampleAspect> {
    let pasp: Pasp = child(boxes, b"pasp")?.decode().ok()?;
    SampleAspect::new(pasp.h_spacing.into(), pasp.v_spacing.into())
}

/// For `tkhd`: the size of the picture with its pixels as wide as they are, not turned yet, and the matrix that turns it.
#[derive(Default)]
pub(super) struct Surface {
    pub matrix: Matrix,
    pub width: FixedPoint<u16>,
    pub height: FixedPoint<u16>,
}

pub(super) fn surface(video: &VideoParams) -> Surface {
    let aspect = video.sample_aspect;
    let width = (u64::from(video.width) << 16) * u64::from(aspect.num()) / u64::from(aspect.den());
    let width = u32::try_from(width).unwrap_or(u32::MAX);
    let height = video.height << 16;
    let fixed = |side: u32| FixedPoint::new((side >> 16) as u16, (side & 0xffff) as u16);
    Surface { matrix: matrix(video.orientation, width, height), width: fixed(width), height: fixed(height) }
}

/// The matrix moves the picture back to where its corner is at the origin.
fn matrix(orientation: Orientation, width: u32, height: u32) -> Matrix {
    let [a, b, c, d] = orientation.matrix();
    let back = |x: i32, y: i32| {
        let behind = if x < 0 { u64::from(width) } else { 0 } + if y < 0 { u64::from(height) } else { 0 };
        i32::try_from(behind).unwrap_or(i32::MAX)
    };
    Matrix { a: a * ONE, b: b * ONE, c: c * ONE, d: d * ONE, x: back(a, c), y: back(b, d), ..Matrix::default() }
}

/// Where pixels are not square, or are so against what the codec's own configuration says.
pub(super) fn pasp(track: &Track) -> Option<Pasp> {
    let aspect = track.as_video()?.sample_aspect;
    let said = !aspect.is_square() || codec::sample_aspect(track).is_some_and(|coded| coded != aspect);
    said.then(|| Pasp { h_spacing: aspect.num(), v_spacing: aspect.den() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::bmff::boxes::boxes;
    use crate::media::Codec;
    use mp4_atom::{Encode, Mvhd, Tkhd};

    fn bytes(atom: &impl Encode) -> Vec<u8> {
        let mut out = Vec::new();
        atom.encode(&mut out).unwrap();
        out
    }

    /// A visual sample entry with a `pasp`, if given.
    fn entry(width: u16, height: u16, pasp: Option<(u32, u32)>) -> Vec<u8> {
        let mut body = vec![0; VISUAL];
        body[24..26].copy_from_slice(&width.to_be_bytes());
        body[26..28].copy_from_slice(&height.to_be_bytes());
        if let Some((h_spacing, v_spacing)) = pasp {
            body.extend(bytes(&Pasp { h_spacing, v_spacing }));
        }
        [&(8 + body.len() as u32).to_be_bytes()[..], b"avc1", &body].concat()
    }

    fn described(tkhd: &Tkhd, mvhd: &Mvhd, entry: &[u8]) -> VideoParams {
        let trak = [&[0, 0, 0, 0][..], b"trak", &bytes(tkhd)].concat();
        let trak = BoxRef { kind: *b"trak", whole: &trak, body: &trak[8..] };
        let known = VideoParams { sample_aspect: SampleAspect::new(12, 11).unwrap(), ..VideoParams::new(160, 120) };
        let mut track = Track::video(Codec::H264, known);
        describe(&bytes(mvhd), trak, boxes(entry).next().unwrap(), true, &mut track);
        track.as_video().unwrap().clone()
    }

    fn header(video: &VideoParams) -> Tkhd {
        let Surface { matrix, width, height } = surface(video);
        Tkhd { matrix, width, height, ..Tkhd::default() }
    }

    fn aspect(num: u64, den: u64) -> SampleAspect {
        SampleAspect::new(num, den).unwrap()
    }

    #[test]
    fn matrices_turn_about_the_origin_and_are_read_back() {
        for orientation in Orientation::ALL {
            let video = VideoParams { orientation, ..VideoParams::new(160, 120) };
            let tkhd = header(&video);
            let Matrix { a, b, c, d, x, y, .. } = tkhd.matrix;
            let corners = [(0, 0), (160, 0), (0, 120), (160, 120)];
            let moved = corners.map(|(p, q)| (a / ONE * p + c / ONE * q + (x >> 16), b / ONE * p + d / ONE * q + (y >> 16)));
            let (width, height) = orientation.size(160, 120);
            assert_eq!(moved.iter().map(|m| m.0).min().zip(moved.iter().map(|m| m.1).min()), Some((0, 0)), "{orientation:?}");
            assert_eq!(moved.iter().max(), Some(&(width as i32, height as i32)));
            assert_eq!(described(&tkhd, &Mvhd::default(), &entry(160, 120, None)).orientation, orientation);
            let movie = Mvhd { matrix: tkhd.matrix.clone(), ..Mvhd::default() };
            let twice = described(&tkhd, &movie, &entry(160, 120, None)).orientation;
            assert_eq!(twice, orientation.then(orientation), "the movie's matrix comes after the track's");
        }
    }

    #[test]
    fn the_shape_of_pixels_by_matrix_then_pasp_then_size_then_codec() {
        let square = VideoParams::new(160, 120);
        let of = |tkhd: &Tkhd, pasp| described(tkhd, &Mvhd::default(), &entry(160, 120, pasp)).sample_aspect;
        let wide = header(&VideoParams { sample_aspect: aspect(64, 45), ..square.clone() });
        assert_eq!(of(&wide, Some((4, 3))), aspect(4, 3));
        assert!((f64::from(of(&wide, None).num()) / f64::from(of(&wide, None).den()) - 64.0 / 45.0).abs() < 1e-4);
        assert_eq!(of(&header(&square), None), aspect(12, 11), "the codec's");
        assert_eq!(of(&header(&square), Some((1, 1))), SampleAspect::SQUARE);
        let stretched = Tkhd { matrix: Matrix { b: 2 * ONE, a: 0, c: -ONE, d: 0, ..Matrix::default() }, ..header(&square) };
        assert_eq!(of(&stretched, Some((4, 3))), aspect(2, 1));
        let empty = Tkhd { width: 0.into(), height: 0.into(), ..header(&square) };
        assert_eq!(of(&empty, Some((0, 5))), aspect(12, 11), "no size, no shape");
    }

    #[test]
    fn what_is_cut_short_says_nothing() {
        let tkhd = bytes(&header(&VideoParams { orientation: Orientation::new(true, 1), ..VideoParams::new(160, 120) }));
        for cut in 8..tkhd.len() {
            _ = Header::read(&tkhd[8..cut], 40);
        }
        assert!(Header::read(&[1], 40).is_none());
        assert_eq!(matrix(Orientation::new(false, 2), u32::MAX, u32::MAX).x, i32::MAX);
    }
}
