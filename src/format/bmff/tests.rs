//! What is written is read back the same, however it is cut; what is damaged never panics.

use super::*;
use crate::format::testing;
use crate::media::{AudioParams, Codec, Event, Header, Malformed, Packet, Timestamp, Track, VideoParams, WallTime};
use bytes::{Bytes, BytesMut};
use std::time::Duration;

const ZERO: WallTime = WallTime(1_700_000_000_000_000);

fn bunny() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/bigbuckbunny-3s.mp4")).unwrap()
}

/// Reads `input` at once.
fn demux(input: &[u8]) -> Result<(Vec<Event>, u64), Malformed> {
    testing::events(Demuxer::default(), input, input.len())
}

/// Cuts `input`, which comes at once, into what a server hands out.
fn split(input: &[u8], shift: i64) -> Result<Vec<(Bytes, String)>, Malformed> {
    testing::splits(shift, input, input.len())
}

/// A short stream with B-frames in its configuration, Opus with its delay, and times far from zero.
fn small() -> (Header, Vec<Packet>) {
    let (events, _) = demux(&bunny()).unwrap();
    let Some(Event::Header(header)) = events.into_iter().next() else { panic!("no header") };
    let video = Track { frame_duration: Some(Duration::from_millis(40)), ..header.tracks[0].clone() };
    let params = AudioParams { rate: 48_000, channels: 2, delay: Duration::from_micros(6500) };
    let opus = Track { config: crate::codec::opus::OpusHead::new(2, 312, 48_000).build(), ..Track::audio(Codec::Opus, params) };
    let packet =
        |track, pts, key, data: &'static [u8]| Packet { track, pts: Timestamp(pts), key, data: Bytes::from_static(data), hidden: false };
    let packets = vec![
        packet(0, 0, true, b"\0\0\0\x02\x65\x01"),
        packet(1, -6500, true, b"\xf8one"),
        packet(0, 40_000, false, b"\0\0\0\x03\x41\x02\x03"),
        packet(1, 13_500, true, b"\xf8two"),
        packet(0, 3_600_000_000_000, true, b"\0\0\0\x02\x65\x04"),
    ];
    (Header { tracks: vec![video, opus].into(), time_zero: Some(ZERO) }, packets)
}

fn mux(header: &Header, packets: &[Packet]) -> Vec<u8> {
    let mut out = init(header).unwrap().bytes.to_vec();
    for (n, packet) in packets.iter().enumerate() {
        let timeline = Timeline::of(&header.tracks[packet.track]);
        let ticks = (packet.pts.0 as i128 * i128::from(timeline.timescale)).div_euclid(1_000_000) as i64;
        let time = ticks.saturating_add_unsigned(timeline.origin) as u64;
        let duration = if packet.track == 0 { 40_000 } else { 960 };
        let samples = [Sample { size: packet.data.len() as u32, duration, composition_offset: 0, key: packet.key }];
        let producer_time = (packet.track == 0).then(|| ProducerTime { wall: ZERO.at(packet.pts), media_time: time });
        let fragment =
            Fragment { sequence: n as u32, track_id: track_id(packet.track), decode_time: time, samples: &samples, producer_time };
        out.extend_from_slice(&fragment.head(&mut BytesMut::new()));
        out.extend_from_slice(&packet.data);
    }
    out
}

#[test]
fn a_progressive_file_is_read_as_ffprobe_reads_it() {
    let (events, damage) = demux(&bunny()).unwrap();
    assert_eq!(damage, 0);
    let Event::Header(header) = &events[0] else { panic!("no header first") };
    assert_eq!(header.tracks.iter().map(|t| t.codec).collect::<Vec<_>>(), [Codec::H264, Codec::Aac]);
    assert_eq!(header.tracks[0].as_video().map(|v| (v.width, v.height)), Some((1280, 720)));
    let times = |track| {
        let of = events.iter().filter_map(move |e| if let Event::Packet(p) = e { (p.track == track).then_some(p) } else { None });
        of.map(|p| (p.pts.micros(), p.data.len())).collect::<Vec<_>>()
    };
    // As `ffprobe -show_packets` has it; the access unit delimiter of each picture (6 bytes) is not part of the canonical form.
    assert_eq!(times(0).len(), 75);
    assert_eq!(times(0)[1].0, 40_000);
    assert_eq!(times(1).len(), 141);
    assert_eq!(times(1)[..2], [(0, 967), (21_333, 1011)]);
}

#[test]
fn what_is_written_is_read_back() {
    let (header, packets) = small();
    let (events, damage) = demux(&mux(&header, &packets)).unwrap();
    let Event::Header(read) = &events[0] else { panic!("no header first") };
    assert_eq!(damage, 0);
    assert_eq!(read.time_zero, Some(ZERO), "from the prft of the first chunk");
    for (read, written) in read.tracks.iter().zip(header.tracks.iter()) {
        assert_eq!((read.codec, &read.config, &read.params), (written.codec, &written.config, &written.params));
    }
    let read: Vec<_> = events[1..].iter().map(|e| if let Event::Packet(p) = e { p.clone() } else { panic!("a second header") }).collect();
    assert_eq!(read, packets);
}

#[test]
fn events_do_not_depend_on_how_the_input_was_cut() {
    let (header, packets) = small();
    let stream = mux(&header, &packets);
    testing::at_every_split(stream.len(), stream.len(), |piece| testing::events(Demuxer::default(), &stream, piece)).unwrap();
    let file = bunny();
    let whole = demux(&file).unwrap();
    for size in [1000, 4096, 65_537] {
        assert_eq!(testing::events(Demuxer::default(), &file, size).unwrap(), whole, "pieces of {size}");
    }
}

#[test]
fn pieces_do_not_depend_on_how_the_input_was_cut() {
    let (header, packets) = small();
    // With what other writers put between chunks.
    let mut stream = Vec::new();
    for (n, b) in boxes::boxes(&mux(&header, &packets)).enumerate() {
        if n == 3 {
            stream.extend_from_slice(b"\0\0\0\x10stypmsdh\0\0\0\0\0\0\0\x09free!\0\0\0\x08sidx");
        }
        stream.extend_from_slice(b.whole);
    }
    stream.extend_from_slice(b"\0\0\0\x0cmfra\0\0\0\0");
    for shift in [0, 5_000_000] {
        let found = testing::at_every_split(stream.len(), stream.len(), |piece| testing::splits(shift, &stream, piece)).unwrap();
        assert_eq!(found.len(), 1 + packets.len());
    }
}

#[test]
fn chunks_say_what_they_are() {
    let (header, packets) = small();
    let stream = mux(&header, &packets);
    let lines: Vec<_> = split(&stream, 1_000_000).unwrap().into_iter().map(|(_, line)| line).skip(1).collect();
    let captured = |micros| format!("{:?}", Some(ZERO.at(Timestamp(micros))));
    assert_eq!(
        lines,
        [
            format!("Some(1) true 1000000 40ms 1 {}", captured(0)),
            "Some(2) true 993500 20ms 1 None".into(),
            format!("Some(1) false 1040000 40ms 1 {}", captured(40_000)),
            "Some(2) true 1013500 20ms 1 None".into(),
            format!("Some(1) true 3600001000000 40ms 1 {}", captured(3_600_000_000_000)),
        ]
    );
}

#[test]
fn a_viewer_can_have_some_of_the_tracks() {
    let (header, _) = small();
    let bytes = init(&header).unwrap().bytes;
    let mut buf = BytesMut::from(&bytes[..]);
    let Ok(Split::Init(all)) = Splitter::default().next(&mut buf, true) else { panic!("no init") };
    assert_eq!(all.tracks.iter().map(|t| (t.id, t.timescale)).collect::<Vec<_>>(), [(1, 1_000_000), (2, 48_000)]);
    assert_eq!(all.select(&[1, 2]), bytes);
    let mut buf = BytesMut::from(&all.select(&[1])[..]);
    let Ok(Split::Init(one)) = Splitter::default().next(&mut buf, true) else { panic!("no init") };
    assert_eq!(one.tracks, all.tracks[..1]);
    assert!(!one.bytes.windows(4).any(|w| w == b"Opus") && one.bytes.windows(4).filter(|w| w == b"trex").count() == 1);
}

#[test]
fn damage_is_told_with_its_place() {
    let (header, packets) = small();
    let mut stream = mux(&header, &packets);
    let at = init(&header).unwrap().bytes.len();
    stream.truncate(at);
    stream.extend_from_slice(b"\xff\xff\xff\xff\xff\xff\xff\xff garbage");
    let error = split(&stream, 0).unwrap_err();
    assert_eq!(error.to_string(), format!("MP4: byte {at}: no box begins here"));
    assert_eq!(demux(&stream).unwrap_err().at, Some(at as u64));
    let huge = b"\0\0\0\x01moov\x10\0\0\0\0\0\0\0";
    assert!(split(huge, 0).is_err());
    assert!(demux(huge).is_err());
    let file = bunny();
    assert!(split(&file, 0).unwrap_err().what.contains("h5mux"), "an ordinary file is refused with advice");
    let mdat_first = b"\0\0\0\x14ftypisom\0\0\0\0isom\0\0\0\x10mdat12345678";
    assert!(demux(mdat_first).unwrap_err().what.contains("-f nut"), "so is one whose header comes last");
}

#[test]
fn a_last_chunk_cut_short_is_dropped() {
    let (header, packets) = small();
    let stream = mux(&header, &packets);
    let cut = &stream[..stream.len() - 1];
    assert_eq!(split(cut, 0).unwrap().len(), packets.len());
    let (events, damage) = demux(cut).unwrap();
    assert_eq!((events.len(), damage), (packets.len(), 1));
}

/// Small deterministic random numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

#[test]
fn mutations_never_panic() {
    let (header, packets) = small();
    let streams = [mux(&header, &packets), bunny()[..8000].to_vec()];
    let mut random = Random(88_172_645_463_325_252);
    for round in 0..20_000 {
        let mut stream = streams[round % 2].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(stream.len());
            match random.below(4) {
                0 => stream[at] ^= 1 << random.below(8),
                1 => stream[at] = [0, 1, 0x7f, 0x80, 0xff][random.below(5)],
                2 => drop(stream.drain(at..(at + random.below(9)).min(stream.len()))),
                _ => stream.truncate(at + 1),
            }
            if stream.is_empty() {
                break;
            }
        }
        _ = demux(&stream);
        _ = split(&stream, 1 << 40);
    }
}

#[test]
fn codecs_that_do_not_belong_are_refused_with_advice() {
    let params = VideoParams::new(64, 64);
    for (codec, advice) in [(Codec::Jpeg, "h5enc"), (Codec::Vp8, "ffmpeg")] {
        let header = Header { tracks: vec![Track::video(codec, params.clone())].into(), time_zero: None };
        assert!(init(&header).unwrap_err().advice.contains(advice));
    }
    let header = Header { tracks: vec![Track::video(Codec::H264, params)].into(), time_zero: None };
    assert!(init(&header).is_err(), "H.264 without its configuration");
}
