//! Which of the formats, sizes and rates that a camera offers is taken. Pure; the rule is the documentation of [`choose`].

use super::device::{FourCc, Offer, Rates, Sizes};
use super::picture;
use crate::media::{Codec, PixelFormat, Rate};
use std::cmp::Reverse;
use std::fmt;

/// What the user asks for; `None`: the best there is.
#[derive(Clone, Debug, Default)]
pub(in crate::source) struct ModeRequest {
    pub format: Option<FormatRequest>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    pub rate: Option<Rate>,
}

impl fmt::Display for ModeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            Some((width, height)) => write!(f, "{width}x{height}")?,
            None => f.write_str("any size")?,
        }
        self.rate.map_or(Ok(()), |rate| write!(f, " at {rate} fps"))
    }
}

/// A format by our name for it (`mjpeg`, `h264`, `yuy2`) or by the driver's four characters (`YUYV`).
#[derive(Clone, Debug, PartialEq)]
pub enum FormatRequest {
    /// Any of the driver's formats that the pipe carries as this codec.
    Codec(Codec),
    /// The driver's format.
    FourCc(FourCc),
}

impl std::str::FromStr for FormatRequest {
    type Err = FormatError;

    fn from_str(s: &str) -> Result<FormatRequest, FormatError> {
        let codec = match s.to_ascii_lowercase().as_str() {
            "mjpeg" | "jpeg" => Some(Codec::Jpeg),
            "h264" => Some(Codec::H264),
            "h265" | "hevc" => Some(Codec::H265),
            name => name.parse::<PixelFormat>().ok().map(Codec::Raw),
        };
        let fourcc = || s.is_ascii().then(|| format!("{s:<4}").into_bytes().try_into().ok()).flatten().map(FourCc);
        codec.map(FormatRequest::Codec).or_else(|| fourcc().map(FormatRequest::FourCc)).ok_or(FormatError)
    }
}

/// The text is no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a format is mjpeg, h264, h265, a pixel format such as yuy2 or nv12, or the driver's four characters")]
pub struct FormatError;

/// What to ask of the driver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    pub fourcc: FourCc,
    pub width: u32,
    pub height: u32,
    /// `None`: the driver does not say; it is left alone.
    pub rate: Option<Rate>,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}", self.fourcc, self.width, self.height)?;
        self.rate.map_or(Ok(()), |rate| write!(f, " at {rate} fps"))
    }
}

/// Where the user does not say: as many frames a second, and no larger a picture unless asked.
const GOOD_RATE: f64 = 30.0;
const GOOD_SIZE: (u32, u32) = (1920, 1080);

/// The rule, most important first:
///
/// 1. only formats that the pipe carries, and the format that was asked for;
/// 2. the size nearest to the one that was asked for; without a request, nothing larger than 1920x1080 where there is a choice;
/// 3. the rate nearest to the one that was asked for; without a request, 30 frames a second or as near to it as can be;
/// 4. the largest picture;
/// 5. of two codings of the same picture: MJPEG, H.264 (neither needs an encoder), raw (4:2:0, 4:2:2, RGB, grey), H.265;
/// 6. what the driver lists first.
///
/// `current` is the size the driver has set, for drivers that list none. `None`: nothing fits the format that was asked for.
pub fn choose(offers: &[Offer], request: &ModeRequest, current: (u32, u32)) -> Option<Mode> {
    let carried = offers.iter().filter(|offer| accepted(offer.fourcc, request));
    let modes = carried.flat_map(|offer| candidates(offer, request, current));
    modes.min_by_key(|mode| score(mode, request))
}

/// The first point of the rule.
pub fn accepted(fourcc: FourCc, request: &ModeRequest) -> bool {
    picture::codec(fourcc).is_some_and(|codec| match request.format {
        None => true,
        Some(FormatRequest::Codec(wanted)) => wanted == codec,
        Some(FormatRequest::FourCc(wanted)) => wanted == fourcc,
    })
}

/// Smaller is better.
fn score(mode: &Mode, request: &ModeRequest) -> (u64, u64, Reverse<u64>, u8) {
    let area = u64::from(mode.width) * u64::from(mode.height);
    let size = match request.size {
        Some((width, height)) => u64::from(mode.width.abs_diff(width)) + u64::from(mode.height.abs_diff(height)),
        None => u64::from(mode.width > GOOD_SIZE.0 || mode.height > GOOD_SIZE.1),
    };
    let rate = match (mode.rate, request.rate) {
        (Some(rate), Some(wanted)) => millihertz((rate.fps() - wanted.fps()).abs()),
        // A bit more than 30 is as good as 30; a bit less (29.97) is too.
        (Some(rate), None) => millihertz((GOOD_RATE - 0.1 - rate.fps()).max((rate.fps() - GOOD_RATE) / 1000.0).max(0.0)),
        (None, _) => 0,
    };
    (size, rate, Reverse(area), picture::codec(mode.fourcc).map_or(u8::MAX, preference))
}

fn millihertz(fps: f64) -> u64 {
    (fps * 1000.0) as u64
}

fn preference(codec: Codec) -> u8 {
    match codec {
        Codec::Jpeg => 0,
        Codec::H264 => 1,
        Codec::Raw(PixelFormat::I420 | PixelFormat::Nv12) => 2,
        Codec::Raw(PixelFormat::I422 | PixelFormat::Yuy2 | PixelFormat::Uyvy) => 3,
        Codec::Raw(PixelFormat::Gray) => 5,
        Codec::Raw(_) => 4,
        _ => 6,
    }
}

fn candidates(offer: &Offer, request: &ModeRequest, current: (u32, u32)) -> Vec<Mode> {
    let mode = |width, height, rate| Mode { fourcc: offer.fourcc, width, height, rate };
    let with_rates = |width, height, rates: &Rates| -> Vec<Mode> {
        match rates {
            Rates::Discrete(rates) => rates.iter().map(|rate| mode(width, height, Some(*rate))).collect(),
            Rates::Range(slowest, fastest) => {
                let wanted = request.rate.or_else(|| Rate::new(GOOD_RATE as u32, 1));
                let within = wanted.map(|r| {
                    if r.fps() > fastest.fps() {
                        *fastest
                    } else if r.fps() < slowest.fps() {
                        *slowest
                    } else {
                        r
                    }
                });
                vec![mode(width, height, within)]
            }
            Rates::Unknown => vec![mode(width, height, request.rate)],
        }
    };
    match &offer.sizes {
        Sizes::Discrete(sizes) => sizes.iter().flat_map(|(width, height, rates)| with_rates(*width, *height, rates)).collect(),
        Sizes::Range { width, height, rates } => {
            // Steps are advice: drivers take other sizes as well, or change them, which is said.
            let asked = request.size.map(|(w, h)| (w.clamp(width[0], width[1]), h.clamp(height[0], height[1])));
            let others = [GOOD_SIZE, (1280, 720), (640, 480)].map(|(w, h)| (within(w, *width), within(h, *height)));
            asked.into_iter().chain(others).flat_map(|(w, h)| with_rates(w, h, rates)).collect()
        }
        Sizes::Unknown => {
            let (width, height) = request.size.unwrap_or(current);
            vec![mode(width, height, request.rate)]
        }
    }
}

/// The nearest value not above `wanted` that the steps allow, at least the least.
fn within(wanted: u32, [least, most, step]: [u32; 3]) -> u32 {
    let value = wanted.clamp(least, most);
    value - (value - least) % step.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(fps: u32) -> Rate {
        Rate::new(fps, 1).unwrap()
    }

    fn offer(fourcc: &[u8; 4], modes: &[(u32, u32, u32)]) -> Offer {
        let sizes = modes.iter().map(|(w, h, fps)| (*w, *h, Rates::Discrete(vec![rate(5), rate(*fps)]))).collect();
        Offer { fourcc: FourCc(*fourcc), description: String::new(), sizes: Sizes::Discrete(sizes) }
    }

    /// A common webcam: raw pictures are slow where they are large.
    fn webcam() -> Vec<Offer> {
        vec![
            offer(b"YUYV", &[(640, 480, 30), (1280, 720, 10), (1920, 1080, 5)]),
            offer(b"XYZ ", &[(1920, 1080, 60)]),
            offer(b"MJPG", &[(640, 480, 30), (1920, 1080, 30), (3840, 2160, 30)]),
            offer(b"H264", &[(1920, 1080, 30)]),
        ]
    }

    fn chosen(offers: &[Offer], request: &ModeRequest) -> Option<String> {
        choose(offers, request, (320, 240)).map(|mode| mode.to_string())
    }

    #[test]
    fn without_a_wish() {
        assert_eq!(chosen(&webcam(), &ModeRequest::default()).unwrap(), "MJPG 1920x1080 at 30 fps");
        assert_eq!(chosen(&webcam()[..2], &ModeRequest::default()).unwrap(), "YUYV 640x480 at 30 fps");
        assert_eq!(chosen(&[offer(b"YUYV", &[(3840, 2160, 5)])], &ModeRequest::default()).unwrap(), "YUYV 3840x2160 at 5 fps");
        assert_eq!(chosen(&[offer(b"YUYV", &[(640, 480, 120)])], &ModeRequest::default()).unwrap(), "YUYV 640x480 at 120 fps");
        assert_eq!(chosen(&webcam()[1..2], &ModeRequest::default()), None);
    }

    #[test]
    fn with_requests() {
        let asked = |format: Option<&str>, size, fps: Option<u32>| ModeRequest {
            format: format.map(|f| f.parse().unwrap()),
            size,
            rate: fps.map(rate),
        };
        assert_eq!(chosen(&webcam(), &asked(Some("h264"), None, None)).unwrap(), "H264 1920x1080 at 30 fps");
        assert_eq!(chosen(&webcam(), &asked(Some("yuy2"), Some((1280, 720)), None)).unwrap(), "YUYV 1280x720 at 10 fps");
        assert_eq!(chosen(&webcam(), &asked(Some("YUYV"), None, Some(5))).unwrap(), "YUYV 1920x1080 at 5 fps");
        assert_eq!(chosen(&webcam(), &asked(None, Some((3840, 2160)), None)).unwrap(), "MJPG 3840x2160 at 30 fps");
        assert_eq!(chosen(&webcam(), &asked(None, Some((650, 470)), Some(29))).unwrap(), "MJPG 640x480 at 30 fps");
        assert_eq!(chosen(&webcam(), &asked(Some("nv12"), None, None)), None);
        assert_eq!("longer".parse::<FormatRequest>(), Err(FormatError));
    }

    #[test]
    fn ranges_and_drivers_that_do_not_say() {
        let sizes = Sizes::Range { width: [48, 4096, 16], height: [32, 2160, 8], rates: Rates::Range(rate(1), rate(25)) };
        let range = Offer { fourcc: FourCc(*b"NV12"), description: String::new(), sizes };
        assert_eq!(chosen(std::slice::from_ref(&range), &ModeRequest::default()).unwrap(), "NV12 1920x1080 at 25 fps");
        let request = ModeRequest { size: Some((1000, 5)), rate: Some(rate(10)), ..ModeRequest::default() };
        assert_eq!(chosen(&[range], &request).unwrap(), "NV12 1000x32 at 10 fps");
        let silent = Offer { fourcc: FourCc(*b"YUYV"), description: String::new(), sizes: Sizes::Unknown };
        assert_eq!(chosen(&[silent], &ModeRequest::default()).unwrap(), "YUYV 320x240");
    }
}
