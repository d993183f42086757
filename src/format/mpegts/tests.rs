//! Streams made packet by packet.

use super::*;
use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
use crate::codec::nal;
use crate::format::testing::{events, events_at_every_split};
use crate::format::{Timing, annexb};
use crate::media::{Event, Packet as Frame};
use mpeg2ts_reader::mpegts_crc::sum32;

const MAP: u16 = 0x1000;
const VIDEO: u16 = 0x100;
const AUDIO: u16 = 0x101;

/// Writes packets of 188 bytes.
#[derive(Default)]
struct Mux {
    packets: Vec<Vec<u8>>,
    counters: std::collections::BTreeMap<u16, u8>,
}

impl Mux {
    fn packet(&mut self, pid: u16, start: bool, payload: &[u8]) {
        let counter = self.counters.entry(pid).or_insert(15);
        *counter = (*counter + 1) & 0xf;
        let fill = 184 - payload.len();
        let field = match fill {
            0 => vec![],
            1 => vec![0],
            n => [vec![n as u8 - 1, 0], vec![0xff; n - 2]].concat(),
        };
        let control = if fill > 0 { 0x30 } else { 0x10 } | *counter;
        let head = [0x47, u8::from(start) << 6 | (pid >> 8) as u8, pid as u8, control];
        self.packets.push([&head[..], &field, payload].concat());
    }

    fn table(&mut self, pid: u16, id: u8, body: &[u8]) {
        let mut section = [&[id, 0xb0, (body.len() + 9) as u8, 0, 1, 0xc1, 0, 0], body].concat();
        section.extend(sum32(&section).to_be_bytes());
        self.packet(pid, true, &[&[0], &section[..]].concat());
    }

    /// The tables of one program with streams of these types.
    fn tables(&mut self, streams: &[(u8, u16)]) {
        self.table(0, 0, &[0, 1, 0xe0 | (MAP >> 8) as u8, MAP as u8]);
        let stream = |(kind, pid): &(u8, u16)| [*kind, 0xe0 | (pid >> 8) as u8, *pid as u8, 0xf0, 0];
        let body = [&[0xe1, 0, 0xf0, 0][..], &streams.iter().flat_map(stream).collect::<Vec<_>>()].concat();
        self.table(MAP, 2, &body);
    }

    /// A PES packet, with its length where it is asked for.
    fn pes(&mut self, pid: u16, pts: Option<u64>, data: &[u8], has_length: bool) {
        let time = pts.map(|t| [(t >> 29) as u8 & 0xe | 0x21, (t >> 22) as u8, (t >> 14) as u8 | 1, (t >> 7) as u8, (t << 1) as u8 | 1]);
        let time = time.as_ref().map_or(&[][..], |time| &time[..]);
        let length = if has_length { (3 + time.len() + data.len()) as u16 } else { 0 };
        let head = [0, 0, 1, 0xe0, (length >> 8) as u8, length as u8, 0x80, if time.is_empty() { 0 } else { 0x80 }, time.len() as u8];
        for (n, payload) in [&head[..], time, data].concat().chunks(184).enumerate() {
            self.packet(pid, n == 0, payload);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        self.packets.concat()
    }
}

/// 20 pictures, keyframes at 0 and 12, as a reader of byte streams has them.
fn pictures() -> Vec<Frame> {
    let input = std::fs::read(format!("{}/tests/data/b-frames.h264", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (events, _) = events(annexb::Demuxer::h264(Timing::Stream), &input, input.len()).unwrap();
    events[1..].iter().map(|event| if let Event::Packet(packet) = event { packet.clone() } else { panic!() }).collect()
}

/// As ticks of 90 kHz, from `start` on.
fn ticks(picture: &Frame, start: u64) -> u64 {
    start + (picture.pts.micros() as u64 * 9).div_ceil(100)
}

/// One picture in a PES packet, as most writers do it.
fn movie(start: u64) -> Mux {
    let mut mux = Mux::default();
    mux.tables(&[(0x1b, VIDEO)]);
    for picture in pictures() {
        mux.pes(VIDEO, Some(ticks(&picture, start) & ((1 << 33) - 1)), &nal::to_annex_b(&picture.data), false);
    }
    mux
}

/// A line for each event: codecs of a header; track, milliseconds and size of a packet.
fn lines(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::Header(header) => header.tracks.iter().map(|track| track.codec.to_string()).collect::<Vec<_>>().join(" "),
        Event::Packet(packet) => format!("{} {} {}", packet.track, (packet.pts.micros() + 500).div_euclid(1000), packet.data.len()),
        Event::TimeZero(_) => "zero".into(),
    };
    events.iter().map(line).collect()
}

fn read(input: &[u8]) -> (Vec<String>, u64) {
    let (events, damage) = events_at_every_split(Demuxer::default, input).unwrap();
    (lines(&events), damage)
}

/// What is to come of these pictures.
fn expected(pictures: &[Frame]) -> Vec<String> {
    let packets = pictures.iter().map(|picture| Event::Packet(picture.clone()));
    std::iter::once("H.264".to_owned()).chain(lines(&packets.collect::<Vec<_>>())).collect()
}

#[test]
fn pictures_with_b_frames_in_packets_of_every_size() {
    let all = expected(&pictures());
    let plain = movie(0);
    assert_eq!(read(&plain.bytes()), (all.clone(), 0));
    let timed: Vec<u8> = plain.packets.iter().flat_map(|packet| [&[1, 2, 3, 4], &packet[..]].concat()).collect();
    assert_eq!(read(&timed), (all.clone(), 0), "M2TS");
    let parity: Vec<u8> = plain.packets.iter().flat_map(|packet| [&packet[..], &[7; 16]].concat()).collect();
    assert_eq!(read(&parity), (all, 0));
}

#[test]
fn a_stream_begins_anywhere() {
    let (all, stream) = (pictures(), movie(0));
    // In the middle of a packet, and tables come only before the second keyframe.
    let mut again = Mux { counters: stream.counters.clone(), ..Mux::default() };
    again.tables(&[(0x1b, VIDEO)]);
    let second = stream
        .packets
        .iter()
        .position(|packet| packet.windows(5).any(|w| w == [0, 0, 0, 1, 0x67]) && packet != &stream.packets[2])
        .unwrap();
    let late = [&stream.packets[2..second].concat()[77..], &again.bytes(), &stream.packets[second..].concat()].concat();
    assert_eq!(read(&late), (expected(&all[12..]), 0));
}

#[test]
fn times_go_on_where_33_bits_end() {
    let start = (1 << 33) - 20_000;
    let (events, _) = events_at_every_split(Demuxer::default, &movie(start).bytes()).unwrap();
    let first = Timestamp::from_ticks(start as i64, 90_000).micros();
    for (event, picture) in events[1..].iter().zip(pictures()) {
        let Event::Packet(packet) = event else { panic!() };
        assert!((packet.pts.micros() - first - picture.pts.micros()).abs() < 20, "{}", packet.pts.micros());
    }
}

#[test]
fn lost_packets_are_counted_and_no_damaged_picture_goes_out() {
    let (all, stream) = (pictures(), movie(0));
    let starts: Vec<_> = (2..stream.packets.len()).filter(|at| stream.packets[*at][1] & 0x40 != 0).collect();
    for picture in [3, 6, 9] {
        for lost in [1, 2] {
            let mut packets = stream.packets.clone();
            packets.drain(starts[picture]..starts[picture] + lost);
            let (lines, damage) = read(&packets.concat());
            // The picture before the gap may have lost its end.
            let good = expected(&all);
            assert!(lines[..picture] == good[..picture], "{lines:?}");
            assert!(
                lines.ends_with(&good[13..]) && lines.len() <= 1 + picture + 8 && damage == lost as u64,
                "{picture} {lost}: {lines:?} {damage}"
            );
        }
    }
    let mut errors = stream.packets.clone();
    errors[starts[5]][1] |= 0x80;
    assert_eq!(read(&errors.concat()).1, 1);
    let mut unsynced = stream.bytes();
    unsynced[starts[5] * 188] = 0;
    let (lines, damage) = read(&unsynced);
    assert!(lines.ends_with(&expected(&all)[13..]) && damage > 0);
}

#[test]
fn packets_that_are_repeated_say_nothing_new() {
    let stream = movie(0);
    let twice: Vec<u8> = stream.packets.iter().flat_map(|packet| packet.repeat(2)).collect();
    assert_eq!(read(&twice), (expected(&pictures()), 0));
}

#[test]
fn tables_whose_packets_are_not_counted_are_no_damage() {
    let mut mux = movie(0);
    for _ in 0..6 {
        mux.counters.remove(&0);
        mux.counters.remove(&MAP);
        mux.tables(&[(0x1b, VIDEO)]);
    }
    assert_eq!(read(&mux.bytes()), (expected(&pictures()), 0));
}

#[test]
fn pictures_are_not_bound_to_pes_packets() {
    let all = pictures();
    // Two pictures in each; only the first of them has a time.
    let mut pairs = Mux::default();
    pairs.tables(&[(0x1b, VIDEO)]);
    for pair in all.chunks(2) {
        let data: Vec<u8> = pair.iter().flat_map(|picture| nal::to_annex_b(&picture.data)).collect();
        pairs.pes(VIDEO, Some(ticks(&pair[0], 0)), &data, false);
    }
    assert_eq!(read(&pairs.bytes()), (expected(&all), 0));
    // Each over two of them, the second without a time.
    let mut halves = Mux::default();
    halves.tables(&[(0x1b, VIDEO)]);
    for picture in &all {
        let data = nal::to_annex_b(&picture.data);
        let (a, b) = data.split_at(data.len() / 2);
        halves.pes(VIDEO, Some(ticks(picture, 0)), a, true);
        halves.pes(VIDEO, None, b, true);
    }
    assert_eq!(read(&halves.bytes()), (expected(&all), 0));
}

/// When a stream has shown that pictures end with their PES packets, each is out with its last byte.
#[test]
fn a_picture_is_out_before_the_next_one_begins() {
    for has_length in [false, true] {
        let mut mux = Mux::default();
        mux.tables(&[(0x1b, VIDEO)]);
        let (mut demuxer, mut buf) = (Demuxer::default(), BytesMut::new());
        let (mut sent, mut late) = (0, Vec::new());
        for (n, picture) in pictures().iter().enumerate() {
            mux.pes(VIDEO, Some(ticks(picture, 0)), &nal::to_annex_b(&picture.data), has_length);
            buf.extend_from_slice(&mux.packets[sent..].concat());
            sent = mux.packets.len();
            let mut count = 0;
            while let Step::Event(event) = crate::format::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp::ZERO).unwrap() {
                count += usize::from(matches!(event, Event::Packet(_)));
            }
            late.push((n, count));
        }
        assert!(late[12..].iter().all(|(_, count)| *count == 1), "{late:?}");
        assert_eq!(late.iter().map(|(_, count)| count).sum::<usize>(), 20, "{late:?}");
    }
}

fn adts(data: &[u8]) -> Vec<u8> {
    [&AdtsHeader::build(&AudioSpecificConfig::lc(48_000, 2), data.len()).unwrap()[..], data].concat()
}

#[test]
fn frames_of_audio_have_their_own_times() {
    let mut mux = Mux::default();
    mux.tables(&[(0x0f, AUDIO)]);
    let frames: Vec<_> = (0..6u8).map(|n| adts(&vec![n; 100 + usize::from(n)])).collect();
    // Three frames and a half, then the rest.
    let (first, second) = ([&frames[..3].concat(), &frames[3][..50]].concat(), [&frames[3][50..], &frames[4..].concat()].concat());
    mux.pes(AUDIO, Some(0), &first, true);
    mux.pes(AUDIO, Some(4 * 1920), &second, true);
    let expected = ["AAC", "0 0 100", "0 21 101", "0 43 102", "0 64 103", "0 85 104", "0 107 105"].map(String::from).to_vec();
    assert_eq!(read(&mux.bytes()), (expected, 0));
    // Without its second packet, what is whole is there, and goes on with the next PES packet.
    let mut packets = mux.packets.clone();
    packets.remove(3);
    let (lines, damage) = read(&packets.concat());
    assert!(lines.ends_with(&["0 85 104".into(), "0 107 105".into()]) && damage == 1, "{lines:?} {damage}");
}

#[test]
fn streams_of_a_program_change() {
    let mut mux = movie(0);
    mux.tables(&[(0x1b, VIDEO), (0x0f, AUDIO)]);
    mux.pes(AUDIO, Some(90_000), &adts(b"sound"), true);
    for picture in &pictures()[..2] {
        mux.pes(VIDEO, Some(ticks(picture, 90_000)), &nal::to_annex_b(&picture.data), true);
    }
    let (lines, damage) = read(&mux.bytes());
    let mut all = expected(&pictures());
    all.extend(["H.264 AAC".into(), "1 1000 5".into()]);
    assert_eq!((&lines[..23], lines.len(), damage), (&all[..], 25, 0));
}

/// What was omitted when the events of an input were read.
fn omitted(input: &[u8]) -> (usize, String) {
    let (mut demuxer, mut buf, mut count) = (Demuxer::default(), BytesMut::from(input), 0);
    while let Step::Event(_) = crate::format::Demuxer::next(&mut demuxer, &mut buf, true, Timestamp::ZERO).unwrap() {
        count += 1;
    }
    (count, omitted_line(&crate::format::Demuxer::omitted(&mut demuxer)))
}

#[test]
fn what_is_not_read_is_named_and_holds_nothing_up() {
    let with = |kind: u8, data: &[u8]| {
        let mut mux = Mux::default();
        mux.tables(&[(0x1b, VIDEO), (kind, AUDIO)]);
        for picture in pictures() {
            mux.pes(AUDIO, Some(ticks(&picture, 0)), data, true);
            mux.pes(VIDEO, Some(ticks(&picture, 0)), &nal::to_annex_b(&picture.data), false);
        }
        omitted(&mux.bytes())
    };
    assert_eq!(with(0x81, b"\x0b\x77"), (21, "track 257 (audio, AC-3): no codec that is read here".into()));
    assert_eq!(with(0x11, b"latm"), (21, "track 257 (audio, AAC in LATM): no codec that is read here".into()));
    assert_eq!(with(0x03, b"\xff\xfd\x84\x04"), (21, "track 257 (audio, MPEG audio): not layer III".into()));
    let mut scrambled = movie(0);
    scrambled.packets.iter_mut().skip(2).for_each(|packet| packet[3] |= 0x80);
    let error = events_at_every_split(Demuxer::default, &scrambled.bytes()).unwrap_err().to_string();
    assert!(error.ends_with("no track that is understood: track 256 (video, H.264): encrypted"), "{error}");
    let mut bare = movie(0);
    bare.packets.drain(..2);
    let error = events_at_every_split(Demuxer::default, &bare.bytes()).unwrap_err().to_string();
    assert!(error.ends_with("no table of programs"), "{error}");
}

#[test]
fn what_is_cut_off_goes_no_further() {
    let stream = movie(0);
    let last = (2..stream.packets.len()).filter(|at| stream.packets[*at][1] & 0x40 != 0).nth(12).unwrap();
    // A packet into the second keyframe, which takes more of them.
    let (lines, damage) = read(&stream.packets[..=last].concat());
    assert_eq!((lines, damage), (expected(&pictures()[..12]), 1));
}
