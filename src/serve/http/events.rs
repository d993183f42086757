//! `/api/events`: what happens, as it happens.

use super::answer::{Answer, NO_STORE, Refusal, respond};
use super::authentication::Visitor;
use super::body::Reply;
use super::event_stream::EventStream;
use super::request::Request;
use super::router::{Router, X_ACCEL_BUFFERING};
use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};

const TOO_MANY: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "too many listen already");

impl Router<'_> {
    /// Of the streams that the visitor may see; addresses and the log are for those with the right `admin`.
    pub(super) fn events(&self, request: &Request, visitor: &Visitor) -> Result<Answer, Refusal> {
        let body = match request.head.method {
            Method::HEAD => Reply::empty(),
            _ => {
                let listener = self.state.feed.listen().ok_or(TOO_MANY)?;
                let rights = visitor.rights(&self.state.access);
                Reply::Events(Box::new(EventStream::new(listener, rights, self.hub.clone(), self.link.clone())))
            }
        };
        let mut answer = respond(StatusCode::OK, body, HeaderValue::from_static("text/event-stream"), NO_STORE);
        answer.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Ok(answer)
    }
}
