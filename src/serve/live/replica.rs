//! A shard's view of a stream: its ring, its newest init segment, and the bodies that wait for more.

use super::init_segment::InitSegment;
use super::ring::{Retention, Ring};
use super::stream::Stream;
use super::timelines::Timelines;
use super::update::StreamUpdate;
use crate::format::hls::Grid;
use crate::serve::net::link::Link;
use std::sync::{Arc, Weak};
use std::task::Waker;

pub struct StreamReplica {
    pub stream: Arc<Stream>,
    pub ring: Ring,
    /// `None` before the first init segment, and for JPEG.
    pub init: Option<Arc<InitSegment>>,
    pub ended: bool,
    /// It is to go after the next pass over the viewers.
    pub withdrawn: bool,
    /// StreamUpdate since the last pass over the viewers.
    pub fresh: bool,
    waiting: Vec<Waker>,
    /// Parts and segments, once they have been asked for.
    timelines: Option<Box<Timelines>>,
    /// Connections with endless bodies of this stream.
    bodies: Vec<Weak<Link>>,
}

/// What an update means for the viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    /// Other tracks: who plays the old ones must begin anew.
    Restarted,
}

impl StreamReplica {
    pub fn new(stream: Arc<Stream>, retention: Retention) -> StreamReplica {
        StreamReplica {
            stream,
            ring: Ring::new(retention),
            init: None,
            ended: false,
            withdrawn: false,
            fresh: false,
            waiting: vec![],
            timelines: None,
            bodies: vec![],
        }
    }

    pub fn take(&mut self, update: StreamUpdate) -> Change {
        let chunk = match &update {
            StreamUpdate::Chunk(chunk) if self.timelines.is_some() => Some(chunk.clone()),
            _ => None,
        };
        let change = self.take_in(update);
        if let Some(timelines) = &mut self.timelines {
            chunk.iter().for_each(|chunk| timelines.push(chunk));
            timelines.forget(self.ring.begin());
            if self.ended {
                timelines.end();
            }
        }
        change
    }

    fn take_in(&mut self, update: StreamUpdate) -> Change {
        self.fresh = true;
        self.waiting.drain(..).for_each(Waker::wake);
        match update {
            StreamUpdate::End => self.ended = true,
            StreamUpdate::Withdrawn => (self.ended, self.withdrawn) = (true, true),
            #[cfg(test)]
            StreamUpdate::Panic => panic!("as the test wants it"),
            StreamUpdate::Chunk(chunk) if self.init.is_some() && chunk.init.is_none() => {
                self.init = None;
                self.ring.clear();
                self.ring.push(chunk);
                return Change::Restarted;
            }
            StreamUpdate::Chunk(chunk) => self.ring.push(chunk),
            StreamUpdate::Init(init) => {
                let restarted = match &self.init {
                    Some(old) => !old.continues_in(&init),
                    None => self.is_jpeg(),
                };
                self.init = Some(init);
                if restarted {
                    self.ring.clear();
                    return Change::Restarted;
                }
            }
        }
        Change::None
    }

    pub fn is_jpeg(&self) -> bool {
        self.ring.newest().is_some_and(|c| c.init.is_none())
    }

    /// Its parts and segments, from now on kept up to date, and the ring that has their chunks.
    /// `None`: there was no keyframe yet.
    pub fn timelines(&mut self, grid: Grid) -> Option<(&mut Timelines, &Ring)> {
        if !self.stream.has_begun() {
            return None;
        }
        let make = || Timelines::new(&self.ring, grid.since(self.stream.time_zero()), self.ended).into();
        Some((self.timelines.get_or_insert_with(make), &self.ring))
    }

    /// Wakes `waker` at the next news.
    pub fn wait(&mut self, waker: &Waker) {
        self.waiting.push(waker.clone());
    }

    /// An endless body is about to be sent over this connection.
    pub fn add_body(&mut self, link: &Arc<Link>) {
        if self.bodies.len() == self.bodies.capacity() {
            self.bodies.retain(|link| link.strong_count() > 0);
        }
        if link.lock().is_new_to(self.stream.id()) {
            self.bodies.push(Arc::downgrade(link));
        }
    }

    /// Cuts off the bodies that are in the middle of what the ring wants back; gives up to where that is.
    pub fn call_back(&mut self) -> u64 {
        let before = self.ring.called_back();
        self.bodies.retain(|link| link.upgrade().is_some_and(|link| !link.call_back(before)));
        before
    }

    /// Wakes all who wait, as when the server stops.
    pub fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
        self.timelines.iter_mut().for_each(|timelines| timelines.wake());
    }
}
