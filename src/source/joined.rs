//! Several sources of one track each as one source: a camera with its microphone.

use super::join::TrackJoiner;
use super::{Captured, Controls, Count, Error, Poll, Source};
use crate::media::Event;
use std::sync::Arc;
use std::time::Duration;

/// The first source is waited for; between two looks at the others passes no more time than this.
const TURN: Duration = Duration::from_millis(5);
/// The track whose times count for the duration: that of the first source.
const FIRST: usize = 0;

/// Sources whose times have one [`StreamClock`](super::clock::StreamClock).
pub struct Joined {
    first: Box<dyn Source>,
    others: Vec<Box<dyn Source>>,
    joiner: TrackJoiner,
    ended: bool,
}

impl Joined {
    pub fn new(first: Box<dyn Source>, others: Vec<Box<dyn Source>>) -> Joined {
        let joiner = TrackJoiner::new(1 + others.len());
        Joined { first, others, joiner, ended: false }
    }

    /// Takes what there is, and waits for the first source.
    fn take(&mut self, wait: Duration) -> Result<(), Error> {
        let dropped = self.joiner.dropped();
        let turn = if self.others.is_empty() { wait } else { wait.min(TURN) };
        match self.first.poll(turn)? {
            Poll::Captured(captured) => self.joiner.push(FIRST, captured.event),
            Poll::Nothing => {}
            Poll::End => self.ended = true,
        }
        for (number, source) in self.others.iter_mut().enumerate() {
            while let Poll::Captured(captured) = source.poll(Duration::ZERO)? {
                self.joiner.push(FIRST + 1 + number, captured.event);
            }
        }
        if dropped == 0 && self.joiner.dropped() > 0 {
            tracing::warn!("nothing goes out before the microphone says what it gives; what is more than 2 s old is left out");
        }
        Ok(())
    }
}

impl Source for Joined {
    fn poll(&mut self, wait: Duration) -> Result<Poll, Error> {
        if let Some(captured) = self.pending() {
            return Ok(Poll::Captured(captured));
        }
        if self.ended {
            return Ok(Poll::End);
        }
        self.take(wait)?;
        Ok(self.pending().map_or(Poll::Nothing, Poll::Captured))
    }

    fn pending(&mut self) -> Option<Captured> {
        self.joiner.pop().map(|event| match event {
            Event::Packet(packet) if packet.track != FIRST => Captured::always(Event::Packet(packet)),
            event => Captured::by_time(event),
        })
    }

    fn counts(&self) -> Vec<Count> {
        let help = "Packets left out because the other device had not begun.";
        let unjoined = Count { name: "unjoined_packets_total", help, total: self.joiner.dropped() };
        let others = self.others.iter().flat_map(|source| source.counts());
        self.first.counts().into_iter().chain([unjoined]).chain(others).collect()
    }

    fn frame_duration(&self) -> Option<Duration> {
        self.first.frame_duration()
    }

    fn controls(&self) -> Option<Arc<dyn Controls>> {
        self.first.controls()
    }

    fn summary(&self, dropped: u64) -> Vec<String> {
        let others = self.others.iter().flat_map(|source| source.summary(dropped));
        self.first.summary(dropped).into_iter().chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{AudioParams, Codec, Header, Packet, SampleFormat, Timestamp, Track, VideoParams};
    use bytes::Bytes;
    use std::collections::VecDeque;

    /// Gives these events, and then nothing.
    struct Script(VecDeque<Event>);

    impl Source for Script {
        fn poll(&mut self, _: Duration) -> Result<Poll, Error> {
            Ok(self.0.pop_front().map_or(Poll::Nothing, |event| Poll::Captured(Captured::by_time(event))))
        }

        fn counts(&self) -> Vec<Count> {
            vec![Count { name: "left_total", help: "", total: self.0.len() as u64 }]
        }
    }

    fn script(track: Track, times: &[i64]) -> Box<dyn Source> {
        let header = Event::Header(Header { tracks: [track].into(), time_zero: None });
        let packet = |t: &i64| Event::Packet(Packet { track: 0, pts: Timestamp(*t), key: true, data: Bytes::new(), hidden: false });
        Box::new(Script(std::iter::once(header).chain(times.iter().map(packet)).collect()))
    }

    #[test]
    fn two_sources_are_one_and_only_the_first_has_a_duration() {
        let video = script(Track::video(Codec::Jpeg, VideoParams::new(2, 2)), &[0, 40]);
        let audio = AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO };
        let audio = script(Track::audio(Codec::Pcm(SampleFormat::S16), audio), &[1, 11]);
        let mut joined = Joined::new(video, vec![audio]);
        let mut given = Vec::new();
        for _ in 0..10 {
            if let Poll::Captured(Captured { event, due }) = joined.poll(Duration::ZERO).unwrap() {
                given.push(match event {
                    Event::Header(header) => format!("{} tracks", header.tracks.len()),
                    Event::Packet(packet) => format!("{} at {}, due {}", packet.track, packet.pts.micros(), due.is_some()),
                    Event::TimeZero(_) => "zero".into(),
                });
            }
        }
        let expected = ["2 tracks", "1 at 1, due false", "1 at 11, due false", "0 at 0, due true", "0 at 40, due true"];
        assert_eq!(given, expected);
        let names: Vec<_> = joined.counts().iter().map(|count| (count.name, count.total)).collect();
        assert_eq!(names, [("left_total", 0), ("unjoined_packets_total", 0), ("left_total", 0)]);
    }
}
