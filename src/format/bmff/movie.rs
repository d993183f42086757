//! Reading `moov`: which tracks there are, and what is in them. Tracks that are not used (time codes, subtitles, unknown codecs) are
//! left out, never an error.

use super::audio_entry;
use super::boxes::{self, BoxRef, boxes, child, descend, malformed, track_id};
use super::description::{Described, NOT_READ, SampleLayout, object_type};
use super::edits::Edits;
use super::moof::Defaults;
use super::samples::{Run, Table};
use super::shape;
use crate::codec::{av1, h264, h265};
use crate::media::{Codec, Kind, MAX_TRACKS, Malformed, OmittedTrack, Params, Timestamp, Track, VideoParams, omitted_line};
use bytes::Bytes;
use mp4_atom::{Esds, Trex};
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
    pub edits: Edits,
    /// Media time of presentation time zero, in ticks, as far as one number can say it.
    pub origin: i64,
    pub defaults: Defaults,
    /// As the sample entry `entry` describes it.
    pub track: Track,
    pub entry: usize,
    /// All of its sample entries; `None`: one that is not understood.
    pub entries: Vec<Option<Described>>,
    /// The type of the first that is understood.
    kind: [u8; 4],
    /// Where its samples are, if the movie header says that of any.
    pub table: Option<Table>,
}

impl MovieTrack {
    /// It turned out to be unusable.
    pub fn omitted(&self, reason: impl Into<String>) -> OmittedTrack {
        let codec = boxes::name(self.kind).trim_end().into();
        OmittedTrack { number: self.id.into(), kind: Some(self.track.kind()), codec, reason: reason.into() }
    }

    /// The samples to come are described by another entry. `false`: it is not understood.
    pub fn change(&mut self, entry: usize) -> bool {
        let Some(Some(described)) = self.entries.get(entry) else { return false };
        let old = std::mem::replace(&mut self.track, described.track.clone());
        (self.track.language, self.track.name) = (old.language, old.name);
        if let (Params::Audio(new), Params::Audio(old)) = (&mut self.track.params, old.params) {
            new.delay = old.delay.max(new.delay);
        }
        self.entry = entry;
        true
    }

    pub fn layout(&self) -> SampleLayout {
        self.entries.get(self.entry).and_then(Option::as_ref).map_or(SampleLayout::Plain, |described| described.layout)
    }
}

impl Movie {
    /// Reads the body of a `moov`. A track that is damaged or not used is left out, and costs the others nothing.
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
            match track(moov, trak, timescale, mvex, &mut omitted) {
                Ok(track) => tracks.push(track),
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
    Defaults {
        duration: trex.default_sample_duration,
        size: trex.default_sample_size,
        flags: trex.default_sample_flags,
        entry: trex.default_sample_description_index.saturating_sub(1) as usize,
    }
}

/// So many sample entries of a track are read.
const MAX_SAMPLE_ENTRIES: usize = 64;
/// PCM is gathered to packets of a 25th of a second.
const PCM_PACKETS: u32 = 25;

fn track(
    moov: &Bytes,
    trak: BoxRef,
    movie_timescale: u32,
    mvex: Option<BoxRef>,
    omitted: &mut Vec<OmittedTrack>,
) -> Result<MovieTrack, Malformed> {
    let handler = Handler::of(trak);
    if handler.kind() == Some(None) {
        return Err(malformed(format!("{}, neither video nor audio", handler.means())));
    }
    let id = track_id(trak)?;
    let mdia = descend(trak.body, &[b"mdia"])?;
    let media = descend(mdia.body, &[b"mdhd"]).and_then(media_header)?;
    let stbl = moov.slice_ref(descend(mdia.body, &[b"minf", b"stbl"])?.body);
    let all: Vec<_> = sample_entries(trak).take(MAX_SAMPLE_ENTRIES).collect();
    let mut read: Vec<_> = all.iter().map(|entry| sample_entry(*entry, handler.kind().flatten(), media.timescale)).collect();
    for (entry, described) in all.iter().zip(&mut read) {
        if let Ok(described) = described {
            shape::describe(moov, trak, *entry, all.len() == 1, &mut described.track);
        }
    }
    let Some(usable) = read.iter().position(Result::is_ok) else {
        return Err(read.into_iter().next().map_or_else(|| malformed("there is no sample entry"), |first| first.expect_err("none is")));
    };
    let defaults = mvex.map(|mvex| defaults(mvex, id)).unwrap_or_default();
    let edits = Edits::of(trak, media.timescale, movie_timescale, mvex.is_some())?;
    let Ok(first) = &read[usable] else { unreachable!("it is usable") };
    let run = match first.layout {
        SampleLayout::Pcm { frame, .. } => Some(Run { frame, most: (media.timescale / PCM_PACKETS).max(1) }),
        _ => None,
    };
    let mut track = MovieTrack {
        id,
        timescale: media.timescale,
        origin: edits.edits.origin(),
        edits: edits.edits,
        defaults,
        track: Track { language: media.language, name: handler.name, ..first.track.clone() },
        entry: usable,
        kind: all[usable].kind,
        table: table(&stbl, run, mvex.is_some())?,
        entries: Vec::new(),
    };
    for (n, error) in read.iter_mut().enumerate().filter_map(|(n, read)| Some((n, read.as_ref().err()?))) {
        let codec = boxes::name(all[n].kind).trim_end().into();
        omitted.push(OmittedTrack { codec, ..track.omitted(format!("sample entry {}: {}", n + 1, error.what)) });
    }
    if edits.incomplete {
        omitted.push(track.omitted("parts of its edit list go back in time, which a stream cannot"));
    }
    track.entries = read.into_iter().map(Result::ok).collect();
    track.start();
    Ok(track)
}

/// The sample tables. In a movie of fragments they may be empty, or not be there at all.
fn table(stbl: &Bytes, run: Option<Run>, fragmented: bool) -> Result<Option<Table>, Malformed> {
    match Table::new(stbl, run) {
        Ok(table) => Ok(Some(table).filter(|table| table.left() > 0)),
        Err(_) if fragmented => Ok(None),
        Err(error) => Err(error),
    }
}

impl MovieTrack {
    /// What is known before the first sample: its entry, and the audio that is there for decoders to start up.
    fn start(&mut self) {
        let first = self.table.as_ref().map_or(self.defaults.entry, Table::first_entry);
        if first != self.entry {
            self.change(first);
        }
        let Some(start) = self.edits.first_start() else { return };
        if !matches!(self.track.params, Params::Audio(_)) || matches!(self.track.codec, Codec::Pcm(_)) {
            return;
        }
        let begin = start.saturating_sub(self.lead_in());
        let first = self.table.clone().and_then(|mut table| table.find(|sample| sample.time.saturating_add(sample.duration) > begin));
        let lead = start.saturating_sub(first.map_or(0, |sample| sample.time)).max(0);
        let lead = Timestamp::from_ticks(lead, self.timescale).micros();
        if let Params::Audio(audio) = &mut self.track.params
            && lead > 0
        {
            audio.delay = Duration::from_micros(lead as u64);
        }
    }

    /// How much audio before an in-point is kept, in ticks: what an encoder put there for decoders to start up, or as much of the audio
    /// itself as they need.
    pub fn lead_in(&self) -> i64 {
        /// More than any encoder's delay: that of HE-AAC is 120 ms.
        const DELAY_MS: i64 = 200;
        // A packet of AAC; the bit reservoir of MP3; what Opus says itself (RFC 7845, section 4.6).
        let need = match self.track.codec {
            Codec::Aac => 24,
            Codec::Mp3 => 60,
            Codec::Opus => 80,
            _ => 0,
        };
        let ticks = |ms: i64| ms * i64::from(self.timescale) / 1000;
        match self.edits.first_start() {
            Some(start) if start <= ticks(DELAY_MS) => start,
            _ => ticks(need),
        }
    }
}

/// What the container says of a track that is left out.
fn described_by_name(trak: BoxRef, index: usize, error: Malformed) -> OmittedTrack {
    let entry = sample_entries(trak).next();
    let codec = entry.map(|entry| boxes::name(original_format(entry).unwrap_or(entry.kind))).unwrap_or_default();
    let number = track_id(trak).map_or(index as u64 + 1, u64::from);
    OmittedTrack { number, kind: Handler::of(trak).kind().flatten(), codec: codec.trim_end().into(), reason: error.what }
}

/// version, flags and entry_count come before the entries of `stsd`.
fn sample_entries(trak: BoxRef<'_>) -> impl Iterator<Item = BoxRef<'_>> {
    let stsd = descend(trak.body, &[b"mdia", b"minf", b"stbl", b"stsd"]).ok();
    boxes(stsd.and_then(|stsd| stsd.body.get(8..)).unwrap_or_default())
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

/// What a sample entry describes.
fn sample_entry(entry: BoxRef, kind: Option<Kind>, timescale: u32) -> Result<Described, Malformed> {
    match &entry.kind {
        b"encv" | b"enca" | b"encs" | b"drmi" | b"drms" => Err(malformed("encrypted")),
        b"avc1" | b"avc3" | b"hvc1" | b"hev1" | b"av01" | b"vp08" | b"vp09" | b"jpeg" | b"mjpa" | b"mp4v" => video(entry),
        _ if kind == Some(Kind::Video) => Err(malformed(NOT_READ)),
        _ => audio_entry::audio(entry, timescale),
    }
}

/// VisualSampleEntry (section 12.1.3): 78 bytes, then boxes.
fn video(entry: BoxRef) -> Result<Described, Malformed> {
    let (head, children) = entry.body.split_at_checked(78).ok_or_else(|| malformed("sample entry is cut short"))?;
    let size = |at| u32::from(u16::from_be_bytes([head[at], head[at + 1]])).clamp(1, 16384);
    let config = |kind: &[u8; 4]| child(children, kind).map(|b| Bytes::copy_from_slice(b.body)).unwrap_or_default();
    let described = VideoParams::new(size(24), size(26));
    let plain = |codec| Track::video(codec, described.clone());
    let mut layout = SampleLayout::Plain;
    let track = match &entry.kind {
        b"avc1" | b"avc3" => {
            let config = config(b"avcC");
            let record = h264::AvcC::parse(&config)?;
            layout = SampleLayout::Lengths(record.length_size);
            // Parameter sets may all be in band (avc3), or unreadable to us yet fine to a decoder: the entry's own size then.
            h264::track(config.clone()).unwrap_or_else(|_| Track { config: h264::four_byte_lengths(config), ..plain(Codec::H264) })
        }
        b"hvc1" | b"hev1" => {
            let config = config(b"hvcC");
            layout = SampleLayout::Lengths(h265::HvcC::parse(&config)?.length_size);
            h265::track(config.clone()).unwrap_or_else(|_| Track { config: h265::four_byte_lengths(config), ..plain(Codec::H265) })
        }
        b"av01" => {
            let config = config(b"av1C");
            av1::Av1C::parse(&config)?;
            av1::track(config.clone()).unwrap_or_else(|_| Track { config, ..plain(Codec::Av1) })
        }
        b"vp08" => plain(Codec::Vp8),
        b"vp09" => plain(Codec::Vp9),
        b"mp4v" => {
            // 0x6C is JPEG (ISO/IEC 14496-1, table 5): ffmpeg and cameras write motion JPEG so.
            let esds: Esds = child(children, b"esds").ok_or_else(|| malformed("box esds is missing"))?.decode()?;
            match esds.es_desc.dec_config.object_type_indication {
                0x6c => plain(Codec::Jpeg),
                other => return Err(object_type(other)),
            }
        }
        _ => plain(Codec::Jpeg),
    };
    Ok(Described { track, layout })
}
