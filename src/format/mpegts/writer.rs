//! MPEG transport streams, written: one program of pictures and audio (ISO/IEC 13818-1).
//!
//! What changes while a stream is written is [`WriterState`], a small value: who keeps it can write a frame again, or for several readers at once.

use super::packets::{PacketHead, put_payload};
use super::tables::{self, Stream};
use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
use crate::codec::{mp3, opus};
use crate::format::CodedFrame;
use crate::format::byte_stream::{self, StartCodes};
use crate::media::{Codec, Kind, Timestamp, Track};
use bytes::{BufMut, Bytes, BytesMut};

/// Ticks a second of PTS and DTS, which have 33 bits.
const CLOCK: i64 = 90_000;
const TIME_BITS: u32 = 33;
/// Where time zero is: the first frames may be decoded before it.
const ZERO: i64 = CLOCK;
/// So far the clock reference is behind the decode times: audio that comes behind the pictures of its time is not late.
const LEAD: i64 = CLOCK / 5;
/// The tables come again after so long, and before each keyframe. DVB asks for 0.5 s (ETSI TR 101 154, section 4.1.7).
const TABLES: i64 = CLOCK / 4;
/// Of streams, as ffmpeg numbers them.
const FIRST_PID: u16 = 0x100;
/// A program has pictures, audio, or both.
const MAX_STREAMS: usize = 2;
/// Index of the stream that has the clock reference: the pictures, where there are some.
const CLOCK_STREAM: usize = 0;

/// Writes the frames of some tracks.
#[derive(Debug)]
pub struct Writer {
    streams: Vec<(u32, Elementary)>,
    /// PAT and PMT, a section each.
    sections: [Bytes; 2],
}

/// How a track is packed.
#[derive(Debug)]
enum Elementary {
    Pictures(byte_stream::Writer),
    Adts(AudioSpecificConfig),
    MpegAudio,
    Opus,
}

/// What a frame depends on besides itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriterState {
    /// continuity_counter of the next packet: of the tables, and of each stream.
    tables: u8,
    streams: [u8; MAX_STREAMS],
    /// When the tables were last written.
    tables_at: Option<i64>,
}

impl Writer {
    /// Of the first track of pictures and the first of audio that can be carried, each with its number. `None`: there is none.
    pub fn new<'t>(tracks: impl Iterator<Item = (u32, &'t Track)> + Clone) -> Option<Writer> {
        let first = |kind| tracks.clone().filter(|(_, track)| track.kind() == kind).find_map(|(id, track)| Some((id, elementary(track)?)));
        let found: Vec<(u32, (Elementary, Stream))> = [Kind::Video, Kind::Audio].into_iter().filter_map(first).collect();
        if found.is_empty() {
            return None;
        }
        let described: Vec<Stream> = found.iter().map(|(_, (_, stream))| stream.clone()).collect();
        let streams = found.into_iter().map(|(id, (elementary, _))| (id, elementary)).collect();
        Some(Writer { streams, sections: tables::sections(FIRST_PID, &described) })
    }

    /// The tracks that it writes.
    pub fn tracks(&self) -> impl Iterator<Item = u32> {
        self.streams.iter().map(|(id, _)| *id)
    }

    /// Appends a frame, with the tables where they are due. `false`: it is of no track that is written, or has a form that cannot be.
    pub fn put(&self, out: &mut BytesMut, state: &mut WriterState, frame: &CodedFrame) -> bool {
        let Some(n) = self.streams.iter().position(|(id, _)| *id == frame.track) else { return false };
        let Some((stream_id, data)) = self.streams[n].1.payload(frame) else { return false };
        let (dts, is_clock) = (ticks(frame.dts), n == CLOCK_STREAM);
        let due = state.tables_at.is_none_or(|at| !(0..TABLES).contains(&(dts - at)));
        if due || is_clock && frame.key && self.is_pictures(n) {
            state.tables_at = Some(dts);
            for (pid, section) in [tables::PAT_PID, tables::PMT_PID].into_iter().zip(&self.sections) {
                let mut counter = state.tables;
                put_payload(out, &mut counter, PacketHead { pid, clock: None, random_access: false }, section);
            }
            state.tables = (state.tables + 1) & 0xf;
        }
        let head = PacketHead {
            pid: FIRST_PID + n as u16,
            clock: is_clock.then(|| wrapped(dts - LEAD)),
            random_access: frame.key && (self.is_pictures(n) || is_clock),
        };
        let pes = pes(stream_id, ticks(frame.pts), dts, &data);
        put_payload(out, &mut state.streams[n], head, &pes);
        true
    }

    fn is_pictures(&self, stream: usize) -> bool {
        matches!(self.streams[stream].1, Elementary::Pictures(_))
    }
}

/// stream_id (table 2-22).
const VIDEO_STREAM: u8 = 0xe0;
const AUDIO_STREAM: u8 = 0xc0;
const PRIVATE_STREAM_1: u8 = 0xbd;

impl Elementary {
    /// stream_id, and the bytes of the elementary stream.
    fn payload(&self, frame: &CodedFrame) -> Option<(u8, Bytes)> {
        let mut out = BytesMut::new();
        Some(match self {
            Elementary::Pictures(writer) => {
                out.reserve(writer.room(frame.data.len()));
                writer.put(&mut out, &frame.data, frame.key, true);
                (VIDEO_STREAM, out.freeze())
            }
            Elementary::Adts(config) => {
                out.reserve(frame.data.len() + AdtsHeader::LEN);
                out.put_slice(&AdtsHeader::build(config, frame.data.len())?);
                out.put_slice(&frame.data);
                (AUDIO_STREAM, out.freeze())
            }
            Elementary::MpegAudio => (AUDIO_STREAM, frame.data.clone()),
            Elementary::Opus => {
                // opus_control_header without trims ("Opus in MPEG-2 Transport Streams", Xiph.Org).
                out.put_slice(&[0x7f, 0xe0]);
                out.put_bytes(255, frame.data.len() / 255);
                out.put_u8((frame.data.len() % 255) as u8);
                out.put_slice(&frame.data);
                (PRIVATE_STREAM_1, out.freeze())
            }
        })
    }
}

/// `None`: the codec has no place in a transport stream here.
fn elementary(track: &Track) -> Option<(Elementary, Stream)> {
    let pictures = || byte_stream::Writer::new(track, StartCodes::Long).map(Elementary::Pictures);
    match track.codec {
        Codec::H264 => Some((pictures()?, Stream::H264)),
        Codec::H265 => Some((pictures()?, Stream::H265)),
        Codec::Aac => {
            let config = AudioSpecificConfig::parse(&track.config).ok()?;
            AdtsHeader::build(&config, 1)?;
            Some((Elementary::Adts(config), Stream::Adts))
        }
        Codec::Mp3 => {
            let low = track.as_audio().is_some_and(|audio| audio.rate < mp3::LOWEST_OF_VERSION_1);
            Some((Elementary::MpegAudio, if low { Stream::Mpeg2Audio } else { Stream::Mpeg1Audio }))
        }
        Codec::Opus => {
            let layout = tables::opus_layout(&opus::OpusHead::parse(&track.config).ok()?)?;
            Some((Elementary::Opus, Stream::Opus(layout)))
        }
        _ => None,
    }
}

/// In ticks from where the writer's times begin.
fn ticks(time: Timestamp) -> i64 {
    (i128::from(time.micros()) * i128::from(CLOCK)).div_euclid(1_000_000) as i64 + ZERO
}

fn wrapped(ticks: i64) -> u64 {
    ticks.rem_euclid(1 << TIME_BITS) as u64
}

/// A PES packet (section 2.4.3.6). Of pictures that are longer than its length can say, it says none.
fn pes(stream_id: u8, pts: i64, dts: i64, data: &[u8]) -> Bytes {
    const ALIGNED: u8 = 0x84;
    let times: &[(u8, i64)] = if pts == dts { &[(2, pts)] } else { &[(3, pts), (1, dts)] };
    let mut out = BytesMut::with_capacity(19 + data.len());
    out.put_slice(&[0, 0, 1, stream_id]);
    out.put_u16(u16::try_from(3 + 5 * times.len() + data.len()).unwrap_or(0));
    out.put_slice(&[ALIGNED, if times.len() == 2 { 0xc0 } else { 0x80 }, 5 * times.len() as u8]);
    for (prefix, time) in times {
        let time = wrapped(*time);
        out.put_u8(prefix << 4 | ((time >> 30) as u8 & 7) << 1 | 1);
        out.put_u16(((time >> 15) as u16 & 0x7fff) << 1 | 1);
        out.put_u16((time as u16 & 0x7fff) << 1 | 1);
    }
    out.put_slice(data);
    out.freeze()
}
