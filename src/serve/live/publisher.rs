//! The way in: one publisher per stream, owned by the thread that reads the input.

use super::init_segment::{ALL, InitSegment, Mask};
use super::registry::{PublishError, Registry};
use super::ring::Entry;
use super::start::{Start, Trouble};
use super::stream::{self, Content, State, Stream};
use super::tap::Tap;
use super::update::{ShardMessage, StreamUpdate};
use crate::codec::exif;
use crate::format::bmff::{Chunk, Init};
use crate::format::hls::Breaks;
use crate::media::{Orientation, SampleAspect, Timestamp, VideoParams, WallTime};
use crate::serve::inbox::ShardSender;
use crate::serve::ws::messages;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// The server has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server has stopped")]
pub struct Closed;

impl Registry {
    /// A new stream of this name, and the way into it. It may take the place of a stream that has ended.
    ///
    /// # Errors
    /// See [`PublishError`].
    pub fn publish(&self, name: &str) -> Result<Publisher, PublishError> {
        Ok(Publisher::new(self.clone(), self.add(name)?))
    }
}

/// Publishes one stream, from any thread of the program. Its calls wait while the threads of the server do not keep up. Dropped, it ends the
/// stream: viewers get what is left and are closed, and the stream is still listed. [`Publisher::withdraw`] takes it away.
pub struct Publisher {
    registry: Registry,
    stream: Arc<Stream>,
    shards: Vec<ShardSender>,
    init: Option<Arc<InitSegment>>,
    /// What the track of JPEG pictures says of them all.
    orientation: Orientation,
    sample_aspect: SampleAspect,
    /// Number of the picture that last described the stream.
    described: Option<u64>,
    seq: u64,
    frames: u64,
    breaks: Breaks,
    /// Of this writer.
    start: Start,
    /// Viewers could begin, with this writer or one before.
    started: bool,
    /// What is published waits for [`Publisher::flush`].
    gathers: bool,
    tap: Option<Box<dyn Tap>>,
}

impl Publisher {
    fn new(registry: Registry, stream: Arc<Stream>) -> Publisher {
        let (orientation, sample_aspect, described) = (Orientation::UPRIGHT, SampleAspect::SQUARE, None);
        let (shards, start) = (registry.shards().to_vec(), Start::new(registry.ring()));
        let init = None;
        Publisher {
            registry,
            stream,
            shards,
            init,
            orientation,
            sample_aspect,
            described,
            seq: 0,
            frames: 0,
            breaks: Breaks::default(),
            start,
            started: false,
            gathers: false,
            tap: None,
        }
    }

    /// The stream that it publishes.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// From now on, what is published goes there too.
    pub fn tap(&mut self, tap: Box<dyn Tap>) {
        self.tap = Some(tap);
    }

    /// From now on, what is published waits for [`Publisher::flush`]. For an input that may give several chunks at a time: viewers get them
    /// together, and from this thread.
    pub fn gather(&mut self) {
        self.gathers = true;
    }

    /// Gives the viewers what was gathered. To be called before waiting for more. Where they are few, they are served in this thread: to wake
    /// another costs as much as ten of them. It never waits for a viewer.
    pub fn flush(&mut self) {
        if self.gathers {
            self.shards.iter().for_each(ShardSender::serve);
        }
    }

    /// A new init segment. Viewers of the one before get it and play on if its tracks are the same, and are sent away to come back if not.
    ///
    /// # Errors
    /// Only when the server has stopped; likewise below.
    pub fn init(&mut self, init: Init) -> Result<(), Closed> {
        let init = Arc::new(InitSegment::new(init));
        if self.init.as_ref().is_some_and(|old| old.init().bytes != init.init().bytes) {
            self.breaks.note();
        }
        self.init = Some(init.clone());
        if let Some(tap) = &mut self.tap {
            tap.init(init.init());
        }
        self.stream.set_content(Content::Fmp4(init.clone()));
        self.tell(StreamUpdate::Init(init))
    }

    /// A chunk that belongs to the newest init segment; one of a track that is not declared there is left out.
    pub fn chunk(&mut self, chunk: Chunk) -> Result<(), Closed> {
        let Some(init) = self.init.clone() else { return Ok(()) };
        match init.mask(chunk.track) {
            0 => Ok(()),
            tracks => self.publish("", chunk, tracks, Some(init)),
        }
    }

    /// How the JPEG pictures that follow are shown.
    pub fn pictures(&mut self, video: &VideoParams) {
        (self.orientation, self.sample_aspect) = (video.orientation, video.sample_aspect);
        // Described anew with the next picture.
        self.described = None;
    }

    /// One whole JPEG picture, its time, and when it was captured. A track that is not upright says so in each picture's EXIF: every program
    /// that shows pictures reads that.
    pub fn jpeg(&mut self, picture: Bytes, start: Timestamp, captured: Option<WallTime>) -> Result<(), Closed> {
        let picture = match self.orientation {
            Orientation::UPRIGHT => picture,
            orientation => exif::with_orientation(picture, orientation),
        };
        if self.init.take().is_some() || self.described.is_none_or(|described| self.seq - described >= 64) {
            self.stream.set_content(stream::jpeg_content(&picture, self.sample_aspect));
            self.described = Some(self.seq);
        }
        let text = captured.map(messages::captured).unwrap_or_default();
        self.publish(&text, Chunk::picture(picture, start, captured), ALL, None)
    }

    fn publish(&mut self, text: &str, chunk: Chunk, tracks: Mask, init: Option<Arc<InitSegment>>) -> Result<(), Closed> {
        let now = Instant::now();
        let main = tracks & init.as_ref().map_or(ALL, |init| init.main()) != 0;
        let frames = if main { u64::from(chunk.frames) } else { 0 };
        self.frames += frames;
        self.stream.count(frames, chunk.size(), now);
        if main && chunk.key {
            self.stream.set_time_zero(chunk.captured.map(|wall| WallTime(wall.0.saturating_sub(chunk.start.0))));
        }
        let breaks = self.breaks.count(&chunk, main);
        let entry = Entry { tracks, init, breaks, frames: self.frames, ..Entry::new(text, chunk, self.seq, now) };
        self.start.chunk(main, entry.chunk.key, entry.message.len(), now);
        self.started |= self.start.found();
        self.stream.set_trouble(self.start.trouble(now));
        self.seq += 1;
        match (&mut self.tap, &entry.init) {
            (Some(tap), Some(_)) => tap.chunk(&entry.chunk, entry.payload()),
            (Some(tap), None) => tap.picture(),
            (None, _) => {}
        }
        self.tell(StreamUpdate::Chunk(Arc::new(entry)))
    }

    /// Something that a viewer can begin with was published.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Why no viewer could begin, if frames came.
    pub fn missing(&self) -> Option<Trouble> {
        self.start.missing()
    }

    /// The writer has gone; another may come.
    pub fn away(&mut self) {
        self.start = Start::new(self.registry.ring());
        if self.seq > 0 {
            self.breaks.note();
        }
        self.stream.set_trouble(None);
        self.stream.set_state(State::Waiting);
        if let Some(tap) = &mut self.tap {
            tap.away();
        }
    }

    /// Takes the stream off the server, at once: it is no longer listed, its name is free, its memory is given back. Viewers get what their
    /// connections take at that moment, then the close that ends every stream.
    pub fn withdraw(mut self) {
        // What is said of its end is said here.
        self.shards.clear();
        self.registry.remove(&self.stream);
    }

    /// Lets go of the stream without ending it: the server is about to say goodbye itself.
    pub fn abandon(mut self) {
        self.flush();
        self.shards.clear();
    }

    fn tell(&self, update: StreamUpdate) -> Result<(), Closed> {
        for shard in &self.shards {
            let message = ShardMessage { stream: self.stream.clone(), update: update.clone() };
            if self.gathers { shard.queue(message) } else { shard.send(message) }.map_err(|_| Closed)?;
        }
        Ok(())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stream.set_state(State::Ended);
        _ = self.tell(StreamUpdate::End);
        self.flush();
    }
}
