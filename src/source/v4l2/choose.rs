//! Which of a camera's modes to take.

use crate::media::{Codec, PixelFormat, Rate};
use std::cmp::Reverse;

/// What the user asked for.
///
/// Of all that the camera offers in this size, that mode is taken which has, in this order:
/// 1. the highest rate, where nothing above the asked one counts (30 frames a second if none was asked for);
/// 2. the largest picture, where nothing above 1920×1080 is taken unless its size was asked for;
/// 3. the most convenient coding: MJPEG, H.264, then raw 4:2:0, 4:2:2, others.
///
/// A size that the camera does not have gives the nearest one that it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    pub size: Option<(u32, u32)>,
    pub rate: Option<Rate>,
}

/// How a camera works.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    pub codec: Codec,
    pub width: u32,
    pub height: u32,
    pub rate: Rate,
    /// Bytes from one row to the next in memory; 0 for coded formats.
    pub stride: usize,
    pub full_range: bool,
}

/// What a camera offers: one of its formats in one size, at one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offer {
    pub fourcc: [u8; 4],
    pub width: u32,
    pub height: u32,
    pub rate: Rate,
}

/// Largest picture that is taken without being asked for.
pub const LARGEST: (u32, u32) = (1920, 1080);

/// The formats that a pipe can carry, most convenient first.
const KNOWN: [([u8; 4], Codec); 11] = [
    (*b"MJPG", Codec::Jpeg),
    (*b"JPEG", Codec::Jpeg),
    (*b"H264", Codec::H264),
    (*b"YU12", Codec::Raw(PixelFormat::I420)),
    (*b"NV12", Codec::Raw(PixelFormat::Nv12)),
    (*b"YUYV", Codec::Raw(PixelFormat::Yuy2)),
    (*b"UYVY", Codec::Raw(PixelFormat::Uyvy)),
    (*b"422P", Codec::Raw(PixelFormat::I422)),
    (*b"RGB3", Codec::Raw(PixelFormat::Rgb24)),
    (*b"BGR3", Codec::Raw(PixelFormat::Bgr24)),
    (*b"GREY", Codec::Raw(PixelFormat::Gray)),
];

pub fn codec(fourcc: [u8; 4]) -> Option<Codec> {
    KNOWN.into_iter().find(|(known, _)| *known == fourcc).map(|(_, codec)| codec)
}

pub fn is_rgb(codec: Codec) -> bool {
    matches!(codec, Codec::Raw(PixelFormat::Rgb24 | PixelFormat::Bgr24))
}

/// The rate to aim at.
pub fn wanted_rate(wish: Wish) -> Rate {
    wish.rate.unwrap_or_else(|| Rate::new(30, 1).expect("30 is a sane rate"))
}

/// The best of the offers; `None` if there is none that a pipe can carry.
pub fn choose(offers: &[Offer], wish: Wish) -> Option<Offer> {
    let usable = || offers.iter().filter(|o| codec(o.fourcc).is_some());
    let size = |o: &Offer| (o.width, o.height);
    let fits = |o: &Offer| size(o).0 <= LARGEST.0 && size(o).1 <= LARGEST.1;
    let distance = |o: &Offer, (w, h): (u32, u32)| u64::from(o.width.abs_diff(w)) + u64::from(o.height.abs_diff(h));
    let nearest = |wanted| usable().min_by_key(|o| (distance(o, wanted), Reverse(area(o)))).map(size);
    // What is too large for all that fits not at all is the smallest of what there is.
    let only = match wish.size {
        Some(wanted) => nearest(wanted),
        None if usable().any(fits) => None,
        None => usable().min_by_key(|o| area(o)).map(size),
    };
    let taken = usable().filter(|o| only.map_or(fits(o), |only| size(o) == only));
    let wanted = wanted_rate(wish).fps();
    let place = |o: &Offer| KNOWN.iter().position(|(known, _)| *known == o.fourcc);
    // Thousandths: 30000/1001 is as good as 29.97, and less than 30. At or above the wanted rate, the lower one is nearer.
    let rate = |o: &Offer| ((o.rate.fps().min(wanted) * 1000.0) as u64, Reverse((o.rate.fps() * 1000.0) as u64));
    taken.copied().max_by_key(|o| (rate(o).0, area(o), Reverse(place(o)), rate(o).1))
}

fn area(o: &Offer) -> u64 {
    u64::from(o.width) * u64::from(o.height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(fourcc: &[u8; 4], width: u32, height: u32, fps: u32) -> Offer {
        Offer { fourcc: *fourcc, width, height, rate: Rate::new(fps, 1).unwrap() }
    }

    /// A webcam as most are.
    fn webcam() -> Vec<Offer> {
        vec![
            offer(b"YUYV", 640, 480, 30),
            offer(b"YUYV", 1920, 1080, 5),
            offer(b"MJPG", 640, 480, 30),
            offer(b"MJPG", 1280, 720, 60),
            offer(b"MJPG", 1280, 720, 30),
            offer(b"MJPG", 1920, 1080, 30),
            offer(b"MJPG", 3840, 2160, 30),
            offer(b"pRAA", 1920, 1080, 30),
        ]
    }

    #[test]
    fn the_rule() {
        let pick = |size, rate: Option<u32>| choose(&webcam(), Wish { size, rate: rate.and_then(|r| Rate::new(r, 1)) }).unwrap();
        assert_eq!(pick(None, None), offer(b"MJPG", 1920, 1080, 30));
        assert_eq!(pick(None, Some(60)), offer(b"MJPG", 1280, 720, 60), "rate before size");
        assert_eq!(pick(None, Some(5)), offer(b"MJPG", 1920, 1080, 30), "enough is enough; then coding");
        assert_eq!(pick(Some((1280, 720)), Some(25)), offer(b"MJPG", 1280, 720, 30), "the nearest rate above");
        assert_eq!(pick(Some((640, 480)), None), offer(b"MJPG", 640, 480, 30), "MJPEG before raw");
        assert_eq!(pick(Some((4000, 2000)), None), offer(b"MJPG", 3840, 2160, 30), "nearest size");
    }

    #[test]
    fn odd_cameras() {
        assert_eq!(choose(&[], Wish::default()), None);
        assert_eq!(choose(&[offer(b"BA81", 640, 480, 30)], Wish::default()), None, "no format for a pipe");
        let large = [offer(b"GREY", 4096, 3000, 10), offer(b"GREY", 2048, 1536, 10)];
        assert_eq!(choose(&large, Wish::default()), Some(large[1]), "the smallest of what is too large");
    }
}
