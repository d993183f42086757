//! AAC (ISO/IEC 14496-3): AudioSpecificConfig (section 1.6.2.1) and the ADTS header (section 1.A.3.2).

use super::bits::BitReader;
use crate::media::{AudioParams, Codec, Malformed, Track};
use bytes::Bytes;
use std::time::Duration;

const FORMAT: &str = "AAC";

/// samplingFrequencyIndex (table 1.18).
const RATES: [u32; 13] = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// The start of an AudioSpecificConfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    /// audioObjectType as first written: 2 is LC, 5 is HE-AAC (SBR), 29 is HE-AAC v2.
    pub object_type: u8,
    /// Rate of what the decoder core gives, in Hz; with SBR the output has twice this.
    pub rate: u32,
    /// Output channels; 0 where a program config element would say it, and none is there.
    pub channels: u16,
    /// Samples in an access unit at `rate`: 1024, or 960.
    pub frame_length: u32,
}

impl AudioSpecificConfig {
    /// AAC-LC, frames of 1024 samples.
    pub fn lc(rate: u32, channels: u16) -> Self {
        AudioSpecificConfig { object_type: 2, rate, channels, frame_length: 1024 }
    }

    pub fn parse(config: &[u8]) -> Result<Self, Malformed> {
        parse(config).ok_or_else(|| Malformed::new(FORMAT, "AudioSpecificConfig is cut short or out of range"))
    }

    /// The configuration in its shortest form: object type, rate, channels, frame length.
    pub fn build(&self) -> Bytes {
        let mut bits = BitWriter::default();
        self.put(&mut bits);
        bits.bytes()
    }

    fn put(&self, bits: &mut BitWriter) {
        bits.put(u32::from(self.object_type.min(30)), 5);
        match RATES.iter().position(|r| *r == self.rate) {
            Some(index) => bits.put(index as u32, 4),
            None => {
                bits.put(15, 4);
                bits.put(self.rate, 24);
            }
        }
        let channels = if self.channels == 8 { 7 } else { self.channels };
        bits.put(u32::from(channels), 4);
        bits.put(u32::from(self.frame_length == 960), 1);
        bits.put(0, 2);
    }

    /// The configuration for channels that a program config element describes (channelConfiguration 0).
    pub fn build_with(&self, program: &ProgramConfig) -> Bytes {
        let mut bits = BitWriter::default();
        AudioSpecificConfig { channels: 0, ..*self }.put(&mut bits);
        program.put(&mut bits);
        bits.bytes()
    }

    /// RFC 6381, section 3.3: `mp4a.40.2`.
    pub fn mime(&self) -> String {
        format!("mp4a.40.{}", self.object_type)
    }
}

fn parse(config: &[u8]) -> Option<AudioSpecificConfig> {
    let mut r = BitReader::new(config);
    let object_type = object_type(&mut r)?;
    let rate = rate(&mut r)?;
    let channels = match r.bits(4)? {
        7 => 8,
        11 => 7,
        12 | 14 => 8,
        n @ 0..=6 => n as u16,
        _ => return None,
    };
    // With SBR or PS signalled first, the core's own type follows after the extension's rate (section 1.6.5.3).
    if matches!(object_type, 5 | 29) {
        self::rate(&mut r)?;
        self::object_type(&mut r)?;
    }
    let short_frame = r.flag().unwrap_or(false);
    let described = if channels == 0 { described_channels(&mut r) } else { None };
    let channels = described.unwrap_or(channels);
    Some(AudioSpecificConfig { object_type, rate, channels, frame_length: if short_frame { 960 } else { 1024 } })
}

/// The channels of the program config element in a GASpecificConfig (section 4.4.1), whose first flag was read.
fn described_channels(r: &mut BitReader) -> Option<u16> {
    const CORE_CODER_DELAY: usize = 14;
    if r.flag()? {
        r.skip(CORE_CODER_DELAY)?;
    }
    r.skip(1)?;
    ProgramConfig::read(r).map(|program| program.channels)
}

/// A program_config_element (section 4.4.1.1): which channels there are, where no channelConfiguration fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramConfig {
    /// Output channels.
    pub channels: u16,
    /// The element up to its byte_alignment(), a bit each: what follows is aligned to where it stands.
    bits: Vec<bool>,
    comment: Vec<u8>,
}

impl ProgramConfig {
    /// The one that a raw_data_block (section 4.4.2.1) begins with. ADTS with channel configuration 0 has it in its first frame, and
    /// again now and then.
    pub fn of_block(block: &[u8]) -> Option<ProgramConfig> {
        const ID_PCE: u32 = 5;
        let mut r = BitReader::new(block);
        if r.bits(3)? != ID_PCE {
            return None;
        }
        ProgramConfig::read(&mut r)
    }

    /// The element at a position that is counted from where bytes are aligned.
    fn read(r: &mut BitReader) -> Option<ProgramConfig> {
        let mut bits = Vec::new();
        let mut take = |n: u32| {
            let value = r.bits(n)?;
            bits.extend((0..n).rev().map(|bit| value >> bit & 1 == 1));
            Some(value)
        };
        // element_instance_tag, object_type, sampling_frequency_index.
        take(10)?;
        let counts = [take(4)?, take(4)?, take(4)?];
        let (effects, data, coupling) = (take(2)?, take(3)?, take(4)?);
        for mixdown in [4, 4, 3] {
            if take(1)? == 1 {
                take(mixdown)?;
            }
        }
        let mut channels = effects as u16;
        for _ in 0..counts.iter().sum() {
            let pair = take(1)?;
            channels += 1 + pair as u16;
            take(4)?;
        }
        take(4 * effects)?;
        take(4 * data)?;
        for _ in 0..coupling {
            take(5)?;
        }
        r.align();
        let comment = (0..r.bits(8)?).map(|_| r.bits(8).map(|b| b as u8)).collect::<Option<_>>()?;
        (1..=64).contains(&channels).then_some(ProgramConfig { channels, bits, comment })
    }

    fn put(&self, out: &mut BitWriter) {
        self.bits.iter().for_each(|bit| out.put(u32::from(*bit), 1));
        out.align();
        out.put(self.comment.len() as u32, 8);
        self.comment.iter().for_each(|byte| out.put(u32::from(*byte), 8));
    }
}

fn object_type(r: &mut BitReader) -> Option<u8> {
    let kind = r.bits(5)?;
    Some(if kind == 31 { 32 + r.bits(6)? as u8 } else { kind as u8 })
}

fn rate(r: &mut BitReader) -> Option<u32> {
    let rate = match r.bits(4)? {
        15 => r.bits(24)?,
        index => *RATES.get(index as usize)?,
    };
    (1..=768_000).contains(&rate).then_some(rate)
}

/// The track that an AudioSpecificConfig describes. Where it leaves the channels to the bitstream, two are assumed.
pub fn track(config: Bytes) -> Result<Track, Malformed> {
    let asc = AudioSpecificConfig::parse(&config)?;
    let channels = if asc.channels == 0 { 2 } else { asc.channels };
    let mut track = Track::audio(Codec::Aac, AudioParams { rate: asc.rate, channels, delay: Duration::ZERO });
    track.frame_duration = Some(Duration::from_nanos(u64::from(asc.frame_length) * 1_000_000_000 / u64::from(asc.rate)));
    track.config = config;
    Ok(track)
}

/// adts_fixed_header() and adts_variable_header().
///
/// ```text
///  0        8        16       24       32       40       48
///  |ffffffff|ffffIVVA|PPRRRR0C|CC0000LL|LLLLLLLL|LLLBBBBB|BBBBBBNN|
/// ```
/// A: no CRC, P: profile, R: rate, C: channels, L: length with the header, N: raw data blocks less one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdtsHeader {
    pub config: AudioSpecificConfig,
    /// Bytes of header, with CRC: 7 or 9.
    pub header_len: usize,
    /// Bytes of the frame with its header.
    pub frame_len: usize,
    /// Access units in the frame, 1 to 4; no known encoder writes more than 1.
    pub blocks: u8,
}

impl AdtsHeader {
    /// Bytes that [`AdtsHeader::parse`] needs.
    pub const LEN: usize = 7;

    /// `None` where no valid header begins here.
    pub fn parse(data: &[u8]) -> Option<AdtsHeader> {
        let &[a, b, c, d, e, f, g] = data.first_chunk::<7>()?;
        if a != 0xff || b & 0xf6 != 0xf0 {
            return None;
        }
        let rate = *RATES.get(usize::from(c >> 2 & 15))?;
        let channels = match (c & 1) << 2 | d >> 6 {
            7 => 8,
            n => u16::from(n),
        };
        let header_len = if b & 1 == 1 { 7 } else { 9 };
        let frame_len = usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f >> 5);
        let config = AudioSpecificConfig { object_type: (c >> 6) + 1, rate, channels, frame_length: 1024 };
        (frame_len > header_len).then_some(AdtsHeader { config, header_len, frame_len, blocks: (g & 3) + 1 })
    }

    /// The header for an access unit of `len` bytes, without CRC; `None` where ADTS has no place for the rate, the channels or
    /// the length (8191 bytes with the header).
    pub fn build(config: &AudioSpecificConfig, len: usize) -> Option<[u8; 7]> {
        let rate = RATES.iter().position(|r| *r == config.rate)? as u8;
        let channels = match config.channels {
            8 => 7,
            n @ 0..=6 => n as u8,
            _ => return None,
        };
        let profile = match config.object_type {
            n @ 1..=4 => n - 1,
            // HE-AAC is LC with a hidden extension.
            _ => 1,
        };
        let len = u16::try_from(len + 7).ok().filter(|n| *n < 8192)?;
        let (first, last) = (profile << 6 | rate << 2 | channels >> 2, (len << 5) as u8 | 0x1f);
        Some([0xff, 0xf1, first, channels << 6 | (len >> 11) as u8, (len >> 3) as u8, last, 0xfc])
    }
}

#[derive(Default)]
struct BitWriter {
    out: Vec<u8>,
    used: u32,
}

impl BitWriter {
    fn put(&mut self, value: u32, bits: u32) {
        for n in (0..bits).rev() {
            if self.used.is_multiple_of(8) {
                self.out.push(0);
            }
            let last = self.out.last_mut().expect("pushed above");
            *last |= ((value >> n & 1) as u8) << (7 - self.used % 8);
            self.used += 1;
        }
    }

    fn align(&mut self) {
        self.used = self.used.next_multiple_of(8);
    }

    fn bytes(self) -> Bytes {
        self.out.into()
    }
}

#[cfg(test)]
#[allow(clippy::unusual_byte_groupings, reason = "bits are grouped by field")]
mod tests {
    use super::*;

    #[test]
    fn config_round_trip() {
        for (rate, channels) in [(44_100, 2), (48_000, 1), (48_000, 8), (12_345, 6)] {
            let asc = AudioSpecificConfig::lc(rate, channels);
            assert_eq!(AudioSpecificConfig::parse(&asc.build()), Ok(asc));
        }
        assert_eq!(AudioSpecificConfig::lc(44_100, 2).build()[..], [0x12, 0x10]);
    }

    #[test]
    fn he_aac() {
        // SBR signalled first: type 5, 24 kHz, 2 channels, 48 kHz, core type 2.
        let asc = AudioSpecificConfig::parse(&[0b00101_011, 0b0_0010_001, 0b1_00010_00]).unwrap();
        assert_eq!(asc, AudioSpecificConfig { object_type: 5, rate: 24_000, channels: 2, frame_length: 1024 });
        assert_eq!(asc.mime(), "mp4a.40.5");
        assert!(AudioSpecificConfig::parse(&[0x12]).is_err());
        assert!(AudioSpecificConfig::parse(&[]).is_err());
    }

    #[test]
    fn adts_round_trip() {
        let config = AudioSpecificConfig::lc(44_100, 2);
        let header = AdtsHeader::build(&config, 1000).unwrap();
        let parsed = AdtsHeader::parse(&header).unwrap();
        assert_eq!(parsed, AdtsHeader { config, header_len: 7, frame_len: 1007, blocks: 1 });
        assert_eq!(AdtsHeader::build(&config, 8185), None);
        assert!(AdtsHeader::build(&config, 8184).is_some());
        assert_eq!(AdtsHeader::parse(&[0xff, 0xf1, 0xff, 0, 0, 0, 0]), None, "reserved rate");
        assert_eq!(AdtsHeader::parse(&header[..6]), None);
    }
}
