//! Black pictures in place of those of a camera that is away.
//!
//! Raw pictures and JPEG stay in the camera's track. In place of any other codec comes H.264, as another track. Coded pictures are made once, when
//! the track is known, by the encoders that a program has: while a camera is away, a picture costs nothing.

use super::input::BoxError;
use crate::media::{Codec, Event, Header, Packet, PixelFormat, Timestamp, Track, VideoParams};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Codes raw pictures: their header and packets in, a header and keyframes of H.264 or JPEG out. A program fills it.
pub type EncodePictures = Arc<dyn Fn(Codec, Vec<Event>) -> Result<Vec<Event>, BoxError> + Send + Sync>;

/// Between two pictures, where the camera's rate is not known.
const USUAL: Duration = Duration::from_millis(100);
/// Between two pictures, at least and at most.
const LEAST: Duration = Duration::from_millis(10);
const MOST: Duration = Duration::from_secs(1);

/// Black pictures of the size of a track's.
pub struct BlackPictures {
    track: Option<Track>,
    pictures: Vec<Bytes>,
    next: usize,
}

impl BlackPictures {
    /// Like the pictures of a track of video.
    ///
    /// # Errors
    /// They have to be coded, and there is no encoder, or it refuses the size.
    pub fn like(track: &Track, encode: Option<&EncodePictures>) -> Result<BlackPictures, BoxError> {
        let video = track.as_video().ok_or("it is no video")?;
        let same = |picture| BlackPictures { track: None, pictures: vec![picture], next: 0 };
        let coded = match track.codec {
            Codec::Raw(pixels) => {
                return Ok(same(raw(pixels, video.width, video.height, video.colour.full_range == Some(true))));
            }
            Codec::Jpeg => Codec::Jpeg,
            _ => Codec::H264,
        };
        let encode = encode.ok_or("this program was built without encoders (feature encode)")?;
        let (tracks, mut pictures) = pictures(encode(coded, events(coded, video))?);
        match (tracks.as_ref().and_then(|tracks| tracks.first()), coded) {
            (Some(_), Codec::Jpeg) if !pictures.is_empty() => Ok(same(pictures.swap_remove(0))),
            (Some(track), Codec::H264) if !pictures.is_empty() => Ok(BlackPictures { track: Some(track.clone()), pictures, next: 0 }),
            _ => Err("the encoder gave no picture".into()),
        }
    }

    /// The track of the pictures; `None`: that of the camera.
    pub fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }

    /// The next picture, a keyframe.
    pub fn picture(&mut self) -> Bytes {
        self.next = (self.next + 1) % self.pictures.len();
        self.pictures[self.next].clone()
    }
}

/// From one picture to the next, where a camera's pictures are so far apart.
pub fn interval(usual: Option<Duration>) -> Duration {
    usual.unwrap_or(USUAL).clamp(LEAST, MOST)
}

/// Two black pictures: keyframes one after the other differ in their idr_pic_id (ITU-T H.264, section 7.4.3).
fn events(coded: Codec, video: &VideoParams) -> Vec<Event> {
    let VideoParams { width, height, rate, orientation, sample_aspect, .. } = *video;
    let upright = VideoParams { rate, sample_aspect, ..VideoParams::new(width, height) };
    // JPEG is not turned: it is in the camera's track, with the camera's orientation.
    let params = if coded == Codec::Jpeg { upright } else { VideoParams { orientation, ..upright } };
    let (codec, data) = (Codec::Raw(PixelFormat::I420), raw(PixelFormat::I420, width, height, false));
    let header = Header { tracks: [Track::video(codec, params)].into(), time_zero: None };
    let packet = |number: i64| Packet { track: 0, pts: Timestamp(number * 40_000), key: true, data: data.clone(), hidden: false };
    vec![Event::Header(header), Event::Packet(packet(0)), Event::Packet(packet(1))]
}

/// The tracks and the keyframes among events.
fn pictures(events: Vec<Event>) -> (Option<Arc<[Track]>>, Vec<Bytes>) {
    let (mut tracks, mut pictures) = (None, Vec::new());
    for event in events {
        match event {
            Event::Header(header) => tracks = Some(header.tracks),
            Event::Packet(packet) if packet.key => pictures.push(packet.data),
            Event::Packet(_) | Event::TimeZero(_) => {}
        }
    }
    (tracks, pictures)
}

/// A raw black picture, tightly packed.
fn raw(pixels: PixelFormat, width: u32, height: u32, full_range: bool) -> Bytes {
    let luma = if full_range { 0 } else { 16 };
    let size = pixels.picture_size(width, height);
    let lumas = width as usize * height as usize;
    match pixels {
        PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::I422 | PixelFormat::I444 => {
            let mut picture = vec![128; size];
            picture[..lumas].fill(luma);
            picture.into()
        }
        PixelFormat::Yuy2 => [luma, 128].repeat(size / 2).into(),
        PixelFormat::Uyvy => [128, luma].repeat(size / 2).into(),
        PixelFormat::Rgb24 | PixelFormat::Bgr24 => vec![0; size].into(),
        PixelFormat::Rgba | PixelFormat::Bgra => [0, 0, 0, 255].repeat(lumas).into(),
        PixelFormat::Gray => vec![luma; size].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_pictures() {
        for pixels in PixelFormat::ALL {
            assert_eq!(raw(pixels, 3, 3, false).len(), pixels.picture_size(3, 3));
        }
        assert_eq!(raw(PixelFormat::I420, 2, 2, false), [16, 16, 16, 16, 128, 128][..]);
        assert_eq!(raw(PixelFormat::Uyvy, 2, 1, true), [128, 0, 128, 0][..]);
    }

    /// Gives the first byte of each picture as its code.
    fn encoder() -> EncodePictures {
        Arc::new(|codec, events| {
            let code = |event| match event {
                Event::Header(header) => {
                    Event::Header(Header { tracks: [Track::video(codec, header.tracks[0].as_video().unwrap().clone())].into(), ..header })
                }
                Event::Packet(packet) => Event::Packet(Packet { data: packet.data.slice(..1), ..packet }),
                event => event,
            };
            Ok(events.into_iter().map(code).collect())
        })
    }

    #[test]
    fn raw_pictures_and_jpeg_stay_in_their_track_and_the_rest_becomes_h264() {
        let like = |codec, encode: Option<&EncodePictures>| BlackPictures::like(&Track::video(codec, VideoParams::new(32, 16)), encode);
        let encoder = encoder();
        assert_eq!(like(Codec::Raw(PixelFormat::Gray), None).unwrap().picture().len(), 32 * 16);
        let mut jpeg = like(Codec::Jpeg, Some(&encoder)).unwrap();
        assert!(jpeg.track().is_none() && jpeg.picture() == [16][..] && jpeg.picture() == [16][..]);
        for codec in [Codec::H264, Codec::H265, Codec::Vp8] {
            let black = like(codec, Some(&encoder)).unwrap();
            assert_eq!((black.track().unwrap().codec, black.pictures.len()), (Codec::H264, 2), "{codec}");
            assert!(like(codec, None).is_err(), "{codec}");
            let refuses: EncodePictures = Arc::new(|_, _| Ok(Vec::new()));
            assert!(like(codec, Some(&refuses)).is_err(), "{codec}");
        }
    }

    #[test]
    fn intervals_are_bounded() {
        let of = |ms| interval(Some(Duration::from_millis(ms))).as_millis();
        assert_eq!((of(0), of(40), of(60_000), interval(None).as_millis()), (10, 40, 1000, 100));
    }
}
