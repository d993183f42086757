//! The stream by WebSocket: the handshake, and what the viewer is given with it.

use super::access::Granted;
use super::answer::{Answer, NOT_YOURS, Refusal, empty};
use super::authentication::Visitor;
use super::head;
use super::request::Request;
use super::router::Router;
use crate::serve::live::groups::Found;
use crate::serve::live::registry::Registry;
use crate::serve::rewind::session::Rewinding;
use crate::serve::ws::frames;
use crate::serve::ws::subscription::Asked;
use crate::serve::ws::viewer::Accepted;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode, Version};

impl Router<'_> {
    /// The opening handshake (RFC 6455, section 4.2).
    pub(super) fn handshake(&self, request: &Request, granted: &Granted) -> Result<Answer, Refusal> {
        let not_one = Refusal(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket, version 13");
        let has = |name, token: &str| head::list(&request.head.headers, name).any(|t| t.eq_ignore_ascii_case(token));
        if request.head.method != Method::GET || request.head.version != Version::HTTP_11 || !request.wants_websocket() {
            return Err(not_one);
        }
        if request.given(header::SEC_WEBSOCKET_VERSION).text() != Some("13") {
            return Err(not_one);
        }
        let accept = request.given(header::SEC_WEBSOCKET_KEY).text().and_then(frames::accept_key);
        let (Some(accept), true) = (accept, has(header::CONNECTION, "upgrade")) else {
            return Err(Refusal(StatusCode::BAD_REQUEST, "not a WebSocket handshake"));
        };
        granted.websocket()?;
        Ok(switching(&accept))
    }

    /// The stream as pages of go2rtc's protocol have it.
    pub(super) fn websocket(&self, request: &Request, granted: &Granted, visitor: &Visitor) -> Result<(Answer, Accepted), Refusal> {
        let answer = self.handshake(request, granted)?;
        let asked = request.query("src")?;
        let stream = match &asked {
            Some(name) => self.find(request, name)?,
            None => Some(self.state.only().ok_or(Refusal(StatusCode::BAD_REQUEST, "which stream? /api/ws?src=NAME"))?),
        };
        // While a password was checked, another stream may have become the only one.
        if stream.as_ref().is_some_and(|stream| !visitor.may_see(&stream.name)) {
            return Err(NOT_YOURS);
        }
        let rewinding = self.rewinding(visitor, asked.as_deref(), stream.as_ref());
        let asked = request.query("codecs")?.map_or(Asked::Nothing, |codecs| Asked::Codecs(codecs.into_owned()));
        let handle = self.handle(request, visitor, stream.as_ref(), "websocket")?;
        let group = stream.as_ref().and_then(|found| self.state.groups.membership(&self.state.streams, &found.name));
        Ok((answer, Accepted { stream: stream.map(|found| found.stream), asked, group, rewinding, handle }))
    }

    /// What a viewer may see of before: of the stream, or of one that was recorded and is not there.
    fn rewinding(&self, visitor: &Visitor, asked: Option<&str>, found: Option<&Found>) -> Option<Box<Rewinding>> {
        let asked = asked.filter(|name| Registry::allows(name)).or(found.map(|found| &*found.name))?;
        let stream = found.map(|found| found.stream.clone());
        let name = stream.as_ref().map_or(asked, |stream| &stream.name).to_owned();
        let authorization = visitor.rewind_authorization(&self.state.access, found.map_or(asked, |found| &found.name));
        let (recordings, places) = (self.state.recordings.clone(), self.state.rewinding.clone());
        Some(Box::new(Rewinding { name, stream, recordings, rings: self.hub.rings(), authorization, places, codecs: None }))
    }
}

fn switching(accept: &str) -> Answer {
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = answer.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    answer
}
