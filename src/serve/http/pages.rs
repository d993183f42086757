//! The page and its files, as they are.

use super::access;
use super::answer::{Answer, IMMUTABLE, NO_STORE, NOT_FOUND, REVALIDATE, Refusal, respond, tagged};
use super::assets::{self, Asset};
use super::authentication;
use super::body::Reply;
use super::head;
use super::request::Request;
use super::routes;
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};

/// A stream that is not there: people get a page with those that are, tools a line.
pub fn missing(request: &Request) -> Result<Answer, Refusal> {
    let (_, path) = routes::split_link(&request.path);
    // The page finds its parts beside itself.
    if !authentication::wants_page(request) || path.trim_start_matches('/').contains('/') {
        return Err(NOT_FOUND);
    }
    Ok(unkept(StatusCode::NOT_FOUND, assets::page().body.clone()))
}

/// The page, with a link to the WebSocket of its stream for a program that is given the address of the page (RFC 8288). The target is relative, as
/// all that the page asks for: a proxy may serve it under another path.
pub fn page(request: &Request, websocket: &str) -> Answer {
    with_link(file(request, assets::page()), websocket)
}

/// The same with a JPEG image in it. Of all that the page needs this is to come soonest, and what a page asks for comes later than what is in it.
pub fn page_with(picture: &[u8], websocket: &str) -> Answer {
    let text = String::from_utf8_lossy(&assets::page().body);
    let picture = format!("<main><img hidden alt=\"\" src=\"data:image/jpeg;base64,{}\"></main>", BASE64_STANDARD.encode(picture));
    let text = text.replacen("<main></main>", &picture, 1);
    with_link(unkept(StatusCode::OK, text), websocket)
}

/// A page that no cache keeps: who asks for something else than a page gets another answer, or another comes a moment later.
fn unkept(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = respond(status, Reply::whole(text), HeaderValue::from_static(assets::page().content_type), NO_STORE);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(assets::CONTENT_SECURITY_POLICY));
    headers.append(header::VARY, HeaderValue::from_static("Accept"));
    answer
}

fn with_link(mut answer: Answer, websocket: &str) -> Answer {
    if let Ok(link) = HeaderValue::try_from(format!("<{websocket}>; rel=\"alternate\"; upgrade=\"websocket\"")) {
        answer.headers_mut().insert(header::LINK, link);
    }
    answer
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
    fn the_page_has_a_place_for_the_picture() {
        assert!(String::from_utf8_lossy(&super::assets::page().body).contains("<main></main>"));
    }
}
