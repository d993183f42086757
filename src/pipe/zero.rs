//! Times before time zero. Matroska has them where a recording was cut or joined, MP4 where an edit list says so. The streams that are
//! written here begin at zero. All packets of a stream are moved by the same time, so that the distances between them stay.

use crate::media::{Header, Kind, Packet, Timestamp};
use std::time::Duration;

/// The profile can say this of audio, for its priming (h5pipe(5)).
const AUDIO: i64 = -32_768;
/// What rounding to milliseconds makes of zero.
const VIDEO: i64 = -1_000;
/// The other tracks may begin earlier than the one whose packet comes first.
const HEADROOM: i64 = 1_000_000;

/// Moves a stream that begins before zero to where it can be written.
#[derive(Debug, Default)]
pub struct FromZero {
    /// Kind of each track, and what its decoder discards at the start.
    tracks: Vec<(Kind, Duration)>,
    /// Added to all times, in microseconds.
    shift: i64,
    /// A header came, and no packet after it.
    begins: bool,
}

impl FromZero {
    pub fn header(&mut self, header: &Header) {
        let delay = |t: &crate::media::Track| t.as_audio().map_or(Duration::ZERO, |audio| audio.delay);
        self.tracks = header.tracks.iter().map(|t| (t.kind(), delay(t))).collect();
        self.begins = true;
    }

    /// The packet's time on a time line that begins at zero.
    pub fn time(&mut self, packet: &Packet) -> Timestamp {
        // A picture that an edit list cut away stands before the beginning. It does not decide where that is.
        if !packet.hidden
            && std::mem::take(&mut self.begins)
            && let Some((kind, delay)) = self.tracks.get(packet.track)
        {
            let stored = packet.pts.saturating_add(*delay) + self.shift;
            let lowest = if *kind == Kind::Video { VIDEO } else { AUDIO };
            if stored.micros() < lowest {
                let headroom = if self.tracks.len() > 1 { HEADROOM } else { 0 };
                self.shift = self.shift.saturating_sub(stored.micros()).saturating_add(headroom);
                tracing::debug!("times begin {} us before zero, and are moved to it", -stored.micros());
            }
        }
        packet.pts + self.shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AudioParams, Codec, Track, VideoParams};

    fn times(tracks: &[Track], packets: &[(usize, i64)]) -> Vec<i64> {
        let mut zero = FromZero::default();
        zero.header(&Header { tracks: tracks.into(), time_zero: None });
        let packet =
            |&(track, pts): &(usize, i64)| Packet { track, pts: Timestamp(pts), key: true, hidden: false, data: bytes::Bytes::new() };
        packets.iter().map(|p| zero.time(&packet(p)).micros()).collect()
    }

    #[test]
    fn distances_are_kept() {
        let video = Track::video(Codec::H264, VideoParams::new(16, 16));
        let audio = Track::audio(Codec::Opus, AudioParams { rate: 48_000, channels: 2, delay: Duration::from_millis(7) });
        assert_eq!(times(std::slice::from_ref(&video), &[(0, -500_000), (0, -460_000), (0, 40_000)]), [0, 40_000, 540_000]);
        assert_eq!(times(&[video.clone(), audio.clone()], &[(0, -500_000), (1, -700_000), (0, 0)]), [1_000_000, 800_000, 1_500_000]);
        assert_eq!(times(&[video.clone(), audio.clone()], &[(1, -30_000), (0, 0)]), [-30_000, 0], "priming");
        assert_eq!(times(&[video, audio], &[(0, 5_000_000), (1, -5_000_000)]), [5_000_000, -5_000_000]);
        assert_eq!(times(&[], &[(3, -5)]), [-5]);
    }

    #[test]
    fn what_is_not_shown_does_not_decide_where_a_stream_begins() {
        let mut zero = FromZero::default();
        zero.header(&Header { tracks: [Track::video(Codec::H264, VideoParams::new(16, 16))].into(), time_zero: None });
        let packet = |pts, hidden| Packet { track: 0, pts: Timestamp(pts), key: true, hidden, data: bytes::Bytes::new() };
        let shown = [packet(-2_000, true), packet(0, false)].map(|packet| zero.time(&packet).micros());
        assert_eq!(shown, [-2_000, 0]);
    }
}
