//! What is the same for the packets of every format: times begin at zero, a keyframe is a frame at which a decoder can start, and
//! times that go back are warned of.

use super::zero::FromZero;
use crate::codec::{self, start::Starts};
use crate::media::{Codec, Header, Packet, TimeWatch, Track, step_back_line};
use std::time::Duration;

#[derive(Default)]
pub struct TrackNormalizer {
    from_zero: FromZero,
    /// For each track of H.264.
    starts: Vec<Option<Starts>>,
    times: TimeWatch,
    /// How far, in microseconds, each track's times may go back by reordering.
    slack: Vec<i64>,
}

impl TrackNormalizer {
    /// The tracks of the packets that follow.
    pub fn header(&mut self, header: &Header) {
        self.from_zero.header(header);
        self.starts = header.tracks.iter().map(|t| (t.codec == Codec::H264).then(Starts::default)).collect();
        self.slack = header.tracks.iter().map(reordering).collect();
    }

    /// The packet as a stage gets it. `input`: what warnings call it.
    pub fn packet(&mut self, packet: Packet, input: &str) -> Packet {
        self.watch_time(&packet, input);
        let starts = self.starts.get_mut(packet.track).and_then(Option::as_mut);
        let key = starts.map_or(packet.key, |starts| starts.is_start(&packet));
        Packet { pts: self.from_zero.time(&packet), key, ..packet }
    }

    /// Says once that times go back.
    fn watch_time(&mut self, packet: &Packet, input: &str) {
        let Some(&slack) = self.slack.get(packet.track) else { return };
        let track = u32::try_from(packet.track).unwrap_or(u32::MAX);
        if let Some(back) = self.times.step_back(track, packet.pts.micros(), slack) {
            tracing::warn!("{}", step_back_line(input, back));
        }
    }
}

/// How far a track's presentation times go back in a stream without faults, in microseconds, with room.
fn reordering(track: &Track) -> i64 {
    const ROOM: i64 = 100_000;
    const FRAME: Duration = Duration::from_millis(40);
    let frame = i64::try_from(track.frame_duration.unwrap_or(FRAME).as_micros()).unwrap_or(i64::MAX);
    // A frame that is shown after all those between it and the one before: x264 has 16 at most.
    let frames = if codec::reorder_depth(track) > 0 { 32 } else { 1 };
    frame.saturating_mul(frames).saturating_add(ROOM)
}
