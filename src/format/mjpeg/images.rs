//! Images become packets; the small copies that cameras put behind a photograph do not.

use crate::codec::exif;
use crate::codec::jpeg::{self, Fault, JpegInfo};
use crate::format::timing::{FrameTimes, Timing};
use crate::media::{Codec, Colour, Event, Header, Packet, Timestamp, Track, VideoParams};
use bytes::Bytes;
use std::collections::VecDeque;

pub(super) const FORMAT: &str = "JPEG";

/// A copy that has at most this part of the width and of the height of the image before it is a thumbnail. EXIF has them of 160x120.
const THUMBNAIL: u32 = 4;

/// What comes out of a stream of images.
pub struct Images {
    timing: Timing,
    times: FrameTimes,
    /// Images given out.
    pub count: u64,
    /// How the last one is shown; before the first, and before one that is shown otherwise, goes a header.
    shape: Option<exif::Shape>,
    /// Given out, but not yet fetched.
    ready: VecDeque<Event>,
    /// Width and height of the image before.
    last: (u32, u32),
    /// So many copies are still to come, as the image before has said (Multi-Picture Format).
    copies: u32,
    /// May be a thumbnail: what comes next tells.
    held: Option<Image>,
    pub damage: u64,
    /// An image that cannot be shown was named.
    warned: bool,
}

struct Image {
    data: Bytes,
    size: (u32, u32),
    now: Timestamp,
}

impl Images {
    pub fn new(timing: Timing) -> Images {
        Images {
            timing,
            times: FrameTimes::new(timing, None),
            count: 0,
            shape: None,
            ready: VecDeque::new(),
            last: (0, 0),
            copies: 0,
            held: None,
            damage: 0,
            warned: false,
        }
    }

    pub fn next(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    /// The next image is no copy of the one before.
    pub fn apart(&mut self) {
        self.copies = 0;
        self.last = (0, 0);
    }

    /// The bytes of one image, from its first marker to its end.
    pub fn image(&mut self, data: Bytes, now: Timestamp) {
        match jpeg::canonical(data) {
            Ok((data, info)) => self.sort(data, &info, now),
            Err(fault) => self.refuse(&fault),
        }
    }

    fn refuse(&mut self, fault: &Fault) {
        self.damage += 1;
        if matches!(fault, Fault::Obstacle(_)) && !std::mem::replace(&mut self.warned, true) {
            tracing::warn!("{fault}: such images are passed over");
        } else {
            tracing::debug!("{FORMAT}: an image is passed over: {fault}");
        }
    }

    fn sort(&mut self, data: Bytes, info: &JpegInfo, now: Timestamp) {
        let size = (info.width, info.height);
        let copies = jpeg::images_in_file(&data).map(|images| images - 1);
        if copies.is_none() && self.copies > 0 {
            self.copies -= 1;
            return;
        }
        self.copies = copies.unwrap_or(0);
        let image = Image { data, size, now };
        match self.held.take() {
            // The stream has become as small as this.
            Some(held) if held.size == size => {
                self.give(held);
                self.give(image);
            }
            _ if self.is_thumbnail(size) => self.held = Some(image),
            _ => self.give(image),
        }
    }

    fn is_thumbnail(&self, (width, height): (u32, u32)) -> bool {
        width * THUMBNAIL <= self.last.0 && height * THUMBNAIL <= self.last.1
    }

    fn give(&mut self, Image { data, size, now }: Image) {
        let shape = exif::shape(&data);
        if self.shape.replace(shape) != Some(shape) {
            self.ready.push_back(self.header(size, shape));
        }
        let pts = self.times.time(self.count, now);
        self.ready.push_back(Event::Packet(Packet { track: 0, pts, key: true, data, hidden: false }));
        self.last = size;
        self.count += 1;
    }

    fn header(&self, (width, height): (u32, u32), shape: exif::Shape) -> Event {
        // JFIF (section 7): BT.601 with the full range.
        let colour = Colour { full_range: Some(true), ..Colour::default() };
        let rate = FrameTimes::nominal(self.timing, None);
        let (orientation, sample_aspect) = (shape.orientation.unwrap_or_default(), shape.sample_aspect.unwrap_or_default());
        let video = VideoParams { rate, colour, orientation, sample_aspect, ..VideoParams::new(width, height) };
        let track = Track::video(Codec::Jpeg, video);
        Event::Header(Header { tracks: [track].into(), time_zero: None })
    }
}
