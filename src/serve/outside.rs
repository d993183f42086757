//! An outside judge: an HTTP service that is asked who may watch. A thread of its own asks it, and remembers its answers for a while.
//!
//! It is asked by POST with a JSON object, and answers by its status: 2xx allows, 401 and 403 deny. With anything else, or nothing within the time,
//! it has not answered, and that is not remembered. Of several who ask the same at the same time, one question is asked for all.

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};

/// Questions that wait for their turn, and those that are being asked. A viewer needs one or two, and a page of all streams one for each.
const QUEUE: usize = 1024;
const AT_ONCE: usize = 64;
/// So long the service has for its answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// Answers that are remembered.
const MOST: usize = 4096;

/// Where the service is: `http://HOST[:PORT]/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthUrl {
    host: String,
    port: u16,
    /// Path and query.
    target: String,
}

/// The text is no such address. It may have a secret in it, and is not part of this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected http://HOST[:PORT]/PATH; a service elsewhere is reached through a proxy on this machine")]
pub struct AuthUrlError;

impl FromStr for AuthUrl {
    type Err = AuthUrlError;

    fn from_str(text: &str) -> Result<AuthUrl, AuthUrlError> {
        let uri: Uri = text.parse().map_err(|_| AuthUrlError)?;
        let authority = uri.authority().filter(|authority| uri.scheme_str() == Some("http") && !authority.as_str().contains('@'));
        let authority = authority.ok_or(AuthUrlError)?;
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(AuthUrl { host: authority.host().to_owned(), port: authority.port_u16().unwrap_or(80), target })
    }
}

/// What is asked. It is never printed.
#[derive(Serialize)]
pub struct Question<'a> {
    /// What is to be done: a right, such as `view`.
    pub action: &'a str,
    pub stream: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    /// Of the viewer; empty over a Unix socket.
    pub address: String,
    /// By HTTP Basic.
    pub user: &'a str,
    pub password: &'a str,
    /// A bearer token, or that of a link.
    pub token: &'a str,
    /// All cookies, as they came.
    pub cookie: &'a str,
}

/// What the service says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    /// 401: with other credentials, perhaps.
    NeedsCredentials,
    /// 403.
    Forbidden,
    /// It has not answered, or cannot be asked now.
    Unknown,
}

struct Job {
    place: Place,
    json: Vec<u8>,
    done: oneshot::Sender<Verdict>,
}

/// The SHA-256 of a question: what is remembered has no password in it.
type Place = [u8; 32];

/// The way to the thread, which ends when this is dropped.
#[derive(Debug)]
pub struct OutsideJudge(mpsc::Sender<Job>);

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

impl OutsideJudge {
    /// `kept`: how long an answer holds.
    ///
    /// # Errors
    /// No thread, or no file descriptors for its runtime.
    pub fn start(url: AuthUrl, kept: Duration) -> io::Result<OutsideJudge> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let run = move || LocalSet::new().block_on(&runtime, run(url, kept, queue));
        std::thread::Builder::new().name("auth-url".into()).spawn(run)?;
        Ok(OutsideJudge(jobs))
    }

    pub async fn ask(&self, question: &Question<'_>) -> Verdict {
        let json = serde_json::to_vec(question).unwrap_or_default();
        let (done, verdict) = oneshot::channel();
        let job = Job { place: Sha256::digest(&json).into(), json, done };
        if self.0.try_send(job).is_err() {
            return Verdict::Unknown;
        }
        verdict.await.unwrap_or(Verdict::Unknown)
    }
}

async fn run(url: AuthUrl, kept: Duration, mut queue: mpsc::Receiver<Job>) {
    let mut answers = Answers { kept, known: HashMap::new() };
    let mut waiting: HashMap<Place, Vec<oneshot::Sender<Verdict>>> = HashMap::new();
    let mut asked = JoinSet::new();
    let mut silent = false;
    loop {
        tokio::select! {
            job = queue.recv(), if asked.len() < AT_ONCE => {
                let Some(Job { place, json, done }) = job else { return };
                if let Some(verdict) = answers.find(&place, Instant::now()) {
                    _ = done.send(verdict);
                    continue;
                }
                match waiting.entry(place) {
                    Entry::Occupied(others) => others.into_mut().push(done),
                    Entry::Vacant(entry) => {
                        entry.insert(vec![done]);
                        let url = url.clone();
                        asked.spawn_local(async move {
                            (place, tokio::time::timeout(PATIENCE, post(&url, json)).await.unwrap_or(Err("it has not answered in time".into())))
                        });
                    }
                }
            }
            Some(Ok((place, answer))) = asked.join_next() => {
                let verdict = answer.unwrap_or_else(|why| {
                    if !std::mem::replace(&mut silent, true) {
                        tracing::warn!("--auth-url: {why}; until it answers, viewers get status 503");
                    }
                    Verdict::Unknown
                });
                if verdict != Verdict::Unknown {
                    if std::mem::take(&mut silent) {
                        tracing::info!("--auth-url: it answers again");
                    }
                    answers.add(place, verdict, Instant::now());
                }
                for done in waiting.remove(&place).into_iter().flatten() {
                    _ = done.send(verdict);
                }
            }
        }
    }
}

/// Answers that still hold.
struct Answers {
    kept: Duration,
    known: HashMap<Place, (Verdict, Instant)>,
}

impl Answers {
    fn find(&self, place: &Place, now: Instant) -> Option<Verdict> {
        self.known.get(place).filter(|(_, ends)| now < *ends).map(|(verdict, _)| *verdict)
    }

    fn add(&mut self, place: Place, verdict: Verdict, now: Instant) {
        if self.known.len() >= MOST {
            self.known.retain(|_, (_, ends)| now < *ends);
        }
        // One that is not remembered is asked for again.
        if self.known.len() < MOST {
            self.known.insert(place, (verdict, now + self.kept));
        }
    }
}

/// One question on a connection of its own.
async fn post(url: &AuthUrl, json: Vec<u8>) -> Result<Verdict, String> {
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let socket = TcpStream::connect((host, url.port)).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(|error| error.to_string())?;
    let mut request = Request::new(Whole(Some(json.into())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.target.parse().map_err(|_| "its path is no path".to_owned())?;
    let headers = request.headers_mut();
    let authority = HeaderValue::try_from(format!("{}:{}", url.host, url.port)).map_err(|_| "its host is no host".to_owned())?;
    for (name, value) in [
        (header::HOST, authority),
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONNECTION, HeaderValue::from_static("close")),
    ] {
        headers.insert(name, value);
    }
    // The connection is driven as long as the head of the answer has not come; its body says nothing.
    let answer: hyper::Response<Incoming> = tokio::select! {
        answer = sender.send_request(request) => answer.map_err(|error| error.to_string())?,
        Err(error) = connection => return Err(error.to_string()),
        else => return Err("it has closed the connection".into()),
    };
    match answer.status() {
        status if status.is_success() => Ok(Verdict::Allowed),
        StatusCode::UNAUTHORIZED => Ok(Verdict::NeedsCredentials),
        StatusCode::FORBIDDEN => Ok(Verdict::Forbidden),
        status => Err(format!("it answers with status {}", status.as_u16())),
    }
}

/// A body from memory.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let url = |text: &str| text.parse::<AuthUrl>().map(|url| format!("{} {} {}", url.host, url.port, url.target));
        assert_eq!(url("http://127.0.0.1:9000/auth?x=1").as_deref(), Ok("127.0.0.1 9000 /auth?x=1"));
        assert_eq!(url("http://[::1]").as_deref(), Ok("[::1] 80 /"));
        for wrong in ["", "auth", "/auth", "https://host/", "ftp://host/", "http://", "http://user:s3cret@host/", "http://a b/"] {
            assert_eq!(url(wrong), Err(AuthUrlError), "{wrong}");
        }
    }

    #[test]
    fn answers_hold_for_a_while() {
        let (mut answers, now) = (Answers { kept: Duration::from_secs(5), known: HashMap::new() }, Instant::now());
        answers.add([1; 32], Verdict::Forbidden, now);
        assert_eq!(answers.find(&[1; 32], now + Duration::from_millis(4999)), Some(Verdict::Forbidden));
        assert_eq!((answers.find(&[1; 32], now + Duration::from_secs(5)), answers.find(&[2; 32], now)), (None, None));
        for n in 0..5000_u32 {
            let mut place = [0; 32];
            place[..4].copy_from_slice(&n.to_be_bytes());
            answers.add(place, Verdict::Allowed, now);
        }
        assert_eq!(answers.known.len(), MOST);
    }
}
