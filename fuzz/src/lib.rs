//! What the fuzz targets check, as plain functions, so that the normal tests can replay inputs without a fuzzer: no panic, and
//! results that do not depend on how the input was cut.

mod access;
mod hls;
mod net;

pub use access::access;
pub use hls::hls;
pub use net::{http, proxy, response, soap, ws};

use bytes::BytesMut;
use h5live::format::testing::{at_every_split, events, splits};
use h5live::format::{Demuxer, Timing, adts, annexb, bmff, flv, mjpeg, mkv, mp3, mpegts, nut, wav, y4m};
use h5live::media::{Event, Header, SystemClock};
use h5live::mux::{MuxOptions, Muxer};
use h5live::pipe::{InputFormat, Reader, ReaderOptions, Sniffed, Writer, sniff as look};
use std::io::{self, Read};
use std::sync::Arc;

/// Panics if something does not hold for this input.
pub type Check = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Check); 16] = [
    ("access", access),
    ("sniff", sniff),
    ("reader", reader),
    ("mkv", mkv),
    ("mkv_round_trip", mkv_round_trip),
    ("bmff", bmff),
    ("bare", bare),
    ("nut", nut),
    ("flv", flv),
    ("mpegts", mpegts),
    ("hls", hls),
    ("http", http),
    ("proxy", proxy),
    ("response", response),
    ("soap", soap),
    ("ws", ws),
];

/// So many places are tried to cut an input at.
const PLACES: usize = 10;

/// The answer is final, asks for more than there is, and does not change with what comes after.
pub fn sniff(data: &[u8]) {
    let mut have = 0;
    loop {
        match look(&data[..have], have == data.len()) {
            Sniffed::Need(n) => {
                assert!(n > have && have < data.len(), "needs {n} of {have}");
                have = n.min(data.len());
            }
            decided => return assert_eq!(look(data, true), decided),
        }
    }
}

/// Any input by the format that it seems to have, and by one that it could be told to have, however it arrives.
pub fn reader(data: &[u8]) {
    let told = InputFormat::ALL[data.len() % InputFormat::ALL.len()];
    for format in [None, Some(told)] {
        let read = |piece| read_all(SplitInput { rest: data.to_vec().into(), piece }, format);
        let whole = read(usize::MAX);
        for piece in [1, 3, data.len() / 2 + 1] {
            assert_eq!(read(piece), whole, "{format:?} in pieces of {piece}");
        }
    }
}

/// Events, or what was given before the error, the error, and the damage.
fn read_all(input: SplitInput, format: Option<InputFormat>) -> (Vec<Event>, Option<String>, u64) {
    let options = ReaderOptions { name: "fuzz".into(), format, timing: Timing::Stream, clock: Arc::new(SystemClock::default()) };
    let mut reader = Reader::new(input, options);
    let mut tracks = 0;
    let mut events = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(event)) => {
                match &event {
                    Event::Header(header) => tracks = header.tracks.len(),
                    Event::Packet(packet) => assert!(packet.track < tracks && !packet.data.is_empty()),
                    Event::TimeZero(_) => {}
                }
                events.push(event);
            }
            Ok(None) => return (events, None, reader.damage()),
            Err(error) => return (events, Some(format!("{error:?}")), reader.damage()),
        }
    }
}

/// Gives so many bytes a call.
struct SplitInput {
    rest: bytes::Bytes,
    piece: usize,
}

impl Read for SplitInput {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.piece.min(buf.len()).min(self.rest.len());
        buf[..n].copy_from_slice(&self.rest.split_to(n));
        Ok(n)
    }
}

pub fn mkv(data: &[u8]) {
    demuxer(mkv::Demuxer::default, data);
}

pub fn nut(data: &[u8]) {
    demuxer(nut::Demuxer::default, data);
}

pub fn flv(data: &[u8]) {
    demuxer(flv::Demuxer::default, data);
}

pub fn mpegts(data: &[u8]) {
    demuxer(mpegts::Demuxer::default, data);
}

/// What was read is read again after it was written.
pub fn mkv_round_trip(data: &[u8]) {
    let events = read_by(mkv::Demuxer::default(), data);
    let mut writer = Writer::new(Vec::new());
    for event in &events {
        writer.write(event).expect("a vector takes all that a reader gives");
    }
    let again = read_by(mkv::Demuxer::default(), &writer.into_inner());
    assert_eq!(content(&again), content(&events));
}

/// Read, cut into chunks, and muxed again: what our muxer writes is read back, and written the same a second time.
pub fn bmff(data: &[u8]) {
    demuxer(bmff::Demuxer::default, data);
    for shift in [0, 1 << 40] {
        _ = at_every_split(data.len(), PLACES, |piece| splits(shift, data, piece));
    }
    converted(data);
    let Some((header, written)) = muxed(&read_by(bmff::Demuxer::default(), data)) else { return };
    let once = read_by(bmff::Demuxer::default(), &written);
    // The muxer may put parameter sets before a keyframe; then they are there.
    let Some((_, rewritten)) = muxed(&once) else { panic!("what was muxed once can be muxed again: {header:?}") };
    let twice = read_by(bmff::Demuxer::default(), &rewritten);
    assert_eq!(content(&twice), content(&once));
}

/// Chunks as transport streams and FLV, as a server converts them: no larger than a few times what they are made of, and in whole packets.
fn converted(data: &[u8]) {
    let (mut splitter, mut buf) = (bmff::Splitter::default(), BytesMut::from(data));
    let mut made = None;
    loop {
        match splitter.next(&mut buf, true) {
            Ok(bmff::Split::Init(init)) => {
                let tracks = || init.tracks.iter().map(|t| (t.id, &t.track));
                let frames = bmff::ChunkFrames::new(&init).expect("what a splitter takes is a movie");
                made = Some((frames, mpegts::Writer::new(tracks()), flv::Writer::new(tracks()), mpegts::WriterState::default()));
            }
            Ok(bmff::Split::Chunk(chunk)) => {
                let Some((frames, ts, flv, state)) = &mut made else { continue };
                let Ok(frames) = frames.read(&chunk.head, chunk.start) else { continue };
                assert!(frames.iter().map(|frame| frame.data.len()).sum::<usize>() <= 4 * chunk.head.len());
                for frame in &frames {
                    let mut out = BytesMut::new();
                    _ = ts.as_ref().map(|ts| ts.put(&mut out, state, frame));
                    assert!(out.len().is_multiple_of(188));
                    _ = flv.as_ref().map(|flv| flv.put(&mut out, frame));
                }
            }
            Ok(bmff::Split::Need(_) | bmff::Split::Skip(_) | bmff::Split::End) | Err(_) => return,
        }
    }
}

/// The first header, and the movie of all packets that belong to it; `None` if MP4 cannot carry it.
fn muxed(events: &[Event]) -> Option<(Header, Vec<u8>)> {
    let Some(Event::Header(header)) = events.first() else { return None };
    let mut muxer = Muxer::new(header, MuxOptions::default()).ok()?;
    let mut out = muxer.init().bytes.to_vec();
    for event in &events[1..] {
        let Event::Packet(packet) = event else { break };
        if let Some(chunk) = muxer.push(packet.clone()).ok()? {
            out.extend_from_slice(&chunk.head);
            chunk.data.iter().for_each(|data| out.extend_from_slice(data));
        }
    }
    Some((header.clone(), out))
}

/// The formats without a container, each told that the input is its own.
pub fn bare(data: &[u8]) {
    demuxer(|| annexb::Demuxer::h264(Timing::Stream), data);
    demuxer(|| annexb::Demuxer::h265(Timing::Stream), data);
    demuxer(|| y4m::Demuxer::new(Timing::Stream), data);
    demuxer(|| mjpeg::Demuxer::concatenated(Timing::Stream), data);
    demuxer(|| mjpeg::Demuxer::multipart(Timing::Stream), data);
    demuxer(|| adts::Demuxer::new(Timing::Stream), data);
    demuxer(|| mp3::Demuxer::new(Timing::Stream), data);
    demuxer(|| wav::Demuxer::new(Timing::Stream), data);
}

fn demuxer<D: Demuxer>(make: impl Fn() -> D, data: &[u8]) {
    _ = at_every_split(data.len(), PLACES, |piece| events(make(), data, piece));
}

/// The events of an input that is understood.
fn read_by(demuxer: impl Demuxer, data: &[u8]) -> Vec<Event> {
    events(demuxer, data, data.len().max(1)).map(|(events, _)| events).unwrap_or_default()
}

fn content(events: &[Event]) -> Vec<(usize, bool, &[u8])> {
    events.iter().filter_map(|e| if let Event::Packet(p) = e { Some((p.track, p.key, &p.data[..])) } else { None }).collect()
}
