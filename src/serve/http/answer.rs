//! Answers, and refusals: what all of them have in common, and what a status asks for.

use super::body::Reply;
use super::head;
use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

pub type Answer = Response<Reply>;

/// Why a request is not granted, for people; as an answer it has the headers that its status asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal(pub StatusCode, pub &'static str);

pub const NOT_FOUND: Refusal = Refusal(StatusCode::NOT_FOUND, "there is nothing here; see /api/streams");
pub const NOT_ALLOWED: Refusal = Refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and OPTIONS");
pub const NOT_BEGUN: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "the stream has not begun yet");
pub const BUSY: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "too many passwords are being checked");
pub const NOT_YOURS: Refusal = Refusal(StatusCode::FORBIDDEN, "you may not see this stream");

pub const METHODS: &str = "GET, HEAD, OPTIONS";
pub const NO_STORE: &str = "no-store";
pub const REVALIDATE: &str = "no-cache";
/// The same, for who has a right to it.
pub const REVALIDATE_PRIVATE: &str = "private, no-cache";
/// For an hour, by the browser of who has a right to it: a picture of before does not change, and goes with its recording.
pub const THUMBNAIL: &str = "private, max-age=3600";
/// For a year, the longest that is usual (RFC 8246).
pub const IMMUTABLE: &str = "max-age=31536000, immutable";

impl From<Refusal> for Answer {
    fn from(Refusal(status, why): Refusal) -> Answer {
        let body = Reply::whole(Bytes::from(format!("{why}\n")));
        let mut answer = respond(status, body, HeaderValue::from_static("text/plain; charset=utf-8"), NO_STORE);
        add_headers_of(status, answer.headers_mut());
        answer
    }
}

/// What is asked for is there, relative to where it was asked for, and will stay there.
#[derive(Debug)]
pub struct Moved(pub String);

impl From<Moved> for Answer {
    fn from(Moved(location): Moved) -> Answer {
        let mut answer = empty(StatusCode::PERMANENT_REDIRECT);
        if let Ok(location) = HeaderValue::try_from(location) {
            answer.headers_mut().insert(header::LOCATION, location);
        }
        answer
    }
}

fn add_headers_of(status: StatusCode, headers: &mut HeaderMap) {
    let mut add = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    match status {
        StatusCode::METHOD_NOT_ALLOWED => _ = add(header::ALLOW, METHODS),
        // What of the body has not come is not waited for.
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => _ = add(header::CONNECTION, "close"),
        StatusCode::UPGRADE_REQUIRED => {
            add(header::UPGRADE, "websocket");
            add(header::CONNECTION, "Upgrade");
            add(header::SEC_WEBSOCKET_VERSION, "13");
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => _ = add(header::RETRY_AFTER, "1"),
        _ => {}
    }
}

pub fn respond(status: StatusCode, body: Reply, content_type: HeaderValue, cache: &'static str) -> Answer {
    let mut answer = empty(status);
    *answer.body_mut() = body;
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    answer
}

pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Reply::empty());
    *answer.status_mut() = status;
    answer
}

/// The client has it already.
pub fn is_known(asked: &HeaderMap, etag: &str) -> bool {
    head::list(asked, header::IF_NONE_MATCH).any(|tag| tag.trim_start_matches("W/") == etag || tag == "*")
}

/// An answer with its entity tag; to a client that has it already, only that it has (RFC 9110, section 13.1.2).
pub fn tagged(asked: &HeaderMap, etag: &str, cache: &'static str, answer: impl FnOnce() -> Answer) -> Answer {
    let mut answer = if is_known(asked, etag) {
        let mut answer = empty(StatusCode::NOT_MODIFIED);
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        answer
    } else {
        answer()
    };
    if let Ok(etag) = HeaderValue::try_from(etag) {
        answer.headers_mut().insert(header::ETAG, etag);
    }
    answer
}
