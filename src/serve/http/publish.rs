//! `/in/NAME`: a stream that a client sends, by PUT or POST, or over a WebSocket; and the page by which a browser sends its camera. Whatever it is, it is judged before its body is asked for (RFC 9110,
//! section 10.1.1).

use super::access::Granted;
use super::answer::{Answer, NO_STORE, NOT_FOUND, Refusal, respond};
use super::assets;
use super::authentication::{self, Visitor};
use super::body::Reply;
use super::pages::file;
use super::request::Request;
use super::router::Router;
use super::upgrade::Upgrade;
use crate::access::Ended;
use crate::serve::publishing::api::{NotTaken, UploadError};
use crate::serve::publishing::intake::{End, Intake};
use crate::serve::publishing::socket::SocketPublisher;
use crate::serve::refusals::Limit;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode, Version};

const METHOD: Refusal = Refusal(StatusCode::METHOD_NOT_ALLOWED, "send the stream by PUT or POST, or over a WebSocket");
const METHODS: HeaderValue = HeaderValue::from_static("PUT, POST, OPTIONS");
/// RFC 9110, section 14.5: what cannot be put together is refused, and not taken for the whole.
const PARTS: Refusal = Refusal(StatusCode::BAD_REQUEST, "a stream comes in one request; of GStreamer, curlhttpsink sends it so");
const CODED: Refusal = Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the stream without a Content-Encoding");
const CONFIGURED: Refusal = Refusal(StatusCode::CONFLICT, "an input or a group of this server has this name");
const TAKEN: Refusal = Refusal(StatusCode::CONFLICT, "another client is sending a stream of this name");
const LATER: Refusal = Refusal(StatusCode::SERVICE_UNAVAILABLE, "not now; try again in a second");
const SILENT: Refusal = Refusal(StatusCode::REQUEST_TIMEOUT, "nothing has come for too long");

impl Router<'_> {
    /// Takes a stream, to its end.
    pub(super) async fn publish(
        &self,
        request: &mut Request,
        granted: &Granted,
        visitor: &Visitor,
        name: &str,
    ) -> Result<(Answer, Option<Upgrade>), Refusal> {
        let options = self.state.publishing.as_ref().ok_or(NOT_FOUND)?;
        authentication::refuse_foreign_page(request, granted)?;
        let is_by_method = matches!(request.head.method, Method::PUT | Method::POST);
        let switching = match request.wants_websocket() {
            true => Some(self.handshake(request, granted)?),
            false if authentication::wants_page(request) => return Ok((file(request, assets::publish_page()), None)),
            false if !is_by_method => return Ok((wrong_method(), None)),
            false => None,
        };
        let has = |name| request.head.headers.contains_key(name);
        if has(header::CONTENT_RANGE) {
            return Err(PARTS);
        }
        if has(header::CONTENT_ENCODING) {
            return Err(CODED);
        }
        let is_file = switching.is_none() && request.length().is_some();
        let (intake, upload) =
            Intake::new((name, request.peer.to_string(), is_file), options, visitor.publishing(&self.state.access, name));
        options.to.open(upload).map_err(|why| self.not_taken(why))?;
        Ok(match switching {
            Some(answer) => (answer, Some(Upgrade::Publisher(Box::new(SocketPublisher(intake))))),
            None => (receive(request, intake).await, None),
        })
    }

    fn not_taken(&self, why: NotTaken) -> Refusal {
        match why {
            NotTaken::Configured => CONFIGURED,
            NotTaken::Taken => TAKEN,
            NotTaken::Later => LATER,
            NotTaken::Full => {
                self.state.refusals.note(Limit::Publishers);
                Refusal(StatusCode::SERVICE_UNAVAILABLE, Limit::Publishers.reached())
            }
        }
    }
}

async fn receive(request: &mut Request, mut intake: Intake) -> Answer {
    let end = loop {
        match intake.next(request.piece()).await {
            Ok(Some(Ok(piece))) => {
                intake.came(piece.len());
                if let Err(end) = intake.give(piece).await {
                    break end;
                }
            }
            // One that breaks off has still sent what came before.
            Ok(Some(Err(_)) | None) => break End::Told(intake.finish().await),
            Err(end) => break end,
        }
    };
    let (status, text) = match end {
        End::Told(Ok(())) => (StatusCode::OK, "published".into()),
        End::Told(Err(UploadError::NotUnderstood(why))) => (StatusCode::BAD_REQUEST, why),
        End::Told(Err(UploadError::Failed(why))) => (StatusCode::SERVICE_UNAVAILABLE, why),
        End::Silent => return SILENT.into(),
        End::Over(Ended::Revoked) => (StatusCode::FORBIDDEN, "you may no longer send this stream".into()),
        End::Over(ended) => (StatusCode::FORBIDDEN, ended.to_string()),
    };
    let body = Reply::whole(text + "\n");
    let mut answer = respond(status, body, HeaderValue::from_static("text/plain; charset=utf-8"), NO_STORE);
    if status != StatusCode::OK && request.head.version < Version::HTTP_2 {
        // What of the body has not come is not waited for.
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

fn wrong_method() -> Answer {
    let mut answer = Answer::from(METHOD);
    answer.headers_mut().insert(header::ALLOW, METHODS);
    answer
}
