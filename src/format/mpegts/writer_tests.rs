//! What is written is read again.

use super::*;
use crate::codec::aac::{self, AudioSpecificConfig};
use crate::codec::h264::AvcC;
use crate::codec::opus::{self, OpusHead};
use crate::format::CodedFrame;
use crate::format::testing::events_at_every_split;
use crate::media::{Codec, Event, Track, VideoParams};
use bytes::Bytes;

const SPS: &[u8] = b"\x67\x42\xc0\x1e\xda\x02\x80\xbf\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xf2\x3c\x58\xba\x80";
const PPS: &[u8] = b"\x68\xce\x0f\xc8";

fn pictures() -> Track {
    let mut track = Track::video(Codec::H264, VideoParams::new(640, 360));
    track.config = AvcC::build(&[SPS], &[PPS]);
    track
}

/// A picture of so many bytes.
fn picture(n: i64, size: usize) -> CodedFrame {
    let key = n % 5 == 0;
    let head = if key { b"\x65\x88\x84".to_vec() } else { b"\x41\x9a\x21".to_vec() };
    let unit = [head, vec![n as u8 | 1; size]].concat();
    let data = [&(unit.len() as u32).to_be_bytes()[..], &unit].concat().into();
    let time = Timestamp(n * 40_000);
    CodedFrame { track: 1, dts: time + -20_000, pts: time, key, data }
}

fn sound(n: i64, size: usize) -> CodedFrame {
    let time = Timestamp(n * 20_000 - 7_000);
    CodedFrame { track: 2, dts: time, pts: time, key: true, data: vec![0xfc; size].into() }
}

fn write(writer: &Writer, state: &mut WriterState, frames: &[CodedFrame]) -> Bytes {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| assert!(writer.put(&mut out, state, frame)));
    out.freeze()
}

fn events(stream: &[u8]) -> Vec<Event> {
    let (events, damage) = events_at_every_split(Demuxer::default, stream).unwrap();
    assert_eq!(damage, 0);
    events
}

#[test]
fn what_is_written_is_read_again() {
    let aac = aac::track(AudioSpecificConfig::lc(48_000, 2).build()).unwrap();
    let opus = opus::track(OpusHead::new(2, 312, 48_000).build()).unwrap();
    for (codec, audio) in [(Codec::Aac, aac), (Codec::Opus, opus)] {
        let video = pictures();
        let writer = Writer::new([(1, &video), (2, &audio)].into_iter()).unwrap();
        let mut frames = Vec::new();
        for n in 0..20 {
            frames.push(picture(n, [1, 100, 176, 900][n as usize % 4]));
            frames.extend([sound(2 * n, 100 + n as usize), sound(2 * n + 1, 600)]);
        }
        let stream = write(&writer, &mut WriterState::default(), &frames);
        let events = events(&stream);
        let Event::Header(header) = &events[0] else { panic!("{:?}", events[0]) };
        assert_eq!(header.tracks.iter().map(|track| track.codec).collect::<Vec<_>>(), [Codec::H264, codec]);
        for (track, number) in [(0, 1), (1, 2)] {
            let of =
                |event: &Event| if let Event::Packet(packet) = event { Some(packet.clone()).filter(|p| p.track == track) } else { None };
            let read: Vec<_> = events.iter().filter_map(of).collect();
            let written: Vec<_> = frames.iter().filter(|frame| frame.track == number).collect();
            assert_eq!(read.len(), written.len(), "{codec} {number}");
            let zero = read[0].pts - written[0].pts;
            for (read, written) in read.iter().zip(&written) {
                assert!((read.pts - written.pts - zero).abs() <= 12, "{codec} {number}: {} {}", read.pts.micros(), written.pts.micros());
                assert!(read.data.ends_with(&written.data), "{codec} {number}");
                assert_eq!(read.key, written.key);
            }
        }
    }
}

#[test]
fn each_part_follows_from_the_one_before() {
    let (video, frames) = (pictures(), (0..40).map(|n| picture(n, 300)).collect::<Vec<_>>());
    let writer = Writer::new([(1, &video)].into_iter()).unwrap();
    let whole = write(&writer, &mut WriterState::default(), &frames);
    let mut state = WriterState::default();
    let parts: Vec<u8> = frames.iter().flat_map(|frame| write(&writer, &mut state, std::slice::from_ref(frame))).collect();
    assert_eq!(parts, whole);
    // From a keyframe on, whatever the counters are, it begins with the tables.
    let later = write(&writer, &mut state, &frames[5..]);
    let has = |pid: u16, at: usize| u16::from_be_bytes([later[at + 1] & 0x1f, later[at + 2]]) == pid;
    assert!(has(0, 0) && has(0x1000, PACKET) && has(0x100, 2 * PACKET));
    assert_eq!(events(&later).len(), 36);
}

#[test]
fn times_wrap_and_may_lie_before_zero() {
    let video = pictures();
    let writer = Writer::new([(1, &video)].into_iter()).unwrap();
    // 2^33 ticks of 90 kHz are 26.5 hours.
    let late =
        |n: i64| CodedFrame { dts: Timestamp(95_442_600_000 + n * 40_000), pts: Timestamp(95_442_600_000 + n * 40_000), ..picture(n, 50) };
    for frames in [(0..100).map(late).collect::<Vec<_>>(), (-40..20).map(|n| picture(n, 50)).collect()] {
        let events = events(&write(&writer, &mut WriterState::default(), &frames));
        let times: Vec<_> = events.iter().filter_map(|e| if let Event::Packet(p) = e { Some(p.pts.micros()) } else { None }).collect();
        assert!(times.len() >= frames.len() - 1 && times.windows(2).all(|t| (t[1] - t[0] - 40_000).abs() <= 12), "{times:?}");
    }
}

#[test]
fn what_cannot_be_carried() {
    let flac = Track::audio(Codec::Flac, crate::media::AudioParams { rate: 48_000, channels: 2, delay: Default::default() });
    let jpeg = Track::video(Codec::Jpeg, VideoParams::new(16, 16));
    assert!(Writer::new([(1, &jpeg), (2, &flac)].into_iter()).is_none());
    let video = pictures();
    let writer = Writer::new([(2, &flac), (7, &video)].into_iter()).unwrap();
    assert_eq!(writer.tracks().collect::<Vec<_>>(), [7]);
    assert!(!writer.put(&mut BytesMut::new(), &mut WriterState::default(), &sound(0, 10)));
}
