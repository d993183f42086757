//! From a request to a response. A route is an `async fn`, or a function where it answers from memory; it gets a request whose body is bounded
//! ([`Request::body`]), that was [`Granted`], and the
//! [`Visitor`] who asks.

use super::access::{self, Granted};
use super::answer::{Answer, METHODS, NO_STORE, NOT_ALLOWED, NOT_BEGUN, NOT_FOUND, NOT_YOURS, Refusal, empty, respond};
use super::api::Listing;
use super::assets;
use super::authentication::{self, Visitor};
use super::body::{self, Reply};
use super::head;
use super::login;
use super::pages;
use super::request::Request;
use super::routes::{self, Route};
use super::upgrade::Upgrade;
use crate::serve::hls::routes::Asking;
use crate::serve::hub::SharedHub;
use crate::serve::live::form::Form;
use crate::serve::live::groups::Found;
use crate::serve::live::init_segment::{ALL, Mask};
use crate::serve::live::registry::Registry;
use crate::serve::live::stream::{Content, Stream};
use crate::serve::net::link::Link;
use crate::serve::net::socket::Peer;
use crate::serve::recordings::routes::AskingForPast;
use crate::serve::refusals::Limit;
use crate::serve::state::ServerState;
use crate::serve::stats::viewers::ViewerHandle;
use crate::serve::ws::viewer::Accepted;
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use std::sync::Arc;
use std::time::Instant;

pub(super) const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Answers the requests of one connection.
pub struct Router<'a> {
    pub state: &'a ServerState,
    pub hub: &'a SharedHub,
    pub peer: Peer,
    /// Over TLS.
    pub secure: bool,
    pub link: &'a Arc<Link>,
}

impl Router<'_> {
    /// The response, and what follows if it is a 101.
    pub async fn answer(&self, request: hyper::Request<Incoming>) -> (Answer, Option<Upgrade>) {
        let mut request = match Request::new(request, (self.peer, self.secure), &self.state.proxies, &self.state.base_path) {
            Ok(request) => request,
            Err(moved) => return (moved.into(), None),
        };
        if !head::is_framed_clearly(&request.head.headers) {
            let mut answer = Answer::from(Refusal(StatusCode::BAD_REQUEST, "it is not clear where the body ends"));
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            return (answer, None);
        }
        if !self.state.rate.allows(request.peer, Instant::now()) {
            self.state.refusals.note(Limit::Requests);
            return (Refusal(StatusCode::TOO_MANY_REQUESTS, Limit::Requests.reached()).into(), None);
        }
        let granted = match access::judge(&request.head, &self.state.policy, self.peer, request.by_proxy, self.secure) {
            Ok(granted) => granted,
            Err(refusal) => return (refusal.into(), None),
        };
        let path = request.path.clone();
        let (link, path) = routes::split_link(&path);
        let (mut answer, upgrade) = match self.admit(&request, &granted, link, path).await {
            Ok((route, visitor)) => {
                self.route(&mut request, &granted, route, &visitor).await.unwrap_or_else(|refusal| (refusal.into(), None))
            }
            Err(refused) => (refused, None),
        };
        let headers = answer.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
        if let Some(seconds) = self.state.hsts.filter(|_| self.secure)
            && let Ok(value) = HeaderValue::try_from(format!("max-age={seconds}"))
        {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
        }
        granted.add_headers(headers);
        self.protect_from_frames(headers);
        (answer, upgrade)
    }

    /// A page that another one shows in a frame could be clicked on unseen. A policy of its own: a browser keeps to all that are given.
    fn protect_from_frames(&self, headers: &mut HeaderMap) {
        let is_page = headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
        if is_page && let Ok(policy) = HeaderValue::try_from(self.state.policy.frame_ancestors()) {
            headers.append(header::CONTENT_SECURITY_POLICY, policy);
        }
    }

    /// Where the path leads, and who may go there; or the answer for who may not. `link`: a token in the path.
    async fn admit<'p>(
        &self,
        request: &Request,
        granted: &Granted,
        link: Option<&str>,
        path: &'p str,
    ) -> Result<(Route<'p>, Visitor), Answer> {
        let mut route = Route::of(path);
        if let Route::Stream { name, form: "" } = route
            && request.wants_websocket()
        {
            route = Route::Wfs { name };
        }
        // A picture of before needs the right to what was before, and so does a query that is not understood.
        if let Route::Stream { name, form: "jpg" } = route
            && Registry::allows(name)
            && !matches!(request.query("at"), Ok(None))
        {
            route = Route::Past { name, file: "jpg" };
        }
        // A query that is not understood names no stream; its route says so.
        let query = || request.query("src").ok().flatten();
        let (asked, only) = match route {
            Route::WebSocket => (query(), self.state.only()),
            Route::VideoFeed => (query(), self.first_mjpeg()),
            Route::Wfs { name } if self.state.find(name, None).is_none() => (None, self.state.only()),
            _ => (None, None),
        };
        let stream = asked.as_deref().or(only.as_ref().map(|found| &*found.name));
        let visitor = authentication::admit(self.state, request, granted, link, &route, stream).await?;
        Ok((route, visitor))
    }

    /// All routes. There is no way to them but by [`access::judge`] and [`authentication::admit`].
    async fn route(
        &self,
        request: &mut Request,
        granted: &Granted,
        route: Route<'_>,
        visitor: &Visitor,
    ) -> Result<(Answer, Option<Upgrade>), Refusal> {
        match request.head.method {
            Method::OPTIONS => return Ok((options(granted), None)),
            _ if matches!(route, Route::Publish { .. } | Route::Record { .. }) => {}
            Method::GET | Method::HEAD => {}
            Method::POST if matches!(route, Route::Login | Route::Logout) => {}
            _ if self.exists(&route) => return Err(NOT_ALLOWED),
            _ => return Err(NOT_FOUND),
        }
        let viewer = |(answer, accepted): (Answer, Accepted)| (answer, Some(Upgrade::Viewer(accepted)));
        let answer = match route {
            Route::Publish { name } => return self.publish(request, granted, visitor, name).await,
            Route::Record { name } => self.record(request, granted, name).await?,
            Route::WebSocket => return self.websocket(request, granted, visitor).map(viewer),
            Route::Wfs { name } => {
                let stream = self.find(request, name)?.or_else(|| self.state.only());
                return self.converted_websocket(request, granted, Form::Wfs, visitor, stream).map(viewer);
            }
            Route::Stream { name, form } if request.wants_websocket() => {
                let form = Form::of_ending(form).ok_or(NOT_FOUND)?;
                return self.converted_websocket(request, granted, form, visitor, self.find(request, name)?).map(viewer);
            }
            Route::VideoFeed => {
                let name = request.query("src")?;
                let found = name.map_or_else(|| Ok(self.first_mjpeg()), |name| self.find(request, &name))?.ok_or(NOT_FOUND)?;
                if !visitor.may_see(&found.name) {
                    return Err(NOT_YOURS);
                }
                self.named(request, &found.name, "mjpg", visitor).await?
            }
            Route::Page => match visitor.link_in_query() {
                Some(token) => authentication::to_path(&format!("t/{token}"), ""),
                None => match self.state.only().filter(|only| visitor.may_see(&only.name)) {
                    Some(only) => self.page(request, visitor, &only, "api/ws").await,
                    None => pages::file(request, assets::page()),
                },
            },
            Route::Streams => self.list(visitor),
            Route::Events => self.events(request, visitor)?,
            Route::Login => login::login(request, granted, &self.state.access, &self.state.base_path).await?,
            Route::Logout => login::logout(request, granted, &self.state.access, &self.state.base_path)?,
            Route::Asset(asset) => pages::file(request, asset),
            Route::Stream { name, form: "jpg" } => match self.find(request, name)? {
                Some(stream) => self.snapshot_if_any(request, &stream).await?,
                None => pages::missing(request)?,
            },
            Route::Stream { name, form } => self.named(request, name, form, visitor).await?,
            Route::Hls { name, quality, file } => self.hls(request, (name, quality, file), visitor).await?,
            Route::Past { name, file: "jpg" } => self.thumbnail(request, name).await?,
            Route::Past { name, file } => self.past(request, visitor, name, file).await?,
            Route::Server | Route::Nothing => pages::missing(request)?,
        };
        Ok((answer, None))
    }

    fn exists(&self, route: &Route<'_>) -> bool {
        match route {
            Route::Stream { name, .. } | Route::Hls { name, .. } | Route::Past { name, .. } => self.state.find(name, None).is_some(),
            Route::Publish { .. } => self.state.publishing.is_some(),
            Route::Record { .. } => self.state.recordings.is_some(),
            Route::Nothing => false,
            Route::Wfs { .. }
            | Route::VideoFeed
            | Route::Page
            | Route::Streams
            | Route::Events
            | Route::WebSocket
            | Route::Login
            | Route::Logout
            | Route::Asset(_)
            | Route::Server => true,
        }
    }

    /// A stream or a group, in the quality that the query may name.
    pub(super) fn find(&self, request: &Request, name: &str) -> Result<Option<Found>, Refusal> {
        Ok(self.state.find(name, request.query("quality")?.as_deref()))
    }

    async fn named(&self, request: &Request, name: &str, form: &str, visitor: &Visitor) -> Result<Answer, Refusal> {
        let Some(stream) = self.find(request, name)? else { return pages::missing(request) };
        match (form, stream.content()) {
            ("", _) => Ok(match visitor.link_in_query() {
                Some(token) => authentication::to_path(&format!("t/{token}"), name),
                None => self.page(request, visitor, &stream, &format!("api/ws?src={name}")).await,
            }),
            (_, None) => Err(NOT_BEGUN),
            ("mp4", Some(Content::Fmp4(_))) => self.fmp4(request, visitor, &stream),
            ("mjpg", Some(Content::Jpeg(_))) => self.multipart(request, visitor, &stream),
            (ending, Some(Content::Fmp4(_))) => match Form::of_ending(ending) {
                Some(form) => self.converted(request, form, visitor, &stream),
                None => Err(Refusal(StatusCode::NOT_FOUND, "the stream is not MJPEG; see NAME.mp4")),
            },
            (_, Some(Content::Jpeg(_))) => Err(Refusal(StatusCode::NOT_FOUND, "the stream is MJPEG; see NAME.mjpg and NAME.jpg")),
        }
    }

    /// A file of HLS. A link in the query goes into the path: what playlists name is relative to them.
    async fn hls(
        &self,
        request: &Request,
        (name, quality, file): (&str, Option<&str>, &str),
        visitor: &Visitor,
    ) -> Result<Answer, Refusal> {
        if let Some(token) = visitor.link_in_query() {
            let (up, folder) = quality.map_or(("..", name.to_owned()), |quality| ("../..", format!("{name}/{quality}")));
            return Ok(authentication::to_path(&format!("{up}/t/{token}"), &format!("{folder}/{file}")));
        }
        let stream = self.state.find(name, quality).ok_or(NOT_FOUND)?;
        let asking = Asking { state: self.state, hub: self.hub, link: self.link, request, stream: &stream };
        match (self.state.groups.membership(&self.state.streams, name), quality, file) {
            (None, None, _) | (Some(_), Some(_), _) => asking.answer(file).await,
            (Some(group), None, "index.m3u8") => asking.group(&group.members).await,
            // What is in it depends on the stream, and the address names none.
            _ => Err(NOT_FOUND),
        }
    }

    /// What was before. Of a group: of the stream that is shown for it.
    async fn past(&self, request: &Request, visitor: &Visitor, name: &str, file: &str) -> Result<Answer, Refusal> {
        // What lists and playlists name is relative to them: a link goes into the path.
        if let Some(token) = visitor.link_in_query().filter(|_| file.starts_with("rec/") && !file.ends_with(".mp4")) {
            let up = "../".repeat(file.matches('/').count());
            let times =
                ["from", "to"].map(|key| Ok(request.query(key)?.map(|value| format!("{key}={}", value.replace(['+', ' '], "%2B")))));
            let times =
                times.into_iter().collect::<Result<Vec<Option<String>>, Refusal>>()?.into_iter().flatten().collect::<Vec<_>>().join("&");
            return Ok(authentication::to_path(&format!("{up}../t/{token}"), &format!("{name}/{file}?{times}")));
        }
        let found = self.find(request, name)?;
        let stream = found.as_ref().map(|found| &found.stream);
        let name = stream.map_or(name, |stream| &stream.name);
        AskingForPast { state: self.state, hub: self.hub, link: self.link, request, name, stream }.answer(file).await
    }

    /// Endless fMP4; `?codecs=avc1,mp4a` chooses tracks as on the WebSocket.
    fn fmp4(&self, request: &Request, visitor: &Visitor, stream: &Found) -> Result<Answer, Refusal> {
        let newest = self.hub.lock().replica(stream.id()).and_then(|replica| replica.ring.newest().cloned()).ok_or(NOT_BEGUN)?;
        let init = newest.init.clone().ok_or(NOT_BEGUN)?;
        let codecs = request.query("codecs")?.unwrap_or_default();
        let selection = init.choose(&codecs, newest.tracks == ALL);
        let selection = selection.ok_or(Refusal(StatusCode::NOT_FOUND, "the stream has no such tracks"))?;
        self.can_begin(stream, selection.sync_track)?;
        let body = |handle| Reply::fmp4(self.hub, stream, &selection, handle, self.link);
        self.endless(request, visitor, stream, "mp4", &selection.content_type(), body)
    }

    /// A client that asks again later gets a picture. An endless answer would show nothing, and not say why.
    pub(super) fn can_begin(&self, stream: &Stream, sync_track: Mask) -> Result<(), Refusal> {
        let starts = self.hub.lock().replica(stream.id()).is_some_and(|replica| replica.ring.newest_key(sync_track).is_some());
        match stream.trouble() {
            Some(trouble) if !starts => Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, trouble.text())),
            _ => Ok(()),
        }
    }

    fn multipart(&self, request: &Request, visitor: &Visitor, stream: &Found) -> Result<Answer, Refusal> {
        // Browsers all say Mozilla; everybody else wants the length of each part.
        let agent = request.head.headers.get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
        let early = agent.windows(8).any(|part| part == b"Mozilla/");
        let content_type = format!("multipart/x-mixed-replace; boundary={}", body::BOUNDARY);
        let body = |handle| Reply::multipart(self.hub, stream, early, handle, self.link);
        self.endless(request, visitor, stream, "multipart", &content_type, body)
    }

    pub(super) fn endless(
        &self,
        request: &Request,
        visitor: &Visitor,
        stream: &Found,
        transport: &'static str,
        content_type: &str,
        body: impl FnOnce(ViewerHandle) -> Option<Reply>,
    ) -> Result<Answer, Refusal> {
        let content_type = HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("video/mp4"));
        let body = match request.head.method {
            Method::HEAD => Reply::empty(),
            _ => body(self.handle(request, visitor, Some(stream), transport)?).ok_or(NOT_FOUND)?,
        };
        let mut answer = respond(StatusCode::OK, body, content_type, NO_STORE);
        // nginx would write what a slow viewer does not take into a file, until the disk is full.
        answer.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Ok(answer)
    }

    /// Those that the visitor may see.
    fn list(&self, visitor: &Visitor) -> Answer {
        let (groups, streams) = (&self.state.groups, &self.state.streams);
        let mut found = groups.listed(streams);
        found.retain(|found| visitor.may_see(&found.name));
        let recordings = self.state.recordings.as_deref();
        let json = serde_json::to_vec(&Listing { found: &found, groups, streams, recordings, now: Instant::now() }).unwrap_or_default();
        respond(StatusCode::OK, Reply::whole(json), HeaderValue::from_static("application/json"), NO_STORE)
    }

    pub(super) fn handle(
        &self,
        request: &Request,
        visitor: &Visitor,
        stream: Option<&Found>,
        transport: &'static str,
    ) -> Result<ViewerHandle, Refusal> {
        let full = |limit: Limit| Refusal(StatusCode::SERVICE_UNAVAILABLE, limit.reached());
        let place = |name: &str| {
            self.state.users.take(name.to_owned()).ok_or(Limit::UserViewers).inspect_err(|limit| self.state.refusals.note(*limit))
        };
        let user = visitor.user().map(place).transpose().map_err(full)?;
        let mut handle = self.state.viewers.take(stream.map(|found| found.stream.clone()), transport, request.peer).map_err(full)?;
        handle.is_of(user);
        handle.let_in(stream.and_then(|found| visitor.authorization(&self.state.access, &found.name)));
        Ok(handle)
    }
}

fn options(granted: &Granted) -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(METHODS));
    if granted.is_shared() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    answer
}
