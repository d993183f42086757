//! Opus: the identification header (RFC 7845, section 5.1) and the length of a packet (RFC 6716, section 3.1).

use crate::media::{AudioParams, Codec, Malformed, Track};
use bytes::{BufMut, Bytes, BytesMut};
use std::time::Duration;

const FORMAT: &str = "Opus";
const MAGIC: &[u8; 8] = b"OpusHead";

/// The identification header, which is also the CodecPrivate of Matroska and, in another byte order, the `dOps` of MP4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpusHead {
    /// Output channels, 1 to 255.
    pub channels: u8,
    /// Samples at 48 kHz to discard at the start.
    pub pre_skip: u16,
    /// Rate of the audio that was encoded, in Hz; 0 where it is not known. Decoders always give 48 kHz.
    pub input_rate: u32,
    /// Q7.8 dB.
    pub gain: i16,
    /// Channel Mapping Family.
    pub mapping_family: u8,
    /// Stream count, coupled count and channel mapping, where the family is not 0.
    pub mapping: Bytes,
}

impl OpusHead {
    /// Mapping family 0: one or two channels.
    pub fn new(channels: u8, pre_skip: u16, input_rate: u32) -> OpusHead {
        OpusHead { channels, pre_skip, input_rate, gain: 0, mapping_family: 0, mapping: Bytes::new() }
    }

    /// Reads an identification header.
    pub fn parse(head: &[u8]) -> Result<OpusHead, Malformed> {
        let bad = |what: &str| Malformed::new(FORMAT, format!("OpusHead {what}"));
        let rest = head.strip_prefix(MAGIC).ok_or_else(|| bad("without its magic number"))?;
        let (&[version, channels, p0, p1, r0, r1, r2, r3, g0, g1, family], rest) =
            rest.split_first_chunk::<11>().ok_or_else(|| bad("is cut short"))?;
        // The upper half of the version is the part that breaks compatibility.
        if version & 0xf0 != 0 {
            return Err(bad(&format!("of version {version}")));
        }
        let mapping_len = if family == 0 { 0 } else { 2 + usize::from(channels) };
        let mapping = rest.get(..mapping_len).ok_or_else(|| bad("is cut short"))?;
        if channels == 0 || (family == 0 && channels > 2) {
            return Err(bad(&format!("with {channels} channels in mapping family {family}")));
        }
        Ok(OpusHead {
            channels,
            pre_skip: u16::from_le_bytes([p0, p1]),
            input_rate: u32::from_le_bytes([r0, r1, r2, r3]),
            gain: i16::from_le_bytes([g0, g1]),
            mapping_family: family,
            mapping: Bytes::copy_from_slice(mapping),
        })
    }

    /// Writes the identification header.
    pub fn build(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(19 + self.mapping.len());
        out.put_slice(MAGIC);
        out.put_u8(1);
        out.put_u8(self.channels);
        out.put_u16_le(self.pre_skip);
        out.put_u32_le(self.input_rate);
        out.put_i16_le(self.gain);
        out.put_u8(self.mapping_family);
        out.put_slice(&self.mapping);
        out.freeze()
    }

    /// The pre-skip as time.
    pub fn delay(&self) -> Duration {
        Duration::from_nanos(u64::from(self.pre_skip) * 1_000_000_000 / 48_000)
    }
}

/// The track that an OpusHead describes; its rate is what decoders give: 48 kHz.
pub fn track(config: Bytes) -> Result<Track, Malformed> {
    let head = OpusHead::parse(&config)?;
    let audio = AudioParams { rate: 48_000, channels: u16::from(head.channels), delay: head.delay() };
    let mut track = Track::audio(Codec::Opus, audio);
    track.config = config;
    Ok(track)
}

/// Samples at 48 kHz in a packet, 120 to 5760, from its table-of-contents byte.
pub fn packet_samples(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frame = match toc >> 3 {
        silk @ 0..12 => [480, 960, 1920, 2880][usize::from(silk & 3)],
        hybrid @ 12..16 => [480, 960][usize::from(hybrid & 1)],
        celt => [120, 240, 480, 960][usize::from(celt & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame * frames).filter(|samples| (1..=5760).contains(samples))
}

#[cfg(test)]
#[allow(clippy::unusual_byte_groupings, reason = "bits are grouped by field")]
mod tests {
    use super::*;

    #[test]
    fn head_round_trip() {
        let head = OpusHead::new(2, 312, 44_100);
        assert_eq!(OpusHead::parse(&head.build()), Ok(head));
        let surround =
            OpusHead { channels: 6, mapping_family: 1, mapping: Bytes::from_static(&[4, 2, 0, 4, 1, 2, 3, 5]), ..OpusHead::new(6, 0, 0) };
        let built = surround.build();
        assert_eq!(OpusHead::parse(&built), Ok(surround));
        for cut in 0..built.len() {
            assert!(OpusHead::parse(&built[..cut]).is_err());
        }
    }

    #[test]
    fn lengths_by_toc() {
        assert_eq!(packet_samples(&[0b11111_000]), Some(960), "CELT, 20 ms");
        assert_eq!(packet_samples(&[0b00011_001]), Some(5760), "SILK, two of 60 ms");
        assert_eq!(packet_samples(&[0b10000_011, 48]), Some(5760), "CELT, 48 of 2.5 ms");
        assert_eq!(packet_samples(&[0b10000_011, 63]), None, "more than 120 ms");
        assert_eq!(packet_samples(&[0b10000_011]), None);
        assert_eq!(packet_samples(&[]), None);
    }
}
