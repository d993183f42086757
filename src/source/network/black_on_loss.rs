//! Black pictures while a source over a network is away, for [`OnLoss::Black`].
//!
//! ```text
//!   source ── header, packets ─────────────┬─> the same
//!          └─ away: a time for a picture ──┘   black pictures, after a header of their own where they are another track
//! ```

use crate::media::{Event, Header, Kind, Packet, Timestamp};
use crate::source::black::{self, BlackPictures, EncodePictures};
use crate::source::{Captured, Controls, Count, Error, OnLoss, Options, Poll, Source};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A source that may be away.
pub trait Intermittent: Source {
    /// The stream time of now, if the source is away and its packets so far are before it: for a picture in place of those that are missing. What the source
    /// gives later is after it.
    fn stand_in(&mut self) -> Option<Timestamp>;

    /// Of the source, as it is printed.
    fn name(&self) -> &str;
}

/// The source, with black pictures where they are asked for.
pub fn with_black(source: impl Intermittent + 'static, options: &Options) -> Box<dyn Source> {
    if options.on_loss != OnLoss::Black {
        return Box::new(source);
    }
    Box::new(BlackOnLoss::new(source, options.encode_pictures.clone()))
}

struct BlackOnLoss<S> {
    source: S,
    encode: Option<EncodePictures>,
    /// The last of the source, with the time zero of now.
    header: Option<Header>,
    /// In place of its video, and the number of its track.
    black: Option<(usize, BlackPictures)>,
    rate: RateMeter,
    /// A header of the black pictures is the last one that went out.
    is_black: bool,
    /// When the next black picture is.
    due: Instant,
    ready: VecDeque<Captured>,
}

/// How far apart pictures are.
#[derive(Default)]
struct RateMeter {
    first: Option<Timestamp>,
    latest: Option<Timestamp>,
    pictures: u32,
}

impl RateMeter {
    fn seen(&mut self, pts: Timestamp) {
        self.first.get_or_insert(pts);
        self.latest = self.latest.max(Some(pts));
        self.pictures = self.pictures.saturating_add(1);
    }

    fn interval(&self) -> Option<Duration> {
        let time = self.latest?.since(self.first?);
        (self.pictures > 1).then(|| time / (self.pictures - 1))
    }
}

impl<S: Intermittent> BlackOnLoss<S> {
    fn new(source: S, encode: Option<EncodePictures>) -> BlackOnLoss<S> {
        let (rate, due, ready) = (RateMeter::default(), Instant::now(), VecDeque::new());
        BlackOnLoss { source, encode, header: None, black: None, rate, is_black: false, due, ready }
    }

    fn pass(&mut self, captured: Captured) {
        match &captured.event {
            Event::Header(header) => self.header(header.clone()),
            Event::TimeZero(zero) => {
                if let Some(header) = &mut self.header {
                    header.time_zero = Some(*zero);
                }
            }
            Event::Packet(packet) => {
                if self.black.as_ref().is_some_and(|(track, _)| *track == packet.track) {
                    self.rate.seen(packet.pts);
                }
                if std::mem::take(&mut self.is_black) {
                    self.ready.extend(self.header.clone().map(|header| Captured::always(Event::Header(header))));
                }
            }
        }
        self.ready.push_back(captured);
    }

    fn header(&mut self, header: Header) {
        self.is_black = false;
        self.rate = RateMeter::default();
        let video = header.tracks.iter().position(|track| track.kind() == Kind::Video);
        let black = match video {
            Some(number) => BlackPictures::like(&header.tracks[number], self.encode.as_ref()).map(|black| (number, black)),
            None => Err("it has no video".into()),
        };
        self.black = black.inspect_err(|why| tracing::warn!("{}: no black pictures while it is away: {why}", self.source.name())).ok();
        self.header = Some(header);
    }

    /// Puts a black picture there, if one is due.
    fn black(&mut self) {
        let now = Instant::now();
        let Some(((number, pictures), header)) = self.black.as_mut().zip(self.header.as_ref()).filter(|_| now >= self.due) else { return };
        let Some(pts) = self.source.stand_in() else { return };
        let interval = header.tracks[*number].frame_duration.or_else(|| self.rate.interval());
        self.due = now + black::interval(interval);
        let track = if pictures.track().is_some() { 0 } else { *number };
        if let Some(track) = pictures.track().filter(|_| !self.is_black) {
            let header = Header { tracks: [track.clone()].into(), time_zero: header.time_zero };
            self.ready.push_back(Captured::always(Event::Header(header)));
            self.is_black = true;
        }
        let packet = Packet { track, pts, key: true, data: pictures.picture(), hidden: false };
        self.ready.push_back(Captured::by_time(Event::Packet(packet)));
    }
}

impl<S: Intermittent> Source for BlackOnLoss<S> {
    fn poll(&mut self, wait: Duration) -> Result<Poll, Error> {
        let end = Instant::now() + wait;
        loop {
            self.black();
            if let Some(captured) = self.ready.pop_front() {
                return Ok(Poll::Captured(captured));
            }
            let now = Instant::now();
            let until = if self.due > now { end.min(self.due) } else { end };
            match self.source.poll(until.saturating_duration_since(now))? {
                Poll::Captured(captured) => self.pass(captured),
                Poll::Nothing if Instant::now() >= end => return Ok(Poll::Nothing),
                Poll::Nothing => {}
                Poll::End => return Ok(Poll::End),
            }
        }
    }

    fn pending(&mut self) -> Option<Captured> {
        if self.ready.is_empty()
            && let Some(captured) = self.source.pending()
        {
            self.pass(captured);
        }
        self.ready.pop_front()
    }

    fn counts(&self) -> Vec<Count> {
        self.source.counts()
    }

    fn frame_duration(&self) -> Option<Duration> {
        self.source.frame_duration()
    }

    fn controls(&self) -> Option<Arc<dyn Controls>> {
        self.source.controls()
    }

    fn input(&self) -> Option<(String, u64)> {
        self.source.input()
    }

    fn summary(&self, dropped: u64) -> Vec<String> {
        self.source.summary(dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Codec, PixelFormat, Track, VideoParams, WallTime};
    use bytes::Bytes;

    /// Gives these events, and is away where there is none.
    struct Script {
        events: VecDeque<Option<Event>>,
        time: i64,
    }

    impl Source for Script {
        fn poll(&mut self, wait: Duration) -> Result<Poll, Error> {
            match self.events.pop_front() {
                Some(Some(event)) => Ok(Poll::Captured(Captured::by_time(event))),
                Some(None) => {
                    self.events.push_front(None);
                    std::thread::sleep(wait);
                    Ok(Poll::Nothing)
                }
                None => Ok(Poll::End),
            }
        }
    }

    impl Intermittent for Script {
        fn stand_in(&mut self) -> Option<Timestamp> {
            let is_away = matches!(self.events.front(), Some(None));
            self.time += 1;
            is_away.then_some(Timestamp(self.time))
        }

        fn name(&self) -> &'static str {
            "script"
        }
    }

    fn header(codec: Codec) -> Event {
        let audio = Track::audio(Codec::Opus, crate::media::AudioParams { rate: 48_000, channels: 2, delay: Duration::ZERO });
        Event::Header(Header { tracks: [audio, Track::video(codec, VideoParams::new(16, 16))].into(), time_zero: Some(WallTime(7)) })
    }

    fn packet(track: usize, pts: i64) -> Event {
        Event::Packet(Packet { track, pts: Timestamp(pts), key: true, data: Bytes::from_static(b"camera"), hidden: false })
    }

    /// Each event: the codecs of a header; track and data of a packet.
    fn play(codec: Codec) -> Vec<String> {
        let encode: EncodePictures = Arc::new(|codec, mut events| {
            if let Event::Header(header) = &mut events[0] {
                header.tracks = [Track::video(codec, VideoParams::new(16, 16))].into();
            }
            Ok(events)
        });
        let events =
            [Some(header(codec)), Some(packet(1, 0)), Some(packet(0, 5)), None, Some(Event::TimeZero(WallTime(8))), Some(packet(1, 100))];
        let source = Script { events: events.into(), time: 10 };
        let mut source = BlackOnLoss::new(source, Some(encode));
        let mut seen = Vec::new();
        let mut black = 0;
        loop {
            match source.poll(Duration::from_millis(100)).unwrap() {
                Poll::Captured(Captured { event: Event::Header(header), .. }) => {
                    let codecs: Vec<_> = header.tracks.iter().map(|track| track.codec.to_string()).collect();
                    seen.push(format!("{} {}", codecs.join("+"), header.time_zero.unwrap().0));
                }
                Poll::Captured(Captured { event: Event::Packet(packet), .. }) => {
                    let is_black = packet.data != b"camera"[..];
                    seen.push(format!("{}{}", packet.track, if is_black { " black" } else { "" }));
                    black += usize::from(is_black);
                    if black == 2 {
                        black = 0;
                        source.source.events.pop_front();
                    }
                }
                Poll::Captured(_) => seen.push("zero".into()),
                Poll::Nothing => {}
                Poll::End => return seen,
            }
        }
    }

    #[test]
    fn another_codec_gets_a_header_and_so_does_the_camera_when_it_is_back() {
        let h265 = play(Codec::H265);
        assert_eq!(h265, ["Opus+H.265 7", "1", "0", "H.264 7", "0 black", "0 black", "zero", "Opus+H.265 8", "1"]);
        assert_eq!(play(Codec::H264).iter().filter(|line| line.contains(' ')).count(), 5, "the parameter sets are others");
    }

    #[test]
    fn jpeg_and_raw_pictures_stay_in_their_track() {
        for codec in [Codec::Jpeg, Codec::Raw(PixelFormat::Gray)] {
            assert_eq!(play(codec)[1..], ["1", "0", "1 black", "1 black", "zero", "1"], "{codec}");
        }
    }

    #[test]
    fn the_rate_is_measured() {
        let mut rate = RateMeter::default();
        assert_eq!(rate.interval(), None);
        for pts in [0, 120_000, 40_000, 80_000, 160_000] {
            rate.seen(Timestamp(pts));
        }
        assert_eq!(rate.interval(), Some(Duration::from_millis(40)));
    }
}
