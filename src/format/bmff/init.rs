//! The initialization segment: `ftyp` and `moov`.

use super::segment::{Init, InitTrack};
use super::{shape, shift};
use crate::codec::{self, aac, flac, opus};
use crate::media::{Codec, Colour, Header, Kind, Timestamp, Track, Unsupported};
use mp4_atom::{
    Atom, Audio, Av01, Av1c, Avc1, Avcc, Colr, Dfla, Dinf, Dops, Dref, DrefEntry, Edts, Elst, ElstEntry, Encode, Esds, FixedPoint, Flac,
    Ftyp, Hdlr, Hvc1, Hvcc, Mdhd, Mdia, Minf, Moov, Mp4a, Mvex, Mvhd, Smhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Url, Visual, Vmhd, esds,
};
use std::time::Duration;

/// Ticks of the movie and of every video track: microseconds, so that no time is rounded (90 kHz would be off by a tick).
const MICROSECONDS: u32 = 1_000_000;

/// How times of a track stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// Ticks a second: microseconds for video, samples for audio, whose packets then last exactly their samples.
    pub timescale: u32,
    /// Media time of presentation time zero, in ticks: room for decode times before zero (B-frames) and for a decoder's start-up
    /// (Opus, AAC). An edit list takes it off again.
    pub origin: u64,
}

impl Timeline {
    /// The timeline of a track.
    pub fn of(track: &Track) -> Timeline {
        match codec::sample_rate(track) {
            Some(rate) => {
                let delay = track.as_audio().map_or(0, |a| a.delay.as_nanos().min(10_000_000_000));
                Timeline { timescale: rate, origin: ((delay * u128::from(rate) + 500_000_000) / 1_000_000_000) as u64 }
            }
            None => {
                let frame = track.frame_duration.unwrap_or_default().as_micros().min(60_000_000) as u64;
                Timeline { timescale: MICROSECONDS, origin: u64::from(codec::reorder_depth(track)) * frame }
            }
        }
    }

    /// A media time, moved by so many microseconds.
    pub fn moved(self, ticks: u64, micros: i64) -> u64 {
        ticks.saturating_add_signed(shift::ticks(micros, self.timescale))
    }

    /// As long as so many ticks, to the microsecond.
    pub fn duration(self, ticks: u64) -> Duration {
        let micros = Timestamp::from_ticks(i64::try_from(ticks).unwrap_or(i64::MAX), self.timescale).micros();
        Duration::from_micros(micros.max(0) as u64)
    }

    /// A media time as presentation time, in microseconds.
    pub fn micros(self, ticks: u64) -> i64 {
        let ticks = i64::try_from(ticks).unwrap_or(i64::MAX).saturating_sub_unsigned(self.origin);
        Timestamp::from_ticks(ticks, self.timescale).micros()
    }
}

/// track_ID of the track with this index in [`Header::tracks`].
pub fn track_id(index: usize) -> u32 {
    index as u32 + 1
}

/// The initialization segment for these tracks.
///
/// `mvhd` says duration 0 and there is no `mehd`: a declared length, even an unknown one, takes Chromium out of its low-delay path
/// (70 to 130 ms).
///
/// H.264 is `avc1`, H.265 `hvc1`, though parameter sets may come in band too, which the letter of ISO/IEC 14496-15 reserves to
/// `avc3` and `hev1`: Safari plays only the former, dashboards built on go2rtc's protocol ask only for them, and browsers, ffmpeg,
/// mpv and GStreamer all follow in-band changes under them.
///
/// # Errors
/// A codec that browsers do not play from MP4, or a track without its configuration.
pub fn init(header: &Header) -> Result<Init, Unsupported> {
    let mut out = Vec::with_capacity(2048);
    let brands = [b"iso6", b"cmfc", b"mp41"];
    let ftyp = Ftyp { major_brand: b"iso6".into(), minor_version: 0, compatible_brands: brands.map(Into::into).to_vec() };
    let tracks = header.tracks.iter().enumerate();
    let described =
        |(n, track): (usize, &Track)| InitTrack { id: track_id(n), timescale: Timeline::of(track).timescale, track: track.clone() };
    let moov = Moov {
        mvhd: Mvhd {
            timescale: MICROSECONDS,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: track_id(header.tracks.len()),
            ..Default::default()
        },
        trak: tracks.clone().map(|(n, track)| trak(track_id(n), track)).collect::<Result<_, _>>()?,
        mvex: Some(Mvex { mehd: None, trex: tracks.clone().map(|(n, _)| trex(track_id(n))).collect() }),
        ..Default::default()
    };
    ftyp.encode(&mut out).and_then(|()| moov.encode(&mut out)).map_err(|e| unsupported("the tracks", &e))?;
    Ok(Init { bytes: out.into(), tracks: tracks.map(described).collect(), omitted: Vec::new() })
}

/// Whether a track can be part of an initialization segment.
///
/// # Errors
/// As [`init`] of this track alone.
pub fn check(track: &Track) -> Result<(), Unsupported> {
    sample_entry(track).map(drop)
}

fn trex(track_id: u32) -> Trex {
    Trex { track_id, default_sample_description_index: 1, ..Default::default() }
}

fn trak(id: u32, track: &Track) -> Result<Trak, Unsupported> {
    let Timeline { timescale, origin } = Timeline::of(track);
    let edit = ElstEntry { segment_duration: 0, media_time: Some(origin), media_rate: 1.into() };
    let surface = track.as_video().map(shape::surface).unwrap_or_default();
    let volume = if track.kind() == Kind::Audio { 1 } else { 0 };
    let (handler, name) = match track.kind() {
        Kind::Video => (b"vide", "video"),
        Kind::Audio => (b"soun", "audio"),
    };
    let stbl = Stbl { stsd: Stsd { codecs: vec![sample_entry(track)?] }, stco: Some(Stco::default()), ..Default::default() };
    let minf = Minf {
        vmhd: (track.kind() == Kind::Video).then(Vmhd::default),
        smhd: (track.kind() == Kind::Audio).then(Smhd::default),
        dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } },
        stbl,
        ..Default::default()
    };
    Ok(Trak {
        tkhd: Tkhd {
            track_id: id,
            enabled: true,
            in_movie: true,
            volume: volume.into(),
            matrix: surface.matrix,
            width: surface.width,
            height: surface.height,
            ..Default::default()
        },
        edts: (origin > 0).then(|| Edts { elst: Some(Elst { entries: vec![edit] }) }),
        mdia: Mdia {
            mdhd: Mdhd { timescale, language: language(track), ..Default::default() },
            hdlr: Hdlr { handler: handler.into(), name: track.name.clone().unwrap_or_else(|| name.into()) },
            minf,
        },
        ..Default::default()
    })
}

/// A three-letter code (ISO 639-2); what is longer or shorter is left unsaid.
fn language(track: &Track) -> String {
    let code = track.language.as_deref().filter(|l| l.len() == 3 && l.bytes().all(|b| b.is_ascii_lowercase()));
    code.unwrap_or("und").into()
}

fn sample_entry(track: &Track) -> Result<mp4_atom::Codec, Unsupported> {
    let config = &track.config[..];
    Ok(match track.codec {
        Codec::H264 => Avc1 {
            visual: visual(track),
            avcc: record::<Avcc>(track, config)?,
            colr: colr(track),
            pasp: shape::pasp(track),
            ..Default::default()
        }
        .into(),
        Codec::H265 => Hvc1 {
            visual: visual(track),
            hvcc: record::<Hvcc>(track, config)?,
            colr: colr(track),
            pasp: shape::pasp(track),
            ..Default::default()
        }
        .into(),
        Codec::Av1 => Av01 {
            visual: visual(track),
            av1c: record::<Av1c>(track, config)?,
            colr: colr(track),
            pasp: shape::pasp(track),
            ..Default::default()
        }
        .into(),
        Codec::Aac => {
            aac::AudioSpecificConfig::parse(config).map_err(|e| unsupported(track.codec, &e))?;
            mp4a(track, AUDIO_ISO_14496_3, Some(config))
        }
        Codec::Mp3 => mp4a(track, AUDIO_ISO_11172_3, None),
        Codec::Opus => {
            let head = opus::OpusHead::parse(config).map_err(|e| unsupported(track.codec, &e))?;
            let dops = dops(&head);
            mp4_atom::Opus { audio: audio(track), dops: record::<Dops>(track, &dops)?, btrt: None }.into()
        }
        Codec::Flac => {
            let block = flac::metadata_block(config).map_err(|e| unsupported(track.codec, &e))?;
            let body = [&[0; 4], &block[..]].concat();
            Flac { audio: audio(track), dfla: record::<Dfla>(track, &body)? }.into()
        }
        Codec::Raw(_) | Codec::Pcm(_) | Codec::Jpeg => {
            return Err(Unsupported {
                what: format!("browsers do not play {} from MP4", track.codec),
                advice: "put h5enc before h5mux".into(),
            });
        }
        Codec::Vp8 | Codec::Vp9 => {
            return Err(Unsupported {
                what: format!("{} is not carried in MP4 here", track.codec),
                advice: "convert it first: ffmpeg -i - -c:v libx264 -tune zerolatency -f nut -flush_packets 1 - | h5mux".into(),
            });
        }
    })
}

/// A configuration box from its body.
fn record<T: Atom>(track: &Track, mut body: &[u8]) -> Result<T, Unsupported> {
    if body.is_empty() {
        return Err(unsupported(track.codec, &"its configuration is missing"));
    }
    T::decode_body(&mut body).map_err(|e| unsupported(track.codec, &e))
}

fn unsupported(what: impl std::fmt::Display, why: &dyn std::fmt::Display) -> Unsupported {
    Unsupported { what: format!("{what} cannot be described in MP4: {why}"), advice: "check the program that writes this stream".into() }
}

fn visual(track: &Track) -> Visual {
    let (width, height) = track.as_video().map_or((0, 0), |v| (v.width as u16, v.height as u16));
    Visual { data_reference_index: 1, width, height, ..Default::default() }
}

/// `None` where a code point is not known: a decoder then goes by the bitstream alone.
fn colr(track: &Track) -> Option<Colr> {
    let Colour { primaries, transfer, matrix, full_range } = track.as_video()?.colour;
    Colr::new(primaries?.into(), transfer?.into(), matrix?.into(), full_range?).ok()
}

fn audio(track: &Track) -> Audio {
    let channel_count = track.as_audio().map_or(2, |a| a.channels);
    // 16.16 fixed point has no room for 88.2 kHz and more; the codec's own configuration says it then.
    let rate = codec::sample_rate(track).and_then(|r| u16::try_from(r).ok()).unwrap_or(0);
    Audio { data_reference_index: 1, channel_count, sample_size: 16, sample_rate: FixedPoint::new(rate, 0) }
}

/// objectTypeIndication (ISO/IEC 14496-1, table 5).
pub(super) const AUDIO_ISO_14496_3: u8 = 0x40;
pub(super) const AUDIO_ISO_11172_3: u8 = 0x6b;

fn mp4a(track: &Track, object_type_indication: u8, config: Option<&[u8]>) -> mp4_atom::Codec {
    const AUDIO_STREAM: u8 = 5;
    let dec_config = esds::DecoderConfig {
        object_type_indication,
        stream_type: AUDIO_STREAM,
        dec_specific: config.map(|c| esds::DecoderSpecific { raw: c.to_vec(), ..Default::default() }),
        ..Default::default()
    };
    let es_desc = esds::EsDescriptor { dec_config, ..Default::default() };
    Mp4a { audio: audio(track), esds: Esds { es_desc }, btrt: None, taic: None }.into()
}

/// The body of a `dOps` box: an OpusHead without its magic number, version 0, big-endian.
fn dops(head: &opus::OpusHead) -> Vec<u8> {
    let mut body = vec![0, head.channels];
    body.extend(head.pre_skip.to_be_bytes());
    body.extend(head.input_rate.to_be_bytes());
    body.extend(head.gain.to_be_bytes());
    body.push(head.mapping_family);
    body.extend(&head.mapping);
    body
}
