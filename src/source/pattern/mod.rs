//! The test source: a moving picture with its machine-readable clock, and a tone with a beep each second.
//!
//! It is pure: it makes events in the order of their times, as fast as it is asked; `source::pace` makes it live. Frame `n` has the
//! time of `n` frames exactly, and shows the wall-clock time of its capture: time zero plus its own time.

mod canvas;
mod font;
mod picture;
mod source;
mod stamp;
mod tone;

pub(super) use source::KIND;

use crate::media::{AudioParams, Codec, Event, Header, Packet, PixelFormat, Rate, SampleFormat, Timestamp, Track, VideoParams, WallTime};
use picture::{Moment, Picture};
use std::time::Duration;
use tone::Tone;

/// The largest width and height, in pixels.
pub const MAX_SIDE: u32 = 8192;

/// What the test source shows.
#[derive(Clone, Debug)]
pub struct Options {
    /// 1 to [`MAX_SIDE`] pixels.
    pub width: u32,
    /// 1 to [`MAX_SIDE`] pixels.
    pub height: u32,
    /// Frames a second.
    pub rate: Rate,
    /// Of the pictures.
    pub format: PixelFormat,
    /// Whether there is a track of audio.
    pub audio: bool,
    /// Stream time at which it ends.
    pub duration: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        let rate = Rate::new(30, 1).expect("30 is a sane rate");
        Options { width: 1280, height: 720, rate, format: PixelFormat::I420, audio: true, duration: None }
    }
}

/// The test source.
pub struct Pattern {
    options: Options,
    time_zero: WallTime,
    started: bool,
    picture: Picture,
    /// Number of the next frame.
    frame: u64,
    tone: Option<Tone>,
    /// Number of the next packet of audio.
    packet: u64,
}

const VIDEO: usize = 0;
const AUDIO: usize = 1;

impl Pattern {
    /// `time_zero` is the wall-clock time of stream time zero.
    pub fn new(mut options: Options, time_zero: WallTime) -> Pattern {
        options.width = options.width.clamp(1, MAX_SIDE);
        options.height = options.height.clamp(1, MAX_SIDE);
        let picture = Picture::new(options.format, options.width, options.height, options.rate);
        let tone = options.audio.then(Tone::new);
        Pattern { options, time_zero, started: false, picture, frame: 0, tone, packet: 0 }
    }

    /// Leaves out what lies before `t`, as a camera does while no program reads from it.
    pub fn skip_to(&mut self, t: Timestamp) {
        let micros = u128::try_from(t.micros()).unwrap_or(0);
        let rate = self.options.rate;
        let frames = (micros * u128::from(rate.num())).div_ceil(u128::from(rate.den()) * 1_000_000);
        let packets = (micros * u128::from(tone::RATE)).div_ceil(u128::from(tone::PACKET) * 1_000_000);
        self.frame = self.frame.max(u64::try_from(frames).unwrap_or(u64::MAX));
        self.packet = self.packet.max(u64::try_from(packets).unwrap_or(u64::MAX));
    }

    fn header(&self) -> Header {
        let Options { width, height, rate, format, .. } = self.options;
        let video = VideoParams { rate: Some(rate), colour: canvas::colour(format), ..VideoParams::new(width, height) };
        let audio = AudioParams { rate: tone::RATE, channels: tone::CHANNELS, delay: Duration::ZERO };
        let audio = self.tone.as_ref().map(|_| Track {
            frame_duration: Some(Duration::from_secs(1) * tone::PACKET / tone::RATE),
            ..Track::audio(Codec::Pcm(SampleFormat::S16), audio)
        });
        let tracks = std::iter::once(Track::video(Codec::Raw(format), video)).chain(audio).collect();
        Header { tracks, time_zero: Some(self.time_zero) }
    }

    /// The wall clock was set: pictures that are drawn from now on show that.
    pub fn set_time_zero(&mut self, zero: WallTime) {
        self.time_zero = zero;
    }

    fn picture(&mut self) -> Packet {
        let pts = self.options.rate.time_of(self.frame);
        let data = self.picture.draw(Moment { number: self.frame, pts, wall: self.time_zero.at(pts) });
        self.frame += 1;
        Packet { track: VIDEO, pts, key: true, data, hidden: false }
    }
}

impl Iterator for Pattern {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        if !self.started {
            self.started = true;
            return Some(Event::Header(self.header()));
        }
        let (picture, audio) = (self.options.rate.time_of(self.frame), tone::time_of(self.packet));
        let end = self.options.duration.map_or(i64::MAX, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX));
        match &self.tone {
            Some(tone) if audio < picture && audio.micros() < end => {
                let (pts, data) = tone.packet(self.packet);
                self.packet += 1;
                Some(Event::Packet(Packet { track: AUDIO, pts, key: true, data, hidden: false }))
            }
            _ if picture.micros() < end => Some(Event::Packet(self.picture())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME_ZERO: WallTime = WallTime(1_700_000_000_123_456);

    fn packets(options: Options) -> Vec<Packet> {
        let events = Pattern::new(options, TIME_ZERO).skip(1);
        events.map(|e| if let Event::Packet(p) = e { p } else { panic!("one header only") }).collect()
    }

    fn small(rate: &str, seconds: u64) -> Options {
        Options { width: 160, height: 90, rate: rate.parse().unwrap(), duration: Some(Duration::from_secs(seconds)), ..Options::default() }
    }

    #[test]
    fn times_are_exact_and_tracks_interleaved() {
        let all = packets(small("30000/1001", 2));
        assert!(all.windows(2).all(|w| w[0].pts <= w[1].pts));
        let video: Vec<i64> = all.iter().filter(|p| p.track == VIDEO).map(|p| p.pts.micros()).collect();
        assert_eq!(video, (0..60).map(|n| n * 1_001_000_000 / 30_000).collect::<Vec<i64>>());
        assert_eq!(all.iter().filter(|p| p.track == AUDIO).count(), 200);
        assert_eq!(all.last().unwrap().track, AUDIO);
    }

    #[test]
    fn each_frame_shows_its_own_capture_time() {
        for p in packets(small("25", 2)).iter().filter(|p| p.track == VIDEO) {
            let stamp = stamp::Stamp::read(&p.data, 160, 90).expect("readable");
            assert_eq!(stamp.time, (TIME_ZERO.at(p.pts).0 / 1000) as u32);
            assert_eq!(i64::from(stamp.number) * 40_000, p.pts.micros());
        }
    }

    #[test]
    fn skipping_leaves_times_exact() {
        let mut pattern = Pattern::new(Options { duration: None, ..small("30", 1) }, TIME_ZERO);
        pattern.next();
        pattern.skip_to(Timestamp(10_000_001));
        let times: Vec<_> = pattern.take(3).map(|e| if let Event::Packet(p) = e { (p.track, p.pts.micros()) } else { panic!() }).collect();
        assert_eq!(times, [(AUDIO, 10_010_000), (AUDIO, 10_020_000), (AUDIO, 10_030_000)]);
    }

    #[test]
    fn every_size_and_format_can_be_drawn() {
        for (width, height) in [(1, 1), (2, 2), (35, 7), (36, 16), (37, 200), (999, 5), (5, 999), (0, 0)] {
            for format in PixelFormat::ALL {
                let options = Options { width, height, format, ..small("1", 1) };
                let frame = packets(options).into_iter().find(|p| p.track == VIDEO).unwrap();
                assert_eq!(frame.data.len(), format.picture_size(width.max(1), height.max(1)));
            }
        }
    }

    #[test]
    fn the_luma_is_the_same_in_every_planar_format() {
        let frame = |format| packets(Options { format, audio: false, ..small("1", 1) }).remove(0).data;
        let luma = frame(PixelFormat::Gray);
        for format in [PixelFormat::I420, PixelFormat::Nv12, PixelFormat::I422, PixelFormat::I444] {
            assert_eq!(frame(format)[..luma.len()], luma);
        }
        let yuy2 = frame(PixelFormat::Yuy2);
        assert!(yuy2.iter().step_by(2).eq(luma.iter()));
    }

    #[test]
    fn the_picture_flashes_with_the_beep() {
        let brightness = |p: &Packet| p.data[..160 * 90].iter().map(|&l| u64::from(l)).sum::<u64>();
        let video: Vec<_> = packets(Options { audio: false, ..small("30", 2) }).iter().map(brightness).collect();
        let (bright, dark) = (video[30].min(video[32]), video[29].max(video[33]));
        assert!(bright > dark + 50_000, "{bright} {dark}");
    }
}
