//! Sample entries of audio (section 12.2.3), and QuickTime's sound descriptions of versions 0 to 2.

use super::boxes::{self, BoxRef, child, malformed};
use super::description::{Described, NOT_READ, SampleLayout, object_type};
use super::init::{AUDIO_ISO_11172_3, AUDIO_ISO_14496_3};
use super::pcm;
use crate::codec::{aac, flac, opus};
use crate::media::{AudioParams, Codec, Malformed, Track};
use bytes::Bytes;
use mp4_atom::{Dops, Esds};
use std::time::Duration;

/// What is fixed in a sample entry, and the boxes after it.
///
/// ```text
///   version 0   8 reserved, index | version 2, 6 | channels 2 | bits 2 | 4 | rate 16.16
///   version 1   … | samples a packet, bytes a packet, bytes a frame, bytes a sample: 4 each
///   version 2   … | size 4 | rate: float of 8 | channels 4 | 4 | bits 4 | flags 4 | bytes a packet 4 | samples a packet 4
/// ```
struct Fields<'a> {
    rate: u32,
    channels: u32,
    bits: u32,
    flags: Option<u32>,
    children: &'a [u8],
}

impl<'a> Fields<'a> {
    /// `timescale`: of the track, for rates that 16.16 fixed point has no room for.
    fn read(entry: BoxRef<'a>, timescale: u32) -> Result<Fields<'a>, Malformed> {
        let body = entry.body;
        let short = |at: usize| body.get(at..).and_then(|b| b.first_chunk()).map(|b| u32::from(u16::from_be_bytes(*b)));
        let long = |at: usize| body.get(at..).and_then(|b| b.first_chunk()).map(|b| u32::from_be_bytes(*b));
        let cut = || malformed("sample entry is cut short");
        let from = |at: usize| body.get(at..).ok_or_else(cut);
        let rate = Some(short(24).ok_or_else(cut)?).filter(|rate| *rate > 0).unwrap_or(timescale);
        let mut fields =
            Fields { rate, channels: short(16).ok_or_else(cut)?, bits: short(18).ok_or_else(cut)?, flags: None, children: from(28)? };
        match short(8) {
            // Version 1 of ISO has no fields more than version 0; QuickTime's has four, with small numbers where a box has its type.
            Some(1) if !begins_with_box(fields.children) => {
                // 16 bits are said where a compressor makes its own of them: the bytes of a sample know better.
                fields.bits = long(40).filter(|bytes| (1..=8).contains(bytes)).map_or(fields.bits, |bytes| 8 * bytes);
                fields.children = from(44)?;
            }
            Some(2) => {
                let rate = body.get(32..).and_then(|b| b.first_chunk()).map_or(0.0, |b| f64::from_be_bytes(*b));
                fields.rate = if (1.0..=768_000.0).contains(&rate) { rate.round() as u32 } else { timescale };
                (fields.channels, fields.bits, fields.flags) = (long(40).ok_or_else(cut)?, long(48).ok_or_else(cut)?, long(52));
                fields.children = from(64)?;
            }
            _ => {}
        }
        // `srat` of ISO's version 1: the rate as a whole number.
        if let Some(rate) =
            child(fields.children, b"srat").and_then(|srat| srat.body.get(4..)?.first_chunk().map(|b| u32::from_be_bytes(*b)))
        {
            fields.rate = rate;
        }
        Ok(fields)
    }

    fn params(&self) -> AudioParams {
        let channels = self.channels.clamp(1, 64) as u16;
        AudioParams { rate: self.rate.clamp(1, 768_000), channels, delay: Duration::ZERO }
    }

    fn find(&self, kind: &[u8; 4]) -> Result<BoxRef<'a>, Malformed> {
        child(self.children, kind).ok_or_else(|| malformed(format!("box {} is missing", boxes::name(*kind))))
    }
}

fn begins_with_box(bytes: &[u8]) -> bool {
    matches!(boxes::peek(bytes), Ok(boxes::Peek::Box(head)) if head.size.is_some_and(|size| size <= bytes.len() as u64))
}

/// What a sample entry describes.
///
/// # Errors
/// A codec that is not understood, or a damaged entry.
pub(super) fn audio(entry: BoxRef, timescale: u32) -> Result<Described, Malformed> {
    let fields = Fields::read(entry, timescale)?;
    let plain = |track| Ok(Described { track, layout: SampleLayout::Plain });
    match &entry.kind {
        b"mp4a" => plain(mpeg4(&fields)?),
        b"Opus" => plain(opus::track(opus_head(&fields.find(b"dOps")?.decode()?).build())?),
        // version and flags, then the metadata blocks.
        b"fLaC" => plain(flac::track(flac::config(fields.find(b"dfLa")?.body.get(4..).unwrap_or_default()))?),
        // The second is the tag of MP3 in WAVE and AVI files.
        b".mp3" | b"ms\0\x55" => plain(Track::audio(Codec::Mp3, fields.params())),
        kind => {
            let described = pcm::Described { kind: *kind, bits: fields.bits, flags: fields.flags, children: fields.children };
            let stored = described.stored().ok_or_else(|| malformed(NOT_READ))?;
            let params = fields.params();
            let frame = stored.bytes() * u32::from(params.channels);
            Ok(Described { track: Track::audio(Codec::Pcm(stored.format()), params), layout: SampleLayout::Pcm { stored, frame } })
        }
    }
}

fn mpeg4(fields: &Fields) -> Result<Track, Malformed> {
    // QuickTime puts the boxes into a `wave`.
    let inner = child(fields.children, b"wave").map_or(fields.children, |wave| wave.body);
    let esds = child(fields.children, b"esds").or_else(|| child(inner, b"esds")).ok_or_else(|| malformed("box esds is missing"))?;
    let decoder = esds.decode::<Esds>()?.es_desc.dec_config;
    match decoder.object_type_indication {
        // 0x66 to 0x68 are the AAC profiles of MPEG-2.
        AUDIO_ISO_14496_3 | 0x66..=0x68 => aac::track(decoder.dec_specific.map(|d| Bytes::from(d.raw)).unwrap_or_default()),
        // 0x69 is MP3 at the low sample rates.
        AUDIO_ISO_11172_3 | 0x69 => Ok(Track::audio(Codec::Mp3, fields.params())),
        other => Err(object_type(other)),
    }
}

fn opus_head(dops: &Dops) -> opus::OpusHead {
    let mut head = opus::OpusHead::new(dops.output_channel_count, dops.pre_skip, dops.input_sample_rate);
    head.gain = dops.output_gain;
    if let Some(map) = &dops.channel_mapping {
        head.mapping_family = map.family;
        head.mapping = [&[map.stream_count, map.coupled_count], &map.channel_mapping[..]].concat().into();
    }
    head
}
