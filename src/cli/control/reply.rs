//! The answer of a handler, and how it is sent.

use std::io;
use tiny_http::{Header, Response};

/// A short answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// MIME type of the body.
    pub content_type: &'static str,
    /// What is answered.
    pub body: String,
}

impl Reply {
    /// A line of text.
    pub fn text(status: u16, text: impl Into<String>) -> Reply {
        Reply { status, content_type: "text/plain; charset=utf-8", body: text.into() + "\n" }
    }

    /// 200 with a JSON document.
    pub fn json(value: &serde_json::Value) -> Reply {
        Reply { status: 200, content_type: "application/json", body: value.to_string() + "\n" }
    }

    /// 204: done, nothing to say.
    pub fn done() -> Reply {
        Reply { status: 204, content_type: "text/plain; charset=utf-8", body: String::new() }
    }
}

/// A reply as tiny_http sends it: whole, never in chunks.
pub(super) fn response(reply: &Reply) -> Response<io::Cursor<Vec<u8>>> {
    let header = |name: &str, value: &str| Header::from_bytes(name, value).expect("ASCII constants make a header");
    let asks = (reply.status == 401).then(|| header("WWW-Authenticate", "Bearer"));
    let response = Response::from_string(reply.body.as_str())
        .with_chunked_threshold(usize::MAX)
        .with_status_code(reply.status)
        .with_header(header("Content-Type", reply.content_type))
        .with_header(header("Cache-Control", "no-store"))
        .with_header(header("X-Content-Type-Options", "nosniff"));
    match asks {
        Some(asks) => response.with_header(asks),
        None => response,
    }
}
