//! The page and its files.

use super::access;
use super::answer::{Answer, IMMUTABLE, NO_STORE, NOT_FOUND, REVALIDATE, Refusal, respond, tagged};
use super::assets::{self, Asset};
use super::authentication::{self, Visitor};
use super::body::Reply;
use super::head;
use super::request::Request;
use super::router::Router;
use super::routes;
use crate::serve::live::groups::Found;
use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use std::time::Duration;

/// The picture that the page shows first is no wider, in pixels: on a slow network it must not keep the stream from coming.
const WIDTH: u32 = 640;
/// The page waits for it no longer: it can ask for it later.
const PATIENCE: Duration = Duration::from_millis(60);

/// A stream that is not there: people get a page with those that are, tools a line.
pub fn missing(request: &Request) -> Result<Answer, Refusal> {
    let (_, path) = routes::split_link(&request.path);
    // The page finds its parts beside itself.
    if !authentication::wants_page(request) || path.trim_start_matches('/').contains('/') {
        return Err(NOT_FOUND);
    }
    let page = assets::page();
    let content_type = HeaderValue::from_static(page.content_type);
    let mut answer = respond(StatusCode::NOT_FOUND, Reply::whole(page.body.clone()), content_type, NO_STORE);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(assets::CONTENT_SECURITY_POLICY));
    headers.append(header::VARY, HeaderValue::from_static("Accept"));
    Ok(answer)
}

/// The page, with links for its stream.
fn page(request: &Request, name: &str, websocket: &str) -> Answer {
    let mut answer = file(request, assets::page());
    link(&mut answer, websocket, Some(name));
    answer
}

/// The same with the picture that it shows first: of all that the page needs, this has to come soonest, and what a page asks for comes later than what is in it.
fn page_with(picture: &[u8], websocket: &str) -> Answer {
    let text = String::from_utf8_lossy(&assets::page().body);
    let picture = format!("<main><img hidden alt=\"\" src=\"data:image/jpeg;base64,{}\"></main>", BASE64_STANDARD.encode(picture));
    let text = text.replacen("<main></main>", &picture, 1);
    let mut answer = respond(StatusCode::OK, Reply::whole(text), HeaderValue::from_static(assets::page().content_type), NO_STORE);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(assets::CONTENT_SECURITY_POLICY));
    headers.append(header::VARY, HeaderValue::from_static("Accept"));
    link(&mut answer, websocket, None);
    answer
}

/// Links (RFC 8288): to the WebSocket, for a program that is given the address of the page, and to the picture of a stream that the page asks for, for a browser
/// that has not read it. The targets are relative, as all that the page asks for: a proxy may serve it under another path.
fn link(answer: &mut Answer, websocket: &str, picture_of: Option<&str>) {
    let mut link = format!("<{websocket}>; rel=\"alternate\"; upgrade=\"websocket\"");
    // Of other names early.js asks for nothing.
    if let Some(name) = picture_of.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))) {
        link += &format!(", <{name}.jpg?width={WIDTH}&optional=1>; rel=preload; as=image; fetchpriority=high");
    }
    if let Ok(link) = HeaderValue::try_from(link) {
        answer.headers_mut().insert(header::LINK, link);
    }
}

impl Router<'_> {
    /// The page of a stream, for who looks at it with the newest keyframe inside.
    pub(super) async fn page(&self, request: &Request, visitor: &Visitor, name: &str, stream: &Found, websocket: &str) -> Answer {
        // What a cache keeps has no picture of a moment.
        let is_looked_at = request.head.method == Method::GET && authentication::wants_page(request) && !visitor.is_cache();
        let picture = async {
            let image = self.image(stream, Some(WIDTH));
            if is_looked_at { tokio::time::timeout(PATIENCE, image).await.ok()?.ok() } else { None }
        };
        match picture.await {
            Some(picture) => page_with(&picture, websocket),
            None => page(request, name, websocket),
        }
    }
}

/// A file of the page.
pub fn file(request: &Request, asset: &'static Asset) -> Answer {
    let deflated = head::list(&request.head.headers, header::ACCEPT_ENCODING).any(|coding| coding.eq_ignore_ascii_case("deflate"));
    let (body, etag) = asset.coded(deflated);
    let cache = if request.head.uri.query() == Some(&asset.version) { IMMUTABLE } else { REVALIDATE };
    let mut answer = tagged(&request.head.headers, &etag, cache, || {
        let mut answer = respond(StatusCode::OK, Reply::whole(body), HeaderValue::from_static(asset.content_type), cache);
        if deflated {
            answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("deflate"));
        }
        answer
    });
    let headers = answer.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if asset.content_type.starts_with("text/html") {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(assets::CONTENT_SECURITY_POLICY));
    } else {
        // The player is for everybody's page; only the streams are not.
        access::share_with_all(headers);
    }
    answer
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_picture_is_the_one_that_the_page_asks_for() {
        assert!(include_str!("../../../player/src/early.js").contains(&format!("const IMAGE = '.jpg?width={}&optional=1';", super::WIDTH)));
        assert!(String::from_utf8_lossy(&super::assets::page().body).contains("<main></main>"));
    }
}
