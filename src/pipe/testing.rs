//! The stream of the tests of queues: raw video, coded video and audio.

use crate::media::{AudioParams, Codec, Event, Header, Packet, PixelFormat, Timestamp, Track, VideoParams};
use bytes::Bytes;
use std::time::Duration;

/// Between two packets of a track, in microseconds.
pub const FRAME: i64 = 40_000;

pub fn header() -> Event {
    let video = |codec| Track::video(codec, VideoParams::new(4, 2));
    let audio = Track::audio(Codec::Mp3, AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO });
    let tracks = [video(Codec::Raw(PixelFormat::Gray)), video(Codec::Vp8), audio];
    Event::Header(Header { tracks: tracks.into(), time_zero: None })
}

pub fn packet(track: usize, n: i64, key: bool) -> Event {
    Event::Packet(Packet { track, pts: Timestamp(n * FRAME), key, data: Bytes::from(vec![n as u8; 8]), hidden: false })
}
