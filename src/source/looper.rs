//! Plays a recording again and again without a jump in time: each pass goes on where the one before it ended.
//!
//! All tracks of a pass are moved by the same time, so that picture and audio stay together, and B-frames keep their order.

use crate::codec;
use crate::media::{Event, Header, Packet, Timestamp, Track};
use std::sync::Arc;
use std::time::Duration;

/// Length of a packet that nothing is known of.
const UNKNOWN: Duration = Duration::from_millis(40);

/// Moves the times of each pass.
#[derive(Default)]
pub struct Looper {
    /// The tracks given out last.
    tracks: Option<Arc<[Track]>>,
    /// Added to the times of this pass, in microseconds.
    offset: i64,
    /// Where this pass begins and ends, in its own time.
    span: Option<(Timestamp, Timestamp)>,
}

impl Looper {
    /// The event of this pass, at the time where it belongs; `None` for a header that says nothing new.
    pub fn event(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::Header(header) => self.header(header),
            Event::Packet(packet) => Some(Event::Packet(self.packet(packet))),
            Event::TimeZero(_) => Some(event),
        }
    }

    /// The recording ended and will be read from its start again. `false` if the pass had no packets: another would
    /// have none either.
    pub fn rewind(&mut self) -> bool {
        let Some((first, end)) = self.span.take() else { return false };
        self.offset = self.offset.saturating_add(end - first);
        true
    }

    fn header(&mut self, header: Header) -> Option<Event> {
        let known = self.tracks.as_ref() == Some(&header.tracks);
        self.tracks = Some(Arc::clone(&header.tracks));
        (!known).then_some(Event::Header(header))
    }

    fn packet(&mut self, packet: Packet) -> Packet {
        let track = self.tracks.as_ref().and_then(|tracks| tracks.get(packet.track));
        let length = track.and_then(|t| codec::packet_duration(t, &packet.data).or(t.frame_duration)).unwrap_or(UNKNOWN);
        let end = packet.pts.saturating_add(length);
        let (first, last) = self.span.unwrap_or((packet.pts, end));
        self.span = Some((first.min(packet.pts), last.max(end)));
        Packet { pts: packet.pts + self.offset, ..packet }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AudioParams, Codec, Rate, SampleFormat, VideoParams};
    use bytes::Bytes;

    fn header() -> Event {
        let video = VideoParams { rate: Rate::new(25, 1), ..VideoParams::new(16, 16) };
        let audio = AudioParams { rate: 8000, channels: 1, delay: Duration::ZERO };
        let tracks = [Track::video(Codec::H264, video), Track::audio(Codec::Pcm(SampleFormat::S16), audio)];
        Event::Header(Header { tracks: tracks.into(), time_zero: None })
    }

    fn packet(track: usize, millis: i64) -> Event {
        // 100 ms of audio.
        Event::Packet(Packet { track, pts: Timestamp(millis * 1000), key: true, data: Bytes::from_static(&[0; 1600]), hidden: false })
    }

    fn times(repeat: &mut Looper, pass: &[(usize, i64)]) -> Vec<i64> {
        let events: Vec<_> = pass.iter().filter_map(|&(track, t)| repeat.event(packet(track, t))).collect();
        events.into_iter().map(|e| if let Event::Packet(p) = e { p.pts.micros() / 1000 } else { panic!() }).collect()
    }

    #[test]
    fn each_pass_goes_on_where_the_last_one_ended() {
        // B-frames, a start that is not zero, and audio that ends after the picture.
        let pass = [(0, 1000), (0, 1120), (0, 1040), (0, 1080), (1, 1000), (1, 1100)];
        let mut repeat = Looper::default();
        assert!(repeat.event(header()).is_some());
        assert_eq!(times(&mut repeat, &pass), [1000, 1120, 1040, 1080, 1000, 1100]);
        assert!(repeat.rewind());
        assert_eq!(repeat.event(header()), None, "the same tracks again");
        assert_eq!(times(&mut repeat, &pass), [1200, 1320, 1240, 1280, 1200, 1300]);
        assert!(repeat.rewind());
        assert_eq!(times(&mut repeat, &pass[..1]), [1400]);
    }

    #[test]
    fn nothing_is_not_repeated() {
        let mut repeat = Looper::default();
        repeat.event(header());
        assert!(!repeat.rewind());
    }
}
