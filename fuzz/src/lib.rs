//! What the fuzz targets check, as plain functions, so that the normal tests can replay inputs without a fuzzer: no panic, and
//! events that do not depend on how the input was cut.

use bytes::BytesMut;
use h5live::format::{Demuxer, Step, Timing, adts, annexb, mjpeg, mkv, wav, y4m};
use h5live::media::{Event, SystemClock, Timestamp};
use h5live::pipe::{InputFormat, Reader, ReaderOptions, Sniffed, Writer, sniff};
use std::io::Cursor;
use std::sync::Arc;

/// Panics if something does not hold for this input.
pub type Check = fn(&[u8]);

/// Every target by name.
pub const TARGETS: [(&str, Check); 9] = [
    ("sniff", sniff_any),
    ("reader", reader),
    ("mkv", mkv),
    ("mkv_round_trip", mkv_round_trip),
    ("annexb", annexb),
    ("y4m", y4m),
    ("mjpeg", mjpeg),
    ("adts", adts),
    ("wav", wav),
];

/// The answer is final, asks for more than there is, and does not change with what comes after.
pub fn sniff_any(data: &[u8]) {
    let mut have = 0;
    loop {
        match sniff(&data[..have], have == data.len()) {
            Sniffed::Need(n) => {
                assert!(n > have && have < data.len(), "needs {n} of {have}");
                have = n.min(data.len());
            }
            decided => return assert_eq!(sniff(data, true), decided),
        }
    }
}

/// Any input by the format that it seems to have, or by each that it could be told to have.
pub fn reader(data: &[u8]) {
    let formats = InputFormat::ALL.into_iter().map(Some).chain([None]);
    for format in formats {
        let options = ReaderOptions { name: "fuzz".into(), format, timing: Timing::Stream, clock: Arc::new(SystemClock::default()) };
        let mut reader = Reader::new(Cursor::new(data.to_vec()), options);
        let mut tracks = None;
        while let Ok(Some(event)) = reader.next() {
            match event {
                Event::Header(header) => tracks = Some(header.tracks.len()),
                Event::Packet(packet) => assert!(Some(packet.track) < tracks && !packet.data.is_empty()),
            }
        }
    }
}

pub fn mkv(data: &[u8]) {
    at_every_split(mkv::Demuxer::default, data);
}

/// What was read is read again after it was written.
pub fn mkv_round_trip(data: &[u8]) {
    let Some((events, _)) = events(mkv::Demuxer::default(), data, data.len().max(1)) else { return };
    let mut writer = Writer::new(Vec::new());
    for event in &events {
        writer.write(event).expect("a vector takes all that a reader gives");
    }
    let bytes = writer.into_inner();
    let again = events_of(&bytes);
    let content = |events: &[Event]| {
        let packets = events.iter().filter_map(|e| if let Event::Packet(p) = e { Some((p.track, p.key, p.data.clone())) } else { None });
        packets.collect::<Vec<_>>()
    };
    assert_eq!(content(&again), content(&events));
}

fn events_of(bytes: &[u8]) -> Vec<Event> {
    events(mkv::Demuxer::default(), bytes, bytes.len().max(1)).map(|(events, _)| events).unwrap_or_default()
}

pub fn annexb(data: &[u8]) {
    at_every_split(|| annexb::Demuxer::h264(Timing::Stream), data);
    at_every_split(|| annexb::Demuxer::h265(Timing::Stream), data);
}

pub fn y4m(data: &[u8]) {
    at_every_split(|| y4m::Demuxer::new(Timing::Stream), data);
}

pub fn mjpeg(data: &[u8]) {
    at_every_split(|| mjpeg::Concatenated::new(Timing::Stream), data);
    at_every_split(|| mjpeg::Multipart::new(Timing::Stream), data);
}

pub fn adts(data: &[u8]) {
    at_every_split(|| adts::Demuxer::new(Timing::Stream), data);
}

pub fn wav(data: &[u8]) {
    at_every_split(|| wav::Demuxer::new(Timing::Stream), data);
}

fn at_every_split<D: Demuxer>(make: impl Fn() -> D, data: &[u8]) {
    let whole = events(make(), data, data.len().max(1));
    let long = (1..data.len()).step_by((data.len() / 8).max(1));
    for piece in [1, 2, 3, 7, 61].into_iter().filter(|piece| *piece < data.len()).chain(long) {
        assert_eq!(events(make(), data, piece), whole, "in pieces of {piece}");
    }
}

/// Events and damage; `None`: refused.
fn events(mut demuxer: impl Demuxer, data: &[u8], piece: usize) -> Option<(Vec<Event>, u64)> {
    let (mut events, mut buf, mut rest) = (Vec::new(), BytesMut::new(), data);
    loop {
        match demuxer.next(&mut buf, rest.is_empty(), Timestamp::ZERO).ok()? {
            Step::Event(event) => events.push(event),
            Step::End => return Some((events, demuxer.damage())),
            Step::Need(n) => {
                assert!(n > buf.len() && !rest.is_empty(), "needs {n} of {}", buf.len());
                let (now, later) = rest.split_at(piece.min(rest.len()));
                buf.extend_from_slice(now);
                rest = later;
            }
            Step::Skip(n) => {
                assert!(buf.is_empty(), "skips with bytes at hand");
                rest = &rest[rest.len().min(usize::try_from(n).unwrap_or(usize::MAX))..];
            }
        }
    }
}
