//! Response bodies: whole ones, and those that never end: fragmented MP4, its other forms, and multipart JPEG. An endless body is a cursor,
//! like a WebSocket viewer; hyper asks it for more when the connection takes more.

use super::data::Data;
use super::event_stream::EventStream;
use crate::serve::hls::media::Media;
use crate::serve::hub::{Hub, SharedHub};
use crate::serve::live::cursor::Cursor;
use crate::serve::live::form::Form;
use crate::serve::live::init_segment::{InitSegment, TrackSelection};
use crate::serve::live::ring::Ring;
use crate::serve::live::stream::{Stream, StreamId};
use crate::serve::net::link::Link;
use crate::serve::recordings::body::ClipBody;
use crate::serve::stats::viewers::ViewerHandle;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

pub enum Reply {
    /// `None` when it has been given out.
    Whole(Option<Bytes>),
    Endless(Box<Endless>),
    Events(Box<EventStream>),
    /// A part or segment of HLS.
    Media(Box<Media>),
    /// A clip out of recordings.
    Clip(Box<ClipBody>),
}

/// An endless body of a stream.
pub struct Endless {
    hub: SharedHub,
    position: Position,
}

/// Where it is in the stream.
struct Position {
    stream: StreamId,
    handle: ViewerHandle,
    /// How long its client may take nothing.
    stall: Duration,
    cursor: Cursor,
    format: BodyFormat,
    link: Arc<Link>,
}

enum BodyFormat {
    /// The init segment it has.
    Fmp4 {
        init: Option<Arc<InitSegment>>,
    },
    /// What chunks are converted to; the init segment of the last.
    Converted {
        form: Form,
        init: Option<Arc<InitSegment>>,
    },
    Multipart {
        early: bool,
        state: Part,
    },
}

/// Where a multipart body is.
#[derive(Clone)]
enum Part {
    Boundary,
    Head,
    Picture(Bytes),
    Tail,
    Over,
}

pub const BOUNDARY: &str = "h5live";
const NEXT_HEAD: &[u8] = b"--h5live\r\nContent-Type: image/jpeg\r\n\r\n";
const NEXT_HEAD_AFTER: &[u8] = b"\r\n--h5live\r\nContent-Type: image/jpeg\r\n\r\n";
const LAST: &[u8] = b"\r\n--h5live--\r\n";
/// A box of nothing (ISO/IEC 14496-12, section 8.1.2), which may stand between any two.
const NOTHING: &[u8] = b"\0\0\0\x08free";

impl Reply {
    pub fn whole(body: impl Into<Bytes>) -> Reply {
        Reply::Whole(Some(body.into()))
    }

    pub fn empty() -> Reply {
        Reply::Whole(None)
    }

    /// Fragmented MP4 from the newest keyframe on. `None`: the stream has been withdrawn; likewise below.
    pub fn fmp4(
        hub: &SharedHub,
        stream: &Arc<Stream>,
        selection: &TrackSelection,
        handle: ViewerHandle,
        link: &Arc<Link>,
    ) -> Option<Reply> {
        let lag = hub.lock().limits().lag;
        let start = |ring: &Ring| Cursor::start(ring, selection, Instant::now(), lag);
        Reply::endless(hub, stream, start, BodyFormat::Fmp4 { init: None }, handle, link)
    }

    /// Another form of the same, likewise from the newest keyframe on.
    pub fn converted(
        hub: &SharedHub,
        stream: &Arc<Stream>,
        (form, selection): (Form, &TrackSelection),
        handle: ViewerHandle,
        link: &Arc<Link>,
    ) -> Option<Reply> {
        let lag = hub.lock().limits().lag;
        let start = |ring: &Ring| Cursor::start(ring, selection, Instant::now(), lag);
        Reply::endless(hub, stream, start, BodyFormat::Converted { form, init: None }, handle, link)
    }

    /// JPEG pictures, the newest whenever there is room for one. `early`: the head of each part is sent right after the picture
    /// before it, since browsers show a picture only when the next part begins; its length is then not known.
    pub fn multipart(hub: &SharedHub, stream: &Arc<Stream>, early: bool, handle: ViewerHandle, link: &Arc<Link>) -> Option<Reply> {
        let state = if early { Part::Boundary } else { Part::Head };
        Reply::endless(hub, stream, |ring| Cursor::newest(ring, Instant::now()), BodyFormat::Multipart { early, state }, handle, link)
    }

    fn endless(
        hub: &SharedHub,
        stream: &Arc<Stream>,
        start: impl FnOnce(&Ring) -> Cursor,
        format: BodyFormat,
        handle: ViewerHandle,
        link: &Arc<Link>,
    ) -> Option<Reply> {
        let (cursor, stall) = {
            let mut hub = hub.lock();
            let stall = hub.limits().stall;
            let replica = hub.open(stream)?;
            replica.add_body(link);
            (start(&replica.ring), stall)
        };
        let position = Position { stream: stream.id(), handle, stall, cursor, format, link: link.clone() };
        Some(Reply::Endless(Box::new(Endless { hub: hub.clone(), position })))
    }
}

impl Body for Reply {
    type Data = Data;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Data>, Infallible>>> {
        let next = match self.get_mut() {
            Reply::Whole(body) => Poll::Ready(body.take()),
            Reply::Endless(body) => body.next(cx),
            Reply::Events(body) => body.next(cx),
            Reply::Media(body) => return Poll::Ready(body.next().map(|data| Ok(Frame::data(data)))),
            Reply::Clip(body) => body.next(cx),
        };
        next.map(|data| data.map(|data| Ok(Frame::data(Data::One(data)))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Reply::Whole(body) => body.is_none(),
            Reply::Endless(_) | Reply::Events(_) => false,
            Reply::Media(body) => body.len() == 0,
            Reply::Clip(body) => body.len() == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Reply::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |b| b.len() as u64)),
            Reply::Endless(_) | Reply::Events(_) => SizeHint::default(),
            Reply::Media(body) => SizeHint::with_exact(body.len()),
            Reply::Clip(body) => SizeHint::with_exact(body.len()),
        }
    }
}

impl Endless {
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // Locked until it waits: what is published in between would not wake it.
        self.position.next(&mut self.hub.lock(), cx)
    }
}

impl Position {
    fn next(&mut self, hub: &mut Hub, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut next = self.next_piece(hub);
        if matches!(next, BodyStep::Wait) && std::mem::take(&mut self.link.lock().ask) {
            next = self.nothing_new(hub);
        }
        self.settle(&next);
        match next {
            BodyStep::Data(data) => {
                self.handle.sent(data.len());
                Poll::Ready(Some(data))
            }
            BodyStep::Over => Poll::Ready(None),
            BodyStep::Wait => {
                let Some(replica) = hub.replica_mut(self.stream) else { return Poll::Ready(None) };
                replica.wait(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Tells the connection.
    fn settle(&self, next: &BodyStep) {
        let mut link = self.link.lock();
        link.idle = matches!(next, BodyStep::Wait);
        if matches!(next, BodyStep::Wait | BodyStep::Over) {
            link.holds = None;
        }
    }

    fn next_piece(&mut self, hub: &Hub) -> BodyStep {
        // Whose right has ended gets no more.
        if self.handle.dismissed().is_some() || self.handle.may_go_on().is_err() {
            return BodyStep::Over;
        }
        match self.format {
            BodyFormat::Fmp4 { .. } => self.next_fragment(hub),
            BodyFormat::Converted { .. } => self.next_converted(hub),
            BodyFormat::Multipart { .. } => self.next_part(hub),
        }
    }

    /// Something to send that changes nothing at the other end: if there is one, it takes it.
    fn nothing_new(&mut self, hub: &Hub) -> BodyStep {
        match self.format {
            BodyFormat::Fmp4 { .. } => BodyStep::Data(Bytes::from_static(NOTHING)),
            BodyFormat::Converted { form, .. } => BodyStep::Data(Bytes::from_static(form.nothing())),
            BodyFormat::Multipart { .. } => {
                if let Some(replica) = hub.replica(self.stream) {
                    self.cursor.repeat(&replica.ring);
                }
                self.next_part(hub)
            }
        }
    }

    fn next_fragment(&mut self, hub: &Hub) -> BodyStep {
        let (Some(replica), BodyFormat::Fmp4 { init }) = (hub.replica(self.stream), &mut self.format) else { return BodyStep::Over };
        if hub.stopping() {
            return BodyStep::Over;
        }
        if let Some(lost) = self.cursor.catch_up(&replica.ring, Instant::now(), hub.limits().lag, || 0) {
            self.handle.jumped(lost);
        }
        let Some(chunk) = self.cursor.pending(&replica.ring).next() else { return BodyStep::when_idle(replica.ended) };
        let Some(its_init) = &chunk.init else { return BodyStep::Over };
        match init {
            Some(have) if Arc::ptr_eq(have, its_init) => {
                self.cursor.sent(chunk);
                self.link.lock().holds = Some(chunk.seq);
                BodyStep::Data(chunk.payload())
            }
            Some(have) if !have.continues_in(its_init) => BodyStep::Over,
            _ => {
                *init = Some(its_init.clone());
                BodyStep::Data(its_init.init_of(self.cursor.tracks()))
            }
        }
    }

    fn next_converted(&mut self, hub: &Hub) -> BodyStep {
        let (Some(replica), BodyFormat::Converted { form, init }) = (hub.replica(self.stream), &mut self.format) else {
            return BodyStep::Over;
        };
        if hub.stopping() {
            return BodyStep::Over;
        }
        if let Some(lost) = self.cursor.catch_up(&replica.ring, Instant::now(), hub.limits().lag, || 0) {
            self.handle.jumped(lost);
        }
        while let Some(chunk) = self.cursor.pending(&replica.ring).next() {
            let Some(its_init) = &chunk.init else { return BodyStep::Over };
            if init.as_ref().is_none_or(|have| !Arc::ptr_eq(have, its_init)) {
                let before = init.replace(its_init.clone());
                let continues = before.as_ref().is_none_or(|before| before.continues_in(its_init));
                let Some(made) = its_init.form(*form).ok().filter(|_| continues) else { return BodyStep::Over };
                let head = made.converter.head(before.is_some(), chunk.chunk.start);
                if !head.is_empty() {
                    return BodyStep::Data(head);
                }
            }
            let Some(conversion) = replica.ring.conversion(chunk, *form) else { return BodyStep::Over };
            self.cursor.sent(chunk);
            if !conversion.message.is_empty() {
                self.link.lock().holds = Some(chunk.seq);
                return BodyStep::Data(conversion.payload());
            }
        }
        BodyStep::when_idle(replica.ended)
    }

    fn next_part(&mut self, hub: &Hub) -> BodyStep {
        let (replica, BodyFormat::Multipart { early, state }) = (hub.replica(self.stream), &mut self.format) else { return BodyStep::Over };
        let (data, next) = match state {
            Part::Over => return BodyStep::Over,
            Part::Boundary => (Bytes::from_static(NEXT_HEAD), Part::Head),
            Part::Picture(picture) => (std::mem::take(picture), Part::Tail),
            Part::Tail if *early => (Bytes::from_static(NEXT_HEAD_AFTER), Part::Head),
            Part::Head | Part::Tail => {
                if let Some(replica) = replica {
                    self.cursor.skip_to_newest(&replica.ring);
                }
                let chunk = replica.and_then(|replica| self.cursor.pending(&replica.ring).next()).filter(|_| !hub.stopping());
                match chunk {
                    Some(chunk) if chunk.init.is_none() => {
                        let picture = chunk.payload();
                        self.cursor.sent(chunk);
                        self.link.lock().holds = Some(chunk.seq);
                        if *early {
                            (picture, Part::Tail)
                        } else {
                            (part_head(matches!(state, Part::Tail), picture.len()), Part::Picture(picture))
                        }
                    }
                    None if replica.is_some_and(|replica| !replica.ended) && !hub.stopping() => return BodyStep::Wait,
                    _ => (Bytes::from_static(LAST), Part::Over),
                }
            }
        };
        *state = next;
        BodyStep::Data(data)
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        if self.link.lock().timed_out {
            self.handle.stalled(self.stall);
        }
    }
}

fn part_head(follows: bool, length: usize) -> Bytes {
    let newline = if follows { "\r\n" } else { "" };
    format!("{newline}--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n").into()
}

enum BodyStep {
    Data(Bytes),
    Wait,
    Over,
}

impl BodyStep {
    fn when_idle(ended: bool) -> BodyStep {
        if ended { BodyStep::Over } else { BodyStep::Wait }
    }
}
