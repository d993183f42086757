//! What a ring makes of its chunks for viewers of other forms.

use super::form::Form;
use super::init_segment::InitSegment;
use super::ring::{Entry, Retention, Ring};
use crate::codec::h264::AvcC;
use crate::format::bmff::{self, Chunk, Fragment, Sample};
use crate::format::mpegts;
use crate::format::testing::events;
use crate::media::{Codec, Event, Header, Kind, Rate, Timestamp, Track, VideoParams};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SPS: &[u8] = b"\x67\x42\xc0\x1e\xda\x02\x80\xbf\xe5\xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xf2\x3c\x58\xba\x80";

/// Chunks of one picture each, a keyframe every five.
fn entries(count: u64) -> Vec<Arc<Entry>> {
    let mut track = Track::video(Codec::H264, VideoParams { rate: Rate::new(25, 1), ..VideoParams::new(640, 360) });
    track.config = AvcC::build(&[SPS], &[b"\x68\xce\x0f\xc8"]);
    let init = Arc::new(InitSegment::new(bmff::init(&Header { tracks: [track].into(), time_zero: None }).unwrap()));
    let entry = |seq: u64| {
        let key = seq.is_multiple_of(5);
        let unit = [if key { b"\x65\x88\x84" } else { b"\x41\x9a\x21" }, &[7; 300][..]].concat();
        let data: Bytes = [&(unit.len() as u32).to_be_bytes()[..], &unit].concat().into();
        let sample = Sample { size: data.len() as u32, duration: 40_000, composition_offset: 0, key };
        let time = 40_000 * seq;
        let fragment = Fragment { sequence: seq as u32 + 1, track_id: 1, decode_time: time, samples: &[sample], producer_time: None };
        let (track, kind, duration) = (Some(1), Kind::Video, Duration::from_millis(40));
        let (head, start) = (fragment.head(&mut BytesMut::new()), Timestamp(time as i64));
        let chunk = Chunk { head, data: vec![data], track, kind, key, start, duration, frames: 1, captured: None };
        Arc::new(Entry { tracks: 1, init: Some(init.clone()), ..Entry::new("", chunk, seq, Instant::now()) })
    };
    (0..count).map(entry).collect()
}

fn made(entry: &Entry) -> usize {
    entry.conversions.size()
}

#[test]
fn a_chunk_is_converted_once_and_behind_the_one_before() {
    let (mut ring, entries) = (Ring::new(Retention { bytes: 1 << 20, age: Duration::MAX }), entries(20));
    entries.iter().for_each(|entry| ring.push(entry.clone()));
    let first = ring.conversion(&entries[5], Form::MpegTs).unwrap().payload();
    assert_eq!((made(&entries[4]), made(&entries[6])), (0, 0), "what is not asked for is not made");
    // A viewer that has come so far; then one who began later, and asks for what lies between.
    let last = ring.conversion(&entries[15], Form::MpegTs).unwrap().payload();
    assert!((6..15).all(|n| made(&entries[n]) > 0) && made(&entries[16]) == 0);
    let between = (6..15).map(|n| ring.conversion(&entries[n], Form::MpegTs).unwrap().payload());
    let all = std::iter::once(first.clone()).chain(between).chain([last]).collect::<Vec<_>>().concat();
    let (events, damage) = events(mpegts::Demuxer::default(), &all, 1000).unwrap();
    assert_eq!((damage, events.iter().filter(|event| matches!(event, Event::Packet(_))).count()), (0, 11), "no packet is missing");
    assert_eq!(ring.conversion(&entries[5], Form::MpegTs).unwrap().payload().as_ptr(), first.as_ptr(), "the same bytes");
}

#[test]
fn conversions_count_as_memory_of_the_ring() {
    let entries = entries(200);
    let size = entries[1].message.len();
    let mut ring = Ring::new(Retention { bytes: 40 * size, age: Duration::MAX });
    let mut held = Vec::new();
    for entry in &entries {
        ring.push(entry.clone());
        for form in [Form::MpegTs, Form::Flv] {
            let conversion = ring.conversion(entry, form).unwrap();
            // A slow viewer is in the middle of each tenth.
            held.extend(entry.seq.is_multiple_of(10).then(|| (entry.seq, conversion.payload())));
        }
        let kept: usize = ring.from(0).map(|entry| entry.message.len() + made(entry)).sum();
        assert!(kept <= 43 * size, "{kept} bytes of {}", 40 * size);
        held.retain(|(seq, _)| *seq >= ring.called_back());
    }
    assert!(ring.from(0).count() < 20 && ring.called_back() > 0, "{} are kept", ring.from(0).count());
}

#[test]
fn what_a_form_does_not_carry() {
    let entries = entries(1);
    let init = entries[0].init.as_ref().unwrap();
    for form in [Form::H264, Form::MpegTs, Form::Flv, Form::Wfs, Form::WfsLengths] {
        assert_eq!(init.form(form).map(|made| made.selection.tracks), Ok(1), "{form:?}");
    }
    let opus = crate::codec::opus::track(crate::codec::opus::OpusHead::new(2, 312, 48_000).build()).unwrap();
    let init = InitSegment::new(bmff::init(&Header { tracks: [opus].into(), time_zero: None }).unwrap());
    assert!(init.form(Form::MpegTs).is_ok() && init.form(Form::H264).is_err() && init.form(Form::Wfs).is_err());
}
