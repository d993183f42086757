//! `/NAME/record`: whether a stream is being recorded, for those who may change it, and the change.

use super::access::Granted;
use super::answer::{Answer, NO_STORE, Refusal, empty, respond};
use super::authentication;
use super::body::Reply;
use super::request::Request;
use super::router::Router;
use crate::serve::recordings::api::RecordSwitchError;
use crate::serve::recordings::routes::NOT_RECORDED;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use std::time::Duration;

/// Bytes of a change, which has a name in it at most.
const CHANGE: usize = 4 * 1024;
const CHANGE_TIME: Duration = Duration::from_secs(5);
const METHOD: Refusal = Refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD, PUT and OPTIONS");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, OPTIONS");
const UNKNOWN: Refusal = Refusal(StatusCode::NOT_FOUND, "no stream of this name is recorded here; see /api/streams");

impl Router<'_> {
    /// Of a group: the stream that is shown for it.
    pub(super) async fn record(&self, request: &mut Request, granted: &Granted, name: &str) -> Result<Answer, Refusal> {
        let recordings = self.state.recordings.as_ref().ok_or(NOT_RECORDED)?;
        let found = self.find(request, name)?;
        let stream = found.as_ref().map_or(name, |found| &found.stream.name);
        match request.head.method {
            Method::GET | Method::HEAD => {
                let state = recordings.switch(stream).ok_or(UNKNOWN)?;
                Ok(respond(StatusCode::OK, Reply::whole(state.to_string()), HeaderValue::from_static("application/json"), NO_STORE))
            }
            Method::PUT => {
                authentication::refuse_foreign_page(request, granted)?;
                let change = request.body(CHANGE, CHANGE_TIME).await?;
                match recordings.set_switch(stream, &change) {
                    Ok(()) => Ok(empty(StatusCode::NO_CONTENT)),
                    Err(RecordSwitchError::UnknownStream) => Err(UNKNOWN),
                    Err(RecordSwitchError::NotUnderstood(why)) => {
                        let text = HeaderValue::from_static("text/plain; charset=utf-8");
                        Ok(respond(StatusCode::BAD_REQUEST, Reply::whole(why + "\n"), text, NO_STORE))
                    }
                }
            }
            _ => {
                let mut answer = Answer::from(METHOD);
                answer.headers_mut().insert(header::ALLOW, METHODS);
                Ok(answer)
            }
        }
    }
}
