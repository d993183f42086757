//! Picture files as video: a list of them ([`Slides`]), or a directory that grows ([`Follow`]).
//!
//! JPEG goes out as it is; PNG, GIF (its first picture), BMP, WebP, TIFF and PNM are decoded to [`PixelFormat::Rgb24`]. A change
//! of the size of decoded pictures, or from JPEG to decoded ones, is a new header; JPEG changes its size in band.
//!
//! [`PixelFormat::Rgb24`]: crate::media::PixelFormat::Rgb24

mod follow;
mod load;
mod source;

pub use follow::Follow;
pub use load::is_picture;
pub use source::KIND;

use super::Error;
use crate::media::{Codec, Colour, Event, Header, Packet, Rate, Timestamp, Track, VideoParams, WallTime};
use load::{Picture, name};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// More files than this are not looked after.
const MAX_FILES: usize = 1_000_000;

/// Pictures one after the other, each with the time of its place in the row.
pub struct Slides {
    paths: Vec<PathBuf>,
    rate: Rate,
    again: bool,
    /// The path that comes next; one behind the last at the end of a round.
    next: usize,
    /// Pictures given out so far.
    count: u64,
    /// Pictures given out before this round.
    before: u64,
    /// Files that a warning has named: they are passed over.
    refused: HashSet<usize>,
    events: EventMaker,
}

impl Slides {
    /// Files in the order given; of a directory all pictures in it, in the order of their names, where `9.jpg` comes before
    /// `10.jpg`. `again`: after the last, the first follows, endlessly.
    ///
    /// # Errors
    /// A directory that cannot be read, or has no pictures; a file that is not there.
    pub fn open(paths: &[PathBuf], rate: Rate, again: bool, time_zero: WallTime) -> Result<Slides, Error> {
        let mut all = Vec::new();
        for path in paths {
            if path.is_dir() {
                let mut found = list(path)?;
                if found.is_empty() {
                    return Err(Error::no_source(name(path), "no pictures in this directory"));
                }
                found.sort_by_cached_key(|path| natural(path));
                all.append(&mut found);
            } else {
                std::fs::metadata(path).map_err(|e| Error::io(name(path), e))?;
                all.push(path.clone());
            }
        }
        let events = EventMaker::new(rate, time_zero);
        Ok(Slides { paths: all, rate, again, next: 0, count: 0, before: 0, refused: HashSet::new(), events })
    }

    /// The next event; `None` after the last picture. A file that is no picture is said once and passed over, in each round.
    ///
    /// # Errors
    /// None of the files is a whole picture that can be read.
    pub fn next(&mut self) -> Result<Option<Event>, Error> {
        if let Some(packet) = self.events.pending() {
            return Ok(Some(packet));
        }
        let mut first = None;
        loop {
            if self.next == self.paths.len() {
                let nothing = self.count == self.before;
                if nothing || !self.again {
                    return first.filter(|_| nothing).map_or(Ok(None), Err);
                }
                (self.next, self.before) = (0, self.count);
            }
            let (index, path) = (self.next, &self.paths[self.next]);
            self.next += 1;
            match load::whole(path) {
                Ok(picture) => {
                    let pts = self.rate.time_of(self.count);
                    self.count += 1;
                    return Ok(Some(self.events.put(&picture, pts)));
                }
                // The last hope is an error, not a warning.
                Err(error) if self.paths.len() == 1 => return Err(error),
                Err(error) => {
                    if self.refused.insert(index) {
                        pass_over(&error);
                    }
                    first.get_or_insert(error);
                }
            }
        }
    }
}

fn pass_over(error: &Error) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!("{error}: {cause}; passed over");
}

/// Makes events of pictures.
struct EventMaker {
    rate: Rate,
    time_zero: WallTime,
    track: Option<Track>,
    pending: Option<Packet>,
}

impl EventMaker {
    fn new(rate: Rate, time_zero: WallTime) -> EventMaker {
        EventMaker { rate, time_zero, track: None, pending: None }
    }

    /// The wall clock was set. Returns whether a header has given another time.
    fn set_time_zero(&mut self, zero: WallTime) -> bool {
        self.time_zero = zero;
        self.track.is_some()
    }

    /// The packet that follows the header given out last.
    fn pending(&mut self) -> Option<Event> {
        self.pending.take().map(Event::Packet)
    }

    /// The picture's packet, or first the header that it needs.
    fn put(&mut self, picture: &Picture, pts: Timestamp) -> Event {
        let packet = Packet { track: 0, pts, key: true, data: picture.data.clone(), hidden: false };
        if self.track.as_ref().is_some_and(|track| fits(track, picture)) {
            return Event::Packet(packet);
        }
        let Picture { codec, width, height, orientation, sample_aspect, .. } = *picture;
        let plain = VideoParams { rate: Some(self.rate), colour: colour(codec), ..VideoParams::new(width, height) };
        let track = Track::video(codec, VideoParams { orientation, sample_aspect, ..plain });
        self.track = Some(track.clone());
        self.pending = Some(packet);
        Event::Header(Header { tracks: [track].into(), time_zero: Some(self.time_zero) })
    }
}

/// JPEG says its size itself.
fn fits(track: &Track, picture: &Picture) -> bool {
    let Some(video) = track.as_video() else { return false };
    let same_size = (video.width, video.height) == (picture.width, picture.height);
    let same_shape = (video.orientation, video.sample_aspect) == (picture.orientation, picture.sample_aspect);
    track.codec == picture.codec && same_shape && (same_size || picture.codec == Codec::Jpeg)
}

/// JPEG is BT.601 (JFIF, ITU-T T.871, clause 7), the others sRGB; both full range.
fn colour(codec: Codec) -> Colour {
    match codec {
        Codec::Jpeg => Colour { matrix: Some(5), full_range: Some(true), ..Colour::default() },
        _ => Colour { primaries: Some(1), transfer: Some(13), matrix: Some(0), full_range: Some(true) },
    }
}

/// The pictures in a directory, in no order.
fn list(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |source| Error::io(name(directory), source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if is_picture(&path) {
            found.push(path);
        }
        if found.len() > MAX_FILES {
            return Err(Error::unsupported(name(directory), format!("more than {MAX_FILES} pictures"), "use a directory for each day"));
        }
    }
    Ok(found)
}

/// Part of a file name. Numbers come before text, and in the order of their values.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Count of digits without leading zeros, then the digits.
    Number(usize, String),
    Text(String),
}

/// A key that sorts names as people do.
fn natural(path: &Path) -> Vec<Part> {
    let text = path.file_name().unwrap_or_default().to_string_lossy();
    let mut rest = &*text;
    let mut parts = Vec::new();
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        let number = part.trim_start_matches('0');
        parts.push(if digits { Part::Number(number.len(), number.into()) } else { Part::Text(part.into()) });
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};
    use std::time::Duration;

    /// A whole JPEG of the given size, as far as anything here looks at it.
    pub(super) fn jpeg(width: u16, height: u16, filler: u8) -> Vec<u8> {
        let ([w0, w1], [h0, h1]) = (width.to_be_bytes(), height.to_be_bytes());
        let head =
            [0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, h0, h1, w0, w1, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff, 0xc4, 0, 2, 0xff, 0xda, 0, 2];
        head.into_iter().chain([filler; 50]).chain([0xff, 0xd9]).collect()
    }

    fn events(slides: &mut Slides, count: usize) -> Vec<String> {
        let show = |event| match event {
            Event::Header(h) => {
                let v = h.tracks[0].as_video().cloned().unwrap();
                format!("{} {}x{}", h.tracks[0].codec, v.width, v.height)
            }
            Event::Packet(p) => format!("{} {}", p.pts.micros() / 1000, p.data.len()),
            Event::TimeZero(zero) => format!("{zero:?}"),
        };
        std::iter::from_fn(|| slides.next().unwrap()).take(count).map(show).collect()
    }

    #[test]
    fn names_sort_as_people_sort_them() {
        let mut names = ["b2", "a10", "a9", "a009b", "10", "9", "a"].map(PathBuf::from);
        names.sort_by_cached_key(|n| natural(n));
        assert_eq!(names, ["9", "10", "a", "a9", "a009b", "a10", "b2"].map(PathBuf::from));
    }

    #[test]
    fn headers_only_where_they_are_needed() {
        let dir = tempdir("slides");
        std::fs::write(dir.join("1.jpg"), jpeg(16, 8, 1)).unwrap();
        std::fs::write(dir.join("2.jpg"), jpeg(32, 8, 2)).unwrap();
        RgbImage::from_pixel(3, 2, Rgb([1, 2, 3])).save(dir.join("3.png")).unwrap();
        RgbImage::from_pixel(4, 2, Rgb([1, 2, 3])).save(dir.join("10.bmp")).unwrap();
        std::fs::write(dir.join("notes.txt"), "no picture").unwrap();
        let rate = Rate::new(2, 1).unwrap();
        let mut slides = Slides::open(std::slice::from_ref(&dir), rate, true, WallTime(0)).unwrap();
        let jpeg = jpeg(1, 1, 0).len();
        let expected = [
            "MJPEG 16x8".into(),
            format!("0 {jpeg}"),
            format!("500 {jpeg}"),
            "raw rgb24 3x2".into(),
            "1000 18".into(),
            "raw rgb24 4x2".into(),
            "1500 24".into(),
            "MJPEG 16x8".into(),
            format!("2000 {jpeg}"),
        ];
        assert_eq!(events(&mut slides, 9), expected);
        let mut once = Slides::open(&[dir.join("2.jpg")], rate, false, WallTime(0)).unwrap();
        assert_eq!(events(&mut once, 9), ["MJPEG 32x8".into(), format!("0 {jpeg}")]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let dir = tempdir("refused");
        let rate = Rate::new(1, 1).unwrap();
        let empty = Slides::open(std::slice::from_ref(&dir), rate, false, WallTime(0)).err().unwrap();
        assert!(matches!(empty, Error::NoSource { .. }), "{empty:?}");
        let whole = jpeg(16, 16, 0);
        std::fs::write(dir.join("cut.jpg"), &whole[..whole.len() - 1]).unwrap();
        std::fs::write(dir.join("garbage.png"), "garbage").unwrap();
        let mut all = Slides::open(std::slice::from_ref(&dir), rate, true, WallTime(0)).unwrap();
        assert!(matches!(all.next(), Err(Error::Malformed { .. })), "none of them is a picture");
        for (file, missing) in [("cut.jpg", false), ("garbage.png", false), ("none.jpg", true)] {
            let error = Slides::open(&[dir.join(file)], rate, false, WallTime(0)).and_then(|mut s| s.next()).unwrap_err();
            assert_eq!(matches!(error, Error::NoSource { .. }), missing, "{file}: {error:?}");
            assert!(missing || matches!(error, Error::Malformed { .. } | Error::Unsupported { .. }), "{file}: {error:?}");
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_no_picture_among_others_is_passed_over() {
        let dir = tempdir("among");
        let whole = jpeg(16, 8, 1);
        for (file, data) in
            [("1.jpg", &whole[..]), ("2.jpg", &whole[..whole.len() - 1]), ("3.jpg", b"some text"), ("4.png", b""), ("6.jpg", &whole)]
        {
            std::fs::write(dir.join(file), data).unwrap();
        }
        std::fs::create_dir(dir.join("5.jpg")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.join("7.jpg")).unwrap();
        let rate = Rate::new(1, 1).unwrap();
        let times = |slides: &mut Slides, count| events(slides, count).into_iter().skip(1).collect::<Vec<_>>();
        let expected = |count| (0..count).map(|n| format!("{} {}", n * 1000, whole.len())).collect::<Vec<_>>();
        let mut once = Slides::open(std::slice::from_ref(&dir), rate, false, WallTime(0)).unwrap();
        assert_eq!(times(&mut once, 99), expected(2), "no gap in time either");
        let mut again = Slides::open(std::slice::from_ref(&dir), rate, true, WallTime(0)).unwrap();
        assert_eq!(times(&mut again, 6), expected(5));
        assert_eq!(again.refused.len(), 5, "each is said once");
        std::fs::write(dir.join("2.jpg"), &whole).unwrap();
        assert_eq!(events(&mut again, 2).len(), 2);
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// An empty directory of its own for one test.
    pub(super) fn tempdir(test: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("h5live-{test}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn the_header_says_when_it_began() {
        let dir = tempdir("began");
        std::fs::write(dir.join("1.jpeg"), jpeg(16, 8, 1)).unwrap();
        let mut slides = Slides::open(&[dir.join("1.jpeg")], Rate::new(1, 5).unwrap(), false, WallTime(77)).unwrap();
        let Some(Event::Header(header)) = slides.next().unwrap() else { panic!("header first") };
        assert_eq!((header.time_zero, header.tracks[0].frame_duration), (Some(WallTime(77)), Some(Duration::from_secs(5))));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
