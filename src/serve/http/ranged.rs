//! Files of a known length, or ranges of them (RFC 9110, section 14).

use super::answer::{Answer, Refusal, respond, tagged};
use super::body::Reply;
use super::range::{OutOfRange, range};
use super::request::Request;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use std::ops::Range;

/// A file that is not read yet.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Another file has another.
    pub etag: &'a str,
    /// In bytes.
    pub length: u64,
    pub content_type: &'static str,
    /// Of Cache-Control.
    pub cache: &'static str,
}

/// What of the file is asked for; `body` gives these bytes of it.
pub fn file(request: &Request, file: File<'_>, body: impl FnOnce(Range<u64>) -> Reply) -> Answer {
    let length = file.length;
    let answer = || {
        let kind = HeaderValue::from_static(file.content_type);
        // A range of another file is of no use (RFC 9110, section 13.1.5).
        let is_same = request.given(header::IF_RANGE).text().is_none_or(|tag| tag == file.etag);
        let asked = request.given(header::RANGE).text().filter(|_| is_same && request.head.method == Method::GET);
        let (mut answer, content) = match asked.and_then(|header| range(header, length)) {
            None => (respond(StatusCode::OK, body(0..length), kind, file.cache), None),
            Some(Ok(range)) => {
                let content = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                (respond(StatusCode::PARTIAL_CONTENT, body(range), kind, file.cache), Some(content))
            }
            Some(Err(OutOfRange)) => {
                let refusal = Refusal(StatusCode::RANGE_NOT_SATISFIABLE, "it is not as long as that");
                (refusal.into(), Some(format!("bytes */{length}")))
            }
        };
        let headers = answer.headers_mut();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Some(Ok(content)) = content.map(HeaderValue::try_from) {
            headers.insert(header::CONTENT_RANGE, content);
        }
        answer
    };
    tagged(&request.head.headers, file.etag, file.cache, answer)
}
