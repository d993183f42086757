//! Sources of one track each as one stream of several tracks.

use crate::media::{Event, Header, Packet, Track};

/// Joins the events of several sources, whose times have a common zero ([`super::origin::Origin`]). Pure.
#[derive(Debug)]
pub struct Join {
    tracks: Vec<Option<Track>>,
    begun: bool,
}

impl Join {
    /// Of so many sources.
    pub fn new(sources: usize) -> Join {
        Join { tracks: vec![None; sources], begun: false }
    }

    /// What an event of the source with this number means for the stream. Nothing goes out before all sources have said what they are.
    pub fn event(&mut self, source: usize, event: Event) -> Option<Event> {
        match event {
            Event::Header(header) => {
                *self.tracks.get_mut(source)? = header.tracks.first().cloned();
                let tracks = self.tracks.iter().cloned().collect::<Option<Vec<Track>>>()?;
                self.begun = true;
                Some(Event::Header(Header { tracks: tracks.into(), ..header }))
            }
            Event::Packet(packet) => self.begun.then_some(Event::Packet(Packet { track: source, ..packet })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AudioParams, Codec, SampleFormat, Timestamp, VideoParams, WallTime};
    use bytes::Bytes;
    use std::time::Duration;

    fn header(track: &Track) -> Event {
        Event::Header(Header { tracks: [track.clone()].into(), time_zero: Some(WallTime(7)) })
    }

    fn packet(track: usize) -> Event {
        Event::Packet(Packet { track, pts: Timestamp(3), key: true, data: Bytes::from_static(b"x") })
    }

    #[test]
    fn a_stream_begins_when_all_are_known() {
        let video = Track::video(Codec::Jpeg, VideoParams::new(2, 2));
        let audio = Track::audio(Codec::Pcm(SampleFormat::S16), AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO });
        let mut join = Join::new(2);
        assert_eq!(join.event(1, header(&audio)), None);
        assert_eq!(join.event(1, packet(0)), None);
        let both = Event::Header(Header { tracks: [video.clone(), audio.clone()].into(), time_zero: Some(WallTime(7)) });
        assert_eq!(join.event(0, header(&video)), Some(both));
        assert_eq!([join.event(0, packet(0)), join.event(1, packet(0))], [Some(packet(0)), Some(packet(1))]);
        let mono = Track::audio(Codec::Pcm(SampleFormat::S16), AudioParams { rate: 16_000, channels: 1, delay: Duration::ZERO });
        let changed = Event::Header(Header { tracks: [video, mono.clone()].into(), time_zero: Some(WallTime(7)) });
        assert_eq!(join.event(1, header(&mono)), Some(changed), "the microphone came back as another");
        assert_eq!(join.event(2, packet(0)), Some(packet(2)));
        assert_eq!(join.event(2, header(&mono)), None);
    }
}
