//! From a request to a response. Everything is answered at once, from memory.

use super::api::Listing;
use super::assets::{self, Asset};
use super::body::{self, Reply};
use super::origin::Origin;
use super::request::{self, Given};
use crate::serve::hub::Hub;
use crate::serve::live::init_segment::ALL;
use crate::serve::live::stream::{Content, Stream};
use crate::serve::net::link::Link;
use crate::serve::net::socket::Peer;
use crate::serve::state::ServerState;
use crate::serve::stats::viewers::ViewerHandle;
use crate::serve::ws::frames;
use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// A WebSocket whose handshake was accepted with this response.
pub struct Accepted {
    /// `None`: the stream asked for is not there; the viewer is told so in its own protocol.
    pub feed: Option<usize>,
    pub handle: ViewerHandle,
}

/// One request on its way.
pub struct Router<'a, B> {
    pub state: &'a Arc<ServerState>,
    pub hub: &'a Rc<RefCell<Hub>>,
    pub request: &'a Request<B>,
    pub peer: Peer,
    pub link: &'a Rc<Link>,
}

type Answer = Response<Reply>;

const METHODS: &str = "GET, HEAD, OPTIONS";
const NO_STORE: &str = "no-store";
const REVALIDATE: &str = "no-cache";

impl<B> Router<'_, B> {
    /// The response, and what follows if it is a 101.
    pub fn answer(&self) -> (Answer, Option<Accepted>) {
        let host = match self.host() {
            Ok(host) => host,
            Err(refusal) => return (refusal.into(), None),
        };
        let origin = self.state.policy.judge(self.given(header::ORIGIN), &host);
        let (mut response, accepted) = self.route(&origin);
        self.add_common_headers(&mut response, &origin);
        (response, accepted)
    }

    /// The name that the client used (RFC 9112, section 3.2).
    fn host(&self) -> Result<String, Refusal> {
        let named = self.request.uri().authority().map(|a| a.as_str().to_string());
        let host = match (named, self.given(header::HOST)) {
            (_, Given::Unreadable) => return Err(Refusal(StatusCode::BAD_REQUEST, "more than one Host header, or one that is no text")),
            (Some(named), _) => named,
            (None, Given::Text(host)) => host.to_string(),
            (None, Given::Absent) if self.request.version() < Version::HTTP_11 => return Ok(String::new()),
            (None, Given::Absent) => return Err(Refusal(StatusCode::BAD_REQUEST, "no Host header")),
        };
        // Over a Unix socket a Host means nothing.
        if self.peer == Peer::Local || self.state.policy.knows_host(&host) {
            return Ok(host);
        }
        Err(Refusal(StatusCode::MISDIRECTED_REQUEST, "this name is not known here; start h5serve with --host NAME to allow it"))
    }

    fn route(&self, origin: &Origin) -> (Answer, Option<Accepted>) {
        let path = &*request::normal_path(self.request.uri().path());
        let known = |response| (response, None);
        match *self.request.method() {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return known(self.options(origin)),
            _ if self.exists(path) => return known(not_allowed()),
            _ => return known(not_found()),
        }
        if path == "/api/ws" {
            return self.websocket(origin);
        }
        known(match path {
            "/" => self.file(assets::page()),
            "/api/streams" => self.list(),
            _ => self.named(path.strip_prefix('/').unwrap_or(path)),
        })
    }

    fn exists(&self, path: &str) -> bool {
        let name = path.strip_prefix('/').unwrap_or(path);
        matches!(path, "/" | "*" | "/api/ws" | "/api/streams") || assets::asset(name).is_some() || self.stream(name).is_some()
    }

    /// The stream and the form asked for: `NAME`, `NAME.mp4`, `NAME.mjpg`, `NAME.jpg`.
    fn stream<'n>(&self, name: &'n str) -> Option<(usize, &'n str)> {
        let (name, form) = name.rsplit_once('.').unwrap_or((name, ""));
        let known = matches!(form, "" | "mp4" | "mjpg" | "jpg");
        self.state.find(name).filter(|_| known).map(|index| (index, form))
    }

    fn named(&self, name: &str) -> Answer {
        if let Some(asset) = assets::asset(name) {
            return self.file(asset);
        }
        let Some((index, form)) = self.stream(name) else { return self.missing(name) };
        match (form, self.state.streams[index].content()) {
            ("", _) => self.file(assets::page()),
            (_, None) => text(StatusCode::SERVICE_UNAVAILABLE, "the stream has not begun yet"),
            ("mp4", Some(Content::Fmp4(_))) => self.fmp4(index),
            ("mjpg", Some(Content::Jpeg(_))) => self.multipart(index),
            ("jpg", Some(Content::Jpeg(_))) => self.picture(index),
            (_, Some(Content::Fmp4(_))) => text(StatusCode::NOT_FOUND, "the stream is not MJPEG; see NAME.mp4"),
            (_, Some(Content::Jpeg(_))) => text(StatusCode::NOT_FOUND, "the stream is MJPEG; see NAME.mjpg and NAME.jpg"),
        }
    }

    /// A stream that is not there: people get a page with those that are, tools a line.
    fn missing(&self, name: &str) -> Answer {
        let html = |part: &str| part.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html"));
        let for_people = request::list(self.request.headers(), header::ACCEPT).any(html);
        // The page finds its parts beside itself.
        if !for_people || name.contains('/') {
            return not_found();
        }
        let page = assets::page();
        let mut response =
            respond(StatusCode::NOT_FOUND, Reply::whole(page.body.clone()), HeaderValue::from_static(page.content_type), NO_STORE);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(assets::CONTENT_SECURITY_POLICY));
        headers.append(header::VARY, HeaderValue::from_static("Accept"));
        response
    }

    /// Endless fMP4; `?codecs=avc1,mp4a` chooses tracks as on the WebSocket.
    fn fmp4(&self, index: usize) -> Answer {
        let newest = self.hub.borrow().feed(index).ring.newest().cloned();
        let Some((newest, movie)) = newest.and_then(|n| n.movie.clone().map(|m| (n, m))) else {
            return text(StatusCode::SERVICE_UNAVAILABLE, "the stream has not begun yet");
        };
        let codecs = match self.query("codecs") {
            Ok(codecs) => codecs.unwrap_or_default(),
            Err(refusal) => return refusal.into(),
        };
        let Some(selection) = movie.choose(&codecs, newest.tracks == ALL) else {
            return text(StatusCode::NOT_FOUND, "the stream has no such tracks");
        };
        // A client that asks again later gets a picture. An endless answer would show nothing, and not say why.
        let starts = self.hub.borrow().feed(index).ring.newest_key(selection.sync_track).is_some();
        if let Some(trouble) = self.state.streams[index].trouble().filter(|_| !starts) {
            return text(StatusCode::SERVICE_UNAVAILABLE, trouble.text());
        }
        self.endless(index, "mp4", &selection.content_type(), |handle| Reply::fmp4(self.hub, index, &selection, handle, self.link))
    }

    fn multipart(&self, index: usize) -> Answer {
        // Browsers all say Mozilla; everybody else wants the length of each part.
        let agent = self.request.headers().get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
        let early = agent.windows(8).any(|part| part == b"Mozilla/");
        let content_type = format!("multipart/x-mixed-replace; boundary={}", body::BOUNDARY);
        self.endless(index, "multipart", &content_type, |handle| Reply::multipart(self.hub, index, early, handle, self.link))
    }

    fn endless(&self, index: usize, transport: &'static str, content_type: &str, body: impl FnOnce(ViewerHandle) -> Reply) -> Answer {
        let content_type = HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("video/mp4"));
        if self.request.method() == Method::HEAD {
            return respond(StatusCode::OK, Reply::empty(), content_type, NO_STORE);
        }
        match self.handle(Some(&self.state.streams[index]), transport) {
            Ok(handle) => respond(StatusCode::OK, body(handle), content_type, NO_STORE),
            Err(refusal) => refusal.into(),
        }
    }

    fn picture(&self, index: usize) -> Answer {
        match self.hub.borrow().feed(index).ring.newest() {
            Some(chunk) => respond(StatusCode::OK, Reply::whole(chunk.payload()), HeaderValue::from_static("image/jpeg"), NO_STORE),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "the stream has not begun yet"),
        }
    }

    fn list(&self) -> Answer {
        let now = Instant::now();
        let json = serde_json::to_vec(&Listing(&self.state.streams, now)).unwrap_or_default();
        respond(StatusCode::OK, Reply::whole(json), HeaderValue::from_static("application/json"), NO_STORE)
    }

    fn file(&self, asset: &'static Asset) -> Answer {
        let etag = HeaderValue::from_str(&asset.etag).unwrap_or(HeaderValue::from_static("\"\""));
        let same = |tag: &str| tag.trim_start_matches("W/") == asset.etag || tag == "*";
        let content_type = HeaderValue::from_static(asset.content_type);
        let mut response = if request::list(self.request.headers(), header::IF_NONE_MATCH).any(same) {
            let mut response = Response::new(Reply::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(REVALIDATE));
            response
        } else {
            respond(StatusCode::OK, Reply::whole(asset.body.clone()), content_type, REVALIDATE)
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, etag);
        if asset.content_type.starts_with("text/html") {
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(assets::CONTENT_SECURITY_POLICY));
        } else {
            // The player is for everybody's page; only the streams are not.
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
        }
        response
    }

    /// The opening handshake (RFC 6455, section 4.2).
    fn websocket(&self, origin: &Origin) -> (Answer, Option<Accepted>) {
        let refuse = |response| (response, None);
        let has = |name, token: &str| request::list(self.request.headers(), name).any(|t| t.eq_ignore_ascii_case(token));
        if self.request.method() != Method::GET || self.request.version() != Version::HTTP_11 || !has(header::UPGRADE, "websocket") {
            return refuse(upgrade_required());
        }
        if self.given(header::SEC_WEBSOCKET_VERSION).text() != Some("13") {
            return refuse(upgrade_required());
        }
        let accept = self.given(header::SEC_WEBSOCKET_KEY).text().and_then(frames::accept_key);
        let (Some(accept), true) = (accept, has(header::CONNECTION, "upgrade")) else {
            return refuse(text(StatusCode::BAD_REQUEST, "not a WebSocket handshake"));
        };
        if *origin == Origin::Foreign {
            return refuse(text(StatusCode::FORBIDDEN, "not from this origin; start h5serve with --cors ORIGIN to allow it"));
        }
        let feed = match (self.query("src"), &self.state.streams[..]) {
            (Err(refusal), _) => return refuse(refusal.into()),
            (Ok(Some(name)), _) => self.state.find(&name),
            (Ok(None), [_]) => Some(0),
            (Ok(None), _) => return refuse(text(StatusCode::BAD_REQUEST, "which stream? /api/ws?src=NAME")),
        };
        let handle = match self.handle(feed.map(|f| &self.state.streams[f]), "websocket") {
            Ok(handle) => handle,
            Err(refusal) => return refuse(refusal.into()),
        };
        (switching(&accept), Some(Accepted { feed, handle }))
    }

    fn handle(&self, stream: Option<&Arc<Stream>>, transport: &'static str) -> Result<ViewerHandle, Refusal> {
        let full = Refusal(StatusCode::SERVICE_UNAVAILABLE, "all places are taken");
        self.state.viewers.take(stream.cloned(), transport, self.peer).ok_or(full)
    }

    fn options(&self, origin: &Origin) -> Answer {
        let mut response = Response::new(Reply::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
        if matches!(origin, Origin::Welcome(_)) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        response
    }

    fn add_common_headers(&self, response: &mut Answer, origin: &Origin) {
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        set_default(headers, header::REFERRER_POLICY, "no-referrer");
        let embed = if self.state.policy.may_embed(origin, self.given(header::REFERER)) { "cross-origin" } else { "same-origin" };
        set_default(headers, CROSS_ORIGIN_RESOURCE_POLICY, embed);
        if let Origin::Welcome(origin) = origin
            && let Ok(origin) = HeaderValue::from_str(origin)
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }

    fn given(&self, name: HeaderName) -> Given<'_> {
        Given::of(self.request.headers(), name)
    }

    /// A query parameter.
    fn query(&self, name: &str) -> Result<Option<Cow<'_, str>>, Refusal> {
        let query = self.request.uri().query().unwrap_or_default();
        request::parameter(query, name).map_err(|_| Refusal(StatusCode::BAD_REQUEST, "the query is not understood: write % as %25"))
    }
}

/// A request that cannot be granted, and why.
struct Refusal(StatusCode, &'static str);

impl From<Refusal> for Answer {
    fn from(Refusal(status, what): Refusal) -> Answer {
        text(status, what)
    }
}

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

fn set_default(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

fn respond(status: StatusCode, body: Reply, content_type: HeaderValue, cache: &'static str) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

/// A short answer for people; 503 says when to try again.
fn text(status: StatusCode, what: &str) -> Answer {
    let body = Bytes::from(format!("{what}\n"));
    let mut response = respond(status, Reply::whole(body), HeaderValue::from_static("text/plain; charset=utf-8"), NO_STORE);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "there is nothing here; see /api/streams")
}

fn not_allowed() -> Answer {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(METHODS));
    response
}

fn upgrade_required() -> Answer {
    let mut response = text(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket, version 13");
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    response
}

fn switching(accept: &str) -> Answer {
    let mut response = Response::new(Reply::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}
