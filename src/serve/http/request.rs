//! A request as routes get it: its head, who asks, and a body that is read as far as its route allows, in the time that it allows.

use super::answer::{Moved, Refusal};
use super::base_path::{BasePath, Inside};
use super::forwarded;
use super::head::{self, SingleHeader};
use crate::serve::net::proxies::Proxies;
use crate::serve::net::socket::Peer;
use bytes::{Bytes, BytesMut};
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderName};
use hyper::http::request::Parts;
use std::borrow::Cow;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

/// A request, and who asks.
pub struct Request {
    pub head: Parts,
    /// The viewer, as far as trusted proxies know.
    pub peer: Peer,
    /// It came over TLS.
    pub secure: bool,
    /// A proxy that is trusted has sent it.
    pub by_proxy: bool,
    /// In its normal form, without the base path.
    pub path: String,
    body: Incoming,
}

/// The body cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than its route allows.
    TooLarge,
    /// It has not come in the time that its route allows.
    TimedOut,
    /// It has not come whole.
    Broken,
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Refusal {
        match error {
            BodyError::TooLarge => Refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
            BodyError::TimedOut => Refusal(StatusCode::REQUEST_TIMEOUT, "the body has not come in time"),
            BodyError::Broken => Refusal(StatusCode::BAD_REQUEST, "the body is not whole"),
        }
    }
}

impl Request {
    /// `peer`: the other end of the connection; `secure`: that speaks TLS.
    ///
    /// # Errors
    /// It is for the base path without its slash: to there it has to go.
    pub fn new(
        request: hyper::Request<Incoming>,
        (peer, secure): (Peer, bool),
        proxies: &Proxies,
        base: &BasePath,
    ) -> Result<Request, Moved> {
        let (head, body) = request.into_parts();
        let path = head::normal_path(head.uri.path());
        let path = match base.inside(&path) {
            Inside::Path(path) => path.to_owned(),
            Inside::NoSlash => return Err(Moved(head.uri.query().map_or_else(|| base.last(), |query| format!("{}?{query}", base.last())))),
        };
        let (by_proxy, peer) = (proxies.trust(peer), forwarded::viewer(&head.headers, peer, proxies));
        Ok(Request { head, peer, secure, by_proxy, path, body })
    }

    /// The client came over TLS, to here or as a proxy that is trusted says.
    pub fn is_https(&self) -> bool {
        self.secure || self.by_proxy && forwarded::is_https(&self.head.headers)
    }

    /// It asks for a WebSocket (RFC 6455, section 4.1).
    pub fn wants_websocket(&self) -> bool {
        head::list(&self.head.headers, header::UPGRADE).any(|protocol| protocol.eq_ignore_ascii_case("websocket"))
    }

    /// A header that may stand there once.
    pub fn given(&self, name: HeaderName) -> SingleHeader<'_> {
        SingleHeader::of(&self.head.headers, name)
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Result<Option<Cow<'_, str>>, Refusal> {
        let query = self.head.uri.query().unwrap_or_default();
        head::parameter(query, name).map_err(|_| Refusal(StatusCode::BAD_REQUEST, "the query is not understood: write % as %25"))
    }

    /// The length of the body, if it is said before.
    pub fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next piece of a body of any length; `None`: that was all.
    pub async fn piece(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            match poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await? {
                // The other frames are trailers.
                Ok(frame) => match frame.into_data() {
                    Ok(data) => return Some(Ok(data)),
                    Err(_) => continue,
                },
                Err(_) => return Some(Err(BodyError::Broken)),
            }
        }
    }

    /// The body, of at most `limit` bytes, if it comes within `time`. One that says that it is larger is not waited for; of one that does not
    /// say it, no more is kept.
    pub async fn body(&mut self, limit: usize, time: Duration) -> Result<Bytes, BodyError> {
        if self.body.size_hint().lower() > limit as u64 {
            return Err(BodyError::TooLarge);
        }
        tokio::time::timeout(time, self.whole(limit)).await.unwrap_or(Err(BodyError::TimedOut))
    }

    async fn whole(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let mut whole = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await {
            // The other frames are trailers.
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            if data.len() > limit - whole.len() {
                return Err(BodyError::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::http::answer::{Answer, empty};
    use hyper::server::conn::http1;
    use hyper_util::rt::TokioIo;
    use std::cell::Cell;
    use std::convert::Infallible;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LIMIT: usize = 6;
    const TIME: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_millis(10);
    const SIX: &str = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 6\r\n\r\n";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// What the route gets of a request that comes in these pieces, and all that is answered.
    async fn exchange(pieces: &[&str]) -> (Result<Bytes, BodyError>, String) {
        let (mut client, server) = tokio::io::duplex(4096);
        let got = Cell::new(None);
        let service = hyper::service::service_fn(async |request| {
            let request = Request::new(request, (Peer::Local, false), &Proxies::default(), &BasePath::default());
            let body = request.unwrap().body(LIMIT, TIME).await;
            got.set(Some(body.clone()));
            Ok::<Answer, Infallible>(body.map_or_else(|error| Refusal::from(error).into(), |_| empty(StatusCode::OK)))
        });
        let serving = async { http1::Builder::new().serve_connection(TokioIo::new(server), service).await };
        let asking = async {
            for piece in pieces {
                // The answer may have come, and the end of the connection with it.
                if client.write_all(piece.as_bytes()).await.is_err() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (_, answer) = tokio::join!(serving, asking);
        (got.take().unwrap(), answer)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_body_in_pieces_is_one() {
        for pieces in [
            &[&format!("{SIX}abcdef")[..]][..],
            &[SIX, "ab", "c", "def"],
            &[CHUNKED, "2\r\nab\r\n", "4\r\nc", "def\r\n", "0\r\n\r\n"],
            &[CHUNKED, "6\r\nabcdef\r\n0\r\nTrailer: x\r\n\r\n"],
        ] {
            let (body, answer) = exchange(pieces).await;
            assert_eq!(body.as_deref(), Ok(&b"abcdef"[..]), "{pieces:?}");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        let (body, _) = exchange(&["POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]).await;
        assert_eq!(body.as_deref(), Ok(&b""[..]), "none at all");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn too_large_is_413_and_not_waited_for() {
        let large = SIX.replace("6", "7");
        let expecting = large.replace("Host: a", "Host: a\r\nExpect: 100-continue");
        for pieces in [&[&large[..]][..], &[&expecting], &[CHUNKED, "4\r\nabcd\r\n", "3\r\nefg\r\n"], &[CHUNKED, "7\r\nabcdefg\r\n"]] {
            let (body, answer) = exchange(pieces).await;
            assert_eq!(body, Err(BodyError::TooLarge), "{pieces:?}");
            assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close"), "{answer}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn slow_is_408() {
        for pieces in [&[SIX][..], &[SIX, "abc"], &[CHUNKED, "2\r\nab\r\n"]] {
            let (body, answer) = exchange(pieces).await;
            assert_eq!(body, Err(BodyError::TimedOut), "{pieces:?}");
            assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close"), "{answer}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_is_no_body_is_not_taken_for_one() {
        let (body, _) = exchange(&[CHUNKED, "2\r\nab\r\n", "no size\r\n"]).await;
        assert_eq!(body, Err(BodyError::Broken));
    }
}
