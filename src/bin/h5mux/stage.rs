//! From events to chunks, and where they go.

use crate::output::Output;
use crate::record::Recording;
use crate::stores::Stores;
use h5live::cli;
use h5live::format::bmff::Chunk;
use h5live::media::{Clock, Event, Header, KeyframeWatch, Kind, NO_KEYFRAME, Packet, SystemClock, WallTime, ZeroWatch};
use h5live::mux::{self, MuxOptions, Muxer};
use h5live::pipe::{BurstDetector, InputFormat, OmissionLog, OutputQueue, Reader, VectoredWriter};
use std::sync::Arc;
use std::time::Instant;

/// From events to chunks.
pub struct MuxStage {
    /// Of the input.
    name: String,
    options: MuxOptions,
    /// From the first header on.
    muxer: Option<Muxer>,
    clock: Arc<SystemClock>,
    /// Time zero, where the input does not tell it.
    zero: Option<ZeroWatch>,
    stored: bool,
    watch: Watch,
    out: Option<OutputQueue<mux::Output, VectoredWriter<Output>>>,
    stores: Option<Stores>,
    recording: Option<Recording>,
    stats: Arc<cli::Stats>,
    /// Of tracks that are left out here.
    omissions: OmissionLog,
    keyframes: KeyframeWatch,
    said_no_keyframe: bool,
}

/// Looks out for an input that holds frames back.
struct Watch {
    /// Of the input.
    name: String,
    clock: SystemClock,
    bursts: BurstDetector,
    /// The first video track, else the first.
    main: usize,
}

impl Watch {
    fn packet(&mut self, packet: &Packet, format: Option<InputFormat>) {
        if packet.track == self.main
            && let Some(finding) = self.bursts.arrived(self.clock.now(), packet.pts, packet.pts, 1)
        {
            tracing::warn!("{}: {}", self.name, finding.text(format));
        }
    }
}

impl MuxStage {
    /// `input`: its name, and that it is a file. `out`: none, where the stream goes to stores alone.
    pub fn new(
        (name, stored): (String, bool),
        options: MuxOptions,
        clock: Arc<SystemClock>,
        out: Option<OutputQueue<mux::Output, VectoredWriter<Output>>>,
        (stores, recording): (Option<Stores>, Option<Recording>),
        stats: Arc<cli::Stats>,
    ) -> MuxStage {
        let watch = Watch { name: name.clone(), clock: SystemClock::default(), bursts: BurstDetector::default(), main: 0 };
        MuxStage {
            name,
            options,
            muxer: None,
            clock,
            zero: None,
            stored,
            watch,
            out,
            stores,
            recording,
            stats,
            omissions: OmissionLog::default(),
            keyframes: KeyframeWatch::default(),
            said_no_keyframe: false,
        }
    }

    /// Until the input ends or a stop is asked for.
    pub fn pump(&mut self, reader: &mut Reader, cx: &cli::Context) -> anyhow::Result<()> {
        while !cx.stop.requested()
            && let Some(event) = self.next(reader)?
        {
            match event {
                Event::Header(header) => self.header(&header)?,
                Event::Packet(packet) => {
                    if !self.stored {
                        self.watch.packet(&packet, reader.format());
                    }
                    self.packet(packet)?;
                }
                Event::TimeZero(zero) => self.time_zero(zero),
            }
            self.stats.damaged.set_total(reader.damage());
        }
        Ok(())
    }

    /// Before anything is waited for, all that is ready goes out: no frame waits for the next. A file is not waited for.
    fn next(&mut self, reader: &mut Reader) -> anyhow::Result<Option<Event>> {
        if self.stored {
            return Ok(reader.next()?);
        }
        if let Some(event) = reader.next_read()? {
            return Ok(Some(event));
        }
        self.out.as_mut().map_or(Ok(()), OutputQueue::flush)?;
        self.watch.bursts.wait(self.watch.clock.now());
        Ok(reader.next()?)
    }

    fn header(&mut self, header: &Header) -> anyhow::Result<()> {
        self.flush()?;
        self.zero = None;
        self.watch.main = header.tracks.iter().position(|track| track.kind() == Kind::Video).unwrap_or(0);
        let init = match &mut self.muxer {
            Some(muxer) => muxer.header(header)?,
            None => Some(self.muxer.insert(Muxer::new(header, self.options)?).init()),
        };
        let init = init.cloned();
        let omitted = self.muxer.as_ref().map(|muxer| muxer.omitted().to_vec()).unwrap_or_default();
        self.omissions.warn(&self.name, omitted);
        if let Some(init) = init {
            self.stores.iter_mut().for_each(|stores| stores.init(&init));
            self.recording.iter_mut().for_each(|recording| recording.init(&init));
            if let Some(out) = &mut self.out {
                out.send(mux::Output::Init(init.bytes))?;
            }
        }
        Ok(())
    }

    fn packet(&mut self, packet: Packet) -> anyhow::Result<()> {
        let muxer = self.muxer.as_mut().expect("readers give a header before any packet");
        // An input that does not tell its wall clock is taken to be live from here on.
        muxer.set_time_zero(|| {
            let zero = WallTime(self.clock.wall().0.saturating_sub(packet.pts.0));
            self.zero.insert(ZeroWatch::new(zero, &*self.clock)).zero()
        });
        if let Some(zero) = self.zero.as_mut().and_then(|zero| zero.moved(&*self.clock)) {
            muxer.time_zero(zero);
        }
        if let Some(kind) = muxer.kind(packet.track) {
            self.stats.input.count(kind, packet.data.len());
        }
        match muxer.push(packet)? {
            Some(chunk) => self.send(chunk),
            None => Ok(()),
        }
    }

    /// The input says that its wall clock was set.
    fn time_zero(&mut self, zero: WallTime) {
        self.zero = None;
        if let Some(muxer) = &mut self.muxer {
            muxer.time_zero(zero);
        }
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        let chunks = self.muxer.as_mut().map(Muxer::flush).unwrap_or_default();
        chunks.into_iter().try_for_each(|chunk| self.send(chunk))
    }

    /// Says once, and in /healthz as long as it is so, that no player can start in the stream.
    fn watch_keyframes(&mut self, chunk: &Chunk) {
        if chunk.kind != Kind::Video || self.keyframes.found() {
            return;
        }
        let now = Instant::now();
        self.keyframes.frame(chunk.key, now);
        if self.keyframes.found() {
            self.stats.set_trouble("keyframes", None);
        } else if self.keyframes.is_overdue(now) && !self.said_no_keyframe {
            self.say_no_keyframe();
        }
    }

    fn say_no_keyframe(&mut self) {
        self.said_no_keyframe = true;
        self.stats.set_trouble("keyframes", Some(NO_KEYFRAME.into()));
        tracing::warn!("{}: {NO_KEYFRAME}", self.name);
    }

    fn send(&mut self, chunk: Chunk) -> anyhow::Result<()> {
        self.watch_keyframes(&chunk);
        let (kind, frames, bytes) = (chunk.kind, chunk.frames.into(), chunk.data.iter().map(|frame| frame.len() as u64).sum());
        self.stores.iter_mut().for_each(|stores| stores.chunk(&chunk));
        self.recording.iter_mut().for_each(|recording| recording.chunk(&chunk));
        let sent = match &mut self.out {
            Some(out) => out.send(mux::Output::Chunk(chunk))?,
            None => true,
        };
        if sent {
            self.stats.output.count_frames(kind, frames, bytes);
        } else {
            self.stats.dropped.add(frames);
        }
        Ok(())
    }

    /// `ended`: the input has ended; else the stream is to go on in another run.
    pub fn finish(mut self, ended: bool, stop: &cli::Stop) -> anyhow::Result<()> {
        let flushed = self.flush();
        if self.keyframes.lacks() && !self.said_no_keyframe {
            self.say_no_keyframe();
        }
        drop(self.recording);
        let written = self.out.map_or(Ok(()), OutputQueue::finish);
        let stored = self.stores.map_or(Ok(()), |stores| stores.finish(ended && flushed.is_ok(), stop));
        flushed.and(written.map_err(Into::into)).and(stored)
    }
}
