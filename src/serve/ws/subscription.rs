//! What a viewer has asked for, and what comes next of it: an init segment, and the chunks of that in the viewer's form.

use super::frames;
use crate::serve::limits::ViewerLimits;
use crate::serve::live::cursor::Cursor;
use crate::serve::live::form::Form;
use crate::serve::live::init_segment::{InitSegment, TrackSelection};
use crate::serve::live::replica::StreamReplica;
use crate::serve::live::ring::Entry;
use crate::serve::rewind::session::Playing;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// What a viewer has said with the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It will say it in a message.
    Nothing,
    /// The codecs that it can play: the stream begins at once.
    Codecs(String),
    /// The stream in this form, and no messages about it.
    Form(Form),
}

/// What a viewer is to get.
pub enum Subscription {
    Nothing,
    /// fMP4, as soon as there is a stream; the codecs it can play, and the chunk to begin at, if that is a keyframe that is still there.
    Fmp4(String, Option<u64>),
    Jpeg,
    /// As soon as there is a stream.
    Form(Form),
    Playing(Play),
    /// What was before.
    Rewind(Playing),
}

/// A stream as one viewer gets it: where it is, and in which form.
pub struct Play {
    pub cursor: Cursor,
    /// `None`: as it is.
    pub form: Option<Form>,
    /// The init segment it has; JPEG has none.
    pub init: Option<Arc<InitSegment>>,
}

impl Play {
    /// From the newest keyframe on, or from chunk `at`.
    pub fn fmp4(replica: &StreamReplica, selection: &TrackSelection, at: Option<u64>, now: Instant, limits: ViewerLimits) -> Subscription {
        let mut cursor = Cursor::start(&replica.ring, selection, now, limits.lag);
        cursor.start_at(&replica.ring, at);
        Subscription::Playing(Play { cursor, form: None, init: None })
    }

    /// The lag rule; gives the number of frames lost. JPEG viewers get the newest picture and lose nothing by it.
    pub fn keep_up(&mut self, replica: &StreamReplica, now: Instant, limits: ViewerLimits, held: impl FnOnce() -> usize) -> Option<u64> {
        if replica.init.is_some() {
            return self.cursor.catch_up(&replica.ring, now, limits.lag, held);
        }
        self.cursor.skip_to_newest(&replica.ring);
        None
    }

    /// The init segment of the next chunk, if it is another than the last.
    pub fn next_init(&mut self, replica: &StreamReplica) -> Option<Bytes> {
        let chunk = self.cursor.pending(&replica.ring).next()?;
        let init = chunk.init.as_ref()?;
        if self.init.as_ref().is_some_and(|have| Arc::ptr_eq(have, init)) {
            return None;
        }
        let before = self.init.replace(init.clone());
        let Some(form) = self.form else { return Some(init.init_message(self.cursor.tracks())) };
        let head = init.form(form).ok()?.converter.head(before.is_some(), chunk.chunk.start);
        Some(head).filter(|head| !head.is_empty()).map(|head| frames::binary("", &head).0)
    }

    /// The chunks that can follow now: those of the init segment it has.
    pub fn chunks<'f>(&self, replica: &'f StreamReplica) -> impl Iterator<Item = &'f Arc<Entry>> + use<'f> {
        let init = self.init.as_ref().map(Arc::as_ptr);
        self.cursor.pending(&replica.ring).take_while(move |c| c.init.as_ref().map(Arc::as_ptr) == init)
    }

    /// The same as messages. Chunks of which the form carries nothing are passed over.
    pub fn messages<'f>(&self, replica: &'f StreamReplica) -> impl Iterator<Item = (&'f Arc<Entry>, &'f Bytes)> + use<'f> {
        let form = self.form;
        self.chunks(replica).filter_map(move |chunk| {
            let message = match form {
                None => Some(&chunk.message),
                Some(form) => replica.ring.conversion(chunk, form).map(|conversion| &conversion.message),
            };
            message.filter(|message| !message.is_empty()).map(|message| (chunk, message))
        })
    }
}
