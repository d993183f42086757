//! A V4L2 device: its questions and answers as plain types. The ioctls and structures come from the crate `v4l`; its own
//! safe types are not used, because they panic on what a driver may say (text that is not UTF-8, control types of newer kernels).
//!
//! References: Linux Media Infrastructure userspace API, Part I (Video for Linux API), by ioctl.

use crate::media::{Colour, Rate};
use std::ffi::CString;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use v4l::v4l_sys as sys;
use v4l::v4l2::{self, vidioc};

/// A driver that never stops listing is cut off here.
const MAX_LISTED: u32 = 256;
/// VIDEO_MAX_PLANES.
pub const MAX_PLANES: usize = 8;

/// Four characters that name a pixel or coding format (V4L2_PIX_FMT_*).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl FourCc {
    fn from_code(code: u32) -> FourCc {
        FourCc(code.to_le_bytes())
    }

    fn code(self) -> u32 {
        u32::from_le_bytes(self.0)
    }
}

impl std::fmt::Display for FourCc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(String::from_utf8_lossy(&self.0).trim_end())
    }
}

impl std::fmt::Debug for FourCc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// An open capture device. Its ioctls may be called from several threads.
#[derive(Debug)]
pub struct Device {
    pub(super) fd: OwnedFd,
    path: PathBuf,
    /// Pictures come in several buffers, one for each plane.
    pub(super) planar: bool,
    /// The driver's name for the device.
    pub card: String,
    /// Name of the driver.
    pub driver: String,
    /// Place on the bus.
    pub bus: String,
}

/// What VIDIOC_ENUM_FMT lists.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The format.
    pub fourcc: FourCc,
    /// The driver's name for the format.
    pub description: String,
    /// Where they were asked for.
    pub sizes: Sizes,
}

/// What VIDIOC_ENUM_FRAMESIZES lists, in pixels.
#[derive(Clone, Debug, PartialEq)]
pub enum Sizes {
    /// Each with its frame rates.
    Discrete(Vec<(u32, u32, Rates)>),
    /// All sizes between two.
    Range {
        /// Least, most, step.
        width: [u32; 3],
        /// Least, most, step.
        height: [u32; 3],
        /// Of the largest size.
        rates: Rates,
    },
    /// The driver does not say.
    Unknown,
}

/// What VIDIOC_ENUM_FRAMEINTERVALS lists.
#[derive(Clone, Debug, PartialEq)]
pub enum Rates {
    /// These.
    Discrete(Vec<Rate>),
    /// Slowest and fastest.
    Range(Rate, Rate),
    /// The driver does not say.
    Unknown,
}

/// The format that the driver has set: sizes in pixels, strides and sizes in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    pub fourcc: FourCc,
    pub width: u32,
    pub height: u32,
    /// One for each buffer of a picture: 1 to [`MAX_PLANES`].
    pub planes: Vec<Plane>,
    pub colour: Colour,
    /// The fields of a frame come one by one (V4L2_FIELD_ALTERNATE).
    pub alternate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plane {
    pub stride: u32,
    pub size: u32,
}

impl Device {
    /// Opens a device that captures pictures by streaming.
    ///
    /// # Errors
    /// Of the system. ENODEV: the device does not capture pictures by streaming (metadata, output, codecs).
    pub fn open(path: &Path) -> io::Result<Device> {
        let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // SAFETY: `name` is a C string; the descriptor is checked, and this is its only owner.
        let fd = unsafe {
            match libc::open(name.as_ptr(), libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC) {
                -1 => return Err(io::Error::last_os_error()),
                fd => OwnedFd::from_raw_fd(fd),
            }
        };
        let mut caps: sys::v4l2_capability = zeroed();
        ioctl(&fd, call!(VIDIOC_QUERYCAP), &mut caps)?;
        let has = if caps.capabilities & sys::V4L2_CAP_DEVICE_CAPS != 0 { caps.device_caps } else { caps.capabilities };
        let planar = has & sys::V4L2_CAP_VIDEO_CAPTURE == 0;
        let captures = has & (sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_VIDEO_CAPTURE_MPLANE) != 0;
        if !captures || has & sys::V4L2_CAP_STREAMING == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        let (card, driver, bus) = (text(&caps.card), text(&caps.driver), text(&caps.bus_info));
        Ok(Device { fd, path: path.to_owned(), planar, card, driver, bus })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn buffer_type(&self) -> u32 {
        if self.planar { sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE } else { sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE }
    }

    pub(super) fn ioctl<T>(&self, call: Call, argument: &mut T) -> io::Result<()> {
        ioctl(&self.fd, call, argument)
    }

    /// All formats that the device offers, in its own order. The sizes only of those that are `wanted`: some drivers take thousands of
    /// calls to list them all.
    pub fn offers(&self, wanted: impl Fn(FourCc) -> bool) -> Vec<Offer> {
        let listed = (0..MAX_LISTED).map_while(|index| {
            let mut desc = sys::v4l2_fmtdesc { index, type_: self.buffer_type(), ..zeroed() };
            self.ioctl(call!(VIDIOC_ENUM_FMT), &mut desc).ok()?;
            Some((FourCc::from_code(desc.pixelformat), text(&desc.description)))
        });
        let sizes = |fourcc| if wanted(fourcc) { self.sizes(fourcc) } else { Sizes::Unknown };
        listed.map(|(fourcc, description)| Offer { fourcc, description, sizes: sizes(fourcc) }).collect()
    }

    fn sizes(&self, fourcc: FourCc) -> Sizes {
        let mut discrete = Vec::new();
        for index in 0..MAX_LISTED {
            let mut size = sys::v4l2_frmsizeenum { index, pixel_format: fourcc.code(), ..zeroed() };
            if self.ioctl(call!(VIDIOC_ENUM_FRAMESIZES), &mut size).is_err() {
                break;
            }
            // SAFETY: `type_` says which member the driver has filled in; both are plain numbers.
            unsafe {
                if size.type_ == sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                    let s = size.__bindgen_anon_1.discrete;
                    discrete.push((s.width, s.height, self.rates(fourcc, s.width, s.height)));
                } else {
                    let s = size.__bindgen_anon_1.stepwise;
                    let rates = self.rates(fourcc, s.max_width, s.max_height);
                    let width = [s.min_width, s.max_width.max(s.min_width), s.step_width.max(1)];
                    let height = [s.min_height, s.max_height.max(s.min_height), s.step_height.max(1)];
                    return Sizes::Range { width, height, rates };
                }
            }
        }
        if discrete.is_empty() { Sizes::Unknown } else { Sizes::Discrete(discrete) }
    }

    fn rates(&self, fourcc: FourCc, width: u32, height: u32) -> Rates {
        let mut discrete = Vec::new();
        for index in 0..MAX_LISTED {
            let mut interval = sys::v4l2_frmivalenum { index, pixel_format: fourcc.code(), width, height, ..zeroed() };
            if self.ioctl(call!(VIDIOC_ENUM_FRAMEINTERVALS), &mut interval).is_err() {
                break;
            }
            // SAFETY: as above.
            unsafe {
                if interval.type_ == sys::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
                    discrete.extend(rate(interval.__bindgen_anon_1.discrete));
                } else {
                    let s = interval.__bindgen_anon_1.stepwise;
                    // Some drivers list 0 or 2^32-1 as a limit: what is out of bounds is taken for the widest sane one.
                    let slowest = rate(s.max).or_else(|| Rate::new(1, 1000));
                    let fastest = rate(s.min).or_else(|| Rate::new(1000, 1));
                    return slowest.zip(fastest).map_or(Rates::Unknown, |(slow, fast)| Rates::Range(slow, fast));
                }
            }
        }
        if discrete.is_empty() { Rates::Unknown } else { Rates::Discrete(discrete) }
    }

    /// The format in use.
    pub(super) fn format(&self) -> io::Result<Format> {
        let mut format = sys::v4l2_format { type_: self.buffer_type(), ..zeroed() };
        self.ioctl(call!(VIDIOC_G_FMT), &mut format)?;
        Ok(self.read_format(&format))
    }

    /// Asks for a format; the driver answers with what it made of it.
    pub(super) fn set_format(&self, fourcc: FourCc, width: u32, height: u32) -> io::Result<Format> {
        let mut format = sys::v4l2_format { type_: self.buffer_type(), ..zeroed() };
        let field = sys::v4l2_field_V4L2_FIELD_NONE;
        if self.planar {
            format.fmt.pix_mp = sys::v4l2_pix_format_mplane { width, height, pixelformat: fourcc.code(), field, ..zeroed() };
        } else {
            format.fmt.pix = sys::v4l2_pix_format { width, height, pixelformat: fourcc.code(), field, ..zeroed() };
        }
        self.ioctl(call!(VIDIOC_S_FMT), &mut format)?;
        Ok(self.read_format(&format))
    }

    fn read_format(&self, format: &sys::v4l2_format) -> Format {
        // SAFETY: the buffer type says which member the driver has filled in; all are plain numbers.
        unsafe {
            if self.planar {
                let p = format.fmt.pix_mp;
                let planes = (0..usize::from(p.num_planes).clamp(1, MAX_PLANES))
                    .map(|i| Plane { stride: p.plane_fmt[i].bytesperline, size: p.plane_fmt[i].sizeimage });
                let encoding = p.__bindgen_anon_1.ycbcr_enc.into();
                Format {
                    fourcc: FourCc::from_code(p.pixelformat),
                    width: p.width,
                    height: p.height,
                    planes: planes.collect(),
                    colour: colour(p.colorspace, encoding, p.quantization.into(), p.xfer_func.into()),
                    alternate: p.field == sys::v4l2_field_V4L2_FIELD_ALTERNATE,
                }
            } else {
                let p = format.fmt.pix;
                Format {
                    fourcc: FourCc::from_code(p.pixelformat),
                    width: p.width,
                    height: p.height,
                    planes: vec![Plane { stride: p.bytesperline, size: p.sizeimage }],
                    colour: colour(p.colorspace, p.__bindgen_anon_1.ycbcr_enc, p.quantization, p.xfer_func),
                    alternate: p.field == sys::v4l2_field_V4L2_FIELD_ALTERNATE,
                }
            }
        }
    }

    /// Asks for a frame rate (`None`: leaves it as it is); `None` when the device has no say in it.
    pub(super) fn set_rate(&self, wanted: Option<Rate>) -> Option<Rate> {
        let mut parm = sys::v4l2_streamparm { type_: self.buffer_type(), ..zeroed() };
        self.ioctl(call!(VIDIOC_G_PARM), &mut parm).ok()?;
        // SAFETY: the buffer type says that `capture` is the member in use; it is plain numbers.
        unsafe {
            if let Some(wanted) = wanted.filter(|_| parm.parm.capture.capability & sys::V4L2_CAP_TIMEPERFRAME != 0) {
                parm.parm.capture.timeperframe = sys::v4l2_fract { numerator: wanted.den(), denominator: wanted.num() };
                self.ioctl(call!(VIDIOC_S_PARM), &mut parm).ok()?;
            }
            rate(parm.parm.capture.timeperframe)
        }
    }
}

/// A structure of the kernel's, filled with zeros.
pub(super) fn zeroed<T: Copy>() -> T {
    // SAFETY: only used for V4L2's structures of numbers and nullable pointers, for which all zeros is a value.
    unsafe { mem::zeroed() }
}

/// An ioctl and its name.
#[derive(Clone, Copy)]
pub(super) struct Call(pub &'static str, pub vidioc::_IOC_TYPE);

macro_rules! call {
    ($name:ident) => {
        $crate::source::v4l2::device::Call(stringify!($name), v4l::v4l2::vidioc::$name)
    };
}
pub(super) use call;

/// Which call failed, inside an [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{call}: {}", io::Error::from_raw_os_error(*code))]
struct Failed {
    call: &'static str,
    code: i32,
}

/// The system's number of an error that came from a device or straight from the system.
pub fn errno(error: &io::Error) -> Option<i32> {
    let failed = error.get_ref().and_then(|inner| inner.downcast_ref::<Failed>());
    error.raw_os_error().or(failed.map(|f| f.code))
}

/// An ioctl that is repeated when a signal interrupts it. `T` must be the structure that the call is about.
fn ioctl<T>(fd: &OwnedFd, Call(name, request): Call, argument: &mut T) -> io::Result<()> {
    loop {
        // SAFETY: the argument is a valid, exclusive pointer to the request's structure for the time of the call.
        match unsafe { v4l2::ioctl(fd.as_raw_fd(), request, std::ptr::from_mut(argument).cast()) } {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                let code = e.raw_os_error().unwrap_or(libc::EIO);
                return Err(io::Error::new(e.kind(), Failed { call: name, code }));
            }
            Ok(()) => return Ok(()),
        }
    }
}

/// The text up to the first NUL, whatever the driver wrote.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}

/// The frame rate of a frame interval in seconds.
fn rate(interval: sys::v4l2_fract) -> Option<Rate> {
    let (num, den) = (interval.denominator, interval.numerator);
    let divisor = gcd(num, den).max(1);
    let exact = Rate::new(num / divisor, den / divisor)?;
    // USB Video counts in 100 ns: 333333 of them are meant as 1/30 s.
    let rounded = Rate::new(exact.fps().round() as u32, 1);
    Some(rounded.filter(|r| (r.fps() / exact.fps() - 1.0).abs() < 1e-5).unwrap_or(exact))
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Colour as code points (H.273) of what V4L2 says, with its rules for what is left open ("Defining Colorspaces in V4L2").
/// The numbers are those of enum v4l2_colorspace and so on.
fn colour(space: u32, encoding: u32, quantization: u32, transfer: u32) -> Colour {
    let primaries = match space {
        1 => 6,     // SMPTE 170M
        2 => 7,     // SMPTE 240M
        3 | 8 => 1, // BT.709, sRGB
        5 => 4,     // BT.470 M
        6 => 5,     // BT.470 B/G
        10 => 9,    // BT.2020
        12 => 11,   // DCI-P3
        _ => return Colour { full_range: (quantization == 1).then_some(true), ..Colour::default() },
    };
    let transfer = match (transfer, space) {
        (1, _) | (0, 1 | 3 | 5 | 6) => Some(1),
        (2, _) | (0, 8) => Some(13),
        (4, _) | (0, 2) => Some(7),
        (7, _) => Some(16),
        (0, 10) => Some(14),
        _ => None,
    };
    let matrix = match (encoding, space) {
        (2, _) | (0, 3 | 12) => Some(1),
        (1 | 5, _) | (0, 1 | 5 | 6 | 8) => Some(6),
        (6, _) | (0, 10) => Some(9),
        (8, _) | (0, 2) => Some(7),
        _ => None,
    };
    let full_range = match quantization {
        0 => None,
        q => Some(q == 1),
    };
    Colour { primaries: Some(primaries), transfer, matrix, full_range }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_intervals() {
        let rate = |numerator, denominator| rate(sys::v4l2_fract { numerator, denominator });
        assert_eq!(rate(333_333, 10_000_000), Rate::new(30, 1));
        assert_eq!(rate(1, 30), Rate::new(30, 1));
        assert_eq!(rate(1001, 30_000), Rate::new(30_000, 1001));
        assert_eq!(rate(2, 15), Rate::new(15, 2));
        assert_eq!(rate(0, 30), None);
        assert_eq!(rate(30, 0), None);
    }

    #[test]
    fn text_ends_at_nul_and_need_not_be_utf8() {
        assert_eq!(text(b"UVC Camera (046d:0825)\0rest"), "UVC Camera (046d:0825)");
        assert_eq!(text(&[0xff; 3]), "\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn colours() {
        let srgb = colour(8, 0, 0, 0);
        assert_eq!(srgb, Colour { primaries: Some(1), transfer: Some(13), matrix: Some(6), full_range: None });
        assert_eq!(colour(0, 0, 0, 0), Colour::default());
    }

    #[test]
    fn not_a_camera() {
        let error = Device::open(Path::new("/dev/null")).unwrap_err();
        assert_eq!(errno(&error), Some(libc::ENOTTY));
        assert_eq!(error.to_string(), "VIDIOC_QUERYCAP: Inappropriate ioctl for device (os error 25)");
        assert_eq!(Device::open(Path::new("/dev/\0")).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
