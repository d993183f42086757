//! Reading `moov`: which tracks there are, and what is in them. Tracks of no use here (time codes, subtitles, unknown codecs) are
//! left out, never an error.

use super::boxes::{self, BoxRef, boxes, child, descend, malformed};
use super::init::{AUDIO_ISO_11172_3, AUDIO_ISO_14496_3};
use super::moof::Defaults;
use crate::codec::{aac, av1, flac, h264, h265, opus};
use crate::media::{AudioParams, Codec, Kind, MAX_TRACKS, Malformed, OmittedTrack, SampleFormat, Track, VideoParams, omitted_line};
use bytes::Bytes;
use mp4_atom::{Dops, Elst, Esds, Tkhd, Trex};
use std::time::Duration;

/// A movie header that was read.
#[derive(Debug)]
pub(super) struct Movie {
    pub tracks: Vec<MovieTrack>,
    /// What else is in it.
    pub omitted: Vec<OmittedTrack>,
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
    /// The type of its sample entry.
    pub entry: [u8; 4],
}

impl MovieTrack {
    /// It turned out to be of no use.
    pub fn omitted(&self, reason: String) -> OmittedTrack {
        let codec = boxes::name(self.entry).trim_end().into();
        OmittedTrack { number: self.id.into(), kind: Some(self.track.kind()), codec, reason }
    }
}

impl Movie {
    /// Reads the body of a `moov`. A track that is damaged or of no use is left out, and costs the others nothing.
    ///
    /// # Errors
    /// No usable track, more than [`MAX_TRACKS`] of them.
    pub fn parse(moov: &Bytes) -> Result<Movie, Malformed> {
        let timescale = child(moov, b"mvhd").and_then(movie_timescale).unwrap_or(1);
        let mvex = child(moov, b"mvex");
        let (mut tracks, mut omitted) = (Vec::new(), Vec::new());
        for (index, trak) in boxes(moov).filter(|b| b.kind == *b"trak").enumerate() {
            if index >= MAX_ENTRIES || tracks.len() > MAX_TRACKS {
                return Err(malformed(format!("more than {MAX_TRACKS} tracks")));
            }
            match track(moov, trak, timescale) {
                Ok(track) => tracks.push(MovieTrack { defaults: mvex.map(|mvex| defaults(mvex, track.id)).unwrap_or_default(), ..track }),
                Err(error) => omitted.push(described_by_name(trak, index, error)),
            }
        }
        if tracks.is_empty() {
            return Err(malformed(match &omitted[..] {
                [] => "there is no track in it".into(),
                omitted => format!("no track that can be read: {}", omitted_line(omitted)),
            }));
        }
        Ok(Movie { tracks, omitted, fragmented: mvex.is_some() })
    }

    pub fn track(&self, id: u32) -> Option<&MovieTrack> {
        self.tracks.iter().find(|t| t.id == id)
    }
}

/// So many `trak` boxes are read, counting the subtitles.
const MAX_ENTRIES: usize = 256;

/// Ticks a second, after version, flags and two times (section 8.2.2).
fn movie_timescale(mvhd: BoxRef) -> Option<u32> {
    number(mvhd.body, if mvhd.body.first() == Some(&1) { 20 } else { 12 }).filter(|n| *n > 0)
}

fn number(body: &[u8], at: usize) -> Option<u32> {
    body.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn defaults(mvex: BoxRef, id: u32) -> Defaults {
    let all = boxes(mvex.body).filter(|b| b.kind == *b"trex").filter_map(|trex| trex.decode::<Trex>().ok());
    let trex = all.filter(|trex| trex.track_id == id).last().unwrap_or_default();
    Defaults { duration: trex.default_sample_duration, size: trex.default_sample_size, flags: trex.default_sample_flags }
}

/// Number of the track that a `trak` box describes.
pub(super) fn track_id(trak: BoxRef) -> Result<u32, Malformed> {
    let tkhd: Tkhd = descend(trak.body, &[b"tkhd"])?.decode()?;
    Ok(tkhd.track_id)
}

fn track(moov: &Bytes, trak: BoxRef, movie_timescale: u32) -> Result<MovieTrack, Malformed> {
    let handler = Handler::of(trak);
    if handler.kind() == Some(None) {
        return Err(malformed(format!("{}, neither video nor audio", handler.means())));
    }
    let id = track_id(trak)?;
    let mdia = descend(trak.body, &[b"mdia"])?;
    let media = descend(mdia.body, &[b"mdhd"]).and_then(media_header)?;
    let stbl = descend(mdia.body, &[b"minf", b"stbl"])?;
    let entry = first_entry(trak).ok_or_else(|| malformed("there is no sample entry"))?;
    let Described { mut track, length_size } = sample_entry(entry)?;
    let origin = edit_origin(trak, media.timescale, movie_timescale)?;
    if let crate::media::Params::Audio(audio) = &mut track.params
        && origin > 0
    {
        audio.delay = Duration::from_micros(crate::media::Timestamp::from_ticks(origin, media.timescale).micros().max(0) as u64);
    }
    track.language = media.language;
    track.name = handler.name;
    let sample_table = moov.slice_ref(stbl.body);
    Ok(MovieTrack {
        id,
        timescale: media.timescale,
        origin,
        length_size,
        defaults: Defaults::default(),
        track,
        sample_table,
        entry: entry.kind,
    })
}

/// What the container says of a track that is left out.
fn described_by_name(trak: BoxRef, index: usize, error: Malformed) -> OmittedTrack {
    let entry = first_entry(trak);
    let codec = entry.map(|entry| boxes::name(original_format(entry).unwrap_or(entry.kind))).unwrap_or_default();
    let number = track_id(trak).map_or(index as u64 + 1, u64::from);
    OmittedTrack { number, kind: Handler::of(trak).kind().flatten(), codec: codec.trim_end().into(), reason: error.what }
}

/// version, flags and entry_count come before the entries of `stsd`; only the first entry is used.
fn first_entry(trak: BoxRef<'_>) -> Option<BoxRef<'_>> {
    boxes(descend(trak.body, &[b"mdia", b"minf", b"stbl", b"stsd"]).ok()?.body.get(8..)?).next()
}

/// The codec of a sample entry whose samples are encrypted (ISO/IEC 14496-12, section 8.12).
fn original_format(entry: BoxRef) -> Option<[u8; 4]> {
    let children = match &entry.kind {
        b"encv" => entry.body.get(78..),
        b"enca" => entry.body.get(28..),
        _ => None,
    }?;
    let frma = descend(children, &[b"sinf", b"frma"]).ok()?;
    frma.body.first_chunk().copied()
}

/// What `hdlr` says (section 8.4.3): handler_type after version, flags and four bytes; a name after twelve more.
#[derive(Default)]
struct Handler {
    kind: Option<[u8; 4]>,
    name: Option<String>,
}

impl Handler {
    fn of(trak: BoxRef) -> Handler {
        let Ok(hdlr) = descend(trak.body, &[b"mdia", b"hdlr"]) else { return Handler::default() };
        let text = hdlr.body.get(20..).unwrap_or_default();
        // QuickTime counts the characters first, and has bytes of its own before 0x20 and after 0x7e in names of phones.
        let text = match text.split_first() {
            Some((&count, rest)) if usize::from(count) == rest.len() && count > 0 => rest,
            _ => text,
        };
        let name = text.split(|b| *b == 0).next().and_then(|name| std::str::from_utf8(name).ok());
        let kind = hdlr.body.get(8..).and_then(|rest| rest.first_chunk().copied());
        Handler { kind, name: name.filter(|name| !name.is_empty()).map(Into::into) }
    }

    /// `None`: it does not say. `Some(None)`: something else.
    fn kind(&self) -> Option<Option<Kind>> {
        self.kind.map(|kind| match &kind {
            b"vide" => Some(Kind::Video),
            b"soun" => Some(Kind::Audio),
            _ => None,
        })
    }

    fn means(&self) -> &'static str {
        match self.kind.as_ref() {
            Some(b"text" | b"sbtl" | b"subt" | b"subp" | b"clcp") => "subtitles",
            Some(b"tmcd") => "time codes",
            Some(b"meta" | b"mdta") => "metadata",
            Some(b"hint") => "hints for a streaming server",
            Some(b"auxv") => "an auxiliary picture",
            _ => "of an unknown kind",
        }
    }
}

struct MediaHeader {
    timescale: u32,
    language: Option<String>,
}

/// After version, flags and two times: timescale, duration, language (section 8.4.2).
fn media_header(mdhd: BoxRef) -> Result<MediaHeader, Malformed> {
    let long = mdhd.body.first() == Some(&1);
    let timescale = number(mdhd.body, if long { 20 } else { 12 }).ok_or_else(|| malformed("box mdhd is cut short"))?.max(1);
    let packed = mdhd.body.get(if long { 32 } else { 20 }..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u16::from_be_bytes(*b));
    // Three letters of five bits each; what is below are codes of the Macintosh.
    let letters: String = [10, 5, 0].map(|shift| char::from(0x60 + (packed >> shift & 0x1f) as u8)).iter().collect();
    let language = Some(letters).filter(|l| l != "und" && l.bytes().all(|b| b.is_ascii_lowercase()));
    Ok(MediaHeader { timescale, language })
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

/// What a sample entry describes.
fn sample_entry(entry: BoxRef) -> Result<Described, Malformed> {
    let described = match &entry.kind {
        b"avc1" | b"avc3" | b"hvc1" | b"hev1" | b"av01" | b"vp08" | b"vp09" | b"jpeg" | b"mjpa" => video(entry)?,
        b"mp4a" | b"Opus" | b"fLaC" | b".mp3" | b"sowt" => audio(entry)?.map(|track| Described { track, length_size: 4 }),
        b"encv" | b"enca" | b"encs" | b"drmi" | b"drms" => return Err(malformed("encrypted")),
        _ => None,
    };
    described.ok_or_else(|| malformed("not a codec that is read here"))
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
    let find = |kind: &[u8; 4]| child(children, kind).ok_or_else(|| malformed(format!("box {} is missing", boxes::name(*kind))));
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
