//! Streams of JPEG images: one after the other, or as parts of `multipart/x-mixed-replace`.
//!
//! An image is out as soon as its last byte is in: by the length in the part's head, or by its end marker.

use super::Step;
use super::automaton::{Automaton, Next};
use super::timing::{FrameTimes, Timing};
use crate::codec::jpeg::{self, EndFinder};
use crate::media::{Codec, Colour, Event, Header, Malformed, Packet, Timestamp, Track, VideoParams};
use bytes::{Buf, Bytes, BytesMut};

const FORMAT: &str = "JPEG";

/// A larger image is damage: the largest that JPEG can hold here, 16384x16384, takes less at camera qualities.
const MAX_IMAGE: usize = 64 << 20;

/// The head of a part takes some hundred bytes.
const MAX_HEAD: usize = 8 << 10;

/// How far the next image is looked for.
const MAX_GARBAGE: u64 = 16 << 20;

/// Start of image, and the first byte of the marker after it.
const SOI: [u8; 3] = [0xff, 0xd8, 0xff];

/// [`super::Demuxer`] of JPEG images one after the other.
pub struct Concatenated {
    images: Images,
    state: Concatenation,
}

enum Concatenation {
    /// Looking for an image, with nothing but padding since this position.
    Between {
        since: u64,
        garbage: bool,
    },
    Image(EndFinder),
}

/// [`super::Demuxer`] of the body of `multipart/x-mixed-replace`.
pub struct Multipart {
    images: Images,
    state: Part,
    /// The first delimiter line: with two dashes more it is the closing one.
    delimiter: Bytes,
}

enum Part {
    /// Looking for a delimiter line.
    Between { since: u64, garbage: bool },
    /// At the head after a delimiter line.
    Head,
    /// At an image of this length.
    Sized(usize),
    /// At an image that ends where it ends.
    Unsized(EndFinder),
    /// After the closing delimiter.
    Closed,
}

/// What both have in common: images become packets.
struct Images {
    at: u64,
    timing: Timing,
    times: FrameTimes,
    /// Images given out; before the first, the header.
    count: u64,
    /// An image whose header had to go first.
    waiting: Option<Packet>,
    damage: u64,
}

impl Images {
    fn new(timing: Timing) -> Images {
        Images { at: 0, timing, times: FrameTimes::new(timing, None), count: 0, waiting: None, damage: 0 }
    }

    fn take(&mut self, buf: &mut BytesMut, n: usize) -> Bytes {
        self.at += n as u64;
        buf.split_to(n).freeze()
    }

    /// Takes an image of `n` bytes. `None`: it is none.
    fn image(&mut self, buf: &mut BytesMut, n: usize, now: Timestamp) -> Option<Event> {
        let data = self.take(buf, n);
        let Ok(info) = jpeg::parse(&data) else {
            self.damage += 1;
            return None;
        };
        let packet = Packet { track: 0, pts: self.times.time(self.count, now), key: true, data };
        self.count += 1;
        if self.count > 1 {
            return Some(Event::Packet(packet));
        }
        self.waiting = Some(packet);
        // JFIF (section 7): BT.601 with the full range.
        let colour = Colour { full_range: Some(true), ..Colour::default() };
        let rate = FrameTimes::nominal(self.timing, None);
        let track = Track::video(Codec::Jpeg, VideoParams { rate, colour, ..VideoParams::new(info.width, info.height) });
        Some(Event::Header(Header { tracks: [track].into(), time_zero: None }))
    }

    /// Something that is no image stands at `since`.
    fn lost(&mut self, since: u64) -> Result<(), Malformed> {
        if self.at - since > MAX_GARBAGE {
            return Err(Malformed::new(FORMAT, format!("no image in {} MiB", MAX_GARBAGE >> 20)).at(since));
        }
        Ok(())
    }

    fn end(&mut self, buf: &mut BytesMut, cut: bool) -> Result<Step, Malformed> {
        self.damage += u64::from(cut);
        self.at += buf.len() as u64;
        buf.clear();
        if self.count == 0 { Err(Malformed::new(FORMAT, "ends before its first image is whole").at(self.at)) } else { Ok(Step::End) }
    }
}

impl Concatenated {
    pub fn new(timing: Timing) -> Concatenated {
        Concatenated { images: Images::new(timing), state: Concatenation::Between { since: 0, garbage: false } }
    }
}

impl Automaton for Concatenated {
    fn advance(&mut self, buf: &mut BytesMut, _eof: bool, now: Timestamp) -> Result<Next, Malformed> {
        if let Some(packet) = self.images.waiting.take() {
            return Ok(Next::Give(Event::Packet(packet)));
        }
        match &mut self.state {
            Concatenation::Between { since, garbage } => {
                let found = buf.windows(SOI.len()).position(|w| w == SOI);
                let passed = found.unwrap_or(buf.len().saturating_sub(SOI.len() - 1));
                // Zeros are what V4L2 buffers are padded with, newlines what scripts print.
                let rubbish = buf[..passed].iter().any(|b| !matches!(b, 0 | b'\r' | b'\n'));
                self.images.damage += u64::from(rubbish && !*garbage);
                *garbage |= rubbish;
                let since = *since;
                self.images.take(buf, passed);
                self.images.lost(since)?;
                if found.is_none() {
                    return Ok(Next::Need(buf.len() + 1));
                }
                self.state = Concatenation::Image(EndFinder::default());
                Ok(Next::Go)
            }
            Concatenation::Image(finder) => match finder.find(buf) {
                Ok(Some(end)) if end <= MAX_IMAGE => {
                    self.state = Concatenation::Between { since: self.images.at + end as u64, garbage: false };
                    Ok(self.images.image(buf, end, now).map_or(Next::Go, Next::Give))
                }
                Ok(None) if buf.len() < MAX_IMAGE => Ok(Next::Need(buf.len() + 1)),
                Ok(_) | Err(_) => {
                    // No image after all: the next one is looked for behind its first byte.
                    self.images.damage += 1;
                    self.state = Concatenation::Between { since: self.images.at, garbage: true };
                    self.images.take(buf, 1);
                    Ok(Next::Go)
                }
            },
        }
    }

    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        self.images.end(buf, matches!(self.state, Concatenation::Image(_)))
    }

    fn damage(&self) -> u64 {
        self.images.damage
    }
}

impl Multipart {
    pub fn new(timing: Timing) -> Multipart {
        Multipart { images: Images::new(timing), state: Part::Between { since: 0, garbage: false }, delimiter: Bytes::new() }
    }

    fn after_image(&mut self, len: usize) {
        self.state = Part::Between { since: self.images.at + len as u64, garbage: false };
    }

    /// Passes over lines until one begins with `--`, as a delimiter does (RFC 2046, section 5.1.1).
    fn between(&mut self, buf: &mut BytesMut) -> Result<Next, Malformed> {
        let Part::Between { since, garbage } = &mut self.state else { return Ok(Next::Go) };
        loop {
            let line = buf.iter().take(MAX_HEAD).position(|&b| b == b'\n');
            let Some(end) = line else {
                if buf.len() < MAX_HEAD {
                    return Ok(Next::Need(buf.len() + 1));
                }
                // Binary rubbish: a line this long is not a delimiter.
                self.images.damage += u64::from(!*garbage);
                *garbage = true;
                let since = *since;
                self.images.take(buf, MAX_HEAD - 2);
                return self.images.lost(since).map(|()| Next::Go);
            };
            let line = self.images.take(buf, end + 1);
            let text = line.trim_ascii_end();
            if !self.delimiter.is_empty() && text.strip_suffix(b"--") == Some(&self.delimiter) {
                self.state = Part::Closed;
                return Ok(Next::Go);
            }
            if text.len() > 2 && text.starts_with(b"--") {
                if self.delimiter.is_empty() {
                    self.delimiter = line.slice_ref(text);
                }
                self.state = Part::Head;
                return Ok(Next::Go);
            }
            self.images.damage += u64::from(!text.is_empty() && !*garbage);
            *garbage |= !text.is_empty();
            self.images.lost(*since)?;
        }
    }

    /// The header lines of a part, up to the empty one.
    fn head(&mut self, buf: &mut BytesMut) -> Result<Next, Malformed> {
        let Some((len, end)) = head_end(buf) else {
            if buf.len() < MAX_HEAD {
                return Ok(Next::Need(buf.len() + 1));
            }
            self.images.damage += 1;
            self.state = Part::Between { since: self.images.at, garbage: true };
            return Ok(Next::Go);
        };
        let length = content_length(&buf[..len]);
        match length {
            Some(length) if length > MAX_IMAGE => {
                return Err(Malformed::new(FORMAT, format!("part of {length} bytes")).at(self.images.at));
            }
            Some(0) => self.state = Part::Between { since: self.images.at, garbage: false },
            Some(length) => self.state = Part::Sized(length),
            None => self.state = Part::Unsized(EndFinder::default()),
        }
        self.images.take(buf, end);
        Ok(Next::Go)
    }
}

impl Automaton for Multipart {
    fn advance(&mut self, buf: &mut BytesMut, _eof: bool, now: Timestamp) -> Result<Next, Malformed> {
        if let Some(packet) = self.images.waiting.take() {
            return Ok(Next::Give(Event::Packet(packet)));
        }
        match &mut self.state {
            Part::Between { .. } => self.between(buf),
            Part::Head => self.head(buf),
            Part::Sized(n) => {
                let n = *n;
                if buf.len() < n {
                    return Ok(Next::Need(n));
                }
                self.after_image(n);
                Ok(self.images.image(buf, n, now).map_or(Next::Go, Next::Give))
            }
            Part::Unsized(finder) => match finder.find(buf) {
                Ok(Some(end)) if end <= MAX_IMAGE => {
                    self.after_image(end);
                    Ok(self.images.image(buf, end, now).map_or(Next::Go, Next::Give))
                }
                Ok(None) if buf.len() < MAX_IMAGE => Ok(Next::Need(buf.len() + 1)),
                Ok(_) | Err(_) => {
                    self.images.damage += 1;
                    self.state = Part::Between { since: self.images.at, garbage: true };
                    Ok(Next::Go)
                }
            },
            Part::Closed => {
                self.images.at += buf.len() as u64;
                buf.clear();
                Ok(Next::Need(1))
            }
        }
    }

    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        let cut = match self.state {
            Part::Sized(_) => true,
            Part::Unsized(_) | Part::Head => !buf.is_empty(),
            Part::Between { .. } | Part::Closed => false,
        };
        self.images.end(buf, cut)
    }

    fn damage(&self) -> u64 {
        self.images.damage
    }
}

/// Lengths of a part's head without and with the empty line at its end.
fn head_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    for line in bytes[..bytes.len().min(MAX_HEAD)].split_inclusive(|&b| b == b'\n').filter(|line| line.ends_with(b"\n")) {
        if line.trim_ascii().is_empty() {
            return Some((at, at + line.len()));
        }
        at += line.len();
    }
    None
}

fn content_length(head: &[u8]) -> Option<usize> {
    let value = |line: &[u8]| {
        let (name, mut value) = line.split_at_checked(line.iter().position(|&b| b == b':')?)?;
        value.advance(1);
        name.trim_ascii().eq_ignore_ascii_case(b"content-length").then(|| std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok())?
    };
    head.split(|&b| b == b'\n').find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing::events_at_every_split;

    /// The smallest thing with the structure of an image; the comment holds an end marker, and a delimiter.
    const IMAGE: &[u8] = b"\xff\xd8\xff\xfe\0\x0d\xff\xd9\n--frame\r\xff\xc0\0\x0b\x08\0\x10\0\x20\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0\xaa\xff\0\xbb\xff\xd9";

    /// Times of the images, which are all [`IMAGE`], and the count of damage.
    fn read<D: super::super::Demuxer>(make: impl Fn() -> D, input: &[u8]) -> (Vec<i64>, u64) {
        let (all, damage) = events_at_every_split(make, input).unwrap();
        let Event::Header(header) = &all[0] else { panic!() };
        let video = header.tracks[0].as_video().unwrap();
        assert_eq!((header.tracks[0].codec, video.width, video.height), (Codec::Jpeg, 32, 16));
        let time = |event: &Event| match event {
            Event::Packet(Packet { track: 0, pts, key: true, data }) if data == IMAGE => pts.micros(),
            other => panic!("{other:?}"),
        };
        (all[1..].iter().map(time).collect(), damage)
    }

    fn concatenated() -> Concatenated {
        Concatenated::new(Timing::Stream)
    }

    fn multipart() -> Multipart {
        Multipart::new(Timing::Stream)
    }

    #[test]
    fn concatenated_images() {
        assert_eq!(read(concatenated, &IMAGE.repeat(3)), (vec![0, 40_000, 80_000], 0));
        let padded = [IMAGE, b"\0\0\0\n", IMAGE, b"\n"].concat();
        assert_eq!(read(concatenated, &padded), (vec![0, 40_000], 0));
    }

    #[test]
    fn garbage_between_and_cut_images_are_passed_over() {
        let input = [IMAGE, b"garbage", b"\xff\xd8\xff\xe0\0\x01 not an image", IMAGE, &IMAGE[..30]].concat();
        assert_eq!(read(concatenated, &input), (vec![0, 40_000], 3));
    }

    #[test]
    fn parts_with_and_without_length() {
        let len = IMAGE.len();
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n");
        let input =
            [b"\r\n", head.as_bytes(), IMAGE, b"\r\n--frame\ncontent-type: image/jpeg\n\n", IMAGE, b"\n--frame--\r\n", IMAGE].concat();
        assert_eq!(read(multipart, &input), (vec![0, 40_000], 0));
    }

    #[test]
    fn damaged_parts_are_passed_over() {
        let head: &[u8] = b"--frame\r\nX: y\r\n\r\n";
        let text = b"--frame\r\nContent-Length: 4\r\n\r\ntext\r\n--frame\r\nContent-Length: 0\r\n\r\n\r\n";
        let input = [head, IMAGE, b"\r\n", text, head, b"no image", b"\r\n", head, IMAGE, b"\r\n", head, &IMAGE[..30]].concat();
        assert_eq!(read(multipart, &input), (vec![0, 40_000], 3));
    }

    #[test]
    fn an_image_is_out_with_its_last_byte() {
        let mut demuxer = concatenated();
        let mut buf = BytesMut::from(IMAGE);
        let mut next = || super::super::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp::ZERO).unwrap();
        assert!(matches!(next(), Step::Event(Event::Header(_))));
        assert!(matches!(next(), Step::Event(Event::Packet(_))));
        assert_eq!(next(), Step::Need(1));
    }

    #[test]
    fn input_without_an_image_is_refused() {
        let error = |input: &[u8]| events_at_every_split(concatenated, input).unwrap_err().to_string();
        assert_eq!(error(b"\xff\xd8\xff"), "JPEG: byte 3: ends before its first image is whole");
        let rubbish = vec![7; MAX_GARBAGE as usize + 10_000];
        let error = crate::format::testing::events(multipart(), &rubbish, 1 << 20).unwrap_err().to_string();
        assert_eq!(error, "JPEG: byte 0: no image in 16 MiB");
        let huge = b"--frame\r\nContent-Length: 1152921504606846976\r\n\r\n";
        assert!(events_at_every_split(multipart, huge).unwrap_err().to_string().contains("part of 1152921504606846976 bytes"));
    }

    #[test]
    fn times_of_arrival() {
        let mut demuxer = Concatenated::new(Timing::Arrival);
        let mut buf = BytesMut::from(IMAGE);
        let mut pts = Vec::new();
        for now in [5_000, 5_000, 9_000, 9_000] {
            if let Ok(Step::Event(Event::Packet(packet))) = super::super::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp(now)) {
                pts.push(packet.pts.micros());
                buf.extend_from_slice(IMAGE);
            }
        }
        assert_eq!(pts, [5_000, 9_000, 9_001]);
    }
}
