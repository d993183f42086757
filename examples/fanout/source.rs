//! A live stream whose every frame ends in its number and the time when it was due.

use super::wire::now;
use bytes::Bytes;
use h5live::media::{Codec, Header, Packet, Rate, Timestamp, Track, VideoParams};
use h5live::mux::{MuxOptions, Muxer};
use std::io::{self, Write};
use std::time::Duration;

/// A keyframe every two seconds; 13.1 KB a frame on average, at the usual rate.
const GOP: u64 = 60;
const KEY: usize = 80_000;
const INTER: usize = 12_000;
/// In kbit/s.
pub const USUAL: u64 = 3150;
/// avcC of 640×360, constrained baseline, level 3.0.
const AVCC: [u8; 40] = [
    0x01, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0x00, 0x19, 0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03,
    0x00, 0x40, 0x00, 0x00, 0x03, 0x00, 0xf2, 0x3c, 0x58, 0xba, 0x80, 0x01, 0x00, 0x04, 0x68, 0xce, 0x0f, 0xc8,
];

/// `kbits`: so many kbit/s.
pub fn run(seconds: u64, kbits: u64) -> io::Result<()> {
    let params = VideoParams { rate: Rate::new(30, 1), ..VideoParams::new(640, 360) };
    let track = Track { config: Bytes::from_static(&AVCC), ..Track::video(Codec::H264, params) };
    let mut muxer = Muxer::new(&Header { tracks: [track].into(), time_zero: None }, MuxOptions::default()).expect("H.264 can be muxed");
    let mut out = io::stdout().lock();
    out.write_all(&muxer.init().bytes)?;
    let begun = now();
    for n in 0..seconds * 30 {
        let due = begun + n * 1_000_000_000 / 30;
        std::thread::sleep(Duration::from_nanos(due.saturating_sub(now())));
        let packet =
            Packet { track: 0, pts: Timestamp((n * 1_000_000 / 30) as i64), key: n % GOP == 0, data: frame(n, due, kbits), hidden: false };
        if let Some(chunk) = muxer.push(packet).expect("a track that is there") {
            let bytes = [&chunk.head[..], &chunk.data.concat()].concat();
            out.write_all(&bytes)?;
            out.flush()?;
        }
    }
    Ok(())
}

fn frame(n: u64, due: u64, kbits: u64) -> Bytes {
    let (kind, len) = if n.is_multiple_of(GOP) { (0x65, KEY) } else { (0x41, INTER) };
    let len = (len * kbits as usize / USUAL as usize).max(32);
    let mut data = vec![n as u8; len];
    data[..4].copy_from_slice(&(len as u32 - 4).to_be_bytes());
    data[4] = kind;
    data[len - 16..len - 8].copy_from_slice(&n.to_be_bytes());
    data[len - 8..].copy_from_slice(&due.to_be_bytes());
    data.into()
}
