//! What a viewer has asked for, and what comes next of it: an init segment, and the chunks of that in the viewer's form.

use super::{frames, messages};
use crate::serve::limits::ViewerLimits;
use crate::serve::live::cursor::Cursor;
use crate::serve::live::form::Form;
use crate::serve::live::init_segment::{ALL, InitSegment, TrackSelection};
use crate::serve::live::replica::StreamReplica;
use crate::serve::live::ring::Entry;
use crate::serve::rewind::session::Playing;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

const NOT_FMP4: &str = "the stream is MJPEG; see NAME.mjpg";

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

/// What comes of a request.
pub enum Granted {
    /// The stream has not begun.
    NotYet,
    /// The stream in this form.
    Form(Form, Subscription),
    /// It is not to be had in this form, and why.
    Unsupported(&'static str),
    /// A message, and what follows it.
    Answer(String, Subscription),
}

impl Subscription {
    /// What there is for it in a stream, now.
    pub fn granted(&self, replica: &StreamReplica, now: Instant, limits: ViewerLimits) -> Granted {
        let Some(newest) = replica.ring.newest() else { return Granted::NotYet };
        let (answer, subscription) = match (self, &newest.init) {
            (Subscription::Form(form), init) => return Subscription::in_form(*form, init.as_ref(), replica, now, limits),
            (Subscription::Fmp4(codecs, at), Some(init)) => match init.choose(codecs, newest.tracks == ALL) {
                Some(selection) => (messages::mse(&selection.content_type()), Play::fmp4(replica, &selection, *at, now, limits)),
                None => (messages::error(&format!("mse: codecs not matched: {}", init.codecs().join(","))), Subscription::Nothing),
            },
            (Subscription::Fmp4(..), None) => (messages::error("mse: codecs not matched: jpeg"), Subscription::Nothing),
            (_, Some(_)) => (messages::error("mjpeg: the stream is not MJPEG"), Subscription::Nothing),
            (_, None) => {
                (messages::mjpeg(), Subscription::Playing(Play { cursor: Cursor::newest(&replica.ring, now), form: None, init: None }))
            }
        };
        Granted::Answer(answer, subscription)
    }

    fn in_form(form: Form, init: Option<&Arc<InitSegment>>, replica: &StreamReplica, now: Instant, limits: ViewerLimits) -> Granted {
        match init.ok_or(NOT_FMP4).and_then(|init| init.form(form)) {
            Ok(made) => {
                let cursor = Cursor::start(&replica.ring, &made.selection, now, limits.lag);
                Granted::Form(form, Subscription::Playing(Play { cursor, form: Some(form), init: None }))
            }
            Err(why) => Granted::Unsupported(why),
        }
    }
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
