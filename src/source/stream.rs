//! A stream of bytes as a source: a recording that is played in real time, or what a pipe brings. Its format is the business of the
//! program's reader ([`EventReader`]); the times are kept here.

use super::input::{EventReader, Input};
use super::kind::{Kind, Scheme, Setting};
use super::looper::Looper;
use super::pace::{Pace, Schedule};
use super::paced::Paced;
use super::{Captured, Count, Error, Limit, Options, Poll, Source};
use crate::media::{Event, Header, Malformed};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub static STDIN: Kind = Kind { scheme: Scheme::Word("-"), open: |_, options| open(Input::Stdin, options), ..PIPE };

/// A FIFO.
pub static PIPE: Kind =
    Kind { scheme: Scheme::Path, accepts: &[Setting::InputFormat, Setting::Arrival], several: false, is_live: |_| false, open: open_path };

/// A file that can be read again.
pub static RECORDING: Kind = Kind { accepts: &[Setting::InputFormat, Setting::Arrival, Setting::Again], ..PIPE };

fn open_path(addresses: &[String], options: &Options) -> Result<Box<dyn Source>, Error> {
    let path = addresses.first().map(PathBuf::from).unwrap_or_default();
    open(Input::File(path), options)
}

fn open(input: Input, options: &Options) -> Result<Box<dyn Source>, Error> {
    let reader = (options.open_input)(&input).map_err(Error::Other)?;
    let paced = options.pace.unwrap_or_else(|| input.is_regular());
    let pace = paced.then(|| Pace::recording(Arc::clone(&options.clock), Duration::ZERO));
    let paced = Paced::new(pace, Limit::new(options.duration));
    let (looper, schedule) = (Looper::default(), Schedule::default());
    let again = options.again;
    Ok(Box::new(Stream { input, reader, looper, again, paced, schedule, header: None, damage: 0, ended: false }))
}

struct Stream {
    input: Input,
    reader: Box<dyn EventReader>,
    looper: Looper,
    again: bool,
    paced: Paced,
    schedule: Schedule,
    /// It waits until all that was read before it has gone out.
    header: Option<Event>,
    damage: u64,
    ended: bool,
}

impl Source for Stream {
    fn poll(&mut self, _: Duration) -> Result<Poll, Error> {
        loop {
            if let Some(poll) = self.play() {
                return Ok(poll);
            }
            if self.ended {
                return Ok(Poll::End);
            }
            let event = self.reader.next().map_err(Error::Other)?;
            self.damage = self.damage.max(self.reader.damage());
            let Some(event) = event else {
                self.at_end()?;
                continue;
            };
            match self.looper.event(event) {
                Some(event) if self.paced.pace.is_none() => return Ok(Poll::Captured(Captured::by_time(event))),
                Some(header @ Event::Header(_)) => self.header = Some(header),
                Some(event) => self.schedule.push(event),
                None => {}
            }
        }
    }

    fn counts(&self) -> Vec<Count> {
        vec![Count::damaged(self.damage)]
    }

    fn input(&self) -> Option<(String, u64)> {
        Some((self.input.name(), self.reader.bytes()))
    }
}

impl Stream {
    /// What is due next, as far as that is known.
    fn play(&mut self) -> Option<Poll> {
        loop {
            if let Some(poll) = self.paced.give() {
                return Some(poll);
            }
            let pace = self.paced.pace.as_mut()?;
            match self.schedule.pop(self.ended || self.header.is_some()) {
                // The recording is live now: its time zero is when it would have begun.
                Some((due, Event::Header(header))) => {
                    let header = Event::Header(Header { time_zero: Some(pace.start(due)), ..header });
                    self.paced.hold(due, header);
                }
                Some((due, event)) => self.paced.hold(due, event),
                None => self.schedule.push(self.header.take()?),
            }
        }
    }

    fn at_end(&mut self) -> Result<(), Error> {
        if self.again && self.looper.rewind() {
            return self.reader.restart().map_err(Error::Other);
        }
        if self.reader.bytes() == 0 && self.input.is_regular() {
            return Err(Error::malformed(self.input.name(), Malformed::new("input", "the file is empty")));
        }
        self.ended = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Clock, Codec, ManualClock, Packet, Timestamp, Track, VideoParams};
    use crate::source::input::{BoxError, OpenInput};
    use bytes::Bytes;
    use std::collections::VecDeque;

    const FRAME: i64 = 40_000;

    /// Two pictures in each pass.
    #[derive(Default)]
    struct Film(VecDeque<Event>);

    impl EventReader for Film {
        fn next(&mut self) -> Result<Option<Event>, BoxError> {
            Ok(self.0.pop_front())
        }

        fn restart(&mut self) -> Result<(), BoxError> {
            let video = VideoParams { rate: crate::media::Rate::new(25, 1), ..VideoParams::new(2, 2) };
            let tracks = [Track::video(Codec::Jpeg, video)].into();
            self.0.push_back(Event::Header(Header { tracks, time_zero: None }));
            let packet = |pts| Event::Packet(Packet { track: 0, pts, key: true, data: Bytes::new(), hidden: false });
            self.0.extend([0, FRAME].map(Timestamp).map(packet));
            Ok(())
        }

        fn bytes(&self) -> u64 {
            1
        }

        fn damage(&self) -> u64 {
            0
        }

        fn has_times(&self) -> bool {
            true
        }
    }

    /// What goes out, and when by the clock, in milliseconds.
    fn played(configure: impl Fn(&mut Options)) -> Vec<(u128, String)> {
        let clock = Arc::new(ManualClock::default());
        let film: OpenInput = Arc::new(|_| {
            let mut film = Film::default();
            film.restart()?;
            Ok(Box::new(film))
        });
        let mut options = Options::new(clock.clone(), film);
        configure(&mut options);
        let mut source = open(Input::File("/nowhere".into()), &options).unwrap();
        let mut events = Vec::new();
        while let Poll::Captured(Captured { event, .. }) = source.poll(Duration::ZERO).unwrap() {
            let text = match event {
                Event::Header(_) => "header".to_owned(),
                Event::Packet(packet) => packet.pts.micros().to_string(),
                Event::TimeZero(_) => "zero".to_owned(),
            };
            events.push((clock.now().as_millis(), text));
            assert!(events.len() < 20);
        }
        events
    }

    #[test]
    fn a_recording_plays_in_real_time_and_again_until_its_duration_is_over() {
        let again = |options: &mut Options| {
            options.pace = Some(true);
            options.again = true;
            options.duration = Some(Duration::from_millis(120));
        };
        let expected = [(0, "header"), (0, "0"), (40, "40000"), (80, "80000")].map(|(at, text)| (at, text.to_owned()));
        assert_eq!(played(again), expected);
    }

    #[test]
    fn a_stream_from_a_pipe_goes_on_as_it_comes() {
        assert_eq!(played(|_| {}), [(0, "header"), (0, "0"), (0, "40000")].map(|(at, text)| (at, text.to_owned())));
    }
}
