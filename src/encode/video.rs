//! One track of video: thinned to the wanted rate, prepared and encoded.

use super::h264::H264;
use super::options::{Live, Options, VideoCodec};
use super::preprocess::{Preprocess, Target};
use super::reorder::{ReorderBuffer, Slot};
use super::{Error, colour, jpeg};
use crate::codec;
use crate::media::{Codec, Event, Orientation, Packet, Params, Rate, Timestamp, Track, VideoParams};
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;
use std::thread::JoinHandle;

/// What becomes of a track of video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Leave,
    Copy,
    H264,
    Mjpeg,
}

/// Whether and how a track of video is encoded.
///
/// # Errors
/// [`Error::Unsupported`] where it would have to be decoded and cannot be.
pub fn plan(input: &Track, options: &Options) -> Result<Plan, Error> {
    // A JPEG camera is passed on untouched, unless something is asked for that takes an encoder.
    let changed = options.size.is_some() || options.quality.is_some();
    match (options.video, input.codec) {
        (VideoCodec::None, _) => Ok(Plan::Leave),
        (VideoCodec::Copy, _) => Ok(Plan::Copy),
        (VideoCodec::Auto | VideoCodec::H264, Codec::Raw(_) | Codec::Jpeg) => Ok(Plan::H264),
        (VideoCodec::Mjpeg, Codec::Raw(_)) => Ok(Plan::Mjpeg),
        (VideoCodec::Mjpeg, Codec::Jpeg) => Ok(if changed { Plan::Mjpeg } else { Plan::Copy }),
        (VideoCodec::Auto, _) | (VideoCodec::H264, Codec::H264) if options.size.is_none() => Ok(Plan::Copy),
        (_, codec) => Err(super::error::cannot_decode(codec, super::error::DECODE_VIDEO)),
    }
}

/// Thins pictures to a rate: none is repeated, and the times of those that stay are untouched.
#[derive(Clone, Debug)]
pub struct FrameDropper {
    period: i64,
    due: Option<Timestamp>,
}

impl FrameDropper {
    pub fn new(rate: Rate) -> FrameDropper {
        FrameDropper { period: (1e6 / rate.fps()) as i64, due: None }
    }

    /// Whether the picture at `pts` stays. Times jitter: one that is up to a quarter of a period early is in time.
    pub fn keeps(&mut self, pts: Timestamp) -> bool {
        let Some(due) = self.due else {
            self.due = Some(pts + self.period);
            return true;
        };
        let late = pts - due;
        if (-2 * self.period..-self.period / 4).contains(&late) {
            return false;
        }
        // After a pause, or a jump back, the beat starts anew.
        let from = if late.abs() > self.period { pts } else { due };
        self.due = Some(from + self.period);
        true
    }
}

/// What [`VideoEncoder::push`] did.
#[derive(Debug, PartialEq)]
pub enum PushOutcome {
    /// The packet was taken.
    Done,
    /// The pictures have another size now: announce this track, then push the packet again.
    Changed(Track),
}

/// The encoder of one track.
pub struct VideoEncoder {
    input: Track,
    params: VideoParams,
    options: Options,
    output: usize,
    track: Track,
    kind: Kind,
    live: Arc<Live>,
    bitrate: Option<u32>,
}

enum Kind {
    H264 { preprocess: Box<Preprocess>, encoder: Box<H264> },
    Mjpeg(Mjpeg),
}

impl VideoEncoder {
    /// For a raw or JPEG track, that becomes track number `output`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for sizes that the encoder does not take.
    pub fn new(input: &Track, plan: Plan, output: usize, options: &Options, live: &Arc<Live>) -> Result<VideoEncoder, Error> {
        let params = input.as_video().ok_or(Error::NoParams)?.clone();
        let (kind, track) = make(input, &params, plan, options, live)?;
        let (options, live) = (options.clone(), Arc::clone(live));
        Ok(VideoEncoder { input: input.clone(), params, options, output, track, kind, bitrate: live.bitrate(), live })
    }

    /// The track that comes out.
    pub fn track(&self) -> &Track {
        &self.track
    }

    /// Takes a packet; what it becomes goes to `out` in its turn. A picture that is damaged is left out and counted.
    ///
    /// # Errors
    /// If the encoder fails, or an earlier event could not be written.
    pub fn push(&mut self, packet: &Packet, want_key: bool, out: &ReorderBuffer) -> Result<PushOutcome, Error> {
        if self.input.codec == Codec::Jpeg
            && let Ok(image) = codec::jpeg::parse(&packet.data)
            && let orientation = self.orientation_of(&packet.data)
            && (image.width, image.height, orientation) != (self.params.width, self.params.height, self.params.orientation)
        {
            self.params.orientation = orientation;
            return self.resize(image.width, image.height);
        }
        let output = self.output;
        match &mut self.kind {
            Kind::Mjpeg(mjpeg) => mjpeg.push(Job { packet: packet.clone(), output, slot: out.slot()? }, &self.live)?,
            Kind::H264 { preprocess, encoder } => {
                if let Some(bitrate) = self.live.bitrate().filter(|bitrate| Some(*bitrate) != self.bitrate) {
                    encoder.set_bitrate(bitrate);
                    self.bitrate = Some(bitrate);
                }
                match preprocess.run(&packet.data) {
                    Ok(picture) => {
                        let (data, key) = encoder.encode(&picture, packet.pts, want_key)?;
                        out.send(Event::Packet(Packet { track: output, pts: packet.pts, key, data, hidden: false }))?;
                    }
                    Err(error) => damaged(&error, packet.pts, &self.live),
                }
            }
        }
        Ok(PushOutcome::Done)
    }

    /// A JPEG image says itself which way up it is, where its track says nothing.
    fn orientation_of(&self, image: &[u8]) -> Orientation {
        match self.input.as_video().map(|video| video.orientation) {
            Some(orientation) if !orientation.is_upright() => orientation,
            _ => codec::exif::shape(image).orientation.unwrap_or_default(),
        }
    }

    /// Starts again for pictures of another size. Where `--size` fixes the output's size, its track stays as it is.
    fn resize(&mut self, width: u32, height: u32) -> Result<PushOutcome, Error> {
        (self.params.width, self.params.height) = (width, height);
        let plan = if matches!(self.kind, Kind::H264 { .. }) { Plan::H264 } else { Plan::Mjpeg };
        let (kind, track) = make(&self.input, &self.params, plan, &self.options, &self.live)?;
        (self.kind, self.track) = (kind, track);
        Ok(PushOutcome::Changed(self.track.clone()))
    }
}

fn make(input: &Track, params: &VideoParams, plan: Plan, options: &Options, live: &Arc<Live>) -> Result<(Kind, Track), Error> {
    let rate = match (options.rate, params.rate) {
        (Some(most), Some(rate)) if rate.fps() < most.fps() => Some(rate),
        (most, rate) => most.or(rate),
    };
    let made = |codec, target: Target| {
        let colour = colour::declared(target.space, params.colour, input.codec);
        let sample_aspect = target.sample_aspect;
        let video = VideoParams { rate, colour, sample_aspect, ..VideoParams::new(target.width, target.height) };
        let (language, name) = (input.language.clone(), input.name.clone());
        Track { language, name, ..Track::video(codec, video) }
    };
    if plan == Plan::Mjpeg {
        let target = Target::jpeg(input.codec, params, options.size);
        let mjpeg = Mjpeg::new(input.codec, params, target, options, live)?;
        return Ok((Kind::Mjpeg(mjpeg), made(Codec::Jpeg, target)));
    }
    let target = Target::h264(input.codec, params, options.size)?;
    let mut track = made(Codec::H264, target);
    let Params::Video(video) = &track.params else { return Err(Error::NoParams) };
    let options = Options { bitrate: live.bitrate().or(options.bitrate), ..options.clone() };
    let encoder = H264::new(video, &options)?;
    track.config = encoder.config().clone();
    let preprocess = Preprocess::new(input.codec, params, target)?;
    Ok((Kind::H264 { preprocess: Box::new(preprocess), encoder: Box::new(encoder) }, track))
}

fn damaged(error: &Error, pts: Timestamp, live: &Live) {
    live.count_damaged();
    let (at, reason) = (pts.micros(), std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string));
    tracing::warn!("picture at {at} µs left out: {reason}");
}

/// JPEG encoding, on as many threads as wanted: each picture goes to a thread that is free, or waits for one.
enum Mjpeg {
    Here(Box<Worker>),
    Pool { jobs: Option<Sender<Job>>, threads: Vec<JoinHandle<()>> },
}

struct Job {
    packet: Packet,
    output: usize,
    slot: Slot,
}

struct Worker {
    preprocess: Preprocess,
    encoder: jpeg::Encoder,
}

/// Of JPEG: above it no difference is seen on moving pictures.
const USUAL_QUALITY: u8 = 80;

impl Mjpeg {
    fn new(codec: Codec, params: &VideoParams, target: Target, options: &Options, live: &Arc<Live>) -> Result<Mjpeg, Error> {
        let quality = options.quality.unwrap_or(USUAL_QUALITY);
        let worker = || -> Result<Worker, Error> {
            Ok(Worker { preprocess: Preprocess::new(codec, params, target)?, encoder: jpeg::Encoder::new(quality)? })
        };
        let count = options.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()), usize::from);
        if count <= 1 {
            return Ok(Mjpeg::Here(Box::new(worker()?)));
        }
        // No queue: what waits in one is late.
        let (jobs, taken) = crossbeam_channel::bounded::<Job>(0);
        let spawn = |worker: Worker, taken: Receiver<Job>, live: Arc<Live>| {
            let name = "jpeg".to_owned();
            std::thread::Builder::new().name(name).spawn(move || work(worker, &taken, &live)).map_err(Error::Thread)
        };
        let threads = (0..count.min(64)).map(|_| spawn(worker()?, taken.clone(), Arc::clone(live))).collect::<Result<_, Error>>()?;
        Ok(Mjpeg::Pool { jobs: Some(jobs), threads })
    }

    fn push(&mut self, job: Job, live: &Live) -> Result<(), Error> {
        match self {
            Mjpeg::Here(worker) => worker.run(job, live),
            // All threads are gone only if they panicked.
            Mjpeg::Pool { jobs, .. } => jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or(Error::NoThreads)?,
        }
        Ok(())
    }
}

impl Drop for Mjpeg {
    /// Waits for the pictures that are being encoded.
    fn drop(&mut self) {
        if let Mjpeg::Pool { jobs, threads } = self {
            *jobs = None;
            threads.drain(..).for_each(|thread| _ = thread.join());
        }
    }
}

fn work(mut worker: Worker, jobs: &Receiver<Job>, live: &Live) {
    jobs.iter().for_each(|job| worker.run(job, live));
}

impl Worker {
    fn run(&mut self, job: Job, live: &Live) {
        let Job { packet, output, slot } = job;
        let image = self.preprocess.run(&packet.data).and_then(|picture| Ok(self.encoder.encode(&picture)?));
        match image {
            Ok(image) => slot.fill(Event::Packet(Packet { track: output, pts: packet.pts, key: true, data: image.into(), hidden: false })),
            Err(error) => damaged(&error, packet.pts, live),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::PixelFormat;

    fn kept(rate: Rate, times: impl Iterator<Item = i64>) -> Vec<i64> {
        let mut dropper = FrameDropper::new(rate);
        times.filter(|pts| dropper.keeps(Timestamp(*pts))).collect()
    }

    #[test]
    fn thinning_keeps_the_rate_and_the_times() {
        let rate = |fps| Rate::new(fps, 1).unwrap();
        let thirty = || (0..300i64).map(|n| n * 1_000_000 / 30);
        assert_eq!(kept(rate(30), thirty()).len(), 300);
        assert_eq!(kept(rate(60), thirty()).len(), 300);
        assert_eq!(kept(rate(15), thirty()), (0..150).map(|n| n * 2_000_000 / 30).collect::<Vec<_>>());
        for fps in [1, 5, 10, 12, 20, 25, 29] {
            let count = kept(rate(fps), thirty()).len() as i64;
            assert!((count - i64::from(fps) * 10).abs() <= 2, "{fps}: {count}");
        }
        // Jitter of 8 ms.
        let jitter = (0..300i64).map(|n| n * 33_334 + n * 7919 % 8_000);
        assert_eq!(kept(rate(30), jitter).len(), 300);
        let pause = [0, 33_333, 10_000_000, 10_033_333, 5_000_000, 5_033_333];
        assert_eq!(kept(rate(30), pause.into_iter()), pause, "pauses and jumps back lose nothing");
    }

    #[test]
    fn what_becomes_of_each_codec() {
        let of = |codec| Track::video(codec, VideoParams::new(64, 48));
        let (raw, jpeg, h264, h265) = (of(Codec::Raw(PixelFormat::I420)), of(Codec::Jpeg), of(Codec::H264), of(Codec::H265));
        let auto = Options::default();
        let ask = |video| Options { video, ..Options::default() };
        let small = |video| Options { video, size: "32x".parse().ok(), ..Options::default() };
        assert_eq!(plan(&raw, &auto).unwrap(), Plan::H264);
        assert_eq!(plan(&jpeg, &auto).unwrap(), Plan::H264);
        assert_eq!(plan(&jpeg, &ask(VideoCodec::Mjpeg)).unwrap(), Plan::Copy);
        assert_eq!(plan(&jpeg, &small(VideoCodec::Mjpeg)).unwrap(), Plan::Mjpeg);
        assert_eq!(plan(&jpeg, &ask(VideoCodec::H264)).unwrap(), Plan::H264);
        assert_eq!(plan(&h264, &auto).unwrap(), Plan::Copy);
        assert_eq!(plan(&h264, &ask(VideoCodec::H264)).unwrap(), Plan::Copy);
        assert_eq!(plan(&h265, &ask(VideoCodec::None)).unwrap(), Plan::Leave);
        assert!(plan(&h264, &small(VideoCodec::Auto)).is_err());
        assert!(plan(&h265, &ask(VideoCodec::H264)).is_err());
        assert!(plan(&h264, &ask(VideoCodec::Mjpeg)).is_err());
    }
}
