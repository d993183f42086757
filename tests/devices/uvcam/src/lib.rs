//! A USB webcam in user space: the kernel's own `uvcvideo` driver sees a high-speed USB Video Class camera with MJPEG, YUYV and
//! H.264, plugged in through USB/IP's virtual host controller (`vhci-hcd`). No hardware, no network, no gadget driver.
//!
//! ```text
//!   clock -> scene -> mjpeg | yuyv | h264 -> stream -> usbip -> vhci-hcd -> uvcvideo -> /dev/videoN
//!                     descriptors, controls  _/
//! ```
//!
//! The picture carries the time and number of its frame, readable by machine ([`clock`]), and is drawn anew for every frame: a
//! test knows what the camera saw and when. Under software emulation an encoder would be too slow for that, so each coding only
//! makes the strip with the clock new and reuses the rest.

pub mod clock;
pub mod controls;
pub mod descriptors;
pub mod h264;
pub mod mjpeg;
pub mod scene;
pub mod stream;
pub mod usbip;
pub mod yuyv;
