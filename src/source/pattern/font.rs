//! A small stroke font of our own: capitals, digits and a few marks, as lines and arcs on a grid 6 units wide and 10 high.
//!
//! Glyphs are drawn at any size with round pens and smooth edges, once; drawing text is then copying rows of luma.

use super::canvas::Canvas;
use std::collections::HashMap;

/// Piece of a glyph. `Arc(x, y, rx, ry, from, to)`: an ellipse around (x, y) in degrees, 0 to the right, 90 downwards.
enum Piece {
    Line(&'static [(f32, f32)]),
    Arc(f32, f32, f32, f32, f32, f32),
}

use Piece::{Arc, Line};

/// Width in units, and the pieces.
type Shape = (f32, &'static [Piece]);

/// Units of height above the baseline.
const CAP: f32 = 10.0;
/// Units between two glyphs.
const GAP: f32 = 2.6;
/// Width of a space in units.
const SPACE: f32 = 3.4;

#[rustfmt::skip]
fn shape(c: char) -> Option<Shape> {
    Some(match c {
        '0' => (6.0, &[Arc(3.0, 3.0, 3.0, 3.0, 180.0, 360.0), Line(&[(6.0, 3.0), (6.0, 7.0)]), Arc(3.0, 7.0, 3.0, 3.0, 0.0, 180.0), Line(&[(0.0, 7.0), (0.0, 3.0)])]),
        '1' => (6.0, &[Line(&[(0.8, 2.4), (3.6, 0.0), (3.6, 10.0)])]),
        '2' => (6.0, &[Arc(3.0, 3.0, 3.0, 3.0, 185.0, 398.0), Line(&[(5.36, 4.85), (0.0, 10.0), (6.0, 10.0)])]),
        '3' => (6.0, &[Arc(2.9, 2.45, 2.7, 2.45, 205.0, 450.0), Arc(2.9, 7.45, 3.1, 2.55, 270.0, 518.0), Line(&[(2.0, 4.9), (2.9, 4.9)])]),
        '4' => (6.0, &[Line(&[(4.5, 10.0), (4.5, 0.0), (0.0, 7.2), (6.0, 7.2)])]),
        '5' => (6.0, &[Line(&[(5.4, 0.0), (0.9, 0.0), (0.5, 4.96)]), Arc(3.0, 6.75, 3.0, 3.25, 213.5, 505.0)]),
        '6' => (6.0, &[Arc(3.0, 6.9, 3.0, 3.1, 0.0, 360.0), Arc(6.2, 6.9, 6.2, 6.9, 180.0, 256.0)]),
        '7' => (6.0, &[Line(&[(0.0, 0.0), (6.0, 0.0), (2.3, 10.0)])]),
        '8' => (6.0, &[Arc(3.0, 2.45, 2.6, 2.45, 0.0, 360.0), Arc(3.0, 7.45, 3.0, 2.55, 0.0, 360.0)]),
        '9' => (6.0, &[Arc(3.0, 3.1, 3.0, 3.1, 0.0, 360.0), Arc(-0.2, 3.1, 6.2, 6.9, 0.0, 76.0)]),
        'A' => (6.6, &[Line(&[(0.0, 10.0), (3.3, 0.0), (6.6, 10.0)]), Line(&[(1.1, 6.7), (5.5, 6.7)])]),
        'B' => (5.8, &[Line(&[(3.0, 4.9), (0.0, 4.9), (0.0, 0.0), (3.0, 0.0)]), Arc(3.0, 2.45, 2.4, 2.45, 270.0, 450.0), Line(&[(0.0, 4.9), (0.0, 10.0), (3.2, 10.0)]), Arc(3.2, 7.45, 2.6, 2.55, 270.0, 450.0)]),
        'C' => (6.0, &[Arc(3.2, 3.2, 3.2, 3.2, 180.0, 330.0), Line(&[(0.0, 3.2), (0.0, 6.8)]), Arc(3.2, 6.8, 3.2, 3.2, 30.0, 180.0)]),
        'D' => (6.0, &[Line(&[(2.6, 0.0), (0.0, 0.0), (0.0, 10.0), (2.6, 10.0)]), Arc(2.6, 3.4, 3.4, 3.4, 270.0, 360.0), Line(&[(6.0, 3.4), (6.0, 6.6)]), Arc(2.6, 6.6, 3.4, 3.4, 0.0, 90.0)]),
        'E' => (5.2, &[Line(&[(5.2, 0.0), (0.0, 0.0), (0.0, 10.0), (5.2, 10.0)]), Line(&[(0.0, 4.9), (4.4, 4.9)])]),
        'F' => (5.0, &[Line(&[(5.0, 0.0), (0.0, 0.0), (0.0, 10.0)]), Line(&[(0.0, 4.9), (4.2, 4.9)])]),
        'G' => (6.2, &[Arc(3.2, 3.2, 3.2, 3.2, 180.0, 330.0), Line(&[(0.0, 3.2), (0.0, 6.8)]), Arc(3.2, 6.8, 3.0, 3.2, 0.0, 180.0), Line(&[(6.2, 6.8), (6.2, 5.3), (3.8, 5.3)])]),
        'H' => (6.0, &[Line(&[(0.0, 0.0), (0.0, 10.0)]), Line(&[(6.0, 0.0), (6.0, 10.0)]), Line(&[(0.0, 4.9), (6.0, 4.9)])]),
        'I' => (0.6, &[Line(&[(0.3, 0.0), (0.3, 10.0)])]),
        'J' => (4.6, &[Line(&[(4.6, 0.0), (4.6, 7.2)]), Arc(1.9, 7.2, 2.7, 2.8, 0.0, 150.0)]),
        'K' => (5.8, &[Line(&[(0.0, 0.0), (0.0, 10.0)]), Line(&[(5.6, 0.0), (0.0, 6.4)]), Line(&[(2.1, 4.1), (5.8, 10.0)])]),
        'L' => (4.8, &[Line(&[(0.0, 0.0), (0.0, 10.0), (4.8, 10.0)])]),
        'M' => (7.2, &[Line(&[(0.0, 10.0), (0.0, 0.0), (3.6, 6.4), (7.2, 0.0), (7.2, 10.0)])]),
        'N' => (6.2, &[Line(&[(0.0, 10.0), (0.0, 0.0), (6.2, 10.0), (6.2, 0.0)])]),
        'O' => (6.4, &[Arc(3.2, 3.2, 3.2, 3.2, 180.0, 360.0), Line(&[(6.4, 3.2), (6.4, 6.8)]), Arc(3.2, 6.8, 3.2, 3.2, 0.0, 180.0), Line(&[(0.0, 6.8), (0.0, 3.2)])]),
        'P' => (5.6, &[Line(&[(0.0, 10.0), (0.0, 0.0), (2.8, 0.0)]), Arc(2.8, 2.8, 2.8, 2.8, 270.0, 450.0), Line(&[(2.8, 5.6), (0.0, 5.6)])]),
        'Q' => (6.4, &[Arc(3.2, 3.2, 3.2, 3.2, 180.0, 360.0), Line(&[(6.4, 3.2), (6.4, 6.8)]), Arc(3.2, 6.8, 3.2, 3.2, 0.0, 180.0), Line(&[(0.0, 6.8), (0.0, 3.2)]), Line(&[(4.0, 7.6), (6.4, 10.4)])]),
        'R' => (5.8, &[Line(&[(0.0, 10.0), (0.0, 0.0), (2.8, 0.0)]), Arc(2.8, 2.7, 2.8, 2.7, 270.0, 450.0), Line(&[(2.8, 5.4), (0.0, 5.4)]), Line(&[(3.0, 5.4), (5.8, 10.0)])]),
        'S' => (5.8, &[Arc(2.9, 2.5, 2.7, 2.5, 90.0, 335.0), Arc(2.9, 7.5, 2.9, 2.5, 270.0, 520.0)]),
        'T' => (6.0, &[Line(&[(0.0, 0.0), (6.0, 0.0)]), Line(&[(3.0, 0.0), (3.0, 10.0)])]),
        'U' => (6.0, &[Line(&[(0.0, 0.0), (0.0, 7.0)]), Arc(3.0, 7.0, 3.0, 3.0, 0.0, 180.0), Line(&[(6.0, 7.0), (6.0, 0.0)])]),
        'V' => (6.4, &[Line(&[(0.0, 0.0), (3.2, 10.0), (6.4, 0.0)])]),
        'W' => (9.0, &[Line(&[(0.0, 0.0), (2.3, 10.0), (4.5, 1.6), (6.7, 10.0), (9.0, 0.0)])]),
        'X' => (6.0, &[Line(&[(0.0, 0.0), (6.0, 10.0)]), Line(&[(6.0, 0.0), (0.0, 10.0)])]),
        'Y' => (6.0, &[Line(&[(0.0, 0.0), (3.0, 5.2), (6.0, 0.0)]), Line(&[(3.0, 5.2), (3.0, 10.0)])]),
        'Z' => (6.0, &[Line(&[(0.0, 0.0), (6.0, 0.0), (0.0, 10.0), (6.0, 10.0)])]),
        '×' => (4.4, &[Line(&[(0.0, 3.6), (4.4, 8.0)]), Line(&[(4.4, 3.6), (0.0, 8.0)])]),
        ':' => (0.8, &[Line(&[(0.4, 3.0), (0.4, 3.1)]), Line(&[(0.4, 8.4), (0.4, 8.5)])]),
        '.' => (0.8, &[Line(&[(0.4, 9.8), (0.4, 9.9)])]),
        '-' => (4.0, &[Line(&[(0.0, 5.6), (4.0, 5.6)])]),
        '/' => (4.2, &[Line(&[(4.2, -0.4), (0.0, 10.4)])]),
        _ => return None,
    })
}

/// A straight stroke, in pixels.
pub type Segment = [(f32, f32); 2];

/// How much of the pixel at (`x`, `y`) a round pen of half-width `radius` covers along the segments: 0 to 1.
pub fn coverage(segments: &[Segment], radius: f32, x: usize, y: usize) -> f32 {
    let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
    let nearest = segments.iter().map(|s| distance(s, x, y)).fold(f32::INFINITY, f32::min);
    (radius + 0.5 - nearest).clamp(0.0, 1.0)
}

fn distance(&[(ax, ay), (bx, by)]: &Segment, x: f32, y: f32) -> f32 {
    let (dx, dy) = (bx - ax, by - ay);
    let length = (dx * dx + dy * dy).max(f32::EPSILON);
    let along = (((x - ax) * dx + (y - ay) * dy) / length).clamp(0.0, 1.0);
    (x - ax - along * dx).hypot(y - ay - along * dy)
}

/// A mix of two levels of luma, `part` 0 to 1 of the second.
pub fn mix(ground: u8, ink: u8, part: f32) -> u8 {
    (f32::from(ground) + (f32::from(ink) - f32::from(ground)) * part).round() as u8
}

/// The font at one size, in one ink on one ground.
pub struct Font {
    height: usize,
    unit: f32,
    /// Weight of the pen in units.
    weight: f32,
    ground: u8,
    ink: u8,
    glyphs: HashMap<char, Glyph>,
}

/// Luma, row by row; the rows are a little higher than the capitals, for the pen.
#[derive(Clone)]
struct Glyph {
    width: usize,
    luma: Vec<u8>,
}

impl Font {
    /// Capitals `height` pixels high.
    pub fn new(height: usize, weight: f32, ground: u8, ink: u8) -> Font {
        Font { height, unit: height as f32 / CAP, weight, ground, ink, glyphs: HashMap::new() }
    }

    /// Room that the pen takes around the strokes, in pixels.
    fn margin(&self) -> usize {
        (self.unit * self.weight / 2.0).ceil() as usize + 1
    }

    /// Draws `text` with the top left of its capitals at (`x`, `y`). Characters that the font does not have are left blank.
    pub fn draw(&mut self, canvas: &mut Canvas, x: usize, y: usize, text: &str) {
        let margin = self.margin();
        let mut pen = x as f32;
        for c in text.chars() {
            let Some((width, pieces)) = shape(c) else {
                pen += (SPACE + GAP) * self.unit;
                continue;
            };
            if !self.glyphs.contains_key(&c) {
                self.glyphs.insert(c, self.render(width, pieces));
            }
            let glyph = &self.glyphs[&c];
            let (left, top) = (pen.round() as usize, y);
            for (row, luma) in glyph.luma.chunks_exact(glyph.width).enumerate() {
                // At the edges of the picture the margin may lie outside of it.
                let (Some(x), Some(y)) = (left.checked_sub(margin), (top + row).checked_sub(margin)) else { continue };
                canvas.grey_row(x, y, luma);
            }
            pen += (width + GAP) * self.unit;
        }
    }

    fn render(&self, width: f32, pieces: &[Piece]) -> Glyph {
        let margin = self.margin();
        let segments: Vec<Segment> = pieces.iter().flat_map(|p| flatten(p, self.unit, margin as f32)).collect();
        let (columns, rows) = ((width * self.unit).ceil() as usize + 2 * margin, self.height + 2 * margin);
        let radius = self.weight * self.unit / 2.0;
        let pixels = (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y)));
        let luma = pixels.map(|(x, y)| mix(self.ground, self.ink, coverage(&segments, radius, x, y))).collect();
        Glyph { width: columns, luma }
    }
}

/// The straight segments of a piece, scaled and moved.
fn flatten(piece: &Piece, unit: f32, margin: f32) -> Vec<Segment> {
    let place = |(x, y): (f32, f32)| (x * unit + margin, y * unit + margin);
    let points: Vec<(f32, f32)> = match *piece {
        Line(points) => points.iter().copied().map(place).collect(),
        Arc(x, y, rx, ry, from, to) => {
            let steps = ((to - from).abs() / 10.0).ceil() as usize;
            let angle = |i: usize| (from + (to - from) * i as f32 / steps as f32).to_radians();
            (0..=steps).map(|i| place((x + rx * angle(i).cos(), y + ry * angle(i).sin()))).collect()
        }
    };
    points.windows(2).map(|p| [p[0], p[1]]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Yuv;
    use super::*;
    use crate::media::PixelFormat;

    #[test]
    fn every_glyph_has_ink_and_differs_from_the_others() {
        let mut seen = Vec::new();
        for c in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ×:.-/".chars() {
            let mut canvas = Canvas::new(PixelFormat::Gray, 40, 40, Yuv::grey(16));
            Font::new(24, 1.6, 16, 235).draw(&mut canvas, 6, 6, &c.to_string());
            let bytes = canvas.into_bytes();
            assert!(bytes.contains(&235), "{c} is blank");
            assert!(!seen.contains(&bytes), "{c} looks like another");
            seen.push(bytes);
        }
    }

    #[test]
    fn digits_are_equally_wide() {
        assert!(('0'..='9').all(|c| shape(c).is_some_and(|(width, _)| width == 6.0)), "a running clock does not jitter");
    }

    #[test]
    fn text_outside_the_picture_is_cut_off() {
        let mut canvas = Canvas::new(PixelFormat::I420, 16, 16, Yuv::grey(16));
        Font::new(30, 1.6, 16, 235).draw(&mut canvas, 0, 0, "WIDE é TEXT");
    }
}
