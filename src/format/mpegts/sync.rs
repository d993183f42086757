//! Where packets begin, and how far they are apart: 188 bytes, 192 with a time before each (M2TS), 204 with parity behind each.

pub const SYNC: u8 = 0x47;
/// Bytes of a packet.
pub const PACKET: usize = 188;
const STRIDES: [usize; 3] = [PACKET, 192, 204];
/// So much is looked at: five sync bytes of any stride.
const WINDOW: usize = 1024;

/// What some bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// A packet begins at `offset`, and one every `stride` bytes.
    At {
        offset: usize,
        stride: usize,
    },
    /// To be said when there are so many bytes.
    Need(usize),
    No,
}

/// Looks at the first bytes; `eof`: there will be no more.
pub fn find(bytes: &[u8], eof: bool) -> Sync {
    let window = &bytes[..bytes.len().min(WINDOW)];
    if window.len() < WINDOW && !eof {
        return Sync::Need(WINDOW);
    }
    let all = |offset: usize, stride: usize| {
        let count = window[offset..].iter().step_by(stride).take_while(|&&byte| byte == SYNC).count();
        let whole = (window.len() - offset).div_ceil(stride);
        count == whole && (count > 1 || window.len() == PACKET)
    };
    let places = STRIDES.into_iter().flat_map(|stride| (0..stride.min(window.len())).map(move |offset| (offset, stride)));
    places.into_iter().find(|(offset, stride)| all(*offset, *stride)).map_or(Sync::No, |(offset, stride)| Sync::At { offset, stride })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_found_from_any_byte_on() {
        for stride in STRIDES {
            let stream: Vec<u8> = (0..stride * 8).map(|at| if at % stride == 0 { SYNC } else { at as u8 % 64 }).collect();
            for cut in [0, 1, 100, stride - 1] {
                let offset = (stride - cut) % stride;
                assert_eq!(find(&stream[cut..], false), Sync::At { offset, stride });
            }
            assert_eq!(find(&stream[..500], false), Sync::Need(WINDOW));
            assert_eq!(find(&stream[..500], true), Sync::At { offset: 0, stride });
        }
        assert_eq!(find(b"Get it here", true), Sync::No);
        assert_eq!(find(&[0; WINDOW], false), Sync::No);
    }
}
