//! Sources of one track each as one stream of several tracks.

use crate::media::{Event, Header, Packet, Track};
use std::collections::VecDeque;
use std::time::Duration;

/// A source that has not said what it is holds up the others for so long, in their own time,
const MAX_HELD: Duration = Duration::from_secs(2);
/// and for so many bytes. What is older goes.
const MAX_HELD_BYTES: usize = 64 << 20;

/// Joins the events of several sources, whose times have a common zero ([`super::clock::StreamClock`]). Pure.
///
/// A stream has one header for all its tracks, so nothing goes out before all sources have said what they are: until then their packets
/// are held, as far as the bounds allow.
#[derive(Debug)]
pub struct TrackJoiner {
    tracks: Vec<Option<Track>>,
    begun: bool,
    /// What goes out next; before the stream has begun, the packets that are held.
    ready: VecDeque<Event>,
    held_bytes: usize,
    /// Sources whose packets cannot be decoded before their next keyframe.
    broken: Vec<bool>,
    dropped: u64,
}

impl TrackJoiner {
    /// Of so many sources.
    pub fn new(sources: usize) -> TrackJoiner {
        TrackJoiner {
            tracks: vec![None; sources],
            begun: false,
            ready: VecDeque::new(),
            held_bytes: 0,
            broken: vec![false; sources],
            dropped: 0,
        }
    }

    /// Takes an event of the source with this number.
    pub fn push(&mut self, source: usize, event: Event) {
        match event {
            Event::Header(header) => self.header(source, header),
            Event::Packet(packet) if self.begun => self.ready.push_back(Event::Packet(Packet { track: source, ..packet })),
            Event::Packet(packet) => self.hold(Packet { track: source, ..packet }),
            Event::TimeZero(_) if self.begun => self.ready.push_back(event),
            // The header that is still to come says it.
            Event::TimeZero(_) => {}
        }
    }

    /// What goes out next.
    pub fn pop(&mut self) -> Option<Event> {
        if self.begun { self.ready.pop_front() } else { None }
    }

    /// Packets that were held for too long so far, because another source had not said what it is.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn header(&mut self, source: usize, header: Header) {
        let Some(track) = self.tracks.get_mut(source) else { return };
        *track = header.tracks.first().cloned();
        if !self.begun {
            // What is held of the source was of another kind.
            self.drop_where(|packet| packet.track == source);
        }
        let Some(tracks) = self.tracks.iter().cloned().collect::<Option<Vec<Track>>>() else { return };
        let header = Event::Header(Header { tracks: tracks.into(), ..header });
        if self.begun {
            self.ready.push_back(header)
        } else {
            self.ready.push_front(header)
        }
        self.begun = true;
    }

    fn hold(&mut self, packet: Packet) {
        let Some(broken) = self.broken.get_mut(packet.track) else { return };
        *broken &= !packet.key;
        if *broken {
            self.dropped += 1;
            return;
        }
        self.held_bytes += packet.cost();
        self.ready.push_back(Event::Packet(packet));
        while self.is_full()
            && let Some(Event::Packet(oldest)) = self.ready.pop_front()
        {
            self.held_bytes -= oldest.cost();
            self.dropped += 1;
            self.drop_until_key(oldest.track);
        }
    }

    fn is_full(&self) -> bool {
        let time = |event: Option<&Event>| if let Some(Event::Packet(packet)) = event { Some(packet.pts) } else { None };
        let age = time(self.ready.back()).zip(time(self.ready.front())).map_or(Duration::ZERO, |(last, first)| last.since(first));
        self.ready.len() > 1 && (age > MAX_HELD || self.held_bytes > MAX_HELD_BYTES)
    }

    /// After a dropped packet, a track cannot be decoded up to its next keyframe.
    fn drop_until_key(&mut self, track: usize) {
        let next = self.ready.iter().find_map(|event| match event {
            Event::Packet(packet) if packet.track == track => Some(packet.key),
            _ => None,
        });
        if next == Some(true) {
            return;
        }
        let mut broken = true;
        self.drop_where(|packet| {
            broken &= !(packet.track == track && packet.key);
            broken && packet.track == track
        });
        self.broken[track] = broken;
    }

    fn drop_where(&mut self, mut of_no_use: impl FnMut(&Packet) -> bool) {
        let (bytes, dropped) = (&mut self.held_bytes, &mut self.dropped);
        self.ready.retain(|event| match event {
            Event::Packet(packet) if of_no_use(packet) => {
                *bytes -= packet.cost();
                *dropped += 1;
                false
            }
            _ => true,
        });
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
        at(track, 3, true, b"x")
    }

    fn at(track: usize, pts: i64, key: bool, data: &'static [u8]) -> Event {
        Event::Packet(Packet { track, pts: Timestamp(pts), key, data: Bytes::from_static(data), hidden: false })
    }

    fn video() -> Track {
        Track::video(Codec::Jpeg, VideoParams::new(2, 2))
    }

    fn audio(rate: u32) -> Track {
        Track::audio(Codec::Pcm(SampleFormat::S16), AudioParams { rate, channels: 2, delay: Duration::ZERO })
    }

    fn all(join: &mut TrackJoiner) -> Vec<Event> {
        std::iter::from_fn(|| join.pop()).collect()
    }

    #[test]
    fn a_stream_begins_when_all_are_known_with_all_that_came_before() {
        let both = |rate| Event::Header(Header { tracks: [video(), audio(rate)].into(), time_zero: Some(WallTime(7)) });
        let mut join = TrackJoiner::new(2);
        join.push(1, header(&audio(48_000)));
        join.push(1, packet(0));
        assert_eq!(all(&mut join), []);
        join.push(0, header(&video()));
        join.push(0, packet(0));
        join.push(1, packet(0));
        assert_eq!(all(&mut join), [both(48_000), packet(1), packet(0), packet(1)]);
        join.push(1, header(&audio(16_000)));
        assert_eq!(all(&mut join), [both(16_000)], "the microphone came back as another");
        join.push(2, packet(0));
        join.push(2, header(&video()));
        assert_eq!(join.dropped(), 0);
    }

    #[test]
    fn what_is_held_is_bounded_and_begins_with_a_keyframe() {
        let mut join = TrackJoiner::new(2);
        join.push(0, header(&video()));
        // A group of pictures of 0.4 s, in steps of 40 ms.
        (0..1000).for_each(|n| join.push(0, at(0, n * 40_000, n % 10 == 0, b"x")));
        assert!(join.dropped() >= 940, "{}", join.dropped());
        join.push(1, header(&audio(48_000)));
        let held = all(&mut join);
        let Event::Packet(first) = &held[1] else { panic!("{held:?}") };
        assert!(first.key && held.len() >= 40, "{} from {first:?}", held.len());
        assert_eq!(held.len() as u64 - 1 + join.dropped(), 1000);
    }

    #[test]
    fn what_is_held_is_bounded_in_bytes() {
        static PICTURE: [u8; 1 << 20] = [0; 1 << 20];
        let mut join = TrackJoiner::new(2);
        join.push(0, header(&video()));
        (0..1000).for_each(|n| join.push(0, at(0, n, true, &PICTURE)));
        assert!(join.held_bytes <= MAX_HELD_BYTES && join.dropped() > 930);
        (0..1_000_000).for_each(|n| join.push(0, at(0, 1000 + n, n == 0, b"")));
        assert!(join.held_bytes <= MAX_HELD_BYTES && join.ready.len() * crate::media::PACKET_COST <= MAX_HELD_BYTES);
    }
}
