//! MPEG audio, layers I to III (ISO/IEC 11172-3, section 2.4.1.3; ISO/IEC 13818-3): the frame header.

/// A frame header.
///
/// ```text
///  0        8        16       24
///  |ffffffff|fffVVLLC|BBBBRRPx|MMxxxxxx|
/// ```
/// V: version, L: layer, C: no CRC, B: bit rate, R: sample rate, P: padding, M: mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// 1, 2 or 3.
    pub layer: u8,
    pub rate: u32,
    pub channels: u16,
    /// Samples per channel in a frame.
    pub samples: u32,
    /// Bytes of the frame with its header; `None` for the free format, which does not say.
    pub frame_len: Option<usize>,
}

/// Sample rates of version 2 are lower, in Hz.
pub const LOWEST_OF_VERSION_1: u32 = 32_000;

/// kbit/s by bit rate index, for version 1 layers I, II, III and version 2 layers I, II and III.
const BIT_RATES: [[u16; 15]; 5] = [
    [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

impl FrameHeader {
    /// `None` where no valid header begins here.
    pub fn parse(data: &[u8]) -> Option<FrameHeader> {
        let &[a, b, c, d] = data.first_chunk::<4>()?;
        if a != 0xff || b & 0xe0 != 0xe0 {
            return None;
        }
        // Version 2.5 (0) is an extension by Fraunhofer; 1 is reserved.
        let (version1, rate_shift) = match b >> 3 & 3 {
            0 => (false, 2),
            2 => (false, 1),
            3 => (true, 0),
            _ => return None,
        };
        let layer = 4 - (b >> 1 & 3);
        let rate = *[44_100u32, 48_000, 32_000].get(usize::from(c >> 2 & 3))? >> rate_shift;
        let table = match (version1, layer) {
            (_, 4) => return None,
            (true, n) => n - 1,
            (false, 1) => 3,
            (false, _) => 4,
        };
        let kbits = u32::from(*BIT_RATES[usize::from(table)].get(usize::from(c >> 4))?);
        let samples = match (layer, version1) {
            (1, _) => 384,
            (3, false) => 576,
            _ => 1152,
        };
        let slot = if layer == 1 { 4 } else { 1 };
        let padding = u32::from(c >> 1 & 1);
        let len = (samples / 8 * kbits * 1000 / rate / slot + padding) * slot;
        let channels = if d >> 6 == 3 { 1 } else { 2 };
        Some(FrameHeader { layer, rate, channels, samples, frame_len: (kbits > 0).then_some(len as usize) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let h = FrameHeader::parse(&[0xff, 0xfb, 0x90, 0x64]).unwrap();
        assert_eq!(h, FrameHeader { layer: 3, rate: 44_100, channels: 2, samples: 1152, frame_len: Some(417) });
        let h = FrameHeader::parse(&[0xff, 0xf3, 0x84, 0xc4]).unwrap();
        assert_eq!((h.rate, h.channels, h.samples, h.frame_len), (24_000, 1, 576, Some(192)));
        assert_eq!(FrameHeader::parse(&[0xff, 0xfb, 0xf0, 0x64]), None, "reserved bit rate");
        assert_eq!(FrameHeader::parse(&[0xff, 0xf9, 0x90, 0x64]), None, "reserved layer");
        assert_eq!(FrameHeader::parse(&[0xff, 0xfb, 0x9c, 0x64]), None, "reserved sample rate");
        assert_eq!(FrameHeader::parse(&[0xff, 0xfb]), None);
    }
}
