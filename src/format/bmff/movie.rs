//! Reading `moov`: which tracks there are, and what is in them. Tracks of no use here (time codes, subtitles, unknown codecs) are
//! left out, never an error.

use super::boxes::{BoxRef, boxes, child, descend, malformed};
use super::init::{AUDIO_ISO_11172_3, AUDIO_ISO_14496_3};
use super::moof::Defaults;
use crate::codec::{aac, av1, flac, h264, h265, opus};
use crate::media::{AudioParams, Codec, MAX_TRACKS, Malformed, SampleFormat, Track, VideoParams};
use bytes::Bytes;
use mp4_atom::{Dops, Elst, Esds, Hdlr, Mdhd, Mvhd, Tkhd, Trex};
use std::time::Duration;

/// A movie header that was read.
#[derive(Debug)]
pub(super) struct Movie {
    pub tracks: Vec<MovieTrack>,
    /// There is an `mvex`: samples come in fragments.
    pub fragmented: bool,
}

#[derive(Debug)]
pub(super) struct MovieTrack {
    pub id: u32,
    /// Ticks a second, at least 1.
    pub timescale: u32,
    /// Media time of presentation time zero, in ticks (edit list).
    pub origin: i64,
    /// Bytes of the length before each NAL unit.
    pub length_size: u8,
    pub defaults: Defaults,
    pub track: Track,
    /// The body of `stbl`.
    pub sample_table: Bytes,
}

impl Movie {
    /// Reads the body of a `moov`.
    ///
    /// # Errors
    /// Boxes that contradict themselves, no usable track, more than [`MAX_TRACKS`] of them.
    pub fn parse(moov: &Bytes) -> Result<Movie, Malformed> {
        let mvhd: Mvhd = descend(moov, &[b"mvhd"])?.decode()?;
        let mvex = child(moov, b"mvex");
        let mut tracks = Vec::new();
        for trak in boxes(moov).filter(|b| b.kind == *b"trak") {
            if let Some(mut track) = track(moov, trak, mvhd.timescale)? {
                track.defaults = mvex.map_or(Ok(Defaults::default()), |mvex| defaults(mvex, track.id))?;
                tracks.push(track);
            }
            if tracks.len() > MAX_TRACKS {
                return Err(malformed(format!("more than {MAX_TRACKS} tracks")));
            }
        }
        if tracks.is_empty() {
            return Err(malformed("no track in a codec that is understood"));
        }
        Ok(Movie { tracks, fragmented: mvex.is_some() })
    }

    pub fn track(&self, id: u32) -> Option<&MovieTrack> {
        self.tracks.iter().find(|t| t.id == id)
    }
}

fn defaults(mvex: BoxRef, id: u32) -> Result<Defaults, Malformed> {
    for trex in boxes(mvex.body).filter(|b| b.kind == *b"trex") {
        let trex: Trex = trex.decode()?;
        if trex.track_id == id {
            let Trex { default_sample_duration: duration, default_sample_size: size, default_sample_flags: flags, .. } = trex;
            return Ok(Defaults { duration, size, flags });
        }
    }
    Ok(Defaults::default())
}

/// Number of the track that a `trak` box describes.
pub(super) fn track_id(trak: BoxRef) -> Result<u32, Malformed> {
    let tkhd: Tkhd = descend(trak.body, &[b"tkhd"])?.decode()?;
    Ok(tkhd.track_id)
}

fn track(moov: &Bytes, trak: BoxRef, movie_timescale: u32) -> Result<Option<MovieTrack>, Malformed> {
    let id = track_id(trak)?;
    let mdia = descend(trak.body, &[b"mdia"])?;
    let mdhd: Mdhd = descend(mdia.body, &[b"mdhd"])?.decode()?;
    let hdlr: Hdlr = descend(mdia.body, &[b"hdlr"])?.decode()?;
    let stbl = descend(mdia.body, &[b"minf", b"stbl"])?;
    // version, flags and entry_count come before the entries of stsd; only the first entry is used.
    let entries = descend(stbl.body, &[b"stsd"])?.body.get(8..).unwrap_or_default();
    let Some(described) = boxes(entries).next().map(sample_entry).transpose()?.flatten() else { return Ok(None) };
    let Described { mut track, length_size } = described;
    let timescale = mdhd.timescale.max(1);
    let origin = edit_origin(trak, timescale, movie_timescale.max(1))?;
    if let crate::media::Params::Audio(audio) = &mut track.params
        && origin > 0
    {
        audio.delay = Duration::from_micros(crate::media::Timestamp::from_ticks(origin, timescale).micros().max(0) as u64);
    }
    track.language = Some(mdhd.language).filter(|l| l != "und" && l.bytes().all(|b| b.is_ascii_lowercase()));
    track.name = Some(hdlr.name).filter(|n| !n.is_empty());
    let sample_table = moov.slice_ref(stbl.body);
    Ok(Some(MovieTrack { id, timescale, origin, length_size, defaults: Defaults::default(), track, sample_table }))
}

/// Media time of presentation time zero by the edit list: an empty edit first delays, the first other edit says where to begin.
fn edit_origin(trak: BoxRef, timescale: u32, movie_timescale: u32) -> Result<i64, Malformed> {
    let Some(elst) = child(trak.body, b"edts").and_then(|edts| child(edts.body, b"elst")) else { return Ok(0) };
    let elst: Elst = elst.decode()?;
    let mut delay = 0i128;
    for entry in elst.entries {
        match entry.media_time {
            None => delay += i128::from(entry.segment_duration) * i128::from(timescale) / i128::from(movie_timescale),
            Some(start) => {
                let origin = i128::from(start) - delay;
                return i64::try_from(origin).map_err(|_| malformed("edit list out of range"));
            }
        }
    }
    Ok(0)
}

struct Described {
    track: Track,
    length_size: u8,
}

/// What a sample entry describes; `None` for a codec that is not understood.
fn sample_entry(entry: BoxRef) -> Result<Option<Described>, Malformed> {
    Ok(match &entry.kind {
        b"avc1" | b"avc3" | b"hvc1" | b"hev1" | b"av01" | b"vp08" | b"vp09" | b"jpeg" | b"mjpa" => video(entry)?,
        b"mp4a" | b"Opus" | b"fLaC" | b".mp3" | b"sowt" => audio(entry)?.map(|track| Described { track, length_size: 4 }),
        _ => None,
    })
}

/// VisualSampleEntry (section 12.1.3): 78 bytes, then boxes.
fn video(entry: BoxRef) -> Result<Option<Described>, Malformed> {
    let (head, children) = entry.body.split_at_checked(78).ok_or_else(|| malformed("sample entry is cut short"))?;
    let size = |at| u32::from(u16::from_be_bytes([head[at], head[at + 1]])).clamp(1, 16384);
    let config = |kind: &[u8; 4]| child(children, kind).map(|b| Bytes::copy_from_slice(b.body)).unwrap_or_default();
    let described = VideoParams::new(size(24), size(26));
    let plain = |codec| Track::video(codec, described.clone());
    let mut length_size = 4;
    let track = match &entry.kind {
        b"avc1" | b"avc3" => {
            let config = config(b"avcC");
            let record = h264::AvcC::parse(&config)?;
            length_size = record.length_size;
            // Parameter sets may all be in band (avc3), or unreadable to us yet fine to a decoder: the entry's own size then.
            h264::track(config.clone()).unwrap_or_else(|_| Track { config: h264::four_byte_lengths(config), ..plain(Codec::H264) })
        }
        b"hvc1" | b"hev1" => {
            let config = config(b"hvcC");
            length_size = h265::HvcC::parse(&config)?.length_size;
            h265::track(config.clone()).unwrap_or_else(|_| Track { config: h265::four_byte_lengths(config), ..plain(Codec::H265) })
        }
        b"av01" => {
            let config = config(b"av1C");
            av1::Av1C::parse(&config)?;
            av1::track(config.clone()).unwrap_or_else(|_| Track { config, ..plain(Codec::Av1) })
        }
        b"vp08" => plain(Codec::Vp8),
        b"vp09" => plain(Codec::Vp9),
        _ => plain(Codec::Jpeg),
    };
    Ok(Some(Described { track, length_size }))
}

/// AudioSampleEntry (section 12.2.3): 28 bytes, more in QuickTime's versions 1 and 2, then boxes.
fn audio(entry: BoxRef) -> Result<Option<Track>, Malformed> {
    let (head, rest) = entry.body.split_at_checked(28).ok_or_else(|| malformed("sample entry is cut short"))?;
    let extra = match head[9] {
        1 => 16,
        2 => 36,
        _ => 0,
    };
    let children = rest.get(extra..).unwrap_or_default();
    let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let params = AudioParams { rate: u32::from(number(24)).max(1), channels: number(16).clamp(1, 64), delay: Duration::ZERO };
    let find = |kind: &[u8; 4]| child(children, kind).ok_or_else(|| malformed(format!("box {} is missing", super::boxes::name(*kind))));
    Ok(match &entry.kind {
        b"mp4a" => {
            // QuickTime puts the boxes into a `wave`.
            let inner = child(children, b"wave").map_or(children, |wave| wave.body);
            let esds = child(children, b"esds").or_else(|| child(inner, b"esds")).ok_or_else(|| malformed("box esds is missing"))?;
            let esds: Esds = esds.decode()?;
            let decoder = esds.es_desc.dec_config;
            match decoder.object_type_indication {
                // 0x66 to 0x68 are the AAC profiles of MPEG-2.
                AUDIO_ISO_14496_3 | 0x66..=0x68 => {
                    let config = decoder.dec_specific.map(|d| Bytes::from(d.raw)).unwrap_or_default();
                    Some(aac::track(config)?)
                }
                // 0x69 is MP3 at the low sample rates.
                AUDIO_ISO_11172_3 | 0x69 => Some(Track::audio(Codec::Mp3, params)),
                _ => None,
            }
        }
        b"Opus" => Some(opus::track(opus_head(&find(b"dOps")?.decode()?).build())?),
        // version and flags, then the metadata blocks.
        b"fLaC" => Some(flac::track(flac::config(find(b"dfLa")?.body.get(4..).unwrap_or_default()))?),
        b".mp3" => Some(Track::audio(Codec::Mp3, params)),
        _ => (number(18) == 16).then(|| Track::audio(Codec::Pcm(SampleFormat::S16), params)),
    })
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
