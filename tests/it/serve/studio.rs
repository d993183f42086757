//! Streams made to measure: H.264 that no decoder wants, but whose every frame says which one it is.

use bytes::Bytes;
use h5live::media::{AudioParams, Codec, Header, Packet, Rate, Timestamp, Track, VideoParams};
use h5live::mux::{MuxOptions, Muxer};
use std::time::Duration;

/// avcC of 640×360, constrained baseline, level 3.0.
const AVCC: &str = "0142c01effe100196742c01eda0280bfe5c044000003000400000300f23c58ba8001000468ce0fc8";

pub struct Studio {
    muxer: Muxer,
    pub gop: u64,
    /// Bytes of a frame; a keyframe has six times as many.
    pub size: usize,
    number: u64,
    /// Time of frame 0.
    origin: i64,
    sound: bool,
}

impl Studio {
    /// 30 frames a second.
    pub fn new(gop: u64, size: usize) -> Studio {
        Studio::with(gop, size, false, 0)
    }

    /// `sound`: an Opus packet follows each picture. `origin`: where this writer's own time begins, in microseconds.
    pub fn with(gop: u64, size: usize, sound: bool, origin: i64) -> Studio {
        let mut tracks = vec![video()];
        if sound {
            tracks.push(opus());
        }
        let header = Header { tracks: tracks.into(), time_zero: None };
        let muxer = Muxer::new(&header, MuxOptions::default()).unwrap();
        Studio { muxer, gop, size, number: 0, origin, sound }
    }

    /// How many there were.
    pub fn pictures(&self) -> u64 {
        self.number
    }

    pub fn init(&self) -> Vec<u8> {
        self.muxer.init().bytes.to_vec()
    }

    /// The next picture's chunk.
    pub fn picture(&mut self) -> Vec<u8> {
        let number = self.number;
        self.number += 1;
        let key = number.is_multiple_of(self.gop);
        let size = if key { 6 * self.size } else { self.size };
        let mut data = vec![number as u8; size.max(24)];
        let body = data.len() - 4;
        data[..4].copy_from_slice(&(body as u32).to_be_bytes());
        data[4] = if key { 0x65 } else { 0x41 };
        data[5..13].copy_from_slice(MARK);
        data[13..21].copy_from_slice(&number.to_be_bytes());
        self.chunk(0, number as i64 * 1_000_000 / 30, key, data)
    }

    /// The sound beside the last picture.
    pub fn sound(&mut self) -> Vec<u8> {
        assert!(self.sound);
        // CELT, 20 ms.
        self.chunk(1, (self.number - 1) as i64 * 20_000, true, vec![0b1111_1000; 60])
    }

    fn chunk(&mut self, track: usize, time: i64, key: bool, data: Vec<u8>) -> Vec<u8> {
        let packet = Packet { track, pts: Timestamp(self.origin + time), key, data: Bytes::from(data), hidden: false };
        let chunk = self.muxer.push(packet).unwrap().expect("a chunk for every frame");
        [&chunk.head[..], &chunk.data.concat()].concat()
    }
}

const MARK: &[u8; 8] = b"number =";

/// The number of the picture in a chunk; `None` for anything else.
pub fn number(chunk: &[u8]) -> Option<u64> {
    let at = chunk.windows(8).position(|w| w == MARK)?;
    Some(u64::from_be_bytes(chunk[at + 8..at + 16].try_into().unwrap()))
}

/// The decode time in a chunk's tfdt, in ticks.
pub fn decode_time(chunk: &[u8]) -> u64 {
    let at = chunk.windows(4).position(|w| w == b"tfdt").expect("a chunk has a tfdt");
    assert_eq!(chunk[at + 4], 1, "64 bits");
    u64::from_be_bytes(chunk[at + 8..at + 16].try_into().unwrap())
}

/// Types of the boxes.
pub fn boxes(mut bytes: &[u8]) -> Vec<String> {
    let mut types = vec![];
    while let Some((size, rest)) = bytes.split_first_chunk::<4>() {
        types.push(String::from_utf8_lossy(&rest[..4]).into_owned());
        bytes = &bytes[u32::from_be_bytes(*size) as usize..];
    }
    types
}

fn video() -> Track {
    let config = (0..AVCC.len()).step_by(2).map(|i| u8::from_str_radix(&AVCC[i..i + 2], 16).unwrap()).collect::<Vec<_>>();
    let params = VideoParams { rate: Rate::new(30, 1), ..VideoParams::new(640, 360) };
    Track { config: config.into(), ..Track::video(Codec::H264, params) }
}

fn opus() -> Track {
    let head = b"OpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00";
    let params = AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO };
    Track { config: Bytes::from_static(head), ..Track::audio(Codec::Opus, params) }
}
