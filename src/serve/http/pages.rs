//! The page and its files.

use super::access;
use super::answer::{Answer, IMMUTABLE, NO_STORE, NOT_FOUND, REVALIDATE, Refusal, respond, tagged};
use super::assets::{self, Asset};
use super::authentication;
use super::body::Reply;
use super::head;
use super::request::Request;
use super::routes;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};

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

/// The page, with a link to the WebSocket of its stream for a program that is given the address of the page (RFC 8288). The target is relative, as
/// all that the page asks for: a proxy may serve it under another path.
pub fn page(request: &Request, websocket: Option<String>) -> Answer {
    let mut answer = file(request, assets::page());
    let link = websocket.and_then(|target| HeaderValue::try_from(format!("<{target}>; rel=\"alternate\"; upgrade=\"websocket\"")).ok());
    if let Some(link) = link {
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
