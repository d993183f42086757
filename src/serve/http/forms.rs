//! Streams in other forms, for players that people have already: over HTTP without an end, and over a WebSocket of nothing but media.

use super::access::Granted;
use super::answer::{Answer, NOT_BEGUN, NOT_FOUND, NOT_YOURS, Refusal};
use super::authentication::Visitor;
use super::body::Reply;
use super::head;
use super::request::Request;
use super::router::Router;
use crate::serve::live::form::Form;
use crate::serve::live::groups::Found;
use crate::serve::live::init_segment::InitSegment;
use crate::serve::live::stream::{Content, Stream};
use crate::serve::ws::subscription::Asked;
use crate::serve::ws::viewer::Accepted;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use std::sync::Arc;

const NOT_FMP4: Refusal = Refusal(StatusCode::NOT_FOUND, "the stream is MJPEG; see NAME.mjpg and NAME.jpg");
/// The subprotocol of MarkRepo's wfs.js.
const BINARY: &str = "binary";

impl Router<'_> {
    /// A stream in another form, from the newest keyframe on.
    pub(super) fn converted(&self, request: &Request, form: Form, visitor: &Visitor, stream: &Found) -> Result<Answer, Refusal> {
        let init = fmp4_of(stream)?;
        let made = init.form(form).map_err(|why| Refusal(StatusCode::NOT_FOUND, why))?;
        self.can_begin(stream, made.selection.sync_track)?;
        let body = |handle| Reply::converted(self.hub, stream, (form, &made.selection), handle, self.link);
        self.endless(request, visitor, stream, form.name(), form.content_type(), body)
    }

    /// The same over a WebSocket, each message a chunk.
    pub(super) fn converted_websocket(
        &self,
        request: &Request,
        granted: &Granted,
        form: Form,
        visitor: &Visitor,
        stream: Option<Found>,
    ) -> Result<(Answer, Accepted), Refusal> {
        let mut answer = self.handshake(request, granted)?;
        let stream = stream.ok_or(NOT_FOUND)?;
        // While a password was checked, another stream may have become the only one.
        if !visitor.may_see(&stream.name) {
            return Err(NOT_YOURS);
        }
        let form = match form {
            // A client that offers subprotocols wants one of them (RFC 6455, section 4.1).
            Form::Wfs if head::list(&request.head.headers, header::SEC_WEBSOCKET_PROTOCOL).any(|protocol| protocol == BINARY) => {
                answer.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(BINARY));
                Form::WfsLengths
            }
            form => form,
        };
        match stream.content() {
            Some(Content::Fmp4(init)) => _ = init.form(form).map_err(|why| Refusal(StatusCode::NOT_FOUND, why))?,
            Some(Content::Jpeg(_)) => return Err(NOT_FMP4),
            // It begins when the stream does.
            None => {}
        }
        let handle = self.handle(request, visitor, Some(&stream), "websocket")?;
        Ok((answer, Accepted { stream: Some(stream.stream), asked: Asked::Form(form), group: None, rewinding: None, handle }))
    }

    /// Of streams without a name in the address: the first that is MJPEG.
    pub(super) fn first_mjpeg(&self) -> Option<Found> {
        self.state.groups.listed(&self.state.streams).into_iter().find(|stream| matches!(stream.content(), Some(Content::Jpeg(_))))
    }
}

fn fmp4_of(stream: &Stream) -> Result<Arc<InitSegment>, Refusal> {
    match stream.content() {
        Some(Content::Fmp4(init)) => Ok(init),
        Some(Content::Jpeg(_)) => Err(NOT_FMP4),
        None => Err(NOT_BEGUN),
    }
}
