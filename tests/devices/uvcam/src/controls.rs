//! The requests on the control endpoint: standard ones, picture controls, and the negotiation of a stream (USB Device Class
//! Definition for Video Devices 1.1, section 4; probe and commit: section 4.3.1.1).

use crate::descriptors::{self, CAMERA_TERMINAL, CONTROL_INTERFACE, Coding, FORMATS, PROCESSING_UNIT, STREAMING_INTERFACE, Size};

const SET_CUR: u8 = 0x01;
const GET_CUR: u8 = 0x81;
const GET_MIN: u8 = 0x82;
const GET_MAX: u8 = 0x83;
const GET_RES: u8 = 0x84;
const GET_LEN: u8 = 0x85;
const GET_INFO: u8 = 0x86;
const GET_DEF: u8 = 0x87;
const PROBE: u8 = 1;
const COMMIT: u8 = 2;
const PROBE_LENGTH: usize = 26;

/// Largest payload of one bulk transfer, in bytes.
pub const MAX_PAYLOAD: usize = 16384;

/// What the camera does after a request.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// Sends these bytes (none for a request that only sets).
    Data(Vec<u8>),
    /// The same, and streams with the committed parameters from now on.
    Start,
    /// The same, and streams no more.
    Stop,
    /// Refuses.
    Stall,
}

struct Control {
    name: &'static str,
    entity: u8,
    selector: u8,
    length: usize,
    minimum: i32,
    maximum: i32,
    resolution: i32,
    default: i32,
}

const CONTROLS: [Control; 7] = [
    Control { name: "brightness", entity: PROCESSING_UNIT, selector: 2, length: 2, minimum: 0, maximum: 255, resolution: 1, default: 128 },
    Control { name: "contrast", entity: PROCESSING_UNIT, selector: 3, length: 2, minimum: 0, maximum: 95, resolution: 1, default: 32 },
    // 0 off, 1 50 Hz, 2 60 Hz.
    Control { name: "power_line", entity: PROCESSING_UNIT, selector: 5, length: 1, minimum: 0, maximum: 2, resolution: 1, default: 1 },
    // A bit each: 1 manual, 8 aperture priority; the resolution is the set of bits that are supported.
    Control { name: "exposure_mode", entity: CAMERA_TERMINAL, selector: 2, length: 1, minimum: 1, maximum: 8, resolution: 9, default: 8 },
    // In 100 us.
    Control {
        name: "exposure_time",
        entity: CAMERA_TERMINAL,
        selector: 4,
        length: 4,
        minimum: 1,
        maximum: 5000,
        resolution: 1,
        default: 156,
    },
    Control { name: "focus", entity: CAMERA_TERMINAL, selector: 6, length: 2, minimum: 0, maximum: 250, resolution: 5, default: 0 },
    Control { name: "focus_auto", entity: CAMERA_TERMINAL, selector: 8, length: 1, minimum: 0, maximum: 1, resolution: 1, default: 1 },
];

/// Parameters of a stream: 1-based indices as in the descriptors, interval in 100 ns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mode {
    format: u8,
    frame: u8,
    pub interval: u32,
}

impl Mode {
    pub fn coding(&self) -> Coding {
        FORMATS[usize::from(self.format) - 1].coding
    }

    pub fn size(&self) -> &'static Size {
        &FORMATS[usize::from(self.format) - 1].sizes[usize::from(self.frame) - 1]
    }

    /// The nearest that the camera can do.
    fn nearest(format: u8, frame: u8, interval: u32) -> Mode {
        let within = |n: u8, count: usize| if (1..=count).contains(&usize::from(n)) { n } else { 1 };
        let format = within(format, FORMATS.len());
        let frame = within(frame, FORMATS[usize::from(format) - 1].sizes.len());
        let mode = Mode { format, frame, interval };
        let interval = mode.size().intervals.iter().min_by_key(|i| i.abs_diff(interval));
        Mode { interval: *interval.expect("every size has an interval"), ..mode }
    }

    fn read(data: &[u8]) -> Option<Mode> {
        let data = data.get(..PROBE_LENGTH)?;
        Some(Mode::nearest(data[2], data[3], u32::from_le_bytes([data[4], data[5], data[6], data[7]])))
    }

    fn write(&self) -> Vec<u8> {
        let mut d = vec![1, 0, self.format, self.frame];
        d.extend(self.interval.to_le_bytes());
        d.extend([0; 10]); // key frame rate, P frame rate, quality, window, delay
        d.extend(self.size().max_frame().to_le_bytes());
        d.extend((MAX_PAYLOAD as u32).to_le_bytes());
        d
    }
}

/// The state behind the control endpoint.
pub struct Requests {
    product: String,
    serial: String,
    values: [i32; CONTROLS.len()],
    probe: Mode,
    pub committed: Mode,
}

impl Requests {
    pub fn new(product: String, serial: String) -> Requests {
        let mode = Mode::nearest(1, 1, 0);
        Requests { product, serial, values: CONTROLS.map(|c| c.default), probe: mode, committed: mode }
    }

    /// Answers the setup packet (USB 2.0, section 9.3); `data` is what the host sends with it.
    pub fn answer(&mut self, setup: [u8; 8], data: &[u8]) -> Answer {
        let [kind, request, value_low, value_high, index, entity, ..] = setup;
        match kind & 0x60 {
            0x00 => self.standard(request, value_high, value_low, index),
            0x20 if index == STREAMING_INTERFACE => self.streaming(request, value_high, data),
            // The error code after a stall: "invalid request".
            0x20 if index == CONTROL_INTERFACE && entity == 0 => Answer::Data(vec![6]),
            0x20 if index == CONTROL_INTERFACE => self.control(request, entity, value_high, data),
            _ => Answer::Stall,
        }
    }

    fn standard(&self, request: u8, kind: u8, number: u8, index: u8) -> Answer {
        match (request, kind) {
            (6, 1) => Answer::Data(descriptors::DEVICE.to_vec()),
            (6, 2) => Answer::Data(descriptors::configuration()),
            (6, 3) => descriptors::string(number, &self.product, &self.serial).map_or(Answer::Stall, Answer::Data),
            (0, _) => Answer::Data(vec![0, 0]), // GET_STATUS
            (8, _) => Answer::Data(vec![1]),    // GET_CONFIGURATION
            (10, _) => Answer::Data(vec![0]),   // GET_INTERFACE
            // CLEAR_FEATURE on the bulk endpoint ends a stream.
            (1, _) if index & 0x7f == descriptors::BULK_ENDPOINT as u8 => Answer::Stop,
            (1 | 3 | 9 | 11, _) => Answer::Data(Vec::new()), // CLEAR_FEATURE, SET_FEATURE, SET_CONFIGURATION, SET_INTERFACE
            _ => Answer::Stall,
        }
    }

    fn streaming(&mut self, request: u8, selector: u8, data: &[u8]) -> Answer {
        match (request, selector) {
            (GET_INFO, _) => Answer::Data(vec![3]),
            (GET_LEN, _) => Answer::Data((PROBE_LENGTH as u16).to_le_bytes().to_vec()),
            (GET_CUR, COMMIT) => Answer::Data(self.committed.write()),
            (GET_DEF, PROBE) => Answer::Data(Mode::nearest(1, 1, 0).write()),
            (GET_CUR | GET_MIN | GET_MAX, PROBE) => Answer::Data(self.probe.write()),
            (SET_CUR, PROBE | COMMIT) => match Mode::read(data) {
                None => Answer::Stall,
                Some(mode) if selector == PROBE => {
                    self.probe = mode;
                    Answer::Data(Vec::new())
                }
                Some(mode) => {
                    self.committed = mode;
                    Answer::Start
                }
            },
            _ => Answer::Stall,
        }
    }

    fn control(&mut self, request: u8, entity: u8, selector: u8, data: &[u8]) -> Answer {
        let found = CONTROLS.iter().zip(&mut self.values).find(|(c, _)| (c.entity, c.selector) == (entity, selector));
        let Some((control, current)) = found else { return Answer::Stall };
        let value = match request {
            GET_INFO => return Answer::Data(vec![3]),
            GET_LEN => return Answer::Data((control.length as u16).to_le_bytes().to_vec()),
            GET_CUR => *current,
            GET_MIN => control.minimum,
            GET_MAX => control.maximum,
            GET_RES => control.resolution,
            GET_DEF => control.default,
            SET_CUR if data.len() >= control.length => {
                let mut bytes = [0; 4];
                bytes[..control.length].copy_from_slice(&data[..control.length]);
                let value = i32::from_le_bytes(bytes);
                if !(control.minimum..=control.maximum).contains(&value) {
                    return Answer::Stall;
                }
                *current = value;
                eprintln!("uvcam: {} = {value}", control.name);
                return Answer::Data(Vec::new());
            }
            _ => return Answer::Stall,
        };
        Answer::Data(value.to_le_bytes()[..control.length].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiates_the_nearest_mode() {
        let mut requests = Requests::new("cam".into(), "1".into());
        let mut wish = requests.probe.write();
        wish[2..4].copy_from_slice(&[2, 9]);
        wish[4..8].copy_from_slice(&700_000u32.to_le_bytes());
        assert_eq!(requests.answer([0x21, SET_CUR, 0, PROBE, 1, 0, 26, 0], &wish), Answer::Data(Vec::new()));
        let Answer::Data(got) = requests.answer([0xa1, GET_CUR, 0, PROBE, 1, 0, 26, 0], &[]) else { panic!("no probe") };
        assert_eq!(Mode::read(&got), Some(Mode { format: 2, frame: 1, interval: 666_666 }));
        assert_eq!(requests.answer([0x21, SET_CUR, 0, COMMIT, 1, 0, 26, 0], &got), Answer::Start);
        assert_eq!((requests.committed.coding(), requests.committed.size().width), (Coding::Yuyv, 640));
        assert_eq!(requests.answer([0x21, SET_CUR, 0, COMMIT, 1, 0, 26, 0], &got[..25]), Answer::Stall);
    }

    #[test]
    fn controls_keep_their_value_and_their_range() {
        let mut requests = Requests::new("cam".into(), "1".into());
        let get = [0xa1, GET_CUR, 0, 2, 0, PROCESSING_UNIT, 2, 0];
        let set = [0x21, SET_CUR, 0, 2, 0, PROCESSING_UNIT, 2, 0];
        assert_eq!(requests.answer(get, &[]), Answer::Data(vec![128, 0]));
        assert_eq!(requests.answer(set, &[77, 0]), Answer::Data(Vec::new()));
        assert_eq!(requests.answer(set, &[0, 1]), Answer::Stall);
        assert_eq!(requests.answer(get, &[]), Answer::Data(vec![77, 0]));
    }
}
