//! Pictures of streams as JPEG images, for those who ask for one. One thread decodes, whatever is asked: who asks for the same within a second gets the
//! same image, and who asks for more than it can do is told so.

use super::live::stream::StreamId;
use crate::media::{Track, WallTime};
use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Widths, in pixels, that can be asked for.
pub const WIDTHS: RangeInclusive<u32> = 16..=3840;
/// So long an image is given to those who ask for the same.
const FRESH: Duration = Duration::from_secs(1);
/// Questions that wait: each takes some ten milliseconds.
const QUEUE: usize = 64;
/// Images that are kept: of so many streams and widths.
const KEPT: usize = 16;
/// So many are read from recordings at a time: each has one file open and one keyframe in memory.
const READ: usize = 4;
/// So long one who asks waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Decodes pictures. A program that has decoders gives one to the server, which has none.
pub trait PictureDecoder: Send + Sync + fmt::Debug {
    /// One picture as a JPEG image. `data`: a JPEG image, or a keyframe of H.264 as a byte stream (Annex B) with its parameter sets, as the track
    /// says. `width`: scaled down to so many pixels, in proportion.
    ///
    /// # Errors
    /// The picture is damaged, or of a kind that it does not decode.
    fn jpeg(&self, track: &Track, data: &[u8], width: Option<u32>) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>>;
}

/// A picture to be decoded.
#[derive(Debug)]
pub struct Coded {
    pub track: Track,
    pub data: Bytes,
}

/// Why there is no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoImage {
    /// This server decodes nothing.
    NoDecoder,
    /// Too many ask.
    Busy,
    /// It is damaged, or of a kind that is not decoded.
    NotDecoded,
}

type Image = Result<Bytes, NoImage>;

/// Which picture it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// The newest of a stream; within a second it counts as the same.
    Newest(StreamId),
    /// The one of a stream that was captured then.
    At(String, WallTime),
}

/// What an image is of, and its width.
type Place = (Picture, Option<u32>);

struct Job {
    place: Place,
    coded: Coded,
    done: oneshot::Sender<Image>,
}

/// The way to the thread, which is started when the first image is asked for, and ends when this is dropped.
#[derive(Debug)]
pub struct Snapshots {
    decoder: Option<Arc<dyn PictureDecoder>>,
    thread: OnceLock<Option<Sender<Job>>>,
    reading: Arc<Semaphore>,
}

impl Default for Snapshots {
    fn default() -> Snapshots {
        Snapshots::new(None)
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Job")
    }
}

impl Snapshots {
    pub fn new(decoder: Option<Arc<dyn PictureDecoder>>) -> Snapshots {
        Snapshots { decoder, thread: OnceLock::new(), reading: Arc::new(Semaphore::new(READ)) }
    }

    /// A place among those that read pictures from recordings.
    ///
    /// # Errors
    /// Too many ask, or this server decodes nothing.
    pub async fn reading(&self) -> Result<OwnedSemaphorePermit, NoImage> {
        if self.decoder.is_none() {
            return Err(NoImage::NoDecoder);
        }
        let place = tokio::time::timeout(PATIENCE, self.reading.clone().acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(NoImage::Busy)
    }

    /// This picture as an image, or one of the last second.
    ///
    /// # Errors
    /// There is none.
    pub async fn image(&self, picture: Picture, width: Option<u32>, coded: Coded) -> Image {
        let decoder = self.decoder.as_ref().ok_or(NoImage::NoDecoder)?;
        let jobs = self.thread.get_or_init(|| start(decoder.clone())).as_ref().ok_or(NoImage::Busy)?;
        let (done, image) = oneshot::channel();
        jobs.try_send(Job { place: (picture, width), coded, done }).map_err(|_| NoImage::Busy)?;
        tokio::time::timeout(PATIENCE, image).await.ok().and_then(Result::ok).unwrap_or(Err(NoImage::Busy))
    }
}

fn start(decoder: Arc<dyn PictureDecoder>) -> Option<Sender<Job>> {
    let (jobs, queue) = bounded(QUEUE);
    let thread = std::thread::Builder::new().name("snapshots".into()).spawn(move || work(&queue, &*decoder));
    thread.inspect_err(|error| tracing::error!("no thread for snapshots: {error}")).ok().map(|_| jobs)
}

fn work(queue: &Receiver<Job>, decoder: &dyn PictureDecoder) {
    let mut images = Images::default();
    for Job { place, coded, done } in queue {
        // Who asked may have gone.
        if done.is_closed() {
            continue;
        }
        let width = place.1;
        let decode = || {
            let image = decoder.jpeg(&coded.track, &coded.data, width).map(Bytes::from);
            image.inspect_err(|error| tracing::debug!("no snapshot: {error}")).map_err(|_| NoImage::NotDecoded)
        };
        _ = done.send(images.get_or_make(place, Instant::now(), decode));
    }
}

/// Those of the last second.
#[derive(Default)]
struct Images(Vec<(Place, Instant, Image)>);

impl Images {
    fn get_or_make(&mut self, place: Place, now: Instant, make: impl FnOnce() -> Image) -> Image {
        self.0.retain(|(_, made, _)| now.saturating_duration_since(*made) < FRESH);
        if let Some((.., image)) = self.0.iter().find(|(known, ..)| *known == place) {
            return image.clone();
        }
        let image = make();
        if self.0.len() == KEPT {
            drop(self.0.remove(0));
        }
        self.0.push((place, now, image.clone()));
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Codec, VideoParams};
    use crate::serve::live::stream::Stream;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl PictureDecoder for Counting {
        fn jpeg(&self, _: &Track, data: &[u8], width: Option<u32>) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
            self.0.fetch_add(1, SeqCst);
            if data.is_empty() { Err("nothing".into()) } else { Ok(format!("{width:?}").into()) }
        }
    }

    fn coded(data: &'static [u8]) -> Coded {
        Coded { track: Track::video(Codec::Jpeg, VideoParams::new(1, 1)), data: Bytes::from_static(data) }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn one_decode_for_all_who_ask_at_a_time() {
        let decoder = Arc::new(Counting::default());
        let snapshots = Snapshots::new(Some(decoder.clone()));
        let stream = Picture::Newest(Stream::new("a".into()).id());
        let (a, b, c) = tokio::join!(
            snapshots.image(stream.clone(), Some(64), coded(b"x")),
            snapshots.image(stream.clone(), Some(64), coded(b"x")),
            snapshots.image(stream.clone(), None, coded(b"x")),
        );
        assert_eq!((a.as_deref(), b.as_deref(), c.as_deref()), (Ok(&b"Some(64)"[..]), Ok(&b"Some(64)"[..]), Ok(&b"None"[..])));
        assert_eq!(decoder.0.load(SeqCst), 2);
        let other = Picture::Newest(Stream::new("b".into()).id());
        assert_eq!(snapshots.image(other, None, coded(b"")).await, Err(NoImage::NotDecoded));
        assert_eq!(Snapshots::default().image(stream, None, coded(b"x")).await, Err(NoImage::NoDecoder));
    }

    #[test]
    fn images_are_kept_for_a_second() {
        let (mut images, t, stream) = (Images::default(), Instant::now(), Picture::Newest(Stream::new("a".into()).id()));
        let make = |text: &'static str| move || Ok(Bytes::from_static(text.as_bytes()));
        assert_eq!(images.get_or_make((stream.clone(), None), t, make("1")).as_deref(), Ok(&b"1"[..]));
        assert_eq!(images.get_or_make((stream.clone(), None), t + Duration::from_millis(999), make("2")).as_deref(), Ok(&b"1"[..]));
        assert_eq!(images.get_or_make((stream.clone(), None), t + FRESH, make("3")).as_deref(), Ok(&b"3"[..]));
        for width in 0..100 {
            images.get_or_make((stream.clone(), Some(width)), t + FRESH, make("x")).unwrap();
        }
        assert_eq!(images.0.len(), KEPT);
    }

    #[test]
    fn two_of_one_second_are_two() {
        let (mut images, t) = (Images::default(), Instant::now());
        for (time, text) in [(1, "1"), (2, "2"), (1, "1")] {
            let picture = Picture::At("a".into(), WallTime(time));
            assert_eq!(
                images.get_or_make((picture, Some(64)), t, || Ok(Bytes::from_static(text.as_bytes()))).as_deref(),
                Ok(text.as_bytes())
            );
        }
        assert_eq!(images.0.len(), 2);
    }
}
