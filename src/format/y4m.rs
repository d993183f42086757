//! YUV4MPEG2 (yuv4mpeg(5) of the mjpegtools): raw pictures, each after a line `FRAME`.

use super::simple::{Progress, SimpleDemuxer};
use super::timing::{FrameTimes, Timing};
use super::{MAX_PICTURE, Step};
use crate::media::{Codec, Colour, Event, Header, Malformed, Packet, PixelFormat, Rate, SampleAspect, Timestamp, Track, VideoParams};
use bytes::{Bytes, BytesMut};

const FORMAT: &str = "YUV4MPEG2";
const STREAM: &[u8] = b"YUV4MPEG2";
const FRAME: &[u8] = b"FRAME";

/// Longer lines are none: real ones take 60 bytes.
const MAX_LINE: usize = 1024;

/// [`super::Demuxer`] of YUV4MPEG2. A second stream header is a new [`Header`].
pub struct Demuxer {
    at: u64,
    timing: Timing,
    state: State,
    damage: u64,
}

enum State {
    Start,
    /// At the line before a picture.
    FrameHead(Pictures),
    /// At the bytes of a picture.
    Picture(Pictures),
}

#[derive(Clone)]
struct Pictures {
    /// Bytes of each.
    len: usize,
    times: FrameTimes,
    count: u64,
}

impl Demuxer {
    /// At the start of a stream.
    pub fn new(timing: Timing) -> Demuxer {
        Demuxer { at: 0, timing, state: State::Start, damage: 0 }
    }

    fn line(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        let bad = |what: String| Err(Malformed::new(FORMAT, what).at(self.at));
        let begins = |word: &[u8]| buf.iter().zip(word).all(|(a, b)| a == b);
        let neither = "neither YUV4MPEG2 nor FRAME";
        if !begins(STREAM) && !begins(FRAME) {
            return bad(neither.into());
        }
        let Some(end) = buf.iter().take(MAX_LINE).position(|&b| b == b'\n') else {
            return if buf.len() < MAX_LINE { Ok(Progress::Need(buf.len() + 1)) } else { bad(neither.into()) };
        };
        let mut words = buf[..end].split(|&b| b == b' ');
        match (words.next(), &self.state) {
            (Some(FRAME), State::FrameHead(pictures)) => {
                self.state = State::Picture(pictures.clone());
                self.take(buf, end + 1);
                Ok(Progress::Go)
            }
            (Some(STREAM), _) => match stream(words) {
                Ok((format, video)) => {
                    let event = self.start(format, video);
                    self.take(buf, end + 1);
                    Ok(Progress::Give(event))
                }
                Err(what) => bad(what),
            },
            _ => bad(format!("{neither}, but {:?}", String::from_utf8_lossy(&buf[..end.min(16)]))),
        }
    }

    fn start(&mut self, format: PixelFormat, video: VideoParams) -> Event {
        let times = FrameTimes::new(self.timing, video.rate);
        self.state = State::FrameHead(Pictures { len: format.picture_size(video.width, video.height), times, count: 0 });
        let rate = FrameTimes::nominal(self.timing, video.rate);
        let track = Track::video(Codec::Raw(format), VideoParams { rate, ..video });
        Event::Header(Header { tracks: [track].into(), time_zero: None })
    }

    fn take(&mut self, buf: &mut BytesMut, n: usize) -> Bytes {
        self.at += n as u64;
        buf.split_to(n).freeze()
    }
}

impl SimpleDemuxer for Demuxer {
    fn advance(&mut self, buf: &mut BytesMut, _eof: bool, now: Timestamp) -> Result<Progress, Malformed> {
        let State::Picture(pictures) = &mut self.state else { return self.line(buf) };
        if buf.len() < pictures.len {
            return Ok(Progress::Need(pictures.len));
        }
        let pts = pictures.times.time(pictures.count, now);
        pictures.count += 1;
        let pictures = pictures.clone();
        let data = self.take(buf, pictures.len);
        self.state = State::FrameHead(pictures);
        Ok(Progress::Give(Event::Packet(Packet { track: 0, pts, key: true, data, hidden: false })))
    }

    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        if matches!(self.state, State::Start) {
            return Err(Malformed::new(FORMAT, "ends in its header").at(self.at + buf.len() as u64));
        }
        self.damage += u64::from(!buf.is_empty() || matches!(self.state, State::Picture(_)));
        buf.clear();
        Ok(Step::End)
    }

    fn damage(&self) -> u64 {
        self.damage
    }
}

/// The parameters after `YUV4MPEG2`; `Err` says what is wrong.
fn stream<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<(PixelFormat, VideoParams), String> {
    let (mut width, mut height, mut rate, mut format) = (0, 0, None, PixelFormat::I420);
    let mut sample_aspect = SampleAspect::SQUARE;
    // Encoders for Y'CbCr mean this where they say nothing.
    let mut colour = Colour { full_range: Some(false), ..Colour::default() };
    for word in words.filter_map(|word| std::str::from_utf8(word).ok()) {
        let mut chars = word.chars();
        match (chars.next(), chars.as_str()) {
            (Some('W'), n) => width = n.parse().unwrap_or(0),
            (Some('H'), n) => height = n.parse().unwrap_or(0),
            (Some('A'), ratio) => {
                let sides = ratio.split_once(':').and_then(|(n, d)| Some((n.parse().ok()?, d.parse().ok()?)));
                sample_aspect = sides.and_then(|(num, den)| SampleAspect::new(num, den)).unwrap_or_default();
            }
            (Some('F'), ratio) => rate = ratio.split_once(':').and_then(|(n, d)| Rate::new(n.parse().ok()?, d.parse().ok()?)),
            (Some('C'), name) => {
                format = pixel_format(name).ok_or_else(|| format!("colour space {name} is not read; use 420, 422, 444 or mono"))?
            }
            (Some('X'), "COLORRANGE=FULL") => colour.full_range = Some(true),
            _ => {}
        }
    }
    if !(1..=16384).contains(&width) || !(1..=16384).contains(&height) || format.picture_size(width, height) > MAX_PICTURE {
        return Err(format!("pictures of {width}x{height}"));
    }
    Ok((format, VideoParams { rate, colour, sample_aspect, ..VideoParams::new(width, height) }))
}

/// Eight bits only; the sitings of chroma are taken for one.
fn pixel_format(name: &str) -> Option<PixelFormat> {
    match name {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Some(PixelFormat::I420),
        "422" => Some(PixelFormat::I422),
        "444" => Some(PixelFormat::I444),
        "mono" => Some(PixelFormat::Gray),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing::{events, events_at_every_split};

    fn packet(micros: i64, data: &'static [u8]) -> Event {
        Event::Packet(Packet { track: 0, pts: Timestamp(micros), key: true, data: Bytes::from_static(data), hidden: false })
    }

    #[test]
    fn pictures_at_every_split() {
        let input = b"YUV4MPEG2 W2 H2 F30000:1001 Ip A10:7 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=FULL\nFRAME\nabcdefFRAME Ip\nFRAME\nYUV4MPEG2 W1 H1 Cmono\nFRAME\nx";
        let (all, damage) = events_at_every_split(|| Demuxer::new(Timing::Stream), input).unwrap();
        let Event::Header(first) = &all[0] else { panic!() };
        let video = first.tracks[0].as_video().unwrap();
        assert_eq!(
            (first.tracks[0].codec, video.width, video.height, video.rate),
            (Codec::Raw(PixelFormat::I420), 2, 2, Rate::new(30000, 1001))
        );
        assert_eq!((video.colour.full_range, video.sample_aspect), (Some(true), SampleAspect::new(10, 7).unwrap()));
        assert_eq!(all[1..3], [packet(0, b"abcdef"), packet(33_366, b"FRAME\n")]);
        let Event::Header(second) = &all[3] else { panic!() };
        assert_eq!((second.tracks[0].codec, second.tracks[0].as_video().unwrap().rate), (Codec::Raw(PixelFormat::Gray), Rate::new(25, 1)));
        assert_eq!((&all[4..], damage), (&[packet(0, b"x")][..], 0));
    }

    #[test]
    fn a_cut_picture_is_damage() {
        let (all, damage) = events_at_every_split(|| Demuxer::new(Timing::Stream), b"YUV4MPEG2 W2 H2\nFRAME\nabcdefFRAME\nabc").unwrap();
        assert_eq!((all.len(), damage), (2, 1));
    }

    fn error(input: &[u8]) -> String {
        events_at_every_split(|| Demuxer::new(Timing::Stream), input).unwrap_err().to_string()
    }

    #[test]
    fn bad_streams_are_refused_with_their_position() {
        assert_eq!(error(b"YUV4MPEG2 W2 H2\nFRAME\nabcdefGARBAGE"), "YUV4MPEG2: byte 28: neither YUV4MPEG2 nor FRAME");
        assert_eq!(error(b"YUV4MPEG2 W2 H2\nFRAME\nabcdefFRAMED\n"), "YUV4MPEG2: byte 28: neither YUV4MPEG2 nor FRAME, but \"FRAMED\"");
        assert_eq!(error(b"FRAME\n"), "YUV4MPEG2: byte 0: neither YUV4MPEG2 nor FRAME, but \"FRAME\"");
        assert!(error(b"YUV4MPEG2 W2 H2 C420p10\n").contains("colour space 420p10 is not read"));
        for size in ["W0 H2", "W2", "W99999 H2", "W16384 H16384 C444", "W-1 H5", "Wx H5"] {
            assert!(error(format!("YUV4MPEG2 {size}\n").as_bytes()).contains("pictures of"), "{size}");
        }
        let endless = [b"YUV4MPEG2 ", &[b'x'; 2000][..]].concat();
        assert!(error(&endless).contains("neither"));
        assert!(error(b"YUV4MPEG2 W2 H2").contains("ends in its header"));
    }

    #[test]
    fn a_picture_is_asked_for_exactly() {
        let mut demuxer = Demuxer::new(Timing::Stream);
        let mut buf = BytesMut::from(&b"YUV4MPEG2 W640 H480\nFRAME\nabc"[..]);
        assert!(matches!(super::super::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp::ZERO), Ok(Step::Event(_))));
        assert_eq!(super::super::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp::ZERO), Ok(Step::Need(640 * 480 * 3 / 2)));
        assert_eq!(events(Demuxer::new(Timing::Stream), b"YUV4MPEG2 W2 H2\n", 99).unwrap().0.len(), 1);
    }
}
