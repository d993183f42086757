//! The demuxer, on what the writer writes and on what others write.

use super::reader::MAX_RESYNC;
use super::schema::{self, id};
use super::{Demuxer, cluster_prefix, stored_time, time_zero, write_header};
use crate::format::testing::{events, events_at_every_split};
use crate::format::{self, Step, ebml};
use crate::media::{
    AudioParams, Codec, Colour, Event, Header, Packet, PixelFormat, Rate, SampleFormat, Timestamp, Track, VideoParams, WallTime,
};
use bytes::{Bytes, BytesMut};
use std::time::Duration;

fn raw_track() -> Track {
    let colour = Colour { matrix: Some(1), full_range: Some(true), primaries: Some(9), transfer: Some(16) };
    let mut track =
        Track::video(Codec::Raw(PixelFormat::I420), VideoParams { rate: Rate::new(30000, 1001), colour, ..VideoParams::new(6, 4) });
    track.name = Some("front door".into());
    track.language = Some("de-AT".into());
    track
}

fn opus_track() -> Track {
    let mut track = crate::codec::opus::track(crate::codec::opus::OpusHead::new(2, 312, 48_000).build()).unwrap();
    track.frame_duration = Some(Duration::from_millis(20));
    track
}

fn pcm_track() -> Track {
    let mut track = Track::audio(Codec::Pcm(SampleFormat::S24), AudioParams { rate: 44_100, channels: 1, delay: Duration::ZERO });
    track.frame_duration = Some(Duration::from_millis(10));
    track
}

fn stream(events: &[Event]) -> Vec<u8> {
    let (mut out, mut tracks) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Header(header) => {
                out.extend_from_slice(&write_header(header));
                tracks = header.tracks.to_vec();
            }
            Event::Packet(p) => {
                out.extend_from_slice(&cluster_prefix(p.track, stored_time(&tracks[p.track], p.pts), p.key, p.data.len()));
                out.extend_from_slice(&p.data);
            }
            Event::TimeZero(zero) => out.extend_from_slice(&time_zero(*zero)),
        }
    }
    out
}

fn header(tracks: Vec<Track>) -> Event {
    Event::Header(Header { tracks: tracks.into(), time_zero: Some(WallTime(1_700_000_000_123_456)) })
}

fn packet(track: usize, micros: i64, data: &'static [u8]) -> Event {
    Event::Packet(Packet { track, pts: Timestamp(micros), key: true, data: Bytes::from_static(data), hidden: false })
}

fn two_segments() -> Vec<Event> {
    vec![
        header(vec![raw_track(), opus_track(), pcm_track()]),
        packet(0, 0, &[9; 36]),
        packet(1, -6500, &[0xfc, 1, 2, 3]),
        packet(0, 33_367, &[8; 36]),
        packet(2, 5_000_000_000, &[7; 441]),
        header(vec![pcm_track()]),
        packet(0, 1, &[7; 3]),
    ]
}

#[test]
fn what_is_written_is_read_at_every_split() {
    let events = two_segments();
    assert_eq!(events_at_every_split(Demuxer::default, &stream(&events)), Ok((events, 0)));
}

#[test]
fn a_wall_clock_that_is_set_is_told_between_clusters() {
    let zero = |micros| Event::TimeZero(WallTime(micros));
    let frame = |n: i64| packet(0, n * 40_000, &[7; 3]);
    let events = vec![header(vec![pcm_track()]), frame(0), zero(-1_700_000_000_000_001), frame(1), zero(4_100_000_000_000_000), frame(2)];
    assert_eq!(events_at_every_split(Demuxer::default, &stream(&events)), Ok((events.clone(), 0)));
    // The same again is no news; other tags are none of ours.
    let other = |name, value: &str| {
        let mut out = Vec::new();
        ebml::put_master(&mut out, id::TAGS, |out| {
            ebml::put_master(out, id::TAG, |out| {
                ebml::put_master(out, id::SIMPLE_TAG, |out| {
                    ebml::put(out, id::TAG_NAME, name);
                    ebml::put(out, id::TAG_STRING, value.as_bytes());
                });
            });
        });
        out
    };
    let same = time_zero(WallTime(4_100_000_000_000_000)).to_vec();
    let whole = stream(&[&events[..], &[frame(3)]].concat());
    let (begin, last) = whole.split_at(stream(&events).len());
    let bytes = [begin, &same, &other(b"TITLE", "a film"), &other(b"TITLE", &"x".repeat(5000)), last].concat();
    assert_eq!(events_at_every_split(Demuxer::default, &bytes), Ok(([&events[..], &[frame(3)]].concat(), 0)));
}

#[test]
fn each_packet_is_out_before_the_next_byte_is_in() {
    let all = two_segments();
    let (mut demuxer, mut buf) = (Demuxer::default(), BytesMut::new());
    for (n, event) in all.iter().enumerate() {
        let end = stream(&all[..=n]).len();
        let start = stream(&all[..n]).len();
        buf.extend_from_slice(&stream(&all)[start..end]);
        let mut out = Vec::new();
        while let Step::Event(event) = format::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp::ZERO).unwrap() {
            out.push(event);
        }
        if let Event::Packet(_) = event {
            assert_eq!(out.last(), Some(event), "event {n}");
        }
    }
}

#[test]
fn a_cut_end_is_dropped_and_counted() {
    let all = two_segments();
    let bytes = stream(&all);
    let last = stream(&all[..6]).len();
    for cut in last + 1..bytes.len() {
        // The second header counts when the head of its first Cluster is there.
        let seen = if cut < last + 5 { 5 } else { 6 };
        assert_eq!(events(Demuxer::default(), &bytes[..cut], 1000), Ok((all[..seen].to_vec(), 1)), "cut at {cut}");
    }
    assert_eq!(events(Demuxer::default(), &bytes[..last], 1000), Ok((all[..5].to_vec(), 0)), "the second header has no Cluster yet");
    let first = stream(&all[..1]).len();
    let tracks_end = bytes.windows(4).position(|w| w == id::TAGS.to_be_bytes()).unwrap();
    for cut in (1..first).filter(|&cut| cut != tracks_end) {
        let header = events(Demuxer::default(), &bytes[..cut], 1000);
        assert!(if cut < tracks_end { header.is_err() } else { header.is_err() || header == Ok((all[..1].to_vec(), 0)) }, "cut at {cut}");
    }
    assert_eq!(events(Demuxer::default(), &bytes[..first], 1000), Ok((all[..1].to_vec(), 0)), "a header alone is a stream");
}

#[test]
fn after_damage_the_next_cluster_is_found() {
    let all = two_segments();
    let mut bytes = stream(&all);
    // The size of the second block: 4 + 1 + 3 bytes into its Cluster.
    let at = stream(&all[..2]).len() + 8;
    assert_eq!(bytes[at], 0xA3);
    bytes[at + 1] = 0xFF;
    let kept: Vec<_> = all.iter().enumerate().filter(|(n, _)| *n != 2).map(|(_, e)| e.clone()).collect();
    assert_eq!(events_at_every_split(Demuxer::default, &bytes), Ok((kept, 1)));
    // Garbage between Clusters, with a false start in it.
    let mut bytes = stream(&all[..2]);
    bytes.extend_from_slice(b"\x04garbage\x1F\x43\xB6\x75\x88garbage!\x1A\x45\xDF\xA3\x84\x42\x82\x81");
    bytes.extend_from_slice(&stream(&all)[stream(&all[..2]).len()..]);
    assert_eq!(events_at_every_split(Demuxer::default, &bytes), Ok((all, 2)), "a false EBML header is a second damage");
}

#[test]
fn endless_garbage_is_not_read_for_ever() {
    let mut bytes = stream(&two_segments()[..2]);
    bytes.resize(bytes.len() + MAX_RESYNC as usize + 100, 0x04);
    let error = events(Demuxer::default(), &bytes, 1 << 20).unwrap_err();
    assert_eq!(error.at, Some(stream(&two_segments()[..2]).len() as u64));
}

/// A Segment with one track, whose TrackEntry `entry` fills, and what follows.
fn foreign(entry: impl FnOnce(&mut Vec<u8>), body: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    ebml::put_master(&mut out, id::EBML, |out| ebml::put(out, id::DOC_TYPE, b"webm"));
    ebml::put_id(&mut out, id::SEGMENT);
    out.push(0xff);
    ebml::put_master(&mut out, id::TRACKS, |out| {
        ebml::put_master(out, id::TRACK_ENTRY, |out| {
            ebml::put_uint(out, id::TRACK_NUMBER, 5);
            entry(out);
        });
    });
    body(&mut out);
    out
}

fn mp3(out: &mut Vec<u8>) {
    ebml::put_uint(out, id::TRACK_TYPE, schema::AUDIO_TRACK);
    ebml::put(out, id::CODEC_ID, b"A_MPEG/L3");
    ebml::put_uint(out, id::DEFAULT_DURATION, 24_000_000);
    ebml::put_master(out, id::AUDIO, |out| ebml::put(out, id::SAMPLING_FREQUENCY, &48_000f32.to_be_bytes()));
}

fn times_and_data(bytes: &[u8]) -> Vec<(i64, bool, Bytes)> {
    let (events, damage) = events_at_every_split(Demuxer::default, bytes).unwrap();
    assert_eq!(damage, 0);
    let packets = events.into_iter().filter_map(|e| if let Event::Packet(p) = e { Some((p.pts.micros(), p.key, p.data)) } else { None });
    packets.collect()
}

#[test]
fn clusters_of_unknown_size_in_both_encodings_and_what_stands_between() {
    let bytes = foreign(mp3, |out| {
        for unknown in [&[0xff][..], &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]] {
            ebml::put(out, id::CRC_32, &[0; 4]);
            ebml::put_id(out, id::CLUSTER);
            out.extend_from_slice(unknown);
            ebml::put_uint(out, id::TIMESTAMP, 1000);
            ebml::put(out, id::SIMPLE_BLOCK, b"\x85\x00\x01\x00first");
            ebml::put(out, id::VOID, b"void");
            ebml::put(out, id::SIMPLE_BLOCK, b"\x85\x00\x02\x00second");
            ebml::put(out, id::CUES, b"cues");
        }
        out.extend_from_slice(&[0; 100]);
    });
    let (first, second) = (Bytes::from("first"), Bytes::from("second"));
    let once = [(1_001_000, true, first), (1_002_000, true, second)];
    assert_eq!(times_and_data(&bytes), [once.clone(), once].concat());
}

#[test]
fn laced_frames_have_times_of_their_own() {
    let bytes = foreign(mp3, |out| {
        ebml::put_master(out, id::CLUSTER, |out| {
            ebml::put_uint(out, id::TIMESTAMP, 10);
            ebml::put(out, id::SIMPLE_BLOCK, b"\x85\x00\x00\x02\x02\x01\x02abbccc");
            ebml::put_master(out, id::BLOCK_GROUP, |out| {
                ebml::put(out, id::BLOCK, b"\x85\x00\x64\x04\x01aabb");
                ebml::put_uint(out, id::BLOCK_DURATION, 48);
            });
        });
    });
    let expected = [(10_000, "a"), (34_000, "bb"), (58_000, "ccc"), (110_000, "aa"), (134_000, "bb")];
    assert_eq!(times_and_data(&bytes), expected.map(|(t, data)| (t, true, Bytes::from(data))));
}

#[test]
fn a_block_group_with_a_reference_is_no_keyframe() {
    let vp8 = |out: &mut Vec<u8>| {
        ebml::put_uint(out, id::TRACK_TYPE, schema::VIDEO_TRACK);
        ebml::put(out, id::CODEC_ID, b"V_VP8");
        ebml::put_master(out, id::VIDEO, |out| {
            ebml::put_uint(out, id::PIXEL_WIDTH, 320);
            ebml::put_uint(out, id::PIXEL_HEIGHT, 240);
        });
    };
    let bytes = foreign(vp8, |out| {
        ebml::put_master(out, id::CLUSTER, |out| {
            ebml::put_uint(out, id::TIMESTAMP, 0);
            ebml::put_master(out, id::BLOCK_GROUP, |out| ebml::put(out, id::BLOCK, b"\x85\x00\x00\x00key"));
            ebml::put_master(out, id::BLOCK_GROUP, |out| {
                ebml::put_int(out, id::REFERENCE_BLOCK, -40);
                ebml::put(out, id::BLOCK, b"\x85\x00\x28\x00delta");
            });
        });
    });
    assert_eq!(times_and_data(&bytes), [(0, true, Bytes::from("key")), (40_000, false, Bytes::from("delta"))]);
}

#[test]
fn header_stripping_is_undone() {
    let stripped = |out: &mut Vec<u8>| {
        mp3(out);
        ebml::put_master(out, id::CONTENT_ENCODINGS, |out| {
            ebml::put_master(out, id::CONTENT_ENCODING, |out| {
                ebml::put_master(out, id::CONTENT_COMPRESSION, |out| {
                    ebml::put_uint(out, id::CONTENT_COMP_ALGO, 3);
                    ebml::put(out, id::CONTENT_COMP_SETTINGS, b"\xff\xfb");
                });
            });
        });
    };
    let bytes = foreign(stripped, |out| {
        ebml::put_master(out, id::CLUSTER, |out| {
            ebml::put_uint(out, id::TIMESTAMP, 0);
            ebml::put(out, id::SIMPLE_BLOCK, b"\x85\x00\x00\x80rest");
        });
    });
    assert_eq!(times_and_data(&bytes), [(0, true, Bytes::from_static(b"\xff\xfbrest"))]);
}

fn refused(bytes: &[u8]) -> String {
    events_at_every_split(Demuxer::default, bytes).unwrap_err().to_string()
}

#[test]
fn hostile_headers_are_refused_with_their_position() {
    let start = foreign(mp3, |_| {}).len();
    let huge = |id: u32| {
        foreign(mp3, |out| {
            ebml::put_id(out, id);
            out.extend_from_slice(&[0x01, 0x10, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
        })
    };
    assert_eq!(refused(&huge(id::INFO)), format!("Matroska: byte {start}: Info of 4503599627370496 bytes"));
    assert_eq!(refused(&huge(id::VOID)), format!("Matroska: byte {start}: element EC of 4503599627370496 bytes"));
    assert_eq!(refused(b"\x1A\x45\xDF\xA3\x84\x42\x82\x81x"), "Matroska: byte 0: EBML document of type \"x\"");
    assert_eq!(refused(b"RIFF...."), "Matroska: byte 0: no EBML header");
    assert_eq!(refused(b"\xA3\x80"), "Matroska: byte 0: no EBML header");
    let nothing = foreign(|out| ebml::put(out, id::CODEC_ID, b"S_TEXT/UTF8"), |out| ebml::put(out, id::CLUSTER, &[]));
    assert!(
        refused(&nothing).ends_with("no track that can be read: track 5 (S_TEXT/UTF8): neither video nor audio"),
        "{}",
        refused(&nothing)
    );
    let mut million = foreign(mp3, |_| {});
    let tracks = million.len();
    ebml::put_master(&mut million, id::TRACKS, |out| (0..1_000_000).for_each(|_| ebml::put_master(out, id::TRACK_ENTRY, mp3)));
    let error = events(Demuxer::default(), &million, 1 << 16).unwrap_err().to_string();
    assert_eq!(error, format!("Matroska: byte {tracks}: Tracks of 32000000 bytes"));
}

#[test]
fn a_huge_block_is_damage_and_costs_nothing() {
    let mut bytes = stream(&two_segments()[..2]);
    let cluster = [&id::CLUSTER.to_be_bytes()[..], &[0xff, 0xE7, 0x81, 0x00, 0xA3, 0x01, 0x10, 0, 0, 0, 0, 0, 0, 0x81]].concat();
    bytes.extend_from_slice(&cluster);
    let (events, damage) = events_at_every_split(Demuxer::default, &bytes).unwrap();
    assert_eq!((events.len(), damage), (2, 1));
}

/// Chromium's MediaRecorder: H.264 as Annex B without CodecPrivate, Clusters of unknown size, Opus before video.
#[test]
fn mediarecorder_is_read() {
    for (file, codec, packets) in MEDIARECORDER {
        let bytes = std::fs::read(format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let (all, damage) = events(Demuxer::default(), &bytes, 1000).unwrap();
        assert_eq!(all, events(Demuxer::default(), &bytes, bytes.len()).unwrap().0);
        let Event::Header(header) = &all[0] else { panic!("{file}") };
        assert_eq!((header.tracks[0].codec, header.tracks[1].codec, header.tracks.len()), (codec, Codec::Opus, 2));
        assert_eq!(header.tracks[0].as_video().map(|v| (v.width, v.height)), Some((320, 240)));
        let video: Vec<_> =
            all.iter().filter_map(|e| if let Event::Packet(p) = e { Some(p) } else { None }).filter(|p| p.track == 0).collect();
        assert_eq!((video.len(), all.len() - 1 - video.len(), damage), packets, "{file}");
        assert!(video[0].key && !video[1].key);
        if codec == Codec::H264 {
            let sps = crate::codec::h264::units(&video[0].data).next().unwrap();
            assert_eq!(sps[0], 0x67);
            let avcc = crate::codec::h264::AvcC::parse(&header.tracks[0].config).unwrap();
            assert_eq!((&avcc.sps[0][..], avcc.length_size), (sps, 4));
            assert!(video.iter().all(|p| crate::codec::h264::units(&p.data).map(|u| u.len() + 4).sum::<usize>() == p.data.len()));
        }
    }
}

/// Packets of video and audio, damaged elements.
const MEDIARECORDER: [(&str, Codec, (usize, usize, u64)); 3] = [
    ("mediarecorder-avc1-opus.mkv", Codec::H264, (50, 41, 0)),
    ("mediarecorder-h264.webm", Codec::H264, (50, 41, 0)),
    ("mediarecorder-vp8-opus.webm", Codec::Vp8, (50, 41, 0)),
];
