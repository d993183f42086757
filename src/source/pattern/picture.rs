//! The test picture: colour bars, a wall clock to read, a dial that turns once a second and flashes with the beep, a sweep, and
//! the machine-readable clock.
//!
//! The parts that stand still are drawn once. A frame is a copy of them with the moving parts drawn over it. All sizes are
//! in parts of a 1280×720 picture and follow the real size.

use super::canvas::{Canvas, Yuv};
use super::font::{self, Font, Segment};
use super::stamp::{COLUMNS, Stamp, block_height, span};
use super::tone::BEEP;
use crate::media::{BufferPool, PixelFormat, Rate, Timestamp, WallTime};
use bytes::Bytes;
use std::f32::consts::{FRAC_PI_2, TAU};

/// Levels of luma.
const GROUND: u8 = 28;
const LINE: u8 = 64;
const LABEL: u8 = 150;
const BLACK: u8 = 16;
const WHITE: u8 = 235;

/// Text with capitals lower than this many pixels cannot be read: it is left out.
const SMALLEST_TEXT: usize = 7;
/// The sweep crosses the picture once in this time, in microseconds.
const SWEEP: i64 = 4_000_000;

/// What changes from frame to frame.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Number of the frame since the start.
    pub number: u64,
    pub pts: Timestamp,
    /// Wall-clock time of the capture.
    pub wall: WallTime,
}

/// Draws the frames.
pub struct Picture {
    layout: Layout,
    still: Canvas,
    clock: Font,
    text: Font,
    /// How long the flash lasts: as long as the beep, and at least one frame.
    flash: i64,
    pool: BufferPool,
}

impl Picture {
    pub fn new(format: PixelFormat, width: u32, height: u32, rate: Rate) -> Picture {
        let layout = Layout::new(width as usize, height as usize);
        let mut still = Canvas::new(format, width, height, Yuv::grey(GROUND));
        let flash = BEEP.max(rate.frame_duration()).as_micros() as i64;
        let clock = Font::new(layout.clock_height, 1.5, GROUND, WHITE);
        let text = Font::new(layout.text_height, 1.4, GROUND, LABEL);
        bars(&mut still, &layout);
        ring(&mut still, &layout);
        rail(&mut still, &layout);
        let mut picture = Picture { layout, still: still.clone(), clock, text, flash, pool: BufferPool::default() };
        picture.label(&mut still, 2, &format!("{width}×{height}  {} FPS  {}", decimals(rate), format.to_string().to_uppercase()));
        picture.still = still;
        picture
    }

    pub fn draw(&mut self, now: Moment) -> Bytes {
        let mut canvas = self.still.copy(&mut self.pool);
        let wall = now.wall.0;
        stamp(&mut canvas, Stamp { time: wall.div_euclid(1000) as u32, number: now.number as u32 });
        let (left, top) = self.layout.clock;
        let time = time_of_day(wall.div_euclid(1000).rem_euclid(86_400_000));
        if self.layout.clock_height >= SMALLEST_TEXT {
            self.clock.draw(&mut canvas, left, top, &time);
        }
        self.label(&mut canvas, 0, &format!("{}  UTC", date(wall)));
        self.label(&mut canvas, 1, &format!("FRAME {:06}  TIME {}", now.number, time_of_day(now.pts.micros().div_euclid(1000))));
        self.dial(&mut canvas, now.pts.micros());
        self.sweep(&mut canvas, now.pts.micros());
        let picture = canvas.into_bytes();
        self.pool.lend(&picture);
        picture
    }

    fn label(&mut self, canvas: &mut Canvas, line: usize, text: &str) {
        let (x, y) = self.layout.labels[line];
        if self.layout.text_height >= SMALLEST_TEXT {
            self.text.draw(canvas, x, y, text);
        }
    }

    /// The hand points upwards, and the disc flashes, at each whole second.
    fn dial(&self, canvas: &mut Canvas, micros: i64) {
        let Layout { dial: (x, y), radius, .. } = self.layout;
        let into = micros.rem_euclid(1_000_000);
        let (x, y) = (x as f32, y as f32);
        if into < self.flash {
            return blot(canvas, &[[(x, y), (x, y)]], radius as f32 * 0.8, WHITE);
        }
        let angle = into as f32 / 1e6 * TAU - FRAC_PI_2;
        let tip = (x + angle.cos() * radius as f32 * 0.72, y + angle.sin() * radius as f32 * 0.72);
        blot(canvas, &[[(x, y), tip]], (radius as f32 * 0.05).max(1.0), WHITE);
    }

    fn sweep(&self, canvas: &mut Canvas, micros: i64) {
        let Layout { rail: (top, height), thumb, .. } = self.layout;
        let way = canvas.width().saturating_sub(thumb);
        let x = (micros.rem_euclid(SWEEP) as u128 * way as u128 / SWEEP as u128) as usize;
        canvas.fill(x & !1, top, thumb, height, Yuv::from_rgb(255, 170, 0));
    }
}

/// Where things are, in pixels. Coloured areas lie on even ones (see [`super::canvas`]).
struct Layout {
    width: usize,
    /// First and last row of the colour bars; the grey steps end at the third.
    bars: [usize; 3],
    clock: (usize, usize),
    clock_height: usize,
    text_height: usize,
    labels: [(usize, usize); 3],
    dial: (usize, usize),
    radius: usize,
    /// Top and height of the sweep's rail.
    rail: (usize, usize),
    /// Width of what moves on it.
    thumb: usize,
}

impl Layout {
    fn new(width: usize, height: usize) -> Layout {
        let unit = (width as f32 / 1280.0).min(height as f32 / 720.0);
        let px = |n: f32| (n * unit) as usize;
        let even = |n: usize| n & !1;
        let head = even(2 * block_height(width) + 1);
        let room = height.saturating_sub(head);
        let bars = [head, even(head + room * 38 / 100), even(head + room * 44 / 100)];
        let rail = (even(height.saturating_sub(px(28.0))), even(px(28.0)).max(2));
        // The text and the dial share what is left, centred in it from top to bottom.
        let middle = (bars[2] + rail.0) / 2;
        let from_middle = |n: f32| (middle as f32 + n * unit).max(0.0) as usize;
        let left = px(64.0);
        Layout {
            width,
            bars,
            clock: (left, from_middle(-68.0)),
            clock_height: px(98.0),
            text_height: px(25.0),
            labels: [(left, from_middle(-126.0)), (left, from_middle(65.0)), (left, from_middle(111.0))],
            dial: (width.saturating_sub(px(172.0)), middle),
            radius: px(112.0),
            rail,
            thumb: even(px(56.0)).max(2),
        }
    }
}

/// Eight bars at 75 % (as in ITU-R BT.1729, without the set-up), and sixteen steps from black to white.
fn bars(canvas: &mut Canvas, layout: &Layout) {
    const BARS: [[u8; 3]; 8] =
        [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0]];
    let [top, middle, bottom] = layout.bars;
    let edge = |i: usize, of: usize| (i * layout.width / of) & !1;
    for (i, [r, g, b]) in BARS.into_iter().enumerate() {
        canvas.fill(edge(i, 8), top, layout.width, middle - top, Yuv::from_rgb(r, g, b));
    }
    for i in 0..16 {
        let level = BLACK + ((WHITE - BLACK) as usize * i / 15) as u8;
        canvas.fill(edge(i, 16), middle, layout.width, bottom - middle, Yuv::grey(level));
    }
}

/// The dial's ring and its twelve marks.
fn ring(canvas: &mut Canvas, layout: &Layout) {
    let ((x, y), radius) = (layout.dial, layout.radius as f32);
    let at = |part: f32, r: f32| (x as f32 + (part * TAU).cos() * r, y as f32 + (part * TAU).sin() * r);
    let circle: Vec<Segment> = (0..72).map(|i| [at(i as f32 / 72.0, radius), at((i + 1) as f32 / 72.0, radius)]).collect();
    let marks = (0..12).map(|i| [at(i as f32 / 12.0, radius * 0.86), at(i as f32 / 12.0, radius)]);
    blot(canvas, &circle.iter().copied().chain(marks).collect::<Vec<_>>(), (radius * 0.02).max(0.6), LABEL);
}

/// The sweep's rail, with a mark at each tenth.
fn rail(canvas: &mut Canvas, layout: &Layout) {
    let (top, height) = layout.rail;
    canvas.fill(0, top, layout.width, height, Yuv::grey(BLACK));
    for i in 1..10 {
        canvas.fill(i * layout.width / 10, top, (layout.width / 640).max(1), height, Yuv::grey(LINE));
    }
}

/// Draws strokes of a pen of half-width `radius` on plain ground, within the box around them only.
fn blot(canvas: &mut Canvas, strokes: &[Segment], radius: f32, ink: u8) {
    let points = || strokes.iter().flatten();
    let low = |n: f32| (n - radius - 1.0).max(0.0) as usize;
    let high = |n: f32| (n + radius + 2.0).max(0.0) as usize;
    let span = |pick: fn(&(f32, f32)) -> f32, limit: usize| {
        let (min, max) = points().map(pick).fold((f32::INFINITY, 0f32), |(a, b), n| (a.min(n), b.max(n)));
        low(min)..high(max).min(limit)
    };
    let (columns, rows) = (span(|p| p.0, canvas.width()), span(|p| p.1, canvas.height()));
    for y in rows {
        let row: Vec<u8> = columns.clone().map(|x| font::mix(GROUND, ink, font::coverage(strokes, radius, x, y))).collect();
        let Some(first) = row.iter().position(|&l| l != GROUND) else { continue };
        let last = row.iter().rposition(|&l| l != GROUND).unwrap_or(first);
        canvas.grey_row(columns.start + first, y, &row[first..=last]);
    }
}

/// Draws the machine-readable clock.
fn stamp(canvas: &mut Canvas, stamp: Stamp) {
    let (width, block) = (canvas.width(), block_height(canvas.width()));
    for (row, bits) in stamp.bits().into_iter().enumerate() {
        let level = |column: usize| if bits[column] { WHITE } else { BLACK };
        let luma: Vec<u8> = (0..COLUMNS).flat_map(|column| span(column, width).map(move |_| level(column))).collect();
        for y in row * block..(row + 1) * block {
            canvas.grey_row(0, y, &luma);
        }
    }
}

/// `14:03:27.482`; hours go on beyond 24.
fn time_of_day(millis: i64) -> String {
    let (seconds, millis) = (millis.div_euclid(1000), millis.rem_euclid(1000));
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `2026-01-31`, UTC.
fn date(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).map(|t| t.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// Frames a second with at most two decimals.
fn decimals(rate: Rate) -> String {
    let text = format!("{:.2}", rate.fps());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
