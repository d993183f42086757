//! Files made tag by tag.

use super::*;
use crate::codec::aac::AudioSpecificConfig;
use crate::format::testing::{events, events_at_every_split};
use crate::format::{Timing, annexb};
use crate::media::{Codec, Event, Packet};

/// Where a file begins: both kinds are promised.
const FILE: &[u8] = b"FLV\x01\x05\0\0\0\x09";

/// A tag with the PreviousTagSize before it, as the last tag is without one.
fn tag(kind: u8, millis: u32, data: &[u8]) -> Vec<u8> {
    let [t3, t2, t1, t0] = millis.to_be_bytes();
    let size = (data.len() as u32).to_be_bytes();
    [&[0, 0, 0, 0, kind, size[1], size[2], size[3], t2, t1, t0, t3, 0, 0, 0][..], data].concat()
}

fn video(millis: u32, first: u8, part: u8, delay: i32, data: &[u8]) -> Vec<u8> {
    tag(syntax::VIDEO, millis, &[&[first, part], &delay.to_be_bytes()[1..], data].concat())
}

fn aac(millis: u32, part: u8, data: &[u8]) -> Vec<u8> {
    tag(syntax::AUDIO, millis, &[&[0xaf, part], data].concat())
}

/// Puts into each PreviousTagSize what belongs there.
fn sized(file: &[u8], tags: &[Vec<u8>]) -> Vec<u8> {
    let mut out = file.to_vec();
    let mut previous = 0u32;
    for tag in tags {
        out.extend_from_slice(&previous.to_be_bytes());
        out.extend_from_slice(&tag[PREVIOUS_SIZE..]);
        previous = (tag.len() - PREVIOUS_SIZE) as u32;
    }
    out.extend_from_slice(&previous.to_be_bytes());
    out
}

/// The avcC and the frames of 20 pictures, keyframes at 0 and 12.
fn pictures() -> (Bytes, Vec<Packet>) {
    let input = std::fs::read(format!("{}/tests/data/b-frames.h264", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (events, _) = events(annexb::Demuxer::h264(Timing::Stream), &input, input.len()).unwrap();
    let Event::Header(header) = &events[0] else { panic!() };
    let packets = events[1..].iter().map(|event| if let Event::Packet(packet) = event { packet.clone() } else { panic!() });
    (header.tracks[0].config.clone(), packets.collect())
}

/// Its number in the order in which pictures are shown, 30 a second.
fn number(picture: &Packet) -> i64 {
    (picture.pts.micros() * 30 + 500_000) / 1_000_000
}

/// The same as tags, decoded every 40 ms from `start` on.
fn movie(start: u32) -> Vec<Vec<u8>> {
    let (config, packets) = pictures();
    let mut tags = vec![video(start, 0x17, 0, 0, &config)];
    for (n, packet) in packets.iter().enumerate() {
        let dts = 40 * n as i64;
        let shown = 40 * number(packet);
        let first = if packet.key { 0x17 } else { 0x27 };
        tags.push(video(start.wrapping_add(dts as u32), first, 1, (shown - dts) as i32, &packet.data));
    }
    tags
}

/// A line for each event: codecs of a header; track, milliseconds and size of a packet.
fn lines(events: &[Event]) -> Vec<String> {
    let line = |event: &Event| match event {
        Event::Header(header) => header.tracks.iter().map(|track| track.codec.to_string()).collect::<Vec<_>>().join(" "),
        Event::Packet(packet) => format!("{} {} {}", packet.track, packet.pts.micros() / 1000, packet.data.len()),
        Event::TimeZero(_) => "zero".into(),
    };
    events.iter().map(line).collect()
}

fn read(input: &[u8]) -> (Vec<String>, u64) {
    let (events, damage) = events_at_every_split(Demuxer::default, input).unwrap();
    (lines(&events), damage)
}

fn packets(events: &[Event]) -> Vec<&Packet> {
    events.iter().filter_map(|event| if let Event::Packet(packet) = event { Some(packet) } else { None }).collect()
}

#[test]
fn pictures_with_b_frames_at_every_split() {
    let (_, originals) = pictures();
    let (events, damage) = events_at_every_split(Demuxer::default, &sized(b"FLV\x01\x01\0\0\0\x09", &movie(0))).unwrap();
    assert_eq!((lines(&events)[0].as_str(), damage), ("H.264", 0));
    let read = packets(&events);
    assert_eq!(read.len(), 20);
    for (ours, original) in read.iter().zip(&originals) {
        assert_eq!((ours.key, &ours.data), (original.key, &original.data));
        assert_eq!(ours.pts.micros() / 40_000, number(original));
    }
}

#[test]
fn previous_tag_sizes_are_not_believed() {
    let tags = movie(0);
    let good = read(&sized(FILE, &tags));
    let zero = [FILE, &tags.concat(), &[0; 4]].concat();
    assert_eq!(read(&zero), good);
    assert_eq!(read(&zero[..zero.len() - 4]), good, "nor is the last one missed");
}

#[test]
fn times_go_on_where_32_bits_end() {
    let start = u32::MAX - 400;
    let (events, _) = events_at_every_split(Demuxer::default, &sized(FILE, &movie(start))).unwrap();
    let millis = packets(&events).iter().map(|packet| packet.pts.micros() / 1000 - i64::from(start)).max();
    assert_eq!(millis, Some(19 * 40));
}

#[test]
fn sequence_headers_change() {
    let config = |rate| AudioSpecificConfig::lc(rate, 2).build();
    let tags = [
        aac(0, 0, &config(48_000)),
        aac(0, 1, b"one"),
        aac(21, 0, &config(48_000)),
        aac(21, 1, b"two"),
        aac(43, 0, &config(44_100)),
        aac(43, 1, b"three"),
    ];
    let expected = ["AAC", "0 0 3", "0 21 3", "AAC", "0 43 5"].map(String::from).to_vec();
    assert_eq!(read(&sized(b"FLV\x01\x04\0\0\0\x09", &tags)), (expected, 0));
    // The end of a sequence ends nothing.
    let mut tags = movie(0);
    tags.insert(13, video(480, 0x17, 2, 0, b""));
    assert_eq!(read(&sized(FILE, &tags)).0.len(), 21);
}

#[test]
fn what_a_file_header_promises_is_not_waited_for_long() {
    let frames = (0..200).map(|n| aac(n * 21, 1, b"frame"));
    let tags: Vec<_> = std::iter::once(aac(0, 0, &AudioSpecificConfig::lc(48_000, 2).build())).chain(frames).collect();
    let mut demuxer = Demuxer::default();
    let mut buf = BytesMut::from(&sized(FILE, &tags)[..]);
    let mut given = 0;
    while let Step::Event(_) = crate::format::Demuxer::next(&mut demuxer, &mut buf, true, Timestamp::ZERO).unwrap() {
        given += 1;
    }
    assert_eq!(given, 201);
    let omitted = omitted_line(&crate::format::Demuxer::omitted(&mut demuxer));
    assert_eq!(omitted, "track 1 (video): the file header names it, and nothing of it came");
}

/// What was omitted when the events of an input were read.
fn omitted(input: &[u8]) -> (Vec<String>, String) {
    let (mut demuxer, mut buf, mut events) = (Demuxer::default(), BytesMut::from(input), Vec::new());
    while let Step::Event(event) = crate::format::Demuxer::next(&mut demuxer, &mut buf, true, Timestamp::ZERO).unwrap() {
        events.push(event);
    }
    (lines(&events), omitted_line(&crate::format::Demuxer::omitted(&mut demuxer)))
}

#[test]
fn what_is_not_read_is_named_and_holds_nothing_up() {
    let others = [
        (tag(syntax::AUDIO, 0, b"\xb2speex"), "track 2 (audio, Speex): no codec that is read here"),
        (tag(syntax::AUDIO, 0, b"\x91ac-3data"), "track 2 (audio, ac-3): no codec that is read here"),
        (tag(syntax::AUDIO | 0x20, 0, b"whatever"), "track 2 (audio): encrypted"),
    ];
    for (other, expected) in others {
        let mut tags = movie(0);
        tags.insert(1, other.clone());
        tags.push(other);
        let (lines, omitted) = omitted(&sized(FILE, &tags));
        assert_eq!((lines.len(), omitted.as_str()), (21, expected));
    }
    let mut tags = movie(0);
    tags.push(tag(syntax::VIDEO, 0, b"\x96\x01hvc1\x01data"));
    assert_eq!(omitted(&sized(b"FLV\x01\x01\0\0\0\x09", &tags)).1, "track 1 (video, H.265): one track of a kind is read");
    let mut tags = movie(0);
    tags.insert(1, tag(syntax::VIDEO, 0, b"\xd4hvc1colours"));
    assert_eq!(
        omitted(&sized(b"FLV\x01\x01\0\0\0\x09", &tags)),
        (lines(&events(Demuxer::default(), &sized(FILE, &movie(0)), 4096).unwrap().0), String::new())
    );
    let only = sized(FILE, &[tag(syntax::VIDEO, 0, b"\x22picture")]);
    let error = events_at_every_split(Demuxer::default, &only).unwrap_err().to_string();
    assert!(error.contains("no track that is understood: track 1 (video, Sorenson H.263)"), "{error}");
}

#[test]
fn after_damage_pictures_go_on_with_a_keyframe() {
    let tags = movie(0);
    let whole = sized(FILE, &tags);
    let good = read(&whole).0;
    // The head of the fifth picture; then also the data of those behind it.
    let at = FILE.len() + tags[..5].concat().len();
    for length in [PREVIOUS_SIZE + 2, 300] {
        let mut damaged = whole.clone();
        damaged[at + PREVIOUS_SIZE..][..length].fill(0xee);
        let (lines, damage) = read(&damaged);
        assert_eq!(damage, 1);
        assert_eq!((&lines[..5], &lines[5..]), (&good[..5], &good[13..]), "{length}");
    }
    // Bytes that are gone, and a tag that was cut off at the end.
    let (lines, damage) = read(&[&whole[..at + 40], &whole[at + 90..]].concat());
    assert!(lines.ends_with(&good[13..]) && damage > 0, "{lines:?}");
    let cut = read(&whole[..whole.len() - 20]);
    assert_eq!((cut.0.len(), cut.1), (20, 1));
    let noise = [FILE, &[0x55; 5000]].concat();
    assert!(events_at_every_split(Demuxer::default, &noise).is_err());
}

#[test]
fn a_damaged_picture_waits_for_a_keyframe() {
    let mut tags = movie(0);
    let length_at = PREVIOUS_SIZE + TAG_HEADER + 5;
    tags[4][length_at] = 0x7f;
    let (lines, damage) = read(&sized(FILE, &tags));
    assert_eq!((lines.len(), damage), (1 + 3 + 8, 1));
}

#[test]
fn another_file_behind_the_first_begins_with_a_header() {
    let file = sized(FILE, &movie(0));
    let (lines, damage) = read(&[&file[..], &file].concat());
    assert_eq!((lines.len(), damage, &lines[..21]), (42, 0, &lines[21..]));
}

#[test]
fn pcm_and_mp3_describe_themselves() {
    let stereo = [tag(syntax::AUDIO, 0, b"\x3fabcdefgh"), tag(syntax::AUDIO, 10, b"\x3fabcdx")];
    assert_eq!(read(&sized(b"FLV\x01\x04\0\0\0\x09", &stereo)).0, ["PCM s16", "0 0 8", "0 10 4"]);
    let frame = [&[0xff, 0xf3, 0x44, 0xc4][..], &[7; 92]].concat();
    let two = [&b"\x2f"[..], &frame, &frame].concat();
    let (events, _) = events_at_every_split(Demuxer::default, &sized(b"FLV\x01\x04\0\0\0\x09", &[tag(syntax::AUDIO, 0, &two)])).unwrap();
    assert_eq!(lines(&events), ["MP3", "0 0 96", "0 24 96"]);
    let Event::Header(header) = &events[0] else { panic!() };
    assert_eq!((header.tracks[0].codec, header.tracks[0].as_audio().unwrap().rate), (Codec::Mp3, 24_000));
}
