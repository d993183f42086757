//! Streams of JPEG images: one after the other, or as parts of `multipart/x-mixed-replace`.
//!
//! An image is out as soon as its last byte is in. Its markers say where it ends. If it has no end marker, the length in its part's
//! head, the next delimiter or the next image ends it.

mod images;
mod parts;

use super::Step;
use super::simple::{Progress, SimpleDemuxer};
use super::timing::Timing;
use crate::codec::jpeg::{self, End, EndFinder};
use crate::media::{Malformed, Timestamp};
use bytes::{Bytes, BytesMut};
use images::{FORMAT, Images};
use parts::{LineKind, Parts};

/// A larger image is damage: the largest that JPEG can hold here, 16384x16384, takes less at camera qualities.
const MAX_IMAGE: usize = 64 << 20;

/// A longer line is none; heads have lines of some ten bytes.
const MAX_LINE: usize = 8 << 10;

/// How far the next image is looked for.
const MAX_GARBAGE: u64 = 16 << 20;

/// Start of image, and the first byte of the marker after it.
const SOI: [u8; 3] = [0xff, 0xd8, 0xff];

/// [`super::Demuxer`] of images.
pub struct Demuxer {
    at: u64,
    images: Images,
    state: State,
    /// Of a multipart.
    parts: Option<Parts>,
    now: Timestamp,
}

enum State {
    /// Looking for an image since this position; `garbage`: what stands there is counted as damage.
    Between { since: u64, garbage: bool },
    /// At an image; `length`: what its part's head says.
    Image { finder: EndFinder, length: Option<usize> },
}

impl Demuxer {
    /// Images one after the other.
    pub fn concatenated(timing: Timing) -> Demuxer {
        Demuxer {
            at: 0,
            images: Images::new(timing),
            state: State::Between { since: 0, garbage: false },
            parts: None,
            now: Timestamp::ZERO,
        }
    }

    /// The body of `multipart/x-mixed-replace`, with or without the head of the HTTP response before it.
    pub fn multipart(timing: Timing) -> Demuxer {
        Demuxer { parts: Some(Parts::default()), ..Demuxer::concatenated(timing) }
    }

    fn take(&mut self, buf: &mut BytesMut, n: usize) -> Bytes {
        self.at += n as u64;
        buf.split_to(n).freeze()
    }

    /// Passes over `n` bytes between images.
    fn pass(&mut self, buf: &mut BytesMut, n: usize, is_garbage: bool) -> Result<(), Malformed> {
        self.take(buf, n);
        let State::Between { since, garbage } = &mut self.state else { return Ok(()) };
        if self.parts.as_ref().is_some_and(|parts| !parts.is_open()) {
            return Ok(());
        }
        self.images.damage += u64::from(is_garbage && !*garbage);
        *garbage |= is_garbage;
        if self.at - *since > MAX_GARBAGE {
            return Err(Malformed::new(FORMAT, format!("no image in {} MiB", MAX_GARBAGE >> 20)).at(*since));
        }
        Ok(())
    }

    /// Looks for the next image in a row of them.
    fn padding(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        let found = memchr::memmem::find(buf, &SOI);
        let passed = found.unwrap_or(buf.len().saturating_sub(SOI.len() - 1));
        // Zeros are what V4L2 buffers are padded with, newlines what scripts print.
        let garbage = buf[..passed].iter().any(|b| !matches!(b, 0 | b'\r' | b'\n'));
        self.pass(buf, passed, garbage)?;
        if found.is_none() {
            return Ok(Progress::Need(buf.len() + 1));
        }
        self.state = State::Image { finder: EndFinder::default(), length: None };
        Ok(Progress::Go)
    }

    /// Reads text line by line, up to the next image.
    fn text(&mut self, buf: &mut BytesMut) -> Result<Progress, Malformed> {
        let Some(parts) = &mut self.parts else { return self.padding(buf) };
        let head = &buf[..buf.len().min(MAX_LINE)];
        let image = memchr::memmem::find(head, &SOI);
        let line_end = memchr::memchr(b'\n', head).filter(|end| image.is_none_or(|image| *end < image));
        let (length, is_image) = match (line_end, image) {
            (Some(end), _) => (end + 1, false),
            (None, Some(image)) => (image, true),
            (None, None) if buf.len() < MAX_LINE => return Ok(Progress::Need(buf.len() + 1)),
            // Binary, of which the last bytes may be the start of an image.
            (None, None) => (MAX_LINE - SOI.len() + 1, false),
        };
        let (mut garbage, mut is_text) = (false, false);
        if length > 0 {
            match parts.line(&buf[..length]) {
                LineKind::Delimiter(wanting) => (self.images.damage, is_text) = (self.images.damage + u64::from(wanting), true),
                LineKind::Text => is_text = !buf[..length].trim_ascii().is_empty(),
                LineKind::Garbage => garbage = buf[..length].iter().any(|b| !matches!(b, 0 | b'\r' | b'\n')),
            }
        }
        let begins = is_image && parts.is_open();
        if is_text {
            self.images.apart();
        }
        if begins {
            self.take(buf, length);
            self.images.damage += u64::from(garbage);
            self.state = State::Image { finder: EndFinder::default(), length: self.parts.as_mut().and_then(Parts::image) };
        } else {
            self.pass(buf, if is_image { length + SOI.len() } else { length }, garbage)?;
        }
        Ok(Progress::Go)
    }

    /// At an image.
    fn image(&mut self, buf: &mut BytesMut) -> Progress {
        let State::Image { finder, length } = &mut self.state else { return Progress::Go };
        // The length is looked at first, so that it does not matter how the input was cut.
        let within = length.filter(|n| (SOI.len()..=buf.len().min(MAX_IMAGE)).contains(n));
        let found = finder.find(&buf[..within.unwrap_or(buf.len())]);
        match (found, within) {
            (Ok(Some(End::Marked(end))), _) if end <= MAX_IMAGE => {
                let right = *length == Some(end);
                self.parts.iter_mut().for_each(|parts| parts.reliable = right);
                self.finish(buf, end)
            }
            (Ok(Some(End::Missing(end))), _) if end <= MAX_IMAGE => {
                let end = self.delimiter_before(&buf[..end]).unwrap_or(end);
                self.finish(buf, end)
            }
            (Ok(None), Some(n)) if jpeg::whole_len(&buf[..n]).is_some() => self.finish(buf, n),
            (Ok(None), Some(_)) => {
                *length = None;
                Progress::Go
            }
            (Ok(None), None) if buf.len() < MAX_IMAGE => {
                let exact = length.filter(|n| self.parts.as_ref().is_some_and(|parts| parts.reliable) && *n <= MAX_IMAGE);
                Progress::Need(exact.unwrap_or(0).max(buf.len() + 1))
            }
            _ => {
                // No image after all: the next one is looked for behind its first byte.
                self.images.damage += 1;
                self.state = State::Between { since: self.at, garbage: true };
                self.take(buf, 1);
                Progress::Go
            }
        }
    }

    fn finish(&mut self, buf: &mut BytesMut, end: usize) -> Progress {
        let data = self.take(buf, end);
        self.images.image(data, self.now);
        self.state = State::Between { since: self.at, garbage: false };
        Progress::Go
    }

    /// Where, within an image without an end, the next part begins.
    fn delimiter_before(&self, image: &[u8]) -> Option<usize> {
        let delimiter = &self.parts.as_ref()?.delimiter;
        let from = image.len().saturating_sub(MAX_LINE);
        let found = from + memchr::memmem::rfind(&image[from..], delimiter).filter(|_| !delimiter.is_empty())?;
        // Dashes that the boundary's parameter does not have, and the line end before it.
        let dashes = image[..found].iter().rev().take(2).take_while(|b| **b == b'-').count();
        let line_end = image[..found - dashes].iter().rev().take(2).take_while(|b| matches!(b, b'\r' | b'\n')).count();
        Some(found - dashes - line_end)
    }
}

impl SimpleDemuxer for Demuxer {
    fn advance(&mut self, buf: &mut BytesMut, _eof: bool, now: Timestamp) -> Result<Progress, Malformed> {
        if let Some(event) = self.images.next() {
            return Ok(Progress::Give(event));
        }
        self.now = now;
        match self.state {
            State::Between { .. } => self.text(buf),
            State::Image { .. } => Ok(self.image(buf)),
        }
    }

    fn end(&mut self, buf: &mut BytesMut) -> Result<Step, Malformed> {
        if let State::Image { .. } = self.state {
            // Whole but for its end marker, or cut.
            let end = self.delimiter_before(buf).unwrap_or(buf.len());
            self.finish(buf, end);
        }
        self.take(buf, buf.len());
        match self.images.next() {
            Some(event) => Ok(Step::Event(event)),
            None if self.images.count == 0 => Err(Malformed::new(FORMAT, "ends before its first image is whole").at(self.at)),
            None => Ok(Step::End),
        }
    }

    fn damage(&self) -> u64 {
        self.images.damage
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::testing::events_at_every_split;
    use crate::media::{Codec, Event, Packet};

    /// The smallest thing with the structure of an image; the comment holds an end marker, and a delimiter.
    const IMAGE: &[u8] = b"\xff\xd8\xff\xfe\0\x0d\xff\xd9\n--frame\r\xff\xc0\0\x0b\x08\0\x10\0\x20\x01\x01\x11\0\xff\xc4\0\x02\xff\xda\0\x08\x01\x01\0\0\x3f\0\xaa\xff\0\xbb\xff\xd9";

    /// Times of the images, which are all [`IMAGE`], and the count of damage.
    fn read<D: crate::format::Demuxer>(make: impl Fn() -> D, input: &[u8]) -> (Vec<i64>, u64) {
        let (all, damage) = events_at_every_split(make, input).unwrap();
        let Event::Header(header) = &all[0] else { panic!() };
        let video = header.tracks[0].as_video().unwrap();
        assert_eq!((header.tracks[0].codec, video.width, video.height), (Codec::Jpeg, 32, 16));
        let time = |event: &Event| match event {
            Event::Packet(Packet { track: 0, pts, key: true, data, hidden: false }) if data == IMAGE => pts.micros(),
            other => panic!("{other:?}"),
        };
        (all[1..].iter().map(time).collect(), damage)
    }

    fn concatenated() -> Demuxer {
        Demuxer::concatenated(Timing::Stream)
    }

    fn multipart() -> Demuxer {
        Demuxer::multipart(Timing::Stream)
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
        let mut next = || crate::format::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp::ZERO).unwrap();
        assert!(matches!(next(), Step::Event(Event::Header(_))));
        assert!(matches!(next(), Step::Event(Event::Packet(_))));
        assert_eq!(next(), Step::Need(1));
    }

    #[test]
    fn input_without_an_image_is_refused() {
        let error = |input: &[u8]| events_at_every_split(concatenated, input).unwrap_err().to_string();
        assert_eq!(error(b"\xff\xd8\xff"), "JPEG: byte 3: ends before its first image is whole");
        let garbage = vec![7; MAX_GARBAGE as usize + 10_000];
        let error = crate::format::testing::events(multipart(), &garbage, 1 << 20).unwrap_err().to_string();
        assert_eq!(error, "JPEG: byte 0: no image in 16 MiB");
        let huge = b"--frame\r\nContent-Length: 1152921504606846976\r\n\r\n";
        assert!(events_at_every_split(multipart, huge).unwrap_err().to_string().contains("ends before its first image is whole"));
    }

    #[test]
    fn times_of_arrival() {
        let mut demuxer = Demuxer::concatenated(Timing::Arrival);
        let mut buf = BytesMut::from(IMAGE);
        let mut pts = Vec::new();
        for now in [5_000, 5_000, 9_000, 9_000] {
            if let Ok(Step::Event(Event::Packet(packet))) = crate::format::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp(now)) {
                pts.push(packet.pts.micros());
                buf.extend_from_slice(IMAGE);
            }
        }
        assert_eq!(pts, [5_000, 9_000, 9_001]);
    }

    /// An image that a decoder takes, of this size.
    fn real(width: u16, height: u16) -> Vec<u8> {
        let rgb: Vec<u8> = (0..usize::from(width) * usize::from(height) * 3).map(|n| (n * 7919 % 251) as u8).collect();
        let mut image = Vec::new();
        jpeg_encoder::Encoder::new(&mut image, 80).encode(&rgb, width, height, jpeg_encoder::ColorType::Rgb).unwrap();
        image
    }

    /// Sizes of the images, their count of bytes, and the count of damage.
    fn sizes(make: fn() -> Demuxer, input: &[u8]) -> (Vec<(u32, usize)>, u64) {
        let (all, damage) = events_at_every_split(make, input).unwrap();
        let size = |event: &Event| match event {
            Event::Packet(packet) => Some((jpeg::parse(&packet.data).unwrap().width, packet.data.len())),
            _ => None,
        };
        (all.iter().filter_map(size).collect(), damage)
    }

    #[test]
    fn images_without_an_end_marker_are_whole_and_cost_none() {
        let image = real(48, 32);
        let bare = &image[..image.len() - 2];
        let whole = (48, image.len());
        assert_eq!(sizes(concatenated, &[bare, bare, &image, bare].concat()), (vec![whole; 4], 0));
        assert_eq!(sizes(concatenated, &[bare, &image[..image.len() / 2], bare].concat()), (vec![whole; 2], 1));
        assert_eq!(sizes(concatenated, &[&image[..image.len() - 1], &image].concat()), (vec![whole; 2], 0));
        for (head, tail) in [("--b\r\n\r\n", "\r\n"), ("--b\nContent-Type: image/jpeg\n\n", "\n"), ("--b\r\n\r\n", "")] {
            let part = [head.as_bytes(), bare, tail.as_bytes()].concat();
            assert_eq!(sizes(multipart, &part.repeat(3)), (vec![whole; 3], 0), "{head:?} {tail:?}");
        }
        let part = [format!("--b\r\nContent-Length: {}\r\n\r\n", bare.len()).as_bytes(), bare, b"\r\n"].concat();
        assert_eq!(sizes(multipart, &part.repeat(3)), (vec![whole; 3], 0));
    }

    #[test]
    fn an_image_without_an_end_marker_is_out_with_its_last_byte_where_the_length_is_told() {
        let image = real(48, 32);
        let bare = &image[..image.len() - 2];
        let mut buf = BytesMut::from(&[format!("--b\r\nContent-Length: {}\r\n\r\n", bare.len()).as_bytes(), bare].concat()[..]);
        let mut demuxer = multipart();
        let mut next = || crate::format::Demuxer::next(&mut demuxer, &mut buf, false, Timestamp::ZERO).unwrap();
        assert!(matches!(next(), Step::Event(Event::Header(_))));
        assert!(matches!(next(), Step::Event(Event::Packet(packet)) if packet.data == image));
    }

    #[test]
    fn thumbnails_and_copies_behind_an_image_are_none() {
        let (large, small) = (real(160, 120), real(16, 12));
        let (is_large, is_small) = ((160, large.len()), (16, small.len()));
        assert_eq!(sizes(concatenated, &[&large[..], &small].concat()), (vec![is_large], 0), "at the end");
        assert_eq!(sizes(concatenated, &[&large[..], &small].concat().repeat(3)), (vec![is_large; 3], 0), "in a stream");
        let shrinks = [&large[..], &small, &small, &small].concat();
        assert_eq!(sizes(concatenated, &shrinks), (vec![is_large, is_small, is_small, is_small], 0), "a stream that becomes small");
        // In a part of its own it is an image.
        let part = |image: &[u8]| [b"--b\r\n\r\n", image, b"\r\n"].concat();
        assert_eq!(sizes(multipart, &[part(&large), part(&small)].concat()), (vec![is_large, is_small], 0));
        assert_eq!(sizes(multipart, &part(&[&large[..], &small].concat()).repeat(2)), (vec![is_large; 2], 0));
        // A copy of any size, where the image says how many there are.
        let mpf = b"\xff\xe2\0\x20MPF\0MM\0*\0\0\0\x08\0\x01\xb0\x01\0\x04\0\0\0\x01\0\0\0\x03\0\0\0\0";
        let file = [&large[..2], mpf, &large[2..], &real(80, 60), b"\0\0", &large].concat();
        assert_eq!(sizes(concatenated, &file.repeat(2)), (vec![(160, large.len() + mpf.len()); 2], 0));
        assert_eq!(sizes(concatenated, &[&large[..2], mpf, &large[2..]].concat().repeat(3)).0.len(), 3, "each says it: none is a copy");
    }

    #[test]
    fn what_nobody_shows_is_passed_over() {
        let image = real(48, 32);
        let mut arithmetic = image.clone();
        let at = arithmetic.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        arithmetic[at + 1] = 0xc9;
        assert_eq!(sizes(concatenated, &[&arithmetic[..], &image, &arithmetic].concat()), (vec![(48, image.len())], 2));
    }

    /// Every dialect has these three images.
    #[test]
    fn every_dialect_of_multipart() {
        let (a, b, c) = (real(16, 8), real(24, 8), real(32, 8));
        let images = [&a, &b, &c];
        let expected: Vec<_> = images.iter().zip([16, 24, 32]).map(|(image, width)| (width, image.len())).collect();
        let length = |n: usize| format!("Content-Length: {n}\r\n");
        type Head<'a> = &'a dyn Fn(usize) -> String;
        let dialects: [(&str, &str, Head<'_>, &str); 22] = [
            ("as it should be", "", &|n| format!("--b\r\nContent-Type: image/jpeg\r\n{}\r\n", length(n)), "\r\n"),
            ("no first delimiter", "Content-Type: image/jpeg\r\n\r\n", &|_| String::new(), "\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n"),
            ("no delimiters", "", &|n| format!("Content-Type: image/jpeg\r\n{}\r\n", length(n)), "\r\n"),
            ("no part headers", "", &|_| "--b\r\n\r\n".into(), "\r\n"),
            ("no empty line", "", &|_| "--b\r\n".into(), "\r\n"),
            ("a header and no empty line", "", &|n| format!("--b\r\n{}", length(n)), "\r\n"),
            ("no line end before the delimiter", "", &|n| format!("--b\r\n{}\r\n", length(n)), ""),
            ("line feeds", "\n", &|n| format!("--b\nContent-Length: {n}\n\n"), "\n"),
            ("preamble", "This is a multipart message.\r\nIgnore: this\r\n\r\n", &|_| "--b\r\n\r\n".into(), "\r\n"),
            ("length of nothing", "", &|_| format!("--b\r\n{}\r\n", length(0)), "\r\n"),
            ("length too small", "", &|n| format!("--b\r\n{}\r\n", length(n - 100)), "\r\n"),
            ("length too large", "", &|n| format!("--b\r\n{}\r\n", length(n + 37)), "\r\n"),
            ("length far too large", "", &|_| format!("--b\r\n{}\r\n", length(1 << 60)), "\r\n"),
            ("length that is none", "", &|_| "--b\r\nContent-Length: -1\r\nContent-length: many\r\n\r\n".into(), "\r\n"),
            (
                "other headers",
                "",
                &|_| "--b\r\nX-Timestamp: 1700000000.123\r\nX-Framerate: 25\r\nContent-Type:image/jpg\r\n\r\n".into(),
                "\r\n",
            ),
            (
                "head of the response",
                "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=\"b\"\r\n\r\n",
                &|_| "--b\r\n\r\n".into(),
                "\r\n",
            ),
            (
                "boundary without dashes",
                "Content-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n",
                &|_| "frame\r\nContent-Type: image/jpeg\r\n\r\n".into(),
                "\r\n",
            ),
            ("boundary without dashes or a word of it", "", &|n| format!("frame\r\nContent-Type: image/jpeg\r\n{}\r\n", length(n)), "\r\n"),
            ("closing delimiters", "", &|_| "--b\r\n\r\n".into(), "\r\n--b--\r\n"),
            ("padding", "", &|_| "--b\r\n\r\n".into(), "\0\0\0\0\r\n"),
            (
                "text between",
                "",
                &|_| "--b\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nidle\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n".into(),
                "\r\n",
            ),
            ("keep-alive between", "", &|n| format!("--b\r\nContent-Length: 0\r\n\r\n\r\n--b\r\n{}\r\n", length(n)), "\r\n"),
        ];
        for (name, start, head, end) in dialects {
            let parts = images.iter().flat_map(|image| [head(image.len()).as_bytes(), image, end.as_bytes()].concat());
            let input: Vec<u8> = start.bytes().chain(parts).collect();
            assert_eq!(sizes(multipart, &input), (expected.clone(), 0), "{name}");
        }
    }
}
