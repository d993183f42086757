//! The stage itself: which track becomes what, and each packet to its encoder.

use super::Error;
use super::audio::{self, AudioEncoder};
use super::error::SinkError;
use super::options::{Live, Options};
use super::reorder::ReorderBuffer;
use super::video::{self, FrameDropper, PushOutcome, VideoEncoder};
use crate::media::{Event, Header, Kind, Malformed, OmittedTrack, Packet, Rate, Timestamp, Track, Unsupported, WallTime, omitted_line};
use bytes::Bytes;
use std::sync::Arc;

/// Turns events into events.
pub struct EncodeStage {
    options: Options,
    live: Arc<Live>,
    lanes: Vec<TrackLane>,
    /// The tracks of the output, and time zero.
    tracks: Vec<Track>,
    time_zero: Option<WallTime>,
    out: ReorderBuffer,
    /// Tracks that were said to be left out.
    omitted: Vec<OmittedTrack>,
}

/// One track of the input.
struct TrackLane {
    input: Track,
    /// Number of the output's track.
    output: usize,
    dropper: Option<FrameDropper>,
    work: Work,
}

enum Work {
    Leave,
    Copy,
    Video(Box<VideoEncoder>),
    Audio(Box<AudioEncoder>),
}

impl EncodeStage {
    /// Events go to `sink`, possibly from other threads, one at a time and in order.
    pub fn new(options: Options, live: Arc<Live>, sink: impl FnMut(Event) -> Result<(), SinkError> + Send + 'static) -> EncodeStage {
        EncodeStage {
            options,
            live,
            lanes: Vec::new(),
            tracks: Vec::new(),
            time_zero: None,
            out: ReorderBuffer::new(Box::new(sink)),
            omitted: Vec::new(),
        }
    }

    /// Takes one event; all that it brings about is written before the next one is taken, but for pictures that other
    /// threads still encode.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where no track can become what was asked for; [`Error::Output`] when the sink failed.
    pub fn push(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Header(header) => self.header(&header),
            Event::Packet(packet) => self.packet(packet),
            Event::TimeZero(zero) => {
                self.time_zero = Some(zero);
                self.out.send(event)
            }
        }
    }

    /// Writes what the encoders still hold.
    ///
    /// # Errors
    /// As [`EncodeStage::push`].
    pub fn finish(mut self) -> Result<(), Error> {
        let mut lanes = std::mem::take(&mut self.lanes);
        for lane in &mut lanes {
            lane.finish(&self.out)?;
        }
        // Threads of JPEG encoders end here, when they are done.
        drop(lanes);
        self.out.check()
    }

    /// New tracks. Audio whose track stays as it was goes on without a seam. A track that cannot become what was asked for costs the
    /// others nothing.
    fn header(&mut self, header: &Header) -> Result<(), Error> {
        let mut old = std::mem::take(&mut self.lanes);
        let mut tracks = Vec::new();
        let mut refused = Vec::new();
        for (index, input) in header.tracks.iter().enumerate() {
            let kept = old.iter().position(|lane| lane.input == *input && matches!(lane.work, Work::Audio(_)));
            let mut lane = match kept {
                Some(at) => old.swap_remove(at),
                None => match self.lane(input, tracks.len()) {
                    // An encoder that is not installed is no fault of the track.
                    Err(Error::Unsupported(error)) if !matches!(audio::plan(input, self.options.audio), Ok(audio::Plan::Encode(..))) => {
                        refused.push((index, error));
                        TrackLane { input: input.clone(), output: 0, dropper: None, work: Work::Leave }
                    }
                    lane => lane?,
                },
            };
            lane.output = tracks.len();
            tracks.extend(lane.track());
            self.lanes.push(lane);
        }
        for lane in &mut old {
            lane.finish(&self.out)?;
        }
        drop(old);
        if tracks.is_empty() {
            if let Some((_, error)) = refused.into_iter().next() {
                return Err(error.into());
            }
            let what = format!("none of the {} tracks is wanted", header.tracks.len());
            return Err(Unsupported { what, advice: "leave out --video none or --audio none".to_owned() }.into());
        }
        self.tell(header, refused);
        (self.tracks, self.time_zero) = (tracks, header.time_zero);
        self.announce()
    }

    /// Names the tracks that are left out, once.
    fn tell(&mut self, header: &Header, refused: Vec<(usize, Unsupported)>) {
        let omitted = |(index, error): (usize, Unsupported)| {
            let track = &header.tracks[index];
            let (kind, codec) = (Some(track.kind()), track.codec.to_string());
            OmittedTrack { number: index as u64 + 1, kind, codec, reason: error.to_string() }
        };
        let new: Vec<_> = refused.into_iter().map(omitted).filter(|track| !self.omitted.contains(track)).collect();
        if !new.is_empty() {
            tracing::warn!("left out: {}", omitted_line(&new));
            self.omitted = new;
        }
    }

    fn announce(&self) -> Result<(), Error> {
        self.out.send(Event::Header(Header { tracks: self.tracks.clone().into(), time_zero: self.time_zero }))
    }

    fn lane(&self, input: &Track, output: usize) -> Result<TrackLane, Error> {
        let work = match input.kind() {
            Kind::Video => match video::plan(input, &self.options)? {
                video::Plan::Leave => Work::Leave,
                video::Plan::Copy => Work::Copy,
                plan => Work::Video(Box::new(VideoEncoder::new(input, plan, output, &self.options, &self.live)?)),
            },
            Kind::Audio => match audio::plan(input, self.options.audio)? {
                audio::Plan::Leave => Work::Leave,
                audio::Plan::Copy => Work::Copy,
                audio::Plan::Encode(format, codec) => Work::Audio(Box::new(AudioEncoder::new(input, format, codec, &self.options)?)),
            },
        };
        // What is predicted from a picture that was left out cannot be shown.
        let droppable = input.kind() == Kind::Video && input.codec.intra_only();
        let nominal = input.as_video().and_then(|video| video.rate);
        let faster = |rate: &Rate| nominal.is_none_or(|nominal| nominal.fps() > rate.fps());
        let dropper = self.options.rate.filter(|rate| droppable && faster(rate)).map(FrameDropper::new);
        Ok(TrackLane { input: input.clone(), output, dropper, work })
    }

    fn packet(&mut self, packet: Packet) -> Result<(), Error> {
        let Some(lane) = self.lanes.get_mut(packet.track) else {
            return Err(Malformed::new("stream", "a packet of a track that was not announced").track(packet.track as u64).into());
        };
        if lane.dropper.as_mut().is_some_and(|dropper| !dropper.keeps(packet.pts)) {
            self.live.count_thinned();
            return Ok(());
        }
        match &mut lane.work {
            Work::Leave => Ok(()),
            // Nothing is predicted from what is encoded here.
            Work::Audio(_) | Work::Video(_) if packet.hidden => Ok(()),
            Work::Copy => self.out.send(Event::Packet(Packet { track: lane.output, ..packet })),
            Work::Audio(encoder) => {
                let mut coded = Vec::new();
                encoder.push(&packet, &mut coded)?;
                send_sound(&self.out, lane.output, coded)
            }
            Work::Video(encoder) => {
                let want_key = self.live.take_keyframe();
                let PushOutcome::Changed(track) = encoder.push(&packet, want_key, &self.out)? else { return Ok(()) };
                if std::mem::replace(&mut self.tracks[lane.output], track.clone()) != track {
                    self.announce()?;
                }
                // The encoder is new and takes it now: the size is that of this very packet.
                self.packet_again(&packet)
            }
        }
    }

    fn packet_again(&mut self, packet: &Packet) -> Result<(), Error> {
        if let Some(TrackLane { work: Work::Video(encoder), .. }) = self.lanes.get_mut(packet.track) {
            encoder.push(packet, true, &self.out)?;
        }
        Ok(())
    }
}

impl TrackLane {
    /// The track of the output.
    fn track(&self) -> Option<Track> {
        match &self.work {
            Work::Leave => None,
            Work::Copy => Some(self.input.clone()),
            Work::Video(encoder) => Some(encoder.track().clone()),
            Work::Audio(encoder) => Some(encoder.track().clone()),
        }
    }

    fn finish(&mut self, out: &ReorderBuffer) -> Result<(), Error> {
        let mut coded = Vec::new();
        if let Work::Audio(encoder) = &mut self.work {
            encoder.finish(&mut coded)?;
        }
        send_sound(out, self.output, coded)
    }
}

fn send_sound(out: &ReorderBuffer, track: usize, coded: Vec<(Timestamp, Bytes)>) -> Result<(), Error> {
    coded.into_iter().try_for_each(|(pts, data)| out.send(Event::Packet(Packet { track, pts, key: true, data, hidden: false })))
}
