//! What the camera says it is: the descriptors of a high-speed webcam with one bulk endpoint (USB 2.0, chapter 9; USB Device Class
//! Definition for Video Devices 1.1, section 3, and its frame-based payload for H.264).

/// How pictures are coded, in the order of the format indices 1, 2, 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Mjpeg,
    Yuyv,
    H264,
}

pub struct Format {
    pub coding: Coding,
    pub sizes: &'static [Size],
}

pub struct Size {
    pub width: u16,
    pub height: u16,
    /// Frame intervals in 100 ns, shortest first.
    pub intervals: &'static [u32],
}

impl Size {
    /// Bytes of the largest frame: raw 4:2:2. No other coding here makes larger ones.
    pub fn max_frame(&self) -> u32 {
        u32::from(self.width) * u32::from(self.height) * 2
    }
}

const FPS_30_15_10: &[u32] = &[333_333, 666_666, 1_000_000];
const FPS_15_10: &[u32] = &[666_666, 1_000_000];
const FPS_30_15: &[u32] = &[333_333, 666_666];

pub const FORMATS: [Format; 3] = [
    Format {
        coding: Coding::Mjpeg,
        sizes: &[
            Size { width: 640, height: 480, intervals: FPS_30_15_10 },
            Size { width: 1280, height: 720, intervals: FPS_15_10 },
            Size { width: 320, height: 240, intervals: FPS_30_15 },
        ],
    },
    Format {
        coding: Coding::Yuyv,
        sizes: &[Size { width: 640, height: 480, intervals: FPS_30_15_10 }, Size { width: 320, height: 240, intervals: FPS_30_15 }],
    },
    Format {
        coding: Coding::H264,
        sizes: &[Size { width: 640, height: 480, intervals: FPS_30_15 }, Size { width: 320, height: 240, intervals: FPS_30_15 }],
    },
];

/// Interface numbers, entity numbers and the endpoint.
pub const CONTROL_INTERFACE: u8 = 0;
pub const STREAMING_INTERFACE: u8 = 1;
pub const CAMERA_TERMINAL: u8 = 1;
pub const PROCESSING_UNIT: u8 = 2;
const OUTPUT_TERMINAL: u8 = 3;
pub const BULK_ENDPOINT: u32 = 1;
const PACKET: u16 = 512;

const CONFIGURATION: u8 = 2;
const INTERFACE: u8 = 4;
const ENDPOINT: u8 = 5;
const ASSOCIATION: u8 = 11;
const CS_INTERFACE: u8 = 0x24;
const CLASS_VIDEO: u8 = 14;

/// The device descriptor: the Linux Foundation's vendor number, a miscellaneous device with interface associations.
pub const DEVICE: [u8; 18] = [18, 1, 0, 2, 0xef, 2, 1, 64, 0x6b, 0x1d, 0x02, 0x01, 0x00, 0x01, 1, 2, 3, 1];

/// String descriptor `index`: 0 languages, 1 vendor, 2 product, 3 serial number.
pub fn string(index: u8, product: &str, serial: &str) -> Option<Vec<u8>> {
    let text = match index {
        0 => "\u{409}", // English (United States)
        1 => "h5live",
        2 => product,
        3 => serial,
        _ => return None,
    };
    let units: Vec<u8> = text.encode_utf16().take(126).flat_map(u16::to_le_bytes).collect();
    Some([&[units.len() as u8 + 2, 3], &units[..]].concat())
}

/// The configuration descriptor with all that belongs to it.
pub fn configuration() -> Vec<u8> {
    let mut all = Descriptors::default();
    all.put(CONFIGURATION, &[0, 0, 2, 1, 0, 0x80, 250]); // total length: below
    all.put(ASSOCIATION, &[CONTROL_INTERFACE, 2, CLASS_VIDEO, 3, 0, 2]);
    all.put(INTERFACE, &[CONTROL_INTERFACE, 0, 0, CLASS_VIDEO, 1, 0, 2]);
    all.append(video_control());
    all.put(INTERFACE, &[STREAMING_INTERFACE, 0, 1, CLASS_VIDEO, 2, 0, 0]);
    all.append(video_streaming());
    let [low, high] = PACKET.to_le_bytes();
    all.put(ENDPOINT, &[0x80 | BULK_ENDPOINT as u8, 2, low, high, 0]);
    all.set_total(2);
    all.0
}

fn video_control() -> Descriptors {
    let mut d = Descriptors::default();
    // VC_HEADER: version 1.0, total length below, clock 48 MHz, one streaming interface.
    d.put(CS_INTERFACE, &[1, 0x00, 0x01, 0, 0, 0x00, 0x6c, 0xdc, 0x02, 1, STREAMING_INTERFACE]);
    // VC_INPUT_TERMINAL: camera; controls: AE mode, exposure time, focus, auto focus.
    d.put(CS_INTERFACE, &[2, CAMERA_TERMINAL, 0x01, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0b0010_1010, 0, 0b10]);
    // VC_PROCESSING_UNIT: brightness, contrast, power line frequency.
    d.put(CS_INTERFACE, &[5, PROCESSING_UNIT, CAMERA_TERMINAL, 0, 0, 2, 0b11, 0b100, 0]);
    // VC_OUTPUT_TERMINAL: USB streaming.
    d.put(CS_INTERFACE, &[3, OUTPUT_TERMINAL, 0x01, 0x01, 0, PROCESSING_UNIT, 0]);
    d.set_total(5);
    d
}

fn video_streaming() -> Descriptors {
    let mut d = Descriptors::default();
    // VS_INPUT_HEADER: total length below, one byte of controls for each format.
    let header = [1, FORMATS.len() as u8, 0, 0, 0x80 | BULK_ENDPOINT as u8, 0, OUTPUT_TERMINAL, 0, 0, 0, 1];
    d.put(CS_INTERFACE, &[&header[..], &[0; FORMATS.len()]].concat());
    for (i, format) in FORMATS.iter().enumerate() {
        let (index, sizes) = (i as u8 + 1, format.sizes.len() as u8);
        match format.coding {
            Coding::Mjpeg => d.put(CS_INTERFACE, &[6, index, sizes, 1, 1, 0, 0, 0, 0]),
            Coding::Yuyv => d.put(CS_INTERFACE, &[&[4, index, sizes], &guid(b"YUY2")[..], &[16, 1, 0, 0, 0, 0]].concat()),
            Coding::H264 => d.put(CS_INTERFACE, &[&[16, index, sizes], &guid(b"H264")[..], &[16, 1, 0, 0, 0, 0, 1]].concat()),
        }
        for (j, size) in format.sizes.iter().enumerate() {
            d.put(CS_INTERFACE, &frame(format.coding, j as u8 + 1, size));
        }
        // VS_COLORFORMAT: BT.709 primaries and transfer, BT.601 matrix.
        d.put(CS_INTERFACE, &[13, 1, 1, 4]);
    }
    d.set_total(4);
    d
}

fn frame(coding: Coding, index: u8, size: &Size) -> Vec<u8> {
    let subtype = match coding {
        Coding::Mjpeg => 7,
        Coding::Yuyv => 5,
        Coding::H264 => 17,
    };
    let (fastest, slowest) = (size.intervals[0], size.intervals[size.intervals.len() - 1]);
    let bit_rate = |interval: u32| (u64::from(size.max_frame()) * 8 * 10_000_000 / u64::from(interval)) as u32;
    let mut d = vec![subtype, index, 0];
    d.extend(size.width.to_le_bytes());
    d.extend(size.height.to_le_bytes());
    d.extend(bit_rate(slowest).to_le_bytes());
    d.extend(bit_rate(fastest).to_le_bytes());
    if coding != Coding::H264 {
        d.extend(size.max_frame().to_le_bytes());
    }
    d.extend(fastest.to_le_bytes());
    d.push(size.intervals.len() as u8);
    if coding == Coding::H264 {
        d.extend([0; 4]); // bytes per line: none
    }
    d.extend(size.intervals.iter().flat_map(|i| i.to_le_bytes()));
    d
}

fn guid(fourcc: &[u8; 4]) -> [u8; 16] {
    let [a, b, c, d] = *fourcc;
    [a, b, c, d, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]
}

#[derive(Default)]
struct Descriptors(Vec<u8>);

impl Descriptors {
    fn put(&mut self, kind: u8, body: &[u8]) {
        self.0.extend([body.len() as u8 + 2, kind]);
        self.0.extend_from_slice(body);
    }

    fn append(&mut self, other: Descriptors) {
        self.0.extend(other.0);
    }

    /// Writes the length of all at byte `at` of the first.
    fn set_total(&mut self, at: usize) {
        let total = (self.0.len() as u16).to_le_bytes();
        self.0[at..at + 2].copy_from_slice(&total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_add_up() {
        let all = configuration();
        assert_eq!(usize::from(u16::from_le_bytes([all[2], all[3]])), all.len());
        let mut at = 0;
        while at < all.len() {
            assert!(all[at] >= 2);
            at += usize::from(all[at]);
        }
        assert_eq!(at, all.len());
    }

    #[test]
    fn strings() {
        assert_eq!(string(0, "", ""), Some(vec![4, 3, 9, 4]));
        assert_eq!(string(3, "", "A1"), Some(vec![6, 3, b'A', 0, b'1', 0]));
        assert_eq!(string(4, "", ""), None);
    }
}
